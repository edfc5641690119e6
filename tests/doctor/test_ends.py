"""A backward that ends in an exception: the doctor says in which line, and not that no shapes were found."""

from __future__ import annotations

import pytest

from experiments.doctor.reading.patient import Unreadable
from experiments.doctor.visit import visited

KEPT = """import numpy as np
class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)
    def forward(self, x):
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(0)
        return dout @ self.W.T
"""

RNN = """import numpy as np
def rnn_forward(xs, h0, Wx, Wh):
    hs = {-1: h0}
    for t in range(len(xs)):
        hs[t] = np.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)
    return hs[len(xs) - 1], (xs, hs, Wx, Wh)
def rnn_backward(dh, cache):
    xs, hs, Wx, Wh = cache
    dWx = np.zeros_like(Wx); dWh = np.zeros_like(Wh)
    for t in reversed(range(len(xs))):
        dz = dh * (1 - hs[t] ** 2)
        dWx += xs[t].T @ dz
        dWh += hs[t - 2].T @ dz
        dh = dz @ Wh.T
    return dWx, dWh, dh
"""

TURNED = """import numpy as np
def affine_forward(x, w, b):
    return x @ w + b, (x, w)
def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, np.concatenate([x, dout[:, :1]], axis=1) @ dout, dout.sum(axis=0)
"""


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [(KEPT, 9, "has no attribute 'x'"), (RNN, 13, "KeyError: -2"), (TURNED, 6, "the last size of the left factor")],
)
def test_the_line_is_named_at_which_a_backward_ends(source: str, line: int, said: str) -> None:
    try:
        (finding,) = visited(source)
        trouble = finding.trouble or ""
    except Unreadable as error:
        trouble = str(error)
    assert f"does not come beyond line {line}" in trouble
    assert said in trouble
