"""Write a backward yourself, and be told what is wrong with it.

Beside these there are shapes, numbers and faults: see the list.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE, INTERRUPTED
from experiments.exercises import kinds
from experiments.exercises.catalogue import Task, UnknownExercise, find, tasks
from experiments.exercises.hints import STEPS
from experiments.exercises.listing import show_list
from experiments.exercises.progress import Progress
from experiments.exercises.room import SECONDS, Closed, Room
from experiments.exercises.say import say, say_verdict
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, Verdict

EXERCISE = "python -m experiments exercise"

ACTIONS = {
    "list": "all exercises, or those of NAME (a concept, nn), and how far you are",
    "start": "make the file exercises/NAME.py, with a gap to be filled",
    "check": "is it right? If not: which gradient is wrong, and what is it?",
    "watch": "check whenever the file is saved; Ctrl-C ends it",
    "hint": "one hint more; there are five",
    "reset": "begin the file again (asks first)",
    "solution": "after success, or with --show-me",
    "grade": "check many learners' files, a folder for each, and write a table",
}


FOLDER = Path("exercises")


def seconds(text: str) -> float:
    """A length of time.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exercise`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "actions:\n" + "\n".join(f"  {name:9} {said}" for name, said in ACTIONS.items())
    parser.epilog += "\n\nexit status: 0 right, 1 wrong or not begun, 2 bad usage"
    parser.add_argument("action", nargs="?", default="list", choices=ACTIONS, metavar="ACTION", help="see below (default list)")
    parser.add_argument("name", nargs="?", metavar="NAME", help="of an exercise, or a concept; of `grade`, a folder")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where your files are (default ./exercises)")
    parser.add_argument("--seconds", type=seconds, default=SECONDS, help=f"that a check may take (default {SECONDS:g})")
    parser.add_argument("--step", type=int, choices=range(1, len(STEPS) + 1), help="which hint, in place of the next")
    parser.add_argument("--yes", action="store_true", help="of reset: do not ask")
    parser.add_argument("--show-me", action="store_true", help="of solution: although it is not right yet")
    parser.add_argument("--out", type=Path, default=Path("grades.csv"), help="of grade: the table (default ./grades.csv)")


def main(options: argparse.Namespace) -> int:
    """Do one thing. Returns 0 if what was asked for is right, 1 if it is wrong or not begun, 2 if it cannot be done."""
    console = Console()
    try:
        if options.action == "list":
            return show_list(console, options.name, Progress(options.folder))
        if options.name is None:
            return refused(f"{options.action} what? {'A folder' if options.action == 'grade' else 'A name of `exercise list`'} is missing")
        if options.action == "grade":
            from experiments.exercises.grading import grade

            return grade(console, Path(options.name), options.out, options.seconds)
        return DOING[options.action](Desk(console, options, chosen(options.name, Progress(options.folder))))
    except (UnknownExercise, Closed) as error:
        return refused(str(error))
    except UnicodeDecodeError:
        return refused(f"the file of {options.name} in {options.folder} is no text in UTF-8: save it as such")
    except OSError as error:
        return refused(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def refused(why: str) -> int:
    """Say what cannot be done."""
    print(f"error: {why}", file=sys.stderr)
    return BAD_INPUT


def chosen(name: str, progress: Progress) -> Task:
    """The exercise of this name; of a concept's name the first of its exercises that is not right yet."""
    of = [task for task in tasks() if task.concept == name and task.kind == "write"]
    return next((task for task in of if progress.of(task.name).state != RIGHT), of[0]) if of else find(name)


class Desk:
    """A learner at one exercise: his file, what he has done, and where things are said."""

    def __init__(self, console: Console, options: argparse.Namespace, task: Task) -> None:
        self.console, self.options, self.task = console, options, task
        self.progress = Progress(options.folder)
        self.file: Path = options.folder / f"{task.name}.py"

    def say(self, *texts: str) -> None:
        """To the learner."""
        say(self.console, *texts)

    def text(self) -> str | None:
        """What is in the file; None if there is none."""
        return self.file.read_text(encoding="utf-8-sig") if self.file.is_file() else None  # some editors begin a file with a mark

    def to(self, action: str, task: Task | None = None) -> str:
        """The command for this or another exercise, in this folder."""
        where = "" if self.options.folder == FOLDER else f" --folder {shlex.quote(str(self.options.folder))}"
        return f"{EXERCISE} {action} {(task or self.task).name}{where}"

    def judged(self, room: Room, text: str) -> Verdict:
        """Judge it, and remember that."""
        verdict = room.verdict(self.task.name, text, str(self.file))
        try:
            self.progress.attempt(self.task.name, verdict.state)
        except OSError as error:
            self.say(f"This attempt is not counted: {error.filename}: {error.strerror}.")
        return verdict


# ---- start and reset -----------------------------------------------------------------------------


def start(desk: Desk) -> int:
    """Make the file."""
    if desk.text() is not None:
        desk.say(f"{desk.file} is already there, and stays as it is. To begin again: {desk.to('reset')}")
        return AGREE
    write(desk)
    return AGREE


def write(desk: Desk) -> None:
    """Write the file, and say what to do with it."""
    if desk.task.kind == "write":
        made = kinds.sheet(desk.task)
    else:  # its numbers are computed
        with Room(desk.options.seconds) as room:
            made = room.sheet(desk.task.name)
    desk.file.parent.mkdir(parents=True, exist_ok=True)
    desk.file.write_text(made, encoding="utf-8")
    if desk.task.name not in desk.progress.done:
        desk.progress.attempt(desk.task.name, NOT_BEGUN)
    desk.say(f"{desk.file} is made, an exercise of about {desk.task.minutes} minutes.", "")
    desk.say(*kinds.opening(desk.task, made), "")
    desk.say(
        "Is it right?",
        f"    {desk.to('check')}",
        "With `watch` in the place of `check` it is looked at whenever you save it; with `hint` you get a hint.",
    )


def reset(desk: Desk) -> int:
    """Begin again, if that is what is wanted."""
    if desk.text() is not None and not desk.options.yes and not agreed(f"What you wrote in {desk.file} will be lost. Begin again? [y/N] "):
        desk.say("Nothing is changed. (--yes does not ask.)")
        return DISAGREE
    write(desk)
    return AGREE


def agreed(question: str) -> bool:
    """Ask; whoever cannot answer does not agree."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


# ---- check and watch -----------------------------------------------------------------------------


def not_there(desk: Desk) -> int:
    """Say that there is no file."""
    desk.say(f"{desk.task.name}: {NOT_BEGUN}. There is no {desk.file}; make it with: {desk.to('start')}")
    return DISAGREE


def check(desk: Desk) -> int:
    """Judge the file once."""
    text = desk.text()
    if text is None:
        return not_there(desk)
    if not desk.console.is_terminal:  # there a word stands until the verdict comes
        print(f"judging {desk.file} ...", file=sys.stderr, flush=True)
    with desk.console.status("judging"), Room(desk.options.seconds) as room:
        verdict = desk.judged(room, text)
    tell(desk, verdict)
    return AGREE if verdict.state == RIGHT else DISAGREE


def tell(desk: Desk, verdict: Verdict) -> None:
    """The verdict, and what to do next."""
    say_verdict(desk.console, desk.task.name, verdict)
    if verdict.state == RIGHT:
        after = following(desk.task, desk.progress)
        desk.say(f"Next: {desk.to('start', after)}" if after else "That was the last one: all are right.")
        desk.say(f"How it is written here: {desk.to('solution')}")
    elif desk.progress.of(desk.task.name).hints < len(STEPS):
        desk.say(f"Stuck? {desk.to('hint')}")


def following(task: Task, progress: Progress) -> Task | None:
    """The next along the path that is not right yet; after the last the path begins again."""
    every = tasks()
    at = every.index(task)
    return next((t for t in (*every[at + 1 :], *every[:at]) if progress.of(t.name).state != RIGHT), None)


def watch(desk: Desk, wait: Callable[[float], None] = time.sleep) -> int:
    """Judge the file whenever it is saved."""
    if desk.text() is None:
        write(desk)
    seen, state = None, NOT_BEGUN
    try:
        with Room(desk.options.seconds) as room:
            desk.say(f"Watching {desk.file}. Ctrl-C ends it.")
            while True:
                now = desk.file.stat().st_mtime_ns if desk.file.is_file() else None
                if now is not None and now != seen:
                    desk.console.rule(time.strftime("%H:%M:%S"))
                    verdict = desk.judged(room, desk.text() or "")
                    tell(desk, verdict)
                    state = verdict.state
                seen = now
                wait(0.3)
    except KeyboardInterrupt:
        desk.say("", f"No longer watched. {desk.task.name}: {state}.")
        return INTERRUPTED


# ---- hints and solution --------------------------------------------------------------------------


def hint(desk: Desk) -> int:
    """One hint more."""
    done = desk.progress.of(desk.task.name)
    step = desk.options.step or min(done.hints + 1, len(STEPS))
    text = desk.text()
    titles = kinds.STEPS[desk.task.kind]
    desk.say(f"Hint {step} of {len(titles)}, {titles[step - 1]}.", "")
    desk.say(*kinds.hint(desk.task, step, lambda: Room(desk.options.seconds), text, str(desk.file)))
    if step > done.hints:
        desk.progress.write(desk.task.name, replace(done, hints=step))
    if step < len(STEPS):
        desk.say("", f"The next is about {titles[step]}.")
    else:
        desk.say("", f"There are no more. The solution, if you want it: {desk.to('solution')} --show-me")
    return AGREE


def solution(desk: Desk) -> int:
    """How it is written here."""
    done = desk.progress.of(desk.task.name)
    if done.state != RIGHT and not desk.options.show_me:
        desk.say(
            f"{desk.task.name} is not right yet; a solution that one has read is soon forgotten. To see it all the same:",
            f"    {desk.to('solution')} --show-me",
        )
        return DISAGREE
    if done.state != RIGHT:
        desk.progress.write(desk.task.name, replace(done, shown=True))
    if desk.task.kind == "write":
        found = kinds.solution(desk.task)
    else:
        with Room(desk.options.seconds) as room:
            found = room.lines("solution", desk.task.name)
    desk.say(f"{desk.task.name}, as it is written here:", "", *(f"    {line}" for line in found))
    return AGREE


DOING: dict[str, Callable[[Desk], int]] = {
    "start": start,
    "reset": reset,
    "check": check,
    "watch": watch,
    "hint": hint,
    "solution": solution,
}
