"""A line that leaves out the gradient that comes in is found by what hangs on it, and that gradient is put back."""

from __future__ import annotations

import ast

import numpy as np

from experiments.doctor import doctor
from experiments.doctor.mending.led import led, losing


def weighted(x: np.ndarray) -> np.ndarray:
    return np.array([(1 + i) * np.sin(x[i]) for i in range(len(x))])


def weighted_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    dL_dx = np.zeros(x.shape, dtype=dL_dy.dtype)
    for i in range(len(dL_dy)):
        dL_dx[i] += (1 + i) * np.cos(x[i])
    return dL_dx


def test_the_part_that_a_loop_has_come_to() -> None:
    (fault,) = doctor(weighted, weighted_backward, inputs={"x": (4, 3)}).faults
    assert fault.text == "dL_dx[i] += (1 + i) * np.cos(x[i])"
    assert fault.mend is not None
    assert fault.mend.after == "dL_dx[i] += dL_dy[i] * ((1 + i) * np.cos(x[i]))"


def gated(x: np.ndarray) -> np.ndarray:
    return x * np.exp(-x * x) / (1 + x * x)


def gated_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    dL_dx = np.cos(x)
    return dL_dx


def test_it_is_said_where_nothing_small_would_be_right() -> None:
    (fault,) = doctor(gated, gated_backward).faults
    assert fault.what == "the same whatever dL_dy is: the gradient that comes in is left out of it"


def test_a_line_that_reads_a_gradient_inherits_the_loss() -> None:
    text = "def f(dout, x):\n    n = np.zeros_like(dout)\n    dh = x ** 2 / len(dout)\n    dx = dh * x\n    return dx"
    tree = ast.parse(text).body[0]
    assert isinstance(tree, ast.FunctionDef)
    assert led(tree, {"dout"}) == {"dout"}
    assert losing(tree, [5], {"dout"}) == [3]
