"""Convolutions: what is kept, initial weights, and what bad input gets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn
from manual.nn import conv


@pytest.mark.parametrize("width", [5, 10], ids=["small", "not small"])
def test_a_batch_of_many_blocks_equals_its_images_one_by_one(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three images at a time, and two in the last block."""
    monkeypatch.setattr(conv, "BLOCK", 3 * 8 * 2 * 6 * (7 * width) + 8)
    rng = np.random.default_rng(1)
    layer = nn.Conv2d(2, 3, (3, 2), padding=(2, 1), rng=rng)  # windows on x: (7, width), padding on all four sides
    x, dL_dy = rng.normal(size=(8, 2, 5, width - 1)), rng.normal(size=(8, 3, 7, width))
    assert conv.are_small(8, (7, width)) == (width == 5)
    assert [len(x[some]) for some in conv._few(x, layer.windows, (7, width))] == [3, 3, 2]
    y, dL_dx, dL_dW = layer(x), layer.backward(dL_dy), layer.weight.grad.copy()
    layer.zero_grad()
    for n in range(8):
        assert error(y[n], layer(x[n])) < 1e-15
        assert error(dL_dx[n], layer.backward(dL_dy[n])) < 1e-15
    assert error(dL_dW, layer.weight.grad) < 1e-14


@pytest.mark.parametrize(("layer", "shape"), [(nn.Conv2d(2, 3, 4), (5, 2, 6, 7)), (nn.ConvTranspose2d(2, 3, 4), (5, 2, 6, 7))])
def test_nothing_but_the_input_is_kept(layer: Any, shape: tuple[int, ...]) -> None:
    """The windows are K times as many numbers as x; backward gathers them again."""
    x = np.ones(shape)
    layer(x)
    assert layer.restore() is x


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda rng: nn.Conv1d(8, 60, 5, groups=2, rng=rng), 4 * 5),
        (lambda rng: nn.Conv2d(8, 60, (3, 2), groups=4, rng=rng), 2 * 6),
        (lambda rng: nn.ConvTranspose2d(60, 8, (3, 2), groups=4, rng=rng), 2 * 6),
        (lambda rng: nn.ConvTranspose1d(60, 8, 5, groups=2, rng=rng), 4 * 5),
    ],
)
def test_initial_weights_are_uniform_in_torchs_bounds(layer: Any, fan_in: int) -> None:
    layer = layer(np.random.default_rng(2))
    twin = getattr(torch.nn, type(layer).__name__)(layer.in_channels, layer.out_channels, layer.kernel_size, groups=layer.groups)
    bound = 1 / math.sqrt(fan_in)
    for p, q in ((layer.weight.data, twin.weight.detach().numpy()), (layer.bias.data, twin.bias.detach().numpy())):
        assert p.shape == q.shape
        for values in (p, q):
            assert 0.8 * bound < np.abs(values).max() <= bound
    assert layer.weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert abs(layer.weight.mean()) < 0.1 * bound


def test_nan_reaches_the_windows_that_see_it_and_no_other() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 3, 6, 7)).astype(np.float32)
    x[1, 2, 4, 5], x[0, 1, 0, 0] = np.nan, np.inf
    layer = nn.Conv2d(3, 4, (2, 3), padding=1, dtype=np.float32, rng=rng)
    twin = torch.nn.Conv2d(3, 4, (2, 3), padding=1)
    twin.load_state_dict({key: torch.from_numpy(value) for key, value in layer.state_dict().items()})
    y = layer(x)
    assert error(y, twin(torch.from_numpy(x)), nonfinite="match") < 1e-6
    assert np.isnan(y).sum() == 4 * 6  # one pixel, in the windows of 2 · 3 taps, for each of 4 filters


def test_a_frozen_weight_gets_no_gradient() -> None:
    layer = nn.Conv2d(2, 3, 2)
    layer.weight.requires_grad = False
    dL_dx = layer.backward(np.ones(layer(np.ones((1, 2, 3, 4))).shape))
    assert not layer.weight.has_grad
    assert layer.bias.has_grad
    assert dL_dx.any()


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda: nn.Conv2d(4, 6, 3, groups=4), ValueError, "Conv2d: groups must divide in_channels = 4 and out_channels = 6, got 4"),
        (lambda: nn.Conv2d(3, 6, 3, groups=2), ValueError, "groups must divide in_channels = 3"),
        (lambda: nn.Conv2d(4, 6, 3, groups=0), ValueError, "groups must be at least 1, got 0"),
        (lambda: nn.Conv2d(0, 6, 3), ValueError, "in_channels and out_channels must be at least 1"),
        (lambda: nn.Conv2d(4, 6, (3, 0)), ValueError, r"kernel_size must be at least 1, got \(3, 0\)"),
        (lambda: nn.Conv2d(4, 6, (3, 2, 1)), ValueError, "kernel_size must be one integer or 2"),
        (lambda: nn.Conv1d(4, 6, (3, 2)), ValueError, r"Conv1d: kernel_size must be one integer, got \(3, 2\)"),
        (lambda: nn.Conv2d(4, 6, 2.5), TypeError, "kernel_size must be one integer or 2, got 2.5"),
        (lambda: nn.Conv2d(4, 6, True), TypeError, "kernel_size must be one integer or 2, got True"),
        (lambda: nn.Conv2d(4, 6, 3, stride=0), ValueError, "stride must be at least 1, got 0"),
        (lambda: nn.Conv2d(4, 6, 3, dilation=0), ValueError, "dilation must be at least 1, got 0"),
        (lambda: nn.Conv2d(4, 6, 3, padding=-1), ValueError, "padding must be at least 0, got -1"),
        (lambda: nn.Conv2d(4, 6, 3, padding="full"), ValueError, "padding must be one of 'same', 'valid', got 'full'"),
        (lambda: nn.Conv2d(4, 6, 3, padding="same", stride=(1, 2)), ValueError, "padding 'same' needs stride 1"),
        (lambda: nn.Conv2d(4, 6, 3, padding_mode="mirror"), ValueError, "padding_mode must be one of"),
        (lambda: nn.Conv2d(4, 6, 3, padding_mode="reflect"), NotImplementedError, "padding_mode 'reflect'"),
        (lambda: nn.ConvTranspose2d(4, 6, 3, padding="same"), TypeError, "padding must be one integer or 2, got 'same'"),
        (lambda: nn.ConvTranspose2d(4, 6, 3, 2, output_padding=2), ValueError, "output_padding must be less than stride"),
        (lambda: nn.ConvTranspose1d(4, 6, (3, 2)), ValueError, "ConvTranspose1d: kernel_size must be one integer"),
        (
            lambda: nn.ConvTranspose1d(4, 6, 3, output_padding=1),
            ValueError,
            r"ConvTranspose1d: output_padding must be less than stride \(1,\)",
        ),
        (lambda: nn.Unfold(0), ValueError, "Unfold: kernel_size must be at least 1"),
        (lambda: nn.Fold((4, 5, 6), 2), ValueError, "Fold: output_size must be one integer or 2"),
    ],
)
def test_bad_arguments_are_named(build: Callable[..., Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        build()


@pytest.mark.parametrize(
    ("layer", "x", "kind", "words"),
    [
        (nn.Conv2d(2, 3, 4), np.ones((5, 3, 6, 7)), ValueError, r"axis -3 of x must be in_channels = 2, got shape \(5, 3, 6, 7\)"),
        (nn.Conv2d(2, 3, 4), np.ones((6, 7)), ValueError, r"x must have 3 or 4 axes, got shape \(6, 7\)"),
        (nn.Conv1d(2, 3, 4), np.ones((5, 2, 6, 7)), ValueError, "Conv1d: x must have 2 or 3 axes"),
        (nn.Conv2d(2, 3, 4), np.ones((5, 2, 6, 3)), ValueError, r"Conv2d: a window spans \(4, 4\), .* \(6, 3\)"),
        (nn.Conv2d(2, 3, 4, dilation=2, padding=1), np.ones((0, 2, 4, 8)), ValueError, r"a window spans \(7, 7\), .* \(6, 10\)"),
        (nn.Conv2d(2, 3, 4, padding=2), np.ones((5, 2, 0, 7)), ValueError, "no axis of x but the batch may be empty"),
        (nn.Conv2d(2, 3, 4), np.ones((5, 2, 6, 7), np.float32), TypeError, "x must have the layer's dtype float64, got float32"),
        (nn.Conv2d(2, 3, 4), [[1.0]], TypeError, "x must be a NumPy array, got list"),
        (nn.ConvTranspose2d(2, 3, 4), np.ones((5, 3, 6, 7)), ValueError, "axis -3 of x must be in_channels = 2"),
        (nn.ConvTranspose2d(2, 3, 3, padding=4), np.ones((2, 3, 4)), ValueError, r"y would have size \(-3, -2\)"),
        (nn.ConvTranspose1d(2, 3, 4), np.ones((5, 3, 6)), ValueError, "ConvTranspose1d: axis -2 of x must be in_channels = 2"),
        (nn.ConvTranspose1d(2, 3, 3, padding=4), np.ones((2, 3)), ValueError, r"ConvTranspose1d: y would have size \(-3,\)"),
        (nn.Unfold(3), np.ones((2, 6, 2)), ValueError, r"Unfold: a window spans \(3, 3\)"),
        (nn.Fold((4, 5), 2), np.ones((3, 6, 12)), ValueError, "axis -2 of x must be a multiple of the 4 taps of a window"),
        (nn.Fold((4, 5), 2), np.ones((3, 8, 11)), ValueError, "axis -1 of x must be the number of windows, 3 · 4"),
        (nn.Fold((4, 5), 2), np.ones((3, 8, 12), int), TypeError, "x must be floating point"),
    ],
)
def test_bad_input_is_named(layer: Any, x: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        layer(x)
    layer.check_nothing_saved()


@pytest.mark.parametrize("size", [(8, 13), (11, 13), (9, 12), (9, 14), (7,)])
def test_output_size_out_of_reach_is_named(size: tuple[int, ...]) -> None:
    """Stride (2, 1) leaves (9, 13) and (10, 13) to choose from."""
    layer = nn.ConvTranspose2d(2, 3, 3, (2, 1))
    x = np.ones((1, 2, 4, 11))
    assert layer(x, output_size=(10, 13)).shape == (1, 3, 10, 13)
    assert layer(x, output_size=(1, 3, 9, 13)).shape == (1, 3, 9, 13)
    with pytest.raises(ValueError, match="output_size must be at least"):
        layer(x, output_size=size)


def test_backward_without_forward_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"Conv2d.backward was called without a forward"):
        nn.Conv2d(2, 3, 4).backward(np.ones((5, 3, 1, 2)))
