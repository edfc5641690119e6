"""Cases for the paddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.judge.case import Built, case


@case("ZeroPad2d", empty=True)
def pad(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"padding": (1, 3, 2, 4)}, [rng.normal(size=(N, C, H, W))])


@case("ZeroPad2d")
def pad_and_cut(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    return Built({"padding": (-1, 2, 3, -2)}, [rng.normal(size=(C, 2 + H, 1 + W))])


def sides(**arguments: Any) -> Callable[..., Built]:
    """One integer for all sides, and a batch of images."""

    def same_on_all_sides(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
        return Built({"padding": 3, **arguments}, [rng.normal(size=(N, C, H, W))])

    return same_on_all_sides


def other_sides(**arguments: Any) -> Callable[..., Built]:
    """Another padding for each side, two of which cut off, and a single image."""

    def padded_and_cut(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
        return Built({"padding": (-1, 2, 3, -2), **arguments}, [rng.normal(size=(C, 2 + H, 1 + W))])

    return padded_and_cut


def ends(**arguments: Any) -> Callable[..., Built]:
    """Another padding for each end, and a batch of sequences."""

    def another_at_each_end(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
        return Built({"padding": (1, 3), **arguments}, [rng.normal(size=(N, C, T))])

    return another_at_each_end


def one_end_cut(**arguments: Any) -> Callable[..., Built]:
    """A negative padding at the beginning, and a single sequence."""

    def beginning_cut_off(rng: np.random.Generator, C: int, T: int) -> Built:
        return Built({"padding": (-2, 1), **arguments}, [rng.normal(size=(C, 2 + T))])

    return beginning_cut_off


for kind, more in {"ConstantPad": {"value": -1.7}, "ReflectionPad": {}, "ReplicationPad": {}, "CircularPad": {}}.items():
    case(f"{kind}2d", least={"H": 4, "W": 4}, empty=True)(sides(**more))  # a reflection of 3 needs 4
    case(f"{kind}2d", least={"H": 4, "W": 4})(other_sides(**more))
    case(f"{kind}1d", least={"T": 4}, empty=True)(ends(**more))
    case(f"{kind}1d")(one_end_cut(**more))
case("ZeroPad1d", empty=True)(ends())
case("ZeroPad1d")(one_end_cut())
