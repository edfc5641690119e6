"""Where a mistake was planted in somebody's code, and what the doctor says of it."""

from __future__ import annotations

from experiments.doctor.finding import Fault
from experiments.doctor.visit import visited


def assert_right(source: str, many: int) -> None:
    """So many pairs are found in it, and every one is right."""
    found = list(visited(source))
    assert len(found) == many
    assert all(f.right for f in found), "\n".join(map(str, found))


def assert_line_is_told(right: str, wrong: str) -> list[Fault]:
    """The one line that differs is told of the wrong source, and no other. Returns what is said of it."""
    faults = [fault for f in visited(wrong) for fault in f.faults]
    assert [f.line for f in faults] == [changed_line(right, wrong)]
    return faults


def changed_line(right: str, wrong: str) -> int:
    """The first line that differs between two sources of as many lines."""
    return next(i for i, (a, b) in enumerate(zip(right.splitlines(), wrong.splitlines(), strict=True), 1) if a != b)
