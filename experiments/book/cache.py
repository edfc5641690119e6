"""What a page needs to be measured is measured once, and kept under the hash of everything that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from experiments.commands.report import versions
from experiments.curriculum import ROOT, Entry, path

SPINE = (
    *("manual/*.py", "manual/nn/**/*.py", "manual/optim/**/*.py", "torch_impl/*.py", "experiments/*.py", "experiments/book/measured.py"),
    *(f"experiments/{folder}/**/*.py" for folder in ("data", "judge", "lockstep", "drawing")),
)
"""What every run depends on."""


def digest(files: Iterable[Path]) -> str:
    """Of the text of these files, wherever they stand."""
    found = hashlib.sha256()
    for file in sorted(set(files)):
        found.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


@cache
def of_spine() -> str:
    """Of what every run depends on, and of the versions of the libraries."""
    return digest(f for pattern in SPINE for f in ROOT.glob(pattern)) + json.dumps(versions(), sort_keys=True)


def key(e: Entry) -> str:
    """Of everything that the page of a concept depends on: its files, those of all that it needs, and the spine."""
    from experiments.curriculum import entry

    needed = [entry(name).path for name in path(e.name)]
    files = [ROOT / tree / file for file in needed for tree in ("manual", "torch_impl", "experiments")]
    return hashlib.sha256((digest(files) + of_spine()).encode()).hexdigest()[:16]


class Kept:
    """A folder with what was measured of one concept.

    Args:
        root: of all of them.
        e: the concept.
    """

    def __init__(self, root: Path, e: Entry) -> None:
        self.root, self.name = root, e.name
        self.folder = root / f"{e.name}-{key(e)}"

    @property
    def is_there(self) -> bool:
        """Whether it was measured to its end."""
        return (self.folder / "told.json").is_file()

    def told(self) -> dict[str, Any]:
        """What was written."""
        found: dict[str, Any] = json.loads((self.folder / "told.json").read_text(encoding="utf-8"))
        return found

    def tell(self, what: dict[str, Any]) -> None:
        """Write it, last of all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "told.json").write_text(json.dumps(what, ensure_ascii=False, indent=1), encoding="utf-8")
