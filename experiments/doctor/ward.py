"""Where a stranger's file is run: a process of its own that may compute, and may not write, connect, or start anything.

It is no sandbox: it keeps an honest file from doing harm by mistake, and no other. `python -m experiments.doctor.ward` reads what is asked
as JSON from its standard input and writes what was found, as JSON, to its standard output.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.doctor.finding import Finding

STARTS = ("subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "ctypes.", "webbrowser.")
CONNECTS = ("socket.", "ftplib.", "urllib.")
WRITES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.link", "os.symlink", "shutil.")
FORBIDDEN = (*STARTS, *CONNECTS, *WRITES)
"""What Python is about to do, by the names of its audit events, and must not."""

MEMORY = 4 * 2**30
"""Bytes that the file may use."""


class TooLong(Exception):
    """The file did not come to an end."""


def ask(question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Let a process of its own find what `visited` finds.

    Args:
        question: the arguments of `visited`.
        seconds: after which it is ended.

    Returns: "findings", "printed" (what the file printed), and "trouble" if nothing could be examined.

    Raises:
        TooLong: if it takes longer.
    """
    command = [sys.executable, "-m", "experiments.doctor.ward"]
    try:
        done = subprocess.run(command, input=json.dumps(question).encode(), capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        found = answered(error.stdout or b"")
        if not found["findings"]:
            raise TooLong(f"it did not come to an end within {seconds:g} s") from error
        return {**found, "trouble": f"after {seconds:g} s it was looked no further: give it more with --seconds"}
    found = answered(done.stdout)
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
        return {**found, "trouble": f"the file ended the process that ran it: {last}"}
    return found


def answered(text: bytes) -> dict[str, Any]:
    """What the process has answered: a line for each finding, before them what was known on the way, and a last one for the rest."""
    found: dict[str, Any] = {"findings": [], "printed": "", "trouble": None}
    so_far: dict[tuple[str, str], Any] = {}
    for line in text.decode(errors="replace").splitlines():
        with suppress(json.JSONDecodeError):  # the line at which it was ended
            match json.loads(line):
                case {"so_far": finding}:
                    so_far[finding["name"], finding["backward"]] = finding
                case {"finding": finding}:
                    found["findings"].append(finding)
                case rest:
                    found |= rest
    return {**found, "findings": found["findings"] or [*so_far.values()]}


def main() -> int:
    """Answer one question."""
    import resource

    from experiments.doctor.reading.patient import Unreadable
    from experiments.doctor.second.named import names_an_operation
    from experiments.doctor.visit import visited

    question = json.load(sys.stdin)
    if names_an_operation(question["source"], question.get("file", "")):
        import torch  # noqa: F401  # before anything is forbidden, which its own import does
    question["shapes"] = {name: tuple(shape) for name, shape in question.get("shapes", {}).items()}
    answer: dict[str, Any] = {"trouble": None}
    printed, out = io.StringIO(), sys.stdout
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.addaudithook(forbid)

    def say(kind: str, finding: Finding) -> None:
        print(json.dumps({kind: finding.as_dict()}), file=out, flush=True)

    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            for finding in visited(**question, so_far=partial(say, "so_far")):
                say("finding", finding)
        except Unreadable as trouble:
            answer["trouble"] = str(trouble)
        except SyntaxError as error:
            answer["trouble"] = f"line {error.lineno}: {error.msg}"
    json.dump({**answer, "printed": printed.getvalue()[-10_000:]}, out)
    return 0


def forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise PermissionError before Python does what the file may not do."""
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event.startswith(FORBIDDEN):
        raise PermissionError(f"a file under examination may compute and nothing else: {event}")


if __name__ == "__main__":
    sys.exit(main())
