"""What a learner has done: one text file beside his exercises, a line for each that he has begun."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from experiments.exercises.verdict import NOT_BEGUN, RIGHT

HEAD = "What has been done here, as `python -m experiments exercise` has seen it. A line that is deleted is forgotten.\n"


@dataclass(frozen=True)
class Done:
    """Of one exercise.

    Attributes:
        state: of the last attempt: "right", "wrong" or "not begun".
        attempts: how often it was judged with something in it.
        hints: how many have been shown.
        shown: whether the solution has been shown before it was right.
    """

    state: str = NOT_BEGUN
    attempts: int = 0
    hints: int = 0
    shown: bool = False


class Progress:
    """The file `progress.txt` of a folder.

    Args:
        folder: with the exercises; nothing is written before something changes.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "progress.txt"
        self.done: dict[str, Done] = {}
        if self.file.is_file():
            lines = self.file.read_text(encoding="utf-8", errors="replace").splitlines()
            self.done = dict(found for line in lines if (found := read(line)))

    def of(self, name: str) -> Done:
        """What has been done of an exercise."""
        return self.done.get(name, Done())

    def attempt(self, name: str, state: str) -> None:
        """It was judged. What was right once stays right: a learner may go on trying things."""
        before = self.of(name)
        kept = RIGHT if before.state == RIGHT else state
        self.write(name, replace(before, state=kept, attempts=before.attempts + (state != NOT_BEGUN)))

    def write(self, name: str, done: Done) -> None:
        """Keep it in the file."""
        self.done[name] = done
        width = max(map(len, self.done))
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(HEAD + "\n" + "".join(f"{line(n, d, width)}\n" for n, d in self.done.items()), encoding="utf-8")


def line(name: str, done: Done, width: int) -> str:
    """As it stands in the file."""
    shown = "  solution shown" if done.shown else ""
    return f"{name:{width}}  {done.state:9}  attempts {done.attempts}  hints {done.hints}{shown}"


def read(text: str) -> tuple[str, Done] | None:
    """The inverse of `line`; None of what is no such line."""
    fields = [field.strip() for field in text.split("  ") if field.strip()]
    numbers = dict(field.rsplit(" ", 1) for field in fields[2:4] if " " in field)
    try:
        done = Done(fields[1], int(numbers["attempts"]), int(numbers["hints"]), "solution shown" in fields[4:])
    except (IndexError, KeyError, ValueError):
        return None
    return fields[0], done
