"""The doctor reads files of the kinds that strangers publish: each is right as it is, and wrong in the line in which it is changed."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

LOSS_AND_GRAD = """
import numpy as np

def mf_loss(U, V, R, mask, lam=0.1):
    err = mask * (R - U @ V.T)
    return 0.5 * np.sum(err ** 2) + 0.5 * lam * (np.sum(U ** 2) + np.sum(V ** 2))

def mf_grad(U, V, R, mask, lam=0.1):
    err = mask * (R - U @ V.T)
    dU = -err @ V + lam * U
    dV = -err.T @ U + lam * V
    return dU, dV
"""

SAYS_MORE = """
import numpy as np

def layernorm_forward(x, gamma, beta):
    std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    x_hat = (x - x.mean(axis=1, keepdims=True)) / std
    return gamma * x_hat + beta, (x_hat, gamma, std)

def layernorm_backward_alt(dout, cache):
    x_hat, gamma, std = cache
    D = dout.shape[1]
    dgamma = (dout * x_hat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dx_hat = dout * gamma
    dx = (D * dx_hat - dx_hat.sum(axis=1, keepdims=True) - x_hat * (dx_hat * x_hat).sum(axis=1, keepdims=True)) / (D * std)
    return dx, dgamma, dbeta
"""

ALL_IN_ONE_LOOP = """
import numpy as np

def softmax_loss_naive(W, X, y, reg):
    loss = 0.0
    dW = np.zeros_like(W)
    for i in range(X.shape[0]):
        scores = X[i].dot(W)
        p = np.exp(scores - np.max(scores)) / np.sum(np.exp(scores - np.max(scores)))
        loss += -np.log(p[y[i]])
        for j in range(W.shape[1]):
            if j == y[i]:
                dW[:, j] += (p[j] - 1) * X[i]
            else:
                dW[:, j] += p[j] * X[i]
    loss /= X.shape[0]
    dW /= X.shape[0]
    loss += reg * np.sum(W * W)
    dW += 2 * reg * W
    return loss, dW
"""

LIST_OF_PARAMETERS = """
import numpy as np

def loss_and_grad(params, X, Y):
    W1, b1, W2 = params
    A = np.tanh(X @ W1 + b1)
    D = A @ W2 - Y
    loss = (D * D).sum() / (2 * len(X))
    D = D / len(X)
    gW2 = A.T @ D
    D = D @ W2.T * (1 - A ** 2)
    gW1 = X.T @ D
    gb1 = D.sum(0)
    return loss, [gW1, gb1, gW2]
"""

KEEPS_ITS_OUTPUT = """
import numpy as np

class Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)
"""

INHERITED = """
import numpy as np

class Layer:
    def forward(self, input):
        raise NotImplementedError

class Activation(Layer):
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime

    def forward(self, input):
        self.input = input
        return self.activation(self.input)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, self.activation_prime(self.input))

class Tanh(Activation):
    def __init__(self):
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
"""

OUTSIDE = """
import numpy as np
W1 = np.random.randn(3, 5)
W2 = np.random.randn(5, 2)

def forward(X):
    global Z1, A1, Z2
    Z1 = X @ W1
    A1 = np.maximum(0.1 * Z1, Z1)
    Z2 = A1 @ W2
    return Z2

def mse(pred, target):
    return ((pred - target) ** 2).sum(axis=1).mean()

def backward(X, target):
    dZ2 = 2 * (Z2 - target) / len(X)
    dW2 = A1.T @ dZ2
    dZ1 = dZ2 @ W2.T
    dZ1[Z1 < 0] *= 0.1
    dW1 = X.T @ dZ1
    return dW1, dW2
"""

ONLY_STEPS = """
import numpy as np

def nonlin(x, deriv=False):
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
y = np.array([[0], [1], [1], [0]])
syn0 = 2 * np.random.random((3, 4)) - 1
syn1 = 2 * np.random.random((4, 1)) - 1
for j in range(6000):
    l1 = nonlin(np.dot(X, syn0))
    l2 = nonlin(np.dot(l1, syn1))
    l2_error = y - l2
    l2_delta = l2_error * nonlin(l2, deriv=True)
    l1_error = l2_delta.dot(syn1.T)
    l1_delta = l1_error * nonlin(l1, deriv=True)
    syn1 += l1.T.dot(l2_delta)
    syn0 += X.T.dot(l1_delta)
"""

BY_NAME = """
from collections import namedtuple
import numpy as np
Grads = namedtuple("Grads", "W b x")

def fwd(x, W, b):
    return np.log1p(np.exp(x @ W + b))

def bwd(x, W, b, g):
    gz = g / (1 + np.exp(-(x @ W + b)))
    return Grads(W=x.T @ gz, b=gz.sum(axis=0), x=gz @ W.T)
"""

LISTED_WIDTHS = """
import numpy as np

class Net:
    def __init__(self, layer_dims):
        self.params = {}
        self.n = len(layer_dims) - 1
        for i in range(self.n):
            self.params[f"W{i + 1}"] = np.random.randn(layer_dims[i], layer_dims[i + 1])

    def forward(self, x):
        self.a = [x]
        for i in range(self.n):
            self.a.append(np.tanh(self.a[-1] @ self.params[f"W{i + 1}"]))
        return self.a[-1]

    def backward(self, dout):
        grads = {}
        for i in range(self.n, 0, -1):
            dout = dout * (1 - self.a[i] ** 2)
            grads[f"W{i}"] = self.a[i - 1].T @ dout
            dout = dout @ self.params[f"W{i}"].T
        return grads
"""

KINDS = {  # source, right, wrong; the line with the difference is the one to be named
    "loss and grad": (LOSS_AND_GRAD, "-err.T @ U + lam * V", "-err.T @ U"),
    "a name that says more": (SAYS_MORE, "(dout * x_hat).sum(axis=0)", "(dout * x_hat).sum(axis=0) / D"),
    "all in one loop": (ALL_IN_ONE_LOOP, "dW += 2 * reg * W", "dW += reg * W"),
    "a list of parameters": (LIST_OF_PARAMETERS, "gb1 = D.sum(0)", "gb1 = D.mean(0)"),
    "a class that keeps its output": (KEEPS_ITS_OUTPUT, "np.dot(self.inputs.T, dvalues)", "np.dot(self.inputs.T, dvalues) / len(dvalues)"),
    "inherited": (INHERITED, "self.activation_prime(self.input)", "self.activation(self.input)"),
    "arrays outside": (OUTSIDE, "2 * (Z2 - target)", "3 * (Z2 - target)"),
    "only steps": (ONLY_STEPS, "l2_delta.dot(syn1.T)", "l2_error.dot(syn1.T)"),
    "by the names of a tuple": (BY_NAME, "gz = g /", "gz = -g /"),
    "a list of widths": (LISTED_WIDTHS, "(1 - self.a[i] ** 2)", "(1 - self.a[i])"),
}


@pytest.mark.parametrize("name", KINDS)
def test_right_code_of_this_kind_is_read_and_right(name: str) -> None:
    found = list(visited(KINDS[name][0]))
    assert found
    for finding in found:
        assert finding.trouble is None, finding.trouble
        assert finding.right, str(finding)
        assert finding.gradients


@pytest.mark.parametrize("name", KINDS)
def test_wrong_code_of_this_kind_is_wrong_in_its_line(name: str) -> None:
    source, right, wrong = KINDS[name]
    assert right in source
    changed = source.replace(right, wrong)
    line = changed_line(changed, source)
    found = list(visited(changed))
    assert not all(f.right for f in found)
    assert [fault.line for f in found for fault in f.faults] == [line], "\n".join(map(str, found))


WITHIN = """
import numpy as np

def affine_forward(x, w, b):
    return x.dot(w) + b, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), dout.sum(axis=0)

def relu_forward(x):
    return np.maximum(0, x), x

def relu_backward(dout, cache):
    return dout * (cache > 0)

def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)

def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    dx, dw, db = affine_backward(da, fc_cache)
    return dx, dw, db
"""


def test_a_function_that_calls_a_wrong_backward_is_wrong_by_that_and_has_no_line_of_its_own() -> None:
    affine, relu, both = visited(WITHIN.replace("x.T.dot(dout)", "x.T.dot(dout) / len(x)"))
    assert [f.line for f in affine.faults] == [9]
    assert relu.right
    assert not both.right
    assert both.faults == ()
    assert both.notes == ("It is wrong because affine_backward is, which it calls.",)
    affine, relu, both = visited(WITHIN.replace("da = relu_backward(dout, relu_cache)", "da = dout"))
    assert affine.right
    assert relu.right
    assert [f.line in (23, 24) for f in both.faults] == [True]


MARGIN = """
import numpy as np

def contrastive_forward(x1, x2, y, margin=1.0):
    diff = x1 - x2
    d = np.sqrt(np.sum(diff ** 2, axis=1) + 1e-12)
    loss = y * d ** 2 + (1 - y) * np.maximum(margin - d, 0) ** 2
    return loss.mean() / 2, (diff, d, y, margin)

def contrastive_backward(cache):
    diff, d, y, margin = cache
    dd = (y * d - (1 - y) * np.maximum(margin - d, 0)) / len(y)
    dx1 = dd[:, None] * diff / d[:, None]
    return dx1, -dx1
"""


def test_what_large_numbers_do_not_reach_is_looked_at_with_small_ones() -> None:
    (finding,) = visited(MARGIN)
    assert finding.right, str(finding)
    (finding,) = visited(MARGIN.replace("y * d - (1 - y)", "y * d + (1 - y)"))
    assert [f.line for f in finding.faults] == [12]
