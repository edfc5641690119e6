"""More right forwards and backwards as people write them: gates, layers in a list, keys that are made as the code runs."""

LSTM = """
import numpy as np
def sigmoid(x): return 1 / (1 + np.exp(-x))
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i = sigmoid(a[:, :H])
    f = sigmoid(a[:, H:2*H])
    o = sigmoid(a[:, 2*H:3*H])
    g = np.tanh(a[:, 3*H:])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
    return next_h, next_c, cache
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    do = dnext_h * t
    dc = dnext_c + dnext_h * o * (1 - t ** 2)
    di = dc * g
    df = dc * prev_c
    dg = dc * i
    dprev_c = dc * f
    da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g ** 2)])
    dx = da @ Wx.T
    dprev_h = da @ Wh.T
    dWx = x.T @ da
    dWh = prev_h.T @ da
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db
"""

BATCH_NORM = """
import numpy as np
def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    xc = x - mu
    var = (xc ** 2).mean(axis=0)
    std = np.sqrt(var + eps)
    xhat = xc / std
    out = gamma * xhat + beta
    return out, (xc, std, xhat, gamma)
def batchnorm_backward(dout, cache):
    xc, std, xhat, gamma = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dstd = -(dxhat * xc).sum(axis=0) / std ** 2
    dvar = 0.5 * dstd / std
    dxc = dxhat / std + 2 / N * xc * dvar
    dmu = -dxc.sum(axis=0)
    dx = dxc + dmu / N
    return dx, dgamma, dbeta
"""

WHOLE_LABELS = """
import numpy as np
def softmax_loss_forward(x, W, y):
    scores = x.dot(W)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(probs[np.arange(len(x)), y]).mean()
    return loss, (x, W, y, probs)
def softmax_loss_backward(cache):
    x, W, y, probs = cache
    dscores = probs.copy()
    dscores[np.arange(len(x)), y] -= 1
    dscores /= len(x)
    dW = x.T.dot(dscores)
    dx = dscores.dot(W.T)
    return dx, dW
"""

SINGLE = """
import numpy as np
def forward(x, w, b):
    x = x.astype(np.float32)
    w = w.astype(np.float32)
    out = np.tanh(x @ w + b.astype(np.float32))
    return out, (x, w, out)
def backward(dout, cache):
    x, w, out = cache
    dz = dout * (1 - out ** 2)
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)
"""

DROPOUT = """
import numpy as np
class Dropout:
    def __init__(self, p=0.5):
        self.p = p
    def forward(self, x):
        self.mask = (np.random.rand(*x.shape) > self.p) / (1 - self.p)
        return x * self.mask
    def backward(self, dout):
        return dout * self.mask
"""

NUMBERED = """
import numpy as np
def forward(X, parameters):
    L = len(parameters) // 2
    A = X
    caches = {}
    caches['A0'] = X
    for l in range(1, L + 1):
        Z = A @ parameters['W' + str(l)] + parameters['b' + str(l)]
        A = np.tanh(Z)
        caches['Z' + str(l)] = Z
        caches['A' + str(l)] = A
    return A, caches
def loss(A, Y):
    return 0.5 * np.sum((A - Y) ** 2) / len(Y)
def backward(Y, parameters, caches):
    grads = {}
    L = len(parameters) // 2
    dA = (caches['A' + str(L)] - Y) / len(Y)
    for l in reversed(range(1, L + 1)):
        dZ = dA * (1 - caches['A' + str(l)] ** 2)
        grads['dW' + str(l)] = caches['A' + str(l - 1)].T @ dZ
        grads['db' + str(l)] = dZ.sum(axis=0)
        dA = dZ @ parameters['W' + str(l)].T
    return grads
"""

LISTED = """
import numpy as np
class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y
    def backward(self, dout):
        return dout * (1 - self.y ** 2)
class Net:
    def __init__(self, layers):
        self.layers = layers
    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x
    def backward(self, grad):
        for layer in self.layers[::-1]:
            grad = layer.backward(grad)
        return grad
net = Net([Linear(4, 3), Tanh(), Linear(3, 2)])
"""

RECURRENT_STEP = """
import numpy as np
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    cache = (x, prev_h, Wx, Wh, next_h)
    return next_h, cache
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h ** 2)
    dx = dz @ Wx.T
    dprev_h = dz @ Wh.T
    dWx = x.T @ dz
    dWh = prev_h.T @ dz
    db = dz.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db
"""

SOFTMAX = """
import numpy as np
class Softmax:
    def forward(self, x):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.out = e / np.sum(e, axis=1, keepdims=True)
        return self.out
    def backward(self, dout):
        return self.out * (dout - (dout * self.out).sum(axis=1, keepdims=True))
"""

ONE_WIDTH = """
import numpy as np

def forward(x, w, b):
    guess = x @ w + b
    return {"guess": guess}

def loss(guess, y):
    return np.mean((guess - y) ** 2)

def backward(x, y, guess, w, b):
    dguess = 2 * (guess - y) / len(y)
    return {"w": x.T @ dguess, "b": dguess.sum(axis=0)}
"""

MORE = {"LSTM step": LSTM, "batch norm": BATCH_NORM, "whole labels": WHOLE_LABELS, "float32": SINGLE, "dropout": DROPOUT}
MORE |= {"numbered": NUMBERED, "listed": LISTED, "recurrent step": RECURRENT_STEP, "softmax": SOFTMAX, "one output": ONE_WIDTH}

PUBLISHED = [  # source, right, wrong, what must be in the sentence, the mend
    (
        "softmax",
        "return self.out * (dout - (dout * self.out).sum(axis=1, keepdims=True))",
        "return dout * self.out * (1 - self.out)",
        "the Jacobian's diagonal alone",
        "return self.out * (dout - (dout * self.out).sum(axis=-1, keepdims=True))",
    ),
    ("recurrent step", "dx = dz @ Wx.T", "dx = dnext_h @ Wx.T", "dnext_h where dz belongs", "dx = dz @ Wx.T"),
    ("numbered", "dA = dZ @", "dA = dA @", "dA where dZ belongs", "dA = dZ @"),
    ("LSTM step", "dprev_c = dc * f", "dprev_c = dnext_c * f", "dnext_c where dc belongs", "dprev_c = dc * f"),
    ("batch norm", "dmu = -dxc", "dmu = dxc", "−1 times", "dmu = -dxc"),
    ("whole labels", "dscores /= len(x)", "dscores *= 1", "the number of rows of x = 7) times", "/ len(x)"),
]
