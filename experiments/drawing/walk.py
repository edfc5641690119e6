"""Both sides trained without Lightning: where the parameters were at every step, or what the losses were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.judge.convert import load_in_torch, to_torch, weights_by_hand
from experiments.judge.naming import Naming
from manual.concept import Batch
from manual.concept import Concept as ManualConcept
from manual.module import Parameter
from manual.trainer import Trainer
from torch_impl.module import Concept as TorchConcept

Path = dict[str, np.ndarray]
"""Of each parameter, by name, where it was before the first step and after every step: (steps + 1, ...)."""


def walk(ours: ManualConcept, theirs: TorchConcept, batch: Batch, steps: int, names: Mapping[str, str] | None = None) -> tuple[Path, Path]:
    """Train both sides on this one batch, again and again, and take down where they are.

    Args:
        ours: by hand.
        theirs: in torch; it starts from ours' parameters, in their dtype.
        batch: of arrays.
        steps: to take.
        names: of the pair, where a parameter has two: see `Twin`.

    Returns:
        The paths by hand and in torch.
    """
    theirs, naming = theirs.double(), Naming(names or {})
    load_in_torch(naming, theirs, ours.state_dict())
    return walk_by_hand(ours, batch, steps), walk_in_torch(theirs, to_torch(batch), steps, naming)


def walk_of_rows(
    ours: Any, theirs: Any, batch: Batch, start: np.ndarray, steps: int, names: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """The way of p = [W; b], from another start than the pair's own, and for as many features as that has.

    Args:
        ours, theirs: a pair whose parameters are W (D, 1) and b (1,), in torch the layer `linear`.
        batch: of arrays.
        start: of p, (D+1,).
        steps: to take.
        names: of the pair.

    Returns:
        p after 0, 1, ..., `steps` steps, by hand and in torch: two arrays (steps+1, D+1).
    """
    ours.W, ours.b = Parameter(start[:-1, None]), Parameter(start[-1:])
    theirs.linear = nn.Linear(*ours.W.shape)
    by_hand, in_torch = (np.hstack([path["W"][:, :, 0], path["b"]]) for path in walk(ours, theirs, batch, steps, names))
    return by_hand, in_torch


def walk_by_hand(model: ManualConcept, batch: Batch, steps: int) -> Path:
    """The path of the hand-written Trainer."""
    trainer = Trainer()
    trainer.attach(model)
    places = [model.state_dict()]
    for _ in range(steps):
        trainer.train_batch(batch, 0, is_last=True)
        trainer.move_schedules("step", 0)
        trainer.move_schedules("epoch", 0)  # an epoch is this one batch
        places.append(model.state_dict())
    return stacked(places)


@torch.enable_grad()
def walk_in_torch(model: TorchConcept, batch: tuple[torch.Tensor, ...], steps: int, naming: Naming) -> Path:
    """The path of a bare torch loop."""
    configured: Any = model.configure_optimizers()
    optimizer, schedule = (
        (configured["optimizer"], configured["lr_scheduler"]["scheduler"]) if isinstance(configured, dict) else (configured, None)
    )
    places = [weights_by_hand(naming, model)]
    for _ in range(steps):
        optimizer.zero_grad()
        loss: Any = model.training_step(batch, 0)
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        places.append(weights_by_hand(naming, model))
    return stacked(places)


def losses(ours: ManualConcept, theirs: TorchConcept, batches: Sequence[Batch]) -> tuple[np.ndarray, np.ndarray]:
    """Train both sides, a step for each batch, by the optimizer that each configures; schedules stand still.

    Args:
        ours: by hand; both sides are left trained.
        theirs: in torch, with the same weights.
        batches: of arrays.

    Returns:
        The loss of each step, by hand and in torch.
    """
    trainer = Trainer()
    trainer.attach(ours)
    return np.array([trainer.train_batch(batch, 0) for batch in batches]), losses_in_torch(theirs, batches)


@torch.enable_grad()
def losses_in_torch(model: TorchConcept, batches: Sequence[Batch]) -> np.ndarray:
    """The losses of a bare torch loop."""
    optimizer: Any = model.train().configure_optimizers()
    found = []
    for batch in batches:
        optimizer.zero_grad()
        loss: Any = model.training_step(to_torch(batch), 0)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return np.array(found)


def some_rows(arrays: Batch, size: int, steps: int) -> list[Batch]:
    """So many batches of so many rows each, drawn at random and always the same."""
    rng = np.random.default_rng(0)
    return [tuple(a[rows] for a in arrays) for rows in (rng.integers(0, len(arrays[0]), size) for _ in range(steps))]


def stacked(places: list[dict[str, np.ndarray]]) -> Path:
    """The places as one array for each parameter."""
    return {name: np.array([place[name] for place in places]) for name in places[0]}
