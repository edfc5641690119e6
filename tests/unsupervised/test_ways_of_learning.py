"""Three ways of learning: what reward teaches is counted out over all answers, and the groups are those of scikit-learn's KMeans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.unsupervised import ways_of_learning as script
from experiments.unsupervised.ways_of_learning import TWIN, WAYS, Flowers
from manual.nn.functional import softmax
from manual.regression.softmax_regression import one_hot
from manual.unsupervised import ways_of_learning as by_hand
from tests.helpers import whole_run
from torch_impl.unsupervised import ways_of_learning as in_torch

SIDES = pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])


def problem(seed: int = 0, N: int = 7, K: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Scores and kinds."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1.5, (N, K)), rng.integers(0, K, N)


# ---- three losses, three gradients ---------------------------------------------------------------

ANSWERS, ADVANTAGE = np.array([0, 1, 2, 2, 1, 0, 0]), np.array([0.7, -0.3, 0.7, -0.3, 0.2, 0.1, -0.9])

LOSSES: dict[str, tuple[tuple[np.ndarray, ...], Callable[..., Any]]] = {
    "supervised": (problem()[1:], lambda z: cross_entropy(z, torch.from_numpy(problem()[1]))),
    "unsupervised": ((), lambda z: -z.amax(dim=1).mean()),
    "reinforcement": (
        (ANSWERS, ADVANTAGE),
        lambda z: (torch.from_numpy(ADVANTAGE) * cross_entropy(z, torch.from_numpy(ANSWERS), reduction="none")).mean(),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_pull_is_what_autograd_and_central_differences_find(way: str) -> None:
    given, theirs = LOSSES[way]
    check_grads(
        lambda z: getattr(by_hand, way)(z, *given),
        [problem()[0]],
        again=[problem(3)[0]],
        backward=lambda dL_dy, z: getattr(by_hand, f"{way}_backward")(dL_dy, z, *given),
        torch=theirs,
    )


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    x, c = (a[:9] for a in Flowers().split.train)
    given = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])  # else other answers are drawn at each forward
    ours.answer = lambda z: given[: len(z)]  # type: ignore[method-assign]
    u = (given + 0.5) / 3  # drawn from the torch side's p where these are about a third

    theirs.uniform.forward = lambda shape: torch.from_numpy(u[: shape[0]])
    with torch.no_grad():
        z = theirs(torch.from_numpy(x))[2]
        assert torch.equal(in_torch.draw(z.softmax(dim=1), torch.from_numpy(u)), torch.from_numpy(given))
    check_grads(ours, (x, c), again=(x[:4], c[:4]), torch=theirs)


@pytest.mark.parametrize("baseline", [0.0, 1 / 3, 2.0])
def test_on_average_over_all_answers_reward_pulls_as_the_teacher_does_times_the_chance_to_be_right(baseline: float) -> None:
    z, c = problem(1)
    p, K = softmax(z), z.shape[1]
    mean = np.zeros(z.shape)
    for k in range(K):
        answer = np.full(len(z), k)
        mean += p[:, [k]] * by_hand.reinforcement_backward(1.0, z, answer, (answer == c) - baseline)
    right = p[np.arange(len(c)), c]
    np.testing.assert_allclose(mean, right[:, None] * by_hand.supervised_backward(1.0, z, c), rtol=1e-13, atol=1e-15)


def test_drawn_by_the_model_the_answers_come_as_often_as_they_are_probable() -> None:
    ours, _ = TWIN.build()
    z = np.tile([[0.0, 1.0, -1.0]], (20_000, 1))
    share = one_hot(ours.answer(z), 3).mean(axis=0)
    p = softmax(z[0])
    assert np.all(np.abs(share - p) < 4 * np.sqrt(p * (1 - p) / len(z)))


def test_points_as_weights_are_softmax_regression() -> None:
    x, w = np.random.default_rng(0).normal(size=(8, 4)), np.random.default_rng(1).normal(size=(3, 4))
    np.testing.assert_allclose(softmax(by_hand.scores(x, w)), softmax(x @ w.T - (w**2).sum(axis=1) / 2), rtol=1e-12)


def test_groups_are_named_after_their_commonest_kind() -> None:
    group, c = np.array([0, 0, 0, 1, 1, 2]), np.array([2, 2, 1, 0, 0, 0])
    assert by_hand.named(one_hot(group, 3), c) == pytest.approx(5 / 6)


# ---- what each learns ----------------------------------------------------------------------------


@cache
def run() -> tuple[Any, Any]:
    """The run that the twin declares."""
    lockstep, theirs = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    return lockstep, theirs


def centres(way: str, side: int) -> np.ndarray:
    """Of a side of that run, once trained."""
    lockstep, theirs = run()
    return to_numpy(getattr(theirs, way)) if side else getattr(lockstep.hand.model, way).data


@SIDES
def test_who_is_told_nothing_finds_the_centres_of_scikit_learns_k_means(side: int) -> None:
    x, _ = Flowers().split.train
    found = centres("unsupervised", side)
    fitted = KMeans(3, init=script.paths()[side]["unsupervised"][20], n_init=1, tol=0).fit(x)  # from where the groups are sorted out
    assert error(found, fitted.cluster_centers_) < 1e-9
    assert 2 * len(x) * by_hand.unsupervised(by_hand.scores(x, found)) == pytest.approx(fitted.inertia_, rel=1e-12)


@SIDES
def test_who_is_told_the_kinds_tells_as_many_as_scikit_learns_logistic_regression_and_who_is_rewarded_nearly_so(side: int) -> None:
    (x, c), held_out = Flowers().split.train, Flowers().split.val
    best = LogisticRegression(C=100, max_iter=1000).fit(x, c).score(x, c)
    assert script.told_right("supervised", centres("supervised", side), x, c) > best - 0.02
    assert script.told_right("reinforcement", centres("reinforcement", side), x, c) > best - 0.04
    assert script.told_right("unsupervised", centres("unsupervised", side), x, c) > 0.9
    for way in WAYS:
        logged = run()[0].metrics[f"{way}/val"]
        assert script.told_right(way, centres(way, side), *held_out) == pytest.approx(logged, rel=1e-12)


def test_praise_for_every_answer_moves_nothing() -> None:
    lockstep, theirs = whole_run(replace(TWIN, manual=script.Praised, torch=script.PraisedInTorch, trainer={"max_epochs": 3}))
    ours, start = lockstep.hand.model, TWIN.build()[0]
    for found in (ours.reinforcement.data, to_numpy(theirs.reinforcement)):
        assert np.array_equal(found, start.reinforcement.data)
    assert not np.array_equal(ours.supervised.data, start.supervised.data)


@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"features": 0}, {"kinds": 0}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"ThreePupils: .*{name}.*, got .*{value}"):
        module.ThreePupils(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_figures_show_both_sides_and_three_pulls() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, Flowers())
    for ax in drawn["three pupils"].axes:
        in_theirs, by_us = ax.lines
        assert error(np.array(by_us.get_data()), np.array(in_theirs.get_data())) < 1e-14
        assert sum(len(dots.get_offsets()) for dots in ax.collections) == 120
    told, alone, rewarded = (ax.images[0].get_array() for ax in drawn["three gradients"].axes)
    assert np.array_equal(np.abs(told).max(axis=1), told.max(axis=1))  # the right one is pulled more than any is pushed
    assert set(np.unique(alone)) == {0, 1}
    for n, (kind, answer) in enumerate(zip(np.repeat(range(3), 3), [0, 1, 2] * 3, strict=True)):
        as_if_right = told[n] + one_hot(np.array([answer]), 3)[0] - one_hot(np.array([kind]), 3)[0]
        np.testing.assert_allclose(rewarded[n], (2 / 3 if kind == answer else -1 / 3) * as_if_right, rtol=1e-12, atol=1e-15)
    for line, band in zip(drawn["how fast"].axes[0].lines[1::2], drawn["how fast"].axes[0].lines[::2], strict=True):
        assert np.array_equal(line.get_ydata(), band.get_ydata())


def test_only_the_second_pupils_centres_lie_amid_the_flowers() -> None:
    x, _ = Flowers().split.train
    away = {way: np.linalg.norm(centres(way, 0), axis=1).mean() for way in WAYS}
    assert away["unsupervised"] < np.linalg.norm(x, axis=1).mean() * 1.2
    assert away["supervised"] > 1.5 * away["unsupervised"]
    assert away["reinforcement"] > 1.2 * away["unsupervised"]
