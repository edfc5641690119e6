"""Cases of generative.diffusion: the denoiser against torch's, with the gradient of x too; and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.registry import judged_by
from manual.generative import diffusion as by_hand
from torch_impl.generative.diffusion import Denoiser as InTorch


def denoiser(T: int, spread: float, hidden: int, numbers: int = 2, *, rng: Any, dtype: Any) -> by_hand.Denoiser:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.Denoiser(T, spread, hidden, numbers, rng=rng, dtype=dtype)


@case("diffusion.Denoiser", empty=True, hand=denoiser, reference=InTorch)
def at_all_times(rng: np.random.Generator, N: int, H: int) -> Built:
    arguments = {"T": 7, "spread": 1.3, "hidden": H}
    return Built(arguments, [rng.normal(0, 1.5, (N, 2)), rng.integers(1, 8, N)], seeded={"kept": by_hand.schedule(7)})


@case("diffusion.Denoiser", hand=denoiser, reference=InTorch)
def of_pictures(rng: np.random.Generator, N: int, H: int, D: int) -> Built:
    arguments = {"T": 7, "spread": 0.8, "hidden": H, "numbers": D}
    return Built(arguments, [rng.normal(0, 1, (N, D)), rng.integers(1, 8, N)], seeded={"kept": by_hand.schedule(7)})


judged_by("diffusion.Diffusion", partial(judge_concept, "diffusion"))
