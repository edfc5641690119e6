"""Gradients: every product against autograd and differences, kinds of critical points, and where Newton's method ends on both sides."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import experiments.cases.calculus.gradients  # noqa: F401  registers its cases
from experiments.calculus import gradients as script
from experiments.calculus.gradients import CRITICAL, SURFACES, TWIN, by_jacobian, descend, layer, steepness, ways
from experiments.judge.case import CASES, draw_sizes, failures, judge
from experiments.judge.central import along, jacobian
from experiments.judge.compare import as_array, error
from experiments.judge.convert import to_torch
from experiments.judge.differences import BY_DIFFERENCES, central_differences, check_grads
from manual.calculus import gradients as by_hand
from manual.module import Parameter
from tests.helpers import whole_run
from torch_impl.calculus import gradients as in_torch

CASES_HERE = [c for c in CASES if c.name.startswith("gradients.")]
I, O = 4, 3  # inputs and outputs of the dense layer


def dense_problem(seed: int) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """x, W and b; a direction for each; and dL_dy."""
    rng = np.random.default_rng(seed)
    inputs, directions = ([rng.normal(size=I), rng.normal(0, 0.5, (I, O)), rng.normal(size=O)] for _ in range(2))
    return inputs, directions, rng.normal(size=O)


def gradient_of(surface: str, p: np.ndarray) -> np.ndarray:
    """∂f/∂p by hand."""
    return SURFACES[surface].backward(1.0, p)


# ---- products and matrices ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES_HERE, ids=str)
def test_backward_is_that_of_autograd_and_of_central_differences(case: Any) -> None:
    for seed in range(2):
        sizes = draw_sizes(case, np.random.default_rng(seed))
        assert not failures(judge(case, sizes, seed), 1e-12)
        assert not failures(judge(case, sizes, seed, "float32"), 1e-5)
        assert not failures(central_differences(case, sizes, seed), BY_DIFFERENCES)


def test_every_backward_has_a_case() -> None:
    names = {name.removesuffix("_backward") for name in vars(by_hand) if name.endswith("_backward")}
    assert names == {c.name.removeprefix("gradients.") for c in CASES_HERE} == {"sphere", "dense", *SURFACES}


@pytest.mark.parametrize("seed", range(3))
def test_jacobian_and_products_of_the_sphere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, dp, dL_dy = rng.normal(size=2), rng.normal(size=2), rng.normal(size=3)
    J = by_hand.sphere_jacobian(p)
    assert J.shape == (3, 2)
    assert error(J, in_torch.sphere_jacobian(torch.from_numpy(p))) < 1e-15 * 10
    assert error(J, jacobian(by_hand.sphere, p)) < 1e-9
    assert error(by_hand.sphere_jvp(p, dp), J @ dp) < 1e-14
    assert error(by_hand.sphere_jvp(p, dp), in_torch.sphere_jvp(*to_torch((p, dp)))) < 1e-14
    assert error(by_hand.sphere_backward(dL_dy, p), dL_dy @ J) < 1e-14
    assert abs(by_hand.sphere(p) @ J).max() < 1e-15 * 2  # a globe: whichever way one goes, at right angles to the radius


@pytest.mark.parametrize("seed", range(3))
def test_jacobian_and_products_of_the_dense_layer(seed: int) -> None:
    inputs, directions, dL_dy = dense_problem(seed)
    ours = by_hand.dense_jacobian(*inputs)
    assert [J.shape for J in ours] == [(O, I), (O, I, O), (O, O)]
    for J, theirs in zip(ours, in_torch.dense_jacobian(*to_torch(inputs)), strict=True):
        assert error(J, theirs) < 1e-14
    jvp = by_hand.dense_jvp(*inputs, *directions)
    assert error(jvp, in_torch.dense_jvp(*to_torch(inputs), *to_torch(directions))) < 1e-14
    assert error(jvp, sum(np.tensordot(J, d, d.ndim) for J, d in zip(ours, directions, strict=True))) < 1e-14
    assert error(jvp, along(by_hand.dense, tuple(inputs), tuple(directions))) < 1e-9
    for vjp, J in zip(by_hand.dense_backward(dL_dy, *inputs), ours, strict=True):
        assert error(vjp, np.tensordot(dL_dy, J, 1)) < 1e-14


@pytest.mark.parametrize("seed", range(3))
def test_hessian_vector_product_of_the_dense_layer(seed: int) -> None:
    inputs, directions, dL_dy = dense_problem(seed)
    ours = by_hand.dense_hvp(dL_dy, *inputs, *directions)
    changes = along(partial(by_hand.dense_backward, dL_dy), tuple(inputs), tuple(directions))
    theirs = in_torch.dense_hvp(*to_torch((dL_dy, *inputs, *directions)))
    for ours_i, theirs_i, change in zip(ours, theirs, changes, strict=True):
        assert error(ours_i, theirs_i) < 1e-13
        assert error(ours_i, change) < 1e-8


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("seed", range(2))
def test_hessian_is_torchs_and_that_of_differences(surface: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, v = rng.normal(size=2), rng.normal(size=2)
    H = by_hand.HESSIANS[surface](p)
    assert error(H, in_torch.HESSIANS[surface](torch.from_numpy(p))) < 1e-14
    assert error(H, jacobian(lambda p: gradient_of(surface, p), p)) < 1e-8
    product = by_hand.hessian_vector_product(lambda p: gradient_of(surface, p), p, v)
    assert error(product, H @ v) < 1e-14
    assert error(product, in_torch.hessian_vector_product(in_torch.SURFACES[surface].height, *to_torch((p, v)))) < 1e-13
    assert by_hand.HESSIANS[surface](p.astype(np.float32)).dtype == np.float32


def test_a_partial_derivative_is_a_central_difference_of_the_step_that_is_asked_for() -> None:
    """x³y at (1, 2): the chord from x = 1/2 to 3/2 is steeper than the tangent, 6."""
    assert by_hand.partial_derivative(lambda p: p[0] ** 3 * p[1], np.array([1.0, 2.0]), 0, h=0.5) == 6.5


@pytest.mark.parametrize("surface", SURFACES)
def test_partial_derivatives_are_the_entries_of_the_gradient(surface: str) -> None:
    p = np.random.default_rng(0).normal(size=2)
    height = SURFACES[surface].height
    ours = np.array([by_hand.partial_derivative(height, p, i) for i in range(2)])
    assert error(ours, gradient_of(surface, p)) < 1e-8
    theirs = [in_torch.partial_derivative(in_torch.SURFACES[surface].height, torch.from_numpy(p), i).item() for i in range(2)]
    assert error(gradient_of(surface, p), np.array(theirs)) < 1e-14


@pytest.mark.parametrize("seed", range(3))
def test_directional_derivative_is_that_of_differences_and_largest_along_the_gradient(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, d = rng.normal(size=2), rng.normal(0, 3, 2)
    g, height, unit = gradient_of("valley", p), SURFACES["valley"].height, d / np.linalg.norm(d)
    slope = by_hand.directional_derivative(g, d)
    assert slope == pytest.approx(along(height, (p,), (unit,)), rel=1e-6)
    assert slope == pytest.approx(in_torch.directional_derivative(*to_torch((g, d))).item(), rel=1e-13)
    assert abs(slope) <= by_hand.directional_derivative(g, g) == pytest.approx(np.linalg.norm(g))
    assert abs(by_hand.directional_derivative(g, np.array([-g[1], g[0]]))) < 1e-12 * np.linalg.norm(g)


# ---- what is met and answered ------------------------------------------------------------------------------


def test_kinds_of_critical_points() -> None:
    for kind, H in CRITICAL.items():
        assert by_hand.kind_of_critical_point(H) == kind
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    for curvatures, kind in (
        ((1.0, 2.0, 1e-3), "minimum"),
        ((-1.0, -2.0, -1e-3), "maximum"),
        ((1.0, 0.0, -1e-3), "saddle"),
        ((1.0, 0.0, 2.0), "undecided"),  # 0 but for rounding, once it is turned
        ((-1.0, 0.0, -2.0), "undecided"),
        ((0.0, 0.0, 0.0), "undecided"),
    ):
        H = turn @ np.diag(curvatures) @ turn.T
        assert by_hand.kind_of_critical_point((H + H.T) / 2) == kind
    assert by_hand.kind_of_critical_point(by_hand.saddle_hessian(np.zeros(2))) == "saddle"
    for surface, (_, _, _, minima) in SURFACES.items():
        assert all(by_hand.kind_of_critical_point(by_hand.HESSIANS[surface](np.array(m))) == "minimum" for m in minima)


@pytest.mark.parametrize("H", [np.array([[1.0, 2.0], [0.0, 1.0]]), np.ones((2, 3)), np.array([[np.nan]]), np.ones(3)])
def test_what_is_no_hessian_is_refused(H: np.ndarray) -> None:
    with pytest.raises(ValueError, match="H must be a symmetric matrix of finite numbers, got"):
        by_hand.kind_of_critical_point(H)


def test_a_direction_that_points_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="direction must not be 0"):
        by_hand.directional_derivative(np.array([1.0, 2.0]), np.zeros(2))
    with pytest.raises(ValueError, match=r"must have one shape, got \(2,\) and \(3,\)"):
        by_hand.directional_derivative(np.array([1.0, 2.0]), np.ones(3))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 4), (4, 3), (3,)), r"x must have 1 axes, got shape \(2, 4\)"),
        (((4,), (3, 4), (3,)), r"axis 0 of W must be the size of x = 4, got shape \(3, 4\)"),
        (((4,), (4, 3), (1,)), r"axis 0 of b must be the columns of W = 3, got shape \(1,\)"),
    ],
)
def test_dense_refuses_shapes_that_do_not_fit(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_hand.dense(*map(np.ones, shapes))


def test_newton_refuses_ground_that_does_not_bend() -> None:
    with pytest.raises(ValueError, match=r"newton_step: H must not be singular, got \[\[1.0, 2.0\], \[2.0, 4.0\]\]"):
        by_hand.newton_step(np.array([1.0, 3.0]), np.array([[1.0, 2.0], [2.0, 4.0]]))
    with pytest.raises(RuntimeError, match="singular"):  # torch's own word
        in_torch.newton_step(torch.tensor([1.0, 3.0]), torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
    g, H = np.array([1.0, 3.0]), np.array([[1.0, 2.0], [2.0, 4.0 + 1e-9]])  # nearly singular: a step of that length
    assert error(by_hand.newton_step(g, H), in_torch.newton_step(*to_torch((g, H)))) < 1e-12
    assert np.linalg.norm(by_hand.newton_step(g, H)) > 1e8
    with pytest.raises(ValueError, match=r"Newton: lr must be at least 0, got -1\.0"):
        by_hand.Newton([Parameter(np.ones(2))], by_hand.bowl_hessian, lr=-1.0)


@pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
def test_arguments_are_used_and_bad_ones_are_named(side: object) -> None:
    model = side.Descent("saddle", "gradient_descent", 0.0, (3.0, 4.0))
    assert model.configure_optimizers().param_groups[0]["lr"] == 0.0
    assert as_array(model.point).tolist() == [3.0, 4.0]
    assert side.Descent("saddle").configure_optimizers().param_groups[0]["lr"] == 0.1
    assert side.Descent("saddle", "newton").configure_optimizers().param_groups[0]["lr"] == 1.0
    with pytest.raises(ValueError, match="surface must be one of 'bowl', 'valley', 'saddle', got 'hill'"):
        side.Descent("hill")
    with pytest.raises(ValueError, match="method must be one of 'gradient_descent', 'newton', got 'sgd'"):
        side.Descent(method="sgd")
    with pytest.raises(ValueError, match=r"start must be two numbers \(x, y\), got \(1.0,\)"):
        side.Descent(start=(1.0,))


def test_tables_are_the_same_on_both_sides() -> None:
    assert by_hand.LR == in_torch.LR
    assert tuple(by_hand.HESSIANS) == tuple(in_torch.HESSIANS) == tuple(SURFACES)


# ---- training ----------------------------------------------------------------------------------------------


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(variant="gradient descent, valley")
    check_grads(ours, (np.arange(1),), torch=theirs)


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_newton_needs_one_step_on_the_bowl_and_seven_in_the_valley(side: int) -> None:
    assert abs(descend("bowl", "newton", 1)[side][1]).max() < 1e-15
    valley = descend("valley", "newton", 7)[side]
    away = np.linalg.norm(valley - 1, axis=1)
    assert away[5] < 1e-5
    assert away[6] < 1e-10
    assert away[7] < 1e-15
    height = SURFACES["valley"].height(valley.T)
    assert height[2] > 300 * height[1]  # what the text says: up to 1,800
    assert np.linalg.norm(descend("valley", "gradient_descent", 60)[side][-1] - 1) > 1.5


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_newton_goes_to_the_saddle_and_gradient_descent_to_the_minimum(side: int) -> None:
    assert np.linalg.norm(descend("saddle", "newton", 5)[side][-1]) < 1e-15
    assert np.linalg.norm(descend("saddle", "gradient_descent", 200)[side][-1] - [0, 1]) < 1e-9
    assert np.linalg.norm(descend("saddle", "newton", 9, (-1.5, 0.75))[side][-1] - [0, 1]) < 1e-15  # begun where it bends up


def test_newton_is_scipys_root_of_the_gradient() -> None:
    from scipy.optimize import minimize

    found = minimize(
        lambda p: SURFACES["valley"].height(p),
        np.array(SURFACES["valley"].start),
        jac=lambda p: gradient_of("valley", p),
        hess=by_hand.valley_hessian,
        method="trust-exact",
        options={"gtol": 1e-12},
    )
    assert np.linalg.norm(found.x - descend("valley", "newton", 8)[0][-1]) < 1e-12


@pytest.mark.parametrize(("method", "surface", "off"), [("gradient_descent", "bowl", 2 * 0.8**30), ("newton", "valley", 1e-15)])
def test_run_agrees_and_ends_in_the_minimum_on_both_sides(method: str, surface: str, off: float) -> None:
    lockstep, theirs = whole_run(TWIN.having({"method": method, "surface": surface}))
    trainer = theirs.trainer
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 30
    for point in (lockstep.hand.model.point, theirs.point):
        assert abs(as_array(point) - SURFACES[surface].minima[0]).max() <= off * (1 + 1e-12)
    for distance in (lockstep.metrics["distance/val"], float(trainer.callback_metrics["distance/val"])):
        assert distance <= off * (1 + 1e-12)


# ---- figures and text --------------------------------------------------------------------------------------


def test_both_ways_to_the_gradient_give_the_same_numbers() -> None:
    arrays = layer(5)
    assert error(by_jacobian(*arrays), by_hand.dense_backward(*arrays)[1]) < 1e-14
    by_name = ways(5)
    assert list(by_name) == ["whole Jacobian", "backward"]
    for ours, theirs in by_name.values():
        assert error(ours(), theirs()) < 1e-14
    assert by_hand.dense_jacobian(*arrays[1:])[1].size == 5**3
    assert round(4096**3 * 8 / 1e9, -1) == 550  # what the caption says
    assert round(4096**2 * 8 / 1e6) == 134


def test_figures_are_drawn_and_show_both_sides() -> None:
    assert [ax.get_title() for ax in script.arrows().axes[:3]] == list(SURFACES)
    assert [ax.get_title() for ax in script.kinds().axes] == list(CRITICAL)
    assert len(script.costs((4, 6)).axes) == 2
    for ax, surface in zip(script.walks(5).axes, SURFACES, strict=True):
        walks = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) == 6]
        assert len(walks) == 3, "torch's, ours, and our steps"
        assert all(np.abs(walk - walks[1]).max() < 1e-9 for walk in walks)
        assert np.abs(walks[1] - descend(surface, "gradient_descent", 5)[0]).max() == 0
    drawn = script.newton(20)
    assert drawn.axes[3].get_xlim() == (0, 20), "all the steps"
    for ax in drawn.axes[:3]:
        walks = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) == 21 and line.get_linestyle() != "None"]
        assert len(walks) == 4  # two methods, in torch and by hand, in pairs
        assert all(np.abs(a - b).max() < 1e-9 for a, b in zip(walks[::2], walks[1::2], strict=True))


def test_the_table_is_of_newtons_steps() -> None:
    points, _ = descend("valley", "newton", 6)
    assert f"| 6 | {points[6][0]:.8f} | {points[6][1]:.8f} |" in TWIN.text["products, not matrices"]
    assert steepness("valley", points[:1])[0] == pytest.approx(np.linalg.norm(gradient_of("valley", points[0])))


def test_the_table_has_a_line_for_each_step_and_one_for_the_start() -> None:
    six, two = script.rows().splitlines(), script.rows(2).splitlines()
    assert len(six) == 2 + 7
    assert two == six[:5]
