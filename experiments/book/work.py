"""What is not kept already is measured, on all cores, what takes longest first."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from os import cpu_count
from pathlib import Path
from threading import Thread
from typing import Any

from experiments.book.cache import Kept, key, place
from experiments.book.measured import measure
from experiments.book.whole import MODULES, PARTS
from experiments.commands.surroundings import keep_memory


def measure_all(root: Path, names: Iterable[str], told: Callable[[str], Any] = print) -> dict[str, Kept]:
    """Measure these concepts and the project as a whole, as far as it is not kept; what is of another state of the code goes.

    Args:
        root: of what is kept.
        names: of the concepts.
        told: is given a line for each one that is done.

    Returns: what is kept, by the name of the concept, or of the part of the whole.
    """
    folders = {name: place(root, name) for name in names} | {part: root / f"{part}-{key(of)}" for part, of in MODULES.items()}
    for name, folder in folders.items():
        for old in root.glob(f"{name}-*"):
            if old != folder and old.name.rpartition("-")[0] == name:
                shutil.rmtree(old)
    kept = {name: Kept(folder) for name, folder in folders.items()}
    seconds = Seconds(root / "seconds.json")
    todo = seconds.longest_first([name for name, k in kept.items() if not k.is_there])
    in_parallel = [name for name in todo if name != "speed"]
    if in_parallel:
        with ProcessPoolExecutor(min(len(in_parallel), cpu_count() or 1), get_context("spawn"), begin_worker) as pool:
            waiting = {pool.submit(one, folders[name], name): name for name in in_parallel}
            with ending_children():
                for done, future in enumerate(as_completed(waiting), 1):
                    seconds.keep(waiting[future], future.result())
                    told(f"  {done} of {len(todo)}: {waiting[future]}")
    if "speed" in todo:  # in the end, when nothing else runs
        seconds.keep("speed", one(folders["speed"], "speed"))
        told(f"  {len(todo)} of {len(todo)}: speed")
    return kept


@contextmanager
def ending_children() -> Iterator[None]:
    """What ends the `with` early ends all processes that this one began: a pool would wait for all that its workers were asked."""
    try:
        yield
    except BaseException:
        for child in active_children():
            child.terminate()
        raise


def begin_worker() -> None:
    """Ctrl-C ends a worker without a word: it is told once. Whatever ends the process that began it ends it too. Memory stays with it."""
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the end of the process that began this one, and end: nobody would ever tell a worker of a killed one to."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def one(folder: Path, name: str) -> dict[str, float]:
    """Measure a concept, or a part of the whole. Returns the seconds of the processor that it took, by parts."""
    if name not in PARTS:
        return measure(folder, name)
    began = time.process_time()
    PARTS[name](folder)
    return {name: round(time.process_time() - began, 2)}


class Seconds:
    """How long each part of each concept took when it was measured last: the longest is begun first, or all would wait for it in the end.

    Args:
        file: that they stand in.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, dict[str, float]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def longest_first(self, names: Sequence[str]) -> list[str]:
        """These concepts; before all others those of which nothing is known, the last of the curriculum first: they are the larger."""
        longest = [sum(self.known[name].values()) if name in self.known else math.inf for name in names]
        return [names[i] for i in sorted(range(len(names)), key=lambda i: (-longest[i], -i))]

    def keep(self, name: str, parts: dict[str, float]) -> None:
        """Remember it."""
        self.known[name] = parts
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.known, indent=1), encoding="utf-8")
