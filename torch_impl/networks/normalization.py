"""Batch, layer and RMS norm: why a layer that is normalised does not mind how large its weights are, in Lightning."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_impl.module import Concept, mean_of

Norm = Literal["none", "batch", "layer", "rms"]

NORMS: dict[str, Any] = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "rms": nn.RMSNorm}


def batch_norm(z: Tensor, eps: float = 0.0) -> Tensor:
    """Each column of z less its mean, over its standard deviation. F.batch_norm takes no eps of 0; F.layer_norm does."""
    return layer_norm(z.T, eps).T


def layer_norm(z: Tensor, eps: float = 0.0) -> Tensor:
    """The same by rows."""
    return F.layer_norm(z, z.shape[1:], eps=eps)


def rms_norm(z: Tensor, eps: float = 0.0) -> Tensor:
    """Each row of z over the root of the mean of its squares."""
    return F.rms_norm(z, z.shape[1:], eps=eps)


class NormalizedMLP(Concept):
    """64 → width → ... → width → 10, a norm and a ReLU behind each hidden layer; softmax cross-entropy and plain gradient descent.

    Args:
        norm: one of NORMS.
        depth: how many hidden layers.
        width: units of each.
        scale: how many times as large as nn.Linear's the weights of the hidden layers begin.
        lr: the step size.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if there is no such norm, no layer, or the scale is not above 0.
    """

    def __init__(self, norm: Norm = "batch", depth: int = 6, width: int = 32, scale: float = 1.0, lr: float = 0.05) -> None:
        super().__init__()
        if norm not in get_args(Norm):
            raise ValueError(f"NormalizedMLP: norm must be one of {', '.join(map(repr, NORMS))}, got {norm!r}")
        if min(depth, width) < 1 or not scale > 0:
            raise ValueError(f"NormalizedMLP: depth and width must be at least 1 and scale above 0, got {depth}, {width} and {scale}")
        self.save_hyperparameters()
        self.lr = lr
        self.layers = nn.ModuleList(nn.Linear(width if k else 64, width, bias=False) for k in range(depth))
        self.norms = nn.ModuleList(NORMS[norm](width) for _ in range(depth))
        self.relu = nn.ReLU()
        self.last = nn.Linear(width, 10)
        self.loss = nn.CrossEntropyLoss()
        with torch.no_grad():
            for weight in self.layers.parameters():
                weight.mul_(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        h = x
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = self.relu(norm(layer(h)))
        return self.last(h)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        scores = self(x)
        self.log("loss/val", self.loss(scores, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(scores.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
