"""A backward that is given a gradient for each output of its forward: which belongs to which, by their names or by their order."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

GATES = """
import numpy as np

def step_forward(x, prev_h, prev_c, W, U):
    f = 1 / (1 + np.exp(-(x @ W)))
    g = np.tanh(prev_h @ U)
    next_c = f * prev_c + (1 - f) * g
    next_h = f * np.tanh(next_c)
    return RESULTS, (x, prev_h, prev_c, W, U, f, g, next_c)

def step_backward(ARGUMENTS, cache):
    x, prev_h, prev_c, W, U, f, g, next_c = cache
    t = np.tanh(next_c)
    total = GC + GH * f * (1 - t ** 2)
    df = GH * t + total * (prev_c - g)
    dprev_c = total * f
    da = df * f * (1 - f)
    db = total * (1 - f) * (1 - g ** 2)
    return da @ W.T, db @ U.T, dprev_c, x.T @ da, prev_h.T @ db
"""
NAMES = (("dnext_h", "dnext_c"), ("dh", "dc"), ("dh_next", "dc_next"), ("grad_h", "grad_c"), ("d_h_next", "d_c_next"))


def gates(h: str, c: str, arguments: str, results: str = "next_h, next_c") -> str:
    """The step of a recurrence with these names of its gradients."""
    return GATES.replace("ARGUMENTS", arguments).replace("RESULTS", results).replace("GH", h).replace("GC", c)


@pytest.mark.parametrize(("h", "c"), NAMES)
def test_gradients_of_two_outputs_are_told_by_their_names_in_either_order(h: str, c: str) -> None:
    for arguments in (f"{h}, {c}", f"{c}, {h}"):
        (found,) = visited(gates(h, c, arguments))
        assert found.right, found


@pytest.mark.long
def test_gradients_of_two_outputs_may_come_in_one_tuple() -> None:
    source = gates("dh", "dc", "dout").replace("    t = np", "    dh, dc = dout\n    t = np")
    (found,) = visited(source)
    assert found.right, found
    wrong = source.replace("df = dh * t +", "df = dh +")
    (found,) = visited(wrong)
    (fault,) = found.faults
    assert fault.line == changed_line(source, wrong)


def test_where_their_names_say_nothing_they_come_in_order() -> None:
    """Of two results without a name, and of two gradients called like something that forward does not name."""
    for results, arguments in (("next_h * 1.0, next_c * 1.0", "dL_dA, dL_dB"), ("next_h, next_c", "dL_dtop, dL_dside")):
        h, c = arguments.split(", ")
        (found,) = visited(gates(h, c, arguments, results))
        assert found.right, found


@pytest.mark.long
def test_a_fault_in_the_path_of_one_output_is_located_and_mended() -> None:
    source = gates("dh", "dc", "dh, dc")
    wrong = source.replace("dh * f * (1 - t ** 2)", "dh * (1 - t ** 2)")
    (found,) = visited(wrong)
    (fault,) = found.faults
    assert fault.line == changed_line(source, wrong)
    assert fault.mend
    assert "* f" in fault.mend.after


@pytest.mark.long
def test_one_gradient_of_two_that_is_left_out_is_located() -> None:
    source = gates("dh", "dc", "dh, dc")
    wrong = source.replace("total = dc + dh", "total = dh")
    (found,) = visited(wrong)
    (fault,) = found.faults
    assert fault.line == changed_line(source, wrong)
    assert fault.mend
    assert "dc" in fault.mend.after


def test_an_argument_beyond_the_outputs_is_not_taken_for_a_gradient_of_them() -> None:
    source = gates("dh", "dc", "dh, dc, dL_dscale").replace("total = dc", "total = dL_dscale * dc")
    (found,) = visited(source)
    assert found.trouble
    assert "dL_dscale" in found.trouble


MOMENTS = """
import numpy as np

def moments_forward(x, scale):
    mean = scale * x.mean(axis=0)
    var = scale * (x ** 2).mean(axis=0)
    return mean, var, (x, scale)

def moments_backward(dmean, dvar, cache):
    x, scale = cache
    dL_dparts = np.zeros((2, x.shape[1]))
    dL_dparts[::-1][0] = dvar * scale
    dL_dparts[0] = dmean * scale
    dx = np.ones_like(x) * dL_dparts[0] / len(x) + 2 * x * dL_dparts[1] / len(x)
    return dx, np.sum(dmean * x.mean(axis=0) + dvar * (x ** 2).mean(axis=0))
"""


def test_a_line_that_leaves_out_one_gradient_of_two_gets_it_back_though_it_writes_through_a_view() -> None:
    assert all(f.right for f in visited(MOMENTS))
    wrong = MOMENTS.replace("dL_dparts[::-1][0] = dvar * scale", "dL_dparts[::-1][0] = scale")
    (found,) = visited(wrong)
    (fault,) = found.faults
    assert fault.line == changed_line(MOMENTS, wrong)
    assert fault.mend
    assert "dvar" in fault.mend.after
