"""Cases of unsupervised.distillation: the loss at several temperatures, and the concept."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by

PATH = "unsupervised.distillation"


@function_case(PATH, "distill")
def warm(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, C)), rng.normal(0, 2, (N, C))], call={"T": 3.0}, differentiated=(0,))


@function_case(PATH, "distill")
def cold(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, C)), rng.normal(0, 2, (N, C))], call={"T": 0.5}, differentiated=(0,))


judged_by("distillation.Distillation", partial(judge_concept, "distillation"))
