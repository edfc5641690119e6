"""Cases for manual/numerics/rounding.py."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from experiments.cases.concept import judge_concept, judge_trajectory
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.module import Parameter
from manual.numerics import rounding
from manual.numerics.rounding import FORMATS
from torch_impl.numerics import rounding as in_torch

PATH = "numerics.rounding"


def in_format(format: str) -> None:
    """Cases of what rounds to this format."""

    def at_any_size(rng: np.random.Generator, N: int, D: int) -> Built:
        """Numbers from 2⁻⁴⁰ to 2⁴⁰: too small, subnormal, normal and too large for the narrow formats."""
        return Built({}, [rng.normal(size=(N, D)) * 2.0 ** rng.integers(-40, 41, size=(N, D))], call={"format": format})

    def not_finite(rng: np.random.Generator) -> Built:
        return Built({}, [np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -1e-45])], call={"format": format})

    at_any_size.__name__, not_finite.__name__ = f"at_any_size_{format}", f"not_finite_{format}"
    function_case(PATH, "round_to", smooth=False, empty=True, nonfinite="match")(at_any_size)
    function_case(PATH, "round_to", smooth=False, repeat=False, nonfinite="match")(not_finite)


for _format in FORMATS:
    in_format(_format)


def judge_rounded_step(seed: int) -> dict[str, float]:
    """Steps of RoundedSGD with a closure and without, some of which change nothing: what they return, and the weights after each."""
    rng = np.random.default_rng(seed)
    start, other = rng.normal(size=(3, 2)), rng.normal(100, 1, size=4)
    ours = [Parameter(start), Parameter(other)]
    theirs = [torch.nn.Parameter(torch.from_numpy(p.copy())) for p in (start, other)]
    optimizers = rounding.RoundedSGD(ours, lr=0.25, format="bfloat16"), in_torch.RoundedSGD(theirs, lr=0.25, format="bfloat16")
    found: dict[str, float] = {}
    for step in range(4):
        slopes = [rng.normal(size=p.shape) for p in ours]

        def by_hand(slopes: list[np.ndarray] = slopes) -> float:
            for p, slope in zip(ours, slopes, strict=True):
                p.grad = slope
            return 0.7

        def by_torch(slopes: list[np.ndarray] = slopes) -> float:
            for q, slope in zip(theirs, slopes, strict=True):
                q.grad = torch.from_numpy(slope.copy())
            return 0.7

        if step % 2:
            found[f"returned {step}"] = abs(optimizers[0].step(by_hand) - optimizers[1].step(by_torch))
        else:
            by_hand()
            by_torch()
            found[f"returned {step}"] = 0.0 if optimizers[0].step() is optimizers[1].step() is None else np.inf
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            found[f"parameter {i}, {step}"] = error(p.data, q)
    return found


judged_by("rounding.Rounding", partial(judge_concept, "rounding"))
judged_by("rounding.RoundedSGD", partial(judge_trajectory, "rounding"), judge_rounded_step)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "there is one column, and the sum over all is added to the one entry of b": (
        "rounding.Rounding.backward:axis:dL_dy_hat.sum(axis=0) => dL_dy_hat.sum(axis=None):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
