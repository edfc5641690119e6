"""Cases of networks.minibatches: the loss of walks on batches of their own, and the concept with batches that are drawn alike."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by

PATH = "networks.minibatches"


@function_case(PATH, "loss", empty=True)
def walks(rng: np.random.Generator, W: int, B: int) -> Built:
    return Built({}, [rng.normal(size=W), rng.normal(size=(W, B))], call={"curvature": 1.3}, differentiated=(0,))


judged_by("minibatches.Minibatches", partial(judge_concept, "minibatches"))


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "there is a batch for each walk": (
        "minibatches.Minibatches.backward:saved:np.full(len(theta), dL_dloss, theta.dtype) => np.full(len(drawn), dL_dloss, theta.dtype):0",
    ),
    "a sum hands the same number to each walk: the number alone is spread over them": (
        "minibatches.Minibatches.backward:stale:loss_backward(dL_dy, theta, drawn, self.curvature) => "
        "loss_backward(dL_dloss, theta, drawn, self.curvature):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
