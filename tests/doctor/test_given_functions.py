"""A layer is made with functions that its object holds: it is judged by right ones, and a wrong one is found where it stands."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

ACTIVATION = """
import numpy as np

class ActivationLayer:
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime
    def forward_propagation(self, input_data):
        self.input = input_data
        self.output = self.activation(self.input)
        return self.output
    def backward_propagation(self, output_error, learning_rate):
        return self.activation_prime(self.input) * output_error

def tanh(x):
    return np.tanh(x)

def tanh_prime(x):
    return 1 - np.tanh(x) ** 2
"""

INHERITING = (
    ACTIVATION
    + """
class Sigmoid(ActivationLayer):
    def __init__(self):
        def sigmoid(x):
            return 1 / (1 + np.exp(-x))
        def sigmoid_prime(x):
            s = sigmoid(x)
            return s * (1 - s)
        super().__init__(sigmoid, sigmoid_prime)
"""
)

NETWORK = """
import numpy as np

class Network:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_in, n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out)
    def act(self, z):
        return z / (1 + np.exp(-z))
    def act_derivative(self, z):
        s = 1 / (1 + np.exp(-z))
        return s + z * s * (1 - s)
    def forward(self, X):
        self.X = X
        self.z1 = X @ self.W1
        self.h = self.act(self.z1)
        return self.h @ self.W2
    def backward(self, dout):
        self.dW2 = self.h.T @ dout
        dz1 = dout @ self.W2.T * self.act_derivative(self.z1)
        self.dW1 = self.X.T @ dz1
        return dz1 @ self.W1.T
"""

FAULTS = [
    (ACTIVATION, "self.activation_prime(self.input) * output_error", "self.activation_prime(self.output) * output_error"),
    (INHERITING, "return s * (1 - s)", "return s * (s - 1)"),
    (ACTIVATION, "return 1 - np.tanh(x) ** 2", "return 1 + np.tanh(x) ** 2"),
    (NETWORK, "return s + z * s * (1 - s)", "return s - z * s * (1 - s)"),
]


@pytest.mark.parametrize(("source", "many"), [(ACTIVATION, 2), (INHERITING, 3), (NETWORK, 1)])
def test_each_is_found_and_right(source: str, many: int) -> None:
    found = list(visited(source))
    assert len(found) == many
    assert all(f.right for f in found), "\n".join(map(str, found))


@pytest.mark.parametrize(("source", "right", "wrong"), FAULTS, ids=[f[2] for f in FAULTS])
def test_a_wrong_one_is_found_where_it_stands_and_mended(source: str, right: str, wrong: str) -> None:
    bad = source.replace(right, wrong)
    line = changed_line(source, bad)
    faults = [fault for f in visited(bad) for fault in f.faults]
    assert {f.line for f in faults} == {line}
    assert all(f.mend for f in faults)
