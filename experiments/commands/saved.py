"""What a run's checkpoint must look like, from what the pair that goes on with it would save itself.

Nothing of a checkpoint is used before all of it was looked at: weights, optimizers and schedules of both sides, Lightning's loops and
callbacks, the judge with all that it remembers, and the place of the loader.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning.cli import instantiate_class
from pytorch_lightning.core.optimizer import _configure_optimizers

from experiments.commands.checkpoints import CHECKSUM, checksum
from experiments.commands.schema import (
    Check,
    each,
    equal_to,
    fields,
    like,
    number,
    of_type,
    or_nothing,
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
from experiments.judge.compare import CEILING, KINDS, ONE_STEP, Judge
from experiments.judge.convert import to_numpy, to_torch
from experiments.lockstep import DTYPES, Record
from experiments.lockstep.floor import LIMIT
from manual.trainer import configured

SIZE = number(0, math.inf)


def refuse_what_no_run_has_saved(cli: Any) -> None:
    """Raise InputError unless all of the checkpoint that is gone on from is as this very pair would have saved it."""
    path, checkpoint = cli.config.ckpt_path, cli.resumed
    try:
        table(tensor())(checkpoint.get("state_dict"), "state_dict")
        weights = to_numpy(cli.twin.naming.by_hand(checkpoint["state_dict"]))
        cli.twin.by_hand(cli.model).load_state_dict(weights)  # names all that does not fit
        description(cli)(checkpoint, "checkpoint")
        refuse_contradictions(cli, checkpoint)
    except ValueError as error:
        raise InputError(f"{path} is not as a run of this model saves it: {str(error).removeprefix('checkpoint.')}") from error
    if checkpoint.get(CHECKSUM) != checksum(checkpoint):
        raise InputError(f"{path} was changed after a run had saved it: its checksum is another")


def description(cli: Any) -> Check:
    """Of the whole checkpoint."""
    trainer, data = cli.trainer, cli.datamodule
    dtype = torch.float64 if trainer.precision == "64-true" else None
    weights = {name: tensor(tuple(t.shape), dtype if t.is_floating_point() else t.dtype) for name, t in cli.model.state_dict().items()}
    optimizers, schedules = examples_in_torch(cli)
    place = fields({"epoch": whole(), "batch": whole()}) if not isinstance(data, RolloutData) else plain
    callbacks = {c.state_key: like(c.state_dict(), more=True) for c in trainer.callbacks if c.state_dict() and c is not cli.lockstep}
    of_lockstep = lockstep(cli) if cli.lockstep.mode != "off" else fields({"micro_batches": whole(), "mode": equal_to("off")})
    return fields(
        {
            "epoch": whole(),
            "global_step": whole(),
            "pytorch-lightning_version": version,
            "state_dict": fields(weights),
            "loops": loops(trainer, place),
            "callbacks": fields({**callbacks, cli.lockstep.state_key: of_lockstep}, more=plain),
            "optimizer_states": states(optimizers),
            "lr_schedulers": schedules_like(schedules),
            type(data).__qualname__: place,
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


# ---- optimizers and schedules -------------------------------------------------------------------------


def examples_in_torch(cli: Any) -> tuple[list[Any], list[Any]]:
    """Optimizers and schedules of a copy of the model, after a step in a random direction."""
    model = copy.deepcopy(cli.model).to(torch.float64 if cli.trainer.precision == "64-true" else torch.float32)
    chosen, schedule = (cli.config_init.get(option) for option in ("optimizer", "lr_scheduler"))
    if chosen:  # on the command line
        made = instantiate_class(model.parameters(), chosen)
        given = cli.configure_optimizers(model, made, instantiate_class(made, schedule) if schedule else None)
    else:
        given = model.configure_optimizers()
    optimizers, schedules, _ = _configure_optimizers(given)  # what Lightning itself makes of it
    rng = torch.Generator().manual_seed(0)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=rng).to(p) if p.requires_grad else None
    for optimizer in optimizers:
        optimizer.step(lambda: torch.tensor(1.0))
    return list(optimizers), [s["scheduler"] if isinstance(s, dict) else s for s in schedules]


def examples_by_hand(cli: Any) -> tuple[Any, list[Any], list[Any]]:
    """The hand-written model, and likewise its optimizers and schedules."""
    model = cli.twin.by_hand(cli.model, DTYPES[cli.trainer.precision])
    optimizers, schedules = configured(model.configure_optimizers())
    rng = np.random.default_rng(0)
    for p in model.parameters():
        if p.requires_grad:
            p.grad = rng.standard_normal(p.shape).astype(p.dtype)
    for optimizer in optimizers:
        optimizer.step(lambda: 1.0)
    return model, optimizers, [schedule.scheduler for schedule in schedules]


def states(optimizers: Sequence[Any]) -> Check:
    """What these optimizers remember, and their options."""

    def check(value: Any, where: str) -> None:
        each(plain, len(optimizers))(value, where)
        for i, (saved, optimizer) in enumerate(zip(value, optimizers, strict=True)):
            state(optimizer)(saved, f"{where}[{i}]")

    return check


def state(optimizer: Any) -> Check:
    """What this optimizer remembers, and its options: those that its constructor takes."""
    example = to_torch(optimizer.state_dict())
    remembers = {key: like(of, more=True) for key, of in example["state"].items()}
    groups = [{key: like(of) for key, of in group.items()} for group in example["param_groups"]]
    taken = inspect.signature(type(optimizer)).parameters

    def of_groups(value: Any, where: str) -> None:
        each(plain, len(groups))(value, where)
        for i, (group, checks) in enumerate(zip(value, groups, strict=True)):
            fields(checks, more=plain)(group, f"{where}[{i}]")
            equal_to(example["param_groups"][i]["params"])(group["params"], f"{where}[{i}].params")
            options = {key: of for key, of in group.items() if key in taken and key != "params"}
            try:
                type(optimizer)(optimizer.param_groups[i]["params"], **options)
            except (ValueError, TypeError) as error:
                raise ValueError(f"{where}[{i}]: {error}") from error

    return fields({"state": fields(remembers, optional=remembers), "param_groups": of_groups})


def schedules_like(schedules: Sequence[Any]) -> Check:
    """The state of these schedules."""

    def check(value: Any, where: str) -> None:
        each(plain, len(schedules))(value, where)
        for i, (saved, schedule) in enumerate(zip(value, schedules, strict=True)):
            example = to_torch(schedule.state_dict())
            counters = {key: whole() for key in ("last_epoch", "_step_count", "num_bad_epochs", "cooldown_counter") if key in example}
            fields({**{key: like(of, more=True) for key, of in example.items()}, **counters}, more=plain)(saved, f"{where}[{i}]")

    return check


# ---- the hand-written side and its judge --------------------------------------------------------------


def lockstep(cli: Any) -> Check:
    """Both hand-written runs, the judge, and the history."""
    model, optimizers, schedules = examples_by_hand(cli)
    learned = dict(model.named_parameters())
    run = fields(
        {
            "model": like(to_torch(model.state_dict())),
            "optimizers": states(optimizers),
            "schedules": schedules_like(schedules),
            "metrics": table(of_type((int, float), "a number")),
            "perturbed": whole(),
            "rounding": table(SIZE, learned),
        }
    )
    return fields(
        {
            "runs": each(run, 2 if cli.lockstep.mode == "free" else 1),
            "judge": judge(cli.twin, DTYPES[cli.trainer.precision]),
            "records": tensor((None, len(Record._fields)), torch.float64),
            "micro_batches": whole(),
            "rounds": whole(),
            "partings": whole(),
            "window_begins": truth,
            "mode": equal_to(cli.lockstep.mode),
        }
    )


def judge(twin: Any, dtype: str) -> Check:
    """The judge of this pair, who tolerates no more than it may."""
    example = Judge(dtype, twin.zero_gradient, twin.foretold).state_dict()
    widest = max(CEILING[dtype], 10 * LIMIT[dtype])
    spread = {kind: SIZE if kind in ("metric", "rollout") else number(0, CEILING[dtype] / 10) for kind in KINDS}
    checks: dict[str, Check] = {
        **{key: equal_to(example[key]) for key in ("dtype", "zero_gradient", "foretold")},
        "largest": table(SIZE),
        "sums": table(each(SIZE, 2)),
        "steps": whole(),
        "windows": whole(1),
        "floor": number(ONE_STEP[dtype], widest),
        "spread": fields(spread if twin.foretold else dict.fromkeys(KINDS, SIZE)),
        "furthest": SIZE,
        "first": truth,
        "worst": fields(dict.fromkeys(KINDS, table(SIZE))),
        "tolerance": number(ONE_STEP[dtype], widest),
        "failure": or_nothing(text),
        "actions": whole(),
        "undecidable": whole(),
    }
    return fields({key: checks.get(key, like(of)) for key, of in example.items()})


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
