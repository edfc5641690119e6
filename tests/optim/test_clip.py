"""Clipping of gradients, against torch.nn.utils."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual.module import Parameter
from manual.nn.utils import clip_grad_norm_, clip_grad_value_

SHAPES = (3, 5), (7,), (), (2, 3, 4)


def pairs(dtype: Any = "float64", scale: float = 1.0, seed: int = 0, nonfinite: Any = ()) -> Any:
    """Parameters of both sides with the same gradients; the last has none."""
    rng = np.random.default_rng(seed)
    hand, reference = [], []
    for i, shape in enumerate(SHAPES):
        g = np.asarray(scale * rng.normal(size=shape), dtype=dtype)
        if i == 0:
            g.flat[: len(nonfinite)] = nonfinite
        hand.append(Parameter(np.zeros(shape, dtype)))
        reference.append(torch.nn.Parameter(torch.zeros(shape, dtype=getattr(torch, dtype))))
        if i < len(SHAPES) - 1:
            hand[-1].grad, reference[-1].grad = g, torch.from_numpy(g.copy())
    return hand, reference


def worst(hand: Any, reference: Any, **how: Any) -> float:
    assert [p.has_grad for p in hand] == [p.grad is not None for p in reference]
    return max(error(a.grad, b.grad, **how) for a, b in zip(hand, reference, strict=True) if b.grad is not None)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 1e-6)])
@pytest.mark.parametrize("norm_type", [1, 2, 2.0, 3.5, math.inf, "inf"])
@pytest.mark.parametrize("scale", [10.0, 0.01])
def test_clip_by_norm(norm_type: float, scale: float, dtype: Any, tolerance: float) -> None:
    hand, reference = pairs(dtype, scale)
    a, b = clip_grad_norm_(hand, 1.3, norm_type), torch.nn.utils.clip_grad_norm_(reference, 1.3, norm_type)
    assert error(a, b) < tolerance
    assert worst(hand, reference) < tolerance


def test_a_short_gradient_stays_as_it_is() -> None:
    hand, _ = pairs(scale=0.01)
    before = [p.grad.copy() for p in hand]
    clip_grad_norm_(hand, 5.0)
    assert all(np.array_equal(p.grad, g) for p, g in zip(hand, before, strict=True))


def test_a_clipped_gradient_is_just_below_the_limit_and_points_the_same_way() -> None:
    hand, _ = pairs(scale=10.0)
    before = np.concatenate([p.grad.ravel() for p in hand])
    total = clip_grad_norm_(hand, 2.0)
    after = np.concatenate([p.grad.ravel() for p in hand])
    assert total == pytest.approx(np.linalg.norm(before), rel=1e-14)
    assert 2 - 1e-6 < np.linalg.norm(after) < 2
    assert before @ after == pytest.approx(np.linalg.norm(before) * np.linalg.norm(after), rel=1e-14)


@pytest.mark.parametrize("nonfinite", [(np.nan,), (np.inf,), (-np.inf, np.nan)])
def test_nan_and_infinity_do_as_in_torch(nonfinite: Any) -> None:
    with np.errstate(invalid="ignore"):
        hand, reference = pairs(nonfinite=nonfinite)
        clip_grad_norm_(hand, 1.3)
        torch.nn.utils.clip_grad_norm_(reference, 1.3)
        assert worst(hand, reference, nonfinite="match") < 1e-14
        hand, reference = pairs(nonfinite=nonfinite)
        clip_grad_value_(hand, 0.4)
        torch.nn.utils.clip_grad_value_(reference, 0.4)
        assert worst(hand, reference, nonfinite="match") == 0
    hand, _ = pairs(nonfinite=nonfinite)
    before = hand[1].grad.copy()
    with pytest.raises(RuntimeError, match=r"norm of order 2.0 must be finite, got (nan|inf)"):
        clip_grad_norm_(hand, 1.3, error_if_nonfinite=True)
    assert np.array_equal(hand[1].grad, before)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_clip_by_value(dtype: Any) -> None:
    hand, reference = pairs(dtype, 3.0)
    assert clip_grad_value_(hand, 1.3) is None
    torch.nn.utils.clip_grad_value_(reference, 1.3)
    assert worst(hand, reference) == 0
    assert abs(hand[0].grad).max() == np.asarray(1.3, dtype)


def test_one_parameter_a_generator_and_none() -> None:
    hand, reference = pairs(scale=10.0)
    clip_grad_norm_(hand[0], 1.3)
    torch.nn.utils.clip_grad_norm_(reference[0], 1.3)
    clip_grad_norm_((p for p in hand[1:]), 0.7)
    torch.nn.utils.clip_grad_norm_(reference[1:], 0.7)
    clip_grad_value_(hand[1], 0.2)
    torch.nn.utils.clip_grad_value_(reference[1], 0.2)
    assert worst(hand, reference) < 1e-14
    assert clip_grad_norm_([hand[-1]], 1.0) == 0
    assert not hand[-1].has_grad


def test_an_empty_parameter_counts_nothing() -> None:
    hand, _ = pairs(scale=10.0)
    empty = Parameter(np.zeros((0, 4)))
    empty.grad = np.zeros((0, 4))
    for norm_type in (2, math.inf):
        alone = clip_grad_norm_(hand, 1e9, norm_type)
        assert clip_grad_norm_([empty, *hand], 1e9, norm_type) == alone


def test_foreach_is_refused() -> None:
    hand, _ = pairs()
    with pytest.raises(NotImplementedError, match="clip_grad_norm_: foreach must be None or False, got True"):
        clip_grad_norm_(hand, 1.0, foreach=True)
    with pytest.raises(NotImplementedError, match="clip_grad_value_: foreach must be None or False, got True"):
        clip_grad_value_(hand, 1.0, foreach=True)
