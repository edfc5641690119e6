"""Cases of generative.gan: the losses of both players against torch's. The concept itself is judged by both of its objectives."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by

PATH = "generative.gan"


@function_case(PATH, "discriminator_loss")
def as_many_real_as_made(rng: np.random.Generator, N: int, M: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, 1)), rng.normal(0, 2, (M, 1))])


@function_case(PATH, "discriminator_loss")
def sure(rng: np.random.Generator, N: int, M: int) -> Built:
    return Built({}, [rng.normal(0, 40, (N, 1)), rng.normal(0, 40, (M, 1))])


@function_case(PATH, "generator_loss")
def scores(rng: np.random.Generator, N: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, 1))])


@function_case(PATH, "generator_loss")
def sure_that_all_are_made(rng: np.random.Generator, N: int) -> Built:
    return Built({}, [rng.normal(-40, 9, (N, 1))])


judged_by("gan.GAN", partial(judge_concept, "gan"))
