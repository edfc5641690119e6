"""Pairs that stand otherwise than as two functions or two methods called forward and backward."""

from __future__ import annotations

import pytest

from tests.doctor.planted import assert_line_is_told, assert_right

STATIC = """
import numpy as np

class MatMul:
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, grad_output):
        x, w = ctx.saved_tensors
        return grad_output @ w.T, x.T @ grad_output

class Sigmoid:
    @staticmethod
    def forward(ctx, a):
        ctx.out = 1 / (1 + np.exp(-a))
        return ctx.out

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.out * (1 - ctx.out)
"""

OWN_CONTEXT = (
    """
class Context:
    def __init__(self, kept=()):
        self.kept = kept
    def save_for_backward(self, *values):
        self.kept = values
    @property
    def saved_tensors(self):
        return self.kept
"""
    + STATIC
)

PULLBACK = """
import numpy as np

def logsumexp(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    s = e.sum(axis=1, keepdims=True)
    return (x.max(axis=1, keepdims=True) + np.log(s))[:, 0], lambda g: g[:, None] * e / s

def linear(*, x, W, b):
    def pullback(dy):
        return {"x": dy @ W.T, "W": x.T @ dy, "b": dy.sum(0)}
    return x @ W + b, pullback
"""

KERAS = """
import numpy as np

class Dense:
    def __init__(self, units):
        self.units = units
    def build(self, input_shape):
        self.kernel = np.random.randn(input_shape[-1], self.units)
        self.bias = np.zeros((self.units,))
    def call(self, inputs):
        self.inputs = inputs
        return inputs @ self.kernel + self.bias
    def gradient(self, grad_output):
        self.kernel_grad = self.inputs.T @ grad_output
        self.bias_grad = np.sum(grad_output, axis=0)
        return grad_output @ self.kernel.T
"""

CALLED = """
import numpy as np

class Linear:
    def __init__(self, fan_in, fan_out):
        self.w = np.random.randn(fan_in, fan_out)
        self.b = np.zeros(fan_out)
    def __call__(self, x):
        self.x = x
        return x @ self.w + self.b
    def backward(self, grad):
        self.dw = self.x.T @ grad
        self.db = grad.sum(0)
        return grad @ self.w.T
"""

FRENCH = """
import numpy as np

class Sigmoide:
    def propagation(self, entree):
        self.sortie = 1 / (1 + np.exp(-entree))
        return self.sortie
    def retropropagation(self, grad_sortie):
        return grad_sortie * self.sortie * (1 - self.sortie)
"""

ENGINE = """
import numpy as np

class Tensor:
    def __init__(self, data, children=()):
        self.data, self.grad = np.asarray(data, float), 0.0
    def sum(self):
        out = Tensor(self.data.sum(), (self,))
        def _backward():
            self.grad += np.ones_like(self.data) * out.grad
        out._backward = _backward
        return out
"""

RIGHT = {
    "static": (STATIC, 2),
    "with a context of its own": (OWN_CONTEXT, 2),
    "pullback": (PULLBACK, 2),
    "Keras": (KERAS, 1),
    "called": (CALLED, 1),
    "French": (FRENCH, 1),
    "an engine": (ENGINE, 1),
}

FAULTS = [
    (STATIC, "return grad_output @ w.T, x.T @ grad_output", "return x.T @ grad_output, grad_output @ w.T"),
    (STATIC, "return grad_output * ctx.out", "return ctx.out"),
    (PULLBACK, "e / s\n", "e\n"),
    (PULLBACK, '"W": x.T @ dy', '"W": x.T @ dy / len(x)'),
    (KERAS, "= self.inputs.T", "= 2 * self.inputs.T"),
    (CALLED, "grad.sum(0)", "grad.sum()"),
    (FRENCH, "self.sortie * (1 - self.sortie)", "(1 - self.sortie)"),
    (ENGINE, " * out.grad\n", "\n"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_each_is_found_and_right(name: str) -> None:
    assert_right(*RIGHT[name])


@pytest.mark.parametrize(("source", "right", "wrong"), FAULTS, ids=[f[2].strip() for f in FAULTS])
def test_of_each_the_wrong_line_is_found(source: str, right: str, wrong: str) -> None:
    assert_line_is_told(source, source.replace(right, wrong))
