"""Environments by their ids: those of Gymnasium's, a user's own, and those that cannot be used, each refused in a line."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from experiments.data.arrays import InputError
from experiments.data.worlds.find import find


class Own(gymnasium.Env[Any, Any]):
    """Somebody's own: two actions that it counts from 3, and a state of one of five kinds."""

    observation_space = spaces.Discrete(5)
    action_space = spaces.Discrete(2, start=3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        return 1, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        return int(action), 1.0, False, False, {}


class Broken(Own):
    """Cannot be made."""

    def __init__(self) -> None:
        raise OSError("no such file:\n  map.txt")


class Words(Own):
    """Is in a state that is no so many numbers."""

    observation_space = spaces.Sequence(spaces.Discrete(3))


@pytest.fixture(autouse=True, scope="module")
def registered() -> None:
    for made in (Own, Broken, Words):
        gymnasium.register(f"{made.__name__}World-v0", entry_point=made)


@pytest.mark.parametrize(
    ("name", "numbers", "actions"),
    [("CartPole-v1", 4, 2), ("MountainCar-v0", 2, 3), ("FrozenLake-v1", 16, 4), ("OwnWorld-v0", 5, 2), ("CartPole-v0", 4, 2)],
)
def test_states_are_rows_of_numbers_and_actions_are_counted_from_zero(name: str, numbers: int, actions: int) -> None:
    world = find(name)
    state, _ = world.reset(seed=0)
    assert state.shape == world.observation_space.shape == (numbers,)
    assert world.action_space.n == actions
    for action in range(actions):
        state, reward, *_ = world.step(action)
        assert state.shape == (numbers,)
        assert np.isfinite(reward)


def test_an_action_is_the_environments_own() -> None:
    world = find("OwnWorld-v0")
    assert world.reset(seed=0)[0].tolist() == [0, 1, 0, 0, 0]
    assert world.step(1)[0].tolist() == [0, 0, 0, 0, 1]
    assert world.step(0)[0].tolist() == [0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CartPol-v1", "Gymnasium knows no 'CartPol-v1': did you mean 'CartPole-v1'"),
        ("Xyzzy-v7", "Gymnasium knows no 'Xyzzy-v7': it must be an id like 'CartPole-v1', or 'my_module:MyWorld-v0'"),
        ("", "'' cannot be made: Malformed environment ID"),
        ("no_module_here:World-v0", "'no_module_here:World-v0' cannot be made: No module named 'no_module_here'"),
        ("Pendulum-v1", "the actions of 'Pendulum-v1' must be discrete, got Box"),
        ("BrokenWorld-v0", "'BrokenWorld-v0' cannot be made: no such file: map.txt"),
        ("WordsWorld-v0", "a state of 'WordsWorld-v0' must be made of so many numbers, got Sequence"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(name: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        find(name)
    assert str(refused.value).startswith(f"--data.environment: {said}")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
