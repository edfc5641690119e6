"""Bandits: the estimates are means to the last digits, the gradient bandit climbs on average, and the numbers are Sutton and Barto's."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.reinforcement import bandit as script
from experiments.reinforcement.bandit import TWIN, TenArms, late, played
from manual.reinforcement import bandit as by_hand
from manual.sampling import draw
from manual.trainer import Trainer
from tests.helpers import fit
from torch_impl.reinforcement import bandit as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def some(seed: int, problems: int = 6, arms: int = 4) -> tuple[np.ndarray, ...]:
    """A table, and a pull: arms, rewards, w."""
    rng = np.random.default_rng(seed)
    a = rng.integers(arms, size=problems)
    return rng.normal(size=(problems, arms)), a, rng.normal(size=problems), rng.uniform(0.1, 1, problems)


@pytest.mark.parametrize("name", ["value_loss", "preference_loss"])
def test_slopes_are_those_of_autograd_and_of_central_differences(name: str) -> None:
    table, a, r, w = some(0)
    fixed = (a, r, w) if name == "value_loss" else (a, w)
    given = [torch.from_numpy(x) for x in fixed]
    check_grads(
        lambda table: getattr(by_hand, name)(table, *fixed),
        [table],
        again=[some(1)[0]],
        backward=lambda dL_dy, table: getattr(by_hand, f"{name}_backward")(dL_dy, table, *fixed),
        torch=lambda table: getattr(in_torch, name)(table, *given),
    )


def agents() -> dict[str | None, dict[str, Any]]:
    """The pair as declared, and its variants, on few machines."""
    return {None: {}, **{name: dict(of) for name, of in TWIN.variants.items()}}


@pytest.mark.parametrize("variant", agents())
def test_runs_agree(variant: str | None) -> None:
    data = TenArms(problems=40, steps=40, mean=1.0)
    lockstep, theirs = fit(TWIN.having({}, {"problems": 40}), 60, model=agents()[variant], data=data, limit_val_batches=1)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert error(lockstep.hand.model.table.data, to_numpy(theirs.table)) < 1e-13
    assert np.array_equal(lockstep.hand.model.n, to_numpy(theirs.n))
    assert (lockstep.hand.model.n.sum(axis=1) == 60).all()


# ---- an estimate is a mean -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["greedy", "ucb"])
def test_steps_with_1_over_n_keep_the_mean_of_what_was_pulled_whatever_is_thought_at_first(method: str) -> None:
    ours = by_hand.Bandit(50, 4, method=method, initial=7.0)
    trainer, data = Trainer(), TenArms(50, 4, steps=60)
    trainer.attach(ours)
    total, count = np.zeros((50, 4)), np.zeros((50, 4))
    for machine, rewards, u, best in data.batches(0):
        a = draw(ours(machine), u)
        total[np.arange(50), a] += rewards[np.arange(50), a]
        count[np.arange(50), a] += 1
        trainer.train_batch((machine, rewards, u, best), 0)
    assert np.array_equal(ours.n, count)
    pulled = count > 0
    assert np.abs(ours.table.data - total / np.maximum(count, 1))[pulled].max() < 1e-13
    assert (ours.table.data[~pulled] == 7).all()


def test_with_a_fixed_w_what_is_long_ago_counts_less_and_less() -> None:
    ours = by_hand.Bandit(1, 1, epsilon=0.0, alpha=0.3, initial=2.0)
    trainer, rewards = Trainer(), np.random.default_rng(0).normal(size=20)
    trainer.attach(ours)
    for r in rewards:
        trainer.train_batch((np.array([0]), np.array([[r]]), np.array([0.5]), np.array([0])), 0)
    wanted = 0.7**20 * 2 + sum(0.3 * 0.7 ** (20 - i) * r for i, r in enumerate(rewards, 1))
    assert float(ours.table[0, 0]) == pytest.approx(wanted, rel=1e-13)


# ---- choosing ------------------------------------------------------------------------------------


@SIDES
def test_an_arm_that_was_never_pulled_is_pulled_first_by_ucb_and_equals_share(side: Any) -> None:
    n, Q = np.array([[3.0, 0.0, 1.0, 0.0]]), np.array([[9.0, 0.0, 0.0, 0.0]])
    score = side.upper_bound(*(map(torch.from_numpy, (Q, n)) if side is in_torch else (Q, n)), 2.0)
    assert np.asarray(side.greedy(score, 0.0)).tolist() == [[0.0, 0.5, 0.0, 0.5]]


def test_what_is_usual_is_the_mean_before_this_reward() -> None:
    ours = by_hand.Bandit(3, 2, method="gradient", alpha=0.5)
    rewards = np.random.default_rng(0).normal(size=(5, 3, 1)) * np.ones(2)
    for t in range(5):
        _, r, w = ours.pull(np.arange(3), rewards[t], np.full(3, 0.2))
        ours.on_before_optimizer_step(None)
        usual = rewards[:t, :, 0].mean(axis=0) if t else 0.0
        assert np.abs(w - 0.5 * (r - usual)).max() < 1e-15


@pytest.mark.parametrize("baseline", [0.0, 1.7])
def test_on_average_over_all_pulls_the_gradient_bandit_climbs_the_mean_reward(baseline: float) -> None:
    rng = np.random.default_rng(0)
    H, q = rng.normal(size=(1, 5)), rng.normal(size=5)
    preferences = torch.from_numpy(H).requires_grad_()
    (preferences.softmax(dim=1)[0] @ torch.from_numpy(q)).backward()
    pi = np.exp(H[0]) / np.exp(H[0]).sum()
    step = [by_hand.preference_loss_backward(1.0, H, np.array([a]), np.array([q[a] - baseline])) for a in range(5)]
    assert preferences.grad is not None
    assert np.abs(-sum(p * s for p, s in zip(pi, step, strict=True)) - preferences.grad.numpy()).max() < 1e-15


# ---- Sutton and Barto's numbers ------------------------------------------------------------------


@cache
def at_full_size(name: str) -> np.ndarray:
    """The agent of this name on 2,000 machines, pull by pull, on both sides."""
    return played(problems=2000, **{**script.AGENTS[name], "pulls": 1000})


def expected_best() -> float:
    """The mean of the largest of ten numbers from Normal(0, 1), by quadrature: 1.5388."""
    return float(quad(lambda x: 10 * x * norm.pdf(x) * norm.cdf(x) ** 9, -8, 8)[0])


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "reward", "best_arm"),
    [("ε = 0", 1.02, 0.35), ("ε = 0.1", 1.37, 0.80), ("α = 0.1", 5.5, 0.84), ("α = 0.1, no baseline", 5.2, 0.50)],
)
def test_on_2000_machines_the_last_hundred_pulls_are_as_printed(name: str, reward: float, best_arm: float) -> None:
    for found in late(at_full_size(name)):
        assert abs(found[0] - reward) < 4 * 0.6 / np.sqrt(2000)  # rewards of machines scatter by about 0.6
        assert abs(found[1] - best_arm) < 4 * np.sqrt(best_arm * (1 - best_arm) / 2000)


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_on_400_machines_agents_come_in_the_order_of_the_figures(side: int) -> None:
    found = {name: late(played(**{**script.AGENTS[name], "pulls": 250}))[side] for name in ("ε = 0", "ε = 0.1", "optimist", "UCB")}
    best = TenArms(400).q.max(axis=1).mean()
    assert abs(best - expected_best()) < 4 * 0.6 / np.sqrt(400)
    assert all(reward < best for reward, _ in found.values())
    assert found["ε = 0"][1] + 0.1 < found["ε = 0.1"][1] < 1 - 0.1 + 0.1 / 10  # more than that cannot be
    assert found["optimist"][1] > found["ε = 0"][1] + 0.2
    assert found["UCB"][0] > found["ε = 0.1"][0]
    ucb = played(**{**script.AGENTS["UCB"], "pulls": 250})[side, :, 0]
    assert ucb[:30].argmax() == 10, "the peak at the eleventh pull"
    assert ucb[10] > ucb[12:30].mean() + 0.1


# ---- bad arguments, and what figures say ---------------------------------------------------------


@SIDES
@pytest.mark.parametrize("wrong", [{"problems": 0}, {"arms": 0}, {"epsilon": 1.5}, {"epsilon": -0.1}, {"alpha": -1.0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Bandit: .*{name}.*, got .*{value}"):
        side.Bandit(**wrong)


@SIDES
def test_a_method_that_there_is_not_is_named_with_those_that_there_are(side: Any) -> None:
    with pytest.raises(ValueError, match="Bandit: method must be one of 'greedy', 'ucb', 'gradient', got 'luck'"):
        side.Bandit(method="luck")


@pytest.mark.parametrize("wrong", [{"problems": 0}, {"arms": 0}, {"steps": 0}])
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name}.*{value}"):
        TenArms(**wrong)


def test_an_agent_is_not_told_what_it_did_not_pull() -> None:
    first, second = (by_hand.Bandit(30, 5, method="ucb") for _ in range(2))
    rng = np.random.default_rng(0)
    for agent, elsewhere in ((first, 0.0), (second, 100.0)):
        trainer = Trainer()
        trainer.attach(agent)
        for machine, rewards, u, best in TenArms(30, 5, steps=20).batches(0):
            a = draw(agent(machine), u)
            other = rewards + elsewhere * (np.arange(5) != a[:, None]) * rng.normal(size=rewards.shape)
            trainer.train_batch((machine, other, u, best), 0)
    assert np.array_equal(first.table.data, second.table.data)


@pytest.mark.long
def test_figures_show_both_sides() -> None:
    data = TenArms(30)
    ours, theirs = TWIN.having({}, {"problems": 30}).build(data=data)
    drawn = script.figures(ours, theirs, data)
    assert list(drawn) == ["one machine", "explore or use", "preferences", "other ways out"]
    for name in ("explore or use", "other ways out", "preferences"):
        for ax in drawn[name].axes:
            curves = [line.get_ydata() for line in ax.lines]
            assert all(error(b, a) < 1e-12 for a, b in zip(curves[::2], curves[1::2], strict=True))
