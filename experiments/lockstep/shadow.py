"""The shadow: the copy that shows what rounding can do. It does what the hand has done only once somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.lockstep.by_hand import HandRun

MOST = 2**27
"""How many bytes of batches wait for the shadow, before it goes through them: 128 MiB."""


class Shadow:
    """A perturbed copy of the hand-written run, which mostly waits.

    Two right sides agree for long within what one step is allowed: until they do not, nobody needs to know what rounding could have done,
    and the copy is not moved. When it is asked for, it does all that the hand has done since, on the same batches and in the same noise,
    and is then what it would be if it had gone along. From then on it goes along, until both begin again from torch's weights: a window
    must end before nothing can be told any more, and that shows in the shadow alone.

    Args:
        run: the copy, which perturbs its gradients.

    Attributes:
        rounding: by how much each of its gradients is perturbed in this window, as was measured at its first step.
        goes_along: whether it has been asked for in this window.
        waiting: what it has not done yet, in order.
        size: of the batches that wait, in bytes.
    """

    def __init__(self, run: HandRun) -> None:
        self.run = run
        self.rounding: Mapping[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Wait again: it is where the hand is."""
        self.goes_along = False
        self.waiting: list[Callable[[], Any]] = []
        self.size = 0

    def train(self, batch: Any, *place: Any) -> None:
        """As HandRun.train; the arrays of the batch must stay as they are."""
        self._do(lambda: self.run.train(batch, *place), size_of(batch))

    def take(self) -> None:
        """What came of it is wanted by nobody."""
        self._do(self.run.take)

    def move_schedules(self, interval: str, index: int, on_plateau: bool = False) -> None:
        """As Trainer.move_schedules."""
        self._do(lambda: self.run.move_schedules(interval, index, on_plateau))

    def pass_validation(self, metrics: Mapping[str, float]) -> None:
        """A validation in which nobody asked: schedules that follow a metric follow the hand's."""
        self._do(lambda: self.run.pass_validation(metrics))

    def perturb_by(self, rounding: Mapping[str, float]) -> None:
        """From here on, each gradient by so much."""
        self.rounding = dict(rounding)
        self._do(lambda: vars(self.run).update(rounding=rounding))

    def _do(self, what: Callable[[], Any], size: int = 0) -> None:
        if self.goes_along:
            what()
            return
        self.waiting.append(what)
        self.size += size
        if self.size > MOST:
            self.catch_up()

    def catch_up(self) -> HandRun:
        """Do all that waits; gives the copy, which is where the hand is."""
        with np.errstate(all="ignore"):
            for what in self.waiting:
                what()
        self.waiting, self.size = [], 0
        return self.run

    def asked(self) -> HandRun:
        """The copy, where the hand is; from now on it goes along."""
        self.catch_up()
        self.goes_along = True
        return self.run

    def load(self, *state: Any) -> None:
        """Begin again from torch's weights and what its optimizers remember: a new window. Its schedules are its own."""
        self.catch_up()
        self.begin()
        self.run.load(*state)

    def state_dict(self) -> dict[str, Any]:
        """Of the copy; while it waits, only by how much its gradients are to be perturbed.

        A checkpoint is no reason to move it, and has no room for the batches. A run that is resumed from there begins with a shadow that is
        where the hand is. It foretells what rounding does from then on, which is less than what it does in the whole window: less is
        tolerated, and what is beyond that is looked at again from equal weights, as ever.
        """
        return {"rounding": dict(self.rounding)} if self.waiting else self.run.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint left off: from the state of the copy, or else of the hand."""
        self.begin()
        self.run.load_state_dict(state)
        self.rounding = dict(state["rounding"])


def size_of(batch: Any) -> int:
    """In bytes, of all arrays of a batch, or of several."""
    return sum(map(size_of, batch)) if isinstance(batch, Sequence) else batch.nbytes
