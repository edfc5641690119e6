"""Layers that a net calls: a net is not accused of what is wrong in them; and heads, whose arrays of four axes are no images."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

NET = """
import numpy as np

class Squash:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y
    def backward(self, dy):
        return dy * (1 - self.y{power})

class Scale:
    def __init__(self, n):
        self.w = np.random.randn(n)
    def forward(self, x):
        self.x = x
        return x * self.w
    def backward(self, dy):
        self.dw = (dy * self.x).sum(axis=0)
        return dy * self.w

class Chain:
    def __init__(self, parts):
        self.parts = parts
    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x
    def backward(self, dy):
        for part in reversed(self.parts):
            dy = part.backward(dy)
        return dy

chain = Chain([Scale(4), Squash()])
"""

HEADS = """
import numpy as np

def mix_forward(x, Wq, Wk, n_heads):
    N, T, D = x.shape
    size = D // n_heads
    q = (x @ Wq).reshape(N, T, n_heads, size).transpose(0, 2, 1, 3)
    k = (x @ Wk).reshape(N, T, n_heads, size).transpose(0, 2, 1, 3)
    score = q @ k.transpose(0, 1, 3, 2)
    return score, (x, q, k, n_heads)

def mix_backward(dscore, cache):
    x, q, k, n_heads = cache
    N, T, D = x.shape
    dq = dscore @ k
    dk = {turned} @ q
    flat = x.reshape(-1, D)
    dWq = flat.T @ dq.transpose(0, 2, 1, 3).reshape(-1, D)
    dWk = flat.T @ dk.transpose(0, 2, 1, 3).reshape(-1, D)
    return dWq, dWk
"""

STATE = """
import numpy as np

def walk_forward(x, h0, V, W):
    N, T, D = x.shape
    h, seen = h0, []
    out = np.zeros((N, T, h0.shape[1]))
    for t in range(T):
        before = h
        h = np.tanh(x[:, t] @ V + h @ W)
        out[:, t] = h
        seen.append((x[:, t], before, h, V, W))
    return out, seen

def walk_backward(dout, seen):
    N, T, H = dout.shape
    V, W = seen[0][3], seen[0][4]
    dx, dV, dW = np.zeros((N, T, len(V))), np.zeros_like(V), np.zeros_like(W)
    dh = np.zeros((N, H))
    for t in reversed(range(T)):
        xt, before, h, V, W = seen[t]
        da = (dout[:, t] + dh) * (1 - h ** 2)
        dx[:, t] = da @ V.T
        dV += xt.T @ da
        dW += before.T @ da
        dh = {back} @ W.T
    return dx, dh, dV, dW
"""


@pytest.mark.parametrize("power", [" ** 2", ""])
def test_a_net_has_what_is_wrong_from_its_layers(power: str) -> None:
    found = {of.name: of for of in visited(NET.format(power=power))}
    right = bool(power)
    assert found["Scale"].right
    assert found["Squash"].right is right
    assert found["Chain"].right is right
    assert not found["Chain"].faults
    assert right or "as long as Squash is" in found["Chain"].notes[-1]


@pytest.mark.parametrize(("turned", "right"), [("dscore.transpose(0, 1, 3, 2)", True), ("dscore", False)])
def test_heads_are_no_images(turned: str, right: bool) -> None:
    (found,) = visited(HEADS.format(turned=turned))
    assert found.right is right, found
    assert right or found.faults[0].line == 16


@pytest.mark.parametrize(("back", "right"), [("da", True), pytest.param("dout[:, t]", False, marks=pytest.mark.long)])
def test_a_part_of_a_gradient_in_the_place_of_another(back: str, right: bool) -> None:
    (found,) = visited(STATE.format(back=back))
    assert found.right is right, found
    if not right:
        (fault,) = found.faults
        assert fault.mend is not None
        assert fault.mend.after == "dh = da @ W.T"
