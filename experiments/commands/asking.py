"""Questions with choices, asked at the prompt: how they are laid out, and how an answer is read."""

from __future__ import annotations

import shutil
import string
import sys
import textwrap
from collections.abc import Sequence

LETTERS = string.ascii_lowercase


def wrapped(text: str, first: str = "", rest: str = "", widest: int = 80) -> str:
    """Text as wide as the terminal.

    Args:
        text: a paragraph.
        first: what its first line begins with.
        rest: what the others do.
        widest: more columns than this are not used.
    """
    width = max(30, min(widest, shutil.get_terminal_size().columns))
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False, break_long_words=False)


def laid_out(number: int, text: str, choices: Sequence[str]) -> str:
    """A question with its number, and under it the choices with their letters."""
    lines = [wrapped(text, f"{number}. ", "   ")]
    lines += [wrapped(choice, f"   {letter}  ", "      ") for letter, choice in zip(LETTERS, choices, strict=False)]
    return "\n".join(lines)


def chosen(answer: str, choices: Sequence[str]) -> int | None:
    """Which of the choices is meant, by its letter, its number or its words; None if none is."""
    said = answer.strip().rstrip(".)").lower()
    if said.isdecimal() and 1 <= int(said) <= len(choices):
        return int(said) - 1
    names = (LETTERS[: len(choices)], [choice.lower() for choice in choices])
    return next((list(of).index(said) for of in names if said in list(of)), None)


def what_is_asked_for(choices: Sequence[str]) -> str:
    """How to answer: "a, b or c"."""
    letters = LETTERS[: len(choices)]
    return f"{', '.join(letters[:-1])} or {letters[-1]}"


def typed(prompt: str) -> str | None:
    """The next line of standard input; None where there is none any more (Ctrl-D, or the end of a file).

    What is not typed at a terminal is repeated on the screen, so that a printout can be read.
    """
    try:
        print(prompt, end="", flush=True)
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        print()
        raise
    if not line:
        print()
        return None
    if not sys.stdin.isatty():
        print(line.strip())
    return line.strip()


def choose(choices: Sequence[str]) -> int | None:
    """Ask until one of the choices is named. Returns its index, or None at the end of the input."""
    while (answer := typed("   Your answer: ")) is not None:
        if (index := chosen(answer, choices)) is not None:
            return index
        print(wrapped(f"{answer or 'Nothing'} is none of the choices: say {what_is_asked_for(choices)}.", "   ", "   "))
    return None
