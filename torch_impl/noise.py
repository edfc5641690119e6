"""Noise as a module of its own, so that a comparison can put shared noise in its place."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Drawn(nn.Module):
    """Numbers in the dtype and on the device of the model that this is a part of; a subclass says which."""

    like: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("like", torch.zeros(()), persistent=False)  # goes where the model goes; not in the state_dict


class Noise(Drawn):
    """Numbers from the standard Normal.

        epsilon = self.noise((N, D))
        x = mean + std * epsilon

    Shapes: any, given to forward.
    """

    def forward(self, shape: tuple[int, ...]) -> Tensor:
        """Fresh numbers, of this shape."""
        return torch.randn(shape, dtype=self.like.dtype, device=self.like.device)


class Uniform(Drawn):
    """Numbers in [0, 1), everywhere equally likely.

        u = self.uniform((N,))
        action = draw(probability, u)

    Shapes: any, given to forward.
    """

    def forward(self, shape: tuple[int, ...]) -> Tensor:
        """Fresh numbers, of this shape."""
        return torch.rand(shape, dtype=self.like.dtype, device=self.like.device)
