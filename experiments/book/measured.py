"""What a page shows and no source file holds: a run of both sides, its figures, the answers to questions, the verdict of `check`."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from experiments.book.cache import Kept
from experiments.book.interactive import keep
from experiments.book.shapes import shapes_of

if TYPE_CHECKING:  # torch and Lightning take seconds to load, and the workers load them
    from experiments.lesson import Trained
    from experiments.pair import Twin

T = TypeVar("T")

CHECKED = argparse.Namespace(steps=20, dtype="float64", device="cpu", seed=0, json=False)
"""How `check` is asked: for fewer steps than its default, since the run on the page is compared at each of its own."""


def measure(folder: Path, name: str) -> dict[str, float]:
    """Measure one concept and keep it. Returns the seconds of the processor that each part took.

    The runs are compared step by step as `run` does it, but for the shadow, a third training that would cost as much as one by hand: from
    equal weights a step must agree as in `check`, which has a shadow, and after that the two may part as far as a right run ever may.

    Args:
        folder: that it is kept in.
        name: of the concept.
    """
    from experiments import twin as twin_called
    from experiments.commands.check import check_one
    from experiments.lockstep.quiet import quiet
    from experiments.lockstep.trained import run_of, trained, twin_of

    quiet()
    shutil.rmtree(folder, ignore_errors=True)
    declared = twin_called(name)
    twin = replace(declared, foretold=False)
    spent = Spent()
    run = spent.on("run", trained(twin_of(twin, twin.shorter)))
    figures: Mapping[str, Any] = twin.figures(run.manual, run.torch, run.data) if twin.figures else {}
    draw(folder, untrained(twin, run), untrained=True)
    draw(folder, figures.items())
    spent.on("figures", None)
    keep(folder, twin.interactive(run) if twin.interactive else ())
    spent.on("interactive", None)
    made = {run_of(twin.shorter): run}
    answers = spent.on("questions", answered(twin, made, {id(run): figures}, folder / "questions"))
    mistake = spent.on("mistake", mistaken(twin, made))
    row, remark, failures = spent.on("check", check_one(declared, CHECKED))
    Kept(folder).tell(
        {
            "learned": twin.learned(run) if twin.learned else "",
            "agree": run.agree and not failures,
            "row": row,
            "remark": remark,
            "questions": answers,
            "mistake": mistake,
            "shapes": spent.on("shapes", shapes_of(declared, CHECKED)),
        }
    )
    return spent.seconds


class Spent:
    """Adds up what each part takes.

    Attributes:
        seconds: of the processor, by the name of the part.
    """

    def __init__(self) -> None:
        self.seconds, self.last = dict[str, float](), time.process_time()

    def on(self, part: str, result: T) -> T:
        """All since the last call was for this part. Returns its result."""
        now = time.process_time()
        self.seconds[part], self.last = round(now - self.last, 2), now
        return result


def untrained(twin: Twin, run: Trained) -> Iterable[tuple[str, Any]]:
    """The figures of the pair as a run begins with it."""
    if twin.before is None:
        return ()
    ours, theirs = twin.build(data=run.data)
    ours.eval(), theirs.eval()
    return twin.before(ours, theirs, run.data).items()


def draw(folder: Path, figures: Iterable[tuple[str, Any]], untrained: bool = False) -> None:
    """Write figures, each with its name, into an album in a folder; of the trained pair unless said otherwise."""
    from experiments.commands.album import Album
    from experiments.drawing.figure import Captioned

    album = Album(folder)
    for name, figure in figures:
        album.add(name, cast(Captioned, figure), 0, untrained)


def answered(twin: Twin, made: dict[str, Trained], drawn: dict[int, Any], folder: Path) -> list[dict[str, Any]]:
    """The questions with their answers, whose figures are drawn.

    Args:
        twin: the pair.
        made: the runs that there are; those of the questions are added.
        drawn: the figures of the runs, by the id of the run.
        folder: that the figures go into.
    """
    from experiments.commands.predict import figure_of
    from experiments.lockstep.trained import runs_of

    found, figures = [], []
    for question, run in zip(twin.questions, runs_of(twin, twin.questions, made=made), strict=True):
        figure, look_for = figure_of(twin, question, run, drawn)
        figures.append(figure)
        said = {"text": question.text, "choices": question.choices, "answer": question.answered(run), "numbers": question.numbers(run)}
        found.append({**said, "why": question.why, "look_for": look_for})
    draw(folder, ((f"question {number}", figure) for number, figure in enumerate(figures, 1)))
    return found


def mistaken(twin: Twin, made: dict[str, Trained]) -> dict[str, str] | None:
    """The common mistake, and what its run showed."""
    from experiments.lockstep.trained import run_of, trained, twin_of

    mistake = twin.mistake
    if mistake is None:
        return None
    run = made.get(run_of(mistake)) or trained(twin_of(twin, mistake))
    return {"belief": mistake.belief, "seen": mistake.seen(run), "why": mistake.why}
