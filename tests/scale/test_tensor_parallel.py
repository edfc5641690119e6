"""Tensor parallel: the network in parts beside the one in one piece, and beside torch's own cut of a plain module in two processes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from experiments.data.digits import Digits
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.scale import tensor_parallel as script
from experiments.scale.tensor_parallel import TWIN
from manual import nn
from manual.scale import tensor_parallel as by_hand
from tests.helpers import whole_run
from torch_impl.scale import tensor_parallel as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def batch(n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """The first digits."""
    x, y = Digits().split.train
    return x[:n], y[:n]


def plain(mlp: by_hand.ParallelMLP) -> nn.Sequential:
    """The same block out of the library's whole layers."""
    of = script.shards(mlp)
    W1, W2 = script.joined([s.up.weight for s in of], 0), script.joined([s.down.weight for s in of], 1)
    whole = nn.Sequential(nn.Linear(*W1.T.shape), nn.ReLU(), nn.Linear(*W2.T.shape))
    whole[0].weight[...], whole[0].bias[...] = W1, script.joined([s.up.bias for s in of], 0)
    whole[2].weight[...], whole[2].bias[...] = W2, mlp.bias
    return whole


# ---- one block -----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 4, 12])
def test_a_block_in_parts_is_the_librarys_layers_forward_and_backward(workers: int) -> None:
    rng = np.random.default_rng(0)
    mlp = by_hand.ParallelMLP(5, 12, workers, rng=rng)
    mlp.bias[...] = rng.normal(size=5)
    h, dL_dy, whole = rng.normal(size=(7, 5)), rng.normal(size=(7, 5)), plain(mlp)
    assert error(mlp(h), whole(h)) < 1e-15
    assert error(mlp.backward(dL_dy), whole.backward(dL_dy)) < 1e-15
    of = script.shards(mlp)
    for found, wanted in (
        (np.concatenate([s.up.weight.grad for s in of]), whole[0].weight.grad),
        (np.concatenate([s.up.bias.grad for s in of]), whole[0].bias.grad),
        (np.concatenate([s.down.weight.grad for s in of], axis=1), whole[2].weight.grad),
        (mlp.bias.grad, whole[2].bias.grad),
    ):
        assert error(found, wanted) < 1e-15


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.having({"workers": 3, "width": 6, "hidden": 9}).build(1)
    check_grads(ours, batch(7), again=batch(4), torch=theirs)


def test_parts_are_added_and_left_as_they_were() -> None:
    parts = [np.full((2, 3), k) for k in (1.0, 2.0, 4.0)]
    assert np.array_equal(by_hand.all_reduce(parts), np.full((2, 3), 7.0))
    assert [p[0, 0] for p in parts] == [1, 2, 4]


@SIDES
def test_first_weights_are_those_of_whole_layers(side: Any) -> None:
    mlp = side.ParallelMLP(9, 64, 4)
    W1, W2 = (script.joined([getattr(s, layer).weight for s in script.shards(mlp)], axis) for layer, axis in (("up", 0), ("down", 1)))
    for W, inputs in ((W1, 9), (W2, 64)):
        assert 0.95 / math.sqrt(inputs) < np.abs(W).max() <= (1 + 1e-6) / math.sqrt(inputs)


# ---- the network -----------------------------------------------------------------------------------


def test_of_whatever_many_workers_it_is_that_of_one_piece_on_both_sides() -> None:
    right, wrong = script.by_workers(False), script.by_workers(True)
    assert (right[:, :, 0] == 0).all()
    assert right.max() < 2e-15
    assert wrong[:, 0].max() < 2e-15
    assert wrong[:, 1, 0].max() < 2e-15  # one worker has nobody to forget
    assert (wrong[:, 1, 1:] > 0.1).all()
    assert error(wrong[0, 1], wrong[1, 1]) < 1e-10


def cut_by_torch(rank: int, folder: str) -> None:
    """One of two processes in which torch itself cuts a plain module, and what comes of it."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    given = torch.load(f"{folder}/given.pt", weights_only=True)
    mlp = torch.nn.Sequential(torch.nn.Linear(5, 12), torch.nn.ReLU(), torch.nn.Linear(12, 5)).double()
    mlp.load_state_dict(given["weights"])
    parallelize_module(mlp, init_device_mesh("cpu", (2,)), {"0": ColwiseParallel(), "2": RowwiseParallel()})
    h = given["h"].requires_grad_()
    y = mlp(h)
    y.backward(given["dL_dy"])
    mine = {"y": y.detach(), "dL_dh": h.grad, "W1": mlp[0].weight.grad.to_local(), "W2": mlp[2].weight.grad.to_local()}
    np.savez(f"{folder}/{rank}.npz", **{name: (t + 0).numpy() for name, t in mine.items()})  # + 0: it waits for the sum
    torch.distributed.destroy_process_group()


def test_each_of_two_processes_that_torch_cuts_a_module_for_has_one_workers_part(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mlp = by_hand.ParallelMLP(5, 12, 2, rng=rng)
    mlp.bias[...] = rng.normal(size=5)
    h, dL_dy = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    weights = {name: torch.from_numpy(value) for name, value in plain(mlp).state_dict().items()}
    torch.save({"weights": weights, "h": torch.from_numpy(h), "dL_dy": torch.from_numpy(dL_dy)}, tmp_path / "given.pt")
    mp.start_processes(cut_by_torch, (str(tmp_path),), nprocs=2, start_method="fork")
    y, dL_dh = mlp(h), mlp.backward(dL_dy)
    for rank, shard in enumerate(script.shards(mlp)):
        theirs = np.load(tmp_path / f"{rank}.npz")
        for name, ours in {"y": y, "dL_dh": dL_dh, "W1": shard.up.weight.grad, "W2": shard.down.weight.grad}.items():
            assert error(ours, theirs[name]) < 1e-15, name


# ---- the pair ------------------------------------------------------------------------------------


def test_a_short_run_agrees() -> None:
    lockstep, _ = whole_run(replace(TWIN.having({"width": 9, "hidden": 20}), trainer={"max_epochs": 1}))
    assert lockstep.judge.passed, lockstep.judge.failure


@SIDES
@pytest.mark.parametrize("wrong", [{"workers": 0}, {"width": 0}, {"depth": 0}, {"hidden": 0}, {"hidden": 63}])
def test_bad_numbers_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"TensorParallel: .*{name}.*, got .*{value}"):
        side.TensorParallel(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "talks"), [(1, 2), (3, 6)])
def test_each_block_has_one_sum_there_and_one_back(depth: int, talks: int) -> None:
    ours, theirs = TWIN.having({"depth": depth, "workers": 8}).build()
    run = script.Trained(ours, theirs, TWIN.make_data(), (), {}, True)
    assert script.sums(run) == talks
    assert script.share(run) == 1 / 8


def test_the_figure_shows_the_weights_of_both_sides_side_by_side() -> None:
    ours, theirs = TWIN.build()
    drawn = [np.asarray(ax.images[0].get_array()) for ax in script.who_has_what(ours, theirs).axes]
    assert [a.shape for a in drawn] == [(64, 24), (24, 64)] * 2
    assert error(drawn[0], drawn[2]) == error(drawn[1], drawn[3]) == 0
    assert np.array_equal(drawn[0][16:32], script.shards(script.blocks(ours)[0])[1].up.weight.data)
