"""The doctor is tested: mistakes are made in the hand-written backwards, and it must find the line, say what it is, and mend it.

Of a mutant the doctor is told no more than of a stranger's file: the text of the forward and of the backward, and numbers to run them
with, which are those of the function's case. Whether the mistake changes a gradient at all is asked of the unchanged backward.
"""

from __future__ import annotations

import ast
import copy
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

import experiments.cases
import manual
from experiments.doctor.calling import Subject
from experiments.doctor.examine import Examination
from experiments.doctor.finding import Finding
from experiments.doctor.patient import Pair
from experiments.doctor.visit import looked_at
from experiments.judge.case import Case, cases_of, draw_sizes
from experiments.judge.case import Pair as BothSides
from experiments.judge.compare import error
from experiments.mutation.limit import Hangs, time_limit
from experiments.source.handwriting import Written, import_all, subjects, written_in
from experiments.source.operators import Mutant, mutants

CHANGED = 1e-5
"""A mistake that changes no gradient by more, relatively, is none."""


PATIENCE = 30.0
"""Seconds of computing after which the doctor has found nothing."""

SLOW = 0.15
"""Seconds that a right one may take: of a mistake in it thousands of mends are tried."""


@dataclass(frozen=True)
class Patient:
    """A forward and a backward with numbers to run them with.

    Attributes:
        subject: both.
        inputs: two sets of numbers, of other sizes, each with the object whose methods they are, or None.
    """

    subject: Subject
    inputs: tuple[tuple[Any, dict[str, Any]], ...]

    @cached_property
    def smooth(self) -> list[list[np.ndarray]]:
        """Of every gradient that the right backward returns, for each set of numbers, the entries that are no kink's."""
        return [[np.isfinite(of_claim(e, n)) for n, c in e.claims.items() if c.returned] for e in examinations(self.subject, self.inputs)]


@dataclass(frozen=True)
class Outcome:
    """What the doctor made of one mutant."""

    kind: str
    mutant: Mutant
    located: bool
    explained: bool
    mended: bool
    said: str


@dataclass
class Doctored:
    """All of them.

    Attributes:
        outcomes: of the mutants that change a gradient.
        unchanged: how many change none.
        raised: how many raise.
        unread: the functions whose form the doctor does not read, and why.
        accused: the functions that it takes for wrong as they are.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    unchanged: int = 0
    raised: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    accused: list[str] = field(default_factory=list)


# ---- what it can read ----------------------------------------------------------------------------


def patients(written: Written, judges: tuple[str, ...], everything: dict[str, Written]) -> list[Patient]:
    """The backward as the doctor is given it, once for each of its cases; nothing where it has no forward of its own beside it."""
    if written.owner is None and written.function.__name__.endswith("_backward"):
        forward = everything.get(written.name.removesuffix("_backward"))
        cases = cases_of([written.name.removesuffix("_backward")])
    elif written.owner is not None and written.function.__name__ == "backward":
        forward = next((everything[n] for c in written.owner.__mro__ if (n := f"{c.__name__}.forward") in everything), None)
        cases = [c for c in cases_of(judges) if c.hand is None]
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
    for seed in (0, 1):
        both = BothSides(case, draw_sizes(case, np.random.default_rng(seed), None), seed)
        given, call = both.inputs()
        inputs: dict[str, Any] = {**dict(zip(names, given, strict=False)), **call}
        if cls:
            inputs |= {f"self.{n}.data": p.data.copy() for n, p in both.hand.named_parameters()}
        subject = subject or Subject(pair, namespace, made=both.hand if cls else None)
        found.append((both.hand if cls else None, inputs))
    return Patient(subject, tuple(found)) if subject else None


def examinations(subject: Subject, inputs: tuple[Any, ...]) -> list[Examination]:
    """One for each set of numbers, each with its own object."""
    return [Examination(subject.of(made), numbers, seed) for seed, (made, numbers) in enumerate(inputs)]


# ---- one mutant ----------------------------------------------------------------------------------


def results(subject: Subject, inputs: tuple[Any, ...]) -> list[list[np.ndarray]]:
    """What a backward returns and adds to its parameters, for each set of numbers."""
    found = []
    for seed, (made, numbers) in enumerate(inputs):
        e = Examination(subject.of(made), numbers, seed)
        found.append([np.asarray(c.gradient, float) for c in e.claims.values() if c.returned])
    return found


def examine(patient: Patient, mutant: Mutant) -> Finding | str:
    """What the doctor says of it; "raised" or "unchanged" where there is nothing to be said."""
    with mutant.applied() as tree:
        changed = patient.subject.with_backward(copy.deepcopy(tree))
    try:
        right, wrong = results(patient.subject, patient.inputs), results(changed, patient.inputs)
    except Exception:  # a mistake may raise anything
        return "raised"
    of = zip(right, wrong, patient.smooth, strict=True)
    if all(len(a) == len(b) and all(map(alike, a, b, smooth)) for a, b, smooth in of):
        return "unchanged"
    return looked_at(examinations(changed, patient.inputs))


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


def outcome(kind: str, mutant: Mutant, finding: Finding) -> Outcome:
    """Whether it is the line that was changed that the doctor names."""
    statement = mutant.function.statement(mutant.node)
    lines = [f.line for f in finding.faults]
    located = lines == [statement.lineno]
    if mutant.operator == "delete" and len(lines) == 1:  # nothing stands there: the gradient whose line it was
        target = ast.unparse(getattr(statement, "target", None) or getattr(statement, "targets", [ast.Name("")])[0])
        located = located or finding.faults[0].label.split("[")[0] == target.split("[")[0]
    explained = any(f.what for f in finding.faults)
    mended = bool(finding.faults) and all(f.mend for f in finding.faults)
    said = "; ".join(f"{f.line}: {f.what} | {f.mend.after if f.mend else None}" for f in finding.faults) or str(
        finding.trouble or finding.gradients
    )
    return Outcome(kind, mutant, located, explained, mended, said)


# ---- many ----------------------------------------------------------------------------------------


def doctored(n: int, seed: int = 0, names: tuple[str, ...] = (), progress: Callable[[str], None] = lambda _: None) -> Doctored:
    """Give the doctor so many mutants that change a gradient, drawn at random over all that he can read.

    Args:
        n: how many.
        seed: of the draw.
        names: of the functions; all if none is named.
        progress: is told how far it is.
    """
    import_all(experiments.cases)
    report = Doctored()
    drawn = [
        (w, j, m)
        for s in subjects()
        for w, j in s.functions.items()
        if not names or any(w.name.startswith(name) for name in names)
        for m in mutants(w.name, w.tree)
    ]
    random.Random(seed).shuffle(drawn)
    with np.errstate(all="ignore"):
        for written, judges, mutant in drawn:
            if len(report.outcomes) >= n:
                break
            known = able(written, judges)
            if isinstance(known, str):
                report.unread[known] += 1
                continue
            progress(f"{len(report.outcomes)} of {n}: {written.name}")
            give(report, kind_of(written), known, mutant)
    report.accused = [f"{w.name}: {why}" for w, why in accused().items()]
    return report


def give(report: Doctored, kind: str, known: list[Patient], mutant: Mutant) -> None:
    """One mutant, on the first case that notices it."""
    told: list[str] = []
    for patient in known:
        try:
            with time_limit(PATIENCE, busy=True):
                found = examine(patient, mutant)
        except Hangs:
            report.outcomes.append(Outcome(kind, mutant, False, False, False, "not done in time"))
            return
        except Exception as error:  # a fault of the doctor's: he has found nothing
            report.outcomes.append(Outcome(kind, mutant, False, False, False, f"{type(error).__name__}: {error}"))
            return
        if isinstance(found, Finding):
            report.outcomes.append(outcome(kind, mutant, found))
            return
        told.append(found)
    if "unchanged" in told:
        report.unchanged += 1
    else:
        report.raised += 1


def kind_of(written: Written) -> str:
    """What it is counted under."""
    return "functions" if written.owner is None else "layers"


@cache
def accused() -> dict[Written, str]:
    """The functions that the doctor takes for wrong as they are, filled as they are met."""
    return {}


@cache
def able(written: Written, judges: tuple[str, ...]) -> list[Patient] | str:
    """The cases in which the doctor reads it and finds nothing wrong; or why there is none."""
    found = []
    try:
        candidates = patients(written, judges, by_name())
    except Exception as error:
        return f"{written.name}: {type(error).__name__}: {error}"
    why = f"{written.name}: no forward of its own"
    for each in candidates:
        start = time.process_time()
        try:
            finding = looked_at(examinations(each.subject, each.inputs))
        except Exception as error:
            why = f"{written.name}: {type(error).__name__}: {error}"
            continue
        if time.process_time() - start > SLOW:
            why = f"{written.name}: slow"
        elif not finding.gradients:
            why = f"{written.name}: no gradient has a name"
        elif finding.right:
            found.append(each)
        else:
            accused()[written] = "; ".join(f"{f.line} {f.what}" for f in finding.faults) or str(finding.gradients)
            why = f"{written.name}: accused as it is"
    return found or why


@cache
def by_name() -> dict[str, Written]:
    """Every function of the package, by its name."""
    return {w.name: w for module in import_all(manual) for w in written_in(module)}


# ---- for people ----------------------------------------------------------------------------------


def print_doctored(report: Doctored, console: Console) -> None:
    """The shares, by what was changed and by the kind of mistake; then every mutant whose line was not found."""
    heads = ("mutants", "located", "explained", "mended", "one or the other")
    table = Table(
        Column("", overflow="fold"), *(Column(h, justify="right") for h in heads), box=SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    for of in (lambda o: o.kind, lambda o: o.mutant.operator):
        for name in sorted({of(o) for o in report.outcomes}):
            table.add_row(name, *shares(o for o in report.outcomes if of(o) == name))
        table.add_section()
    table.add_row("all", *shares(report.outcomes))
    console.print(table)
    for o in report.outcomes:
        if not (o.located and (o.explained or o.mended)):
            lines = (f"{'not located' if not o.located else 'not explained'}: {o.mutant.id}", f"    line {o.mutant.line}: {o.said}")
            console.print(Text("\n".join(lines)), soft_wrap=True)
    console.print(f"{report.unchanged} change no gradient, {report.raised} raise by themselves, {sum(report.unread.values())} not read")
    for name in report.accused:
        console.print(Text(f"taken for wrong as it is: {name}"), soft_wrap=True)


def shares(outcomes: Iterable[Outcome]) -> list[str]:
    """How many, and the shares in percent."""
    of = list(outcomes)
    counts = [
        sum(map(bool, column)) for column in zip(*((o.located, o.explained, o.mended, o.explained or o.mended) for o in of), strict=True)
    ]
    return [str(len(of)), *(f"{100 * n / len(of):.0f} %" for n in counts)] if of else ["0"]
