"""What a wrong gradient is, in a sentence: one is believed only if it holds on two inputs of other sizes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import numpy as np

from experiments.doctor.claims import is_array
from experiments.doctor.examine import Examination
from experiments.judge import operands
from experiments.judge.diagnose import diagnose, like

RIGHT = "the right one"


def explained(examinations: list[Examination], name: str) -> str | None:
    """Half a sentence about the gradient of this value: "it is ..."; None if nothing that is known holds on all inputs."""
    found: list[dict[str, str]] = [{without_sizes(s): s for s in sentences(e, name)} for e in examinations]
    return next((said for key, said in found[0].items() if all(key in other for other in found[1:])), None)


def without_sizes(sentence: str) -> str:
    """The sentence without numbers that depend on the sizes of the input, to be compared with that of another input."""
    return re.sub(r"= [\d.]+|(?<=\()\d+[^)]*|\d+ of \d+|\d*\.\d+(e-?\d+)?(?!\d| times)|\(\d[\d, ]*\)", "#", sentence)


def sentences(examination: Examination, name: str) -> Iterator[str]:
    """Everything that can be said, the plainest first."""
    e = examination
    a, b = np.asarray(e.claims[name].gradient, float), e.truth(name)
    values = {n: np.asarray(v, float) for n, v in e.ran.values.items() if is_array(v)}
    gradients = {c.label: np.asarray(c.gradient, float) for n, c in e.claims.items() if n != name}
    if isinstance(e.upstream, np.ndarray):
        gradients |= {n: e.upstream for n in e.subject.pair.parameters(e.subject.pair.backward) if e.subject.kind(n, e.ran) == "upstream"}
    sizes = {
        f"the number of {words} of {n}": v.shape[axis]
        for n, v in [(n, v) for n, v in values.items() if v.ndim][:3]
        for axis, words in enumerate(("rows", "columns")[: v.ndim])
    }
    plain = diagnose(a, b, None, sizes)
    if plain and not re.match(r"right in|0 in places|of shape", plain):
        yield plain.replace("torch's", RIGHT)
    by_path, own = contributions(e, name)
    yield from operands.sums(a, b, gradients)
    yield from operands.diagonal(a, b, own)
    yield from operands.paths(a, by_path)
    yield from operands.factors(a, b, values, line_of(e, name))
    yield from (f"a copy of {label}" for label, g in gradients.items() if g.shape == a.shape and like(a, g))
    yield from operands.products(a, b, values, gradients)
    yield from operands.added(a, b, values)
    if plain:
        yield plain.replace("torch's", RIGHT)


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
