"""Layers: affine, normalisation, a table that is looked up in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.doctor.second.given import SCALES, SHIFTS, Given
from experiments.doctor.second.in_torch.ways import Way, attempt, layer, shaped


def linear(of: Given) -> Iterator[Way]:
    """W of in × out, or of out × in; the examples in rows or in columns; with a bias or without."""
    x, W, b = layer(of)
    rows = x.reshape(len(x), -1) if x.ndim > 2 and W.shape[-1 if W.shape[-1] == x[0].numel() else 0] == x[0].numel() else x
    yes = [("x @ W", lambda: rows @ W), ("x @ W.T", lambda: rows @ W.T), ("W @ x", lambda: W @ x), ("W.T @ x", lambda: W.T @ x)]
    for label, times in yes:
        out = attempt(times)
        if out is not None:
            how, out = (f"({label} + b)", out + shaped(b, out)) if b is not None else (f"({label})", out)
            yield how, out
            yield from ((f"{how}, followed by {name}", φ(out)) for name, φ in FOLLOWING.items())


FOLLOWING: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: F.softmax(x, dim=-1),
}
"""What many a layer has within it."""


def linear_mistakes(of: Given) -> Iterator[Way]:
    """What a layer is instead."""
    x, W, b = layer(of)
    for times in (lambda: x @ W, lambda: x @ W.T, lambda: W @ x, lambda: W.T @ x):
        out = attempt(times)
        if out is not None and b is not None:
            yield "computed without the bias", out
            yield "computed with the bias taken away, where it is added", out - shaped(b, out)
            yield "computed with the bias as a factor, where it is added", out * shaped(b, out)


def scaled(of: Given, out: Tensor, axis: int) -> Tensor:
    """A normalised array, times γ and plus β where they are given; each has the length of that axis.

    Raises:
        LookupError: if something else is given.
    """
    g = of.named(SCALES)
    b = of.named(SHIFTS, g or "")
    if len(of.of) != 1 + (g is not None) + (b is not None):
        of.missing()
    form = [1] * out.ndim
    form[axis] = -1
    out = out * of.of[g].reshape(form) if g else out
    return out + of.of[b].reshape(form) if b else out


def centred(x: Tensor, axes: tuple[int, ...], eps: float, ddof: int = 0, inside: bool = True, root: bool = True) -> Tensor:
    """(x − its mean) over its standard deviation."""
    variance = x.var(dim=axes, correction=ddof, keepdim=True)
    below = (variance + eps).sqrt() if inside and root else variance.sqrt() + eps if root else variance + eps
    return (x - x.mean(dim=axes, keepdim=True)) / below


def norm_axes(of: Given, name: str) -> Iterator[tuple[str, Tensor, tuple[int, ...], int]]:
    """(how, x, the axes that are averaged over, the axis of γ)."""
    x = next(t for n, t in of.of.items() if t.ndim > 1)
    if name == "batch_norm":
        yield "", x, (0, *range(2, x.ndim)), 1
        yield "with the channels in the last axis", x, tuple(range(x.ndim - 1)), x.ndim - 1
        yield "with the examples in columns", x, tuple(range(1, x.ndim)), 0
    else:
        yield "", x, (x.ndim - 1,), x.ndim - 1
        yield "with the examples in columns", x, (0,), 0


def norm(name: str) -> Callable[[Given], Iterator[Way]]:
    """Along the axes of one example, or along the examples; with any ε that is written."""

    def ways(of: Given) -> Iterator[Way]:
        for how, x, axes, axis in norm_axes(of, name):
            for eps in of.epsilons():
                out = x / (x.square().mean(dim=axes, keepdim=True) + eps).sqrt() if name == "rms_norm" else centred(x, axes, eps)
                found = attempt(scaled, of, out, axis)
                if found is not None:
                    yield f"{how} with eps = {eps:g}".strip(), found

    return ways


def norm_mistakes(name: str) -> Callable[[Given], Iterator[Way]]:
    """What a normalisation is instead."""

    def ways(of: Given) -> Iterator[Way]:
        for _, x, axes, axis in norm_axes(of, name):
            over = [tuple(range(1, x.ndim)), (0,)]
            for eps in of.epsilons():
                made = {
                    "divided by n − 1 within the variance (ddof=1), where torch divides by n": centred(x, axes, eps, ddof=1),
                    "divided by the variance in place of its root, the standard deviation": centred(x, axes, eps, root=False),
                    "computed with ε added to the standard deviation, and not under the root": centred(x, axes, eps, inside=False),
                    "computed without taking the mean away": x / (x.var(dim=axes, correction=0, keepdim=True) + eps).sqrt(),
                    "centred and not divided by the standard deviation": x - x.mean(dim=axes, keepdim=True),
                    "normalised along the other axis": centred(x, over[axes[0] != 0], eps),
                    "normalised over all entries together": centred(x, tuple(range(x.ndim)), eps),
                }
                if name != "rms_norm":
                    made["the root mean square norm, which takes no mean away"] = x / (x.square().mean(dim=axes, keepdim=True) + eps).sqrt()
                for what, out in made.items():
                    found = attempt(scaled, of, out, axis)
                    if found is not None:
                        yield what, found
                yield "without γ and β", centred(x, axes, eps)

    return ways


def embedding(of: Given) -> Iterator[Way]:
    """The rows of a table."""
    if len(of.of) != 1 or len(of.whole) != 1:
        of.missing()
    (table,), (index,) = of.of.values(), of.whole.values()
    yield "", F.embedding(index.long(), table)


def embedding_mistakes(of: Given) -> Iterator[Way]:
    """Its columns."""
    (table,), (index,) = of.of.values(), of.whole.values()
    found = attempt(lambda: table[:, index.long()])
    if found is not None:
        yield "the columns of the table, not its rows", found
