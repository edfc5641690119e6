"""Cases for the transposed convolutions."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("ConvTranspose2d", empty=True)
def plain_transposed(rng: np.random.Generator, N: int, C: int, O: int, K: int, L: int, H: int, W: int) -> Built:
    return Built({"in_channels": C, "out_channels": O, "kernel_size": (K, L)}, [rng.normal(size=(N, C, H, W))])


@case("ConvTranspose2d", empty=True)
def every_argument_transposed(rng: np.random.Generator, N: int, C: int, O: int, H: int, W: int) -> Built:
    arguments = {"in_channels": 2 * C, "out_channels": 2 * O, "kernel_size": (3, 4), "groups": 2, "bias": False}
    arguments |= {"stride": (3, 2), "padding": (2, 1), "output_padding": (2, 1), "dilation": (2, 3)}
    return Built(arguments, [rng.normal(size=(N, 2 * C, H, W))])


@case("ConvTranspose2d")
def more_output_padding_than_stride(rng: np.random.Generator, N: int, C: int, O: int, H: int, W: int) -> Built:
    """Then more windows fit on y than x has entries."""
    arguments = {"in_channels": C, "out_channels": O, "kernel_size": (2, 3), "stride": (1, 2), "dilation": (4, 3), "output_padding": (3, 2)}
    return Built(arguments, [rng.normal(size=(N, C, H, W))])


@case("ConvTranspose2d")
def unbatched_of_a_size(rng: np.random.Generator, C: int, O: int, H: int, W: int) -> Built:
    arguments = {"in_channels": C, "out_channels": O, "kernel_size": 3, "stride": (2, 3), "padding": 1}
    return Built(arguments, [rng.normal(size=(C, H, W))], call={"output_size": (2 * H, 3 * W)})


@case("ConvTranspose1d", empty=True)
def plain_transposed_1d(rng: np.random.Generator, N: int, C: int, O: int, K: int, T: int) -> Built:
    return Built({"in_channels": C, "out_channels": O, "kernel_size": K}, [rng.normal(size=(N, C, T))])


@case("ConvTranspose1d", empty=True)
def every_argument_transposed_1d(rng: np.random.Generator, N: int, C: int, O: int, T: int) -> Built:
    arguments = {"in_channels": 3 * C, "out_channels": 3 * O, "kernel_size": 4, "groups": 3, "bias": False}
    arguments |= {"stride": 3, "padding": 2, "output_padding": 1, "dilation": 2}
    return Built(arguments, [rng.normal(size=(N, 3 * C, T))])


@case("ConvTranspose1d")
def unbatched_of_a_size_1d(rng: np.random.Generator, C: int, O: int, T: int) -> Built:
    arguments = {"in_channels": C, "out_channels": O, "kernel_size": 3, "stride": 2, "padding": 1}
    return Built(arguments, [rng.normal(size=(C, T))], call={"output_size": (2 * T,)})
