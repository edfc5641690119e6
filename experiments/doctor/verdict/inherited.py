"""What a backward has only from another one of the file, which it calls or inherits and which is wrong itself: no line is accused twice."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import replace

from experiments.doctor.finding import Fault, Finding


def without_inherited(findings: Sequence[Finding], tree: ast.Module, apart: Collection[str] = ()) -> list[Finding]:
    """The findings, without the faults in lines that call a backward in which a fault was found, or one that calls such a one.

    Nor those in a line that was told of a class before, whose method another one inherits.

    Args:
        findings: in the order of the file.
        tree: of it.
        apart: the names of those whose faults are their own, for what they call was mended when they were looked at.
    """
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    wrong = [f.backward for f in findings if f.faults and f.backward in functions]
    calls = {name: called(f) & set(functions) for name, f in functions.items()}
    found: list[Finding] = []
    for finding in findings:
        before = next((f for f in found if finding.faults and lines_of(finding) <= lines_of(f)), None)
        if before is not None:
            words = f"It is wrong because of the line that is told of {before.name}, which is its line too."
            found.append(replace(finding, faults=(), notes=(*finding.notes, words)))
            continue
        if finding.name in apart:
            found.append(finding)
            continue
        blamed: set[str] = set()
        kept: list[Fault] = []
        for fault in finding.faults:
            function = functions.get(finding.backward)
            of = reached(called_at(function, place(function, fault)), calls) & (set(wrong) - {finding.backward})
            blamed |= of
            kept += [] if of else [fault]
        if blamed and not any(fault.mend for fault in kept):
            kept = []  # a gradient that a wrong function returned in one round goes on to the next
        layers = wrong_layers(finding, findings, tree)
        if layers and not any(fault.mend for fault in kept):
            found.append(
                replace(finding, faults=(), notes=(*finding.notes, f"It is wrong as long as {layers} is, whose backward it calls."))
            )
            continue
        words = because(blamed) if blamed and not kept else ""
        found.append(replace(finding, faults=tuple(kept), notes=(*finding.notes, *([words] if words else []))))
    return found


def because(blamed: Collection[str]) -> str:
    """Why a backward is wrong in which no line is."""
    return f"It is wrong because {' and '.join(sorted(blamed))} is, which it calls."


def lines_of(finding: Finding) -> set[tuple[str | None, int, str]]:
    """The lines that it names, and what stands there."""
    return {(fault.file, fault.line, fault.text) for fault in finding.faults}


def wrong_layers(finding: Finding, findings: Sequence[Finding], tree: ast.Module) -> str:
    """The other classes of the file that are wrong and whose backward may be the one that this class calls, of its layers."""
    methods = {c.name: {m.name: m for m in c.body if isinstance(m, ast.FunctionDef)} for c in tree.body if isinstance(c, ast.ClassDef)}
    method = methods.get(finding.name, {}).get(finding.backward)
    calls = (n.func for n in ast.walk(method) if isinstance(n, ast.Call)) if method and finding.faults else ()
    of = {f.attr for f in calls if isinstance(f, ast.Attribute) and ast.unparse(f.value) != "self"}
    wrong = [f.name for f in findings if f.faults and f.name in methods and f.name != finding.name and f.backward in of]
    return " or ".join([", ".join(wrong[:-1]), wrong[-1]] if len(wrong) > 1 else wrong)


def place(function: ast.FunctionDef | None, fault: Fault) -> int:
    """Its line; of a line that is missing, the last one before it that writes what it would change."""
    if fault.text or function is None:
        return fault.line
    writes = [n.lineno for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id == fault.label]
    return max((line for line in writes if line < fault.line), default=fault.line)


def called(node: ast.AST) -> set[str]:
    """The names of the functions that are called there."""
    return {n.func.id for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def called_at(function: ast.FunctionDef | None, line: int) -> set[str]:
    """The functions that a line of this function calls."""
    statements = [n for n in ast.walk(function) if isinstance(n, ast.stmt) and n.lineno == line] if function else []
    return {name for s in statements if not isinstance(s, ast.FunctionDef | ast.For | ast.If | ast.While) for name in called(s)}


def reached(names: set[str], calls: dict[str, set[str]]) -> set[str]:
    """These functions, and all that they call."""
    found, todo = set(names), list(names)
    while todo:
        new = calls.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found
