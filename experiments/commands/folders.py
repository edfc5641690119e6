"""The folder of a run: claimed by making it, marked as long as the run is not finished, and given back if nothing came of it."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from experiments.data.arrays import InputError

MARK = "unfinished"
"""The file in a run's folder that is there from its beginning to its end, and held by the process that trains."""


def claim(root: Path, label: str = "") -> Path:
    """Make the folder version_N of the next number: of several who want the same one only one can make it.

    Args:
        root: of all runs of the concept.
        label: what else the folder is called, after its number.

    Raises:
        InputError: if it cannot be made.
    """
    number = 0
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = [re.fullmatch(r"version_(\d+)(-.*)?", p.name) for p in root.glob("version_*")]
        number = max((int(m[1]) + 1 for m in taken if m), default=0)
        while True:
            with suppress(FileExistsError):
                (root / f"version_{number}{label}").mkdir()
                return root / f"version_{number}{label}"
            number += 1
    except OSError as error:
        raise cannot_be_written(root / f"version_{number}", error) from error


def cannot_be_written(folder: Path, error: OSError) -> InputError:
    """What to say, and what to do."""
    return InputError(f"the run directory {folder} cannot be written ({error.strerror}): choose one with --trainer.default_root_dir")


class Mark:
    """Marks a run's folder as unfinished, and says to other processes that this one is at work in it.

    Args:
        folder: of the run.

    Raises:
        InputError: if another process is at work in it.
        OSError: if it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / MARK
        self.found = self.path.exists()  # from an earlier process, which did not finish the run
        self.file = self.path.open("a")
        if not hold(self.file):
            self.file.close()
            raise InputError(f"{folder} is being trained by another process just now")

    def leave(self) -> None:
        """Let others go on with the run."""
        self.file.close()

    def take_back(self) -> None:
        """Nothing was done: it is as it was found."""
        self.leave() if self.found else self.remove()

    def remove(self) -> None:
        """The run is finished."""
        self.path.unlink(missing_ok=True)
        self.file.close()


def hold(file: Any) -> bool:
    """Lock an open file for this process; whether no other had. Where the system has no such locks, none is ever held."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def unfinished(root: Path) -> list[Path]:
    """The folders of runs that were ended before their end, and that no process is at work in."""
    found = []
    for mark in sorted(root.glob(f"version_*/{MARK}")):
        with suppress(OSError), mark.open("a") as file:
            if hold(file):
                found.append(mark.parent)
    return found


def give_back(folder: Path) -> None:
    """Remove the folder of a run that has not begun, and the folders above it that are empty then."""
    shutil.rmtree(folder, ignore_errors=True)
    for above in (folder.parent, folder.parent.parent):
        with suppress(OSError):
            above.rmdir()
