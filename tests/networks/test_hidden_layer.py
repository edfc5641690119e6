"""The hidden layer: its gradient, that it tells the diagonals apart from every start, and that without it nothing can."""

from __future__ import annotations

import re
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression

from experiments.judge.central import jacobian
from experiments.judge.compare import ONE_STEP, error, errors
from experiments.judge.convert import load_in_torch, to_numpy, to_torch, weights_by_hand
from experiments.judge.look import Side, by_autograd
from experiments.networks import hidden_layer as script
from experiments.networks.hidden_layer import (
    OTHER_STARTS,
    TWIN,
    TWO_UNITS,
    Corners,
    as_torch,
    before,
    collapsed,
    figures,
    hidden_numbers,
    shapes,
    starts_that_learn,
    without_biases,
    without_relu,
)
from manual.networks.hidden_layer import HiddenLayer, backward, forward, loss
from manual.trainer import Trainer
from tests.helpers import whole_run
from torch_impl.networks import hidden_layer as theirs

Arrays = dict[str, np.ndarray]

CORNERS, Y = Corners().split.train


def parameters(rng: np.random.Generator, hidden: int = 5) -> Arrays:
    """Random weights of 2 → hidden → 1, no bias zero."""
    return {
        "W1": rng.normal(size=(2, hidden)),
        "b1": rng.normal(size=hidden),
        "W2": rng.normal(size=(hidden, 1)),
        "b2": rng.normal(size=1),
    }


def random_batch(rng: np.random.Generator, n: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """n points, and a class for each."""
    return rng.normal(size=(n, 2)), rng.integers(0, 2, size=(n, 1)).astype(float)


def in_torch(p: Arrays, x: np.ndarray, y: np.ndarray) -> Side:
    """All values and gradients of torch's module with these weights, under the names that they have by hand."""
    module = theirs.HiddenLayer(len(p["b1"])).to(to_torch(x).dtype)
    load_in_torch(TWIN.naming, module, p)
    return by_autograd(module, to_torch((x, y)), "training_step", TWIN.naming, "dL_d")


# ---- the gradient --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("seed", range(3))
def test_values_loss_and_gradient_are_autograds(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    x, y = (a.astype(dtype) for a in random_batch(rng))
    p = {name: value.astype(dtype) for name, value in parameters(rng).items()}
    values = forward(x, **p)
    gradient = backward(x, y, **values, **p)

    side = in_torch(p, x, y)
    values["loss"] = np.asarray(loss(values["z2"], y))
    assert list(values) == list(side.values) == ["z1", "h", "z2", "loss"]
    named = {f"gradient of {n}" if n in p else f"dL_d{n}": g for n, g in gradient.items()}
    of_loss = side.gradients.pop("dL_dloss")
    assert float(of_loss) == 1.0
    found = errors(values, side.values) | errors(named, side.gradients)
    assert set(named) == set(side.gradients)
    assert max(found.values()) < ONE_STEP[dtype], found


def test_gradient_is_that_of_central_differences() -> None:
    rng = np.random.default_rng(3)
    x, y = random_batch(rng)
    p = parameters(rng)
    gradient = backward(x, y, **forward(x, **p), **p)
    for name, value in p.items():
        slopes = jacobian(lambda moved, name=name: loss(forward(x, **{**p, name: moved})["z2"], y), value)
        assert error(gradient[name], slopes) < 1e-8, name


def test_on_the_crease_the_gradient_is_0_as_in_torch() -> None:
    p = {"W1": np.ones((2, 3)), "b1": np.array([-2.0, 0.5, -3.0]), "W2": np.array([[1.0], [2.0], [4.0]]), "b2": np.array([0.3])}
    x, y = np.array([[0.5, 1.5]]), np.array([[1.0]])
    values = forward(x, **p)
    assert values["z1"].tolist() == [[0.0, 2.5, -1.0]]
    gradient = backward(x, y, **values, **p)
    assert gradient["b1"][0] == gradient["b1"][2] == 0 != gradient["b1"][1]
    wanted = in_torch(p, x, y).gradients
    lost = np.finfo(np.float64).eps / abs(gradient["b2"][0])  # torch takes y from p, which here have two digits in common
    assert lost < 1e-13
    assert max(errors({n: gradient[n] for n in p}, {n: wanted[f"gradient of {n}"] for n in p}).values()) < lost


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 800.0])
def test_loss_is_binary_cross_entropy_even_for_huge_outputs(scale: float) -> None:
    rng = np.random.default_rng(4)
    z2, y = scale * rng.normal(size=(11, 1)), rng.integers(0, 2, size=(11, 1)).astype(float)
    reference = torch.nn.functional.binary_cross_entropy_with_logits(*to_torch((z2, y)))
    assert error(loss(z2, y), reference) < 1e-14
    assert error(theirs.HiddenLayer().loss(*to_torch((z2, y))), reference) == 0


def test_a_point_that_is_right_beyond_doubt_still_has_a_gradient() -> None:
    """p rounds to 1 at z2 = 40, and p − y would be 0: q keeps the e⁻⁴⁰."""
    p = {"W1": np.ones((2, 1)), "b1": np.zeros(1), "W2": np.ones((1, 1)), "b2": np.zeros(1)}
    x, y = np.array([[30.0, 10.0]]), np.array([[1.0]])
    assert backward(x, y, **forward(x, **p), **p)["b2"] == pytest.approx(-np.exp(-40), rel=1e-14)


# ---- what is learned -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_by_hand_all_corners_are_right_from_every_start(seed: int) -> None:
    model = HiddenLayer(rng=np.random.default_rng(seed))
    trainer = Trainer(max_epochs=300)
    trainer.fit(model, [(CORNERS, Y)], [(CORNERS, Y)])
    assert trainer.metrics["accuracy/val"] == 1.0
    assert trainer.metrics["loss/val"] < 0.01
    assert trainer.history[0] > 0.5, "it begins with no idea"


@pytest.mark.parametrize("seed", range(3))
def test_in_torch_too_and_both_sides_agree_at_every_step(seed: int) -> None:
    lockstep, module = whole_run(TWIN, seed=seed)
    trainer = module.trainer
    assert lockstep.judge.passed, lockstep.judge.failure
    assert lockstep.judge.steps == 300
    for metrics in (trainer.callback_metrics, lockstep.metrics):
        assert float(metrics["accuracy/val"]) == 1.0
        assert float(metrics["loss/val"]) < 0.01


def test_initial_weights_have_the_same_distribution_on_both_sides() -> None:
    torch.manual_seed(0)
    ours = HiddenLayer(900, rng=np.random.default_rng(0)).state_dict()
    drawn = weights_by_hand(TWIN.naming, theirs.HiddenLayer(900))
    assert ours.keys() == drawn.keys()
    for name, bound in (("W1", 2**-0.5), ("b1", 2**-0.5), ("W2", 1 / 30), ("b2", 1 / 30)):
        assert ours[name].shape == drawn[name].shape
        for side in (ours[name], drawn[name]):
            assert np.abs(side).max() <= bound
            if side.size > 1:
                assert np.abs(side).max() > 0.98 * bound
                assert abs(side.mean()) < 0.1 * bound


def test_a_layer_without_units_is_refused() -> None:
    for side in (HiddenLayer, theirs.HiddenLayer):
        with pytest.raises(ValueError, match="hidden must be at least 1, got 0"):
            side(0)


# ---- what no straight line can do ----------------------------------------------------------------


def separable(classes: tuple[int, ...]) -> bool:
    """Whether a line w · x + b has all corners of class 1 on one side and the others on the other: a linear program decides.

    It asks for s (w · x + b) ≥ 1 at each corner, with s = 1 for class 1 and −1 for class 0.
    """
    signs = np.where(np.array(classes) == 1, 1.0, -1.0)[:, None]
    with_one = np.hstack([CORNERS, np.ones((4, 1))])
    return bool(linprog(np.zeros(3), A_ub=-signs * with_one, b_ub=-np.ones(4), bounds=(None, None)).status == 0)


def test_of_all_16_ways_to_colour_the_corners_only_the_two_diagonals_defeat_a_line() -> None:
    beyond_a_line = [classes for classes in product((0, 1), repeat=4) if not separable(classes)]
    assert beyond_a_line == [(0, 1, 0, 1), (1, 0, 1, 0)]
    assert tuple(Y[:, 0]) in beyond_a_line
    # 3 of 4 is therefore the best a line can do, and it does: whichever corner's class is changed, what is left has a line.
    assert all(separable(tuple(int(c) ^ (i == j) for j, c in enumerate(Y[:, 0]))) for i in range(4))


def test_the_best_line_is_no_better_than_a_coin() -> None:
    fit = LogisticRegression(C=np.inf, tol=1e-12).fit(CORNERS, Y[:, 0])
    z = fit.decision_function(CORNERS)[:, None]
    assert loss(z, Y) == pytest.approx(np.log(2), abs=1e-9)
    assert fit.score(CORNERS, Y[:, 0]) < 1


def test_two_layers_without_relu_are_one_affine_map() -> None:
    rng = np.random.default_rng(5)
    p = parameters(rng)
    x, _ = random_batch(rng)
    W, b = collapsed(**p)
    assert W.shape == (2, 1)
    assert b.shape == (1,)
    assert error(without_relu(x, **p), x @ W + b) < 1e-14
    far = {**p, "b1": p["b1"] + 100}  # every unit in front of its crease: ReLU changes nothing
    assert error(forward(x, **far)["z2"], without_relu(x, **far)) < 1e-14


@pytest.mark.parametrize("seed", range(5))
def test_only_a_fold_gives_the_diagonals_different_means(seed: int) -> None:
    """An affine map takes the middle of two points to the middle of their images, and both diagonals have one middle."""
    p = parameters(np.random.default_rng(seed))
    flat, folded = without_relu(CORNERS, **p)[:, 0], forward(CORNERS, **p)["z2"][:, 0]
    assert flat[0] + flat[2] == pytest.approx(flat[1] + flat[3], abs=1e-13)
    assert abs(folded[0] + folded[2] - folded[1] - folded[3]) > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_the_same_network_without_relu_learns_nothing(seed: int) -> None:
    p = parameters(np.random.default_rng(seed), hidden=16)
    weights = {name: value.requires_grad_() for name, value in to_torch(p).items()}
    optimizer = torch.optim.SGD(weights.values(), lr=0.05)
    x, y = to_torch((CORNERS, Y))
    for _ in range(1000):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(without_relu(x, **weights), y).backward()
        optimizer.step()
    z2 = without_relu(CORNERS, **to_numpy(weights))
    assert loss(z2, Y) > np.log(2) - 1e-12
    assert np.sum((z2 > 0) == (Y > 0.5)) <= 3


# ---- figures -------------------------------------------------------------------------------------


def test_the_two_units_of_the_figure_do_tell_the_diagonals_apart() -> None:
    assert np.array_equal(forward(CORNERS, **TWO_UNITS)["z2"] > 0, Y > 0.5)


def test_figures_are_drawn_before_and_after() -> None:
    manual, module = TWIN.build()
    drawn = before(manual, module, Corners())
    assert list(drawn) == ["folding the plane", "decision regions", "the hidden numbers", "shapes", "the folded sheet"]
    assert "untrained" in drawn["decision regions"].caption
    assert list(figures(manual, module, Corners())) == ["decision regions", "the hidden numbers", "the folded sheet"]
    for fig in drawn.values():
        fig.draw_without_rendering()


@pytest.mark.parametrize("hidden", [1, 16, 40])
def test_the_figure_of_the_hidden_numbers_writes_h_out_but_for_what_is_cut_off(hidden: int) -> None:
    manual, _ = TWIN.having({"hidden": hidden}).build(seed=2)
    manual.b1[...] = np.where(np.arange(hidden) % 3 == 0, -100.0, manual.b1)  # these units are 0 for all corners
    fig = hidden_numbers(manual, Corners(), "untrained")
    h, units = manual.values(CORNERS)["h"], min(hidden, 16)
    assert (h == 0).all(axis=0).sum() >= -(-hidden // 3)
    written = {(t.get_position()[0], t.get_position()[1]): t.get_text() for t in fig.axes[0].texts}
    for (row, unit), value in np.ndenumerate(h[:, :units]):
        assert written.get((6.5 + unit, 0.5 + row)) == (f"{value:.1f}" if value else None)
    z2 = [written[(7.5 + max(units, 4), 0.5 + row)] for row in range(4)]
    assert [float(number.replace("−", "-")) for number in z2] == pytest.approx(manual(CORNERS)[:, 0], abs=0.051)
    assert f"makes {hidden} numbers" in fig.caption
    assert f"top to bottom: {(h == 0).all(axis=0).sum()})" in fig.caption
    assert ("Only 16 units are drawn" in fig.caption) == (hidden == 40)
    fig.draw_without_rendering()


# ---- other beginnings ----------------------------------------------------------------------------


def test_the_text_counts_the_starts_that_learn() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \|$", OTHER_STARTS, re.MULTILINE)
    assert [int(hidden) for hidden, *_ in rows] == [1, 2, 4, 8, 16]
    for hidden, *learned in rows:
        found = [starts_that_learn(start, int(hidden), 20) for start in (as_torch, without_biases)]
        assert found == [int(n) for n in learned], hidden


def test_without_biases_the_first_corner_is_mapped_to_0_by_every_W_and_every_crease_goes_through_it() -> None:
    for seed in range(5):
        p = without_biases(16, np.random.default_rng(seed))
        values = forward(CORNERS, **p)
        assert not values["h"][0].any()
        assert values["z2"][0] == p["b2"]
        assert values["h"][1:].any()
        assert all(0 < np.abs(p[name]).max() <= 1 for name in ("W1", "W2"))


@pytest.mark.parametrize("hidden", [1, 2, 16, 40])
def test_the_figure_of_the_shapes_shows_one_unit_in_both_orientations(hidden: int) -> None:
    manual, module = TWIN.having({"hidden": hidden}).build(seed=2)
    fig = shapes(manual, module, Corners())
    weight = module.hidden.weight.detach().numpy()
    assert weight.shape == (hidden, 2)
    shown = {text.get_text().split("\n")[-1]: image.get_array() for text, image in zip(fig.axes[0].texts, fig.axes[0].images, strict=False)}
    units, of_product = min(hidden, 16), f"(4, {hidden})"
    assert list(shown) == ["x (4, 2)", f"W1 (2, {hidden})", f"x @ W1 {of_product}", f"hidden.weight ({hidden}, 2)",
                           f"hidden.weight.T (2, {hidden})", f"x @ hidden.weight.T {of_product}"]  # fmt: skip
    assert np.array_equal(shown[f"hidden.weight ({hidden}, 2)"], weight[:units])
    assert np.array_equal(shown[f"W1 (2, {hidden})"], weight[:units].T)
    assert np.array_equal(shown[f"W1 (2, {hidden})"], shown[f"hidden.weight.T (2, {hidden})"])
    assert error(shown[f"x @ W1 {of_product}"], CORNERS @ weight.T[:, :units]) < 1e-15
    outlined: list[Any] = [p for p in fig.axes[0].patches if p.get_linewidth() == 2]
    assert ("Only 16 units are drawn" in fig.caption) == (hidden == 40)
    same = np.array_equal(shown[f"x @ W1 {of_product}"], shown[f"x @ hidden.weight.T {of_product}"])
    assert ("The two products are the same to the last bit." in fig.caption) == same
    assert "0 apart" not in fig.caption
    assert [(p.get_width(), p.get_height()) for p in outlined] == [(1, 2), (1, 4), (2, 1), (1, 2), (1, 4)]
    fig.draw_without_rendering()


# ---- what is moved -------------------------------------------------------------------------------


def some_settings(n: int) -> list[tuple[float, ...]]:
    """Of the four numbers that a reader moves."""
    rng = np.random.default_rng(0)
    return [tuple(float(rng.choice(values)) for values in (script.WEIGHTS, script.WEIGHTS, script.BIASES, script.LAST)) for _ in range(n)]


def test_the_border_is_where_z2_changes_its_sign_and_nowhere_else() -> None:
    """Whose places are checked on lines across the plane: between two neighbours of different sign there is one, and only there."""
    side, crossed = np.linspace(script.LOW + 1e-3, script.HIGH - 1e-3, 401), 0
    for setting in some_settings(60):
        p = script.moved(*setting)
        border = script.border(p)
        places = border[np.isfinite(border[:, 0])]
        assert ((places >= script.LOW - 1e-9) & (places <= script.HIGH + 1e-9)).all()
        np.testing.assert_allclose(forward(places, **p)["z2"], 0, atol=1e-12)
        ends = places.reshape(-1, 2, 2)
        for x0 in (0.137, 1.618):
            z2 = forward(np.stack([np.full_like(side, x0), side], axis=1), **p)["z2"][:, 0]
            found = side[:-1][z2[:-1] * z2[1:] < 0]
            spans = [e for e in ends if min(e[:, 0]) < x0 < max(e[:, 0])]
            drawn = sorted(float(np.interp(x0, *e[np.argsort(e[:, 0])].T)) for e in spans)
            drawn = [v for v in drawn if side[0] < v < side[-1]]  # a border may lie on the edge
            assert len(drawn) == len(found)
            np.testing.assert_allclose(drawn, found, atol=side[1] - side[0])
            crossed += len(found)
    assert crossed > 20


def test_the_folded_plane_is_the_hidden_layer_by_hand_and_its_lines_bend_where_they_are_drawn_to() -> None:
    mesh = script.mesh()
    where = script.h_of(mesh)
    for w0, w1, b, _ in some_settings(20):
        p = script.moved(w0, w1, b)
        h = forward(mesh, **p)["h"]
        np.testing.assert_array_equal(where["x"](w0, w1, b), h[:, 0])
        np.testing.assert_array_equal(where["y"], h[:, 1])
        between = forward((mesh[:-1] + mesh[1:]) / 2, **p)["h"][:, 0]
        np.testing.assert_allclose(between, (h[:-1, 0] + h[1:, 0]) / 2, atol=1e-12)  # NaN where a line ends
    assert np.isnan(mesh[::14][1:]).sum() == 0
    assert np.isnan(mesh[13::14]).all()


def test_the_settings_that_make_all_corners_right_are_counted() -> None:
    (picture,) = script.interactive(whole_run_of_nothing())
    x, y = Corners().split.train
    settings = [*product(script.WEIGHTS, script.WEIGHTS, script.BIASES, script.LAST)]
    right = [bool(((forward(x, **script.moved(*s))["z2"] > 0) == (y > 0.5)).all()) for s in settings]
    assert f"{sum(right)} of the {len(settings):,} settings do." in picture.caption
    assert (1.0, -0.5, -0.5, -1.25) in [s for s, good in zip(settings, right, strict=True) if good]
    says = picture.says[1]
    assert says(1.0, -0.5, -0.5, -1.25) == "4 of the 4 corners are right: one straight cut is enough."
    assert says(*[slider.start for slider in picture.sliders]) == "2 of the 4 corners are right."
    assert script.first_unit(1.0, -0.5, -0.25) == "The first unit is h[0] = max(1 · x[0] − 0.5 · x[1] − 0.25, 0)."


def test_what_is_moved_is_the_network_whose_principle_is_shown() -> None:
    for name, array in script.moved(1.0, -0.5, -0.5, -1.25).items():
        np.testing.assert_array_equal(array, TWO_UNITS[name])
    np.testing.assert_allclose(script.crease(np.array([1.0, -0.5]), 0.25) @ [1.0, -0.5], -0.25)
    assert np.isnan(script.crease(np.zeros(2), 0.25)).all()
    assert len(script.border(script.moved(0.0, 0.0, -1.0, -9.0))) == 1  # none: a row of NaN


def whole_run_of_nothing() -> Any:
    """A run of which only the data is asked for."""
    return SimpleNamespace(data=Corners())
