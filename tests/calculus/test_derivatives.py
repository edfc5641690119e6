"""Derivatives: every rule against autograd, central differences and complex steps; the V; and the cubic against polyfit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from experiments.calculus import derivatives as script
from experiments.calculus.derivatives import TWIN, NoisyCubic, step_errors
from experiments.cases.calculus.derivatives import judge_cubic
from experiments.judge.case import CASES, draw_sizes, failures, judge
from experiments.judge.central import along
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import BY_DIFFERENCES, central_differences, check_grads
from manual.calculus import derivatives as by_hand
from tests.helpers import whole_run
from torch_impl.calculus import derivatives as in_torch

CASES_HERE = [c for c in CASES if c.name.startswith("derivatives.")]
OF_ONE_INPUT = ("bell", "exp", "log", "sin", "sigmoid", "tanh", "relu", "softplus", "gelu")
WEIGHTS = ("w0", "w1", "w2", "w3")
ANALYTIC = ("bell", "exp", "log", "sin", "tanh")  # those that NumPy computes for complex numbers too


@pytest.mark.parametrize("case", CASES_HERE, ids=str)
def test_rule_is_that_of_autograd_and_of_central_differences(case: Any) -> None:
    for seed in range(2):
        sizes = draw_sizes(case, np.random.default_rng(seed))
        assert not failures(judge(case, sizes, seed), 1e-12)
        assert not failures(judge(case, sizes, seed, "float32"), 1e-5)
        assert not case.smooth or not failures(central_differences(case, sizes, seed), BY_DIFFERENCES)


def test_every_rule_has_a_case() -> None:
    rules = {name.removesuffix("_backward") for name in vars(by_hand) if name.endswith("_backward")}
    assert rules == {c.name.removeprefix("derivatives.") for c in CASES_HERE} == {*OF_ONE_INPUT, "add", "multiply", "divide", "power"}


@pytest.mark.parametrize("name", ANALYTIC)
def test_rule_is_the_complex_step_to_the_last_digits(name: str) -> None:
    x = np.random.default_rng(0).uniform(0.2, 2, 9)
    ours = getattr(by_hand, f"{name}_backward")(np.ones_like(x), x)
    assert error(ours, by_hand.complex_step(getattr(by_hand, name), x)) < 1e-15
    assert error(ours, in_torch.complex_step(getattr(in_torch, name), torch.from_numpy(x))) < 1e-15
    assert error(ours, in_torch.derivative(getattr(in_torch, name), torch.from_numpy(x))) < 1e-15


@pytest.mark.parametrize("name", OF_ONE_INPUT)
def test_at_the_edges_value_and_derivative_are_torchs(name: str) -> None:
    """At 0 (kinks, log 0), at ±∞, at NaN, and where e^x overflows."""
    x = np.array([0.0, -0.0, 1e3, -1e3, 40.0, -40.0, np.inf, -np.inf, np.nan, 1e-310])
    dL_dy = np.random.default_rng(0).normal(size=x.shape)
    leaf = torch.tensor(x, requires_grad=True)
    y = getattr(in_torch, name)(leaf)
    y.backward(torch.from_numpy(dL_dy))
    with np.errstate(all="ignore"):
        ours, dL_dx = getattr(by_hand, name)(x), getattr(by_hand, f"{name}_backward")(dL_dy, x)
    assert error(ours, y, nonfinite="match") < 1e-14
    assert error(dL_dx, leaf.grad, nonfinite="match") < 1e-14


@pytest.mark.parametrize("n", [0, 1, 2, -1, 0.5, -0.5, 3])
def test_power_is_torchs_at_zero_below_and_beyond(n: float) -> None:
    x = np.array([0.0, -1.5, 2.5, np.inf, np.nan])
    if n == round(n):  # (−∞)^−0.5 is 0 in C and NumPy, and NaN in torch, which takes a root
        x = np.append(x, -np.inf)
    dL_dy = np.random.default_rng(1).normal(size=x.shape)
    leaf = torch.tensor(x, requires_grad=True)
    y = in_torch.power(leaf, n)
    y.backward(torch.from_numpy(dL_dy))
    with np.errstate(all="ignore"):
        ours, dL_dx = by_hand.power(x, n), by_hand.power_backward(dL_dy, x, n)
    assert error(ours, y, nonfinite="match") < 1e-14
    assert error(dL_dx, leaf.grad, nonfinite="match") < 1e-14


def test_division_by_zero_is_torchs() -> None:
    a, b, dL_dy = np.array([1.5, -2.0, 0.0]), np.array([0.0, 0.0, 0.0]), np.array([0.7, 0.4, -1.1])
    leaves = [torch.tensor(v, requires_grad=True) for v in (a, b)]
    y = in_torch.divide(*leaves)
    y.backward(torch.from_numpy(dL_dy))
    with np.errstate(all="ignore"):
        ours, gradients = by_hand.divide(a, b), by_hand.divide_backward(dL_dy, a, b)
    assert error(ours, y, nonfinite="match") == 0
    assert all(error(g, leaf.grad, nonfinite="match") == 0 for g, leaf in zip(gradients, leaves, strict=True))
    with pytest.warns(RuntimeWarning, match="divide by zero"):  # NumPy says so, as the text says
        by_hand.log(np.zeros(2))


@pytest.mark.parametrize("name", ["add", "multiply", "divide"])
def test_two_shapes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: a and b must have one shape, got \(3, 2\) and \(2,\)"):
        getattr(by_hand, name)(np.ones((3, 2)), np.ones(2))


@pytest.mark.parametrize("formula", ["forward_difference", "central_difference", "complex_step"])
def test_a_step_of_zero_is_refused_and_a_step_back_is_not(formula: str) -> None:
    for side, x in ((by_hand, np.array([0.3, 0.8])), (in_torch, torch.tensor([0.3, 0.8], dtype=torch.float64))):
        with pytest.raises(ValueError, match=rf"{formula}: eps must not be 0.*got 0.0"):
            getattr(side, formula)(side.sin, x, 0.0)
        assert error(getattr(side, formula)(side.sin, x, -1e-6), np.cos([0.3, 0.8])) < 1e-5


def test_complex_step_refuses_what_throws_the_imaginary_part_away() -> None:
    with pytest.raises(ValueError, match="f must return complex numbers for complex numbers, got float64"):
        by_hand.complex_step(np.abs, np.array([0.3, -0.8]))
    with pytest.raises(ValueError, match=r"f must return complex numbers for complex numbers, got torch\.float64"):
        in_torch.complex_step(torch.abs, torch.tensor([0.3, -0.8], dtype=torch.float64))


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_errors_of_the_formulas_make_the_v(side: int) -> None:
    """Truncation falls as ε and as ε²; rounding grows as 1/ε; the least is near √eps and ∛eps; the complex step has none."""
    x, widths = np.linspace(0.3, 1.3, 11), np.array([1e-1, 1e-2, 1e-3, 1e-10, 1e-12])
    of = {name: sides[side] for name, sides in step_errors(widths, x).items()}
    assert of["forward"][1] / of["forward"][2] == pytest.approx(10, rel=0.1)
    assert of["central"][1] / of["central"][2] == pytest.approx(100, rel=0.1)
    for name in ("forward", "central"):
        assert of[name][4] > 10 * of[name][3] > 10 * 1e-8
    assert max(of["complex step"][3:]) < 1e-15
    fine = np.geomspace(1e-12, 1e-2, 101)
    eps = np.finfo(np.float64).eps
    for name, best in (("forward", math.sqrt(eps)), ("central", eps ** (1 / 3))):
        found = step_errors(fine, x)[name][side]
        assert 0.1 < fine[np.argmin(found)] / best < 10


def test_the_secant_is_the_straight_line_through_two_points() -> None:
    for side, number in ((by_hand, np.float64), (in_torch, lambda v: torch.tensor(v, dtype=torch.float64))):
        assert float(side.forward_difference(lambda x: x**3, number(2.0), 1.0)) == 19  # (27 − 8) / 1
        assert float(side.central_difference(lambda x: x**3, number(2.0), 1.0)) == 13  # (27 − 1) / 2


@pytest.mark.parametrize("seed", range(3))
def test_gradient_of_the_cubic_is_autograds_and_central_differences(seed: int) -> None:
    assert max(judge_cubic(seed).values()) < 1e-13
    rng = np.random.default_rng(seed)
    x, y, p = rng.normal(size=7), rng.normal(size=7), dict(zip(WEIGHTS, rng.normal(size=4), strict=True))

    def loss(*p: float) -> float:
        return by_hand.loss(by_hand.forward(x, *p)["y_hat"], y)

    gradient = by_hand.backward(x, y, **by_hand.forward(x, **p), **p)
    for name, axis in zip(WEIGHTS, np.eye(4), strict=True):
        assert gradient[name] == pytest.approx(along(loss, tuple(p.values()), tuple(axis), h=1e-3), rel=1e-9)  # a parabola in each


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    rng = np.random.default_rng(0)
    check_grads(ours, tuple(rng.normal(size=(2, 7))), again=tuple(rng.normal(size=(2, 4))), torch=theirs)


def test_slope_of_the_cubic_is_autograds_and_the_complex_step() -> None:
    rng = np.random.default_rng(0)
    x, (w1, w2, w3) = rng.normal(size=7), rng.normal(size=3)
    ours = by_hand.slope(x, w1, w2, w3)
    assert error(ours, in_torch.slope(*to_torch((x, np.array(w1), np.array(w2), np.array(w3))))) < 1e-14
    assert error(ours, by_hand.complex_step(lambda x: by_hand.forward(x, 5.0, w1, w2, w3)["y_hat"], x)) < 1e-14


@pytest.mark.parametrize("seed", range(3))
def test_best_cubic_is_polyfit_and_lstsq(seed: int) -> None:
    x, y = NoisyCubic(seed=seed).split.train
    best = by_hand.best_cubic(x, y)
    assert error([best[name] for name in reversed(WEIGHTS)], np.polyfit(x, y, 3)) < 1e-12
    theirs = in_torch.best_cubic(*to_torch((x, y)))
    assert error([best[name] for name in WEIGHTS], [theirs[name] for name in WEIGHTS]) < 1e-12


def test_best_cubic_refuses_fewer_than_four_places() -> None:
    with pytest.raises(ValueError, match="x must have at least 4 different values, got 3"):
        by_hand.best_cubic(np.array([0.0, 1.0, 2.0, 1.0, 2.0]), np.arange(5.0))


def test_run_agrees_and_reaches_polyfit_on_both_sides() -> None:
    lockstep, theirs = whole_run(TWIN)
    trainer = theirs.trainer
    data = TWIN.make_data()
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 600
    ours, polyfit = lockstep.hand.model, np.polyfit(*data.split.train, 3)
    for side in (ours.state_dict(), to_numpy(dict(theirs.state_dict()))):
        assert error(np.array([side[name] for name in reversed(WEIGHTS)]), polyfit) < 1e-11
    drawn = script.figures(ours, theirs, data)
    stars = [line for line in drawn["the fitted cubic"].axes[1].lines if line.get_marker() == "*"]
    assert len(stars) == 2  # a hilltop and a hollow
    for star in stars:
        x = float(star.get_xdata()[0])
        assert abs(np.polyval(np.polyder(polyfit), x)) < 1e-9
    functions = script.before(ours, theirs, data)
    assert list(functions) == ["the secant becomes the tangent", "how small a step", "functions and their derivatives"]
    assert all(len(figure.axes) in (1, 2) for figure in functions.values())
