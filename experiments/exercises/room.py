"""Where attempts are judged: a process that has loaded everything, and for each attempt a child of it with limits of time and memory.

It is no sandbox: it keeps an honest file from doing harm by mistake, and no other. `python -m experiments.exercises.room` reads questions
from its standard input, one JSON object a line, and writes an answer to each.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from types import TracebackType
from typing import Any

from experiments.doctor.ward import MEMORY, forbid
from experiments.exercises.verdict import Verdict, from_dict, wrong

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
        command = [sys.executable, "-m", "experiments.exercises.room"]
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


# ---- inside --------------------------------------------------------------------------------------


def main() -> int:
    """Answer questions until there are no more."""
    import experiments.cases
    from experiments.exercises import faults, numbers, recording, shapes, writing  # noqa: F401  all that is heavy is loaded once, before the first child
    from experiments.lockstep.quiet import quiet
    from experiments.source.handwriting import import_all

    import_all(experiments.cases)
    quiet()
    for line in sys.stdin:
        print(json.dumps(in_a_child(json.loads(line))), flush=True)
    return 0


def in_a_child(question: dict[str, Any]) -> Mapping[str, Any]:
    """The answer of a child, or what became of it."""
    from experiments.exercises.catalogue import find
    from experiments.exercises.exams import twin_of

    if concept := find(question["name"]).concept:
        twin_of(concept)  # ours, and loaded here, so that the next child finds it loaded
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer_and_exit(question, writing)
    os.close(writing)
    said, deadline = b"", time.monotonic() + question["seconds"]
    while (left := deadline - time.monotonic()) > 0 and select.select([reading], [], [], left)[0]:
        more = os.read(reading, 1 << 16)
        if not more:
            break
        said += more
    else:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return wrong(f"It did not come to an end within {question['seconds']:g} s: is there a loop without end?", "did not end").as_dict()
    if not said:
        return wrong("The file ended the process that judged it.", "ended the process").as_dict()
    answer: dict[str, Any] = json.loads(said)
    return answer


def answer_and_exit(question: dict[str, Any], writing: int) -> None:
    """What the child does."""
    import resource

    status, out = 1, os.fdopen(writing, "w")
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        at_most = int(time.process_time() + question["seconds"]) + 2  # should nobody be left to end it
        resource.setrlimit(resource.RLIMIT_CPU, (at_most, at_most))
        sys.stdin, printed = io.StringIO(), io.StringIO()
        sys.addaudithook(forbid)
        with redirect_stdout(printed), redirect_stderr(printed):
            answer = found(question)
        with out:
            json.dump({**answer, "printed": printed.getvalue()[-2000:]} if question["asked"] == "verdict" else answer, out)
        status = 0
    except SystemExit:
        pass
    except BaseException:  # one of ours: what a learner's file raises has become a verdict
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def found(question: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a question."""
    from experiments.exercises import kinds
    from experiments.exercises.catalogue import find

    task = find(question["name"])
    if question["asked"] == "facts":
        return kinds.facts(task)
    if question["asked"] == "sheet":
        return {"lines": kinds.sheet(task).splitlines()}
    if question["asked"] == "solution":
        return {"lines": kinds.solution(task)}
    if question["asked"] == "hint":
        return {"lines": list(kinds.module_of(task).hint(task, question["step"]))}
    return kinds.verdict(task, question["text"], question["file"]).as_dict()


if __name__ == "__main__":
    sys.exit(main())
