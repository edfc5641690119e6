"""Inputs that would hide a mistake, and right code that is right for some inputs alone."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

NUMPY = "import numpy as np\n"

MARGIN = """
def smooth(guess, target, width=1.0):
    miss = guess - target
    near = np.abs(miss) <= width
    return np.where(near, 0.5 * miss ** 2, width * (np.abs(miss) - 0.5 * width)).mean()

def smooth_grad(guess, target, width=1.0):
    miss = guess - target
    return np.where(np.abs(miss) <= width, miss, {slope}) / guess.size
"""

SURE = """
def sure(p, y):
    right = np.where(y == 1, p, 1 - p)
    return -np.log(right).mean()

def sure_grad(p, y):
    right = np.where(y == 1, p, 1 - p)
    slope = -1 / right
    return slope / p.size
"""

NEIGHBOURS = """
def neighbours_forward(adj, X, W, V):
    H = np.tanh(adj @ X @ W)
    return adj @ H @ V, H

def neighbours_backward(dout, adj, X, W, V, H):
    dV = (adj @ H).T @ dout
    dH = {adj} @ dout @ V.T
    dZ = dH * (1 - H ** 2)
    dW = (adj @ X).T @ dZ
    return dW, dV
"""

TILES = """
class Largest:
    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        b, c, h, w = x.shape
        n = self.size
        self.x, self.y = x, np.zeros((b, c, h // n, w // n))
        for i in range(h // n):
            for j in range(w // n):
                self.y[:, :, i, j] = x[:, :, i * n:i * n + n, j * n:j * n + n].max(axis=(2, 3))
        return self.y

    def backward(self, dy):
        dx, n = np.zeros_like(self.x), self.size
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                tile = self.x[:, :, i * n:i * n + n, j * n:j * n + n]
                largest = tile == self.y[:, :, i, j][:, :, None, None]
                dx[:, :, i * n:i * n + n, j * n:j * n + n] = largest * dy[:, :, {index}][:, :, None, None]
        return dx
"""

SCRIPT = """
X = np.random.default_rng(0).normal(size=(9, 4))
Y = np.random.default_rng(1).normal(size=(9, 2))
W1 = np.random.default_rng(2).normal(size=(4, 5))
W2 = np.random.default_rng(3).normal(size=(5, 2))
for step in range(10):
    H = np.maximum(0.2 * (X @ W1), X @ W1)
    out = H @ W2
    loss = 0.5 * np.sum((out - Y) ** 2)
    dout = out - Y
    dW2 = H.T @ dout
    dH = dout @ W2.T
    dZ = dH * {slope}
    dW1 = X.T @ dZ
    W1 -= 0.01 * dW1
    W2 -= 0.01 * dW2
"""


@pytest.mark.parametrize(("slope", "notes"), [("width * np.sign(miss)", 0), ("np.sign(miss)", 1)])
def test_what_is_right_for_the_default_alone_is_told(slope: str, notes: int) -> None:
    (found,) = visited(NUMPY + MARGIN.format(slope=slope))
    assert found.right, found
    assert sum("width" in note for note in found.notes) == notes


def test_who_is_asked_whether_he_is_1_is_0_or_1() -> None:
    (found,) = visited(NUMPY + SURE)
    assert not found.right
    (fault,) = found.faults
    assert fault.mend is None or "y" in fault.mend.after, fault  # −1 for all alike mends it only where no y is 1


@pytest.mark.parametrize(("adj", "notes"), [("adj.T", 0), ("adj", 1)])
def test_a_graph_without_directions_is_its_own_transpose(adj: str, notes: int) -> None:
    (found,) = visited(NUMPY + NEIGHBOURS.format(adj=adj))
    assert found.right, found
    assert sum("transpose" in note for note in found.notes) == notes


@pytest.mark.parametrize(("index", "right"), [("i, j", True), ("j, i", False)])
def test_there_is_more_than_one_window(index: str, right: bool) -> None:
    (found,) = visited(NUMPY + TILES.format(index=index))
    assert found.right is right, found


@pytest.mark.parametrize(("slope", "right"), [("np.where(H > 0, 1, 0.2)", True), ("(H > 0)", False)])
def test_a_script_is_mended_too(slope: str, right: bool) -> None:
    (found,) = visited(NUMPY + SCRIPT.format(slope=slope))
    assert found.right is right, found
    if not right:
        (fault,) = found.faults
        assert fault.mend is not None
        assert fault.mend.after == "dZ = dH * np.where(H > 0, 1, 0.2)"


SLIDING = """
def sliding(signal, taps):
    n, k = len(signal), len(taps)
    found = np.zeros(n - k + 1)
    for i in range(n - k + 1):
        for j in range(k):
            found[i] += signal[i + j] * taps[j]
    return found

def sliding_backward(dout, signal, taps):
    n, k = len(signal), len(taps)
    dsignal, dtaps = np.zeros(n), np.zeros(k)
    for i in range(n - k + 1):
        for j in range(k):
            dsignal[i + j] += dout[i] * taps[{index}]
            dtaps[j] += dout[i] * signal[i + j]
    return dsignal, dtaps
"""


@pytest.mark.parametrize(("index", "right"), [("j", True), ("k - 1 - j", False)])
def test_no_window_of_one_is_taken_for_a_single_output(index: str, right: bool) -> None:
    (found,) = visited(NUMPY + SLIDING.format(index=index))
    assert found.right is right, found
    assert right or "+= dout[i] * taps" in found.faults[0].text


SHARED = """
def scores(q, k):
    n, width = q.shape
    found = np.zeros((n, len(k)))
    for i in range(n):
        for j in range(len(k)):
            found[i, j] = q[i] @ k[j] / np.sqrt(width)
    return found

def scores_backward(dout, q, k):
    dq, dk = np.zeros_like(q), np.zeros_like(k)
    for i in range(len(q)):
        for j in range(len(k)):
            dq[i] += dout[i, j] * k[j] / np.sqrt(q.shape[1])
            dk[j] += dout[i, j] * q[i]{scale}
    return dq, dk
"""


@pytest.mark.parametrize(("scale", "right"), [(" / np.sqrt(q.shape[1])", True), ("", False)])
def test_a_width_that_two_matrices_share_is_no_single_output(scale: str, right: bool) -> None:
    (found,) = visited(NUMPY + SHARED.format(scale=scale))
    assert found.right is right, found
