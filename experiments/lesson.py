"""What a learner does with a concept: predict what a run will do, write a function by hand, and see a common mistake in a run of its own.

All of it stands in the Twin; the answers are computed from runs, and never written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trained:
    """What a run leaves, for what is computed from it.

    Args:
        manual: the hand-written side, trained, in eval mode.
        torch: the torch side, likewise.
        data: the data module that both were trained on.
        losses: by hand, of every step.
        metrics: by hand, of the last validation.
        agree: whether the two sides agreed.
    """

    manual: Any
    torch: Any
    data: Any
    losses: tuple[float, ...]
    metrics: Mapping[str, float]
    agree: bool


@dataclass(frozen=True)
class Question:
    """A prediction: asked before the run, answered by it.

    Args:
        text: what will the run do?
        choices: to choose from.
        answer: computes the right choice from the run.
        why: the sentence that explains it.
        model: hyperparameters of the run, where they are not the concept's own.
    """

    text: str
    choices: tuple[str, ...]
    answer: Callable[[Trained], str]
    why: str
    model: Mapping[str, Any] = field(default_factory=dict)

    def answered(self, run: Trained) -> str:
        """The right choice.

        Raises:
            ValueError: if what is computed is none of the choices.
        """
        found = self.answer(run)
        if found not in self.choices:
            raise ValueError(f"{self.text!r}: the run's answer {found!r} is none of the choices {', '.join(map(repr, self.choices))}")
        return found


@dataclass(frozen=True)
class Exercise:
    """A function of the hand-written file whose body a learner writes himself.

    Args:
        function: its name in the file: "backward", "DigitsMLP.backward".
        hints: to be added to those that are derived from the code.
    """

    function: str
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """What is often believed or done, and a run that shows what comes of it.

    Args:
        belief: in the words of somebody who holds it.
        seen: the sentence that says what the run did, with the run's numbers.
        shown: whether the run does show it.
        why: what is so instead.
        model: hyperparameters of the run, where they are not the concept's own.
        manual: a class by hand that makes the mistake, in the place of the concept's.
        torch: its twin; the concept's own unless given.
    """

    belief: str
    seen: Callable[[Trained], str]
    shown: Callable[[Trained], bool]
    why: str
    model: Mapping[str, Any] = field(default_factory=dict)
    manual: type[Any] | None = None
    torch: type[Any] | None = None
