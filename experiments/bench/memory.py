"""The most memory that a step holds at a time, by hand and in torch."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from experiments.bench.works import Step


def peak_by_hand(step: Step) -> int:
    """The most bytes that one step holds beyond what was there before: its arrays, and Python's own objects, a few kilobytes, which torch's
    profiler does not count on the other side.
    """
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def peak_by_torch(step: Step) -> int:
    """The same of torch, from its profiler's record of allocations. What a step gives back that was there before it began (the gradients of
    the step before) does not make up for what it takes: it counts from where it held least.
    """
    with silent(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    held = least = most = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            least = min(least, held)
            most = max(most, held - least)
    return most


@contextmanager
def silent() -> Iterator[None]:
    """Keep the profiler's own announcements, written by C++ code, off standard error."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
