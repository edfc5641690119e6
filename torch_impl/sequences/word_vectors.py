"""Word vectors: words as lists of numbers, learned from the company they keep, with torch.nn in Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from torch_impl.module import Concept


def game(s: Tensor, n: Tensor, negatives: Tensor) -> Tensor:
    """−1/N Σ n log σ(s) + negatives · log σ(−s). Shapes: all (rows, K)."""
    return -(n * logsigmoid(s) + negatives * logsigmoid(-s)).sum() / n.sum()


class WordVectors(Concept):
    """Skip-gram with k negatives on a whole table of pairs; Adam, whose step size falls as half a cosine.

    Args:
        words: K, how many words there are.
        dimensions: D, numbers in a vector.
        k: negatives for each real pair.
        lr: Adam's step size at the start.
        steps: the length of the schedule, in epochs.

    Shapes: a batch is a (rows,), words; n (rows, K), how often each stood near each word; e (rows, K), how often by chance.

    Raises:
        ValueError: if words, dimensions or steps is below 1, or k below 0.
    """

    def __init__(self, words: int = 60, dimensions: int = 60, k: float = 5.0, lr: float = 0.5, steps: int = 500) -> None:
        super().__init__()
        if min(words, dimensions, steps) < 1 or k < 0:
            raise ValueError(
                f"WordVectors: words, dimensions and steps must be at least 1 and k not below 0, got {words}, {dimensions}, {steps} and {k}"
            )
        self.save_hyperparameters()
        self.k, self.lr, self.steps = k, lr, steps
        self.words = nn.Embedding(words, dimensions)
        self.contexts = nn.Linear(dimensions, words, bias=False)
        for layer in (self.words, self.contexts):
            nn.init.normal_(layer.weight, std=0.3)

    def forward(self, a: Tensor) -> Tensor:
        """The scores of these words with every word, (rows, K)."""
        scores: Tensor = self.contexts(self.words(a))
        return scores

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        a, n, e = batch
        loss = game(self(a), n, self.k * e)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """The loss, and the part of real pairs that are believed: the mean of σ(s) over them."""
        a, n, e = batch
        s = self(a)
        self.log("loss/val", game(s, n, self.k * e), batch_size=len(a))
        self.log("believed/val", (n * s.sigmoid()).sum() / n.sum(), batch_size=len(a))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr, betas=(0.9, 0.95))
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
