"""The one error measure, its digits, and the judge of a trajectory."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import (
    CEILING,
    KINDS,
    NOTHING,
    ONE_STEP,
    SMALL,
    Judge,
    Step,
    Usual,
    as_array,
    digits,
    each_by_itself,
    error,
    errors,
    norm,
    order_of,
    tensors_of,
)
from experiments.judge.convert import to_numpy, to_torch

INF, NAN = math.inf, math.nan
DTYPES = ("float64", "float32")

# ---- the error -------------------------------------------------------------------------------------


def test_the_error_is_relative_to_torchs_tensor() -> None:
    a, b = np.array([3.0, 4.5, 0.0]), np.array([3.0, 4.0, 0.0])
    assert error(a, b) == 0.5 / 5
    assert error(b, a) == 0.5 / norm([a]) != error(a, b)
    assert error(1e200 * a, 1e200 * a) == 0


def test_it_is_taken_in_float64() -> None:
    a = np.full(1000, 1 + 2**-20, np.float32)
    assert error(a, np.ones(1000, np.float32)) == pytest.approx(2**-20, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_small_tensor_is_measured_against_the_whole_that_it_is_part_of(dtype: str) -> None:
    a, b = np.array([2e-6], dtype), np.array([1e-6], dtype)
    assert error(a, b) == pytest.approx(1, rel=1e-6)
    assert error(a, b, whole=4.0) == pytest.approx(1e-6 / (4 * SMALL[dtype]), rel=1e-6)
    assert error(a, b, whole=1e-7) == pytest.approx(1, rel=1e-6)  # b itself is the larger one


def test_zero_over_zero_is_zero_and_anything_else_over_zero_is_not() -> None:
    zero = np.zeros(3)
    assert error(zero, zero) == 0
    assert error(zero, zero, whole=0.0) == 0
    assert error(np.full(3, 1e-300), zero) == INF  # the square is 0 as well, but not the number
    assert error(np.ones(3), zero) == INF
    assert error(np.ones(3), zero, whole=1.0) == math.sqrt(3) / SMALL["float64"]
    assert error(np.zeros((0, 3)), np.zeros((0, 3))) == 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((3, 1)), np.ones(3)),
        (np.ones((1, 3)), np.ones((3, 1))),
        (np.ones(()), np.ones(1)),
        (np.ones((0, 3)), np.ones((0, 2))),
        (np.ones(3, np.float32), np.ones(3)),
        (np.ones(3, np.int64), np.ones(3)),
        (np.ones(3, np.int32), np.ones(3, np.int64)),
        (np.ones(3, bool), np.ones(3, np.int64)),
    ],
)
def test_other_shapes_and_dtypes_are_never_equal(a: np.ndarray, b: np.ndarray) -> None:
    assert error(a, b) == error(b, a) == INF
    assert error(a, b, nonfinite="match") == INF


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_and_booleans_must_be_equal(dtype: Any) -> None:
    a = np.array([1, 0, 1], dtype)
    assert error(a, a.copy(), whole=1e9) == 0
    assert error(a, 1 - a.astype(np.int64).astype(dtype) if dtype is not bool else ~a, whole=1e9) == INF
    assert error(np.array(2**53, np.int64), np.array(2**53 + 1, np.int64)) == INF  # which are equal as floats


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("odd", [NAN, INF, -INF])
def test_what_is_not_finite_is_equal_only_where_asked_and_in_kind_sign_and_place(odd: float, dtype: str) -> None:
    a = np.array([1, odd, 2], dtype)
    assert error(a, a) == INF
    assert error(a, a, nonfinite="match") == 0
    one_off = np.array([1, odd, 2.5], dtype)
    assert error(one_off, a, nonfinite="match") == pytest.approx(0.5 / math.sqrt(5))
    for other in (NAN, INF, -INF, 0.0):
        b = np.array([1, other, 2], dtype)
        same = other == odd or (math.isnan(other) and math.isnan(odd))
        assert (error(a, b, nonfinite="match") == 0) == same
        assert error(a, b) == error(b, a) == INF
    assert error(a, np.roll(a, 1), nonfinite="match") == INF


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-160, 1e160, 8.5e307])
def test_numbers_whose_squares_cannot_be_held_are_told_apart(size: float) -> None:
    a = np.array([size, 0.0])
    assert error(a, a) == 0
    assert error(2 * a, a) == pytest.approx(1)
    assert error(a, 2 * a) == pytest.approx(0.5)
    assert error(2 * a, a, whole=size) == pytest.approx(1)
    assert error(-2 * a, a, nonfinite="match") == pytest.approx(3)
    assert errors({"a": a, "b": np.ones(2)}, {"a": a, "b": np.ones(2) + 1e-9 * (size > 1)})["b"] == pytest.approx(1e-9 * (size > 1))


def test_torch_tensors_parameters_and_numbers_are_taken_as_they_are() -> None:
    assert error(np.ones(3), torch.nn.Parameter(torch.ones(3, dtype=torch.float64))) == 0
    assert error(np.float32(2), torch.tensor(2.0)) == 0
    array = np.ones(3)
    assert as_array(array) is array


def test_a_key_that_only_one_side_has_is_an_infinite_error() -> None:
    a, b = {"W": np.ones(3), "mine": np.ones(1)}, {"theirs": np.ones(2), "W": np.ones(3)}
    assert errors(a, b) == {"theirs": INF, "W": 0, "mine": INF}


def test_the_whole_of_a_dict_is_all_of_torchs_tensors() -> None:
    b = {"large": np.array([3.0, 4.0]), "small": np.array([1e-9])}
    a = {**b, "small": np.array([2e-9])}
    assert errors(a, b)["small"] == pytest.approx(1e-9 / (5 * SMALL["float64"]))
    assert errors(a, b, whole=0.0)["small"] == pytest.approx(1)


def test_digits_lie_between_none_and_what_the_dtype_holds() -> None:
    assert digits(0.0) == digits(1e-30) == pytest.approx(15.65, abs=0.01)
    assert digits(0.0, "float32") == pytest.approx(6.92, abs=0.01)
    assert digits(1e-8) == pytest.approx(8)
    assert [f"{digits(e):.1f}" for e in (1.0, 50.0, INF, NAN)] == ["0.0"] * 4


def test_what_is_tolerated_is_far_from_what_bugs_do_and_above_rounding() -> None:
    for dtype in DTYPES:
        eps = float(np.finfo(dtype).eps)
        assert 4 * eps < SMALL[dtype] * ONE_STEP[dtype] < 10 * eps  # a part is not asked for less than rounding of the whole
        assert ONE_STEP[dtype] < CEILING[dtype] < 0.01


# ---- the judge -------------------------------------------------------------------------------------


def step(loss: float = 1.0, W: float = 1.0, dL_dW: float = 1.0, **more: Any) -> Step:
    """A step of a model with two parameters, W and b, of different sizes."""
    gradient = {"W": np.array([dL_dW, -2.0]), "b": np.array([0.5])}
    parameter = {"W": np.array([W, 3.0]), "b": np.array([-1.0])}
    return Step(loss, gradient, parameter, **more)


def judged(*pairs: tuple[Step, Step] | tuple[Step, Step, Step], **arguments: Any) -> Judge:
    """A judge that has seen these steps, and convicts whatever is beyond."""
    judge = Judge(**arguments)
    for number, these in enumerate(pairs):
        if (found := judge.step(number, *these)).beyond:
            judge.convict(found)
    return judge


def test_equal_trajectories_pass_and_no_trajectory_does_not() -> None:
    assert not Judge().passed
    judge = judged((step(), step()), (step(0.5), step(0.5)))
    assert judge.passed
    assert judge.steps == 2
    assert judge.digits == digits(0)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda e: {"loss": 1 + e}, "the loss"),
        (lambda e: {"dL_dW": 1 + e * norm([[1, 2, 0.5]])}, "gradient W"),  # W itself is shorter than W and b together, but not small
        (lambda e: {"W": 1 + e * norm([[1, 3]])}, "parameter W"),
        (lambda e: {"buffer": {"n.mean": np.array([1.0 + e])}}, "buffer n.mean"),
        (lambda e: {"state": {"exp_avg": {"b": np.array([1.0 + e])}}}, "optimizer state b.exp_avg"),
    ],
)
def test_each_kind_is_convicted_a_little_beyond_what_is_tolerated_and_not_a_little_below(change: Any, what: str) -> None:
    def of(e: float) -> Step:
        return step(**({"buffer": {"n.mean": np.array([1.0])}, "state": {"exp_avg": {"b": np.array([1.0])}}} | change(e)))

    assert judged((of(0), of(0)), (of(0.8e-12), of(0))).failure is None
    failure = judged((of(0), of(0)), (of(1.2e-12), of(0)), (of(1), of(0))).failure or ""
    assert failure.startswith(f"step 1: {what} differs by 1.2e-12, tolerated 1.0e-12")


def test_the_tensor_that_is_furthest_beyond_is_named_among_what_is_computed_first() -> None:
    def of(e: float, W: float, dL_dW: float, dL_db: float) -> Step:
        gradient = {"W": np.full(3, dL_dW), "b": np.full(2, dL_db)}
        return Step(e, gradient, {"W": np.full(3, W)}, state={"exp_avg_sq": {n: g**2 for n, g in gradient.items()}})

    right = of(1.0, 1.0, 1.0, 1.0)
    assert judged((of(1.0, 7.0, 1.01, 1.1), right)).failure == "step 0: gradient b differs by 1.0e-01, tolerated 1.0e-12"
    assert judged((of(1.01, 7.0, 1.01, 1.1), right)).failure == "step 0: the loss differs by 1.0e-02, tolerated 1.0e-12"


@pytest.mark.parametrize("kind", ["gradient", "parameter", "buffer"])
def test_what_only_one_side_has_is_convicted(kind: str) -> None:
    with_b = {"gradient": {}, "parameter": {}, "buffer": {}} | {kind: {"W": np.ones(3), "b": np.ones(2)}}
    without = {**with_b, kind: {"W": np.ones(3)}}
    for pair in ((with_b, without), (without, with_b)):
        failure = judged((Step(1.0, **pair[0]), Step(1.0, **pair[1]))).failure
        assert failure == f"step 0: {kind} b is missing {'in torch' if pair[0] is with_b else 'by hand'}"


def test_state_that_only_one_side_has_is_convicted() -> None:
    adam, sgd = step(state={"exp_avg": {"W": np.ones(2)}}), step()
    assert judged((adam, sgd)).failure == "step 0: optimizer state W.exp_avg is missing in torch"
    assert judged((sgd, adam)).failure == "step 0: optimizer state W.exp_avg is missing by hand"


@pytest.mark.parametrize("odd", [NAN, INF])
def test_nothing_equals_a_number_that_is_not_finite(odd: float) -> None:
    assert judged((step(odd), step(odd))).failure == "step 0: the loss is not finite on either side"
    assert judged((step(odd), step())).failure == "step 0: the loss is not finite by hand"
    assert judged((step(), step(W=odd))).failure == "step 0: parameter W is not finite in torch"
    assert judged((step(W=odd), step(W=odd))).failure == "step 0: parameter W is not finite on either side"
    healed = judged((step(), step()), (step(W=odd), step(W=odd)), (step(), step(W=1.5)))
    assert math.isfinite(healed.largest["parameter"])  # or everything would be small beside it


@pytest.mark.parametrize(
    ("hand", "torch", "words"),
    [
        ({"l": [1.0], "x": [2.0]}, {"l": [1.0]}, "metric x is missing in torch"),
        ({"l": [1.0]}, {"l": [1.0], "x": [2.0]}, "metric x is missing by hand"),
        ({"l": [1.0, 1.0]}, {"l": [1.0]}, "metric l was logged 2 times by hand and 1 times in torch"),
        ({"l": [1.0, 2.0]}, {"l": [1.0, 2.1]}, "metric l differs by 4.8e-02, tolerated 1.0e-12"),  # 0.1 of 2.1
        ({"l": [1.0, NAN]}, {"l": [1.0, 2.0]}, "metric l is not finite by hand"),
    ],
)
def test_what_is_logged_must_be_logged_by_both_as_often_and_be_the_same(hand: Any, torch: Any, words: str) -> None:
    judge = Judge()
    assert judge.metrics("step 3", hand, torch).beyond == f"step 3: {words}"
    assert judge.metrics("step 4", torch, torch).beyond is None


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), "has shape (2, 3) by hand and (3, 2) in torch"),
        (np.ones(2, np.float32), np.ones(2), "is float32 by hand and float64 in torch"),
        (np.array([1, INF]), np.ones(2), "is not finite by hand"),
        (np.ones(2), np.array([1, NAN]), "is not finite in torch"),
        (np.array([1, NAN]), np.array([1, INF]), "is not finite on either side"),
        (np.asarray(3), np.asarray(4), "is 3 by hand and 4 in torch"),
        (np.array([3.0, 4.5]), np.array([3.0, 4.0]), "differs by 1.0e-01, tolerated 1.0e-12"),
    ],
)
def test_every_way_to_differ_has_its_words(a: Any, b: Any, words: str) -> None:
    step = {"loss": 1.0, "gradient": {}, "parameter": {}}
    found = Judge().step(7, Step(**step, buffer={"count": a}), Step(**step, buffer={"count": b}))
    assert found.beyond == f"step 7: buffer count {words}"


def test_near_convergence_a_gradient_is_measured_against_the_largest_that_there_was() -> None:
    def small(e: float) -> Step:
        return Step(1.0, {"W": np.full(2, 1e-8 + e)}, {})

    first = Step(1.0, {"W": np.full(2, 1.0)}, {})
    assert not judged((small(1e-16), small(0))).passed
    assert judged((first, first), (small(1e-16), small(0))).passed
    assert not judged((first, first), (small(1e-14), small(0))).passed


def test_a_loss_is_measured_against_the_mean_of_those_before() -> None:
    pairs = [(step(1.0), step(1.0))] * 9 + [(step(1e-9 + 5e-14), step(1e-9))]
    assert judged(*pairs).passed
    assert judged(*pairs).error("loss") == pytest.approx(5e-14 / 0.9)
    assert not judged(pairs[-1]).passed


def test_the_shadow_says_how_much_is_tolerated_and_the_ceiling_how_much_never() -> None:
    def shadowed(hand: float, shadow: float) -> Judge:
        return judged((step(W=1 + hand), step(), step(W=1 + hand + shadow)))

    size = norm([[1, 3]])
    assert not shadowed(5e-11, 0).passed
    assert not shadowed(5e-11, 4e-12).passed
    judge = shadowed(5e-11, 6e-12)
    assert judge.passed
    assert judge.tolerance == pytest.approx(10 * 6e-12 / size, rel=1e-3)
    assert shadowed(0, 0.5).tolerance == CEILING["float64"]
    assert not shadowed(1.1 * CEILING["float64"] * size, 0.5).passed


def test_what_the_shadow_allows_a_kind_it_allows_only_that_kind() -> None:
    assert not judged((step(1 + 1e-10), step(1), step(1 + 1e-10, W=1.5))).passed


def test_the_shadow_allows_what_came_after_it_too_until_a_new_window_begins() -> None:
    judge = Judge()
    assert judge.step(0, step(), step(), step(W=1 + 1e-10)).beyond is None
    assert judge.step(1, step(W=1 + 1e-10), step(), step(W=1 + 1e-10)).beyond is None
    assert not judge.exhausted
    assert judge.step(2, step(), step(), step(W=1 + 1e-8)).beyond is None
    assert judge.exhausted  # a tenth of the ceiling
    judge.new_window()
    assert (judge.windows, judge.exhausted) == (2, False)
    assert judge.step(3, step(W=1 + 1e-10), step(), step(W=1 + 1e-10)).beyond is not None


def test_a_parameter_without_gradient_by_mathematics_is_judged_by_its_gradient_alone() -> None:
    def of(value: float, gradient: float) -> Step:
        state = {"exp_avg": {"k.bias": np.array([value]), "k.bias_too": np.array([1.0])}}
        of_both = {"k.bias": np.array([gradient]), "k.bias_too": np.array([1.0])}
        return Step(1.0, of_both, {"k.bias": np.array([value]), "k.bias_too": np.array([1.0])}, state=state)

    declared = {"zero_gradient": ["k.bias"]}
    assert not judged((of(2, 0), of(1, 0))).passed
    assert judged((of(2, 0), of(1, 0)), **declared).passed
    assert judged((of(2, 1e-17), of(1, -1e-17)), **declared).passed
    assert not judged((of(2, 1e-3), of(1, 0)), **declared).passed
    longer = Step(1.0, {}, {"k.bias_too": np.array([2.0])}), Step(1.0, {}, {"k.bias_too": np.array([1.0])})
    assert not judged(longer, **declared).passed  # a longer name is another parameter


def test_buffers_are_measured_among_those_of_their_name_and_counts_must_be_equal() -> None:
    def of(mean: float, count: int) -> Step:
        return Step(
            1.0, {}, {}, {"1.mean": np.array([1e-9 * mean]), "2.mean": np.ones(2), "1.var": np.array([1e9]), "1.count": np.array(count)}
        )

    assert judged((of(1 + 1e-7, 5), of(1, 5))).passed
    assert "buffer 1.mean" in (judged((of(2, 5), of(1, 5))).failure or "")
    assert judged((of(1, 5), of(1, 6))).failure == "step 0: buffer 1.count is 5 by hand and 6 in torch"


def test_the_first_failure_stays_and_the_worst_of_every_tensor_is_kept() -> None:
    judge = judged((step(W=1 + 1e-14), step()), (step(1.5), step()), (step(W=7.0), step()), (step(), step()))
    assert judge.failure == "step 1: the loss differs by 5.0e-01, tolerated 1.0e-12"
    assert judge.error("loss") == 0.5
    assert judge.error("parameter") == judge.worst["parameter"]["W"] == pytest.approx(6 / norm([[1, 3]]))
    assert judge.worst["parameter"]["b"] == 0
    assert judge.steps == 4
    assert judge.digits == 0


def test_float32_is_judged_by_its_own_rounding() -> None:
    def of(e: float) -> Step:
        return Step(1.0, {"W": np.array([1 + e, 2], np.float32)}, {})

    assert judged((of(1e-5), of(0)), dtype="float32").passed
    assert not judged((of(3e-5), of(0)), dtype="float32").passed


def test_a_judge_goes_on_where_a_checkpoint_left_off() -> None:
    pairs: list[Any] = [(step(1 + 1e-14 * i, W=1 + 1e-13 * i), step(), step(W=1 + 1e-12 * i)) for i in range(6)]
    pairs += [(step(W=2.0), step(), step()), (step(W=1 + 1e-9), step(W=INF), step())]
    whole, first = judged(*pairs, zero_gradient=["b"]), judged(*pairs[:3], zero_gradient=["b"])
    file = io.BytesIO()
    torch.save(to_torch(first.state_dict()), file)
    file.seek(0)
    second = Judge()
    second.load_state_dict(to_numpy(torch.load(file, weights_only=True)))
    for number, these in enumerate(pairs[3:], start=3):
        if (found := second.step(number, *these)).beyond:
            second.convict(found)
    assert vars(second) == vars(whole)
    assert not second.passed


@pytest.mark.parametrize("foretold", [True, False])
def test_one_more_look_is_measured_as_the_first_was_and_remembers_nothing_else(foretold: bool) -> None:
    judge = Judge("float32", ["b"], foretold)
    judge.raise_floor(1e-4)
    step = Step(3.0, {"W": np.full(4, 2.0, np.float32), "b": np.ones(1, np.float32)}, {})
    judge.step(0, step, step)
    judge.metrics("step 0", {"l": [5.0]}, {"l": [5.0]})
    judge.convict("so")
    again = judge.same_measure()
    assert (again.dtype, again.zero_gradient, again.foretold, again.floor) == ("float32", frozenset(["b"]), foretold, judge.floor)
    assert again.largest == judge.largest
    assert again.sums == judge.sums
    assert (again.steps, again.failure, again.worst["gradient"]) == (0, None, {})
    again.step(1, replace(step, gradient={"W": 9 * step.gradient["W"]}), replace(step, gradient={"W": 9 * step.gradient["W"]}))
    again.metrics("step 1", {"l": [7.0]}, {"l": [7.0]})
    assert again.largest != judge.largest  # what it sees is its own
    assert again.sums != judge.sums


def test_a_judge_tells_what_it_is_and_has_seen_nothing() -> None:
    for dtype in DTYPES:
        judge = Judge(dtype)
        assert (judge.steps, judge.windows, judge.failure, judge.actions, judge.undecidable, judge.first) == (0, 1, None, 0, 0, True)
        assert (judge.floor, judge.tolerance, judge.furthest) == (ONE_STEP[dtype], ONE_STEP[dtype], 0.0)
        assert judge.worst == {kind: {} for kind in KINDS}
        assert (judge.usual(), judge.passed, judge.exhausted) == (NOTHING, False, False)


def test_a_floor_is_ten_times_what_rounding_does_and_may_lie_above_the_ceiling_until_the_window_ends() -> None:
    judge = Judge()
    assert (judge.raise_floor(1e-14), judge.floor) == (False, 1e-12)
    assert (judge.raise_floor(1e-11), judge.floor) == (True, pytest.approx(1e-10))
    assert judge.tolerated("loss") == judge.floor
    judge.raise_floor(1e-7)
    assert CEILING["float64"] < 1e-6
    assert [judge.tolerated(kind) for kind in KINDS] == [pytest.approx(1e-6)] * len(KINDS)
    judge.new_window()
    assert (judge.floor, judge.tolerated("loss")) == (1e-12, 1e-12)


def test_what_was_beyond_is_decided_again_once_the_floor_is_raised() -> None:
    judge = Judge()
    found = judge.step(0, step(W=1 + 1e-11), step())
    assert (found.beyond or "").startswith("step 0: parameter W differs by 3.2e-12, tolerated 1.0e-12")
    assert (found.worst("parameter"), found.worst("metric")) == (pytest.approx(1e-11 / norm([[1, 3]]), rel=1e-3), 0.0)
    assert judge.worst["parameter"] == {}  # nothing counts yet
    assert judge.first
    judge.raise_floor(1e-12)
    again = judge.review(found)
    assert again.beyond is None
    assert (judge.error("parameter"), judge.tolerance, judge.first) == (found.worst("parameter"), pytest.approx(1e-11), False)


def test_where_nothing_is_foretold_the_first_step_of_a_window_is_judged_and_a_tenth_of_the_ceiling_closes_it() -> None:
    judge = Judge(foretold=False)
    assert judge.metrics("before", {"l": [1.0]}, {"l": [1.0]}).beyond is None
    assert judge.tolerated("gradient") == 1e-12  # until a step was accepted
    assert judge.step(0, step(), step()).beyond is None
    assert judge.tolerated("gradient") == CEILING["float64"]
    assert judge.step(1, step(1 + 9e-10), step()).beyond is None
    assert not judge.exhausted
    assert judge.step(2, step(1 + 1.1e-9), step()).beyond is None
    assert judge.exhausted
    judge.new_window()
    assert (judge.tolerated("gradient"), judge.exhausted, judge.furthest) == (1e-12, False, 0.0)
    assert judge.step(3, step(1 + 1e-11), step()).beyond is not None


def test_of_several_optimizers_each_is_measured_among_its_own_and_the_smallest_is_what_is_usual() -> None:
    judge = Judge()
    for optimizer, size in ((0, 100.0), (1, 1.0), (0, 200.0), (1, 3.0)):
        of = Step(-size, {"W": np.array([size])}, {}, optimizer=optimizer, state={"v": {"W": np.array([size])}})
        assert judge.step(0, of, of).beyond is None
    assert judge.usual() == Usual(2.0, 3.0)
    assert {key: size for key, size in judge.largest.items() if key != "parameter"} == {
        f"{kind} {optimizer}{name}": size
        for optimizer, size in ((0, 200.0), (1, 3.0))
        for kind, name in (("gradient", ""), ("state v", ""), ("state v", " W"))
    }
    small = [Step(1e-9 + e, {"W": np.array([1e-9 + e])}, {}, optimizer=1) for e in (1e-15, 0)]
    found = judge.step(5, *small).found
    assert found["loss"]["loss"] == pytest.approx(1e-15 / (4 / 3), rel=1e-3)
    assert found["gradient"]["W"] == pytest.approx(1e-15 / (3e-3), rel=1e-3)


def test_the_mean_of_what_was_logged_is_over_what_is_finite_and_of_absolute_values() -> None:
    judge = Judge()
    judge.metrics("step 0", {"l": [-4.0, 2.0]}, {"l": [-4.0, 2.0]})
    judge.metrics("step 1", {"l": [NAN]}, {"l": [NAN]})
    assert judge.sums == {"metric l": [6.0, 3.0]}
    assert judge.metric_errors({"l": [0.5]}, {"l": [0.0]}) == {"l": 0.25}
    assert judge.metric_errors({"l": [6.0]}, {"l": [5.0]}) == {"l": 0.2}
    assert judge.metric_errors({"l": [5.0, 5.5], "mine": [1.0]}, {"new": [], "l": [5.0, 5.0]}) == {"new": INF, "l": 0.1, "mine": INF}


def test_what_a_shadow_logs_allows_metrics_and_what_it_makes_of_a_rollout_allows_that() -> None:
    for judged_by, kind in ((Judge.metrics, "metric"), (Judge.rollout, "rollout")):
        judge = Judge()
        right, off = ({"l": np.array([value])} for value in (1.0, 1 + 1e-10))
        assert judged_by(judge, "step 0", off, right).beyond == f"step 0: {kind} l differs by 1.0e-10, tolerated 1.0e-12"
        assert judged_by(judge, "step 0", off, right, {"l": np.array([1 + 2e-10])}).beyond is None
        assert judge.spread[kind] == pytest.approx(1e-10, rel=1e-3)
        assert judge.error(kind) == pytest.approx(1e-10, rel=1e-3)


def test_what_is_no_part_of_a_whole_is_measured_by_itself() -> None:
    a, b = ({"large": np.array([1e9]), "small": np.array([small])} for small in (1.1, 1.0))
    assert each_by_itself({**a, "mine": np.ones(1)}, b) == {"large": 0.0, "small": pytest.approx(0.1), "mine": INF}
    assert errors(a, b)["small"] < 1e-6


def test_what_is_looked_at_between_is_told_in_the_order_of_computation() -> None:
    judge = Judge()
    values = {"z1": np.ones(2), "z2": np.ones(2)}
    found = judge.intermediates("step 0", values, values, {"z0": 1e-13, "z1": 0.1, "z2": 0.5})
    assert found.beyond == "step 0: intermediate z1 differs by 1.0e-01, tolerated 1.0e-12"
    judge.convict(found)
    judge.convict("later")
    assert (judge.failure, judge.error("intermediate")) == (found.beyond, 0.5)
    judge = Judge()
    judge.convict("first")
    judge.convict(found)
    assert judge.failure == "first"


@pytest.mark.parametrize(
    ("hand", "torch", "words"),
    [
        ([0, 0], [0, 0], None),
        ([], [], None),
        ([0], [0, 0], "1 step was taken by hand, 2 steps were in torch"),
        ([0, 0], [], "2 steps were taken by hand, 0 steps were in torch"),
        ([0, 1], [0], "2 steps were taken by hand, 1 step was in torch (optimizers 0, 1 by hand, 0 in torch)"),
        ([], [1], "0 steps were taken by hand, 1 step was in torch (optimizers none by hand, 1 in torch)"),
        ([0, 1], [1, 0], "the optimizers step in the order 0, 1 by hand, 1, 0 in torch"),
    ],
)
def test_in_what_the_steps_between_two_judgements_differ(hand: list[int], torch: list[int], words: str | None) -> None:
    a, b = ([Step(1.0, {}, {}, optimizer=i) for i in side] for side in (hand, torch))
    assert order_of(a, b) == words


def test_everything_in_a_step_by_kind_and_name() -> None:
    found = tensors_of(Step(1.0, {"W": 2}, {"W": 3}, {"n": 4}, {"v": {"W": 5, "b": 6}}))
    assert found == {"loss": {"loss": 1.0}, "gradient": {"W": 2}, "parameter": {"W": 3}, "buffer": {"n": 4}, "state": {"W.v": 5, "b.v": 6}}


def test_a_tensor_of_the_state_is_measured_against_itself_at_its_largest_and_a_small_one_against_its_key() -> None:
    def of(large: float, small: float) -> Step:
        return Step(1.0, {}, {}, state={"v": {"large": np.array([large]), "small": np.array([small])}, "other": {"large": np.array([1e9])}})

    judge = judged((of(8.0, 1e-9), of(8.0, 1e-9)))
    found = judge.step(1, of(2.0 + 1e-6, 1e-9 + 1e-12), of(2.0, 1e-9)).found["state"]
    assert found["large.v"] == pytest.approx(1e-6 / 8)
    assert found["small.v"] == pytest.approx(1e-12 / (8 * SMALL["float64"]))
    assert found["large.other"] == 0


@pytest.mark.parametrize("scale", [1.0, 1e-180, 1e180, 0.0])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_known_of_torchs_sizes_changes_no_error(dtype: str, scale: float) -> None:
    rng, judge = np.random.default_rng(0), Judge(dtype)
    with np.errstate(all="ignore"):
        W, b = ((scale * rng.normal(size=shape)).astype(dtype) for shape in ((3, 4), (4,)))
        near, far = (b * np.asarray(1 + d, dtype) for d in (1e-6, 2.0))
    state = {"exp_avg": {"W": W, "b": b}, "step": {"W": np.int64(3)}, "lr": {"group 0": np.float64(scale)}}
    hand = {**state, "exp_avg": {"W": W, "b": near}, "lr": {"group 0": np.float64(1.5 * scale)}}
    torch, ours = Step(1.0, {"W": W, "b": b}, {"W": W}, {}, state), Step(1.0, {"W": W, "b": near}, {"W": 2 * W, "d": far}, {}, hand)
    known = judge._measure_sizes(torch)
    assert set(known) == {"gradient", "parameter", "state exp_avg", "state step", "state lr"}
    found = judge._errors(ours, torch, known)
    assert found == judge._errors(ours, torch)
    assert found["parameter"]["d"] == np.inf
    assert found["state"]["W.step"] == 0
    assert found["gradient"]["W"] == (0 if np.isfinite(W).all() else np.inf)
    assert (found["gradient"]["b"] > 0) == bool(b.any())
