"""Flatten, Unflatten, ZeroPad2d, Upsample, Identity, Bilinear and Embedding: edges, initial weights, and what bad input gets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn


def test_flatten_of_a_single_number() -> None:
    layer = nn.Flatten(0)
    assert layer(np.array(3.0)).shape == torch.nn.Flatten(0)(torch.tensor(3.0)).shape == (1,)
    assert layer.backward(np.array([2.0])).shape == ()


@pytest.mark.parametrize("padding", list(itertools.product((-4, -2, 1), repeat=4)))
def test_zero_pad_cuts_where_torch_cuts(padding: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 6))
    try:
        expected = torch.nn.ZeroPad2d(padding)(torch.from_numpy(x))
    except RuntimeError:
        with pytest.raises(ValueError, match="cuts off more than there is of x"):
            nn.ZeroPad2d(padding)(x)
    else:
        assert error(nn.ZeroPad2d(padding)(x), expected) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearest_rounds_as_torch(dtype: Any) -> None:
    """6 to 94 entries: u · 6 / 94 is a whole number for u = 47, and rounding may push it below."""
    for n, o in ((6, 94), (2, 82), (24, 88), (7, 30), (9, 4)):
        x = np.arange(n, dtype=dtype)[None, None]
        assert error(nn.Upsample(o)(x), torch.nn.Upsample(o)(torch.from_numpy(x))) == 0


def test_nearest_backward_is_the_transpose_of_forward_where_torchs_is_not() -> None:
    """Factor 1.3 leaves 2 entries 2: forward takes the first twice, so its gradient is the sum of both."""
    layer, dL_dy = nn.Upsample(scale_factor=1.3), np.array([[[3.0, 5.0]]])
    assert layer(np.array([[[1.0, 2.0]]])).tolist() == [[[1, 1]]]
    assert layer.backward(dL_dy).tolist() == [[[8, 0]]]


def test_nan_spreads_to_its_neighbours_only() -> None:
    x = np.ones((1, 2, 5, 7))
    x[0, 1, 2, 3] = np.nan
    for arguments in (
        {"scale_factor": 2},
        {"scale_factor": 2, "mode": "bilinear"},
        {"size": (9, 13), "mode": "bilinear", "align_corners": True},
        {"scale_factor": (1.1, 2), "mode": "bilinear"},  # the first axis keeps its size
    ):
        y, expected = nn.Upsample(**arguments)(x), torch.nn.Upsample(**arguments)(torch.from_numpy(x))
        assert error(y, expected, nonfinite="match") < 1e-15


def test_identity_takes_any_arguments_and_passes_everything() -> None:
    x, dL_dy = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    layer = nn.Identity(54, anything=True)
    assert layer(x) is x
    assert layer.backward(dL_dy) is dL_dy


def test_bilinear_initial_weights_are_uniform_in_torchs_bounds() -> None:
    layer, twin = nn.Bilinear(9, 20, 30, rng=np.random.default_rng(1)), torch.nn.Bilinear(9, 20, 30)
    for values in (layer.weight.data, layer.bias.data, twin.weight.detach().numpy(), twin.bias.detach().numpy()):
        assert 0.8 / 3 < np.abs(values).max() <= 1 / 3
    assert layer.weight.std() == pytest.approx(1 / 3 / math.sqrt(3), rel=0.05)


def test_embedding_starts_normal_and_its_padding_at_zero() -> None:
    layer = nn.Embedding(70, 90, padding_idx=-3, rng=np.random.default_rng(2))
    assert layer.padding_idx == torch.nn.Embedding(70, 90, padding_idx=-3).padding_idx == 67
    assert not layer.weight[67].any()
    others = np.delete(layer.weight.data, 67, axis=0)
    assert abs(others.mean()) < 0.05
    assert others.std() == pytest.approx(1, abs=0.05)
    assert (np.abs(others) > 2).mean() == pytest.approx(0.0455, abs=0.01)  # a Normal's tails


def test_embedding_adds_to_the_gradient_that_is_there_and_keeps_its_argument() -> None:
    layer = nn.Embedding(4, 3, dtype=np.float32)
    before = np.arange(12, dtype=np.float32).reshape(3, 4).T  # not contiguous
    layer.weight.grad = before
    layer(np.array([[1, 1], [3, 1]], dtype=np.int32))
    assert layer.backward(np.full((2, 2, 3), 0.5, dtype=np.float32)) is None
    assert (layer.weight.grad - np.arange(12).reshape(3, 4).T).tolist() == [[0] * 3, [1.5] * 3, [0] * 3, [0.5] * 3]
    assert layer.weight.grad.dtype == np.float32


def test_a_frozen_embedding_gets_no_gradient() -> None:
    layer = nn.Embedding(4, 3)
    layer.weight.requires_grad = False
    layer(np.array([2]))
    layer.backward(np.ones((1, 3)))
    assert not layer.weight.has_grad


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda: nn.Unflatten(1, (2, -1, -1)), ValueError, "at most one of them -1"),
        (lambda: nn.Unflatten(1, ()), ValueError, "unflattened_size must hold sizes"),
        (lambda: nn.Unflatten(1, (2, 1.5)), TypeError, "unflattened_size must be a tuple of integers"),
        (lambda: nn.Unflatten("C", (2, 3)), TypeError, "Unflatten: dim must be an integer, got 'C'"),
        (lambda: nn.ZeroPad2d((1, 2)), ValueError, r"padding must be one integer or \(left, right, top, bottom\), got \(1, 2\)"),
        (lambda: nn.Upsample(), ValueError, "give either size or scale_factor"),
        (lambda: nn.Upsample(3, 2), ValueError, "give either size or scale_factor, got 3 and 2"),
        (lambda: nn.Upsample(scale_factor=(2, 0)), ValueError, "scale_factor must be positive"),
        (lambda: nn.Upsample(3, mode="cubic"), ValueError, "mode must be one of"),
        (lambda: nn.Upsample(3, mode="bicubic"), NotImplementedError, "mode 'bicubic'"),
        (lambda: nn.Upsample(3, align_corners=True), ValueError, "align_corners goes with mode 'bilinear' only"),
        (lambda: nn.Upsample(3, recompute_scale_factor=True), ValueError, "recompute_scale_factor goes with scale_factor"),
        (lambda: nn.Bilinear(0, 3, 4), ValueError, "in1_features must be positive, got 0"),
        (lambda: nn.Embedding(4, 3, padding_idx=4), ValueError, r"padding_idx must lie in -4 … 3 \(num_embeddings = 4\), got 4"),
        (lambda: nn.Embedding(4, 3, padding_idx=-5), ValueError, "padding_idx must lie in -4 … 3"),
        (lambda: nn.Embedding(-4, 3), ValueError, "num_embeddings must be at least 0, got -4"),
        (lambda: nn.Embedding(4, 3, max_norm=1.0), NotImplementedError, "Embedding: max_norm"),
        (lambda: nn.Embedding(4, 3, norm_type=1.0), NotImplementedError, "norm_type"),
        (lambda: nn.Embedding(4, 3, scale_grad_by_freq=True), NotImplementedError, "scale_grad_by_freq"),
        (lambda: nn.Embedding(4, 3, sparse=True), NotImplementedError, "sparse"),
    ],
)
def test_bad_arguments_are_named(build: Callable[..., Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        build()


@pytest.mark.parametrize(
    ("layer", "inputs", "kind", "words"),
    [
        (nn.Flatten(), (np.ones(3),), IndexError, r"Flatten: start_dim must be an axis of x, -1 … 0, got 1 for shape \(3,\)"),
        (nn.Flatten(0, -5), (np.ones((2, 3)),), IndexError, "end_dim must be an axis of x, -2 … 1, got -5"),
        (nn.Flatten(2, 1), (np.ones((2, 3, 4)),), ValueError, "start_dim must not come after end_dim, got 2, 1"),
        (nn.Unflatten(1, (2, 2)), (np.ones((3, 6)),), ValueError, r"must multiply up to axis 1 of x, got shape \(3, 6\)"),
        (nn.Unflatten(1, (4, -1)), (np.ones((3, 6)),), ValueError, "must multiply up to axis 1"),
        (nn.Unflatten(2, (2, 3)), (np.ones((3, 6)),), IndexError, "dim must be an axis of x"),
        (nn.ZeroPad2d(1), (np.ones(3),), ValueError, "x must have at least 2 axes"),
        (nn.Upsample(3, mode="bilinear"), (np.ones((2, 3, 4)),), ValueError, "Upsample: x must have 4 axes"),
        (nn.Upsample(3), (np.ones((2, 3)),), ValueError, "x must have 3 or 4 or 5 axes"),
        (nn.Upsample((3, 4)), (np.ones((2, 3, 4)),), ValueError, r"size must be one integer, got \(3, 4\)"),
        (nn.Upsample(scale_factor=(2, 3)), (np.ones((2, 3, 4)),), ValueError, "scale_factor must be one number or 1"),
        (nn.Upsample(scale_factor=0.2), (np.ones((2, 3, 4)),), ValueError, "no axis of x and y but the batch may be empty"),
        (nn.Bilinear(4, 3, 2), (np.ones((5, 3)), np.ones((5, 3))), ValueError, "axis -1 of x1 must be in1_features = 4"),
        (nn.Bilinear(4, 3, 2), (np.ones((5, 4)), np.ones((5, 4))), ValueError, "axis -1 of x2 must be in2_features = 3"),
        (nn.Bilinear(4, 3, 2), (np.ones((5, 4)), np.ones((1, 3))), ValueError, "x1 and x2 must agree in all axes but the last"),
        (nn.Embedding(4, 3), (np.array([0, 4]),), IndexError, r"x must lie in 0 … 3 \(num_embeddings = 4\), got 4"),
        (nn.Embedding(4, 3), (np.array([0, -1]),), IndexError, "x must lie in 0 … 3 .* got -1"),
        (nn.Embedding(4, 3), (np.array([0.0, 1.0]),), TypeError, "x must be an array of integers, got float64"),
    ],
)
def test_bad_input_is_named(layer: Any, inputs: tuple[Any, ...], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        layer(*inputs)
    layer.check_nothing_saved()
