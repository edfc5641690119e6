"""How near two vectors are: single vectors and numbers, lengths of 0, and what bad input gets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn


def both(name: str, arguments: dict[str, Any], x1: np.ndarray, x2: np.ndarray) -> tuple[list[Any], list[Any]]:
    """The output and both gradients, by hand and in torch, for one random upstream."""
    leaves = [torch.from_numpy(np.array(x)).requires_grad_() for x in (x1, x2)]
    y = getattr(torch.nn, name)(**arguments)(*leaves)
    upstream = np.random.default_rng(0).normal(size=tuple(y.shape))
    y.backward(torch.from_numpy(np.asarray(upstream)))
    layer = getattr(nn, name)(**arguments)
    return [layer(x1, x2), *layer.backward(upstream)], [y, *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("CosineSimilarity", {"dim": 0}),
        *(("PairwiseDistance", {"p": p, "keepdim": keepdim}) for p in (1.0, 2.0, 2.5, math.inf) for keepdim in (True, False)),
    ],
)
def test_two_single_vectors(name: str, arguments: dict[str, Any]) -> None:
    for a, b in zip(*both(name, arguments, np.array([0.3, -1.2, 2.0]), np.array([1.0, 0.4, -0.7])), strict=True):
        assert error(a, b) < 1e-15


def test_a_number_is_a_vector_of_one() -> None:
    for a, b in zip(*both("CosineSimilarity", {"dim": 0}, np.array(0.3), np.array(-2.0)), strict=True):
        assert error(a, b, np.array(1.0)) < 1e-15


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-8, 1.0])
def test_the_cosine_of_short_vectors_is_torchs_down_to_nothing(scale: float) -> None:
    x1, x2 = scale * np.array([[0.3, -1.2, 2.0]]), np.array([[1.0, 0.4, -0.7]])
    for a, b in zip(*both("CosineSimilarity", {}, x1, x2), strict=True):
        assert error(a, b) < 1e-14


def test_a_distance_that_is_shared_gets_the_sum_of_the_gradients() -> None:
    layer = nn.PairwiseDistance(p=1.0, eps=0.0)
    assert layer(np.array([[3.0, 1.0], [0.0, 5.0]]), np.array([1.0, 2.0])).tolist() == [3.0, 4.0]
    dL_dx1, dL_dx2 = layer.backward(np.array([10.0, 100.0]))
    assert dL_dx1.tolist() == [[10, -10], [-100, 100]]
    assert dL_dx2.tolist() == [90, -90]


def test_bad_input_is_named() -> None:
    x = np.ones((2, 3))
    for name in ("CosineSimilarity", "PairwiseDistance"):
        layer = getattr(nn, name)()
        with pytest.raises(ValueError, match=rf"{name}: x1 and x2 must have shapes that broadcast, got \(2, 3\) and \(2, 4\)"):
            layer(x, np.ones((2, 4)))
        with pytest.raises(TypeError, match=f"{name}: x2 must have the layer's dtype float64, got float32"):
            layer(x, x.astype(np.float32))
        with pytest.raises(TypeError, match=f"{name}: x1 must be floating point, got int64"):
            layer(x.astype(int), x)
        layer.check_nothing_saved()
    with pytest.raises(IndexError, match=r"CosineSimilarity: dim must lie in -2 … 1 for x of shape \(2, 3\), got 2"):
        nn.CosineSimilarity(dim=2)(x, x)
    with pytest.raises(NotImplementedError, match=r"PairwiseDistance: p = 0\.5 is not supported"):
        nn.PairwiseDistance(p=0.5)
    with pytest.raises(ValueError, match="PairwiseDistance: x1 or x2 must have at least 1 axis"):
        nn.PairwiseDistance()(np.array(1.0), np.array(2.0))
