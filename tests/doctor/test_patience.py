"""How long something takes is told also where a timer stands on the clock of the process, as a time limit sets one."""

from __future__ import annotations

import json
import time

from experiments.doctor.patience import Patience, seconds_of
from experiments.doctor.visit import visited
from experiments.doctor.ward import answered
from experiments.source.limit import time_limit

TWO = """
def double(x):
    return 2 * x

def double_backward(dout, x):
    return 3 * dout

def triple(x):
    return 3 * x

def triple_backward(dout, x):
    return 3 * dout
"""


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


def test_whoever_gives_up_knows_what_was_known_by_then() -> None:
    told = []
    found = [*visited(TWO, so_far=lambda finding: told.append(finding.as_dict()))]
    assert [of.right for of in found] == [False, True]
    assert [of["name"] for of in told] == ["double", "double", "triple"]
    assert told[0]["notes"][0].startswith("It is wrong in line 6, or in one that it reads from.")
    text = "".join(json.dumps({"so_far": of}) + "\n" for of in told[:1])
    assert answered((text + '{"so_far": {"na').encode())["findings"] == json.loads(json.dumps(told[:1]))
    text += json.dumps({"finding": found[1].as_dict()}) + "\n"
    assert [of["name"] for of in answered(text.encode())["findings"]] == ["triple"]
