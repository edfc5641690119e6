"""On a GPU: products in tiles, TF32 bit for bit, the arithmetic against published figures; and on CUDA, where there is one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.scale import on_a_gpu as script
from experiments.scale.on_a_gpu import IN_TF32, IN_TILES, ONE_BY_ONE, TORCHS, TWIN
from manual.scale import on_a_gpu as by_hand
from tests.helpers import fit, where_there_is_cuda, whole_run
from torch_impl.scale import on_a_gpu as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])

# ---- products in tiles ---------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [1, 3, 8, 100])
def test_in_tiles_a_product_is_the_product_and_so_are_its_gradients(tile: int) -> None:
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(4, 7)), rng.normal(size=(7, 5))
    assert error(by_hand.tiled_product(A, B, tile), A @ B) < 1e-15
    check_grads(
        lambda A, B: by_hand.tiled_product(A, B, tile), (A, B),
        backward=lambda dL_dC, A, B: by_hand.tiled_product_backward(dL_dC, A, B, tile), torch=lambda A, B: A @ B,
    )  # fmt: skip


def test_each_tile_is_rounded_before_it_is_added() -> None:
    rng = np.random.default_rng(1)
    A, B = rng.normal(size=(3, 9)).astype(np.float32), rng.normal(size=(9, 2)).astype(np.float32)
    wanted = np.zeros((3, 2), np.float32)
    for k in range(9):
        wanted = wanted + A[:, k : k + 1] * B[k]
    assert np.array_equal(by_hand.tiled_product(A, B, 1), wanted)
    assert by_hand.tiled_product(A, B, 4).dtype == np.float32


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.having({"hidden": 5, "tile": 2}).build(1)
    x, y = TWIN.make_data().split.train
    check_grads(ours, (x[:7], y[:7]), again=(x[7:11], y[7:11]), torch=theirs)


# ---- TF32 ----------------------------------------------------------------------------------------


def test_tf32_keeps_the_upper_19_bits_of_float32_rounded_to_even() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=4000) * 10.0 ** rng.integers(-30, 30, 4000)).astype(np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    rest, kept = bits & 0x1FFF, bits >> 13
    kept += (rest > 0x1000) | ((rest == 0x1000) & (kept & 1 == 1))  # of 23 bits behind the point the last 13 go
    assert np.array_equal(by_hand.tf32(x), (kept << 13).astype(np.uint32).view(np.float32))
    assert by_hand.tf32(x).dtype == np.float32
    assert by_hand.tf32(np.array([1 + 2.0**-11, 1 + 3 * 2.0**-11])).tolist() == [1, 1 + 2.0**-9]


# ---- reckoned ------------------------------------------------------------------------------------


def test_the_arithmetic_gives_what_was_published() -> None:
    assert by_hand.training_bytes(7.5e9) == pytest.approx(120e9)  # Rajbhandari et al. 2020, figure 1
    assert by_hand.training_days(175e9, 300e9, 1024, 140e12, recompute=True) == pytest.approx(34, abs=0.5)  # Narayanan et al. 2021, 5.1
    assert by_hand.training_days(1e9, 2e10, 8, 1e14) == pytest.approx(6 * 1e9 * 2e10 / (8 * 1e14) / 86400)
    assert [by_hand.gpus_needed(size, 80e9) for size in (1, 80e9, 80e9 + 1, 16 * 175e9)] == [1, 1, 2, 35]


def test_six_operations_a_parameter_are_those_of_the_products_there_and_back() -> None:
    """Counted by torch, for a network of which nearly all parameters are in products; its first layer has no ∂L/∂x to find."""
    from torch.utils.flop_counter import FlopCounterMode

    model, N = in_torch.OnAGPU(hidden=300), 16
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        model.training_step((torch.rand(N, 64), torch.zeros(N, dtype=torch.int64)), 0).backward()
    in_products = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    assert counter.get_total_flops() == N * (6 * in_products - 2 * model.fc1.weight.numel())


# ---- the pair ------------------------------------------------------------------------------------


def test_a_short_run_agrees() -> None:
    lockstep, _ = whole_run(replace(TWIN.having({"hidden": 9, "tile": 5}), trainer={"max_epochs": 1}))
    assert lockstep.judge.passed, lockstep.judge.failure


@SIDES
@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"tile": 0}])
def test_bad_numbers_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"OnAGPU: .*{name}.*, got .*{value}"):
        side.OnAGPU(**wrong)


# ---- on a GPU, where there is one ------------------------------------------------------------------


@pytest.mark.parametrize("precision", where_there_is_cuda(["64-true", "32-true"]))
def test_on_cuda_a_run_agrees_with_the_hand_on_the_cpu(precision: str) -> None:
    lockstep, theirs = fit(TWIN, 20, precision=precision, accelerator="gpu", devices=1)
    assert theirs.fc1.weight.is_cuda
    assert lockstep.judge.passed, lockstep.judge.failure


@pytest.mark.parametrize("length", where_there_is_cuda([64, 4096]))
def test_on_cuda_a_product_is_right_to_float32s_digits_and_in_tf32_to_three(length: int) -> None:
    rng = np.random.default_rng(0)
    A, B = (rng.normal(size=shape).astype(np.float32) for shape in ((32, length), (length, 32)))
    exact = A.astype(float) @ B.astype(float)
    assert error(script.on_gpu(A, B).astype(float), exact) < 1e-5
    assert error((by_hand.tf32(A) @ by_hand.tf32(B)).astype(float), exact) > 1e-5


# ---- what figures and texts say ------------------------------------------------------------------


def test_one_by_one_most_is_lost_and_tf32_is_another_matter() -> None:
    found = script.last_digits()
    assert found[ONE_BY_ONE][-1] > 2 * found[IN_TILES][-1]
    assert found[ONE_BY_ONE][-1] > 3 * found[ONE_BY_ONE][0]
    assert all(found[name].max() < 5e-6 for name in (ONE_BY_ONE, IN_TILES, TORCHS))
    assert (found[IN_TF32] > 1e-4).all()
    assert (found[IN_TF32] < 1e-3).all()


def test_speeds_are_of_every_size_and_small_products_are_slow() -> None:
    found = script.speeds()
    assert set(found) == {"NumPy", "torch, CPU"} | ({script.ON_GPU} if script.HERE else set())
    assert all(len(of) == len(script.SIZES) and (of > 0).all() for of in found.values())
    assert all(of[-1] > 3 * of[0] for of in found.values())


def test_another_order_moves_last_digits_and_adam_holds_four_times_the_weights() -> None:
    ours, theirs = TWIN.having({"hidden": 20}).build()
    run = Trained(ours, theirs, TWIN.make_data(), (), {}, True)
    assert 0 < script.another_order(run) < 1e-14
    assert 1e-5 < script.in_tf32(run) < 1e-2
    weights, all_of_it = script.held(run)
    assert weights == 8 * sum(p.size for p in ours.parameters())
    assert all_of_it == 4 * weights
    assert to_numpy(theirs.fc1.weight).nbytes == ours.fc1.weight.data.nbytes
    assert not np.array_equal(script.with_tile(run, 1), script.with_tile(run, 10**6))
