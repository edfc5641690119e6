"""Initial weights: the distribution, not the values, against theory and against torch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import experiments.cases
import manual.nn
from experiments.judge.case import CASES as TABLE
from experiments.judge.case import Case, Pair, draw_sizes, to_torch
from experiments.source.handwriting import import_all
from manual.nn import init
from tests.helpers import same

WEIGHT = 40, 30, 5, 3  # fan_in 450, fan_out 600


def draw(name: str, shape: tuple[int, ...], *args: Any, dtype: Any = np.float64, **kwargs: Any) -> np.ndarray:
    return getattr(init, name)(shape, *args, rng=np.random.default_rng(0), dtype=dtype, **kwargs)


CASES = [
    ("uniform", (), stats.uniform(0, 1)),
    ("uniform", (-0.5, 2.0), stats.uniform(-0.5, 2.5)),
    ("normal", (), stats.norm()),
    ("normal", (1.5, 0.3), stats.norm(1.5, 0.3)),
    ("trunc_normal", (), stats.truncnorm(-2, 2)),
    ("trunc_normal", (1.0, 0.5, 0.0, 1.2), stats.truncnorm(-2, 0.4, 1.0, 0.5)),
    ("trunc_normal", (0.0, 1.0, 2.0, 9.0), stats.truncnorm(2, 9)),
    ("trunc_normal", (0.0, 1.0, -9.0, -2.0), stats.truncnorm(-9, -2)),
    ("xavier_uniform", (2.0,), stats.uniform(-2 * math.sqrt(6 / 1050), 4 * math.sqrt(6 / 1050))),
    ("xavier_normal", (2.0,), stats.norm(0, 2 * math.sqrt(2 / 1050))),
    ("kaiming_uniform", (), stats.uniform(-math.sqrt(6 / 450), 2 * math.sqrt(6 / 450))),
    ("kaiming_uniform", (0.5, "fan_out"), stats.uniform(-math.sqrt(6 / 1.25 / 600), 2 * math.sqrt(6 / 1.25 / 600))),
    ("kaiming_normal", (0, "fan_in", "relu"), stats.norm(0, math.sqrt(2 / 450))),
    ("kaiming_normal", (0, "fan_out", "tanh"), stats.norm(0, 5 / 3 / math.sqrt(600))),
]


@pytest.mark.parametrize(("name", "args", "distribution"), CASES, ids=lambda x: x if isinstance(x, str) else None)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_distribution(name: str, args: tuple[Any, ...], distribution: Any, dtype: Any) -> None:
    values = draw(name, WEIGHT, *args, dtype=dtype)
    assert values.shape == WEIGHT
    assert values.dtype == dtype
    assert stats.kstest(values.ravel().astype(float), distribution.cdf).pvalue > 0.01
    wrong = values.ravel().astype(float) * 1.04 + 0.04 * values.std()  # so small a mistake would be noticed
    assert stats.kstest(wrong, distribution.cdf).pvalue < 0.01


@pytest.mark.parametrize(("name", "args", "distribution"), CASES, ids=lambda x: x if isinstance(x, str) else None)
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_torch_draws_from_the_same_distribution(name: str, args: tuple[Any, ...], distribution: Any) -> None:
    tensor = torch.empty(WEIGHT, dtype=torch.float64)
    getattr(torch.nn.init, name + "_")(tensor, *args, generator=torch.Generator().manual_seed(0))
    assert stats.ks_2samp(draw(name, WEIGHT, *args).ravel(), tensor.numpy().ravel()).pvalue > 0.01


@pytest.mark.parametrize("ends", [(8.5, 12.0), (-12.0, -8.5)])
def test_trunc_normal_is_precise_in_either_tail(ends: tuple[float, float]) -> None:
    values = draw("trunc_normal", (200, 7), 0.0, 1.0, *ends).ravel()
    assert stats.kstest(values, stats.truncnorm(*ends).cdf).pvalue > 0.01
    assert len(np.unique(values)) == values.size


@pytest.mark.parametrize("a_b", [(-2.0, 2.0), (3.0, 3.1), (-40.0, -39.0), (50.0, 60.0)])
def test_trunc_normal_stays_within_its_bounds(a_b: tuple[float, float]) -> None:
    values = draw("trunc_normal", (200, 7), 0.0, 1.0, *a_b)
    assert a_b[0] <= values.min() <= values.max() <= a_b[1]


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 3, 4), (20, 3, 2)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    weight = draw("orthogonal", shape, 1.7).reshape(shape[0], -1)
    gram = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
    assert gram == pytest.approx(1.7**2 * np.eye(len(gram)), abs=1e-13)


def test_orthogonal_is_uniform() -> None:
    # The first entry of a uniformly drawn unit vector in 3 dimensions is uniform in ±1; without the signs of R it is not.
    rng = np.random.default_rng(0)
    first = [init.orthogonal((3, 2), rng=rng)[0, 0] for _ in range(2000)]
    assert stats.kstest(first, stats.uniform(-1, 2).cdf).pvalue > 0.01


def test_sparse_zeroes_so_many_of_each_column() -> None:
    weight = draw("sparse", (50, 40), 0.33, 0.2)
    zeros = weight == 0
    assert (zeros.sum(axis=0) == 17).all()  # ⌈0.33 · 50⌉
    assert len({tuple(column) for column in zeros.T}) == 40  # each column others
    assert stats.kstest(weight[~zeros], stats.norm(0, 0.2).cdf).pvalue > 0.01
    assert draw("sparse", (5, 3), 1.0).any() == 0
    assert draw("sparse", (5, 3), 0.0).all()


def test_constants() -> None:
    assert np.array_equal(init.constant((2, 3), 0.7, dtype="float32"), np.full((2, 3), 0.7, "float32"))
    assert np.array_equal(init.zeros((2, 3)), np.zeros((2, 3)))
    assert np.array_equal(init.ones((2, 3), dtype="float32"), np.ones((2, 3), "float32"))
    assert init.ones((2,)).dtype == np.float64


@pytest.mark.parametrize(
    ("nonlinearity", "param"),
    [(n, None) for n in ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")]
    + [("leaky_relu", 0.3), ("leaky_relu", 2)],
)
def test_gain_is_torchs(nonlinearity: str, param: float | None) -> None:
    assert init.calculate_gain(nonlinearity, param) == torch.nn.init.calculate_gain(nonlinearity, param)


def test_one_generator_gives_the_same_weights_in_either_dtype() -> None:
    for name in ("uniform", "normal", "xavier_uniform", "kaiming_normal", "orthogonal", "trunc_normal"):
        assert np.array_equal(draw(name, (4, 3)).astype("float32"), draw(name, (4, 3), dtype="float32")), name


def test_nothing_to_draw() -> None:
    for name in ("xavier_normal", "kaiming_uniform", "orthogonal"):
        assert draw(name, (0, 3)).shape == (0, 3), name
    assert draw("kaiming_normal", (3, 0)).shape == (3, 0)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: init.xavier_uniform((3,)), r"at least 2 axes to have a fan-in and a fan-out, got shape \(3,\)"),
        (lambda: init.kaiming_normal((3,)), "at least 2 axes"),
        (lambda: init.kaiming_uniform((3, 2), mode="fan_up"), "mode must be one of 'fan_in', 'fan_out', got 'fan_up'"),
        (lambda: init.kaiming_uniform((3, 2), nonlinearity="gelu"), "nonlinearity must be one of .*, got 'gelu'"),
        (lambda: init.calculate_gain("leaky_relu", True), "param must be the slope, a number, got True"),
        (lambda: init.calculate_gain("leaky_relu", "0.1"), "param must be the slope, a number, got '0.1'"),
        (lambda: init.orthogonal((3,)), r"orthogonal: shape must have at least 2 axes, got \(3,\)"),
        (lambda: init.sparse((3, 2, 4), 0.5), r"sparse: shape must have 2 axes, got \(3, 2, 4\)"),
        (lambda: init.sparse((3, 2), 1.5), r"sparse: sparsity must be in \[0, 1\], got 1.5"),
        (lambda: init.trunc_normal((3,), a=1.0, b=1.0), "a must be below b"),
        (lambda: init.trunc_normal((3,), std=0.0), "std positive"),
    ],
)
def test_bad_arguments_are_named(build: Callable[..., Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


LAYERS = [
    ("Linear", (190, 110)),
    ("Bilinear", (20, 30, 40)),
    ("Conv1d", (40, 60, 5)),
    ("Conv2d", (30, 40, (3, 5))),
    ("ConvTranspose2d", (40, 30, (3, 5))),
    ("RNN", (70, 90)),
    ("LSTM", (70, 90)),
    ("GRU", (70, 90)),
    ("RNNCell", (70, 90)),
    ("LSTMCell", (70, 90)),
    ("GRUCell", (70, 90)),
    ("Embedding", (90, 70)),
    ("MultiheadAttention", (96, 4)),
    ("TransformerEncoderLayer", (64, 4, 128)),
    ("TransformerDecoderLayer", (64, 4, 128)),
    ("PReLU", (9,)),
    ("BatchNorm1d", (9,)),
    ("LayerNorm", (9,)),
    ("GroupNorm", (3, 9)),
]


@pytest.mark.parametrize(("name", "arguments"), LAYERS, ids=[name for name, _ in LAYERS])
def test_layers_begin_with_weights_of_torchs_distribution(name: str, arguments: Any) -> None:
    """Of each parameter: the constant that torch has, or as far from 0 at most, and on the average, as torch's numbers."""
    ours = getattr(manual.nn, name)(*arguments, rng=np.random.default_rng(0)) if draws(name) else getattr(manual.nn, name)(*arguments)
    theirs = getattr(torch.nn, name)(*arguments, dtype=torch.float64)
    mine = ours.state_dict()
    assert list(mine) == list(theirs.state_dict())
    for key, tensor in theirs.state_dict().items():
        a, b = mine[key].astype(float).ravel(), tensor.numpy().astype(float).ravel()
        if b.std() == 0:
            assert np.array_equal(a, b), key
        elif np.abs(b).max() < 3 * np.abs(b).mean():  # uniform: ends where it must
            assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.15 if len(b) < 500 else 0.02), key
        assert a.std() == pytest.approx(b.std(), rel=0.3 if len(b) < 500 else 0.06), key
        assert stats.ks_2samp(a, b).pvalue > 1e-3, key


def draws(name: str) -> bool:
    return "rng" in inspect.signature(getattr(manual.nn, name)).parameters


def layers() -> dict[str, Case]:
    """Of every class that has parameters or buffers, the case that has most of them."""
    import_all(experiments.cases)
    found: dict[str, tuple[int, Case]] = {}
    for case in TABLE:
        if case.hand is None and inspect.isclass(getattr(manual.nn, case.name, None)):
            held = len(Pair(case, sizes_of(case), 0).hand.state_dict())
            if held > found.get(case.name, (0, case))[0]:
                found[case.name] = held, case
    return {name: case for name, (_, case) in found.items()}


def sizes_of(case: Case) -> dict[str, int]:
    return draw_sizes(case, np.random.default_rng(0))


LAYERS = layers()


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_begins_with_what_torchs_begins_with(name: str) -> None:
    """Of each parameter and buffer the entries of many layers, some 1,000 of them: a factor of 2, or a 0 that is random, shows."""
    case, cls = LAYERS[name], getattr(manual.nn, name)
    arguments = case.build(np.random.default_rng(0), **sizes_of(case)).arguments
    rng = {"rng": np.random.default_rng(0)} if "rng" in inspect.signature(cls).parameters else {}
    torch.manual_seed(0)
    state = cls(**arguments, **rng).state_dict()
    draws = range(min(60, 1000 // min(map(np.size, state.values())), 600 // len(state)) if rng else 2)
    by_hand = [cls(**arguments, **rng).state_dict() for _ in draws]
    reference = case.reference or getattr(torch.nn, name)
    in_torch = [reference(**{key: to_torch(v) for key, v in arguments.items()}).state_dict() for _ in draws]
    for key in by_hand[0]:
        ours, theirs = (np.concatenate([np.ravel(state[key]) for state in side]) for side in (by_hand, in_torch))
        assert stats.ks_2samp(ours, theirs).pvalue > 1e-4, key
        constant = [bool((side == side[0]).all()) for side in (ours, theirs)]
        assert constant in ([False, False], [True, True]), key
        assert not constant[0] or ours[0] == theirs[0], key


@pytest.mark.parametrize("name", [n for n in LAYERS if "rng" in inspect.signature(getattr(manual.nn, n)).parameters])
def test_a_layer_draws_from_the_generator_that_it_is_given(name: str) -> None:
    arguments = LAYERS[name].build(np.random.default_rng(0), **sizes_of(LAYERS[name])).arguments
    first, again, other = (getattr(manual.nn, name)(**arguments, rng=np.random.default_rng(seed)).state_dict() for seed in (5, 5, 6))
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("name", ["Dropout", "Dropout1d", "Dropout2d", "AlphaDropout"])
def test_noise_is_drawn_from_the_generator_that_is_given(name: str) -> None:
    x = np.ones((5, 40, 3))
    first, again, other = (getattr(manual.nn, name)(rng=np.random.default_rng(seed))(x) for seed in (5, 5, 6))
    assert same(first, again)
    assert not same(first, other)
