"""A whole run of a pair that leaves no files, for what is computed from it: the answers to questions, and what a mistake does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from experiments.lesson import Metrics, Mistake, Question, Shorter, Trained
from experiments.lockstep import LockStep
from experiments.lockstep.callback import DTYPES
from experiments.lockstep.checks import data_for
from experiments.lockstep.silent import LENGTH, PRECISION, silent_trainer
from experiments.pair import Twin


def trained(twin: Twin, seed: int = 0, dtype: str | None = None) -> Trained:
    """Train both sides as the twin says, in lock-step.

    Args:
        twin: the pair.
        seed: of weights, data and noise.
        dtype: "float64" or "float32"; that of the twin's own Trainer unless given, which is float64 where it says nothing.
    """
    dtype = dtype or DTYPES[twin.trainer.get("precision", PRECISION["float64"])]
    data, _ = data_for(twin, seed)
    _, theirs = twin.build(seed, dtype, data=data)
    lockstep = LockStep(twin, seed=seed, unheard=True)
    length: dict[str, Any] = {key: value for key, value in twin.trainer.items() if key in LENGTH}
    silent_trainer(twin, lockstep, argparse.Namespace(dtype=dtype, device="cpu"), **length).fit(theirs, data)
    return left_by(lockstep, theirs, data)


def runs_of(
    twin: Twin,
    questions: Sequence[Question],
    told: Callable[[int, int], None] = lambda number, of: None,
    made: dict[str, Trained] | None = None,
) -> list[Trained]:
    """The run of each question; questions about one and the same run share it.

    Args:
        twin: the pair.
        questions: about it.
        told: is called before each run, with its number from 1 and how many there are.
        made: runs that are there already, each under what tells it apart (`run_of`); those of the questions are added.
    """
    keys = [run_of(question) for question in questions]
    runs = {} if made is None else made
    missing = [key for key in dict.fromkeys(keys) if key not in runs]
    for key, question in zip(keys, questions, strict=True):
        if key not in runs:
            told(missing.index(key) + 1, len(missing))
            runs[key] = trained(twin_of(twin, question))
    return [runs[key] for key in keys]


def run_of(asked: Question | Mistake | Shorter | None) -> str:
    """What tells the run of one question, or of the mistake, from that of another; None asks for the concept's own run."""
    given = [sorted(of.items()) for of in (asked.model, asked.data, asked.trainer)] if asked else [[]] * 3
    return repr([*given, *([asked.manual, asked.torch] if isinstance(asked, Mistake) and asked.manual else [])])


def left_by(lockstep: LockStep, theirs: Any, data: Any) -> Trained:
    """What a run has left, both sides in eval mode."""
    ours = lockstep.hand.model
    ours.eval(), theirs.eval()
    losses, in_torch = (tuple(getattr(r, name) for r in lockstep.records) for name in ("loss_manual", "loss_torch"))
    optimizers = tuple(r.optimizer for r in lockstep.records)
    return Trained(ours, theirs, data, losses, Metrics(lockstep.metrics), lockstep.judge.passed, in_torch, optimizers)


def twin_of(twin: Twin, of: Question | Mistake | Shorter) -> Twin:
    """The pair that a question asks about, or that makes the mistake; or that is trained for a shorter time."""
    changed = replace(twin.having(of.model, of.data), trainer={**twin.trainer, **of.trainer})
    if isinstance(of, Mistake) and of.manual:
        changed = replace(changed, manual=of.manual, torch=of.torch or changed.torch)
    return changed
