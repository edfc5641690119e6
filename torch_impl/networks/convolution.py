"""Convolution: one small window of weights for all places of an image, and its arithmetic, in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_impl.module import Concept


def conv(x: Tensor, W: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """Shapes: x (N, C, H, W), W (O, C, K, L), the result (N, O, I, J)."""
    return F.conv2d(x, W, None, stride, padding, dilation)


def conv_transposed(y: Tensor, W: Tensor, shape: tuple[int, int], stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """Shapes: y (N, O, I, J), W (O, C, K, L), the result (N, C, *shape). torch is told by how much that is more than the least."""
    least = [(n - 1) * stride - 2 * padding + dilation * (k - 1) + 1 for n, k in zip(y.shape[2:], W.shape[2:], strict=True)]
    more = [n - m for n, m in zip(shape, least, strict=True)]
    return F.conv_transpose2d(y, W, None, stride, padding, more, 1, dilation)


class Convolution(Concept):
    """Two kernels that learn what was done to images; the mean of the squared errors, gradient descent with momentum.

    Args:
        kernel_size: K, odd.
        dilation: how far a kernel's weights lie apart.
        lr: the length of a step, per gradient.
        momentum: the part of the last step that is kept.

    Shapes: x (N, 1, H, W), the prediction and the target y (N, 2, H, W).

    Raises:
        ValueError: if kernel_size is even or below 1, or dilation is below 1.
    """

    def __init__(self, kernel_size: int = 3, dilation: int = 1, lr: float = 0.3, momentum: float = 0.9) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0 or dilation < 1:
            raise ValueError(f"Convolution: kernel_size must be odd and dilation at least 1, got {kernel_size} and {dilation}")
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        self.conv = nn.Conv2d(1, 2, kernel_size, padding=dilation * (kernel_size - 1) // 2, dilation=dilation, bias=False)
        self.loss = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """What the two kernels make of the images."""
        return self.conv(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", self.loss(self(x), y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: groups -----------------------------------------------------------------------


def grouped(x: Tensor, W: Tensor, groups: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """Convolutions side by side. Shapes: x (N, C, H, W), W (O, C / groups, K, L), the result (N, O, I, J)."""
    return F.conv2d(x, W, None, stride, padding, dilation, groups)
