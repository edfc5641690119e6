"""A function that the backward calls may be what is wrong, and not the line that calls it: the derivative of an activation."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from itertools import islice

from experiments.doctor.mending.changing import Changing
from experiments.doctor.mending.cost import Cure, cost
from experiments.doctor.mending.cure import Ward
from experiments.doctor.mending.edits import edits
from experiments.doctor.mending.places import Headed, Statement, text_of
from experiments.doctor.patience import Patience

MOST = 400
"""So many changes are tried of one line."""

SECONDS = 1.5
"""That the search may take."""


def helpers(tree: ast.Module, forward: ast.FunctionDef, backward: ast.FunctionDef) -> dict[str, ast.FunctionDef]:
    """The functions of a file that its backward calls, and nothing that its forward calls: what they compute is for the gradient alone."""
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    found, avoided = reached(backward, functions), reached(forward, functions)
    return {n: functions[n] for n in sorted(found - avoided) if functions[n] not in (forward, backward)}


def reached(function: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef]) -> set[str]:
    """The functions that it calls, and that these call."""
    found, todo = set[str](), [function]
    while todo:
        new = {n.id for n in ast.walk(todo.pop()) if isinstance(n, ast.Name) and n.id in functions} - found
        found |= new
        todo += [functions[n] for n in new]
    return found


def cured_in_helper(wards: Sequence[Ward], lines: Sequence[int]) -> Cure | None:
    """The plainest change of a function that these lines call, with which everything is right; None if there is none.

    Args:
        wards: one for each input.
        lines: of the backward, which are wrong.
    """
    subject = wards[0].e.subject
    tree = subject.pair.backward
    called = {
        n.id for s in ast.walk(tree) if isinstance(s, Statement) and s.lineno in lines for n in ast.walk(s) if isinstance(n, ast.Name)
    }
    found, patience, outer = list[Cure](), Patience(SECONDS), Changing(tree, subject.namespace)
    first = outer.at.get(lines[0])
    if first is None or not all(ward.can_tell for ward in wards):
        return None
    whole = outer.made(lines[0], text_of(first))
    for name in sorted(called & set(subject.helpers)):
        helper = subject.helpers[name]
        inner, right = Changing(helper, subject.namespace), outer.box[name]
        names = [n.arg for n in helper.args.args] + [
            n.id for n in ast.walk(helper) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        for statement in (s for s in ast.walk(helper) if isinstance(s, Statement) and not isinstance(s, Headed)):
            for said, after in islice(edits(helper, statement.lineno, names), MOST):
                new = Cure(statement.lineno, text_of(statement), after, said)
                if patience.is_over or (found and cost(helper, new, lines) >= min(cost(helper, c, lines) for c in found)):
                    continue
                try:
                    outer.box[name] = inner.made(statement.lineno, after)
                except SyntaxError:
                    continue
                if all(ward.is_well(whole, outer.tree) for ward in wards):
                    found.append(new)
        outer.box[name] = right
    return min(found, key=lambda c: cost(tree, c, lines), default=None)
