"""Autoencoder: gradients by three judges, the plane of principal components without bends, and less than it leaves out with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from experiments.data.digits import Digits, DigitsAlone, told_by_nearest
from experiments.drawing.walk import walk_by_hand, walk_in_torch
from experiments.judge.compare import error
from experiments.judge.convert import load_in_torch, made_of, to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.judge.naming import Naming
from experiments.unsupervised import autoencoder as script
from experiments.unsupervised.autoencoder import TWIN, error_of_pca, told
from manual.linear_algebra.pca import principal_angles
from manual.unsupervised import autoencoder as by_hand
from tests.helpers import whole_run
from torch_impl.unsupervised import autoencoder as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


@pytest.fixture(scope="module")
def data() -> DigitsAlone:
    """The twin's."""
    made: Any = TWIN.make_data()
    return made


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(
    variant: str | None, data: DigitsAlone
) -> None:
    ours, theirs = TWIN.having({"hidden": 7}).build(2, variant=variant)
    (x,) = data.split.train
    check_grads(ours, (x[:6],), again=(x[6:10],), torch=theirs)


# ---- the data --------------------------------------------------------------------------------------


def test_the_digits_are_those_with_labels_and_the_labels_are_theirs() -> None:
    labelled, alone = Digits(seed=3).split, DigitsAlone(seed=3)
    for part, digits, (x, y) in zip((alone.split.train, alone.split.val), alone.labels(), (labelled.train, labelled.val), strict=True):
        assert len(part) == 1
        assert np.array_equal(part[0], x)
        assert np.array_equal(digits, y)


def test_the_nearest_is_scikit_learns(data: DigitsAlone) -> None:
    (x,), (asked,) = data.split.train, data.split.val
    y, _ = data.labels()
    found = told_by_nearest(x[:300], y[:300], asked)
    assert np.array_equal(found, KNeighborsClassifier(1).fit(x[:300], y[:300]).predict(asked))


# ---- without bends it is PCA -----------------------------------------------------------------------


def left_out(data: DigitsAlone, k: int) -> float:
    """The mean square of what k components of scikit-learn's leave out of the pictures that they are taken from."""
    (x,) = data.split.train
    pca = PCA(k).fit(x)
    return float(((pca.inverse_transform(pca.transform(x)) - x) ** 2).mean())


def at_the_components(data: DigitsAlone, hidden: int = 4) -> tuple[Any, Any]:
    """Both sides without bends, with weights that take x to the plane of two components; the code is turned and stretched by A."""
    ours, theirs = TWIN.having({"linear": True, "hidden": hidden}).build()
    mean, directions = script.components(data, 2)
    rng = np.random.default_rng(0)
    A, B, C = rng.normal(size=(2, 2)), rng.normal(size=(hidden, 2)), rng.normal(size=(hidden, 2))
    encoder, decoder = ours.encoder, ours.decoder
    encoder.fc1.weight[...], encoder.fc1.bias[...] = B @ directions, -B @ directions @ mean
    encoder.fc2.weight[...], encoder.fc2.bias[...] = A @ np.linalg.pinv(B), (1.0, -2.0)
    decoder.fc1.weight[...], decoder.fc1.bias[...] = C @ np.linalg.inv(A), -C @ np.linalg.inv(A) @ (1.0, -2.0)
    decoder.fc2.weight[...], decoder.fc2.bias[...] = directions.T @ np.linalg.pinv(C), mean
    load_in_torch(Naming({}), theirs, ours.state_dict())
    return ours, theirs


def test_at_the_plane_of_the_components_the_gradient_is_0_and_the_loss_what_they_leave_out(data: DigitsAlone) -> None:
    ours, theirs = at_the_components(data)
    (x,) = data.split.train
    least = left_out(data, 2)
    assert ours.training_step((x,), 0) == pytest.approx(least, rel=1e-12)
    assert error_of_pca(data, 2, "train") == pytest.approx(least, rel=1e-12)
    ours.backward()
    loss: Any = theirs.training_step((torch.from_numpy(x),), 0)
    loss.backward()
    assert loss.item() == pytest.approx(least, rel=1e-12)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert np.abs(p.grad).max() < 1e-14, name
        assert np.abs(to_numpy(q.grad)).max() < 1e-14, name
    assert error(made_of(ours, x), script.by_components(data, x, 2)) < 1e-13


def test_without_bends_both_sides_end_in_the_plane_of_the_components(data: DigitsAlone) -> None:
    (x,) = data.split.train
    ours, theirs = TWIN.having({"linear": True, "hidden": 6}).build()
    for lr, steps in ((0.02, 400), (0.001, 100)):
        ours.lr = theirs.lr = lr  # type: ignore[assignment]
        walk_by_hand(ours, (x,), steps)
        walk_in_torch(theirs, to_torch((x,)), steps, Naming({}))
    least, directions = left_out(data, 2), PCA(2).fit(x).components_
    for side in (ours, theirs):
        W1, W2 = (to_numpy(layer.weight.data) for layer in (side.decoder.fc1, side.decoder.fc2))
        assert 0 <= float(((made_of(side, x) - x) ** 2).mean()) / least - 1 < 1e-5
        assert principal_angles(W2 @ W1, directions.T).max() < 5e-3


# ---- with bends ------------------------------------------------------------------------------------


def wrong_by(side: Any, data: DigitsAlone) -> float:
    """The mean square of what is wrong with a pixel of a held-out digit."""
    (x,) = data.split.val
    return float(((made_of(side, x) - x) ** 2).mean())


def test_a_short_run_agrees_and_is_below_what_the_components_leave_out(data: DigitsAlone) -> None:
    lockstep, theirs = whole_run(replace(TWIN.having({"hidden": 64, "lr": 0.008}), trainer={"max_epochs": 6}))
    assert lockstep.judge.passed, lockstep.judge.failure
    for side in (lockstep.hand.model, theirs):
        assert wrong_by(side, data) < 0.9 * error_of_pca(data, 2)


@pytest.mark.long
def test_the_declared_run_leaves_a_third_less_than_components_and_tells_four_of_five_digits(data: DigitsAlone) -> None:
    lockstep, theirs = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert error_of_pca(data, 2) == pytest.approx(0.0522, abs=5e-5)
    assert 0.54 < told(data, lambda x: script.along(data, x, 2)) < 0.56
    for side in (lockstep.hand.model, theirs):
        assert wrong_by(side, data) < 0.034
        assert told(data, lambda x, side=side: made_of(side, x, "encoder")) > 0.75


@pytest.mark.long
def test_eight_numbers_leave_less_than_014(data: DigitsAlone) -> None:
    lockstep, theirs = whole_run(replace(TWIN.having({"latent": 8}), trainer={"max_epochs": 30}))
    assert lockstep.judge.passed, lockstep.judge.failure
    assert error_of_pca(data, 8) == pytest.approx(0.024, abs=5e-4)
    for side in (lockstep.hand.model, theirs):
        assert wrong_by(side, data) < 0.014


@SIDES
@pytest.mark.parametrize("wrong", [{"latent": 0}, {"hidden": 0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Autoencoder: latent and hidden must be at least 1, got .*0"):
        side.Autoencoder(**wrong)


# ---- what the figures say --------------------------------------------------------------------------


def test_figures_show_both_sides_and_the_plane_beside_them(data: DigitsAlone) -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, data)
    assert list(drawn) == ["two numbers", "rebuilt", "from code to code", "a bent sheet"]
    of_torch, *by_us = drawn["two numbers"].axes[1].lines
    seen = np.concatenate([line.get_xydata() for line in by_us])
    assert error(np.sort(seen, axis=0), np.sort(np.asarray(of_torch.get_xydata()), axis=0)) < 1e-13
    pictures = np.array([[ax.images[0].get_array() for ax in drawn["rebuilt"].axes[10 * row : 10 * row + 10]] for row in range(4)])
    assert error(pictures[2], pictures[3]) < 1e-13
    assert error(pictures[1], pictures[0]) < 0.6
    grid = script.grid(np.random.default_rng(0).normal(size=(400, 3)), 5)
    assert grid.shape == (25, 3)
    assert grid[0, 0] < grid[4, 0]
    assert grid[0, 2] > grid[24, 2]  # as pictures stand: upwards is more
    assert np.ptp(grid[:, 1]) == 0


def test_what_is_at_the_components_is_seen_from_the_edge_as_a_line(data: DigitsAlone) -> None:
    ours, theirs = at_the_components(data)
    front, edge = script.bent_sheet(ours, theirs, data).axes
    assert np.abs([line.get_ydata() for line in edge.lines[1:-1]]).max() < 1e-13
    assert np.ptp([line.get_ydata() for line in front.lines[1:]]) > 1
