"""What is refused before a run begins: a model that is empty, data that do not fit it, what cannot be compared."""

from __future__ import annotations

import copy
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy

from experiments.commands.complaints import explain
from experiments.commands.run_options import RunCLI
from experiments.data.arrays import ArrayData, InputError
from experiments.judge.look import loss_of, objectives
from experiments.lockstep import DTYPES
from experiments.pair import Twin


def refuse_what_does_not_fit(twin: Twin, model: pl.LightningModule, data: ArrayData) -> None:
    """Raise InputError for a model that is empty, or that the data do not fit: a copy of it is shown the first of them."""
    parameters = twin.naming.by_hand(dict(model.named_parameters()))
    empty = [f"{name} {tuple(p.shape)}" for name, p in parameters.items() if p.numel() == 0]
    if empty:
        raise InputError(f"every size of the model must be at least 1: nothing would be in {', '.join(empty)}")
    try:
        batch = [torch.from_numpy(a) for a in data.example(model)]
        with torch.random.fork_rng(devices=[]):
            for objective in objectives(twin, model):
                loss_of(copy.deepcopy(model), tuple(t.to(model.dtype) if t.is_floating_point() else t for t in batch), objective)
    except (RuntimeError, IndexError, ValueError) as error:
        raise InputError(f"the data do not fit this model: {explain(error)}") from error


def refuse_what_cannot_be_compared(cli: RunCLI) -> None:
    """Raise InputError for a precision or a number of processes in which the two sides cannot be compared."""
    precision, processes = cli.trainer.precision, cli.trainer.world_size
    if precision not in DTYPES:
        raise InputError(f"the two sides are compared in 64-true or 32-true; for precision {precision} add --compare.mode off")
    plain = isinstance(cli.trainer.strategy, DDPStrategy) and cli.model.automatic_optimization and not cli.datamodule.n_batches()
    if processes > 1 and not plain:
        raise InputError(
            f"of {processes} processes only those of --trainer.strategy ddp are compared, of a model that leaves its steps to Lightning "
            "and whose batches are rows; else add --compare.mode off"
        )


def refuse_metrics_that_are_not_there(cli: RunCLI) -> None:
    """Raise InputError for a callback that watches what this model does not log. One that takes its steps itself is not asked."""
    trainer: Any = cli.trainer
    watching = [c for c in trainer.callbacks if getattr(c, "monitor", None)]
    if not watching or not cli.model.automatic_optimization:
        return
    names = logged(cli.model, cli.datamodule)
    for callback in watching:
        if (monitor := callback.monitor) not in names:
            raise InputError(f"{type(callback).__name__}: nothing is logged as {monitor}: choose one of {', '.join(sorted(names))}")


def logged(model: pl.LightningModule, data: ArrayData) -> set[str]:
    """The names of all that a model logs of a batch in training and in validation; tried on a copy."""
    model, names = copy.deepcopy(model), set[str]()

    def log(name: str, *_: Any, **__: Any) -> None:
        names.add(name)

    model.log = log  # type: ignore[method-assign]
    held_out = data.val_batches()
    of_rows = tuple(a[:32] for a in data.split.val)
    batches = data.example(model), held_out[0] if held_out else of_rows
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for step, arrays in zip((model.training_step, model.validation_step), batches, strict=True):
            tensors = tuple(torch.from_numpy(a) for a in arrays)
            if all(len(t) for t in tensors if t.ndim):
                step(tuple(t.to(model.dtype) if t.is_floating_point() else t for t in tensors), 0)
    return names
