"""A convolutional network that reads handwritten digits, by hand.

    block 1    conv 1 → 8 channels, batch norm, ReLU, max pool    8x8 → 4x4
    block 2    conv 8 → 16 channels, batch norm, ReLU, max pool   4x4 → 2x2
    z          the 16 · 2 · 2 = 64 numbers in a row, times a matrix: 10 scores
    L          mean of −log softmax(z)[the right digit]

A convolution slides one small window of weights (a kernel) over the whole image, so that a stroke is found wherever
it is drawn. Its gradient follows from that: a weight used at every place gets the sum of the gradients of all places.
Max pooling keeps the largest of four neighbours, so its backward sends the whole gradient to the one that won and
nothing to the other three.

The convolutions have no bias: the batch norm behind them subtracts the mean of each channel, and a bias with it.
Its gradient would be exactly zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module


class Block(Module):
    """conv 3x3 → batch norm → ReLU → max pool 2x2; height and width are halved.

    Args:
        in_channels: of the input.
        out_channels: kernels, each giving one channel.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, in_channels, H, W), y (N, out_channels, H/2, W/2).
    """

    def __init__(self, in_channels: int, out_channels: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False, rng=rng, dtype=dtype)
        self.norm = nn.BatchNorm2d(out_channels, dtype=dtype)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(kernel_size=2)

    def forward(self, x: np.ndarray) -> np.ndarray:
        z = self.conv(x)
        z_hat = self.norm(z)
        h = self.relu(z_hat)
        y = self.pool(h)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        dL_dh = self.pool.backward(dL_dy)
        dL_dz_hat = self.relu.backward(dL_dh)
        dL_dz = self.norm.backward(dL_dz_hat)
        dL_dx = self.conv.backward(dL_dz)
        return dL_dx


class DigitsCNN(Concept):
    """Two blocks and a linear layer; softmax cross-entropy, gradient descent with momentum, cosine schedule.

    Args:
        channels: of the first block; the second has twice as many.
        lr: the step size at the start.
        momentum: the part of the last update that is kept (0.9, as is common since Sutskever et al., 2013).
        epochs: the length of the schedule, at whose end the step size is 0 (Loshchilov & Hutter, 2017, without restarts).
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, 1, 8, 8), the prediction (N, 10), the target (N,) integers 0 to 9.
    """

    def __init__(
        self,
        channels: int = 8,
        lr: float = 0.05,
        momentum: float = 0.9,
        epochs: int = 20,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.lr, self.momentum, self.epochs = lr, momentum, epochs
        self.block1 = Block(1, channels, rng=rng, dtype=dtype)
        self.block2 = Block(channels, 2 * channels, rng=rng, dtype=dtype)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(2 * channels * 2 * 2, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        y1 = self.block1(x)
        y2 = self.block2(y1)
        row = self.flatten(y2)
        z = self.fc(row)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        z = self(x)
        loss = self.loss(z, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss)
        dL_drow = self.fc.backward(dL_dz)
        dL_dy2 = self.flatten.backward(dL_drow)
        dL_dy1 = self.block2.backward(dL_dy2)
        self.block1.backward(dL_dy1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", self.loss(z, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
