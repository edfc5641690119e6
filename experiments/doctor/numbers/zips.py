"""What zip leaves out: a loop through two arrays of different lengths ends with the shorter one, and says nothing."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import numpy as np


class Watched:
    """zip, as it is; it counts how often arrays were of different lengths."""

    def __init__(self) -> None:
        self.uneven = 0

    def __call__(self, *of: Iterable[Any], strict: bool = False) -> Iterator[Any]:
        """Go through all of them together."""
        lengths = {len(v) for v in of if isinstance(v, np.ndarray) and v.ndim}
        self.uneven += len(lengths) > 1
        return builtins.zip(*of, strict=strict)


@contextmanager
def watched(namespace: MutableMapping[str, Any]) -> Iterator[Watched]:
    """Let a file's functions go through arrays with a zip that counts."""
    counts = Watched()
    ours = "zip" not in namespace
    if ours:
        namespace["zip"] = counts
    try:
        yield counts
    finally:
        if ours:
            del namespace["zip"]
