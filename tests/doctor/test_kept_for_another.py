"""A gradient that is added to that of another parameter."""

from __future__ import annotations

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

LAYER = """
import numpy as np

class Parameter:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)

class Gate:
    def __init__(self, features, units):
        self.W = Parameter(np.random.randn(features, units))
        self.a = Parameter(np.random.randn(units))
        self.b = Parameter(np.random.randn(units))

    def forward(self, x):
        self.x = x
        self.y = np.tanh(x @ self.W.data + self.a.data + 3 * self.b.data)
        return self.y

    def backward(self, dy):
        dz = dy * (1 - self.y ** 2)
        self.W.grad += self.x.T @ dz
        self.a.grad += dz.sum(axis=0)
        self.b.grad += 3 * dz.sum(axis=0)
        return dz @ self.W.data.T
"""


def test_a_gradient_that_is_kept_for_another_parameter_is_given_to_its_own() -> None:
    assert all(f.right for f in visited(LAYER))
    wrong = LAYER.replace("self.b.grad += 3", "self.a.grad += 3")
    (found,) = visited(wrong)
    (fault,) = found.faults
    assert fault.line == changed_line(LAYER, wrong)
    assert fault.mend
    assert fault.mend.after == "self.b.grad += 3 * dz.sum(axis=0)"
