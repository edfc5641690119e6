"""Right code that is not the derivative of its forward, on purpose. It is not accused; what is meant is said.

It goes straight through a step, leaves the ε in a logarithm out, or takes the mean's 1/m in a layer.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from experiments.doctor.calls.calling import Subject
from experiments.doctor.calls.guards import LESS, TINY, guarded, size_of
from experiments.doctor.reading.claims import is_array
from experiments.doctor.verdict.examine import LIKE, Examination
from experiments.judge.compare import error

STEPS = ("round", "around", "round_", "rint", "floor", "ceil", "trunc", "fix", "sign")
"""Functions that do not move with their argument but jump: their derivative is 0 wherever they have one."""

FAR = 0.05
"""Over a long way a staircase is as steep as the line through it, to within this."""


@dataclass
class Through:
    """The steps of one forward: where it is moved they move along, by what their argument moves by.

    Attributes:
        off: by inputs, what each step was off its argument when nothing was moved, in the order of the calls.
    """

    off: dict[int, list[Any]] = field(default_factory=dict)
    now: list[Any] = field(default_factory=list)
    records: bool = True
    call: int = 0

    def begin(self, inputs: Any, records: bool) -> None:
        """Before a run of forward with these inputs, which is remembered if nothing is moved in it."""
        self.now, self.records, self.call = self.off.setdefault(id(inputs), []), records, 0
        if records:
            self.now.clear()

    def __call__(self, stepped: Any, of: Any) -> Any:
        """What a step becomes: its argument, moved by as much as rounding moved it at first."""
        if self.records:
            self.now.append(stepped - of)
        self.call += 1
        return of + self.now[self.call - 1]


class StraightThrough(ast.NodeTransformer):
    """np.round(x) becomes __through__(np.round(x), x)."""

    found: tuple[str, ...] = ()

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """One call."""
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Attribute(ast.Name("np" | "numpy"), name), [of, *_]) if name in STEPS:
                pass
            case ast.Call(ast.Attribute(of, "round"), _):
                pass
            case _:
                return node
        self.found = (*self.found, ast.unparse(node.func))
        return ast.copy_location(ast.Call(ast.Name("__through__", ast.Load()), [node, copy.deepcopy(of)], []), node)


class WithoutGuard(ast.NodeTransformer):
    """log(p + 1e-7) becomes log(p + 1e-107)."""

    found: tuple[float, ...] = ()

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """One number."""
        if isinstance(node.value, float) and 0 < node.value <= TINY:
            self.found = (*self.found, node.value)
            return ast.copy_location(ast.Constant(node.value * LESS), node)
        return node


def others(subject: Subject) -> Iterator[tuple[str, Subject]]:
    """What the backward may be the derivative of in the place of its forward: (why it is right, with that)."""
    through = StraightThrough()
    tree = through.visit(copy.deepcopy(subject.pair.forward))
    if through.found:
        words = (
            f"{through.found[0]} jumps, and its derivative is 0 everywhere else. The backward goes straight through it, as if it were not "
            "there (a straight-through estimator): that is no derivative, and is done on purpose."
        )
        straight = Through()
        names = {**subject.namespace, "__through__": straight}
        yield words, changed(subject, tree, names, straight)
    guard = WithoutGuard()
    tree = guard.visit(copy.deepcopy(subject.pair.forward))
    small = {n: v for n, v in subject.namespace.items() if isinstance(v, float) and 0 < v <= TINY}
    elsewhere = guarded(subject.namespace)
    if guard.found or small or elsewhere:
        size = next(iter([*guard.found, *small.values(), *map(size_of, elsewhere)]))
        without = changed(subject, tree, {**subject.namespace, **{n: v * LESS for n, v in small.items()}})
        yield (
            f"It is right but for the {size:g} in the forward, which keeps it from 0 and which the backward leaves out.",
            replace(without, guards=elsewhere),
        )


def one_entry(subject: Subject) -> Iterator[tuple[str, Subject]]:
    """A backward that returns at the first entry of the gradient that comes in which is not zero: (why it is right, with such a one)."""
    backward = subject.pair.backward
    arguments = subject.pair.parameters(backward)
    for loop in (n for n in ast.walk(backward) if isinstance(n, ast.For)):
        over = [n.id for n in ast.walk(loop.iter) if isinstance(n, ast.Name) and n.id in arguments]
        if over and any(isinstance(n, ast.Return) for n in ast.walk(loop)):
            words = (
                f"It returns at the first entry of {over[0]} that is not zero: right where there is one alone, as of a cross-entropy "
                "with one label, and wrong for every other gradient that comes in."
            )
            yield words, replace(subject, single=True, locals={})


def handed_on(e: Examination) -> str | None:
    """Whether the backward of a softmax only returns what it is given: the loss's gradient is then meant to be that of both."""
    pair = e.subject.pair
    body = [s for s in pair.backward.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    text = ast.unparse(pair.forward)
    match body:
        case [ast.Return(ast.Name(name))] if name in e.upstreams and "exp(" in text and "sum(" in text:
            return (
                f"The backward hands on what it is given: right where {name} is the gradient of the loss by what the softmax is given, "
                "as p − y is of a cross-entropy. Of the softmax by itself it is not the derivative."
            )
    return None


def changed(subject: Subject, tree: ast.FunctionDef, names: dict[str, Any], through: Through | None = None) -> Subject:
    """The subject with another forward."""
    return replace(subject, pair=replace(subject.pair, forward=tree), namespace=names, through=through, compiled={}, locals={})


def meant(
    examinations: list[Examination], wrong: list[str], is_right: Callable[[Examination], bool]
) -> tuple[str, list[Examination]] | None:
    """Why the backward is right all the same, and the examinations by which it is; None if it is not.

    Args:
        examinations: by which it is wrong.
        wrong: the values whose gradients are.
        is_right: whether everything is right.
    """
    first = examinations[0]
    if said := handed_on(first):
        return said, examinations
    for words, subject in (*others(first.subject), *one_entry(first.subject)):
        try:
            found = [Examination(subject, e.inputs, e.seed) for e in examinations]
            if all(map(is_right, found)):
                return words, found
        except Exception:  # whatever a stranger's code may raise without what keeps it from 0
            continue
    if all(is_staircase(e, name) for e in examinations for name in wrong):
        return (
            f"Forward is a staircase in {' and '.join(wrong)}: it rounds, and its derivative is 0 between two steps. The backward is the "
            "slope of the line through the stairs: that is no derivative, and is done on purpose."
        ), examinations
    said = averaged(examinations, wrong) or of_logits(examinations, wrong)
    return (said, examinations) if said else None


def of_logits(examinations: list[Examination], wrong: list[str]) -> str | None:
    """Whether a loss's gradient by a probability is that by what a softmax, or a sigmoid, was given: p − y of a cross-entropy."""
    first = examinations[0]
    if len(wrong) != 1 or np.ndim(first.ran.out) or first.upstreams or len([c for c in first.claims.values() if c.returned]) != 1:
        return None
    for function, axis in (("sigmoid", None), ("softmax", -1), ("softmax", 0)):
        if all(is_of_logits(e, wrong[0], axis) for e in examinations):
            return (
                f"It is the gradient by what a {function} was given that made {wrong[0]}, as p − y is of a cross-entropy: the derivative "
                f"of that {function} is in it, and must not be multiplied once more. By {wrong[0]} itself it is not the derivative."
            )
    return None


def is_of_logits(e: Examination, name: str, axis: int | None) -> bool:
    """Whether the gradient of this value is the true one, gone back through a softmax along that axis, or through a sigmoid (None)."""
    p, g = np.asarray(e.ran.values[name], float), np.asarray(e.claims[name].gradient, float)
    if g.shape != p.shape or not p.size or p.min() <= 0 or p.max() >= 1 or e.is_slow(p.size):
        return False
    true = e.truth(name)
    through = true * (1 - p) * p if axis is None else p * (true - (true * p).sum(axis, keepdims=True))
    return bool(np.isfinite(through).all()) and error(g, through) < LIKE


def straightened(examinations: list[Examination], many: Callable[[list[Examination]], int]) -> list[Examination]:
    """The examinations with every step gone straight through, if fewer lines are then wrong; else as they are.

    If as many are: where a gradient would have to be 0 everywhere, which nobody writes down line by line.

    Args:
        examinations: by which something is wrong.
        many: how many lines are wrong.
    """
    for _, subject in others(examinations[0].subject):
        if subject.through is not None:
            found = [Examination(subject, e.inputs, e.seed) for e in examinations]
            gain = many(examinations) - many(found)
            if gain > 0 or (not gain and any(map(is_flat, examinations))):
                return found
    return examinations


def is_flat(e: Examination) -> bool:
    """Whether a gradient that is wrong would have to be 0 everywhere."""
    return any(not np.any(np.nan_to_num(e.truth(n))) for n in e.wrong if not e.is_slow(np.size(e.ran.values[n])))


def is_staircase(e: Examination, name: str) -> bool:
    """Whether forward does not move at all with a small change of this value, and with a large one as the gradient says."""
    value, g = np.asarray(e.ran.values[name], float), np.asarray(e.claims[name].gradient, float)
    if not value.size or g.shape != value.shape:
        return False
    rng = np.random.default_rng(e.seed)
    size = 100 * float(np.abs(value).max())
    for _ in range(4):
        d = rng.normal(size=value.shape)
        near, *far = (e.moves(name, d, {}, {}, h) for h in (1e-7, 0.03, 0.1, size))
        said = float(np.sum(g * d))
        if any(near) or not said or not min(abs(0.5 * sum(f) - said) for f in far) < FAR * float(np.linalg.norm(g)):
            return False
    return True


def averaged(examinations: list[Examination], wrong: list[str]) -> str | None:
    """Whether a layer's parameters have the mean's 1/m, which the gradient of its input has not."""
    first = examinations[0]
    right = [n for n, c in first.claims.items() if c.returned and n not in wrong]
    if len(wrong) < 2 or not right:
        return None
    for axis in range(2):
        if all(has_mean(e, wrong, right, axis) for e in examinations):
            names = " and ".join(wrong)
            return (
                f"The gradients of {names} are divided by the number of examples, that of {right[0]} is not. So it is right if the "
                "1/m of the loss's mean is left to the parameters, and is in no gradient that comes in. By itself "
                f"{first.subject.pair.forward.name} has no 1/m."
            )
    return None


def has_mean(e: Examination, wrong: list[str], right: list[str], axis: int) -> bool:
    """Whether m times these gradients, m the length of that axis of what forward returns, are right, and no parameter has that axis."""
    shapes = [np.shape(g) for g in e.upstreams.values() if is_array(g)]
    if not shapes or len(shapes[0]) != 2 or not all(np.ndim(e.ran.values[n]) == 2 for n in right):
        return False
    m = shapes[0][axis]
    if m < 2 or not all(np.shape(e.ran.values[n])[axis] == m for n in right) or any(m in np.shape(e.ran.values[n]) for n in wrong):
        return False
    return all(e.miss(n, m) < LIKE for n in wrong)
