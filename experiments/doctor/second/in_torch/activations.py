"""Functions of each number, and the softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.doctor.second.given import Given
from experiments.doctor.second.in_torch.ways import Way, only

ELEMENTWISE: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "elu": F.elu,
    "mish": F.mish,
    "softsign": F.softsign,
}


OTHERS: Mapping[str, Callable[[Tensor], Tensor]] = {
    **ELEMENTWISE,
    "leaky_relu": F.leaky_relu,
    "exp": torch.exp,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "the step": lambda x: (x > 0).to(x),
    "the absolute value": torch.abs,
    "the square": torch.square,
}


ARGUMENTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "x": lambda x: x,
    "−x": lambda x: -x,
    "2x": lambda x: 2 * x,
    "x/2": lambda x: x / 2,
}


def elementwise(name: str) -> Callable[[Given], Iterator[Way]]:
    """A function of each number."""

    def ways(of: Given) -> Iterator[Way]:
        x = only(of)
        yield "", ELEMENTWISE[name](x)
        if name == "gelu":
            yield "(approximate='tanh')", F.gelu(x, approximate="tanh")
        if name in ("elu", "silu", "softplus"):
            for a in of.slopes():
                made = {"elu": F.elu(x, a), "silu": x * torch.sigmoid(a * x), "softplus": F.softplus(x, a)}
                yield f"with {a:g} for its constant", made[name]

    return ways


def elementwise_mistakes(name: str) -> Callable[[Given], Iterator[Way]]:
    """What a function of each number is instead: another one, or the same of something else."""

    def ways(of: Given) -> Iterator[Way]:
        x = only(of)
        for label, argument in ARGUMENTS.items():
            if label != "x" and name in ELEMENTWISE:
                yield f"{name} of {label} in place of x", ELEMENTWISE[name](argument(x))
        for other, φ in OTHERS.items():
            if other != name:
                yield f"{other} of x", φ(x)
        yield "x itself", x * 1.0
        if name == "gelu":
            yield "x σ(1.702 x), an approximation of it that torch does not have", x * torch.sigmoid(1.702 * x)
        if name == "elu":
            yield "eˣ where x is negative: 1 has to be taken away from it", torch.where(x > 0, x, x.exp())
        if name == "leaky_relu":
            yield "relu with the slope on the wrong side", torch.where(x > 0, 0.01 * x, x)

    return ways


def leaky_relu(of: Given) -> Iterator[Way]:
    """With any slope that is given or written."""
    x = only(of)
    yield from ((f"with negative_slope = {a:g}", F.leaky_relu(x, a)) for a in of.slopes() if 0 < a < 1)


def softmax(function: Callable[..., Tensor]) -> Callable[[Given], Iterator[Way]]:
    """Along each axis; the last first."""

    def ways(of: Given) -> Iterator[Way]:
        x = only(of)
        for axis in reversed(range(x.ndim)):
            yes = " (each column by itself: right where the examples are columns; for rows it is dim=1)" if axis == 0 < x.ndim - 1 else ""
            yield f"along dim={axis}{yes}" if x.ndim > 1 else "", function(x, dim=axis)

    return ways


def softmax_mistakes(of: Given) -> Iterator[Way]:
    """What a softmax is instead."""
    x = only(of)
    e = x.exp()
    yield "divided by the sum of all entries, where each row has its own: it is right for one vector, and not for a matrix", e / e.sum()
    yield "divided by nothing: it does not add up to 1", e
    for axis in reversed(range(x.ndim)):
        yield "divided by the mean in place of the sum", e / e.mean(dim=axis, keepdim=True)
        yield "divided by the largest in place of the sum", e / e.amax(dim=axis, keepdim=True)
        yield "computed without the exponential: x divided by its sum", x / x.sum(dim=axis, keepdim=True)
        yield "its logarithm", F.log_softmax(x, dim=axis)
        yield "the softmax of −x", F.softmax(-x, dim=axis)
        yield "computed from sigmoids in place of exponentials", (s := torch.sigmoid(x)) / s.sum(dim=axis, keepdim=True)


def log_softmax_mistakes(of: Given) -> Iterator[Way]:
    """What its logarithm is instead."""
    x = only(of)
    yield "less the logarithm of the sum over all entries, where each row has its own", x - torch.logsumexp(x.reshape(-1), 0)
    for axis in reversed(range(x.ndim)):
        yield "the softmax, without the logarithm", F.softmax(x, dim=axis)
        yield "less the sum of the exponentials, without a logarithm of it", x - x.exp().sum(dim=axis, keepdim=True)
        yield "less the logarithm of the mean of the exponentials", x - x.exp().mean(dim=axis, keepdim=True).log()
