"""Actor and critic: both losses, the bias and the scatter of what the critic says, and the rooms crossed, on both sides."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.data.rollout import advantages, play
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.differences import asked_once, check_grads
from experiments.judge.noise import Stream
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.reinforcement import actor_critic as script
from experiments.reinforcement.actor_critic import TWIN, Steps, counted, policy_of, value_of
from manual.nn.functional import softmax
from manual.reinforcement import actor_critic as by_hand
from manual.reinforcement import policy_gradient
from torch_impl.reinforcement import actor_critic as in_torch
from torch_impl.reinforcement import policy_gradient as policy_gradient_in_torch

# ---- both losses ---------------------------------------------------------------------------------


def test_slope_of_the_actors_loss_is_that_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    (z, other), a, delta = rng.normal(0, 2, (2, 5, 3)), rng.integers(0, 3, 5), rng.normal(size=5)
    check_grads(
        lambda z: by_hand.actor_loss(z, a, delta),
        [z],
        again=[other],
        backward=lambda dL_dy, z: by_hand.actor_loss_backward(dL_dy, z, a, delta),
        torch=lambda z: in_torch.actor_loss(z, torch.from_numpy(a), torch.from_numpy(delta)),
    )


def test_slope_of_the_critics_loss_is_that_of_autograd_and_of_central_differences() -> None:
    V, other, y = np.random.default_rng(1).normal(size=(3, 7))
    check_grads(
        lambda V: by_hand.critic_loss(V, y),
        [V],
        again=[other],
        backward=lambda dL_dy, V: by_hand.critic_loss_backward(dL_dy, V, y),
        torch=lambda V: in_torch.critic_loss(V, torch.from_numpy(y)),
    )


def some(rng: np.random.Generator, N: int, S: int = 6, K: int = 3) -> tuple[np.ndarray, ...]:
    """A random batch, in which some episodes end."""
    goes_on = (rng.random(N) > 0.3).astype(float)
    return rng.integers(S, size=N), rng.integers(K, size=N), rng.normal(size=N), rng.integers(S, size=N), goes_on, rng.normal(size=N)


def at_random() -> tuple[Any, Any]:
    """A pair whose networks say something."""
    ours, theirs = replace(TWIN, links={}).having({"states": 6, "actions": 3, "hidden": 5, "gamma": 0.7}).build(seed=1)
    rng = np.random.default_rng(2)
    state = {name: rng.normal(size=p.shape) for name, p in ours.named_parameters()}
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.from_numpy(a) for name, a in state.items()})
    return ours, theirs


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = at_random()
    ours.told = asked_once(ours.told)  # it is given
    check_grads(ours, some(np.random.default_rng(3), 11), torch=theirs)


def test_what_the_critic_says_is_given_to_both_and_each_learns_from_its_own_loss() -> None:
    ours, theirs = at_random()
    batch = some(np.random.default_rng(4), 9)
    state, action, reward, after, goes_on, _ = batch
    V, V_next = value_of(ours, 6)[state], value_of(ours, 6)[after]
    ours.forget()
    y, delta = ours.told(state, reward, after, goes_on)
    assert error(y, np.where(goes_on == 1, reward + 0.7 * V_next, reward)) < 1e-15
    assert error(delta, y - V) < 1e-15
    ours.check_nothing_saved()

    def alone(of: str) -> torch.Tensor:
        if of == "actor":
            return in_torch.actor_loss(theirs.policy(to_torch(state)), to_torch(action), to_torch(delta))
        return in_torch.critic_loss(theirs.value(to_torch(state))[:, 0], to_torch(y))

    ours.training_step(batch, 0)
    ours.backward()
    for of, network in (("actor", "policy"), ("critic", "value")):
        theirs.zero_grad()
        alone(of).backward()
        for name, p in ours.named_parameters():
            of_torch = theirs.get_parameter(name).grad
            assert (of_torch is not None) == name.startswith(network)
            if of_torch is not None:
                assert error(p.grad, of_torch.numpy()) < 1e-13


# ---- bias and scatter ----------------------------------------------------------------------------


def scores() -> np.ndarray:
    """Of a policy that is not the one of the figure."""
    return np.random.default_rng(5).normal(0, 0.5, (11, 4))


def J(z: np.ndarray) -> float:
    """What a policy is worth, by a linear solve."""
    R, P, start, _ = Steps().tables
    return float(start @ policy_gradient.worth(softmax(z), P, R))


@pytest.mark.parametrize("by_autograd", [False, True], ids=["by hand", "torch"])
@pytest.mark.parametrize(("ahead", "part"), [(True, 1.0), (False, 1.0), (False, 0.3)])
def test_counted_out_the_mean_is_the_slope_of_J_where_it_should_be(ahead: bool, part: float, by_autograd: bool) -> None:
    R, P, start, _ = map(torch.from_numpy, Steps().tables)
    check_grads(
        J,
        [scores()],
        again=[scores() / 2],
        backward=lambda dL_dy, z: dL_dy * counted(Steps(), z, part, ahead, by_autograd).mean,
        torch=lambda z: start @ policy_gradient_in_torch.worth(z.softmax(dim=1), P, R),
    )


def test_delta_is_biased_by_as_much_as_the_critic_is_wrong() -> None:
    """Where nothing is certain but the policy: the mean is a straight line in V."""
    true, half, none = (counted(Steps(), scores(), part, ahead=True).mean for part in (1.0, 0.5, 0.0))
    assert error(half, (true + none) / 2) < 1e-14
    assert np.linalg.norm(none - true) > 0.5 * np.linalg.norm(true)


@cache
def walks(z: tuple[tuple[float, ...], ...], n: int = 1500) -> Any:
    """Whole walks by these scores."""
    p = softmax(np.array(z))
    data = Steps(n, limit=10_000)
    agent = policy_gradient.PolicyGradient(11, 4, baseline=False)
    agent.policy.weight[...] = np.log(p)
    return play(agent.act, data.player, Stream(0, 0, "walks"), 0)


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("part", [0.4, 1.0])
def test_what_is_counted_out_is_what_walks_show(ahead: bool, part: float) -> None:
    z = scores()
    rollout, (R, P, _, _) = walks(tuple(map(tuple, z.tolist()))), Steps().tables
    s, a = rollout.rows(rollout.state), rollout.rows(rollout.answers["action"])
    V = part * policy_gradient.worth(softmax(z), P, R)
    V_next = np.where(rollout.rows(rollout.terminated), 0.0, V[rollout.rows(rollout.next_state)])
    A = rollout.rows(rollout.reward) + V_next - V[s] if ahead else rollout.rows(advantages(rollout, 1.0)) - V[s]
    g = np.zeros((len(s), 11, 4))
    g[np.arange(len(s)), s] = A[:, None] * (np.eye(4)[a] - softmax(z)[s])
    wanted = counted(Steps(), z, part, ahead)
    walk = np.argwhere(rollout.played)[:, 1]
    by_walk = np.zeros((rollout.u.shape[1], 11, 4))
    np.add.at(by_walk, walk, g)
    assert (np.abs(by_walk.mean(axis=0) - wanted.mean) <= 4.5 * by_walk.std(axis=0) / np.sqrt(len(by_walk)) + 1e-12).all()
    squares, steps = np.zeros(len(by_walk)), np.bincount(walk, minlength=len(by_walk))
    np.add.at(squares, walk, (g**2).sum(axis=(1, 2)))
    mean = wanted.scatter**2 + ((wanted.mean / steps.mean()) ** 2).sum()
    off = squares - mean * steps  # of each walk; 0 on average
    assert abs(off.mean()) < 4.5 * off.std() / np.sqrt(len(off))


# ---- a run ---------------------------------------------------------------------------------------


@cache
def run(seed: int = 0) -> Trained:
    """As the twin says."""
    return trained(TWIN, seed)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long), pytest.param(2, marks=pytest.mark.long)])
def test_the_declared_run_crosses_the_rooms_nearly_as_well_as_can_be(seed: int) -> None:
    found = run(seed)
    assert found.agree
    assert found.data.best == 6  # five steps, four of which cost 1, and 10 at the goal
    for side in (found.manual, found.torch):
        assert 5.9 < J(np.log(policy_of(side, 11))) < 6
        assert value_of(side, 11)[7] == pytest.approx(found.metrics["critic/val"], rel=1e-9)
    assert J(np.log(policy_of(found.manual, 11))) == pytest.approx(found.metrics["J/val"], rel=1e-9)
    assert abs(found.metrics["critic/val"] - found.metrics["J/val"]) < 1.5
    brought = found.data.player.finished
    assert np.mean(brought[:20]) < -5 < 5.8 < np.mean(brought[-200:])


def test_who_is_cut_off_would_have_gone_on() -> None:
    data = Steps(3, 8, limit=3)
    ours, _ = TWIN.build(data=data)
    rollout = play(ours.act, data.player, Stream(0, 0, ""), 8)
    *_, goes_on, _ = data.examples(rollout)
    assert rollout.truncated.any()
    assert np.array_equal(goes_on == 0, rollout.rows(rollout.terminated))


def test_at_first_all_actions_are_equally_probable_and_the_critic_says_nothing() -> None:
    for side in TWIN.build():
        assert np.array_equal(policy_of(side, 11), np.full((11, 4), 0.25))
        assert not value_of(side, 11).any()


def test_what_was_learned_is_said_before_a_walk_has_ended_too() -> None:
    assert script.learned(run()).startswith("The first twenty walks brought -")
    found = trained(replace(TWIN.having({}, {"steps": 1, "environments": 1}), trainer={"max_epochs": 1}))
    assert script.learned(found).startswith("No walk has ended yet; they bring -")


# ---- bad arguments, and figures ------------------------------------------------------------------


@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"states": 0}, {"actions": 0}, {"hidden": 0}, {"steps": 0}, {"gamma": 1.5}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"ActorCritic: .*{name}.*, got .*{value}"):
        module.ActorCritic(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "--data.steps and limit must be at least 1, got 0 and 200"),
        ({"limit": 0}, "got 8 and 0"),
        ({"map": "cellar"}, "no map 'cellar'"),
    ],
)
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Steps(**wrong)


def test_figures_show_both_sides() -> None:
    drawn = script.figures(run().manual, run().torch, run().data)
    assert list(drawn) == ["actor and critic", "bias and scatter"]
    for ax in (drawn["actor and critic"].axes[-1], *drawn["bias and scatter"].axes):
        curves = [line.get_ydata() for line in ax.lines if line.get_marker() != "x"]
        assert all(error(b, a) < 1e-9 or np.abs(b).max() < 1e-12 for a, b in zip(curves[::2], curves[1::2], strict=True))
