"""`predict`: say what a run will do, then let it run, and see.

Two or three questions about a concept, each with choices. The answers are computed from the runs' own numbers, with the reason, and the
figure that shows it. Exit status: 0 if every prediction was right (or none was made), 1 if one was wrong or the two sides disagree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from experiments.commands.asking import LETTERS, choose, chosen, laid_out, what_is_asked_for, wrapped
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE

if TYPE_CHECKING:  # torch and Lightning take seconds to load, and the title is shown before
    from experiments.drawing.figure import Captioned
    from experiments.lesson import Question, Trained
    from experiments.pair import Twin


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `predict`."""
    parser.add_argument("concept", metavar="CONCEPT", help="one of those that `list` shows")
    parser.add_argument("--answers", metavar="A,B,C", help="the letters or numbers of the choices, in place of being asked for them")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder that figures are written into (default runs)")


def main(options: argparse.Namespace) -> int:
    """Ask, run, and tell. Returns the exit status."""
    from experiments.curriculum import UnknownConcept, entry

    try:
        found = entry(options.concept)
    except UnknownConcept as unknown:
        print(f"error: {unknown}", file=sys.stderr)
        return BAD_INPUT
    print(wrapped(found.title), flush=True)
    from experiments import twin as twin_called

    twin = twin_called(found.name)
    try:
        said = None if options.answers is None else given(options.answers, twin.questions)
    except ValueError as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return BAD_INPUT
    print(f"\nWhat do you expect? {len(twin.questions)} questions, and then their runs.")
    predictions = asked(twin.questions, said)
    runs = run_all(twin)
    return tell(twin, runs, predictions, options.runs / found.name / "predictions")


def given(answers: str, questions: Sequence[Question]) -> list[int | None]:
    """The choices named by `--answers`.

    Raises:
        ValueError: if they are more or fewer than the questions, or one is none of the choices.
    """
    words = answers.split(",")
    if len(words) != len(questions):
        raise ValueError(f"--answers {answers}: there are {len(questions)} questions, and this answers {len(words)}")
    found: list[int | None] = []
    for number, (word, question) in enumerate(zip(words, questions, strict=True), 1):
        index = chosen(word, question.choices)
        if index is None:
            raise ValueError(
                f"--answers {answers}: question {number} is answered by {what_is_asked_for(question.choices)}, not by {word!r}"
            )
        found.append(index)
    return found


def asked(questions: Sequence[Question], said: list[int | None] | None) -> list[int | None]:
    """Show every question, and read what is answered where nothing was said beforehand; None where nothing is."""
    predictions: list[int | None] = []
    over = False
    for i, question in enumerate(questions):
        print(f"\n{laid_out(i + 1, question.text, question.choices)}")
        index = said[i] if said else None if over else choose(question.choices)
        if said:
            print(f"   Your answer: {LETTERS[said[i] or 0]}")
        over = over or index is None
        predictions.append(index)
    if over:
        print("\nWhat was left open is answered below all the same.")
    return predictions


def run_all(twin: Twin) -> list[Trained]:
    """The run of every question; those that ask about the same run share it."""
    from experiments.lockstep.quiet import quiet
    from experiments.lockstep.trained import runs_of

    def say(number: int, of: int) -> None:
        print(("\n" if number == 1 else "") + f"Training both sides, run {number} of {of} …", flush=True)

    quiet()
    return runs_of(twin, twin.questions, say)


def tell(twin: Twin, runs: Sequence[Trained], predictions: Sequence[int | None], folder: Path) -> int:
    """The answers, with what was predicted, and the score."""
    right, drawn = 0, dict[int, Mapping[str, Any]]()
    for number, (question, run, predicted) in enumerate(zip(twin.questions, runs, predictions, strict=True), 1):
        answer = question.choices.index(question.answered(run))
        right += predicted == answer
        print("\n" + wrapped(question.text, f"{number}. ", "   "))
        if predicted is not None:
            print(wrapped(question.choices[predicted] + (" (right)" if predicted == answer else ""), "   You said   ", " " * 14))
        numbers = question.numbers(run)
        print(wrapped(question.choices[answer] + (f": {numbers}." if numbers else ""), "   The run    ", " " * 14))
        print(wrapped(question.why, "   Why        ", " " * 14))
        figure, look_for = figure_of(twin, question, run, drawn)
        show(figure, look_for, folder / f"question_{number}.png")
    if not runs[0].data.at_hand():
        fetching = f"python -m experiments run {twin.name} fetches them"
        print("\n" + wrapped(f"These data are not at hand, and random ones stood in for them: {fetching}."))
    made = sum(p is not None for p in predictions)
    print(f"\n{right} of {made} predicted right." if made else "\nNothing was predicted. Predict first: a surprise is what one remembers.")
    if not all(run.agree for run in runs):
        print(f"error: the two sides disagree: python -m experiments check {twin.name}", file=sys.stderr)
        return DISAGREE
    return AGREE if right == made else DISAGREE


def figure_of(twin: Twin, question: Question, run: Trained, drawn: dict[int, Mapping[str, Any]]) -> tuple[Captioned, str]:
    """The figure that shows the answer, and what to look for in it. `drawn` holds the figures of each run, by its id, once drawn."""
    from experiments.commands.curves import both_curves
    from experiments.lesson import in_figures

    if question.look_at and twin.figures:
        name, look_for = question.look_at
        if callable(name):
            return cast("Captioned", name(run)), look_for
        if id(run) not in drawn:
            drawn[id(run)] = twin.figures(run.manual, run.torch, run.data)
        return drawn[id(run)][name], look_for
    figure = both_curves(range(len(run.losses)), run.losses, run.torch_losses, run.optimizers)
    if len(set(run.optimizers)) > 1:
        return figure, "the losses of this run: a panel for each optimizer."
    return figure, f"the loss of this run, from {in_figures(run.losses[0])} at its first step to {in_figures(run.losses[-1])} at its last."


def show(figure: Captioned, look_for: str, file: Path) -> None:
    """Write the figure, and say where it is and what to look for."""
    from experiments.commands.album import write_picture
    from experiments.commands.complaints import command
    from experiments.drawing.figure import pixels

    try:
        write_picture(file, pixels(figure), figure.caption)
    except OSError as error:
        print(wrapped(f"The figure cannot be written ({error.strerror}): give a folder with --runs.", "   ", "   "))
    else:
        print(f"   Open {command(file)}\n" + wrapped(look_for, "   Look: ", "         "))
