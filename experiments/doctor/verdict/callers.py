"""A backward that calls another one of the file: what is wrong with it alone shows where the other is mended."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from dataclasses import replace

from experiments.doctor.calls.calling import Subject
from experiments.doctor.finding import Finding
from experiments.doctor.mending.mend import with_mend
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.inherited import called, reached


def calls_of(tree: ast.Module) -> dict[str, set[str]]:
    """By function of the file, those that it calls."""
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    return {name: called(f) & set(functions) for name, f in functions.items()}


def called_first(subjects: Sequence[Subject], tree: ast.Module) -> list[tuple[int, Subject]]:
    """The pairs with their numbers, each after those whose backward its own calls."""
    calls, left, found = calls_of(tree), list(enumerate(subjects)), list[tuple[int, Subject]]()
    while left:
        names = {s.pair.backward.name for _, s in left if not s.pair.cls}
        ready = [(i, s) for i, s in left if not (reached(called(s.pair.backward), calls) & (names - {s.pair.backward.name}))]
        found += ready or left  # two that call each other
        left = [of for of in left if of not in ready] if ready else []
    return found


def wrong_before(subject: Subject, findings: Sequence[Finding], tree: ast.Module) -> list[Finding]:
    """Those that this backward calls and that are wrong.

    Args:
        subject: the pair.
        findings: of the pairs that were looked at before.
        tree: of the file.
    """
    own = reached(called(subject.pair.backward), calls_of(tree)) - {subject.pair.backward.name}
    return [f for f in findings if f.faults and f.backward in own]


def are_mended(findings: Sequence[Finding]) -> bool:
    """Whether it is known how they would be right."""
    return all(fault.mend and not fault.file for f in findings for fault in f.faults)


def with_mends(tree: ast.Module, findings: Sequence[Finding]) -> ast.Module:
    """The file, with the mends of these."""
    new = copy.deepcopy(tree)
    for mend in (m for f in findings for fault in f.faults if fault.mend for m in (fault.mend, *fault.also)):
        for i, node in enumerate(new.body):
            if isinstance(node, ast.FunctionDef) and node.lineno <= mend.line <= (node.end_lineno or node.lineno):
                new.body[i] = with_mend(node, mend)
    return ast.fix_missing_locations(new)


def relieved(examinations: Sequence[Examination]) -> list[Examination]:
    """The same on a file in which the functions are mended that the backward calls."""
    subject = examinations[0].subject
    other = replace(subject, namespace={**subject.namespace, **subject.mended}, beneath=(), mended={}, compiled={}, locals={})
    return [Examination(other, e.inputs, e.seed) for e in examinations]
