"""The gradient that a script starts with, between layers that are right: its sign and its factor are looked at too."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

SCRIPT = """
class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, grad, lr=0.01):
        gW = self.x.T @ grad
        gx = grad @ self.W.T
        self.W = self.W - lr * gW
        return gx

X = np.random.randn(64, 4)
y = X[:, :1] * X[:, 1:2]
network = [Dense(4, 16), Dense(16, 1)]
for epoch in range(20):
    out = X
    for layer in network:
        out = layer.forward(out)
    loss = np.mean((out - y) ** 2)
    grad = 2 * (out - y) / len(X)
    for layer in reversed(network):
        grad = layer.backward(grad, 0.05)
"""


@pytest.mark.parametrize("new", ["grad = 2 * (y - out) / len(X)", "grad = (out - y) / len(X)", "grad = 2 * (out - y)"])
def test_the_first_gradient_is_looked_at(new: str) -> None:
    wrong = SCRIPT.replace("grad = 2 * (out - y) / len(X)", new)
    (fault,) = [fault for f in visited(wrong) for fault in f.faults]
    assert fault.line == changed_line(SCRIPT, wrong)
    assert fault.text == new
    assert fault.mend is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("grad = 2", "grad = 2"),
        ("len(X)", "batch"),  # a number that stands elsewhere
        ("np.mean((out - y) ** 2)", "np.mean(np.abs(out - y))"),  # it may only be watched
        ("self.W = self.W - lr * gW", "self.W += lr * gW"),  # what goes back is then the negative gradient
        ("grad = 2 * (out - y) / len(X)", "dy = 2 * (out - y) / len(X)\n    grad = layer.backward(dy)"),
    ],
)
def test_what_is_right_or_cannot_be_told_is_not_accused(old: str, new: str) -> None:
    assert SCRIPT.count(old) == 1
    findings = list(visited(SCRIPT.replace(old, new)))
    assert not [fault for f in findings if f.name == "the loss" for fault in f.faults]
