"""Cases of unsupervised.contrastive: InfoNCE, arrows of length 1, the encoder, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.unsupervised import contrastive as by_hand
from torch_impl.unsupervised import contrastive as in_torch

PATH = "unsupervised.contrastive"

# repeat=False: equal rows are equal answers, p is even, and the gradient exactly 0


@function_case(PATH, "normalize")
def rows(rng: np.random.Generator, N: int, D: int) -> list[np.ndarray]:
    return [rng.normal(0, 2, (N, D))]


@function_case(PATH, "info_nce", repeat=False)
def questions(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(N, D))], call={"temperature": 0.7})


@function_case(PATH, "info_nce", repeat=False)
def of_codes(rng: np.random.Generator, N: int, D: int) -> Built:
    a, b = (by_hand.normalize(rng.normal(size=(N, D))) for _ in range(2))
    return Built({}, [a, b], call={"temperature": 0.1})


def encoder(dimensions: int, hidden: int, *, dtype: Any) -> by_hand.Encoder:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.Encoder(dimensions, hidden, dtype=dtype)


@case("contrastive.Encoder", hand=encoder, reference=in_torch.Encoder)
def codes(rng: np.random.Generator, N: int, D: int, H: int) -> Built:
    return Built({"dimensions": D, "hidden": H}, [rng.normal(size=(N, 64))])


judged_by("contrastive.Contrastive", partial(judge_concept, "contrastive"))

EQUIVALENT = {
    "the code stands twice in the part along it, so that its sign does not matter": (
        "contrastive.normalize_backward:sign:normalize(h) => -normalize(h):0",
        "contrastive.Encoder.backward:sign:normalize_backward(dL_da, h) => normalize_backward(dL_da, -h):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
