"""A line that has been left out is put where it belongs; and where two lines must be changed both are shown."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from experiments.doctor.mending.cure import Ward
from experiments.doctor.mending.inserted import inserted
from experiments.doctor.mending.mend import with_mend
from experiments.doctor.mending.twice import cured_twice
from experiments.doctor.telling import tell_fault
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.visit import defined, subjects, visited

CELL = """
def forward(x, w, v):
    h = np.tanh(x * w)
    return h * v, h

def backward(dout, dh, x, w, v, h):
    dv = dout * h
    dh = dh + dout * v
    dz = dh * (1 - h ** 2)
    dz = dz * 1.0
    return dz * w, dz * x, dv
"""

MEAN = """
def forward(x, W, y):
    p = x @ W
    return ((p - y) ** 2).sum() / len(x)

def backward(x, W, y, p):
    dp = 2 * (p - y)
    dp /= len(x)
    return dp @ W.T, x.T @ dp
"""

RELU = """
def forward(x, W):
    z = x @ W
    return np.maximum(z, 0)

def backward(dout, x, W, z):
    dz = dout * 1.0
    dz[z <= 0] = 0
    return dz @ W.T, x.T @ dz
"""

PAIR = """
def forward(x, w):
    return (x @ w).sum(axis=1) + x.mean(axis=1)

def backward(dout, x, w):
    first = dout[:, None] @ np.ones((1, w.shape[1]))
    second = x.T @ dout
    left = first @ w.T + dout[:, None] / x.shape[1]
    right = second[:, None] * np.ones((1, w.shape[1]))
    return left, right
"""


def wards(source: str) -> list[Ward]:
    """Two inputs of a source of matrices."""
    tree, found = ast.parse(source), list[Ward]()
    (subject,) = subjects(tree, defined(tree), None, None, None)
    for seed, (n, m, k) in enumerate(((3, 4, 5), (4, 2, 3))):
        rng = np.random.default_rng(seed)
        shapes = {"x": (n, m), "w": (m, k), "W": (m, k), "y": (n, k)}
        given = {name: rng.normal(size=shapes[name]) for name in subject.pair.parameters(subject.pair.forward)}
        found.append(Ward(Examination(subject, given, seed)))
    return found


@pytest.mark.parametrize(
    ("source", "line", "new"),
    [(MEAN, "    dp /= len(x)\n", "dp = dp / len(x)"), (RELU, "    dz[z <= 0] = 0\n", "dz = dz * (z > 0)")],
)
def test_what_would_have_to_stand_between_two_lines_is_known(source: str, line: str, new: str) -> None:
    given = wards(source.replace(line, ""))
    missed = inserted(given)
    assert missed is not None
    name, mend = missed
    tree = given[0].e.subject.pair.backward
    assert (mend.before, mend.after) == ("", new)
    assert name == new.split()[0]
    assert ast.unparse(tree.body[-1]).startswith("return")
    assert mend.line == tree.body[-1].lineno
    mended = given[0].e.subject.with_backward(with_mend(tree, mend))
    assert all(Examination(mended, w.e.inputs, w.e.seed).miss(n) < 1e-6 for w in given for n in w.truths)


def test_two_changes_are_found_of_which_each_makes_one_result_right() -> None:
    source = PAIR.replace("first @ w.T", "-first @ w.T").replace("x.T @ dout", "-x.T @ dout")
    both = cured_twice(wards(source), [8, 9], ())
    assert both is not None
    assert len({cure.line for cure in both}) == 2
    text = source.splitlines()
    for cure in both:
        text[cure.line - 1] = f"    {cure.after}"
    (mended,) = visited("\n".join(text))
    assert mended.right


def test_where_everything_is_right_no_two_changes_are_found() -> None:
    assert cured_twice(wards(PAIR), [8, 9], ()) is None


def test_both_changes_are_told_as_one_and_a_missing_line_with_its_place() -> None:
    said: list[str] = []
    mends = {n: {"line": n, "before": f"a{n}", "after": f"b{n}"} for n in (4, 7)}
    fault = {"line": 7, "text": "a7", "label": "dx", "what": None, "mend": mends[7], "others": (), "also": (mends[4],)}
    tell_fault(lambda text, **_: said.append(text.strip()), fault, "f.py")
    assert said[:5] == ["f.py, line 7 and line 4: both must be changed to make it right.", "- a4", "+ b4", "- a7", "+ b7"]
    said.clear()
    new = {**fault, "mend": {"line": 7, "before": "", "after": "x = x / n"}, "text": "", "also": ()}
    tell_fault(lambda text, **_: said.append(text.strip()), new, "f.py")
    assert said[:2] == ["f.py, line 7: before this line another is missing.", "+ x = x / n"]


@pytest.mark.parametrize(
    ("source", "line", "new"),
    [
        (CELL, "    dh = dh + dout * v\n", "dh = dh + "),
        (MEAN, "    dp /= len(x)\n", "dp = dp / len(x)"),
        (RELU, "    dz[z <= 0] = 0\n", "dz = dz * "),
    ],
)
def test_a_line_that_is_missing_is_put_where_it_belongs(source: str, line: str, new: str) -> None:
    assert source.count(line) == 1
    wrong = source.replace(line, "")
    (finding,) = visited(wrong)
    (fault,) = finding.faults
    assert fault.mend is not None
    text = wrong.splitlines()
    if not fault.mend.before:  # else what is left out is put into a line that stands there
        assert fault.mend.after.startswith(new)
        assert "before this line another is missing" in str(finding)
        text.insert(fault.line - 1, f"    {fault.mend.after}")
    else:
        text[fault.line - 1] = f"    {fault.mend.after}"
    (mended,) = visited("\n".join(text))
    assert mended.right


def test_two_lines_that_must_both_be_changed_are_shown_with_both() -> None:
    wrong = PAIR.replace("first @ w.T", "-first @ w.T").replace("x.T @ dout", "-x.T @ dout")
    (finding,) = visited(wrong)
    told = [m for f in finding.faults if f.mend is not None for m in (f.mend, *f.also)]
    assert len(told) == 2
    text = wrong.splitlines()
    for mend in told:
        assert text[mend.line - 1].strip() == mend.before
        text[mend.line - 1] = f"    {mend.after}"
    (mended,) = visited("\n".join(text))
    assert mended.right
