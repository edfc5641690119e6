"""Dropout: torch's own draws give the numbers that ours give, rates, evaluation, NaN, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.noise import SHARED, Stream
from manual import nn

NAMES = ["Dropout", "Dropout1d", "Dropout2d", "AlphaDropout"]
SHAPES = {"Dropout": (40, 7), "AlphaDropout": (40, 7), "Dropout1d": (40, 7, 3), "Dropout2d": (40, 7, 3, 2)}
RNG = np.random.default_rng(0)


class Draws:
    """A generator whose draws are all the same number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        """That number, everywhere."""
        return np.full(shape, self.number)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [0.2, 0.7])
def test_torchs_own_dropout_gives_what_ours_gives_for_kept_or_dropped(name: str, p: float) -> None:
    x = RNG.normal(size=SHAPES[name])
    layer = getattr(nn, name)(p)
    layer.rng = Draws(0.999)
    kept = layer(x)
    layer.rng = Draws(0.0)
    dropped = layer(x)
    torch.manual_seed(0)
    y = getattr(torch.nn, name)(p)(torch.from_numpy(x)).numpy()
    is_kept, is_dropped = np.isclose(y, kept, rtol=1e-12), np.isclose(y, dropped, rtol=1e-12)
    assert (is_kept | is_dropped).all()
    by_draw = is_dropped.reshape(40, 7, -1)
    assert (by_draw.all(axis=2) | ~by_draw.any(axis=2)).all()  # a channel goes as a whole
    assert abs(by_draw[:, :, 0].mean() - p) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_draw_of_exactly_p_is_kept(name: str) -> None:
    layer = getattr(nn, name)(0.25)
    x = RNG.normal(size=SHAPES[name])
    layer.rng = Draws(0.25)
    at_p = layer(x)
    layer.rng = Draws(0.999)
    assert np.array_equal(at_p, layer(x))


@pytest.mark.parametrize("name", NAMES)
def test_noise_is_drawn_once_a_forward_and_only_when_it_counts(name: str) -> None:
    x = RNG.normal(size=SHAPES[name])
    for p, training, draws in ((0.4, True, 1), (1.0, True, 1), (0.0, True, 0), (0.4, False, 0)):
        layer = getattr(nn, name)(p).train(training)
        layer.rng = Stream(1, 0, "a")
        y = layer(x)
        layer.backward(x)
        assert layer.rng.draws == draws
        if not draws:
            assert np.array_equal(y, x)


def test_mean_and_variance_are_kept() -> None:
    x = RNG.normal(size=(200, 300))
    y = nn.AlphaDropout(0.3, rng=np.random.default_rng(1))(x)
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.02
    assert abs(nn.Dropout(0.3, rng=np.random.default_rng(1))(x + 2).mean() - 2) < 0.02


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [0.5, 1.0])
def test_nan_and_infinity_are_not_hidden_by_the_mask(name: str, p: float) -> None:
    x = np.full(SHAPES[name], np.inf)
    x[0] = np.nan
    layer = getattr(nn, name)(p)
    layer.rng = Draws(0.0)
    with np.errstate(invalid="ignore"):
        y = layer(x)
    assert np.isnan(y).all()
    twin = getattr(torch.nn, name)(1.0)(torch.from_numpy(x))
    assert torch.isnan(twin).all()


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name: str) -> None:
    x = RNG.normal(size=SHAPES[name]).astype(np.float32)
    layer = getattr(nn, name)(0.4)
    assert layer(x).dtype == np.float32
    assert layer.backward(x).dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_bad_arguments_are_named(name: str) -> None:
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"{name}: p must (lie in 0 … 1|be a number), got {p}"):
            getattr(nn, name)(p)
    with pytest.raises(NotImplementedError, match=f"{name}: inplace=True is not supported"):
        getattr(nn, name)(inplace=True)
    with pytest.raises(TypeError, match=f"{name}: x must be floating point, got int64"):
        getattr(nn, name)()(np.zeros(SHAPES[name], np.int64))


@pytest.mark.parametrize(("name", "shape", "axes"), [("Dropout1d", (2, 3, 4, 5), "2 or 3"), ("Dropout2d", (2, 3), "3 or 4")])
@pytest.mark.parametrize("training", [True, False])
def test_wrong_axes_are_named(name: str, shape: tuple[int, ...], axes: str, training: bool) -> None:
    with pytest.raises(ValueError, match=f"{name}: x must have {axes} axes, got shape"):
        getattr(nn, name)().train(training)(np.zeros(shape))


def test_every_dropout_has_a_shared_twin() -> None:
    assert {cls.__name__ for cls in SHARED} >= set(NAMES)
    shared: Any = SHARED[torch.nn.AlphaDropout](0.3, Stream(1, 0, "a"))
    assert shared.eval()(torch.ones(2, 3)).equal(torch.ones(2, 3))
