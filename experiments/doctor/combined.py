"""A function that is a forward and its backward in one, as lossFun(inputs, targets, hprev), or the method loss(X, y).

It is cut in two where it names a gradient first.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.doctor.claims import is_array, value_of
from experiments.doctor.patient import Pair, clips
from experiments.doctor.script import LOSS, function, loads, stores

SIZES = (
    ("H", r"n?_?hid\w*|h|n_?[ha]$"),
    ("D", r"vocab\w*|d|n_?x$|\w*input\w*|\w*features?\w*"),
    ("O", r"o|n_?y$|\w*(class|output)\w*"),
    ("T", r"t|seq\w*|\w*steps"),
)
"""Which size a number of the file is, by its name."""


@dataclass(frozen=True)
class Combined:
    """A function that was cut in two.

    Attributes:
        pair: the halves.
        shared: of the arrays of the file that it reads: they are inputs as well.
    """

    pair: Pair
    shared: tuple[str, ...]


def combined(tree: ast.Module, namespace: Mapping[str, Any]) -> list[Combined]:
    """Every function and method of a file that computes a loss and after it the loss's gradients."""
    found = []
    owners: list[ast.Module | ast.ClassDef] = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]
    for owner in owners:
        cls = owner.name if isinstance(owner, ast.ClassDef) else None
        cut = [halves(f, namespace, cls) for f in owner.body if isinstance(f, ast.FunctionDef)]
        found += [c for c in cut if c is not None][: 1 if cls else None]
    return found


def halves(whole: ast.FunctionDef, namespace: Mapping[str, Any], cls: str | None) -> Combined | None:
    """The function in two, cut where it names a gradient first; None if it computes no loss before or no gradient at all."""
    arguments = [a.arg for a in (*whole.args.posonlyargs, *whole.args.args, *whole.args.kwonlyargs)]
    at = first_gradient(whole.body, arguments)
    if not at or not any(LOSS.match(n) for s in whole.body for n in stores(s)):
        return None
    before, after = list(whole.body[:at]), [s for s in whole.body[at:] if not clips(s)]
    late = [s for s in after if isinstance(s, ast.Assign) and any(LOSS.match(n) for n in stores(s))]
    if not any(LOSS.match(n) for s in before for n in stores(s)):  # loss = ... may stand among the gradients
        before, after = [*before, *late], [s for s in after if s not in late]
    shared = [n for n in loads(before) if n not in arguments and is_array(namespace.get(n)) and np.ndim(namespace[n])]
    forward = function("forward", before, [*arguments, *shared])
    if not isinstance(forward.body[-1], ast.Return):
        return None
    entries = [n.value for s in after for n in ast.walk(s) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    computed = {n for s in after for n in stores(s)} | {n.id for n in entries if isinstance(n, ast.Name)}  # grads of grads["W"] = ...
    end = copy.deepcopy(after[-1])
    if isinstance(end, ast.Return) and isinstance(end.value, ast.Tuple):  # the loss is returned beside
        parts = [e for e in end.value.elts if stored(e) & computed]
        end.value = parts[0] if len(parts) == 1 else ast.Tuple(parts, ast.Load())
        after = [*after[:-1], ast.fix_missing_locations(ast.copy_location(end, after[-1]))]
    known = {*arguments, *shared, *(n for s in before for n in stores(s))}
    read = [n for n in loads(after) if n in known and n != "self"]
    backward = function("backward", after, [*(["self"] if cls else []), *read])
    name = f"{cls}.{whole.name}" if cls else whole.name
    return Combined(Pair(name, forward, ast.fix_missing_locations(backward), cls), tuple(shared))


def first_gradient(body: Sequence[ast.stmt], arguments: Sequence[str]) -> int | None:
    """The number of the first statement that names the gradient of what is known there."""
    known = set(arguments)
    for i, statement in enumerate(body):
        if isinstance(statement, ast.Assign):
            targets = [t for target in statement.targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
            if any(value_of(ast.unparse(t), known) for t in targets if isinstance(t, ast.Name)):
                return i
        known |= stores(statement) | set(loads([statement]))
    return None


def stored(node: ast.AST) -> set[str]:
    """The name that is returned as it is."""
    return {node.id} if isinstance(node, ast.Name) else {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def sizes_of(namespace: Mapping[str, Any]) -> dict[str, int]:
    """The sizes that a file names itself: hidden_size = 100."""
    found = dict(found for name, value in namespace.items() if isinstance(value, int) for found in size_of(name, value))
    return {"N": found["T"], **found} if "T" in found else found  # xs has as many rows as there are steps


def size_of(name: str, value: int) -> Iterator[tuple[str, int]]:
    """H of hidden_size."""
    yield from (
        (letter, value) for letter, pattern in SIZES if re.fullmatch(pattern, name.lower()) or re.match(pattern + "_size", name.lower())
    )
