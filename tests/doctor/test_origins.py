"""Where a fault comes from: what is no number, a path without a gradient of its own, a result that is another's or none, a line above."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from experiments.doctor.calls.calling import Subject
from experiments.doctor.finding import Fault, Finding
from experiments.doctor.mending.cost import Cure
from experiments.doctor.mending.helpers import helpers
from experiments.doctor.mending.mend import Mend
from experiments.doctor.mending.moved import at_definition, at_reading
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.occurrences import left_out, paths
from experiments.doctor.verdict.suspects import right_lines
from experiments.doctor.visit import defined, visited
from experiments.doctor.visit import subjects as subjects_of

UNIT = """
def forward(p):
    r = np.sqrt((p ** 2).sum(axis=0))
    q = p / r
    return q

def backward(dq, p, r, q):
    dp = (dq - q * (dq * q).sum(axis=0)) / r
    return dp
"""

ANGLE = """
def forward(a, b):
    return (a @ b) / np.linalg.norm(a)

def backward(dout, a, b):
    n = np.linalg.norm(a)
    da = dout * (b / n - (a @ b) * a / n ** 3)
    db = dout * a / n
    return da, db
"""

ODDS = """
def forward(s, w):
    e = np.exp(s)
    l = np.log(e + 1)
    return (l * w).sum()

def backward(dout, s, w, e, l):
    dl = dout * w
    de = dl / (e + 1)
    ds = de * e
    dw = dout * l
    return ds, dw
"""

PLANE = """
def forward(x, W, b):
    z = x @ W + b
    return np.tanh(z)

def backward(dout, x, W, b, z):
    dz = dout * (1 - np.tanh(z) ** 2)
    dW = x.T @ dz
    db = dz.sum(axis=0)
    return dW, db
"""

MIX = """
def forward(u, v):
    return [u * v, u + v][0] * 2.0 + v ** 2

def backward(dout, u, v):
    both = [2 * dout * v, 2 * dout * u]
    du = both[0]
    dv = both[1] + 2 * dout * v
    return du, dv
"""

UNNAMED = """
def forward(x, t, W, b):
    return ((x @ W + b - t) ** 2).sum()

def backward(dout, x, t, W, b):
    g = 2 * dout * (x @ W + b - t)
    return x.T @ g, g.sum(axis=0)
"""

CHAIN = """
def forward(x, W, V):
    h = np.tanh(x @ W)
    return h @ V + h.sum(axis=1, keepdims=True)

def backward(dout, x, W, V, h):
    back = dout @ V.T + dout.sum(axis=1, keepdims=True)
    dz = back * (1 - h ** 2)
    dW = x.T @ dz
    return dW
"""


SLOPES = """
def softsign(v):
    return v / (1 + np.abs(v))

def softsign_slope(v):
    d = 1 + np.abs(v)
    return 1 / d ** 2

def forward(x, W):
    v = x @ W
    return softsign(v)

def backward(dout, x, W, v):
    dv = dout * softsign_slope(v)
    dW = x.T @ dv
    dx = dv @ W.T
    return dx, dW
"""


def subjects(source: str) -> list[Subject]:
    """The pairs of a source."""
    tree = ast.parse(source)
    return list(subjects_of(tree, defined(tree), None, None, None))


def seen(source: str, right: str = "", wrong: str = "") -> Finding:
    """What is found if a piece of it is replaced by another."""
    assert source.count(right) == 1 or not right
    (finding,) = visited(source.replace(right, wrong) if right else source)
    return finding


@pytest.mark.parametrize("source", [UNIT, ANGLE, ODDS, PLANE, MIX, UNNAMED, CHAIN])
def test_right_code_is_right(source: str) -> None:
    assert seen(source).right


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("dl * np.log(e * 0)", "np.log(e * 0), where e * 0 is 0"), ("dl / (e - e)", "dl / (e - e), where e - e is 0")],
)
def test_of_what_is_no_number_it_is_said_where_it_comes_from(wrong: str, said: str) -> None:
    finding = seen(ODDS, "dl / (e + 1)", wrong)
    (fault,) = finding.faults
    assert fault.what == f"no number in some places: {said}"
    assert fault.mend is not None, "the line is asked what it ought to be though what it is is no number"
    assert seen(ODDS, "dl / (e + 1)", fault.mend.after.removeprefix("de = ")).right


def test_a_path_is_named_though_what_it_leads_through_has_no_gradient() -> None:
    (fault,) = seen(UNIT, "(dq - q * (dq * q).sum(axis=0)) / r", "dq / r").faults
    assert fault.what == "the right one without the path through r, on which p acts too"


def test_a_path_is_named_by_the_code_where_it_has_no_name() -> None:
    (subject,) = subjects(ANGLE.replace(" - (a @ b) * a / n ** 3", ""))
    rng = np.random.default_rng(0)
    e = Examination(subject, {"a": rng.normal(size=4), "b": rng.normal(size=4)})
    assert [p.words for p in paths(subject.pair.forward, "a")] == ["a @ b", "np.linalg.norm(a)"]
    assert list(left_out(e, "a")) == ["the right one without the path through np.linalg.norm(a), on which a acts too"]
    assert not list(left_out(e, "b"))


@pytest.mark.parametrize(
    ("source", "right", "wrong", "value"),
    [
        (PLANE, "return dW, db", "return dz, db", "W"),  # dW is named, and read nowhere
        (MIX, "return du, dv", "return both, dv", "u"),  # a list is a wrong gradient, and not none
    ],
)
def test_what_is_returned_in_the_place_of_a_gradient_is_judged(source: str, right: str, wrong: str, value: str) -> None:
    finding = seen(source, right, wrong)
    assert [g.value for g in finding.gradients if not g.right] == [value]
    (fault,) = finding.faults
    assert source.splitlines()[fault.line - 1].startswith("    return")
    assert fault.mend is not None


def test_a_result_that_was_not_summed_up_is_told_by_the_shapes_of_the_others() -> None:
    (subject,) = subjects(UNNAMED.replace("g.sum(axis=0)", "g"))
    shapes = {"x": (7, 5), "t": (7, 3), "W": (5, 3), "b": (3,)}
    e = Examination(subject, {n: np.random.default_rng(0).normal(size=shape) for n, shape in shapes.items()})
    assert {n for n, c in e.claims.items() if c.returned} == {"W", "b"}


def test_a_term_may_be_missing_where_a_value_is_computed_or_where_it_is_read() -> None:
    (fault,) = seen(CHAIN, "dout @ V.T + dout.sum(axis=1, keepdims=True)", "dout @ V.T").faults
    changed = {m.line: m for m in (fault.mend, *fault.others) if m is not None}
    assert CHAIN.splitlines().index("    back = dout @ V.T + dout.sum(axis=1, keepdims=True)") + 1 in changed


def test_a_change_is_made_in_the_line_before_or_after() -> None:
    (subject,) = subjects(CHAIN)
    tree = subject.pair.backward
    back, dz = tree.body[0].lineno, tree.body[1].lineno
    read = Cure(dz, "dz = back * (1 - h ** 2)", "dz = (back + h) * (1 - h ** 2)")
    (made,) = at_definition(tree, read)
    assert (made.line, made.after) == (back, "back = dout @ V.T + dout.sum(axis=1, keepdims=True) + h")
    (again,) = at_reading(tree, made)
    assert again == read
    assert not list(at_definition(tree, Cure(dz, read.before, "dz = h * (1 - h ** 2)")))


def test_a_function_that_only_the_backward_calls_is_mended_itself() -> None:
    assert seen(SLOPES).right
    (fault,) = seen(SLOPES, "1 / d ** 2", "1 / d").faults
    assert fault.mend == Mend(7, "return 1 / d", "return 1 / d ** 2")


def test_what_forward_calls_too_is_no_helper_of_the_backward() -> None:
    tree = ast.parse(SLOPES.replace("d = 1 + np.abs(v)", "d = 1 + abs(softsign(v))"))
    forward, backward = (
        next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name) for name in ("forward", "backward")
    )
    assert list(helpers(tree, forward, backward)) == ["softsign_slope"]


def test_of_several_faults_none_says_that_its_mend_is_enough() -> None:
    fault = Fault(3, "a = b", "a", None, Mend(3, "a = b", "a = c"))
    one, two = (str(Finding("f", "g", (), faults)) for faults in ((fault,), (fault, fault)))
    assert "With the second line it is right" in one
    assert "it is right" not in two
    assert "Both lines have to be mended" in two


def test_a_line_that_writes_several_names_is_not_cleared_by_one_of_them() -> None:
    (subject,) = subjects(UNIT.replace("    dp = (dq", "    dq, m = (1.0 * a for a in (dq, q))\n    dp = (dq"))
    e = Examination(subject, {"p": np.random.default_rng(0).normal(size=(4, 3))})
    assert "q" not in e.wrong
    assert subject.pair.backward.body[0].lineno not in right_lines(e)
