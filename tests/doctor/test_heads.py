"""Faults that stand in no line with a gradient of its own: the head of a loop, a mask, what is returned, a sum over everything."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

LOOP = """
def forward(x, w):
    h = np.zeros(x.shape[1])
    hs = []
    for t in range(len(x)):
        hs.append(h)
        h = np.tanh(x[t] + w * h)
    return h, hs


def backward(dL_dh, x, w, hs):
    dL_dw = np.zeros_like(w)
    dL_dx = np.zeros_like(x)
    for t in reversed(range(len(x))):
        slope = 1 - np.tanh(x[t] + w * hs[t]) ** 2
        dL_dx[t] = dL_dh * slope
        dL_dw += dL_dx[t] * hs[t]
        dL_dh = dL_dx[t] * w
    return dL_dx, dL_dw
"""

SQUASHED = """
def forward(x, w):
    assert w.shape == x.shape[1:] and len(w) > 1
    z = x * w
    p = 1 / (1 + np.exp(-z))
    return p


def backward(dL_dp, x, w, p):
    slope = np.maximum(p * (1 - p), 1e-12)
    dL_dz = dL_dp * slope
    dL_dx = dL_dz * w
    dL_dw = (dL_dz * x).sum(axis=0)
    return dL_dx, dL_dw
"""


@pytest.mark.parametrize(
    ("source", "right", "wrong"),
    [
        (LOOP, "    for t in reversed(range(len(x))):", "    for t in range(len(x)):"),
        (SQUASHED, "dL_dw = (dL_dz * x).sum(axis=0)", "dL_dw = (dL_dz * x).sum(axis=None)"),
        (SQUASHED, "dL_dw = (dL_dz * x).sum(axis=0)", "dL_dw = (dL_dz * x).sum(None)"),
        (SQUASHED, "return dL_dx, dL_dw", "return -dL_dx, dL_dw"),
        (SQUASHED, "return dL_dx, dL_dw", "return dL_dx, 2 * dL_dw"),
    ],
)
def test_the_line_is_named_and_what_makes_it_right(source: str, right: str, wrong: str) -> None:
    assert source.count(right) == 1
    (sound,) = visited(source)
    assert sound.right
    (found,) = visited(source.replace(right, wrong))
    (fault,) = found.faults
    assert source[: source.index(right)].count("\n") + 1 == fault.line
    assert fault.mend
    (mended,) = visited(source.replace(right, indented(fault.mend.after, right)))
    assert mended.right


def indented(after: str, right: str) -> str:
    return right[: len(right) - len(right.lstrip())] + after
