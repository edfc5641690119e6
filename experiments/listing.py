"""`list`: the curriculum, the beginner's path, the way to a concept, and the words. It imports nothing that takes long."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import sys
import textwrap
from itertools import groupby
from pathlib import Path

from experiments import curriculum
from experiments.commands.status import AGREE, BAD_INPUT
from experiments.curriculum import PATH, UnknownConcept, entries, entry, minutes

PATH_HELP = "what to read to get to this one, in order, with its minutes and what you have solved (default: the beginner's path)"
WORDS_HELP = "what a word or a symbol means, and which concept explains it (default: all, in the order in which they are met)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--path", nargs="?", const=True, metavar="CONCEPT", help=PATH_HELP)
    which.add_argument("--words", nargs="?", const=True, metavar="WORD", help=WORDS_HELP)
    parser.add_argument("--markdown", action="store_true", help="as the table in the README")


def show_list(options: argparse.Namespace) -> int:
    """Print what is asked for."""
    try:
        if options.words is not None:
            print("\n".join(words(options.words)))
        elif options.path is not None:
            names = list(PATH) if options.path is True else curriculum.path(options.path)
            print("\n".join(curriculum.markdown_path(names) if options.markdown else the_path(names)))
        else:
            print("\n".join(curriculum.markdown() if options.markdown else chapters()))
    except (UnknownConcept, UnknownWord) as unknown:
        print(f"error: {unknown}", file=sys.stderr)
        return BAD_INPUT
    return AGREE


def chapters() -> list[str]:
    """The whole curriculum."""
    width = max(len(e.name) for e in entries())
    lines = []
    for chapter, of in groupby(entries(), key=lambda e: e.chapter):
        lines += ["", chapter, *(f"  {e.name:{width}}  {e.title}" for e in of)]
    return lines[1:]


def the_path(names: list[str]) -> list[str]:
    """Concepts in the order in which they are to be read, with their minutes and what has been solved of each."""
    from experiments.exercises.listing import solved
    from experiments.exercises.progress import Progress

    width, progress, total = max(*map(len, names), 7), Progress(Path("exercises")), 0
    lines = [f"  {'concept':{width}}  minutes  solved"]
    for e in map(entry, names):
        total += minutes(e)
        lines.append(f"  {e.name:{width}}  {minutes(e):7}  {solved(e, progress):6}  {e.title}")
    lines += ["", f"To read: {total // 60} h {total % 60} min, slowly. Solved: of the exercises, by exercises/progress.txt."]
    left = next((name for name in names if solved(entry(name), progress).startswith("0 ")), None)
    return [*lines, f"Next: python -m experiments run {left}"] if left else lines


class UnknownWord(LookupError):
    """No lesson explains it; the message names the nearest."""


def part(wanted: str, term: str) -> bool:
    """Whether a term has this word in it, or this sign: ∂ is explained as part of ∂L/∂w."""
    if wanted.isascii() and wanted.isalnum():
        return re.search(rf"(?<![a-z0-9]){wanted}(?![a-z0-9])", term, re.IGNORECASE) is not None
    return bool(wanted.strip()) and wanted.lower() in term.lower()


def words(wanted: str | bool = True) -> list[str]:
    """The glossary, or the entries of one word; if a word or sign has none of its own, those that it is part of.

    Raises:
        UnknownWord: if there is none.
    """
    from experiments.glossary import TERMS

    found = [t for t in TERMS if wanted is True or str(wanted).lower() in (t.term.lower(), t.said.lower())]
    found = found or [t for t in TERMS if part(str(wanted), t.term) or part(str(wanted), t.said)]
    if not found:
        names = dict.fromkeys(name for t in TERMS for name in (t.term, t.said))
        near = difflib.get_close_matches(str(wanted), list(names), n=3, cutoff=0.5)
        raise UnknownWord(f"no lesson explains {wanted!r}: " + (f"did you mean {' or '.join(near)}?" if near else "see `list --words`"))
    width, lines = shutil.get_terminal_size().columns, []
    for concept, of in groupby(found, key=lambda t: t.concept):
        lines += ["", f"{concept}: {entry(concept).title}"]
        for t in of:
            said = "" if t.said == t.term else f' (say "{t.said}")'
            code = f" In code: {t.numpy}" if t.numpy else ""
            lines += textwrap.wrap(f"{t.term}{said}: {t.meaning}.{code}", width, initial_indent="  ", subsequent_indent="      ")
    return lines[1:]
