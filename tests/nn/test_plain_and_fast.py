"""The plain form of a function and its faster one are equal: every registered pair, and every layer with nothing but plain forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import experiments.cases
import manual
from experiments.judge.case import CASES, Case, draw_sizes, failures, judge
from experiments.judge.compare import ONE_STEP, error
from experiments.source.handwriting import import_all
from manual.module import Parameter
from manual.nn import batchnorm, conv, cross_entropy, faster, normalization, pooling, recurrence, sparse
from manual.nn.faster import FASTER, faster_than, fastest, plain_forms
from manual.nn.fold import Windows

import_all(manual)
import_all(experiments.cases)

Plain = Callable[..., Any]
Draw = Callable[..., np.ndarray]


# ---- what the forms are fed with -----------------------------------------------------------------


def rows(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    yield draw(5, 7), 0.01
    yield 3 + 2 * draw(4, 9), 1e-5


def rows_backward(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for x, eps in rows(draw, dtype):
        yield draw(*x.shape), *normalization.standardize(x, eps)


def scaled_rows(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for x, eps in rows(draw, dtype):
        yield x, draw(x.shape[1]), draw(x.shape[1]), eps


def scaled_rows_backward(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for x, weight, bias, eps in scaled_rows(draw, dtype):
        _, mean, std = normalization.normalize_rows(x, weight, bias, eps)
        yield draw(*x.shape), x, mean, std, weight


def rms_backward(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for x, eps in rows(draw, dtype):
        yield draw(*x.shape), *normalization.divide_by_rms(x, eps)


def batches(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for shape in ((7, 3), (4, 3, 5), (2, 3, 4, 5)):
        x = 3 + 2 * draw(*shape)
        along = [batchnorm.along_channels(v, x) for v in (draw(3), draw(3))]
        yield x, *along, 0.01
        yield x, 1.0, 0.0, 0.01


def batches_backward(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for x, weight, bias, eps in batches(draw, dtype):
        _, x_centred, std, *_ = batchnorm.batch_norm(x, weight, bias, eps)
        yield draw(*x.shape), x_centred, std, weight


def steps(draw: Draw, gates: int, states: int) -> Iterator[tuple[Any, ...]]:
    """What `rnn` and its kin take: T = 4 steps of N = 2 examples, I = 5 inputs, H = 3; with and without biases."""
    for learns in (True, False):
        sizes = (gates * 3, 5), (gates * 3, 3), (gates * 3,), (gates * 3,)
        w = recurrence.Weights(*(Parameter(draw(*size) * (learns or len(size) > 1), learns or len(size) > 1) for size in sizes))
        yield draw(4, 2, 5), tuple(draw(2, 3) for _ in range(states)), w


def recurrences(forward: Plain, gates: int, states: int, *options: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The feeds of a recurrence and its backward."""

    def feed(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
        for arguments in steps(draw, gates, states):
            yield from ((*arguments, option) for option in options) if options else [arguments]

    def feed_backward(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
        for x, state, w, *option in feed(draw, dtype):
            hs, last, tape = forward(x, state, w, *option)
            yield draw(*hs.shape), tuple(draw(*s.shape) for s in last), tape, w, *option

    return feed, feed_backward


def logits(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for shape in ((5, 3), (2, 3, 4), (2, 3, 4, 5), (3,)):
        z, axis = 3 * draw(*shape), int(len(shape) > 1)
        t = np.abs(draw(*shape[:axis], *shape[axis + 1 :]) * 7).astype(int) % 3
        t = np.where(t == 2, -100, t) if t.ndim else t  # some examples are left out
        for weight in (None, np.exp(draw(3))):
            at_t, _, w_t = cross_entropy.classes("", z, t, axis, -100, weight)
            yield z, at_t, w_t, axis


def logits_backward(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for z, at_t, w_t, axis in logits(draw, dtype):
        losses, p = cross_entropy.class_losses(z, at_t, w_t, axis)
        yield draw(*losses.shape), p, at_t, w_t, axis


def images(draw: Draw, dtype: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, Windows, int]]:
    """x, W, dL_dy, where the windows stand, groups: of two axes and of one, with strides, padding, dilation and groups."""
    for stride, before, after, dilation, groups in (
        ((1, 1), (0, 0), (0, 0), (1, 1), 1),
        ((2, 3), (1, 2), (1, 2), (1, 1), 1),
        ((1, 2), (3, 0), (2, 1), (2, 3), 1),
        ((2, 1), (1, 1), (1, 1), (1, 2), 3),
        ((1, 1), (1, 0), (0, 1), (1, 1), 4),  # as many groups as filters
        ((2,), (1,), (0,), (3,), 2),
    ):
        windows = Windows((3, 2)[: len(stride)], stride, before, after, dilation)
        filters = 4 if groups == 4 else 4 * groups
        for width in (8, 34):  # of a few windows in a row, and of many
            size = (9, width)[-len(stride) :]
            dL_dy = draw(3, filters, *windows.count("", size))
            yield draw(3, 2 * groups, *size), draw(filters, 2, *windows.kernel_size), dL_dy, windows, groups


def convolved(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for x, W, dL_dy, windows, groups in images(draw, dtype):
        yield x, W, windows, dL_dy.shape[2:], groups


def convolved_weight(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for x, _, dL_dy, windows, groups in images(draw, dtype):
        yield x, dL_dy, windows, groups


def convolved_back(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for x, W, dL_dy, windows, groups in images(draw, dtype):
        yield dL_dy, W, windows, x.shape[2:], groups


def pooled(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for stride, padding, dilation in (((2, 2), (0, 0), (1, 1)), ((1, 2), (1, 1), (2, 1)), ((2,), (1,), (1,))):
        size, kernel = (9, 8)[: len(stride)], (3, 2)[: len(stride)]
        windows = Windows(kernel, stride, padding, padding, dilation)
        count, x = windows.count("", size), draw(2, 3, *size)
        for values in (x, np.round(x), np.where(x > 1, np.nan, x), np.where(x < 1, -np.inf, x)):  # ties, NaN, nothing but −∞
            yield values, windows.taps(size, count), (2, 3, *count)


def pooled_back(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    for stride, padding, dilation in (((2, 2), (0, 0), (1, 1)), ((3, 2), (1, 1), (1, 1)), ((1, 2), (1, 1), (2, 1)), ((2,), (1,), (1,))):
        size, kernel = (9, 8)[: len(stride)], (3, 2)[: len(stride)]
        windows = Windows(kernel, stride, padding, padding, dilation)  # of the second no two overlap
        count = windows.count("", size)
        _, winner = pooling.largest(draw(2, 3, *size), windows.taps(size, count), (2, 3, *count))
        yield draw(2, 3, *count), winner, windows, (2, 3, *size)


def looked_up(draw: Draw, dtype: str) -> Iterator[tuple[Any, ...]]:
    found = np.array([4, 0, 4, 4, 2, 0])
    yield draw(6, 3), found, 5
    yield draw(3, 6).T, found, 7
    yield draw(0, 3), found[:0], 5
    yield draw(60, 2), np.repeat(found, 10), 5  # so many rows of so few numbers that they are added by columns


FEEDS: dict[Plain, Callable[[Draw, str], Iterator[tuple[Any, ...]]]] = {
    normalization.standardize: rows,
    normalization.standardize_backward: rows_backward,
    normalization.normalize_rows: scaled_rows,
    normalization.normalize_rows_backward: scaled_rows_backward,
    normalization.divide_by_rms: rows,
    normalization.divide_by_rms_backward: rms_backward,
    batchnorm.batch_norm: batches,
    batchnorm.batch_norm_backward: batches_backward,
    cross_entropy.class_losses: logits,
    cross_entropy.class_losses_backward: logits_backward,
    conv.correlate: convolved,
    conv.correlate_weight: convolved_weight,
    conv.correlate_transposed: convolved_back,
    pooling.largest: pooled,
    pooling.largest_backward: pooled_back,
    sparse.sum_by_row: looked_up,
}
for _forward, _backward, _sizes in (
    (recurrence.rnn, recurrence.rnn_backward, (1, 1, "tanh", "relu")),
    (recurrence.lstm, recurrence.lstm_backward, (4, 2)),
    (recurrence.gru, recurrence.gru_backward, (3, 1)),
):
    FEEDS[_forward], FEEDS[_backward] = recurrences(_forward, *_sizes)


# ---- the two forms -------------------------------------------------------------------------------


def fed(plain: Plain, dtype: str) -> list[tuple[Any, ...]]:
    """The arguments for this function, the same at each call."""
    rng = np.random.default_rng(5)
    return list(FEEDS[plain](lambda *shape: np.asarray(rng.normal(size=shape)).astype(dtype), dtype))


def arrays(value: Any) -> Iterator[np.ndarray]:
    """All arrays in nested tuples, not those of parameters."""
    if isinstance(value, tuple):
        for v in value:
            yield from arrays(v)
    elif isinstance(value, np.ndarray):
        yield value


def gradients(value: Any) -> Iterator[np.ndarray]:
    """The gradients of all parameters in nested tuples."""
    for v in value if isinstance(value, tuple) else ():
        yield from [v.grad] if isinstance(v, Parameter) else gradients(v)


def ran(form: Plain, arguments: tuple[Any, ...]) -> list[np.ndarray]:
    """What a form returns, and the gradients of the parameters that it was given; the arrays that it was given must be as before."""
    before = [a.copy() for a in arrays(arguments)]
    with np.errstate(invalid="ignore"):
        returned = form(*arguments)
    for a, b in zip(arrays(arguments), before, strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    return [*arrays(returned), *gradients(arguments)]


def test_every_pair_is_fed() -> None:
    assert set(FEEDS) == set(FASTER)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("plain", FASTER, ids=lambda plain: plain.__name__)
def test_the_faster_form_is_the_plain_one(plain: Plain, dtype: str) -> None:
    feeds = fed(plain, dtype)
    assert feeds
    for one, other in zip(feeds, fed(plain, dtype), strict=True):
        for a, b in zip(ran(FASTER[plain], one), ran(plain, other), strict=True):
            assert error(a.astype(b.dtype), b, nonfinite="match") <= ONE_STEP[dtype]


IN_BLOCKS = [plain for plain in FASTER if hasattr(import_module(plain.__module__), "few_at_a_time")]


@pytest.mark.parametrize("plain", IN_BLOCKS, ids=lambda plain: plain.__name__)
def test_two_rows_at_a_time_are_as_good_as_all(plain: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they are fed with is smaller than a block."""
    monkeypatch.setattr(import_module(plain.__module__), "few_at_a_time", lambda x, *_: (slice(n, n + 2) for n in range(0, len(x), 2)))
    test_the_faster_form_is_the_plain_one(plain, "float64")


@pytest.mark.parametrize("plain", FASTER, ids=lambda plain: plain.__name__)
def test_a_pair_stands_in_one_file_the_plain_form_first(plain: Plain) -> None:
    fast = FASTER[plain]
    assert fast.__name__ == f"{plain.__name__}_fast"
    assert fast.__code__.co_filename == plain.__code__.co_filename
    assert fast.__code__.co_firstlineno > plain.__code__.co_firstlineno


PAIRED = {plain.__module__ for plain in FASTER} | {"manual.nn.convtranspose", "manual.nn.instancenorm", "manual.nn.rnn"}


def uses_a_pair(case: Case) -> bool:
    """Whether the class of this case stands in a file with pairs, or in one that calls them."""
    return case.hand is None and getattr(manual.nn, case.name).__module__ in PAIRED


@pytest.mark.parametrize("case", [c for c in CASES if uses_a_pair(c)], ids=str)
def test_layers_of_plain_forms_are_torchs(case: Case) -> None:
    with plain_forms():
        for dtype, tolerance in ONE_STEP.items():
            assert failures(judge(case, draw_sizes(case, np.random.default_rng(2)), 2, dtype), tolerance) == []


# ---- which one is run ----------------------------------------------------------------------------


def test_the_faster_form_is_run_but_inside_of_plain_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faster, "FASTER", {})

    def plain() -> str:
        return "plain"

    assert fastest(plain) is plain

    @faster_than(plain)
    def fast() -> str:
        return "fast"

    assert fastest(plain)() == "fast"
    with plain_forms():
        with plain_forms():
            assert fastest(plain)() == "plain"
        assert fastest(plain)() == "plain"
    assert fastest(plain)() == "fast"
    with suppress(KeyError), plain_forms():
        raise KeyError
    assert fastest(plain)() == "fast"
