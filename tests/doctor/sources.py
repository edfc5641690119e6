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

SOURCES = {"cache": CACHE, "class": CLASS, "network": NETWORK, "scaled": SCALED, "with a loss": WITH_LOSS}

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
    ("network", "(p - y) / n", "p - y", "7) times the right one", "/ len(x)"),
    ("network", "h.T @ grad_z2", "z1.T @ grad_z2", "the product of grad_z2 with z1 in place of h", "h.T @ grad_z2"),
    ("network", "grad_h * (z1 > 0)", "grad_h", "not masked", " > 0)"),
    ("network", "grad_b1 = grad_z1.sum(axis=0)", "grad_b1 = grad_z1[0]", "the first row", "grad_z1.sum(axis=0)"),
    ("scaled", "dn = dout * gamma", "dn = dout", "without the factor gamma", "dout * gamma"),
    ("scaled", "dx = dn / s + ds", "dx = dn / s - ds", "through s subtracted", "+ ds"),
    ("with a loss", "2 * (y_hat - y)", "(y_hat - y)", "1/2 times the right one", "2"),
]
