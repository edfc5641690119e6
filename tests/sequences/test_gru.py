"""Gated recurrent unit: one step, the loop, the gradient along the mixture, and the adding problem solved, on both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.data.adding import ALWAYS_THE_MEAN, Adding
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import gru as script
from experiments.sequences.gru import TWIN
from experiments.sequences.rnn import reach_by_hand
from manual import nn
from manual.module import no_grad
from manual.sequences.gru import Recurrence, cell, cell_backward
from torch_impl.sequences import gru as in_torch

# ---- the cell ------------------------------------------------------------------------------------


def test_one_step_has_the_gradients_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    first, second = ([rng.normal(size=shape) for shape in ((4, 9), (4, 9), (4, 3))] for _ in range(2))
    check_grads(cell, first, again=second, backward=cell_backward, torch=in_torch.cell)


def test_the_loop_is_the_librarys_forward_and_backward() -> None:
    rng = np.random.default_rng(1)
    ours, library = Recurrence(3, 5, rng=rng), nn.GRU(3, 5, batch_first=True)
    library.load_state_dict(ours.state_dict())
    x, dL_dh = rng.normal(size=(4, 7, 3)), rng.normal(size=(4, 7, 5))
    assert error(ours(x), library(x)[0]) < 1e-15
    assert error(ours.backward(dL_dh), library.backward((dL_dh, None))) < 1e-14
    theirs = dict(library.named_parameters())
    assert max(error(p.grad, theirs[name].grad) for name, p in ours.named_parameters()) < 1e-14


def test_along_the_mixture_the_gradient_is_a_product_of_update_gates() -> None:
    """∂h[T]/∂h[0] = Πₜ u[t], where z_x and z_h are given: by hand and by autograd."""
    rng, T = np.random.default_rng(2), 30
    zs, h, wanted = rng.normal(0, 2, (T, 2, 1, 9)), [rng.normal(size=(1, 3))], np.ones((1, 3))
    h_in_torch = first = torch.from_numpy(h[0]).requires_grad_()
    for z_x, z_h in zs:
        h.append(cell(z_x, z_h, h[-1]))
        h_in_torch = in_torch.cell(torch.from_numpy(z_x), torch.from_numpy(z_h), h_in_torch)
        wanted = wanted / (1 + np.exp(-(z_x + z_h)[:, 3:6]))
    dL_dh = np.ones((1, 3))
    for (z_x, z_h), before in zip(zs[::-1], h[-2::-1], strict=True):
        dL_dh = cell_backward(dL_dh, z_x, z_h, before)[2]
    (in_autograd,) = torch.autograd.grad(h_in_torch.sum(), first)
    assert max(error(dL_dh, wanted), error(in_autograd, wanted)) < 1e-13


# ---- the pair ------------------------------------------------------------------------------------


def test_gradient_of_the_concept_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.having({"hidden": 4}).build()
    x, y = Adding(steps=6, sequences=9).split.train
    check_grads(ours, (x[:5], y[:5]), again=(x[5:], y[5:]), torch=theirs)


def test_a_short_run_agrees_and_learns_four_steps() -> None:
    short = TWIN.having({"hidden": 8, "lr": 0.03, "steps": 200}, {"steps": 4})
    run = trained(replace(short, trainer={**TWIN.trainer, "max_epochs": 1}))
    assert run.agree
    assert run.metrics["loss/val"] < 0.5 * ALWAYS_THE_MEAN


@pytest.fixture(scope="module")
def run() -> Trained:
    """The concept's own run."""
    return trained(TWIN)


@pytest.mark.long
def test_the_adding_problem_is_solved_on_both_sides(run: Trained) -> None:
    x, y = run.data.split.val
    with no_grad(), torch.no_grad():
        by_hand, theirs = run.manual(x), run.torch(torch.from_numpy(x)).numpy()
    assert run.agree
    assert max(np.mean((by_hand - y) ** 2), np.mean((theirs - y) ** 2)) < 3e-4
    assert np.mean((y - 1) ** 2) > 0.15


# ---- what figures and texts say ------------------------------------------------------------------


@pytest.mark.long
def test_a_new_network_forgets_and_a_trained_one_has_gates_that_keep_but_for_the_marks(run: Trained) -> None:
    batch = tuple(part[:100] for part in run.data.split.val)
    new, trained_one = (reach_by_hand(model, batch) for model in (TWIN.build()[0], run.manual))
    assert new[0] < 1e-3 * new[-1]
    assert trained_one[0] > 0.1 * trained_one[-1]
    x = batch[0][:1]
    _, u, _ = script.opened(run.manual, x)
    marked = x[0, :, 1] == 1
    assert (u[~marked].mean(axis=0) - u[marked].max(axis=0)).max() > 0.3  # a gate that shuts at the marks
    assert u[~marked].mean() > 0.7


def test_figures_show_both_sides() -> None:
    drawn = script.figures(*TWIN.build(seed=1), TWIN.make_data(sequences=40))
    assert list(drawn) == ["gates over time", "the adding problem", "what comes back"]
    for ax in (drawn["gates over time"].axes[2], drawn["what comes back"].axes[0]):
        curves = [np.asarray(line.get_ydata()) for line in ax.lines if len(line.get_ydata()) > 2]
        assert len(curves) in (4, 6)
        assert max(error(b, a) for a, b in zip(curves[::2], curves[1::2], strict=True)) < 1e-11
    x = TWIN.make_data(sequences=40).split.val[0][:1]
    model = TWIN.build(seed=1)[0]
    first, second, held = script.opened(model, x)
    with no_grad():
        assert held == pytest.approx(model.rnn(x)[0], abs=1e-15)
    assert min(first.min(), second.min()) > 0
    assert max(first.max(), second.max()) < 1
