"""LoRA: the way back by hand, the closed form that every rank arrives at, what stays frozen, and what merged weights answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LinearRegression

from experiments.cases.sequences.lora import adapted, loaded
from experiments.data.arrays import ArrayData
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained, twin_of
from experiments.sequences import lora as script
from experiments.sequences.lora import TWIN
from manual import nn, optim
from manual.sequences import lora as by_hand
from tests.helpers import whole_run
from torch_impl.sequences import lora as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


@pytest.fixture(scope="module")
def run() -> Trained:
    """The concept's own run."""
    return trained(TWIN)


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    check_grads(
        lambda A, B: by_hand.change(A, B, 1.7), [rng.normal(size=(2, 5)), rng.normal(size=(3, 2))],
        backward=lambda dL_dW, A, B: by_hand.change_backward(dL_dW, A, B, 1.7),
        torch=lambda A, B: in_torch.change(A, B, 1.7),
    )  # fmt: skip
    for bias in (True, False):
        ours, theirs = loaded(3, bias)
        check_grads(ours, [rng.normal(size=(4, 2, 5))], torch=theirs)


def test_the_gradients_are_those_of_the_whole_matrix_seen_through_the_other_factor() -> None:
    """dA = s Bᵀ G and dB = s G Aᵀ, where G is what torch has for W itself."""
    rng = np.random.default_rng(1)
    ours, _ = loaded(4, True)
    x, y = rng.normal(size=(7, 5)), rng.normal(size=(7, 3))
    W = torch.from_numpy(ours.weight).requires_grad_()
    out = torch.from_numpy(x) @ W.T + torch.from_numpy(ours.base.bias.data)
    ((out - torch.from_numpy(y)) ** 2).sum().backward()
    ours.backward(2 * (ours(x) - y))
    assert W.grad is not None
    G = W.grad.numpy()
    assert error(ours.A.grad, 1.5 * ours.B.data.T @ G) < 1e-13
    assert error(ours.B.grad, 1.5 * G @ ours.A.data.T) < 1e-13


@SIDES
def test_it_begins_as_the_layer_that_it_was(side: Any) -> None:
    twin = TWIN.build(0)[side is in_torch]
    x = np.random.default_rng(0).normal(size=(6, 20))
    z = twin(x) if side is by_hand else twin(torch.from_numpy(x)).detach().numpy()
    assert np.abs(z - x @ script.smoothing().T).max() < 1e-15
    assert float(abs(twin.layer.A.data).max()) > 0.1


@SIDES
def test_a_rank_below_one_is_refused(side: Any) -> None:
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        side.LoRA(rank=0)


# ---- the closed form -------------------------------------------------------------------------------


def test_the_closed_form_is_that_of_sklearn(run: Trained) -> None:
    """LinearRegression, whose predictions TruncatedSVD cuts; and no change of its rank that is near has a smaller loss."""
    x, y = run.data.split.train
    left = y - x @ script.smoothing().T
    predicted = LinearRegression(fit_intercept=False).fit(x, left).predict(x)
    rng = np.random.default_rng(0)
    for rank in (1, 2, 3, 12):
        found = script.best(run.data, rank)
        assert np.linalg.matrix_rank(found.change, tol=1e-9) == rank
        cut = TruncatedSVD(min(rank, 11), algorithm="arpack").fit(predicted)
        if rank < 12:
            nearest = predicted @ cut.components_.T @ cut.components_
            assert error(x @ found.change.T, nearest) < 1e-9
        u, s, vt = np.linalg.svd(found.change, full_matrices=False)
        for _ in range(5):
            B = u[:, :rank] * s[:rank] + rng.normal(0, 1e-3, (12, rank))
            other = B @ (vt[:rank] + rng.normal(0, 1e-3, (rank, 20)))
            assert ((x @ other.T - left) ** 2).mean() > found.loss


def test_ranks_one_to_three_reach_the_closed_form_on_both_sides() -> None:
    """To the last digits, within 600 steps; and no step is below it."""
    found = script.curves()
    assert [*found] == [1, 2, 3]
    for losses in found.values():
        assert losses.shape == (2, 600)
        assert np.abs(losses[:, -1]).max() < 3e-15
        assert losses.min() > -3e-15
        assert losses[:, 0].min() > 0.1


def test_the_run_arrives_with_what_it_says(run: Trained) -> None:
    assert run.agree
    assert len(run.losses) == 600
    target = script.best(run.data, 3)
    assert run.losses[-1] == pytest.approx(target.loss, rel=1e-12)
    assert run.losses[0] > 10 * target.loss
    for side in (run.manual, run.torch):
        learned = script.learned_change(side)
        assert error(learned, target.change) < 1e-7  # the loss is flat there: its error is the square of that
        assert np.linalg.matrix_rank(learned, tol=1e-9) == 3
    assert script.learned(run).count(f"{target.loss:.6f}") == 2  # what was reached, and the least
    x, y = run.data.split.val
    assert run.metrics["loss/val"] == pytest.approx(((x @ (script.smoothing() + target.change).T - y) ** 2).mean(), rel=1e-6)
    assert script.explained(run) > 0.97


def test_what_was_learned_takes_drift_and_hum_out(run: Trained) -> None:
    """And leaves what is at right angles to them: W is W0 of what remains, nearly."""
    P = script.drift_and_hum()
    assert np.abs(P @ P.T - np.eye(3)).max() < 1e-14
    W = script.smoothing() + script.learned_change(run.manual)
    assert np.linalg.norm(W @ P.T) < 0.05 < 0.5 < np.linalg.norm(script.smoothing() @ P.T)
    kept = np.eye(20) - P.T @ P
    assert np.linalg.norm(W @ kept - script.smoothing() @ kept) < 0.1


def test_rooms(run: Trained) -> None:
    x, y = run.data.split.train
    assert (x.shape, y.shape, len(run.data.split.val[0])) == ((400, 20), (400, 12), 100)
    data: ArrayData = TWIN.make_data(batch_size=30, seed=1)
    first, second = data.batches(0) or (), data.batches(1) or ()
    assert len(first) == len(second) == 100
    assert len({batch[0].tobytes() for batch in (*first, *second)}) == 200
    rows = [int(np.flatnonzero((data.split.train[0] == row).all(axis=1))[0]) for row in first[0][0]]
    assert len(set(rows)) == 30
    assert np.array_equal(data.split.train[1][rows], first[0][1])
    assert not np.array_equal(data.split.train[0], x)


# ---- frozen, merged ----------------------------------------------------------------------------------


def test_frozen_weights_do_not_move(run: Trained) -> None:
    """To the last bit, on both sides, though the optimizer was given them and has momentum."""
    assert np.array_equal(run.manual.layer.base.weight.data, script.smoothing())
    assert np.array_equal(run.torch.layer.base.weight.detach().numpy(), script.smoothing())
    assert not run.manual.layer.base.weight.has_grad


def test_merged_weights_answer_the_same(run: Trained) -> None:
    x, _ = run.data.split.val
    assert error(run.manual.layer.merged()(x), run.manual(x)) < 1e-15
    merged = run.torch.layer.merged()
    assert isinstance(merged, torch.nn.Linear)
    assert error(merged(torch.from_numpy(x)).detach().numpy(), run.torch(torch.from_numpy(x)).detach()) < 1e-14
    run.manual.layer.forget()


def test_a_gpt_adapted_trained_and_merged() -> None:
    """On both sides: only adapters move, and the merged model gives equal scores and is a GPT of the old names again."""
    ours, theirs = adapted(1)
    before, batch = ours.state_dict(), tuple(np.random.default_rng(2).integers(0, 7, (2, 3, 5)))
    optimizer, torchs = optim.Adam(ours.parameters(), lr=0.01), torch.optim.Adam(theirs.parameters(), lr=0.01)
    there = tuple(map(torch.from_numpy, batch))
    for _ in range(5):
        ours.zero_grad(), theirs.zero_grad()
        ours.training_step(batch, 0), ours.backward()
        theirs.training_step(there, 0).backward()
        optimizer.step(), torchs.step()
    after = {name: p.detach().numpy() for name, p in theirs.state_dict().items()}
    for side in (ours.state_dict(), after):
        assert {name for name in before if not np.array_equal(side[name], before[name])} == {n for n in before if n[-2:] in (".A", ".B")}
    assert max(error(ours.state_dict()[name], after[name]) for name in before) < 1e-11
    z, z_torch = ours(batch[0]), theirs(there[0]).detach()
    ours.forget()
    fresh = by_hand.GPT("abcdefg", 6, 8, 2, 2)
    fresh.load_state_dict(by_hand.merge(ours).state_dict())
    assert error(fresh(batch[0]), z) < 1e-14
    assert error(in_torch.merge(theirs)(there[0]).detach().numpy(), z_torch) < 1e-14
    assert [type(part).__name__ for part in (ours.h[0].attn.c_attn, theirs.h[1].mlp.c_proj)] == ["Linear", "Linear"]


def test_a_short_run_agrees() -> None:
    small = replace(TWIN.having({"rank": 2}, {"batch_size": 24}), trainer={"max_epochs": 1, "max_steps": 30})
    lockstep, _ = whole_run(small)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 30


def test_where_both_begin_at_0_nothing_moves() -> None:
    stuck = trained(twin_of(TWIN, script.MISTAKE))
    assert stuck.agree
    assert len(set(stuck.losses)) == 1
    for side in (stuck.manual, stuck.torch):
        assert not script.learned_change(side).any()
        assert not np.any([float(abs(p.data).max()) for p in (side.layer.A, side.layer.B)])


# ---- another text, and the figures -------------------------------------------------------------------


@pytest.mark.long
def test_a_gpt_learns_source_code_with_a_hundredth_of_its_weights() -> None:
    few, everything = script.on_source(False), script.on_source(True)
    assert 0.009 < few.share < 0.0105
    assert everything.share == 1
    for found in (few, everything):
        assert np.abs(found.curves[0] - found.curves[1]).max() < 1e-9
    start, end, best = few.curves[0, 0], few.curves[0, -1], everything.curves[0, -1]
    assert start - end > 0.15
    assert best < end - 0.3  # few weights are not as good as all
    assert everything.after - everything.before > 2 * (few.after - few.before) > 0  # but forget less
    ours, theirs = few.models
    read = script.read_documentation()[0].state_dict()
    for side in (ours.state_dict(), {name: p.numpy() for name, p in theirs.state_dict().items()}):
        frozen = {name: array for name, array in side.items() if name[-2:] not in (".A", ".B")}
        assert len(frozen) == len(read)
        assert all(np.array_equal(array, read[name.replace(".base.", ".")]) for name, array in frozen.items())
    x = script.source()[0][:5]
    z = ours(x)
    ours.forget()
    merged, _ = script.another_pair()
    merged.load_state_dict({name.replace(".base.", "."): array for name, array in frozen.items()})  # without adapters
    assert error(merged(x), z) > 0.01
    merged.h = by_hand.merge(ours).h
    assert error(merged(x), z) < 1e-13


def test_the_figures_show_both_sides(run: Trained) -> None:
    W0, ours, theirs, best = (ax.images[0].get_array() for ax in script.frozen_and_learned(run.manual, run.torch, run.data).axes)
    assert error(ours, theirs) < 1e-10
    assert error(ours, best) < 1e-7
    assert np.array_equal(W0, script.smoothing())
    left, right = script.the_closed_form().axes
    curves = [line.get_ydata() for line in left.lines]
    assert len(curves) == 6
    assert all(np.abs(a - b).max() < 1e-9 for a, b in zip(curves[::2], curves[1::2], strict=True))
    losses = right.lines[0].get_ydata()
    assert len(losses) == 13
    assert (np.diff(losses) < 0).all()
    assert losses[3] < 0.02 < 0.1 < losses[0]


def test_how_many_numbers_learn() -> None:
    for rank in (1, 3, 10):
        manual = by_hand.LoRA(rank, float(rank))
        learn = sum(p.data.size for p in manual.parameters() if p.requires_grad)
        assert learn == rank * 32
        assert isinstance(manual.layer.base, nn.Linear)
