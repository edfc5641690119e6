"""Numbers that are tried: whether a pair runs on them, and what speaks against them all the same.

A gradient has another shape than its value; a target is spread out over its prediction; a loop has no second round, so that nothing is
carried on; a value does not matter at all.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.doctor.calls.calling import Subject
from experiments.doctor.calls.ran import Ran
from experiments.doctor.calls.roles import TARGETS, prediction, target
from experiments.doctor.numbers.zips import watched
from experiments.doctor.reading.claims import is_array
from experiments.doctor.reading.patient import LOSSES
from experiments.doctor.reading.script import LOSS
from experiments.doctor.verdict.examine import Examination

SMALLER = (0.3, 0.05, 0.005)
"""An exp that overflows says nothing: then so much smaller numbers are tried."""

MORE = 100
"""So many times as much speaks a gradient of a wrong shape against numbers as a loop without a second round."""


def is_real(value: Any) -> bool:
    """Whether these are numbers that may as well be smaller: not counts, labels or masks."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and bool(np.any(value != np.round(value)))


def misshapen(subject: Subject, inputs: Mapping[str, Any]) -> int:
    """How much speaks against these numbers: gradients of another shape than their value count more than loops without a second round and
    values that do not matter. Raises whatever forward or backward raises."""
    for spread in (1.0, *SMALLER):
        with watched(subject.namespace) as zips:
            found = Examination(subject, {n: v * spread if is_real(v) else v for n, v in inputs.items()})
        if all(np.all(np.isfinite(v)) for v in (found.ran.out,) if is_array(v)) and found.is_finite:
            break
    else:
        raise FloatingPointError("not finite")
    wrong = sum(np.shape(c.gradient) != np.shape(found.ran.values[n]) for n, c in found.claims.items()) + spreads(subject, found.ran)
    wrong += zips.uneven + is_spread(subject, found.ran) + found.ran.is_single + is_loss_of_many(subject, found.ran)
    return MORE * wrong + idle_loops(subject.pair.forward, found.ran) + idle_values(found)


def spreads(subject: Subject, ran: Ran) -> int:
    """How many differences of a prediction and its target are of arrays of different shapes: both are arguments, or stand in the file."""
    known = {*subject.pair.parameters(subject.pair.forward), *subject.shared}
    found = 0
    for node in ast.walk(subject.pair.forward):
        match node:
            case ast.BinOp(ast.Name(one), ast.Sub(), ast.Name(other)) if {one.lower(), other.lower()} & set(TARGETS):
                both = {one, other} <= known or (bool({one, other} & {*subject.shared}) and {one, other} <= {*ran.final})
                found += both and np.shape(ran.final[one]) != np.shape(ran.final[other])
    return found


def is_spread(subject: Subject, ran: Ran) -> bool:
    """Whether the file's loss is given a target of as many axes as the prediction, and of another shape: it would be spread out over it.

    Where the weights stand in the file: elsewhere what is made for one output is read so.
    """
    of, out = target(ran), prediction(subject.pair, ran)
    out = ran.parts[0] if out is ran.out else out
    return (
        subject.loss is not None
        and bool(subject.shared)
        and is_array(of)
        and is_array(out)
        and np.ndim(of) == np.ndim(out)
        and np.shape(of) != np.shape(out)
    )


def is_loss_of_many(subject: Subject, ran: Ran) -> bool:
    """Whether what the forward calls its loss is more than one number: the strength of a penalty has been taken for an array."""
    match subject.pair.forward.body[-1]:
        case ast.Return(ast.Name(name)):
            return bool(LOSS.match(name)) and subject.loss is None and np.ndim(ran.out) > 0
    return subject.pair.forward.name.lower() in LOSSES and subject.loss is None and np.ndim(ran.out) > 0


def idle_loops(function: ast.FunctionDef, ran: Ran) -> int:
    """How many loops have had no second round: of a sequence of one, or a kernel as large as the image."""
    loops = [n for n in ast.walk(function) if isinstance(n, ast.For | ast.While)]
    bodies = [{m.lineno for s in loop.body for m in ast.walk(s) if isinstance(m, ast.Assign | ast.AugAssign)} for loop in loops]
    return sum(max(ran.rounds.get(line, 0) for line in body) < 2 for body in bodies if body)


def idle_values(e: Examination) -> int:
    """How many of the values that have a gradient among the results the loss does not depend on."""
    names = [n for n, c in e.claims.items() if c.returned and is_real(e.ran.values.get(n))]
    rng = np.random.default_rng(0)
    moved = [e.moves(n, rng.normal(size=np.shape(e.ran.values[n])), {}, {}, 1e-3) for n in names]
    return sum(max(map(abs, both)) < 1e-9 * (1 + abs(e.loss(e.ran))) for both in moved)
