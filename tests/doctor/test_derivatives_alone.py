"""A file's derivatives alone, of activations and losses, are looked at beside its layers; and what is given labels and writes no loss."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import assert_line_is_told, assert_right

SOURCE = """
import numpy as np

class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, grad):
        return grad * (1 - self.out ** 2)

def leaky_relu(x, alpha=0.01):
    return np.where(x > 0, x, alpha * x)

def leaky_relu_derivative(x, alpha=0.01):
    return np.where(x > 0, 1, alpha)

def mse(y_true, y_pred):
    return np.mean((y_true - y_pred) ** 2)

def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / y_true.size

def cross_entropy(p, y):
    return -np.sum(y * np.log(p)) / len(y)

def cross_entropy_derivative(p, y):
    return (p - y) / len(y)
"""

RECURRENT = """
import numpy as np

class RNN:
    def __init__(self, word_dim, hidden_dim=100, bptt_truncate=4):
        self.word_dim, self.hidden_dim, self.bptt_truncate = word_dim, hidden_dim, bptt_truncate
        self.U = np.random.randn(hidden_dim, word_dim)
        self.V = np.random.randn(word_dim, hidden_dim)
        self.W = np.random.randn(hidden_dim, hidden_dim)
    def forward_propagation(self, x):
        T = len(x)
        s = np.zeros((T + 1, self.hidden_dim))
        o = np.zeros((T, self.word_dim))
        for t in range(T):
            s[t] = np.tanh(self.U[:, x[t]] + self.W @ s[t - 1])
            e = np.exp(self.V @ s[t])
            o[t] = e / e.sum()
        return [o, s]
    def bptt(self, x, y):
        T = len(y)
        o, s = self.forward_propagation(x)
        dLdU, dLdV, dLdW = np.zeros(self.U.shape), np.zeros(self.V.shape), np.zeros(self.W.shape)
        delta_o = o
        delta_o[np.arange(len(y)), y] -= 1.0
        for t in range(T)[::-1]:
            dLdV += np.outer(delta_o[t], s[t])
            delta_t = self.V.T @ delta_o[t] * (1 - s[t] ** 2)
            for step in range(max(0, t - self.bptt_truncate), t + 1)[::-1]:
                dLdW += np.outer(delta_t, s[step - 1])
                dLdU[:, x[step]] += delta_t
                delta_t = self.W.T @ delta_t * (1 - s[step - 1] ** 2)
        return [dLdU, dLdV, dLdW]
"""

CLASSES_FIRST = """
import numpy as np

def cross_entropy_forward(logits, y):
    n = y.shape[0]
    shifted = logits - np.max(logits, axis=0, keepdims=True)
    logp = shifted - np.log(np.sum(np.exp(shifted), axis=0, keepdims=True))
    return -np.sum(logp[y, np.arange(n)]) / n, (logp, y)

def cross_entropy_backward(cache):
    logp, y = cache
    n = y.shape[0]
    dlogits = np.exp(logp)
    dlogits[y, np.arange(n)] -= 1
    return dlogits / n
"""

GATE = """
import numpy as np

class AddGate:
    def forward(self, X, b):
        return X + b
    def backward(self, X, b, dZ):
        db = np.dot(np.ones((1, dZ.shape[0])), dZ)
        return db, dZ * np.ones_like(X)
"""

RIGHT = {"derivatives": (SOURCE, 4), "recurrent": (RECURRENT, 1), "classes first": (CLASSES_FIRST, 1), "a gate": (GATE, 1)}

FAULTS = [
    (SOURCE, "np.where(x > 0, 1, alpha)", "np.where(x > 0, 1, 0)"),
    (SOURCE, "2 * (y_pred - y_true)", "2 * (y_true - y_pred)"),
    (SOURCE, "(p - y) / len(y)", "(p - y)"),
    (RECURRENT, "s[step - 1])\n", "s[step])\n"),
    (CLASSES_FIRST, "return dlogits / n", "return dlogits"),
    (GATE, "np.dot(np.ones((1, dZ.shape[0])), dZ)", "np.dot(np.ones((1, dZ.shape[0])), dZ) / len(dZ)"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_each_is_found_and_right(name: str) -> None:
    assert_right(*RIGHT[name])


@pytest.mark.long
@pytest.mark.parametrize(("source", "right", "wrong"), FAULTS, ids=[f[2].strip() for f in FAULTS])
def test_of_each_the_wrong_line_is_found(source: str, right: str, wrong: str) -> None:
    faults = assert_line_is_told(source, source.replace(right, wrong))
    assert all(f.what or f.mend for f in faults)


def test_of_a_cross_entropy_p_minus_y_is_the_gradient_by_what_the_softmax_was_given_and_that_is_said() -> None:
    (found,) = [f for f in visited(SOURCE) if f.name == "cross_entropy"]
    assert found.right
    assert any("softmax was given" in note for note in found.notes)
