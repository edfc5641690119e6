"""A file's own gradient check may be at fault where the gradient is right: its step, its precision, its upstream gradient, its loss."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from experiments.doctor.calls.roles import UPSTREAM
from experiments.doctor.reading.claims import is_gradient
from experiments.doctor.reading.patient import Pair

SHORT, LONG = 1e-8, 1e-2
"""A step between these is long enough for rounding and short enough for a curve."""


def about_check(tree: ast.Module, pair: Pair) -> tuple[str, ...]:
    """Sentences about the check that stands in a file whose backward is right; none if it has none, or nothing is to be said of it.

    Args:
        tree: of the file.
        pair: whose backward is right.
    """
    inside = {id(n) for f in (pair.forward, pair.backward) for n in ast.walk(f)}
    outside = [n for n in ast.walk(tree) if id(n) not in inside]
    said = [s for n in outside if isinstance(n, ast.BinOp) for s in of_difference(n, outside)]
    if not any(isinstance(n, ast.BinOp) and is_difference(n) for n in outside):
        return ()
    said += of_upstream(outside, pair)
    if any(getattr(n, "attr", getattr(n, "value", None)) in ("float32", "float16") for n in outside):
        said.append(
            "The check computes in float32, which has seven digits: a difference of two numbers that are nearly the same has few of them "
            "left. Check in float64."
        )
    if not any(UPSTREAM.match(n) or is_gradient(n) for n in pair.parameters(pair.backward)):
        said += of_loss(outside, pair)
    return tuple(dict.fromkeys(said))


def is_difference(node: ast.BinOp) -> bool:
    """(a − b) / h, (a − b) / (2 h): a difference of two values over a step."""
    return isinstance(node.op, ast.Div) and isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Sub) and bool(step_of(node))


def step_of(node: ast.BinOp) -> str | None:
    """The name of the step that it divides by."""
    names = [n.id for n in ast.walk(node.right) if isinstance(n, ast.Name)]
    plain = isinstance(node.right, ast.Name) or (isinstance(node.right, ast.BinOp) and isinstance(node.right.op, ast.Mult))
    return names[0] if plain and len(names) == 1 and names[0].lower() in ("h", "eps", "epsilon", "delta", "step", "dx", "tol") else None


def of_difference(node: ast.BinOp, everything: list[ast.AST]) -> Iterator[str]:
    """What is to be said of the step of a check."""
    if not is_difference(node):
        return
    name = step_of(node)
    size = next((s for n in everything for s in values_of(n, name)), None)
    if size is not None and size < SHORT:
        yield (
            f"Line {node.lineno}, the check: a step of {size:g} is too short. What rounding does to the loss, about 1e-16, is "
            f"divided by it: {1e-16 / size:.0e} is lost. Take 1e-5."
        )
    elif size is not None and size > LONG:
        yield f"Line {node.lineno}, the check: a step of {size:g} is too long, the loss bends on the way. Take 1e-5."
    if isinstance(node.right, ast.Name):
        yield (
            f"Line {node.lineno}, the check: a difference to one side is wrong by about half the step times the second derivative. "
            f"(f(x + {name}) - f(x - {name})) / (2 * {name}) is wrong by its square."
        )


def values_of(node: ast.AST, name: str | None) -> Iterator[float]:
    """The numbers that are given to that name, in an assignment or as a default."""
    match node:
        case ast.Assign([ast.Name(id)], ast.Constant(float() | int() as value)) if id == name:
            yield float(value)
        case ast.arguments(args=args, defaults=defaults):
            for arg, default in zip(args[len(args) - len(defaults) :], defaults, strict=True):
                if arg.arg == name and isinstance(default, ast.Constant) and isinstance(default.value, int | float):
                    yield float(default.value)


def of_upstream(everything: list[ast.AST], pair: Pair) -> Iterator[str]:
    """An upstream gradient that is 1 everywhere."""
    ones = {n.targets[0].id for n in everything if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name) and is_ones(n.value)}
    for node in everything:
        if (
            isinstance(node, ast.Call)
            and called(node) == pair.backward.name
            and any(is_ones(a) or ast.unparse(a) in ones for a in node.args)
        ):
            yield (
                f"Line {node.lineno}, the check: an upstream gradient of ones tests the sum of the outputs alone. A softmax always adds "
                "up to 1 and a normalised row to 0: their gradient is then 0, right or wrong. Take random numbers, and weigh the outputs "
                "with the same ones in the difference."
            )


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def is_ones(node: ast.expr) -> bool:
    """np.ones(...), np.ones_like(...)."""
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("ones", "ones_like")


def of_loss(everything: list[ast.AST], pair: Pair) -> Iterator[str]:
    """A check of another loss than the one whose gradient the backward is."""
    for node in everything:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("sum", "mean"):
            inner = [a for a in node.args if isinstance(a, ast.Call) and called(a) == pair.forward.name]
            if inner:
                yield (
                    f"Line {node.lineno}, the check: it takes the {node.func.attr} of what {pair.forward.name} returns for the loss, "  # type: ignore[attr-defined]
                    f"and {pair.backward.name} is the gradient of another one."
                )
