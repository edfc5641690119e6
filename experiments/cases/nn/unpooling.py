"""Cases for max pooling undone: numbers at places that a pool might have found."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built, case


def unpooled(rng: np.random.Generator, lead: tuple[int, ...], windows: tuple[int, ...], size: tuple[int, ...], **arguments: Any) -> Built:
    """Numbers of so many windows, at different places of an image of this size."""
    places = [rng.permutation(int(np.prod(size)))[: np.prod(windows)].reshape(windows) for _ in np.ndindex(lead)]
    return Built(arguments, [rng.normal(size=(*lead, *windows)), np.reshape(places, (*lead, *windows)).astype(np.int64)])


@case("MaxUnpool2d", empty=True)
def plain(rng: np.random.Generator, N: int, C: int, I: int, J: int) -> Built:
    return unpooled(rng, (N, C), (I, J), (2 * I, 3 * J), kernel_size=(2, 3))


@case("MaxUnpool2d")
def overlapping_unbatched(rng: np.random.Generator, C: int, I: int, J: int) -> Built:
    return unpooled(rng, (C,), (I, J), (2 * I - 1, 2 * J + 1), kernel_size=3, stride=2, padding=(1, 0))


@case("MaxUnpool2d")
def of_a_size(rng: np.random.Generator, N: int, C: int, I: int, J: int) -> Built:
    built = unpooled(rng, (N, C), (I, J), (2 * I + 1, 3 * J - 2), kernel_size=(2, 3))
    return Built(built.arguments, built.inputs, call={"output_size": (2 * I + 1, 3 * J - 2)})


@case("MaxUnpool2d", smooth=False)
def twice_at_one_place(rng: np.random.Generator, N: int, C: int, I: int, J: int) -> Built:
    """What two windows share is the same number, which torch's backward gives to both."""
    x, places = rng.normal(size=(N, C, I, J)), np.arange(I * J).reshape(I, J) * np.ones((N, C, 1, 1), dtype=np.int64)
    x[..., 0, 1], places[..., 0, 1] = x[..., 0, 0], places[..., 0, 0]
    return Built({"kernel_size": 2}, [x, places])


@case("MaxUnpool1d", empty=True)
def plain_1d(rng: np.random.Generator, N: int, C: int, I: int) -> Built:
    return unpooled(rng, (N, C), (I,), (3 * I,), kernel_size=3)


@case("MaxUnpool1d")
def of_a_size_unbatched_1d(rng: np.random.Generator, C: int, I: int) -> Built:
    built = unpooled(rng, (C,), (I,), (2 * I,), kernel_size=3, stride=2, padding=1)
    return Built(built.arguments, built.inputs, call={"output_size": (2 * I,)})
