"""TD learning: the row's k/6 and its published errors, the cliff's −13 and its two ways, on both sides."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.data.worlds.grid import table
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import asked_once, check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.reinforcement import td_learning as script
from experiments.reinforcement.td_learning import CLIFF, TWIN, Steps, brings, exact, late_return, on_the_cliff, tables_of, walked, ways
from manual.reinforcement import td_learning as by_hand
from manual.reinforcement.value_iteration import policy_iteration
from torch_impl.reinforcement import td_learning as in_torch

SIDES = pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(variant=variant)
    ours.table[...] = np.random.default_rng(0).normal(size=ours.table.shape)
    theirs.table.data.copy_(torch.from_numpy(ours.table.data))
    ours.step = asked_once(ours.step)  # type: ignore[method-assign]  # its target is given
    check_grads(ours, TWIN.make_data().example(theirs, 11), torch=theirs)


# ---- the row -------------------------------------------------------------------------------------


def test_by_a_linear_solve_the_rows_places_are_worth_sixths() -> None:
    data = Steps()
    assert data.visited.tolist() == [1, 2, 3, 4, 5]
    assert np.abs(data.truth[0][1:6] - np.arange(1, 6) / 6).max() < 1e-15
    assert data.truth[1][1:6].tolist() == [1] * 5  # who may choose goes right


@SIDES
def test_errors_after_so_many_episodes_are_those_of_example_6_2(side: int) -> None:
    of = walked(steps=1400)[side]  # every walker has had 100 episodes by then
    assert error(of.error[0], walked(steps=1400)[0].error[0]) == 0
    after = of.after_episode(of.error, 100)
    assert not np.isnan(after).any()
    for episode, wanted in ((25, 0.110), (100, 0.036)):
        assert abs(after[:, episode - 1].mean() - wanted) < 4 * after[:, episode - 1].std() / np.sqrt(100)
    start = np.sqrt(np.mean((0.5 - np.arange(1, 6) / 6) ** 2))
    assert start == pytest.approx(0.236, abs=5e-4)
    assert f"at first by {start:.3f}" in script.learned(run())


@SIDES
def test_the_mean_of_many_walkers_is_k_6(side: int) -> None:
    V = walked(steps=1400)[side].table[:, 1:6, 0]
    assert (np.abs(V.mean(axis=0) - np.arange(1, 6) / 6) < 4 * V.std(axis=0) / np.sqrt(100)).all()


@cache
def run() -> Trained:
    """As the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


def test_the_declared_run_is_right_to_four_hundredths_on_both_sides() -> None:
    for side in (run().manual, run().torch):
        off = script.values(side)[:, 1:6] - np.arange(1, 6) / 6
        assert np.sqrt((off**2).mean(axis=1)).mean() == pytest.approx(run().metrics["error/val"], rel=1e-12)
    assert run().metrics["error/val"] < 0.045


def test_no_walker_hears_of_another() -> None:
    ours, _ = TWIN.build(seed=1)
    ours.action[0] = 1 - ours.action[0]
    other, _ = TWIN.build(seed=1)
    for batch in Steps().batches(0)[:60]:
        for model in (ours, other):
            model.training_step(batch, 0)
            model.backward()
            model.on_before_optimizer_step(None)
            model.table -= model.table.grad
            model.zero_grad()
    assert np.array_equal(ours.table[1:], other.table[1:])
    assert not np.array_equal(ours.table[0], other.table[0])


def test_a_gradient_through_the_target_learns_what_its_closed_form_says() -> None:
    """The mean of δ² is least where V is the voltage along resistors, each as conductive as its step is frequent."""
    visits = np.array([1, 2, 3, 2, 1])  # of the five places in an episode, on average
    conductive = np.array([visits[0], *(visits[:-1] + visits[1:]), visits[-1]])  # from end to end; who stands on an end takes no step
    wrong = (np.cumsum(1 / conductive) / (1 / conductive).sum())[:-1]
    assert np.abs(wrong - np.arange(1, 6) / 6).max() > 0.15
    pair: dict[str, Any] = {"manual": script.ThroughTheTarget, "torch": script.ThroughTheTargetInTorch}
    found = trained(replace(TWIN, **pair))
    assert found.agree
    for side in (found.manual, found.torch):
        V = script.values(side)[:, 1:6]
        assert (np.abs(V.mean(axis=0) - wrong) < 4 * V.std(axis=0) / np.sqrt(100) + 0.01).all()  # 0.01: 100 episodes are not the end
    assert script.MISTAKE.shown(found)


# ---- the cliff -----------------------------------------------------------------------------------


def test_at_best_the_cliff_takes_thirteen_steps() -> None:
    data = Steps(world="cliff")
    cliff: Any = gymnasium.make("CliffWalking-v1").unwrapped
    assert data.truth[1][data.start] == -13
    assert np.abs(policy_iteration(*table(cliff.P), 1 - 1e-9)[-1] - data.truth[1])[data.visited].max() < 1e-5
    assert len(data.visited) == 37  # nobody stands on the cliff, or on the goal
    assert [len(way) for way in ways(exact(0.0), data)] == [13]


def test_q_learning_with_alpha_1_finds_bellmans_solution_to_the_last_digit() -> None:
    """Where nothing is left to chance one draw is the mean."""
    for of in walked("S1#/131/11G", 1200, 20, method="q_learning", alpha=1.0, epsilon=1.0, initial=0.0):
        data = Steps(20, "S1#/131/11G")
        leads_to, reward, goes_on = data.tables
        wanted = reward + goes_on * data.truth[1][leads_to]
        assert np.array_equal(of.table[:, data.visited], np.broadcast_to(wanted, of.table.shape)[:, data.visited])


@pytest.mark.long
@SIDES
def test_q_learning_takes_the_edge_and_sarsa_keeps_away_from_it(side: int) -> None:
    data = Steps(CLIFF["walkers"], "cliff")
    of_q, of_sarsa = on_the_cliff("q_learning")[side], on_the_cliff("sarsa")[side]
    assert [len(way) for way in ways(of_q.table, data)].count(13) >= 0.9 * CLIFF["walkers"]
    (edge,), (safe,) = (ways(of.table.mean(axis=0)[None], data) for of in (of_q, of_sarsa))
    assert edge == [36, *range(24, 36)]
    assert safe == [36, 24, 12, *range(12), 23, 35]
    walked_there = [np.isin(of.state[-script.LATE :], np.arange(25, 35)).mean() for of in (of_q, of_sarsa)]
    assert walked_there[0] > 0.5 > 0.1 > walked_there[1]


@pytest.mark.long
@SIDES
def test_while_they_walk_sarsa_brings_more_and_both_what_a_linear_solve_allows(side: int) -> None:
    data = Steps(1, "cliff")
    of_q, of_sarsa = on_the_cliff("q_learning")[side], on_the_cliff("sarsa")[side]
    returns = of_q.by_episode(of_q.reward, int(of_q.over.sum(axis=0).min()))[:, -40:]
    assert abs(returns.mean() - brings(exact(0.0), data, 0.1)[0]) < 4 * returns.std() / np.sqrt(returns.size)
    assert late_return(of_q) + 10 < late_return(of_sarsa) < brings(exact(0.1), data, 0.1)[0]


def test_no_epsilon_greedy_walker_brings_more_than_sarsas_exact_q() -> None:
    """One step of policy iteration finds nothing better among the policies that leave one step in ten to chance."""
    data = Steps(1, "cliff")
    R, P = table(data.P)
    p = script.greedy(exact(0.1)[0], 0.1)
    V = np.linalg.solve(np.eye(48) - np.einsum("sk,skt->st", p, P), (p * R).sum(axis=1))
    Q = R + P @ V
    soft = 0.9 * Q.max(axis=1) + 0.1 * Q.mean(axis=1)
    assert np.abs(soft - V)[data.visited].max() < 1e-6
    assert V[data.start] == pytest.approx(brings(exact(0.1), data, 0.1)[0], rel=1e-12)


# ---- what they are told, and what figures say ----------------------------------------------------


@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"walkers": 0}, {"states": 0}, {"actions": 0}, {"start": 7}, {"epsilon": 1.5}, {"gamma": -0.1}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"TDLearning: .*{name}.*, got .*{value}"):
        module.TDLearning(**wrong)
    with pytest.raises(ValueError, match="TDLearning: method must be one of 'td', 'sarsa', 'q_learning', got 'luck'"):
        module.TDLearning(method="luck")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"walkers": 0}, "--data.walkers.*got 0"),
        ({"steps": 0}, "steps must be at least 1.*0 and 1.0"),
        ({"gamma": 1.5}, "gamma between 0 and 1.*1.5"),
        ({"world": "clif"}, "there is no world 'clif': it must be one of 'row', 'cliff', 'land'"),
    ],
)
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Steps(**wrong)


def test_episodes_are_told_apart() -> None:
    over = np.array([[0, 1], [1, 0], [0, 1], [1, 0], [0, 0]], bool)
    of = script.Walked(np.zeros((5, 2)), np.arange(10.0).reshape(5, 2), over, np.zeros((5, 2)), np.zeros(0))
    assert of.by_episode(of.reward, 2).tolist() == [[0 + 2, 4 + 6], [1, 3 + 5]]
    assert of.after_episode(of.reward, 2).tolist() == [[2, 6], [1, 5]]
    assert np.isnan(of.by_episode(of.reward, 3)[:, 2]).all()


@pytest.mark.parametrize("method", ["sarsa", "q_learning"])
def test_who_chooses_his_way_is_told_how_long_it_is(method: str) -> None:
    twin = TWIN.having({"method": method, "alpha": 0.5, "initial": 0.0}, {"world": "S11/111/11G", "walkers": 10})
    found = trained(replace(twin, trainer={"max_epochs": 3}))
    assert found.agree
    assert script.learned(found).endswith("the way has 4 steps.")
    assert error(tables_of(found.manual), to_numpy(found.torch.table)) == 0


@pytest.mark.long
def test_figures_show_both_sides() -> None:
    drawn = script.figures(run().manual, run().torch, run().data)
    assert list(drawn) == ["values", "how fast", "along the cliff"]
    for name in ("how fast", "along the cliff"):
        curves = [line.get_ydata() for line in drawn[name].axes[-1].lines if line.get_linestyle() != ":"]
        assert all(error(b, a) < 1e-12 for a, b in zip(curves[::2], curves[1::2], strict=True))
