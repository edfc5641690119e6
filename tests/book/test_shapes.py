"""The shapes that stand under the lines, and what is kept of them."""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import experiments
from experiments.book.lines import ways
from experiments.book.shapes import Watch, made_by, shape_of, shapes_of, valued
from tests.helpers import ROOT

CODE = """
def forward(x, W):
    z = (
        x @ W
    )
    for row in z:
        total = row.sum()
    a, (b, c) = z, (1.5, "text")
    box.grad = z.T
    z = z[0]
    return z @ z
"""
STEPS = argparse.Namespace(steps=1, dtype="float64", device="cpu", seed=0, json=False)


def test_each_line_is_told_once_with_what_it_makes(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text(CODE, encoding="utf-8")
    names = {"box": SimpleNamespace()}
    exec(compile(CODE, str(file), "exec"), names)
    watch, before = Watch(str(file)), sys.gettrace()
    sys.settrace(watch.called)
    try:
        for n in (3, 5):  # the second time nothing is new
            names["forward"](np.ones((n, 2)), np.ones((2, 4)))
    finally:
        sys.settrace(before)
    assert watch.found == {
        3: {"z": [3, 4]},
        7: {"total": []},
        8: {"a": [3, 4], "b": []},
        10: {"z": [4]},
        11: {"returned": []},
    }


@pytest.mark.library
def test_what_a_run_makes_has_the_shapes_that_the_comments_say() -> None:
    twin = experiments.twin("hidden_layer")
    found = shapes_of(twin, STEPS)
    text = (ROOT / "manual" / "networks" / "hidden_layer.py").read_text(encoding="utf-8")
    lines = {text.split("\n")[line - 1].strip().partition(" = ")[0]: made for line, made in found.items()}
    N, hidden = 4, twin.build()[0].W1.shape[1]
    assert lines["z1"] == {"z1": [N, hidden]}
    assert lines["dL_dW1"] == {"dL_dW1": [2, hidden]}
    assert lines["dL_db2"] == {"dL_db2": [1]}
    (way,) = ways(text, (ROOT / "torch_impl" / "networks" / "hidden_layer.py").read_text(encoding="utf-8"))
    told = {str(line): made for line, made in found.items()}
    pytest.importorskip("docutils")
    from experiments.book.sides import line_by_line

    html = line_by_line(way, told)
    assert f"<code>dL_dW1</code> 2 × {hidden}" in html
    assert "<code>returned</code> a number" in html


@pytest.mark.library
def test_values_without_a_shape_are_left_out() -> None:
    assert [shape_of(v) for v in (np.ones((2, 3)), 1.5, np.float64(1), 3, "x", None, [1.0])] == [[2, 3], [], [], None, None, None, None]
    assert valued("a.b.c", {"a": SimpleNamespace(b=SimpleNamespace(c=1.0))}) == 1.0
    assert valued("a.b.c", {"a": 1.0}) is None
    assert valued("z", {}) is None
    pytest.importorskip("docutils")
    from experiments.book.sides import made_at

    assert made_at([1, 2], {}) == ""
    assert made_at([1, 2], {"2": {"z": [2, 3]}, "3": {"q": []}}) == "<p class='shapes'><span><code>z</code> 2 × 3</span></p>"


@pytest.mark.parametrize(
    ("statement", "made"),
    [("z = x + y", ["z"]), ("self.W.grad += x", ["self.W.grad"]), ("a, b = f(c)", ["a", "b"]), ("f(x)", []), ("x[0] = 1", [])],
)
def test_what_a_statement_makes(statement: str, made: list[str]) -> None:
    assert made_by(ast.parse(statement).body[0]) == made
