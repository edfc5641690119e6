"""Code with loops, as strangers write it: the shapes that it is made for are found, so that right is called right and wrong wrong."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

GRU = """import numpy as np
def sigmoid(x):
    return 1 / (1 + np.exp(-x))
def gru_forward(x, h0, Wz, Uz, Wc, Uc):
    T, N, D = x.shape
    H = h0.shape[1]
    hs = np.zeros((T + 1, N, H))
    hs[0] = h0
    zs, cs = [], []
    for t in range(T):
        z = sigmoid(x[t] @ Wz + hs[t] @ Uz)
        c = np.tanh(x[t] @ Wc + hs[t] @ Uc)
        hs[t + 1] = (1 - z) * hs[t] + z * c
        zs.append(z)
        cs.append(c)
    return hs[1:], (x, hs, zs, cs, Wz, Uz, Wc, Uc)
def gru_backward(dhs, cache):
    x, hs, zs, cs, Wz, Uz, Wc, Uc = cache
    dx = np.zeros_like(x)
    dWz, dUz, dWc, dUc = np.zeros_like(Wz), np.zeros_like(Uz), np.zeros_like(Wc), np.zeros_like(Uc)
    dnext = np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        dh = dhs[t] + dnext
        dc = dh * zs[t] * (1 - cs[t] ** 2)
        dz = dh * (cs[t] - hs[t]) * zs[t] * (1 - zs[t])
        dWc += x[t].T @ dc
        dUc += hs[t].T @ dc
        dWz += x[t].T @ dz
        dUz += hs[t].T @ dz
        dx[t] = dc @ Wc.T + dz @ Wz.T
        dnext = dh * (1 - zs[t]) + dc @ Uc.T + dz @ Uz.T
    dh0 = dnext
    return dx, dh0, dWz, dUz, dWc, dUc
"""

CELL = """import numpy as np
def rnn_step_forward(x, prev_h, Wx, Wh):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh))
    return next_h, (x, prev_h, Wx, Wh, next_h)
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h ** 2)
    dx = dz.dot(Wx.T)
    dprev_h = dz.dot(Wh.T)
    dWx = x.T.dot(dz)
    dWh = prev_h.T.dot(dz)
    return dx, dprev_h, dWx, dWh
"""

COLUMNS = """import numpy as np
def forward(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = inputs[t]
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t-1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.sum(targets[t] * np.log(ps[t]))
    return loss, xs, hs, ps
def backward(inputs, targets, xs, hs, ps, Wxh, Whh, Why, bh, by):
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = ps[t] - targets[t]
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dhraw = (1 - hs[t] * hs[t]) * (np.dot(Why.T, dy) + dhnext)
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t-1].T)
        dhnext = np.dot(Whh.T, dhraw)
    return dWxh, dWhh, dWhy, dbh, dby
"""

MASKED = """import numpy as np
def temporal_softmax_forward(x, y, mask):
    N, T, V = x.shape
    probs = np.zeros_like(x)
    loss = 0.0
    for n in range(N):
        for t in range(T):
            e = np.exp(x[n, t] - np.max(x[n, t]))
            probs[n, t] = e / np.sum(e)
            loss -= mask[n, t] * np.log(probs[n, t, y[n, t]])
    return loss / N, (probs, y, mask)
def temporal_softmax_backward(cache):
    probs, y, mask = cache
    N, T, V = probs.shape
    dx = probs.copy()
    for n in range(N):
        for t in range(T):
            dx[n, t, y[n, t]] -= 1
            dx[n, t] *= mask[n, t]
    dx /= N
    return dx
"""

KERNEL = """import numpy as np
def conv1d_forward(x, w, b):
    N, C, L = x.shape
    F, _, K = w.shape
    out = np.zeros((N, F, L - K + 1))
    for l in range(L - K + 1):
        out[:, :, l] = np.tensordot(x[:, :, l:l+K], w, axes=([1, 2], [1, 2])) + b
    return out, (x, w, b)
def conv1d_backward(dout, cache):
    x, w, b = cache
    K = w.shape[2]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    db = dout.sum(axis=(0, 2))
    for l in range(dout.shape[2]):
        dw += np.tensordot(dout[:, :, l], x[:, :, l:l+K], axes=(0, 0))
        dx[:, :, l:l+K] += np.tensordot(dout[:, :, l], w, axes=(1, 0))
    return dx, dw, db
"""

CHANNELS = """import numpy as np
def depthwise_forward(x, w):
    N, C, H, W = x.shape
    _, k, _ = w.shape
    out = np.zeros((N, C, H - k + 1, W - k + 1))
    for c in range(C):
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                out[:, c, i, j] = np.sum(x[:, c, i:i+k, j:j+k] * w[c], axis=(1, 2))
    return out, (x, w)
def depthwise_backward(dout, cache):
    x, w = cache
    k = w.shape[1]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for c in range(x.shape[1]):
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                g = dout[:, c, i, j][:, None, None]
                dw[c] += np.sum(x[:, c, i:i+k, j:j+k] * g, axis=0)
                dx[:, c, i:i+k, j:j+k] += g * w[c]
    return dx, dw
"""

CRF = """import numpy as np
def crf_forward(emit, trans):
    T, K = emit.shape
    alpha = np.zeros((T, K))
    alpha[0] = emit[0]
    for t in range(1, T):
        alpha[t] = emit[t] + np.log(np.exp(alpha[t - 1][:, None] + trans).sum(axis=0))
    return np.log(np.exp(alpha[-1]).sum()), (emit, trans, alpha)
def crf_backward(cache):
    emit, trans, alpha = cache
    T, K = emit.shape
    log_Z = np.log(np.exp(alpha[-1]).sum())
    beta = np.zeros((T, K))
    for t in range(T - 2, -1, -1):
        beta[t] = np.log(np.exp(trans + emit[t + 1] + beta[t + 1]).sum(axis=1))
    demit = np.exp(alpha + beta - log_Z)
    dtrans = np.zeros_like(trans)
    for t in range(1, T):
        dtrans += np.exp(alpha[t - 1][:, None] + trans + emit[t] + beta[t] - log_Z)
    return demit, dtrans
"""

EDGES = """import numpy as np
def forward(h, W, edges):
    out = np.zeros((len(h), W.shape[1]))
    for s, t in edges:
        out[t] += h[s] @ W
    return out, (h, W, edges)
def backward(dout, cache):
    h, W, edges = cache
    dh, dW = np.zeros_like(h), np.zeros_like(W)
    for s, t in edges:
        dh[s] += dout[t] @ W.T
        dW += np.outer(h[s], dout[t])
    return dh, dW
"""

TABLE = """import numpy as np
def embed_forward(idx, E):
    N, T = idx.shape
    out = np.zeros((N, T, E.shape[1]))
    for n in range(N):
        for t in range(T):
            out[n, t] = E[idx[n, t]] ** 2
    return out, (idx, E)
def embed_backward(dout, cache):
    idx, E = cache
    N, T = idx.shape
    dE = np.zeros_like(E)
    for n in range(N):
        for t in range(T):
            dE[idx[n, t]] += 2 * E[idx[n, t]] * dout[n, t]
    return dE
"""

POLYNOMIAL = """import numpy as np
def forward(x, c):
    y, p = np.zeros_like(x), np.ones_like(x)
    for k in range(len(c)):
        y += c[k] * p
        p = p * x
    return y, (x, c)
def backward(dy, cache):
    x, c = cache
    dc, dx = np.zeros_like(c), np.zeros_like(x)
    for k in range(len(c)):
        dc[k] = np.sum(dy * x ** k)
        if k > 0:
            dx += dy * k * c[k] * x ** (k - 1)
    return dx, dc
"""

LAST = """import numpy as np
def forward(x, a):
    h = {-1: np.zeros(x.shape[1])}
    for t in range(len(x)):
        h[t] = np.tanh(a * h[t - 1] + x[t])
    return h[len(x) - 1], (x, a, h)
def backward(dh_last, cache):
    x, a, h = cache
    dx = np.zeros_like(x)
    da = 0.0
    dh = dh_last
    for t in reversed(range(len(x))):
        dz = dh * (1 - h[t] ** 2)
        dx[t] = dz
        da += np.sum(dz * h[t - 1])
        dh = a * dz
    return dx, da
"""

CONTEXT = """import numpy as np
def attend_forward(scores, values):
    ctx = np.zeros((scores.shape[0], values.shape[1]))
    for i in range(len(scores)):
        ctx[i] = np.tanh(scores[i]) @ values
    return ctx, (scores, values)
def attend_backward(dctx, cache):
    scores, values = cache
    dscores, dvalues = np.zeros_like(scores), np.zeros_like(values)
    for i in range(len(scores)):
        a = np.tanh(scores[i])
        dscores[i] = (values @ dctx[i]) * (1 - a ** 2)
        dvalues += np.outer(a, dctx[i])
    return dscores, dvalues
"""

PARAMS = """import numpy as np
class Affine:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b
    def backward(self, dout):
        W, b = self.params
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        dx = dout @ W.T
        return dx
"""

FAULTS = [
    (GRU, "(cs[t] - hs[t])", "(hs[t] - cs[t])"),
    (GRU, "dhs[t] + dnext", "dhs[t - 1] + dnext"),
    (CELL, "dz.dot(Wh.T)", "dz.dot(Wh)"),
    (COLUMNS, "hs[t-1].T)\n        dhnext", "hs[t].T)\n        dhnext"),
    (MASKED, "dx[n, t, y[n, t]] -= 1", "dx[n, t, y[n, t]] += 1"),
    (KERNEL, "axis=(0, 2)", "axis=2).mean(axis=0"),
    (CHANNELS, "g * w[c]", "g * w[c].T"),
    (CRF, "emit[t + 1] + beta", "emit[t] + beta"),
    (EDGES, "dh[s] += dout[t]", "dh[t] += dout[s]"),
    (TABLE, "+= 2 * E", "= 2 * E"),
    (POLYNOMIAL, "x ** (k - 1)", "x ** k"),
    (LAST, "h[t - 1])\n        dh", "h[t])\n        dh"),
    (CONTEXT, "dvalues += ", "dvalues = "),
    (PARAMS, "dout.sum(axis=0)", "dout.mean(axis=0)"),
]


@pytest.mark.parametrize("source", list(dict.fromkeys(source for source, *_ in FAULTS)))
def test_right_code_with_loops_is_right(source: str) -> None:
    (finding,) = visited(source)
    assert finding.right, str(finding)


@pytest.mark.long
@pytest.mark.parametrize(("source", "right", "wrong"), FAULTS)
def test_one_fault_in_it_is_found(source: str, right: str, wrong: str) -> None:
    assert source.count(right) == 1
    (finding,) = visited(source.replace(right, wrong))
    assert not finding.right
    assert not finding.trouble, finding.trouble


SINGLE = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out, lr=0.1):
        self.W, self.b, self.lr = np.random.randn(n_in, n_out), np.zeros((1, n_out)), lr

    def forward(self, x):
        self.x, self.out = x, np.tanh(x @ self.W + self.b)
        return self.out

    def backward(self, dout):
        dz = dout * (1 - self.out ** 2)
        dW = self.x.T @ dz
        db = dz.sum(WHERE, keepdims=True)
        dx = dz @ self.W.T
        self.W -= self.lr * dW
        self.b -= self.lr * db
        return dx
"""

SPREAD = """
import numpy as np
W = np.random.default_rng(0).normal(size=(3, 2))

def forward(X):
    global Z
    Z = X @ W
    return Z

def mse(pred, target):
    return ((pred - target) ** 2).sum(axis=1).mean()

def backward(X, target):
    dZ = 2 * (Z - target) / SIZE
    dW = X.T @ dZ
    return dW
"""


@pytest.mark.parametrize(
    ("source", "right", "wrong"),
    [(SINGLE, ("WHERE", "axis=0"), ("WHERE", "axis=1")), (SPREAD, ("SIZE", "len(X)"), ("SIZE", "target.size"))],
)
def test_a_shape_in_which_a_fault_is_none_carries_no_verdict(source: str, right: tuple[str, str], wrong: tuple[str, str]) -> None:
    """With one row and one column a sum over the wrong axis is right, and so is a mean with a target that is spread out."""
    (finding,) = visited(source.replace(*right))
    assert finding.right, finding
    (finding,) = visited(source.replace(*wrong))
    assert not finding.right
    assert [f.text for f in finding.faults] == [next(line.strip() for line in source.replace(*wrong).splitlines() if wrong[1] in line)]


CELL = """
import numpy as np

def forward(zf, zi, zg, zo, c0, U, Uc):
    f, i, g, o = 1 / (1 + np.exp(-zf)), 1 / (1 + np.exp(-zi)), np.tanh(zg), 1 / (1 + np.exp(-zo))
    c = f * c0 + i * g
    t = np.tanh(c)
    return (o * t * U).sum() + (c * Uc).sum()

def backward(zf, zi, zg, zo, c0, U, Uc, f, i, g, o, c, t):
    dc = Uc + U * o * (1 - t ** 2)
    return dict(zf=dc * c0 * f * (1 - f), zi=dc * g * i * (1 - i), zg=dc * i * (1 - g ** 2), zo=U * t * o * (1 - o), c0=dc * f)
"""


def test_a_value_of_forward_that_is_called_t_is_no_target_and_the_gates_of_a_cell_have_one_shape() -> None:
    (finding,) = visited(CELL)
    assert finding.right, finding
    assert {g.shape for g in finding.gradients} == {(7, 11)}
