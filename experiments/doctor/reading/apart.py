"""Pairs that are neither two functions nor two methods: static methods with a context, and a forward that returns its backward."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any

from experiments.doctor.reading.patient import Pair, alone
from experiments.doctor.reading.script import loads, returns, stores

CONTEXT = "__context__"
"""What makes the object that a static forward leaves its values in, where the file has no class for it."""


class Context:
    """What a static forward leaves for its backward: ctx.save_for_backward(x, w), then x, w = ctx.saved_tensors."""

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        """Keep them, under the names by which they are asked for."""
        self.saved_tensors = self.saved_values = self.saved = values


def is_static(function: ast.FunctionDef) -> bool:
    """Whether it is a method that is not given its object."""
    return any(ast.unparse(d) == "staticmethod" for d in function.decorator_list)


def of_static(tree: ast.Module, pair: Pair) -> Pair:
    """A pair of static methods as two functions; the context that both are given is made by the forward and returned beside its result."""
    forward, backward = copy.deepcopy(pair.forward), copy.deepcopy(pair.backward)
    first = [f.args.args[0].arg if f.args.args else "" for f in (forward, backward)]
    if first[0] == first[1] and first[0] in ("ctx", "context", "cxt", "c"):
        name = first[0]
        forward.args.args = forward.args.args[1:]
        made = ast.parse(f"{name} = {context_class(tree)}()").body[0]
        for node in ast.walk(made):
            ast.copy_location(node, forward)
        forward.body = [made, *forward.body]
        for end in returns(forward.body):
            if (value := end.value) is not None:
                parts = value.elts if isinstance(value, ast.Tuple) else [value]
                end.value = ast.copy_location(ast.Tuple([*parts, ast.Name(name, ast.Load())], ast.Load()), value)
    forward.decorator_list, backward.decorator_list = [], []
    return Pair(pair.name, ast.fix_missing_locations(forward), backward, sure=pair.sure)


def context_class(tree: ast.Module) -> str:
    """The class of the file whose objects values are saved in; ours where it has none that is made of nothing."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            own = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
            init = own.get("__init__")
            if "save_for_backward" in own and (init is None or len(init.args.args) - len(init.args.defaults) == 1):
                return node.name
    return CONTEXT


def pullbacks(tree: ast.Module) -> Iterator[Pair]:
    """Every function of a file that returns, beside its result, a function within it that is its backward: y, pullback."""
    for whole in tree.body:
        match whole.body[-1] if isinstance(whole, ast.FunctionDef) else None:
            case ast.Return(ast.Tuple(parts)):
                pass
            case _:
                continue
        assert isinstance(whole, ast.FunctionDef)
        inner = {n.name: n for n in whole.body if isinstance(n, ast.FunctionDef)}
        within = [p for p in parts if isinstance(p, ast.Lambda) or (isinstance(p, ast.Name) and p.id in inner)]
        rest = [p for p in parts if p not in within]
        if len(within) == 1 and rest:
            yield halved(whole, within[0], inner, rest)


def halved(whole: ast.FunctionDef, within: ast.expr, inner: dict[str, ast.FunctionDef], rest: list[ast.expr]) -> Pair:
    """The function without the one within, and that with what it reads of the values of the first for arguments."""
    name = within.id if isinstance(within, ast.Name) else "its backward"
    last = whole.body[-1]
    forward = copy.deepcopy(whole)
    value = copy.deepcopy(rest[0]) if len(rest) == 1 else ast.Tuple(copy.deepcopy(rest), ast.Load())
    forward.body = [*(s for s in forward.body[:-1] if not (isinstance(s, ast.FunctionDef) and s.name == name))]
    forward.body.append(ast.copy_location(ast.Return(ast.copy_location(value, last)), last))
    if isinstance(within, ast.Lambda):
        backward = ast.copy_location(ast.FunctionDef("its_backward", copy.deepcopy(within.args), [], []), within)
        backward.body = [ast.copy_location(ast.Return(copy.deepcopy(within.body)), within)]
    else:
        backward = copy.deepcopy(inner[name])
    own = {a.arg for a in (*backward.args.args, *backward.args.kwonlyargs)}
    arguments = [a.arg for a in (*whole.args.posonlyargs, *whole.args.args, *whole.args.kwonlyargs)]
    known = {*arguments, *(n for s in forward.body for n in stores(s))}
    read = [n for n in loads(backward.body) if n in known and n not in own]
    backward.args.args = [*backward.args.args, *(ast.copy_location(ast.arg(n), backward) for n in read)]
    return Pair(whole.name, ast.fix_missing_locations(alone(forward, whole.name)), ast.fix_missing_locations(backward))
