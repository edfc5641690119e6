"""Numbers in words, for captions and for the sentences that say what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.judge.convert import in_dtype_of
from manual.module import no_grad

if TYPE_CHECKING:
    from experiments.lesson import Trained


def in_words(error: float) -> str:
    """How far two things are from each other, the difference being relative to their size."""
    return "the same to the last bit" if error == 0 else f"{error:.0e} apart"


def percent(part: float) -> str:
    """0.9724 as "97.2 %"."""
    return f"{100 * part:.1f} %"


def held_out(run: Trained) -> tuple[np.ndarray, np.ndarray]:
    """What the hand-written side gives for the held-out examples, and what is true of them."""
    x, y = run.data.split.val
    with no_grad():
        return run.manual(in_dtype_of(run.manual, x) if x.dtype.kind == "f" else x), y  # whole numbers stay such


def classes_right(run: Trained) -> str:
    """Of how many held-out examples the class of the largest score is the right one."""
    scores, c = held_out(run)
    return f"{percent(np.mean(scores.argmax(axis=1) == c))} of {len(c)}"
