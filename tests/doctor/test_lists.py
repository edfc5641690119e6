"""Networks whose weights are lists, filled from the end, turned when they are returned; and a loss that runs forward itself."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

NET = """
import numpy as np

class Net:
    def __init__(self, sizes):
        self.{weights} = [np.random.randn(n, m) for n, m in zip(sizes[:-1], sizes[1:])]
        self.{biases} = [np.zeros(m) for m in sizes[1:]]

    def forward(self, x):
        self.seen = [x]
        for V, c in zip(self.{weights}, self.{biases}):
            x = np.tanh(x @ V + c)
            self.seen.append(x)
        return x
{loss}
    def backward(self, {given}):
        {first}
        {of_weights}, {of_biases} = [], []
        for l in reversed(range(len(self.{weights}))):
            back = back * (1 - self.seen[l + 1] ** 2)
            {of_weights}.{fill}self.seen[l].T @ back)
            {of_biases}.{fill}back.sum(axis=0))
            back = back @ self.{weights}[l].T
        return {returned}
"""

LOSS = """
    def loss(self, x, y):
        return 0.5 * np.sum((self.forward(x) - y) ** 2)
"""

NAMES = {"weights": "weights", "biases": "biases", "of_weights": "grad_weights", "of_biases": "grad_biases", "loss": "", "given": "back"}
TURNED = {**NAMES, "first": "pass", "fill": "append(", "returned": "grad_weights[::-1], grad_biases[::-1]"}
LISTED = {**TURNED, "returned": "list(reversed(grad_weights)), list(reversed(grad_biases))"}
INSERTED = {
    "weights": "W",
    "biases": "b",
    "of_weights": "dW",
    "of_biases": "db",
    "loss": LOSS,
    "given": "x, y",
    "first": "back = self.forward(x) - y",
    "fill": "insert(0, ",
    "returned": "dW, db",
}
SOURCES = {"turned": NET.format(**TURNED), "listed": NET.format(**LISTED), "inserted": NET.format(**INSERTED)}


@pytest.mark.parametrize("name", SOURCES)
def test_every_weight_of_a_list_has_its_gradient(name: str) -> None:
    (found,) = visited(SOURCES[name])
    assert found.right, found
    assert len(found.gradients) >= 6
    assert len({g.shape for g in found.gradients}) == len(found.gradients)


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_wrong_in_its_loop_is_named(name: str) -> None:
    (found,) = visited(SOURCES[name].replace("(1 - self.seen[l + 1] ** 2)", "(1 - self.seen[l + 1])"))
    (fault,) = found.faults
    assert fault.text.startswith("back = back * (1 - ")
    assert fault.mend is not None
    assert fault.mend.after == "back = back * (1 - self.seen[l + 1] ** 2)"


NEURON = """
import numpy as np

class Neuron:
    def __init__(self, n):
        self.w, self.b = np.zeros(n), 0.0

    def loss(self, X, y):
        p = 1 / (1 + np.exp(-(X @ self.w + self.b)))
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    def gradient(self, X, y):
        p = 1 / (1 + np.exp(-(X @ self.w + self.b)))
        return X.T @ (p - y) / len(y), {bias}
"""


@pytest.mark.parametrize(("bias", "right"), [("np.mean(p - y)", True), ("np.sum(p - y)", False)])
def test_the_bias_of_one_neuron_is_a_plain_number(bias: str, right: bool) -> None:
    (found,) = visited(
        NEURON.format(bias=bias).replace("return X.T", "dw = X.T").replace(f", {bias}", f"\n        db = {bias}\n        return dw, db")
    )
    assert found.right is right, found
    assert {g.value for g in found.gradients} == {"self.w", "self.b"}


NUMBERED = """
import numpy as np

def deep_forward(X, Y, params):
    depth, A, saved = len(params) // 2, X, []
    for l in range(1, depth + 1):
        before, V, c = A, params["W" + str(l)], params["b" + str(l)]
        Z = V @ before + c
        A = np.tanh(Z) if l < depth else 1 / (1 + np.exp(-Z))
        saved.append((before, V, A))
    m = Y.shape[1]
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    return cost, A, saved

def deep_backward(A, Y, saved):
    grads, m = dict(), A.shape[1]
    dZ = A - Y
    for l in reversed(range(len(saved))):
        before, V, out = saved[l]
        if l < len(saved) - 1:
            dZ = {back}
        grads["dW" + str(l + 1)] = dZ @ before.T / m
        grads["db" + str(l + 1)] = dZ.sum(axis=1, keepdims=True) / m
        dA = V.T @ dZ
    return grads
"""


@pytest.mark.parametrize(("back", "right"), [("dA * (1 - out ** 2)", True), ("dA * (1 - out)", False)])
def test_layers_that_are_numbered_in_a_dict(back: str, right: bool) -> None:
    (found,) = visited(NUMBERED.format(back=back))
    assert found.right is right, found
    assert len({g.shape for g in found.gradients}) == len(found.gradients) == 4
    assert right or found.faults[0].text.startswith("dZ = dA")


ARGUMENTS = """
import numpy as np

def deep(x, y, Ws, bs):
    a, seen = x, [x]
    for {each}:
        a = np.tanh(a @ {W} + {b})
        seen.append(a)
    return ((a - y) ** 2).mean(), a, seen

def deep_backward(x, y, Ws, bs, a, seen):
    dWs, dbs = [None] * len(Ws), [None] * len(Ws)
    back = 2 * (a - y) / a.size
    for l in reversed(range(len(Ws))):
        dz = back * {slope}
        dWs[l] = seen[l].T @ dz
        dbs[l] = dz.sum(axis=0)
        back = dz @ Ws[l].T
    return dWs, dbs
"""
EACH = {"each": "W, b in zip(Ws, bs)", "W": "W", "b": "b"}
BY_NUMBER = {"each": "l in range(len(Ws))", "W": "Ws[l]", "b": "bs[l]"}


@pytest.mark.parametrize("way", [EACH, BY_NUMBER])
@pytest.mark.parametrize(("slope", "right"), [("(1 - seen[l + 1] ** 2)", True), ("(1 - seen[l + 1])", False)])
def test_an_argument_that_is_a_list_of_weights(way: dict[str, str], slope: str, right: bool) -> None:
    (found,) = visited(ARGUMENTS.format(slope=slope, **way))
    assert found.right is right, found
    assert {g.value for g in found.gradients} == {"Ws[1]", "bs[1]", "Ws[0]", "bs[0]"}
    assert right or found.faults[0].text.startswith("dz = ")
