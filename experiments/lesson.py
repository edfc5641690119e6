"""What a learner does with a concept: predict what a run will do, write a function by hand, and see a common mistake in a run of its own.

All of it stands in the Twin; the answers are computed from runs, and never written down.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class NotValidated(LookupError):
    """A number of a validation was asked for, and none was made."""


class Metrics(dict[str, float]):
    """The numbers of a validation, by name.

    Raises:
        NotValidated: for a name that is not there.
    """

    def __missing__(self, name: str) -> float:
        raise NotValidated(f"{name} is not known: no validation was made that has it")


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
        torch_losses: in torch, of every step.
        optimizers: which of them took each step.
    """

    manual: Any
    torch: Any
    data: Any
    losses: tuple[float, ...]
    metrics: Mapping[str, float]
    agree: bool
    torch_losses: tuple[float, ...] = ()
    optimizers: tuple[int, ...] = ()


@dataclass(frozen=True)
class BySize:
    """An answer that is read off one number of the run: the first choice where it lies below the first edge, and so on.

    Args:
        measure: the number.
        edges: ascending, one fewer than there are choices; a number that is an edge belongs to the choice above it.
        choices: from small numbers to large ones.
        seen: a sentence with a place for the number, `{:.1%} of them`; or what makes one of it.
    """

    measure: Callable[[Trained], float]
    edges: tuple[float, ...]
    choices: tuple[str, ...]
    seen: str | Callable[[float], str]

    def of(self, number: float) -> str:
        """The choice that this number says is right. NaN is no number, and counts as the largest, as what grows without end does."""
        return self.choices[bisect_right(self.edges, number) if number == number else -1]

    def __call__(self, run: Trained) -> str:
        return self.of(self.measure(run))

    def numbers(self, run: Trained) -> str:
        """What was measured, in words."""
        number = self.measure(run)
        return self.seen.format(number) if isinstance(self.seen, str) else self.seen(number)


@dataclass(frozen=True)
class ByLargest:
    """An answer that is the name of the largest of some numbers of the run.

    Args:
        measure: the numbers, each under the choice that it speaks for.
        seen: how one of them is written: "{:.3f}".
    """

    measure: Callable[[Trained], Mapping[str, float]]
    seen: str = "{:.3g}"

    def of(self, numbers: Mapping[str, float]) -> str:
        """The choice whose number is the largest."""
        return max(numbers, key=lambda choice: numbers[choice])

    def __call__(self, run: Trained) -> str:
        return self.of(self.measure(run))

    def numbers(self, run: Trained) -> str:
        """What was measured, in words."""
        return ", ".join(f"{choice}: {self.seen.format(number)}" for choice, number in self.measure(run).items())


@dataclass(frozen=True)
class Question:
    """A prediction: asked before the run, answered by it.

    Args:
        text: what will the run do?
        choices: to choose from.
        answer: computes the right choice from the run.
        why: the sentence that explains it.
        model: hyperparameters of the run, where they are not the concept's own.
        data: arguments of the data module, likewise.
        trainer: arguments of the Trainer, likewise: how long the run is.
        look_at: the figure that shows it, by its name among the concept's or by what draws it, and what to look for in it; the loss of
            the run unless given.
    """

    text: str
    choices: tuple[str, ...]
    answer: Callable[[Trained], str]
    why: str
    model: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=dict)
    look_at: tuple[str | Callable[[Trained], Figure], str] | None = None

    def answered(self, run: Trained) -> str:
        """The right choice.

        Raises:
            ValueError: if what is computed is none of the choices.
        """
        found = self.answer(run)
        if found not in self.choices:
            raise ValueError(f"{self.text!r}: the run's answer {found!r} is none of the choices {', '.join(map(repr, self.choices))}")
        return found

    def numbers(self, run: Trained) -> str:
        """The numbers of the run that decide, in words."""
        return self.answer.numbers(run) if isinstance(self.answer, BySize | ByLargest) else ""


def by_size(
    text: str, measure: Callable[[Trained], float], *sizes: str | float, seen: str | Callable[[float], str], why: str, **run: Any
) -> Question:
    """A question that one number of the run answers.

    Args:
        text: what will the run do?
        measure: the number.
        sizes: choices, and between them where one ends and the next begins: "few", 0.3, "some", 0.7, "many".
        seen: how the number is said: see `BySize`.
        why: the sentence that explains it.
        run: model, data, trainer and look_at of the `Question`.
    """
    choices = tuple(str(choice) for choice in sizes[::2])
    return Question(text, choices, BySize(measure, tuple(float(edge) for edge in sizes[1::2]), choices, seen), why, **run)


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
class Shorter:
    """The concept's own run made shorter, in time or in steps, for who shows it and cannot wait for the whole.

    Args:
        model: hyperparameters of the run, where they are not the concept's own.
        data: arguments of the data module, likewise.
        trainer: arguments of the Trainer, likewise.
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> str:
        """The same as options of `run`."""
        parts = {"trainer": self.trainer, "model": self.model, "data": self.data}
        return " ".join(f"--{part}.{name} {value}" for part, given in parts.items() for name, value in given.items())


@dataclass(frozen=True)
class Mistake:
    """What is often believed or done, and a run that shows what comes of it.

    Args:
        belief: in the words of somebody who holds it.
        seen: the sentence that says what the run did, with the run's numbers.
        shown: whether the run does show it.
        why: what is so instead.
        model: hyperparameters of the run, where they are not the concept's own.
        data: arguments of the data module, likewise.
        trainer: arguments of the Trainer, likewise.
        manual: a class by hand that makes the mistake, in the place of the concept's.
        torch: its twin; the concept's own unless given.
    """

    belief: str
    seen: Callable[[Trained], str]
    shown: Callable[[Trained], bool]
    why: str
    model: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=dict)
    manual: type[Any] | None = None
    torch: type[Any] | None = None


# ---- what is often measured ------------------------------------------------------------------------


def accuracy(run: Trained) -> float:
    """The part of the held-out examples that is told right, at the last validation."""
    return run.metrics["accuracy/val"]


def growth(run: Trained) -> float:
    """The last loss, as a multiple of the first."""
    return run.losses[-1] / run.losses[0]


def in_figures(number: float) -> str:
    """Three digits of a number; a large one is written out: 867,000 and not 8.67e+05."""
    return f"{float(f'{number:.3g}'):,.0f}" if 1e3 <= abs(number) < 1e10 else f"{number:.3g}"


def what_will_the_loss_do(text: str, why: str, **run: Any) -> Question:
    """A question about the loss as a whole; see `by_size` for what `run` is."""
    ways = ("it falls", 0.99, "it stays as it is", 1.01, "it grows")
    return by_size(text, growth, *ways, seen=times_the_first, why=why, **run)


def times_the_first(ratio: float) -> str:
    """What is said of `growth`."""
    return f"the loss of the last step is {in_figures(ratio)} times that of the first"
