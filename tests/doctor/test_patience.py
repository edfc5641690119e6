"""How long something takes is told also where a timer stands on the clock of the process, as a time limit sets one."""

from __future__ import annotations

import time

from experiments.doctor.patience import Patience, seconds_of
from experiments.source.limit import time_limit


def work() -> None:
    """Some tenths of a millisecond."""
    sum(i * i for i in range(3000))


def test_what_is_short_does_not_take_no_time_where_a_timer_is_set() -> None:
    free = seconds_of(work)
    with time_limit(30, busy=True):
        limited = [seconds_of(work) for _ in range(20)]
    assert free > 0
    assert min(limited) > free / 10
    assert min(limited) < 10 * free


def test_what_is_long_is_run_once() -> None:
    runs = []
    seconds_of(lambda: runs.append(time.sleep(0.06)))
    assert len(runs) == 1


def test_one_search_has_no_more_than_what_is_left() -> None:
    patience = Patience(0.5)
    assert patience.for_one(9).until == patience.until
    assert patience.for_one(0.1).until < patience.until
    assert not patience.is_over
    assert Patience(-1).is_over
    assert Patience(5, until=0).is_over
