"""Which of two lines is to blame: not one that calls the forward anew, and gets what it gave."""

from __future__ import annotations

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

QUOTIENT = """
import numpy as np

def quotient(A, v):
    return v @ A @ v / (v @ v)

def quotient_backward(dout, A, v):
    R, vv = quotient(A, v), v @ v
    dv = dout * (A @ v + v @ A - 2 * R * v) / vv
    return dout * np.outer(v, v) / vv, dv
"""


def test_a_line_that_calls_the_forward_is_not_blamed_for_what_another_made_of_it() -> None:
    """A 2 that is missing in the second line could stand in the first: but that is forward's own number."""
    assert all(f.right for f in visited(QUOTIENT))
    wrong = QUOTIENT.replace("- 2 * R * v", "- R * v")
    (found,) = visited(wrong)
    (fault,) = found.faults
    assert fault.line == changed_line(QUOTIENT, wrong)
    assert fault.mend
    assert not fault.others
