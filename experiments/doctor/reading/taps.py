"""Taps: a function is told on at every statement that names a value, and the value may be changed as it passes."""

from __future__ import annotations
import __future__

import ast
import copy
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

ENTRY = re.compile(r"(\w+)\['(.+)'\]$")
PIECE = re.compile(r"(\w+)\[(\d+)\]$")
"""One of the arrays of an argument that is a list of them: Ws[0]."""
"""params['W1']: an entry of a dict that the code calls by its name."""

LATER: int = __future__.annotations.compiler_flag
"""Annotations are not computed: they may name what is not there."""

TAP, TAP_AT, INDEX = "__tap__", "__tap_at__", "__index__"
Tap = Callable[[str, Any, int], Any]
"""tap(name, value, line) is told of every value that a function names, and returns what the function goes on with."""


class Indexed:
    """Indexed()[:, t] is what stands between the brackets."""

    def __getitem__(self, index: Any) -> Any:
        return index


class Tapping(ast.NodeTransformer):
    """After every statement that names a value, the value passes through the tap: x = tap("x", x, line)."""

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        """x = ..., and x, y = ..."""
        return [node, *(tap(t) for target in node.targets for t in places(target))]

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        """x += ..."""
        return [node, *(tap(t) for t in places(node.target))]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> list[ast.stmt]:
        """x: Array = ..."""
        return [node, *(tap(t) for t in places(node.target) if node.value is not None)]

    def visit_Expr(self, node: ast.Expr) -> list[ast.stmt]:
        """hs.append(...) of what has no name yet, and np.add.at(dW, ...)."""
        match node.value:
            case ast.Call(ast.Attribute(ast.Name() | ast.Attribute(ast.Name("self")) as whole, "append"), [arg]) if not isinstance(
                arg, ast.Name
            ):
                name = ast.unparse(whole)
                return [node, statement(f"{TAP_AT}({name!r}, {name}, len({name}) - 1, {node.lineno})", node)]
            case ast.Call(ast.Attribute(ast.Attribute(ast.Name(), "add" | "subtract"), "at"), [whole, *_]):
                return [node, *(tap(t) for t in places(whole))]
        return [node]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """A function within is left as it is."""
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        """Likewise."""
        return node


def places(target: ast.expr) -> Iterator[ast.expr]:
    """What a target writes that has a name of its own: x, self.x, cache["x"], h[t]."""
    match target:
        case ast.Tuple(elts) | ast.List(elts):
            for element in elts:
                yield from places(element)
        case ast.Attribute(ast.Attribute(ast.Name("self"))):  # what a parameter of the object holds: self.weight.grad
            yield target
        case ast.Name() | ast.Attribute(ast.Name("self")) | ast.Subscript(ast.Name() | ast.Attribute(ast.Name("self"))):
            yield target


def statement(text: str, at: ast.AST) -> ast.stmt:
    """A statement at the place of another."""
    return ast.copy_location(ast.parse(text).body[0], at)


def tap(target: ast.expr) -> ast.stmt:
    """The statement by which a value passes through the tap."""
    text = ast.unparse(target)
    if isinstance(target, ast.Subscript) and not is_key(target):
        whole = ast.unparse(target.value)
        found = statement(f"{TAP_AT}({whole!r}, {whole}, {INDEX}[0], {target.lineno})", target)
        for node in ast.walk(found):
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == INDEX:
                node.slice = copy.deepcopy(target.slice)
        return found
    return statement(f"{text} = {TAP}({text!r}, {text}, {target.lineno})", target)


def is_key(target: ast.Subscript) -> bool:
    """Whether this is an entry of a dict that the code calls by its name."""
    return isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str)


def element(listener: Tap, wholes: bool = False) -> Callable[[str, Any, Any, int], None]:
    """The tap of a thing of which one part was written: h[t], dx[x <= 0]; the part where it has a name of its own, or the whole.

    Args:
        listener: the tap.
        wholes: whether it is told of the whole beside a part.
    """

    def at(name: str, whole: Any, index: Any, line: int) -> None:
        if isinstance(whole, list) and isinstance(index, int) and index < 0:
            index += len(whole)  # nabla_w[-1] is the gradient of the last of the weights
        parts = index if isinstance(index, tuple) else (index,)
        plain = all(i is None or i is ... or isinstance(i, int | np.integer | slice | str) for i in parts)
        if plain and not all(isinstance(i, slice) for i in parts):
            whole[index] = listener(f"{name}[{written(index)}]", whole[index], line)
            if wholes:
                listener(name, whole, line)
            return
        new = listener(name, whole, line)
        if new is not whole and isinstance(whole, np.ndarray):
            whole[...] = new

    return at


def written(index: Any) -> str:
    """An index as it is written: 2, "W1", :, 0:3."""
    if isinstance(index, tuple):
        return ", ".join(map(written, index))
    if isinstance(index, slice):
        ends = ["" if i is None else str(i) for i in (index.start, index.stop)]
        return ":".join([*ends, str(index.step)] if index.step is not None else ends)
    return "..." if index is ... else repr(int(index) if isinstance(index, np.integer) else index)


def tapped(
    function: ast.FunctionDef,
    namespace: dict[str, Any],
    listener: Tap,
    method: bool = False,
    entries: Sequence[str] = (),
    wholes: bool = False,
) -> Callable[..., Any]:
    """The function, telling `listener` of every value that it names, its arguments first.

    Args:
        function: its tree, which stays as it is.
        namespace: what it finds by name.
        listener: the tap.
        method: whether its first argument is the object.
        wholes: whether it is told of an array when a part of it is written.
        entries: of its arguments that are told of too: params["W1"].
    """
    changed = copy.deepcopy(function)
    changed.decorator_list = []
    first = [*parameters(changed)[1 if method else 0 :], *entries]
    inner = [s for s in changed.body for s in as_list(Tapping().visit(s))]
    changed.body = [*(tap_of(name, function.lineno) for name in first), *inner]
    module = ast.fix_missing_locations(ast.Module([changed], []))
    box = {**namespace, TAP: listener, TAP_AT: element(listener, wholes), INDEX: Indexed()}
    exec(compile(module, "<your file>", "exec", flags=LATER, dont_inherit=True), box)
    made: Callable[..., Any] = box[function.name]
    return made


def parameters(function: ast.FunctionDef) -> list[str]:
    """The names of the arguments."""
    return [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def tap_of(name: str, line: int) -> ast.stmt:
    """The tap of an argument."""
    return ast.parse(f"{name} = {TAP}({name!r}, {name}, {line})").body[0]


def as_list(found: Any) -> list[ast.stmt]:
    """A transformer returns a statement, or several."""
    return found if isinstance(found, list) else [found]
