"""Any environment of Gymnasium's with discrete actions, by its id; a user's own as `module:id`, if importing the module registers it."""

from __future__ import annotations

import difflib
import re
import warnings
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation

from experiments.data.arrays import InputError


class Plain(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The same environment with actions that are counted from 0, and states of float64."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode."""
        state, more = self.env.reset(seed=seed, options=options)
        return np.asarray(state, np.float64), more

    def step(self, action: Any) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        """Take the action that the environment counts from its own first one."""
        state, *rest = self.env.step(np.int64(action) + self.env.action_space.start)  # type: ignore[attr-defined]
        return np.asarray(state, np.float64), *rest  # type: ignore[return-value]


def find(name: str) -> Any:
    """A new environment whose states are rows of numbers: a table of pixels is laid flat, and what is counted becomes a one among zeros.

    Args:
        name: Gymnasium's id, "CartPole-v1"; or "my_module:MyWorld-v0".

    Raises:
        InputError: if there is none of that name, or it cannot be made, or its actions are not discrete; in one line.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is a newer version
        try:
            environment = gymnasium.make(name, disable_env_checker=True)
        except Exception as refused:  # whatever a user's own environment raises, too
            raise InputError(f"--data.environment: {why(name, refused)}") from None
        if not isinstance(environment.action_space, spaces.Discrete):
            raise InputError(f"--data.environment: the actions of {name!r} must be discrete, got {environment.action_space}")
        try:
            flat = FlattenObservation(environment)
        except Exception:
            flat = None
    if flat is None or not isinstance(flat.observation_space, spaces.Box):
        raise InputError(f"--data.environment: a state of {name!r} must be made of so many numbers, got {environment.observation_space}")
    return Plain(flat)


def why(name: str, refused: Exception) -> str:
    """What is wrong with a name, in a line, and what would be right."""
    if isinstance(refused, gymnasium.error.UnregisteredEnv | gymnasium.error.NameNotFound):
        near = difflib.get_close_matches(name, list(gymnasium.registry), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "it must be an id like 'CartPole-v1', or 'my_module:MyWorld-v0'"
        return f"Gymnasium knows no {name!r}: {hint}"
    said = re.sub(r"\s+", " ", str(refused)).strip()
    return f"{name!r} cannot be made: {said or type(refused).__name__}"
