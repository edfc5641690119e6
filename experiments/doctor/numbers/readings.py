"""Other ways to read code that says no shapes: what is wrong for several outputs may be right for one, and meant so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.doctor.calls.building import ARGUMENT
from experiments.doctor.calls.calling import Subject
from experiments.doctor.calls.roles import is_layer
from experiments.doctor.numbers.shapes import SIZES, Chosen, short_name
from experiments.doctor.reading.counterparts import is_loss
from experiments.doctor.verdict.examine import Examination
from experiments.judge.diagnose import diagnose

RIGHT = 1e-6
"""What a gradient may differ by from central differences of forward."""


ONE_COLUMN = "with one column"


def readings(chosen: Chosen, is_layer: bool = False, is_binary: bool = False) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(in words, two sets of numbers): with one output; with parameters that are numbers, and one feature.

    Args:
        chosen: the shapes.
        is_layer: whether it is a layer, which is given a gradient: made with any number of outputs if its constructor asks for it.
        is_binary: whether it is a loss of yes and no, whose arguments have one column, or none, more often than several.
    """
    if is_binary and len({shape for _, shape in chosen.of.values() if len(shape) == 2}) == 1:
        one = {n: (k, ("N", 1) if len(shape) == 2 else shape) for n, (k, shape) in chosen.of.items()}
        yield ONE_COLUMN, [Chosen(one).draw(sizes, seed) for seed, sizes in enumerate(SIZES)]
    matrices = [shape for name, (_, shape) in chosen.of.items() if len(shape) == 2 and short_name(name) not in DATA]
    letters = {letter for shape in matrices for letter in shape if sum(letter in other for other in matrices) == 1}  # of one alone: outputs
    taken = {letter for _, shape in chosen.of.values() for letter in shape if len(shape) == 4}  # one filter hides what many would show
    taken |= {"N", "T", *(letter for name, (_, shape) in chosen.of.items() if short_name(name) == "x" for letter in shape)}
    taken |= {letter for _, shape in chosen.of.values() for letter in shape if repeated(str(letter), shape)}
    taken |= {letter for name, (_, shape) in chosen.of.items() if "hid" in name.lower() for letter in shape}  # no output is hidden
    taken |= {letter for n, (_, shape) in chosen.of.items() if is_layer and n.startswith(ARGUMENT) for letter in shape}
    for letter in sorted(map(str, letters - taken - {1}), key="OHD".find):
        yield "with one output", [chosen.draw({**sizes, letter: 1}, seed) for seed, sizes in enumerate(SIZES)]
    vectors = {n for n, (kind, shape) in chosen.of.items() if kind == "normal" and len(shape) == 1}
    if vectors:
        of = {n: (k, (*shape, 1) if n in vectors else shape) for n, (k, shape) in chosen.of.items()}
        yield "with columns of shape (n, 1) in the place of vectors", [Chosen(of).draw(sizes, seed) for seed, sizes in enumerate(SIZES)]
    data = {n for n in chosen.of if short_name(n) in DATA}
    for shape in (("N", 1), ("N",)) if data and any(k[0] == "normal" for n, k in chosen.of.items() if n not in data) else ():
        of = {
            n: (k[0] if k[0] == "binary" else "normal", shape if short_name(n) in DATA else ())
            if k[0] == "normal" or short_name(n) in DATA
            else k
            for n, k in chosen.of.items()
        }
        yield "with parameters that are numbers", [Chosen(of).draw(sizes, seed) for seed, sizes in enumerate(SIZES)]


def repeated(letter: str, shape: Sequence[str | int]) -> bool:
    """Whether a size stands twice in the shape of one array, as H in H × H and in H × 4H: the state of a recurrent layer is no single
    output, and with one unit a matrix that is not transposed would pass."""
    return sum(letter in str(axis) for axis in shape) > 1


DATA = ("x", "y", "t", "target", "targets")


def charitable(subject: Subject, chosen: Chosen, shapes: Mapping[str, Any], seed: int) -> tuple[str, list[Examination]] | None:
    """A reading of the code by which everything is right, and no gradient is 0 everywhere; None if there is none.

    Args:
        subject: the pair.
        chosen: the shapes by which something is wrong.
        shapes: those that were given: then nothing is left to be read.
        seed: of the numbers.
    """
    read = ((words, found) for words, found in examined(subject, chosen, shapes, seed) if not found[0].ran.is_single)
    return next(((words, found) for words, found in read if all(map(is_right, found))), None)


def plainer(subject: Subject, chosen: Chosen, shapes: Mapping[str, Any], seed: int, than: list[Examination]) -> list[Examination] | None:
    """A reading by which the first fault is a factor with a plain name (2, 1/2), if it is none by the first one; None without one.

    Of a loss of yes and no that with one column, if fewer lines are wrong there.
    """
    if is_binary(subject.pair.forward):
        read = (found for words, found in examined(subject, chosen, shapes, seed) if words == ONE_COLUMN)
        return next((found for found in read if 0 < len(found[0].wrong) < len(than[0].wrong)), None)
    if has_plain_factor(than[0]):
        return None
    return next((found for _, found in examined(subject, chosen, shapes, seed) if has_plain_factor(found[0])), None)


def has_plain_factor(e: Examination) -> bool:
    """Whether the first gradient that is wrong is 2, 1/2 or −1 times the right one."""
    name = next(iter(e.wrong), None)
    if name is None:
        return False
    return bool(re.match(r"−?(1/)?[124] times", diagnose(np.asarray(e.claims[name].gradient, float), e.truth(name)) or ""))


def examined(subject: Subject, chosen: Chosen, shapes: Mapping[str, Any], seed: int) -> Iterator[tuple[str, list[Examination]]]:
    """Every reading with which it runs; none where the shapes are known."""
    for words, inputs in (
        readings(chosen, is_layer(subject.pair), is_binary(subject.pair.forward)) if not (shapes or chosen.numbers) else ()
    ):
        try:
            with np.errstate(all="ignore"):
                found = [Examination(subject, numbers, seed + i) for i, numbers in enumerate(inputs)]
                all(map(is_right, found))
        except Exception:  # whatever a stranger's code may raise with a shape that does not fit
            continue
        yield words, found


BINARY = re.compile(r"log\(1(\.0?)? - |log1p\(np\.exp|logaddexp\(0")
"""A logarithm of 1 - p, or of 1 + exp(z)."""


def is_binary(forward: ast.FunctionDef) -> bool:
    """Whether a loss is that of yes and no by its formula."""
    return is_loss(forward.name) and BINARY.search(ast.unparse(forward)) is not None


def is_right(e: Examination) -> bool:
    """Whether all that it returns is right, and says something."""
    names = [n for n, c in e.claims.items() if c.returned] or list(e.claims)
    right = bool(names) and all(np.abs(e.claims[n].gradient).max(initial=0) > 1e-9 and e.miss(n) < RIGHT for n in names)
    return right and not e.unseen
