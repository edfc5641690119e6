"""float16 is computed in float32 and rounded, by every class of manual.nn, as by torch; a gradient must be like its output."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import experiments.cases
from experiments.judge.case import CASES, Case, Pair, cast, draw_sizes, flat, like
from experiments.source.handwriting import import_all
from manual import nn
from manual.module import Module, Parameter
from manual.nn.utils import clip_grad_norm_

import_all(experiments.cases)

LAYERS = [name for name, cls in vars(nn).items() if isinstance(cls, type) and issubclass(cls, Module) and not name.startswith("_")]
CONTAINERS = [n for n in LAYERS if getattr(nn, n).__module__ in ("manual.nn.container", "manual.nn.parameters")]  # they only hold
HALF = torch.float16


def walked(module: Module, inputs: list[Any], call: Any, upstreams: list[np.ndarray]) -> list[Any]:
    """Outputs, gradients of inputs, gradients of parameters and buffers."""
    y = module(*inputs, **call)
    back = module.backward(like(y, [u if u.ndim else u[()] for u in upstreams]))
    return [*flat(y), *flat(back), *(p.grad for p in module.parameters()), *(b for _, b in module.named_buffers())]


@pytest.mark.parametrize("case", [c for c in CASES if c.hand is None and c.name not in CONTAINERS], ids=str)
def test_it_is_float32_rounded(case: Case) -> None:
    sizes = draw_sizes(case, np.random.default_rng(1))
    narrow, wide = (Pair(case, sizes, 1, dtype) for dtype in ("float16", "float32"))
    wide.hand.load_state_dict(narrow.state)
    inputs, call = narrow.inputs()
    rng, outputs = np.random.default_rng(2), flat(wide.hand(*[widened(x) for x in inputs], **{k: widened(v) for k, v in call.items()}))
    upstreams = [np.asarray(rng.normal(size=np.shape(y)), np.float16) for y in outputs]
    wide = Pair(case, sizes, 1, "float32")
    wide.hand.load_state_dict(narrow.state)
    found = walked(narrow.hand, inputs, call, upstreams)
    expected = walked(
        wide.hand, [widened(x) for x in inputs], {k: widened(v) for k, v in call.items()}, [u.astype(np.float32) for u in upstreams]
    )
    for ours, exact in zip(found, expected, strict=True):
        if exact is None:
            assert ours is None
        elif np.asarray(exact).dtype == np.float32:
            assert ours.dtype == np.float16
            with np.errstate(over="ignore"):
                np.testing.assert_allclose(ours, np.asarray(exact).astype(np.float16), rtol=2**-10, atol=2e-6)  # one unit in the last place


def widened(value: Any) -> Any:
    """float16 as float32."""
    if isinstance(value, tuple):
        return tuple(cast(v, "float32") for v in value)
    return cast(value, "float32")


def test_every_class_is_judged() -> None:
    assert set(LAYERS) - {c.name for c in CASES if c.hand is None} <= {*CONTAINERS, "ScaledDotProductAttention", "MultiheadAttention"} | {
        c.name for c in CASES
    }


x = np.array([[300.0, -300.0, 300.0, -300.0]], np.float16)
many, zeros, ones = np.full(100_000, 2, np.float16), np.zeros(100_000, np.float16), np.ones(100_000, np.float16)
LARGE: dict[str, tuple[Callable[[Any], Any], tuple[np.ndarray, ...]]] = {
    "LayerNorm": (lambda m: m.LayerNorm(4), (x,)),
    "RMSNorm": (lambda m: m.RMSNorm(4), (x,)),
    "RMSNorm of small numbers": (lambda m: m.RMSNorm(2), (np.array([[1e-3, -1e-3]], np.float16),)),
    "GroupNorm": (lambda m: m.GroupNorm(1, 4), (x,)),
    "BatchNorm1d": (lambda m: m.BatchNorm1d(1), (x.T.copy(),)),
    "InstanceNorm1d": (lambda m: m.InstanceNorm1d(1), (x[None],)),
    "AvgPool2d": (lambda m: m.AvgPool2d(100), (np.ones((1, 100, 100), np.float16),)),
    "AdaptiveAvgPool2d": (lambda m: m.AdaptiveAvgPool2d(1), (np.ones((1, 100, 100), np.float16),)),
    "Softmax": (lambda m: m.Softmax(0), (zeros,)),
    "MSELoss": (lambda m: m.MSELoss(), (many, zeros)),
    "L1Loss": (lambda m: m.L1Loss(), (many, zeros)),
    "HuberLoss": (lambda m: m.HuberLoss(), (many, zeros)),
    "SmoothL1Loss": (lambda m: m.SmoothL1Loss(), (many, zeros)),
    "BCEWithLogitsLoss": (lambda m: m.BCEWithLogitsLoss(), (-many, ones)),
    "SoftMarginLoss": (lambda m: m.SoftMarginLoss(), (many, -ones)),
    "Linear": (lambda m: m.Linear(4096, 1, bias=False), (np.ones((1, 4096), np.float16),)),
}


@pytest.mark.parametrize("name", LARGE)
def test_reductions_do_not_overflow_as_in_torch(name: str) -> None:
    build, inputs = LARGE[name]
    ours, theirs = build(Half()), build(torch.nn).to(HALF)
    for name, p in theirs.named_parameters():
        p.data.fill_(name == "weight")
    ours.load_state_dict({key: np.ones_like(value) if key == "weight" else value for key, value in ours.state_dict().items()})
    expected = theirs(*map(torch.from_numpy, inputs)).detach().float().numpy()
    np.testing.assert_allclose(np.float32(ours(*inputs)), expected, rtol=2e-3, atol=2e-6)


def test_logarithms_of_long_sums_are_right_where_torchs_are_not() -> None:
    """torch 2.13 on a CPU has −∞ and 0 here: it rounds what it adds up."""
    np.testing.assert_allclose(np.float32(nn.LogSoftmax(0)(zeros)), -math.log(100_000), rtol=1e-3)
    loss = nn.CrossEntropyLoss(np.full(2, 2, np.float16))(np.zeros((70_000, 2), np.float16), np.zeros(70_000, np.int64))
    assert float(loss) == pytest.approx(math.log(2), rel=1e-3)


class Half:
    """manual.nn, its layers in float16."""

    def __getattr__(self, name: str) -> Any:
        def build(*args: Any, **kwargs: Any) -> Any:
            try:
                return getattr(nn, name)(*args, **kwargs, dtype=np.float16)
            except TypeError:
                return getattr(nn, name)(*args, **kwargs)

        return build


def test_long_sums_of_gradients_are_not_kept_in_float16() -> None:
    layer = nn.Embedding(1, 1, dtype=np.float16)
    layer(np.zeros(4096, np.int64))
    layer.backward(np.ones((4096, 1), np.float16))  # one by one in float16 the sum would stop at 2048
    assert layer.weight.grad.tolist() == [[4096]]
    assert layer.weight.grad.dtype == np.float16


@pytest.mark.parametrize("g", [[300.0], [300.0, -400.0], [1e-6, 0.0]])
def test_clipping_is_torchs(g: list[float]) -> None:
    p, q = Parameter(np.zeros(len(g), np.float16)), torch.nn.Parameter(torch.zeros(len(g), dtype=HALF))
    p.grad, q.grad = np.array(g, np.float16), torch.tensor(g, dtype=HALF)
    total, theirs = clip_grad_norm_([p], 1.0), torch.nn.utils.clip_grad_norm_([q], 1.0)
    np.testing.assert_allclose(np.float32(total), theirs.float(), rtol=1e-3)
    np.testing.assert_allclose(np.float32(p.grad), q.grad.float(), rtol=2e-3)
    assert p.grad.dtype == np.float16


def test_a_norm_beyond_float16_clips_all_the_same() -> None:
    p = Parameter(np.zeros(100_000, np.float16))
    p.grad = np.full(100_000, 300, np.float16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        total = clip_grad_norm_([p], 1000.0)
    assert math.isinf(total)  # in float16, in which torch returns it too
    np.testing.assert_allclose(np.float32(p.grad), 1000 / math.sqrt(100_000), rtol=1e-3)


def test_what_is_beyond_float16_becomes_infinite_without_a_warning() -> None:
    layer = nn.Linear(1, 1, bias=False, dtype=np.float16)
    layer.weight[...] = 300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(layer(np.full((1, 1), 300, np.float16)))
        layer.backward(np.full((1, 1), 300, np.float16))
    assert np.isinf(layer.weight.grad)


def test_dtypes_are_not_mixed() -> None:
    half, wide = np.ones((1, 2), np.float16), np.ones((1, 2), np.float32)
    for layer, given in ((nn.Linear(2, 2, dtype=np.float32), half), (nn.Linear(2, 2, dtype=np.float16), wide)):
        with pytest.raises(TypeError, match="Linear: x must have the layer's dtype"):
            layer(given)
    for pair in ((half, wide), (wide, half)):
        with pytest.raises(TypeError, match="MSELoss: target must have the layer's dtype"):
            nn.MSELoss()(*pair)


@pytest.mark.parametrize(
    ("dL_dy", "kind", "words"),
    [
        (1.0, TypeError, "dL_dy must be a NumPy array, got float"),
        (np.ones((3, 2), np.float32), TypeError, "dL_dy must have the layer's dtype float64, got float32"),
        (np.ones((3, 2), np.int64), TypeError, "dL_dy must have the layer's dtype float64, got int64"),
        (np.ones((1, 2)), ValueError, r"dL_dy and y must have one shape, got \(1, 2\) and \(3, 2\)"),
        (np.ones((3, 2, 1)), ValueError, r"dL_dy and y must have one shape, got \(3, 2, 1\) and \(3, 2\)"),
    ],
)
@pytest.mark.parametrize(
    "layer", [nn.Linear(2, 2), nn.ReLU(), nn.Softmax(1), nn.LayerNorm(2), nn.MSELoss(reduction="none")], ids=lambda m: type(m).__name__
)
def test_a_gradient_that_is_not_like_its_output_is_refused(layer: Module, dL_dy: Any, kind: type[Exception], words: str) -> None:
    inputs = [np.ones((3, 2))] * (2 if isinstance(layer, nn.MSELoss) else 1)
    layer(*inputs)
    with pytest.raises(kind, match=rf"{type(layer).__name__}.backward: {words}"):
        layer.backward(dL_dy)
    layer.forget()
    layer(*inputs)
    layer.backward(np.ones((3, 2)))
