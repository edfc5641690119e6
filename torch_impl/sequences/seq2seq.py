"""From one sequence to another: an encoder and a decoder with attention, with torch.nn in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from torch_impl.module import Concept, mean_of


class Seq2Seq(Concept):
    """A GRU that reads, a GRU that writes, and attention between them; softmax cross-entropy and Adam.

    Args:
        symbols: how many different ones there are; one more, the start, stands before the first that is written.
        embedding: size of an embedding.
        hidden: H, size of a state.
        teacher_forcing: whether in training the decoder is given the right symbols before, or those that it has written itself.
        lr: Adam's step size.

    Shapes: x, y (N, T) integers; the prediction (N, T, symbols).
    """

    def __init__(self, symbols: int = 10, embedding: int = 16, hidden: int = 64, teacher_forcing: bool = True, lr: float = 5e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.start, self.teacher_forcing, self.lr = symbols, teacher_forcing, lr
        self.embedding = nn.Embedding(symbols + 1, embedding)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True)
        self.decoder = nn.GRU(embedding, hidden, batch_first=True)
        self.out = nn.Linear(hidden, symbols)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        """Scores for each symbol that is written, after those before it."""
        h, last = self.encoder(self.embedding(x))
        s, _ = self.decoder(self.embedding(before), last)
        c = scaled_dot_product_attention(s, h, h)
        z = self.out(c)
        return z

    def shifted(self, y: Tensor) -> Tensor:
        """What stands before each symbol: the start, and all but the last."""
        return torch.cat([torch.full_like(y[:, :1], self.start), y[:, :-1]], dim=1)

    @torch.no_grad()
    def written(self, x: Tensor) -> Tensor:
        """What it writes when it is given nothing but x: each time the symbol with the largest score, (N, T)."""
        h, state = self.encoder(self.embedding(x))
        symbol, y = torch.full_like(x[:, :1], self.start), []
        for _ in range(x.shape[1]):
            s, state = self.decoder(self.embedding(symbol), state)
            symbol = self.out(scaled_dot_product_attention(s, h, h)).argmax(dim=2)
            y.append(symbol)
        return torch.cat(y, dim=1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        z = self(x, self.shifted(y if self.teacher_forcing else self.written(x)))
        loss = self.loss(z.flatten(0, 1), y.flatten())
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The loss, given the right symbols before; and how many sequences are wholly right, given nothing."""
        x, y = batch
        z, written = self(x, self.shifted(y)), self.written(x)
        self.log("loss/val", self.loss(z.flatten(0, 1), y.flatten()), batch_size=len(x))
        self.log("accuracy/val", mean_of((written == y).all(dim=1)), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
