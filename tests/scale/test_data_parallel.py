"""Data parallel: the ring beside torch's own all-reduce, the workers' gradient beside the whole batch's, and two real processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from experiments.data.digits import Digits
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.scale import data_parallel as script
from experiments.scale.data_parallel import BATCH, EVEN, LAYER, TWIN, UNEVEN
from manual.scale import data_parallel as by_hand
from tests.helpers import fit, small_data, whole_run
from tests.lockstep.test_ranks import forked
from torch_impl.scale import data_parallel as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def batch(n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """The first digits."""
    x, y = Digits().split.train
    return x[:n], y[:n]


# ---- the ring ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "length"), [(1, 5), (2, 6), (3, 7), (4, 4), (5, 23), (4, 2)])
def test_around_the_ring_every_worker_gets_the_sum_to_the_same_bits(workers: int, length: int) -> None:
    vectors = list(np.random.default_rng(0).normal(size=(workers, length)))
    before = [v.copy() for v in vectors]
    sums, sent = by_hand.ring_all_reduce(vectors)
    assert error(sums[0], np.sum(before, axis=0)) < 1e-15
    assert all(np.array_equal(s, sums[0]) for s in sums)
    assert all(np.array_equal(a, b) for a, b in zip(vectors, before, strict=True))
    assert sum(sent) == 2 * (workers - 1) * length  # each number passes W − 1 times by each worker, but not by its last
    if length % workers == 0:
        assert sent == [2 * (workers - 1) * length // workers] * workers


def test_after_the_first_round_each_worker_has_one_complete_piece_and_then_all() -> None:
    for workers in (2, 4, 5):
        boards = script.around(workers)
        assert len(boards) == 2 * workers - 1
        assert [(board == workers).sum() for board in boards[workers - 1 :]] == [workers * k for k in range(1, workers + 1)]
        complete = boards[workers - 1] == workers
        assert (complete.sum(axis=0) == 1).all()
        assert (complete.sum(axis=1) == 1).all()
        assert (boards[1] - boards[0]).sum() == workers  # every worker sends in every step


def reduce_in_a_process(rank: int, workers: int, folder: str) -> None:
    """What gloo makes of the same vectors."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=workers)
    vector = torch.from_numpy(np.random.default_rng(rank).normal(size=50))
    torch.distributed.all_reduce(vector)
    np.save(f"{folder}/{rank}.npy", vector.numpy())
    torch.distributed.destroy_process_group()


def test_it_is_what_three_processes_of_torch_agree_upon(tmp_path: Path) -> None:
    mp.start_processes(reduce_in_a_process, (3, str(tmp_path)), nprocs=3, start_method="fork")
    sums, _ = by_hand.ring_all_reduce([np.random.default_rng(rank).normal(size=50) for rank in range(3)])
    for rank in range(3):
        assert error(sums[rank], np.load(tmp_path / f"{rank}.npy")) < 1e-15


# ---- the gradient ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "workers", "sizes"), [(10, 4, [3, 3, 2, 2]), (12, 3, [4, 4, 4]), (5, 3, [3, 2]), (1, 4, [1])])
def test_shards_are_the_rows_in_order_as_even_as_can_be(n: int, workers: int, sizes: list[int]) -> None:
    rows = np.arange(2 * n).reshape(n, 2)
    found = by_hand.shards(rows, workers)
    assert [len(shard) for shard in found] == sizes
    assert np.array_equal(np.concatenate(found), rows)


@pytest.mark.parametrize("norm", ["none", "batch", "rms"])
def test_gradients_are_those_of_autograd_and_of_central_differences(norm: str) -> None:
    ours, theirs = TWIN.having({"norm": norm, "hidden": 5, "workers": 3}).build(1)
    check_grads(ours, batch(11), again=batch(9), torch=theirs)


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_of_even_shards_it_is_that_of_the_whole_batch_on_both_sides(norm: str, workers: int) -> None:
    for model in TWIN.having({"norm": norm, "hidden": 9}).build(2):
        assert error(script.gradients(model, batch(), workers), script.gradients(model, batch(), 1)) < 6e-16


def test_of_uneven_shards_each_counts_the_same_whatever_its_rows() -> None:
    x, y = batch(10)
    for model in TWIN.having({"hidden": 9}).build(2):
        of_shards = [script.gradients(model, (x[rows], y[rows]), 1) for rows in (slice(0, 4), slice(4, 7), slice(7, 10))]
        assert error(script.gradients(model, (x, y), 3), np.mean(of_shards, axis=0)) < 1e-15
        assert error(script.gradients(model, (x, y), 3), script.gradients(model, (x, y), 1)) > 0.01


def test_with_batch_norm_shards_differ_and_the_running_means_are_worker_0s() -> None:
    x, y = batch()
    for model in TWIN.having({"norm": "batch", "hidden": 9, "workers": 3}).build(2):
        assert error(script.gradients(model, (x, y), 3), script.gradients(model, (x, y), 1)) > 0.05
        given = (x, y) if isinstance(model, by_hand.DataParallel) else (torch.from_numpy(x), torch.from_numpy(y))
        model.training_step(given, 0)
        z1 = x[:8] @ to_numpy(model.fc1.weight if isinstance(model, torch.nn.Module) else model.fc1.weight.data).T
        assert np.allclose(to_numpy(model.norm.running_mean), 0.1 * z1.mean(axis=0), rtol=1e-12)


def test_what_is_frozen_stays_and_gradients_accumulate() -> None:
    ours, _ = TWIN.having({"hidden": 5}).build(0)
    ours.fc1.weight.requires_grad = False
    for _ in range(2):
        ours.training_step(batch(), 0), ours.backward()
    assert not ours.fc1.weight.has_grad
    twice = ours.fc2.weight.grad.copy()
    ours.zero_grad()
    ours.training_step(batch(), 0), ours.backward()
    assert error(twice, 2 * ours.fc2.weight.grad) < 1e-15


# ---- two processes ---------------------------------------------------------------------------------


def test_two_processes_of_lightning_are_judged_in_every_step(tmp_path: Path) -> None:
    """With batch norm, whose statistics are each process's own, and an uneven last batch."""
    found = forked(TWIN.having({"workers": 1, "norm": "batch", "hidden": 9}), tmp_path, steps=5)
    assert found["failure"] is None
    assert found["steps"] == 5
    assert found["gradient"] < 1e-12
    assert [6, 5] in found["sizes"]


def test_their_losses_are_those_of_one_process_that_plays_two_workers(tmp_path: Path) -> None:
    found = forked(TWIN.having({"workers": 1, "hidden": 9}), tmp_path, steps=6, n=72)
    twin = TWIN.having({"workers": 2, "hidden": 9})
    lockstep, _ = fit(twin, 6, data=small_data(twin, 72, batch_size=24), seed=4)
    assert found["failure"] is None
    assert found["losses"] == pytest.approx([r.loss_manual for r in lockstep.records], rel=1e-12)


# ---- the pair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_short_run_agrees(norm: str) -> None:
    lockstep, _ = whole_run(replace(TWIN.having({"norm": norm, "hidden": 9}), trainer={"max_epochs": 1}))
    assert lockstep.judge.passed, lockstep.judge.failure


@SIDES
@pytest.mark.parametrize("wrong", [{"workers": 0}, {"hidden": 0}])
def test_bad_numbers_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"DataParallel: .*{name}.*, got .*{value}"):
        side.DataParallel(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_who_is_at_the_bottom_and_who_is_not() -> None:
    for which in (EVEN, LAYER):
        assert script.apart(which).max() < 1e-15
    for which, least in ((UNEVEN, 0.005), (BATCH, 0.1)):
        found = script.apart(which)
        assert error(found[0], found[1]) < 1e-10
        assert found.min() > least


def test_less_than_two_gradients_go_out_of_each() -> None:
    assert script.sent(4) == 1.5
    assert script.sent(8) == 1.75
    assert 1.97 < script.sent(100, 8400) < 2
