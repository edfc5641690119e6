"""A replay memory: what is remembered, what is drawn from it, and that a run goes on with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.data.arrays import InputError
from experiments.data.replay import ReplayData
from experiments.data.rollout import states_by_chance
from experiments.reinforcement.dqn import TWIN, Memory


def rows(first: int, n: int) -> tuple[np.ndarray, ...]:
    """Steps whose reward tells them apart."""
    reward = np.arange(first, first + n, dtype=float)
    return np.eye(25)[np.arange(n) % 25], np.zeros(n, int), reward, np.eye(25)[np.arange(n) % 25], np.zeros(n)


def test_what_is_too_old_is_forgotten_and_batches_are_drawn_from_all_of_the_rest() -> None:
    data = ReplayData(1, 1, memory=50, updates=40, batch_size=16)
    for first in (0, 30, 60):
        data.remember(rows(first, 30))
    assert data.remembered is not None
    assert data.remembered[2].tolist() == list(range(40, 90))
    drawn = data.drawn(3)
    assert [len(b[0]) for b in drawn] == [16] * 40
    assert {r for b in drawn for r in b[2].tolist()} == set(range(40, 90))
    assert all(np.array_equal(a, b) for a, b in zip(drawn[5], data.drawn(3)[5], strict=True))
    assert not np.array_equal(drawn[0][2], data.drawn(4)[0][2])


def test_rows_that_belong_together_stay_together() -> None:
    data = ReplayData(1, 1, memory=50, updates=3, batch_size=16)
    data.remember(rows(0, 40))
    for state, _, reward, after, _ in data.drawn(0):
        assert np.array_equal(state.argmax(axis=1), reward % 25)
        assert np.array_equal(state, after)


def test_an_episode_that_was_cut_off_is_not_over() -> None:
    data = Memory("1111111/111111G", environments=3, steps=60, limit=4)
    rollout = data.first_rollout(TWIN.build(data=data)[1])
    _, _, reward, _, over = data.examples(rollout)
    assert rollout.truncated.any()
    assert 0 < over.sum() < rollout.ended.sum()
    assert over.tolist() == (reward == 10).astype(float).tolist()


def test_a_memory_goes_on_from_a_checkpoint_and_remembers_no_rollout_twice() -> None:
    first, again = (Memory(environments=3, steps=8, updates=5) for _ in range(2))
    first.rollout, first.played_in = first.first_rollout(TWIN.build(data=first)[1]), 0
    drawn = first.batches(0)
    again.load_state_dict(first.state_dict())
    for data in (first, again):
        for a, b in zip(drawn, data.batches(0), strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        assert data.remembered is not None
        assert len(data.remembered[0]) == 24


@pytest.mark.parametrize("name", ["steps", "memory", "updates", "batch_size"])
def test_bad_arguments_are_named(name: str) -> None:
    given: dict[str, Any] = {"environments": 1, "steps": 2, "memory": 3, "updates": 4, "batch_size": 5, name: 0}
    with pytest.raises(InputError, match=rf"--data\..*{name}.*at least 1, got .*\b0\b"):
        ReplayData(**given)


def test_states_by_chance_begin_anew_where_an_episode_ends() -> None:
    world = Memory("1/G")
    states = states_by_chance(world.environment(), 4, seed=0, n=50)
    assert states.shape == (50, 2)
    assert (states == [1, 0]).all(), "who has arrived begins anew, and the goal is no state to act in"
