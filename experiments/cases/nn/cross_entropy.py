"""Cases for the losses of probabilities and their logarithms."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from experiments.cases.nn.loss import loss
from experiments.judge.case import Built, case


def distribution(rng: np.random.Generator, *shape: int, axis: int = 1) -> np.ndarray:
    """Random probabilities that sum to 1 along an axis."""
    p = rng.uniform(0.1, 1, shape)
    return p / p.sum(axis, keepdims=True)


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
