"""An argument whose entries are indices, and the gradient of one row of an argument: the doctor reads them from the text."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

WORDS = """import numpy as np
def skipgram(center, outside, U, V):
    loss = 0
    gc, gU = np.zeros_like(V[center]), np.zeros_like(U)
    vc = V[center]
    first, rest = outside[0], outside[1:]
    s = 1 / (1 + np.exp(-U[first] @ vc))
    loss -= np.log(s)
    gc += (s - 1) * U[first]
    gU[first] += (s - 1) * vc
    for k in rest:
        s = 1 / (1 + np.exp(U[k] @ vc))
        loss -= np.log(s)
        gc += (1 - s) * U[k]
        gU[k] += (1 - s) * vc
    return loss, gc, gU
"""

BAG = """import numpy as np
def forward(words, table, W):
    total = np.zeros(table.shape[1])
    for i, word in enumerate(words):
        total += table[word] / (i + 1)
    return total @ W, (words, table, W, total)
def backward(dout, cache):
    words, table, W, total = cache
    dW = np.outer(total, dout)
    dtotal = W @ dout
    dtable = np.zeros_like(table)
    for i, word in enumerate(words):
        dtable[word] += dtotal / (i + 1)
    return dtable, dW
"""


@pytest.mark.parametrize("source", [WORDS, BAG])
def test_right_code_with_indices_one_by_one_is_right(source: str) -> None:
    (finding,) = visited(source)
    assert finding.right, str(finding)


def test_the_gradient_of_a_row_is_judged_as_that_of_the_row() -> None:
    (finding,) = visited(WORDS)
    assert [g.value for g in finding.gradients] == ["vc", "U"]


@pytest.mark.parametrize(
    ("source", "right", "wrong"),
    [
        pytest.param(WORDS, "gU[k] += (1 - s) * vc", "gU[k] = (1 - s) * vc", marks=pytest.mark.long),
        pytest.param(WORDS, "gc += (s - 1) * U[first]", "gc += s * U[first]", marks=pytest.mark.long),
        (BAG, "dtotal / (i + 1)", "dtotal"),
    ],
)
def test_the_line_of_a_fault_in_it_is_named(source: str, right: str, wrong: str) -> None:
    (finding,) = visited(bad := source.replace(right, wrong))
    assert [f.line for f in finding.faults] == [changed_line(source, bad)], str(finding)
