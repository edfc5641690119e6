"""Six optimizers on three surfaces: gradients, every step of every pair, and the limit of the step size."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from experiments.calculus import optimizers as script
from experiments.calculus.optimizers import STEPS, TWIN, Steps, roll
from experiments.compare import Judge, Step, as_array, error
from experiments.convert import to_torch
from experiments.data import InputError
from experiments.lockstep import HandRun, LockStep, by_key, step_sizes
from experiments.noise import SharedNoise
from experiments.walk import walk, walk_by_hand
from manual.calculus import optimizers as by_hand
from torch_impl.calculus import optimizers as in_torch

SURFACES = ("bowl", "valley", "saddle")
OPTIMIZERS = ("gradient_descent", "momentum", "nesterov", "rmsprop", "adam", "adamw")
REMEMBERED = {
    "gradient_descent": [],
    "momentum": ["momentum_buffer"],
    "nesterov": ["momentum_buffer"],
    "rmsprop": ["square_avg", "step"],
    "adam": ["exp_avg", "exp_avg_sq", "step"],
    "adamw": ["exp_avg", "exp_avg_sq", "step"],
}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_central_differences_and_of_autograd(surface: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    point, dL_df, step = rng.normal(size=2), float(rng.normal()), 1e-5
    height, backward = by_hand.SURFACES[surface].height, by_hand.SURFACES[surface].backward
    gradient = backward(dL_df, point)
    slopes = [dL_df * (height(point + step * e) - height(point - step * e)) / (2 * step) for e in np.eye(2)]
    assert error(gradient, np.array(slopes)) < 1e-7
    theirs = torch.tensor(point, requires_grad=True)
    loss = in_torch.SURFACES[surface].height(theirs)
    (dL_df * loss).backward()
    assert error(height(point), loss) < 1e-14
    assert error(gradient, theirs.grad) < 1e-13


@pytest.mark.parametrize("surface", SURFACES)
def test_minima_are_flat_and_lowest(surface: str) -> None:
    height, backward, _, minima = by_hand.SURFACES[surface]
    around = np.random.default_rng(0).normal(0, 0.1, (2, 50))
    for minimum in minima:
        at = np.array(minimum)
        assert not backward(1.0, at).any()
        assert height(at) == 0
        assert (height(at[:, None] + around) > 0).all()


def test_backward_of_the_concept_scales_and_accumulates() -> None:
    ours, theirs = TWIN.build(variant="gradient descent, valley")
    for factor in (0.7, -1.3):
        ours.training_step((np.arange(1),), 0)
        ours.backward(factor)
        (factor * theirs.training_step((torch.arange(1),), 0)).backward()
    assert error(ours.point.grad, theirs.point.grad) < 1e-14


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_point_and_optimizer_state_are_torchs_at_every_step(surface: str, optimizer: str) -> None:
    settings = {"surface": surface, "optimizer": optimizer}
    theirs = in_torch.Optimizers(**settings).double()
    hand, shadow = (HandRun(by_hand.Optimizers(**settings), {}, SharedNoise(0), shadow) for shadow in (False, True))
    torchs, judge = theirs.configure_optimizers(), Judge("float64")
    for number in range(STEPS):
        for run in (hand, shadow):
            run.micro((np.arange(1),), 0, number)
        torchs.zero_grad()
        loss = theirs.training_step((torch.arange(1),), 0)
        loss.backward()
        torchs.step()
        state = {**by_key({"point": torchs.state[theirs.point]}), "lr": step_sizes(torchs)}
        ours = hand.finish(number)
        their = Step(loss.item(), {"point": theirs.point.grad}, {"point": theirs.point}, {}, state)
        assert judge.step(number, ours, their, shadow.finish(number)).beyond is None
        assert sorted(ours.state) == sorted(state) == sorted([*REMEMBERED[optimizer], "lr"])
    assert not judge.exhausted
    assert max(judge.error(kind) for kind in ("loss", "parameter")) < 1e-12


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_all_six_get_down_the_bowl_along_the_valley_and_off_the_saddle(optimizer: str) -> None:
    for ends in zip(*(roll(surface, optimizer) for surface in SURFACES), strict=True):  # by hand, in torch
        bowl, valley, saddle = (points[-1] for points in ends)
        assert np.linalg.norm(bowl) < 1e-6
        assert by_hand.valley(valley) < 0.05 * by_hand.valley(ends[1][0])
        assert np.linalg.norm(saddle - [0, 1]) < (0.01 if optimizer == "adamw" else 1e-6)
        assert np.isfinite(np.concatenate(ends)).all()


def test_adamw_alone_is_pulled_off_the_minimum_of_the_saddle() -> None:
    assert all(points[-1][1] < 0.997 for points in roll("saddle", "adamw"))


def test_who_is_ahead_in_the_valley_depends_on_the_start_as_the_text_says() -> None:
    def ends(**settings: object) -> dict[str, float]:
        walks = {o: walk_by_hand(by_hand.Optimizers("valley", o, **settings), (np.arange(1),), STEPS) for o in OPTIMIZERS}
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
def test_with_momentum_the_limit_is_0475(side: int) -> None:
    for lr, arrives in ((0.47, True), (0.48, False)):
        away = np.linalg.norm(roll("bowl", "momentum", lr, 600)[side], axis=1)
        assert away[-1] < 1e-3 * away[0] if arrives else away[-1] > 1e3 * away[0]


def test_tables_are_the_same_on_both_sides() -> None:
    assert by_hand.LR == in_torch.LR
    assert tuple(by_hand.LR) == tuple(by_hand.SURFACES) == tuple(in_torch.SURFACES) == SURFACES
    assert all(tuple(row) == OPTIMIZERS for row in by_hand.LR.values())
    assert tuple(by_hand.OPTIMIZERS) == tuple(in_torch.OPTIMIZERS) == OPTIMIZERS
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
    assert model.configure_optimizers().param_groups[0]["lr"] == 0.0  # a given 0 is not the default
    assert as_array(model.point).tolist() == [3.0, 4.0]
    assert float(as_array(model.distance())) == pytest.approx(18**0.5)
    with pytest.raises(ValueError, match=r"surface must be one of 'bowl', 'valley', 'saddle', got 'hill'"):
        side.Optimizers("hill")
    with pytest.raises(ValueError, match=r"optimizer must be one of 'gradient_descent', .*'adamw', got 'sgd'"):
        side.Optimizers(optimizer="sgd")
    with pytest.raises(ValueError, match=r"start must be two numbers \(x, y\), got \(1.0, 2.0, 3.0\)"):
        side.Optimizers(start=(1.0, 2.0, 3.0))


def test_variants_are_every_pair_but_the_default() -> None:
    pairs = [(v["surface"], v["optimizer"]) for v in TWIN.variants.values()]
    assert sorted([*pairs, ("bowl", "gradient_descent")]) == sorted((s, o) for s in SURFACES for o in OPTIMIZERS)
    for v in (None, *TWIN.variants):
        ours, theirs = TWIN.build(variant=v)
        assert np.array_equal(ours.point, theirs.point.detach())
        assert ours.lr == theirs.lr


def test_steps_gives_as_many_batches_as_steps() -> None:
    assert len(list(Steps(steps=7).train_dataloader())) == 7
    with pytest.raises(InputError, match=r"--data\.steps must be at least 1, got 0"):
        Steps(steps=0)


def test_run_in_lightning_agrees_and_arrives() -> None:
    _, theirs = TWIN.build(variant="Adam, saddle")
    lockstep = LockStep(TWIN)
    trainer = pl.Trainer(
        **TWIN.trainer,
        precision="64-true",
        accelerator="cpu",
        callbacks=[lockstep],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(theirs, TWIN.make_data())
    assert lockstep.judge.passed, lockstep.judge.failure
    assert trainer.global_step == STEPS == len(lockstep.records)
    for distance in (lockstep.metrics["distance/val"], float(trainer.callback_metrics["distance/val"])):
        assert 0 < distance < 1e-6


def test_figures_show_both_sides_and_the_limit() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, TWIN.make_data())
    assert list(drawn) == ["paths", "height at every step", "learning rate"]
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


def test_walk_starts_torch_where_the_hand_is() -> None:
    ours, theirs = by_hand.Optimizers("valley", start=(0.3, -0.7)), in_torch.Optimizers("valley")
    paths = walk(ours, theirs, (np.arange(1),), 4)
    assert all(np.array_equal(path["point"][0], [0.3, -0.7]) and len(path["point"]) == 5 for path in paths)
    assert to_torch(ours.state_dict())["point"].equal(torch.from_numpy(paths[0]["point"][-1]))
