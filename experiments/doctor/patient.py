"""What stands in somebody's file: pairs of a forward and a backward, in whatever shape such code comes."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

FORWARD = re.compile(r"(forward|fwd)", re.IGNORECASE)
BACKWARD = ("backward", "bwd", "backprop", "back", "grad", "gradient", "gradients")
LOSSES = ("loss", "cost", "criterion", "objective", "compute_loss", "compute_cost", "loss_fn", "mse", "cross_entropy")


class Unreadable(Exception):
    """No forward and backward could be found, or they cannot be called; the message says what would help."""


@dataclass(frozen=True)
class Pair:
    """A forward and its backward.

    Attributes:
        name: to call it by: of the forward, or of the class.
        forward: its tree.
        backward: its tree.
        cls: the class that both are methods of, if they are.
    """

    name: str
    forward: ast.FunctionDef
    backward: ast.FunctionDef
    cls: str | None = None

    def parameters(self, of: ast.FunctionDef) -> list[str]:
        """The names of the arguments, without self."""
        names = [a.arg for a in (*of.args.posonlyargs, *of.args.args, *of.args.kwonlyargs)]
        return names[1:] if self.cls and names else names


def pairs(tree: ast.Module, forward: str | None = None, backward: str | None = None) -> list[Pair]:
    """Every pair of a file, in its order.

    Args:
        tree: of the file.
        forward, backward: their names, where they cannot be found by name: "f", "Layer.f".

    Raises:
        Unreadable: if there is none.
    """
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    if forward or backward:
        if not (forward and backward):
            raise Unreadable("--forward and --backward are given together")
        return [Pair(forward, named(tree, forward), named(tree, backward), forward.rpartition(".")[0] or None)]
    found = [Pair(n, functions[n], functions[b]) for n in functions if (b := counterpart(n, functions))]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
            of_class = [(methods[n], methods[b]) for n in methods if (b := counterpart(n, methods))]
            found += [Pair(node.name, f, b, node.name) for f, b in of_class[:1]]
    if not found:
        known = ", ".join(functions) or "no function at all"
        raise Unreadable(f"no pair of a forward and a backward was found by its names ({known}): name them with --forward and --backward")
    return found


def named(tree: ast.Module, name: str) -> ast.FunctionDef:
    """The function or method of this name."""
    cls, _, function = name.rpartition(".")
    inside: Sequence[ast.stmt] = tree.body
    if cls:
        inside = next((n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls), ())
    for node in inside:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return node
    raise Unreadable(f"there is no function {name} in the file")


def counterpart(name: str, names: Any) -> str | None:
    """The backward of a forward of this name, among these."""
    if not FORWARD.search(name):
        return None
    return next((n for word in BACKWARD if (n := FORWARD.sub(word, name, count=1)) in names), None)


def loss_in(tree: ast.Module, name: str | None) -> str | None:
    """The function that makes one number of what forward returns: the one that is named, or one that is called like a loss."""
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    if name is not None:
        named(tree, name)
        return name
    return next((f for f in functions if f.lower() in LOSSES), None)


# ---- taps ------------------------------------------------------------------------------------------------


TAP = "__tap__"
Tap = Callable[[str, Any, int], Any]
"""tap(name, value, line) is told of every value that a function names, and returns what the function goes on with."""


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

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """A function within is left as it is."""
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        """Likewise."""
        return node


def places(target: ast.expr) -> Iterator[ast.expr]:
    """What a target writes that has a name of its own: x, self.x, cache["x"]."""
    match target:
        case ast.Tuple(elts) | ast.List(elts):
            for element in elts:
                yield from places(element)
        case (
            ast.Name() | ast.Attribute(ast.Name("self")) | ast.Subscript(ast.Name() | ast.Attribute(ast.Name("self")), ast.Constant(str()))
        ):
            yield target


def tap(target: ast.expr) -> ast.stmt:
    """The statement by which a value passes through the tap."""
    text = ast.unparse(target)
    statement = ast.parse(f"{text} = {TAP}({text!r}, {text}, {target.lineno})").body[0]
    return ast.copy_location(statement, target)


def tapped(function: ast.FunctionDef, namespace: dict[str, Any], listener: Tap) -> Callable[..., Any]:
    """The function, telling `listener` of every value that it names, its arguments first.

    Args:
        function: its tree, which stays as it is.
        namespace: what it finds by name.
        listener: the tap.
    """
    copy = ast.parse(ast.unparse(function)).body[0]
    assert isinstance(copy, ast.FunctionDef)
    for new, old in zip(ast.walk(copy), ast.walk(function), strict=False):
        if isinstance(new, ast.stmt | ast.expr) and isinstance(old, ast.stmt | ast.expr):
            new.lineno, new.end_lineno = old.lineno, old.end_lineno
    copy.decorator_list = []
    arguments = [a.arg for a in (*copy.args.posonlyargs, *copy.args.args, *copy.args.kwonlyargs) if a.arg != "self"]
    inner = [s for statement in copy.body for s in as_list(Tapping().visit(statement))]
    copy.body = [ast.parse(f"{a} = {TAP}({a!r}, {a}, {function.lineno})").body[0] for a in arguments] + inner
    module = ast.fix_missing_locations(ast.Module([copy], []))
    box = {**namespace, TAP: listener}
    exec(compile(module, "<your file>", "exec"), box)
    made: Callable[..., Any] = box[function.name]
    return made


def as_list(found: Any) -> list[ast.stmt]:
    """A transformer returns a statement, or several."""
    return found if isinstance(found, list) else [found]
