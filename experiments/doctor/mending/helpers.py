"""A function that the backward calls may be what is wrong, and not the line that calls it: the derivative of an activation."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from types import MethodType
from typing import Any

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

    def try_on(helper: ast.FunctionDef, names_of: Mapping[str, Any], put: Callable[[Any], Callable[..., Any]]) -> None:
        """Every change of that helper; `put` makes the backward that calls it so."""
        inner = Changing(helper, dict(names_of))
        names = [n.arg for n in helper.args.args] + [
            n.id for n in ast.walk(helper) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        for statement in (s for s in ast.walk(helper) if isinstance(s, Statement) and not isinstance(s, Headed)):
            for said, after in islice(edits(helper, statement.lineno, names), MOST):
                new = Cure(statement.lineno, text_of(statement), after, said)
                if patience.is_over or (found and cost(helper, new, lines) >= min(cost(helper, c, lines) for c in found)):
                    continue
                try:
                    function = put(inner.made(statement.lineno, after))
                except SyntaxError:
                    continue
                if all(ward.is_well(function, outer.tree) for ward in wards):
                    found.append(new)

    for name in sorted(called & set(subject.helpers)):
        right = outer.box[name]

        def put(new: Any, name: str = name) -> Callable[..., Any]:
            outer.box[name] = new
            return whole

        try_on(subject.helpers[name], subject.namespace, put)
        outer.box[name] = right
    for name, of, helper in of_object(wards[0], lines) if not subject.pair.updates else ():
        try_on(helper, {**subject.namespace, **inspect.getclosurevars(of).nonlocals}, partial(having, whole, name, of))
    return min(found, key=lambda c: cost(tree, c, lines), default=None)


def of_object(ward: Ward, lines: Sequence[int]) -> Iterator[tuple[str, Any, ast.FunctionDef]]:
    """(name, function, its tree) of what these lines call of the object that the forward does not call: self.activation_prime(z)."""
    pair, it = ward.e.subject.pair, ward.e.ran.self
    own, avoided = calls_of_self(pair.backward, lines), calls_of_self(pair.forward)
    for name in sorted(own - avoided) if it is not None else ():
        of = getattr(it, name, None)
        code: Any = getattr(of, "__code__", None)
        tree = next(
            (d for d in ward.e.subject.definitions if code and d.name == code.co_name and code.co_firstlineno in first_lines(d)), None
        )
        if tree is not None and code.co_filename == "<your file>" and hasattr(it, "__dict__"):
            yield name, of, tree


def calls_of_self(function: ast.FunctionDef, lines: Sequence[int] | None = None) -> set[str]:
    """The methods, and other functions of the object, that it calls; those of some lines alone."""
    calls = (n.func for n in ast.walk(function) if isinstance(n, ast.Call) and (lines is None or n.lineno in lines))
    return {f.attr for f in calls if isinstance(f, ast.Attribute) and ast.unparse(f.value) == "self"}


def first_lines(function: ast.FunctionDef) -> set[int]:
    """Where it begins, by its name or by what stands above it."""
    return {function.lineno, *(d.lineno for d in function.decorator_list)}


def having(backward: Callable[..., Any], name: str, of: Any, new: Any) -> Callable[..., Any]:
    """The backward of objects that have another function under this name."""

    def changed(it: Any, *args: Any, **kwargs: Any) -> Any:
        it.__dict__[name] = MethodType(new, it) if isinstance(of, MethodType) else new
        return backward(it, *args, **kwargs)

    return changed
