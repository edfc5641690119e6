"""The doctor reads what people publish: layers made in two steps, of images, lists of gradients, networks that run forward themselves."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

A_LIST_WITHIN = """
import numpy as np

class Mixer:
    def __init__(self, width, units):
        self.w = np.random.randn(width, units)
        self.b = np.zeros((1, units))
        self.params = [self.w, self.b]

    def forward(self, x):
        self.x = x
        return self.x @ self.w + self.b

    def backward(self, dout):
        dw = self.x.T @ dout
        db = np.sum(dout, axis=0)
        dx = dout @ self.w.T
        return dx, [dw, db]
"""

TOLD_LATER = """
import copy
import numpy as np

class Part:
    def tell_shape(self, shape):
        self.shape_in = shape

class Mixer(Part):
    def __init__(self, units, shape_in=None):
        self.units = units
        self.shape_in = shape_in
        self.K = None
        self.s = None

    def initialize(self, optimizer):
        self.K = np.random.uniform(-1, 1, (self.shape_in[0], self.units))
        self.s = np.zeros((1, self.units))
        self.of_K, self.of_s = copy.copy(optimizer), copy.copy(optimizer)

    def forward_pass(self, X, training=True):
        self.seen = X
        return X.dot(self.K) + self.s

    def backward_pass(self, accum_grad):
        K = self.K
        grad_K = self.seen.T.dot(accum_grad)
        grad_s = accum_grad.sum(axis=0, keepdims=True)
        self.K = self.of_K.update(self.K, grad_K)
        self.s = self.of_s.update(self.s, grad_s)
        return accum_grad.dot(K.T)
"""

AN_IMAGE = """
import numpy as np

class MeanPool2D:
    def __init__(self, in_shape, pool_size, stride=2):
        self.depth, self.height, self.width = in_shape
        self.pool, self.stride = pool_size, stride
        self.rows = (self.height - pool_size) / stride + 1
        if not self.rows.is_integer():
            raise ValueError("there is a rest")

    def forward(self, X):
        n = self.pool
        self.h, self.v = X.shape[2] // n, X.shape[3] // n
        return X.reshape(X.shape[0], X.shape[1], self.h, n, self.v, n).mean(axis=(3, 5))

    def backward(self, eta):
        n = self.pool
        return np.repeat(np.repeat(eta, n, axis=2), n, axis=3) / (n * n)
"""

A_DICT_TO_FILL = """
import numpy as np

class Mixer:
    def __init__(self, in_dim, out_dim, name="mixer"):
        self.name = name
        self.own = {f"{name}/W": np.random.randn(in_dim, out_dim), f"{name}/b": np.zeros(out_dim)}

    def forward(self, x):
        return x @ self.own[f"{self.name}/W"] + self.own[f"{self.name}/b"], {}

    def backward(self, x, cache, backwards_gradient, gradients):
        del cache
        gradients[f"{self.name}/W"] = x.T @ backwards_gradient
        gradients[f"{self.name}/b"] = backwards_gradient.sum(axis=0)
        return backwards_gradient @ self.own[f"{self.name}/W"].T
"""

RUNS_FORWARD_ITSELF = """
import numpy as np

def squash(z):
    return 1 / (1 + np.exp(-z))

class Net:
    def __init__(self, sizes):
        self.count = len(sizes)
        self.biases = [np.random.randn(m, 1) for m in sizes[1:]]
        self.weights = [np.random.randn(m, n) for n, m in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = squash(w @ a + b)
        return a

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        seen = [x]
        for b, w in zip(self.biases, self.weights):
            seen.append(squash(w @ seen[-1] + b))
        delta = (seen[-1] - y) * seen[-1] * (1 - seen[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = delta @ seen[-2].T
        for l in range(2, self.count):
            delta = (self.weights[-l + 1].T @ delta) * seen[-l] * (1 - seen[-l])
            nabla_b[-l] = delta
            nabla_w[-l] = delta @ seen[-l - 1].T
        return nabla_b, nabla_w
"""

THROUGH_TIME = """
import numpy as np

class Recurrent:
    def __init__(self, input_dims, state_dims, output_dims, truncate):
        self.truncate = truncate
        self.state_dims = state_dims
        self.U = np.random.randn(state_dims, input_dims)
        self.R = np.random.randn(state_dims, state_dims)
        self.S = np.random.randn(output_dims, state_dims)

    def feedforward(self, steps):
        h = np.zeros((len(steps) + 1, self.state_dims))
        p = []
        for t in range(len(steps)):
            h[t] = np.tanh(self.U @ steps[t] + self.R @ h[t - 1])
            e = np.exp(self.S @ h[t])
            p.append(e / e.sum())
        return np.array(p), h

    def bptt(self, x, y):
        p, h = self.feedforward(x)
        dLdS, dLdR, dLdU = np.zeros_like(self.S), np.zeros_like(self.R), np.zeros_like(self.U)
        error = p - y
        for t in range(len(x))[::-1]:
            dLdS += np.outer(error[t], h[t])
            inner = (self.S.T @ error[t]) * (1 - h[t] ** 2)
            for back in range(max(0, t - self.truncate), t + 1)[::-1]:
                dLdR += np.outer(inner, h[back - 1])
                dLdU += np.outer(inner, x[back])
                inner = (self.R.T @ inner) * (1 - h[back - 1] ** 2)
        return dLdS, dLdR, dLdU
"""

COST_OF_ITS_OWN_SIZES = """
import numpy as np

class Net:
    def __init__(self):
        self.n, self.h, self.o = 2, 3, 1
        self.W1 = np.random.randn(self.n, self.h)
        self.W2 = np.random.randn(self.h, self.o)

    def forward(self, X):
        self.z2 = X @ self.W1
        self.a2 = np.tanh(self.z2)
        return self.a2 @ self.W2

    def costFunction(self, X, y):
        self.guess = self.forward(X)
        return 0.5 * sum((y - self.guess) ** 2)

    def costFunctionPrime(self, X, y):
        self.guess = self.forward(X)
        delta3 = -(y - self.guess)
        dJdW2 = self.a2.T @ delta3
        delta2 = (delta3 @ self.W2.T) * (1 - self.a2 ** 2)
        dJdW1 = X.T @ delta2
        return dJdW1, dJdW2
"""

FROM_A_TEACHER = """
import numpy as np

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

class TeacherLoss:
    def loss(self, pred, teacher_prob):
        return -np.sum(teacher_prob * np.log(softmax(pred))) / len(pred)

    def grad(self, pred, teacher_prob):
        return (softmax(pred) - teacher_prob) / len(pred)
"""

FROM_ABOVE = """
import numpy as np

class Bend:
    def forward(self, X):
        return np.tanh(X)

    def backward(self, X, top_diff):
        out = self.forward(X)
        return (1.0 - np.square(out)) * top_diff
"""

COUNTED = """
import functools
import numpy as np

def mix_forward(x, w):
    return x @ w, (x, w)

def mix_backward(dout, cache):
    x, w = cache
    rows = functools.reduce(lambda a, b: a * b, x.shape[:-1], 1)
    dw = x.reshape(rows, -1).T @ dout
    dx = dout @ w.T
    return dx, dw
"""

KINDS = {
    "a function within a line": (COUNTED, "dw = x.reshape(rows, -1).T @ dout", "dw = x.reshape(rows, -1).T @ dout / rows"),
    "from above": (FROM_ABOVE, "(1.0 - np.square(out)) * top_diff", "(1.0 - out) * top_diff"),
    "a list within": (A_LIST_WITHIN, "dw = self.x.T @ dout", "dw = 2 * self.x.T @ dout"),
    "told later": (TOLD_LATER, "return accum_grad.dot(K.T)", "return -accum_grad.dot(K.T)"),
    "an image": (AN_IMAGE, "/ (n * n)", "/ n"),
    "a dict to fill": (A_DICT_TO_FILL, "backwards_gradient.sum(axis=0)", "backwards_gradient.mean(axis=0)"),
    "runs forward itself": (RUNS_FORWARD_ITSELF, "nabla_w[-l] = delta @ seen[-l - 1].T", "nabla_w[-l] = -delta @ seen[-l - 1].T"),
    "through time": (THROUGH_TIME, "dLdS += np.outer(error[t], h[t])", "dLdS = np.outer(error[t], h[t])"),
    "of its own sizes": (COST_OF_ITS_OWN_SIZES, "delta3 = -(y - self.guess)", "delta3 = y - self.guess"),
    "from a teacher": (FROM_A_TEACHER, "(softmax(pred) - teacher_prob)", "(teacher_prob - softmax(pred))"),
}


@pytest.mark.parametrize("name", KINDS)
def test_right_code_that_is_published_so_is_read_and_right(name: str) -> None:
    (finding,) = visited(KINDS[name][0])
    assert finding.right, finding
    assert finding.gradients


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_wrong_code_that_is_published_so_is_wrong_in_its_line(name: str) -> None:
    source, right, wrong = KINDS[name]
    line = next(i for i, text in enumerate(source.splitlines(), 1) if right in text)
    (finding,) = visited(source.replace(right, wrong))
    assert [f.line for f in finding.faults] == [line]
    assert finding.faults[0].mend or finding.faults[0].what


ENGINE = """
import math

class Node:
    def __init__(self, data, before=()):
        self.data, self.grad, self.before = data, 0.0, before
        self._backward = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Node) else Node(other)
        out = Node(self.data + other.data, (self, other))
        def _backward():
            self.grad += out.grad
            other.grad += out.grad
        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Node) else Node(other)
        out = Node(self.data * other.data, (self, other))
        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out

    def __pow__(self, power):
        assert isinstance(power, (int, float))
        out = Node(self.data ** power, (self,))
        def _backward():
            self.grad += power * self.data ** (power - 1) * out.grad
        out._backward = _backward
        return out

    def log(self):
        x = self.data
        out = Node(math.log(x), (self,))
        def _backward():
            self.grad += out.grad / x
        out._backward = _backward
        return out
"""


def test_every_operation_of_an_engine_is_examined() -> None:
    found = list(visited(ENGINE))
    assert [f.name for f in found] == ["Node.__add__", "Node.__mul__", "Node.__pow__", "Node.log"]
    assert all(f.right for f in found)
    assert [g.value for g in found[1].gradients] == ["self.data", "other.data"]


@pytest.mark.parametrize(
    ("right", "wrong", "of"),
    [
        ("self.grad += other.data * out.grad", "self.grad += self.data * out.grad", "Node.__mul__"),
        ("self.grad += power * self.data ** (power - 1) * out.grad", "self.grad += power * self.data ** power * out.grad", "Node.__pow__"),
        ("self.grad += out.grad / x", "self.grad += out.grad * x", "Node.log"),
        ("other.grad += self.data * out.grad", "other.grad = self.data * out.grad", "Node.__mul__"),
    ],
)
def test_a_wrong_operation_of_an_engine_is_wrong_in_its_line_and_mended(right: str, wrong: str, of: str) -> None:
    line = next(i for i, text in enumerate(ENGINE.splitlines(), 1) if right in text)
    (finding,) = [f for f in visited(ENGINE.replace(right, wrong)) if not f.right]
    assert (finding.name, [f.line for f in finding.faults]) == (of, [line])
    mend = finding.faults[0].mend
    assert mend is not None
    assert mend.before == wrong


FIRST_ALONE = """
import numpy as np

class Guess:
    def __init__(self, n, m):
        self.w, self.b = np.random.randn(n, m), np.zeros(m)

    def forward(self, x):
        self.x = x
        self.e = np.exp(x @ self.w + self.b)
        return self.e / self.e.sum()

    def backprop(self, dout, rate):
        for i, g in enumerate(dout):
            if g == 0:
                continue
            s = self.e.sum()
            dz = -self.e[i] * self.e / s ** 2
            dz[i] = self.e[i] * (s - self.e[i]) / s ** 2
            dz = g * dz
            dx = self.w @ dz
            self.w -= rate * np.outer(self.x, dz)
            self.b -= rate * dz
            return dx
"""

HANDED_ON = """
import numpy as np

class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / np.sum(e, axis=1, keepdims=True)

    def backward(self, dout):
        return dout
"""


@pytest.mark.parametrize(("source", "said"), [(FIRST_ALONE, "one label"), (HANDED_ON, "hands on what it is given")])
def test_what_is_right_only_with_its_loss_is_right_and_that_is_said(source: str, said: str) -> None:
    (finding,) = visited(source)
    assert finding.right
    assert said in " ".join(finding.notes)
