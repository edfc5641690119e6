"""The world on a map: its table is what its steps do, and both are as Gymnasium's worlds are."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from experiments.data.arrays import InputError
from experiments.data.worlds.grid import ARROWS, MAPS, GridWorld, table, the_map
from manual.reinforcement.value_iteration import policy_iteration


@pytest.mark.parametrize("rows", MAPS.values(), ids=MAPS)
def test_gymnasium_takes_it_for_one_of_its_own(rows: tuple[str, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has nothing to draw
        check_env(GridWorld(rows, 0.2), skip_render_check=True)


@pytest.mark.parametrize("rows", MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("slip", [0.0, 0.2, 1.0])
def test_of_each_action_something_happens(rows: tuple[str, ...], slip: float) -> None:
    world = GridWorld(rows, slip)
    assert world.observation_space.n == len(world.P) == sum(letter != "#" for row in rows for letter in row)
    for state, actions in world.P.items():
        assert len(actions) == world.action_space.n == len(ARROWS)
        for outcomes in actions.values():
            assert sum(p for p, *_ in outcomes) == pytest.approx(1, abs=1e-15)
            assert all(over == (after in world.ends) for _, after, _, over in outcomes)
            if state in world.ends:
                assert outcomes == [(1.0, state, 0.0, True)]


def test_walls_and_the_end_of_the_map_hold_and_steps_cost_what_is_written() -> None:
    world = GridWorld(("S2#", "G3X"), goal=7.0, pit=-4.0, cost=0.5)
    up, right, down, left = range(4)
    states = {letter: s for s, letter in enumerate("S2G3X")}
    for at, action, to, reward, over in (
        ("S", right, "2", -1.0, False),
        ("S", up, "S", -0.5, False),
        ("S", left, "S", -0.5, False),
        ("S", down, "G", 7.0, True),
        ("2", right, "2", -1.0, False),
        ("2", down, "3", -1.5, False),
        ("3", right, "X", -4.0, True),
    ):
        assert world.reset(options={"state": states[at]}) == (states[at], {})
        assert world.step(action) == (states[to], reward, over, False, {})


def test_a_step_goes_astray_as_often_as_the_table_says() -> None:
    world, counted = GridWorld(("111", "1S1", "111"), 0.3), np.zeros(9)
    world.reset(seed=5)
    for _ in range(4000):
        world.reset(options={"state": 4})
        counted[world.step(1)[0]] += 1
    wanted = np.zeros(9)
    wanted[[5, 1, 7]] = 0.7, 0.15, 0.15
    assert (np.abs(counted / 4000 - wanted) <= 4 * np.sqrt(wanted * (1 - wanted) / 4000)).all()


def test_the_same_seed_and_actions_lead_to_the_same_states() -> None:
    def way(seed: int) -> list[Any]:
        world = GridWorld(("1111", "1111"), 0.5)
        return [world.reset(seed=seed)[0], *(world.step(a % 4) for a in range(20))]

    assert way(3) == way(3)
    assert len({str(way(seed)) for seed in range(5)}) == 5


def test_without_a_start_walks_begin_in_every_cell_that_is_no_end() -> None:
    world = GridWorld(MAPS["corners"])
    assert {world.reset(seed=seed)[0] for seed in range(200)} == set(range(16)) - {0, 15}


def test_the_table_of_an_episode_that_ends_goes_on_nowhere() -> None:
    world = GridWorld(("S2G",), 0.5)
    reward, chance = table(world.P)
    assert reward[1].tolist() == [0.25 * -1 + 0.25 * 10 + 0.5 * -2, 0.5 * 10 - 0.5 * 2, 0.25 * 10 - 0.25 * 1 - 0.5 * 2, 0.5 * -1 - 0.5 * 2]
    assert chance[1, 1].tolist() == [0.0, 0.5, 0.0]
    assert chance[1, 0].tolist() == [0.25, 0.5, 0.0]
    assert not reward[2].any()
    assert not chance[2].any()


def test_gymnasiums_own_worlds_have_such_a_table() -> None:
    cliff: Any = gymnasium.make("CliffWalking-v1").unwrapped
    V = policy_iteration(*table(cliff.P), 0.999999)[-1]
    assert V[36] == pytest.approx(-13, abs=1e-4)  # thirteen steps along the edge


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (("S1", "G"), "one length, got 'S1', 'G'"),
        (("Sa?",), "digits, S, G, X and #, got '\\?', 'a'"),
        (("GX#",), "a cell to walk on"),
        ((), "one length"),
    ],
)
def test_what_is_no_map_is_told_why(rows: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        GridWorld(rows)


@pytest.mark.parametrize("slip", [-0.1, 1.1])
def test_slip_is_a_probability(slip: float) -> None:
    with pytest.raises(InputError, match=f"slip is a probability.*got {slip}"):
        GridWorld(slip=slip)


def test_a_map_is_found_by_name_or_made_of_its_rows() -> None:
    assert the_map("rooms") == MAPS["rooms"]
    assert the_map("S1/1G") == ("S1", "1G")
    with pytest.raises(InputError, match="no map 'lund': it must be one of 'land', 'corners', 'rooms'"):
        the_map("lund")
    with pytest.raises(InputError, match="one length"):
        the_map("S1/1")
