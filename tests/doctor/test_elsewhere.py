"""Where two lines are equally to blame both are told; and a line far above the one that is returned is found."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from experiments.doctor.calls.resumed import Start, known_before, number_of
from experiments.doctor.mending.changing import Changing
from experiments.doctor.visit import visited

GATE = """
def forward(x):
    return x / (1 + np.exp(-2 * x))

def backward(dout, x):
    gate = 1 / (1 + np.exp(-2 * x))
    slope = 2 * gate * (1 - gate)
    return dout * (gate + x * slope)
"""

TABLE = """
def forward(A):
    U, S, Vh = np.linalg.svd(A, full_matrices=False)
    return U[:, :2] * S[:2] @ Vh[:2]

def backward(dout, A):
    U, S, Vh = np.linalg.svd(A, full_matrices=False)
    first = np.arange(len(S)) < 2
    between = first[:, None] != first
    larger, smaller = np.maximum(S, S[:, None]), np.minimum(S, S[:, None])
    gap = np.where(between, (larger - smaller) * (larger + smaller), 1)
    E = U.T @ dout @ Vh.T
    P = (first[:, None] & first) * E + between * (larger ** 2 * E + larger * smaller * E.T) / gap
    back = U @ P @ Vh
    back += (dout - U @ (U.T @ dout)) @ Vh[:2].T @ Vh[:2]
    return back
"""

PREFIX = """
def backward(dout, x, cache):
    g = dout * x
    w = g.T
    h = g + 1
    h += [n for n in (1, 2)][0] * x
    return h
"""


def line_of(source: str, text: str) -> int:
    """Where that stands, once."""
    assert source.count(text) == 1
    return source[: source.index(text)].count("\n") + 1


def test_of_two_lines_that_are_equally_to_blame_both_are_told() -> None:
    wrong = GATE.replace("2 * gate * (1 - gate)", "gate * (1 - gate)")
    (finding,) = visited(wrong)
    (fault,) = finding.faults
    lines = {line_of(wrong, "slope ="), line_of(wrong, "return dout")}
    assert {fault.line, *(other.line for other in fault.others)} == lines
    assert fault.mend is not None
    for mend in (fault.mend, *fault.others):
        (mended,) = visited(wrong.replace(mend.before.strip(), mend.after))
        assert mended.right
    assert f"line {fault.line}, or line {fault.others[0].line}: a change of either makes it right." in str(finding)


def test_where_only_one_line_is_to_blame_no_other_is_told() -> None:
    (finding,) = visited(GATE.replace("dout * (gate", "-dout * (gate"))
    assert finding.faults[0].others == ()


@pytest.mark.long
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(larger + smaller), 1)", "smaller, 1)"),
        ("np.minimum(S, S[:, None])", "np.minimum(S, U[:, None])"),
        ("np.maximum(S, S[:, None])", "-np.maximum(S, S[:, None])"),
        ("U.T @ dout @ Vh.T", "-(U.T @ dout @ Vh.T)"),
    ],
)
def test_a_line_without_a_telling_name_far_above_is_found(right: str, wrong: str) -> None:
    line = line_of(TABLE, right)
    (finding,) = visited(TABLE.replace(right, wrong), shapes={"A": (6, 4)})
    assert [f.line for f in finding.faults] == [line]
    assert finding.faults[0].mend is not None


def test_what_is_gone_on_with_is_what_would_have_been_computed_from_the_start() -> None:
    (tree,) = ast.parse(PREFIX.replace("    w = g.T\n", "")).body
    assert isinstance(tree, ast.FunctionDef)
    given = {"dout": np.array([[1.0, 2.0], [3.0, 4.0]]), "x": np.array([[5.0, 6.0], [7.0, 9.0]]), "cache": None}
    for line, text in ((4, "h = g - x"), (5, "h -= [n for n in (1, 2)][1] * x"), (6, "return 2 * h")):
        changing = Changing(tree, {"np": np})
        whole = changing.made(line, text)(**given)
        at = number_of(tree, line)
        known = known_before(tree, {"np": np}, at, lambda f: f(**given))
        assert at
        assert known is not None
        assert np.array_equal(changing.made(line, text, Start(at, tuple(known)))(**known), whole)


def test_what_shares_its_numbers_is_not_copied_but_run_as_a_whole() -> None:
    (tree,) = ast.parse(PREFIX).body
    assert isinstance(tree, ast.FunctionDef)
    given = {"dout": np.ones((2, 2)), "x": np.ones((2, 2)), "cache": None}
    assert known_before(tree, {"np": np}, number_of(tree, 5), lambda f: f(**given)) is None, "w is a view of g"
