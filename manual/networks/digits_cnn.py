"""A convolutional network that reads handwritten digits, by hand.

`digits_mlp` takes an image for 64 numbers in a row and does not know which pixels are neighbours: a stroke that it has learnt on the
left, it must learn again on the right. A convolution slides one small window of weights, the *kernel*, over the whole image, so that a
stroke is found wherever it is drawn. Each kernel makes a new image of the old one, a *channel*: bright where its stroke was.

    block 1    conv 1 → 8 channels, batch norm, ReLU, max pool    8x8 → 4x4
    block 2    conv 8 → 16 channels, batch norm, ReLU, max pool   4x4 → 2x2
    z          the 16 · 2 · 2 = 64 numbers in a row, times a matrix: 10 scores
    L          mean of −log softmax(z)[the right digit]

    conv        a border of zeros (padding) is put around the image, so that a 3x3 kernel has a place for every pixel
    batch norm  each channel, less its mean over the batch and all places, over its standard deviation; then times one learned number, plus
                another. What comes next sees numbers of about one size, whatever the kernels do
    max pool    the largest of each 2x2 window: whether the stroke is there counts, not exactly where

**On paper.** A 3x3 image x, and a 2x2 kernel w, which fits into four places. At each: four products, one sum.

    x = [1  2  0]    w = [1  −1]    y[0, 0] = 1·1 + 2·(−1) + 3·0 + 1·2 = 1      y[0, 1] = 2·1 + 0·(−1) + 1·0 + 1·2 = 4
        [3  1  1]        [0   2]    y[1, 0] = 3·1 + 1·(−1) + 0·0 + 2·2 = 6      y[1, 1] = 1·1 + 1·(−1) + 2·0 + 1·2 = 2
        [0  2  1]

Backward. A weight was used at every place, so it gets the sum over the places of the pixel below it times the gradient there. And
each place sends the kernel, times its gradient, back onto its window; where windows overlap, that adds up. Let ∂L/∂y be 1 at [0, 0], 2 at
[1, 0] and 0 elsewhere:

    ∂L/∂w = 1 · [1  2] + 2 · [3  1] = [7  4]        ∂L/∂x = [1    −1    0]   [ 0        0      0]   [1  −1  0]
                [3  1]       [0  2]   [3  5]                [0     2    0] + [2·1   2·(−1)     0] = [2   0  0]
                                                            [0     0    0]   [2·0     2·2      0]   [0   4  0]

    >>> conv = nn.Conv2d(1, 1, kernel_size=2, bias=False)
    >>> conv.weight[...] = [[1, -1], [0, 2]]
    >>> y = conv(np.array([[[[1.0, 2.0, 0.0], [3.0, 1.0, 1.0], [0.0, 2.0, 1.0]]]]))
    >>> y[0, 0].tolist()
    [[1.0, 4.0], [6.0, 2.0]]
    >>> dL_dx = conv.backward(np.array([[[[1.0, 0.0], [2.0, 0.0]]]]))
    >>> conv.weight.grad[0, 0].tolist(), dL_dx[0, 0].tolist()
    ([[7.0, 4.0], [3.0, 5.0]], [[1.0, -1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 4.0, 0.0]])

Max pooling of this y keeps the 6. The other three did not influence the loss, so the whole gradient goes to the one that won:

    >>> pool = nn.MaxPool2d(kernel_size=2)
    >>> pool(y).tolist(), pool.backward(np.array([[[[5.0]]]])).tolist()
    ([[[[6.0]]]], [[[[0.0, 0.0], [5.0, 0.0]]]])

**No bias.** The batch norm behind a convolution subtracts the mean of each channel, and a bias with it. Its gradient would be exactly zero.
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
        momentum: each step is the gradient's, plus this part of the last step (0.9, as is common since Sutskever et al., 2013).
        epochs: the length of the schedule, along which lr falls as half a cosine does, to 0 (Loshchilov & Hutter, 2017, without restarts).
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
