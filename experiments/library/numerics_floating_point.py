"""Cases for the functions of manual/numerics/floating_point.py."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

import manual.optim
from experiments.compare import error
from experiments.library.case import Built
from experiments.library.function_case import function_case
from experiments.library.mutate import CHECKS, judge_trajectory
from manual.module import Parameter
from manual.numerics import floating_point
from manual.numerics.floating_point import FORMATS

PATH = "numerics.floating_point"
OF_TWO_BYTES = ("float16", "bfloat16")


def in_format(format: str) -> None:
    """Cases of what rounds to this format."""

    def at_any_size(rng: np.random.Generator, N: int, D: int) -> Built:
        """Numbers from 2⁻⁴⁰ to 2⁴⁰: too small, subnormal, normal and too large for the narrow formats."""
        return Built({}, [rng.normal(size=(N, D)) * 2.0 ** rng.integers(-40, 41, size=(N, D))], call={"format": format})

    def not_finite(rng: np.random.Generator) -> Built:
        return Built({}, [np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -1e-45])], call={"format": format})

    def affine(rng: np.random.Generator, N: int, I: int, O: int) -> Built:
        return Built({}, [rng.normal(size=(N, I)), rng.normal(size=(O, I)), rng.normal(size=O)], call={"format": format})

    def bent(rng: np.random.Generator, N: int, D: int) -> Built:
        return Built({}, [rng.normal(size=(N, D))], call={"format": format})

    for name, build, empty in (("round_to", at_any_size, True), ("rounded_linear", affine, True), ("rounded_tanh", bent, True)):
        build.__name__ = f"{build.__name__}_{format}"
        function_case(PATH, name, smooth=False, empty=empty, nonfinite="match")(build)
    not_finite.__name__ = f"not_finite_{format}"
    function_case(PATH, "round_to", smooth=False, repeat=False, nonfinite="match")(not_finite)


def in_order(name: str, format: str) -> None:
    """Cases of a sum in this format."""

    def of_rows(rng: np.random.Generator, N: int, D: int) -> Built:
        return Built({}, [rng.normal(size=(N, D)) * 2.0 ** rng.integers(-6, 7, size=(N, D))], call={"format": format})

    def of_numbers(rng: np.random.Generator, N: int) -> Built:
        return Built({}, [rng.uniform(0, 1, size=N)], call={"format": format})

    for build in (of_rows, of_numbers):
        build.__name__ = f"{build.__name__}_{format}"
        function_case(PATH, name, smooth=False, least={"N": 7})(build)


for _format in FORMATS:
    in_format(_format)
for _name in ("sum_naive", "sum_pairwise", "sum_kahan"):
    for _format in OF_TWO_BYTES:
        in_order(_name, _format)


@function_case(PATH, "variance", repeat=False)
def numbers(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.normal(0.4, 1, size=N)]


@function_case(PATH, "variance_cancelling", repeat=False)
def numbers_near_0(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.normal(0.4, 1, size=N)]


def coefficients(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.uniform(3, 4, size=N), rng.uniform(-1, 1, size=N)]


for _name in ("smaller_root", "smaller_root_cancelling"):
    function_case(PATH, _name, empty=True)(coefficients)


def judge_scaler(seed: int) -> dict[str, float]:
    """How far GradScaler is from torch.amp's in 30 steps, some of which overflow: gradients, parameter, scale and counter after each."""
    rng = np.random.default_rng(seed)
    settings: dict[str, Any] = {"init_scale": 2.0**9, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 3}
    ours, theirs = floating_point.GradScaler(**settings), torch.amp.GradScaler("cpu", **settings)
    start = rng.normal(size=5).astype(np.float32)
    p, q = Parameter(start), torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizers = manual.optim.SGD([p], lr=0.125, momentum=0.5), torch.optim.SGD([q], lr=0.125, momentum=0.5)  # exact, in any order
    found: dict[str, float] = {}
    for step in range(30):
        loss_factor = rng.normal(size=5).astype(np.float32)
        loss_factor[rng.integers(5)] *= rng.choice(np.array([1, 1, 1, 1, np.inf, np.nan], np.float32))
        p.grad = ours.scale(loss_factor)
        optimizers[1].zero_grad()
        theirs.scale((q * torch.from_numpy(loss_factor)).sum()).backward()
        if step % 2:  # else step does it
            ours.unscale_(optimizers[0])
            theirs.unscale_(optimizers[1])
        ours.step(optimizers[0])
        theirs.step(optimizers[1])
        ours.update()
        theirs.update()
        found[f"gradient {step}"] = error(p.grad, q.grad, nonfinite="match")
        found[f"parameter {step}"] = error(p.data, q)
        state = theirs.state_dict()
        found[f"scale {step}"] = abs(ours.get_scale() - state["scale"])
        found[f"counter {step}"] = abs(float(ours._growth_tracker) - state["_growth_tracker"])
    return found


CHECKS["floating_point.GradScaler"] = [judge_scaler]
CHECKS["floating_point.ScaledSGD"] = [partial(judge_trajectory, "floating_point")]
