"""Where an index comes twice NumPy's += adds once; and a row's own entry may have to count the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.doctor import doctor
from experiments.doctor.visit import visited

MARGIN = """
import numpy as np

def hinge(W, X, y, strength):
    rows = np.arange(len(X))
    scores = X @ W
    room = np.maximum(0, scores - scores[rows, y][:, None] + 1)
    room[rows, y] = 0
    loss = room.sum() / len(X) + strength * (W * W).sum()
    pushed = np.zeros_like(scores)
    pushed[room > 0] = 1
    pushed[rows, y] = -1
    dW = X.T @ pushed / len(X) + 2 * strength * W
    return loss, dW
"""


def looked_up(table: np.ndarray, words: np.ndarray) -> np.ndarray:
    return table[words]


def added_once(dL_dy: np.ndarray, table: np.ndarray, words: np.ndarray) -> np.ndarray:
    dL_dtable = np.zeros_like(table)
    dL_dtable[words] += dL_dy
    return dL_dtable


def test_what_comes_twice_is_added_twice() -> None:
    words: Any = np.array([[0, 3, 1], [3, 3, 2]])
    (fault,) = doctor(looked_up, added_once, inputs={"table": (4, 5), "words": words}).faults
    assert fault.what == "added only once where an index comes more than once"
    assert fault.mend is not None
    assert fault.mend.after == "np.add.at(dL_dtable, words, dL_dy)"


def test_what_is_made_for_the_gradient_alone_belongs_to_the_backward() -> None:
    (found,) = visited(MARGIN)
    (fault,) = found.faults
    assert fault.line == 12
    assert fault.mend is not None
    assert fault.mend.after == "pushed[rows, y] = -pushed.sum(axis=1)"
