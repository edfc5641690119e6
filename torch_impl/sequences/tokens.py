"""Tokens: what a character costs who foretells tokens, with torch.nn in Lightning.

The tokens themselves are no matter of torch: in practice they come from the `tokenizers` library, or `tiktoken`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.sequences.bigrams import surprise


def per_character(z: Tensor, c: Tensor, characters: Tensor) -> Tensor:
    """−1/C Σ c log p, with p = softmax(z) in each row. Shapes: z and c (rows, V), characters (rows,)."""
    return -(c * z.log_softmax(dim=-1)).sum() / characters.sum()


class Tokens(Concept):
    """A table of scores, a row for each token before, learned from how often each token followed.

    Args:
        symbols: V, how many tokens there are.
        alpha: added to each count that is learned from.
        per_token: divide the loss by the number of tokens in place of characters.
        lr: Adam's step size.

    Shapes: a batch is a (rows,), the tokens before, c (rows, V), how often each followed, and (rows,), how many characters those have.

    Raises:
        ValueError: if symbols is below 1, or alpha below 0.
    """

    def __init__(self, symbols: int = 207, alpha: float = 0.01, per_token: bool = False, lr: float = 1.0) -> None:
        super().__init__()
        if symbols < 1 or alpha < 0:
            raise ValueError(f"Tokens: symbols must be at least 1 and alpha not below 0, got {symbols} and {alpha}")
        self.save_hyperparameters()
        self.alpha, self.per_token, self.lr = alpha, per_token, lr
        self.table = nn.Embedding(symbols, symbols)
        nn.init.zeros_(self.table.weight)

    def forward(self, a: Tensor) -> Tensor:
        """The scores of what may follow, (rows, V)."""
        return self.table(a)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        a, c, characters = batch
        loss = per_character(self(a), c + self.alpha, c.sum(dim=1) if self.per_token else characters)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        """The surprise, and in bits per character and per token."""
        a, c, characters = batch
        z = self(a)
        self.log("loss/val", per_character(z, c, c.sum(dim=1) if self.per_token else characters), batch_size=len(a))
        self.log("bits/val", per_character(z, c, characters) / math.log(2), batch_size=len(a))
        self.log("bits_per_token/val", surprise(z, c) / math.log(2), batch_size=len(a))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr, eps=1e-6)
