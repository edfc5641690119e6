"""What a page shows and no source file holds: a run of both sides, its figures, the answers to questions, the verdict of `check`."""

from __future__ import annotations

import argparse
import shutil
import signal
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import Any, cast

from experiments.book.cache import Kept
from experiments.book.interactive import keep
from experiments.curriculum import entry


def measure(root: Path, name: str) -> str:
    """Measure one concept and keep it. Returns its name.

    Args:
        root: of what is kept.
        name: of the concept.
    """
    from experiments import twin as twin_called
    from experiments.commands.album import Album
    from experiments.commands.check import check_one
    from experiments.commands.predict import figure_of
    from experiments.drawing.figure import Captioned
    from experiments.lockstep.quiet import quiet
    from experiments.lockstep.trained import runs_of, trained, twin_of

    quiet()
    kept = Kept(root, entry(name))
    shutil.rmtree(kept.folder, ignore_errors=True)
    twin = twin_called(name)
    run = trained(twin)
    album, drawn = Album(kept.folder, lambda *_: None), dict[int, Any]()
    for title, figure in (twin.figures(run.manual, run.torch, run.data) if twin.figures else {}).items():
        album.add(title, cast(Captioned, figure), 0)
    keep(kept.folder, twin.interactive(run) if twin.interactive else ())
    answers = []
    questions = Album(kept.folder / "questions", lambda *_: None)
    for number, (question, of) in enumerate(zip(twin.questions, runs_of(twin, twin.questions), strict=True), 1):
        figure, look_for = figure_of(twin, question, of, drawn)
        questions.add(f"question {number}", figure, 0)
        answers.append(
            {
                "text": question.text,
                "choices": question.choices,
                "answer": question.answered(of),
                "numbers": question.numbers(of),
                "why": question.why,
                "look_for": look_for,
            }
        )
    mistake = None
    if twin.mistake:
        seen = twin.mistake.seen(trained(twin_of(twin, twin.mistake)))
        mistake = {"belief": twin.mistake.belief, "seen": seen, "why": twin.mistake.why}
    row, remark, failures = check_one(twin, argparse.Namespace(steps=50, dtype="float64", device="cpu", seed=0, json=False))
    kept.tell(
        {
            "learned": twin.learned(run) if twin.learned else "",
            "agree": run.agree and not failures,
            "row": row,
            "remark": remark,
            "questions": answers,
            "mistake": mistake,
        }
    )
    return name


def measure_all(root: Path, names: Iterable[str], told: Any = print) -> None:
    """Measure what is not kept already, on all cores; what is of another state of the code is thrown away.

    Args:
        root: of what is kept.
        names: of the concepts.
        told: is given a line for each one that is done.
    """
    kept = [Kept(root, entry(name)) for name in names]
    for k in kept:
        for old in root.glob(f"{k.name}-*"):
            if old != k.folder and old.name.rpartition("-")[0] == k.name:
                shutil.rmtree(old)
    todo = [k.name for k in kept if not k.is_there]
    if not todo:
        return
    workers = min(len(todo), cpu_count() or 1)
    quietly: Any = (signal.signal, (signal.SIGINT, signal.SIG_DFL))  # Ctrl-C ends a worker without a word: it is told once
    with ProcessPoolExecutor(workers, get_context("spawn"), *quietly) as pool:
        for done, name in enumerate(pool.map(measure, [root] * len(todo), todo), 1):
            told(f"  {done} of {len(todo)}: {name}")
