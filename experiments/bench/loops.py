"""Plain loops: what each work computes, number by number, as its formula is read aloud; in Python alone, on lists.

What `manual` does with arrays differs from this in nothing but time, and a test holds the two equal. So the column "loops" of `bench` is
what it brings to say a whole sum in one word. Convolutions need no loops here: theirs are their plain form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from manual.nn.faster import plain_forms

Rows = list[list[float]]


def matmul(A: Any, B: Any) -> Rows:
    """C[i][j] = Σₖ A[i][k] B[k][j]."""
    C = [[0.0] * len(B[0]) for _ in A]
    for i in range(len(A)):
        for j in range(len(B[0])):
            for k in range(len(B)):
                C[i][j] += A[i][k] * B[k][j]
    return C


def transposed(A: Any) -> Rows:
    """Aᵀ."""
    return [list(column) for column in zip(*A, strict=True)]


def column_sums(A: Any) -> list[float]:
    """Σᵢ A[i][j]."""
    return [sum(column) for column in zip(*A, strict=True)]


def linear(x: Any, W: Any, b: Any) -> Rows:
    """y = x Wᵀ + b."""
    return [[y + b[o] for o, y in enumerate(row)] for row in matmul(x, transposed(W))]


def mlp(x: Any, Ws: Any, bs: Any, dL_dy: Any) -> tuple[Any, ...]:
    """y, ∂L/∂x, ∂L/∂W and ∂L/∂b of linear maps with ReLU between them."""
    inputs = [x]
    for W, b in list(zip(Ws, bs, strict=True))[:-1]:
        inputs.append([[max(z, 0.0) for z in row] for row in linear(inputs[-1], W, b)])
    y, d = linear(inputs[-1], Ws[-1], bs[-1]), dL_dy
    dL_dWs: list[Rows] = []
    dL_dbs: list[list[float]] = []
    for layer in reversed(range(len(Ws))):
        dL_dWs.insert(0, matmul(transposed(d), inputs[layer]))
        dL_dbs.insert(0, column_sums(d))
        d = matmul(d, Ws[layer])
        if layer > 0:
            d = [[g if h > 0 else 0.0 for g, h in zip(*rows, strict=True)] for rows in zip(d, inputs[layer], strict=True)]
    return y, d, dL_dWs, dL_dbs


def mlp_step(x: Any, Ws: Any, bs: Any, dL_dy: Any) -> None:
    """The same, and then Adam's update of every W and b."""
    _, _, dL_dWs, dL_dbs = mlp(x, Ws, bs, dL_dy)
    for W, b, dL_dW, dL_db in zip(Ws, bs, dL_dWs, dL_dbs, strict=True):
        for p, g in zip([*W, b], [*dL_dW, dL_db], strict=True):
            adam(p, g)


def softmax(z: Any) -> list[float]:
    """pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ)."""
    highest = max(z)
    e = [math.exp(number - highest) for number in z]
    total = sum(e)
    return [number / total for number in e]


def cross_entropy(z: Any, t: Any) -> tuple[Any, ...]:
    """The mean of −log p[t], and ∂L/∂z = (p − y) / N."""
    loss, dL_dz = 0.0, []
    for row, label in zip(z, t, strict=True):
        p = softmax(row)
        loss -= math.log(p[label]) / len(z)
        dL_dz.append([(p[c] - (c == label)) / len(z) for c in range(len(p))])
    return loss, dL_dz


def max_pool2d(x: Any, dL_dy: Any) -> tuple[Any, ...]:
    """y, the largest number of each 2x2 window, and ∂L/∂x, which goes to where it stood."""
    N, C, I, J = len(x), len(x[0]), len(x[0][0]) // 2, len(x[0][0][0]) // 2
    y, dL_dx = np.zeros((N, C, I, J)).tolist(), np.zeros((N, C, 2 * I, 2 * J)).tolist()
    for n in range(N):
        for c in range(C):
            for i in range(I):
                for j in range(J):
                    places = [(2 * i + k, 2 * j + l) for k in range(2) for l in range(2)]
                    u, v = max(places, key=lambda place: x[n][c][place[0]][place[1]])
                    y[n][c][i][j] = x[n][c][u][v]
                    dL_dx[n][c][u][v] += dL_dy[n][c][i][j]
    return y, dL_dx


def standardized(x: Any, weight: Any, bias: Any, dL_dy: Any, eps: float = 1e-5) -> tuple[Any, ...]:
    """One row with mean 0 and variance 1, weight and bias for each entry: y, ∂L/∂x, ∂L/∂weight and ∂L/∂bias."""
    D = len(x)
    mean = sum(x) / D
    std = math.sqrt(sum((number - mean) ** 2 for number in x) / D + eps)
    x_hat = [(number - mean) / std for number in x]
    y = [weight[i] * x_hat[i] + bias[i] for i in range(D)]
    dL_dx_hat = [dL_dy[i] * weight[i] for i in range(D)]
    average, along = sum(dL_dx_hat) / D, sum(dL_dx_hat[i] * x_hat[i] for i in range(D)) / D
    dL_dx = [(dL_dx_hat[i] - average - x_hat[i] * along) / std for i in range(D)]
    return y, dL_dx, [dL_dy[i] * x_hat[i] for i in range(D)], list(dL_dy)


def layer_norm(x: Any, weight: Any, bias: Any, dL_dy: Any) -> tuple[Any, ...]:
    """y, ∂L/∂x, ∂L/∂weight and ∂L/∂bias: every row by itself."""
    found = [standardized(row, weight, bias, d) for row, d in zip(x, dL_dy, strict=True)]
    y, dL_dx, dL_dweight, dL_dbias = (list(part) for part in zip(*found, strict=True))
    return y, dL_dx, column_sums(dL_dweight), column_sums(dL_dbias)


def batch_norm2d(x: Any, weight: Any, bias: Any, dL_dy: Any) -> tuple[Any, ...]:
    """y, ∂L/∂x, ∂L/∂weight and ∂L/∂bias: every channel, of all images and places, is one row."""
    N, C, H, W = len(x), len(x[0]), len(x[0][0]), len(x[0][0][0])
    y, dL_dx, dL_dweight, dL_dbias = np.zeros(np.shape(x)).tolist(), np.zeros(np.shape(x)).tolist(), [], []
    for c in range(C):
        places = [(n, i, j) for n in range(N) for i in range(H) for j in range(W)]
        row, d = [x[n][c][i][j] for n, i, j in places], [dL_dy[n][c][i][j] for n, i, j in places]
        y_row, dx_row, for_weight, for_bias = standardized(row, [weight[c]] * len(row), [bias[c]] * len(row), d)
        for k, (n, i, j) in enumerate(places):
            y[n][c][i][j], dL_dx[n][c][i][j] = y_row[k], dx_row[k]
        dL_dweight.append(sum(for_weight))
        dL_dbias.append(sum(for_bias))
    return y, dL_dx, dL_dweight, dL_dbias


def sigmoid(z: float) -> float:
    """σ(z) = 1 / (1 + e⁻ᶻ)."""
    return 1 / (1 + math.exp(-z))


def lstm(x: Any, W_ih: Any, W_hh: Any, b_ih: Any, b_hh: Any, dL_dhs: Any) -> tuple[Any, ...]:
    """All h, ∂L/∂x, ∂L/∂W_ih, ∂L/∂W_hh and ∂L/∂b: example by example, step by step, unit by unit."""
    T, N, H = len(x), len(x[0]), len(W_hh[0])
    hs, dL_dx = np.zeros((T, N, H)).tolist(), np.zeros((T, N, len(W_ih[0]))).tolist()
    d_ih, d_hh, d_b = np.zeros(np.shape(W_ih)).tolist(), np.zeros(np.shape(W_hh)).tolist(), [0.0] * (4 * H)
    for n in range(N):
        h, c, tape = [0.0] * H, [0.0] * H, []
        for t in range(T):
            z_x, z_h = linear([x[t][n]], W_ih, b_ih)[0], linear([h], W_hh, b_hh)[0]
            z = [z_x[k] + z_h[k] for k in range(4 * H)]
            i, f, o = ([sigmoid(number) for number in z[k * H : (k + 1) * H]] for k in (0, 1, 3))
            g = [math.tanh(number) for number in z[2 * H : 3 * H]]
            tape.append((i, f, g, o, h, c))
            c = [f[u] * c[u] + i[u] * g[u] for u in range(H)]
            h = hs[t][n] = [o[u] * math.tanh(c[u]) for u in range(H)]
        dL_dh, dL_dc = [0.0] * H, [0.0] * H
        for t in reversed(range(T)):
            i, f, g, o, h_before, c_before = tape[t]
            dL_dz = [0.0] * (4 * H)
            for u in range(H):
                tanh_c = math.tanh(f[u] * c_before[u] + i[u] * g[u])
                d = dL_dhs[t][n][u] + dL_dh[u]
                dL_dc[u] += d * o[u] * (1 - tanh_c**2)
                dL_dz[u] = dL_dc[u] * g[u] * i[u] * (1 - i[u])
                dL_dz[H + u] = dL_dc[u] * c_before[u] * f[u] * (1 - f[u])
                dL_dz[2 * H + u] = dL_dc[u] * i[u] * (1 - g[u] ** 2)
                dL_dz[3 * H + u] = d * tanh_c * o[u] * (1 - o[u])
                dL_dc[u] *= f[u]
            for k in range(4 * H):
                d_b[k] += dL_dz[k]
                for u in range(len(x[t][n])):
                    d_ih[k][u] += dL_dz[k] * x[t][n][u]
                for u in range(H):
                    d_hh[k][u] += dL_dz[k] * h_before[u]
            (dL_dx[t][n],), (dL_dh,) = matmul([dL_dz], W_ih), matmul([dL_dz], W_hh)
    return hs, dL_dx, d_ih, d_hh, d_b


def attention(q: Any, k: Any, v: Any, dL_dy: Any) -> tuple[Any, ...]:
    """Causal attention: y, ∂L/∂q, ∂L/∂k and ∂L/∂v; each query with the keys that it may see."""
    scale = 1 / math.sqrt(len(q[0][0]))
    y, dL_dq, dL_dk, dL_dv = (np.zeros(np.shape(a)).tolist() for a in (v, q, k, v))
    for n in range(len(q)):
        for t in range(len(q[n])):
            keys, values = k[n][: t + 1], v[n][: t + 1]
            a = softmax([scale * z for z in matmul([q[n][t]], transposed(keys))[0]])
            (y[n][t],) = matmul([a], values)
            dL_da = matmul([dL_dy[n][t]], transposed(values))[0]
            average = sum(a[s] * dL_da[s] for s in range(t + 1))
            dL_dz = [scale * a[s] * (dL_da[s] - average) for s in range(t + 1)]
            (dL_dq[n][t],) = matmul([dL_dz], keys)
            for s in range(t + 1):
                for e in range(len(q[n][t])):
                    dL_dk[n][s][e] += dL_dz[s] * q[n][t][e]
                    dL_dv[n][s][e] += a[s] * dL_dy[n][t][e]
    return y, dL_dq, dL_dk, dL_dv


def embedding(x: Any, W: Any, dL_dy: Any) -> tuple[Any, ...]:
    """y, the rows that were looked up, and ∂L/∂W, to which each gives its gradient."""
    y, dL_dW = [list(W[row]) for row in x], [[0.0] * len(W[0]) for _ in W]
    for row, d in zip(x, dL_dy, strict=True):
        for e in range(len(d)):
            dL_dW[row][e] += d[e]
    return y, dL_dW


def adam(p: Any, g: Any) -> tuple[Any, ...]:
    """The first of Adam's steps: p, exp_avg and exp_avg_sq."""
    exp_avg, exp_avg_sq = [0.0] * len(p), [0.0] * len(p)
    for i in range(len(p)):
        exp_avg[i] = 0.9 * exp_avg[i] + 0.1 * g[i]
        exp_avg_sq[i] = 0.999 * exp_avg_sq[i] + 0.001 * g[i] ** 2
        p[i] -= 1e-3 * exp_avg[i] / 0.1 / (math.sqrt(exp_avg_sq[i] / 0.001) + 1e-8)
    return p, exp_avg, exp_avg_sq


# ---- what they are given, at given sizes ---------------------------------------------------------


def drawn(*shape: int, seed: int = 0) -> Any:
    """Random numbers, in nested lists."""
    return np.random.default_rng(seed).normal(size=shape).tolist()


def numbers(below: int, count: int) -> Any:
    """Random whole numbers."""
    return np.random.default_rng(0).integers(0, below, count).tolist()


def maps(I: int, H: int, O: int, L: int) -> tuple[Any, Any]:
    """W and b of L hidden layers of H, and of O scores."""
    shapes = list(enumerate(zip([H] * L + [O], [I] + [H] * L, strict=True)))
    return [drawn(*shape, seed=i) for i, shape in shapes], [drawn(shape[0], seed=9 + i) for i, shape in shapes]


def recurrence(T: int, N: int, H: int, L: int) -> tuple[Any, ...]:
    """What `lstm` takes; L is 1."""
    return drawn(T, N, H), *(drawn(4 * H, H, seed=s) for s in (1, 2)), *(drawn(4 * H, seed=s) for s in (3, 4)), drawn(T, N, H, seed=5)


LOOPS: dict[str, tuple[Callable[..., Any], Callable[..., tuple[Any, ...]]]] = {
    "mlp": (mlp_step, lambda N, I, H, O, L: (drawn(N, I), *maps(I, H, O, L), drawn(N, O, seed=1))),
    "cross_entropy": (cross_entropy, lambda N, C: (drawn(N, C), numbers(C, N))),
    "max_pool2d": (max_pool2d, lambda N, C, H: (drawn(N, C, H, H), drawn(N, C, H // 2, H // 2, seed=1))),
    "batch_norm2d": (batch_norm2d, lambda N, C, H: (drawn(N, C, H, H), drawn(C), drawn(C, seed=1), drawn(N, C, H, H, seed=2))),
    "layer_norm": (layer_norm, lambda N, D: (drawn(N, D), drawn(D), drawn(D, seed=1), drawn(N, D, seed=2))),
    "lstm": (lstm, recurrence),
    "attention": (attention, lambda N, T, D: (*[drawn(N, T, D, seed=s) for s in range(4)],)),
    "embedding": (embedding, lambda N, V, D: (numbers(V, N), drawn(V, D), drawn(N, D, seed=1))),
    "adam": (adam, lambda P: (drawn(P), drawn(P, seed=1))),
}
"""For every work that is one formula the loops, and what they are given. A whole network is many of them."""


def by_loops(name: str, sizes: Mapping[str, int], by_hand: Callable[[], Any]) -> Callable[[], Any] | None:
    """A step of this work in loops; None for a whole network of several kinds of layers."""
    if name == "conv2d":
        return plain_forms()(by_hand)
    if name not in LOOPS:
        return None
    loops, given = LOOPS[name]
    arguments = given(**sizes)
    return lambda: loops(*arguments)
