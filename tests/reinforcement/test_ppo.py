"""PPO: the clipped objective and its slope, the pole that stands, and whatever other environment is asked for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.data.rollout import play
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.judge.noise import Stream
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.reinforcement import ppo as script
from experiments.reinforcement.ppo import TWIN, Rollouts
from manual.reinforcement import policy_gradient, ppo
from torch_impl.reinforcement import ppo as in_torch


def steps(seed: int, N: int = 9) -> tuple[np.ndarray, ...]:
    """log π, log π_old and A, away from the kinks, on all sides of them."""
    rng = np.random.default_rng(seed)
    old = np.log(rng.uniform(0.2, 0.5, N))
    return old + np.log(rng.permutation(np.resize([0.6, 0.9, 1.1, 1.5], N))), old, rng.normal(0, 2, N)


# ---- the clipped objective -----------------------------------------------------------------------


def test_slope_of_the_objective_is_that_of_autograd_and_of_central_differences() -> None:
    (log_p, old, A), (other, *_) = steps(0), steps(1)
    check_grads(
        lambda log_p: ppo.surrogate(log_p, old, A, 0.2),
        [log_p],
        again=[old + np.log(np.resize([1.4, 1.05, 0.95, 0.7], 9))],
        backward=lambda dL_dy, log_p: ppo.surrogate_backward(dL_dy, log_p, old, A, 0.2),
        torch=lambda log_p: in_torch.surrogate(log_p, torch.from_numpy(old), torch.from_numpy(A), 0.2),
    )
    assert not np.array_equal(other, log_p)


def test_only_a_gain_is_clipped() -> None:
    r = np.array([0.7, 0.9, 1.1, 1.3] * 2)
    A = np.repeat([1.0, -1.0], 4)
    slope = ppo.surrogate_backward(1.0, np.log(r), np.zeros(8), A, 0.2)
    assert (slope != 0).tolist() == [True, True, True, False, False, True, True, True]
    worth = [-ppo.surrogate(np.log(r[i : i + 1]), np.zeros(1), A[i : i + 1], 0.2) for i in range(8)]
    assert worth == pytest.approx([0.7, 0.9, 1.1, 1.2, -0.8, -0.9, -1.1, -1.3], rel=1e-14)


@pytest.mark.parametrize("clip", [0.1, 0.2, 1e3])
def test_at_the_policy_that_has_played_it_is_the_policy_gradient(clip: float) -> None:
    log_p, _, A = steps(3)
    assert error(ppo.surrogate_backward(0.7, log_p, log_p, A, clip), -0.7 * A / len(A)) < 1e-15
    assert ppo.surrogate(log_p, log_p, A, clip) == pytest.approx(-A.mean(), rel=1e-14)
    z = np.random.default_rng(4).normal(size=(5, 3))
    a = np.array([0, 2, 1, 1, 0])
    own = policy_gradient.log_prob(z, a)
    mine = policy_gradient.log_prob_backward(ppo.surrogate_backward(1.0, own, own, A[:5], clip), z, a)
    assert error(mine, policy_gradient.log_prob_backward(-A[:5] / 5, z, a)) < 1e-15


def test_the_mean_of_weighted_advantages_is_that_of_the_new_policy() -> None:
    """Why there is a ratio at all: over all actions, by their old probabilities."""
    rng = np.random.default_rng(5)
    old, new = rng.dirichlet(np.ones(4), 2)
    A = rng.normal(size=4)
    weighted = sum(old[a] * -ppo.surrogate(np.log(new[a : a + 1]), np.log(old[a : a + 1]), A[a : a + 1], 1e3) for a in range(4))
    assert weighted == pytest.approx(new @ A, rel=1e-13)


def test_a_ratio_is_clipped_where_the_concept_says() -> None:
    def loss(clip: float) -> float:
        ours, _ = TWIN.having({"clip": clip}).build()
        state = np.zeros((2, 4))
        return ours.training_step((state, np.array([0, 1]), np.log([0.25, 0.25]), np.ones(2), ours.value(state)[:, 0], np.zeros(2)), 0)

    assert [loss(clip) for clip in (0.1, 0.2, 10.0)] == pytest.approx([-1.1, -1.2, -2.0], abs=1e-9)  # biases of 0: all are ½


# ---- the pair ------------------------------------------------------------------------------------


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = replace(TWIN, links={}).having({"numbers": 5, "actions": 3, "hidden": 7}).build(seed=1)

    def batch(seed: int, N: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(seed)
        state, action = rng.normal(size=(N, 5)), rng.integers(0, 3, N)
        r = np.resize([0.6, 0.9, 1.1, 1.5], N)  # of the policy as it is: none is nearly a kink
        old = np.log(ours(state)[np.arange(N), action]) - np.log(r)
        ours.forget()
        return state, action, old, *rng.normal(size=(3, N))

    check_grads(ours, batch(2, 11), again=batch(3, 4), torch=theirs)


def test_at_first_all_actions_are_nearly_equally_probable_on_both_sides() -> None:
    ours, theirs = TWIN.build()
    states = TWIN.make_data().by_chance  # type: ignore[attr-defined]
    p = script.policy_of(ours, states)
    assert error(p, script.policy_of(theirs, states)) < 1e-14
    assert np.abs(p - 0.5).max() < 0.02
    alone = ppo.PPO(rng=np.random.default_rng(7))
    assert np.abs(alone(states) - 0.5).max() < 0.02


@cache
def short() -> Trained:
    """A few small rollouts."""
    return trained(replace(TWIN.having({"hidden": 16, "rollouts": 4}, {"steps": 48}), trainer={**TWIN.trainer, "max_epochs": 4}))


def test_a_short_run_agrees_and_the_loss_counts_what_was_played() -> None:
    run = short()
    assert run.agree
    assert len(run.losses) == 4 * 16
    assert 10 < np.mean(run.data.player.finished[:10]) < 40
    rollout = run.data.rollout
    state, _, old, A, R, score = run.data.examples(rollout)
    assert len(state) == 8 * 48
    assert np.exp(old) == pytest.approx(rollout.rows(rollout.probability), rel=1e-12)
    assert (A.mean(), A.std()) == pytest.approx((0, 1), abs=1e-6)
    assert score[0] == np.mean(run.data.player.finished[-20:])
    assert np.corrcoef(R - rollout.rows(rollout.answers["value"]), A)[0, 1] == pytest.approx(1, rel=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_pole_stands_for_more_than_460_of_500_steps(seed: int) -> None:
    run = trained(TWIN, seed)
    assert run.agree
    brought = run.data.player.finished
    assert np.mean(brought[:20]) < 40
    assert np.mean(brought[-20:]) > 460
    player = Rollouts(environments=20, seed=99).player
    play(run.manual.act, player, Stream(99, 0, "alone"), 0)  # the hand-written agent, for itself
    assert np.mean(player.finished) > 440


# ---- other environments --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "numbers", "actions"), [("FrozenLake-v1", 16, 4), ("Acrobot-v1", 6, 3)])
def test_any_environment_with_discrete_actions_will_do(name: str, numbers: int, actions: int) -> None:
    twin = TWIN.having({"hidden": 5, "rollouts": 2}, {"environment": name, "environments": 2, "steps": 10, "passes": 2, "minibatches": 2})
    run = trained(replace(twin, trainer={**TWIN.trainer, "max_epochs": 2}))
    assert run.agree
    assert len(run.losses) == 8
    assert (run.manual.policy[0].weight.shape[1], run.manual.policy[4].weight.shape[0]) == (numbers, actions)
    assert script.learned(run).endswith((".", "yet."))
    drawn = script.figures(run.manual, run.torch, run.data)["returns"].axes[1]
    theirs, ours = ([bar.get_height() for bar in bars] for bars in drawn.containers)
    assert error(np.array(ours), np.array(theirs)) < 1e-10
    assert sum(ours) == pytest.approx(1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"environment": "CartPol-v1"}, "--data.environment: Gymnasium knows no 'CartPol-v1'"),
        ({"environment": "Pendulum-v1"}, "--data.environment: the actions of 'Pendulum-v1' must be discrete"),
        ({"steps": 0, "minibatches": 1}, "--data.steps must be at least 1.*got 0"),
        ({"gamma": 1.1}, "--data.gamma.*got 128, 1.1"),
        ({"lam": -0.1}, "lam between 0 and 1.*-0.1"),
    ],
)
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Rollouts(**wrong)


@pytest.mark.parametrize("module", [ppo, in_torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"numbers": 0}, {"actions": 0}, {"hidden": 0}, {"rollouts": 0}, {"clip": 0.0}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"PPO: .*{name}.*, got .*{value}"):
        module.PPO(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_figures_show_both_sides_and_how_lambda_scatters() -> None:
    run = short()
    drawn = script.figures(run.manual, run.torch, run.data)
    assert list(drawn) == ["returns", "the clipped loss", "how far ahead"]
    episodes, mean = drawn["returns"].axes[0].lines
    assert episodes.get_ydata().tolist() == run.data.player.finished
    assert mean.get_ydata()[-1] == pytest.approx(np.mean(run.data.player.finished[-20:]))
    for ax in drawn["the clipped loss"].axes[:2]:
        theirs, ours = (line.get_ydata() for line in ax.lines[:2])
        assert error(np.array(ours), np.array(theirs)) < 1e-14
    near, between, far = (line.get_ydata().std() for line in drawn["how far ahead"].axes[0].lines[:3])
    assert near < between < far
