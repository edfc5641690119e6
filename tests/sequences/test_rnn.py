"""Recurrence: three steps and a loop, powers of the weight, the adding problem, and what clipping is for, on both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.data.adding import ALWAYS_THE_MEAN, Adding
from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import rnn as script
from experiments.sequences.rnn import TWIN
from manual import nn
from manual.module import no_grad
from manual.sequences.rnn import Recurrence, three_steps, three_steps_backward
from tests.helpers import whole_run
from torch_impl.sequences import rnn as in_torch


def a_recurrence(seed: int = 0, hidden: int = 5, inputs: int = 3) -> Recurrence:
    """One with random weights, W_hh too."""
    rng = np.random.default_rng(seed)
    found = Recurrence(inputs, hidden, 1.0, rng=rng)
    found.weight_hh_l0[...] = rng.normal(0, 0.5, (hidden, hidden))
    return found


# ---- the recurrence ------------------------------------------------------------------------------


def test_three_steps_have_the_gradients_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    first, second = ([rng.normal(size=shape) for shape in ((3, 4, 2), (5, 2), (5, 5), (5,))] for _ in range(2))
    check_grads(three_steps, first, again=second, backward=three_steps_backward, torch=in_torch.three_steps)


def test_the_loop_is_three_steps_written_out() -> None:
    ours, rng = a_recurrence(), np.random.default_rng(1)
    x, dL_dh3 = rng.normal(size=(4, 3, 3)), rng.normal(size=(4, 5))
    b = ours.bias_ih_l0 + ours.bias_hh_l0
    written_out = x.swapaxes(0, 1), ours.weight_ih_l0.data, ours.weight_hh_l0.data, b
    assert ours(x)[:, -1] == pytest.approx(three_steps(*written_out), abs=1e-15)
    upstream = np.zeros((4, 3, 5))
    upstream[:, -1] = dL_dh3
    dL_dx = ours.backward(upstream)
    wanted_x, *wanted = three_steps_backward(dL_dh3, *written_out)
    assert error(dL_dx, wanted_x.swapaxes(0, 1)) < 1e-14
    found = [ours.weight_ih_l0.grad, ours.weight_hh_l0.grad, ours.bias_ih_l0.grad, ours.bias_hh_l0.grad]
    assert max(error(a, b) for a, b in zip(found, [*wanted, wanted[-1]], strict=True)) < 1e-14


def test_the_loop_is_the_librarys_rnn_forward_and_backward() -> None:
    ours, rng = a_recurrence(2), np.random.default_rng(3)
    library = nn.RNN(3, 5, nonlinearity="relu", batch_first=True)
    library.load_state_dict(ours.state_dict())
    x, dL_dh = rng.normal(size=(4, 7, 3)), rng.normal(size=(4, 7, 5))
    assert error(ours(x), library(x)[0]) < 1e-15
    assert error(ours.backward(dL_dh), library.backward((dL_dh, None))) < 1e-14
    theirs = dict(library.named_parameters())
    assert max(error(p.grad, theirs[name].grad) for name, p in ours.named_parameters()) < 1e-14


def test_where_nothing_is_cut_off_the_gradient_is_a_power_of_the_weight() -> None:
    """∂L/∂x[t] = ∂L/∂h[T] W_hhᵀ⁻ᵗ W_ih: NumPy's matrix_power is the judge, for both sides."""
    rng, T = np.random.default_rng(4), 12
    ours = Recurrence(3, 5, 1.0, rng=rng)
    for p in ours.parameters():
        p[...] = rng.uniform(0, 0.4, p.shape)
    theirs = torch.nn.RNN(3, 5, nonlinearity="relu", batch_first=True).double()
    theirs.load_state_dict({name: torch.from_numpy(p.data) for name, p in ours.named_parameters()})
    x, dL_dh = rng.uniform(size=(2, T, 3)), np.zeros((2, T, 5))
    dL_dh[:, -1] = rng.normal(size=(2, 5))
    ours(x)
    by_hand = ours.backward(dL_dh)
    x_in_torch = torch.from_numpy(x).requires_grad_()
    theirs(x_in_torch)[0].backward(torch.from_numpy(dL_dh))
    assert x_in_torch.grad is not None
    for t in range(T):
        wanted = dL_dh[:, -1] @ np.linalg.matrix_power(ours.weight_hh_l0.data, T - 1 - t) @ ours.weight_ih_l0.data
        assert max(error(by_hand[:, t], wanted), error(x_in_torch.grad[:, t], wanted)) < 1e-13


@pytest.mark.parametrize("start", script.STARTS)
def test_with_a_multiple_of_the_identity_it_is_a_power_of_that_number(start: float) -> None:
    for side in script.linear(start):
        assert side == pytest.approx(start ** np.arange(29, -1, -1.0), rel=1e-13)


# ---- the task ------------------------------------------------------------------------------------


def test_two_numbers_are_marked_one_in_each_half_and_their_sum_is_asked_for() -> None:
    (x, y), (x_val, y_val) = (part for part in (Adding(steps=9, sequences=4000).split.train, Adding(steps=9).split.val))
    assert (x.shape, y.shape, x_val.shape, y_val.shape) == ((4000, 9, 2), (4000, 1), (1000, 9, 2), (1000, 1))
    marks = x[:, :, 1]
    assert set(np.unique(marks)) == {0, 1}
    assert (marks[:, :4].sum(axis=1) == 1).all()
    assert (marks[:, 4:].sum(axis=1) == 1).all()
    assert (marks.sum(axis=0) > 500).all()  # every step is drawn
    assert y[:, 0] == pytest.approx([numbers[marked == 1].sum() for numbers, marked in zip(x[:, :, 0], marks, strict=True)], abs=1e-15)
    assert np.mean((y - 1) ** 2) == pytest.approx(ALWAYS_THE_MEAN, abs=4 * np.sqrt(7 / 180 / 4000))  # the variance of (y − 1)² is 7/180
    assert np.array_equal(x, Adding(steps=9, sequences=4000).split.train[0])


@pytest.mark.parametrize(("wrong", "got"), [({"steps": 1}, "1 and 6400"), ({"sequences": 0}, "30 and 0")])
def test_bad_arguments_of_the_task_are_named(wrong: dict[str, int], got: str) -> None:
    with pytest.raises(InputError, match=rf"--data.steps must be at least 2 and --data.sequences at least 1, got {got}"):
        Adding(**wrong)


# ---- the pair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.having({"hidden": 4}).build(variant=variant)
    x, y = Adding(steps=6, sequences=9).split.train
    check_grads(ours, (x[:5], y[:5]), again=(x[5:], y[5:]), torch=theirs)


def test_w_hh_starts_as_a_multiple_of_the_identity_on_both_sides() -> None:
    ours, theirs = TWIN.build(variant="half the identity")
    assert np.array_equal(ours.rnn.weight_hh_l0, 0.5 * np.eye(32))
    assert np.array_equal(theirs.rnn.weight_hh_l0.detach(), 0.5 * np.eye(32))


def test_a_short_run_agrees_and_learns_four_steps() -> None:
    short = TWIN.having({"hidden": 12, "lr": 0.02, "steps": 150}, {"steps": 4, "sequences": 4800})
    run = trained(replace(short, trainer={**TWIN.trainer, "max_epochs": 1}))
    assert run.agree
    assert run.metrics["loss/val"] < 0.5 * ALWAYS_THE_MEAN


@pytest.fixture(scope="module")
def run() -> Trained:
    """The concept's own run."""
    return trained(TWIN)


@pytest.mark.long
def test_the_adding_problem_of_thirty_steps_is_learned_on_both_sides(run: Trained) -> None:
    x, y = run.data.split.val
    with no_grad(), torch.no_grad():
        by_hand, theirs = run.manual(x), run.torch(torch.from_numpy(x)).numpy()
    assert run.agree
    assert np.mean((by_hand - y) ** 2) == pytest.approx(run.metrics["loss/val"])
    assert max(np.mean((by_hand - y) ** 2), np.mean((theirs - y) ** 2)) < 0.02
    assert np.mean((y - 1) ** 2) > 0.15


@pytest.mark.long
def test_a_gradient_that_vanishes_teaches_nothing() -> None:
    lockstep, _ = whole_run(TWIN.having({"start": 0.5}, {"sequences": 3200}))
    assert lockstep.judge.passed, lockstep.judge.failure
    assert lockstep.metrics["loss/val"] > 0.15


# ---- what figures and texts say ------------------------------------------------------------------


def test_unclipped_the_loss_explodes_and_clipped_it_does_not() -> None:
    free, clipped = script.descent(None), script.descent(1.0)
    for ours, theirs in (free, clipped):
        assert error(ours, theirs) < 1e-9
        assert ours[1, 0] > 100
    assert free[0][0].max() > 1e6
    assert clipped[0][0].max() == clipped[0][0, 0] < 20
    assert clipped[0][0, -10:].mean() < 0.3 < 1e6 < free[0][0, -10:].mean()


def test_figures_show_both_sides() -> None:
    drawn = script.figures(*TWIN.build(), TWIN.make_data(sequences=40))
    assert list(drawn) == ["the adding problem", "powers of the weight", "why clipping"]
    for name, lines in (("powers of the weight", 3 * len(script.STARTS)), ("why clipping", 4)):
        curves = [line.get_ydata() for line in drawn[name].axes[0].lines]
        assert len(curves) == lines
        assert error(np.asarray(curves[1]), np.asarray(curves[0])) < 1e-10
    band, dashes = (line.get_ydata() for line in drawn["powers of the weight"].axes[1].lines)
    assert error(dashes, band) < 1e-10
