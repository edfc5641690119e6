"""Poolings: ties, NaN and infinities as torch has them, and what bad input gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn


def both(layer: Any, twin: Any, x: Any, seed: int = 0) -> tuple[Any, Any]:
    """(y, dL_dx) by hand and by torch, for a random upstream gradient."""
    t = torch.from_numpy(x.copy()).requires_grad_()
    b = twin(t)
    dL_dy = np.random.default_rng(seed).normal(size=tuple(b.shape)).astype(x.dtype)
    b.backward(torch.from_numpy(dL_dy))
    return (layer(x), layer.backward(dL_dy)), (b, t.grad)


def agree(ours: Any, theirs: Any) -> bool:
    return all(error(a, b, nonfinite="match") < 1e-15 for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    "arguments",
    [{"kernel_size": (2, 3)}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": (2, 3), "stride": 1, "dilation": (3, 2)}],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_max_pool_of_nan_and_infinities(arguments: Any, value: float) -> None:
    """Sprinkled so densely that windows hold several; which of them gets the gradient is torch's choice."""
    rng = np.random.default_rng(4)
    x = np.where(rng.random((3, 2, 8, 9)) < 0.4, value, rng.normal(size=(3, 2, 8, 9)))
    ours, theirs = both(nn.MaxPool2d(**arguments), torch.nn.MaxPool2d(**arguments), x)
    assert agree(ours, theirs)
    assert not np.isnan(ours[1]).any()


def test_windows_of_minus_infinity_send_their_gradient_to_the_first_entry_inside() -> None:
    x = np.full((1, 2, 5, 6), -np.inf)
    arguments = {"kernel_size": (3, 2), "padding": 1, "stride": 2, "ceil_mode": True}
    ours, theirs = both(nn.MaxPool2d(**arguments), torch.nn.MaxPool2d(**arguments), x)
    assert agree(ours, theirs)
    assert np.count_nonzero(ours[1]) == 2 * 3 * 4


def test_equal_numbers_send_all_gradient_to_the_first() -> None:
    layer = nn.MaxPool2d((2, 3))
    layer(np.zeros((1, 1, 2, 6)))
    dL_dx = layer.backward(np.array([[[[5.0, 7.0]]]]))
    assert dL_dx.tolist() == [[[[5, 0, 0, 7, 0, 0], [0, 0, 0, 0, 0, 0]]]]


def test_a_window_of_more_than_255_taps() -> None:
    """The winner's number no longer fits into one byte."""
    x = np.random.default_rng(5).permutation(2 * 3 * 17 * 19).reshape(2, 3, 17, 19) * 1.0
    assert agree(*both(nn.MaxPool2d((16, 18)), torch.nn.MaxPool2d((16, 18)), x))


def test_ceil_mode_leaves_out_a_window_that_begins_behind_x() -> None:
    """Size 5 with kernel and stride (2, 4): a third row would begin at 4 (inside), a second column at 4; at size 4 it would not."""
    for size, windows in (((5, 5), (3, 2)), ((5, 4), (3, 1))):
        ours, theirs = both(
            nn.MaxPool2d((2, 1), (2, 4), ceil_mode=True), torch.nn.MaxPool2d((2, 1), (2, 4), ceil_mode=True), np.ones((1, 2, *size))
        )
        assert ours[0].shape == (1, 2, *windows)
        assert agree(ours, theirs)


def test_huge_numbers_of_float32_in_average_pools() -> None:
    x = np.full((1, 2, 4, 6), 3e38, dtype=np.float32)
    for layer, twin in (
        (nn.AvgPool2d((2, 3)), torch.nn.AvgPool2d((2, 3))),
        (nn.AdaptiveAvgPool2d((2, 3)), torch.nn.AdaptiveAvgPool2d((2, 3))),
    ):
        with np.errstate(over="ignore"):
            ours, theirs = both(layer, twin, x)
        assert np.isinf(ours[0]).all()
        assert np.isinf(theirs[0].detach().numpy()).all()
        assert error(ours[1], theirs[1]) < 1e-6


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("MaxPool2d", {"kernel_size": (2, 3), "stride": 1, "dilation": (3, 2)}),
        ("MaxPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
        ("AdaptiveMaxPool2d", {"output_size": (3, 5)}),
    ],
)
def test_places_of_ties_and_nan_are_torchs(name: str, arguments: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    for x in (rng.integers(0, 3, (2, 3, 8, 9)) * 1.0, np.where(rng.random((2, 3, 8, 9)) < 0.2, np.nan, rng.normal(size=(2, 3, 8, 9)))):
        y, places = getattr(nn, name)(return_indices=True, **arguments)(x)
        expected, theirs = getattr(torch.nn, name)(return_indices=True, **arguments)(torch.from_numpy(x))
        assert error(y, expected, nonfinite="match") == 0
        assert places.dtype == np.int64
        assert np.array_equal(places, theirs.numpy())


def test_adaptive_max_pool_of_nan() -> None:
    x = np.random.default_rng(6).normal(size=(2, 3, 5, 7))
    x[0, 1, 2, 3], x[1, 2, 4, 6] = np.nan, np.inf
    assert agree(*both(nn.AdaptiveMaxPool2d((2, 3)), torch.nn.AdaptiveMaxPool2d((2, 3)), x))


def test_an_adaptive_pool_to_nothing() -> None:
    for layer in (nn.AdaptiveAvgPool2d((0, 3)), nn.AdaptiveMaxPool2d((0, 3))):
        assert layer(np.ones((2, 4, 5, 6))).shape == (2, 4, 0, 3)
        assert layer.backward(np.ones((2, 4, 0, 3))).tolist() == np.zeros((2, 4, 5, 6)).tolist()


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda: nn.MaxPool2d(0), ValueError, "MaxPool2d: kernel_size must be at least 1, got 0"),
        (lambda: nn.MaxPool2d((2, 3, 4)), ValueError, "kernel_size must be one integer or 2"),
        (lambda: nn.MaxPool2d(2, 0), ValueError, "stride must be at least 1"),
        (lambda: nn.MaxPool2d((2, 4), padding=2), ValueError, r"padding must be at most half of kernel_size = \(2, 4\), got 2"),
        (lambda: nn.MaxPool1d(3, padding=2, dilation=2), ValueError, "MaxPool1d: padding must be at most half of kernel_size = 3, got 2"),
        (lambda: nn.MaxPool2d(3, dilation=0), ValueError, "dilation must be at least 1"),
        (lambda: nn.AdaptiveAvgPool1d((3, 4)), ValueError, "AdaptiveAvgPool1d: output_size must be one integer"),
        (lambda: nn.AdaptiveMaxPool1d(-1), ValueError, "AdaptiveMaxPool1d: output_size must be at least 0"),
        (lambda: nn.AvgPool2d(3, padding=2), ValueError, "AvgPool2d: padding must be at most half"),
        (lambda: nn.AvgPool2d(3, divisor_override=0), ValueError, "divisor_override must not be 0"),
        (lambda: nn.AdaptiveAvgPool2d((3, -1)), ValueError, "output_size must be at least 0"),
        (lambda: nn.AdaptiveAvgPool2d((3, None, 4)), ValueError, "output_size must be one integer or 2"),
    ],
)
def test_bad_arguments_are_named(build: Callable[..., Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        build()


@pytest.mark.parametrize(
    ("layer", "x", "kind", "words"),
    [
        (nn.MaxPool2d(3), np.ones((4, 5)), ValueError, r"MaxPool2d: x must have 3 or 4 axes, got shape \(4, 5\)"),
        (nn.MaxPool1d(3), np.ones((2, 3, 4, 5)), ValueError, "MaxPool1d: x must have 2 or 3 axes"),
        (
            nn.AvgPool2d((3, 6)),
            np.ones((2, 4, 5)),
            ValueError,
            r"AvgPool2d: a window spans \(3, 6\), more than x with its padding, \(4, 5\)",
        ),
        (nn.MaxPool2d(3), np.ones((2, 0, 4, 5)), ValueError, "no axis of x but the batch may be empty"),
        (nn.AdaptiveAvgPool2d(3), np.ones((2, 4, 0)), ValueError, "no axis of x but the batch may be empty"),
        (nn.AdaptiveAvgPool1d(3), np.ones((2, 3, 4, 5)), ValueError, "AdaptiveAvgPool1d: x must have 2 or 3 axes"),
        (nn.AdaptiveMaxPool1d(3), np.ones(5), ValueError, "AdaptiveMaxPool1d: x must have 2 or 3 axes"),
        (nn.AdaptiveMaxPool2d(3), np.ones((4, 5)), ValueError, "AdaptiveMaxPool2d: x must have 3 or 4 axes"),
        (nn.AvgPool2d(3), np.ones((2, 4, 5), int), TypeError, "AvgPool2d: x must be floating point, got int64"),
    ],
)
def test_bad_input_is_named(layer: Any, x: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        layer(x)
    layer.check_nothing_saved()
