"""What a process finds around itself, put right or refused in one line before anything heavy is imported."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

OF_NOTEBOOKS = ("auto", "inline", "ipympl", "notebook", "widget")
"""Matplotlib's backends that other packages bring."""


class Terminated(BaseException):
    """SIGTERM, which schedulers and containers send."""


@contextmanager
def listening_to_sigterm() -> Iterator[None]:
    """For the time of the `with`, SIGTERM raises Terminated, where it would end the process without a word."""
    alone = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def end(number: int, frame: Any) -> NoReturn:
        raise Terminated

    if alone:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if alone:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def give_streams() -> None:
    """Where a shell has closed standard output or standard error (`2>&-`), what is written there goes nowhere.

    The next file that is opened would be taken for it otherwise.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  open as long as the process is


def lose_stdout() -> None:
    """Nothing more is written: what waits in the stream's memory would be tried again, and complained about, when Python ends."""
    with suppress(OSError, ValueError):  # no file of the system's
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def give_backend() -> None:
    """A MPLBACKEND that Matplotlib does not know is not used: figures are drawn into files, without a window."""
    name, found = os.environ.get("MPLBACKEND", ""), find_spec("matplotlib")
    if not name or name.startswith("module://") or name.lower() in OF_NOTEBOOKS or found is None:
        return
    backends = Path((found.submodule_search_locations or [""])[0]) / "backends"  # importing Matplotlib would already fail
    if not (backends / f"backend_{name.lower()}.py").is_file():
        os.environ["MPLBACKEND"] = "Agg"


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_memory() -> None:
    """Memory that an array no longer needs stays with the process, where its C library can be told so (glibc).

    Else what is freed goes back to the system, in part, and at the next step is asked for again, page by page.
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library, or a system without one to be asked
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, 2**30)
        library.mallopt(M_MMAP_THRESHOLD, 2**25)  # the largest that it takes


def missing_folder() -> str | None:
    """What to say where the current folder is not there any more."""
    try:
        os.getcwd()
    except OSError:
        return "the current folder was deleted, or may not be read: change into another"
    return None
