"""Cases for the layers that draw noise: both sides draw the same numbers, from equal streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

import manual.module
from experiments.judge.case import Built, case
from experiments.judge.noise import SHARED, SharedNoise, Stream, share_hand


def share(hand: manual.module.Module, torch_module: Any) -> None:
    """Let both sides draw from equal streams; a module that stands alone has the empty name."""
    share_hand(hand, SharedNoise(5))
    torch_module.stream = Stream(5, 0, "")


def shared(cls: type[nn.Module]) -> Callable[..., nn.Module]:
    """A factory of torch's class with the stream that `share` sets."""
    return lambda p=0.5: SHARED[cls](p, Stream(0, 0, ""))


@case("Dropout", empty=True, prepare=share, reference=shared(nn.Dropout))
def entries(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"p": 0.4}, [rng.normal(size=(N, C, L))])


@case("Dropout", prepare=share, reference=shared(nn.Dropout))
def default_p(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({}, [rng.normal(size=(N, C))])


@case("Dropout", prepare=share, reference=shared(nn.Dropout))
def nothing_dropped(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"p": 0.0}, [rng.normal(size=(N, C))])


@case("Dropout", prepare=share, reference=shared(nn.Dropout))
def all_dropped(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"p": 1.0}, [rng.normal(size=(N, C))])


@case("Dropout", training=False)
def dropout_in_eval(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"p": 0.4}, [rng.normal(size=(N, C))])


@case("Dropout1d", empty=True, prepare=share, reference=shared(nn.Dropout1d))
def channels_of_sequences(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"p": 0.4}, [rng.normal(size=(N, C, L))])


@case("Dropout1d", prepare=share, reference=shared(nn.Dropout1d))
def channels_of_one_sequence(rng: np.random.Generator, C: int, L: int) -> Built:
    return Built({}, [rng.normal(size=(C, L))])


@case("Dropout1d", training=False)
def dropout1d_in_eval(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"p": 0.4}, [rng.normal(size=(N, C, L))])


@case("Dropout2d", empty=True, prepare=share, reference=shared(nn.Dropout2d))
def channels_of_images(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"p": 0.4}, [rng.normal(size=(N, C, H, W))])


@case("Dropout2d", prepare=share, reference=shared(nn.Dropout2d))
def three_axes(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({}, [rng.normal(size=(N, C, L))])


@case("Dropout2d", training=False)
def dropout2d_in_eval(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"p": 0.4}, [rng.normal(size=(N, C, H, W))])


@case("AlphaDropout", empty=True, prepare=share, reference=shared(nn.AlphaDropout))
def alpha_entries(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"p": 0.3}, [rng.normal(size=(N, C, L))])


@case("AlphaDropout", prepare=share, reference=shared(nn.AlphaDropout))
def alpha_default_p(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({}, [rng.normal(size=(N, C))])


@case("AlphaDropout", prepare=share, reference=shared(nn.AlphaDropout))
def alpha_all_dropped(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"p": 1.0}, [rng.normal(size=(N, C))])


@case("AlphaDropout", training=False)
def alpha_dropout_in_eval(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"p": 0.3}, [rng.normal(size=(N, C))])
