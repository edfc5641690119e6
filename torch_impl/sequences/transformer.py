"""The transformer block, with torch.nn in Lightning: it is nn.TransformerEncoderLayer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


class Transformer(Concept):
    """Embeddings, one block, a linear layer; softmax cross-entropy and Adam.

    Args:
        symbols: how many different ones there are.
        length: T, of every sequence.
        d_model: D, the size of an embedding; heads must divide it.
        heads: H, which divides D.
        width: F, the hidden units of feed_forward.
        norm_first: pre-norm; False is post-norm.
        lr: Adam's step size.

    Shapes: x and the target (N, T) integers, the prediction (N, T, symbols).

    Raises:
        ValueError: if heads does not divide d_model.
    """

    def __init__(
        self,
        symbols: int = 10,
        length: int = 16,
        d_model: int = 32,
        heads: int = 4,
        width: int = 64,
        norm_first: bool = True,
        lr: float = 3e-3,
    ) -> None:
        super().__init__()
        if heads < 1 or d_model % heads:
            raise ValueError(f"Block: heads must divide d_model, got {heads} and {d_model}")
        self.save_hyperparameters()
        self.lr = lr
        self.token = nn.Embedding(symbols, d_model)
        self.position = nn.Embedding(length, d_model)
        self.block = nn.TransformerEncoderLayer(d_model, heads, width, dropout=0.0, batch_first=True, norm_first=norm_first, bias=False)
        self.out = nn.Linear(d_model, symbols)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the symbol at each place."""
        e = self.token(x) + self.position(torch.arange(x.shape[1], device=x.device))
        x2 = self.block(e)
        z = self.out(x2)
        return z

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, target = batch
        z = self(x)
        loss = self.loss(z.flatten(0, 1), target.flatten())
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The loss, the part of the symbols that is right, and the part of the sequences that are right from end to end."""
        x, target = batch
        z = self(x)
        right = z.argmax(dim=-1) == target
        self.log("loss/val", self.loss(z.flatten(0, 1), target.flatten()), batch_size=len(x))
        self.log("symbols/val", right.to(z.dtype).mean(), batch_size=len(x))
        self.log("sequences/val", right.all(dim=1).to(z.dtype).mean(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
