"""How the exercises speak: paragraphs as wide as the terminal, and never wider than can be read."""

from __future__ import annotations

from rich.console import Console

from experiments.commands import asking
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, Verdict

WIDEST = 100
"""Columns of a paragraph."""


def wrapped(text: str) -> list[str]:
    """A paragraph in lines; what is indented, or a line of a list, stays so."""
    inside = len(text) - len(text.lstrip(" "))
    if inside >= 4:  # code
        return [text]
    hanging = " " * (inside + 2) if text.lstrip().startswith("- ") else " " * inside
    return asking.wrapped(text, rest=hanging, widest=WIDEST).splitlines() or [""]


def say(console: Console, *texts: str, style: str | None = None) -> None:
    """Paragraphs, each on a line of its own or several."""
    for text in texts:
        for line in wrapped(text):
            console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def say_verdict(console: Console, name: str, verdict: Verdict) -> None:
    """Right or wrong; each gradient with its digits; the sentences; what the file printed."""
    colour = {RIGHT: "bold green", NOT_BEGUN: "yellow"}.get(verdict.state, "bold red")
    say(console, f"{name}: {verdict.state}", style=colour)
    shapes = [" × ".join(map(str, g.shape)) if g.shape else "one number" if g.shape == () else "" for g in verdict.gradients]
    columns = max([len(g.name) for g in verdict.gradients], default=0), max(map(len, shapes), default=0)
    for g, shape in zip(verdict.gradients, shapes, strict=True):
        mark = "right" if g.right else "wrong"
        agree = f"{g.digits:2.0f} digits" if g.digits >= 0.5 or g.right else "no digit "
        line = f"  {g.name:{columns[0]}}  {shape:>{columns[1]}}  {agree}  {mark}"
        console.print(line, style=None if g.right else "red", highlight=False, markup=False, soft_wrap=True)
    say(console, *verdict.sentences)
    if verdict.printed:
        say(console, "The file printed:", *(f"    {line}" for line in verdict.printed.rstrip().splitlines()))
