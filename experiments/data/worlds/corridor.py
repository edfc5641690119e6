"""A short corridor in which one place has its doors exchanged (Sutton and Barto 2018, example 13.1), with Gymnasium's interface."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

LEFT, RIGHT = 0, 1
OUT = 3
"""Outside, behind the last of three places."""


def leads_to(place: int, action: int) -> int:
    """The next place: there is a wall to the left of place 0, and at place 1 the doors are exchanged."""
    step = 1 if (action == RIGHT) != (place == 1) else -1
    return max(place + step, 0)


class Corridor(gymnasium.Env[int, int]):
    """Places 0, 1 and 2; each step costs 1. An episode begins at place 0, and is over outside.

    Args:
        dark: whether all places look alike; else the agent sees at which it is.

    Attributes:
        seen: of each place and of outside, what the agent sees.
        starts: the places where episodes begin.
        P: what can happen, as in Gymnasium's own small worlds: `P[place][action]` lists (probability, next place, reward, over). Outside
            nothing more happens.
    """

    def __init__(self, dark: bool = True) -> None:
        self.seen = np.zeros(OUT + 1, int) if dark else np.arange(OUT + 1)
        self.starts = [0]
        self.P = {s: {a: [(1.0, leads_to(s, a), -1.0, leads_to(s, a) == OUT)] for a in (LEFT, RIGHT)} for s in range(OUT)}
        self.P[OUT] = {a: [(1.0, OUT, 0.0, True)] for a in (LEFT, RIGHT)}
        self.observation_space: Any = spaces.Discrete(1 if dark else OUT + 1)
        self.action_space: Any = spaces.Discrete(2)
        self.place = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin at place 0; nothing is left to chance."""
        self.place = 0
        return int(self.seen[0]), {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Through one of the two doors."""
        _, self.place, reward, over = self.P[self.place][int(action)][0]
        return int(self.seen[self.place]), reward, over, False, {}
