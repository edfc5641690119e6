"""A graph network: each node asks its neighbours, with torch.nn in Lightning.

Âᵀ is found by autograd. For large graphs A is kept as a sparse tensor, which holds the ties alone; `@` is written the same.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def normalized(A: Tensor) -> Tensor:
    """The ties, and each node's to itself, over the roots of both ends' numbers of ties. Shapes: A and the result (N, N)."""
    A_loops = A + torch.eye(len(A), dtype=A.dtype, device=A.device)
    d = A_loops.sum(dim=1)
    return A_loops / torch.sqrt(d[:, None] * d)


class GraphConvolution(nn.Module):
    """z = Â h Wᵀ. Shapes: h (N, in_features), Â (N, N), the result (N, out_features)."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, h: Tensor, A_hat: Tensor) -> Tensor:
        return A_hat @ self.linear(h)


class GCN(Concept):
    """Graph convolutions with ReLU between them; softmax cross-entropy over the labelled nodes; Adam with weight decay.

    Args:
        features: numbers that are known of each node.
        hidden: numbers of a node between layers.
        layers: how many, the last one included.
        lr: Adam's step size.
        weight_decay: how strongly each step pulls weights to 0.

    Shapes: x (N, features), A (N, N), the prediction (N, 2), the target (N,) integers 0 and 1, −100 for a node without a label.

    Raises:
        ValueError: if features, hidden or layers is below 1.
    """

    def __init__(self, features: int = 34, hidden: int = 16, layers: int = 2, lr: float = 0.01, weight_decay: float = 5e-4) -> None:
        super().__init__()
        if min(features, hidden, layers) < 1:
            raise ValueError(f"GCN: features, hidden and layers must be at least 1, got {features}, {hidden} and {layers}")
        self.save_hyperparameters()
        self.lr, self.weight_decay = lr, weight_decay
        sizes = [features, *[hidden] * (layers - 1)]
        self.inner = nn.ModuleList(GraphConvolution(a, b) for a, b in pairwise(sizes))
        self.relu = nn.ReLU()
        self.last = GraphConvolution(sizes[-1], 2)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor, A: Tensor) -> Tensor:
        """Two scores for each node."""
        A_hat = normalized(A)
        h = x
        for layer in self.inner:
            h = self.relu(layer(h, A_hat))
        return self.last(h, A_hat)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        x, A, y = batch
        loss = self.loss(self(x, A), y)
        self.log("loss/train", loss, batch_size=len(x))
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """The loss, and what part of the nodes that are asked for are told right."""
        x, A, y = batch
        z = self(x, A)
        self.log("loss/val", self.loss(z, y), batch_size=len(x))
        self.log("accuracy/val", (z.argmax(dim=1) == y).sum() / (y >= 0).sum(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
