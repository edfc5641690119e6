"""What is checked of a twin without a run: one step at random parameters, and short trajectories, of one concept in one variant."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.data.arrays import ArrayData
from experiments.judge.compare import ONE_STEP, Judge, Step
from experiments.judge.convert import load_in_torch, to_numpy, to_torch
from experiments.judge.look import Row, intermediates, look, loss_of, objectives
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.judge.nonfinite import NotFinite
from experiments.judge.raised import HandRaised, raising
from experiments.lockstep import LockStep, floor, ieee_arithmetic
from experiments.lockstep.rollouts import judge_first_rollout
from experiments.lockstep.silent import for_steps
from experiments.pair import Twin


def data_for(twin: Twin, seed: int) -> tuple[ArrayData, bool]:
    """The twin's data, and whether they are random ones in place of data that are not at hand."""
    data = twin.make_data(seed=seed)
    if data.at_hand():
        return data, False
    data.use(data.stand_in())
    return data, True


@dataclass
class AtRandom:
    """Both sides of a twin at the same random parameters, in the same noise, and two batches for them."""

    twin: Twin
    ours: Any
    theirs: Any
    data: ArrayData
    batches: list[tuple[np.ndarray, ...]]
    noises: tuple[SharedNoise, SharedNoise]
    stand_in: bool

    def begin(self) -> None:
        """Forget what was drawn, and all gradients."""
        for noise in self.noises:
            noise.begin(0)
        self.ours.zero_grad(), self.theirs.zero_grad()


def at_random(twin: Twin, variant: str | None, options: argparse.Namespace) -> AtRandom:
    """Build it: initial zeros and ones would hide a forgotten factor, so every parameter is moved by something random."""
    data, stand_in = data_for(twin, options.seed)
    ours, theirs = twin.build(options.seed, options.dtype, variant, data)
    rng = np.random.default_rng(options.seed)
    state = {name: p + rng.normal(0, 0.3, p.shape).astype(options.dtype) for name, p in ours.named_parameters()}
    state.update({name: np.zeros_like(state[name]) for name in getattr(options, "zero", ()) if name in state})
    ours.load_state_dict({**ours.state_dict(), **state})
    load_in_torch(twin.naming, theirs, ours.state_dict())
    theirs = theirs.to(options.device)
    batches = [tuple(a.astype(options.dtype) if a.dtype.kind == "f" else a for a in batch) for batch in data.two_batches(theirs)]
    noises = SharedNoise(options.seed), SharedNoise(options.seed)
    share_hand(ours, noises[0])
    share_torch(theirs, noises[1])
    ieee_arithmetic()
    return AtRandom(twin, ours, theirs, data, batches, noises, stand_in)


def one_step(twin: Twin, variant: str | None, options: argparse.Namespace) -> tuple[Judge, bool]:
    """Each objective's loss, gradients and intermediates at random parameters."""
    pair, judge = at_random(twin, variant, options), Judge(options.dtype, twin.zero_gradient)
    try:
        with raising("at random weights", twin.name):
            judge_first_rollout(judge, "one step", pair.data, pair.ours, pair.theirs)
        for index, objective in enumerate(objectives(twin, pair.ours)):
            pair.begin()
            with raising("at random weights", twin.name):
                judge_objective(judge, pair, index, objective)
            pair.begin()
            with raising("at random weights", twin.name):
                rows = look(pair.twin, pair.ours, pair.theirs, pair.batches[0], objective)
            if (judgement := judge.intermediates("one step", *intermediates(rows))).beyond:
                judge.convict(judgement)
    except HandRaised as error:
        judge.convict(str(error))
        judge.worst["gradient"]["an exception"] = math.inf
    return judge, pair.stand_in


def judge_objective(judge: Judge, pair: AtRandom, index: int, objective: str) -> None:
    """Loss and gradients of two batches.

    Both forwards come before both backwards, and each loss has a factor of its own: the later batch must not
    overwrite the earlier, gradients must add up, and ∂L/∂loss must be used.
    """
    ours, theirs = pair.ours, pair.theirs
    loss, by_hand = two_by_hand(ours, pair.batches, objective)
    loss_torch, gradient = two_in_torch(pair.twin, theirs, pair.batches, objective)
    saved = theirs.state_dict()
    buffers = pair.twin.naming.by_hand({n: b for n, b in theirs.named_buffers() if n in saved})
    step = Step(loss, by_hand, {}, dict(ours.named_buffers()), optimizer=index)
    judgement = judge.step(0, step, Step(loss_torch, gradient, {}, buffers, optimizer=index))
    if judgement.beyond and judge.raise_floor(rounding_of_two(pair, objective, (loss, by_hand), (loss_torch, gradient))):
        judgement = judge.review(judgement)
    if judgement.beyond:
        judge.convict(judgement)


def two_by_hand(ours: Any, batches: Sequence[Any], objective: str) -> tuple[float, dict[str, np.ndarray]]:
    """The sum of the losses, and the gradients of all of them together."""
    losses = [float(loss_of(ours, batch, objective)) for batch in batches]
    for factor in reversed(FACTORS):
        (ours.backward if objective == "training_step" else getattr(ours, f"{objective}_backward"))(factor)
    ours.check_nothing_saved()
    return sum(losses), {n: p.grad.copy() for n, p in ours.named_parameters() if p.has_grad}


def two_in_torch(twin: Twin, theirs: Any, batches: Sequence[Any], objective: str) -> tuple[float, dict[str, np.ndarray]]:
    """The same by autograd."""
    losses: list[Any] = [loss_of(theirs, to_torch(batch, theirs.device), objective) for batch in batches]
    for factor, value in zip(reversed(FACTORS), reversed(losses), strict=True):
        (factor * value).backward()
    gradient = {n: p.grad for n, p in theirs.named_parameters() if p.grad is not None}
    return sum(float(value.detach()) for value in losses), to_numpy(twin.naming.by_hand(gradient))


def rounding_of_two(pair: AtRandom, objective: str, hand: Any, in_torch: Any) -> float:
    """What rounding does to these gradients, which may nearly cancel: how far either side is from the truth of a wider format."""
    dtype = next(p.dtype.name for p in pair.ours.parameters())
    wide, noise = floor.WIDER[dtype], SharedNoise(pair.noises[0].seed)
    model, batches = pair.twin.by_hand(pair.theirs, wide), [floor.in_format(batch, wide) for batch in pair.batches]
    share_hand(model, noise)
    noise.begin(0)
    try:
        with np.errstate(all="ignore"):
            truth = two_by_hand(model, batches, objective)
    except Exception:  # a function that knows no such format
        return 0.0
    truth_of_torch = truth
    if dtype == "float32":
        double, own = floor.in_double(pair.twin, pair.theirs, noise)
        own.begin(0)
        truth_of_torch = two_in_torch(pair.twin, double, batches, objective)
    limits = floor.LIMIT_BY_HAND[dtype], floor.LIMIT[dtype]
    hand, in_torch = ((np.asarray(loss, dtype), gradients) for loss, gradients in (hand, in_torch))
    return floor.rounding(hand, truth, limits[0], in_torch, truth_of_torch, limits[1])


def rows_at_random(twin: Twin, variant: str | None, options: argparse.Namespace) -> list[Row]:
    """The look that `one_step` takes, of the first objective that is wrong (or of the last), for the verdict."""
    pair, rows = at_random(twin, variant, options), list[Row]()
    for objective in objectives(twin, pair.ours):
        pair.begin()
        rows = look(twin, pair.ours, pair.theirs, pair.batches[0], objective)
        if any(not r.error <= ONE_STEP[options.dtype] for r in rows):
            break
    return rows


FACTORS = (0.75, -1.25)
"""∂L/∂loss of the two batches of `one_step`: neither is 1, and float32 holds both exactly."""


def trajectory(twin: Twin, variant: str | None, options: argparse.Namespace, sgd: float | None = None) -> tuple[Judge, bool]:
    """Both sides trained for a few steps, on their own, and validated; by the twin's optimizer, or by plain gradient descent."""
    data, stand_in = data_for(twin, options.seed)
    _, theirs = twin.build(options.seed, options.dtype, variant, data)
    lockstep = LockStep(twin, seed=options.seed, plain_sgd=sgd, unheard=True)
    try:
        for_steps(twin, lockstep, options, options.steps).fit(theirs, data)
    except NotFinite as error:
        lockstep.judge.convict(str(error))
        lockstep.judge.worst["loss"]["loss"] = math.inf
    except HandRaised as error:
        lockstep.judge.convict(str(error))
        lockstep.judge.worst["gradient"]["an exception"] = math.inf
    return lockstep.judge, stand_in
