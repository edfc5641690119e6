"""Cases of networks.convolution: stride, padding and dilation, apart and together, and images that no kernel fits evenly."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case
from manual.networks.convolution import size

PATH = "networks.convolution"

EVERYTHING = {"stride": 3, "padding": 2, "dilation": 2}


@function_case(PATH, "conv", empty=True)
def plain(rng: np.random.Generator, N: int, C: int, O: int, K: int, L: int, H: int, W: int) -> Built:
    return Built({}, [rng.normal(size=(N, C, K + H, L + W)), rng.normal(size=(O, C, K, L))])


@function_case(PATH, "conv")
def everything(rng: np.random.Generator, N: int, C: int, O: int, K: int, L: int, H: int, W: int) -> Built:
    return Built({}, [rng.normal(size=(N, C, 2 * K + H, 2 * L + W)), rng.normal(size=(O, C, K, L))], call=EVERYTHING)


@function_case(PATH, "conv_transposed", empty=True)
def plain_transposed(rng: np.random.Generator, N: int, C: int, O: int, K: int, L: int, I: int, J: int) -> Built:
    shape = (K + I - 1, L + J - 1)
    return Built({}, [rng.normal(size=(N, O, I, J)), rng.normal(size=(O, C, K, L))], call={"shape": shape}, differentiated=(0, 1))


@function_case(PATH, "conv_transposed")
def everything_transposed(rng: np.random.Generator, N: int, C: int, O: int, K: int, L: int, H: int, W: int) -> Built:
    shape = (2 * K + H, 2 * L + W)
    I, J = (size(n, k, **EVERYTHING) for n, k in zip(shape, (K, L), strict=True))
    return Built({}, [rng.normal(size=(N, O, I, J)), rng.normal(size=(O, C, K, L))], call={"shape": shape, **EVERYTHING})


@function_case(PATH, "grouped")
def three_groups(rng: np.random.Generator, N: int, C: int, O: int, K: int, H: int, W: int) -> Built:
    inputs = [rng.normal(size=(N, 3 * C, K + H, K + W)), rng.normal(size=(3 * O, C, K, K))]
    return Built({}, inputs, call={"groups": 3, "stride": 2, "padding": 1})
