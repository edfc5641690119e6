"""One weight: the slope, the closed forms of where a step lands, and that training arrives at the formula on both sides."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from experiments.calculus import one_weight as script
from experiments.calculus.one_weight import EUROS, KILOGRAMS, TWIN, descend, loss_of, slope_of
from experiments.cases.calculus.one_weight import judge_slope
from experiments.drawing.colours import NEGATIVE
from experiments.drawing.interactive import picked
from experiments.judge.central import along
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.differences import check_grads
from manual.calculus import one_weight as by_hand
from manual.trainer import Trainer
from tests.helpers import whole_run
from torch_impl.calculus import one_weight as in_torch

C, BEST = by_hand.curvature(KILOGRAMS), by_hand.best_weight(KILOGRAMS, EUROS)


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Random x, y and w."""
    rng = np.random.default_rng(seed)
    return rng.normal(1, 2, 7), rng.normal(3, 2, 7), float(rng.normal())


def slope(x: np.ndarray, y: np.ndarray, w: float) -> float:
    """∂L/∂w by hand."""
    return by_hand.backward(x, y, **by_hand.forward(x, w), w=w)["w"]


@pytest.mark.parametrize("seed", range(3))
def test_slope_is_that_of_autograd_and_of_central_differences(seed: int) -> None:
    assert max(judge_slope(seed).values()) < 1e-14
    x, y, w = problem(seed)
    of_loss = along(lambda w: by_hand.loss(by_hand.forward(x, w)["y_hat"], y), (w,), (1.0,), h=1e-3)
    assert error(slope(x, y, w), of_loss) < 1e-10  # of a parabola central differences are exact, whatever the step


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    check_grads(ours, problem(0)[:2], again=tuple(a[:4] for a in problem(1)[:2]), torch=theirs)


@pytest.mark.parametrize("seed", range(3))
def test_best_weight_is_lstsq_and_the_slope_there_is_zero(seed: int) -> None:
    x, y, w = problem(seed)
    best = by_hand.best_weight(x, y)
    assert error(best, np.linalg.lstsq(x[:, None], y)[0][0]) < 1e-14
    assert error(best, in_torch.best_weight(*to_torch((x, y)))) < 1e-14
    assert abs(slope(x, y, best)) < 1e-14 * abs(slope(x, y, w)) * len(x)


@pytest.mark.parametrize("n", [0, 5])
def test_best_weight_refuses_x_that_says_nothing(n: int) -> None:
    with pytest.raises(ValueError, match=f"x must have an entry that is not 0, got {n} entries"):
        by_hand.best_weight(np.zeros(n), np.arange(1.0, n + 1))


@pytest.mark.parametrize("seed", range(3))
def test_curvature_is_torchs_and_how_the_slope_changes(seed: int) -> None:
    x, y, w = problem(seed)
    c = by_hand.curvature(x)
    assert error(c, in_torch.curvature(torch.from_numpy(x))) < 1e-14
    assert error(c * 3, slope(x, y, w + 3) - slope(x, y, w)) < 1e-13


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
@pytest.mark.parametrize("lr", [0.02, 0.25, 0.58, 0.69])
def test_each_step_leaves_1_minus_lr_c_of_the_distance(side: int, lr: float) -> None:
    path = descend(-0.7, lr, 9)[side]
    assert path.shape == (10,)
    assert error(path - BEST, (-0.7 - BEST) * (1 - lr * C) ** np.arange(10)) < 1e-12


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_one_over_c_arrives_at_once_and_two_over_c_never(side: int) -> None:
    assert abs(descend(-0.7, 1 / C, 1)[side][1] - BEST) < 1e-15 * 4
    away = abs(descend(-0.7, 2 / C, 50)[side] - BEST)
    assert away == pytest.approx(np.full(51, away[0]), rel=1e-12)
    below, above = (abs(descend(-0.7, factor * 2 / C, 200)[side] - BEST) for factor in (0.98, 1.02))
    assert below[-1] < 1e-3 * below[0]
    assert above[-1] > 1e3 * above[0]


def test_training_in_the_open_is_what_the_trainer_does() -> None:
    ours, _ = TWIN.build(seed=1)
    start = float(ours.w)
    Trainer(max_epochs=6).fit(ours, [(KILOGRAMS, EUROS)])
    assert float(ours.w) == descend(start, ours.lr, 6)[0][-1]


def test_run_agrees_and_reaches_the_formula_on_both_sides() -> None:
    lockstep, theirs = whole_run(TWIN)
    trainer = theirs.trainer
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 40
    for w in (lockstep.hand.model.w, theirs.w):
        assert error(w, BEST) < 1e-14
    held_out = np.mean((BEST * script.LATER[0] - script.LATER[1]) ** 2)
    assert lockstep.metrics["loss/val"] == pytest.approx(held_out, rel=1e-12)
    assert float(trainer.callback_metrics["loss/val"]) == pytest.approx(held_out, rel=1e-12)
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["down the curve", "why minus the slope", "learning rate", "the price found"]


def test_text_and_docstring_say_what_is_so() -> None:
    assert f"{2 / C:.3f}" == "0.649"
    assert abs(1 - 0.325 * C) == pytest.approx(1e-3)
    assert f"| 0 | 0.0000 | {loss_of(0.0):.4f} | {slope_of(0.0):+.4f} |" in script.TEXT
    assert (
        script.TEXT.count(f"= {descend(0.0, 0.15, 2)[1][1]:.4f} |\n| 1 | {descend(0.0, 0.15, 2)[1][1]:.4f} |") == 1
    )  # each row begins where the last ended
    assert loss_of(BEST) < loss_of(BEST + 0.1) == pytest.approx(loss_of(BEST - 0.1))


def test_the_table_of_the_first_steps_has_every_number_of_every_step() -> None:
    path = descend(0.7, 0.1, 2)[0]
    rows = [
        f"| {i} | {w:.4f} | {loss_of(w):.4f} | {slope_of(w):+.4f} | {w:.4f} − 0.1 · ({slope_of(w):+.4f}) = {after:.4f} |"
        for i, (w, after) in enumerate(pairwise(path))
    ]
    assert len(rows) == 2
    assert script.first_steps(0.7, 0.1, 2).splitlines() == [
        "| step | w | loss | slope | the next w |",
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]
    assert script.first_steps() == script.first_steps(0.0, 0.15, 4) in script.TEXT


def test_the_tangents_that_are_drawn_touch_the_curve() -> None:
    right = script.down_the_curve().axes[1]
    tangents = [line.get_xydata() for line in right.lines if line.get_color() == NEGATIVE]  # the slope is below 0 on all of this way
    assert len(tangents) == 4
    for (w, after), ((x0, y0), (x1, y1)) in zip(
        np.stack([descend(0.0, 0.15, 4)[1][:-1], descend(0.0, 0.15, 4)[1][1:]], 1), tangents, strict=True
    ):
        central = along(loss_of, (w,), (1.0,), h=1e-3)
        assert (y1 - y0) / (x1 - x0) == pytest.approx(central, rel=1e-9)
        assert y0 + central * (w - x0) == pytest.approx(loss_of(w), rel=1e-9)
        assert x1 == pytest.approx(after)


# ---- what is moved -------------------------------------------------------------------------------


def test_what_is_moved_is_the_walk_by_hand() -> None:
    (picture,) = script.interactive(whole_run)  # no run is needed
    data = picture.data()
    lrs, steps = (slider["written"] for slider in data["sliders"])
    walk, left = data["panels"]
    (line,) = [m for m in walk["marks"] if m["kind"] == "line" and m["look"] == "by-hand"]
    (dot,) = [m for m in left["marks"] if m["kind"] == "dots"]
    for i, lr in enumerate(map(float, lrs)):
        expected = by_hand.train(KILOGRAMS, EUROS, 0.0, lr, len(steps) - 1)
        np.testing.assert_allclose(picked(line["x"], (i, 0)), expected, rtol=1e-4)
        np.testing.assert_allclose(picked(line["y"], (i, 0)), loss_of(expected), rtol=1e-4)
        assert picked(dot["x"], (i, 0)) == lr
        assert picked(dot["y"], (i, 0)) == pytest.approx(1 - lr * C, rel=1e-4, abs=1e-4)
    assert [picked(line["first"], (0, i)) for i in range(len(steps))] == [n + 1 for n in map(int, steps)]


def test_the_slope_that_is_moved_touches_the_curve_and_has_the_colour_of_its_sign() -> None:
    walk = script.the_walk()
    tangent = walk.marks[2]
    for lr, steps in ((0.05, 0), (0.5, 1), (0.7, 12)):
        w = script.walk(lr)[steps]
        (x0, x1), (y0, y1) = tangent.x(lr, steps), tangent.y(lr, steps)
        assert (y1 - y0) / (x1 - x0) == pytest.approx(slope_of(w))
        assert (y0 + y1) / 2 == pytest.approx(loss_of(w))
        assert tangent.look(lr, steps) == ("above" if w > BEST else "below")


def test_what_a_step_does_is_said_as_the_closed_form_has_it() -> None:
    for lr, said in (
        (0.5 / C, "nearer, on the same side"),
        (1 / C, "nearly on it"),
        (1.5 / C, "nearer, on the other"),
        (2.1 / C, "farther"),
    ):
        assert said in script.does(lr)
    assert script.arrived(0.05, 1).startswith("After 1 step w is 0.339 and the loss")
