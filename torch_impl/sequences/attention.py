"""Attention that looks something up: which value followed this key? With torch.nn in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from torch_impl.module import Concept


class Attention(Concept):
    """One layer of scaled dot-product attention over embedded tokens; softmax cross-entropy and Adam.

    Args:
        tokens: how many different ones there are.
        d_model: size of an embedding.
        d_k: size of a query and of a key.
        causal: whether a place sees only itself and the places before it.
        lr: Adam's step size.

    Shapes: x (N, T, 2) integers: the token at each place and the one before it; the prediction (N, T, tokens); the target
    (N, T) integers, −100 where nothing is asked (torch's ignore_index).
    """

    def __init__(self, tokens: int = 17, d_model: int = 24, d_k: int = 16, causal: bool = True, lr: float = 5e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.causal, self.lr = causal, lr
        self.embedding = nn.Embedding(tokens, d_model)
        self.query = nn.Linear(d_model, d_k, bias=False)
        self.key = nn.Linear(d_model, d_k, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.out = nn.Linear(d_model, tokens)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the next token, at every place."""
        both = self.embedding(x)
        e, f = both[:, :, 0], both[:, :, 1]
        q = self.query(e)
        k = self.key(f)
        v = self.value(e)
        y = scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        z = self.out(y)
        return z

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, target = batch
        z = self(x)
        loss = self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1))  # every place of every sequence is one example
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, target = batch
        z = self(x)
        asked = target != -100
        self.log("loss/val", self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1)), batch_size=len(x))
        right = (z.argmax(dim=-1) == target) & asked
        self.log("recall/val", right.sum() / asked.sum(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
