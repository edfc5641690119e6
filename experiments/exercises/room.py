"""Where attempts are judged: a process that has loaded everything, and for each attempt a child of it with limits of time and memory.

It is no sandbox: it keeps an honest file from doing harm by mistake, and no other. Within it `experiments.exercises.examiner` answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any

from experiments.exercises.verdict import Verdict, from_dict

SECONDS = 30.0
"""After which an attempt is given up."""


class Closed(Exception):
    """The room itself has ended."""


class Room:
    """The process, from outside. To be used in a `with`.

    Args:
        seconds: that an attempt may take.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds

    def __enter__(self) -> Room:
        command = [sys.executable, "-m", "experiments.exercises.examiner"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # a child that still computes, too
        self.process.communicate()

    def ask(self, **question: Any) -> dict[str, Any]:
        """Ask one question, and wait for its answer.

        Raises:
            Closed: if there is none.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({**question, "seconds": self.seconds}) + "\n")
            self.process.stdin.flush()
            answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError) as error:
            raise Closed("the process that judges has ended; is there enough memory?") from error
        return answer

    def verdict(self, name: str, text: str, file: str) -> Verdict:
        """Judge a file."""
        return from_dict(self.ask(asked="verdict", name=name, text=text, file=file))

    def sheet(self, name: str) -> str:
        """The file that a learner begins with."""
        return "\n".join(self.lines("sheet", name)) + "\n"

    def lines(self, asked: str, name: str, step: int = 0) -> list[str]:
        """The lines of a sheet, of a hint or of a solution.

        Raises:
            Closed: if it came to no end.
        """
        answer = self.ask(asked=asked, name=name, step=step)
        if "lines" not in answer:
            raise Closed(answer["sentences"][0])
        found: list[str] = answer["lines"]
        return found

    def facts(self, name: str) -> dict[str, str]:
        """What the shapes are of what goes into the original and comes out of it, by name."""
        found: dict[str, str] = self.ask(asked="facts", name=name)
        return found
