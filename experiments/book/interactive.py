"""What a reader moves, on the page of a concept: the HTML around it, and its data as a script, which a page without a server can read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.drawing.interactive import Interactive, picked

FILE = "interactive.json"
"""In the folder of what was measured of a concept."""

SCRIPT = "interactive.js"
"""Beside its figures."""


def keep(folder: Path, shown: Sequence[Interactive]) -> None:
    """Compute all positions, and write them.

    Args:
        folder: of what was measured.
        shown: what can be moved.
    """
    if shown:
        (folder / FILE).parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([of.data() for of in shown], ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        (folder / FILE).write_text(text, encoding="utf-8")


def kept(folder: Path) -> list[dict[str, Any]]:
    """What was written, as `Interactive.data` gives it; nothing where nothing can be moved."""
    file = folder / FILE
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return found


def script(folder: Path) -> str:
    """The same as JavaScript: from a file no page may fetch JSON, but any page may load a script."""
    return f"window.gradtwin = {(folder / FILE).read_text(encoding='utf-8')};\n"


def for_page(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is written into the page itself: all but the numbers, and the sentence of the first position."""
    return [{**of, "says": said(of, [slider["at"] for slider in of["sliders"]])} for of in found]


def said(of: Mapping[str, Any], at: Sequence[int]) -> str:
    """What is said at these positions of all sliders."""
    return " ".join(picked(part, at) for part in of["says"])
