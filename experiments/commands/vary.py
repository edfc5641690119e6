"""Every option of a concept at a second value: both sides still agree, and neither ignores it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from experiments.commands.second import Alternative, NoSecondValue, alternatives, data_alternatives, defaults
from experiments.data.arrays import ArrayData, Split
from experiments.data.rollout import RolloutData
from experiments.judge.compare import ONE_STEP, Judge, errors
from experiments.judge.convert import to_numpy, weights_by_hand
from experiments.judge.nonfinite import NotFinite
from experiments.judge.raised import HandRaised
from experiments.lockstep import LockStep
from experiments.lockstep.checks import one_step
from experiments.lockstep.silent import silent_trainer
from experiments.pair import Twin

STEPS = 3


class Seen(NamedTuple):
    """A short training of both sides: its judge, and what is to be seen of each side: losses, metrics and the weights in the end."""

    judge: Judge
    by_hand: Mapping[str, Any]
    in_torch: Mapping[str, Any]


def varied(twin: Twin, options: argparse.Namespace) -> Iterator[tuple[str, Judge, bool]]:
    """(what, its judge, whether on random data) for every option of a twin. An option that a side ignores fails like any other fault."""
    twin = replace(twin, variants={})
    seen: dict[str, Seen] = {}  # what an option is compared with is mostly the same
    try:
        every = list(alternatives(twin))
    except NoSecondValue as missing:
        yield "options", failed(str(missing), options.dtype), False
        return
    for found in every:
        label = f"option {found.option}={found.second!r}"
        key = repr((found.base.model, found.base.data_args))
        if key not in seen:
            seen[key] = train(found.base, options)
        judge = heeded(found, seen[key], train(found.twin, options), twin.idle)
        step, stand_in = one_step(found.twin, None, options)
        yield label, judge if step.passed or not judge.passed else step, stand_in


def failed(why: str, dtype: str) -> Judge:
    """A judge who has found a fault."""
    judge = Judge(dtype)
    judge.convict(why)
    return judge


def heeded(found: Alternative, first: Seen, second: Seen, idle: Mapping[str, str]) -> Judge:
    """The judge of the second training, who also fails where a side ignores the option, or heeds one that is said to be idle."""
    dtype = second.judge.dtype
    ignoring = [
        side
        for side, a, b in (("by hand", first.by_hand, second.by_hand), ("in torch", first.in_torch, second.in_torch))
        if same(a, b, dtype)
    ]
    judge = second.judge
    if ignoring and found.option not in idle:
        judge.failure = f"{found.option} is ignored {' and '.join(ignoring)}: {found.second!r} does what {found.first!r} does"
    elif not ignoring and found.option in idle:
        judge.convict(f"{found.option} is not idle, as its Twin says: {found.second!r} does not do what {found.first!r} does")
    return judge


def same(a: Mapping[str, Any], b: Mapping[str, Any], dtype: str) -> bool:
    """Whether two trainings of one side differ by rounding at most."""
    return a.keys() == b.keys() and all(e <= 10 * ONE_STEP[dtype] for name in a for e in errors({name: a[name]}, {name: b[name]}).values())


def train(twin: Twin, options: argparse.Namespace) -> Seen:
    """A few steps, each the first batch of an epoch, so that schedules of either kind move; and a validation."""
    data = few(twin.make_data(seed=options.seed))
    _, theirs = twin.build(options.seed, options.dtype, data=data)
    lockstep = LockStep(twin, seed=options.seed, unheard=True)
    length = {"max_epochs": STEPS, "limit_train_batches": 1, "check_val_every_n_epoch": STEPS}
    trainer = silent_trainer(twin, lockstep, options, **length)
    try:
        trainer.fit(theirs, data)
    except (NotFinite, HandRaised) as error:
        lockstep.judge.convict(str(error))
    return Seen(
        lockstep.judge,
        {**lockstep.hand.model.state_dict(), **lockstep.metrics, "losses": [r.loss_manual for r in lockstep.records]},
        {**weights_by_hand(twin.naming, theirs), **to_numpy(trainer.callback_metrics), "losses": [r.loss_torch for r in lockstep.records]},
    )


def few(data: ArrayData, rows: int = 64) -> ArrayData:
    """The same data with few rows to validate on, where they are rows; random ones where the real ones are not at hand."""
    if not data.at_hand():
        data.use(data.stand_in())
    if data.val_batches() is None:
        data.use(Split(data.split.train, tuple(a[:rows] for a in data.split.val)))
    return data


def ignored_by_the_data(twin: Twin) -> Iterator[str]:
    """Arguments of the data module that change neither an array nor a batch, though its Twin does not say why."""
    first = shown(twin, twin.make_data())
    for name, second in data_alternatives(twin):
        if same(first, shown(twin, twin.make_data(**{name: second})), "float64"):
            yield f"data.{name}"


def shown(twin: Twin, data: ArrayData) -> dict[str, Any]:
    """All arrays of a data module, and its first batch; or, where batches are no rows, those of an epoch. And what they tell the model.

    Of what the model is told the data's own options are left out: that they are passed on does not say that the data use them.
    """
    data = few(data, rows=10**9)
    known = [source.removeprefix("data.") for source in twin.links]
    found = {
        f"told: {name}": np.frombuffer(repr(getattr(data, name)).encode(), np.uint8) for name in known if name not in defaults(twin.data)
    }
    if isinstance(data, RolloutData):
        data.rollout, data.played_in = data.first_rollout(twin.build(data=data)[1]), 0
    if (batches := data.batches(0)) is not None:
        return found | {f"batch {i}, {j}": a for i, batch in enumerate(batches) for j, a in enumerate(batch)}
    batch = next(iter(data.train_dataloader()))
    arrays = {"train": data.split.train, "val": data.split.val, "batch": to_numpy(list(batch))}
    return found | {f"{part} {i}": a for part, of in arrays.items() for i, a in enumerate(of)}
