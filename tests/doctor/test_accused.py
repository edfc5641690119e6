"""Which of several lines is named: not the one that only reads, copies or returns what another has made wrong."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

STATES = """
def forward(x, W, V, U):
    h1 = np.tanh(x[:, 0] @ W)
    h2 = np.tanh(x[:, 1] @ W + h1 @ V)
    return (h1 * U[0] + h2 * U[1]).sum()

def backward(x, W, V, U, h1, h2):
    dh2 = U[1]
    dz2 = dh2 * (1 - h2 ** 2)
    dh1 = U[0] + dz2 @ V.T
    dz1 = dh1 * (1 - h1 ** 2)
    dV = h1.T @ dz2 + 0 * U[0].sum()
    dW = x[:, 1].T @ dz2 + x[:, 0].T @ dz1
    return dict(W=dW, V=dV)
"""

SHRINK = """
def forward(z, t):
    return np.sign(z) * np.maximum(np.abs(z) - t, 0)

def backward(dout, z, t):
    moved = np.abs(z) > t
    dz = dout * moved
    return dz, -(dz * np.sign(z)).sum()
"""

ENDS = """
def forward(A):
    assert A.ndim == 1
    S = np.sort(A)
    return S[0] / S[-1] ** 2

def backward(dout, A):
    order = np.argsort(A)
    S = A[order]
    made = np.zeros_like(S)
    made[0] = dout / S[-1] ** 2
    made[-1] = -2 * dout * S[0] / S[-1] ** 3
    found = np.zeros_like(A)
    found[order] = made
    return found
"""

CLIPPED = """
class Clip:
    def forward(self, x):
        self.inside = np.abs(x) < 1
        return np.clip(x, -1, 1)

    def backward(self, dout):
        inside = self.inside
        return dout * inside
"""

LOOK = """
def forward(q, K, V):
    a = np.exp(q @ K.T) / np.exp(q @ K.T).sum(axis=1, keepdims=True)
    return a @ V

def backward(dout, q, K, V, a):
    dV = a.T @ dout
    da = dout @ V.T
    back = a * (da - (a * da).sum(axis=1, keepdims=True))
    return back @ K, back.T @ q, dV
"""


@pytest.mark.parametrize(
    ("source", "right", "wrong", "what"),
    [
        (STATES, "U[0] + dz2 @ V.T", "U[0]", "without the path through h2"),
        (SHRINK, "np.abs(z) > t", "np.abs(z) < t", "with a comparison the wrong way round"),
        (ENDS, "made[0] = dout", "made[1] = dout", None),
        (CLIPPED, "return dout * inside", "return inside", "without the factor dout"),
        (LOOK, "a * (da - (a * da).sum(axis=1, keepdims=True))", "a * da", None),
    ],
)
def test_the_line_that_is_wrong_is_named(source: str, right: str, wrong: str, what: str | None) -> None:
    assert source.count(right) == 1
    line = source[: source.index(right)].count("\n") + 1
    assert all(f.right for f in visited(source))
    (finding,) = visited(source.replace(right, wrong))
    (fault,) = finding.faults
    assert fault.line == line
    assert fault.what or fault.mend
    assert what is None or what in str(fault.what)


@pytest.mark.parametrize(("takes", "noted"), [("dout, p, y", True), ("p, y, dout=1.0", False)])
def test_a_gradient_that_nobody_reads_is_told_of_unless_it_is_1_by_itself(takes: str, noted: bool) -> None:
    source = f"def mse_forward(p, y):\n    return ((p - y) ** 2).sum()\n\ndef mse_backward({takes}):\n    return 2 * (p - y)\n"
    (finding,) = visited(source)
    assert finding.right
    assert any("dout is read nowhere" in note for note in finding.notes) == noted


def test_results_that_a_condition_chooses_between_are_told_apart() -> None:
    source = (
        "def forward(x, w, both):\n    return (x * w if both else x + w).sum()\n\n"
        "def backward(dout, x, w, both):\n    return (dout * w, dout * x) if both else (dout * np.ones_like(x), dout * np.ones_like(w))\n"
    )
    (finding,) = visited(source)
    assert [g.value for g in finding.gradients] == ["x", "w"]


SATURATED = """
import numpy as np

def forward(x, W1, b1, W2, b2, W3, b3):
    z1 = np.dot(x, W1) + b1
    z2 = (z1 @ W2 + b2) ** 4
    z3 = np.dot(z2, W3) + b3
    out = np.exp(z3 - z3.max(axis=1, keepdims=True))
    out = out / out.sum(axis=1, keepdims=True)
    return out, (x, z1, z2, out, W1, W2, b2, W3)

def backward(dout, cache):
    x, z1, z2, out, W1, W2, b2, W3 = cache
    dz3 = out * (dout - (dout * out).sum(axis=1, keepdims=True))
    dz2 = dz3 @ W3.T * 4 * (z1 @ W2 + b2) ** 3
    dz1 = dz2 @ W2.T
    return {'W1': x.T @ dz1, 'b1': dz1.sum(axis=0), 'W2': z1.T @ dz2, 'b2': dz2.sum(axis=0), 'W3': z2.T @ dz3, 'b3': dz3.sum(axis=0)}
"""


@pytest.mark.parametrize("seed", range(6))
def test_a_slope_below_the_last_digit_of_the_loss_accuses_nobody(seed: int) -> None:
    """With p at 1 but for 1e-70 the loss does not move at all, and the gradient is 1e-70."""
    (finding,) = visited(SATURATED, seed=seed)
    assert finding.right, str(finding)


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2))])
def test_what_is_wrong_is_not_called_right_since_no_slope_shows(seed: int) -> None:
    (finding,) = visited(bad := SATURATED.replace("dz2 @ W2.T", "2 * dz2 @ W2.T"), seed=seed)
    assert [f.line for f in finding.faults] == [changed_line(SATURATED, bad)]


STEPS = """
import numpy as np

def forward(x, y, W1, W2, b2):
    z1 = x @ W1
    z2 = np.dot(z1, W2) + b2
    out = z2 - z2.mean(axis=1, keepdims=True)
    p = 1 / (1 + np.exp(-out))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    return loss

def backward(x, z1, z2, out, W1, W2, b2, y, p):
    dout = (p - y) / y.size
    dz2 = dout - dout.mean(axis=1, keepdims=True)
    dz1 = np.dot(dz2, W2.T)
    return x.T @ dz1, z1.T @ dz2, np.sum(dz2, axis=0)
"""


@pytest.mark.parametrize("seed", range(7))
def test_a_loss_that_moves_in_steps_along_some_directions_accuses_nobody(seed: int) -> None:
    """Of p = 1 − 1e-12 the logarithm of 1 − p stands still, or jumps by 1e-4."""
    (finding,) = visited(STEPS, seed=seed)
    assert finding.right, str(finding)
