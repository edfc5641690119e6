"""Digits by convolutions: sizes on the way, one kernel for all places, the winner that takes the gradient, and the lost bias."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.networks.digits_cnn import TWIN
from manual import nn
from manual.module import no_grad
from manual.networks.digits_cnn import Block, DigitsCNN


def test_each_block_halves_height_and_width_and_the_second_doubles_the_channels() -> None:
    model, x = DigitsCNN(channels=3, rng=np.random.default_rng(0)), np.random.default_rng(1).normal(size=(5, 1, 8, 8))
    with no_grad():
        y1 = model.block1(x)
        y2 = model.block2(y1)
        assert (y1.shape, y2.shape) == ((5, 3, 4, 4), (5, 6, 2, 2))
        assert model(x).shape == (5, 10)
    assert {n: p.shape for n, p in model.named_parameters()} == {
        "block1.conv.weight": (3, 1, 3, 3),
        "block1.norm.weight": (3,),
        "block1.norm.bias": (3,),
        "block2.conv.weight": (6, 3, 3, 3),
        "block2.norm.weight": (6,),
        "block2.norm.bias": (6,),
        "fc.weight": (10, 24),
        "fc.bias": (10,),
    }


def test_a_stroke_is_found_wherever_it_is_drawn() -> None:
    """One kernel for all places: where the image moves by two, what a block makes of it moves by one."""
    block = Block(1, 4, rng=np.random.default_rng(0))
    block.eval()
    x = np.zeros((1, 1, 12, 12))
    x[..., 4:7, 2:6] = np.random.default_rng(1).uniform(0.5, 1, (3, 4))
    with no_grad():
        here, there = block(x), block(np.roll(x, 2, axis=3))
    assert here.any()
    assert np.roll(here, 1, axis=3) == pytest.approx(there, abs=1e-15)


def test_a_bias_before_batch_norm_would_change_nothing_and_its_gradient_would_be_0() -> None:
    rng = np.random.default_rng(2)
    conv, norm = nn.Conv2d(2, 3, 3, rng=rng), nn.BatchNorm2d(3)
    x, dL_dy = rng.normal(size=(4, 2, 6, 5)), rng.normal(size=(4, 3, 4, 3))
    y = norm(conv(x))
    conv.backward(norm.backward(dL_dy))
    assert np.abs(conv.bias.grad).max() < 1e-13 < np.abs(conv.weight.grad).max()
    conv.bias[...] += 7
    assert norm(conv(x)) == pytest.approx(y, abs=1e-12)


def test_the_gradient_of_each_pool_goes_whole_to_one_of_four() -> None:
    ours, _ = TWIN.build(0)
    x, y = (a[:6] for a in TWIN.make_data().split.train)
    seen, right = [], ours.block1.relu.backward
    ours.block1.relu.backward = lambda dL_dh: right(seen.append(dL_dh) or dL_dh)
    ours.training_step((x, y), 0)
    ours.backward()
    windows = seen[0].reshape(6, 8, 4, 2, 4, 2).swapaxes(3, 4).reshape(6, 8, 4, 4, 4)
    assert (np.count_nonzero(windows, axis=-1) <= 1).all()
    assert np.count_nonzero(windows) > 100


def test_the_step_size_falls_along_a_cosine_to_0() -> None:
    configured = DigitsCNN(epochs=10, lr=0.05, rng=np.random.default_rng(0)).configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    taken = []
    for _ in range(11):
        taken.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert taken == pytest.approx([0.025 * (1 + np.cos(np.pi * t / 10)) for t in range(11)], abs=1e-15)
    assert configured["lr_scheduler"]["interval"] == "epoch"
