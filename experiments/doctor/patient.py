"""What stands in somebody's file: pairs of a forward and a backward, in whatever shape such code comes."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FORWARD = re.compile(r"(forward|fwd)", re.IGNORECASE)
BACKWARD = ("backward", "bwd", "backprop", "back", "grad", "gradient", "gradients")
BEHIND = BACKWARD[:3]
"""What stands behind the name of a function, or before it, where it is called by what it computes. (softmax_grad has often no gradient
that comes in, and is a derivative alone.)"""
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
    """The backward of a forward of this name, among these: affine_backward of affine_forward, softmax_backward of softmax."""
    if not FORWARD.search(name):
        return next((n for word in BEHIND for n in (f"{name}_{word}", f"{word}_{name}") if n in names), None)
    return next((n for word in BACKWARD if (n := FORWARD.sub(word, name, count=1)) in names), None)


def loss_in(tree: ast.Module, name: str | None) -> str | None:
    """The function that makes one number of what forward returns: the one that is named, or one that is called like a loss."""
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    if name is not None:
        named(tree, name)
        return name
    return next((f for f in functions if f.lower() in LOSSES), None)
