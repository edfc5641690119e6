"""Cases of unsupervised.autoencoder: one half with and without a bend, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.registry import judged_by
from manual.unsupervised import autoencoder as by_hand
from torch_impl.unsupervised import autoencoder as in_torch


def half(inputs: int, hidden: int, outputs: int, linear: bool, *, dtype: Any) -> by_hand.Layers:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.Layers(inputs, hidden, outputs, linear, dtype=dtype)


@case("autoencoder.Layers", empty=True, hand=half, reference=in_torch.Layers)
def bent(rng: np.random.Generator, N: int, D: int, H: int, K: int) -> Built:
    return Built({"inputs": D, "hidden": H, "outputs": K, "linear": False}, [rng.normal(size=(N, D))])


@case("autoencoder.Layers", hand=half, reference=in_torch.Layers)
def straight(rng: np.random.Generator, N: int, D: int, H: int, K: int) -> Built:
    return Built({"inputs": D, "hidden": H, "outputs": K, "linear": True}, [rng.normal(size=(N, D))])


judged_by("autoencoder.Autoencoder", partial(judge_concept, "autoencoder"))
