"""Which place is where: sinusoidal, learned and rotary positions, with torch.nn in Lightning.

A pair of numbers (a, b) is the complex number a + b i, and to turn it by an angle is to multiply it by cos angle + i sin angle.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from torch_impl.module import Concept

Kind = Literal["none", "sinusoidal", "learned", "rotary"]
"""How places are told."""


def angles(length: int, d: int, device: torch.device | None = None) -> Tensor:
    """The angle of each place and pair, in radians: (length, d/2)."""
    theta = 10_000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64, device=device) / d)
    return torch.outer(torch.arange(length, dtype=torch.float64, device=device), theta)


def sinusoidal(length: int, d: int, device: torch.device | None = None) -> Tensor:
    """The sine and the cosine of every angle, side by side: (length, d)."""
    angle = angles(length, d, device)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Turn every pair of numbers of every place by its angle. Shapes: x (..., T, d), angle (T, d/2)."""
    turn = torch.polar(torch.ones_like(angle), angle)
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn.to(pairs.dtype)).flatten(-2)


class Copying(Concept):
    """One layer of attention that is told places in one of four ways; softmax cross-entropy and Adam.

    Args:
        tokens: how many different ones there are.
        length: of the longest sequence: rows of the learned positions.
        d_model: D, even: the size of an embedding, a query, a key and a value.
        positions: "none", "sinusoidal", "learned" or "rotary".
        lr: Adam's step size.

    Shapes: x (N, T) integers, the prediction (N, T, tokens), the target (N, T) integers, −100 where nothing is asked.

    Raises:
        ValueError: for an odd d_model, or positions of another name.
    """

    def __init__(self, tokens: int = 10, length: int = 32, d_model: int = 32, positions: Kind = "rotary", lr: float = 0.01) -> None:
        super().__init__()
        if d_model % 2 or positions not in ("none", "sinusoidal", "learned", "rotary"):
            raise ValueError(
                f"Copying: d_model must be even, positions 'none', 'sinusoidal', 'learned' or 'rotary', got {d_model} and {positions!r}"
            )
        self.save_hyperparameters()
        self.positions, self.lr = positions, lr
        self.token = nn.Embedding(tokens, d_model)
        if positions == "learned":
            self.position = nn.Embedding(length, d_model)
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.out = nn.Linear(d_model, tokens)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the token at each place."""
        e = self.token(x)
        if self.positions == "learned":
            e = e + self.position(torch.arange(e.shape[1], device=e.device))
        if self.positions == "sinusoidal":
            e = e + sinusoidal(e.shape[1], e.shape[2], e.device).to(e.dtype)
        q, k, v = self.query(e), self.key(e), self.value(e)
        if self.positions == "rotary":
            angle = angles(e.shape[1], e.shape[2], e.device)
            q, k = rotate(q, angle), rotate(k, angle)
        return self.out(scaled_dot_product_attention(q, k, v))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, target = batch
        loss = self.loss(self(x).flatten(0, 1), target.flatten())
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, target = batch
        z = self(x)
        asked = target != -100
        self.log("loss/val", self.loss(z.flatten(0, 1), target.flatten()), batch_size=len(x))
        self.log("copied/val", ((z.argmax(dim=-1) == target) & asked).sum() / asked.sum(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
