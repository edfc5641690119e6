"""Recurrent layers: what they equal step by step, gradients that are None, saturation and NaN, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn

RNG = np.random.default_rng(0)
KINDS = ["RNN", "LSTM", "GRU"]


def state(kind: str, *shape: int) -> Any:
    """A random h, or (h, c)."""
    return (RNG.normal(size=shape), RNG.normal(size=shape)) if kind.startswith("LSTM") else RNG.normal(size=shape)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_applied_again_and_again(kind: str) -> None:
    layer, cell = getattr(nn, kind)(3, 4), getattr(nn, f"{kind}Cell")(3, 4)
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
    x, first = RNG.normal(size=(5, 2, 3)), state(kind, 1, 2, 4)
    output, _ = layer(x, first)
    h = (first[0][0], first[1][0]) if kind == "LSTM" else first[0]
    steps = []
    for x_t in x:
        h = cell(x_t, h)
        steps.append(h[0] if kind == "LSTM" else h)
    assert error(output, np.stack(steps)) < 1e-14
    dL_dlast = state(kind, 1, 2, 4)
    dL_dx, dL_dfirst = layer.backward((None, dL_dlast))
    d = (dL_dlast[0][0], dL_dlast[1][0]) if kind == "LSTM" else dL_dlast[0]
    for t in reversed(range(5)):
        d_x, d = cell.backward(d)
        assert error(dL_dx[t], d_x) < 1e-13
    assert error(np.stack(dL_dfirst)[..., 0, :, :] if kind == "LSTM" else dL_dfirst[0], np.stack(d) if kind == "LSTM" else d) < 1e-13
    assert error(layer.weight_hh_l0.grad, cell.weight_hh.grad) < 1e-13


@pytest.mark.parametrize("kind", KINDS)
def test_none_stands_for_a_gradient_of_zero(kind: str) -> None:
    x, d = RNG.normal(size=(5, 2, 3)), RNG.normal(size=(5, 2, 8))
    layer = getattr(nn, kind)(3, 4, bidirectional=True, num_layers=2)
    gradients = []
    zeros = (np.zeros((4, 2, 4)),) * 2 if kind == "LSTM" else np.zeros((4, 2, 4))
    for dL_dlast in (None, (None, None) if kind == "LSTM" else None, zeros):
        layer.zero_grad()
        layer(x)
        gradients.append((layer.backward((d, dL_dlast)), layer.weight_ih_l0.grad))
    assert np.abs(gradients[0][0]).max() > 0
    for dL_dx, dL_dW in gradients[1:]:
        assert np.array_equal(dL_dx, gradients[0][0])
        assert np.array_equal(dL_dW, gradients[0][1])
    layer(x)
    from_the_end = layer.backward((None, state(kind, 4, 2, 4)))
    assert from_the_end.shape == x.shape
    assert np.abs(from_the_end).max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_initial_state_is_zero_unless_given_and_is_not_changed(kind: str) -> None:
    layer, x = getattr(nn, kind)(3, 4), RNG.normal(size=(5, 2, 3))
    zeros = (np.zeros((1, 2, 4)),) * 2 if kind == "LSTM" else np.zeros((1, 2, 4))
    assert np.array_equal(layer(x)[0], layer(x, zeros)[0])
    assert not np.stack(zeros).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [300.0, -1e300, np.nan])
@pytest.mark.filterwarnings("error")
def test_saturation_and_nan_are_as_in_torch_and_silent(kind: str, value: float) -> None:
    layer, twin = getattr(nn, kind)(3, 4), getattr(torch.nn, kind)(3, 4).double()
    twin.load_state_dict({key: torch.from_numpy(v) for key, v in layer.state_dict().items()})
    x = RNG.normal(size=(5, 2, 3))
    x[2, 1, 0] = value
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    upstream = RNG.normal(size=(5, 2, 4))
    output, _ = twin(leaf)
    output.backward(torch.from_numpy(upstream))
    y, _ = layer(x)
    assert error(y, output, nonfinite="match") < 1e-12
    assert error(layer.backward((upstream, None)), leaf.grad, nonfinite="match") < 1e-12
    assert error(layer.weight_ih_l0.grad, twin.weight_ih_l0.grad, nonfinite="match") < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_float32(kind: str) -> None:
    layer = getattr(nn, kind)(3, 4, num_layers=2, dropout=0.4, dtype=np.float32)
    x = RNG.normal(size=(5, 2, 3)).astype(np.float32)
    output, _ = layer(x)
    assert output.dtype == np.float32
    assert layer.backward((output, None)).dtype == np.float32
    assert {p.grad.dtype for p in layer.parameters()} == {np.dtype(np.float32)}


def test_the_subgradient_of_relu_at_its_kink_is_zero() -> None:
    layer = nn.RNNCell(2, 3, bias=False, nonlinearity="relu")
    assert not layer(np.zeros((1, 2))).any()
    assert not layer.backward(np.ones((1, 3))).any()


@pytest.mark.parametrize("kind", KINDS)
def test_initial_weights_are_uniform_within_one_over_the_root_of_the_hidden_size(kind: str) -> None:
    layer = getattr(nn, kind)(30, 100, rng=np.random.default_rng(1))
    for p in layer.parameters():
        assert 0.095 < np.abs(p).max() <= 0.1
        assert abs(p.std() - 0.1 / 3**0.5) < 0.005
    assert {k: v.shape for k, v in layer.state_dict().items()} == {
        k: tuple(v.shape) for k, v in getattr(torch.nn, kind)(30, 100).state_dict().items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_keys_are_torchs(kind: str) -> None:
    arguments: dict[str, Any] = {"num_layers": 2, "bidirectional": True}
    assert list(getattr(nn, kind)(3, 4, **arguments).state_dict()) == list(getattr(torch.nn, kind)(3, 4, **arguments).state_dict())
    assert list(getattr(nn, f"{kind}Cell")(3, 4).state_dict()) == list(getattr(torch.nn, f"{kind}Cell")(3, 4).state_dict())


def test_layers_do_not_share_their_noise() -> None:
    layer = nn.RNN(3, 200, num_layers=3, dropout=0.5, rng=np.random.default_rng(1))
    first, second = (m.draw(np.zeros((1, 1, 200))) for m in layer.dropouts)
    assert not np.array_equal(first, second)


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_shapes_are_named(kind: str) -> None:
    layer, good = getattr(nn, kind)(3, 4, num_layers=2), np.zeros((5, 2, 3))
    bad = state(kind, 2, 3, 4)
    for x, hx, message in (
        (np.zeros(3), None, rf"{kind}: input must have 2 or 3 axes, got shape \(3,\)"),
        (np.zeros((5, 2, 4)), None, rf"{kind}: axis -1 of input must be input_size = 3, got shape \(5, 2, 4\)"),
        (np.zeros((0, 2, 3)), None, rf"{kind}: input must have at least one step, got shape \(0, 2, 3\)"),
        (good, bad, rf"{kind}: h of hx must have shape \(2, 2, 4\), got \(2, 3, 4\)"),
        (good[:, 0], state(kind, 2, 1, 4), rf"{kind}: h of hx must have shape \(2, 4\), got \(2, 1, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            layer(x, hx)
    layer.check_nothing_saved()


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_shapes_of_a_cell_are_named(kind: str) -> None:
    name, cell = f"{kind}Cell", getattr(nn, f"{kind}Cell")(3, 4)
    for x, hx, message in (
        (np.zeros((5, 2, 3)), None, rf"{name}: input must have 1 or 2 axes, got shape \(5, 2, 3\)"),
        (np.zeros((2, 4)), None, rf"{name}: axis -1 of input must be input_size = 3, got shape \(2, 4\)"),
        (np.zeros((2, 3)), state(kind, 5, 4), rf"{name}: h of hx must have shape \(2, 4\), got \(5, 4\)"),
        (np.zeros((2, 3)), state(kind, 4), rf"{name}: h of hx must have shape \(2, 4\), got \(4,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            cell(x, hx)


def test_h_alone_and_a_pair_are_not_confused() -> None:
    x, h = np.zeros((5, 2, 3)), np.zeros((1, 2, 4))
    with pytest.raises(ValueError, match=r"LSTM: hx must be \(h, c\), got ndarray"):
        nn.LSTM(3, 4)(x, h)
    with pytest.raises(ValueError, match="GRU: hx must be h alone, got tuple of 2"):
        nn.GRU(3, 4)(x, (h, h))
    with pytest.raises(ValueError, match=r"LSTM: c of hx must have shape \(1, 2, 4\), got \(2, 4\)"):
        nn.LSTM(3, 4)(x, (h, h[0]))


def test_wrong_kinds_are_named() -> None:
    with pytest.raises(TypeError, match="GRU: input must have the layer's dtype float64, got float32"):
        nn.GRU(3, 4)(np.zeros((5, 2, 3), np.float32))
    with pytest.raises(TypeError, match="LSTMCell: c of hx must have the layer's dtype float64, got float32"):
        nn.LSTMCell(3, 4)(np.zeros((2, 3)), (np.zeros((2, 4)), np.zeros((2, 4), np.float32)))


@pytest.mark.parametrize("kind", KINDS)
def test_bad_arguments_are_named(kind: str) -> None:
    cls = getattr(nn, kind)
    for sizes, name in (((0, 4), "input_size"), ((3, 0), "hidden_size"), ((3, 4, 0), "num_layers")):
        with pytest.raises(ValueError, match=f"{kind}: {name} must be at least 1, got 0"):
            cls(*sizes)
    for dropout in (-0.1, 1.5):
        with pytest.raises(ValueError, match=f"{kind}: dropout must be a number in 0 … 1, got {dropout}"):
            cls(3, 4, dropout=dropout)
    with pytest.warns(UserWarning, match="num_layers is 1: nothing is dropped"):
        cls(3, 4, dropout=0.5)
    with pytest.raises(ValueError, match=f"{kind}Cell: hidden_size must be at least 1, got 0"):
        getattr(nn, f"{kind}Cell")(3, 0)


def test_what_is_not_supported_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="LSTM: proj_size must be 0, got 2"):
        nn.LSTM(3, 4, proj_size=2)
    for cls in (nn.RNN, nn.RNNCell):
        with pytest.raises(ValueError, match=f"{cls.__name__}: nonlinearity must be one of 'tanh', 'relu', got 'sigmoid'"):
            cls(3, 4, nonlinearity="sigmoid")


@pytest.mark.parametrize("kind", ["RNN", "GRU"])
def test_h_alone_does_not_come_in_a_tuple(kind: str) -> None:
    with pytest.raises(ValueError, match=f"{kind}: hx must be h alone, got tuple of 1"):
        getattr(nn, kind)(3, 4)(np.zeros((5, 2, 3)), (np.zeros((1, 2, 4)),))
