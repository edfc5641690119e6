"""Line by line: each line of a forward, beside it the lines of the way back that go through it, and the line of torch."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

RESULTS = ("y", "out", "output", "loss", "L")
"""What the value that a forward returns is called where it has no name: dL_dy is its gradient."""

GRADIENT = re.compile(r"dL_d(\w+)")


@dataclass
class Row:
    """One line of the forward.

    Attributes:
        forward: its text; empty where a line of the way back, or of torch, belongs to none.
        backward: the lines of the way back that go through it.
        torch: its twin in torch.
        forward_at: the numbers of its lines in the file by hand.
        backward_at: likewise of the way back.
    """

    forward: str = ""
    backward: list[str] = field(default_factory=list)
    torch: list[str] = field(default_factory=list)
    forward_at: list[int] = field(default_factory=list)
    backward_at: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Way:
    """A forward, its backward, and its twin.

    Attributes:
        name: of the forward, "DigitsMLP.training_step".
        rows: its lines.
        line: at which it begins, in the file by hand.
        backward_line: at which its backward begins.
        torch_line: at which its twin begins; 0 where it has none.
    """

    name: str
    rows: tuple[Row, ...]
    line: int
    backward_line: int
    torch_line: int


Scope = ast.Module | ast.ClassDef


def ways(by_hand: str, in_torch: str) -> list[Way]:
    """All that goes forward and back in a file, in its order.

    Args:
        by_hand: the text of the file by hand.
        in_torch: the text of its twin.
    """
    mine, theirs = ast.parse(by_hand), ast.parse(in_torch)
    found: list[Way] = []
    scopes: list[Scope] = [mine, *(n for n in mine.body if isinstance(n, ast.ClassDef))]
    for scope in scopes:
        functions = functions_of(scope)
        twins = functions_of(theirs) | functions_of(twin_of(scope, mine, theirs))
        for forwards, backward in couples(functions):
            names = [f.name for f in forwards]
            names = ["forward", "training_step"] if names == ["forward", "loss"] else names
            twin = [twins[name] for name in names if name in twins]
            rows = aligned(by_hand, in_torch, forwards, backward, twin)
            prefix = f"{scope.name}." if isinstance(scope, ast.ClassDef) else ""
            name = " and ".join(prefix + f.name for f in forwards)
            found.append(Way(name, tuple(rows), forwards[0].lineno, backward.lineno, twin[0].lineno if twin else 0))
    return found


def twin_of(scope: Scope, mine: ast.Module, theirs: ast.Module) -> Scope:
    """The class of torch's file that a class by hand is in; where functions by hand are a whole concept, its class."""
    classes = {n.name: n for n in theirs.body if isinstance(n, ast.ClassDef)}
    own = [scope.name] if isinstance(scope, ast.ClassDef) else [n.name for n in mine.body if isinstance(n, ast.ClassDef)]
    return next((classes[name] for name in own if name in classes), theirs)


def functions_of(scope: Scope) -> dict[str, ast.FunctionDef]:
    """What it defines, in its order."""
    return {n.name: n for n in scope.body if isinstance(n, ast.FunctionDef)}


def couples(functions: dict[str, ast.FunctionDef]) -> list[tuple[list[ast.FunctionDef], ast.FunctionDef]]:
    """Each function with a way back, and that: f and f_backward; all that a step goes through, and backward."""
    found = []
    for name, function in functions.items():
        if name.endswith("_backward") and name.removesuffix("_backward") in functions:
            found.append(([functions[name.removesuffix("_backward")]], function))
        elif name == "backward":
            first = [functions[n] for n in ("forward", "loss", "training_step") if n in functions]
            if first:
                found.append((first, function))
    return found


# ---- which line belongs to which -------------------------------------------------------------------


def aligned(
    by_hand: str, in_torch: str, forwards: Sequence[ast.FunctionDef], backward: ast.FunctionDef, twin: Sequence[ast.FunctionDef]
) -> list[Row]:
    """The rows of one way."""
    statements = [s for f in forwards for s in said(f)]
    rows = [Row(text(by_hand, s), forward_at=numbers(s)) for s in statements]
    last = len(rows) - 1  # where the way back begins
    for s in said(backward):
        place = 0 if isinstance(s, ast.Return) else gone_through(s, statements)
        last = place if place is not None else last
        rows[last].backward.append(text(by_hand, s))
        rows[last].backward_at += numbers(s)
    at = 0
    for s in (s for f in twin for s in said(f)):
        at = same(s, statements, at)
        rows[at].torch.append(text(in_torch, s))
    return rows


def said(function: ast.FunctionDef) -> list[ast.stmt]:
    """Its statements, without the docstring, and without what only refuses wrong input."""
    body = function.body
    body = body[1:] if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) else body
    return [statement for statement in body if not only_refuses(statement)] or body


def only_refuses(statement: ast.stmt) -> bool:
    """Whether it is a call of `expect_...`, or an `if` that raises."""
    if isinstance(statement, ast.If):
        return not statement.orelse and all(isinstance(s, ast.Raise) for s in statement.body)
    called = statement.value.func if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id.startswith("expect_")


def text(source: str, statement: ast.stmt) -> str:
    """It as it stands, with the comment behind it, from the first column."""
    lines = source.split("\n")[statement.lineno - 1 : statement.end_lineno]
    return "\n".join(line[statement.col_offset :] if not line[: statement.col_offset].strip() else line for line in lines)


def numbers(statement: ast.stmt) -> list[int]:
    """Of its lines."""
    return [*range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)]


def reads(node: ast.AST) -> set[str]:
    """The names and attributes that it reads."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return names | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}


def writes(statement: ast.stmt) -> list[str]:
    """The names that it gives a value; of what is returned, all that it may be called."""
    if isinstance(statement, ast.Return):
        return [*RESULTS, *([statement.value.id] if isinstance(statement.value, ast.Name) else [])]
    return [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def gone_through(back: ast.stmt, statements: Sequence[ast.stmt]) -> int | None:
    """The line of the forward that this goes back through.

    It calls the layer that this calls; or made the value whose gradient is read; or uses the value that this is the gradient of.
    """
    if "restore" in reads(back):
        return next((i for i, s in enumerate(statements) if "save" in reads(s)), None)
    layers = {ast.unparse(n.func.value) for n in calls(back) if isinstance(n.func, ast.Attribute) and n.func.attr == "backward"}
    called = [i for i, s in enumerate(statements) if layers & {ast.unparse(n.func) for n in calls(s)}]
    if called:
        return max(called)
    of = {m[1] for name in reads(back) if (m := GRADIENT.fullmatch(name))}
    made = [i for i, s in enumerate(statements) if of & set(writes(s))]
    if made:
        named_so = [i for i in made if not isinstance(statements[i], ast.Return)]
        return max(named_so or made)
    to = {m[1] for name in writes(back) if (m := GRADIENT.fullmatch(name))}
    used = [i for i, s in enumerate(statements) if to & reads(s)]
    return max(used, default=None)


def calls(node: ast.AST) -> list[ast.Call]:
    """All that it calls."""
    return [n for n in ast.walk(node) if isinstance(n, ast.Call)]


def same(of: ast.stmt, statements: Sequence[ast.stmt], at: int) -> int:
    """The line by hand that this one of torch says again, the next from a place on: it makes a value of that name, logs, or returns.

    Where there is none it is shown at that place.
    """
    names = set(writes(of))
    alike = [
        i
        for i, s in enumerate(statements)
        if (names & set(writes(s)) and isinstance(of, ast.Return) == isinstance(s, ast.Return))
        or (is_call(of, "log") and is_call(s, "log"))
    ]
    return next((i for i in alike if i >= at), alike[0] if alike else min(at, len(statements) - 1))


def is_call(statement: ast.stmt, method: str) -> bool:
    """Whether it calls that method of self."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == method
