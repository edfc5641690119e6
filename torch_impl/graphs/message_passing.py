"""Message passing: everybody tells the neighbours, and hears what they tell, with torch.nn in Lightning.

`index_add` adds up by index; autograd goes back through it and through `h[source]`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


def add_up(values: Tensor, index: Tensor, n: int) -> Tensor:
    """Row i is the sum of all values[e] with index[e] = i. Shapes: values (E, D), index (E,), the result (n, D)."""
    return values.new_zeros(n, *values.shape[1:]).index_add(0, index, values)


def pick(h: Tensor, index: Tensor) -> Tensor:
    """Row e is h[index[e]]. Shapes: h (N, D), index (E,), the result (E, D)."""
    return h[index]


class NeighbourSum(nn.Module):
    """z = h Wₒᵀ + b + m Wₙᵀ. Shapes: h (N, in_features), edges (2, E), the result (N, out_features)."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.own = nn.Linear(in_features, out_features)
        self.neighbours = nn.Linear(in_features, out_features, bias=False)

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        m = add_up(pick(h, source), target, len(h))
        return self.own(h) + self.neighbours(m)


class MessagePassing(Concept):
    """Rounds of messages with tanh, a number for each node, and their sum for each graph; squared error and Adam.

    Args:
        hidden: numbers of a node between rounds.
        layers: rounds.
        lr: Adam's step size at the start.
        epochs: the length of the schedule, along which lr falls as half a cosine does, to 0.

    Shapes: x (N, 1), edges (2, E), graph (N,), y (G, 1), a number for each graph.

    Raises:
        ValueError: if hidden, layers or epochs is below 1.
    """

    def __init__(self, hidden: int = 8, layers: int = 2, lr: float = 0.03, epochs: int = 20) -> None:
        super().__init__()
        if min(hidden, layers, epochs) < 1:
            raise ValueError(f"MessagePassing: hidden, layers and epochs must be at least 1, got {hidden}, {layers} and {epochs}")
        self.save_hyperparameters()
        self.lr, self.epochs = lr, epochs
        self.rounds = nn.ModuleList(NeighbourSum(a, b) for a, b in pairwise([1, *[hidden] * layers]))
        self.tanh = nn.Tanh()
        self.last = nn.Linear(hidden, 1)
        self.loss = nn.MSELoss()

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """p: a number for each node, (N, 1)."""
        h = x
        for layer in self.rounds:
            h = self.tanh(layer(h, edges))
        return self.last(h)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        x, edges, graph, y = batch
        loss = self.loss(add_up(self(x, edges), graph, len(y)), y)
        self.log("loss/train", loss, batch_size=len(y))
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """The loss, and of what part of the graphs the answer, rounded to a whole number, is right."""
        x, edges, graph, y = batch
        y_hat = add_up(self(x, edges), graph, len(y))
        self.log("loss/val", self.loss(y_hat, y), batch_size=len(y))
        self.log("accuracy/val", mean_of((y_hat - y).abs() < 0.5), batch_size=len(y))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
