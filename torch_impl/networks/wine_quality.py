"""Predicting the score of a wine from 11 measurements, in torch. Autograd writes the backward."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class WineQuality(Concept):
    """11 → hidden → 1 with ReLU, mean squared error, gradient descent.

    Args:
        hidden: units of the hidden layer (the article's 64).
        lr: the learning rate (0.005 by cross-validation: 0.001 and 0.02 do worse, what lies between 0.003 and 0.01 as well).

    Shapes: x (N, 11), the prediction and the target (N, 1): a target of shape (N,) would silently make an (N, N) table of differences.
    """

    def __init__(self, hidden: int = 64, lr: float = 0.005) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.network = nn.Sequential(nn.Linear(11, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.loss = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """The predicted score."""
        return self.network(x)  # (N, 11) to (N, hidden) to (N, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        y_hat = self(x)
        self.log("loss/val", self.loss(y_hat, y), batch_size=len(x))
        for name, value in self.metrics(y_hat, y).items():
            self.log(f"{name}/val", value, batch_size=len(x))

    def metrics(self, prediction: Tensor, y: Tensor) -> Mapping[str, Tensor]:
        """How far off a prediction is, on average; and the part of the wines where it is off by at most half a point."""
        deviation = (prediction - y).abs()
        return {"mean absolute deviation": deviation.mean(), "accuracy within 0.5": mean_of(deviation <= 0.5)}

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: the article's network ----------------------------------------------------------------


class ArticleWineQuality(WineQuality):
    """The article's network, with a ReLU on the output as well, trained by the gradient of its loss; the arguments are WineQuality's."""

    def __init__(self, hidden: int = 64, lr: float = 0.005) -> None:
        super().__init__(hidden, lr)
        self.network.append(nn.ReLU())
