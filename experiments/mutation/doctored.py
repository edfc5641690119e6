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
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np

import experiments.cases
import manual
from experiments.doctor.finding import Fault, Finding
from experiments.doctor.mending.mend import with_mend
from experiments.doctor.visit import looked_at
from experiments.mutation.patients import Patient, alike, examinations, patients, results
from experiments.source.handwriting import Written, import_all, subjects, written_in
from experiments.source.limit import Hangs, time_limit
from experiments.source.operators import Mutant, mutants

PATIENCE = 30.0
"""Seconds of computing after which the doctor has found nothing."""

SLOW = 0.15
"""Seconds that a right one may take: of a mistake in it thousands of mends are tried."""


@dataclass(frozen=True)
class Outcome:
    """What the doctor made of one mutant.

    Attributes:
        kind: what it is counted under.
        mutant: it.
        located: whether the line that is named, alone or first, is the one that was changed.
        cured: whether it is, or the line that is named in its place is shown with an edit after which every gradient is right, on three
            sets of numbers of which the doctor has seen two: from the numbers nobody could tell which of the two lines was changed.
        explained: whether a sentence is said about it.
        mended: whether it is shown with what makes it right.
        said: all that.
    """

    kind: str
    mutant: Mutant
    located: bool
    cured: bool
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


def examine(patient: Patient, mutant: Mutant) -> Finding | str:
    """What the doctor says of it; "raised" or "unchanged" where there is nothing to be said."""
    changed = patient.subject.with_backward(wrong_tree(mutant))
    try:
        right, wrong = results(patient.subject, patient.inputs), results(changed, patient.inputs)
    except Exception:  # a mistake may raise anything
        return "raised"
    of = zip(right, wrong, patient.smooth, strict=True)
    if all(len(a) == len(b) and all(map(alike, a, b, smooth)) for a, b, smooth in of):
        return "unchanged"
    return looked_at(examinations(changed, patient.inputs))


def wrong_tree(mutant: Mutant) -> ast.FunctionDef:
    """The backward with the mistake in it."""
    with mutant.applied() as tree:
        return copy.deepcopy(tree)


def cures_all(patient: Patient, mutant: Mutant, finding: Finding) -> bool:
    """Whether every line that is named is shown with a mend, and with these mends everything is right."""
    tree = wrong_tree(mutant)
    for fault in finding.faults:
        if fault.mend is None:
            return False
        for mend in (*fault.also, fault.mend):
            tree = with_mend(tree, mend)
    return bool(finding.faults) and patient.is_cured(tree)


def outcome(kind: str, mutant: Mutant, finding: Finding, patient: Patient) -> Outcome:
    """Whether it is the line that was changed that the doctor names."""
    statement = mutant.function.statement(mutant.node)
    lines = [f.line for f in finding.faults]
    located = lines == [statement.lineno]
    if mutant.operator == "delete" and len(lines) == 1:  # nothing stands there: the gradient whose line it was
        target = ast.unparse(getattr(statement, "target", None) or getattr(statement, "targets", [ast.Name("")])[0])
        located = located or finding.faults[0].label.split("[")[0] == target.split("[")[0]
    explained = any(f.what for f in finding.faults)
    mended = bool(finding.faults) and all(f.mend for f in finding.faults)
    said = "; ".join(said_of(f) for f in finding.faults) or str(finding.trouble or finding.gradients)
    return Outcome(kind, mutant, located, located or cures_all(patient, mutant, finding), explained, mended, said)


def said_of(fault: Fault) -> str:
    """One of them in a line."""
    tied = "".join(f", or {other.line}: {other.after}" for other in fault.others)
    tied += "".join(f", and {other.line}: {other.after}" for other in fault.also)
    return f"{fault.line}: {fault.what} | {fault.mend.after if fault.mend else None}{tied}"


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
            report.outcomes.append(Outcome(kind, mutant, False, False, False, False, "not done in time"))
            return
        except Exception as error:  # a fault of the doctor's: he has found nothing
            report.outcomes.append(Outcome(kind, mutant, False, False, False, False, f"{type(error).__name__}: {error}"))
            return
        if isinstance(found, Finding):
            report.outcomes.append(outcome(kind, mutant, found, patient))
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
