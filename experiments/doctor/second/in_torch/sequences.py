"""Attention, similarity, and the cells of recurrent networks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.doctor.second.given import BIASES, CELLS, STATES, Given
from experiments.doctor.second.in_torch.ways import Way, attempt

QKV = {"q": ("query", "queries", "qs"), "k": ("key", "keys", "ks"), "v": ("value", "values", "vs")}
"""What queries, keys and values are called."""


def qkv(of: Given) -> tuple[Tensor, Tensor, Tensor, list[tuple[str, Any]]]:
    """Queries, keys and values, and the masks there may be.

    Raises:
        LookupError: if they are not called so.
    """
    by = {k: next((t for n, t in of.of.items() if n.lower() in (k, *words)), None) for k, words in QKV.items()}
    masks: list[tuple[str, Any]] = [("", {}), ("with is_causal=True", {"is_causal": True})]
    mask = next((t for n, t in {**of.of, **of.whole}.items() if "mask" in n), None)
    if mask is not None:
        masks += [("with its mask", {"attn_mask": mask.bool()}), ("with its mask", {"attn_mask": mask.to(torch.float64)})]
    if any(t is None for t in by.values()) or len(of.of) + len(of.whole) != 3 + (mask is not None):
        of.missing()
    return by["q"], by["k"], by["v"], masks  # type: ignore[return-value]


def attention(of: Given) -> Iterator[Way]:
    """Of all queries to all keys, or to those before."""
    q, k, v, masks = qkv(of)
    for how, mask in masks:
        out = attempt(F.scaled_dot_product_attention, q, k, v, **mask)
        if out is not None:
            yield how, out


def attention_mistakes(of: Given) -> Iterator[Way]:
    """Not divided by √d, or by d; the softmax along the queries."""
    q, k, v, masks = qkv(of)
    d = q.shape[-1]
    for how, mask in masks:
        for what, scale in (("not divided by √d", 1.0), ("divided by d in place of √d", 1 / d), ("multiplied by √d", d**0.5)):
            out = attempt(F.scaled_dot_product_attention, q, k, v, scale=scale, **mask)
            if out is not None:
                yield f"computed with scores that are {what} {how}".strip(), out
    for s, what in ((d**-0.5, ""), (1.0, ", and scores that are not divided by √d")):
        scores = s * (q @ k.transpose(-1, -2))
        for axis, words in ((-2, "along the queries, where it belongs along the keys"), (0, "along the first axis")):
            out = attempt(torch.matmul, F.softmax(scores, dim=axis), v)
            if out is not None:
                yield f"computed with the softmax {words}{what}", out
    yield "computed without a softmax", d**-0.5 * (q @ k.transpose(-1, -2)) @ v


def cosine(of: Given) -> Iterator[Way]:
    """Of rows, or of two vectors."""
    a, b = list(of.of.values())[:2]
    if len(of.of) != 2:
        of.missing()
    if a.ndim == 2:
        yield "of all pairs of rows", F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T
    for axis in reversed(range(a.ndim)):
        out = attempt(F.cosine_similarity, a, b, dim=axis)
        if out is not None:
            yield f"along dim={axis}" if a.ndim > 1 else "", out
            yield f"along dim={axis}, averaged", out.mean()


def cosine_mistakes(of: Given) -> Iterator[Way]:
    """Not divided by the lengths."""
    a, b = list(of.of.values())[:2]
    for axis in reversed(range(a.ndim)):
        dot = attempt((a * b).sum, dim=axis)
        if dot is not None:
            yield "the inner product, not divided by the lengths", dot
            yield "divided by the squares of the lengths", dot / (a.square().sum(dim=axis) * b.square().sum(dim=axis))
            yield "divided by one length alone", dot / a.norm(dim=axis)
            yield "divided by one length alone", dot / b.norm(dim=axis)
            yield "1 minus it, the distance", 1 - dot / (a.norm(dim=axis) * b.norm(dim=axis))


def cell(of: Given) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor, Tensor | None]:
    """x, h, c, W_x, W_h and b of a recurrent cell that has one matrix for each.

    Raises:
        LookupError: if there are other arrays.
    """
    h = of.named(STATES)
    c = of.named(CELLS, h or "")
    x = next((n for n in of.of if n not in (h, c) and n.lower() in ("x", "x_t", "xt", "inputs", "input", "inp")), None)
    left = [n for n in of.of if n not in (x, h, c)]
    matrices = [n for n in left if of.of[n].ndim == 2 and n.lower().startswith(("w", "u", "v"))]
    b = [n for n in left if n not in matrices and BIASES.fullmatch(n.lower())]
    if h is None or x is None or len(matrices) != 2 or len(left) != 2 + len(b) or len(b) > 1:
        of.missing()
    first, second = (of.of[n] for n in matrices)
    return of.of[str(x)], of.of[str(h)], of.of[c] if c else None, first, second, of.of[b[0]] if b else None


def preactivations(of: Given) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """What comes of x and of h, the state before, and the cell before.

    Raises:
        LookupError: if the shapes do not fit.
    """
    x, h, c, first, second, b = cell(of)
    for Wx, Wh in ((first, second), (second, first), (first.T, second.T), (second.T, first.T)):
        of_x, of_h = attempt(torch.matmul, x, Wx), attempt(torch.matmul, h, Wh)
        if of_x is not None and of_h is not None and of_x.shape == of_h.shape:
            return of_x + (b if b is not None else 0.0), of_h, h, c
    of.missing()
    raise AssertionError


def rnn_cell(of: Given) -> Iterator[Way]:
    """tanh, or relu."""
    of_x, of_h, *_ = preactivations(of)
    yield "", torch.tanh(of_x + of_h)
    yield "(nonlinearity='relu')", F.relu(of_x + of_h)


def rnn_cell_mistakes(of: Given) -> Iterator[Way]:
    """Without an activation, without the state, without the bias."""
    of_x, of_h, *_ = preactivations(of)
    yield "computed without an activation", of_x + of_h
    yield "computed with the sigmoid in place of tanh", torch.sigmoid(of_x + of_h)
    yield "computed without the state before", torch.tanh(of_x)
    yield "tanh of the difference of its two terms", torch.tanh(of_x - of_h)
    yield "the sum of the tanh of each, not the tanh of the sum", torch.tanh(of_x) + torch.tanh(of_h)


def lstm_cell(of: Given, mistakes: bool = False) -> Iterator[Way]:
    """With the four gates in any order."""
    of_x, of_h, _, c = preactivations(of)
    if c is None:
        of.missing()
    for order in permutations("ifgo"):
        blocks = (of_x + of_h).chunk(4, dim=-1)
        a = dict(zip(order, blocks, strict=True))
        i, f, o, g = *(torch.sigmoid(a[n]) for n in "ifo"), torch.tanh(a["g"])
        new = f * c + i * g
        said = f"with the gates in the order {', '.join(order)}"
        if not mistakes:
            yield said, (o * torch.tanh(new), new)
            continue
        linear, squashed = f * c + i * a["g"], f * c + i * torch.sigmoid(a["g"])
        yield "computed without the tanh of the new cell", (o * new, new)
        yield "computed without the tanh of the candidate", (o * torch.tanh(linear), linear)
        yield "computed with the sigmoid of the candidate, where tanh belongs", (o * torch.tanh(squashed), squashed)
        yield "computed with the tanh of the cell before, where the new one belongs", (o * torch.tanh(c), new)
        yield "computed without the gate to forget", (o * torch.tanh(c + i * g), c + i * g)
        yield "computed without the gate of what comes in", (o * torch.tanh(f * c + g), f * c + g)


def gru_cell(of: Given) -> Iterator[Way]:
    """With the three gates in any order; z as torch has it, or 1 − z; r before the product or after it."""
    of_x, of_h, h, _ = preactivations(of)
    for order in permutations("rzn"):
        X, R = (dict(zip(order, t.chunk(3, dim=-1), strict=True)) for t in (of_x, of_h))
        r, z = torch.sigmoid(X["r"] + R["r"]), torch.sigmoid(X["z"] + R["z"])
        n = torch.tanh(X["n"] + r * R["n"])
        said = f"with the gates in the order {', '.join(order)}"
        yield said, (1 - z) * n + z * h
        yield f"{said}, and 1 − z for torch's z", z * n + (1 - z) * h
