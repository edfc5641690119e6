"""Methods that a class inherits from one in another file are looked at with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.doctor.finding import Finding
from experiments.doctor.visit import visited

BASE = """
import numpy as np

def kept(x):
    return np.asarray(x)

class Layer:
    def __init__(self):
        self.cache = None
    def forward(self, x):
        self.cache = kept(x)
        return self._f(x)
    def backward(self, grad):
        return grad * self._df(self.cache)
"""

LAYERS = """
import numpy as np
from base import Layer

class Tanh(Layer):
    def _f(self, x):
        return np.tanh(x)
    def _df(self, x):
        return 1 - np.tanh(x) ** 2
"""


def looked_at(folder: Path, base: str = BASE, layers: str = LAYERS) -> Finding:
    (folder / "base.py").write_text(base, encoding="utf-8")
    (found,) = visited(layers, folder=str(folder))
    return found


def test_what_is_inherited_from_another_file_is_right(tmp_path: Path) -> None:
    assert looked_at(tmp_path).right


@pytest.mark.parametrize(("right", "wrong", "line"), [("1 - np.tanh(x) ** 2", "1 - np.tanh(x)", 9)])
def test_a_wrong_method_of_the_file_is_found(tmp_path: Path, right: str, wrong: str, line: int) -> None:
    (fault,) = looked_at(tmp_path, layers=LAYERS.replace(right, wrong)).faults
    assert (fault.line, fault.file) == (line, None)
    assert fault.mend is not None
    assert right in fault.mend.after


def test_a_wrong_line_of_the_other_file_is_told_with_its_name(tmp_path: Path) -> None:
    found = looked_at(tmp_path, base=BASE.replace("return grad * self", "return 2 * grad * self"))
    (fault,) = found.faults
    assert (fault.line, fault.file) == (14, "base.py")
    assert "base.py, line 14" in str(found)
