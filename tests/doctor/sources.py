"""Forwards and backwards as people write them; all of them are right."""

CACHE = """
import numpy as np

def affine_forward(x, w, b):
    out = x @ w + b
    cache = (x, w, b)
    return out, cache

def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout @ w.T
    dw = x.T @ dout
    db = np.sum(dout, axis=0)
    return dx, dw, db
"""

CLASS = """
import numpy as np

class Layer:
    def __init__(self, inputs, outputs):
        self.W = np.random.randn(inputs, outputs)
        self.b = np.zeros(outputs)

    def forward(self, x):
        self.x = x
        self.z = x @ self.W + self.b
        self.a = np.tanh(self.z)
        return self.a

    def backward(self, grad_output):
        dz = grad_output * (1 - self.a ** 2)
        self.dW = self.x.T @ dz
        self.db = dz.sum(axis=0)
        return dz @ self.W.T
"""

NETWORK = """
import numpy as np

def forward(x, y, W1, b1, W2, b2):
    z1 = x @ W1 + b1
    h = np.maximum(z1, 0)
    z2 = h @ W2 + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.sum(y * np.log(p)) / len(x)
    return loss

def backward(x, y, z1, h, p, W2):
    n = len(x)
    grad_z2 = (p - y) / n
    grad_W2 = h.T @ grad_z2
    grad_b2 = grad_z2.sum(axis=0)
    grad_h = grad_z2 @ W2.T
    grad_z1 = grad_h * (z1 > 0)
    grad_W1 = x.T @ grad_z1
    grad_b1 = grad_z1.sum(axis=0)
    return {"W1": grad_W1, "b1": grad_b1, "W2": grad_W2, "b2": grad_b2}
"""

SCALED = """
import numpy as np

def forward(x, gamma, beta):
    s = np.sqrt((x ** 2).mean(axis=1, keepdims=True) + 1e-5)
    n = x / s
    out = n * gamma + beta
    return out

def backward(dout, x, s, n, gamma):
    dgamma = (dout * n).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dn = dout * gamma
    ds = -(dn * x / s ** 2).sum(axis=1, keepdims=True)
    dx = dn / s + ds * x / (s * x.shape[1])
    return dx, dgamma, dbeta
"""

WITH_LOSS = """
import numpy as np

def forward(x, w, b):
    y_hat = x @ w + b
    return y_hat

def mse(y_hat, y):
    return np.mean((y_hat - y) ** 2)

def backward(x, y, y_hat):
    dy_hat = 2 * (y_hat - y) / y_hat.size
    dw = x.T @ dy_hat
    db = dy_hat.sum(axis=0)
    return dw, db
"""

COLUMNS = """
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def forward_propagation(X, parameters):
    W1 = parameters['W1']
    b1 = parameters['b1']
    W2 = parameters['W2']
    b2 = parameters['b2']
    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)
    cache = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
    return A2, cache

def compute_cost(A2, Y):
    m = Y.shape[1]
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    cost = -(1 / m) * np.sum(logprobs)
    return np.squeeze(cost)

def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    W2 = parameters['W2']
    A1 = cache['A1']
    A2 = cache['A2']
    dZ2 = A2 - Y
    dW2 = (1 / m) * dZ2 @ A1.T
    db2 = (1 / m) * np.sum(dZ2, axis=1, keepdims=True)
    dA1 = W2.T @ dZ2
    dZ1 = dA1 * (1 - np.power(A1, 2))
    dW1 = (1 / m) * dZ1 @ X.T
    db1 = (1 / m) * np.sum(dZ1, axis=1, keepdims=True)
    grads = {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
    return grads
"""

ENTRIES = """
import numpy as np

def forward(params, x, y):
    cache = {}
    cache['z1'] = x @ params['W1'] + params['b1']
    cache['h'] = np.maximum(0, cache['z1'])
    cache['p'] = cache['h'] @ params['W2'] + params['b2']
    loss = 0.5 * np.sum((cache['p'] - y) ** 2) / len(x)
    return loss, cache

def backward(params, cache, x, y):
    grads = {}
    dp = (cache['p'] - y) / len(x)
    grads['W2'] = cache['h'].T @ dp
    grads['b2'] = dp.sum(axis=0)
    dh = dp @ params['W2'].T
    dh[cache['z1'] <= 0] = 0
    grads['W1'] = x.T @ dh
    grads['b1'] = dh.sum(axis=0)
    return grads
"""

RECURRENT = """
import numpy as np

def forward(x, Wx, Wh, b, h0):
    N, T, D = x.shape
    h = np.zeros((N, T, Wh.shape[0]))
    prev = h0
    for t in range(T):
        prev = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
        h[:, t] = prev
    return h, (x, Wx, Wh, h, h0)

def backward(dout, cache):
    x, Wx, Wh, h, h0 = cache
    N, T, H = h.shape
    dx = np.zeros_like(x)
    dWx = np.zeros_like(Wx)
    dWh = np.zeros_like(Wh)
    db = np.zeros(H)
    dnext = np.zeros((N, H))
    for t in reversed(range(T)):
        dh = dout[:, t] + dnext
        da = dh * (1 - h[:, t] ** 2)
        before = h[:, t - 1] if t > 0 else h0
        dWx += x[:, t].T @ da
        dWh += before.T @ da
        db += da.sum(axis=0)
        dx[:, t] = da @ Wx.T
        dnext = da @ Wh.T
    dh0 = dnext
    return dx, dWx, dWh, db, dh0
"""

CHARACTERS = """
import numpy as np

def forward(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = inputs[t]
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        ys[t] = Why @ hs[t] + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.sum(targets[t] * np.log(ps[t]))
    return loss, (xs, hs, ps)

def backward(cache, inputs, targets, Wxh, Whh, Why):
    xs, hs, ps = cache
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros(len(Whh)), np.zeros(len(Why))
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = ps[t] - targets[t]
        dWhy += np.outer(dy, hs[t])
        dby += dy
        dh = Why.T @ dy + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.outer(dhraw, xs[t])
        dWhh += np.outer(dhraw, hs[t - 1])
        dhnext = Whh.T @ dhraw
    return dWxh, dWhh, dWhy, dbh, dby
"""

LAYERS = """
import numpy as np

class Linear:
    def __init__(self, fan_in, fan_out):
        self.W = np.random.randn(fan_in, fan_out) * 0.01
        self.b = np.zeros(fan_out)
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.grads = {'W': self.x.T @ dout, 'b': dout.sum(axis=0)}
        return dout @ self.W.T

class ReLU:
    def forward(self, x):
        self.x = x
        return np.maximum(0, x)

    def backward(self, dout):
        dx = dout.copy()
        dx[self.x <= 0] = 0
        return dx

class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        dout *= self.out * (1 - self.out)
        return dout

class Network:
    def __init__(self, sizes_in, hidden, classes):
        self.layers = [Linear(sizes_in, hidden), ReLU(), Linear(hidden, classes), Sigmoid()]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
"""

ONE_OUTPUT = """
import numpy as np

def relu(n):
    return np.maximum(0, n).astype('float')

class Network:
    def __init__(self, input_size, hidden_size, output_size):
        self.W1 = np.random.randn(input_size, hidden_size) * 0.005
        self.b1 = np.zeros((1, hidden_size))
        self.W2 = np.random.randn(hidden_size, output_size) * 0.005
        self.b2 = np.zeros((1, output_size))

    def forward(self, x_train):
        z1 = np.dot(x_train, self.W1) + self.b1
        a1 = relu(z1)
        z2 = np.dot(a1, self.W2) + self.b2
        y_hat = relu(z2)
        cache = (z1, a1, z2, y_hat)
        return cache

    def backward(self, x_train, cache, y_train):
        z1, a1, z2, y_hat = cache
        m = x_train.shape[0]
        dL_dyhat = 2 * (y_hat - y_train) / m
        dL_dz2 = dL_dyhat * (z2 > 0)
        dL_dW2 = a1.T @ dL_dz2
        dL_db2 = np.sum(dL_dz2, axis=0, keepdims=True)
        dL_da1 = dL_dz2 @ self.W2.T
        dL_dz1 = dL_da1 * (z1 > 0)
        dL_dW1 = x_train.T @ dL_dz1
        dL_db1 = np.sum(dL_dz1, axis=0, keepdims=True)
        gradients = (dL_dW1, dL_db1, dL_dW2, dL_db2)
        return gradients

output_size = 1
for epoch in range(200):
    y_hat = network.forward(x_train)[3]
    loss = np.mean((y_hat - y_train) ** 2)
"""

SCRIPT = """
import numpy as np

N, D, H, O = 6, 5, 4, 3
x = np.random.randn(N, D)
y = np.random.randn(N, O)
w1 = np.random.randn(D, H)
w2 = np.random.randn(H, O)
lr = 1e-6
for t in range(500):
    h = x.dot(w1)
    h_relu = np.maximum(h, 0)
    y_pred = h_relu.dot(w2)
    loss = np.square(y_pred - y).sum()
    if t % 100 == 99:
        print(t, loss)
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h_relu.T.dot(grad_y_pred)
    grad_h_relu = grad_y_pred.dot(w2.T)
    grad_h = grad_h_relu.copy()
    grad_h[h < 0] = 0
    grad_w1 = x.T.dot(grad_h)
    w1 -= lr * grad_w1
    w2 -= lr * grad_w2
"""

FLAT = """
import numpy as np
x = np.array([0.5, -1.2, 2.0])
w = np.array([0.1, 0.4, -0.3])
b = 0.2
t = 1.0
z = np.dot(w, x) + b
a = 1 / (1 + np.exp(-z))
loss = (a - t) ** 2
da = 2 * (a - t)
dz = da * a * (1 - a)
dw = dz * x
db = dz
print(dw, db)
"""

SOURCES = {"cache": CACHE, "class": CLASS, "network": NETWORK, "scaled": SCALED, "with a loss": WITH_LOSS}
SOURCES |= {"columns": COLUMNS, "entries": ENTRIES, "recurrent": RECURRENT, "characters": CHARACTERS}
SOURCES |= {"one output": ONE_OUTPUT, "script": SCRIPT, "flat": FLAT}

FAULTS = [  # source, right, wrong, what must be in the sentence, the mend
    ("cache", "dw = x.T @ dout", "dw = x.T @ dout / x.shape[0]", "1/(the number of rows of x = 7) times", "dw = x.T @ dout"),
    (
        "cache",
        "db = np.sum(dout, axis=0)",
        "db = np.sum(dout, axis=0, keepdims=True)",
        "not summed over axis 0",
        "db = np.sum(dout, axis=0",
    ),
    ("cache", "dx = dout @ w.T", "dx = -dout @ w.T", "−1 times the right one", "dx = dout @ w.T"),
    ("class", "(1 - self.a ** 2)", "(1 - self.z ** 2)", "(1 - self.z**2) in place of", "1 - self.a ** 2"),
    ("class", "self.x.T @ dz", "self.x.T @ grad_output", "x with grad_output in place of dz", "self.x.T @ dz"),
    ("network", "(p - y) / n", "(y - p) / n", "−1 times the right one", "p - y"),
    ("network", "(p - y) / n", "p - y", "7) times the right one", "/ n"),
    ("network", "h.T @ grad_z2", "z1.T @ grad_z2", "the product of grad_z2 with z1 in place of h", "h.T @ grad_z2"),
    ("network", "grad_h * (z1 > 0)", "grad_h", "not masked", " > 0)"),
    ("network", "grad_b1 = grad_z1.sum(axis=0)", "grad_b1 = grad_z1[0]", "the first row", "grad_z1.sum(axis=0)"),
    ("scaled", "dn = dout * gamma", "dn = dout", "without the factor gamma", "dout * gamma"),
    ("scaled", "dx = dn / s + ds", "dx = dn / s - ds", "through s subtracted", "+ ds"),
    ("with a loss", "2 * (y_hat - y)", "(y_hat - y)", "1/2 times the right one", "2"),
    ("columns", "W2.T @ dZ2", "W2.T @ dZ2 * 2", "2 times the right one", "W2.T @ dZ2"),
    ("columns", "dZ2 = A2 - Y", "dZ2 = (A2 - Y) * A2 * (1 - A2)", "multiplied by A2 * (1 - A2)", "A2 - Y"),
    ("columns", "dW1 = (1 / m) * dZ1 @ X.T", "dW1 = dZ1 @ X.T", "columns of X = 7) times the right one", "/ m"),
    ("entries", "grads['b2'] = dp.sum(axis=0)", "grads['b2'] = dp.mean(axis=0)", "times the right one", "dp.sum(axis=0)"),
    ("entries", "/ len(x)\n    grads", "\n    grads", "(the number of rows of x = 7) times", "/ len("),
    ("recurrent", "(1 - h[:, t] ** 2)", "(1 - h[:, t])", None, "(1 - h[:, t] ** 2)"),
    ("recurrent", "dnext = da @ Wh.T", "dnext = dh @ Wh.T", None, "da @ Wh.T"),
    ("recurrent", "dWh += before", "dWh = before", "it must be added", "dWh += before"),
    ("characters", "ps[t] - targets[t]", "targets[t] - ps[t]", "−1 times", "ps[t] - targets[t]"),
    ("characters", "dhraw, hs[t - 1]", "dhraw, hs[t]", None, "hs[t - 1]"),
    ("one output", "2 * (y_hat", "(y_hat", "1/2 times the right one", "2 * "),
    ("script", "2.0 * (y_pred - y)", "(y_pred - y)", "1/2 times the right one", "2 * "),
    ("script", "grad_h[h < 0] = 0", "grad_h[h > 0] = 0", None, "grad_h[h < 0] = 0"),
    ("flat", "da * a * (1 - a)", "da * a", "without the factor (1 - a)", "(1 - a)"),
]
