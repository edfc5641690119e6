"""Predicting the score of a wine from 11 measurements, in torch. Autograd writes the backward."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from torch_impl.module import StraightLine, mean_of


def forward(x: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> dict[str, Tensor]:
    """Every value from the measurements x (N, 11) to the predicted score y_hat (N, 1)."""
    z1 = x @ W1 + b1  # (N, 11) @ (11, 64) + (64,)
    h = torch.relu(z1)  # (N, 64)
    y_hat = h @ W2 + b2  # (N, 64) @ (64, 1) + (1,)
    return {"z1": z1, "h": h, "y_hat": y_hat}


def loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """The mean squared error. y is (N, 1) as y_hat is: a y of shape (N,) would silently make an (N, N) table of differences."""
    return ((y_hat - y) ** 2).mean()


class WineQuality(StraightLine):
    """11 → hidden → 1 with ReLU, mean squared error, gradient descent.

    Args:
        hidden: units of the hidden layer (the article's 64).
        lr: gradient descent's step size (0.005 by five-fold cross-validation within the training wines, where 0.001 and
            0.02 do worse and what lies between 0.003 and 0.01 does as well).

    Shapes: x (N, 11), the prediction and the target (N, 1), W1 (11, hidden), b1 (hidden,), W2 (hidden, 1), b2 (1,).
    """

    def __init__(self, hidden: int = 64, lr: float = 0.005) -> None:
        super().__init__(forward, loss)
        self.save_hyperparameters()
        self.lr = lr
        k1, k2 = 11**-0.5, hidden**-0.5
        self.W1 = nn.Parameter(torch.empty(11, hidden).uniform_(-k1, k1))
        self.b1 = nn.Parameter(torch.empty(hidden).uniform_(-k1, k1))
        self.W2 = nn.Parameter(torch.empty(hidden, 1).uniform_(-k2, k2))
        self.b2 = nn.Parameter(torch.empty(1).uniform_(-k2, k2))

    def metrics(self, prediction: Tensor, y: Tensor) -> Mapping[str, Tensor]:
        """How far off a prediction is, on average; and the part of the wines where it is off by at most half a point."""
        deviation = (prediction - y).abs()
        return {"mean absolute deviation": deviation.mean(), "accuracy within 0.5": mean_of(deviation <= 0.5)}

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- the article's network -----------------------------------------------------------------------


def article_forward(x: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> dict[str, Tensor]:
    """As `forward`, with a ReLU on the output as well."""
    z1 = x @ W1 + b1  # (N, 11) @ (11, 64) + (64,)
    h = torch.relu(z1)  # (N, 64)
    z2 = h @ W2 + b2  # (N, 64) @ (64, 1) + (1,)
    y_hat = torch.relu(z2)  # (N, 1)
    return {"z1": z1, "h": h, "z2": z2, "y_hat": y_hat}


class ArticleWineQuality(WineQuality):
    """The article's network, trained by the gradient of its loss; the arguments are WineQuality's."""

    def __init__(self, hidden: int = 64, lr: float = 0.005) -> None:
        super().__init__(hidden, lr)
        self.functions = article_forward, loss
