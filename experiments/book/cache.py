"""What a page needs to be measured is measured once, and kept under the hash of everything that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from experiments.book.imports import OURS, files_needed
from experiments.commands.report import versions
from experiments.curriculum import ROOT, entry

NOTHING_MEASURED = {ROOT / "experiments" / file for file in ("curriculum.py", "book/cache.py", "book/imports.py")}
"""These say where a concept stands, and where what was measured is kept: nothing that is measured hangs on them."""


@cache
def digest(file: Path) -> bytes:
    """Of its name and its text."""
    return hashlib.sha256(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes()).digest()


@cache
def libraries() -> bytes:
    """The versions of all that the numbers depend on and that is not ours."""
    return json.dumps(versions(), sort_keys=True).encode()


def key(modules: Iterable[str]) -> str:
    """Of all that is measured by running these modules: the files that this goes through, and the versions of the libraries."""
    digests = b"".join(digest(file) for file in sorted(files_needed(modules) - NOTHING_MEASURED))
    return hashlib.sha256(digests + libraries()).hexdigest()[:16]


def place(root: Path, name: str) -> Path:
    """The folder for what is measured of a concept, as the code is now.

    Args:
        root: of all of them.
        name: of the concept.
    """
    e = entry(name)
    return root / f"{name}-{key([*(f'{side}.{e.chapter}.{name}' for side in OURS), 'experiments.book.measured'])}"


class Kept:
    """What was measured of one concept, or of the whole.

    Args:
        folder: that it is in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
