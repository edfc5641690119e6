"""Several processes: what each of them has seen, brought together."""

from __future__ import annotations

from typing import Any

import torch

from experiments.compare import Round, Step


def gather(trainer: Any, mine: Any) -> list[Any]:
    """What every process has, in the order of their ranks; of a single process, its own."""
    if trainer.world_size == 1:
        return [mine]
    everyones: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(everyones, mine)
    return everyones


def together(trainer: Any, mine: Round) -> Round:
    """This process's round, with the losses and metrics of all: each loss is the mean of theirs, each metric the list of theirs.

    Gradients, parameters and state are alike in all of them, since the gradients were averaged before the step; buffers are this one's.
    """
    if trainer.world_size == 1:
        return mine
    everyones = gather(trainer, ([step.loss for step in mine.steps], mine.metrics))
    steps = []
    for i, step in enumerate(mine.steps):
        losses = [of_rank[i] for of_rank, _ in everyones if i < len(of_rank)]
        steps.append(Step(**{**vars(step), "loss": sum(losses) / len(losses)}))
    names = {name for _, metrics in everyones for name in metrics}
    return Round(steps, {name: [v for _, metrics in everyones for v in metrics.get(name, [])] for name in sorted(names)})
