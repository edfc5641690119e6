"""What is right on purpose is not accused, and a fault in it is found all the same."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

ROUNDED = """import numpy as np
def forward(x, w):
    q = np.round(w * 4) / 4
    h = x @ q
    out = np.tanh(h)
    return out, (x, w, q, out)
def backward(dout, cache):
    x, w, q, out = cache
    dh = dout * (1 - out ** 2)
    dx = dh @ q.T
    dq = x.T @ dh
    dw = dq
    return dx, dw
"""

HELPED = """import numpy as np
def low(x):
    return np.floor(64 * x + 0.5) / 64
def forward(x):
    return 3 * low(x)
def backward(dout):
    return dout * 3
"""

GUARDED = """import numpy as np
class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return -np.sum(self.t * np.log(self.y + 1e-7)) / len(x)
    def backward(self, dout=1):
        dx = (self.y - self.t) / len(self.t)
        return dx
"""

AVERAGED = """import numpy as np
def linear_forward(A, W, b):
    Z = np.dot(W, A) + b
    return Z, (A, W, b)
def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = np.dot(dZ, A_prev.T) / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (ROUNDED, "np.round jumps"),
        (HELPED, "Forward is a staircase in x"),
        (GUARDED, "right but for the 1e-07 in the forward"),
        (AVERAGED, "The gradients of W and b are divided by the number of examples"),
    ],
)
def test_what_is_right_on_purpose_is_right_and_said(source: str, said: str) -> None:
    (finding,) = visited(source)
    assert finding.right, str(finding)
    assert said in finding.notes[0]


def test_float32_within_a_forward_is_no_mistake_and_is_not_called_right_unseen() -> None:
    source = (
        "import numpy as np\ndef forward(x):\n    y = np.tanh(x.astype(np.float32)).astype(np.float64)\n    return y, y\n"
        "def backward(dout, y):\n    dx = dout * (1 - y * y)\n    return dx\n"
    )
    (finding,) = visited(source)
    assert finding.right, str(finding)
    (wrong,) = visited(source.replace("1 - y * y", "1 - y"))
    assert not wrong.right


@pytest.mark.parametrize(
    ("source", "right", "wrong", "line"),
    [
        (ROUNDED, "out ** 2", "out", 9),
        (ROUNDED, "dw = dq", "dw = 2 * dq", 12),
        (HELPED, "dout * 3", "dout * 2", 7),
        (GUARDED, "(self.y - self.t)", "(self.t - self.y)", 9),
        (AVERAGED, "np.dot(W.T, dZ)", "-np.dot(W.T, dZ)", 10),
    ],
)
def test_a_fault_in_it_is_found(source: str, right: str, wrong: str, line: int) -> None:
    (finding,) = visited(source.replace(right, wrong))
    assert not finding.right
    assert [f.line for f in finding.faults] == [line] or (source == AVERAGED and line in [f.line for f in finding.faults])
