"""The time limit: of the clock, or of computing."""

from __future__ import annotations

import time

import pytest

from experiments.source.limit import Hangs, time_limit


def endless() -> None:
    """In Python, not within one call into C: there no signal arrives."""
    while True:
        pass


@pytest.mark.parametrize("busy", [False, True])
def test_what_does_not_end_is_ended(busy: bool) -> None:
    with pytest.raises(Hangs), time_limit(0.05, busy):
        endless()


def test_who_waits_for_the_machine_is_not_computing() -> None:
    with time_limit(0.05, busy=True):
        time.sleep(0.1)
    with pytest.raises(Hangs), time_limit(0.05):
        time.sleep(0.1)
