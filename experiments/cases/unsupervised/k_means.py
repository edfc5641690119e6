"""Cases of unsupervised.k_means: the loss and its slope, the start, and the optimizer over a few steps."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.module import Parameter
from manual.unsupervised import k_means as by_hand
from torch_impl.unsupervised import k_means as in_torch

PATH = "unsupervised.k_means"


@function_case(PATH, "quantisation")
def points_and_centres(rng: np.random.Generator, N: int, K: int, D: int) -> Built:
    return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(K, D))], differentiated=(1,))


@function_case(PATH, "quantisation", least={"N": 6})
def a_centre_that_is_far_from_all(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(size=(N, D)), np.concatenate([rng.normal(size=(2, D)), np.full((1, D), 40.0)])], differentiated=(1,))


def judge_start(seed: int) -> dict[str, float]:
    """k-means++ beside a draw that walks through the points one by one."""
    rng = np.random.default_rng(seed)
    x, u = rng.normal(size=(23, 3)), rng.random(6)
    chosen: list[np.ndarray] = []
    for chance in u:
        weights = [min([float(np.sum((point - c) ** 2)) for c in chosen], default=1.0) for point in x]
        left = chance * sum(weights) - np.cumsum(weights)
        chosen.append(x[int((left >= 0).sum())])
    return {"start": error(by_hand.kmeans_plus_plus(x, 6, u), np.array(chosen))}


def judge_steps(seed: int) -> dict[str, float]:
    """Some steps of both optimizers with the same gradients and counts, among them clusters of no point and of one."""
    rng = np.random.default_rng(seed)
    found = {}
    for lr, running in ((1.0, False), (0.6, False), (0.7, True)):
        start = rng.normal(size=(5, 3))
        ours, theirs = Parameter(start), torch.nn.Parameter(torch.tensor(start))
        counts = iter(np.array([[0, 1, 2, 3, 5], [1, 0, 4, 2, 0], [2, 3, 0, 1, 1]]))
        n = np.zeros(5, np.int64)
        steps = (
            by_hand.Lloyd([ours], partial(np.asarray, n), lr=lr, running=running),
            in_torch.Lloyd([theirs], partial(torch.from_numpy, n), lr=lr, running=running),
        )
        for t, n[...] in enumerate(counts):
            ours.grad = rng.normal(size=(5, 3))
            theirs.grad = torch.tensor(ours.grad)
            for optimizer in steps:
                optimizer.step()
            found[f"lr {lr}, running {running}, step {t}"] = error(ours.data, theirs.detach())
        found[f"lr {lr}, running {running}, remembers"] = error(np.array(len(steps[0].state)), np.array(len(steps[1].state)))
        if running:
            found["all points"] = error(steps[0].state[0]["n"], steps[1].state[theirs]["n"])
    return found


judged_by("k_means.kmeans_plus_plus", judge_start)
judged_by("k_means.KMeans", partial(judge_concept, "k_means"))
judged_by("k_means.Lloyd", judge_steps)
