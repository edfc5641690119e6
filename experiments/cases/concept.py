"""A whole concept as a case: both of its sides at random parameters, and a few of their steps.

For what a concept is made of and nothing smaller judges, and for optimizers that a concept brings with it.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import experiments
from experiments.judge.compare import error
from manual.concept import Batch


def judge_concept(name: str, seed: int, **data_args: Any) -> dict[str, float]:
    """The errors of a concept's loss and gradients at random parameters, of every variant.

    Args:
        name: of the concept.
        seed: of the parameters and the data.
        data_args: of its data module, where its own would take long: a short rollout says as much of a gradient as a long one.
    """
    from experiments.lockstep.checks import one_step  # brings Lightning with it

    twin, options = experiments.twin(name).having({}, data_args), argparse.Namespace(seed=seed, dtype="float64", device="cpu")
    judges = {variant: one_step(twin, variant, options)[0] for variant in (None, *twin.variants)}
    if seed == 1:  # a first layer of zeros puts every unit on its kink
        judges["at the kink"] = one_step(twin, None, argparse.Namespace(**vars(options), zero=("W1", "b1")))[0]
    return {f"{kind} {n}, {v or 'as declared'}": e for v, j in judges.items() for kind, found in j.worst.items() for n, e in found.items()}


def judge_step(ours: Any, theirs: Any, batch: Batch, batch_idx: int = 0) -> dict[str, float]:
    """The errors of one step on a batch that was made by hand, where a concept's own data do not lead; torch takes the weights over.

    Args:
        ours, theirs: the two sides of a pair whose parameters have the same names.
        batch: of arrays.
        batch_idx: the how-manieth of its epoch.
    """
    from experiments.judge.convert import to_numpy, to_torch  # brings torch with it

    theirs.double().load_state_dict(to_torch(ours.state_dict()))
    for side in (ours, theirs):
        side.zero_grad()
    loss = ours.training_step(batch, batch_idx)
    ours.backward(1.3)
    wanted = gradient_in_torch(theirs, to_torch(batch), batch_idx)
    found = {"loss": error(np.array(loss), np.array(wanted))}
    for name, p in theirs.named_parameters():
        mine = dict(ours.named_parameters())[name]
        found[f"value {name}"] = error(mine.data, to_numpy(p.detach()))
        found[f"gradient {name}"] = error(mine.grad, to_numpy(p.grad)) if p.grad is not None else float(mine.has_grad)
    return found


def gradient_in_torch(theirs: Any, batch: Any, batch_idx: int) -> float:
    """Fill every gradient by autograd, with the same factor; the loss."""
    import torch

    with torch.enable_grad():
        loss = theirs.training_step(batch, batch_idx)
        (1.3 * loss).backward()
    return float(loss.detach())


def judge_trajectory(name: str, seed: int) -> dict[str, float]:
    """The errors of a few steps of a concept that brings an optimizer of its own."""
    from experiments.lockstep.checks import trajectory
    from experiments.lockstep.quiet import quiet

    quiet()
    twin, options = experiments.twin(name), argparse.Namespace(seed=seed, dtype="float64", device="cpu", steps=4)
    judges = {variant: trajectory(twin, variant, options)[0] for variant in (None, *twin.variants)}
    steps = {v: {kind: of for kind, of in j.worst.items() if kind != "metric"} for v, j in judges.items()}  # whose tolerance is another
    return {f"{kind} {n}, {v or 'as declared'}": e for v, of in steps.items() for kind, found in of.items() for n, e in found.items()}
