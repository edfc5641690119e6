"""Distillation: gradients by three judges, the limit of high temperature, and who reads a digit that it never saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from experiments.data.arrays import InputError
from experiments.data.digits import Digits
from experiments.data.taught import TaughtDigits, teacher
from experiments.judge.compare import error
from experiments.judge.convert import made_of
from experiments.judge.differences import check_grads
from experiments.unsupervised import distillation as script
from experiments.unsupervised.distillation import TWIN, gradient_in_torch, read
from manual.unsupervised import distillation as by_hand
from tests.helpers import whole_run
from torch_impl.unsupervised import distillation as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


@pytest.fixture(scope="module")
def data() -> TaughtDigits:
    """The twin's."""
    made: Any = TWIN.make_data()
    return made


def test_slope_is_that_of_autograd_and_of_central_differences() -> None:
    z, v, other = np.random.default_rng(0).normal(0, 2, (3, 4, 5))
    check_grads(
        lambda z: by_hand.distill(z, v, 3.0), [z], again=[other], backward=lambda dL_dy, z: by_hand.distill_backward(dL_dy, z, v, 3.0),
        torch=lambda z: in_torch.distill(z, torch.from_numpy(v), 3.0),
    )  # fmt: skip


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(
    variant: str | None, data: TaughtDigits
) -> None:
    ours, theirs = TWIN.having({"hidden": 6}).build(2, variant=variant)
    batch = data.split.train
    check_grads(ours, tuple(a[:7] for a in batch), again=tuple(a[7:11] for a in batch), torch=theirs)


# ---- the data --------------------------------------------------------------------------------------


def test_no_3_is_learned_from_all_are_held_out_and_the_scores_are_the_teachers(data: TaughtDigits) -> None:
    (x, v, y), (x_val, v_val, y_val) = data.split.train, data.split.val
    labelled = Digits().split
    assert 3 not in y
    assert len(y) == (labelled.train[1] != 3).sum()
    assert np.array_equal(x_val, labelled.val[0])
    assert np.array_equal(y_val, labelled.val[1])
    assert error(v, made_of(teacher(0), x)) < 1e-15
    assert np.mean(v_val.argmax(axis=1) == y_val) > 0.96
    assert (v_val.argmax(axis=1) == 3)[y_val == 3].mean() > 0.9
    assert len(TaughtDigits(missing=-1).split.train[0]) == len(labelled.train[0])
    with pytest.raises(InputError, match=r"--data.missing must be a digit, or -1 for none, got 10"):
        TaughtDigits(missing=10)


# ---- the loss --------------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [0.7, 1.0, 4.0])
def test_the_loss_is_the_relative_entropy_of_scipy_times_T_squared(T: float) -> None:
    z, v = np.random.default_rng(1).normal(0, 3, (2, 6, 4))
    wanted = T**2 * entropy(softmax(v / T, axis=1), softmax(z / T, axis=1), axis=1).mean()
    assert by_hand.distill(z, v, T) == pytest.approx(wanted, rel=1e-12)
    assert in_torch.distill(torch.from_numpy(z), torch.from_numpy(v), T).item() == pytest.approx(wanted, rel=1e-12)
    assert abs(by_hand.distill(v + 5, v, T)) < 1e-13  # a number added to all scores changes nothing
    assert np.abs(by_hand.distill_backward(1.0, v + 5, v, T)).max() < 1e-14


def test_at_high_temperatures_the_gradient_is_the_difference_of_the_scores_to_1_over_T() -> None:
    z, v = np.random.default_rng(2).normal(0, 3, (2, 6, 10))
    at_last = by_hand.limit(z, v)
    assert error(at_last, ((z - z.mean(1, keepdims=True)) - (v - v.mean(1, keepdims=True))) / 60) < 1e-14
    for gradient in (lambda T: by_hand.distill_backward(1.0, z, v, T), lambda T: gradient_in_torch(z, v, T)):
        far = [error(gradient(T), at_last) for T in (1e2, 1e3, 1e4)]
        assert far[0] < 0.05
        assert far[0] / far[1] == pytest.approx(10, rel=0.1)
        assert far[1] / far[2] == pytest.approx(10, rel=0.01)


def test_the_size_of_the_gradient_does_not_fall_with_the_temperature() -> None:
    z, v = np.random.default_rng(3).normal(0, 3, (2, 50, 10))
    sizes = [np.linalg.norm(by_hand.distill_backward(1.0, z, v, T)) for T in (1.0, 4.0, 100.0)]
    assert max(sizes) / min(sizes) < 3


# ---- what is learned -------------------------------------------------------------------------------


def test_students_read_3s_that_they_never_saw_if_the_teacher_is_warm_and_none_from_labels(data: TaughtDigits) -> None:
    """As the figure says; on both sides."""
    for side in (0, 1):
        cold, warm, labels = (
            read(student[side], data) for student in (script.students(1.0), script.students(4.0), script.students(1.0, 0.0))
        )
        assert cold[0] < 0.3 < 0.6 < warm[0]
        assert labels[0] == 0
        assert min(cold[1], warm[1], labels[1]) > 0.94


def test_a_short_run_agrees() -> None:
    lockstep, theirs = whole_run(replace(TWIN, trainer={"max_epochs": 3}))
    assert lockstep.judge.passed, lockstep.judge.failure
    x, *_ = TWIN.make_data().split.val
    assert error(made_of(lockstep.hand.model, x), made_of(theirs, x)) < 1e-10


@pytest.mark.long
def test_the_declared_run_agrees_and_reads_3s(data: TaughtDigits) -> None:
    lockstep, theirs = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    for side in (lockstep.hand.model, theirs):
        of_3s, of_others = read(side, data)
        assert of_3s > 0.8
        assert of_others > 0.95


@SIDES
@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"T": 0.0}, {"T": float("nan")}, {"share": -0.1}, {"share": 1.5}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Distillation: .*{name}.*, got .*{value}"):
        side.Distillation(**wrong)


# ---- what the figures say --------------------------------------------------------------------------


def test_figures_show_both_sides(data: TaughtDigits) -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, data)
    assert list(drawn) == ["what the teacher says", "temperatures", "the limit"]
    in_theirs, by_us = (np.asarray(line.get_ydata()) for line in drawn["the limit"].axes[0].lines)
    assert error(by_us, in_theirs) < 1e-8
    bars = [bar.get_height() for bar in drawn["what the teacher says"].axes[-1].patches]
    assert error(np.array(bars[10:]), np.array(bars[:10])) < 1e-13
    of_torch, by_hands = (np.asarray(line.get_ydata()) for line in drawn["temperatures"].axes[0].lines[:2])
    assert np.array_equal(of_torch, by_hands)
