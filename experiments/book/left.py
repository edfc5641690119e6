"""Whether a book is as it was left, and nothing has changed that it is made from: then it need not even be looked through."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

from experiments.book.imports import OURS
from experiments.curriculum import ROOT

CACHE = ".cache"
"""In the folder of a book: what was measured, the sources, what Sphinx remembers, and what it was made from."""

STAMP = "left.json"
"""In the cache of a book: what it was made from, and its files."""


def made_from(names: Iterable[str]) -> str:
    """A hash of all that a book of these concepts hangs on: every file of the project, and the versions of all that is installed."""
    found = hashlib.sha256(json.dumps([*names, sys.version]).encode())
    files = [p for side in OURS for p in (ROOT / side).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    for file in sorted([*files, ROOT / "README.md"]):
        found.update(str(file.relative_to(ROOT)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    found.update(json.dumps(sorted(f"{of.name} {of.version}" for of in distributions())).encode())
    return found.hexdigest()


def sizes(folder: Path) -> dict[str, int]:
    """Of all files of a book, by their paths in it."""
    return {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file() and p.name != STAMP}


def leave(folder: Path, whole: str) -> None:
    """Write down that the book in this folder is made from what has this hash."""
    (folder / CACHE / STAMP).write_text(json.dumps({"from": whole, "files": sizes(folder)}), encoding="utf-8")


def is_as_left(folder: Path, whole: str) -> bool:
    """Whether it was, and every file is still there, and as long."""
    stamp = folder / CACHE / STAMP
    if not stamp.is_file():
        return False
    left = json.loads(stamp.read_text(encoding="utf-8"))
    return bool(left["from"] == whole and left["files"].items() <= sizes(folder).items())
