"""Many learners' files judged, and a table of them: who has solved what, and what is wrong with the rest."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from experiments.commands.status import AGREE, BAD_INPUT
from experiments.doctor.ward import MEMORY
from experiments.exercises.catalogue import tasks
from experiments.exercises.room import Room
from experiments.exercises.say import say
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, WRONG, Verdict, wrong

NO_SANDBOX = (
    "Each file is run in a process of its own, which may take {seconds:g} s and {memory:g} GiB, and may not write, connect or start "
    "anything. That keeps an honest file from doing harm by mistake. It is no sandbox: whoever wants to do harm can."
)

COLUMNS = ["learner", "exercise", "result", "fault"]


def grade(console: Console, folder: Path, out: Path, seconds: float) -> int:
    """Judge every exercise under a folder, and write a CSV file. Returns 0, or 2 if there is nothing to judge."""
    found = list(submitted(folder))
    if not found:
        missing = f"there is no folder {folder}" if not folder.is_dir() else f"there is no file of an exercise under {folder}"
        print(f"error: {missing}: expected {folder}/LEARNER/NAME.py, or {folder}/LEARNER-NAME.py", file=sys.stderr)
        return BAD_INPUT
    if not out.absolute().parent.is_dir():  # better now than when all is judged
        print(f"error: {out}: there is no such folder", file=sys.stderr)
        return BAD_INPUT
    say(console, NO_SANDBOX.format(seconds=seconds, memory=MEMORY / 2**30), "")
    rows = []
    with Room(seconds) as room, console.status("") as status:
        for i, (learner, name, file) in enumerate(found):
            status.update(f"{learner}: {name} ({i + 1} of {len(found)})")
            verdict = judged(room, name, file)
            rows.append((learner, name, verdict.state, verdict.fault))
    table = completed(pd.DataFrame(rows, columns=COLUMNS))
    table.to_csv(out, index=False)
    show(console, table)
    if others := not_judged(folder, [file for _, _, file in found]):
        say(console, "", f"Not judged, for they are not called as an exercise is: {', '.join(others)}.")
    say(console, "", f"Each learner's result of each exercise, with the fault's name, is in {out}.")
    return AGREE


def submitted(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """(learner, exercise, file) of every file that is called like an exercise, by their names.

    A learner is the folder that his files are in, directly under `folder`, however deep they lie in it; or what stands before the
    exercise in the name of a file that lies in `folder` itself: Ada-nn.Linear.py. A copy that a browser has numbered counts too.
    """
    names = sorted((n for task in tasks() for n in (task.name, *task.also)), key=len, reverse=True)
    for file in sorted(folder.rglob("*.py")):
        inside, stem = file.relative_to(folder).parts[:-1], re.sub(r" ?\(\d+\)$", "", file.stem)
        name = next((n for n in names if stem == n or re.search(rf"[-_ ]{re.escape(n)}$", stem)), None)
        if name:
            before = stem.removesuffix(name).strip("-_ ")
            yield inside[0] if inside else before or folder.resolve().name, name, file


def not_judged(folder: Path, judged: Sequence[Path]) -> list[str]:
    """The other files of Python, as they are called under the folder."""
    return [str(file.relative_to(folder)) for file in sorted(folder.rglob("*.py")) if file not in judged]


def judged(room: Room, name: str, file: Path) -> Verdict:
    """One file."""
    try:
        return room.verdict(name, file.read_text(encoding="utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError):
        return wrong("It cannot be read.", "cannot be read")


def completed(table: pd.DataFrame) -> pd.DataFrame:
    """A row for every learner and every exercise that anybody has handed in, sorted; what one has not handed in is not begun.

    Of several files for one exercise the best counts.
    """
    best = table.assign(rank=table["result"].map({RIGHT: 0, WRONG: 1, NOT_BEGUN: 2})).sort_values([*COLUMNS[:2], "rank", "fault"])
    best = best.drop_duplicates(COLUMNS[:2]).set_index(COLUMNS[:2])[COLUMNS[2:]]
    order = {task.name: i for i, task in enumerate(tasks())}
    exercises = sorted(table["exercise"].unique(), key=lambda name: (order.get(name, len(order)), name))
    every = pd.MultiIndex.from_product([sorted(table["learner"].unique()), exercises], names=COLUMNS[:2])
    return best.reindex(every).fillna({"result": NOT_BEGUN, "fault": ""}).reset_index()


def show(console: Console, table: pd.DataFrame) -> None:
    """How many have solved each, and the commonest fault."""
    width = max(map(len, table["exercise"]))
    learners = table["learner"].nunique()
    say(console, f"{learners} learner{'' if learners == 1 else 's'}:")
    for name, of in table.groupby("exercise", sort=False):
        counts = of["result"].value_counts()
        faults = of.loc[of["fault"] != "", "fault"].value_counts()
        often = f"; most often: {faults.index[0]}" if len(faults) else ""
        told = ", ".join(f"{counts.get(state, 0)} {state}" for state in (RIGHT, WRONG, NOT_BEGUN))
        console.print(f"  {name:{width}}  {told}{often}", highlight=False, markup=False, soft_wrap=True)
