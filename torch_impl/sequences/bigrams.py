"""Bigrams: the next character of real text, foretold from the one before it, with torch.nn in Lightning."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.sampling import draw


def surprise(z: Tensor, c: Tensor) -> Tensor:
    """−1/N Σ c log p, with p = softmax(z) in each row. Shapes: z and c (rows, V)."""
    return -(c * z.log_softmax(dim=-1)).sum() / c.sum()


class Bigrams(Concept):
    """A table of scores, a row for each character before, learned from how often each character followed.

    Args:
        symbols: V, how many characters there are.
        alpha: added to each count that is learned from.
        lr: Adam's step size.

    Shapes: a batch is a (rows,), the characters before, and c (rows, V), how often each followed.

    Raises:
        ValueError: if symbols is below 1, or alpha below 0.
    """

    def __init__(self, symbols: int = 103, alpha: float = 0.0, lr: float = 1.0) -> None:
        super().__init__()
        if symbols < 1 or alpha < 0:
            raise ValueError(f"Bigrams: symbols must be at least 1 and alpha not below 0, got {symbols} and {alpha}")
        self.save_hyperparameters()
        self.alpha, self.lr = alpha, lr
        self.table = nn.Embedding(symbols, symbols)
        nn.init.zeros_(self.table.weight)

    def forward(self, a: Tensor) -> Tensor:
        """The scores of what may follow, (rows, V)."""
        return self.table(a)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        a, c = batch
        loss = surprise(self(a), c + self.alpha)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The mean surprise at a text, and the same in bits per character."""
        a, c = batch
        loss = surprise(self(a), c)
        self.log("loss/val", loss, batch_size=len(a))
        self.log("bits/val", loss / math.log(2), batch_size=len(a))

    @torch.no_grad()
    def write(self, start: int, u: Tensor) -> Tensor:
        """A text of its own, that begins after the character `start`. Shapes: u (T,), the result (T,) integers."""
        p, text = self.table.weight.softmax(dim=-1), [torch.tensor(start, device=u.device)]
        for x in u:
            text.append(draw(p[text[-1]], x))
        return torch.stack(text[1:])

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
