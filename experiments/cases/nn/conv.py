"""Cases for the convolutions."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("Conv2d", empty=True)
def plain(rng: np.random.Generator, N: int, C: int, O: int, K: int, L: int, H: int, W: int) -> Built:
    return Built({"in_channels": C, "out_channels": O, "kernel_size": (K, L)}, [rng.normal(size=(N, C, K + H, L + W))])


@case("Conv2d", empty=True)
def every_argument(rng: np.random.Generator, N: int, C: int, O: int, K: int, L: int, H: int, W: int) -> Built:
    """Stride, padding and dilation differ by axis; the last windows leave a rest of x unseen."""
    arguments = {"in_channels": 2 * C, "out_channels": 2 * O, "kernel_size": (K, L), "groups": 2}
    arguments |= {"stride": (3, 2), "padding": (1, 4), "dilation": (2, 3), "bias": False}
    return Built(arguments, [rng.normal(size=(N, 2 * C, 2 * K + H, 3 * L + W))])


@case("Conv2d")
def same(rng: np.random.Generator, N: int, C: int, O: int, K: int, L: int, H: int, W: int) -> Built:
    """Padding 'same' with kernels and dilations that pad one more at the end than at the start."""
    arguments = {"in_channels": C, "out_channels": O, "kernel_size": (K, L), "padding": "same", "dilation": (3, 1)}
    return Built(arguments, [rng.normal(size=(N, C, H, W))])


@case("Conv2d")
def valid_depthwise(rng: np.random.Generator, N: int, C: int, M: int, K: int, L: int, H: int, W: int) -> Built:
    arguments = {"in_channels": C, "out_channels": C * M, "kernel_size": (K, L), "padding": "valid", "groups": C, "stride": 2}
    return Built(arguments, [rng.normal(size=(N, C, K + H, L + W))])


@case("Conv2d")
def unbatched(rng: np.random.Generator, C: int, O: int, K: int, H: int, W: int) -> Built:
    return Built({"in_channels": C, "out_channels": O, "kernel_size": K, "padding": 1}, [rng.normal(size=(C, K + H, K + W))])


@case("Conv2d")
def windows_of_padding(rng: np.random.Generator, N: int, C: int, O: int, H: int, W: int) -> Built:
    """So much padding that some taps never, and some windows nowhere, meet x."""
    arguments = {"in_channels": C, "out_channels": O, "kernel_size": (2, 3), "padding": (7, 9), "dilation": (11, 2), "stride": (1, 5)}
    return Built(arguments, [rng.normal(size=(N, C, H, W))])


@case("Conv1d", empty=True)
def plain_1d(rng: np.random.Generator, N: int, C: int, O: int, K: int, T: int) -> Built:
    return Built({"in_channels": C, "out_channels": O, "kernel_size": K}, [rng.normal(size=(N, C, K + T))])


@case("Conv1d")
def every_argument_1d(rng: np.random.Generator, N: int, C: int, O: int, K: int, T: int) -> Built:
    arguments = {"in_channels": 3 * C, "out_channels": 3 * O, "kernel_size": K, "groups": 3}
    arguments |= {"stride": 3, "padding": 2, "dilation": 2, "bias": False}
    return Built(arguments, [rng.normal(size=(N, 3 * C, 2 * K + T))])


@case("Conv1d")
def same_unbatched_1d(rng: np.random.Generator, C: int, O: int, K: int, T: int) -> Built:
    return Built({"in_channels": C, "out_channels": O, "kernel_size": K, "padding": "same"}, [rng.normal(size=(C, K + T))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "small images are then worked on as others are, or others as small ones": (
        "conv.correlate_weight_fast:condition:are_small(N, count) => not are_small(N, count):0",
        "conv.correlate_weight_fast:saved:are_small(N, count) => are_small(O, count):0",
        "conv.correlate_weight_fast:delete:return weight_tap_by_tap(x, dL_dy, windows, groups) => pass:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
