"""The shapes that stand under the lines, and what is kept of them."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import experiments
import manual.nn
from experiments.book.lines import ways
from experiments.book.shapes import made_by, shape_of, shapes_of, valued, watching
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
    before = sys.gettrace()
    with watching([str(file)]) as found:
        for n in (3, 5):  # the second time nothing is new
            names["forward"](np.ones((n, 2)), np.ones((2, 4)))
    assert sys.gettrace() is before
    assert found[str(file)] == {
        2: {"x": [3, 2], "W": [2, 4]},
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


# ---- on the pages of layers ----------------------------------------------------------------------------


@pytest.mark.library
def test_of_every_layer_every_function_that_its_page_shows_has_shapes() -> None:
    pytest.importorskip("sphinx")
    from experiments.book.of_classes import LIBRARIES, functions_shown
    from experiments.book.of_layers import told_of_layers

    told = told_of_layers()
    without = {
        cls.__name__ for cls in LIBRARIES[0].classes() for name in functions_shown(cls, LIBRARIES[0])
        if name not in told.get(cls.__name__, {"shapes": {}})["shapes"]
    }  # fmt: skip
    assert without == {"ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}  # these only hold others: theirs say so, and raise


@pytest.mark.library
def test_the_shapes_of_a_layer_are_those_of_its_own_mathematics() -> None:
    pytest.importorskip("sphinx")
    from experiments.book.of_classes import LIBRARIES, of_class
    from experiments.book.of_layers import told_of
    from experiments.book.sides import piece, side_by_side

    told = told_of(manual.nn.Linear)
    assert told is not None
    (N, inputs), outputs = told["given"]["x"], int(told["call"].partition("out_features=")[2].rstrip(")"))
    backward = told["shapes"]["manual.nn.linear.Linear.backward"]
    made = {name: shape for of in backward.values() for name, shape in of.items()}
    assert made["dL_dy"] == [N, outputs]
    assert made["self.weight.grad"] == [outputs, inputs]
    assert made["returned"] == [N, inputs]
    page = of_class(manual.nn.Linear, LIBRARIES[0], told)
    assert f"<code>x</code> {N} × {inputs}" in page
    assert f".. twin:: manual.nn.linear.Linear.backward \n   :shapes: {json.dumps(backward)}\n" in page
    html = side_by_side(piece("manual.nn.linear.Linear.backward"), None, shapes=backward)
    line = next(line for line in html.split("<span class='with'>") if "self.weight.grad" in line)
    assert f"<code>self.weight.grad</code> {outputs} × {inputs}" in line


@pytest.mark.library
def test_what_a_line_makes_stands_beside_its_last_line_and_arguments_beside_the_head() -> None:
    pytest.importorskip("sphinx")
    from experiments.book.sides import Piece, shown

    text = 'def f(\n    x,\n):\n    """Say."""\n    y = g(\n        x\n    )\n    return y\n'
    html = shown(Piece("a.py, line 11", text, 11), {"11": {"x": [2, 3]}, "15": {"y": [3]}})
    assert [of.count("\n") for of in html.split("<span class='with'>")] == [2, 3, 0]
    assert html.index("<code>x</code> 2 × 3") < html.index("Say.") < html.index("<code>y</code> 3")
    assert "class='made'" not in shown(Piece("a.py, line 11", text, 11))


def test_several_values_that_are_returned_are_numbered(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text("def f(x):\n    return x, None, x.sum()\n", encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)
    with watching([str(file)]) as found:
        names["f"](np.ones((2, 3)))
    with watching([str(file)], [shape_of.__code__]) as nothing:  # another function alone
        names["f"](np.ones((2, 3)))
    assert found == {str(file): {1: {"x": [2, 3]}, 2: {"returned[0]": [2, 3], "returned[2]": []}}}
    assert nothing == {str(file): {}}
