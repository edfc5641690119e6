"""A world of cells on a map, with Gymnasium's interface, and with the table of all that can happen in it.

The actions are 0 to 3: up, right, down, left, as in Gymnasium's own CliffWalking. What they lead to is the table `P`, which Gymnasium's
small worlds have too: `P[state][action]` lists what can happen, as (probability, next state, reward, whether that ends the episode).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from experiments.data.arrays import InputError

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""What each action adds to the row and to the column: up, right, down, left."""

ARROWS = "↑→↓←"
"""What each action looks like."""

MAPS: dict[str, tuple[str, ...]] = {
    "land": ("1111G", "19933", "51113", "91551", "S1111"),
    "corners": ("G111", "1111", "1111", "111G"),
    "rooms": ("111G", "1#1X", "S111"),
}
"""Maps that have a name. The land is this project's own; the corners are those of Sutton and Barto's figure 4.1; the rooms with one wall
are the world of Russell and Norvig's chapter on decisions in time."""

Outcome = tuple[float, int, float, bool]
"""A probability, the next state, the reward, and whether that ends the episode."""


class GridWorld(gymnasium.Env[int, int]):
    """Somebody walks from cell to cell of a map until the goal is reached.

    On a map each letter is a cell: a digit is what a step onto it costs; S is where walks begin, and costs 1; G is a goal and X a pit, and
    both end the episode; # is a wall. Who walks against a wall or off the map stays, and pays for the cell that he stays on. Without an S
    walks begin anywhere.

    Args:
        rows: the map, a string for each row.
        slip: the probability that a step goes astray, half of it to the left and half to the right of where it was meant to go.
        goal: the reward of the step onto a goal.
        pit: the reward of the step into a pit.
        cost: what a digit is multiplied by.

    States are the cells without the walls, counted along the rows. `reset` takes the option "state", to begin there.

    Attributes:
        rows: the map.
        cells: of each state, its row and its column.
        ends: the states in which episodes end.
        starts: the states in which they begin, all of them equally often.
        P: what can happen, see above. Where an episode has ended nothing more happens, and it brings nothing.

    Raises:
        InputError: if the map has other letters, or rows of several lengths, or nothing but walls and ends; or slip is no probability.
    """

    def __init__(
        self, rows: Sequence[str] = MAPS["land"], slip: float = 0.0, goal: float = 10.0, pit: float = -10.0, cost: float = 1.0
    ) -> None:
        self.rows = expect_map(tuple(rows))
        if not 0 <= slip <= 1:
            raise InputError(f"GridWorld: slip is a probability, between 0 and 1, got {slip}")
        self.slip, self.reward = slip, {"G": goal, "X": pit, "S": -cost, **{d: -cost * int(d) for d in "0123456789"}}
        self.cells = [(i, j) for i, row in enumerate(self.rows) for j, letter in enumerate(row) if letter != "#"]
        self.number = {cell: s for s, cell in enumerate(self.cells)}
        self.ends = [s for s in range(len(self.cells)) if self.letter(s) in "GX"]
        going_on = [s for s in range(len(self.cells)) if s not in self.ends]
        self.starts = [s for s in going_on if self.letter(s) == "S"] or going_on
        self.P = {s: {a: list(self.outcomes(s, a)) for a in range(len(MOVES))} for s in range(len(self.cells))}
        self.observation_space: Any = spaces.Discrete(len(self.cells))
        self.action_space: Any = spaces.Discrete(len(MOVES))
        self.state = self.starts[0]

    def letter(self, state: int) -> str:
        """Of this cell, on the map."""
        i, j = self.cells[state]
        return self.rows[i][j]

    def outcomes(self, state: int, action: int) -> Iterator[Outcome]:
        """All that can happen."""
        if state in self.ends:
            yield 1.0, state, 0.0, True
            return
        for turn, probability in ((0, 1 - self.slip), (-1, self.slip / 2), (1, self.slip / 2)):
            if probability > 0:
                down, right = MOVES[(action + turn) % len(MOVES)]
                i, j = self.cells[state]
                after = self.number.get((i + down, j + right), state)  # a wall, or the end of the map: he stays
                yield probability, after, self.reward[self.letter(after)], after in self.ends

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin an episode: its first state, and nothing more to know."""
        super().reset(seed=seed)
        self.state = int((options or {}).get("state", self.starts[0] if len(self.starts) == 1 else self.np_random.choice(self.starts)))
        return self.state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """The next state, the reward, whether the episode is over; it is never cut off (see gymnasium.wrappers.TimeLimit)."""
        *certain, last = self.P[self.state][int(action)]
        u = self.np_random.random() if certain else 0.0
        for outcome in certain:
            if u < outcome[0]:
                break
            u -= outcome[0]
        else:
            outcome = last
        _, self.state, reward, terminated = outcome
        return self.state, reward, terminated, False, {}


def expect_map(rows: tuple[str, ...]) -> tuple[str, ...]:
    """The map itself; InputError if it is none."""
    wrong = sorted({letter for row in rows for letter in row} - set("0123456789SGX#"))
    if wrong:
        raise InputError(f"a map is made of digits, S, G, X and #, got {', '.join(map(repr, wrong))}")
    if len({len(row) for row in rows}) != 1:
        raise InputError(f"all rows of a map are of one length, got {', '.join(map(repr, rows))}")
    if not any(letter.isdigit() or letter == "S" for row in rows for letter in row):
        raise InputError(f"on a map there must be a cell to walk on, got {', '.join(map(repr, rows))}")
    return rows


def the_map(name: str) -> tuple[str, ...]:
    """A map by its name, or from its rows with strokes between them: "S13/1#9/11G".

    Raises:
        InputError: if it is neither.
    """
    if name in MAPS:
        return MAPS[name]
    if "/" not in name:
        raise InputError(f"there is no map {name!r}: it must be one of {', '.join(map(repr, MAPS))}, or rows with / between them")
    return expect_map(tuple(name.split("/")))


def table(P: dict[int, dict[int, list[Outcome]]]) -> tuple[np.ndarray, np.ndarray]:
    """The table of a small world of Gymnasium's, or of a grid, as arrays.

    Args:
        P: `P[state][action]` lists (probability, next state, reward, terminated).

    Returns:
        The reward to be expected, (S, A); and the probability that an action leads from a state to another and the episode goes on,
        (S, A, S): what would come after its end is worth nothing.
    """
    reward, chance = np.zeros((len(P), len(P[0]))), np.zeros((len(P), len(P[0]), len(P)))
    for state, actions in P.items():
        for action, outcomes in actions.items():
            for probability, after, r, terminated in outcomes:
                reward[state, action] += probability * r
                chance[state, action, after] += 0.0 if terminated else probability
    return reward, chance
