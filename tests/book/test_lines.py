"""Line by line: which line of the way back, and which of torch, belongs to a line of the forward."""

from __future__ import annotations

import ast

from experiments.book.lines import Way, said, text, ways
from experiments.curriculum import entries
from tests.helpers import ROOT

BY_HAND = '''
def forward(x, W, b):
    """..."""
    z = x @ W + b  # (N, D) @ (D, K)
    h = np.maximum(z, 0)
    return {"z": z, "h": h}


def loss(h, y):
    return np.mean((h - y) ** 2)


def backward(x, y, z, h, W):
    N = h.size
    dL_dh = 2 * (h - y) / N
    dL_dz = dL_dh * (z > 0)
    dL_dW = x.T @ dL_dz
    return {"W": dL_dW}


class Net:
    pass
'''

IN_TORCH = """
class Net(Concept):
    def forward(self, x):
        return torch.relu(self.linear(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss(self(x), y)
        return loss
"""

LAYERS = """
class Net(Concept):
    def forward(self, x):
        h = self.relu(self.fc1(x))
        return self.fc2(h)

    def training_step(self, batch, batch_idx):
        x, y = batch
        z = self(x)
        loss = self.loss(z, y)
        self.save(y)
        return loss

    def backward(self, dL_dloss=1.0):
        y = self.restore()
        dL_dz = self.loss.backward(dL_dloss)
        dL_dh = self.fc2.backward(dL_dz)
        self.fc1.backward(self.relu.backward(dL_dh))
"""


def back(way: Way) -> dict[str, list[str]]:
    """By each line of the forward those that go back through it, without comments."""
    return {row.forward.partition("  #")[0]: [line.partition("  #")[0] for line in row.backward] for row in way.rows}


def test_a_line_goes_back_through_the_line_that_made_the_value() -> None:
    (way,) = ways(BY_HAND, IN_TORCH)
    assert way.name == "forward and loss"
    assert back(way) == {
        "z = x @ W + b": ["dL_dW = x.T @ dL_dz", 'return {"W": dL_dW}'],
        "h = np.maximum(z, 0)": ["dL_dz = dL_dh * (z > 0)"],
        'return {"z": z, "h": h}': [],
        "return np.mean((h - y) ** 2)": ["N = h.size", "dL_dh = 2 * (h - y) / N"],
    }
    assert (way.line, way.backward_line, way.torch_line) == (2, 13, 3)


def test_comments_stay_with_their_lines() -> None:
    (way,) = ways(BY_HAND, IN_TORCH)
    assert way.rows[0].forward.endswith("# (N, D) @ (D, K)")


def test_a_layer_goes_back_where_it_was_called_and_a_saved_value_where_it_was_saved() -> None:
    (way,) = ways(LAYERS, LAYERS.replace("        self.save(y)\n", ""))
    assert back(way)["h = self.relu(self.fc1(x))"] == ["self.fc1.backward(self.relu.backward(dL_dh))"]
    assert back(way)["return self.fc2(h)"] == ["dL_dh = self.fc2.backward(dL_dz)"]
    assert back(way)["loss = self.loss(z, y)"] == ["dL_dz = self.loss.backward(dL_dloss)"]
    assert back(way)["self.save(y)"] == ["y = self.restore()"]
    assert [row.torch for row in way.rows] == [[] if "save" in row.forward else [row.forward] for row in way.rows]


def test_what_only_refuses_wrong_input_is_left_out() -> None:
    code = """
def f(x):
    expect_array("f", "x", x)
    if not x.any():
        raise ValueError("x is 0")
    if x.ndim == 1:
        x = x[None]
    return x
"""
    (function,) = ast.parse(code).body
    assert isinstance(function, ast.FunctionDef)
    assert [ast.unparse(s).partition("\n")[0] for s in said(function)] == ["if x.ndim == 1:", "return x"]


def test_no_line_of_any_concept_is_left_out_or_shown_twice() -> None:
    found = 0
    for e in entries():
        by_hand, in_torch = ((ROOT / side / e.path).read_text(encoding="utf-8") for side in ("manual", "torch_impl"))
        functions = {n.lineno: n for n in ast.walk(ast.parse(by_hand)) if isinstance(n, ast.FunctionDef)}
        for way in ways(by_hand, in_torch):
            wanted = sorted(text(by_hand, s) for s in said(functions[way.backward_line]))
            assert sorted(line for row in way.rows for line in row.backward) == wanted, (e.name, way.name)
            found += len(wanted)
    assert found > 500
