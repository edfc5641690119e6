"""A function that is a forward and its backward in one, as lossFun(inputs, targets, hprev), or the method loss(X, y).

It is cut in two where it names a gradient first.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.doctor.mending.changing import writes
from experiments.doctor.reading.claims import is_array, value_of
from experiments.doctor.reading.counterparts import is_loss
from experiments.doctor.reading.patient import Pair, clips
from experiments.doctor.reading.script import LOSS, function, loads, stores

SIZES = (
    ("H", r"n?_?hid\w*|h|n_?[ha]$"),
    ("D", r"vocab\w*|d|n_?x$|\w*input\w*|\w*features?\w*"),
    ("O", r"o|n_?y$|\w*(class|output)\w*"),
    ("T", r"t|seq\w*|\w*steps"),
)
"""Which size a number of the file is, by its name."""

GRADIENT_OF = re.compile(r"d?grads?_\w+|gradient_\w+|\w+_grad|delta\w*", re.IGNORECASE)
"""Called like a gradient, of whatever the file calls otherwise: grad_center_vec of center_word_vec."""


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
    """The function in two, cut where it names a gradient first; None if it computes no loss before or no gradient at all.

    Where it adds to its loss and to its gradients in one loop it is taken twice: without what makes the gradients, and as it is.
    """
    whole = with_named_loss(spread_out(whole))
    arguments = [a.arg for a in (*whole.args.posonlyargs, *whole.args.args, *whole.args.kwonlyargs)]
    at = first_gradient(whole.body, arguments)
    if at is None or not any(LOSS.match(n) for s in whole.body for n in stores(s)):
        return None
    empty = [s for s in whole.body[:at] if is_empty_gradient(s, [*arguments, *stores(whole)])]
    before, after = [s for s in whole.body[:at] if s not in empty], [*empty, *(s for s in whole.body[at:] if not clips(s))]
    late = [s for s in after if isinstance(s, ast.Assign) and any(LOSS.match(n) for n in stores(s))]
    if not any(LOSS.match(n) for s in before for n in stores(s)):  # loss = ... may stand among the gradients
        before, after = [*before, *late], [s for s in after if s not in late]
    name = next(n for s in reversed(whole.body) for n in stores(s) if LOSS.match(n))
    if twice := any(isinstance(n, ast.AugAssign) and ast.unparse(n.target) == name for s in after for n in ast.walk(s)):
        before, after = making(whole.body, name), [*whole.body]
    else:
        made = last_of(before, name)
        before, after = before[:made], [*before[made:], *after]
    changed = {*arguments, *(ast.unparse(n) for s in before for n in ast.walk(s) if isinstance(n, ast.Attribute))}
    steps = [s for s in after if is_step(s, changed)]
    stepped = {n for s in steps for n in (*stores(s), *map(ast.unparse, targets_of(s)))}
    after = [s for s in after if s not in steps]
    if not before or not after:
        return None
    shared = [n for n in loads(before) if n not in arguments and is_array(namespace.get(n)) and np.ndim(namespace[n])]
    forward = function("forward", before, [*arguments, *shared])
    if not isinstance(forward.body[-1], ast.Return):
        return None
    entries = [n.value for s in after for n in ast.walk(s) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    computed = {n for s in after for n in stores(s)} | {n.id for n in entries if isinstance(n, ast.Name)}  # grads of grads["W"] = ...
    end = copy.deepcopy(after[-1])
    if isinstance(end, ast.Return) and isinstance(end.value, ast.Tuple):  # the loss is returned beside
        parts = [e for e in end.value.elts if stored(e) & computed - stepped and not (isinstance(e, ast.Name) and LOSS.match(e.id))]
        end.value = parts[0] if len(parts) == 1 else ast.Tuple(parts, ast.Load())
        after = [*after[:-1], *([ast.fix_missing_locations(ast.copy_location(end, after[-1]))] if parts else [])]
    known = {*arguments, *shared, *(() if twice else (n for s in before for n in stores(s)))}
    read = [n for n in loads(after) if n in known and n != "self"]
    backward = function("backward", after, [*(["self"] if cls else []), *read])
    name = f"{cls}.{whole.name}" if cls else whole.name
    return Combined(Pair(name, forward, ast.fix_missing_locations(backward), cls, updates=frozenset(stepped)), tuple(shared))


def is_step(statement: ast.stmt, names: Collection[str]) -> bool:
    """Whether it changes a parameter: W -= lr * dW, W = W - lr * dW."""
    match statement:
        case ast.AugAssign(target, ast.Add() | ast.Sub()):
            return ast.unparse(target) in names
        case ast.Assign([target], ast.BinOp(left, ast.Add() | ast.Sub())):
            return ast.unparse(target) == ast.unparse(left) and ast.unparse(left) in names
    return False


def targets_of(statement: ast.stmt) -> list[ast.expr]:
    """What it writes."""
    return [statement.target] if isinstance(statement, ast.AugAssign) else statement.targets if isinstance(statement, ast.Assign) else []


def spread_out(whole: ast.FunctionDef) -> ast.FunctionDef:
    """The function with W1, b1, W2, b2 for its argument params, where it takes it apart so and does nothing else with it."""
    for statement in whole.body:
        match statement:
            case ast.Assign([ast.Tuple(elts)], ast.Name(name)) if all(isinstance(e, ast.Name) for e in elts):
                uses = [n for n in ast.walk(whole) if isinstance(n, ast.Name) and n.id == name]
                if len(uses) == 1 and name in [a.arg for a in whole.args.args] and not whole.args.defaults:
                    found = copy.copy(whole)
                    found.body = [s for s in whole.body if s is not statement]
                    parts = [ast.copy_location(ast.arg(e.id), statement) for e in elts if isinstance(e, ast.Name)]
                    found.args = copy.copy(whole.args)
                    found.args.args = [new for old in whole.args.args for new in (parts if old.arg == name else [old])]
                    return found
    return whole


def with_named_loss(whole: ast.FunctionDef) -> ast.FunctionDef:
    """The function with loss = margins.sum() / n; return loss, dW for return margins.sum() / n, dW, where it names no loss."""
    match whole.body[-1]:
        case ast.Return(ast.Tuple([first, *rest])) as end if rest and not any(LOSS.match(n) for n in stores(whole)):
            names, number = [a.arg for a in whole.args.args], not isinstance(first, ast.Name) or is_loss(whole.name)
            if number and all(isinstance(e, ast.Name) and value_of(e.id, names) for e in rest):
                found, read = copy.copy(whole), set(loads([ast.Expr(first)]))
                loss = ast.copy_location(ast.Assign([ast.Name("loss", ast.Store())], first), end)
                at = 1 + max(
                    (i for i, s in enumerate(whole.body) if any(writes(n) & read for n in ast.walk(s) if isinstance(n, ast.stmt))),
                    default=-1,
                )
                back = ast.copy_location(ast.Return(ast.Tuple([ast.Name("loss", ast.Load()), *rest], ast.Load())), end)
                found.body = [ast.fix_missing_locations(s) for s in (*whole.body[:at], loss, *whole.body[at:-1], back)]
                return found
    return whole


def is_empty_gradient(statement: ast.stmt, names: Sequence[str]) -> bool:
    """dW = np.zeros_like(W), dx = None, loss, grads = 0.0, {}: where gradients are to be put, before there are any."""
    if not isinstance(statement, ast.Assign):
        return False
    text, targets = ast.unparse(statement.value), [n for t in statement.targets for n in stores(t)]
    blank = re.fullmatch(r"(np|numpy)\.(zeros|empty)(_like)?\(.*\)|\(?(None|0(\.0)?|\{\}|dict\(\))(, (None|0(\.0)?|\{\}))*\)?", text)
    return bool(blank) and any(value_of(n, names) for n in targets) and not any(LOSS.match(n) for n in targets)


def making(body: Sequence[ast.stmt], name: str) -> list[ast.stmt]:
    """The statements that a value is made of, with those within loops and conditions, and those that return before it is made."""
    needed = {name}
    leaves = [n for s in body for n in ast.walk(s) if isinstance(n, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr)]
    kept: set[int] = set()
    for _ in leaves:
        count = len(kept)
        for leaf in leaves:
            if id(leaf) not in kept and (writes(leaf) & needed):
                kept.add(id(leaf))
                needed |= set(loads([leaf]))
        for loop in (n for s in body for n in ast.walk(s) if isinstance(n, ast.For | ast.If | ast.While)):
            if any(id(n) in kept for n in ast.walk(loop)):
                needed |= set(loads([ast.Expr(loop.iter if isinstance(loop, ast.For) else loop.test)]))
        if len(kept) == count:
            break
    return pruned(body, kept)


def last_of(body: Sequence[ast.stmt], name: str) -> int:
    """How many statements it takes until the loss is made: what stands after them, as a mask, is made for the gradients alone."""
    made = [i for i, s in enumerate(body) if name in stores(s) or any(isinstance(n, ast.Return) for n in ast.walk(s))]
    return made[-1] + 1 if made else len(body)


def pruned(body: Sequence[ast.stmt], kept: set[int]) -> list[ast.stmt]:
    """Those of these statements, blocks without what is not kept within."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.For | ast.If | ast.While):
            if any(id(n) in kept for n in ast.walk(statement)) or leaves(statement):
                block = copy.copy(statement)
                block.body = pruned(statement.body, kept) or [ast.copy_location(ast.Pass(), statement)]
                block.orelse = pruned(statement.orelse, kept)
                found.append(block)
        elif id(statement) in kept or isinstance(statement, ast.Continue | ast.Break):
            found.append(statement)
    return found


def leaves(statement: ast.stmt) -> bool:
    """Whether it may end a round of the loop that it stands in: if j == y[i]: continue."""
    return isinstance(statement, ast.If) and any(isinstance(n, ast.Continue | ast.Break) for s in statement.body for n in ast.walk(s))


def first_gradient(body: Sequence[ast.stmt], arguments: Sequence[str]) -> int | None:
    """The number of the first statement that names the gradient of what is known there."""
    for tells in (lambda name, known: value_of(name, known) is not None, lambda name, known: GRADIENT_OF.match(name) is not None):
        known = set(arguments)
        for i, statement in enumerate(body):
            if isinstance(statement, ast.Assign) and not is_empty_gradient(statement, [*known]):
                targets = [t for target in statement.targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
                if any(tells(ast.unparse(t), known) for t in targets if isinstance(t, ast.Name)):
                    return i
            if isinstance(statement, ast.For | ast.AugAssign) and any(adds(n, [*arguments]) for n in ast.walk(statement)):
                return i
            if isinstance(statement, ast.Assign) and fills(statement, arguments):
                return i
            known |= stores(statement) | set(loads([statement]))
    return None


def fills(statement: ast.Assign, names: Sequence[str]) -> bool:
    """Whether it writes a part of the gradient of one of these: dx[margins > 0] = 1."""
    parts = [t.value for t in statement.targets if isinstance(t, ast.Subscript) and not isinstance(t.slice, ast.Constant)]
    return any(isinstance(p, ast.Name) and value_of(p.id, names) is not None for p in parts)


def adds(node: ast.AST, names: Sequence[str]) -> bool:
    """Whether it adds to the gradient of one of these, or to a part of it: dW[:, j] += ..."""
    if not isinstance(node, ast.AugAssign):
        return False
    whole = node.target.value if isinstance(node.target, ast.Subscript) else node.target
    return value_of(ast.unparse(whole), names) is not None


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
