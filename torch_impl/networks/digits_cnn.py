"""A convolutional network that reads handwritten digits, with torch.nn in Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class Block(nn.Module):
    """conv 3x3 → batch norm → ReLU → max pool 2x2; height and width are halved.

    Args:
        in_channels: of the input.
        out_channels: kernels, each giving one channel.

    Shapes: x (N, in_channels, H, W), y (N, out_channels, H/2, W/2).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(kernel_size=2)

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        z_hat = self.norm(z)
        h = self.relu(z_hat)
        y = self.pool(h)
        return y


class DigitsCNN(Concept):
    """Two blocks and a linear layer; softmax cross-entropy, gradient descent with momentum, cosine schedule.

    Args:
        channels: of the first block; the second has twice as many.
        lr: the step size at the start.
        momentum: each step is the gradient's, plus this part of the last step (0.9, as is common since Sutskever et al., 2013).
        epochs: the length of the schedule, along which lr falls as half a cosine does, to 0 (Loshchilov & Hutter, 2017, without restarts).

    Shapes: x (N, 1, 8, 8), the prediction (N, 10), the target (N,) integers 0 to 9.
    """

    def __init__(self, channels: int = 8, lr: float = 0.05, momentum: float = 0.9, epochs: int = 20) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.momentum, self.epochs = lr, momentum, epochs
        self.block1 = Block(1, channels)
        self.block2 = Block(channels, 2 * channels)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(2 * channels * 2 * 2, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        y1 = self.block1(x)
        y2 = self.block2(y1)
        row = self.flatten(y2)
        z = self.fc(row)
        return z

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        z = self(x)
        loss = self.loss(z, y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", self.loss(z, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(z.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
