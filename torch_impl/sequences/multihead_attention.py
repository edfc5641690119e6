"""Several heads: two things looked up at once, with torch.nn in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


class TwoLookUps(Concept):
    """Two letters are asked for in one question; multi-head attention, softmax cross-entropy and Adam.

    Args:
        n_letters: how many different letters there are.
        n_digits: how many different digits.
        d_model: D, the size of every embedding; heads must divide it.
        heads: H, which divides D.
        lr: Adam's step size.

    Shapes: letters and digits of the list (N, T) integers; asked (N, L, 2) integers, L questions of two letters; the prediction
    (N, L, 2, n_digits), the target (N, L, 2) integers.
    """

    def __init__(self, n_letters: int = 8, n_digits: int = 8, d_model: int = 16, heads: int = 2, lr: float = 0.01) -> None:
        super().__init__()
        if min(d_model, heads) < 1 or d_model % heads:
            raise ValueError(f"MultiheadAttention: heads must divide d_model, got {heads} and {d_model}")
        self.save_hyperparameters()
        self.lr = lr
        self.letter = nn.Embedding(n_letters, d_model)
        self.digit = nn.Embedding(n_digits, d_model)
        self.first = nn.Embedding(n_letters, d_model)
        self.second = nn.Embedding(n_letters, d_model)
        self.attention = nn.MultiheadAttention(d_model, heads, bias=False, batch_first=True)
        self.out = nn.Linear(d_model, 2 * n_digits)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, letters: Tensor, digits: Tensor, asked: Tensor) -> Tensor:
        """Scores for the first digit and for the second."""
        key = self.letter(letters)
        value = self.digit(digits)
        query = self.first(asked[..., 0]) + self.second(asked[..., 1])
        y, _ = self.attention(query, key, value, need_weights=False)
        z = self.out(y)
        return z.reshape(*asked.shape, -1)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        letters, digits, asked, target = batch
        z = self(letters, digits, asked)
        loss = self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1))  # each digit of each answer is one example
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """The loss, the part of the digits that is right, and the part of the questions of which both are."""
        letters, digits, asked, target = batch
        z = self(letters, digits, asked)
        right = z.argmax(dim=-1) == target
        self.log("loss/val", self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1)), batch_size=len(target))
        self.log("digits/val", right.to(z.dtype).mean(), batch_size=len(target))
        self.log("both/val", right.all(dim=-1).to(z.dtype).mean(), batch_size=len(target))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
