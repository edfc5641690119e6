"""Cases of sequences.lora: the change, the layer with and without a bias, and a GPT that is adapted and merged again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from experiments.judge.case import Built
from experiments.judge.compare import error, errors
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual import nn
from manual.sequences import lora as by_hand
from manual.sequences.gpt import GPT
from torch_impl.sequences import gpt as gpt_in_torch
from torch_impl.sequences import lora as in_torch

PATH = "sequences.lora"


@function_case(PATH, "change")
def of_two_factors(rng: np.random.Generator, R: int, O: int, D: int) -> Built:
    return Built({}, [rng.normal(size=(R, D)), rng.normal(size=(O, R))], call={"scale": 1.7}, differentiated=(0, 1))


def loaded(seed: int, bias: bool) -> tuple[by_hand.LoRALinear, in_torch.LoRALinear]:
    """Both layers, at the same random weights; B is not 0."""
    rng = np.random.default_rng(seed)
    ours = by_hand.LoRALinear(nn.Linear(5, 3, bias=bias, rng=rng), 2, 3.0, rng=rng)
    ours.B[...] = rng.normal(size=(3, 2))
    theirs = in_torch.LoRALinear(torch.nn.Linear(5, 3, bias=bias).double(), 2, 3.0)
    theirs.load_state_dict({name: torch.from_numpy(p) for name, p in ours.state_dict().items()})
    return ours, theirs


def way_back(ours: by_hand.LoRALinear, dL_dy: np.ndarray, x_torch: torch.Tensor, name: str) -> dict[str, float]:
    """The gradient of what the latest forward was given."""
    return {name: error(ours.backward(dL_dy), x_torch.grad)}


def judge_layer(seed: int) -> dict[str, float]:
    """Answers and gradients of two forwards, what is merged, and that W0 and b hear nothing."""
    found: dict[str, float] = {}
    for bias in (True, False):
        rng, (ours, theirs) = np.random.default_rng(seed + 1), loaded(seed, bias)
        undone: list[Callable[[], dict[str, float]]] = []
        for shape in ((7, 5), (2, 4, 5)):
            x, dL_dy = rng.normal(size=shape), rng.normal(size=(*shape[:-1], 3))
            x_torch = torch.from_numpy(x).requires_grad_()
            y, y_torch = ours(x), theirs(x_torch)
            y_torch.backward(torch.from_numpy(dL_dy))
            found |= {f"y {shape} {bias}": error(y, y_torch), f"merged {shape} {bias}": error(ours.merged()(x), y_torch)}
            undone.append(partial(way_back, ours, dL_dy, x_torch, f"x {shape} {bias}"))
        for undo in reversed(undone):  # both forwards wait before the first backward
            found |= undo()
        found |= {f"{name} {bias}": error(getattr(ours, name).grad, getattr(theirs, name).grad) for name in "AB"}
        found[f"frozen {bias}"] = float(sum(p.has_grad for p in ours.base.parameters()))
        found |= errors(ours.merged().state_dict(), theirs.merged().state_dict())
    return found


def judge_start(seed: int) -> dict[str, float]:
    """B begins at 0, and A with variance 1/in, in the dtype that is asked for."""
    ours = by_hand.LoRALinear(nn.Linear(400, 3), 50, 1.0, rng=np.random.default_rng(seed), dtype=np.float32)
    return {
        "B": float(np.abs(ours.B).max()),
        "variance": 0.0 if abs(400 * ours.A.data.var() - 1) < 0.05 else 1.0,
        "mean": 0.0 if abs(ours.A.data.mean()) < 0.002 else 1.0,
        "dtype": float(ours.A.dtype != np.float32 or ours.B.dtype != np.float32),
        "shape": float(ours.A.shape != (50, 400) or ours.B.shape != (3, 50)),
    }


TINY: dict[str, Any] = {"vocabulary": "abcdefg", "n_positions": 6, "n_embd": 8, "n_head": 2, "n_layer": 2, "sample": 2, "prompt": "a"}


def adapted(seed: int) -> tuple[Any, Any]:
    """A tiny GPT on both sides, adapted, at the same random weights."""
    rng = np.random.default_rng(seed)
    ours = by_hand.adapt(GPT(**TINY, rng=rng), 2, 3.0, rng=rng)
    for _, p in ours.named_parameters():
        p += rng.normal(0, 0.4, p.shape)
    theirs = in_torch.adapt(gpt_in_torch.GPT(**TINY).double(), 2, 3.0)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
    return ours, theirs


def judge_gpt(seed: int) -> dict[str, float]:
    """Loss and gradients of an adapted GPT, who learns in it, and its scores before and after it is merged."""
    rng, (ours, theirs) = np.random.default_rng(seed + 1), adapted(seed)
    batch = tuple(rng.integers(0, 7, (2, 3, 5)))
    loss_torch = theirs.training_step(tuple(map(torch.from_numpy, batch)), 0)
    loss_torch.backward()
    loss = ours.training_step(batch, 0)
    ours.backward()
    gradient = {name: p.grad for name, p in ours.named_parameters() if p.has_grad}
    found = {"loss": abs(loss / float(loss_torch) - 1)}
    found |= errors(gradient, {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None})
    z = theirs(torch.from_numpy(batch[0]))
    found["z"] = error(ours(batch[0]), z)
    merged, merged_torch = by_hand.merge(ours), in_torch.merge(theirs)
    found["merged z"] = error(merged(batch[0]), z)
    return found | errors(merged.state_dict(), merged_torch.state_dict())


judged_by("lora.LoRALinear", judge_layer, judge_start)
for _name in ("adapt", "merge", "places"):
    judged_by(f"lora.{_name}", judge_gpt)


def judge_smoothing(seed: int) -> dict[str, float]:
    """The matrix that torch begins with."""
    return {"W0": error(by_hand.smoothing(), in_torch.LoRA().double().layer.base.weight)}


judged_by("lora.smoothing", judge_smoothing)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "W has as many columns as x has": ("lora.LoRALinear.backward:saved:x.reshape(-1, x.shape[-1]) => x.reshape(-1, W.shape[-1]):0",),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
