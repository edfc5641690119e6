"""Least squares: the gradient, the closed forms, the step size, and that gradient descent gets there on both sides."""

from __future__ import annotations

import inspect
from types import ModuleType

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from matplotlib.patches import Rectangle
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from experiments.curriculum import FURTHER_READING
from experiments.data.diabetes import diabetes
from experiments.drawing.weights import as_row
from experiments.judge.central import jacobian
from experiments.judge.compare import error
from experiments.judge.convert import load_in_torch, to_numpy, to_torch, weights_by_hand
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.regression import linear_regression as script
from experiments.regression.linear_regression import TWIN, by_sklearn, descend, standardised
from manual.regression import linear_regression as by_hand
from tests.helpers import gradients_in_torch, whole_run
from torch_impl.regression import linear_regression as in_torch


def problem(seed: int, rows: int = 7, columns: int = 3) -> tuple[np.ndarray, ...]:
    """Random x, y, W and b."""
    rng = np.random.default_rng(seed)
    return rng.normal(2, 3, (rows, columns)), rng.normal(5, 2, (rows, 1)), rng.normal(size=(columns, 1)), rng.normal(size=1)


def gradient(x: np.ndarray, y: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """∂L/∂[W; b] by hand."""
    values = by_hand.forward(x, W, b)
    found = by_hand.backward(x, y, **values, W=W, b=b)
    return as_row(found["W"], found["b"])


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_central_differences(seed: int) -> None:
    x, y, W, b = problem(seed)

    def loss(p: np.ndarray) -> float:
        return by_hand.loss(by_hand.forward(x, p[:-1, None], p[-1:])["y_hat"], y)

    assert error(gradient(x, y, W, b), jacobian(loss, as_row(W, b), h=1e-4)) < 1e-9  # a parabola: nothing is cut off


@pytest.mark.parametrize("seed", range(3))
def test_forward_loss_and_gradient_are_torchs(seed: int) -> None:
    x, y, W, b = problem(seed, columns=10)
    theirs = in_torch.LinearRegression().double()
    load_in_torch(TWIN.naming, theirs, {"W": W, "b": b})
    y_hat, loss = theirs(to_torch(x)), theirs.training_step(to_torch((x, y)), 0)
    loss.backward()
    assert error(by_hand.forward(x, W, b)["y_hat"], y_hat) < 1e-14
    assert error(by_hand.loss(by_hand.forward(x, W, b)["y_hat"], y), loss) < 1e-14
    assert error(gradient(x, y, W, b), as_row(**to_numpy(gradients_in_torch(TWIN, theirs)))) < 1e-14


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    x, y, _, _ = problem(0, rows=6, columns=10)
    check_grads(ours, (x, y), again=(x[:4], y[:4]), torch=theirs, names=TWIN.names)


@pytest.mark.parametrize("features", ["own units", "standardised"])
def test_normal_equation_is_lstsq_and_scikit_learn(features: str) -> None:
    x, y = diabetes()
    x = x if features == "own units" else standardised(x)
    best = as_row(*by_hand.normal_equation(x, y))
    tolerance = 1e-9 if features == "own units" else 1e-12  # forming AᵀA loses up to log10(52 million) of 16 digits
    assert x.shape == (442, 10)
    assert error(best, as_row(*to_numpy(in_torch.normal_equation(*to_torch((x, y)))))) < tolerance
    assert error(best, by_sklearn(x, y)) < tolerance


def test_gradient_is_zero_at_the_normal_equation() -> None:
    x, y, W, b = problem(4)
    assert np.linalg.norm(gradient(x, y, *by_hand.normal_equation(x, y))) < 1e-11 * np.linalg.norm(gradient(x, y, W, b))


def test_normal_equation_refuses_dependent_columns_and_too_few_rows() -> None:
    x, y, _, _ = problem(5)
    with pytest.raises(ValueError, match="must be 5 independent columns, got 4"):
        by_hand.normal_equation(np.hstack([x, 2 * x[:, :1] - 3]), y)
    with pytest.raises(ValueError, match="must be 4 independent columns, got 2"):
        by_hand.normal_equation(x[:2], y[:2])


@pytest.mark.parametrize("seed", range(3))
def test_hessian_is_torchs_and_how_the_gradient_changes(seed: int) -> None:
    x, y, W, b = problem(seed)
    H = by_hand.hessian(x)
    assert H.shape == (4, 4)
    assert error(H, in_torch.hessian(torch.from_numpy(x))) < 1e-14
    p, q = as_row(W, b), np.random.default_rng(seed).normal(size=4)
    change = gradient(x, y, q[:-1, None], q[-1:]) - gradient(x, y, p[:-1, None], p[-1:])
    assert error(H @ (q - p), change) < 1e-12  # the gradient of a bowl is linear, so this is exact


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_step_size_limit_parts_convergence_from_divergence(momentum: float) -> None:
    x, y, W, b = problem(6)
    limit = by_hand.step_size_limit(x, momentum)
    assert error(limit, in_torch.step_size_limit(torch.from_numpy(x), momentum)) < 1e-13
    best, steepest = as_row(*by_hand.normal_equation(x, y)), np.linalg.eigh(by_hand.hessian(x))[1][:, -1]
    for lr, arrives in ((0.97 * limit, True), (1.03 * limit, False)):
        for path in descend(x, y, as_row(W, b), 400, lr=lr, momentum=momentum):
            away = abs((path - best) @ steepest)
            assert (away[-1] < 1e-3 * away[0]) == arrives
            assert (away[-1] > 1e3 * away[0]) != arrives


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule, pl.Trainer]:
    """The whole run, in lock-step."""
    lockstep, theirs = whole_run(TWIN)
    return lockstep, theirs, theirs.trainer


def test_run_agrees_and_reaches_the_closed_form_on_both_sides(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, trainer = trained
    x, y = TWIN.make_data().split.train
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 600
    for best in (as_row(*by_hand.normal_equation(x, y)), by_sklearn(x, y)):
        for weights in (lockstep.hand.model.state_dict(), weights_by_hand(TWIN.naming, theirs)):
            assert error(as_row(**weights), best) < 1e-11


def test_held_out_r2_is_scikit_learns_on_both_sides(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, _, trainer = trained
    split = TWIN.make_data().split
    r2 = r2_score(split.val[1], LinearRegression().fit(*split.train).predict(split.val[0]))
    assert 0.51 < r2 < 0.53  # what the text says
    assert abs(lockstep.metrics["r2/val"] - r2) < 1e-10
    assert abs(float(trainer.callback_metrics["r2/val"]) - r2) < 1e-10


def test_data_are_standardised_with_training_rows_and_held_out_apart() -> None:
    split = TWIN.make_data().split
    assert split.train[0].shape == (354, 10)
    assert split.val[0].shape == (88, 10)
    assert np.allclose(split.train[0].mean(axis=0), 0)
    assert np.allclose(split.train[0].std(axis=0), 1)
    assert abs(split.val[0].mean(axis=0)).max() > 0.01


def test_curvatures_are_those_of_the_text() -> None:
    x, _ = diabetes()
    for features, row in (
        (x, "| in their own units | 147,000 | 0.0028 | 52,000,000 | 0.000014 |"),
        (x - x.mean(axis=0), "| shifted to mean 0 | 4,100 | 0.054 | 76,000 | 0.00049 |"),
        (standardised(x), "| standardised | 8.05 | 0.0171 | 470 | 0.248 |"),
    ):
        assert row in script.FURTHER
        λ = np.linalg.eigvalsh(by_hand.hessian(features))
        told = [float(cell.replace(",", "")) for cell in row.split("|")[2:-1]]
        assert [λ[-1], λ[0], λ[-1] / λ[0], by_hand.step_size_limit(features)] == pytest.approx(told, rel=0.04)


def test_plain_gradient_descent_is_as_far_as_the_text_says() -> None:
    x, y = TWIN.make_data().split.train
    ours, _ = TWIN.build()
    best, start = as_row(*by_hand.normal_equation(x, y)), as_row(**ours.state_dict())

    def loss(p: np.ndarray) -> float:
        return by_hand.loss(by_hand.forward(x, p[:-1, None], p[-1:])["y_hat"], y)

    for path in descend(x, y, start, 600, lr=0.2, momentum=0.0):
        assert 1e-4 < loss(path[-1]) / loss(best) - 1 < 2e-4
        assert 0.03 < np.linalg.norm(path[-1] - best) / np.linalg.norm(best) < 0.045


def test_figures_are_drawn_and_squares_are_square(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, _ = trained
    data = TWIN.make_data()
    drawn = script.figures(lockstep.hand.model, theirs, data)
    assert list(drawn) == [
        "squared residuals",
        "paths over the loss",
        "why standardise",
        "reaching the closed form",
        "weights against the closed form",
        "how sure the weights are",
        "digits that the normal equation loses",
    ]
    reaching = drawn["reaching the closed form"].axes[0]
    for line in reaching.lines:
        assert (line.get_ydata() > reaching.get_ylim()[0]).all(), "no side leaves the picture"
    areas = []
    for ax in drawn["squared residuals"].axes:
        squares = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
        assert len(squares) == 25
        assert ax.get_aspect() == 1
        assert all(abs(s.get_width()) == abs(s.get_height()) for s in squares)
        areas.append(np.mean([s.get_width() * s.get_height() for s in squares]))
        assert ax.get_title().endswith(f"{areas[-1]:.3f}")
    x, y = data.split.train
    bmi, progression = x[:25, [2]], ((y - y.mean()) / y.std())[:25]
    best = by_hand.forward(bmi, *by_hand.normal_equation(bmi, progression))["y_hat"]
    assert areas[2] == pytest.approx(by_hand.loss(best, progression), rel=1e-6)
    assert areas[2] < min(areas[:2])


# ---- further reading: QR, the pseudo-inverse, standard errors, R² ----------------------------------------

SOLUTIONS = ["normal_equation", "qr_solution", "svd_solution"]


@pytest.mark.parametrize("module", [by_hand, in_torch])
def test_what_beginners_need_stands_above_the_further_reading(module: ModuleType) -> None:
    above, _, below = inspect.getsource(module).partition(FURTHER_READING)
    assert "def normal_equation" in above
    assert not any(f"def {name}" in above for name in ("qr_solution", "svd_solution", "standard_errors", "r_squared"))
    assert "def standard_errors" in below


def lstsq(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """numpy.linalg.lstsq's p = [W; b]."""
    return np.linalg.lstsq(np.hstack([x, np.ones((len(x), 1))]), y, rcond=None)[0][:, 0]


@pytest.mark.parametrize("name", SOLUTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_solutions_are_numpys_scikit_learns_and_torchs(name: str, seed: int) -> None:
    x, y, _, _ = problem(seed, rows=9, columns=4)
    W, b = getattr(by_hand, name)(x, y)
    assert (W.shape, b.shape) == ((4, 1), (1,))
    for best in (lstsq(x, y), by_sklearn(x, y), as_row(*to_numpy(getattr(in_torch, name)(*to_torch((x, y)))))):
        assert error(as_row(W, b), best) < 1e-11


@pytest.mark.parametrize("name", ["qr_solution", "svd_solution"])
def test_in_their_own_units_nothing_is_lost(name: str) -> None:
    x, y = diabetes()
    assert error(as_row(*getattr(by_hand, name)(x, y)), lstsq(x, y)) < 1e-12  # the normal equation has 1e-9 to spare here


def test_the_normal_equation_loses_twice_the_digits() -> None:
    for apart in (1e-3, 1e-5, 1e-7):
        κ, normal = script.lost(by_hand.normal_equation, apart)
        for solver in (by_hand.qr_solution, by_hand.svd_solution):
            assert script.lost(solver, apart)[1] < 2e-16 * κ
        assert 2e-19 * κ**2 < normal < 2e-16 * κ**2
    A = np.hstack([diabetes()[0], np.ones((442, 1))])
    assert np.linalg.cond(A.T @ A) == pytest.approx(np.linalg.cond(A) ** 2, rel=1e-4)


def test_of_collinear_features_the_shortest_solution_is_lstsqs() -> None:
    x, y, _, _ = problem(7, rows=9, columns=3)
    collinear = np.hstack([x, 2 * x[:, :1] - 3])
    p = as_row(*by_hand.svd_solution(collinear, y))
    assert error(p, lstsq(collinear, y)) < 1e-12
    assert error(p, as_row(*to_numpy(in_torch.svd_solution(*to_torch((collinear, y)))))) < 1e-12
    assert error(gradient(collinear, y, p[:-1, None], p[-1:]) + 1, np.ones(5)) < 1e-12  # its gradient is 0
    twice = np.hstack([x, x[:, :1]])
    W, _ = by_hand.svd_solution(twice, y)
    assert W[0] == pytest.approx(W[3], rel=1e-12)  # half of the weight for each
    assert W[0] + W[3] == pytest.approx(by_hand.qr_solution(x, y)[0][0], rel=1e-11)
    assert np.linalg.norm(by_sklearn(collinear, y)[:-1]) < np.linalg.norm(p[:-1])  # it takes the shortest W, whatever b


def test_with_fewer_rows_than_parameters_the_line_goes_through_all_points() -> None:
    x, y, _, _ = problem(8, rows=3, columns=5)
    W, b = by_hand.svd_solution(x, y)
    assert error(by_hand.forward(x, W, b)["y_hat"], y) < 1e-13
    assert error(as_row(W, b), lstsq(x, y)) < 1e-12


@pytest.mark.parametrize("name", ["qr_solution", "standard_errors"])
def test_dependent_columns_and_too_few_rows_are_refused(name: str) -> None:
    x, y, _, _ = problem(5)
    function = getattr(by_hand, name)
    with pytest.raises(ValueError, match=f"{name}: x and a column of ones must be 5 independent columns, got 4"):
        function(np.hstack([x, 2 * x[:, :1] - 3]), y)
    with pytest.raises(ValueError, match=f"{name}: x and a column of ones must be 4 independent columns, got 2"):
        function(x[:2], y[:2])
    with pytest.raises(ValueError, match=f"{name}: x and a column of ones must be 4 independent columns, got 3"):
        function(x - x[:, :1] + 1, y)  # a constant feature is b's


@pytest.mark.parametrize("name", ["qr_solution", "svd_solution", "standard_errors"])
def test_a_y_that_is_no_column_of_its_length_is_refused(name: str) -> None:
    x, y, _, _ = problem(5)
    for wrong, shape in ((y[:, 0], r"\(7,\)"), (y[:6], r"\(6, 1\)"), (np.hstack([y, y]), r"\(7, 2\)")):
        with pytest.raises(ValueError, match=rf"{name}: x must be \(N, D\) and y \(N, 1\), got \(7, 3\) and {shape}"):
            getattr(by_hand, name)(x, wrong)
    with pytest.raises(ValueError, match="svd: A must be finite"):
        getattr(by_hand, name)(np.where(x == x[1, 1], np.nan, x), y)
    with pytest.raises(ValueError, match=r"r_squared: y_hat and y must have one shape, got \(7, 1\) and \(7,\)"):
        by_hand.r_squared(y, y[:, 0])


def test_standard_errors_need_a_row_more_than_there_are_parameters() -> None:
    x, y, _, _ = problem(9, rows=4)
    with pytest.raises(ValueError, match="standard_errors: x must have more than 4 rows, one for each parameter, got 4"):
        by_hand.standard_errors(x, y)


def test_standard_errors_are_scipys_for_one_feature_and_the_closed_form_for_many() -> None:
    x, y, _, _ = problem(10, rows=12, columns=1)
    W, b = by_hand.standard_errors(x, y)
    theirs = stats.linregress(x[:, 0], y[:, 0])
    assert (W.shape, b.shape) == ((1, 1), (1,))
    assert [W.item(), b.item()] == pytest.approx([theirs.stderr, theirs.intercept_stderr], rel=1e-12)
    x, y = TWIN.make_data().split.train
    A, r = np.hstack([x, np.ones((354, 1))]), by_hand.forward(x, *by_hand.normal_equation(x, y))["y_hat"] - y
    closed_form = np.sqrt(np.diag(np.linalg.inv(A.T @ A)) * (r**2).sum() / (354 - 11))
    assert error(as_row(*by_hand.standard_errors(x, y)), closed_form) < 1e-12
    assert error(as_row(*to_numpy(in_torch.standard_errors(*to_torch((x, y))))), closed_form) < 1e-12


def test_standard_errors_are_how_far_the_weights_scatter() -> None:
    x, y = TWIN.make_data().split.train
    found, errors = script.chance(x, y, 4000), by_hand.standard_errors(x, y)[0][:, 0]
    assert found.std(axis=0) == pytest.approx(errors, rel=0.06)
    W = by_hand.qr_solution(x, y)[0][:, 0]
    assert np.abs(found.mean(axis=0) - W).max() < 0.06 * errors.max()
    assert (np.abs(found - W) < 2 * errors).mean() == pytest.approx(0.954, abs=0.01)


def test_r_squared_is_scikit_learns_and_scipys() -> None:
    x, y, W, b = problem(11, rows=12, columns=1)
    fitted, guess = (by_hand.forward(x, *p)["y_hat"] for p in (by_hand.qr_solution(x, y), (W, b)))
    for y_hat in (fitted, guess):
        found = by_hand.r_squared(y_hat, y)
        assert found == pytest.approx(r2_score(y, y_hat), rel=1e-13)
        assert found == pytest.approx(in_torch.r_squared(*to_torch((y_hat, y))).item(), rel=1e-13)
    assert by_hand.r_squared(fitted, y) == pytest.approx(stats.linregress(x[:, 0], y[:, 0]).rvalue ** 2, rel=1e-12)
    assert by_hand.r_squared(guess, y) < 0
    assert by_hand.r_squared(np.full_like(y, y.mean()), y) == pytest.approx(0, abs=1e-15)


def test_each_further_feature_can_only_raise_r_squared() -> None:
    x, y = diabetes()
    x = standardised(x)
    R2 = [by_hand.r_squared(by_hand.forward(x[:, :k], *by_hand.qr_solution(x[:, :k], y))["y_hat"], y) for k in range(1, 11)]
    assert sorted(R2) == R2
    assert R2[0] > 0


@pytest.mark.parametrize(("y_hat", "wanted"), [(2.0, np.nan), (3.0, -np.inf)])
def test_r_squared_of_what_does_not_vary(y_hat: float, wanted: float) -> None:
    y, guess = np.full((5, 1), 2.0), np.full((5, 1), y_hat)
    for found in (by_hand.r_squared(guess, y), in_torch.r_squared(*to_torch((guess, y))).item()):
        np.testing.assert_equal(found, wanted)
    with np.errstate(all="ignore"):  # scikit-learn warns
        np.testing.assert_equal(r2_score(y, guess, force_finite=False), wanted)


def test_figures_of_the_further_reading(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, _ = trained
    data = TWIN.make_data()
    x, y = data.split.train
    drawn = script.figures(lockstep.hand.model, theirs, data)
    weights, scatter = drawn["how sure the weights are"].axes
    (W, _), (errors, _) = by_hand.normal_equation(x, y), by_hand.standard_errors(x, y)
    for group, sure in zip(weights.containers, (True, False), strict=True):
        line, _, (bars,) = group
        at = line.get_xdata().astype(int)
        assert line.get_ydata() == pytest.approx(W[at, 0], rel=1e-9)
        ends = np.array(bars.get_segments())[:, :, 1]
        assert ends[:, 1] - ends[:, 0] == pytest.approx(4 * errors[at, 0], rel=1e-9)
        assert ((ends[:, 0] * ends[:, 1] > 0) == sure).all()  # grey reaches across 0
    size, largest = abs(W[:, 0]).argsort(), errors[:, 0].argsort()
    assert size[-1] == script.FEATURES.index("s1")  # "the largest of all"
    assert set(largest[-2:]) == {script.FEATURES.index("s1"), script.FEATURES.index("s2")}  # "the least sure"
    caption = drawn["how sure the weights are"].caption
    assert f"R² is {r2_score(y, LinearRegression().fit(x, y).predict(x)):.3f} on these rows" in caption
    density = scatter.lines[0].get_xydata()
    assert density[density[:, 1].argmax(), 0] == pytest.approx(W[2, 0], rel=1e-9)
    assert np.trapezoid(*density.T[::-1]) == pytest.approx(1, abs=1e-3)
    normal, qr, pseudo = (line.get_xydata() for line in drawn["digits that the normal equation loses"].axes[0].lines[:3])
    assert normal[-1, 0] > 5e7
    assert normal[-1, 1] > 0.05
    assert (np.maximum(qr, pseudo)[:, 1] < 2e-16 * normal[:, 0] + 1e-15).all()
