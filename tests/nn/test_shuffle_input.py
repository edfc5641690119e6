"""Layers that move numbers between channels and places, and those that compare channels: edges, and what bad input gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn


def test_unshuffled_pixels_are_where_they_were() -> None:
    x = np.random.default_rng(0).normal(size=(2, 12, 3, 5))
    assert np.array_equal(nn.PixelUnshuffle(2)(nn.PixelShuffle(2)(x)), x)
    assert np.array_equal(nn.ChannelShuffle(4)(nn.ChannelShuffle(3)(x)), x)  # 3 groups of 4, and back


def test_no_image_at_all() -> None:
    for layer, size in ((nn.PixelShuffle(2), (1, 6, 10)), (nn.PixelUnshuffle(1), (4, 3, 5)), (nn.ChannelShuffle(2), (4, 3, 5))):
        assert layer(np.zeros((0, 4, 3, 5))).shape == (0, *size)
        assert layer.backward(np.zeros((0, *size))).shape == (0, 4, 3, 5)


def test_a_window_of_one_channel_divides_by_the_channel_itself() -> None:
    x = np.array([[[3.0, -4.0]]])
    y = nn.LocalResponseNorm(1, alpha=2.0, beta=0.5, k=0.0)(x)
    assert y == pytest.approx(np.sign(x) / np.sqrt(2))
    assert error(y, torch.nn.LocalResponseNorm(1, alpha=2.0, beta=0.5, k=0.0)(torch.from_numpy(x))) < 1e-15


def test_no_channel_and_no_example_to_divide() -> None:
    for shape in ((2, 0, 3), (0, 2, 3)):
        layer = nn.LocalResponseNorm(3)
        assert layer(np.zeros(shape)).shape == layer.backward(np.zeros(shape)).shape == shape


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda: nn.PixelShuffle(0), ValueError, "PixelShuffle: upscale_factor must be at least 1, got 0"),
        (lambda: nn.PixelShuffle(1.5), TypeError, r"PixelShuffle: upscale_factor must be (an|one) integer"),
        (lambda: nn.PixelUnshuffle(-1), ValueError, r"PixelUnshuffle: downscale_factor must be at least [01], got -1"),
        (lambda: nn.ChannelShuffle(0), ValueError, "ChannelShuffle: groups must be at least 1, got 0"),
        (lambda: nn.LocalResponseNorm(0), ValueError, "LocalResponseNorm: size must be at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(build: Callable[..., Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        build()


@pytest.mark.parametrize(
    ("layer", "x", "kind", "words"),
    [
        (nn.PixelShuffle(2), np.ones((2, 6, 3, 5)), ValueError, r"PixelShuffle: axis -3 of x must be a multiple of upscale_factor² = 4"),
        (nn.PixelShuffle(2), np.ones((4, 3)), ValueError, r"PixelShuffle: x must have at least 3 axes, got shape \(4, 3\)"),
        (nn.PixelUnshuffle(2), np.ones((1, 3, 4)), ValueError, "PixelUnshuffle: axis -2 of x must be a multiple of downscale_factor = 2"),
        (nn.PixelUnshuffle(2), np.ones((1, 4, 3)), ValueError, "PixelUnshuffle: axis -1 of x"),
        (nn.ChannelShuffle(3), np.ones((2, 4, 3)), ValueError, "ChannelShuffle: axis 1 of x must be a multiple of groups = 3"),
        (nn.ChannelShuffle(3), np.ones((2, 3)), ValueError, "ChannelShuffle: x must have at least 3 axes"),
        (nn.ChannelShuffle(3), np.ones((2, 3, 4), int), TypeError, "ChannelShuffle: x must be floating point"),
        (nn.LocalResponseNorm(3), np.ones((2, 3)), ValueError, "LocalResponseNorm: input must have at least 3 axes"),
        (nn.LocalResponseNorm(3), np.ones((2, 3, 4), int), TypeError, "LocalResponseNorm: input must be floating point"),
    ],
)
def test_bad_input_is_named(layer: Any, x: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        layer(x)
    layer.check_nothing_saved()
