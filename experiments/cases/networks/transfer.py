"""Cases of networks.transfer: the scores of one group of two, and the body; the concept is judged as every concept is."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case
from experiments.judge.function_case import function_case
from manual.networks import transfer as by_hand
from torch_impl.networks import transfer as in_torch


@function_case("networks.transfer", "own_scores")
def of_two_groups(rng: np.random.Generator, N: int, K: int) -> Built:
    group = rng.permutation(np.arange(N) % 2)  # both are there
    return Built({}, [rng.normal(size=(N, 2 * K)), group], differentiated=(0,))


@case("transfer.Body", hand=by_hand.Body, reference=in_torch.Body, empty=True)
def body(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"channels": C}, [rng.normal(size=(N, 1, 8, 8))])


# ---- mistakes that compute the same ----------------------------------------------------------------


TAKEN = "transfer.Transfer.backward:{}:own_scores_backward(dL_down, z, group) => own_scores_backward(dL_down, {}):0"

EQUIVALENT = {
    "own_scores_backward asks z for its shape and dtype alone": (
        TAKEN.format("sign", "-z, group"),
        TAKEN.format("scale", "2 * z, group"),
        TAKEN.format("scale", "0.5 * z, group"),
    ),
    "the last of two groups is number 1 and number −1": (TAKEN.format("sign", "z, -group"),),
    "what head.backward returns is a new array that nobody else holds": (
        "transfer.Transfer.backward:inplace:dL_dh = dL_dh * (group == 0)[:, None] => dL_dh *= (group == 0)[:, None]:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
