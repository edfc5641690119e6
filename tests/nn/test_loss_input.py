"""Losses at their kinks and bounds, at huge values, NaN and ±∞, on empty and unbatched input, and what they say to bad input."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn
from manual.nn.functional import softmax

PAIRS = ["MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss", "BCELoss", "BCEWithLogitsLoss", "KLDivLoss"]
"""Losses of an input and a target of the same kind."""
SIGNS = ["SoftMarginLoss", "HingeEmbeddingLoss", "PoissonNLLLoss"]
"""Losses of an input and a target that may also hold integers."""
LABELS = ["MultiLabelSoftMarginLoss", "MultiLabelMarginLoss"]
"""Losses of several true classes."""
LOSSES = [
    *PAIRS,
    *SIGNS,
    *LABELS,
    "CrossEntropyLoss",
    "NLLLoss",
    "MultiMarginLoss",
    "MarginRankingLoss",
    "CosineEmbeddingLoss",
    "TripletMarginLoss",
]
"""All that have the arguments size_average and reduce."""


def hand(loss: nn.MSELoss, inputs: tuple[Any, ...], upstream: np.ndarray) -> list[Any]:
    """The loss and its gradients, by hand."""
    y = loss(*inputs)
    gradients = loss.backward(upstream if upstream.ndim else upstream[()])
    return [y, *(gradients if isinstance(gradients, tuple) else (gradients,))]


def both(
    name: str, arguments: dict[str, Any], *inputs: Any, predictions: tuple[int, ...] = (0,), seed: int = 0
) -> tuple[list[Any], list[Any]]:
    """The loss and its gradients, by hand and in torch, for one random upstream."""
    leaves = [torch.from_numpy(np.array(x)) if isinstance(x, np.ndarray) else x for x in inputs]
    for i in predictions:
        leaves[i].requires_grad_()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "reduction: 'mean' divides")
        y = getattr(torch.nn, name)(**{k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()})(*leaves)
    upstream = np.random.default_rng(seed).normal(size=tuple(y.shape))
    y.backward(torch.from_numpy(np.asarray(upstream)).to(y.dtype))
    twin = [y.detach().numpy(), *(leaves[i].grad.numpy() for i in predictions)]
    return hand(getattr(nn, name)(**arguments), inputs, np.asarray(upstream, dtype=twin[0].dtype)), twin


def agree(name: str, arguments: dict[str, Any], *inputs: Any, predictions: tuple[int, ...] = (0,), tolerance: float = 1e-12) -> None:
    """Assert that both sides agree, NaN and ±∞ included."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        a, b = both(name, arguments, *inputs, predictions=predictions)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert error(x, y, nonfinite="match") <= tolerance, (x, y)


def array(*values: float) -> np.ndarray:
    """A float64 vector."""
    return np.array(values, dtype=np.float64)


# ---- what all losses share -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "HuberLoss"])
def test_deprecated_and_unknown_reductions_are_refused(name: str) -> None:
    for argument in ("size_average", "reduce"):
        with pytest.raises(NotImplementedError, match=f"{name}: {argument}"):
            getattr(nn, name)(**{argument: True})
    with pytest.raises(ValueError, match=f"{name}: reduction must be one of 'mean', .*'none', got 'average'"):
        getattr(nn, name)(reduction="average")


@pytest.mark.parametrize("name", [*PAIRS, *SIGNS])
def test_shapes_are_not_broadcast(name: str) -> None:
    with pytest.raises(ValueError, match=r"input and target must have one shape, got \(3, 2\) and \(3, 1\)"):
        getattr(nn, name)()(np.full((3, 2), 0.5), np.full((3, 1), 0.5))


@pytest.mark.parametrize("name", PAIRS)
def test_dtypes_are_not_mixed(name: str) -> None:
    with pytest.raises(TypeError, match="target must have the layer's dtype float64, got float32"):
        getattr(nn, name)()(np.full((3, 2), 0.5), np.full((3, 2), 0.5, np.float32))
    with pytest.raises(TypeError, match="input must be floating point, got int64"):
        getattr(nn, name)()(np.ones((3, 2), int), np.ones((3, 2), int))


@pytest.mark.parametrize("name", SIGNS)
def test_a_target_may_hold_integers_but_not_another_float(name: str) -> None:
    x, t = np.array([[0.4, -1.2, 2.0]]), np.array([[1, -1, 1]])
    assert getattr(nn, name)()(x, t) == getattr(nn, name)()(x, t.astype(float))
    with pytest.raises(TypeError, match="target, unless it holds integers, must have the layer's dtype"):
        getattr(nn, name)()(x, t.astype(np.float32))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("upstream", [None, 2.0, np.float64(2.0)])
def test_float32_stays_float32_whatever_the_upstream(name: str, upstream: Any) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.uniform(0.1, 0.9, (2, 3, 4)).astype(np.float32)[:, :, 1:]
    loss = getattr(nn, name)()
    y = loss(x, t)
    gradient = loss.backward() if upstream is None else loss.backward(upstream)
    assert y.dtype == gradient.dtype == np.float32
    loss(x, t)
    assert np.allclose(gradient, loss.backward(1.0) * (upstream or 1))


@pytest.mark.parametrize("name", [*PAIRS, *SIGNS])
def test_the_mean_of_nothing_is_nan_and_its_gradient_empty(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = getattr(nn, name)()
        assert math.isnan(loss(np.zeros((0, 3)), np.zeros((0, 3))))
        assert loss.backward().shape == (0, 3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.HuberLoss(delta=0), "HuberLoss: delta must be positive, got 0"),
        (lambda: nn.SmoothL1Loss(beta=-1.0), "SmoothL1Loss: beta must be at least 0, got -1.0"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=1.5), r"CrossEntropyLoss: label_smoothing must lie in 0 … 1, got 1.5"),
        (lambda: nn.MultiMarginLoss(p=3), "MultiMarginLoss: p must be 1 or 2, got 3"),
        (lambda: nn.TripletMarginLoss(margin=0.0), "TripletMarginLoss: margin must be positive, got 0.0"),
        (lambda: nn.HuberLoss("average"), "HuberLoss: reduction must be"),
        (lambda: nn.GaussianNLLLoss(reduction="average"), "GaussianNLLLoss: reduction must be"),
        (lambda: nn.CTCLoss(reduction="average"), "CTCLoss: reduction must be"),
    ],
)
def test_bad_arguments_are_named(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


# ---- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("L1Loss", {}),
        ("SmoothL1Loss", {"beta": 2.0}),
        ("SmoothL1Loss", {"beta": 0.0}),
        ("HuberLoss", {"delta": 2.0}),
        ("MSELoss", {}),
    ],
)
def test_distances_at_their_joints_and_far_away(name: str, arguments: dict[str, Any]) -> None:
    x = array(2.0, -2.0, 0.0, np.nextafter(2.0, 3), np.nextafter(-2.0, 0), 1e150, -1e150, np.inf, -np.inf)
    agree(name, arguments | {"reduction": "none"}, x, np.zeros_like(x))


@pytest.mark.parametrize("name", ["L1Loss", "SmoothL1Loss", "HuberLoss", "MSELoss"])
def test_nan_is_not_dropped(name: str) -> None:
    loss = getattr(nn, name)(reduction="none")
    y = loss(array(np.nan, 1.0), array(0.5, 0.25))
    assert np.isnan(y).tolist() == np.isnan(loss.backward(array(1.5, 2.5))).tolist() == [True, False]


def test_poisson_at_small_and_huge_counts() -> None:
    x, t = array(0.0, 0.5, 2.0, 100.0, 1.0), array(1.0, 1.5, 0.0, 3.0, 500.0)
    for log_input in (True, False):
        agree("PoissonNLLLoss", {"log_input": log_input, "full": True, "reduction": "none"}, x, t)


def test_gaussian_variance_below_its_bound_has_the_gradient_at_the_bound() -> None:
    x, t, v = array(0.0, 1.0, 2.0, 0.3), array(1.0, 1.5, 0.0, 0.1), array(0.0, 1e-7, 1.0, 1e-6)
    agree("GaussianNLLLoss", {"reduction": "none"}, x, t, v, predictions=(0, 2))


def test_gaussian_variance_may_be_a_number() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(2, 3, 4))
    number, each = nn.GaussianNLLLoss(), nn.GaussianNLLLoss()
    assert number(x, t, 0.7) == each(x, t, np.full((3, 4), 0.7))
    (dx, dv), (dx_each, dv_each) = number.backward(1.5), each.backward(1.5)
    assert np.array_equal(dx, dx_each)
    assert dv == pytest.approx(dv_each.sum(), rel=1e-13)


def test_gaussian_variance_is_checked() -> None:
    x, t = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    with pytest.raises(ValueError, match=r"var must not be negative, got -0\.5"):
        nn.GaussianNLLLoss()(x, t, np.full((2, 3), -0.5))
    for shape in ((3, 4), (2, 1, 1), (2, 3, 2)):
        with pytest.raises(ValueError, match="var must have the shape"):
            nn.GaussianNLLLoss()(x, t, np.ones(shape))


# ---- two classes ---------------------------------------------------------------------------------


def test_bce_where_a_logarithm_would_be_infinite() -> None:
    x, t = array(0.0, 1.0, 0.0, 1.0, 1e-300, 0.3, 1e-30), array(0.0, 1.0, 1.0, 0.0, 0.5, 0.2, 0.9)
    agree("BCELoss", {"reduction": "none"}, x, t)


@pytest.mark.parametrize(("x", "t", "named"), [(1.1, 0.0, "input"), (np.nan, 0.0, "input"), (0.5, -0.1, "target"), (0.5, 2.0, "target")])
def test_bce_takes_probabilities(x: float, t: float, named: str) -> None:
    with pytest.raises(ValueError, match=f"BCELoss: {named} must lie in 0 … 1, got {x if named == 'input' else t}"):
        nn.BCELoss()(array(0.5, x), array(0.5, t))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bce_of_huge_logits(dtype: str) -> None:
    x = np.array([-1000, 1000, -1000, 1000, np.nan, np.inf, -np.inf, np.inf], dtype)
    t = np.array([1, 0, 0, 1, 1, 0, 1, 1], dtype)
    agree("BCEWithLogitsLoss", {"reduction": "none", "pos_weight": np.array([2.5], dtype)}, x, t)


@pytest.mark.parametrize(
    ("name", "argument"), [("BCELoss", "weight"), ("BCEWithLogitsLoss", "weight"), ("BCEWithLogitsLoss", "pos_weight")]
)
def test_bce_weights_must_broadcast(name: str, argument: str) -> None:
    x = np.full((3, 2), 0.5)
    for shape in ((3,), (4, 3, 2), (2, 2)):
        with pytest.raises(ValueError, match=rf"{name}: {argument} must broadcast to the shape \(3, 2\) of input"):
            getattr(nn, name)(**{argument: np.ones(shape)})(x, x)
    with pytest.raises(TypeError, match=f"{name}: {argument} must have the layer's dtype"):
        getattr(nn, name)(**{argument: np.ones(2, np.float32)})(x, x)


# ---- many classes --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (2, 3, 4, 5), (3,)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_class_is_a_distribution_that_is_1_there(shape: tuple[int, ...], reduction: str, weighted: bool) -> None:
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.5, 2, 3) if weighted else None
    z, axis = rng.normal(0, 3, shape), int(len(shape) > 1)
    t = rng.integers(0, 3, shape[:axis] + shape[axis + 1 :])
    y = np.moveaxis(np.eye(3)[t], -1, axis)
    of_classes, of_distributions = (nn.CrossEntropyLoss(weight, reduction=reduction) for _ in range(2))
    a, b = of_classes(z, t), of_distributions(z, y)
    upstream = rng.normal(size=np.shape(a))
    found = [(a, b), (of_classes.backward(upstream), of_distributions.backward(upstream))]
    share = t.size / weight[t].sum() if weighted and reduction == "mean" else 1  # of classes the mean divides by their weights
    for of_class, of_distribution in found:
        assert error(of_class, of_distribution * share) <= 1e-14


def test_cross_entropy_is_p_minus_y_over_N() -> None:
    rng = np.random.default_rng(2)
    z, t, loss = rng.normal(size=(5, 3)), rng.integers(0, 3, 5), nn.CrossEntropyLoss()
    loss(z, t)
    assert error(loss.backward(), (softmax(z, 1) - np.eye(3)[t]) / 5) <= 1e-15


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_huge_equal_and_infinite_logits(smoothing: float, reduction: str) -> None:
    z = np.array([[1e4, -1e4, 0.0], [3.0, 3.0, 3.0], [-1e4, 1e4, 1e4]])
    agree("CrossEntropyLoss", {"label_smoothing": smoothing, "reduction": reduction}, z, np.array([1, 0, 2]))
    if reduction == "none":
        z = np.array([[1.0, -np.inf, 0.5], [1.0, -np.inf, 0.5], [np.nan, 0.0, 1.0]])
        agree("CrossEntropyLoss", {"label_smoothing": smoothing, "reduction": "none"}, z, np.array([0, 1, 2]))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (3,)])
def test_the_mean_over_ignored_examples_alone_is_nan_with_gradient_0(smoothing: float, shape: tuple[int, ...]) -> None:
    z = np.random.default_rng(3).normal(size=shape)
    t = np.full(shape[:1] + shape[2:] if len(shape) > 1 else (), -100)
    agree("CrossEntropyLoss", {"label_smoothing": smoothing}, z, t)
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing)
    assert math.isnan(loss(z, t))
    assert not loss.backward().any()
    if not smoothing:
        agree("NLLLoss", {}, z, t)


def test_classes_of_weight_0_alone_have_no_mean() -> None:
    z = np.random.default_rng(4).normal(size=(2, 3))
    for name in ("CrossEntropyLoss", "NLLLoss"):
        agree(name, {"weight": array(0.0, 0.0, 1.0)}, z, np.array([0, 1]))


def test_an_unbatched_class_may_be_a_plain_integer() -> None:
    z, loss = np.random.default_rng(5).normal(size=3), nn.CrossEntropyLoss()
    assert loss(z, 2) == loss(z, np.array(2))


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"])
def test_bad_classes_are_named(name: str) -> None:
    x, loss = np.zeros((2, 3)), getattr(nn, name)()
    with pytest.raises(IndexError, match=rf"{name}: target must lie in 0 … 2 \(classes = 3\), got 3"):
        loss(x, np.array([0, 3]))
    with pytest.raises(IndexError, match="got -1"):
        loss(x, np.array([-1, 1]))
    with pytest.raises(ValueError, match=rf"{name}: target must have the shape \(2,\) of input \(2, 3\) without its classes, got \(3,\)"):
        loss(x, np.array([0, 1, 2]))
    with pytest.raises(TypeError, match=f"{name}: target must be an array of integers, got float64"):
        loss(x, array(0.0, 1.0))
    with pytest.raises(TypeError, match=f"{name}: input must be floating point"):
        loss(np.zeros((2, 3), int), np.array([0, 1]))
    with pytest.raises(ValueError, match="got a single number"):
        loss(np.array(1.0), np.array(0))
    with pytest.raises(ValueError, match=r"weight must have one entry for each class, shape \(3,\), got \(2,\)"):
        getattr(nn, name)(weight=np.ones(2))(x, np.array([0, 1]))


def test_probabilities_are_checked() -> None:
    z, y = np.zeros((2, 3)), np.full((2, 3), 1 / 3)
    with pytest.raises(ValueError, match="ignore_index = 1 has no meaning"):
        nn.CrossEntropyLoss(ignore_index=1)(z, y)
    with pytest.raises(TypeError, match="holds probabilities, must have the layer's dtype float64, got int64"):
        nn.CrossEntropyLoss()(z, np.ones((2, 3), int))


def test_weights_are_copied_in() -> None:
    weight = array(1.0, 2.0, 3.0)
    loss = nn.CrossEntropyLoss(weight)
    loss.load_state_dict({"weight": array(4.0, 5.0, 6.0)})
    assert weight.tolist() == [1.0, 2.0, 3.0]


def test_kl_where_a_probability_is_0() -> None:
    agree("KLDivLoss", {"reduction": "none"}, array(-1.0, -np.inf, -1.0, -2.0), array(0.0, 0.0, 0.5, -1.0))
    agree("KLDivLoss", {"reduction": "none", "log_target": True}, array(-1.0, -np.inf, -1.0), array(-800.0, 0.0, -0.5))


def test_kl_batchmean_of_one_number_is_that_number() -> None:
    agree("KLDivLoss", {"reduction": "batchmean"}, np.array(-1.5), np.array(0.4))


# ---- margins -------------------------------------------------------------------------------------


def test_hinge_and_ranking_at_the_kink() -> None:
    agree("HingeEmbeddingLoss", {"reduction": "none"}, array(1.0, 1.0, 2.0, 0.5, np.nan, 0.5, 1.0), np.array([-1, 1, -1, -1, -1, 0, 0]))
    x1, x2 = array(1.0, 2.0, 0.0, 1.5, np.nan), array(2.0, 1.0, 0.0, 1.5, 0.0)
    agree("MarginRankingLoss", {"margin": 1.0, "reduction": "none"}, x1, x2, np.array([-1, 1, 1, -1, 1]), predictions=(0, 1))
    agree("MarginRankingLoss", {"reduction": "none"}, x1, x2, np.array([-1, 1, 1, -1, 1]), predictions=(0, 1))


def test_multi_margin_at_the_kink() -> None:
    for p in (1, 2):
        agree("MultiMarginLoss", {"p": p, "reduction": "none"}, np.array([[1.0, 0.0, 0.5, 2.0], [0.0, 1.0, -0.5, 0.0]]), np.array([0, 1]))


def test_multi_margin_does_not_drop_nan() -> None:
    loss = nn.MultiMarginLoss()
    assert math.isnan(loss(np.array([[1.0, np.nan, 0.5]]), np.array([0])))


def test_multi_margin_takes_one_or_two_axes() -> None:
    with pytest.raises(ValueError, match=r"MultiMarginLoss: input must have 1 or 2 axes, got shape \(2, 3, 4\)"):
        nn.MultiMarginLoss()(np.zeros((2, 3, 4)), np.zeros((2, 4), int))


def test_soft_margin_does_not_overflow() -> None:
    x, t, loss = array(-1000.0, 1000.0, 1000.0), np.array([1, 1, -1]), nn.SoftMarginLoss(reduction="none")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loss(x, t).tolist() == [1000.0, 0.0, 1000.0]
        assert (loss.backward(array(1.5, 2.5, 3.5)) == [-1.5, 0.0, 3.5]).all()


def test_cosine_at_right_angles_of_zero_and_of_equal_vectors() -> None:
    x1 = np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 2, 3], [0, 0, 0]])
    x2 = np.array([[0, 1.0, 0], [0, 2, 0], [1, 2, 3], [3, 2, 1], [0, 0, 0]])
    t = np.array([-1, 1, -1, 0, 1])
    agree("CosineEmbeddingLoss", {"reduction": "none"}, x1, x2, t, predictions=(0, 1))


@pytest.mark.parametrize("t", [1, -1])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_cosine_without_a_batch(t: int, reduction: str) -> None:
    x1, x2 = np.random.default_rng(6).normal(size=(2, 4))
    agree("CosineEmbeddingLoss", {"margin": -0.9, "reduction": reduction}, x1, x2, np.array(t), predictions=(0, 1))


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, math.inf])
def test_triplet_at_the_margin_and_at_distance_0(p: float) -> None:
    a, n = np.array([[0.0, 0.0, 1.0]]), np.array([[0.0, 1.0, 1.0]])
    for negative in (n, a, -n):  # at the kink of max(0, z), at distance 0 from both, and at a tie of the largest entries
        agree("TripletMarginLoss", {"p": p, "eps": 0.0, "reduction": "none"}, a, a, negative, predictions=(0, 1, 2))


def test_triplet_swap_at_a_tie_halves_the_gradient() -> None:
    a, p, n = (np.array([v]) for v in ([0.0, 0.0], [0.0, 1.0], [0.75, 0.5]))
    agree("TripletMarginLoss", {"eps": 0.0, "swap": True, "reduction": "none"}, a, p, n, predictions=(0, 1, 2))


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_triplet_without_a_batch(reduction: str) -> None:
    agree(
        "TripletMarginLoss", {"margin": 3.0, "reduction": reduction}, *np.random.default_rng(7).normal(size=(3, 4)), predictions=(0, 1, 2)
    )


def test_margin_losses_check_their_inputs() -> None:
    x, y = np.zeros((2, 3)), np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"TripletMarginLoss: anchor and negative must have one shape, got \(2, 3\) and \(3, 2\)"):
        nn.TripletMarginLoss()(x, x, y)
    with pytest.raises(ValueError, match="at least 1 axis"):
        nn.TripletMarginLoss()(*[np.array(1.0)] * 3)
    with pytest.raises(NotImplementedError, match=r"TripletMarginLoss: p = 0.5 is not supported"):
        nn.TripletMarginLoss(p=0.5)
    with pytest.raises(ValueError, match="CosineEmbeddingLoss: input1 and input2 must have one shape"):
        nn.CosineEmbeddingLoss()(x, y, np.ones(2, int))
    with pytest.raises(ValueError, match=r"target must have the shape \(2,\) of input1 \(2, 3\) without its last axis, got \(3,\)"):
        nn.CosineEmbeddingLoss()(x, x, np.ones(3, int))
    with pytest.raises(ValueError, match="CosineEmbeddingLoss: input1 must have 1 or 2 axes"):
        nn.CosineEmbeddingLoss()(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)), np.ones((2, 3), int))
    with pytest.raises(ValueError, match="MarginRankingLoss: input1 and target must have one shape"):
        nn.MarginRankingLoss()(x, x, np.ones((2, 1)))


# ---- several classes -----------------------------------------------------------------------------


def test_a_class_that_is_named_twice_counts_twice_and_behind_minus_1_nothing_does() -> None:
    x = np.random.default_rng(8).normal(size=(4, 3))
    t = np.array([[0, 0, -1], [1, -1, 2], [-1, 0, 1], [2, 0, 1]])
    agree("MultiLabelMarginLoss", {"reduction": "none"}, x, t)
    agree("MultiLabelMarginLoss", {}, x[0], t[1])
    agree("MultiLabelMarginLoss", {}, np.array(0.3), np.array(0))


def test_several_classes_at_the_kink_and_far_away() -> None:
    agree("MultiLabelMarginLoss", {"reduction": "none"}, np.array([[1.0, 0.0, 2.0, 1.0]]), np.array([[0, 2, -1, -1]]))
    x = np.array([[-800.0], [800.0], [np.inf], [-np.inf]])
    agree("MultiLabelSoftMarginLoss", {"reduction": "none"}, x, np.array([[0.0], [1.0], [1.0], [0.0]]))
    assert math.isnan(nn.MultiLabelSoftMarginLoss()(array(np.nan, 1.0), np.ones(2)))
    assert math.isnan(nn.MultiLabelMarginLoss()(np.array([1.0, np.nan, 0.5]), np.array([0, -1, -1])))


def test_multi_label_losses_check_their_inputs() -> None:
    x, t = np.zeros((2, 3)), np.zeros((2, 3), int)
    for name in LABELS:
        loss = getattr(nn, name)()
        with pytest.raises(ValueError, match=rf"{name}: input and target must have one shape, got \(2, 3\) and \(2, 2\)"):
            loss(x, t[:, :2])
        with pytest.raises(TypeError, match=f"{name}: input must be floating point"):
            loss(t, t)
        loss.check_nothing_saved()
    margin = nn.MultiLabelMarginLoss()
    with pytest.raises(ValueError, match=r"MultiLabelMarginLoss: input must have 0 or 1 or 2 axes, got shape \(2, 3, 4\)"):
        margin(np.zeros((2, 3, 4)), np.zeros((2, 3, 4), int))
    with pytest.raises(ValueError, match="MultiLabelMarginLoss: input must have at least one class"):
        margin(np.zeros((2, 0)), np.zeros((2, 0), int))
    for wrong in (3, -2):
        with pytest.raises(IndexError, match=r"MultiLabelMarginLoss: target must lie in −1 … 2, got"):
            margin(x, np.array([[0, -1, wrong], [0, 1, 2]]))
    with pytest.raises(TypeError, match="MultiLabelMarginLoss: target must be an array of integers, got float64"):
        margin(x, x)
    with pytest.raises(ValueError, match="MultiLabelSoftMarginLoss: input must have at least 1 axis"):
        nn.MultiLabelSoftMarginLoss()(np.array(1.0), np.array(1.0))
    for weight in (np.ones(2), np.ones((4, 2, 3))):
        with pytest.raises(ValueError, match=r"MultiLabelSoftMarginLoss: weight must broadcast to input \(2, 3\), got"):
            nn.MultiLabelSoftMarginLoss(weight)(x, x)
    with pytest.raises(TypeError, match="MultiLabelSoftMarginLoss: weight must have the layer's dtype float64, got float32"):
        nn.MultiLabelSoftMarginLoss(np.ones(3, np.float32))(x, x)


# ---- CTC -----------------------------------------------------------------------------------------

T, N, C, S = 6, 4, 3, 2


def frames(seed: int = 0, T: int = T) -> np.ndarray:
    """Random log-probabilities (T, N, C)."""
    z = np.random.default_rng(seed).normal(size=(T, N, C))
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def spelled(path: tuple[int, ...], blank: int) -> list[int]:
    """What a path spells: repeats merged, blanks removed."""
    return [c for c, _ in itertools.groupby(path) if c != blank]


@pytest.mark.parametrize("target", [[], [1], [1, 2], [1, 1], [2, 1]])
def test_ctc_is_the_sum_over_all_paths_that_spell_the_target(target: list[int]) -> None:
    log_p = frames(1, T=4)[:, 0]
    paths = [path for path in itertools.product(range(C), repeat=4) if spelled(path, 0) == target]
    P = sum(math.exp(sum(log_p[t, c] for t, c in enumerate(path))) for path in paths)
    loss = nn.CTCLoss(reduction="sum")(log_p, np.array(target, int), 4, len(target))
    assert loss == pytest.approx(-math.log(P), rel=1e-13)


@pytest.mark.parametrize("zero_infinity", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ctc_of_targets_that_do_not_fit_their_frames(zero_infinity: bool, reduction: str) -> None:
    targets, of_inputs, of_targets = np.array([[1, 2], [1, 1], [2, 1], [2, 2]]), (6, 2, 0, 0), (2, 2, 1, 0)
    agree("CTCLoss", {"zero_infinity": zero_infinity, "reduction": reduction}, frames(), targets, of_inputs, of_targets)


def test_ctc_does_not_read_the_padding() -> None:
    a, b = np.array([[1, 2], [1, 0], [2, 0], [0, 0]]), np.array([[1, 2], [1, 77], [2, -1], [99, 5]])
    losses = [nn.CTCLoss(reduction="none")(frames(), targets, (T,) * N, (2, 1, 1, 0)) for targets in (a, b, np.array([1, 2, 1, 2]))]
    assert (losses[0] == losses[1]).all()
    assert (losses[0] == losses[2]).all()


def test_ctc_of_many_frames_does_not_underflow() -> None:
    rng = np.random.default_rng(2)
    agree("CTCLoss", {}, frames(T=700), rng.integers(1, C, (N, 50)), (700, 650, 600, 300), (50, 40, 30, 20), tolerance=1e-10)


@pytest.mark.parametrize(
    ("replaced", "raised", "message"),
    [
        ({"input_lengths": (7, 6, 6, 6)}, ValueError, r"input_lengths must be at least 0 and at most 6, got \[7, 6, 6, 6\]"),
        ({"target_lengths": (2, 2, 2, -1)}, ValueError, r"target_lengths must be at least 0, got \[2, 2, 2, -1\]"),
        ({"target_lengths": (2, 2)}, ValueError, r"target_lengths must have one entry for each of 4 examples, got shape \(2,\)"),
        ({"input_lengths": (6.0,) * 4}, TypeError, "input_lengths must be integers, got float64"),
        ({"targets": np.ones(7, int)}, ValueError, r"targets must have the shape \(4, 2 or more\) or \(8,\) for target_lengths"),
        ({"targets": np.ones((4, 1), int)}, ValueError, r"targets must have the shape \(4, 2 or more\)"),
        ({"targets": np.full((4, 2), 3)}, IndexError, r"targets must lie in 0 … 2 \(classes = 3\), got 3"),
        ({"targets": np.array([[1, 2], [1, 0], [2, 1], [1, 1]])}, ValueError, "targets must not hold the blank, 0"),
        ({"targets": np.ones((4, 2))}, TypeError, "targets must be an array of integers"),
        ({"log_probs": np.zeros((6, 4, 3), int)}, TypeError, "log_probs must be floating point"),
        ({"log_probs": np.zeros(6)}, ValueError, "log_probs must have 2 or 3 axes"),
        ({"log_probs": np.zeros((6, 0, 3))}, ValueError, "log_probs must have an example"),
    ],
)
def test_ctc_names_what_does_not_fit(replaced: dict[str, Any], raised: type[Exception], message: str) -> None:
    inputs = {"log_probs": frames(), "targets": np.ones((N, S), int), "input_lengths": (T,) * N, "target_lengths": (S,) * N}
    with pytest.raises(raised, match=f"CTCLoss: {message}"):
        nn.CTCLoss()(**(inputs | replaced))


def test_ctc_needs_its_blank_among_the_classes() -> None:
    with pytest.raises(ValueError, match="blank = 3 as a class"):
        nn.CTCLoss(blank=3)(frames(), np.ones((N, S), int), (T,) * N, (S,) * N)


INF = math.inf


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("CrossEntropyLoss", {}),
        ("CrossEntropyLoss", {"reduction": "sum"}),
        ("CrossEntropyLoss", {"weight": np.array([1.0, 2.0, 3.0])}),
        ("CrossEntropyLoss", {"label_smoothing": 0.1}),
        ("NLLLoss", {}),
    ],
)
def test_minus_infinity_beside_what_is_ignored_is_torchs_without_a_warning(name: str, options: dict[str, Any]) -> None:
    z, t = np.array([[1.0, -INF, 2.0], [-INF, -INF, -INF], [0.0, 1.0, -INF]]), np.array([0, -100, 1])
    ours = getattr(nn, name)(**options)
    theirs = getattr(torch.nn, name)(**{k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in options.items()})
    leaf = torch.from_numpy(z).requires_grad_()
    expected = theirs(leaf, torch.from_numpy(t))
    expected.backward()
    np.testing.assert_allclose(ours(z, t), expected.item(), rtol=1e-14)
    np.testing.assert_allclose(ours.backward(), leaf.grad, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"])
@pytest.mark.parametrize("dtype", ["int32", "int16"])
def test_classes_are_int64_as_in_torch(name: str, dtype: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: target must hold classes as int64 or uint8, got {dtype}"):
        getattr(nn, name)()(np.zeros((2, 3)), np.zeros(2, dtype))
    with pytest.raises(RuntimeError):
        getattr(torch.nn, name)()(torch.zeros((2, 3)), torch.zeros(2, dtype=getattr(torch, dtype)))
