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

def forward_pass(X, params):
    Z1 = params['W1'] @ X + params['b1']
    H = np.tanh(Z1)
    Z2 = params['W2'] @ H + params['b2']
    P = 1 / (1 + np.exp(-Z2))
    saved = {"H": H, "P": P}
    return P, saved

def cost(P, Y):
    n = Y.shape[1]
    return -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).sum() / n

def backward_pass(params, saved, X, Y):
    n = X.shape[1]
    H = saved['H']
    P = saved['P']
    dZ2 = P - Y
    dW2 = dZ2 @ H.T / n
    db2 = dZ2.sum(axis=1, keepdims=True) / n
    dH = params['W2'].T @ dZ2
    dZ1 = dH * (1 - H ** 2)
    dW1 = dZ1 @ X.T / n
    db1 = dZ1.sum(axis=1, keepdims=True) / n
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
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

def forward(symbols, targets, h0, W_in, W_rec, W_out, b_h):
    hidden, scores, probs = {-1: h0}, {}, {}
    total = 0.0
    for t in range(len(symbols)):
        hidden[t] = np.tanh(W_in @ symbols[t] + W_rec @ hidden[t - 1] + b_h)
        scores[t] = W_out @ hidden[t]
        probs[t] = np.exp(scores[t]) / np.exp(scores[t]).sum()
        total -= (targets[t] * np.log(probs[t])).sum()
    return total, (hidden, probs)

def backward(cache, symbols, targets, W_in, W_rec, W_out):
    hidden, probs = cache
    dW_in, dW_rec, dW_out = np.zeros_like(W_in), np.zeros_like(W_rec), np.zeros_like(W_out)
    db_h = np.zeros(len(W_rec))
    later = np.zeros(len(W_rec))
    for t in reversed(range(len(symbols))):
        dscore = probs[t] - targets[t]
        dW_out += np.outer(dscore, hidden[t])
        dhidden = W_out.T @ dscore + later
        inside = dhidden * (1 - hidden[t] ** 2)
        dW_in += np.outer(inside, symbols[t])
        dW_rec += np.outer(inside, hidden[t - 1])
        db_h += inside
        later = W_rec.T @ inside
    return dW_in, dW_rec, dW_out, db_h
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

class Regressor:
    def __init__(self, inputs, units, outputs):
        self.W1 = np.random.randn(inputs, units)
        self.b1 = np.zeros((1, units))
        self.W2 = np.random.randn(units, outputs)
        self.b2 = np.zeros((1, outputs))

    def forward(self, x):
        z1 = x @ self.W1 + self.b1
        h = np.maximum(z1, 0)
        z2 = h @ self.W2 + self.b2
        guess = np.maximum(z2, 0)
        return z1, h, z2, guess

    def backward(self, x, cache, y):
        z1, h, z2, guess = cache
        dL_dguess = 2 * (guess - y) / len(x)
        dL_dz2 = dL_dguess * (z2 > 0)
        dL_dW2 = h.T @ dL_dz2
        dL_db2 = dL_dz2.sum(axis=0, keepdims=True)
        dL_dh = dL_dz2 @ self.W2.T
        dL_dz1 = dL_dh * (z1 > 0)
        dL_dW1 = x.T @ dL_dz1
        dL_db1 = dL_dz1.sum(axis=0, keepdims=True)
        return dL_dW1, dL_db1, dL_dW2, dL_db2

outputs = 1
for round in range(50):
    guess = net.forward(x)[3]
    loss = np.mean((guess - y) ** 2)
"""

SCRIPT = """
import numpy as np

x = np.random.randn(6, 5)
y = np.random.randn(6, 3)
A = np.random.randn(5, 4)
B = np.random.randn(4, 3)
rate = 1e-3
for step in range(300):
    u = x @ A
    r = np.maximum(u, 0)
    guess = r @ B
    loss = ((guess - y) ** 2).sum()
    if step % 50 == 0:
        print(step, loss)
    grad_guess = 2 * (guess - y)
    grad_B = r.T @ grad_guess
    grad_r = grad_guess @ B.T
    grad_u = grad_r.copy()
    grad_u[u < 0] = 0
    grad_A = x.T @ grad_u
    A -= rate * grad_A
    B -= rate * grad_B
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
    ("columns", "params['W2'].T @ dZ2", "2 * params['W2'].T @ dZ2", "2 times the right one", "W2'].T @ dZ2"),
    ("columns", "dZ2 = P - Y", "dZ2 = (P - Y) * P * (1 - P)", "multiplied by P * (1 - P)", "P - Y"),
    ("columns", "dW1 = dZ1 @ X.T / n", "dW1 = dZ1 @ X.T", "columns of X = 7) times the right one", "/ n"),
    ("entries", "grads['b2'] = dp.sum(axis=0)", "grads['b2'] = dp.mean(axis=0)", "times the right one", "dp.sum(axis=0)"),
    ("entries", "/ len(x)\n    grads", "\n    grads", "(the number of rows of x = 7) times", "/ len("),
    ("recurrent", "(1 - h[:, t] ** 2)", "(1 - h[:, t])", None, "(1 - h[:, t] ** 2)"),
    ("recurrent", "dnext = da @ Wh.T", "dnext = dh @ Wh.T", None, "da @ Wh.T"),
    ("recurrent", "dWh += before", "dWh = before", "it must be added", "dWh += before"),
    ("characters", "probs[t] - targets[t]", "targets[t] - probs[t]", "−1 times", "probs[t] - targets[t]"),
    ("characters", "inside, hidden[t - 1]", "inside, hidden[t]", None, "hidden[t - 1]"),
    ("one output", "2 * (guess", "(guess", "1/2 times the right one", "2 * "),
    ("script", "2 * (guess - y)", "(guess - y)", "1/2 times the right one", "2 * "),
    ("script", "grad_u[u < 0] = 0", "grad_u[u > 0] = 0", None, "grad_u[u < 0] = 0"),
    ("flat", "da * a * (1 - a)", "da * a", "without the factor (1 - a)", "(1 - a)"),
]
