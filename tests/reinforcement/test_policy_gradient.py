"""Policy gradient: the mean of the gradients is the slope of J, with a baseline and without; and the corridor's coin, on both sides."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.data.rollout import play
from experiments.data.worlds.corridor import leads_to
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.judge.noise import Stream
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.reinforcement import policy_gradient as script
from experiments.reinforcement.policy_gradient import BEST, TWIN, Walks, exact_slope, goes_right
from manual.reinforcement import policy_gradient as by_hand
from torch_impl.reinforcement import policy_gradient as in_torch

SIDES = pytest.mark.parametrize("side", ["manual", "torch"])


def steps(rng: np.random.Generator, N: int, states: int = 5, actions: int = 3) -> tuple[np.ndarray, ...]:
    """A random batch."""
    return rng.integers(0, states, N), rng.integers(0, actions, N), *rng.normal(size=(3, N))


# ---- gradients -----------------------------------------------------------------------------------


def test_slope_of_the_log_probability_is_that_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    z, other = rng.normal(0, 2, (2, 4, 3))
    a = rng.integers(0, 3, 4)
    check_grads(
        lambda z: by_hand.log_prob(z, a),
        [z],
        again=[other],
        backward=lambda dL_dy, z: by_hand.log_prob_backward(dL_dy, z, a),
        torch=lambda z: in_torch.log_prob(z, torch.from_numpy(a)),
    )


@pytest.mark.parametrize("baseline", [True, False])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(baseline: bool) -> None:
    twin = replace(TWIN, links={}).having({"states": 5, "actions": 3, "first": 0.4, "baseline": baseline})
    ours, theirs = twin.build(seed=1)
    rng = np.random.default_rng(2)
    check_grads(ours, steps(rng, 11), again=steps(rng, 4), torch=theirs)


def all_walks(limit: int) -> list[list[int]]:
    """The actions of every walk in the dark corridor, those that are cut off included."""
    done, going = [], [(0, list[int]())]
    for _ in range(limit):
        further = [(leads_to(place, action), [*actions, action]) for place, actions in going for action in (0, 1)]
        done += [actions for place, actions in further if place == 3]
        going = [walk for walk in further if walk[0] != 3]
    return done + [actions for _, actions in going]


@pytest.mark.parametrize("p", [0.4, 0.8])
@pytest.mark.parametrize("value", [0.0, -7.0])
def test_over_all_walks_the_mean_gradient_is_the_slope_of_J_whatever_the_baseline(p: float, value: float) -> None:
    """Of walks of at most 7 steps: of all of them the probability is known, and J is a polynomial of p."""
    walks = all_walks(7)

    def probability(actions: list[int], p: float) -> float:
        return float(p ** sum(actions) * (1 - p) ** (len(actions) - sum(actions)))

    assert sum(probability(actions, p) for actions in walks) == pytest.approx(1, rel=1e-14)
    ours, _ = script.at(p, value)
    dJ_dp = 0.0
    for actions in walks:
        N = len(actions)
        G = -np.arange(N, 0, -1.0)
        ours.training_step((np.zeros(N, int), np.array(actions), G - value, G, np.zeros(N)), 0)
        ours.backward(-N * probability(actions, p))  # L is a mean over steps, and downhill
        dJ_dp -= N * probability(actions, p) * (sum(actions) / p - (N - sum(actions)) / (1 - p))
    assert ours.policy.weight.grad[0, 1] == pytest.approx(dJ_dp * p * (1 - p), rel=1e-11)


def test_the_exact_slope_is_that_of_J() -> None:
    check_grads(
        by_hand.corridor_return,
        [np.array([0.2, 0.5, 0.8])],
        again=[np.array([0.3, 0.6, 0.7])],
        backward=lambda dL_dy, p: dL_dy * exact_slope(p) / (p * (1 - p)),
        torch=by_hand.corridor_return,
    )
    assert abs(exact_slope(BEST)) < 1e-13
    assert by_hand.corridor_return(BEST) == pytest.approx(-6 - 4 * 2**0.5, rel=1e-14)


# ---- what a policy is worth ----------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.05, BEST, 0.9])
def test_J_by_the_equations_is_that_of_the_formula(p: float) -> None:
    seen, P, R, start = Walks().val_batches()[0]
    V = by_hand.worth(np.tile([1 - p, p], (len(seen), 1)), P, R)
    assert start @ V == pytest.approx(by_hand.corridor_return(p), rel=1e-12)


def test_J_is_what_walks_bring_on_average() -> None:
    rollout, _ = script.walked(0.45, 500)
    brought = (rollout.reward * rollout.played).sum(axis=0)
    standard_error = brought.std() / np.sqrt(len(brought))
    assert abs(brought.mean() - by_hand.corridor_return(0.45)) < 4 * standard_error


def test_in_the_light_three_steps_lead_out_and_a_policy_is_worth_what_it_walks() -> None:
    seen, P, R, start = Walks(world="lit corridor").val_batches()[0]
    assert seen.tolist() == [0, 1, 2, 3]
    right_left_right = np.eye(2)[[1, 0, 1, 0]]
    assert by_hand.worth(right_left_right, P, R).tolist() == [-3, -2, -1, 0]
    assert start.tolist() == [1, 0, 0, 0]


# ---- a run ---------------------------------------------------------------------------------------


@cache
def short() -> Trained:
    """A run that begins nearer to its end than the declared one."""
    return trained(replace(TWIN.having({"steps": 30, "lr": 0.3}, {"environments": 16}), trainer={"max_epochs": 30}))


@SIDES
def test_a_short_run_comes_near_the_best_coin(side: str) -> None:
    assert short().agree
    assert goes_right(getattr(short(), side)) == pytest.approx(BEST, abs=0.1)
    assert short().metrics["J/val"] == pytest.approx(by_hand.corridor_return(goes_right(short().manual)), rel=1e-9)
    assert short().metrics["J/val"] > -12.2


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_declared_run_arrives_at_two_less_the_root_of_two(seed: int) -> None:
    run = trained(TWIN, seed)
    assert run.agree
    for side in (run.manual, run.torch):
        assert goes_right(side) == pytest.approx(BEST, abs=0.03)
        assert by_hand.corridor_return(goes_right(side)) > -11.7
    brought = run.data.player.finished
    assert np.mean(brought[:32]) < -25
    assert np.mean(brought[-640:]) == pytest.approx(-11.66, abs=1.2)  # 640 walks scatter by 0.4 on average


def test_the_hand_written_agent_walks_as_well_for_itself() -> None:
    player = Walks(400, seed=3).player
    play(short().manual.act, player, Stream(3, 0, "alone"), 0)
    assert len(player.finished) == 400
    error_of_mean = np.std(player.finished) / 20
    assert abs(np.mean(player.finished) - short().metrics["J/val"]) < 4 * error_of_mean


# ---- worlds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["corridor", "lit corridor", "S1/1G"])
def test_walks_go_where_the_table_says(world: str) -> None:
    data = Walks(5, world=world, seed=4)
    ours, _ = replace(TWIN, links={}).having({"states": data.states, "actions": data.actions, "first": 0.0}).build()
    rollout = play(ours.act, data.player, Stream(0, 0, ""), 0)
    (seen, P, R, _), last = data.val_batches()[0], np.zeros(5, int)
    for t in range(len(rollout.u)):
        for e in np.flatnonzero(rollout.played[t]):
            action = rollout.answers["action"][t, e]
            after = int(np.argmax([outcome[0] == 1.0 for outcome in data.whole.P[last[e]][action]]))
            _, place, reward, over = data.whole.P[last[e]][action][after]
            assert rollout.state[t, e] == seen[last[e]]
            assert rollout.next_state[t, e] == seen[place]
            assert (rollout.reward[t, e], rollout.terminated[t, e]) == (reward, over)
            assert R[last[e], action] == reward
            assert P[last[e], action].sum() == (0 if over else 1)
            last[e] = place


def test_a_walk_that_takes_too_long_is_cut_off() -> None:
    data = Walks(3, limit=7)
    ours, _ = script.at(0.01, None)
    rollout = play(ours.act, data.player, Stream(0, 0, ""), 0)
    assert rollout.truncated[-1].all()
    assert data.player.finished == [-7.0] * 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"world": "maze"}, "there is no world 'maze': it must be one of 'corridor', 'lit corridor', 'land'"),
        ({"world": "S1/1"}, "one length"),
        ({"limit": 0}, "--data.limit must be at least 1, got 0"),
        ({"environments": 0}, "--data.environments.*got 0"),
    ],
)
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Walks(**wrong)


@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"states": 0}, {"actions": 0}, {"steps": 0}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"PolicyGradient: .*{name}.*, got .*{value}"):
        module.PolicyGradient(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_a_baseline_leaves_the_mean_and_takes_most_of_the_scatter() -> None:
    for p in script.PS:
        (ours, theirs, scatter), (ours_without, theirs_without, scatter_without) = (
            script.slopes(p, baseline) for baseline in (True, False)
        )
        assert error(np.array([ours, ours_without]), np.array([theirs, theirs_without])) < 1e-12
        assert abs(ours - exact_slope(p)) < 4 * scatter / np.sqrt(150)
        assert abs(ours_without - exact_slope(p)) < 4 * scatter_without / np.sqrt(150)
        assert scatter_without > 1.2 * scatter


def test_without_a_baseline_two_right_runs_part() -> None:
    assert script.parted(True).max() < 1e-13
    assert script.parted(False)[-1] > 1e-12


def test_both_sides_learn_the_way_through_a_grid() -> None:
    run = script.in_a_grid()
    assert run.agree
    assert 8 <= 11 - run.metrics["J/val"] < 9.5
    p = run.torch(torch.arange(25)).detach().numpy()
    assert error(run.manual(np.arange(25)), p) < 1e-9
    place, walked = 0, 0
    while place != 24 and walked < 30:
        place, walked = run.data.whole.P[place][p[place].argmax()][0][1], walked + 1
    assert walked == 8


def test_figures_show_both_sides() -> None:
    run = short()
    drawn = script.figures(run.manual, run.torch, run.data)
    assert list(drawn) == ["the coin", "the baseline", "a grid", "two right runs"]
    left, right = drawn["the coin"].axes
    theirs, ours = (line.get_xydata() for line in left.lines[-2:])
    assert error(ours, theirs) < 1e-8
    assert len(right.lines[0].get_ydata()) == 30
    assert right.lines[0].get_ydata()[0] == pytest.approx(np.mean(run.data.player.finished[:16]))
