"""Cases for the poolings."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


def far_apart(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers no two of which are close, so that no step of a finite difference changes which is largest."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) + rng.uniform(-0.3, 0.3, shape)) * (4 / max(size, 1))


@case("MaxPool2d", empty=True)
def plain(rng: np.random.Generator, N: int, C: int, K: int, L: int, H: int, W: int) -> Built:
    return Built({"kernel_size": (K, L)}, [far_apart(rng, (N, C, K * H + 1, L * W + 1))])


@case("MaxPool2d")
def overlapping(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    """Padding, dilation and overlap; the last windows hang over the end."""
    arguments = {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 1), "dilation": (2, 3), "ceil_mode": True}
    return Built(arguments, [far_apart(rng, (N, C, 6 + H, 6 + W))])


@case("MaxPool2d")
def unbatched(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    return Built({"kernel_size": 3, "stride": (1, 2), "padding": 1}, [far_apart(rng, (C, 4 + H, 4 + W))])


@case("MaxPool2d", smooth=False)
def ties(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    """Only three values, so nearly every window has several largest entries: the first wins."""
    return Built({"kernel_size": (2, 3), "stride": 1}, [rng.integers(0, 3, (N, C, 2 + H, 3 + W)).astype(float)])


@case("MaxPool1d", empty=True)
def plain_1d(rng: np.random.Generator, N: int, C: int, K: int, T: int) -> Built:
    return Built({"kernel_size": K}, [far_apart(rng, (N, C, K * T + 1))])


@case("MaxPool1d")
def overlapping_1d(rng: np.random.Generator, C: int, T: int) -> Built:
    arguments = {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}
    return Built(arguments, [far_apart(rng, (C, 5 + T))])


@case("AvgPool2d", empty=True)
def mean_of_windows(rng: np.random.Generator, N: int, C: int, K: int, L: int, H: int, W: int) -> Built:
    return Built({"kernel_size": (K, L)}, [rng.normal(size=(N, C, K * H + 1, L * W + 1))])


@case("AvgPool2d")
def mean_with_padding(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    """Windows overlap, reach into the padding, and hang over its end."""
    arguments = {"kernel_size": (5, 4), "stride": (3, 3), "padding": (2, 1), "ceil_mode": True}
    return Built(arguments, [rng.normal(size=(N, C, 5 + H, 4 + W))])


@case("AvgPool2d")
def mean_without_padding(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    arguments = {"kernel_size": (5, 4), "stride": (3, 3), "padding": (2, 1), "ceil_mode": True, "count_include_pad": False}
    return Built(arguments, [rng.normal(size=(N, C, 5 + H, 4 + W))])


@case("AvgPool2d")
def sum_over_divisor(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    arguments = {"kernel_size": (2, 3), "stride": 2, "padding": 1, "divisor_override": -7}
    return Built(arguments, [rng.normal(size=(C, 2 + H, 3 + W))])


@case("AvgPool1d", empty=True)
def mean_of_windows_1d(rng: np.random.Generator, N: int, C: int, K: int, T: int) -> Built:
    return Built({"kernel_size": K}, [rng.normal(size=(N, C, K * T + 1))])


@case("AvgPool1d")
def mean_without_padding_1d(rng: np.random.Generator, C: int, T: int) -> Built:
    arguments = {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True, "count_include_pad": False}
    return Built(arguments, [rng.normal(size=(C, 4 + T))])


@case("AdaptiveAvgPool2d", empty=True)
def mean_adaptive(rng: np.random.Generator, N: int, C: int, I: int, J: int, H: int, W: int) -> Built:
    """More or fewer entries in y than in x, and windows that overlap where one size does not divide the other."""
    return Built({"output_size": (I, J)}, [rng.normal(size=(N, C, H, W))])


@case("AdaptiveAvgPool2d")
def mean_adaptive_one_axis(rng: np.random.Generator, C: int, I: int, H: int, W: int) -> Built:
    return Built({"output_size": (None, I)}, [rng.normal(size=(C, H, W))])


@case("AdaptiveAvgPool2d")
def mean_of_everything(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"output_size": 1}, [rng.normal(size=(N, C, H, W))])


@case("AdaptiveMaxPool2d", empty=True)
def largest_adaptive(rng: np.random.Generator, N: int, C: int, I: int, J: int, H: int, W: int) -> Built:
    return Built({"output_size": (I, J)}, [far_apart(rng, (N, C, H, W))])


@case("AdaptiveMaxPool2d")
def largest_adaptive_one_axis(rng: np.random.Generator, C: int, I: int, H: int, W: int) -> Built:
    return Built({"output_size": (I, None)}, [far_apart(rng, (C, H, W))])


@case("AdaptiveMaxPool2d", smooth=False)
def largest_adaptive_ties(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"output_size": 2}, [rng.integers(0, 3, (N, C, 3 + H, 3 + W)).astype(float)])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "taps is a list: twice over, its second half has numbers that no winner has": (
        "_MaxPool.backward:scale:self.windows.taps(shape[-self.axes:], dL_dy.shape[-self.axes:])"
        " => 2 * self.windows.taps(shape[-self.axes:], dL_dy.shape[-self.axes:]):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
