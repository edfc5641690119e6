"""What a backward has only from another one of the file, which it calls and which is wrong itself: that is said, and no line accused."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from experiments.doctor.finding import Fault, Finding


def without_inherited(findings: Sequence[Finding], tree: ast.Module) -> list[Finding]:
    """The findings, without the faults in lines that call a backward in which a fault was found, or one that calls such a one."""
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    wrong = [f.backward for f in findings if f.faults and f.backward in functions]
    calls = {name: called(f) & set(functions) for name, f in functions.items()}
    found = []
    for finding in findings:
        blamed: set[str] = set()
        kept = []
        for fault in finding.faults:
            function = functions.get(finding.backward)
            of = reached(called_at(function, place(function, fault)), calls) & (set(wrong) - {finding.backward})
            blamed |= of
            kept += [] if of else [fault]
        words = f"It is wrong because {' and '.join(sorted(blamed))} is, which it calls." if blamed and not kept else ""
        found.append(replace(finding, faults=tuple(kept), notes=(*finding.notes, *([words] if words else []))))
    return found


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
