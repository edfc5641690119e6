"""Ridge regression: the gradient, the Hessian, the closed form and its own gradient, shrinkage, and scikit-learn's Ridge."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
from matplotlib.patches import Polygon

from experiments.drawing.weights import as_row
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch, weights_by_hand
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.regression import ridge as script
from experiments.regression.ridge import TWIN, by_sklearn
from manual.regression import linear_regression
from manual.regression import ridge as by_hand
from tests.helpers import whole_run
from torch_impl.regression import ridge as in_torch


def problem(seed: int, rows: int = 11, columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Random x and y."""
    rng = np.random.default_rng(seed)
    return rng.normal(2, 3, (rows, columns)), rng.normal(5, 2, (rows, 1))


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_hessian_is_torchs_and_how_the_gradient_changes(alpha: float) -> None:
    x, y = problem(0)
    H = by_hand.hessian(x, alpha)
    assert error(H, in_torch.hessian(to_torch(x), alpha)) < 1e-13
    p, q = np.random.default_rng(1).normal(size=(2, 5))

    def gradient(q: np.ndarray) -> np.ndarray:
        return as_row(*by_hand.loss_backward(1.0, x, y, q[:-1, None], q[-1:], alpha))

    assert error(H @ (q - p), gradient(q) - gradient(p)) < 1e-12  # the gradient of a bowl is linear, so this is exact


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 7.0])
def test_both_closed_forms_are_torchs_and_scikit_learns_and_have_no_gradient(alpha: float) -> None:
    x, y = problem(1)
    best = by_sklearn(x, y, alpha)
    for solve in (by_hand.solution, by_hand.solution_by_svd):
        assert error(as_row(*solve(x, y, alpha)), best) < 1e-12
    for solve in (in_torch.solution, in_torch.solution_by_svd):
        assert error(as_row(*to_numpy(solve(*to_torch((x, y)), alpha))), best) < 1e-12
    gradient = as_row(*by_hand.loss_backward(1.0, x, y, *by_hand.solution(x, y, alpha), alpha))
    assert np.linalg.norm(gradient) < 1e-11


def test_alpha_zero_is_least_squares_and_infinity_is_the_mean() -> None:
    x, y = problem(2)
    assert error(as_row(*by_hand.solution(x, y, 0.0)), as_row(*linear_regression.normal_equation(x, y))) < 1e-11
    assert by_hand.effective_degrees_of_freedom(x, 0.0) == pytest.approx(4, rel=1e-13)
    W, b = by_hand.solution(x, y, 1e12)
    assert np.linalg.norm(W) < 1e-10
    assert b[0] == pytest.approx(y.mean())
    assert by_hand.effective_degrees_of_freedom(x, 1e12) < 1e-9


def test_where_zero_is_has_no_part_in_the_slope_unless_b_pays_too() -> None:
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([[12.0], [14.0], [16.0]])
    ones = np.hstack([x, np.ones((3, 1))])
    slopes, paid = [], []
    for more in (0.0, 100.0):
        W, b = by_hand.solution(x, y + more, 2 / 3)
        assert b[0] == pytest.approx(12 + more)
        assert (x @ W + b).mean() == pytest.approx(14 + more)
        slopes.append(W[0, 0])
        paid.append(np.linalg.solve(ones.T @ ones + 2 * np.eye(2), ones.T @ (y + more))[:, 0])
    assert slopes == pytest.approx([1, 1])
    assert paid[0] == pytest.approx([188 / 44, 144 / 44])
    assert (ones @ paid[0]).round(1).tolist() == [7.5, 11.8, 16.1]
    assert paid[1][0] > 2 * paid[0][0]
    assert (x.T @ y / (x.T @ x + 2)).item() == 5.5


def test_collinear_columns_and_more_columns_than_rows() -> None:
    x, y = problem(3)
    twice = np.hstack([x, x[:, :1]])
    for f in (lambda: by_hand.solution(twice, y, 0.0), lambda: by_hand.solution_by_svd(twice, y, 0.0)):
        with pytest.raises(ValueError, match="where alpha = 0, x less its mean must have 5 independent columns, got 4"):
            f()
    with pytest.raises(ValueError, match="must have 4 independent columns, got 2"):
        by_hand.effective_degrees_of_freedom(x[:3], 0.0)
    W, _ = by_hand.solution(twice, y, 0.1)
    assert W[0] == pytest.approx(W[4], rel=1e-10)  # twins share their weight
    for rows in (x[:3], twice[:3]):
        assert error(as_row(*by_hand.solution(rows, y[:3], 0.1)), by_sklearn(rows, y[:3], 0.1)) < 1e-12
        assert error(as_row(*by_hand.solution_by_svd(rows, y[:3], 0.1)), by_sklearn(rows, y[:3], 0.1)) < 1e-12
    constant = np.hstack([x, np.full((len(x), 1), 3.0)])
    assert by_hand.solution(constant, y, 0.1)[0][4] == 0  # a column that says nothing gets no weight


def test_effective_degrees_of_freedom_is_torchs_and_the_trace_of_the_hat_matrix() -> None:
    x, _ = problem(4)
    free = by_hand.effective_degrees_of_freedom(x, 0.2)
    assert error(free, in_torch.effective_degrees_of_freedom(to_torch(x), 0.2)) < 1e-13
    hat = [by_hand.solution(x, e[:, None], 0.2) for e in np.eye(len(x))]  # what a unit of each y does to all predictions
    trace = sum((x @ W + b)[n, 0] for n, (W, b) in enumerate(hat))
    assert trace == pytest.approx(free + 1, rel=1e-12)  # b is one more


def test_gradients_of_very_large_and_very_small_data_are_those_of_any_other() -> None:
    """Powers of two, so that nothing is rounded: x s with alpha s² have the same W, s times as small, and as many free weights."""
    x, y = problem(6)
    g = np.random.default_rng(6).normal(size=(4, 1))
    dL_dx, dL_dy, _ = by_hand.solution_backward(g, np.zeros(1), x, y, 0.2)
    of_large = by_hand.solution_backward(g, np.zeros(1), x * 2.0**500, y, 0.2 * 2.0**1000)
    assert np.array_equal(of_large[1] * 2.0**500, dL_dy)
    assert np.array_equal(of_large[0] * 2.0**1000, dL_dx)
    assert np.isfinite(np.hstack([v.ravel() for v in of_large])).all()
    dL_dx, dL_dalpha = by_hand.effective_degrees_of_freedom_backward(1.5, x, 0.2)
    for s in (2.0**-400, 2.0**400):
        small = by_hand.effective_degrees_of_freedom_backward(1.5, x * s, 0.2 * s * s)
        assert np.array_equal(small[0] * s, dL_dx)
        assert small[1] * s * s == dL_dalpha


def test_bad_input_is_named() -> None:
    x, y = problem(5)
    with pytest.raises(ValueError, match=r"solution: alpha must be at least 0, got -0\.1"):
        by_hand.solution(x, y, -0.1)
    with pytest.raises(ValueError, match="alpha must be at least 0, got nan"):
        by_hand.effective_degrees_of_freedom(x, np.nan)
    with pytest.raises(ValueError, match=r"x W \+ b and y must have one shape, got \(11, 1\) and \(11,\)"):
        by_hand.loss(x, y[:, 0], np.zeros((4, 1)), np.zeros(1))
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match="alpha must be at least 0, got -1"):
            side.Ridge(alpha=-1)


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    x, y = problem(0, rows=7, columns=10)
    formula = in_torch.loss(*to_torch((x, y)), **to_torch(ours.state_dict()), alpha=ours.alpha)
    assert error(theirs.training_step(to_torch((x, y)), 0), formula) < 1e-14
    check_grads(ours, (x, y), again=(x[:4], y[:4]), torch=theirs, names=TWIN.names)


def test_weight_decay_of_the_optimizer_is_twice_alpha() -> None:
    import torch

    x, y = problem(6)
    W = torch.nn.Parameter(torch.ones(4, 1, dtype=torch.float64))
    b = torch.zeros(1, dtype=torch.float64)
    in_torch.loss(*to_torch((x, y)), W, b, 0.0).backward()
    torch.optim.SGD([W], lr=0.01, weight_decay=2 * 0.3).step()
    dL_dW, _ = by_hand.loss_backward(1.0, x, y, np.ones((4, 1)), np.zeros(1), 0.3)
    assert error(1 - 0.01 * dL_dW, W) < 1e-14


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule, pl.Trainer]:
    """The whole run, in lock-step."""
    lockstep, theirs = whole_run(TWIN)
    return lockstep, theirs, theirs.trainer


def test_run_agrees_and_reaches_the_closed_form_and_scikit_learns(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, trainer = trained
    x, y = TWIN.make_data().split.train
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 600
    for best in (as_row(*by_hand.solution(x, y, 0.05)), by_sklearn(x, y, 0.05)):
        for weights in (lockstep.hand.model.state_dict(), weights_by_hand(TWIN.naming, theirs)):
            assert error(as_row(**weights), best) < 1e-11


def test_held_out_r2_is_scikit_learns_on_both_sides_and_what_the_text_says(
    trained: tuple[LockStep, pl.LightningModule, pl.Trainer],
) -> None:
    from sklearn.metrics import r2_score

    lockstep, _, trainer = trained
    split = TWIN.make_data().split
    x, y = split.val
    r2 = {alpha: r2_score(y[:, 0], x @ (p := by_sklearn(*split.train, alpha))[:-1] + p[-1]) for alpha in (0.05, 1.0)}
    assert round(r2[0.05], 2) == 0.52
    assert round(r2[1.0], 2) == 0.47
    assert lockstep.metrics["r2/val"] == pytest.approx(r2[0.05], abs=1e-12)
    assert float(trainer.callback_metrics["r2/val"]) == pytest.approx(r2[0.05], abs=1e-12)


def test_plain_gradient_descent_is_as_near_as_the_text_says() -> None:
    x, y = TWIN.make_data().split.train
    W, b = np.zeros((10, 1)), np.zeros(1)
    for _ in range(600):
        dL_dW, dL_db = by_hand.loss_backward(1.0, x, y, W, b, 0.05)
        W, b = W - 0.2 * dL_dW, b - 0.2 * dL_db
    assert error(as_row(W, b), by_sklearn(x, y, 0.05)) < 1e-4


def test_figures_are_drawn_and_the_diamond_is_touched_at_a_corner(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, _ = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == [
        "path over alpha",
        "circle and diamond",
        "too free and too stiff",
        "what shrinks",
        "weights against scikit-learn",
    ]
    circle, diamond = drawn["circle and diamond"].axes
    touched = circle.lines[1].get_xydata()[0]
    assert np.all(np.abs(touched) > 1)
    assert np.linalg.norm(touched) == pytest.approx(circle.patches[0].get_radius())
    corner = diamond.lines[1].get_xydata()[0]
    assert corner[1] == 0
    assert isinstance(diamond.patches[0], Polygon)
    assert np.abs(corner).sum() == pytest.approx(diamond.patches[0].get_xy()[0, 0])
    fitted, held_out = (line.get_ydata() for line in drawn["too free and too stiff"].axes[0].lines[:2])
    assert np.all(np.diff(fitted) > 0)
    assert held_out.min() < 0.8 * min(held_out[0], held_out[-1])
