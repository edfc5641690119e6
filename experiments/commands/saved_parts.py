"""What the optimizers, the schedules and the judge of a pair look like in its checkpoint."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning.cli import instantiate_class
from pytorch_lightning.core.optimizer import _configure_optimizers

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
    table,
    tensor,
    text,
    truth,
    whole,
)
from experiments.judge.compare import CEILING, KINDS, ONE_STEP, Judge
from experiments.judge.convert import to_torch
from experiments.lockstep import DTYPES, Record
from experiments.lockstep.floor import LIMIT
from manual.amp import GradScaler
from manual.trainer import configured

SIZE = number(0, math.inf)


# ---- optimizers and schedules -------------------------------------------------------------------------


SMALL = 1e-3
"""How long the gradients of an example are: it is the form of what is remembered that counts, and a large one may lead out of a domain."""


def examples_in_torch(cli: Any) -> tuple[list[Any], list[Any]]:
    """Optimizers and schedules of a copy of the model, after a small step in a random direction."""
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
        p.grad = SMALL * torch.randn(p.shape, generator=rng).to(p) if p.requires_grad else None
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
            p.grad = (SMALL * rng.standard_normal(p.shape)).astype(p.dtype)
    for module in vars(model).values():
        if isinstance(module, GradScaler):
            module.unscale(np.zeros(1))  # it has looked at a gradient, as before every step
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
    kind = made_from(type(optimizer), example["param_groups"][0])
    taken = inspect.signature(kind).parameters

    def of_groups(value: Any, where: str) -> None:
        each(plain, len(groups))(value, where)
        for i, (group, checks) in enumerate(zip(value, groups, strict=True)):
            fields(checks, more=plain)(group, f"{where}[{i}]")
            equal_to(example["param_groups"][i]["params"])(group["params"], f"{where}[{i}].params")
            options = {key: of for key, of in group.items() if key in taken and key != "params"}
            try:
                if kind is not object:
                    kind(optimizer.param_groups[i]["params"], **options)
            except (ValueError, TypeError) as error:
                raise ValueError(f"{where}[{i}]: {error}") from error

    return fields({"state": fields(remembers, optional=remembers), "param_groups": of_groups})


def made_from(kind: type[Any], options: Mapping[str, Any]) -> type[Any]:
    """The class of an optimizer, or the nearest that it inherits from whose constructor needs nothing but its options; object if none."""

    def needs(of: type[Any]) -> set[str]:
        return {name for name, p in inspect.signature(of).parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}

    return next(of for of in kind.__mro__ if of is object or needs(of) <= {*options, "params"})


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
    rounding = table(SIZE, dict(model.named_parameters()))
    run = fields(
        {
            "model": like(to_torch(model.state_dict())),
            "optimizers": states(optimizers),
            "schedules": schedules_like(schedules),
            "metrics": table(of_type((int, float), "a number")),
            "perturbed": whole(),
            "rounding": rounding,
        }
    )

    def runs(value: Any, where: str) -> None:
        each(plain, 2 if cli.lockstep.mode == "free" else 1)(value, where)
        for i, of in enumerate(value):
            waits = i == 1 and isinstance(of, Mapping) and set(of) == {"rounding"}  # a shadow that nobody has asked
            (fields({"rounding": rounding}) if waits else run)(of, f"{where}[{i}]")

    return fields(
        {
            "runs": runs,
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
