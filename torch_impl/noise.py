"""Noise as a module of its own, so that a comparison can put shared noise in its place."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Noise(nn.Module):
    """Numbers from the standard Normal, in the dtype and on the device of the model that it is a part of.

        epsilon = self.noise((N, D))
        x = mean + std * epsilon

    Shapes: any, given to forward.
    """

    like: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("like", torch.zeros(()), persistent=False)  # goes where the model goes; not in the state_dict

    def forward(self, shape: tuple[int, ...]) -> Tensor:
        """Fresh numbers, of this shape."""
        return torch.randn(shape, dtype=self.like.dtype, device=self.like.device)
