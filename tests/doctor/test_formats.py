"""A file in float32 is examined in float64: right code is not accused for its rounding, and of wrong code the line is named."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.doctor import doctor
from experiments.doctor.verdict.formats import NOTE
from experiments.doctor.visit import visited

NARROW = """
import numpy as np

def forward(x, W1, b1, W2, y):
    x, W1, b1 = x.astype(np.float32), W1.astype("float32"), np.asarray(b1, dtype="float32")
    a1 = np.tanh(x @ W1 + b1)
    p = a1 @ W2.astype(np.float32)
    return np.float32(((p - y) ** 2).mean()), (x, W1, b1, W2, y, a1, p)

def backward(cache):
    x, W1, b1, W2, y, a1, p = cache
    dp = (2 * (p - y) / p.size).astype(np.float32)
    dW2 = a1.T @ dp
    dz1 = (dp @ W2.T) * (1 - a1 ** 2)
    return x.T @ dz1, dz1.sum(axis=0), dW2
"""


@pytest.mark.parametrize("seed", range(3))
def test_right_code_in_float32_is_right(seed: int) -> None:
    (finding,) = visited(NARROW, seed=seed)
    assert finding.right
    assert NOTE in finding.notes
    assert all(g.digits > 7 for g in finding.gradients)


@pytest.mark.parametrize(
    ("right", "wrong", "mend"),
    [
        ("(1 - a1 ** 2)", "(1 - a1)", "(1 - a1 ** 2)"),
        ("(2 * (p - y) / p.size).astype(np.float32)", "(2 * (y - p) / p.size).astype(np.float32)", ".astype(np.float32)"),
    ],
)
def test_of_wrong_code_in_float32_the_line_is_named_as_it_stands(right: str, wrong: str, mend: str) -> None:
    line = NARROW[: NARROW.index(right)].count("\n") + 1
    (finding,) = visited(NARROW.replace(right, wrong))
    (fault,) = finding.faults
    assert fault.line == line
    assert fault.mend is not None
    assert mend in fault.mend.after
    assert "float64" not in fault.text + fault.mend.before + fault.mend.after


def test_what_names_no_format_is_not_spoken_of() -> None:
    (finding,) = visited("def f_forward(x):\n    return np.sin(x)\n\ndef f_backward(dout, x):\n    return dout * np.cos(x)\n")
    assert finding.right
    assert finding.notes == ()


def halves(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) / 2


def halves_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    return dL_dy.astype(np.float32) / 2


def test_in_memory_too() -> None:
    found = doctor(halves, halves_backward, inputs={"x": (5, 3)})
    assert found.right
    assert found.notes == (NOTE,)


@pytest.mark.parametrize("name", ["softmax_backward", "backward_softmax", "softmax_bwd"])
def test_a_forward_may_be_called_by_what_it_computes(name: str) -> None:
    source = "def softmax(z):\n    e = np.exp(z)\n    return e / e.sum()\n\n"
    source += "def NAME(dout, z):\n    p = softmax(z)\n    return p * (dout - (dout * p).sum())\n"
    (finding,) = visited(source.replace("NAME", name))
    assert finding.right
    (finding,) = visited(source.replace("NAME", name).replace("(dout * p).sum()", "dout.sum()"))
    assert [f.line for f in finding.faults] == [7]
