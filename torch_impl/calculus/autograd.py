"""Autograd: who calls which backward, and when, in torch.

torch keeps the graph that the file by hand builds: `loss.grad_fn` is its last step, `grad_fn.next_functions` are the steps that it used.
`loss.backward()` walks it, from C++.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class Autograd(Concept):
    """The network of `chain_rule`, 2 → hidden → 1.

    Args:
        hidden: units of the hidden layer.
        gated: whether a hidden unit passes on z1 σ(z1), called SiLU, in place of σ(z1): z1 is then used twice.
        lr: the learning rate (3.0: as in `chain_rule`).

    Shapes: x (N, 2), the prediction and the target y (N, 1), W1 (2, hidden), b1 (hidden,), W2 (hidden, 1), b2 (1,).

    Raises:
        ValueError: if hidden is below 1.
    """

    def __init__(self, hidden: int = 3, gated: bool = False, lr: float = 3.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        if hidden < 1:
            raise ValueError(f"Autograd: hidden must be at least 1, got {hidden}")
        self.gated, self.lr = gated, lr
        self.W1 = nn.Parameter(torch.randn(2, hidden))
        self.b1 = nn.Parameter(torch.randn(hidden))
        self.W2 = nn.Parameter(torch.randn(hidden, 1))
        self.b2 = nn.Parameter(torch.randn(1))

    def forward(self, x: Tensor) -> Tensor:
        """The prediction a2."""
        z1 = x @ self.W1 + self.b1  # (N, 2) @ (2, hidden) + (hidden,)
        a1 = z1 * z1.sigmoid() if self.gated else z1.sigmoid()
        z2 = a1 @ self.W2 + self.b2  # (N, hidden) @ (hidden, 1) + (1,)
        return z2.sigmoid()

    def loss(self, a2: Tensor, y: Tensor) -> Tensor:
        """½ (a2 − y)², the mean over samples."""
        r = a2 - y
        return (r * r).sum() * (1 / (2 * len(y)))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        a2 = self(x)
        self.log("loss/val", self.loss(a2, y), batch_size=len(x))
        self.log("accuracy/val", mean_of((a2 > 0.5) == (y > 0.5)), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: torch's graph -------------------------------------------------------------------


def in_order(last: Any) -> list[Any]:
    """Every step that this one leads back to, and itself at the end: each after all those that it leads to."""
    order: list[Any] = []
    met: set[Any] = set()
    stack = [(last, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            order.append(node)
        elif node is not None and node not in met:
            met.add(node)
            stack.append((node, True))
            stack += [(other, False) for other, _ in node.next_functions]
    return order


def name_of(node: Any) -> str:
    """What torch calls a step: "MulBackward0"."""
    return str(node.name()).rpartition("::")[2]
