"""Rounding: a computer's numbers have few digits, and a step that is too small does nothing, in torch.

Every rounding is a real cast, `x.to(torch.float16)`; autograd casts the gradient on its way back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float8_e5m2": torch.float8_e5m2,
}


def spacing(x: Tensor, format: str) -> Tensor:
    """From |x| to the next number further out."""
    info = torch.finfo(DTYPES[format])
    x = round_to(x, format).abs()
    _, e = torch.frexp(x)
    unit = (torch.ldexp(torch.full_like(x, info.eps), e - 1) * (x > 0)).clamp(min=info.smallest_normal * info.eps)
    return torch.where(x.isfinite(), unit, torch.nan)


def round_to(x: Tensor, format: str) -> Tensor:
    """To the format and back."""
    return x.to(DTYPES[format]).to(x.dtype)


def low(x: Tensor, format: str) -> Tensor:
    """Rounded to the format, in float64 for what is computed of it."""
    return x.to(DTYPES[format]).double()


class RoundedSGD(torch.optim.SGD):
    """Gradient descent whose weights are stored in few digits.

    Args:
        params: to be updated.
        lr: the step size.
        format: what the weights are rounded to.
    """

    def __init__(self, params: Iterable[Any], lr: float, format: str) -> None:
        super().__init__(params, lr=lr)
        self.format = format

    def step(self, closure: Any = None) -> Any:
        """SGD's step, and the rounding of what it leads to."""
        loss = super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.copy_(round_to(p, self.format))
        return loss


class Rounding(Concept):
    """A straight line, ŷ = x W + b, fitted by gradient descent, with weights that are stored in few digits.

    Args:
        format: of the weights: "float64" rounds nothing, "float32", "float16", "bfloat16" or "float8_e5m2".
        lr: the step size. A power of two makes lr · gradient exact, so that both sides round the same number.

    Shapes: x (N, 10), y (N, 1), W (10, 1), b (1,).
    """

    def __init__(self, format: str = "bfloat16", lr: float = 2.0**-4) -> None:
        super().__init__()
        if format not in DTYPES:
            raise ValueError(f"Rounding: format must be one of {', '.join(map(repr, DTYPES))}, got {format!r}")
        self.save_hyperparameters()
        self.format, self.lr = format, lr
        self.W = nn.Parameter(torch.zeros(10, 1))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """The prediction, in float64."""
        return x.double() @ self.W.double() + self.b.double()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = ((self(x) - y) ** 2).mean().to(self.W.dtype)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", ((self(x) - y) ** 2).mean(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return RoundedSGD(self.parameters(), lr=self.lr, format=self.format)


# ---- further reading: the bits of a number ------------------------------------------------------------

BITS = {8: torch.uint8, 16: torch.int16, 32: torch.int32, 64: torch.int64}


def epsilon(format: str) -> float:
    """From 1 to the next number."""
    return torch.finfo(DTYPES[format]).eps


def parts(x: Tensor, format: str) -> tuple[Tensor, Tensor, Tensor]:
    """(sign, exponent, fraction), cut out of the bits."""
    info = torch.finfo(DTYPES[format])
    f = round(-math.log2(info.eps))  # bits of the fraction
    bits = x.to(DTYPES[format]).view(BITS[info.bits]).long()
    return (bits >> (info.bits - 1)) & 1, (bits >> f) & (2 ** (info.bits - 1 - f) - 1), bits & (2**f - 1)
