"""Vectors: the identities, the kinks, bad input, and that training ends at the closed form on both sides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from scipy.spatial import distance
from torch.nn import functional as F

from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.linear_algebra import vectors as script
from experiments.linear_algebra.vectors import TWIN, OneDigit
from experiments.lockstep import LockStep
from manual.linear_algebra import vectors as by_hand
from tests.helpers import whole_run
from torch_impl.linear_algebra import vectors as in_torch


def two(seed: int, shape: tuple[int, ...] = (5, 3)) -> tuple[np.ndarray, np.ndarray]:
    """Two random arrays of this shape."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.normal(size=shape)


# ---- what they are -------------------------------------------------------------------------------


def test_lengths_and_cosine_are_scipys() -> None:
    a, b = two(0, (4,))
    assert by_hand.l1_norm(a - b) == pytest.approx(distance.cityblock(a, b), rel=1e-14)
    assert by_hand.l2_norm(a - b) == pytest.approx(distance.euclidean(a, b), rel=1e-14)
    assert by_hand.linf_norm(a - b) == pytest.approx(distance.chebyshev(a, b), rel=1e-14)
    assert by_hand.cosine_similarity(a, b) == pytest.approx(1 - distance.cosine(a, b), rel=1e-14)


def test_the_text_is_right() -> None:
    assert by_hand.l2_norm(np.array([3.0, 4.0])) == 5
    a, b = two(1)
    shadow = by_hand.projection(a, b)
    assert abs(by_hand.dot(a - shadow, b)).max() < 1e-14  # what remains is at right angles to b
    assert error(by_hand.projection(shadow, b), shadow) < 1e-14
    assert error(by_hand.l2_norm(a) * by_hand.l2_norm(b) * by_hand.cosine_similarity(a, b), by_hand.dot(a, b)) < 1e-14
    assert error(by_hand.cosine_similarity(7 * a, 0.1 * b), by_hand.cosine_similarity(a, b)) < 1e-14
    dL_da, dL_db = by_hand.cosine_similarity_backward(np.arange(1.0, 6.0), a, b)
    assert abs(by_hand.dot(dL_da, a)).max() < 1e-14  # making a longer does not change an angle
    assert abs(by_hand.dot(dL_db, b)).max() < 1e-14


# ---- kinks and degenerate vectors ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "a", "slope"),
    [
        ("l1_norm", [2.0, 0.0, -3.0], [1, 0, -1]),
        ("l2_norm", [0.0, 0.0, 0.0], [0, 0, 0]),
        ("linf_norm", [2.0, -2.0, 1.0], [0.5, -0.5, 0]),
        ("linf_norm", [0.0, 0.0, 0.0], [0, 0, 0]),
    ],
)
def test_subgradients_are_torchs(name: str, a: list[float], slope: list[float]) -> None:
    hand = getattr(by_hand, f"{name}_backward")(np.float64(1.7), np.array(a))
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    (1.7 * getattr(in_torch, name)(leaf)).backward()
    assert error(hand, leaf.grad) == 0
    assert error(hand, 1.7 * np.array(slope)) < 1e-15


def test_zero_vector_has_cosine_0_as_in_torch() -> None:
    a, b = np.zeros(3), np.array([1.0, -2.0, 2.0])
    leaves = [t.requires_grad_() for t in to_torch((a, b))]
    y = F.cosine_similarity(*leaves, dim=0)
    y.backward()
    assert by_hand.cosine_similarity(a, b) == y.item() == 0
    for ours, leaf in zip(by_hand.cosine_similarity_backward(1.0, a, b), leaves, strict=True):
        assert error(ours, leaf.grad) < 1e-15
    assert leaves[0].grad.norm() == pytest.approx(1e8)  # 1/eps: a hair's breadth away from 0 every direction is possible


@pytest.mark.parametrize("name", ["l1_norm", "l2_norm", "linf_norm"])
@pytest.mark.parametrize("a", [[3e200, -4e200], [3e-200, 4e-200], [math.inf, -1.0], [math.nan, 2.0]])
def test_huge_tiny_and_nonfinite_norms_are_torchs(name: str, a: list[float]) -> None:
    scale = 1e200 if name == "l2_norm" and a[0] > 1 else 1e-200 if name == "l2_norm" and a[0] < 1 else 1.0  # torch's squares are no numbers
    theirs = getattr(in_torch, name)(torch.tensor(a, dtype=torch.float64) / scale) * scale
    assert error(getattr(by_hand, name)(np.array(a)), theirs, nonfinite="match") < 1e-15


@pytest.mark.parametrize("name", ["l1_norm", "l2_norm", "linf_norm"])
def test_nan_passes_through_the_gradient(name: str) -> None:
    assert np.isnan(getattr(by_hand, f"{name}_backward")(np.float64(1.0), np.array([math.nan, 2.0]))[0])


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    a, b = two(2)
    with pytest.raises(ValueError, match=r"dot: a and b must have one shape, got \(5, 3\) and \(3,\)"):
        by_hand.dot(a, b[0])
    with pytest.raises(TypeError, match="add: b must have the layer's dtype float64, got float32"):
        by_hand.add(a, b.astype(np.float32))
    with pytest.raises(TypeError, match="hadamard: a must be a NumPy array, got list"):
        by_hand.hadamard([1.0, 2.0], b)
    with pytest.raises(TypeError, match="l1_norm: a must be floating point, got int64"):
        by_hand.l1_norm(np.arange(3))
    with pytest.raises(ValueError, match=r"l2_norm: a must have at least 1 axis, got shape \(\)"):
        by_hand.l2_norm(np.array(2.0))
    with pytest.raises(ValueError, match=r"linf_norm: a must have at least one entry, got shape \(2, 0\)"):
        by_hand.linf_norm(np.zeros((2, 0)))
    with pytest.raises(ValueError, match=r"scale: c must be one number, got shape \(3,\)"):
        by_hand.scale(b[0], a)
    b[3] = 0
    with pytest.raises(ValueError, match="projection: b must not be a zero vector, which has no direction"):
        by_hand.projection(a, b)
    with pytest.raises(InputError, match=r"--data\.digit must be 0 to 9, got 10"):
        OneDigit(digit=10)


# ---- training ------------------------------------------------------------------------------------


def test_gradient_of_the_concept_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=1)
    rng = np.random.default_rng(0)
    check_grads(ours, (rng.normal(size=(7, 64)),), again=(rng.normal(size=(5, 64)),), torch=theirs)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_ends_at_the_closed_form_on_both_sides(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    (x,) = TWIN.make_data().split.train
    assert x.shape == (143, 64)
    assert lockstep.judge.passed, lockstep.judge.failure
    best = by_hand.closed_form(x)
    assert error(best, in_torch.closed_form(torch.from_numpy(x))) < 1e-14
    for w in (lockstep.hand.model.w.data, to_numpy(theirs.w)):
        assert error(w / np.linalg.norm(w), best) < 1e-12
    m = (x / np.linalg.norm(x, axis=1, keepdims=True)).mean(axis=0)
    assert lockstep.records[-1].loss_manual == pytest.approx(1 - np.linalg.norm(m), rel=1e-12)
    assert lockstep.records[-1].loss_torch == pytest.approx(1 - np.linalg.norm(m), rel=1e-12)


def test_closed_form_beats_every_other_direction() -> None:
    x, _ = two(3)
    best = in_torch.cosine_similarity(*to_torch((x, np.broadcast_to(by_hand.closed_form(x), x.shape)))).mean()
    for w in np.random.default_rng(4).normal(size=(50, 3)):
        assert by_hand.cosine_similarity(x, np.broadcast_to(w, x.shape)).mean() < best


def test_length_grows_with_every_step() -> None:
    ours, _ = TWIN.build(seed=3)
    x = np.random.default_rng(2).normal(size=(6, 64))
    before = ours.w.data.copy()
    ours.training_step((x,), 0)
    ours.backward()
    step = 0.5 * ours.w.grad
    ours.configure_optimizers().step()
    assert ours.w.data @ ours.w.data == pytest.approx(before @ before + step @ step, rel=1e-13)


def test_figures_are_drawn(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["angle and shadow", "near by distance and by angle", "the direction of a digit", "three unit balls"]
    near = [ax.get_title() for ax in drawn["near by distance and by angle"].axes]
    shown = Trained(lockstep.hand.model, theirs, TWIN.make_data(), (), {}, True)
    assert sum(title[0] == "3" for title in near[1:6]) == script.threes_by_distance(shown)
    assert [title[0] for title in near[1:6]] != ["3"] * 5  # little ink, whatever they show
    assert [title[0] for title in near[7:]] == ["3"] * 5  # the same strokes
    for ball in [ax.lines[0] for ax in drawn["three unit balls"].axes]:
        assert {"L1": by_hand.l1_norm, "L2": by_hand.l2_norm, "L∞": by_hand.linf_norm}[ball.get_label()](
            ball.get_xydata()
        ) == pytest.approx(1)
