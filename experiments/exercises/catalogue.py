"""All exercises in the order of the path: those that the Twins name, and every layer whose backward is short.

Read from the source without importing torch: a list must appear at once.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from types import FunctionType

from experiments.curriculum import CHAPTERS, ROOT, Entry, entries, place

LONGEST = 15
"""Lines of a layer's backward that a learner is asked for."""

MINUTES_A_LINE = 2
"""How long a line of a backward takes somebody who writes his first ones; a guess, rounded up to fives."""


@dataclass(frozen=True)
class Task:
    """One exercise.

    Attributes:
        name: what it is called on the command line, and its file: "chain_rule.one_sample", "nn.Linear", "numbers.chain_rule".
        kind: "write", "numbers", "shapes" or "fault".
        concept: that it belongs to; None for a layer.
        module: the hand-written module: "manual.calculus.chain_rule".
        function: that it is about, as it is called in its module: "one_sample", "DigitsMLP.backward".
        lines: of code that are to be written, each statement as one.
        hints: to be added to those that are derived from the code.
        also: other names of it: the other classes that have this backward.
    """

    name: str
    kind: str
    concept: str | None
    module: str
    function: str
    lines: int
    hints: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def minutes(self) -> int:
        """How long it takes, in fives."""
        return 5 * math.ceil(MINUTES_A_LINE * self.lines / 5)


class UnknownExercise(LookupError):
    """There is no exercise of that name; the message names the nearest."""


@cache
def tasks() -> tuple[Task, ...]:
    """All of them: of each concept the shorter first; those of the beginner's path, the curriculum's others, and then the layers."""
    path_first = sorted(entries(), key=lambda e: place(e.name))
    return (*(task for e in path_first for task in of_concept(e)), *layers())


def find(name: str) -> Task:
    """The exercise of this name, or of a file of this name. A concept's name alone is its first exercise, a class's that of the backward
    that it inherits.

    Raises:
        UnknownExercise: with the nearest names.
    """
    name = name.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    for task in tasks():
        if name in (task.name, *task.also):
            return task
    of = [task for task in tasks() if task.concept == name and task.kind == "write"]
    if of:
        return of[0]
    if name in (*CHAPTERS, "nn"):
        raise UnknownExercise(f"{name} is a group of exercises: `exercise list {name}` names them")
    names = [n for task in tasks() for n in (task.name, *task.also)]
    lower = {n.lower(): n for n in names}
    near = difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(lower[n] for n in near)}?" if near else "see `exercise list`"
    raise UnknownExercise(f"unknown exercise {name!r}: {hint}")


# ---- of the concepts -----------------------------------------------------------------------------


def of_concept(e: Entry) -> list[Task]:
    """All of a concept, found without importing NumPy."""
    return [*to_write(e), *around(e)]


def to_write(e: Entry) -> list[Task]:
    """What the Twin of a concept names, the shortest first."""
    module = f"manual.{e.chapter}.{e.name}"
    named = declared(e)
    twice = Counter(function.rpartition(".")[2] for function, _ in named)
    found = []
    for function, hints in named:
        last = function.rpartition(".")[2]
        called = f"{e.name}.{last if twice[last] == 1 else function}"
        found.append(Task(called, "write", e.name, module, function, statements(definition(module, function)), hints))
    return sorted(found, key=lambda task: task.lines)


def declared(e: Entry) -> list[tuple[str, tuple[str, ...]]]:
    """The functions of a Twin's `exercises` with their hints, read from its script."""
    tree = ast.parse((ROOT / "experiments" / e.path).read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "Exercise"]
    return [(ast.literal_eval(c.args[0]), ast.literal_eval(c.args[1]) if len(c.args) > 1 else ()) for c in calls]


def around(e: Entry) -> list[Task]:
    """The other kinds, of a concept that is three plain functions: shapes, where it has matrices; numbers, where it has a function for one
    example; and a fault to be found."""
    module = f"manual.{e.chapter}.{e.name}"
    functions = {n.name: n for n in tree_of(module).body if isinstance(n, ast.FunctionDef)}
    if not {"forward", "loss", "backward"} <= set(functions):
        return []
    forward, backward = functions["forward"], functions["backward"]
    found = []
    if any(isinstance(n, ast.MatMult) for n in ast.walk(forward)):
        found.append(Task(f"shapes.{e.name}", "shapes", e.name, module, "backward", statements(forward) + statements(backward)))
    for name, function in functions.items():
        if function is not backward and ast.unparse(function.args) == ast.unparse(backward.args):
            found.append(Task(f"numbers.{e.name}", "numbers", e.name, module, name, statements(forward) + statements(function)))
    found.append(Task(f"fault.{e.name}", "fault", e.name, module, "backward", statements(backward)))
    return found


# ---- of the layers -------------------------------------------------------------------------------


def layers() -> list[Task]:
    """Every layer of manual.nn whose backward is short, the shortest first; each backward once, however many classes have it."""
    import manual.nn
    from experiments.source.handwriting import plain_function, public_classes
    from manual.module import Module

    having: dict[FunctionType, list[type]] = {}
    for cls in public_classes().values():
        backward = plain_function(getattr(cls, "backward", None)) if issubclass(cls, Module) and hasattr(manual.nn, cls.__name__) else None
        if backward and backward.__module__.startswith("manual.nn."):
            having.setdefault(backward, []).append(cls)
    found = []
    for backward, classes in having.items():
        own = backward.__qualname__.removesuffix(".backward")
        names = [f"nn.{name}" for name in sorted((c.__name__ for c in classes), key=lambda name: (name != own, name))]
        written = definition(backward.__module__, backward.__qualname__)
        if lines_of(written) <= LONGEST:
            found.append(
                Task(names[0], "write", None, backward.__module__, backward.__qualname__, statements(written), also=tuple(names[1:]))
            )
    return sorted(found, key=lambda task: (task.lines, task.name))


# ---- the source ----------------------------------------------------------------------------------


@cache
def source(module: str) -> str:
    """The text of a module of `manual`."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")


@cache
def tree_of(module: str) -> ast.Module:
    """Its tree, which is not to be changed."""
    return ast.parse(source(module))


def definition(module: str, function: str) -> ast.FunctionDef:
    """Where a function, or a method as "Class.method", is defined."""
    return defined_in(tree_of(module), function)


def defined_in(tree: ast.Module, function: str) -> ast.FunctionDef:
    """The definition of a function in a tree; of several the last, which is the one that Python keeps.

    Raises:
        LookupError: if there is none.
    """
    body: list[ast.stmt] = tree.body
    *classes, name = function.split(".")
    for cls in classes:
        body = next((n.body for n in reversed(body) if isinstance(n, ast.ClassDef) and n.name == cls), [])
    found = next((n for n in reversed(body) if isinstance(n, ast.FunctionDef) and n.name == name), None)
    if found is None:
        raise LookupError(f"there is no {function} in it")
    return found


def body_of(function: ast.FunctionDef) -> list[ast.stmt]:
    """What is computed: without the docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def statements(function: ast.FunctionDef) -> int:
    """How many there are in it, inner ones too."""
    return sum(isinstance(n, ast.stmt) for statement in body_of(function) for n in ast.walk(statement))


def lines_of(function: ast.FunctionDef) -> int:
    """How many lines its body takes."""
    body = body_of(function)
    return (body[-1].end_lineno or 0) - body[0].lineno + 1
