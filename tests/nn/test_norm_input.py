"""Normalisations: running statistics, NaN, ±∞ and huge values, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn

RNG = np.random.default_rng(0)


def pair(name: str, *args: Any, train: bool = True, **kwargs: Any) -> tuple[Any, torch.nn.Module]:
    """The layer by hand and torch's, with equal random parameters."""
    hand, twin = getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs).double()
    for p in hand.parameters():
        p[...] = RNG.normal(size=p.shape)
    twin.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in hand.state_dict().items()})
    return hand.train(train), twin.train(train)


def agree(hand: Any, twin: torch.nn.Module, x: np.ndarray, tolerance: float = 1e-12) -> None:
    """Assert equal outputs, gradients and buffers, NaN and ±∞ included."""
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    upstream = RNG.normal(size=x.shape)
    y_twin = twin(leaf)
    y_twin.backward(torch.from_numpy(upstream))
    with np.errstate(invalid="ignore", over="ignore"):
        y, dL_dx = hand(x), hand.backward(upstream)
    parameters, buffers = dict(hand.named_parameters()), dict(hand.named_buffers())
    pairs = [(y, y_twin), (dL_dx, leaf.grad)]
    pairs += [(parameters[name].grad, p.grad) for name, p in twin.named_parameters()]
    pairs += [(buffers[name], b) for name, b in twin.named_buffers()]
    for a, b in pairs:
        assert error(a, b, nonfinite="match") <= tolerance, (a, b)


# ---- state ---------------------------------------------------------------------------------------


def test_running_variance_is_the_unbiased_one_and_starts_at_one() -> None:
    layer = nn.BatchNorm2d(3, momentum=0.3)
    x = RNG.normal(2, 3, size=(2, 3, 4, 5))
    layer(x)
    assert np.allclose(layer.running_var, 0.7 + 0.3 * x.var(axis=(0, 2, 3), ddof=1))
    assert np.allclose(layer.running_mean, 0.3 * x.mean(axis=(0, 2, 3)))
    assert layer.num_batches_tracked.shape == ()
    assert layer.num_batches_tracked.dtype == np.int64
    assert layer.num_batches_tracked == 1


def test_evaluation_leaves_the_running_statistics_alone() -> None:
    for layer, shape in ((nn.BatchNorm1d(3), (5, 3)), (nn.InstanceNorm1d(3, track_running_stats=True), (2, 3, 4))):
        layer(RNG.normal(size=shape))
        before = layer.state_dict()
        layer.eval()(RNG.normal(size=shape))
        assert all(np.array_equal(before[key], value) for key, value in layer.state_dict().items())


def test_an_empty_batch_counts_but_does_not_move_the_statistics() -> None:
    layer, twin = pair("BatchNorm1d", 3)
    y = layer(np.zeros((0, 3)))
    twin(torch.zeros(0, 3, dtype=torch.float64))
    assert y.shape == (0, 3)
    for key, value in twin.state_dict().items():
        assert np.array_equal(layer.state_dict()[key], value.numpy())


def test_float32_stays_float32() -> None:
    for layer, shape in (
        (nn.BatchNorm1d(3, momentum=None, dtype=np.float32), (5, 3)),
        (nn.LayerNorm(3, dtype=np.float32), (5, 3)),
        (nn.RMSNorm(3, dtype=np.float32), (5, 3)),
        (nn.GroupNorm(2, 4, dtype=np.float32), (5, 4, 3)),
        (nn.InstanceNorm1d(3, affine=True, track_running_stats=True, dtype=np.float32), (5, 3, 4)),
    ):
        x = RNG.normal(size=shape).astype(np.float32)
        assert layer(x).dtype == np.float32
        assert layer.backward(x).dtype == np.float32
        assert {p.grad.dtype for p in layer.parameters()} == {np.dtype(np.float32)}
        assert {b.dtype for name, b in layer.named_buffers() if name.startswith("running")} <= {np.dtype(np.float32)}


# ---- odd values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_odd_values_are_as_in_torch(value: float) -> None:
    x = RNG.normal(size=(2, 4, 5))
    x[1, 2, 3] = value
    agree(*pair("BatchNorm1d", 4), x)
    agree(*pair("BatchNorm1d", 4, train=False), x)
    agree(*pair("LayerNorm", 5), x)
    agree(*pair("GroupNorm", 2, 4), x)
    agree(*pair("InstanceNorm1d", 4, affine=True), x)


def test_a_constant_input_is_divided_by_the_root_of_eps() -> None:
    x, d = np.full((4, 3), 5.0), RNG.normal(size=(4, 3))
    for layer, axis in ((nn.BatchNorm1d(3, eps=0.04), 0), (nn.LayerNorm(3, eps=0.04), 1)):
        assert np.allclose(layer(x), 0)
        assert np.allclose(layer.backward(d), (d - d.mean(axis=axis, keepdims=True)) / 0.2)


def test_rms_norm_takes_its_eps_from_the_input() -> None:
    for dtype in (np.float64, np.float32):
        y = nn.RMSNorm(2, elementwise_affine=False)(np.full((1, 2), 1e-12, dtype=dtype))
        twin = torch.nn.RMSNorm(2, elementwise_affine=False)(torch.full((1, 2), 1e-12, dtype=getattr(torch, np.dtype(dtype).name)))
        assert error(y, twin) < 1e-6


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.BatchNorm1d(3), (2, 3, 4, 5), r"BatchNorm1d: x must have 2 or 3 axes, got shape \(2, 3, 4, 5\)"),
        (nn.BatchNorm2d(3), (2, 3, 4), r"BatchNorm2d: x must have 4 axes, got shape \(2, 3, 4\)"),
        (nn.BatchNorm2d(3), (2, 4, 5, 6), r"axis 1 of x must be num_features = 3, got shape \(2, 4, 5, 6\)"),
        (nn.BatchNorm1d(3), (1, 3), r"more than 1 value per channel for batch statistics, got shape \(1, 3\)"),
        (nn.BatchNorm1d(3, track_running_stats=False).eval(), (1, 3), "more than 1 value per channel"),
        (nn.LayerNorm((3, 4)), (2, 4, 3), r"LayerNorm: the last axes of x must be normalized_shape = \(3, 4\), got shape \(2, 4, 3\)"),
        (nn.RMSNorm(4), (2, 3), r"RMSNorm: the last axes of x must be normalized_shape = \(4,\), got shape \(2, 3\)"),
        (nn.GroupNorm(2, 4), (3, 6), r"GroupNorm: axis 1 of x must be num_channels = 4, got shape \(3, 6\)"),
        (nn.GroupNorm(2, 4), (4,), r"GroupNorm: x must have at least 2 axes, got shape \(4,\)"),
        (nn.GroupNorm(4, 4), (1, 4), "more than 1 value per group"),
        (nn.InstanceNorm1d(3), (2, 4, 5), r"InstanceNorm1d: axis -2 of x must be num_features = 3, got shape \(2, 4, 5\)"),
        (nn.InstanceNorm2d(3), (2, 3), r"InstanceNorm2d: x must have 3 or 4 axes, got shape \(2, 3\)"),
        (nn.InstanceNorm2d(3), (2, 3, 1, 1), "more than 1 position per channel"),
    ],
)
def test_wrong_shapes_are_named(layer: nn.LayerNorm, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape))
    layer.check_nothing_saved()


def test_one_value_is_enough_in_evaluation_and_in_two_groups_of_two_examples() -> None:
    assert nn.BatchNorm1d(3).eval()(np.ones((1, 3))).shape == (1, 3)
    assert nn.InstanceNorm2d(3, track_running_stats=True).eval()(np.ones((2, 3, 1, 1))).shape == (2, 3, 1, 1)
    assert nn.GroupNorm(4, 4)(np.ones((2, 4))).shape == (2, 4)


def test_wrong_kinds_are_named() -> None:
    with pytest.raises(TypeError, match="BatchNorm1d: x must have the layer's dtype float64, got float32"):
        nn.BatchNorm1d(3)(np.zeros((2, 3), np.float32))
    with pytest.raises(TypeError, match="LayerNorm: x must be a NumPy array, got list"):
        nn.LayerNorm(3)([[1.0, 2.0, 3.0]])
    with pytest.raises(TypeError, match="InstanceNorm1d: x must be floating point, got int64"):
        nn.InstanceNorm1d(3)(np.zeros((2, 3, 4), np.int64))


@pytest.mark.parametrize("groups", [3, 0])
def test_groups_of_unequal_size_are_refused(groups: int) -> None:
    with pytest.raises(ValueError, match=f"num_groups must divide num_channels = 4, got {groups}"):
        nn.GroupNorm(groups, 4)


@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
def test_no_axis_to_normalise_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: normalized_shape must name at least one axis, got \(\)"):
        getattr(nn, name)(())
