"""A time limit for code that may not come to an end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Hangs(BaseException):
    """A mutant that does not end. No Exception, so that no `except` in the code under test swallows it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise Hangs after so many seconds. Only in the main thread, where Python delivers signals."""

    def stop(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
