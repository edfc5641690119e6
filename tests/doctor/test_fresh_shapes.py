"""Files of learners that were read wrongly, or not at all, each once: right ones are not accused, and what is wrong is seen."""

from __future__ import annotations

import ast

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import assert_line_is_told

BESIDE_A_LOSS = """
def huber(pred, target, delta=1.0):
    r = pred - target
    return np.sum(np.where(np.abs(r) <= delta, 0.5 * r * r, delta * (np.abs(r) - 0.5 * delta)))

def huber_grad(pred, target, delta=1.0):
    r = pred - target
    return np.clip(r, -delta, delta)

def focal_loss(p, y, gamma=2.0):
    pt = np.where(y == 1, p, 1 - p)
    return -np.mean((1 - pt) ** gamma * np.log(pt))
"""

OF_TWO_LOGITS = """
def d_loss(real_logits, fake_logits):
    real = np.mean(np.log1p(np.exp(-real_logits)))
    fake = np.mean(np.log1p(np.exp(fake_logits)))
    return real + fake

def d_loss_grad(real_logits, fake_logits):
    d_real = (1 / (1 + np.exp(-real_logits)) - 1) / len(real_logits)
    d_fake = 1 / (1 + np.exp(-fake_logits)) / len(fake_logits)
    return d_real, d_fake
"""

DATA_IN_THE_FILE = """
X = np.random.RandomState(0).randn(30, 3)
Y = np.sin(X.sum(1, keepdims=True))

def loss(params):
    h = np.tanh(X @ params['W1'] + params['b1'])
    pred = h @ params['W2'] + params['b2']
    return np.mean((pred - Y) ** 2)

def grad(params):
    h = np.tanh(X @ params['W1'] + params['b1'])
    pred = h @ params['W2'] + params['b2']
    dpred = 2 * (pred - Y) / len(X)
    dz = dpred @ params['W2'].T * (1 - h ** 2)
    return {'W1': X.T @ dz, 'b1': dz.sum(0), 'W2': h.T @ dpred, 'b2': dpred.sum(0)}
"""

NUMBER_BY_NUMBER = """
import math

def predict(w, b, x):
    s = b
    for wi, xi in zip(w, x):
        s += wi * xi
    return 1 / (1 + math.exp(-s))

def loss(w, b, x, y):
    p = predict(w, b, x)
    return -(y * math.log(p) + (1 - y) * math.log(1 - p))

def gradient(w, b, x, y):
    p = predict(w, b, x)
    dw = [(p - y) * xi for xi in x]
    db = p - y
    return dw, db
"""

MARGINS = """
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= num_pos
    dx /= N
    return loss, dx
"""

ROUND_BY_ROUND = """
def svm_loss_naive(W, X, y, reg):
    dW = np.zeros(W.shape)
    loss = 0.0
    for i in range(X.shape[0]):
        scores = X[i].dot(W)
        for j in range(W.shape[1]):
            if j == y[i]:
                continue
            margin = scores[j] - scores[y[i]] + 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    loss /= X.shape[0]
    dW /= X.shape[0]
    loss += reg * np.sum(W * W)
    dW = dW + 2 * reg * W
    return loss, dW
"""

WORDS = """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def loss_and_gradient(center_vec, outside_idx, outside_vectors, negatives):
    z = sigmoid(np.dot(outside_vectors[outside_idx], center_vec))
    loss = -np.log(z)
    indices = [outside_idx] + negatives
    grad_center_vec = outside_vectors[outside_idx] * (z - 1.0)
    grad_outside_vectors = np.zeros(outside_vectors.shape)
    grad_outside_vectors[outside_idx] += center_vec * (z - 1.0)
    for k in negatives:
        z = sigmoid(np.dot(outside_vectors[k], center_vec))
        loss -= np.log(1.0 - z)
        grad_outside_vectors[k] += center_vec * z
        grad_center_vec += outside_vectors[k] * z
    return loss, grad_center_vec, grad_outside_vectors
"""

HANDED_ON = """
def encode(x, params):
    return np.tanh(x @ params['W_enc'] + params['b_enc'])

def forward(x, params):
    h = encode(x, params)
    return h @ params['W_out'], (x, h)

def backward(dy, cache, params):
    x, h = cache
    dz = dy @ params['W_out'].T * (1 - h ** 2)
    return {'W_out': h.T @ dy, 'W_enc': x.T @ dz, 'b_enc': dz.sum(0)}
"""

FUNCTION_WITHIN = """
class LogSoftmax:
    @staticmethod
    def forward(ctx, input):
        def logsumexp(x):
            c = x.max(axis=1)
            return c + np.log(np.exp(x - c.reshape((-1, 1))).sum(axis=1))
        output = input - logsumexp(input).reshape((-1, 1))
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        output, = ctx.saved_tensors
        return grad_output - np.exp(output) * grad_output.sum(axis=1).reshape((-1, 1))
"""

SHAPE_BESIDE = """
def global_avg_forward(x):
    return x.mean(axis=(2, 3)), x.shape

def global_avg_backward(dout, shape):
    N, C, H, W = shape
    return np.broadcast_to(dout[:, :, None, None], shape) / (H * W)
"""

NO_DATA = """
import gzip, pickle
with gzip.open('mnist.pkl.gz') as f:
    X_train, y_train = pickle.load(f)
n_in = X_train.shape[1]
W1 = np.random.randn(n_in, 30) * 0.01
W2 = np.random.randn(30, 10) * 0.01

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def forward(X):
    z1 = X @ W1
    a1 = np.maximum(z1, 0)
    return z1, a1, softmax(a1 @ W2)

def backward(X, Y, z1, a1, probs):
    dz2 = (probs - Y) / X.shape[0]
    dW2 = a1.T @ dz2
    dz1 = (dz2 @ W2.T) * (z1 > 0)
    dW1 = X.T @ dz1
    return dW1, dW2
"""

WINDOWS_OF_WORDS = """
class NGram:
    def __init__(self, V, d, n, H):
        self.C = np.random.randn(V, d) * 0.1
        self.W1 = np.random.randn(n * d, H) * 0.1

    def forward(self, Xb):
        self.Xb = Xb
        self.emb = self.C[Xb]
        self.embcat = self.emb.reshape(Xb.shape[0], -1)
        self.h = np.tanh(self.embcat @ self.W1)
        return self.h

    def backward(self, dh):
        dz = (1.0 - self.h**2) * dh
        dW1 = self.embcat.T @ dz
        demb = (dz @ self.W1.T).reshape(self.emb.shape)
        dC = np.zeros_like(self.C)
        np.add.at(dC, self.Xb, demb)
        return {'C': dC, 'W1': dW1}
"""

CASES = {
    "a loss beside that takes no part": (BESIDE_A_LOSS, "-delta, delta)\n", "-delta, delta) / len(r)\n"),
    "a gradient called like a value on the way": (OF_TWO_LOGITS, "1 / (1 + np.exp(-fake_logits)) /", "-1 / (1 + np.exp(-fake_logits)) /"),
    "data that stand in the file": (DATA_IN_THE_FILE, "(1 - h ** 2)", "(1 - h) ** 2"),
    "one example, number by number": (NUMBER_BY_NUMBER, "db = p - y", "db = (p - y) * p * (1 - p)"),
    "a gradient that is filled where a mask is": (MARGINS, "-= num_pos", "-= 1"),
    "a loop that ends rounds": (ROUND_BY_ROUND, "dW[:, y[i]] -= X[i]", "dW[:, y[i]] += X[i]"),
    "a list of rows that are meant": (WORDS, "[k] += center_vec * z", "[k] = center_vec * z"),
    "entries that a function beside reads": (HANDED_ON, "dz.sum(0)", "dz.mean(0)"),
    "a function within a static method": (FUNCTION_WITHIN, "np.exp(output) *", "output *"),
    "a shape that is returned beside": (SHAPE_BESIDE, "/ (H * W)", "/ (N * H * W)"),
    "weights that could not be made": (NO_DATA, "dW2 = a1.T", "dW2 = z1.T"),
    "sizes of one letter": (WINDOWS_OF_WORDS, "(1.0 - self.h**2)", "(1.0 - self.h)"),
}


SLOW = ("data that stand in the file", "weights that could not be made", "a loop that ends rounds")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] if n in SLOW else []) for n in CASES])
def test_right_is_called_right_and_a_fault_is_found_in_its_line(name: str) -> None:
    """Both as a user would have them looked at; the reading was wrong of each of these files once."""
    right, old, new = CASES[name]
    assert right.count(old) == 1
    found = list(visited(right))
    assert found
    assert all(f.right and not f.trouble for f in found), "\n".join(map(str, found))
    wrong = right.replace(old, new)
    faults = assert_line_is_told(right, wrong)
    assert all(f.what or f.mend for f in faults)


def test_a_list_of_one_letter_sizes_leaves_arrays_alone() -> None:
    """W0 of self.W0 = W0 is an array, and V of np.random.randn(V, d) a size."""
    from experiments.doctor.numbers.uses import made_of

    (init,) = ast.parse("def __init__(self, W, V, d):\n    self.W = W\n    self.C = np.random.randn(V, d)").body
    assert isinstance(init, ast.FunctionDef)
    assert made_of(init) == {"V", "d"}
