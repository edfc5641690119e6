"""Numbers in words."""

from __future__ import annotations

import numpy as np

import experiments
from experiments.drawing.words import classes_right, held_out, in_words, percent
from experiments.lesson import Trained


def test_a_difference_and_a_part_in_words() -> None:
    assert in_words(0.0) == "the same to the last bit"
    assert in_words(3.4e-16) == "3e-16 apart"
    assert percent(0.97237) == "97.2 %"


def test_what_the_hand_written_side_gives_for_the_held_out_examples_in_either_precision() -> None:
    twin = experiments.twin("digits_mlp")
    for dtype in ("float64", "float32"):
        ours, theirs = twin.build(dtype=dtype)
        run = Trained(ours.eval(), theirs.eval(), twin.make_data(), (), {}, True)
        scores, c = held_out(run)
        assert scores.dtype == dtype
        assert scores.shape == (359, 10)
        assert classes_right(run) == f"{100 * np.mean(scores.argmax(axis=1) == c):.1f} % of 359"
