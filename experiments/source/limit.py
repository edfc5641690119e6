"""A time limit for code that may not come to an end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Hangs(BaseException):
    """Code that does not end. No Exception, so that no `except` in the code under test swallows it."""


@contextmanager
def time_limit(seconds: float, busy: bool = False) -> Iterator[None]:
    """Raise Hangs after so many seconds; of computing, if `busy`, whatever else the machine does meanwhile.

    Only in the main thread, where Python delivers signals.
    """
    clock, told = (signal.ITIMER_PROF, signal.SIGPROF) if busy else (signal.ITIMER_REAL, signal.SIGALRM)

    def stop(*_: object) -> None:
        raise Hangs

    before = signal.signal(told, stop)
    signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        signal.setitimer(clock, 0)
        signal.signal(told, before)
