"""Softmax: identities, where the naive forms leave the numbers, Jacobians, degenerate rows, and the two trainings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch
from sklearn.linear_model import LogisticRegression

from experiments.data.arrays import InputError
from experiments.drawing.interactive import picked
from experiments.drawing.walk import walk
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.judge.nonfinite import NotFinite
from experiments.lockstep import LockStep
from experiments.numerics import softmax as script
from experiments.numerics.softmax import TWIN, FarPoint
from manual.numerics import softmax as by_hand
from manual.numerics.softmax import Classifier
from tests.helpers import command, fit, whole_run
from torch_impl.numerics import softmax as in_torch

DIES = 68
"""The step at which the naive form is over, in float64."""


def scores(seed: int, *shape: int) -> np.ndarray:
    """Random scores."""
    return np.random.default_rng(seed).normal(0, 2, shape)


# ---- what they are -------------------------------------------------------------------------------


def test_both_forms_are_scipys_where_the_numbers_suffice() -> None:
    z = scores(0, 5, 4)
    for form in ("", "naive_"):
        assert error(getattr(by_hand, f"{form}softmax")(z), scipy.special.softmax(z, axis=-1)) < 1e-15
        assert error(getattr(by_hand, f"{form}log_softmax")(z), scipy.special.log_softmax(z, axis=-1)) < 1e-15
        assert error(getattr(by_hand, f"{form}logsumexp")(z, axis=1), scipy.special.logsumexp(z, axis=1)) < 1e-15


def test_a_number_added_to_all_scores_changes_no_probability() -> None:
    z = scores(1, 5, 4)
    for more in (-3.0, 500.0, 1e6):
        assert error(by_hand.softmax(z + more), by_hand.softmax(z)) < 1e-9
        assert error(by_hand.logsumexp(z + more, 1) - more, by_hand.logsumexp(z, 1)) < 1e-9
    assert np.isnan(by_hand.naive_softmax(z + 1e6)).all()
    assert error(by_hand.naive_softmax(z + 500), by_hand.softmax(z)) < 1e-13


def test_logsumexp_is_near_the_largest() -> None:
    z = scores(2, 200, 4)
    y = by_hand.logsumexp(z, 1)
    assert (z.max(axis=1) <= y).all()
    assert (y <= z.max(axis=1) + math.log(4)).all()
    assert by_hand.logsumexp(np.zeros((1, 4)), 1) == math.log(4)  # the bound is met where all are equal


@pytest.mark.parametrize(("dtype", "largest", "least"), [("float32", 88.72, -103.97), ("float64", 709.78, -745.13)])
def test_powers_end_where_the_text_says(dtype: str, largest: float, least: float) -> None:
    with np.errstate(over="ignore"):
        assert np.isfinite(np.exp(np.array(largest, dtype)))
        assert np.isinf(np.exp(np.array(largest + 0.01, dtype)))
        assert np.exp(np.array(least, dtype)) > 0
        assert np.exp(np.array(least - 0.01, dtype)) == 0
    assert script.LIMITS[dtype] == pytest.approx(largest, abs=0.005)
    for z in (largest + 0.01, 1e4):
        row = np.array([[z, 0.0]], dtype)
        assert np.isnan(by_hand.naive_softmax(row)[0, 0])
        assert by_hand.softmax(row)[0] == pytest.approx([1, 0], abs=1e-38)
        assert np.isinf(by_hand.naive_logsumexp(row))
        assert by_hand.logsumexp(row, 1) == row[0, 0]
    row = np.array([[0.0, least - 0.01]], dtype)
    assert by_hand.naive_log_softmax(row)[0, 1] == -np.inf
    assert by_hand.log_softmax(row)[0, 1] == row[0, 1]
    alone = np.array([[least - 0.01, least - 1]], dtype)
    assert np.isnan(by_hand.naive_softmax(alone)).all()
    assert np.isneginf(by_hand.naive_logsumexp(alone)).all()
    assert np.isfinite(by_hand.softmax(alone)).all()


def test_one_zero_probability_makes_the_naive_gradient_nan_in_the_whole_row() -> None:
    """The loss is finite, since the right class has p = 1; its gradient is not, in torch either."""
    z, upstream = np.array([[0.0, -800.0, 1.0]]), np.array([[0.0, 0.0, -1.0]])
    assert np.isfinite((upstream * np.maximum(by_hand.naive_log_softmax(z), -1e300)).sum())
    assert np.isnan(by_hand.naive_log_softmax_backward(upstream, z)).all()
    leaf = torch.from_numpy(z).requires_grad_()
    in_torch.naive_log_softmax(leaf).backward(torch.from_numpy(upstream))
    assert leaf.grad.isnan().all()
    assert np.isfinite(by_hand.log_softmax_backward(upstream, z)).all()


def test_cross_entropy_is_that_of_probabilities_and_p_minus_y() -> None:
    z, c = scores(3, 6, 4), np.array([0, 3, 1, 1, 2, 0])
    p, y = scipy.special.softmax(z, axis=1), np.eye(4)[c]
    wanted = -np.log(p[np.arange(6), c]).mean()
    for form in ("", "naive_"):
        assert getattr(by_hand, f"{form}cross_entropy")(z, c) == pytest.approx(wanted, rel=1e-14)
        assert error(getattr(by_hand, f"{form}cross_entropy_backward")(1.7, z, c), 1.7 * (p - y) / 6) < 1e-14


def test_temperature_goes_from_one_hot_to_even() -> None:
    z = np.array([[1.0, 3.0, -2.0, 0.5], [2.0, -1.0, 2.0, 0.0]])

    def at(T: float) -> np.ndarray:
        return by_hand.tempered_softmax(z, np.array(T))

    assert error(at(1.0), scipy.special.softmax(z, axis=1)) < 1e-15
    assert at(1e-3).tolist() == [[0, 1, 0, 0], [0.5, 0, 0.5, 0]]  # ties share
    assert error(at(1e9), np.full((2, 4), 0.25)) < 1e-8
    assert at(-1e-3).tolist() == [[0, 0, 1, 0], [0, 1, 0, 0]]  # the smallest score
    assert error(at(-0.7), by_hand.tempered_softmax(-z, np.array(0.7))) < 1e-15
    entropy = [scipy.special.entr(at(T)).sum(axis=1) for T in np.geomspace(0.05, 50, 40)]
    assert (np.diff(entropy, axis=0) > 0).all()


# ---- Jacobians -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_backward_is_the_upstream_times_the_jacobian(name: str) -> None:
    """The Jacobians themselves are compared with torch.func and with central differences in the table of cases."""
    z, g = scores(4, 5, 3), scores(5, 5, 3)
    J = getattr(by_hand, f"{name}_jacobian")(z)
    assert J.shape == (5, 3, 3)
    assert error(getattr(by_hand, f"{name}_backward")(g, z), np.einsum("nk,nkj->nj", g, J)) < 1e-14
    assert error(J.sum(axis=2), np.zeros((5, 3)), whole=1.0) < 1e-12  # moving all scores moves nothing


def test_hessian_of_logsumexp_is_a_variance() -> None:
    z, v = scores(6, 5, 3), scores(7, 3)
    H, p = by_hand.logsumexp_hessian(z), by_hand.softmax(z)
    variance = (p * v**2).sum(axis=1) - (p * v).sum(axis=1) ** 2
    assert error(np.einsum("k,nkj,j->n", v, H, v), variance) < 1e-13
    assert np.linalg.eigvalsh(H).min() > -1e-15


def test_jacobian_vector_products_are_torchs() -> None:
    z, dz = scores(8, 5, 3), scores(9, 5, 3)
    for axis in (0, 1):
        _, moved = torch.autograd.functional.jvp(lambda z, axis=axis: in_torch.softmax(z, axis), *to_torch((z, dz)))
        assert error(by_hand.softmax_backward(dz, z, axis), moved) < 1e-14  # its matrix is its own transpose
        assert error(by_hand.log_softmax_jvp(z, dz, axis), in_torch.log_softmax_jvp(*to_torch((z, dz)), axis)) < 1e-14
    by_matrix = np.einsum("nkj,nj->nk", by_hand.log_softmax_jacobian(z), dz)
    assert error(by_hand.log_softmax_jvp(z, dz), by_matrix) < 1e-14


# ---- degenerate rows -----------------------------------------------------------------------------


def test_a_masked_class_has_probability_0_and_gradient_0() -> None:
    z, g = np.array([[1.0, -np.inf, 0.3]]), np.array([[0.7, 2.0, -1.1]])
    rest = [0, 2]
    for name in ("softmax", "log_softmax", "naive_softmax"):
        y, alone = getattr(by_hand, name)(z), getattr(by_hand, name)(z[:, rest])
        assert error(y[:, rest], alone) < 1e-15
        assert y[0, 1] == (-np.inf if name == "log_softmax" else 0)
    dL_dz = by_hand.softmax_backward(g, z)
    assert dL_dz[0, 1] == 0
    assert error(dL_dz[:, rest], by_hand.softmax_backward(g[:, rest], z[:, rest])) < 1e-15
    assert by_hand.logsumexp_backward(np.array([1.7]), z, 1)[0, 1] == 0
    assert by_hand.cross_entropy_backward(1.7, z, np.array([2]))[0, 1] == 0


@pytest.mark.parametrize(
    ("row", "p", "y", "dy"),
    [
        ([-np.inf, -np.inf], [np.nan, np.nan], -np.inf, [np.nan, np.nan]),
        ([np.inf, 0.0], [np.nan, np.nan], np.inf, [np.nan, 0]),
        ([np.inf, np.inf], [np.nan, np.nan], np.inf, [np.nan, np.nan]),
        ([np.nan, 0.0], [np.nan, np.nan], np.nan, [np.nan, np.nan]),
        ([3.0, 3.0], [0.5, 0.5], 3 + math.log(2), [0.5, 0.5]),
        ([], [], -np.inf, []),
    ],
)
def test_odd_rows_are_torchs(row: list[float], p: list[float], y: float, dy: list[float]) -> None:
    z = np.array([row])
    leaf = torch.from_numpy(z).requires_grad_()
    theirs = torch.logsumexp(leaf, 1)
    theirs.sum().backward()
    for found, wanted, torchs in (
        (by_hand.softmax(z), [p], torch.softmax(leaf, 1)),
        (by_hand.log_softmax(z), np.log([p]), torch.log_softmax(leaf, 1)),
        (by_hand.logsumexp(z, 1), [y], theirs),
        (by_hand.logsumexp_backward(np.ones(1), z, 1), [dy], leaf.grad),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-15)
        np.testing.assert_array_equal(np.isnan(found), to_numpy(torchs.isnan()))
        np.testing.assert_allclose(found, to_numpy(torchs), rtol=1e-15)


@pytest.mark.parametrize("row", [[1.0, 2.0], [-1.0, -2.0], [0.0, -1.0], [0.0, 0.0]])
def test_temperature_0_is_nan_as_in_torch(row: list[float]) -> None:
    z, T = np.array([row]), np.array(0.0)
    assert np.isnan(by_hand.tempered_softmax(z, T)).all()
    assert in_torch.tempered_softmax(*to_torch((z, T))).isnan().all()


def test_bad_input_is_named() -> None:
    z, c = scores(10, 2, 3), np.array([0, 2])
    for name in ("cross_entropy", "naive_cross_entropy"):
        for kind, message, inputs in (
            (TypeError, "z must be floating point, got int64", (z.astype(int), c)),
            (TypeError, "z must be a NumPy array, got list", ([[1.0]], c)),
            (ValueError, r"z must have 2 axes, got shape \(3,\)", (z[0], c)),
            (ValueError, r"z must have at least one row, got shape \(0, 3\)", (z[:0], c[:0])),
            (TypeError, "c must be an array of integers, got float64", (z, c.astype(float))),
            (IndexError, r"c must lie in 0 … 2 \(classes = 3\), got 3", (z, np.array([0, 3]))),
            (IndexError, r"c must lie in 0 … 2 \(classes = 3\), got -1", (z, np.array([-1, 2]))),
            (ValueError, r"c must have 1 axes, got shape \(2, 1\)", (z, c[:, None])),
            (ValueError, r"axis 0 of c must be rows of z = 2, got shape \(1,\)", (z, c[:1])),
        ):
            with pytest.raises(kind, match=f"^{name}: {message}"):
                getattr(by_hand, name)(*inputs)
    for cls in (Classifier, in_torch.Classifier):
        with pytest.raises(ValueError, match="Classifier: form must be one of 'stable', 'naive', got 'safe'"):
            cls(form="safe")
    with pytest.raises(InputError, match=r"--data\.points must be at least 3, got 2"):
        FarPoint(points=2)


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["stable", "naive"])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(form: str) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = Classifier(form=form), in_torch.Classifier(form=form)
    ours.load_state_dict({"W": rng.normal(size=(2, 3)), "b": rng.normal(size=3)})
    seven, four = ((rng.normal(size=(n, 2)), rng.integers(0, 3, n)) for n in (7, 4))
    check_grads(ours, seven, again=four, torch=theirs)


def test_values_on_the_way_are_the_same_on_both_sides() -> None:
    x = scores(11, 4, 2)
    for form, names in (("stable", ["z", "log p"]), ("naive", ["z", "exp(z)", "s", "p"])):
        ours, theirs = Classifier(form=form), in_torch.Classifier(form=form).double()
        ours.W[...] = scores(12, 2, 3)
        theirs.load_state_dict(to_torch(ours.state_dict()))
        found, wanted = ours.values(x), theirs.values(torch.from_numpy(x))
        assert list(found) == list(wanted) == names
        assert all(error(found[name], wanted[name]) < 1e-14 for name in names)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, Any]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def lowest(x: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """W, b and loss at the bottom, by Newton's method; b and each row of W add up to 0, as from a start at 0."""
    from manual.regression.softmax_regression import hessian

    W, b = np.zeros((2, 3)), np.zeros(3)
    middle = np.delete(np.arange(len(x)), x[:, 0].argmax())  # the far point's part in H is 0 at the bottom, but not at 0
    for step in range(30):
        rows = middle if step < 10 else np.arange(len(x))
        dL_dz = by_hand.cross_entropy_backward(1.0, x[rows] @ W + b, c[rows])
        gradient = np.vstack([x[rows].T @ dL_dz, dL_dz.sum(axis=0)])
        change = np.linalg.pinv(hessian(x[rows], W, b), rcond=1e-10) @ gradient.ravel()
        W, b = W - change.reshape(3, 3)[:2], b - change.reshape(3, 3)[2]
    assert np.abs(gradient).max() < 1e-14
    return W, b, float(by_hand.cross_entropy(x @ W + b, c))


def test_the_stable_run_agrees_and_ends_at_the_lowest_loss_on_both_sides(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    x, c = TWIN.make_data().split.train
    W, b, loss = lowest(x, c)
    for side in (lockstep.hand.model, theirs):
        state = to_numpy(dict(side.state_dict()))
        assert error(state["W"], W) < 1e-6
        assert error(state["b"], b) < 1e-5
        largest = (x @ state["W"] + state["b"]).max()
        assert 775 < largest < 785  # as the figure says: 779
    assert lockstep.records[-1].loss_manual == pytest.approx(loss, abs=1e-12)
    assert lockstep.records[-1].loss_torch == pytest.approx(loss, abs=1e-12)


def test_scikit_learn_finds_the_same_classifier() -> None:
    x, c = TWIN.make_data().split.train
    W, b, loss = lowest(x, c)
    middle = x[:, 0] < 100  # its solver does not converge with the far point, which changes nothing
    fitted = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(x[middle], c[middle])
    assert error(fitted.coef_.T, W) < 1e-4
    assert error(fitted.intercept_, b, whole=float(np.linalg.norm(W))) < 1e-4
    assert by_hand.cross_entropy(x[middle] @ W + b, c[middle]) * (len(x) - 1) / len(x) == pytest.approx(loss, rel=1e-12)


def test_the_naive_run_is_over_at_the_step_of_the_text(trained: tuple[LockStep, Any]) -> None:
    """Until then it is the stable one, loss for loss."""
    naive = lambda **settings: fit(TWIN, data=TWIN.make_data(), model={"form": "naive"}, **settings)  # noqa: E731
    lockstep, theirs = naive(steps=DIES)
    assert lockstep.judge.passed
    assert len(lockstep.records) == DIES
    for mine, its in zip(lockstep.records, trained[0].records, strict=False):
        assert mine.loss_manual == pytest.approx(its.loss_manual, rel=1e-12)
        assert mine.loss_torch == pytest.approx(its.loss_torch, rel=1e-12)
    x, _ = TWIN.make_data().split.train
    for side in (lockstep.hand.model, theirs):
        state = to_numpy(dict(side.state_dict()))
        assert 709.79 < (x @ state["W"] + state["b"]).max() < 715
    message = r"step 68: the loss is nan; first not finite: torch: exp\(z\) \(Inf\); by hand: exp\(z\) \(Inf\)"
    with pytest.raises(NotFinite, match=message):
        naive(steps=DIES + 1)
    with pytest.raises(NotFinite, match=message.replace("step 68", "step 1")):
        naive(steps=2, precision="32-true")


def test_run_stops_with_status_1_and_names_the_step(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = command("run", "softmax", "--model.form", "naive")
    assert status == 1
    lines = [line for line in err.splitlines() if "step" in line]
    assert lines == ["error: step 68: the loss is nan; first not finite: torch: exp(z) (Inf); by hand: exp(z) (Inf)"]


def test_other_places_of_the_far_point_are_as_the_text_says() -> None:
    x, c = TWIN.make_data(far=50.0).split.train
    naive, stable = (walk(Classifier(form=form), in_torch.Classifier(form=form), (x, c), 1200) for form in ("naive", "stable"))
    assert script.died(x, c, naive[0]) is None
    for a, b in zip(naive, stable, strict=True):
        assert error(a["W"][-1], b["W"][-1]) < 1e-12
    x, c = TWIN.make_data(far=50000.0).split.train
    for path in walk(Classifier(), in_torch.Classifier(), (x, c), 1200):
        z = x @ path["W"] + path["b"][:, None]
        losses = [by_hand.cross_entropy(each, c) for each in z]
        assert z[1].max() > 1e6
        assert np.isfinite(losses).all()
        assert losses[1] > 3 > 1.1 > losses[0]
        assert losses[-1] == pytest.approx(0.355, abs=5e-4)


# ---- figures -------------------------------------------------------------------------------------


def test_figures_show_what_their_captions_say(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["how far the powers reach", "one training in two forms", "what was learnt", "digits", "temperature"]

    left, right = drawn["how far the powers reach"].axes
    for line, limit in zip(left.lines[::2], (709.78, 88.72, 11.09), strict=False):
        x, y = line.get_data()
        assert x[np.isfinite(y)].max() == pytest.approx(limit, abs=0.01)
    stable, naive = (line.get_ydata() for line in right.lines[:2])
    assert np.isnan(naive[right.lines[1].get_xdata() > 88.73]).all()
    assert np.isfinite(stable).all()

    left, right = drawn["one training in two forms"].axes
    assert "At step 68 the far point's score has passed 709.78" in drawn["one training in two forms"].caption
    for line in left.lines[2:4]:  # the naive form, torch and by hand
        assert line.get_xdata()[-1] == DIES
        assert line.get_ydata()[-1] > 709.78 > line.get_ydata()[-2]
    assert (right.lines[2].get_xdata()[-1], right.lines[0].get_xdata()[-1]) == (DIES - 1, 199)
    assert (np.diff(right.lines[0].get_ydata()) < 0).all()

    counts = [patch.get_height() for patch in drawn["what was learnt"].axes[1].patches]
    assert sum(counts) == 600
    edges = [patch.get_x() for patch in drawn["what was learnt"].axes[1].patches]
    assert [(n, round(x, -2)) for n, x in zip(counts, edges, strict=True) if n and x > 9] == [(1, 700)]

    loser, winner = drawn["digits"].axes
    gap = loser.lines[0].get_xdata()
    kept, naive = (line.get_ydata() for line in loser.lines)
    assert kept.min() > 7
    assert naive[gap < 88].min() > 7
    assert 89 < gap[naive < 7][0] < 94
    assert naive[gap < 103].min() > 1
    assert naive[gap > 105].max() == 0
    log_softmax, naive, log1p = (line.get_ydata() for line in winner.lines)
    for lost in (log_softmax, naive):
        assert lost[gap > 18].max() == 0
        assert lost[gap < 16].min() > 0
    assert log1p[gap < 85].min() > 7

    curves = np.array([line.get_ydata() for line in drawn["temperature"].axes[0].lines[:4]])
    assert curves.sum(axis=0) == pytest.approx(np.ones(200))
    assert curves[:, 0] == pytest.approx([1, 0, 0, 0], abs=1e-8)
    assert curves[:, -1] == pytest.approx(np.full(4, 0.25), abs=0.02)


# ---- what is moved -------------------------------------------------------------------------------


def heights(panel: Any, at: int) -> np.ndarray:
    """Of the four bars, for the value of the slider that has this place."""
    bars = [mark for mark in panel["marks"] if mark["kind"] == "bars"]
    assert [bar["x"] for bar in bars] == [[0], [1], [2], [3]]
    return np.array([picked(bar["y"], [at])[0] for bar in bars], dtype=float)


def test_the_bars_that_are_moved_are_both_forms_by_hand() -> None:
    picture = script.common_number()
    data = picture.data()
    for i, a in enumerate(script.ADDED):
        naive, stable = (heights(panel, i) for panel in data["panels"])
        np.testing.assert_allclose(naive, by_hand.naive_softmax(script.SCORES + a), rtol=1e-4)
        np.testing.assert_allclose(stable, by_hand.softmax(script.SCORES + a), rtol=1e-4)
        said = script.powers(a)
        assert ("NaN" in said) == np.isnan(naive).any()
        assert ("∞" in said) == (a + 2 > script.LIMITS["float64"])
    assert sum("off by" in script.powers(a) for a in script.ADDED) > 3
    assert [a for a in script.ADDED if a != int(a)] == []
    assert sorted(set(script.ADDED)) == list(script.ADDED)


def test_the_bars_at_a_temperature_are_scipys() -> None:
    data = script.hot_and_cold().data()
    for i, T in enumerate(script.TEMPERATURES):
        expected = scipy.special.softmax(script.SCORES / T)
        np.testing.assert_allclose(heights(data["panels"][0], i), expected, rtol=1e-4)
        dots = [mark for mark in data["panels"][1]["marks"] if mark["kind"] == "dots"]
        np.testing.assert_allclose([picked(dot["y"], [i])[0] for dot in dots], expected, rtol=1e-4)
        np.testing.assert_allclose([picked(dot["x"], [i]) for dot in dots], np.log10(T), rtol=1e-4)
    ratio = math.exp(3)  # of e^2 and e^−1
    assert script.shares(scipy.special.softmax(script.SCORES)).endswith(f"less by a factor of {ratio:.3g}.")
