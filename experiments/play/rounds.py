"""What a round is about: a backward pass written by hand, as it is or with one line changed that only its numbers betray."""

from __future__ import annotations

import ast
import copy
import inspect
import random
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType

import numpy as np

import experiments.cases
from experiments.cases.concept import judge_concept
from experiments.curriculum import entries
from experiments.judge.case import cases_of, draw_sizes, judge
from experiments.mutation.mutate import mutated
from experiments.source.handwriting import Written, import_all, plain_function, subjects
from experiments.source.limit import Hangs, time_limit
from experiments.source.operators import Mutant, mutants
from experiments.source.replacing import in_place_of
from manual.nn.faster import FASTER, plain_forms

LINES, WIDTH = range(3, 25), 110
"""How many lines a backward has that is shown, its first one counted, and how long each may be: it is to be read on a screen."""

VISIBLE = ("delete", "inplace")
"""Kinds of mistakes that are not made: a line that is gone is no line to point at, and a change in place shows only elsewhere."""

CLEAR = 1e-3
"""A gradient is wrong to be seen if it is off by more than this part of itself."""

RIGHT_ONES = 0.25
"""How many of the rounds show what is right."""


@dataclass(frozen=True)
class Shown:
    """A backward that can be shown.

    Args:
        written: the function.
        forward: what it walks back: one function, or forward and the loss above it.
        judge: the name of what judges it: a class or function with cases, or a concept.
    """

    written: Written
    forward: tuple[ast.FunctionDef, ...]
    judge: str

    @property
    def title(self) -> str:
        """Its name, and where it stands."""
        file = Path(self.written.function.__code__.co_filename)
        return f"{self.written.name} ({'/'.join(file.parts[file.parts.index('manual') :])})"

    @property
    def is_a_concepts(self) -> bool:
        """Whether a concept as a whole judges it, by its loss and all of its gradients."""
        return not cases_of([self.judge])

    def errors(self, seed: int = 0) -> dict[str, float]:
        """By how much each gradient is off, relative to it; infinitely where it is not finite."""
        with self.as_run():
            found, names = self._of_the_concept(seed) if self.is_a_concepts else self._of_a_case(seed)
        worst: dict[str, float] = {}
        for what, error in found.items():
            if what.startswith("gradient "):
                key = readable(what, names)
                worst[key] = max(worst.get(key, 0.0), error if error == error else np.inf)
        return worst

    def as_run(self) -> AbstractContextManager[None]:
        """In this the function is run, also where it has a faster form that would be run in its place."""
        return plain_forms() if self.written.function in FASTER else nullcontext()

    def _of_the_concept(self, seed: int) -> tuple[Mapping[str, float], list[str]]:
        return judge_concept(self.judge.partition(".")[0], seed), []

    def _of_a_case(self, seed: int) -> tuple[Mapping[str, float], list[str]]:
        """The errors of the first of its cases, and the names of the arguments that backward answers for."""
        case = cases_of([self.judge])[0]
        sizes = draw_sizes(case, np.random.default_rng(seed))
        built = case.build(np.random.default_rng(seed), **sizes)
        arguments = self.forward[0].args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args) if a.arg != "self"]
        names += [f"input {i}" for i in range(len(names), len(built.inputs))]
        return judge(case, sizes, seed), built.answered(names)


def readable(what: str, names: list[str]) -> str:
    """`gradient of x` for `gradient of input 0 of call 2`; `gradient of W` for `gradient W, as declared`."""
    what = what.partition(" of call ")[0].partition(", ")[0]
    kind, _, rest = what.rpartition(" of ")
    rest = (rest if kind else what.removeprefix("gradient ")).removeprefix("gradient of ")
    number = rest.removeprefix("input ")
    if number.isdecimal():
        rest = names[int(number)] if int(number) < len(names) else f"input {number}"
    return f"gradient of {rest}"


@dataclass(frozen=True)
class Round:
    """One backward as it is shown.

    Args:
        shown: which.
        mutant: the mistake that was made in it; None if it is right.
        lines: as shown, without comments.
        wrong: the number of the line that is wrong, from 1; 0 if none is.
        errors: of every gradient.
    """

    shown: Shown
    mutant: Mutant | None
    lines: tuple[str, ...]
    wrong: int
    errors: Mapping[str, float]

    @property
    def original(self) -> str:
        """What stands in the library in the place of the wrong line."""
        return text_of(self.shown.written.tree)[self.wrong - 1].strip()

    @property
    def code(self) -> CodeType | None:
        """The function with the mistake in it."""
        return mutated(self.mutant, self.shown.written) if self.mutant else None


def text_of(tree: ast.FunctionDef) -> tuple[str, ...]:
    """A function's lines in one uniform way of writing, without comments, docstring and types: nothing of them tells what was changed."""
    plain = copy.deepcopy(tree)
    plain.decorator_list, plain.returns = [], None
    for argument in (*plain.args.posonlyargs, *plain.args.args, *plain.args.kwonlyargs):
        argument.annotation = None
    if ast.get_docstring(plain) is not None:
        plain.body = plain.body[1:] or [ast.Pass()]
    return tuple(ast.unparse(plain).split("\n"))


@cache
def everything() -> Mapping[str, Sequence[Shown]]:
    """Every backward of the library that is short enough, with its forward, by the module that it stands in."""
    import_all(experiments.cases)
    concepts = {e.name for e in entries()}
    found: dict[str, list[Shown]] = {}
    for subject in subjects():
        for written, judges in subject.functions.items():
            forward = forward_of(written)
            able = [name for name in judges if cases_of([name]) or name.partition(".")[0] in concepts]
            if forward and able and len(text_of(written.tree)) in LINES and all(fits(text_of(tree)) for tree in (*forward, written.tree)):
                found.setdefault(written.function.__module__, []).append(Shown(written, forward, able[0]))
    return found


def fits(lines: Sequence[str]) -> bool:
    """Whether a function can be read on a screen."""
    return len(lines) < LINES.stop and max(map(len, lines)) <= WIDTH


def forward_of(written: Written) -> tuple[ast.FunctionDef, ...]:
    """The trees of what this function walks back, if it is a backward and they stand in the same file."""
    name = written.function.__name__
    names = [name.removesuffix("_backward")] if name.endswith("_backward") else []
    if name == "backward":
        names = ["forward", "training_step" if written.owner else "loss"]
    there = vars(written.owner) if written.owner else written.function.__globals__
    functions = [function for function in (plain_function(there.get(n)) for n in names) if function]
    here = [f for f in functions if f.__code__.co_filename == written.function.__code__.co_filename]
    trees = (ast.parse(textwrap.dedent(inspect.getsource(f))).body[0] for f in here)
    return tuple(tree for tree in trees if isinstance(tree, ast.FunctionDef))


def draw(rng: random.Random) -> Round:
    """A round at random."""
    while True:
        shown = rng.choice(rng.choice(list(everything().values())))
        if rng.random() < RIGHT_ONES:
            return Round(shown, None, text_of(shown.written.tree), 0, judged(shown, None) or {})
        if found := next(faulty(shown, rng), None):
            return found


def faulty(shown: Shown, rng: random.Random) -> Iterator[Round]:
    """The function with one mistake after the other, kind by kind: each runs, changes one line, and makes a gradient wrong."""
    possible = mutants(shown.written.name, shown.written.tree)
    kinds = sorted({m.operator for m in possible} - set(VISIBLE))
    rng.shuffle(kinds)
    right = text_of(shown.written.tree)
    for kind in kinds:
        for mutant in rng.sample(of_kind := [m for m in possible if m.operator == kind], len(of_kind)):
            with mutant.applied() as tree:
                lines = text_of(tree)
            changed = [number for number, (a, b) in enumerate(zip(right, lines, strict=False), 1) if a != b]
            riddle = len(lines) == len(right) and len(changed) == 1 and fits(lines) and "_saved" not in mutant.after
            if riddle and (errors := judged(shown, mutant)) and max(errors.values()) > CLEAR:
                yield Round(shown, mutant, lines, changed[0], errors)


def judged(shown: Shown, mutant: Mutant | None) -> dict[str, float] | None:
    """The errors of every gradient, with this mistake; None if it raises, or does not end: such a one is no riddle."""
    code = mutated(mutant, shown.written) if mutant else shown.written.function.__code__
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(), in_place_of(shown.written.function, code), time_limit(5.0):
            warnings.simplefilter("ignore")
            return shown.errors()
    except (Exception, Hangs):
        return None
