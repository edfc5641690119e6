"""The way of the parameters on both sides: from where, how many steps, whose it is, and with which schedule."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import experiments
from experiments.drawing import walk as drawing
from experiments.drawing.walk import losses, some_rows, stacked, walk
from experiments.judge.convert import to_torch
from experiments.pair import Twin
from tests.helpers import configured, scheduled


def batch(n: int = 6) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, 10)), rng.normal(size=(n, 1))


def with_lr(by_hand: float, in_torch: float, halved: bool = False) -> Twin:
    """Ridge, with another step size on each side; halved after every epoch."""

    def configure(optim: Any, parameters: Any) -> Any:
        optimizer = optim.SGD(parameters, lr=in_torch if optim is torch.optim else by_hand)
        if not halved:
            return optimizer
        return scheduled(optimizer, optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5), "epoch")

    return configured(experiments.twin("ridge"), configure)


def descent(W: np.ndarray, b: np.ndarray, lr: float, steps: int, halved: bool, alpha: float) -> list[np.ndarray]:
    """Where W is, by the formula."""
    x, y = batch()
    places = [W]
    for k in range(steps):
        residual = x @ W + b - y
        step = lr * 0.5 ** (k if halved else 0)
        W, b = W - step * (2 / len(x) * x.T @ residual + 2 * alpha * W), b - step * 2 * residual.mean(axis=0)
        places.append(W)
    return places


@pytest.mark.parametrize("halved", [False, True])
def test_each_path_is_that_sides_own_from_the_common_start(halved: bool) -> None:
    twin = with_lr(0.05, 0.02, halved)
    ours, theirs = twin.build(1)
    torch.nn.init.ones_(theirs.linear.weight)  # it starts from the parameters of the other side
    start = ours.state_dict()
    found = walk(ours, theirs, batch(), 4, twin.names)
    for path, lr in zip(found, (0.05, 0.02), strict=True):
        assert list(path) == ["W", "b"]
        assert path["W"].shape == (5, 10, 1)
        assert path["W"] == pytest.approx(np.array(descent(start["W"], start["b"], lr, 4, halved, ours.alpha)), rel=1e-12)
        assert path["W"].dtype == np.float64


def test_gradients_are_computed_whatever_the_caller_has_switched_off() -> None:
    twin = with_lr(0.05, 0.05)
    ours, theirs = twin.build(1)
    with torch.no_grad():
        by_hand, in_torch = walk(ours, theirs, batch(), 3, twin.names)
    assert np.abs(in_torch["W"][-1] - in_torch["W"][0]).max() > 1e-3
    assert in_torch["W"] == pytest.approx(by_hand["W"], rel=1e-12)


def test_places_are_stacked_by_name() -> None:
    path = stacked([{"a": np.zeros(2), "b": np.ones(1)}, {"a": np.ones(2), "b": np.zeros(1)}])
    assert {name: p.tolist() for name, p in path.items()} == {"a": [[0, 0], [1, 1]], "b": [[1], [0]]}
    assert to_torch(path)["a"].shape == (2, 2)


START = np.array([0.5, -1.0, 2.0])
POINTS = np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]])
RETURN_BOTH: list[tuple[str, str, tuple[Any, ...]]] = [
    ("calculus.gradients", "descend", ("bowl", "newton", 2)),
    ("calculus.optimizers", "roll", ("bowl", "momentum", None, 2)),
    ("numerics.rounding", "both_walks", (batch(), "float32", 0.1, 2)),
    ("numerics.summation", "walked", ((np.array([[0, 1], [2, 5]]), np.array([1.0, 2.0])), "naive", 2)),
    ("regression.linear_regression", "descend", (POINTS, POINTS[:, :1], START, 2)),
    ("regression.logistic_regression", "descend", (POINTS, np.ones((3, 1)), START, 2)),
    ("regression.softmax_regression", "descend", (POINTS, np.array([0, 1, 1]), np.outer(START, [1, -2]), 2)),
]


@pytest.mark.parametrize(("script", "function", "arguments"), RETURN_BOTH, ids=[script for script, *_ in RETURN_BOTH])
def test_what_is_drawn_as_torchs_is_torchs(script: str, function: str, arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides agree, so that a figure that shows one of them twice looks the same: here torch's walk is moved away."""
    module = importlib.import_module(f"experiments.{script}")

    def apart(*given: Any, **named: Any) -> Any:
        ours, theirs = walk(*given, **named)
        return ours, {name: path + 1 for name, path in theirs.items()}

    for where in (module, drawing):  # by itself, or through `walk_of_rows`
        if hasattr(where, "walk"):
            monkeypatch.setattr(where, "walk", apart)
    ours, theirs = getattr(module, function)(*arguments)
    if script.startswith("regression"):
        assert ours[0].tolist() == arguments[2].tolist()  # W and b, from where they were to begin
    if not isinstance(ours, dict):
        ours, theirs = {"": ours}, {"": theirs}
    for name, path in ours.items():
        assert len(path) == 3
        assert theirs[name] == pytest.approx(path + 1)


def test_losses_are_those_of_each_sides_own_training() -> None:
    twin = with_lr(0.05, 0.02)
    ours, theirs = twin.build(1)
    start, batches = ours.state_dict(), [batch(5), batch(7)]
    found = losses(ours, theirs, batches)
    for of, lr in zip(found, (0.05, 0.02), strict=True):
        W, b = start["W"], start["b"]
        for (x, y), seen in zip(batches, of, strict=True):
            residual = x @ W + b - y
            assert seen == pytest.approx((residual**2).mean() + ours.alpha * (W**2).sum(), rel=1e-12)
            W, b = W - lr * (2 / len(x) * x.T @ residual + 2 * ours.alpha * W), b - lr * 2 * residual.mean(axis=0)
    assert (ours.W.data != start["W"]).all()  # both are left trained


def test_rows_are_drawn_from_all_and_always_the_same() -> None:
    x, y = np.arange(40).reshape(20, 2), np.arange(20)
    first, again = some_rows((x, y), 6, 30), some_rows((x, y), 6, 30)
    assert len(first) == 30
    for (a, c), (b, _) in zip(first, again, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a[:, 0], 2 * c)
    assert {int(c) for _, of in first for c in of} == set(range(20))
