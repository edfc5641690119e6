"""Cases for manual/numerics/mixed_precision.py, and for the GradScaler that it uses."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

import manual.optim
from experiments.cases.concept import judge_concept, judge_trajectory
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.amp import GradScaler
from manual.module import Parameter
from manual.numerics import mixed_precision
from manual.numerics.rounding import FORMATS
from torch_impl.numerics import mixed_precision as in_torch

PATH = "numerics.mixed_precision"


def in_format(format: str) -> None:
    """Cases of what rounds to this format."""

    def affine(rng: np.random.Generator, N: int, I: int, O: int) -> Built:
        return Built({}, [rng.normal(size=(N, I)), rng.normal(size=(O, I)), rng.normal(size=O)], call={"format": format})

    def bent(rng: np.random.Generator, N: int, D: int) -> Built:
        return Built({}, [rng.normal(size=(N, D))], call={"format": format})

    for name, build in (("rounded_linear", affine), ("rounded_tanh", bent)):
        build.__name__ = f"{build.__name__}_{format}"
        function_case(PATH, name, smooth=False, empty=True, nonfinite="match")(build)


for _format in FORMATS:
    in_format(_format)


def judge_scaler(seed: int) -> dict[str, float]:
    """How far GradScaler is from torch.amp's in 30 steps, some of which overflow: gradients, parameters, scale and counter after each."""
    rng = np.random.default_rng(seed)
    settings: dict[str, Any] = {"init_scale": 2.0**9, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 3}
    ours, theirs = GradScaler(**settings), torch.amp.GradScaler("cpu", **settings)
    start = rng.normal(size=(2, 5)).astype(np.float32)
    ps, qs = [Parameter(p) for p in start], [torch.nn.Parameter(torch.from_numpy(p.copy())) for p in start]
    options: dict[str, Any] = {"lr": 0.125, "momentum": 0.5}  # powers of two: exact in any order
    optimizers = manual.optim.SGD(ps, **options), torch.optim.SGD(qs, **options)
    sides: list[tuple[Any, Any]] = [(ours, optimizers[0]), (theirs, optimizers[1])]
    found: dict[str, float] = {}
    for step in range(30):
        slope = rng.normal(size=(2, 5)).astype(np.float32)
        slope[rng.integers(2), rng.integers(5)] *= rng.choice(np.array([1, 1, 1, 1, np.inf, np.nan], np.float32))
        for p, dL_dp in zip(ps, slope, strict=True):
            p.grad = ours.scale(dL_dp)
        optimizers[1].zero_grad()
        theirs.scale((torch.stack(tuple(qs)) * torch.from_numpy(slope)).sum()).backward()
        for scaler, optimizer in sides:
            if step % 2:  # else step does it
                scaler.unscale_(optimizer)
                found[f"unscaled twice {step}, {scaler is ours}"] = unless_refused(scaler.unscale_, optimizer)
            scaler.step(optimizer)
            found[f"stepped twice {step}, {scaler is ours}"] = unless_refused(scaler.step, optimizer)
            scaler.update()
        for i, (p, q) in enumerate(zip(ps, qs, strict=True)):
            found[f"gradient {i}, {step}"] = error(p.grad, q.grad, nonfinite="match")
            found[f"parameter {i}, {step}"] = error(p.data, q)
        state = theirs.state_dict()
        found[f"scale {step}"] = abs(ours.get_scale() - state["scale"])
        found[f"counter {step}"] = abs(float(ours._growth_tracker) - state["_growth_tracker"])
    return found


def judge_disabled(seed: int) -> dict[str, float]:
    """A scaler that is not enabled lets even an infinite gradient through: the parameter after a step, against torch.amp's."""
    start, slope = np.random.default_rng(seed).normal(size=3), np.array([0.3, np.inf, -0.7])
    p, q = Parameter(start), torch.nn.Parameter(torch.from_numpy(start.copy()))
    ours, theirs = GradScaler(enabled=False), torch.amp.GradScaler("cpu", enabled=False)
    p.grad, q.grad = ours.scale(slope), theirs.scale(torch.from_numpy(slope))
    ours.step(manual.optim.SGD([p], lr=0.5))
    theirs.step(torch.optim.SGD([q], lr=0.5))
    ours.update()
    theirs.update()
    return {"parameter": error(p.data, q, nonfinite="match"), "scale": abs(ours.get_scale() - theirs.get_scale())}


def judge_scaling(seed: int) -> dict[str, float]:
    """Arrays, lists and tuples scaled, two optimizers of which one overflows, and a scaler that is disabled."""
    rng = np.random.default_rng(seed)
    ours, theirs = GradScaler(init_scale=8.0), torch.amp.GradScaler("cpu", init_scale=8.0)
    a, b = rng.normal(size=3).astype(np.float32), rng.normal(size=(2, 2)).astype(np.float16)
    found = {"a number": abs(ours.scale(0.25) - 2.0)}
    for name, outputs in (
        ("array", a),
        ("one entry", a[0]),
        ("no axes", np.array(0.5, np.float16)),
        ("list", [a, b]),
        ("tuple", (a, [b, a])),
    ):
        found[name] = unlike(ours.scale(outputs), theirs.scale(tensors(outputs)))
        off = GradScaler(enabled=False)
        found[f"{name}, disabled"] = 0.0 if off.scale(outputs) is outputs else np.inf
    pairs = []
    for slope in (a, np.where(a == a.max(), np.float32(np.inf), a)):
        p, q = Parameter(np.ones(3, np.float32)), torch.nn.Parameter(torch.ones(3))
        p.grad, q.grad = slope.copy(), torch.from_numpy(slope.copy())
        pairs.append((p, q, manual.optim.SGD([p], lr=0.5), torch.optim.SGD([q], lr=0.5)))
    for _, _, by_hand, by_torch in pairs:
        ours.step(by_hand)
        theirs.step(by_torch)
    ours.update()
    theirs.update()
    for i, (p, q, by_hand, _) in enumerate(pairs):
        found[f"parameter {i}"] = error(p.data, q)
        p.grad = a.copy()
        off.unscale_(by_hand)
        off.unscale_(by_hand)  # nothing to refuse
        found[f"gradient {i}, disabled"] = error(p.grad, torch.from_numpy(a)) + error(off.unscale(a), torch.from_numpy(a))
    off.unscale(np.full(2, np.inf))
    found["found_inf, disabled"] = float(off.found_inf)
    found["scale"] = abs(ours.get_scale() - theirs.get_scale())
    return found


def tensors(value: Any) -> Any:
    """Arrays as tensors, in the same lists and tuples."""
    return type(value)(tensors(v) for v in value) if isinstance(value, list | tuple) else torch.from_numpy(np.asarray(value))


def unlike(ours: Any, theirs: Any) -> float:
    """The largest error in nested lists and tuples, which must be of the same kinds."""
    if isinstance(theirs, list | tuple):
        return max(map(unlike, ours, theirs)) if type(ours) is type(theirs) and len(ours) == len(theirs) else np.inf
    return error(ours, theirs)


def unless_refused(method: Any, optimizer: Any) -> float:
    """0 if it raises RuntimeError, as it should."""
    try:
        method(optimizer)
    except RuntimeError:
        return 0.0
    return np.inf


def judge_scaled_step(seed: int) -> dict[str, float]:
    """Steps of ScaledSGD with a closure, the second of which is skipped: what it returns, the parameter and the scale."""
    start = np.random.default_rng(seed).normal(size=3)
    p, q = Parameter(start), torch.nn.Parameter(torch.from_numpy(start.copy()))
    settings: dict[str, Any] = {"growth_interval": 1}
    ours = mixed_precision.ScaledSGD([p], GradScaler(**settings), lr=0.3, momentum=0.9)
    theirs = in_torch.ScaledSGD([q], in_torch.GradScaler(**settings), lr=0.3, momentum=0.9)
    found: dict[str, float] = {}
    for step in range(4):
        up = np.array([1.0, np.inf if step == 1 else -2.0, 0.5])

        def by_hand(up: np.ndarray = up) -> float:
            p.grad = ours.scaler.unscale(up)
            return 0.7

        def by_torch(up: np.ndarray = up) -> float:
            q.grad = theirs.scaler.unscale(torch.from_numpy(up))
            return 0.7

        found[f"returned {step}"] = abs(ours.step(by_hand) - theirs.step(by_torch))
        found[f"parameter {step}"] = error(p.data, q)
        found[f"scale {step}"] = error(ours.scaler._scale, theirs.scaler._scale)
    by_hand()
    by_torch()
    ours.step()  # without a closure: the gradient that is there
    theirs.step()
    return {**found, "without a closure": error(p.data, q)}


def judge_overflow(seed: int) -> dict[str, float]:
    """Gradients that overflow: 0 with loss scaling, because the step will be skipped; without it they are what they are, as in torch."""
    rng = np.random.default_rng(seed)
    batch = rng.uniform(0, 1, size=(9, 64)), rng.integers(0, 10, size=9)
    found: dict[str, float] = {}
    for scaling, factor in ((False, 2.0**19), (True, 1.0)):
        theirs = in_torch.MixedPrecision(scaling=scaling, micro_batches=1, init_scale=2.0**19).double()
        ours = mixed_precision.MixedPrecision(scaling=scaling, micro_batches=1, init_scale=2.0**19)
        ours.load_state_dict(to_numpy(dict(theirs.state_dict())))
        ours.training_step(batch, 0)
        ours.backward(factor)
        loss: Any = theirs.training_step(to_torch(batch), 0)
        (loss * factor).backward()
        for name, p in theirs.named_parameters():
            found[f"{name}, {scaling}"] = error(getattr(ours, name).grad, p.grad, nonfinite="match")
        found[f"found_inf, {scaling}"] = error(ours.scaler.found_inf, theirs.scaler.found_inf)
    return found


judged_by("mixed_precision.MixedPrecision", partial(judge_concept, "mixed_precision"), judge_overflow)
judged_by("GradScaler", judge_scaler, judge_scaling, judge_disabled)
judged_by("mixed_precision.ScaledSGD", partial(judge_trajectory, "mixed_precision"), judge_scaled_step)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "tanh is odd, and only its square is used": (
        "mixed_precision.rounded_tanh_backward:sign:np.tanh(low(x, format)) => -np.tanh(low(x, format)):0",
        "mixed_precision.MixedPrecision.backward:sign:rounded_tanh_backward(dL_dh, z1, self.format)"
        " => rounded_tanh_backward(dL_dh, -z1, self.format):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
