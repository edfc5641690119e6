"""Gradients in dicts: within a tuple, within each other, over several lines; and what a function that learns as it goes returns."""

from __future__ import annotations

import ast

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

BESIDE = """
import numpy as np

def cell_forward(x, h_prev, params):
    Wx, Uh, bh = params["Wx"], params["Uh"], params["bh"]
    h = np.tanh(x @ Wx + h_prev @ Uh + bh)
    return h, (x, h_prev, h, params)

def cell_backward(dh, cache):
    x, h_prev, h, params = cache
    da = dh * (1 - h ** 2)
    grads = {
        "Wx": x.T @ da,
        "Uh": h_prev.T @ da,
        "bh": da.sum(0),
    }
    return da @ params["Wx"].T, da @ params["Uh"].T, grads
"""

NESTED = """
import numpy as np

def forward(params, x):
    a0 = np.tanh(x @ params["layer0"]["w"] + params["layer0"]["b"])
    return a0 @ params["layer1"]["w"] + params["layer1"]["b"], (x, a0)

def loss(out, y):
    return 0.5 * np.sum((out - y) ** 2) / len(y)

def backward(params, cache, out, y):
    x, a0 = cache
    dout = (out - y) / len(y)
    grads = {"layer1": {"w": a0.T @ dout, "b": dout.sum(axis=0)}}
    da0 = dout @ params["layer1"]["w"].T
    dz0 = da0 * (1 - a0 ** 2)
    grads["layer0"] = {"w": x.T @ dz0, "b": dz0.sum(axis=0)}
    return grads
"""

LEARNING = """
import numpy as np

def train_step(X, y, W1, b1, W2, b2, lr=0.1, lam=0.01):
    m = X.shape[0]
    Z1 = X.dot(W1) + b1
    A1 = np.maximum(0, Z1)
    A2 = 1 / (1 + np.exp(-(A1.dot(W2) + b2)))
    loss = -np.sum(y * np.log(A2) + (1 - y) * np.log(1 - A2)) / m + lam / 2 * (np.sum(W1 ** 2) + np.sum(W2 ** 2))
    dZ2 = (A2 - y) / m
    dW2 = A1.T.dot(dZ2) + lam * W2
    db2 = dZ2.sum(axis=0)
    dZ1 = dZ2.dot(W2.T) * (Z1 > 0)
    dW1 = X.T.dot(dZ1) + lam * W1
    db1 = dZ1.sum(axis=0)
    W1 -= lr * dW1
    b1 = b1 - lr * db1
    W2 -= lr * dW2
    b2 = b2 - lr * db2
    return loss, W1, b1, W2, b2
"""

MASKED = """
import numpy as np

def mf_loss(P, Q, R, M, lam):
    E = M * (R - P @ Q.T)
    return 0.5 * np.sum(E ** 2) + 0.5 * lam * (np.sum(P ** 2) + np.sum(Q ** 2))

def mf_grad(P, Q, R, M, lam):
    E = M * (R - P @ Q.T)
    dP = -E @ Q + lam * P
    dQ = -E.T @ P + lam * Q
    return dP, dQ
"""

PICKED = """
import numpy as np

def td_forward(q, actions, r, q_next, done, gamma=0.9):
    n = len(actions)
    td = q[np.arange(n), actions] - (r + gamma * (1 - done) * q_next.max(axis=1))
    return 0.5 * np.mean(td ** 2), (q, actions, td)

def td_backward(cache):
    q, actions, td = cache
    dq = np.zeros_like(q)
    n = len(actions)
    dq[np.arange(n), actions] = td / n
    return dq
"""

DATACLASS = """
from __future__ import annotations
import argparse
from dataclasses import dataclass, field
import numpy as np

parser = argparse.ArgumentParser()
args = parser.parse_args()

@dataclass
class Linear:
    n_in: int
    n_out: int
    weight: np.ndarray = field(init=False)
    _x: np.ndarray | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.weight = np.random.randn(self.n_out, self.n_in)

    def forward(self, x):
        self._x = x
        return x @ self.weight.T

    def backward(self, grad):
        self.grad_weight = grad.T @ self._x
        return grad @ self.weight
"""

SOURCES = {"beside": BESIDE, "nested": NESTED, "learning": LEARNING, "masked": MASKED, "picked": PICKED, "dataclass": DATACLASS}

FAULTS = [
    (BESIDE, '"Uh": h_prev.T @ da', '"Uh": h_prev.T @ dh'),
    (NESTED, '"b": dz0.sum(axis=0)', '"b": dz0.mean(axis=0)'),
    (NESTED, "(1 - a0 ** 2)", "(1 - a0)"),
    (LEARNING, "A1.T.dot(dZ2) + lam * W2", "A1.T.dot(dZ2)"),
    (MASKED, "-E.T @ P + lam * Q", "-E.T @ P"),
    (PICKED, "= td / n", "= td"),
    (DATACLASS, "grad.T @ self._x", "grad.T @ self._x / len(grad)"),
]


@pytest.mark.parametrize("name", SOURCES)
def test_each_is_found_and_right(name: str) -> None:
    (found,) = visited(SOURCES[name])
    assert found.right, str(found)


@pytest.mark.parametrize(("source", "right", "wrong"), FAULTS, ids=[f[2] for f in FAULTS])
def test_of_each_the_wrong_line_is_found(source: str, right: str, wrong: str) -> None:
    bad = source.replace(right, wrong)
    line = changed_line(source, bad)
    (found,) = visited(bad)
    (fault,) = found.faults
    around = {n.lineno for n in ast.walk(ast.parse(bad)) if isinstance(n, ast.Assign) and n.lineno <= line <= (n.end_lineno or 0)}
    assert fault.line in {line, *around}, str(found)  # a statement over several lines is mended as a whole
