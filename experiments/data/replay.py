"""Data that are remembered: the torch side plays on, what it played goes into a memory, and both sides learn from draws of all of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.data.arrays import InputError
from experiments.data.rollout import Rollout, RolloutData
from experiments.judge.convert import to_numpy, to_torch
from manual.concept import Batch


class ReplayData(RolloutData):
    """A replay memory: an epoch plays a rollout, puts it into the memory, and draws batches from all that is there.

    A subclass says what is played (`environment`).

    Args:
        environments: how many are played at the same time.
        steps: of each of them in a rollout.
        memory: how many steps are remembered, the latest.
        updates: batches that are drawn after each rollout.
        batch_size: steps in each of them, of which one may come twice.
        seed: of the episodes, of the actions and of what is drawn.

    Attributes:
        remembered: state, action, reward, next_state and over, a row for each step that is remembered; None before the first rollout.
    """

    def __init__(self, environments: int, steps: int, memory: int, updates: int, batch_size: int, seed: int = 0) -> None:
        super().__init__(environments, steps, seed=seed)
        if min(steps, memory, updates, batch_size) < 1:
            raise InputError(
                f"--data.steps, memory, updates and batch_size must be at least 1, got {steps}, {memory}, {updates} and {batch_size}"
            )
        self.memory, self.updates, self.batch_size = memory, updates, batch_size
        self.remembered: Batch | None = None
        self.remembered_in: int | None = None  # the epoch whose rollout came last

    def examples(self, rollout: Rollout) -> Batch:
        """(state, action, reward, next_state, over), a row for each step. An episode that was only cut off is not over."""
        over = rollout.terminated.astype(np.float64)
        return tuple(map(rollout.rows, (rollout.state, rollout.answers["action"], rollout.reward, rollout.next_state, over)))

    def remember(self, rows: Batch) -> None:
        """Put these steps into the memory; what is too old falls out of it."""
        before = self.remembered if self.remembered is not None else tuple(a[:0] for a in rows)
        self.remembered = tuple(np.concatenate(pair)[-self.memory :] for pair in zip(before, rows, strict=True))

    def drawn(self, epoch: int) -> list[Batch]:
        """Batches from all that is remembered, each step as probable as the other."""
        assert self.remembered is not None
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 1, epoch]))
        rows = rng.integers(len(self.remembered[0]), size=(self.updates, self.batch_size))
        return [tuple(a[of] for a in self.remembered) for of in rows]

    def batches(self, epoch: int) -> list[Batch]:
        """Play and remember, unless this epoch's rollout is remembered already; then draw."""
        (rows,) = super().batches(epoch)
        if self.remembered_in != epoch:
            self.remember(rows)
            self.remembered_in = epoch
        return self.drawn(epoch)

    def n_batches(self) -> int:
        """The same in every epoch."""
        return self.updates

    def state_dict(self) -> dict[str, Any]:
        """A rollout's, and the memory."""
        memory = {} if self.remembered is None else {"memory": to_torch(self.remembered), "remembered_in": self.remembered_in}
        return {**super().state_dict(), **memory}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that rollout and that memory."""
        super().load_state_dict(state_dict)
        if "memory" in state_dict:
            self.remembered, self.remembered_in = to_numpy(tuple(state_dict["memory"])), state_dict["remembered_in"]
