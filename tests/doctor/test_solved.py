"""Lines that name no gradient: what they ought to compute is known by what comes out, and something that is it is found."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from experiments.doctor.mending.cost import Cure, cost
from experiments.doctor.mending.needed import Needed
from experiments.doctor.mending.pieces import fitting
from experiments.doctor.visit import visited

GATED = """
def forward(x, U):
    assert x.ndim == U.ndim == 2
    g = 1 / (1 + np.exp(-x))
    return (x * g * U).sum()

def backward(x, U, g):
    slope = g * (1 - g)
    all_of_it = g + x * slope
    return U * all_of_it
"""

HEIGHTS = """
def heights_forward(u, v):
    assert u.ndim == v.ndim == 2
    a, b, c = np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)
    return a, b, c

def heights_backward(da, db, dc, u, v):
    du = -da * np.cos(v) * np.sin(u) + db * np.cos(v) * np.cos(u)
    dv = -da * np.sin(v) * np.cos(u) - db * np.sin(v) * np.sin(u) + dc * np.cos(v)
    return du, dv
"""

DENSE = """
def forward(x, y, W, b):
    z = x @ W + b
    return np.sum((z - y) ** 2)

def backward(x, y, W, b, z):
    dz = 2 * (z - y)
    db = dz.sum(axis=0)
    dW = x.T @ dz
    return dW, db
"""

FILLED = """
def forward(x, U):
    assert x.ndim == U.ndim == 2
    return (np.maximum(x, 0) ** 2 * U).sum()

def backward(x, U):
    inner = np.zeros_like(x)
    inner[x > 0] = x[x > 0]
    return 2 * inner * U
"""

WEIGHED = """
def forward(p, q):
    assert p.ndim == q.ndim == 2 and p.shape[1] > 1
    return (p ** 2 * q).sum(axis=1)

def backward(dout, p, q):
    up = dout[:, None]
    return up * 2 * p * q, up * p ** 2
"""

LAYER = """
class Scale:
    def __init__(self, d):
        self.w, self.dw = np.ones(d), np.zeros(d)

    def forward(self, x):
        self.x = x
        return x * self.w

    def backward(self, dout):
        self.dw = (dout * self.x).sum(axis=0)
        return dout * self.w
"""


@pytest.mark.parametrize(
    ("source", "right", "wrong", "mend"),
    [
        (GATED, "slope = g * (1 - g)", "slope = g", "slope = g * (1 - g)"),
        (GATED, "g + x * slope", "x * slope", "all_of_it = g + x * slope"),
        (HEIGHTS, "- db * np.sin(v) * np.sin(u)", "- db * np.sin(v)", "- db * np.sin(v) * np.sin(u)"),
        (HEIGHTS, "-da * np.sin(v) * np.cos(u)", "np.cos(u)", "np.sin(v)"),
        (DENSE, "return dW, db", "return dW, dW", "db"),
        (DENSE, "return dW, db", "return db, db", "dW"),
        (WEIGHED, "up * 2 * p * q, up", "up, up", "up * p ** 2)"),
    ],
)
def test_the_line_is_named_and_mended(source: str, right: str, wrong: str, mend: str) -> None:
    assert source.count(right) == 1
    line = source[: source.index(right)].count("\n") + 1
    assert all(f.right for f in visited(source))
    (finding,) = visited(source.replace(right, wrong))
    (fault,) = finding.faults
    assert fault.line == line
    assert fault.mend is not None
    assert mend in fault.mend.after


def test_what_is_never_filled_is_named_and_not_what_is_made_of_it() -> None:
    (finding,) = visited(FILLED.replace("    inner[x > 0] = x[x > 0]\n", ""))
    (fault,) = finding.faults
    assert fault.text == "inner = np.zeros_like(x)"
    assert fault.what == "0 everywhere"


def test_a_parameter_that_nothing_is_added_to_is_named() -> None:
    assert all(f.right for f in visited(LAYER))
    (finding,) = visited(LAYER.replace("        self.dw = (dout * self.x).sum(axis=0)\n", ""))
    assert [(f.label, f.what) for f in finding.faults] == [("self.dw", "0 everywhere: no line that has run adds to it")]
    assert "something is missing" in str(finding)


def test_what_a_piece_must_be_is_solved_for() -> None:
    slopes = np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0]])
    value, right = np.array([3.0, -1.0]), np.array([0.5, 4.0])
    needed = Needed(value, slopes, slopes @ (right - value), 1.0)
    assert needed.right == pytest.approx(right)
    assert needed.is_right(right)
    assert not needed.is_right(value)
    one = Needed(value, slopes[:1], slopes[:1] @ (right - value), 1.0)  # one result, and two numbers that it hangs on
    assert one.right is None
    assert one.is_right(right)
    rest = Needed(value, slopes[:, :1] * [1, 0], slopes[:, 0] * (right - value)[0], 1.0)  # the second moves nothing
    assert rest.right is not None
    assert rest.right[0] == pytest.approx(0.5)
    assert np.isnan(rest.right[1])


@pytest.mark.parametrize("text", ["a", "a * b", "a / b", "a - b", "-(a * b)", "b - a * c", "(1 - a / b) * c", "M @ N"])
def test_pieces_are_put_together(text: str) -> None:
    rng = np.random.default_rng(0)
    worlds = [{"a": x, "b": x[::-1] + 3, "c": x**3 - 2, "M": rng.normal(size=(2, n)), "N": rng.normal(size=(n, 2))} for n in (3, 4)
              for x in [rng.normal(size=(2, 2)) + 2]]  # fmt: skip
    known = [(name, [w[name] for w in worlds]) for name in worlds[0]]
    wanted = [eval(text, dict(w)) for w in worlds]
    needed = [Needed(np.zeros((2, 2)), np.eye(4), w.reshape(-1), 1.0) for w in wanted]
    found = next((t for three in (False, True) for t in fitting(known, needed, three)), None)
    assert found is not None
    for world, numbers in zip(worlds, wanted, strict=True):
        assert eval(found, dict(world)) == pytest.approx(numbers)


@pytest.mark.parametrize(
    ("plainer", "other"),
    [
        ("dx = dy * x", "dx = dy * x * (1 - x) * (1 / (1 - x))"),
        ("dx = dy * x", "dx = 1 * (dy * x)"),
        ("dx = dy * (1 - x) * x", "dx = dy * (1 - x) * x + 0 * x"),
        ("dx = dy * (x - 1) * x", "dx = -(dy * (1 - x) * x)"),
        ("dx = dy * (1 + x) * x", "dx = dy * (1 - -x) * x"),
    ],
)
def test_the_plainer_of_two_cures_is_taken(plainer: str, other: str) -> None:
    (tree,) = ast.parse("def backward(dy, x):\n    s = dy + 1\n    dx = dy * (1 - x) * x\n    return dx").body
    assert isinstance(tree, ast.FunctionDef)
    one, two = (cost(tree, Cure(3, "dx = dy * (1 - x) * x", after), [3]) for after in (plainer, other))
    assert one < two


def test_a_name_that_would_be_read_no_more_speaks_against_a_cure() -> None:
    (tree,) = ast.parse("def backward(dy, x):\n    rows = -x\n    dW = rows.T @ dy\n    return dW").body
    assert isinstance(tree, ast.FunctionDef)
    at_its_source = cost(tree, Cure(2, "rows = -x", "rows = x"), [3, 2])
    assert at_its_source < cost(tree, Cure(3, "dW = rows.T @ dy", "dW = x.T @ dy"), [3, 2])


WARM = """
import numpy as np

def warm(z, heat=1.3):
    e = np.exp(z / heat - (z / heat).max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def warm_backward(dout, z, heat=1.3):
    p = warm(z, heat)
    return p * dout / heat
"""


def test_the_rest_of_a_jacobian_is_put_into_a_longer_line() -> None:
    (found,) = visited(WARM)
    (fault,) = found.faults
    assert fault.mend is not None
    assert fault.mend.after == "return p * (dout - (p * dout).sum(axis=-1, keepdims=True)) / heat"


MARGINS = """
import numpy as np

def svm_loss(W, X, y):
    rows = np.arange(len(X))
    scores = X.dot(W)
    margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
    margins[rows, y] = 0
    counts = (margins > 0).astype(float)
    counts[rows, y] = -counts.sum(axis=0)[y]
    dW = X.T.dot(counts) / len(X)
    return margins.sum() / len(X), dW
"""


def test_what_a_line_reads_is_what_it_was_before_the_line_changed_it() -> None:
    (found,) = visited(MARGINS)
    (fault,) = found.faults
    assert fault.mend is not None
    assert fault.mend.after == "counts[rows, y] = -counts.sum(axis=-1)"
