"""The loss that a file means and does not write: its backward begins with a gradient that is the loss's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from experiments.doctor.calls.calling import OUTPUT, Subject
from experiments.doctor.calls.roles import TARGETS, UPSTREAM, optional_arguments
from experiments.doctor.numbers.inputs import choose
from experiments.doctor.numbers.readings import is_right
from experiments.doctor.numbers.shapes import SIZES, Chosen, sizes_for
from experiments.doctor.numbers.trial import misshapen
from experiments.doctor.numbers.uses import is_index
from experiments.doctor.reading.patient import NoLoss, Unreadable
from experiments.doctor.verdict.examine import Examination

OF_LOSSES: Mapping[str, str] = {
    "the mean of what it returns": "def __implied__(out):\n    return np.mean(out)",
    "the sum of what it returns": "def __implied__(out):\n    return np.sum(out)",
}
"""Of a forward that is given the target and returns the loss of each example."""

GRADIENT = re.compile(r"out|grad|upstream|loss", re.IGNORECASE)
"""Called like a gradient, and not like the values that a loss is given again."""

HEAD = "def __implied__(out, target):\n    "
SOFTMAX = "p = np.exp(out - out.max(axis=-1, keepdims=True)); p = p / p.sum(axis=-1, keepdims=True)"
BINARY = "target * np.log(out) + (1 - target) * np.log(1 - out)"
FORMULAS: Mapping[str, str] = {
    "half the sum of (output - y) ** 2": "return 0.5 * np.sum((out - target) ** 2)",
    "half the mean over the rows of the sum of (output - y) ** 2": "return 0.5 * np.sum((out - target) ** 2) / len(out)",
    "the mean of (output - y) ** 2": "return np.mean((out - target) ** 2)",
    "the sum of (output - y) ** 2": "return np.sum((out - target) ** 2)",
    "the cross-entropy of a softmax of the output, summed": f"{SOFTMAX}; return -np.sum(target * np.log(p))",
    "the cross-entropy of the output, summed": "return -np.sum(target * np.log(out))",
    "the cross-entropy of the output, averaged over the rows": "return -np.sum(target * np.log(out)) / len(out)",
    "the binary cross-entropy, summed": f"return -np.sum({BINARY})",
    "the binary cross-entropy, averaged": f"return -np.mean({BINARY})",
}
OF_OUTPUTS: Mapping[str, str] = {words: HEAD + text for words, text in FORMULAS.items()}
"""Of a forward that returns a prediction."""
OF_LABELS: Mapping[str, str] = {
    "the cross-entropy of the output with labels, summed": f"{HEAD}return -np.sum(np.log(out[np.arange(len(target)), target]))",
    "the cross-entropy of the output with labels, averaged": f"{HEAD}return -np.mean(np.log(out[np.arange(len(target)), target]))",
}
"""Likewise, where the target says which entry of it is meant."""


def with_loss(subject: Subject, shapes: Mapping[str, tuple[int, ...]], seed: int) -> tuple[Subject, str]:
    """The subject with a loss by which its backward is right, or else by which most of its lines are; and what is to be said of it.

    Raises:
        NoLoss: if it runs with none.
    """
    found: list[tuple[int, Subject, str]] = []
    for words, other, chosen in readings(subject, shapes):
        try:
            with np.errstate(all="ignore"):
                tried = [Examination(other, chosen.draw(s, seed + i), seed + i) for i, s in enumerate((sizes_for(shapes), SIZES[1]))]
                if all(map(is_right, tried)):
                    return other, f"The file has no loss that could be found: it was taken for {words}."
                if all(e.is_finite for e in tried):
                    found.append((len(tried[0].wrong), other, words))
        except Exception:  # whatever a stranger's code may raise: a logarithm of what is negative
            continue
    if not found:
        raise NoLoss("")
    _, other, words = min(found, key=lambda f: f[0])
    return other, f"The file has no loss that could be found: it was taken for {words}. With --loss another one can be named."


def readings(subject: Subject, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Subject, Chosen]]:
    """(in words, the subject with that loss, shapes with which it runs)."""
    of_losses = takes_target(subject.pair.forward)
    if not of_losses and not takes_target(subject.pair.backward):
        return
    chosen: Chosen | None = None
    both = (subject.pair.forward, subject.pair.backward)
    labels = any(is_index(both, n) for n in subject.pair.parameters(subject.pair.backward) if n.lower() in TARGETS)
    for words, text in (OF_LOSSES if of_losses else OF_LABELS if labels else OF_OUTPUTS).items():
        other = having_loss(subject, text)
        try:
            chosen = chosen or choose(other, shapes, lambda inputs, s=other: misshapen(s, inputs))  # type: ignore[misc]
        except Unreadable:
            return
        yield words, other, chosen


def having_loss(subject: Subject, text: str) -> Subject:
    """The subject with this function in the place of a loss that the file does not have."""
    names = dict(subject.namespace)
    exec(text, {"np": np}, names)
    return replace(subject, namespace=names, loss="__implied__", by_name=False, loss_text=text, compiled={})


def predictions(subject: Subject) -> Iterator[Subject]:
    """Other readings of a loss, whose backward is given the target and, in the place of a gradient, the prediction again."""
    pair = subject.pair
    ours, theirs = pair.parameters(pair.forward), pair.parameters(pair.backward)
    others = [n for n in theirs if n not in ours and n.lower() not in TARGETS]
    first = others[0] if len(others) == 1 and UPSTREAM.match(others[0]) and not GRADIENT.search(others[0]) else None
    if first and takes_target(pair.forward) and takes_target(pair.backward):
        kept = [ast.unparse(t) for n in ast.walk(pair.forward) if isinstance(n, ast.Assign) for t in n.targets]
        values = [n for n in ours if n.lower() not in TARGETS][:1] + [n for n in kept if n.startswith("self.") and OUTPUT.match(n)][-1:]
        for value in values:
            yield replace(subject, pair=replace(pair, given={first: value}), compiled={})


def derivatives(subject: Subject) -> Iterator[tuple[str, Subject]]:
    """(what it is, so read) of a function that is given no gradient: sigmoid_grad(x) is sigmoid's derivative at x, or where it returned x.

    Where each number that forward returns hangs on one of its argument, the derivative is the gradient of their sum.

    Raises:
        Unreadable: if it hangs on several: then the derivative is a matrix for each example.
    """
    pair = subject.pair
    ours, theirs = ([n for n in pair.parameters(f) if n not in optional_arguments(f)] for f in (pair.forward, pair.backward))
    if pair.sure or len(ours) != 1 or len(theirs) != 1 or UPSTREAM.match(theirs[0]):
        return
    if not is_elementwise(subject, ours[0]):
        raise Unreadable(
            f"{pair.backward.name} is given no gradient, and of what {pair.forward.name} returns a number hangs on several of {ours[0]}: "
            "write it so that it is given the gradient of the loss by what forward returned, and returns that by its argument"
        )
    of_sum = having_loss(subject, OF_LOSSES["the sum of what it returns"])
    alone = f"{pair.backward.name} is given no gradient: it is looked at as the derivative of {pair.forward.name} by itself"
    for words, value in ((f"{alone}.", ours[0]), (f"{alone}, written with what {pair.forward.name} has returned.", "out")):
        yield words, replace(of_sum, pair=replace(pair, given={theirs[0]: value}), compiled={})


def is_elementwise(subject: Subject, name: str) -> bool:
    """Whether forward makes of each number of its argument one number, by itself."""
    x = np.linspace(-1.3, 1.7, 6).reshape(2, 3)
    moved = x.copy()
    moved[1, 1] += 0.1
    try:
        with np.errstate(all="ignore"):
            both = [subject.forward({name: v}).out for v in (x, moved)]
    except Exception:  # whatever a stranger's code may raise
        return False
    return all(np.shape(v) == x.shape for v in both) and bool(np.all((both[0] != both[1]) <= (x != moved)))


def takes_target(function: ast.FunctionDef) -> bool:
    """Whether it is given the target."""
    return any(a.arg.lower() in TARGETS for a in function.args.args)
