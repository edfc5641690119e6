"""Several processes: what each of them has seen, brought together."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import torch

from experiments.judge.compare import Metrics, Round, Step


def gather(trainer: Any, mine: Any) -> list[Any]:
    """What every process has, in the order of their ranks; of a single process, its own."""
    if trainer.world_size == 1:
        return [mine]
    everyones: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(everyones, mine)
    return everyones


def together(trainer: Any, mine: Round) -> Round:
    """This process's round, with the losses and metrics of all: each loss the mean of theirs, each metric the list of theirs, by batches.

    Gradients, parameters and state are alike in all of them, since the gradients were averaged before the step; buffers are this one's.
    """
    if trainer.world_size == 1:
        return mine
    everyones = gather(trainer, ([step.loss for step in mine.steps], mine.metrics))
    steps = []
    for i, step in enumerate(mine.steps):
        losses = [of_rank[i] for of_rank, _ in everyones if i < len(of_rank)]
        steps.append(Step(**{**vars(step), "loss": sum(losses) / len(losses)}))
    names = sorted({name for _, metrics in everyones for name in metrics})
    batch_by_batch = {name: zip_longest(*(metrics.get(name, []) for _, metrics in everyones)) for name in names}
    return Round(steps, {name: [v for values in of for v in values if v is not None] for name, of in batch_by_batch.items()})


def one_after_the_other(everyones: list[Metrics]) -> Metrics:
    """Everything that was logged under each name, by one process after the other."""
    return {name: [v for metrics in everyones for v in metrics.get(name, [])] for name in {n: 0 for metrics in everyones for n in metrics}}
