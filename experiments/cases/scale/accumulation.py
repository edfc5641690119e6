"""Cases of scale.accumulation: the loss of a batch from those of its parts, and a few steps of the concept."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.cases.concept import judge_trajectory
from experiments.judge.case import Built
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by

PATH = "scale.accumulation"


@function_case(PATH, "joined")
def of_parts(rng: np.random.Generator, K: int) -> Built:
    return Built({}, [rng.normal(size=K), rng.uniform(0.1, 1, K)], differentiated=(0,))


judged_by("accumulation.Accumulation", partial(judge_trajectory, "accumulation"))
