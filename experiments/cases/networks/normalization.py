"""Cases of networks.normalization: columns and rows that are brought to one size, with and without eps."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "networks.normalization"


def numbers(rng: np.random.Generator, N: int, D: int, **call: float) -> Built:
    """Columns and rows of several sizes, none of mean 0; two more of each than are drawn, for two numbers always become 1 and −1."""
    z = rng.normal(0.7, 1, (N + 2, D + 2)) * rng.uniform(0.5, 3, (N + 2, 1)) * rng.uniform(0.5, 3, D + 2)
    return Built({}, [z], call=call, differentiated=(0,))


@function_case(PATH, "batch_norm", repeat=False)
def columns(rng: np.random.Generator, N: int, D: int) -> Built:
    return numbers(rng, N, D)


@function_case(PATH, "batch_norm", repeat=False)
def columns_with_eps(rng: np.random.Generator, N: int, D: int) -> Built:
    return numbers(rng, N, D, eps=0.3)


@function_case(PATH, "layer_norm")
def rows(rng: np.random.Generator, N: int, D: int) -> Built:
    return numbers(rng, N, D)


@function_case(PATH, "layer_norm")
def rows_with_eps(rng: np.random.Generator, N: int, D: int) -> Built:
    return numbers(rng, N, D, eps=0.3)


@function_case(PATH, "rms_norm")
def rows_over_their_rms(rng: np.random.Generator, N: int, D: int) -> Built:
    return numbers(rng, N, D)


@function_case(PATH, "rms_norm")
def rows_over_their_rms_with_eps(rng: np.random.Generator, N: int, D: int) -> Built:
    return numbers(rng, N, D, eps=0.3)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the normalised table stands twice in its term, so that its sign does not matter": (
        "normalization.batch_norm_backward:sign:batch_norm(z, eps) => -batch_norm(z, eps):0",
        "normalization.layer_norm_backward:sign:batch_norm_backward(dL_dz_hat.T, z.T, eps)"
        " => batch_norm_backward(dL_dz_hat.T, -z.T, eps):0",
        "normalization.rms_norm_backward:sign:rms_norm(z, eps) => -rms_norm(z, eps):0",
    ),
    "a row of D numbers is broadcast along a table of D columns as (D,) or as (1, D)": (
        "normalization.batch_norm_backward:axis:z.var(axis=0) => z.var(axis=0, keepdims=True):0",
        "normalization.batch_norm_backward:axis:dL_dz_hat.mean(axis=0) => dL_dz_hat.mean(axis=0, keepdims=True):0",
        "normalization.batch_norm_backward:axis:(dL_dz_hat * z_hat).mean(axis=0) => (dL_dz_hat * z_hat).mean(axis=0, keepdims=True):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
