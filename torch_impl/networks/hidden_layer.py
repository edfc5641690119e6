"""A hidden layer folds the plane until one straight cut will do, in torch.

The same network, of layers that torch brings along, and without a backward: autograd writes it.

By hand W1 is (2, hidden), a column for each unit. A torch layer stores its weight the other way round, a row for each unit:
`nn.Linear(2, hidden).weight` is (hidden, 2), the transpose of W1, and the layer computes x weightᵀ + bias. No number changes, and
the gradient is turned with the weight. The figure `shapes` draws both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class HiddenLayer(Concept):
    """2 → hidden → 1 with ReLU, binary cross-entropy and plain gradient descent.

    Args:
        hidden: units of the hidden layer.
        lr: the length of a step, per gradient.

    Shapes: x (N, 2), the prediction z2 (N, 1), the target y (N, 1) zeros and ones, as floats.
    """

    def __init__(self, hidden: int = 16, lr: float = 0.5) -> None:
        super().__init__()
        self.save_hyperparameters()
        if hidden < 1:
            raise ValueError(f"HiddenLayer: hidden must be at least 1, got {hidden}")
        self.lr = lr
        self.hidden = nn.Linear(2, hidden)  # begins with uniform weights and biases in ±1/√2, and
        self.relu = nn.ReLU()
        self.output = nn.Linear(hidden, 1)  # in ±1/√hidden: torch's default, 1 / √(inputs of the layer)
        self.loss = nn.BCEWithLogitsLoss()  # takes z2 and not p, and so keeps its digits where p rounds to 0 or 1

    def forward(self, x: Tensor) -> Tensor:
        """The prediction z2: above 0 means class 1."""
        return self.output(self.relu(self.hidden(x)))  # (N, 2) to (N, hidden) to (N, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", mean_of((z2 > 0) == (y > 0.5)), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
