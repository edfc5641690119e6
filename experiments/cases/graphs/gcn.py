"""Cases of graphs.gcn: Â entry by entry, the layer with a matrix that is not symmetric, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.compare import error
from experiments.judge.registry import judged_by
from manual.graphs import gcn as by_hand
from torch_impl.graphs import gcn as in_torch


def layer(in_features: int, out_features: int, *, rng: Any, dtype: Any) -> by_hand.GraphConvolution:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.GraphConvolution(in_features, out_features, rng=rng, dtype=dtype)


def directed(rng: np.random.Generator, N: int) -> np.ndarray:
    """A matrix in the place of Â that is not symmetric: on a symmetric one a forgotten transpose would not be noticed."""
    return rng.normal(size=(N, N))


@case("gcn.GraphConvolution", hand=layer, reference=in_torch.GraphConvolution)
def on_a_graph(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    return Built({"in_features": C, "out_features": D}, [rng.normal(size=(N, C)), directed(rng, N)], differentiated=(0,))


def judge_normalized(seed: int) -> dict[str, float]:
    """Â of a weighted graph, one of whose nodes is alone: against torch's, and entry by entry."""
    rng = np.random.default_rng(seed)
    A = np.triu(rng.uniform(0.5, 3, (6, 6)) * (rng.random((6, 6)) < 0.6), 1)
    A[:, 2] = A[2] = 0
    A = A + A.T
    d = [1 + sum(A[i]) for i in range(6)]
    wanted = [[(A[i, j] + (i == j)) / (d[i] * d[j]) ** 0.5 for j in range(6)] for i in range(6)]
    A_hat, float32 = by_hand.normalized(A), by_hand.normalized(A.astype(np.float32))
    return {
        "torch": error(A_hat, in_torch.normalized(torch.from_numpy(A))),
        "entries": error(A_hat, np.array(wanted)),
        "dtype": float(float32.dtype != np.float32),
    }


def judge_start(seed: int) -> dict[str, float]:
    """W begins uniform with variance 2/(in + out), in the dtype that is asked for."""
    W = by_hand.GraphConvolution(300, 100, rng=np.random.default_rng(seed), dtype=np.float32).linear.weight
    bound = (6 / 400) ** 0.5
    return {
        "variance": 0.0 if abs(200 * W.data.var() - 1) < 0.05 else 1.0,
        "bound": 0.0 if 0.99 * bound < np.abs(W.data).max() <= bound else 1.0,
        "dtype": float(W.dtype != np.float32),
    }


judged_by("gcn.normalized", judge_normalized)
judged_by("gcn.GraphConvolution", judge_start)
judged_by("gcn.GCN", partial(judge_concept, "gcn"))
