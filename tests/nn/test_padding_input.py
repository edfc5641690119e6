"""The paddings: what is cut off, mirrored and wrapped is torch's, and what bad input gets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn

COPIES = ("ReflectionPad", "ReplicationPad", "CircularPad")
CONSTANTS = ("ZeroPad", "ConstantPad")
NUMBERS = (-7, -5, -4, -2, 0, 1, 4, 5, 6)


def made(library: Any, name: str, padding: Any) -> Any:
    """A layer of either side; ConstantPad needs its constant."""
    return getattr(library, name)(padding, *((-2.5,) if name.startswith("Constant") else ()))


def of_torch(name: str, padding: tuple[int, int], x: np.ndarray) -> Any:
    """torch's y, None where it refuses; also where it cuts and wraps so much that it reads memory that nobody has written."""
    left = x.shape[1] + sum(min(p, 0) for p in padding)
    if name == "CircularPad" and max(padding) > left:
        return None
    try:
        return made(torch.nn, f"{name}1d", padding)(torch.from_numpy(x))
    except RuntimeError:
        return None


@pytest.mark.parametrize("name", [*COPIES, *CONSTANTS])
def test_every_pair_of_ends_is_torchs_or_refused_by_both(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5))
    kinds = {"refused": 0, "the same": 0}
    for padding in itertools.product(NUMBERS, repeat=2):
        expected = of_torch(name, padding, x)
        if expected is None:
            with pytest.raises(ValueError, match=rf"{name}1d: padding \({padding[0]}, {padding[1]}\) (must|leaves|wraps|cuts)"):
                made(nn, f"{name}1d", padding)(x)
            kinds["refused"] += 1
        elif expected.shape[1] or name not in COPIES:  # torch's circular padding may leave nothing
            assert error(made(nn, f"{name}1d", padding)(x), expected) == 0, padding
            kinds["the same"] += 1
    assert min(kinds.values()) > 20


@pytest.mark.parametrize("name", COPIES)
def test_nothing_may_be_left_of_no_axis(name: str) -> None:
    for padding in ((-5, 0), (-2, -3)):
        with pytest.raises(ValueError, match=f"{name}1d: .* leaves nothing of x"):
            made(nn, f"{name}1d", padding)(np.ones((2, 5)))


def test_what_is_copied_several_times_gets_the_sum_of_the_gradients() -> None:
    layer = nn.ReplicationPad1d((3, 1))
    layer(np.array([[4.0, 5.0]]))
    assert layer.backward(np.array([[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]])).tolist() == [[15.0, 48.0]]
    layer = nn.ReflectionPad1d((1, 0))
    layer(np.array([[4.0, 5.0]]))
    assert layer.backward(np.array([[1.0, 2.0, 4.0]])).tolist() == [[2.0, 5.0]]
    layer = nn.CircularPad1d((1, 0))
    layer(np.array([[4.0, 5.0]]))
    assert layer.backward(np.array([[1.0, 2.0, 4.0]])).tolist() == [[2.0, 5.0]]


def test_nan_is_copied_and_nothing_else_becomes_nan() -> None:
    x = np.array([[np.nan, 1.0, 2.0, np.inf]])
    for name in COPIES:
        y, expected = made(nn, f"{name}1d", 2)(x), made(torch.nn, f"{name}1d", 2)(torch.from_numpy(x))
        assert error(y, expected, nonfinite="match") == 0


def test_a_constant_may_be_infinite() -> None:
    assert nn.ConstantPad1d(1, -np.inf)(np.zeros((1, 2), np.float32)).tolist() == [[-np.inf, 0, 0, -np.inf]]


@pytest.mark.parametrize("name", [*COPIES, *CONSTANTS])
@pytest.mark.parametrize("padding", [1.5, True, (1, 2, 3), "1"])
def test_a_padding_that_is_none_is_named(name: str, padding: Any) -> None:
    for axes, words in ((1, r"\(left, right\)"), (2, r"\(left, right, top, bottom\)")):
        with pytest.raises(ValueError, match=f"{name}{axes}d: padding must be one integer or {words}, got"):
            made(nn, f"{name}{axes}d", padding)


@pytest.mark.parametrize(
    ("build", "x", "kind", "words"),
    [
        (lambda: nn.ReflectionPad1d(1), np.ones(5), ValueError, r"ReflectionPad1d: x must have 2 or 3 axes, got shape \(5,\)"),
        (lambda: nn.ReplicationPad2d(1), np.ones((5, 4)), ValueError, "ReplicationPad2d: x must have 3 or 4 axes"),
        (lambda: nn.CircularPad1d(1), np.ones((1, 2, 3, 5)), ValueError, "CircularPad1d: x must have 2 or 3 axes"),
        (lambda: nn.CircularPad2d(0), np.ones((2, 3, 0, 5)), ValueError, "no axis of x but the batch may be empty"),
        (lambda: nn.ConstantPad2d(1, 0.0), np.ones(5), ValueError, "ConstantPad2d: x must have at least 2 axes"),
        (lambda: nn.ZeroPad1d(1), np.array(5.0), ValueError, "ZeroPad1d: x must have at least 1 axes"),
        (lambda: nn.ReflectionPad2d(1), np.ones((2, 3, 4), int), TypeError, "ReflectionPad2d: x must be floating point, got int64"),
        (lambda: nn.ConstantPad1d(1, 3.0), np.ones((2, 3), int), TypeError, "ConstantPad1d: x must be floating point, got int64"),
        (lambda: nn.ReflectionPad2d((0, 0, 0, 4)), np.ones((2, 4, 5)), ValueError, "must be less than the size of its axis"),
        (lambda: nn.CircularPad2d((0, 0, 0, 5)), np.ones((2, 4, 5)), ValueError, "wraps around more than once"),
    ],
)
def test_bad_input_is_named(build: Callable[[], Any], x: Any, kind: type[Exception], words: str) -> None:
    layer = build()
    with pytest.raises(kind, match=words):
        layer(x)
    layer.check_nothing_saved()
