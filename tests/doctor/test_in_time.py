"""Whoever waits for an answer no longer than he said has what is known until then."""

from typing import Any

from experiments.doctor.visit import visited

TWO = """
import numpy as np

def scale_forward(x, w):
    return x * w, (x, w)

def scale_backward(dout, cache):
    x, w = cache
    return dout * w, dout * x

def mix_forward(x, w, b):
    return x @ w + b, (x, w)

def mix_backward(dout, cache):
    x, w = cache
    dw = x.T @ dout
    db = dout.mean(axis=0)
    return dout @ w.T, dw, db
"""


def test_what_is_wrong_is_told_with_its_line_before_a_cure_is_looked_for() -> None:
    early: list[Any] = []
    final = list(visited(TWO, so_far=early.append))
    line = next(i for i, text in enumerate(TWO.splitlines(), 1) if "mean" in text)
    assert [f.right for f in early] == [True, False, False]  # right; wrong at once; wrong, with what was found
    assert [(f.line, f.mend) for f in early[1].faults] == [(line, None)]
    assert [f.line for f in final[1].faults] == [line]
    assert final[1].faults[0].mend is not None
