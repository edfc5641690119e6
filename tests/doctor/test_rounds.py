"""Lines within loops: solved for in all of their rounds; and gradients in a loop whose names mean something else accuse no other line."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

SCAN = """import numpy as np

def ssm_forward(u, A, B, C):
    T = u.shape[0]
    h = np.zeros((T + 1, A.shape[0]))
    y = np.zeros((T, C.shape[0]))
    for t in range(T):
        h[t + 1] = A @ h[t] + B @ u[t]
        y[t] = C @ h[t + 1]
    return y, (u, A, B, C, h)

def ssm_backward(dy, cache):
    u, A, B, C, h = cache
    T = u.shape[0]
    du = np.zeros_like(u)
    dA, dB, dC = np.zeros_like(A), np.zeros_like(B), np.zeros_like(C)
    dh = np.zeros(A.shape[0])
    for t in reversed(range(T)):
        dC += np.outer(dy[t], h[t + 1])
        dh = dh + C.T @ dy[t]
        dA += np.outer(dh, h[t])
        dB += np.outer(dh, u[t])
        du[t] = B.T @ dh
        dh = A.T @ dh
    return du, dA, dB, dC
"""

TREE = """import numpy as np

class Node:
    def __init__(self, left=None, right=None, vec=None):
        self.left = left
        self.right = right
        self.vec = vec

def forward(x, W, b):
    n = x.shape[0]
    nodes = [x[i] for i in range(n)]
    children = []
    level = list(range(n))
    while len(level) > 1:
        nxt = []
        for i in range(0, len(level) - 1, 2):
            l, r = level[i], level[i + 1]
            c = np.concatenate([nodes[l], nodes[r]])
            nodes.append(np.tanh(W @ c + b))
            children.append((l, r))
            nxt.append(len(nodes) - 1)
        if len(level) % 2 == 1:
            nxt.append(level[-1])
        level = nxt
    return nodes[-1], (x, W, b, nodes, children)

def backward(dout, cache):
    x, W, b, nodes, children = cache
    n, d = x.shape
    dW = np.zeros_like(W)
    db = np.zeros_like(b)
    dnodes = [np.zeros(d) for _ in nodes]
    dnodes[-1] = dout
    for k in range(len(nodes) - 1, n - 1, -1):
        l, r = children[k - n]
        da = dnodes[k] * (1 - nodes[k] ** 2)
        c = np.concatenate([nodes[l], nodes[r]])
        dW += np.outer(da, c)
        db += da
        dc = W.T @ da
        dnodes[l] += dc[:d]
        dnodes[r] += dc[d:]
    dx = np.array(dnodes[:n])
    return dx, dW, db
"""

PAIRS = """import numpy as np

def sgns_forward(centers, contexts, U, V):
    loss = 0.0
    scores = np.zeros(len(centers))
    for i in range(len(centers)):
        s = U[centers[i]] @ V[contexts[i]]
        scores[i] = 1 / (1 + np.exp(-s))
        loss -= np.log(scores[i])
    return loss / len(centers), scores

def sgns_backward(centers, contexts, U, V, scores):
    dU = np.zeros_like(U)
    dV = np.zeros_like(V)
    n = len(centers)
    for i in range(n):
        g = (scores[i] - 1) / n
        dU[centers[i]] += g * V[contexts[i]]
        dV[contexts[i]] += g * U[centers[i]]
    return dU, dV
"""

GRU = """import numpy as np

def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))

def gru_forward(x, h0, Wz, Uz, Wr, Ur, Wh, Uh):
    T, N, D = x.shape
    H = h0.shape[1]
    hs = np.zeros((T + 1, N, H))
    hs[0] = h0
    zs, rs, cs = [], [], []
    for t in range(T):
        z = sigmoid(x[t] @ Wz + hs[t] @ Uz)
        r = sigmoid(x[t] @ Wr + hs[t] @ Ur)
        c = np.tanh(x[t] @ Wh + (r * hs[t]) @ Uh)
        hs[t + 1] = (1 - z) * hs[t] + z * c
        zs.append(z)
        rs.append(r)
        cs.append(c)
    return hs[1:], (x, hs, zs, rs, cs, Wz, Uz, Wr, Ur, Wh, Uh)

def gru_backward(dhs, cache):
    x, hs, zs, rs, cs, Wz, Uz, Wr, Ur, Wh, Uh = cache
    T = x.shape[0]
    dx = np.zeros_like(x)
    dWz = np.zeros_like(Wz)
    dUz = np.zeros_like(Uz)
    dWr = np.zeros_like(Wr)
    dUr = np.zeros_like(Ur)
    dWh = np.zeros_like(Wh)
    dUh = np.zeros_like(Uh)
    dh_next = np.zeros_like(hs[0])
    for t in reversed(range(T)):
        dh = dhs[t] + dh_next
        h = hs[t]
        z, r, c = zs[t], rs[t], cs[t]
        dc = dh * z * (1 - c ** 2)
        dz = dh * (c - h) * z * (1 - z)
        drh = dc @ Uh.T
        dr = drh * h * r * (1 - r)
        dWh += x[t].T @ dc
        dUh += (r * h).T @ dc
        dWz += x[t].T @ dz
        dUz += h.T @ dz
        dWr += x[t].T @ dr
        dUr += h.T @ dr
        dx[t] = dc @ Wh.T + dz @ Wz.T + dr @ Wr.T
        dh_next = dh * (1 - z) + drh * r + dz @ Uz.T + dr @ Ur.T
    dh0 = dh_next
    return dx, dh0, dWz, dUz, dWr, dUr, dWh, dUh
"""

WRONG = {
    "the wrong way round, handed on from round to round": (SCAN, "dh = A.T @ dh", "dh = A @ dh"),
    "the other half": (TREE, "dnodes[r] += dc[d:]", "dnodes[r] += dc[:d]"),
    "of the other table": (PAIRS, "g * U[centers[i]]", "g * V[contexts[i]]"),
    "dz, which is that of a": (GRU, "dh * (1 - z) + drh * r + dz", "dh * (1 - z) + drh + dz"),
}


@pytest.mark.parametrize("source", [SCAN, TREE, PAIRS, GRU], ids=["scan", "tree", "pairs", "gru"])
def test_right_rounds_are_right(source: str) -> None:
    found = list(visited(source))
    assert found
    assert all(f.right for f in found), "\n".join(map(str, found))


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.long) if "dz" in k else k for k in WRONG])
def test_a_wrong_line_in_a_loop_is_found_and_no_other(kind: str) -> None:
    source, right, wrong = WRONG[kind]
    assert source.count(right) == 1
    line = next(i for i, text in enumerate(source.splitlines(), 1) if right in text)
    found = list(visited(source.replace(right, wrong)))
    assert [fault.line for f in found for fault in f.faults] == [line], "\n".join(map(str, found))
    assert all(fault.mend for f in found for fault in f.faults)
