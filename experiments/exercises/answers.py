"""Answers that a learner writes into a file: names that hold numbers, tuples and lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.exercises.verdict import Gradient, Verdict, wrong


def answers_in(text: str, file: str, *names: str) -> dict[str, Any] | Verdict:
    """What a file's names hold after it has run, or what is to be said if it does not run or lacks one of them."""
    found: dict[str, Any] = {"__name__": "exercise"}
    try:
        exec(compile(text, file, "exec"), found)
    except SyntaxError as error:
        return wrong(f"Line {error.lineno} is no Python: {error.msg}.", "no Python")
    except Exception as error:  # whatever a learner's file may raise
        return wrong(f"The file does not run: {type(error).__name__}: {error}", "cannot be read")
    if missing := [name for name in names if name not in found]:
        return wrong(f"The file has no {' and no '.join(missing)} any more.", "cannot be read")
    return found


def told(judged: Sequence[Gradient], what: str) -> list[str]:
    """How many are right, and what is wrong with the others that are answered; of those that are not, how many."""
    bad = [g for g in judged if not g.right]
    answered = [g for g in bad if g.what != "not answered"]
    said = [f"{len(judged) - len(bad)} of {len(judged)} {what} are right."]
    said += [f"- {g.name}: {g.what}." for g in answered[:5]]
    if len(answered) > 5:
        said.append(f"- and {len(answered) - 5} more")
    if len(bad) > len(answered):
        said.append(f"{len(bad) - len(answered)} are not answered yet.")
    return said
