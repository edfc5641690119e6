"""K-means: Lloyd's step is the middle of each cluster on both sides, and whole runs are scikit-learn's."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans as ByScikitLearn

from experiments.data.arrays import InputError
from experiments.drawing.interactive import picked
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.unsupervised import k_means as script
from experiments.unsupervised.k_means import NOISE, PLUS_PLUS, ROWS, TWIN, Heaps
from manual.unsupervised import k_means as by_hand
from torch_impl.unsupervised import k_means as in_torch

SIDES = pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
MODULES = pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])


def points(seed: int = 0, N: int = 40, K: int = 5, D: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Random points and centres."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)), rng.normal(size=(K, D))


def test_slope_is_that_of_autograd_and_of_central_differences() -> None:
    x, c = points()
    check_grads(
        lambda c: by_hand.quantisation(x, c),
        [c],
        again=[points(1)[1]],
        backward=lambda dL_dy, c: by_hand.quantisation_backward(dL_dy, x, c),
        torch=lambda c: in_torch.quantisation(torch.from_numpy(x), c),
    )


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build()
    (x,) = TWIN.make_data().split.train
    check_grads(ours, (x[:300],), again=(x[300:400],), torch=theirs)


# ---- one step ------------------------------------------------------------------------------------


@SIDES
def test_a_step_leads_to_the_middle_of_each_cluster_and_an_empty_one_stays(side: int) -> None:
    x, c = points()
    c[3] = 50.0
    moved = script.walked(x, c, 1)[side][1]
    a = by_hand.nearest(x, c)
    assert error(moved[:3], np.array([x[a == k].mean(axis=0) for k in range(3)])) < 1e-15
    assert np.array_equal(moved[3], c[3])


@SIDES
def test_twice_the_step_leads_as_high_on_the_other_side(side: int) -> None:
    x, c = points()
    a = by_hand.nearest(x, c)

    def loss(c: np.ndarray) -> float:
        return float(((x - c[a]) ** 2).sum() / 2)

    path = {lr: loss(script.walked(x, c, 1, lr)[side][1]) for lr in (0.9, 1.0, 1.1, 2.0, 2.1)}
    assert path[2.0] == pytest.approx(loss(c), rel=1e-14)
    assert path[2.1] > loss(c) > path[0.9] > path[1.0]
    assert path[0.9] == pytest.approx(path[1.1], rel=1e-14)


def test_of_equally_near_centres_the_first_is_taken_on_both_sides() -> None:
    x, c = np.array([[0.0], [1.0]]), np.array([[-1.0], [1.0], [1.0]])
    assert by_hand.nearest(x, c).tolist() == [0, 1] == in_torch.nearest(torch.from_numpy(x), torch.from_numpy(c)).tolist()


@MODULES
def test_in_batches_each_centre_is_the_mean_of_all_points_that_it_has_had(module: Any) -> None:
    x, c = points(N=60)
    model = module.KMeans(c.tolist(), running=True)
    model = model if module is by_hand else model.double()
    optimizer = model.configure_optimizers()
    model.c.data[...] = c if module is by_hand else torch.from_numpy(c)
    had: list[list[np.ndarray]] = [[] for _ in c]
    for batch in np.split(x, 6):
        centres = np.array(model.c.tolist())
        for point, k in zip(batch, by_hand.nearest(batch, centres), strict=True):
            had[k].append(point)
        optimizer.zero_grad()
        if module is by_hand:
            model.training_step((batch,), 0)
            model.backward()
        else:
            model.training_step((torch.from_numpy(batch),), 0).backward()
        optimizer.step()
        expected = np.array([np.mean(of, axis=0) if of else start for of, start in zip(had, c, strict=True)])
        assert error(np.array(model.c.tolist()), expected) < 1e-14


# ---- where to start ------------------------------------------------------------------------------


def test_plus_plus_draws_in_proportion_to_the_squared_distance() -> None:
    x = np.array([[0.0], [1.0], [3.0], [3.5]])
    d2 = (x - x.T) ** 2
    for first in range(4):
        drawn = [by_hand.kmeans_plus_plus(x, 2, np.array([(first + 0.5) / 4, u])) for u in (np.arange(2000) + 0.5) / 2000]
        assert all(c[0] == x[first] for c in drawn)
        part = np.array([np.mean([c[1, 0] == place for c in drawn]) for place in x[:, 0]])
        np.testing.assert_allclose(part, d2[first] / d2[first].sum(), atol=1e-3)
        assert part[first] == 0


def test_plus_plus_takes_every_point_once_if_there_are_no_more() -> None:
    x, _ = points(N=12)
    for seed in range(5):
        c = by_hand.kmeans_plus_plus(x, 12, np.random.default_rng(seed).random(12))
        assert sorted(map(tuple, c)) == sorted(map(tuple, x))


def test_starts_are_points_of_the_data_or_noise() -> None:
    (x,) = Heaps().split.train
    rows = {tuple(row) for row in x}
    for start in (PLUS_PLUS, ROWS):
        assert {tuple(c) for c in Heaps(start=start, k=7).centres} <= rows
        assert np.shape(Heaps(start=start, k=7).centres) == (7, 64)
        assert Heaps(start=start, seed=1).centres != Heaps(start=start).centres
    assert not {tuple(c) for c in Heaps(start=NOISE).centres} & rows


@pytest.mark.parametrize("wrong", [{"k": 0}, {"k": 5000}, {"start": "anywhere"}])
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"--data.{name}.*{value}"):
        Heaps(**wrong)


@MODULES
@pytest.mark.parametrize("wrong", [{"start": ()}, {"start": ((0.0, 1.0), (1.0,))}, {"lr": 0.0}, {"lr": float("nan")}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    got = str([len(row) for row in value]) if name == "start" else str(value)
    with pytest.raises(ValueError, match=rf"KMeans: .*{name}.*, got .*") as refused:
        module.KMeans(**wrong)
    assert got in str(refused.value)


# ---- whole runs ----------------------------------------------------------------------------------


@cache
def declared() -> Trained:
    """The run as the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


@SIDES
def test_the_declared_run_ends_where_scikit_learn_does(side: int) -> None:
    run = declared()
    (x,) = run.data.split.train
    reference = ByScikitLearn(10, init=np.array(run.data.centres), n_init=1, tol=0, algorithm="lloyd").fit(x)
    c = (run.manual.c.data, to_numpy(run.torch.c))[side]
    assert error(c, reference.cluster_centers_) < 1e-14
    assert np.array_equal(by_hand.nearest(x, c), reference.labels_)
    assert 2 * by_hand.quantisation(x, c) == pytest.approx(reference.inertia_, rel=1e-13)
    assert reference.n_iter_ < 30, "the run is long enough for nothing to move any more"


def test_the_loss_never_rises_and_what_was_learned_is_said() -> None:
    run = declared()
    for losses in (np.array(run.losses), np.array(run.torch_losses)):
        assert (np.diff(losses) <= 1e-12 * losses[0]).all()
        assert losses[-1] < 0.56 * losses[0]
    assert script.rises(run) == 0
    assert "never rose" in script.learned(run)
    assert 0.7 < script.named_right(run.manual.c.data, run.data.split.train[0]) < 0.85
    total = ((run.data.split.train[0] - run.data.split.train[0].mean(axis=0)) ** 2).sum() / 2
    assert script.left_over(run) == pytest.approx(run.losses[-1] / total, rel=1e-12)


# ---- what figures and texts say ------------------------------------------------------------------


def test_figures_show_both_sides_and_say_what_is_so() -> None:
    run = declared()
    drawn = script.figures(run.manual, run.torch, run.data)
    assert list(drawn) == ["the centres", "the borders move", "how long a step", "where to start"]
    above, middle, below = drawn["the centres"].axes[:10], drawn["the centres"].axes[10:20], drawn["the centres"].axes[20:]
    for k in range(10):
        first, ours, theirs = (row[k].images[0].get_array() for row in (above, middle, below))
        assert error(ours, theirs) < 1e-13
        assert not np.allclose(first, ours)
    _, ours, theirs = script.petals()
    assert error(ours, theirs) < 1e-13
    assert error(ours[-1], ours[-2]) < 1e-14, "the last panel is the end"
    fixed, anew, level, _ = drawn["how long a step"].axes[0].lines
    lr, heights = (np.asarray(values) for values in fixed.get_data())
    assert lr[np.argmin(heights)] == pytest.approx(1, rel=1e-15)
    assert heights[10] == pytest.approx(level.get_ydata()[0], rel=1e-12)  # type: ignore[index]
    assert lr[10] == pytest.approx(2, rel=1e-15)
    assert (np.asarray(anew.get_ydata()) <= heights * (1 + 1e-12)).all()
    for start in script.STARTS:
        by_us, by_torch = script.losses_from(start)
        assert error(by_us, by_torch) < 1e-12
        assert (np.diff(by_us) <= 1e-9).all()
    assert np.mean(script.ends(ROWS) > 1.2) > 1.5 * np.mean(script.ends(PLUS_PLUS) > 1.2) > 0
    assert min(script.ends(start).min() for start in (ROWS, PLUS_PLUS)) == pytest.approx(1, abs=0.01)


# ---- what is moved -------------------------------------------------------------------------------


def test_the_rounds_that_are_moved_are_scikit_learns() -> None:
    data = script.interactive(None)[0].data()
    x = script.petals()[0]
    flowers, losses = data["panels"]
    dots = [mark for mark in flowers["marks"] if mark["kind"] == "dots"]
    for i, beginning in enumerate(script.BEGINNINGS):
        start = script.rounds_from(beginning)[0]
        for rounds in (1, 5, script.ROUNDS):
            theirs = ByScikitLearn(3, init=start, n_init=1, max_iter=rounds, tol=0, algorithm="lloyd")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it has not converged
                theirs.fit(x)
            c = script.rounds_from(beginning)[rounds]
            np.testing.assert_allclose(c, theirs.cluster_centers_, rtol=1e-12)
            places = [np.stack([picked(dot["x"], (i, rounds)), picked(dot["y"], (i, rounds))], axis=1) for dot in dots]
            a = script.nearest(x, c)
            for k in range(3):
                np.testing.assert_allclose(places[k], x[a == k], rtol=1e-4)
            np.testing.assert_allclose(places[3], c, rtol=1e-4)
            loss = picked(losses["marks"][1]["y"], (i, rounds))
            assert loss == pytest.approx(((x - c[a]) ** 2).sum() / 2, rel=1e-4)
            said = picked(data["says"][0], (i, rounds))
            assert f"clusters of {' + '.join(str((a == k).sum()) for k in range(3))} flowers, loss {loss:.1f};" in said
