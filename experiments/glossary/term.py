"""What the glossary holds of one word or sign."""

from __future__ import annotations

import re
from typing import NamedTuple


class Term(NamedTuple):
    """One entry.

    Args:
        term: as the lessons write it.
        said: how it is read aloud.
        numpy: in code; empty where it is no expression.
        meaning: in one sentence.
        concept: that introduces it.
        pattern: a regular expression that finds it in a text; the term itself, as a whole word, unless given.
    """

    term: str
    said: str
    numpy: str
    meaning: str
    concept: str
    pattern: str = ""

    def is_in(self, text: str) -> bool:
        """Whether a text uses it."""
        return re.search(self.pattern or rf"(?<!\w){re.escape(self.term)}(?!\w)", text) is not None
