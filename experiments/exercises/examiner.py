"""Who answers in the room where attempts are judged: everything is loaded once, and a child of its own looks at each attempt.

`python -m experiments.exercises.examiner` reads questions from its standard input, one JSON object a line, and writes an answer to each.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from experiments.doctor.ward import MEMORY, forbid
from experiments.exercises.verdict import wrong


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
        too_long = f"It did not come to an end within {question['seconds']:g} s: is there a loop without end? --seconds gives it more."
        return wrong(too_long, "did not end").as_dict()
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
    except (SystemExit, KeyboardInterrupt):
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
