"""A mend is written with the names that the file has: the entry of its cache, the other function of its object; a wrong mask is told."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.doctor.visit import visited
from experiments.judge.operands import masks

CACHE = """
class Model:
    def __init__(self, D, H):
        self.W1 = np.random.randn(D, H)
        self.W2 = np.random.randn(H, D)
    def forward(self, X):
        c = {}
        c['X'] = X
        c['Z1'] = X @ self.W1
        c['A1'] = np.maximum(0.01 * c['Z1'], c['Z1'])
        self.cache = c
        return c['A1'] @ self.W2
    def backward(self, dout):
        c = self.cache
        self.dW2 = c['A1'].T @ dout
        dA1 = dout @ self.W2.T
        dZ1 = dA1 * np.where(c['Z1'] > 0, 1, 0.01)
        self.dW1 = c['X'].T @ dZ1
        return dZ1 @ self.W1.T
"""

FUNCTIONS = """
class Activation:
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime
    def forward(self, input):
        self.input = input
        return self.activation(self.input)
    def backward(self, output_gradient):
        return np.multiply(output_gradient, self.activation_prime(self.input))

class Tanh(Activation):
    def __init__(self):
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
"""

KEPT = """
class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask
    def backward(self, dy):
        return dy * self.mask
"""


@pytest.mark.parametrize(
    ("right", "old", "new", "mend"),
    [
        (CACHE, "np.where(c['Z1'] > 0", "np.where(dA1 > 0", "np.where(c['Z1'] > 0"),
        (FUNCTIONS, "self.activation_prime(self.input))", "self.activation(self.input))", "self.activation_prime(self.input)"),
        (KEPT, "dy * self.mask", "dy * (dy > 0)", "self.mask"),
    ],
)
def test_the_mend_has_the_names_of_the_file(right: str, old: str, new: str, mend: str) -> None:
    assert right.count(old) == 1
    assert all(f.right for f in visited(right))
    found = list(visited(right.replace(old, new)))
    (fault,) = found[0].faults
    assert fault.mend is not None
    assert mend in fault.mend.after
    assert not any("right by itself" in str(f) for f in found)  # what inherits a line says whose it is, and nothing else


def test_a_mask_by_another_sign_is_told_and_no_other() -> None:
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, 7, 5))
    said = list(masks(g * (g > 0), g * (x > 0), {"x": x}, {"g": g}))
    assert said == ["masked where g is not above 0, and must be where x is not"]
    assert not list(masks(2 * g * (g > 0), g * (x > 0), {"x": x}, {"g": g}))
    assert not list(masks(g, g * (x > 0), {"x": x}, {"g": g}))


NUMBERED = """
class Twice:
    def __init__(self):
        setattr(self, '0', np.tanh)
    def forward(self, x):
        self.y = getattr(self, '0')(x)
        return self.y
    def backward(self, dL_dy):
        dL_dy = dL_dy * 1.0
        return dL_dy
"""


def test_an_attribute_that_is_no_name_is_no_name_for_a_mend_and_what_is_handed_on_is_said() -> None:
    """A container of layers keeps them under '0', '1'; a gradient that is a copy of itself is one that nothing was done with."""
    (finding,) = visited(NUMBERED)
    assert finding.trouble is None
    assert not finding.right
    assert finding.faults
    assert all(f.what != f"a copy of {f.label}" for f in finding.faults)
