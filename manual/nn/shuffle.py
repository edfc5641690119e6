"""Layers that only move numbers between channels and places: PixelShuffle, PixelUnshuffle, ChannelShuffle.

y holds every entry of x once, in another place, so ∂L/∂x holds every entry of ∂L/∂y once, moved back.
"""

from __future__ import annotations

import numpy as np

from manual.module import Module
from manual.nn.fold import per_axis
from manual.nn.validate import expect_array


class PixelShuffle(Module):
    """r² channels as one channel of an image that is r times as high and wide (torch.nn.PixelShuffle).

        y[..., c, h r + i, w r + j] = x[..., c r² + i r + j, h, w],   i and j from 0 to r − 1

    Args:
        upscale_factor: r.

    Shapes: x (..., C r², H, W), y (..., C, H r, W r).

    Raises:
        ValueError: if x has fewer than three axes, or r² does not divide its channels; at construction if r is below 1.
        TypeError: if x is not a floating point array.

    Source: Shi et al. 2016, "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network",
        equation 4.
    """

    _shows = "upscale_factor={upscale_factor}"

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        (self.upscale_factor,) = per_axis("PixelShuffle", "upscale_factor", upscale_factor, 1, 1)

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_channels("PixelShuffle", x, -3, self.upscale_factor**2, "upscale_factor²")
        return spread_out(x, self.upscale_factor)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return gathered(dL_dy, self.upscale_factor)


class PixelUnshuffle(Module):
    """Every r × r block of an image as one place of r² channels: PixelShuffle undone (torch.nn.PixelUnshuffle).

        y[..., c r² + i r + j, h, w] = x[..., c, h r + i, w r + j],   i and j from 0 to r − 1

    Args:
        downscale_factor: r.

    Shapes: x (..., C, H r, W r), y (..., C r², H, W).

    Raises:
        ValueError: if x has fewer than three axes, or r does not divide its height and width; at construction if r is below 1.
        TypeError: if x is not a floating point array.
    """

    _shows = "downscale_factor={downscale_factor}"

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        (self.downscale_factor,) = per_axis("PixelUnshuffle", "downscale_factor", downscale_factor, 1, 1)

    def forward(self, x: np.ndarray) -> np.ndarray:
        for axis in (-2, -1):
            expect_channels("PixelUnshuffle", x, axis, self.downscale_factor, "downscale_factor")
        return gathered(x, self.downscale_factor)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return spread_out(dL_dy, self.downscale_factor)


class ChannelShuffle(Module):
    """The channels of several groups dealt out like cards: first each group's first, then each group's second (torch.nn.ChannelShuffle).

        y[n, k G + g, ...] = x[n, g K + k, ...],   for G groups of K channels

    So the next layer with groups sees channels of all of them.

    Args:
        groups: G.

    Shapes: x and y (N, C, ...), C a multiple of G.

    Raises:
        ValueError: if x has fewer than three axes, or groups does not divide its channels; at construction if groups is below 1.
        TypeError: if x is not a floating point array.

    Source: Zhang et al. 2018, "ShuffleNet: an extremely efficient convolutional neural network for mobile devices", section 3.1.
    """

    _shows = "groups={groups}"

    def __init__(self, groups: int) -> None:
        super().__init__()
        (self.groups,) = per_axis("ChannelShuffle", "groups", groups, 1, 1)

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_channels("ChannelShuffle", x, 1, self.groups, "groups")
        return dealt(x, self.groups)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return dealt(dL_dy, dL_dy.shape[1] // self.groups)  # K groups of G: dealing once more brings every card back


def spread_out(x: np.ndarray, r: int) -> np.ndarray:
    """(..., C r², H, W) to (..., C, H r, W r)."""
    *lead, channels, H, W = x.shape
    blocks = x.reshape(*lead, channels // r**2, r, r, H, W)
    blocks = np.moveaxis(blocks, (-4, -3), (-3, -1))  # (..., C, H, r, W, r)
    return blocks.reshape(*lead, channels // r**2, H * r, W * r)


def gathered(y: np.ndarray, r: int) -> np.ndarray:
    """(..., C, H r, W r) to (..., C r², H, W)."""
    *lead, C, H, W = y.shape
    blocks = y.reshape(*lead, C, H // r, r, W // r, r)
    blocks = np.moveaxis(blocks, (-3, -1), (-4, -3))  # (..., C, r, r, H, W)
    return blocks.reshape(*lead, C * r**2, H // r, W // r)


def dealt(x: np.ndarray, groups: int) -> np.ndarray:
    """(N, G K, ...) to (N, K G, ...)."""
    N, C, *size = x.shape
    return x.reshape(N, groups, C // groups, *size).swapaxes(1, 2).reshape(x.shape)


def expect_channels(layer: str, x: np.ndarray, axis: int, divisor: int, what: str) -> None:
    """Raise unless x is an array of floats with three axes or more, and the divisor, called `what`, divides that axis."""
    expect_array(layer, "x", x)
    if x.ndim < 3:
        raise ValueError(f"{layer}: x must have at least 3 axes, got shape {x.shape}")
    if x.shape[axis] % divisor:
        raise ValueError(f"{layer}: axis {axis} of x must be a multiple of {what} = {divisor}, got shape {x.shape}")
