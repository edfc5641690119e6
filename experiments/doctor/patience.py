"""How long the doctor looks for a cure: whoever waits for an answer has the line at least."""

from __future__ import annotations

import time
from collections.abc import Callable

ALL = 8.0
"""Seconds of computing for all searches of one diagnosis together."""

SEARCH = 2.0
"""For one of them."""


class Patience:
    """Seconds of computing, of which other processes take nothing away.

    Args:
        seconds: so many from now on.
        until: and not beyond that.
    """

    def __init__(self, seconds: float = ALL, until: float = float("inf")) -> None:
        self.until = min(time.process_time() + seconds, until)

    def for_one(self, seconds: float = SEARCH) -> Patience:
        """What one search may have of what is left."""
        return Patience(seconds, self.until)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return time.process_time() > self.until


TIMES = 3
"""So often something short is run to see how long it takes."""

LONG = 0.05
"""Seconds after which once is enough."""


def seconds_of(run: Callable[[], object]) -> float:
    """How long something takes: the shortest of a few times.

    By the clock on the wall, which other processes only make longer: that of the process stands still for milliseconds where a timer
    is set on it, and something short then takes no time at all.
    """
    best = float("inf")
    for _ in range(TIMES):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        if best > LONG:
            break
    return best
