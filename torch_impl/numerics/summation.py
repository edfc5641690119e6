"""Summation: the order of a sum, differences of nearly equal numbers, and prices that are learned from sums, in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.numerics.rounding import DTYPES


def sum_naive(x: Tensor, format: str) -> Tensor:
    """Term by term, in arithmetic of this format."""
    terms = x.to(DTYPES[format])
    s = terms.new_zeros(terms.shape[1:])
    for term in terms:
        s = s + term
    return s.to(x.dtype)


def sum_pairwise(x: Tensor, format: str) -> Tensor:
    """In pairs, and the pairs in pairs."""
    terms = x.to(DTYPES[format])
    while len(terms) > 1:
        terms = torch.cat([terms, torch.zeros_like(terms[: len(terms) % 2])])
        terms = terms[0::2] + terms[1::2]
    return terms.sum(dim=0).to(x.dtype)


def sum_kahan(x: Tensor, format: str) -> Tensor:
    """Term by term, with what was lost put into the next."""
    terms = x.to(DTYPES[format])
    s = c = terms.new_zeros(terms.shape[1:])
    for term in terms:
        y = term - c
        t = s + y
        c = (t - s) - y
        s = t
    return s.to(x.dtype)


METHODS = {"naive": sum_naive, "pairwise": sum_pairwise, "kahan": sum_kahan}


class Summation(Concept):
    """The prices of a shop, learned from receipts of which only the total is known.

    Args:
        kinds: how many kinds of things there are.
        method: "naive", "pairwise" or "kahan".
        format: what the partial sums are rounded to: "bfloat16", "float16", "float32", "float8_e5m2", or "float64", which rounds nothing.
        lr: the step size. A power of two makes lr · gradient exact, so that both sides' prices are equal to the last bit.
        momentum: how much of the last step is kept.

    Shapes: x (N, T) integers 0 to kinds − 1, y (N,), price (kinds,).
    """

    def __init__(self, kinds: int = 6, method: str = "pairwise", format: str = "bfloat16", lr: float = 2.0, momentum: float = 0.5) -> None:
        super().__init__()
        for name, value, choices in (("method", method, METHODS), ("format", format, DTYPES)):
            if value not in choices:
                raise ValueError(f"Summation: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
        if kinds < 1:
            raise ValueError(f"Summation: kinds must be at least 1, got {kinds}")
        self.save_hyperparameters()
        self.method, self.format, self.lr, self.momentum = method, format, lr, momentum
        self.price = nn.Parameter(torch.ones(kinds))

    def forward(self, x: Tensor) -> Tensor:
        """The total of each receipt, (N,), in float64."""
        return METHODS[self.method](self.price.double()[x].T, self.format)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = (((self(x) - y) / x.shape[1]) ** 2).mean().to(self.price.dtype)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", (((self(x) - y) / x.shape[1]) ** 2).mean(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: differences of nearly equal numbers ----------------------------------------------


def variance_cancelling(x: Tensor) -> Tensor:
    """Mean of the squares, less the square of the mean."""
    return (x * x).mean() - x.mean() ** 2


def variance(x: Tensor) -> Tensor:
    """Mean of the squared distances to the mean."""
    return x.var(correction=0)


def smaller_root_cancelling(b: Tensor, c: Tensor) -> Tensor:
    """(b − √(b² − 4c))/2."""
    return (b - torch.sqrt(b * b - 4 * c)) / 2


def smaller_root(b: Tensor, c: Tensor) -> Tensor:
    """2c / (b + √(b² − 4c))."""
    return 2 * c / (b + torch.sqrt(b * b - 4 * c))
