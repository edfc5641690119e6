"""Every symbol and term of the lessons: how it is said, what it is in NumPy, what it means, and which concept introduces it.

A term may be used by the concept that introduces it and by those that are read after it; a test reads the lessons and sees to that.
Each chapter has a file of them here.
"""

from __future__ import annotations

from importlib import import_module
from itertools import chain

from experiments import curriculum
from experiments.glossary.term import Term

__all__ = ["TERMS", "Term"]


def terms() -> tuple[Term, ...]:
    """Those of all chapters, in the order in which a reader meets them: first along the beginner's path, then by chapter."""
    met = [*curriculum.PATH, *chain(*curriculum.CHAPTERS.values())]  # a name stands where it is met first
    of_chapters = (import_module(f"{__name__}.{chapter}").TERMS for chapter in curriculum.CHAPTERS)
    return tuple(sorted(chain(*of_chapters), key=lambda term: met.index(term.concept)))


TERMS = terms()
"""In the order in which they are met."""
