"""The optimizers on three surfaces: gradients, every step of every pair, schedules, the limit of the step size, heavy balls, convexity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import manual.optim
from experiments.calculus import optimizers as script
from experiments.calculus.optimizers import STEPS, TWIN, Steps, roll
from experiments.data.arrays import InputError
from experiments.drawing.walk import walk, walk_by_hand
from experiments.judge.compare import Judge, Step, as_array, error
from experiments.judge.convert import to_torch
from experiments.judge.differences import check_grads
from experiments.judge.noise import SharedNoise
from experiments.lockstep import HandRun
from experiments.lockstep.state import lrs, state_by_key
from manual.calculus import optimizers as by_hand
from manual.module import Parameter
from tests.helpers import whole_run
from torch_impl.calculus import optimizers as in_torch

SURFACES = ("bowl", "valley", "saddle")
REMEMBERED = {
    "gradient_descent": [],
    "momentum": ["momentum_buffer"],
    "nesterov": ["momentum_buffer"],
    "asgd": ["ax", "eta", "mu", "step"],
    "rprop": ["prev", "step", "step_size"],
    "adagrad": ["step", "sum"],
    "rmsprop": ["square_avg", "step"],
    "adadelta": ["acc_delta", "square_avg", "step"],
    "adam": ["exp_avg", "exp_avg_sq", "step"],
    "adamw": ["exp_avg", "exp_avg_sq", "step"],
    "adamax": ["exp_avg", "exp_inf", "step"],
    "nadam": ["exp_avg", "exp_avg_sq", "mu_product", "step"],
    "radam": ["exp_avg", "exp_avg_sq", "step"],
}
OPTIMIZERS = tuple(REMEMBERED)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_central_differences_and_of_autograd(surface: str, seed: int) -> None:
    ours, theirs = by_hand.SURFACES[surface], in_torch.SURFACES[surface]
    point, other = np.random.default_rng(seed).normal(size=(2, 2))
    check_grads(ours.height, [point], again=[other], backward=ours.backward, torch=theirs.height, seed=seed)


@pytest.mark.parametrize("surface", SURFACES)
def test_minima_are_flat_and_lowest(surface: str) -> None:
    height, backward, _, minima = by_hand.SURFACES[surface]
    around = np.random.default_rng(0).normal(0, 0.1, (2, 50))
    for minimum in minima:
        at = np.array(minimum)
        assert not backward(1.0, at).any()
        assert height(at) == 0
        assert (height(at[:, None] + around) > 0).all()


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(variant="gradient descent, valley")
    check_grads(ours, (np.arange(1),), torch=theirs)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_point_and_optimizer_state_are_torchs_at_every_step(surface: str, optimizer: str) -> None:
    settings = {"surface": surface, "optimizer": optimizer}
    theirs = in_torch.Optimizers(**settings).double()
    hand, shadow = (HandRun(by_hand.Optimizers(**settings), {}, [SharedNoise(0)], shadow) for shadow in (False, True))
    torchs, judge = theirs.configure_optimizers()["optimizer"], Judge("float64")
    for number in range(STEPS):
        for run in (hand, shadow):
            run.train((np.arange(1),), 0, number, is_last=False)
        torchs.zero_grad()
        loss = theirs.training_step((torch.arange(1),), 0)
        loss.backward()
        torchs.step()
        state = {**state_by_key({"point": torchs.state[theirs.point]}), "lr": lrs(torchs)}
        (ours,), (perturbed,) = hand.take().steps, shadow.take().steps
        their = Step(loss.item(), {"point": theirs.point.grad}, {"point": theirs.point}, {}, state)
        assert judge.step(number, ours, their, perturbed).beyond is None
        assert sorted(ours.state) == sorted(state) == sorted([*REMEMBERED[optimizer], "lr"])
    assert not judge.exhausted
    assert max(judge.error(kind) for kind in ("loss", "parameter")) < 1e-12


NEAR = {"asgd": (1e-6, 1e-4), "rprop": (1e-5, 1e-5), "adadelta": (0.05, 0.02), "adamw": (1e-6, 0.01), "radam": (1e-6, 1e-5)}
"""How near the minimum of the bowl and of the saddle an optimizer ends, where it is not within a millionth."""

IN_THE_VALLEY = {"radam": 0.45}
"""What is left of the height in the valley, where it is more than 0.3."""


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_all_get_down_the_bowl_along_the_valley_and_off_the_saddle(optimizer: str) -> None:
    for ends in zip(*(roll(surface, optimizer) for surface in SURFACES), strict=True):  # by hand, in torch
        bowl, valley, saddle = (points[-1] for points in ends)
        on_the_bowl, at_the_saddle = NEAR.get(optimizer, (1e-6, 1e-6))
        assert np.linalg.norm(bowl) < on_the_bowl
        height, left = by_hand.SURFACES["valley"].height, {"radam": 0.5, "adadelta": 0.4}.get(optimizer, 0.33)
        assert height(valley) < left * height(ends[1][0])
        assert np.linalg.norm(saddle - [0, 1]) < at_the_saddle
        assert np.isfinite(np.concatenate(ends)).all()


def test_adamw_alone_is_pulled_off_the_minimum_of_the_saddle() -> None:
    assert all(points[-1][1] < 0.997 for points in roll("saddle", "adamw"))


def test_who_is_ahead_in_the_valley_depends_on_the_start_as_the_text_says() -> None:
    def ends(**settings: object) -> dict[str, float]:
        walks = {o: walk_by_hand(by_hand.Optimizers("valley", o, **settings), (np.arange(1),), STEPS) for o in script.CLASSICS}
        return {o: float(np.linalg.norm(walk["point"][-1] - 1)) for o, walk in walks.items()}

    here, there = ends(), ends(start=(-1.5, 2.0))
    assert min(here, key=here.__getitem__) == "momentum"
    assert max(here, key=here.__getitem__) == "gradient_descent"
    assert min(there, key=there.__getitem__) == "gradient_descent"


def test_on_the_ridge_gradient_descent_rests_at_the_saddle() -> None:
    model = by_hand.Optimizers("saddle", start=(-1.5, 0.0))
    path = walk_by_hand(model, (np.arange(1),), STEPS)["point"]
    assert np.linalg.norm(path[-1]) < 1e-12


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_on_the_bowl_024_converges_and_026_diverges(side: int) -> None:
    """The limit is 0.25 = 2/8; and each coordinate follows its closed form."""
    start = np.array(by_hand.SURFACES["bowl"].start)
    for lr in (0.24, 0.26):
        points = roll("bowl", "gradient_descent", lr, 100)[side]
        k = np.arange(101)[:, None]
        closed = start * (1 - lr * np.array([2, 8])) ** k
        assert error(points, closed) < 1e-13
        away = np.linalg.norm(points, axis=1)
        assert away[-1] < 1e-3 * away[0] if lr < 0.25 else away[-1] > 500 * away[0]
    bouncing = roll("bowl", "gradient_descent", 0.25, 100)[side]
    assert np.array_equal(abs(bouncing[:, 1]), np.ones(101))


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_a_step_of_adam_is_at_most_about_lr_long_so_100_of_them_are_not_the_way(side: int) -> None:
    """What a published listing prints after 100 steps of 0.01 from (3, 3), and calls converged."""
    points = roll("bowl", "adam", 0.01, 1000, start=(3.0, 3.0))[side]
    steps = np.abs(np.diff(points, axis=0))
    assert points[1] == pytest.approx([2.99, 2.99], rel=1e-8)
    assert points[100].round(6).tolist() == [2.062446, 2.062446]
    assert steps.max() < 0.01 * 1.0001
    assert steps[:100].sum(axis=0).max() < 1
    assert np.abs(points[-1]).max() < 1e-3


def test_what_momentum_takes_in_its_stride_explodes_with_nesterovs() -> None:
    momentum, nesterov = (np.linalg.norm(roll("bowl", name, 0.3, 100)[0][-1]) for name in ("momentum", "nesterov"))
    assert momentum < 1
    assert nesterov > 1e3


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_with_momentum_the_limit_is_0475(side: int) -> None:
    for lr, arrives in ((0.47, True), (0.48, False)):
        away = np.linalg.norm(roll("bowl", "momentum", lr, 600)[side], axis=1)
        assert away[-1] < 1e-3 * away[0] if arrives else away[-1] > 1e3 * away[0]


def test_tables_are_the_same_on_both_sides() -> None:
    assert by_hand.LR == in_torch.LR
    assert tuple(by_hand.SURFACES) == tuple(in_torch.SURFACES) == SURFACES
    assert all(tuple(row) == SURFACES for row in by_hand.LR.values())
    assert tuple(by_hand.SCHEDULES) == tuple(in_torch.SCHEDULES)
    assert tuple(by_hand.OPTIMIZERS) == tuple(in_torch.OPTIMIZERS) == tuple(by_hand.LR) == OPTIMIZERS
    for ours, theirs in zip(by_hand.OPTIMIZERS.values(), in_torch.OPTIMIZERS.values(), strict=True):
        assert (ours[0].__name__, ours[1]) == (theirs[0].__name__, theirs[1])
    for name, theirs in in_torch.SURFACES.items():
        assert (by_hand.SURFACES[name].start, by_hand.SURFACES[name].minima) == (theirs.start, theirs.minima)


@pytest.mark.parametrize("surface", SURFACES)
def test_starts_are_exact_in_float32(surface: str) -> None:
    model = in_torch.Optimizers(surface)
    assert model.point.dtype == torch.float32
    assert np.array_equal(model.double().point.detach().numpy(), np.array(by_hand.SURFACES[surface].start))


@pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
def test_arguments_are_used_and_bad_ones_are_named(side: object) -> None:
    model = side.Optimizers("saddle", "adam", 0.0, (3.0, 4.0))
    assert model.configure_optimizers()["optimizer"].param_groups[0]["lr"] == 0.0  # a given 0 is not the default
    assert as_array(model.point).tolist() == [3.0, 4.0]
    assert float(as_array(model.distance())) == pytest.approx(18**0.5)
    with pytest.raises(ValueError, match=r"surface must be one of 'bowl', 'valley', 'saddle', got 'hill'"):
        side.Optimizers("hill")
    with pytest.raises(ValueError, match=r"optimizer must be one of 'gradient_descent', .*'radam', got 'sgd'"):
        side.Optimizers(optimizer="sgd")
    with pytest.raises(ValueError, match=r"start must be two numbers \(x, y\), got \(1.0, 2.0, 3.0\)"):
        side.Optimizers(start=(1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match=r"schedule must be one of 'constant', .*, got 'linear'"):
        side.Optimizers(schedule="linear")
    with pytest.raises(ValueError, match=r"horizon must be at least 1, got 0"):
        side.Optimizers(horizon=0)


def test_variants_are_every_pair_but_the_default_and_every_schedule() -> None:
    pairs = [(v["surface"], v["optimizer"]) for v in TWIN.variants.values() if "surface" in v]
    assert sorted([*pairs, ("bowl", "gradient_descent")]) == sorted((s, o) for s in SURFACES for o in OPTIMIZERS)
    assert {v["schedule"] for v in TWIN.variants.values() if "schedule" in v} == set(by_hand.SCHEDULES) - {"constant"}
    for v in (None, *TWIN.variants):
        ours, theirs = TWIN.build(variant=v)
        assert np.array_equal(ours.point, theirs.point.detach())
        assert ours.lr == theirs.lr


def test_steps_gives_as_many_batches_as_steps() -> None:
    assert len(list(Steps(steps=7).train_dataloader())) == 7
    assert len(Steps(steps=7).split.val[0]) == 1  # one look at the point is a validation
    with pytest.raises(InputError, match=r"--data\.steps must be at least 1, got 0"):
        Steps(steps=0)


# ---- schedules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", by_hand.SCHEDULES)
def test_lr_is_torchs_at_every_step(schedule: str) -> None:
    ours, theirs = script.rates(schedule)
    assert error(ours, theirs) < 1e-14
    assert ours.max() == pytest.approx(1, rel=1e-4)
    assert ours[-1] < 0.2 or schedule in ("constant", "warm_restarts", "warm_up")
    for horizon in (1, 2, 7):  # of the shortest trainings too
        both = roll("bowl", "gradient_descent", steps=2 * horizon + 3, schedule=schedule, horizon=horizon)  # and beyond their end
        assert error(*both) < 1e-14


def test_shrinking_steps_end_lower_where_gradients_are_noisy_as_the_figure_says() -> None:
    heights = {name: script.noisy(name) for name in ("constant", "step", "exponential", "cosine", "one_cycle")}
    for side in (0, 1):
        jitter = heights["constant"][side]
        assert 0.7 < jitter[100:200].mean() / jitter[200:].mean() < 1.4  # at one height
        assert all(of[side][-30:].mean() < 0.1 * jitter[-30:].mean() for name, of in heights.items() if name != "constant")
    assert all(error(*of) < 1e-12 for of in heights.values())


# ---- a heavy ball --------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.6, 0.8, 0.95])
def test_rate_of_a_heavy_ball_is_measured_and_torchs(momentum: float) -> None:
    rate = by_hand.heavy_ball_rate(0.02, momentum, 2.0)
    assert rate == pytest.approx(in_torch.heavy_ball_rate(0.02, momentum, 2.0), rel=1e-13)
    for x in script.swing(0.02, momentum, 400):
        assert script.shrinking(x) == pytest.approx(rate, rel=1e-6)


def test_a_heavy_ball_rests_soonest_at_its_best_momentum_and_diverges_beyond_the_limit() -> None:
    for lr, curvature in ((0.02, 2.0), (0.05, 8.0)):
        best = (1 - (lr * curvature) ** 0.5) ** 2
        assert by_hand.heavy_ball_rate(lr, best, curvature) == pytest.approx(best**0.5, rel=1e-6)
        assert all(by_hand.heavy_ball_rate(lr, best + d, curvature) > best**0.5 for d in (-0.05, -0.01, 0.01, 0.05))
    assert by_hand.heavy_ball_rate(0.47, 0.9, 8.0) < 1 < by_hand.heavy_ball_rate(0.48, 0.9, 8.0)


# ---- convexity -----------------------------------------------------------------------------------


def test_jensens_gap_is_never_below_0_on_the_bowl_and_often_elsewhere() -> None:
    rng = np.random.default_rng(0)
    least = dict.fromkeys(SURFACES, np.inf)
    for _ in range(200):
        points, weights = rng.normal(size=(4, 2)), rng.dirichlet(np.ones(4))
        for surface in SURFACES:
            gap = by_hand.jensen_gap(by_hand.SURFACES[surface].height, points, weights)
            theirs = in_torch.jensen_gap(in_torch.SURFACES[surface].height, torch.from_numpy(points), torch.from_numpy(weights))
            assert gap == pytest.approx(theirs.item(), rel=1e-12, abs=1e-12)
            least[surface] = min(least[surface], gap)
    assert least["bowl"] > 0
    assert max(least["valley"], least["saddle"]) < -0.01
    a, b = points[:2]  # of the bowl the gap of two points is known: t (1 − t) times the height of their difference
    assert by_hand.jensen_gap(by_hand.SURFACES["bowl"].height, points[:2], np.array([0.3, 0.7])) == pytest.approx(
        0.21 * by_hand.SURFACES["bowl"].height(a - b)
    )


def test_surfaces_bend_down_just_where_the_text_says() -> None:
    grid = np.stack(np.meshgrid(np.linspace(-1.7, 1.5, 41), np.linspace(-1.3, 1.9, 43)))
    x, y = grid
    assert (script.smallest_curvature("bowl", grid) == 2).all()
    assert np.array_equal(script.smallest_curvature("saddle", grid) < 0, 3 * y**2 < 1)
    assert np.array_equal(script.smallest_curvature("valley", grid) < 0, y > x**2 + 1 / 200)


def test_losses_of_a_line_and_of_logits_are_convex_that_of_two_hidden_units_is_not() -> None:
    rng = np.random.default_rng(1)
    for name in ("a line's squared error", "a logistic cross-entropy"):
        f, *_ = script.CHORDS[name]
        assert all(by_hand.jensen_gap(f, rng.normal(0, 3, (3, 1)), rng.dirichlet(np.ones(3))) > 0 for _ in range(100))
    f, one, other = script.CHORDS["two hidden units, swapped"]
    assert f(one) == f(other) == 0
    assert f((one + other) / 2) > 0.1


def test_bad_weights_are_named() -> None:
    points = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"jensen_gap: weights must be one for each of 3 points, got shape \(2,\)"):
        by_hand.jensen_gap(by_hand.SURFACES["bowl"].height, points, np.array([0.5, 0.5]))
    for weights in ([0.5, 0.7, -0.2], [0.2, 0.2, 0.2]):
        with pytest.raises(ValueError, match=r"jensen_gap: weights must not be below 0 and must sum to 1, got \["):
            by_hand.jensen_gap(by_hand.SURFACES["bowl"].height, points, np.array(weights))


# ---- training ------------------------------------------------------------------------------------


def test_run_in_lightning_agrees_and_arrives() -> None:
    lockstep, _ = whole_run(TWIN, "Adam, saddle")
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == STEPS
    assert 0 < lockstep.metrics["distance/val"] < 1e-6


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    """All figures."""
    ours, theirs = TWIN.build()
    return script.figures(ours, theirs, TWIN.make_data())


def test_there_is_a_path_of_every_optimizer_of_manual_optim(drawn: dict[str, Any]) -> None:
    classes = {make(manual.optim, [Parameter(np.zeros(shape))]).__class__ for make, shape in script.FREE.values()}
    classes |= {kind for kind, _ in by_hand.OPTIMIZERS.values()}
    assert {c.__name__ for c in classes} == {n for n, c in vars(manual.optim).items() if isinstance(c, type)} - {"Optimizer"}
    kinds = {name for name in by_hand.SCHEDULES if name not in ("constant", "warm_up_and_cosine")}
    joined, not_drawn = {"SequentialLR", "ChainedScheduler"}, {"ReduceLROnPlateau", "ConstantLR", "CyclicLR", "MultiplicativeLR"}
    assert len(kinds) == len(vars_of_schedules() - joined - not_drawn)  # inverse_root is LambdaLR
    assert [name for name in drawn if name.startswith("path of")] == [f"path of {script.NAMES[name]}" for name in script.PATHS]
    assert set(script.PATHS) == {*OPTIMIZERS, *script.FREE}
    for name in script.PATHS:
        for ax in drawn[f"path of {script.NAMES[name]}"].axes:
            theirs, ours = (line.get_xydata() for line in ax.lines if len(line.get_xydata()) > 2)
            assert error(ours, theirs) < 1e-9


def vars_of_schedules() -> set[str]:
    """The schedules of manual.optim, by name."""
    return {n for n, c in vars(manual.optim.lr_scheduler).items() if isinstance(c, type)} - {"LRScheduler"}


def test_lbfgs_arrives_as_soon_as_its_caption_says() -> None:
    for surface, steps in (("bowl", 5), ("valley", 34), ("saddle", 6)):
        for points in script.freely(surface, script.FREE["lbfgs"][0], 40):
            near = [script.away(surface, points[: k + 1]) < 1e-3 for k in range(41)]
            assert near.index(True) == steps
    assert all(f"{n} " in script.PATHS["lbfgs"] for n in (5, 34, 6))


def test_figures_show_both_sides_and_the_limit(drawn: dict[str, Any]) -> None:
    assert [ax.get_title() for ax in drawn["paths"].axes] == list(SURFACES)
    for ax in drawn["paths"].axes:
        walks = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) == STEPS + 1]
        assert len(walks) == 12  # six in torch, six by hand, in pairs
        assert all(error(a, b) < 1e-9 for a, b in zip(walks[1::2], walks[::2], strict=True))
    sweep = drawn["learning rate"].axes[0]
    lr, away = sweep.lines[1].get_data()
    start = np.array(by_hand.SURFACES["bowl"].start)
    assert away == pytest.approx([np.linalg.norm(start * (1 - eta * np.array([2, 8])) ** 100) for eta in lr], rel=1e-9, abs=1e-25)
    assert sweep.lines[2].get_xdata()[0] == 0.25
    curve, torchs, ours = (line.get_xydata() for line in drawn["a heavy ball"].axes[1].lines)
    for dots in (torchs, ours):
        assert dots[:, 1] == pytest.approx(np.interp(dots[:, 0], *curve.T), rel=1e-4)


def test_walk_starts_torch_where_the_hand_is() -> None:
    ours, theirs = by_hand.Optimizers("valley", start=(0.3, -0.7)), in_torch.Optimizers("valley")
    paths = walk(ours, theirs, (np.arange(1),), 4)
    assert all(np.array_equal(path["point"][0], [0.3, -0.7]) and len(path["point"]) == 5 for path in paths)
    assert to_torch(ours.state_dict())["point"].equal(torch.from_numpy(paths[0]["point"][-1]))
