"""What a wrong gradient is, in a sentence: one is believed only if it holds on two inputs of other sizes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np

from experiments.doctor.mending.needed import Needed
from experiments.doctor.mending.solved import Open
from experiments.doctor.reading.claims import is_array
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.occurrences import left_out
from experiments.judge import operands
from experiments.judge.central import along
from experiments.judge.diagnose import diagnose, like
from experiments.judge.sentences import RIGHT, agreed, sentences


def explained(examinations: list[Examination], name: str) -> str | None:
    """Half a sentence about the gradient of this value: "it is ..."; None if nothing that is known holds on all inputs."""
    if not all(name in e.claims and name in e.ran.values for e in examinations):  # h[10] where there are but 4
        return None
    if any(e.is_slow(np.size(e.ran.values[name])) for e in examinations):
        return agreed(along_directions(e, name) for e in examinations)
    return agreed(said(e, name) for e in examinations)


def along_directions(e: Examination, name: str) -> Iterator[str]:
    """What can be said of a gradient of which only some slopes are looked at: that it is a multiple of the right one."""
    g, rng = np.asarray(e.claims[name].gradient, float), np.random.default_rng(e.seed)
    if g.shape != np.shape(e.ran.values[name]):
        return
    directions = [rng.normal(size=g.shape) for _ in range(4)]
    slopes = [(float(np.sum(g * d)), slope) for d in directions if (slope := e.expected(name, d)) is not None]
    if len(slopes) > 1:
        a, b = (np.array(side) for side in zip(*slopes, strict=True))
        plain = diagnose(a, b)
        if plain and re.match(r"−?(1/)?[24] times|−1 times|0 everywhere", plain):
            yield plain.replace("torch's", RIGHT)


def said(e: Examination, name: str) -> Iterator[str]:
    """Everything that can be said, the plainest first."""
    a, b = np.asarray(e.claims[name].gradient, float), e.truth(name)
    yield from sentences(a, b, *surroundings(e, e.claims[name].label), line_of(e, name), by_ways(e, name, a, b))
    if name in e.unmoved:
        yield whatever(e.upstreams)


def whatever(upstreams: Iterable[str]) -> str:
    """That gradients which come in have no part in it."""
    return f"the same whatever {' and '.join(upstreams)} is: the gradient that comes in is left out of it"


def surroundings(e: Examination, label: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, float]]:
    """What may have been mistaken for what: the values, the gradients but for the one of that label, and sizes by their names."""
    values = {n: np.asarray(v, float) for n, v in e.ran.values.items() if is_array(v)}
    gradients = {c.label: np.asarray(c.gradient, float) for c in e.claims.values() if c.label != label}
    gradients |= {n: g for n, g in e.upstreams.items() if isinstance(g, np.ndarray)}
    sizes = {
        f"the number of {words} of {n}": v.shape[axis]
        for n, v in [(n, v) for n, v in values.items() if v.ndim][:3]
        for axis, words in enumerate(("rows", "columns")[: v.ndim])
    }
    return values, gradients, {**sizes, **shares(e)}


def explained_at(examinations: list[Examination], of: Open) -> str | None:
    """Half a sentence about what a statement computes, where it is known what it ought to; None if it is not, or nothing can be said."""
    if any(needed.right is None for needed in of.needed):
        return None
    return agreed(said_at(e, of.statement, needed) for e, needed in zip(examinations, of.needed, strict=True))


def said_at(e: Examination, statement: ast.stmt, needed: Needed) -> Iterator[str]:
    """Everything that can be said of it, the plainest first."""
    right = np.where(np.isnan(needed.right), needed.value, needed.right)  # type: ignore[arg-type]  # where any number does, it does
    names = [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    values, gradients, sizes = surroundings(e, *names[:1] or ("",))
    yield from sentences(needed.value, right, values, gradients, sizes, ast.unparse(statement))
    yield from operands.diagonal_of_softmax(needed.value, right, values)


def shares(e: Examination) -> dict[str, float]:
    """Numbers between 0 and 1 that forward is given, and what they leave of 1: as a factor they come once or twice."""
    found = {n: float(v) for n, v in e.inputs.items() if np.ndim(v) == 0 and isinstance(v, float) and 0 < v < 1}
    return {**found, **{f"1 − {n}": 1 - p for n, p in found.items()}}


def by_ways(e: Examination, name: str, a: np.ndarray, b: np.ndarray) -> Iterator[str]:
    """What can be said by the ways from the value to the loss. They are walked only if nothing plainer holds."""
    by_path, own = contributions(e, name)
    own = own if np.any(own) else own_through_output(e, name)
    yield from operands.diagonal(a, b, own)
    yield from operands.paths(a, by_path)
    yield from left_out(e, name)


def forgotten(examinations: list[Examination], name: str) -> str | None:
    """Half a sentence about a line that is right but for a step of the forward which the backward leaves out; None if it is not so."""
    if any(name not in e.ran.values or e.is_slow(np.size(e.ran.values[name])) for e in examinations):
        return None
    return agreed(forgotten_step(e, name, e.truth(name)) for e in examinations)


def forgotten_step(e: Examination, name: str, b: np.ndarray) -> Iterator[str]:
    """Whether the line is right but for the gradient that it begins with: that of what forward returns, where one further back belongs.

    The value further back has no gradient of its own in the backward, whose line would be the wrong one.
    """
    try:
        (statement,) = ast.parse(line_of(e, name)).body
    except (SyntaxError, ValueError):
        return
    if not isinstance(statement, ast.Assign):
        return
    line = compile(ast.Expression(statement.value), "<a line>", "eval")
    read = {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
    made = {n: v for n, v in e.ran.values.items() if n not in e.inputs and n not in e.claims and is_array(v)}
    for up in read & set(e.upstreams):
        for value in [n for n, v in made.items() if np.shape(v) == np.shape(e.upstreams[up]) and not e.is_slow(np.size(v))]:
            right = np.nan_to_num(e.whole(value))  # 0 at a kink
            try:
                found = eval(line, {**e.subject.namespace, **e.locals, up: right})
            except Exception:  # a stranger's line, with other numbers
                continue
            if like(np.asarray(found, float), b):
                yield f"computed with {up}, and needs the gradient of {value} in its place: what forward makes of {value} is left out"


def line_of(e: Examination, name: str) -> str:
    """The statement that computes this gradient."""
    line = e.claims[name].line
    return next(
        (
            ast.unparse(n)
            for n in ast.walk(e.subject.pair.backward)
            if isinstance(n, ast.Assign | ast.AugAssign | ast.Return | ast.Expr) and n.lineno == line
        ),
        "",
    )


def own_through_output(e: Examination, name: str) -> np.ndarray:
    """What each entry of a value does through the entry of the same place of what forward returns."""
    shape = np.shape(e.ran.values[name])
    own = np.zeros(shape)
    for up, g in e.upstreams.items():
        if np.shape(g) == shape and shape:
            for index in np.ndindex(shape):
                d = np.zeros(shape)
                d[index] = 1.0
                moved = partial(output, e, name, e.outputs[up])
                own[index] += g[index] * along(moved, (np.zeros(shape),), (d,))[index]
    return own


def output(e: Examination, name: str, part: int, by: np.ndarray) -> np.ndarray:
    """What forward returns there when one value is moved."""
    return np.asarray(e.subject.forward(e.inputs, name, by).parts[part], float)


def contributions(e: Examination, name: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The right gradient, by the ways in which a small change of the value reaches the loss; and what each entry does through its own."""
    held = {u: v for u, v in e.held.items() if u != name}
    shape = np.shape(e.ran.values[name])
    found, own = {"the loss itself": np.zeros(shape)}, np.zeros(shape)
    for index in np.ndindex(shape):
        d = np.zeros(shape)
        d[index] = 1.0
        total, changes = e.direct(name, d if shape else 1.0, held)
        found["the loss itself"][index] = total
        for u, change in changes.items():
            g = e.claims[u].gradient
            if np.shape(g) == np.shape(change):
                found.setdefault(e.claims[u].value, np.zeros(shape))[index] = float(np.sum(g * change))
                own[index] += g[index] * change[index] if np.shape(g) == shape and shape else 0.0
    return found, own
