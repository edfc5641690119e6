"""Long short-term memory: one step, the loop, the gradient along the memory, and the adding problem solved, on both sides."""

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
from experiments.sequences import lstm as script
from experiments.sequences.lstm import TWIN
from experiments.sequences.rnn import reach_by_hand
from manual import nn
from manual.module import no_grad
from manual.sequences.lstm import Recurrence, cell, cell_backward
from torch_impl.sequences import lstm as in_torch

# ---- the cell ------------------------------------------------------------------------------------


def test_one_step_has_the_gradients_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    first, second = ([rng.normal(size=shape) for shape in ((4, 12), (4, 3))] for _ in range(2))
    check_grads(cell, first, again=second, backward=cell_backward, torch=in_torch.cell)


def test_the_loop_is_the_librarys_forward_and_backward() -> None:
    rng = np.random.default_rng(1)
    ours, library = Recurrence(3, 5, rng=rng), nn.LSTM(3, 5, batch_first=True)
    library.load_state_dict(ours.state_dict())
    x, dL_dh = rng.normal(size=(4, 7, 3)), rng.normal(size=(4, 7, 5))
    assert error(ours(x), library(x)[0]) < 1e-15
    assert error(ours.backward(dL_dh), library.backward((dL_dh, None))) < 1e-14
    theirs = dict(library.named_parameters())
    assert max(error(p.grad, theirs[name].grad) for name, p in ours.named_parameters()) < 1e-14


def test_along_the_memory_the_gradient_is_a_product_of_forget_gates() -> None:
    """∂c[T]/∂c[0] = Πₜ f[t], where z is given: by hand and by autograd."""
    rng, T = np.random.default_rng(2), 30
    zs, c, wanted = rng.normal(0, 2, (T, 1, 12)), [rng.normal(size=(1, 3))], np.ones((1, 3))
    c_in_torch = first = torch.from_numpy(c[0]).requires_grad_()
    for z in zs:
        c.append(cell(z, c[-1])[1])
        c_in_torch = in_torch.cell(torch.from_numpy(z), c_in_torch)[1]
        wanted = wanted / (1 + np.exp(-z[:, 3:6]))
    dL_dc = np.ones((1, 3))
    for z, before in zip(zs[::-1], c[-2::-1], strict=True):
        dL_dc = cell_backward(np.zeros((1, 3)), dL_dc, z, before)[1]
    (in_autograd,) = torch.autograd.grad(c_in_torch.sum(), first)
    assert max(error(dL_dc, wanted), error(in_autograd, wanted)) < 1e-13


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
    assert max(np.mean((by_hand - y) ** 2), np.mean((theirs - y) ** 2)) < 6e-4
    assert np.mean((y - 1) ** 2) > 0.15


# ---- what figures and texts say ------------------------------------------------------------------


@pytest.mark.long
def test_a_new_network_forgets_by_half_and_a_trained_one_has_gates_that_keep(run: Trained) -> None:
    batch = tuple(part[:100] for part in run.data.split.val)
    new, trained_one = (reach_by_hand(model, batch) for model in (TWIN.build()[0], run.manual))
    assert new[0] < 1e-3 * new[-1]
    assert trained_one[0] > 0.1 * trained_one[-1]
    x = batch[0][:1]
    i, f, _ = script.opened(run.manual, x)
    marked = x[0, :, 1] == 1
    assert (i[marked].min(axis=0) - i[~marked].mean(axis=0)).max() > 0.3  # a gate that opens at the marks
    assert f.mean(axis=0).max() > 0.9


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
        assert np.abs(model.rnn(x)[0]).max() <= np.abs(np.tanh(held)).max()
    assert min(first.min(), second.min()) > 0
    assert max(first.max(), second.max()) < 1
