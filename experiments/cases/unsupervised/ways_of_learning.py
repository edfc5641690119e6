"""Cases of unsupervised.ways_of_learning: the three pupils, and with them what each teacher makes of their scores."""

from __future__ import annotations

from functools import partial

from experiments.cases.concept import judge_concept
from experiments.judge.registry import judged_by

WRITTEN = ("scores", "supervised", "unsupervised", "reinforcement", "named", "ThreePupils")

for name in WRITTEN:
    judged_by(f"ways_of_learning.{name}", partial(judge_concept, "ways_of_learning"))

EQUIVALENT = {
    "the nearest centre is the nearest, whatever all scores are multiplied by": (
        "ways_of_learning.ThreePupils.backward:scale:unsupervised_backward(dL_dloss, z2) => unsupervised_backward(dL_dloss, 2 * z2):0",
        "ways_of_learning.ThreePupils.backward:scale:unsupervised_backward(dL_dloss, z2) => unsupervised_backward(dL_dloss, 0.5 * z2):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
