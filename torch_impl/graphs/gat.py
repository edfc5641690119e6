"""Graph attention: each node decides whom it listens to, with torch.nn in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class GraphAttention(nn.Module):
    """yᵢ = Σⱼ αᵢⱼ rⱼ. Shapes: h_i (N, T, in_features), h_j (N, S, in_features), the result (N, T, hidden)."""

    def __init__(self, in_features: int, hidden: int, dynamic: bool) -> None:
        super().__init__()
        self.dynamic = dynamic
        self.left = nn.Linear(in_features, hidden, bias=False)
        self.right = nn.Linear(in_features, hidden, bias=False)
        self.a = nn.Parameter(hidden**-0.5 * torch.randn(hidden))
        self.leaky = nn.LeakyReLU(0.2)

    def forward(self, h_i: Tensor, h_j: Tensor) -> Tensor:
        r = self.right(h_j)
        u = self.left(h_i)[:, :, None] + r[:, None]
        s = self.leaky(u) @ self.a if self.dynamic else self.leaky(u @ self.a)
        return s.softmax(dim=-1) @ r


class GAT(Concept):
    """A dictionary of keys and values, asked for each key: one layer of graph attention, softmax cross-entropy and Adam.

    Args:
        keys: K, how many keys and values there are; as many ask and as many tell.
        features: numbers of a node.
        hidden: of what is told.
        dynamic: the form of attention: True for GATv2, False for GAT.
        lr: Adam's step size.

    Shapes: x (N, K, 2) integers, the prediction (N, K, K), y (N, K) integers.

    Raises:
        ValueError: if keys, features or hidden is below 1.
    """

    def __init__(self, keys: int = 10, features: int = 24, hidden: int = 24, dynamic: bool = True, lr: float = 0.03) -> None:
        super().__init__()
        if min(keys, features, hidden) < 1:
            raise ValueError(f"GAT: keys, features and hidden must be at least 1, got {keys}, {features} and {hidden}")
        self.save_hyperparameters()
        self.keys, self.lr = keys, lr
        self.asked = nn.Embedding(keys, features)
        self.key = nn.Embedding(keys, features)
        self.value = nn.Embedding(keys, features)
        self.attention = GraphAttention(features, hidden, dynamic)
        self.out = nn.Linear(hidden, keys)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """A score for each value, of each asker."""
        h_i = self.asked(torch.arange(self.keys, device=x.device).expand(len(x), -1))
        h_j = self.key(x[:, :, 0]) + self.value(x[:, :, 1])
        return self.out(self.attention(h_i, h_j))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x).reshape(-1, self.keys), y.reshape(-1))
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", self.loss(z.reshape(-1, self.keys), y.reshape(-1)), batch_size=len(x))
        self.log("accuracy/val", mean_of(z.argmax(dim=2) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
