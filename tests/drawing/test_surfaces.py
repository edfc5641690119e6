"""Rolling down a surface with any optimizer: each side's own path, its noise, its schedule and its shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.calculus.gradients import WINDOWS
from experiments.calculus.optimizers import freely
from experiments.judge.central import jacobian
from manual.calculus.gradients import SURFACES
from manual.calculus.optimizers import SCHEDULES
from torch_impl.calculus import optimizers as in_torch


def rolled(surface: str, lr: float, steps: int, noise: np.ndarray) -> list[np.ndarray]:
    places = [np.array(SURFACES[surface].start, float)]
    for k in range(steps):
        places.append(places[-1] - lr * (jacobian(SURFACES[surface].height, places[-1]) + noise[k]))
    return places


@pytest.mark.parametrize("surface", list(SURFACES))
@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2)])
def test_the_first_path_is_by_hand_and_the_second_torchs(surface: str, shape: tuple[int, ...]) -> None:
    def make(library: Any, parameters: list[Any]) -> Any:
        assert parameters[0].shape == shape
        return library.SGD(parameters, lr=0.001 if library is torch.optim else 0.002)

    noise = np.random.default_rng(0).normal(size=(5, 2))
    for given, off in ((noise, noise), (None, np.zeros((5, 2)))):
        paths = freely(surface, make, 5, shape=shape, noise=given)
        for path, lr in zip(paths, (0.002, 0.001), strict=True):
            assert path.shape == (6, 2)
            assert path == pytest.approx(np.array(rolled(surface, lr, 5, off)), abs=1e-7)


def test_a_schedule_is_followed_on_both_sides_and_none_is_constant() -> None:
    def make(library: Any, parameters: list[Any]) -> Any:
        return library.SGD(parameters, lr=0.05)

    constant = freely("bowl", make, 8)
    moved = freely("bowl", make, 8, schedules=(SCHEDULES["cosine"], in_torch.SCHEDULES["cosine"]))
    assert np.array_equal(constant[0], freely("bowl", make, 8, schedules=(SCHEDULES["constant"], in_torch.SCHEDULES["constant"]))[0])
    assert moved[0] == pytest.approx(moved[1], abs=1e-14)
    assert np.abs(moved[0] - constant[0]).max() > 1e-3


def test_every_surface_has_a_window_around_its_minima_and_its_start_all_of_one_shape() -> None:
    assert list(WINDOWS) == list(SURFACES)
    for name, (xs, ys) in WINDOWS.items():
        for x, y in [SURFACES[name].start, *SURFACES[name].minima]:
            assert xs[0] < x < xs[1]
            assert ys[0] < y < ys[1]
    assert len({round((xs[1] - xs[0]) / (ys[1] - ys[0]), 1) for xs, ys in WINDOWS.values()}) == 1
