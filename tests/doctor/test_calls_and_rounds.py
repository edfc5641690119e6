"""A backward that calls another one of its file; sums in loops; indices the wrong way round: the line that is wrong, and no other."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from experiments.doctor.numbers.sizes import of_several
from experiments.doctor.reading.claims import numbers_of
from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

STEPS = """import numpy as np

def step_forward(x, prev_h, Wx, Wh):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh))
    return next_h, (x, prev_h, Wx, Wh, next_h)

def step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h ** 2)
    dx = dz.dot(Wx.T)
    dprev_h = dz.dot(Wh.T)
    dWx = x.T.dot(dz)
    dWh = prev_h.T.dot(dz)
    return dx, dprev_h, dWx, dWh

def rnn_forward(x, h0, Wx, Wh):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    cache = []
    prev_h = h0
    for t in range(T):
        prev_h, c = step_forward(x[:, t, :], prev_h, Wx, Wh)
        h[:, t, :] = prev_h
        cache.append(c)
    return h, cache

def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx, dWx, dWh = np.zeros((N, T, D)), np.zeros((D, H)), np.zeros((H, H))
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        dnext_h = dh[:, t, :] + dprev_h
        dx[:, t, :], dprev_h, dWx_t, dWh_t = step_backward(dnext_h, cache[t])
        dWx += dWx_t
        dWh += dWh_t
    dh0 = dprev_h
    return dx, dh0, dWx, dWh
"""

GRAPH = """import numpy as np

def forward(h, W, edges):
    n = len(h)
    msg = np.zeros((n, W.shape[1]))
    deg = np.zeros(n)
    for s, t in edges:
        msg[t] += h[s] @ W
        deg[t] += 1
    for i in range(n):
        if deg[i] > 0:
            msg[i] /= deg[i]
    out = np.tanh(msg)
    return out, (h, W, edges, deg, out)

def backward(dout, cache):
    h, W, edges, deg, out = cache
    dmsg = dout * (1 - out ** 2)
    for i in range(len(h)):
        if deg[i] > 0:
            dmsg[i] /= deg[i]
    dh = np.zeros_like(h)
    dW = np.zeros_like(W)
    for s, t in edges:
        dh[s] += dmsg[t] @ W.T
        dW += np.outer(h[s], dmsg[t])
    return dh, dW
"""

ODE = """import numpy as np

def ode_forward(x0, W, b, h=0.1, n_steps=5):
    x = x0
    xs = [x0]
    for k in range(n_steps):
        x = x + h * np.tanh(x @ W + b)
        xs.append(x)
    return x, (xs, W, b, h, n_steps)

def ode_backward(dx, cache):
    xs, W, b, h, n_steps = cache
    dW = np.zeros_like(W)
    db = np.zeros_like(b)
    for k in range(n_steps - 1, -1, -1):
        x = xs[k]
        f = np.tanh(x @ W + b)
        df = h * dx * (1 - f ** 2)
        dW += x.T @ df
        db += df.sum(axis=0)
        dx = dx + df @ W.T
    dx0 = dx
    return dx0, dW, db
"""

LAYERS = """import numpy as np

def L_model_forward(X, Y, parameters):
    caches = []
    A = X
    L = len(parameters) // 2
    for l in range(1, L):
        A_prev = A
        W = parameters["W" + str(l)]
        b = parameters["b" + str(l)]
        Z = np.dot(W, A_prev) + b
        A = np.maximum(0, Z)
        caches.append((A_prev, W, b, Z))
    W = parameters["W" + str(L)]
    b = parameters["b" + str(L)]
    Z = np.dot(W, A) + b
    caches.append((A, W, b, Z))
    AL = 1 / (1 + np.exp(-Z))
    m = Y.shape[1]
    return -np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)) / m, AL, caches

def L_model_backward(AL, Y, caches):
    grads = {}
    L = len(caches)
    m = AL.shape[1]
    dZ = AL - Y
    for l in reversed(range(L)):
        A_prev, W, b, Z = caches[l]
        if l < L - 1:
            dZ = dA * (Z > 0)
        grads["dW" + str(l + 1)] = np.dot(dZ, A_prev.T) / m
        grads["db" + str(l + 1)] = np.sum(dZ, axis=1, keepdims=True) / m
        dA = np.dot(W.T, dZ)
    return grads
"""

KERNEL = """import numpy as np

def conv1d(x, w, b):
    out = np.zeros(len(x) - len(w) + 1)
    for i in range(len(out)):
        for j in range(len(w)):
            out[i] += x[i + j] * w[j]
        out[i] += b
    return out

def conv1d_backward(dout, x, w, b):
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    db = 0.0
    for i in range(len(dout)):
        for j in range(len(w)):
            dx[i + j] += dout[i] * w[j]
            dw[j] += dout[i] * x[i + j]
        db += dout[i]
    return dx, dw, db
"""

HEADS = """import numpy as np

def attend_forward(queries, keys):
    scores = np.zeros((len(queries), len(keys)))
    for i in range(len(queries)):
        for j in range(len(keys)):
            scores[i, j] = queries[i] @ keys[j] / np.sqrt(queries.shape[1])
    return scores, (queries, keys)

def attend_backward(dscores, cache):
    queries, keys = cache
    d = queries.shape[1]
    dq, dk = np.zeros_like(queries), np.zeros_like(keys)
    for i in range(len(queries)):
        for j in range(len(keys)):
            dq[i] += dscores[i, j] * keys[j] / np.sqrt(d)
            dk[j] += dscores[i, j] * queries[i] / np.sqrt(d)
    return dq, dk
"""

MULTIHEAD = """import numpy as np

def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def mha_forward(x, Wq, Wk, Wv, Wo):
    T, D = x.shape
    n_heads, _, d = Wq.shape
    concat = np.zeros((T, n_heads * d))
    cache = []
    for h in range(n_heads):
        q = x @ Wq[h]
        k = x @ Wk[h]
        v = x @ Wv[h]
        att = softmax(q @ k.T / np.sqrt(d))
        concat[:, h * d:(h + 1) * d] = att @ v
        cache.append((q, k, v, att))
    out = concat @ Wo
    return out, (x, Wq, Wk, Wv, Wo, concat, cache)

def mha_backward(dout, cache):
    x, Wq, Wk, Wv, Wo, concat, heads = cache
    n_heads, _, d = Wq.shape
    dWo = concat.T @ dout
    dconcat = dout @ Wo.T
    dx = np.zeros_like(x)
    dWq = np.zeros_like(Wq)
    dWk = np.zeros_like(Wk)
    dWv = np.zeros_like(Wv)
    for h in range(n_heads):
        q, k, v, att = heads[h]
        dz = dconcat[:, h * d:(h + 1) * d]
        datt = dz @ v.T
        dv = att.T @ dz
        ds = att * (datt - (datt * att).sum(axis=-1, keepdims=True))
        ds = ds / np.sqrt(d)
        dq = ds @ k
        dk = ds.T @ q
        dWq[h] = x.T @ dq
        dWk[h] = x.T @ dk
        dWv[h] = x.T @ dv
        dx += dq @ Wq[h].T + dk @ Wk[h].T + dv @ Wv[h].T
    return dx, dWq, dWk, dWv, dWo
"""

SOURCES = {"steps": STEPS, "graph": GRAPH, "ode": ODE, "layers": LAYERS, "kernel": KERNEL, "heads": HEADS, "multihead": MULTIHEAD}

WRONG = {
    "a step that is called in every round": (STEPS, "dprev_h = dz.dot(Wh.T)", "dprev_h = dz.dot(Wh)"),
    "what came from the round after it": (STEPS, "dh[:, t, :] + dprev_h", "dh[:, t, :]"),
    "the last cache in every round": (STEPS, "cache[t])", "cache[-1])"),
    "both ends of an edge": (GRAPH, "dh[s] += dmsg[t]", "dh[t] += dmsg[s]"),
    "the order of a loop": (ODE, "range(n_steps - 1, -1, -1)", "range(n_steps)"),
    "a factor in a loop": (ODE, "df = h * dx", "df = dx"),
    "a mask of the layers but the last": (LAYERS, "dZ = dA * (Z > 0)", "dZ = dA"),
    "heads that are not added up": (MULTIHEAD, "dx += dq", "dx = dq"),
    "a factor in a sum": (HEADS, "queries[i] / np.sqrt(d)", "queries[i]"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_right_code_that_calls_and_sums_is_right(name: str) -> None:
    found = list(visited(SOURCES[name]))
    assert found
    assert all(f.right for f in found), "\n".join(map(str, found))


@pytest.mark.long
@pytest.mark.parametrize("kind", WRONG)
def test_the_line_that_is_wrong_is_found_in_calls_and_sums(kind: str) -> None:
    source, right, wrong = WRONG[kind]
    assert source.count(right) == 1
    found = list(visited(source.replace(right, wrong)))
    assert [fault.line for f in found for fault in f.faults] == [changed_line(source, source.replace(right, wrong))], "\n".join(
        map(str, found)
    )


def test_a_backward_that_calls_a_wrong_one_is_told_with_it() -> None:
    step, whole = visited(STEPS.replace("dprev_h = dz.dot(Wh.T)", "dprev_h = dz.dot(Wh)"))
    assert [f.line for f in step.faults] == [STEPS.splitlines().index("    dprev_h = dz.dot(Wh.T)") + 1]
    assert not whole.right
    assert not whole.faults
    assert whole.notes == ("It is wrong because step_backward is, which it calls.",)


@pytest.mark.long
def test_a_fault_of_its_own_is_found_beside_that_of_what_it_calls() -> None:
    wrong = STEPS.replace("dprev_h = dz.dot(Wh.T)", "dprev_h = dz.dot(Wh)").replace("dWh += dWh_t", "dWh -= dWh_t")
    (of_step,), (of_all,) = (f.faults for f in visited(wrong))
    lines = wrong.splitlines()
    assert lines[of_step.line - 1].strip() == "dprev_h = dz.dot(Wh)"
    assert lines[of_all.line - 1].strip() == "dWh -= dWh_t"


@pytest.mark.long
def test_a_sum_before_its_first_term_is_never_what_is_wrong() -> None:
    inner = "            dw[j] += dout[i] * x[i + j]\n"
    wrong = KERNEL.replace(f"{inner}        db += dout[i]", f"{inner}            db += dout[i]")
    (finding,) = visited(wrong)
    (fault,) = finding.faults
    assert fault.text == "db += dout[i]"


def test_what_is_multiplied_with_an_array_of_heads_is_as_long_as_all_of_them() -> None:
    functions = [n for n in ast.parse(MULTIHEAD).body if isinstance(n, ast.FunctionDef)]
    assert list(of_several(functions)) == [("Wo", "n_heads", "d")]


def test_the_same_numbers_are_known_again_and_others_are_not() -> None:
    assert numbers_of(np.array([0.0, 1.0])) == numbers_of(np.array([-0.0, 1.0]))
    assert numbers_of(np.zeros((2, 1))) != numbers_of(np.zeros((1, 2)))
    assert numbers_of(np.array([1.0])) != numbers_of(np.array([1.0 + 1e-15]))
