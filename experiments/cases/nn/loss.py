"""Cases for the losses. Backward answers for the predictions, the first input unless said otherwise, and not for targets."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import manual.nn
from experiments.judge.case import Built, case
from manual.module import Module


def loss(arguments: dict[str, Any], *inputs: Any, predictions: tuple[int, ...] = (0,)) -> Built:
    """A case in which these inputs are predictions, and the others targets."""
    return Built(arguments, list(inputs), differentiated=predictions)


def distribution(rng: np.random.Generator, *shape: int, axis: int = 1) -> np.ndarray:
    """Random probabilities that sum to 1 along an axis."""
    p = rng.uniform(0.1, 1, shape)
    return p / p.sum(axis, keepdims=True)


def pair_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    """Numbers against numbers."""
    return loss({}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


def pair_sum(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    """Numbers against numbers."""
    return loss({"reduction": "sum"}, rng.normal(0, 2, size=(N, D, E)), rng.normal(size=(N, D, E)))


def pair_none(rng: np.random.Generator, N: int, D: int) -> Built:
    """Numbers against numbers."""
    return loss({"reduction": "none"}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


for name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss"):
    case(name)(pair_mean)
    case(name, empty=True)(pair_sum)
    case(name, empty=True)(pair_none)


@case("HuberLoss", empty=True)
def delta(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "sum", "delta": 1.7}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


@case("SmoothL1Loss")
def beta(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"beta": 1.7}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


@case("SmoothL1Loss", empty=True)
def beta_0(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"beta": 0.0, "reduction": "none"}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


# A sum of terms of both signs may cancel, and then agrees in fewer digits: in what follows, where the loss is one number its terms
# are positive.


@case("PoissonNLLLoss")
def log_rate_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.uniform(-2, -0.2, size=(N, D)), rng.integers(0, 6, (N, D)))


@case("PoissonNLLLoss", empty=True)
def log_rate_full_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    t = rng.integers(0, 6, (N, D)).astype(float)  # of integers torch takes the logarithm in float32
    return loss({"full": True, "reduction": "sum"}, rng.uniform(-2, -0.2, size=(N, D)), t)


@case("PoissonNLLLoss", empty=True)
def rate_full_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"log_input": False, "full": True, "eps": 0.3, "reduction": "none"}
    return loss(arguments, rng.uniform(0.2, 3, size=(N, D)), rng.uniform(0, 5, size=(N, D)))


@case("PoissonNLLLoss")
def rate_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"log_input": False}, rng.uniform(0.1, 0.9, size=(N, D)), rng.integers(1, 6, (N, D)).astype(float))


def gaussian(rng: np.random.Generator, arguments: dict[str, Any], shape: tuple[int, ...], var_shape: tuple[int, ...]) -> Built:
    """Mean, target and a variance above 1."""
    return loss(arguments, rng.normal(size=shape), rng.normal(size=shape), rng.uniform(1.1, 3, size=var_shape), predictions=(0, 2))


@case("GaussianNLLLoss")
def variance_each_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return gaussian(rng, {}, (N, D), (N, D))


@case("GaussianNLLLoss")
def variance_shared_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return gaussian(rng, {}, (N, D), (N, 1))


@case("GaussianNLLLoss", empty=True)
def variance_without_last_axis_full_sum(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return gaussian(rng, {"full": True, "reduction": "sum"}, (N, D, E), (N, D))


@case("GaussianNLLLoss", empty=True)
def variance_shared_inner_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return gaussian(rng, {"full": True, "reduction": "none"}, (N, D, E), (N, 1, E))


@case("GaussianNLLLoss", empty=True, smooth=False)  # the bound of the variance is not differentiated
def variance_bounded_none(rng: np.random.Generator, N: int, D: int) -> Built:
    var = rng.uniform(0.2, 1, size=(N, D))
    return loss({"eps": 0.5, "reduction": "none"}, rng.normal(size=(N, D)), rng.normal(size=(N, D)), var, predictions=(0, 2))


@case("BCELoss")
def bce_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.uniform(0.1, 0.9, size=(N, D)), rng.uniform(size=(N, D)))


@case("BCELoss", empty=True, smooth=False)
def bce_certain_none(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "none"}, rng.choice([0.0, 1.0, 1e-13, 0.3], (N, D)), rng.choice([0.0, 1.0, 0.4], (N, D)))


@case("BCELoss", empty=True)
def bce_weight_sum(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=(D, 1)), "reduction": "sum"}
    return loss(arguments, rng.uniform(0.1, 0.9, size=(N, D, E)), rng.uniform(size=(N, D, E)))


@case("BCELoss", empty=True)
def bce_weight_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=D), "reduction": "none"}
    return loss(arguments, rng.uniform(0.1, 0.9, size=(N, D)), rng.integers(0, 2, (N, D)).astype(float))


@case("BCEWithLogitsLoss")
def bce_logits_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.normal(0, 3, size=(N, D)), rng.uniform(size=(N, D)))


@case("BCEWithLogitsLoss")
def bce_logits_weight(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"weight": rng.uniform(0.5, 2, size=D)}, rng.normal(0, 3, size=(N, D)), rng.uniform(size=(N, D)))


@case("BCEWithLogitsLoss", empty=True)
def bce_logits_pos_weight_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"pos_weight": rng.uniform(0.5, 2, size=D), "reduction": "sum"}
    return loss(arguments, rng.normal(0, 3, size=(N, D)), rng.uniform(size=(N, D)))


@case("BCEWithLogitsLoss", empty=True)
def bce_logits_huge_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "sum"}, rng.choice([-800.0, 800.0, 1.0], (N, D)), rng.choice([0.0, 1.0, 0.4], (N, D)))


@case("BCEWithLogitsLoss", empty=True)
def bce_logits_both_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=(D, 1)), "pos_weight": rng.uniform(0.5, 2, size=E), "reduction": "none"}
    return loss(arguments, rng.normal(0, 3, size=(N, D, E)), rng.uniform(size=(N, D, E)))


def indices(rng: np.random.Generator, C: int, *shape: int, ignore: int | None = None) -> np.ndarray:
    """Random classes; if `ignore` is given, about a third of them, but never the first, are that."""
    t = rng.integers(0, C, shape)
    if ignore is not None and t.size:
        t = np.where(rng.random(shape) < 0.35, ignore, t)
        t.flat[0] = (ignore + 1) % C if ignore >= 0 else 0
    return t


def without_weight(rng: np.random.Generator, x: np.ndarray) -> Built:
    """Examples of classes whose weight is 0: there is nothing to divide by."""
    N, C = x.shape
    weight = (np.arange(C) == 0).astype(float)
    return Built({"weight": weight}, [x, rng.integers(1, C, N)], seeded={"weight": weight}, differentiated=(0,))


@case("CrossEntropyLoss", least={"C": 4})
def indices_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("CrossEntropyLoss", least={"C": 4})
def indices_weight_ignore(rng: np.random.Generator, N: int, C: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "ignore_index": -1}
    return loss(arguments, rng.normal(size=(N, C)), indices(rng, C, N, ignore=-1))


@case("CrossEntropyLoss", least={"C": 4}, empty=True)
def indices_axes_ignore_sum(rng: np.random.Generator, N: int, C: int, D: int, E: int) -> Built:
    arguments = {"ignore_index": 1, "reduction": "sum"}
    return loss(arguments, rng.normal(size=(N, C, D, E)), indices(rng, C, N, D, E, ignore=1))


@case("CrossEntropyLoss", least={"C": 4}, empty=True)
def indices_axes_weight_none(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "reduction": "none"}
    return loss(arguments, rng.normal(size=(N, C, D)), indices(rng, C, N, D, ignore=-100))


@case("CrossEntropyLoss", least={"C": 4})
def indices_unbatched(rng: np.random.Generator, C: int) -> Built:
    return loss({"weight": rng.uniform(0.5, 2, size=C), "reduction": "sum"}, rng.normal(size=C), np.array(rng.integers(0, C)))


@case("CrossEntropyLoss", least={"C": 4})
def indices_unbatched_none(rng: np.random.Generator, C: int) -> Built:
    return loss({"reduction": "none"}, rng.normal(size=C), np.array(rng.integers(0, C)))


@case("CrossEntropyLoss", least={"C": 4})
def smoothed_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"label_smoothing": 0.1}, rng.normal(size=(N, C)), indices(rng, C, N, ignore=-100))


@case("CrossEntropyLoss", least={"C": 4})
def smoothed_weight_ignore_mean(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "ignore_index": 0, "label_smoothing": 0.3}
    return loss(arguments, rng.normal(size=(N, C, D)), indices(rng, C, N, D, ignore=0))


@case("CrossEntropyLoss", least={"C": 4}, empty=True)
def smoothed_none(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "reduction": "none", "label_smoothing": 0.2}
    return loss(arguments, rng.normal(size=(N, C, D)), indices(rng, C, N, D, ignore=-100))


@case("CrossEntropyLoss", least={"C": 4})
def smoothed_unbatched_sum(rng: np.random.Generator, C: int) -> Built:
    return loss({"label_smoothing": 0.2, "reduction": "sum"}, rng.normal(size=C), np.array(rng.integers(0, C)))


@case("CrossEntropyLoss", least={"C": 4}, smooth=False, nonfinite="match")
def all_ignored_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, rng.normal(size=(N, C)), np.full(N, -100))


@case("CrossEntropyLoss", least={"C": 4}, smooth=False, nonfinite="match")
def smoothed_all_ignored_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"label_smoothing": 0.3}, rng.normal(size=(N, C)), np.full(N, -100))


@case("CrossEntropyLoss", least={"C": 4}, smooth=False, nonfinite="match")
def no_weight_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return without_weight(rng, rng.normal(size=(N, C)))


@case("CrossEntropyLoss", least={"C": 4}, empty=True, smooth=False)
def huge_none(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"reduction": "none"}, rng.choice([-1e4, 1e4, 0.0], (N, C)), indices(rng, C, N))


@case("CrossEntropyLoss", least={"C": 4})
def probabilities_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, rng.normal(size=(N, C)), distribution(rng, N, C))


@case("CrossEntropyLoss", least={"C": 4})
def probabilities_weight_smoothed_mean(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "label_smoothing": 0.1}
    return loss(arguments, rng.normal(size=(N, C, D)), rng.uniform(size=(N, C, D)))


@case("CrossEntropyLoss", least={"C": 4}, empty=True)
def probabilities_none(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    return loss({"reduction": "none"}, rng.normal(size=(N, C, D)), distribution(rng, N, C, D))


@case("CrossEntropyLoss", least={"C": 4})
def probabilities_unbatched_sum(rng: np.random.Generator, C: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "reduction": "sum"}  # equal logits and probabilities alone would have gradient 0
    return loss(arguments, rng.normal(size=C), distribution(rng, C, axis=0))


@case("NLLLoss", least={"C": 3})
def nll_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, np.log(distribution(rng, N, C)), indices(rng, C, N))


@case("NLLLoss", least={"C": 3})
def nll_weight_ignore_mean(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "ignore_index": 2}
    return loss(arguments, np.log(distribution(rng, N, C, D)), indices(rng, C, N, D, ignore=2))


@case("NLLLoss", least={"C": 3}, empty=True)
def nll_weight_ignore_sum(rng: np.random.Generator, N: int, C: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "reduction": "sum"}
    return loss(arguments, np.log(distribution(rng, N, C)), indices(rng, C, N, ignore=-100))


@case("NLLLoss", least={"C": 3}, empty=True)
def nll_axes_none(rng: np.random.Generator, N: int, C: int, D: int, E: int) -> Built:
    return loss({"reduction": "none"}, np.log(distribution(rng, N, C, D, E)), indices(rng, C, N, D, E, ignore=-100))


@case("NLLLoss", least={"C": 3})
def nll_unbatched(rng: np.random.Generator, C: int) -> Built:
    return loss({}, np.log(distribution(rng, C, axis=0)), np.array(rng.integers(0, C)))


class QuietKLDivLoss(torch.nn.KLDivLoss):
    """torch.nn.KLDivLoss without its warning that "mean" is not the mathematical definition."""

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "reduction: 'mean' divides")
            return super().forward(input, target)


@case("NLLLoss", least={"C": 3}, smooth=False, nonfinite="match")
def nll_no_weight_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return without_weight(rng, np.log(distribution(rng, N, C)))


@case("KLDivLoss", least={"C": 3}, reference=QuietKLDivLoss)
def kl_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, np.log(distribution(rng, N, C)) - 0.7, distribution(rng, N, C))  # 0.7 keeps the sum away from 0


@case("NLLLoss", least={"C": 3}, smooth=False, nonfinite="match")
def nll_all_ignored_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, np.log(distribution(rng, N, C)), np.full(N, -100))


@case("KLDivLoss", least={"C": 3})
def kl_batchmean(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    return loss({"reduction": "batchmean"}, np.log(distribution(rng, N, C, D)) - 0.7, distribution(rng, N, C, D))


@case("KLDivLoss", least={"C": 3})
def kl_log_target_batchmean(rng: np.random.Generator, N: int, C: int) -> Built:
    arguments = {"reduction": "batchmean", "log_target": True}
    return loss(arguments, np.log(distribution(rng, N, C)) - 0.7, np.log(distribution(rng, N, C)))


@case("KLDivLoss", least={"C": 3}, empty=True)
def kl_zeros_none(rng: np.random.Generator, N: int, C: int) -> Built:
    t = distribution(rng, N, C) * (rng.random((N, C)) < 0.7)
    return loss({"reduction": "none"}, np.log(distribution(rng, N, C)), t)


@case("KLDivLoss", least={"C": 3}, empty=True)
def kl_log_target_sum(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"reduction": "sum", "log_target": True}, np.log(distribution(rng, N, C)) - 0.7, np.log(distribution(rng, N, C)))


def lattice(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Small whole numbers: differences that are equal, or equal to a margin of 1, are frequent among them."""
    return rng.integers(-1, 3, shape).astype(float)


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random 1 and −1."""
    return rng.choice([-1, 1], shape)


@case("SoftMarginLoss")
def soft_margin_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.normal(0, 3, size=(N, D)), signs(rng, N, D))


@case("SoftMarginLoss", empty=True)
def soft_margin_none(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "none"}, rng.normal(0, 3, size=(N, D)), rng.normal(size=(N, D)))


@case("SoftMarginLoss", empty=True)
def soft_margin_sum(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return loss({"reduction": "sum"}, rng.normal(0, 3, size=(N, D, E)), signs(rng, N, D, E).astype(float))


@case("HingeEmbeddingLoss")
def hinge_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.uniform(0, 2, size=(N, D)), signs(rng, N, D))


@case("HingeEmbeddingLoss", empty=True)
def hinge_margin_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"margin": 1.6, "reduction": "sum"}, rng.uniform(0, 3, size=(N, D)), signs(rng, N, D).astype(float))


@case("HingeEmbeddingLoss", empty=True)
def hinge_neither_none(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "none"}, rng.uniform(0, 2, size=(N, D)), rng.integers(-1, 2, (N, D)))


@case("HingeEmbeddingLoss", empty=True, smooth=False)
def hinge_kink_none(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "none"}, lattice(rng, N, D), rng.integers(-1, 2, (N, D)))


@case("MultiMarginLoss", least={"C": 3}, smooth=False)
def multi_margin_kink_none(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"reduction": "none"}, lattice(rng, N, C), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_squared_weight_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"p": 2, "margin": 0.7, "weight": rng.uniform(0.5, 2, size=C)}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_weight_sum(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"weight": rng.uniform(0.5, 2, size=C), "reduction": "sum"}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_squared_none(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"p": 2, "margin": 1.5, "reduction": "none"}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_unbatched(rng: np.random.Generator, C: int) -> Built:
    return loss({"weight": rng.uniform(0.5, 2, size=C)}, rng.normal(size=C), np.array(rng.integers(0, C)))


@case("MarginRankingLoss")
def ranking_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.normal(size=(N, D)), rng.normal(size=(N, D)), signs(rng, N, D), predictions=(0, 1))


@case("MarginRankingLoss", empty=True)
def ranking_margin_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": 0.6, "reduction": "sum"}
    return loss(arguments, rng.normal(size=(N, D)), rng.normal(size=(N, D)), signs(rng, N, D).astype(float), predictions=(0, 1))


@case("MarginRankingLoss", empty=True)
def ranking_margin_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": -0.4, "reduction": "none"}
    return loss(arguments, rng.normal(size=(N, D)), rng.normal(size=(N, D)), rng.normal(size=(N, D)), predictions=(0, 1))


@case("MarginRankingLoss", empty=True, smooth=False)
def ranking_kink_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": 1.0, "reduction": "none"}
    return loss(arguments, lattice(rng, N, D), lattice(rng, N, D), signs(rng, N, D), predictions=(0, 1))


@case("CosineEmbeddingLoss", least={"D": 3}, empty=True, smooth=False)
def cosine_kink_none(rng: np.random.Generator, N: int, D: int) -> Built:
    x1, x2 = np.zeros((2, N, D))  # at right angles, hence at the margin of 0
    x1[:, 0], x2[:, 1] = rng.normal(size=(2, N))
    return loss({"reduction": "none"}, x1, x2, signs(rng, N), predictions=(0, 1))


@case("CosineEmbeddingLoss", least={"D": 3})
def cosine_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    x1, x2 = rng.normal(size=(N, D)), rng.normal(size=(N, D))
    t = np.where((x1 * x2).sum(1) > 0.4 * np.linalg.norm(x1, axis=1) * np.linalg.norm(x2, axis=1), -1, 1)  # no loss near 0
    return loss({}, x1, x2, t, predictions=(0, 1))


@case("CosineEmbeddingLoss", least={"D": 3}, empty=True)
def cosine_margin_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": -1.3, "reduction": "sum"}
    return loss(arguments, rng.normal(size=(N, D)), rng.normal(size=(N, D)), signs(rng, N).astype(float), predictions=(0, 1))


@case("CosineEmbeddingLoss", least={"D": 3}, empty=True)
def cosine_neither_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": 0.2, "reduction": "none"}
    return loss(arguments, rng.normal(size=(N, D)), rng.normal(size=(N, D)), rng.integers(-1, 2, N), predictions=(0, 1))


def triplet(rng: np.random.Generator, arguments: dict[str, Any], *shape: int) -> Built:
    """Anchor, positive and negative, all of them predictions; where the loss is one number, mostly within the margin."""
    scale = 1 if arguments.get("reduction") == "none" else 0.3
    return loss(arguments, *(rng.normal(0, scale, shape) for _ in range(3)), predictions=(0, 1, 2))


@case("TripletMarginLoss")
def triplet_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return triplet(rng, {}, N, D)


@case("TripletMarginLoss", empty=True)
def triplet_p1_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    return triplet(rng, {"p": 1.0, "margin": 2.3, "reduction": "sum"}, N, D)


@case("TripletMarginLoss", empty=True)
def triplet_p3_eps_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return triplet(rng, {"p": 3.0, "eps": 0.2, "reduction": "none"}, N, D, E)


@case("TripletMarginLoss", empty=True)
def triplet_p_fraction_swap_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return triplet(rng, {"p": 2.5, "margin": 3.0, "swap": True, "reduction": "none"}, N, D, E)


@case("TripletMarginLoss")
def triplet_swap_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return triplet(rng, {"margin": 1.8, "swap": True}, N, D)


def triplet_at_ties(p: float, swap: bool) -> Callable[..., Built]:
    """Distances that are 0, or equal, or differ by the margin, and largest differences that are equal."""

    def triplet_ties_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
        arguments = {"p": p, "eps": 0.0, "swap": swap, "reduction": "none"}
        return loss(arguments, *(lattice(rng, N, D, E) for _ in range(3)), predictions=(0, 1, 2))

    triplet_ties_none.__name__ = f"triplet_ties_p{p:g}{'_swap' * swap}_none"
    return triplet_ties_none


for p in (1.0, 2.0, math.inf):
    for swap in (False, True):
        case("TripletMarginLoss", empty=True, smooth=False)(triplet_at_ties(p, swap))


@case("TripletMarginLoss", empty=True)
def triplet_p_infinite_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    return triplet(rng, {"p": math.inf, "reduction": "sum"}, N, D)


def frames(rng: np.random.Generator, T: int, N: int, C: int) -> np.ndarray:
    """Random log-probabilities (T, N, C)."""
    return np.log(distribution(rng, T, N, C, axis=2))


def lengths(rng: np.random.Generator, least: int, most: int, N: int) -> tuple[int, ...]:
    """Random lengths, the first of them `most`. A tuple, which stays as it is in every memory layout."""
    return most, *(int(n) for n in rng.integers(least, most + 1, max(N - 1, 0)))


# CTCLoss: torch's gradient with respect to log_probs is that with respect to the logits under them, hence no central differences;
# `through_log_softmax` has them. In float32 both sides lose digits with every frame and label: few of both.
S = 3  # labels at most; 2 S − 1 frames are enough for S equal ones


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_padded_mean(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    return loss({}, frames(rng, T, N, C), rng.integers(1, C, (N, S)), lengths(rng, 2 * S - 1, T, N), lengths(rng, 0, S, N))


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_joined_blank_sum(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    of_targets = lengths(rng, 1, S, N)
    targets = rng.integers(0, C - 1, sum(of_targets))
    return loss({"blank": C - 1, "reduction": "sum"}, frames(rng, T, N, C), targets, lengths(rng, 2 * S - 1, T, N), of_targets)


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_too_short_none(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    of_inputs = (*lengths(rng, 2 * S - 1, T, N - 1), S - 1)
    return loss({"zero_infinity": True, "reduction": "none"}, frames(rng, T, N, C), rng.integers(1, C, (N, S)), of_inputs[-N:], (S,) * N)


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False, nonfinite="match")
def ctc_too_short_infinite_mean(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    of_inputs = (*lengths(rng, 2 * S - 1, T, N - 1), S - 1)
    return loss({}, frames(rng, T, N, C), rng.integers(1, C, (N, S)), of_inputs[-N:], (S,) * N)


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_unbatched_mean(rng: np.random.Generator, C: int, T: int) -> Built:
    return loss({}, frames(rng, T, 1, C)[:, 0], rng.integers(1, C, S), (T - 1,), (S,))


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_unbatched_none(rng: np.random.Generator, C: int, T: int) -> Built:
    return loss({"reduction": "none"}, frames(rng, T, 1, C)[:, 0], rng.integers(1, C, S), (T,), (S,))


class LogSoftmaxCTC(Module):
    """CTCLoss of logits, by hand."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.log_softmax, self.ctc = manual.nn.LogSoftmax(-1), manual.nn.CTCLoss(**arguments)

    def forward(self, z: np.ndarray, *targets: Any) -> Any:
        return self.ctc(self.log_softmax(z), *targets)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        return self.log_softmax.backward(self.ctc.backward(dL_dy))


class TorchLogSoftmaxCTC(torch.nn.CTCLoss):
    """CTCLoss of logits, in torch."""

    def forward(self, z: torch.Tensor, *targets: Any) -> torch.Tensor:
        return super().forward(z.log_softmax(-1), *targets)


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, hand=LogSoftmaxCTC, reference=TorchLogSoftmaxCTC)
def ctc_through_log_softmax(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    arguments = {"reduction": "none"}
    return loss(arguments, rng.normal(size=(T, N, C)), rng.integers(1, C, (N, S)), lengths(rng, 2 * S - 1, T, N), lengths(rng, 0, S, N))


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "NaN times anything is NaN": (
        "CTCLoss.backward:sign:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = -np.nan:0",
        "CTCLoss.backward:scale:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = 2 * np.nan:0",
        "CTCLoss.backward:scale:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = 0.5 * np.nan:0",
    ),
    "−∞ times a positive number is −∞": (
        "CTCLoss.log_beta:scale:np.full((T + 1, N, E), -np.inf, log_p_e.dtype) => 2 * np.full((T + 1, N, E), -np.inf, log_p_e.dtype):0",
        "CTCLoss.log_beta:scale:np.full((T + 1, N, E), -np.inf, log_p_e.dtype) => 0.5 * np.full((T + 1, N, E), -np.inf, log_p_e.dtype):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
