"""A whole run of a pair that leaves no files, for what is computed from it: the answers to questions, and what a mistake does."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from experiments.lesson import Mistake, Question, Trained
from experiments.lockstep import LockStep
from experiments.lockstep.checks import data_for
from experiments.lockstep.silent import LENGTH, silent_trainer
from experiments.pair import Twin


def trained(twin: Twin, seed: int = 0, dtype: str = "float64") -> Trained:
    """Train both sides as the twin says, in lock-step.

    Args:
        twin: the pair.
        seed: of weights, data and noise.
        dtype: "float64" or "float32".
    """
    data, _ = data_for(twin, seed)
    _, theirs = twin.build(seed, dtype, data=data)
    lockstep = LockStep(twin, seed=seed)
    length: dict[str, Any] = {key: value for key, value in twin.trainer.items() if key in LENGTH}
    silent_trainer(twin, lockstep, argparse.Namespace(dtype=dtype, device="cpu"), **length).fit(theirs, data)
    return left_by(lockstep, theirs, data)


def left_by(lockstep: LockStep, theirs: Any, data: Any) -> Trained:
    """What a run has left, both sides in eval mode."""
    ours = lockstep.hand.model
    ours.eval(), theirs.eval()
    losses = tuple(r.loss_manual for r in lockstep.records)
    return Trained(ours, theirs, data, losses, dict(lockstep.metrics), lockstep.judge.passed)


def twin_of(twin: Twin, of: Question | Mistake) -> Twin:
    """The pair that a question asks about, or that makes the mistake."""
    changed = twin.having(of.model)
    if isinstance(of, Mistake) and of.manual:
        changed = replace(changed, manual=of.manual, torch=of.torch or changed.torch)
    return changed
