"""Losses: the mean, the sum, or each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.doctor.second.given import Given
from experiments.doctor.second.in_torch.ways import Way, attempt, two


def loss(function: Callable[..., Tensor]) -> Callable[[Given], Iterator[Way]]:
    """A loss that compares number by number: the mean, the sum, or each by itself."""

    def ways(of: Given) -> Iterator[Way]:
        p, y = two(of)
        if p.shape != y.shape:
            of.missing()
        for reduction in ("mean", "sum", "none"):
            how = "" if reduction == "mean" else f"(reduction='{reduction}')"
            found = attempt(function, p, y.to(p).detach(), reduction=reduction)
            if found is not None:
                yield how, found
                if function is F.mse_loss:
                    yield f"{how} up to the factor 1/2 that many put before it".strip(), found / 2
                if reduction == "none" and p.ndim > 1:
                    yield "summed over each example, and averaged over the examples", found.sum() / len(p)

    return ways


def mse_mistakes(of: Given) -> Iterator[Way]:
    """What it is instead."""
    p, y = two(of)
    yield "without the square: differences cancel", (p - y).mean()
    yield "without the square: differences cancel", (y - p).mean()
    yield "the absolute difference, without a square", (p - y).abs().mean()
    yield "the root of it", F.mse_loss(p, y.to(p)).sqrt()
    yield "the square of the mean difference", (p - y).mean() ** 2
    yield "the sum of the two squares, not the square of the difference", (p**2 + y**2).mean()


def bce(of: Given) -> Iterator[Way]:
    """Of probabilities or of logits."""
    p, y = two(of)
    if p.shape != y.shape:
        of.missing()
    if p.min() > 0 and p.max() < 1:
        yield from loss(F.binary_cross_entropy)(of)
    for how, found in loss(F.binary_cross_entropy_with_logits)(of):
        yield f"_with_logits{how}", found


REDUCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "": torch.mean,
    " (and summed, not averaged)": torch.sum,
    " (and summed over each example)": lambda t: t.sum() / len(t),
}


def bce_mistakes(of: Given) -> Iterator[Way]:
    """With one term missing, or one sign."""
    x, t = two(of)
    y = t.to(x)
    for p in [x] * bool(x.min() > 0 and x.max() < 1) + [torch.sigmoid(x)]:
        hit, miss = y * p.log(), (1 - y) * (1 - p).log()
        for how, reduce in REDUCTIONS.items():
            yield f"without the second term, (1 − y) log(1 − p){how}", -reduce(hit)
            yield f"without the first term, y log p{how}", -reduce(miss)
            yield f"the difference of its two terms, where they are added{how}", -reduce(hit - miss)
            yield f"without the minus sign{how}", reduce(hit + miss)


def cross_entropy(of: Given) -> Iterator[Way]:
    """Of logits, of probabilities or of their logarithms; with labels or with one row of 0 and 1 for each; classes in either axis."""
    for how, _, logp, y in predictions(of):
        each = -(y * logp).sum(dim=-1)
        yield how, each.mean()
        yield f"(reduction='sum'){how and ' ' + how}", each.sum()
        yield f"(reduction='none'){how and ' ' + how}", each


def predictions(of: Given) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
    """(how, what is given, the logarithms of the probabilities, the targets), the classes in the last axis of all."""
    x, t = two(of)
    for axis in (-1, 0) if x.ndim > 1 else (-1,):
        scores = x.movedim(axis, -1)
        y = t.movedim(axis, -1).to(x) if t.shape == x.shape else None
        if y is None and t.dtype in (torch.int64, torch.int32) and t.shape == scores.shape[:-1] and int(t.max()) < scores.shape[-1]:
            y = F.one_hot(t.long(), scores.shape[-1]).to(x)
        if y is None:
            continue
        columns = "with the classes in the first axis" if axis == 0 else ""
        yield columns, scores, F.log_softmax(scores, dim=-1), y
        if scores.min() > 0:
            yield f"of the logarithm of what it is given, which are probabilities {columns}".strip(), scores, scores.log(), y
        if scores.max() < 0:
            yield f"of what it is given, the logarithms of probabilities {columns}".strip(), scores, scores, y


def cross_entropy_mistakes(of: Given) -> Iterator[Way]:
    """With the softmax over the wrong axis, a mean over too much, a missing sign."""
    x, _ = two(of)
    for _, scores, logp, y in predictions(of):
        yield "averaged over all entries, where the sum over the classes is averaged over the examples", -(y * logp).mean()
        yield "without the minus sign", (y * logp).sum(dim=-1).mean()
        yield "without the minus sign, and summed", (y * logp).sum()
        yield "without the logarithm", -(y * logp.exp()).sum(dim=-1).mean()
        if x.ndim > 1:
            wrong = F.log_softmax(scores, dim=0)
            for how, each in (("", -(y * wrong).sum(dim=-1).mean()), (", and summed", -(y * wrong).sum())):
                yield f"computed with the softmax along the examples, where it belongs along the classes{how}", each
            everything = scores - torch.logsumexp(scores.reshape(-1), 0)
            for how, each in (("", -(y * everything).sum(dim=-1).mean()), (", and summed", -(y * everything).sum())):
                yield f"computed with a softmax over all entries, where each example has its own{how}", each
