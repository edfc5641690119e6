"""What right code is right for alone: an argument that keeps its default, a matrix that is its own transpose. It is told."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from experiments.doctor.calls.calling import Subject
from experiments.doctor.numbers.shapes import SIZES, Chosen
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.suspects import PLAINLY, agreement, returned
from experiments.source.arguments import defaults_of

TINY = re.compile(r"eps\w*|tol\w*|lr|learning_rate")
"""Called like what changes no derivative that anybody would notice."""


def provided(subject: Subject, chosen: Chosen, seed: int) -> Iterator[str]:
    """Sentences about a backward that is right, each with a condition.

    Args:
        subject: the pair.
        chosen: the shapes with which it is right.
        seed: of the numbers.
    """
    for name, default in defaults(subject.pair.forward):
        other = moved(default)
        if wrong := wrong_with(subject, chosen, seed, {name: other}):
            given = f"It is right for {name} = {default:g}, which it is unless it is given. With {name} = {other:g}"
            yield f"{given} the gradient of {wrong} is wrong: does backward know of {name}?"
    of_graph = {n: shape for n, (kind, shape) in chosen.of.items() if kind == "symmetric"}
    if of_graph:
        names = " and ".join(of_graph)
        other_kind = Chosen({**chosen.of, **{n: ("normal", shape) for n, shape in of_graph.items()}})
        if wrong := wrong_with(subject, other_kind, seed, {}):
            yield f"It is right where {names} is its own transpose. Otherwise the gradient of {wrong} needs {names}.T."


def defaults(function: ast.FunctionDef) -> Iterator[tuple[str, float]]:
    """The arguments of a function whose default is a number with a point, and it."""
    for name, default in defaults_of(function).items():
        match default:
            case ast.Constant(float(value)) if not TINY.fullmatch(name):
                yield name, value


def moved(default: float) -> float:
    """Another number of its kind: a share stays one, and 0 becomes something."""
    return 0.1 if default == 0 else round((0.7 if 0 < default <= 1 else 1.3) * default, 6)


def wrong_with(subject: Subject, chosen: Chosen, seed: int, others: Mapping[str, Any]) -> str | None:
    """The first value whose gradient is plainly wrong with these numbers; None if none is, or it does not run."""
    try:
        with np.errstate(all="ignore"):
            found = [Examination(subject, {**chosen.draw(sizes, seed + i), **others}, seed + i) for i, sizes in enumerate(SIZES)]
            return next((name for name in returned(found[0]) if agreement(found, name)[0] < PLAINLY), None)
    except Exception:  # a stranger's code may refuse them
        return None
