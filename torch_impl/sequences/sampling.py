"""From probabilities to text: temperature, top-k, nucleus, greedy and beam, with torch.nn in Lightning."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.noise import Uniform
from torch_impl.sampling import draw


def tempered(z: Tensor, temperature: float) -> Tensor:
    """softmax(z / T) of each row."""
    return (z / temperature).softmax(dim=-1)


def keep_top_k(p: Tensor, k: int) -> Tensor:
    """Which are the k most probable, and any that are as probable as the last of these."""
    return p >= p.topk(min(k, p.shape[-1]), dim=-1).values[..., -1:]


def keep_top_p(p: Tensor, top_p: float) -> Tensor:
    """Which are the fewest that together have at least the probability top_p."""
    ranked, order = p.sort(dim=-1, descending=True, stable=True)
    enough = ranked.cumsum(dim=-1) >= top_p
    return torch.ones_like(p, dtype=torch.bool).scatter(-1, order[..., 1:], ~enough[..., :-1])


def kept(p: Tensor, keep: Tensor) -> Tensor:
    """What is kept, over its sum."""
    y = p.masked_fill(~keep, 0)
    return y / y.sum(dim=-1, keepdim=True)


def distribution(z: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """What is drawn from: (..., V), from scores of that shape."""
    p = tempered(z, temperature)
    if top_k:
        p = kept(p, keep_top_k(p, top_k))
    return kept(p, keep_top_p(p, top_p)) if top_p < 1 else p


Model = Callable[[Tensor], Tensor]
"""From the last characters, (N, context) integers, to scores for the next, (N, V)."""


@torch.no_grad()
def generate(model: Model, x: Tensor, u: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """N texts, a character at a time. Shapes: x (N, context); u (N, L) in [0, 1), the draws; the result (N, L)."""
    text = x
    for now in u.unbind(dim=1):
        z = model(text[:, -x.shape[1] :])
        c = draw(distribution(z, temperature, top_k, top_p), now)
        text = torch.cat([text, c[:, None]], dim=1)
    return text[:, x.shape[1] :]


class Writer(Concept):
    """The next character from some before it; softmax cross-entropy and Adam. In validation it draws one for every context.

    Args:
        symbols: V, how many different characters there are.
        context: how many of them it sees.
        d: numbers of an embedding.
        hidden: units.
        temperature: above 0.
        top_k: of the most probable this many are kept; 0 keeps all.
        top_p: above 0; as many are kept as have this together; 1 keeps all.
        lr: Adam's step size.

    Shapes: x (N, context) integers, the prediction (N, V), the target (N,) integers.

    Raises:
        ValueError: if temperature, top_k or top_p are out of their range.
    """

    def __init__(
        self,
        symbols: int = 103,
        context: int = 8,
        d: int = 16,
        hidden: int = 128,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        lr: float = 5e-3,
    ) -> None:
        super().__init__()
        if not (temperature > 0 and top_k >= 0 and 0 < top_p <= 1):
            raise ValueError(
                "Writer: temperature must be above 0, top_k not below 0, top_p above 0 and at most 1, got "
                f"{temperature}, {top_k} and {top_p}"
            )
        self.save_hyperparameters()
        self.how: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        self.lr = lr
        self.embedding = nn.Embedding(symbols, d)
        self.fc1 = nn.Linear(context * d, hidden)
        self.fc2 = nn.Linear(hidden, symbols)
        self.loss = nn.CrossEntropyLoss()
        self.uniform = Uniform()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the next character."""
        return self.fc2(self.fc1(self.embedding(x).flatten(1)).relu())

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, target = batch
        loss = self.loss(self(x), target)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The loss, in bits too; and the bits, as T = 1 has them, of a character drawn in its place."""
        x, target = batch
        z = self(x)
        loss = self.loss(z, target)
        drawn = draw(distribution(z, **self.how), self.uniform(target.shape))
        self.log("loss/val", loss, batch_size=len(x))
        self.log("bits/val", loss / math.log(2), batch_size=len(x))
        self.log("drawn/val", self.loss(z, drawn) / math.log(2), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# ---- further reading: beam search, step by step -----------------------------------------------------


@torch.no_grad()
def beam_search(model: Model, x: Tensor, length: int, width: int) -> tuple[Tensor, float]:
    """The most probable text that is found, and the log of its probability. Shapes: x (context,), the text (length,)."""
    text, log_p = x[None], torch.zeros(1, dtype=torch.float64, device=x.device)
    for _ in range(length):
        total = log_p[:, None] + model(text[:, -len(x) :]).log_softmax(dim=-1)
        log_p, best = total.flatten().sort(descending=True, stable=True)
        log_p, best = log_p[:width], best[:width]
        text = torch.cat([text[best // total.shape[1]], (best % total.shape[1])[:, None]], dim=1)
    return text[0, len(x) :], float(log_p[0])
