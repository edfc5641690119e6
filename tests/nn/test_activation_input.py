"""Activations at their kinks, far from 0, at NaN and ±∞, and what they say to bad input."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import ONE_STEP, error
from manual import nn
from manual.nn.functional import log_softmax, logsumexp, sigmoid, softmax, softplus

KINKS: list[tuple[str, dict[str, Any], list[float]]] = [
    ("ReLU", {}, [0.0]),
    ("ReLU6", {}, [0.0, 6.0]),
    ("LeakyReLU", {"negative_slope": 0.2}, [0.0]),
    ("PReLU", {"init": 0.125}, [0.0]),
    ("Hardtanh", {"min_val": -0.5, "max_val": 1.5}, [-0.5, 1.5]),
    ("Hardsigmoid", {}, [-3.0, 3.0]),
    ("Hardswish", {}, [-3.0, 3.0]),
    ("ELU", {"alpha": 0.3}, [0.0]),
    ("SELU", {}, [0.0]),
    ("CELU", {"alpha": 2.0}, [0.0]),
    ("Softplus", {"beta": 2.0, "threshold": 3.0}, [1.5]),
    ("Softsign", {}, [0.0]),
    ("Hardshrink", {}, [-0.5, 0.5]),
    ("Softshrink", {"lambd": 0.25}, [-0.25, 0.25]),
    ("Softshrink", {"lambd": 0.0}, [0.0]),
    ("Threshold", {"threshold": -0.5, "value": 1.5}, [-0.5]),
]
SMOOTH: list[tuple[str, dict[str, Any]]] = [
    ("Sigmoid", {}),
    ("LogSigmoid", {}),
    ("Tanh", {}),
    ("Tanhshrink", {}),
    ("SiLU", {}),
    ("Mish", {}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("Softplus", {}),
]
ELEMENTWISE = [(name, arguments) for name, arguments, _ in KINKS] + SMOOTH


def both(name: str, arguments: dict[str, Any], x: np.ndarray, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Output and input gradient, by hand and in torch, for one random upstream."""
    hand_arguments = arguments | ({"dtype": x.dtype} if name == "PReLU" else {})
    hand, twin = getattr(nn, name)(**hand_arguments), getattr(torch.nn, name)(**arguments).to(torch.from_numpy(x).dtype)
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    y = twin(leaf)
    upstream = np.random.default_rng(seed).normal(size=tuple(y.shape)).astype(x.dtype)
    y.backward(torch.from_numpy(upstream))
    return [hand(x), hand.backward(upstream)], [y.detach().numpy(), leaf.grad.numpy()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments", "kinks"), KINKS)
def test_the_subgradient_at_a_kink_is_that_of_torch(name: str, arguments: dict[str, Any], kinks: list[float], dtype: str) -> None:
    step = np.finfo(dtype).eps * 4
    x = np.array([[k * (1 + s) + s for k in kinks] for s in (0, step, -step)], dtype=dtype)  # at the kink, and just beside it
    tolerance = 1e-7 if name == "Hardsigmoid" else ONE_STEP[dtype]  # torch's 1/6 is a float32
    for a, b in zip(*both(name, arguments, x), strict=True):
        assert error(a, b) <= tolerance


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), ELEMENTWISE)
def test_far_from_0_nothing_overflows(name: str, arguments: dict[str, Any], dtype: str) -> None:
    x = np.array([[-1e4, -800.0, -100.0, -20.5], [20.5, 100.0, 800.0, 1e4]], dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hand, twin = both(name, arguments, x)
    for a, b in zip(hand, twin, strict=True):
        assert np.isfinite(a).all()
        assert error(a, b) <= (1e-7 if name == "Hardsigmoid" else ONE_STEP[dtype])


@pytest.mark.parametrize(("name", "arguments"), ELEMENTWISE)
def test_infinity_gives_what_it_gives_in_torch(name: str, arguments: dict[str, Any]) -> None:
    x = np.array([[-np.inf, 1.3], [np.inf, -0.4], [0.2, 0.7]])
    with np.errstate(invalid="ignore"):
        hand, twin = both(name, arguments, x)
    assert error(hand[0], twin[0], nonfinite="match") <= 1e-12
    if name not in ("Softsign", "SiLU", "Mish", "GELU"):  # whose derivatives torch computes as ∞ · 0 in ways of its own
        assert error(hand[1], twin[1], nonfinite="match") <= 1e-7


@pytest.mark.parametrize(("name", "arguments"), ELEMENTWISE)
def test_nan_passes_and_stays_alone(name: str, arguments: dict[str, Any]) -> None:
    x = np.array([[np.nan, 1.3], [-0.4, np.nan], [0.2, -0.7]])
    y = getattr(nn, name)(**arguments)(x)
    assert np.array_equal(np.isnan(y), np.isnan(x))


@pytest.mark.parametrize(
    ("name", "arguments"), [("ReLU", {}), ("Hardshrink", {}), ("Softshrink", {}), ("Threshold", {"threshold": 0.2, "value": 7.0})]
)
def test_the_gradient_passes_where_x_is_nan(name: str, arguments: dict[str, Any]) -> None:
    (_, hand), (_, twin) = both(name, arguments, np.array([[np.nan, 1.0, -1.0]]))
    assert hand[0, 0] != 0
    assert np.array_equal(hand, twin)


@pytest.mark.parametrize("name", ["Softmax", "Softmin", "LogSoftmax"])
def test_softmax_of_huge_equal_and_infinite_entries(name: str) -> None:
    x = np.array(
        [[1e4, 1e4 - 2, -1e4], [3.0, 3.0, 3.0], [1.0, -np.inf, 2.0], [-np.inf, -np.inf, -np.inf], [np.nan, 0.5, 1.0], [np.inf, 0.5, 1.0]]
    )
    with np.errstate(invalid="ignore"):
        hand, twin = both(name, {"dim": 1}, x if name != "Softmin" else -x)
    for a, b in zip(hand, twin, strict=True):
        assert error(a, b, nonfinite="match") <= 1e-12


def test_functions_are_those_of_torch() -> None:
    x = np.random.default_rng(0).normal(0, 300, (3, 4, 2))
    x[0, :, 1], x[1, 2, 0] = -np.inf, np.inf
    t = torch.from_numpy(x)
    with np.errstate(invalid="ignore"):
        for a, b in [
            (sigmoid(x), t.sigmoid()),
            (softplus(x), torch.logaddexp(t, torch.zeros(()).double())),
            (logsumexp(x, 1), t.logsumexp(1)),
            (logsumexp(x, -1, keepdims=True), t.logsumexp(-1, keepdim=True)),
            (softmax(x, 1), t.softmax(1)),
            (log_softmax(x), t.log_softmax(-1)),
        ]:
            assert error(a, b, nonfinite="match") <= 1e-12


def test_functions_keep_float32() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    for y in (sigmoid(x), softplus(x), logsumexp(x, 1), softmax(x, 1), log_softmax(x, 1)):
        assert y.dtype == np.float32


@pytest.mark.parametrize("name", ["Softmax", "Softmin", "LogSoftmax"])
def test_the_axis_must_be_named_and_there(name: str) -> None:
    with pytest.raises(NotImplementedError, match=f"{name}: dim=None"):
        getattr(nn, name)()
    with pytest.raises(IndexError, match=r"dim must lie in -2 … 1 for x of shape \(3, 4\), got 2"):
        getattr(nn, name)(dim=2)(np.zeros((3, 4)))


@pytest.mark.parametrize(("name", "arguments"), [*ELEMENTWISE, ("GLU", {})])
def test_only_floating_point_arrays_have_a_gradient(name: str, arguments: dict[str, Any]) -> None:
    layer = getattr(nn, name)(**arguments)
    with pytest.raises(TypeError, match=f"{name}: x must"):
        layer(np.arange(6).reshape(3, 2))
    with pytest.raises(TypeError, match=f"{name}: x must be a NumPy array, got list"):
        layer([[1.0, 2.0]])


def test_glu_needs_two_halves() -> None:
    with pytest.raises(ValueError, match=r"axis 1 of x must have an even size to be halved, got shape \(2, 3\)"):
        nn.GLU(dim=1)(np.zeros((2, 3)))
    with pytest.raises(IndexError, match="dim must lie in"):
        nn.GLU(dim=2)(np.zeros((2, 4)))


@pytest.mark.parametrize("shape", [(2, 4), (3,)])
def test_prelu_needs_its_channels_on_axis_1(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="axis 1 of x must be num_parameters = 3, got shape"):
        nn.PReLU(3)(np.zeros(shape))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.PReLU(0), "num_parameters must be at least 1, got 0"),
        (lambda: nn.Hardtanh(2.0, 2.0), "min_val must be below max_val, got 2.0 and 2.0"),
        (lambda: nn.CELU(0), "alpha must not be 0"),
        (lambda: nn.GELU("erf"), "approximate must be one of 'none', 'tanh', got 'erf'"),
    ],
)
def test_bad_arguments_are_named(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_shrinking_by_less_than_nothing() -> None:
    x = np.array([-0.7, 0.0, 0.2])
    assert nn.Hardshrink(-0.5)(x).tolist() == torch.nn.Hardshrink(-0.5)(torch.from_numpy(x)).tolist() == x.tolist()
    with pytest.raises(ValueError, match=r"Softshrink: lambd must be at least 0, got -0\.5"):
        nn.Softshrink(-0.5)


def test_softmax_of_channels_is_of_images() -> None:
    with pytest.raises(ValueError, match=r"Softmax2d: x must have 3 or 4 axes, got shape \(3, 4\)"):
        nn.Softmax2d()(np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("name", "arguments"), [("Softmax", (0,)), ("Softmax", (-1,)), ("LogSoftmax", (0,)), ("Softmin", (0,)), ("PReLU", ())]
)
@pytest.mark.parametrize("x", [1.5, -2.5])
def test_one_number_is_taken_for_a_list_of_one_as_in_torch(name: str, arguments: tuple[int, ...], x: float) -> None:
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments).double()
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    expected, found = theirs(leaf), ours(np.array(x))
    expected.backward(torch.tensor(2.0, dtype=torch.float64))
    gradient = ours.backward(np.array(2.0))
    assert np.shape(found) == np.shape(gradient) == ()
    assert (float(found), float(gradient)) == (expected.item(), leaf.grad.item())
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(p.grad, q.grad)
    with pytest.raises(ValueError, match="GLU: axis 0 of x must have an even size"):
        nn.GLU(0)(np.array(x))
