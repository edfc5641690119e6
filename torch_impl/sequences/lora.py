"""LoRA: a frozen layer, and two thin matrices that learn what is added to it. With torch.nn in Lightning."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.sequences.gpt import GPT


def change(A: Tensor, B: Tensor, scale: float) -> Tensor:
    """What is added to W0. Shapes: A (r, in), B (out, r), the result (out, in)."""
    return scale * B @ A


class LoRALinear(nn.Module):
    """y = x W0ᵀ + b + s (x Aᵀ) Bᵀ, with W0 and b frozen. The arguments are those of the twin by hand."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"LoRALinear: rank must be at least 1, got {rank}")
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        n_in, like = base.in_features, base.weight
        self.A = nn.Parameter(torch.randn(rank, n_in, dtype=like.dtype, device=like.device) / math.sqrt(n_in))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank, dtype=like.dtype, device=like.device))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * (x @ self.A.T) @ self.B.T

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that gives the same answers."""
        n_out, n_in = self.base.weight.shape
        layer = nn.Linear(n_in, n_out, bias=self.base.bias is not None).to(self.base.weight)
        layer.load_state_dict(self.base.state_dict())
        layer.weight += change(self.A, self.B, self.scale)
        return layer


class LoRA(Concept):
    """A layer that smooths, and an adapter that learns. The arguments are those of the twin by hand.

    Shapes: x (N, 20), the prediction and the target (N, 12).
    """

    def __init__(self, rank: int = 3, alpha: float = 3.0, lr: float = 0.5, momentum: float = 0.9) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        base = nn.Linear(20, 12, bias=False)
        ones = torch.ones(12, 20)
        with torch.no_grad():
            base.weight.copy_((ones.triu().tril(8) + ones.triu(1).tril(7)) / 16)
        self.layer = LoRALinear(base, rank, alpha)
        self.loss = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """The readings, smoothed, without drift and hum."""
        return self.layer(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", self.loss(self(x), y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: a GPT, adapted --------------------------------------------------------------------


def adapt(model: GPT, rank: int, alpha: float) -> GPT:
    """The same GPT, frozen, with an adapter at c_attn and at the mlp's c_proj in each block. It is changed in place."""
    model.requires_grad_(False)
    for part, name in places(model):
        setattr(part, name, LoRALinear(getattr(part, name), rank, alpha))
    return model


def merge(model: GPT) -> GPT:
    """An adapted GPT with one matrix again wherever an adapter was. It is changed in place."""
    for part, name in places(model):
        setattr(part, name, getattr(part, name).merged())
    return model


def places(model: GPT) -> list[tuple[nn.Module, str]]:
    """Where a GPT is adapted: the parts of its blocks, and the name of a layer in each."""
    blocks: list[Any] = list(model.h)
    return [place for block in blocks for place in ((block.attn, "c_attn"), (block.mlp, "c_proj"))]
