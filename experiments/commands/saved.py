"""What a run's checkpoint must look like, from what the pair that goes on with it would save itself.

Nothing of a checkpoint is used before all of it was looked at: weights, optimizers and schedules of both sides, Lightning's loops and
callbacks, the judge with all that it remembers, and the place of the loader.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from experiments.commands.checkpoints import CHECKSUM, checksum
from experiments.commands.saved_parts import examples_in_torch, lockstep, schedules_like, states
from experiments.commands.schema import (
    Check,
    each,
    equal_to,
    fields,
    like,
    plain,
    refuse,
    table,
    tensor,
    text,
    truth,
    whole,
)
from experiments.data.arrays import InputError
from experiments.data.rollout import RolloutData
from experiments.judge.convert import to_numpy


def refuse_what_no_run_has_saved(cli: Any) -> None:
    """Raise InputError unless all of the checkpoint that is gone on from is as this very pair would have saved it."""
    path, checkpoint = cli.config.ckpt_path, cli.resumed
    try:
        refuse_other_data(cli, checkpoint)
        table(tensor())(checkpoint.get("state_dict"), "state_dict")
        weights = to_numpy(cli.twin.naming.by_hand(checkpoint["state_dict"]))
        cli.twin.by_hand(cli.model).load_state_dict(weights)  # names all that does not fit
        description(cli)(checkpoint, "checkpoint")
        refuse_contradictions(cli, checkpoint)
    except ValueError as error:
        raise InputError(f"{path} is not as a run of this model saves it: {str(error).removeprefix('checkpoint.')}") from error
    if checkpoint.get(CHECKSUM) != checksum(checkpoint):
        raise InputError(f"{path} was changed after a run had saved it: its checksum is another")


def refuse_other_data(cli: Any, checkpoint: Any) -> None:
    """Raise InputError if the examples are not those that the run was trained on: a file was changed, or others stand in for them."""
    saved = checkpoint.get(type(cli.datamodule).__qualname__)
    if isinstance(saved, dict) and "digest" in saved and saved["digest"] != cli.datamodule.digest():
        raise InputError(f"{cli.config.ckpt_path}: this run was trained on other data than there are now; it can go on with those alone")


def description(cli: Any) -> Check:
    """Of the whole checkpoint."""
    trainer, data = cli.trainer, cli.datamodule
    dtype = torch.float64 if trainer.precision == "64-true" else None
    weights = {name: tensor(tuple(t.shape), dtype if t.is_floating_point() else t.dtype) for name, t in cli.model.state_dict().items()}
    optimizers, schedules = examples_in_torch(cli)
    place = {"epoch": whole(), "batch": whole()}
    of_loader, of_data = (plain, plain) if isinstance(data, RolloutData) else (fields(place), fields({**place, "digest": text}))
    callbacks = {c.state_key: like(c.state_dict(), more=True) for c in trainer.callbacks if c.state_dict() and c is not cli.lockstep}
    of_lockstep = lockstep(cli) if cli.lockstep.mode != "off" else fields({"micro_batches": whole(), "mode": equal_to("off")})
    return fields(
        {
            "epoch": whole(),
            "global_step": whole(),
            "pytorch-lightning_version": version,
            "state_dict": fields(weights),
            "loops": loops(trainer, of_loader),
            "callbacks": fields({**callbacks, cli.lockstep.state_key: of_lockstep}, more=plain),
            "optimizer_states": states(optimizers),
            "lr_schedulers": schedules_like(schedules),
            type(data).__qualname__: of_data,
            "concept": equal_to(cli.twin.name),
            CHECKSUM: text,
        },
        more=plain,
    )


def version(value: Any, where: str) -> None:
    """Lightning's: it would migrate what another has saved."""
    if not isinstance(value, str) or value.partition(".")[0] != "2":
        refuse(where, "a version 2 of Lightning", value)


def loops(trainer: Any, place: Check) -> Check:
    """Lightning's counters, in which nothing is negative."""

    def counters(example: Any) -> Check:
        if isinstance(example, dict):
            return fields({key: counters(of) for key, of in example.items()})
        return truth if isinstance(example, bool) else whole()

    found = {}
    for name in ("fit_loop", "validate_loop", "test_loop", "predict_loop"):
        state = getattr(trainer, name).state_dict()
        checks = {key: counters(of) for key, of in state.items()}
        if name == "fit_loop":
            checks["state_dict"] = fields({"combined_loader": each(place, 1)})
        found[name] = fields(checks)
    return fields(found)


def refuse_contradictions(cli: Any, checkpoint: Any) -> None:
    """Raise ValueError where two parts of a checkpoint tell different stories."""
    fit, data = checkpoint["loops"]["fit_loop"], checkpoint[type(cli.datamodule).__qualname__]
    done = fit["epoch_progress"]["current"]["completed"], fit["epoch_loop.batch_progress"]["total"]["ready"]
    steps = sum(
        fit[f"epoch_loop.{of}"]["total"]["completed"] if "optimizer" not in fit[f"epoch_loop.{of}"]
        else fit[f"epoch_loop.{of}"]["optimizer"]["step"]["total"]["completed"]
        for of in ("automatic_optimization.optim_progress", "manual_optimization.optim_step_progress")
    )  # fmt: skip
    told = [("epoch", checkpoint["epoch"], done[0]), ("global_step", checkpoint["global_step"], steps)]
    for loader in fit["state_dict"]["combined_loader"]:
        told += [(f"the loader's {key}", loader[key], data[key]) for key in ("epoch", "batch")]
    if (batches := number_of_batches(cli)) < data["batch"]:
        raise ValueError(f"{type(cli.datamodule).__qualname__}.batch: {data['batch']}, but an epoch has {batches} batches")
    of = checkpoint["callbacks"][cli.lockstep.state_key]
    told.append(("the hand-written side's number of batches", of["micro_batches"], done[1]))
    if "judge" in of:
        told += judged_twice(of)
    for what, a, b in told:
        if a != b:
            raise ValueError(f"{what} is {a}, and elsewhere {b}")


def judged_twice(of: Any) -> list[tuple[str, Any, Any]]:
    """What the judge's memory and the history both tell; raises ValueError where no run can have come to it."""
    judge, records = of["judge"], of["records"]
    steps = records[:, 0]
    if not (steps.isfinite().all() and (steps == steps.round()).all() and (steps.diff() > 0).all() and (steps >= 0).all()):
        raise ValueError("records: the steps are not in order")
    if judge["failure"] is not None:
        return []
    worst = max((e for errors in judge["worst"].values() for e in errors.values()), default=0.0)
    if worst > judge["tolerance"]:
        raise ValueError(f"judge.worst: {worst:.1e} is more than was tolerated ({judge['tolerance']:.1e}), and nothing was found wrong")
    return [("the number of steps that were judged", judge["steps"], len(records))]


def number_of_batches(cli: Any) -> float:
    """Of an epoch, as far as it is known before training."""
    data = cli.datamodule
    if n := data.n_batches():
        return n
    if isinstance(data, RolloutData) or not data.batch_size:
        return math.inf if isinstance(data, RolloutData) else 1
    return math.ceil(len(data.split.train[0]) / data.batch_size)
