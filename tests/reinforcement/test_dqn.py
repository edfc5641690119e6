"""DQN: its Q is that of Bellman's equation; the memory and the copy, what comes of leaving them out, and a pole."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.data.worlds.grid import GridWorld, the_map
from experiments.judge.compare import error
from experiments.judge.convert import made_of
from experiments.judge.differences import asked_once, check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.reinforcement import dqn as script
from experiments.reinforcement.dqn import LAND, POLE, TWIN, Memory
from manual.reinforcement import dqn as by_hand
from torch_impl.reinforcement import dqn as in_torch


def small(**model: Any) -> tuple[Any, Any]:
    """Both sides for states of five numbers and three actions."""
    return replace(TWIN, links={}).having({"numbers": 5, "actions": 3, "hidden": 7, **model}).build(seed=1)


def batch(seed: int, N: int) -> tuple[np.ndarray, ...]:
    """Steps whose errors lie on both sides of where the Huber loss is a straight line; some end the episode."""
    rng = np.random.default_rng(seed)
    over = np.resize([0.0, 1.0, 0.0], N)
    return rng.normal(size=(N, 5)), rng.integers(0, 3, N), rng.normal(0, 2, N), rng.normal(size=(N, 5)), over


# ---- one step ------------------------------------------------------------------------------------


def test_only_what_was_taken_has_a_slope() -> None:
    Q, a, again = np.random.default_rng(0).normal(size=(3, 4, 3))[0], np.array([2, 0, 0, 1]), np.random.default_rng(1).normal(size=(4, 3))
    check_grads(
        lambda Q: by_hand.taken(Q, a),
        [Q],
        again=[again],
        backward=lambda dL_dy, Q: by_hand.taken_backward(dL_dy, Q, a),
        torch=lambda Q: in_torch.taken(Q, torch.from_numpy(a)),
    )


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = small()
    ours.targets = asked_once(ours.targets)  # its target is given
    check_grads(ours, batch(2, 11), torch=theirs)


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_a_copy_is_made_before_every_few_batches_and_stands_still_between(side: int) -> None:
    model = small(copy_every=3)[side]
    convert: Any = (lambda a: a, torch.from_numpy)[side]
    rows, copies = tuple(convert(a) for a in batch(3, 6)), []
    for batch_idx in range(7):
        for p in model.q.parameters():
            p.data[...] = p.data + 0.1
        model.training_step(rows, batch_idx)
        same = [
            np.array_equal(np.asarray(p.data), np.asarray(q.data))
            for p, q in zip(model.q.parameters(), model.target.parameters(), strict=True)
        ]
        copies.append(all(same))
    assert copies == [True, False, False, True, False, False, True]


def test_targets_are_the_copys_and_nothing_comes_after_the_end() -> None:
    ours, theirs = small(gamma=0.7)
    for p in ours.target.parameters():
        p += 1
    theirs.target.load_state_dict({name: torch.from_numpy(p) for name, p in ours.target.state_dict().items()})
    _, _, reward, after, over = batch(4, 6)
    wanted = [r if end else r + 0.7 * max(q) for r, end, q in zip(reward, over, ours.target(after), strict=True)]
    found = ours.targets(reward, after, over)
    assert error(found, np.array(wanted)) < 1e-14
    assert error(found, theirs.targets(*map(torch.from_numpy, (reward, after, over))).numpy()) < 1e-14


def test_in_lock_step_a_copy_that_is_not_made_is_found() -> None:
    class Forgetful(by_hand.DQN):
        def training_step(self, batch: Any, batch_idx: int) -> float:
            return super().training_step(batch, batch_idx or 1)

    twin = replace(TWIN.having({}, {"updates": 4}), trainer={"max_epochs": 2})
    assert trained(twin).agree
    assert not trained(replace(twin, manual=Forgetful)).agree


def test_what_a_model_writes_into_itself_must_be_declared() -> None:
    twin = replace(TWIN.having({}, {"updates": 2}), trainer={"max_epochs": 1}, written=())
    assert not trained(twin).agree


SHORT: dict[str, Any] = {"environments": 3, "steps": 8, "updates": 5}


@cache
def short() -> Trained:
    """Three small rollouts."""
    return trained(replace(TWIN.having({"hidden": 8}, SHORT), trainer={"max_epochs": 3}))


def test_a_short_run_agrees() -> None:
    assert short().agree
    assert len(short().losses) == 15
    assert short().metrics["residual/val"] > 0.1


# ---- what is reached -----------------------------------------------------------------------------


@cache
def run(seed: int) -> Trained:
    """As the twin says."""
    found = trained(TWIN, seed)
    assert found.agree
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_q_is_that_of_bellmans_equation(seed: int) -> None:
    for side in (run(seed).manual, run(seed).torch):
        assert script.farthest(side, run(seed).data) < 1e-4
    assert script.told_of(run(seed).data) == 96
    assert run(seed).metrics["residual/val"] < 1e-4


@pytest.mark.long
def test_so_it_is_for_who_walks_by_the_shortest_way() -> None:
    """Without Bellman's equation: the return of the best walk of all that there are, step by step."""
    world, Q = GridWorld(the_map(LAND)), made_of(run(0).torch, np.eye(25))
    best = dict.fromkeys(world.ends, 0.0)
    for _ in range(25):
        best |= {
            s: max(r + 0.9 * best.get(after, -100.0) for ((_, after, r, _),) in world.P[s].values())
            for s in range(25)
            if s not in world.ends
        }
    for s in range(25):
        if s not in world.ends:
            wanted = [r + 0.9 * best[after] for ((_, after, r, _),) in world.P[s].values()]
            assert np.abs(Q[s] - wanted).max() < 1e-4


def test_what_is_best_is_so_by_far() -> None:
    """Else rounding would decide which action is taken."""
    table = Memory().table
    assert table is not None
    ranked = np.sort(script.known(table, 0.9), axis=1)
    assert (ranked[:, -1] - ranked[:, -2]).min() > 0.65


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_without_a_copy_or_a_memory_errors_stay(seed: int) -> None:
    whole, no_target, no_memory = (script.in_the_land(**of, seed=seed)[0][-1] for of in script.LEFT_OUT.values())
    assert whole < 1e-4
    assert no_target > 1000 * whole
    assert no_memory > 0.01


@pytest.mark.long
def test_what_a_figure_trains_by_hand_is_what_a_run_trains() -> None:
    assert script.in_the_land()[0][-1] == pytest.approx(script.farthest(run(0).manual, run(0).data), rel=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_pole_stands_longer_with_a_target_network_and_not_without(seed: int) -> None:
    both, _ = script.with_a_pole(seed=seed)
    assert both[1] < 30
    assert max(both) > 150
    assert both[-1] > 80
    assert script.with_a_pole(copy_every=1, seed=seed)[0][-1] < 15


@pytest.mark.long
def test_both_sides_learn_the_pole_together() -> None:
    twin = TWIN.having({**POLE["model"], "rollouts": 8}, {**POLE["data"], "updates": 20})
    found = trained(replace(twin, trainer={"max_epochs": 8}))
    assert found.agree
    assert script.learned(found).startswith("Of ")
    assert np.isnan(script.farthest(found.manual, found.data))
    drawn = script.what_actions_are_worth(found.manual, found.torch, found.data)
    assert drawn.axes[0].get_ylabel() == "return"


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["memory", "limit"])
def test_bad_arguments_of_the_data_are_named(name: str) -> None:
    with pytest.raises(InputError, match=rf"--data\..*{name}.*at least 1, got .*\b0\b"):
        Memory(**{name: 0})


@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
@pytest.mark.parametrize(
    "wrong", [{"numbers": 0}, {"actions": 0}, {"hidden": 0}, {"copy_every": 0}, {"rollouts": 0}, {"gamma": 1.1}, {"epsilon": -0.1}]
)
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"DQN: .*{name}.*, got .*{value}"):
        module.DQN(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


@pytest.mark.long
def test_figures_show_what_was_learned_and_what_is_left_out() -> None:
    found = run(0)
    drawn = script.figures(found.manual, found.torch, found.data)
    assert list(drawn) == ["what actions are worth", "what is left out", "the memory", "the pole"]
    theirs, ours = drawn["what actions are worth"].axes[1].lines[:2]
    for line in (theirs, ours):
        assert np.abs(line.get_xdata() - line.get_ydata()).max() < 1e-4
        assert len(line.get_xdata()) == 96
    whole, no_target, no_memory = (line.get_ydata()[-1] for line in drawn["what is left out"].axes[0].lines)
    assert whole < no_target < no_memory
    assert len(drawn["the pole"].axes[0].lines) == 3


def test_other_worlds_are_learned_in_too() -> None:
    for world, numbers in (("rooms", 11), ("FrozenLake-v1", 16), ("CartPole-v1", 4)):
        data = {"environment": world, "environments": 2, "steps": 6, "updates": 3}
        found = trained(replace(TWIN.having({"hidden": 4}, data), trainer={"max_epochs": 2}))
        assert found.agree
        assert found.manual.q[0].weight.shape == (4, numbers)
        assert script.learned(found).startswith(("After 6 batches from a memory of 24 steps", "Of "))
        assert script.what_actions_are_worth(found.manual, found.torch, found.data).axes
