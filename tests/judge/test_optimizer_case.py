"""What judges an optimizer: what it feeds, what it compares, and that it sees what is wrong."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import manual.optim
from experiments.judge import optimizer_case, registry, schedule_case
from experiments.judge.central import jacobian
from experiments.judge.compare import as_array
from experiments.judge.optimizer_case import Function, Noise, OptimizerCase, judge_nonfinite, judge_optimizer, state_errors
from manual.module import Parameter

SHAPES = ((3, 4), (), (2,))
ADAM = OptimizerCase("Adam", "adam", lambda optim, p: optim.Adam(p, lr=0.1), SHAPES, 6, False, ("float64", "float32"))
LBFGS = OptimizerCase("LBFGS", "lbfgs", lambda optim, p: optim.LBFGS(p, max_iter=2), SHAPES, 5, True, ("float64",))


def test_a_case_keeps_what_it_is_registered_with_and_is_judged_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CHECKS", {})
    monkeypatch.setattr(optimizer_case, "OPTIMIZER_CASES", [])
    monkeypatch.setattr(schedule_case, "SCHEDULE_CASES", [])

    def build(optim: Any, p: list[Any]) -> Any:
        raise NotImplementedError

    for settings in ({}, {"shapes": SHAPES, "steps": 7, "closure": True, "dtypes": ("float64",)}):
        assert optimizer_case.optimizer("SGD", **settings)(build) is build  # type: ignore[arg-type]
        assert (
            schedule_case.schedule(
                "StepLR", **({"optimizer": "Adam", "metric": True, "closed": False, "resume": False} if settings else {})
            )(build)
            is build
        )
    plain = OptimizerCase("SGD", "build", build, optimizer_case.SHAPES, 30, False, ("float64", "float32"))
    told = OptimizerCase("SGD", "build", build, SHAPES, 7, True, ("float64",))
    assert [plain, told] == optimizer_case.OPTIMIZER_CASES
    schedules = [("SGD", False, True, True), ("Adam", True, False, False)]
    assert [schedule_case.ScheduleCase("StepLR", "build", build, *kept) for kept in schedules] == schedule_case.SCHEDULE_CASES
    found = {
        name: [(check.func, *check.args) for check in checks if isinstance(check, partial)] for name, checks in registry.CHECKS.items()
    }
    assert found["SGD"] == [(judge_optimizer, plain), (judge_nonfinite, plain), (judge_optimizer, told)]
    assert found["StepLR"] == [(schedule_case.judge_schedule, case) for case in schedule_case.SCHEDULE_CASES]


# ---- what is fed -----------------------------------------------------------------------------------------


def both(shapes: tuple[tuple[int, ...], ...] = SHAPES, seed: int = 0) -> tuple[list[Parameter], list[Any]]:
    rng = np.random.default_rng(seed)
    hand = [Parameter(rng.normal(size=shape)) for shape in shapes]
    return hand, [torch.nn.Parameter(torch.from_numpy(np.array(p.data))) for p in hand]


def test_the_function_is_the_one_that_its_docstring_says_with_its_gradient() -> None:
    hand, in_torch = both()
    feed = Function(hand, in_torch, np.random.default_rng(1), "cpu")
    x, c, w = np.random.default_rng(2).normal(size=15), feed.c, feed.w
    assert len(c) == len(w) == 15
    assert 0.1 < w.min() < w.max() < 10
    value, gradient = feed.value_and_gradient(x)
    by_terms = sum(w[i] * (x[i] - c[i]) ** 2 + 0.1 * (x[i] - c[i]) ** 4 for i in range(15))
    assert value == pytest.approx(by_terms + sum((x[i + 1] - x[i] ** 2) ** 2 for i in range(14)))
    assert gradient == pytest.approx(jacobian(lambda z: feed.value_and_gradient(z)[0], x), rel=1e-6, abs=1e-6)


def test_a_closure_sets_every_gradient_and_returns_the_loss_on_both_sides() -> None:
    hand, in_torch = both()
    feed = Function(hand, in_torch, np.random.default_rng(1), "cpu")
    value, gradient = feed.value_and_gradient(np.concatenate([p.data.ravel() for p in hand]))
    for parameters in (hand, in_torch):
        assert feed.closure(parameters) == value
        assert [tuple(p.grad.shape) for p in parameters] == list(SHAPES)
        assert np.concatenate([as_array(p.grad).ravel() for p in parameters]) == pytest.approx(gradient, rel=1e-15)
    steps = [SimpleNamespace(step=lambda closure, factor=factor: factor * closure()) for factor in (1.0, 1.001)]
    feed.step(steps[0], steps[0])
    with pytest.raises(AssertionError, match=rf"step returned the loss {re.escape(str(value))}, expected "):
        feed.step(steps[0], steps[1])


def test_noise_is_the_same_on_both_sides_and_now_and_then_missing_or_0_or_late() -> None:
    hand, in_torch = both()
    feed = Noise(hand, in_torch, np.random.default_rng(0), "cpu")
    optimizers = manual.optim.SGD(hand, lr=0.1), torch.optim.SGD(in_torch, lr=0.1)
    there, zeros = [], []
    for step in range(1, 31):
        feed.step(*optimizers)
        assert feed.steps == step
        there.append([p.has_grad for p in hand])
        assert there[-1] == [p.grad is not None for p in in_torch]
        for a, b in zip(hand, in_torch, strict=True):
            if a.has_grad:
                assert np.array_equal(a.grad, b.grad.numpy())
                zeros += (a.grad == 0).ravel().tolist()
    assert [which[2] for which in there[:3]] == [False] * 3  # the third parameter's first gradient comes late
    assert 0.7 < np.mean(there[3:]) < 0.95
    assert 0.05 < np.mean(zeros) < 0.15


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda optimizer, closure=None: 0.0 if closure is None else closure(), "step without a closure must return None"),
        (
            lambda optimizer, closure=None: None if closure is None else closure() + 1,
            "step returned 4.0, expected what the closure returned, 3",
        ),
        (lambda optimizer, closure=None: setattr(optimizer.p, "grad", optimizer.p.grad * 2), "step changed a gradient"),
    ],
)
def test_what_a_step_may_not_return_or_change(step: Callable[..., Any], words: str) -> None:
    hand, in_torch = both(((50,),))
    feed = Noise(hand, in_torch, np.random.default_rng(4), "cpu")
    optimizer = type("Wrong", (), {"p": hand[0], "step": step, "zero_grad": lambda self: None})()

    def three_steps() -> None:
        for _ in range(3):
            feed.step(optimizer, torch.optim.SGD(in_torch, lr=0.1))

    with pytest.raises(AssertionError, match=words):
        three_steps()


# ---- what is compared --------------------------------------------------------------------------------------


def watched(case: OptimizerCase, monkeypatch: pytest.MonkeyPatch) -> tuple[OptimizerCase, list[str]]:
    """The case, and what is done to its hand-written optimizers: made, loaded, stepped."""
    done: list[str] = []

    def build(optim: Any, p: list[Any]) -> Any:
        made = case.build(optim, p)
        if optim is manual.optim:
            done.append("made")
            load, step = made.load_state_dict, made.step
            made.load_state_dict = lambda state: (done.append("loaded"), load(state))[1]
            made.step = lambda *closure: (done.append("step"), step(*closure))[1]
        return made

    return replace(case, build=build), done


@pytest.mark.parametrize(
    ("case", "dtype", "expected"),
    [
        (ADAM, "float64", ["made", *["step"] * 3, "made", "loaded", *["step"] * 3]),
        (ADAM, "float32", ["made", *["loaded", "step"] * 3, "made", "loaded", *["loaded", "step"] * 3]),
        (LBFGS, "float64", ["made", "loaded", "step", "step", "made", "loaded", "loaded", "step", "step", "loaded", "step"]),
    ],
    ids=["float64", "float32", "closure"],
)
def test_states_are_exchanged_half_way_and_taken_over_where_rounding_would_grow(
    case: OptimizerCase, dtype: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, done = watched(case, monkeypatch)
    found = judge_optimizer(case, 0, dtype)
    assert done == expected
    assert max(found.values()) < (1e-12 if dtype == "float64" else 1e-5)
    state = {"exp_avg", "exp_avg_sq", "step"} if case.name == "Adam" else {key.removeprefix("state ") for key in found if "state " in key}
    parameters = {f"parameter {i}" for i in range(3)}
    assert set(found) == {*parameters, "has_stepped", "options of the groups", *(f"state {key}" for key in state)}
    assert len(state) >= 3


class Wrong(manual.optim.Adam):
    """Adam with one fault."""

    fault = ""

    def step(self, closure: Any = None) -> Any:
        found = super().step(closure)
        if self.fault == "parameter":
            self.param_groups[0]["params"][0].data *= 1 + 1e-6
        if self.fault == "state":
            for state in self.state.values():
                state["exp_avg_sq"] *= 1 + 1e-6
        if self.fault == "option":
            self.param_groups[0]["lr"] *= 1 + 1e-9
        return found

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict(state_dict)
        if self.fault == "loading":
            self.state.clear()


@pytest.mark.parametrize(
    ("fault", "key"),
    [("parameter", "parameter 0"), ("state", "state exp_avg_sq"), ("option", "options of the groups"), ("loading", "state step")],
)
def test_a_fault_is_seen_where_it_is(fault: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wrong, "fault", fault)

    def build(optim: Any, p: list[Any]) -> Any:
        return Wrong(p, lr=0.1) if optim is manual.optim else ADAM.build(optim, p)

    assert judge_optimizer(replace(ADAM, build=build), 0)[key] > 1e-8
    if fault in ("parameter", "state"):
        found = judge_nonfinite(replace(ADAM, build=build), 0)
        assert found[{"parameter": "parameter 0", "state": "state exp_avg_sq of parameter 0"}[fault]] > 1e-8


def test_what_is_not_finite_stands_in_the_second_of_three_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[list[np.ndarray]] = []

    def build(optim: Any, p: list[Any]) -> Any:
        made = ADAM.build(optim, p)
        step = made.step
        made.step = lambda: (fed.append([as_array(q.grad).ravel().copy() for q in p]), step())[1]
        return made

    found = judge_nonfinite(replace(ADAM, build=build), 0)
    hand, in_torch = fed[::2], fed[1::2]
    assert len(hand) == len(in_torch) == 3
    for a, b in zip(itertools.chain(*hand), itertools.chain(*in_torch), strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    odd = [[g[~np.isfinite(g)].tolist() for g in step] for step in hand]
    assert [str(g) for g in odd[1]] == ["[nan, inf, -inf]", "[nan]", "[nan, inf]"]
    assert odd[0] == odd[2] == [[], [], []]
    kinds = ("exp_avg", "exp_avg_sq", "step")
    assert set(found) == {f"parameter {i}" for i in range(3)} | {f"state {kind} of parameter {i}" for kind in kinds for i in range(3)}
    assert max(found.values()) < 1e-12


def test_the_error_of_a_state_is_that_of_its_key_and_lists_are_taken_entry_by_entry() -> None:
    def state(**changes: Any) -> dict[str, Any]:
        first = {"step": np.array(3.0), "v": np.array([3.0, 4.0]), "old": [np.array([1.0]), np.array([2.0])], "al": [None, np.array(7.0)]}
        return {"state": {0: {**first, **changes}, 1: {"step": np.array(3.0)}}, "param_groups": [{"lr": changes.get("lr", 0.1)}]}

    right = {"options of the groups": 0.0, "state step": 0.0, "state v": 0.0, "state old": 0.0, "state al": 0.0}
    assert state_errors(state(), state()) == right
    assert state_errors(state(al=[None, np.array(9.0)]), state()) == right  # only which are there
    assert state_errors(state(v=np.array([3.0, 4.5])), state()) == {**right, "state v": pytest.approx(0.1)}
    assert state_errors(state(old=[np.array([1.0]), np.array([2.2])]), state())["state old"] > 0.05
    assert state_errors(state(al=[np.array(7.0), None]), state())["state al"] == np.inf
    assert state_errors(state(old=[np.array([1.0])]), state())["state old"] == np.inf
    other = state()
    other["param_groups"][0]["lr"] = 0.2
    assert state_errors(other, state()) == {**right, "options of the groups": np.inf}
    with pytest.raises(AssertionError, match=r"state must be arrays, got NumPy's scalars for \['step'\]"):
        state_errors(state(step=np.float64(3.0)), state())
