"""EmbeddingBag: empty bags, equal largest rows, initial weights, and what bad input gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn

WORDS = np.array([1, 4, 2])


def table(rows: int = 6) -> np.ndarray:
    """A table whose rows fall."""
    return -1.0 - np.arange(2.0 * rows).reshape(rows, 2)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_a_bag_of_nothing_or_of_padding_alone_is_0_and_sends_nothing_back(mode: str) -> None:
    layer = nn.EmbeddingBag(6, 2, mode=mode, padding_idx=1, _weight=table())
    y = layer(np.array([1, 1, 3]), np.array([0, 0, 2]))
    assert y.tolist() == [[0, 0], [0, 0], [-7, -8]]
    assert layer.backward(np.full((3, 2), 5.0)) == (None, None)
    assert layer.weight.grad.tolist() == [[5.0 * (row == 3)] * 2 for row in range(6)]


def test_of_equal_rows_the_first_is_the_largest() -> None:
    x, upstream = np.array([[3, 0, 3], [2, 5, 5]]), np.array([[1.0, 2.0], [4.0, 8.0]])
    weight = np.array([[1.0, 5.0], [0, 0], [2.0, 7.0], [1.0, 5.0], [0, 0], [2.0, 7.0]])
    layer, twin = nn.EmbeddingBag(6, 2, mode="max", _weight=weight), torch.nn.EmbeddingBag(6, 2, mode="max", dtype=torch.float64)
    twin.weight.data.copy_(torch.from_numpy(weight))
    assert error(layer(x), twin(torch.from_numpy(x))) == 0
    layer.backward(upstream)
    twin(torch.from_numpy(x)).backward(torch.from_numpy(upstream))
    assert error(layer.weight.grad, twin.weight.grad) == 0
    assert layer.weight.grad[2:4].tolist() == [[4, 8], [1, 2]]


def test_no_bags_at_all() -> None:
    for layer, inputs in (
        (nn.EmbeddingBag(6, 2), (WORDS, np.array([], dtype=int))),
        (nn.EmbeddingBag(6, 2, include_last_offset=True), (WORDS[:0], np.array([0]))),
        (nn.EmbeddingBag(6, 2, mode="max"), (np.zeros((0, 3), int),)),
    ):
        assert layer(*inputs).shape == (0, 2)
        layer.backward(np.zeros((0, 2)))
        assert not layer.weight.grad.any()


def test_weights_begin_normal_with_padding_at_0_or_as_given() -> None:
    layer = nn.EmbeddingBag(70, 90, padding_idx=-3, rng=np.random.default_rng(2))
    assert layer.padding_idx == torch.nn.EmbeddingBag(70, 90, padding_idx=-3).padding_idx == 67
    assert not layer.weight[67].any()
    assert np.delete(layer.weight.data, 67, axis=0).std() == pytest.approx(1, abs=0.05)
    layer = nn.EmbeddingBag(6, 2, padding_idx=1, _weight=table(), dtype=np.float32)
    assert layer.weight.tolist() == table().tolist()  # as in torch, the row for padding too
    assert layer.weight.dtype == np.float32


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda: nn.EmbeddingBag(6, 2, mode="avg"), ValueError, "EmbeddingBag: mode must be one of 'sum', 'mean', 'max', got 'avg'"),
        (lambda: nn.EmbeddingBag(6, 2, padding_idx=6), ValueError, r"padding_idx must lie in -6 … 5 \(num_embeddings = 6\), got 6"),
        (lambda: nn.EmbeddingBag(6, 2, _weight=np.ones((2, 2))), ValueError, r"_weight must have shape \(6, 2\), got \(2, 2\)"),
        (lambda: nn.EmbeddingBag(-6, 2), ValueError, r"EmbeddingBag: num_embeddings .*must be at least 0"),
        (lambda: nn.EmbeddingBag(6, 2, max_norm=1.0), NotImplementedError, "EmbeddingBag: max_norm"),
        (lambda: nn.EmbeddingBag(6, 2, norm_type=1.0), NotImplementedError, "norm_type"),
        (lambda: nn.EmbeddingBag(6, 2, scale_grad_by_freq=True), NotImplementedError, "scale_grad_by_freq"),
        (lambda: nn.EmbeddingBag(6, 2, sparse=True), NotImplementedError, "sparse"),
    ],
)
def test_bad_arguments_are_named(build: Callable[..., Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        build()


@pytest.mark.parametrize(
    ("arguments", "inputs", "kind", "words"),
    [
        ({}, (WORDS,), ValueError, r"an input of one axis needs offsets, got none for shape \(3,\)"),
        ({}, (WORDS[None], np.array([0])), ValueError, "offsets go with an input of one axis"),
        ({}, (WORDS, np.array([1, 2])), ValueError, r"offsets must begin with 0 and not fall, got \[1, 2\]"),
        ({}, (WORDS, np.array([0, 2, 1])), ValueError, r"must begin with 0 and not fall, got \[0, 2, 1\]"),
        ({}, (WORDS, np.array([0, 4])), IndexError, r"offsets must lie in 0 … 3 \(entries of input \+ 1 = 4\), got 4"),
        ({}, (WORDS, np.array([[0, 2]])), ValueError, "EmbeddingBag: offsets must have 1 axes"),
        ({}, (WORDS, np.array([0.0])), TypeError, "EmbeddingBag: offsets must be an array of integers, got float64"),
        ({}, (np.array([1, 7]), np.array([0])), IndexError, r"input must lie in 0 … 5 \(num_embeddings = 6\), got 7"),
        ({}, (WORDS[None, None],), ValueError, "input must have 1 or 2 axes"),
        ({"include_last_offset": True}, (WORDS, np.array([0, 2])), ValueError, r"must end with where the last bag ends, 3, got \[0, 2\]"),
        ({"include_last_offset": True}, (WORDS, np.array([], dtype=int)), ValueError, "must end with where the last bag ends, 3"),
        ({"mode": "mean"}, (WORDS, np.array([0]), np.ones(3)), NotImplementedError, "per_sample_weights goes with mode 'sum' only"),
        ({"mode": "sum"}, (WORDS, np.array([0]), np.ones(2)), ValueError, r"must have one shape, got \(2,\) and \(3,\)"),
        (
            {"mode": "sum"},
            (WORDS, np.array([0]), np.ones(3, np.float32)),
            TypeError,
            "per_sample_weights must have the layer's dtype float64",
        ),
    ],
)
def test_bad_input_is_named(arguments: dict[str, Any], inputs: tuple[Any, ...], kind: type[Exception], words: str) -> None:
    layer = nn.EmbeddingBag(6, 2, **arguments)
    with pytest.raises(kind, match=words):
        layer(*inputs)
    layer.check_nothing_saved()
