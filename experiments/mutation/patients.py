"""The hand-written backwards as the doctor is given them: the text of the forward and of the backward, and numbers to run them with."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import manual.nn
from experiments.doctor.calls.calling import Subject
from experiments.doctor.reading.patient import Pair
from experiments.doctor.verdict.examine import Examination
from experiments.judge.case import Case, cases_of, draw_sizes
from experiments.judge.case import Pair as BothSides
from experiments.judge.compare import error
from experiments.source.handwriting import Written

CHANGED = 1e-5
"""A mistake that changes no gradient by more, relatively, is none."""


@dataclass(frozen=True)
class Patient:
    """A forward and a backward with numbers to run them with.

    Attributes:
        subject: both.
        inputs: two sets of numbers, of other sizes, each with the object whose methods they are, or None.
        beyond: a third, which the doctor does not see: a mend must hold on it too.
    """

    subject: Subject
    inputs: tuple[tuple[Any, dict[str, Any]], ...]
    beyond: tuple[tuple[Any, dict[str, Any]], ...] = ()

    @cached_property
    def smooth(self) -> list[list[np.ndarray]]:
        """Of every gradient that the right backward returns, for each set of numbers, the entries that are no kink's."""
        return smooth_entries(self.subject, self.inputs)

    def is_cured(self, tree: ast.FunctionDef) -> bool:
        """Whether this backward returns what the right one does, on the numbers that the doctor has seen and on others."""
        every = (*self.inputs, *self.beyond)
        smooth = [*self.smooth, *smooth_entries(self.subject, self.beyond)]
        try:
            found = results(self.subject.with_backward(tree), every)
        except Exception:  # a mend may hold on two sets of numbers, and raise on a third
            return False
        of = zip(results(self.subject, every), found, smooth, strict=True)
        return all(len(a) == len(b) and all(map(alike, a, b, kinks)) for a, b, kinks in of)


def patients(written: Written, judges: tuple[str, ...], everything: dict[str, Written]) -> list[Patient]:
    """The backward as the doctor is given it, once for each of its cases; nothing where it has no forward of its own beside it."""
    if written.owner is None and written.function.__name__.endswith("_backward"):
        forward = everything.get(written.name.removesuffix("_backward"))
        cases = cases_of([written.name.removesuffix("_backward")])
    elif written.owner is not None and written.function.__name__ == "backward":
        own = f"{written.name.removesuffix('backward')}forward"
        names = (own, *(f"{c.__name__}.forward" for c in written.owner.__mro__))
        forward = next((everything[n] for n in names if n in everything), None)
        cases = sorted(cases_of(judges), key=lambda case: written.owner not in getattr(manual.nn, case.name, object).__mro__)
    else:
        return []
    if forward is None or forward.tree.args.vararg:
        return []
    return [p for case in cases[:3] if (p := patient(written, forward, case)) is not None]


def patient(written: Written, forward: Written, case: Case) -> Patient | None:
    """With the numbers of one case, in two sets of sizes."""
    namespace = {**forward.function.__globals__, **written.function.__globals__}
    cls = written.owner.__name__ if written.owner else None
    pair = Pair(forward.name, forward.tree, written.tree, cls)
    names = pair.parameters(forward.tree)
    found, subject = [], None
    for seed in (0, 1, 2):
        both = BothSides(case, draw_sizes(case, np.random.default_rng(seed), None), seed)
        if case.hand and written.owner and not isinstance(both.hand, written.owner):
            return None
        given, call = both.inputs()
        inputs: dict[str, Any] = {**dict(zip(names, given, strict=False)), **call}
        if cls:
            inputs |= {f"self{path(n)}.data": p.data.copy() for n, p in both.hand.named_parameters()}
        subject = subject or Subject(pair, namespace, made=both.hand if cls else None)
        found.append((both.hand if cls else None, inputs))
    return Patient(subject, tuple(found[:2]), tuple(found[2:])) if subject else None


def path(name: str) -> str:
    """.layers[0].weight of layers.0.weight."""
    return re.sub(r"\.(\d+)(?=\.)", r"[\1]", f".{name}")


def examinations(subject: Subject, inputs: tuple[Any, ...]) -> list[Examination]:
    """One for each set of numbers, each with its own object."""
    return [Examination(subject.of(made), numbers, seed) for seed, (made, numbers) in enumerate(inputs)]


def results(subject: Subject, inputs: tuple[Any, ...]) -> list[list[np.ndarray]]:
    """What a backward returns and adds to its parameters, for each set of numbers."""
    found = []
    for seed, (made, numbers) in enumerate(inputs):
        e = Examination(subject.of(made), numbers, seed)
        found.append([np.asarray(c.gradient, float) for c in e.claims.values() if c.returned])
    return found


def smooth_entries(subject: Subject, inputs: tuple[Any, ...]) -> list[list[np.ndarray]]:
    """Of every gradient that a backward returns, for each set of numbers, the entries that are no kink's."""
    return [[np.isfinite(of_claim(e, n)) for n, c in e.claims.items() if c.returned] for e in examinations(subject, inputs)]


def of_claim(e: Examination, name: str) -> np.ndarray:
    """The right gradient, NaN at a kink; what takes too long to be looked at entry by entry is taken for smooth."""
    return np.zeros(np.shape(e.ran.values[name])) if e.is_slow(np.size(e.ran.values[name])) else e.whole(name)


def alike(a: np.ndarray, b: np.ndarray, smooth: np.ndarray) -> bool:
    """Whether they are the same gradient; at a kink there is more than one."""
    return (
        a.shape == b.shape
        and (a.shape != smooth.shape or error(a[smooth], b[smooth]) < CHANGED)
        and np.isfinite(a).all() == np.isfinite(b).all()
    )
