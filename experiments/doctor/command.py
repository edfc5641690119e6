"""`doctor`: is the backward in a file right? If not: which line is wrong, what is wrong with it, and what would be right."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.doctor.ward import TooLong, ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `doctor`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a Python file with a forward and a backward in NumPy")
    parser.add_argument("--forward", metavar="NAME", help="where it is not found by its name: f, or Layer.f")
    parser.add_argument("--backward", metavar="NAME", help="likewise")
    parser.add_argument("--loss", metavar="NAME", help="the function that makes one number of what forward returns")
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=SHAPE", help="the shape of an argument: x=5,3; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default 0)")
    parser.add_argument("--seconds", type=float, default=30.0, help="after which it is given up (default 30)")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def main(options: argparse.Namespace) -> int:
    """Examine a file. Returns 0 if every gradient is right, 1 if not, 2 if it cannot be examined."""
    try:
        question = {
            "source": options.file.read_text(encoding="utf-8"),
            "shapes": dict(map(shape, options.input)),
            **{name: getattr(options, name) for name in ("forward", "backward", "loss", "seed")},
        }
        answer = ask(question, options.seconds)
    except (OSError, UnicodeDecodeError, ValueError, TooLong) as error:
        print(f"error: {options.file}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return BAD_INPUT
    if options.json:
        print(json.dumps(answer))
    else:
        show(answer, options.file)
    if answer["trouble"] or any(f["trouble"] for f in answer["findings"]):
        return BAD_INPUT
    return AGREE if all(f["right"] for f in answer["findings"]) else DISAGREE


def shape(text: str) -> tuple[str, list[int]]:
    """x=5,3 or x=(5, 3).

    Raises:
        ValueError: if it is something else.
    """
    found = re.fullmatch(r"([\w.]+)=\(?\s*(\d+(?:\s*,\s*\d+)*)?\s*,?\s*\)?", text.strip())
    if not found:
        raise ValueError(f"--input {text}: expected NAME=SHAPE, as x=5,3")
    return found[1], [int(n) for n in re.findall(r"\d+", found[2] or "")]


def show(answer: dict[str, Any], file: Path) -> None:
    """For people."""
    console = Console()

    def say(text: str, **settings: Any) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True, **settings)

    for finding in answer["findings"]:
        say(
            f"{finding['name']} and {finding['backward']}: "
            + ("right" if finding["right"] else "not examined" if finding["trouble"] else "wrong")
        )
        if finding["trouble"]:
            say(f"  {finding['trouble']}")
        for g in finding["gradients"]:
            size = " × ".join(map(str, g["shape"])) or "a number"
            say(f"  gradient of {g['value']:12} {size:>10} {g['digits']:3.0f} digits  ", end="")
            say("right" if g["right"] else "wrong", style="green" if g["right"] else "bold red")
        for fault in finding["faults"]:
            show_fault(say, fault, file)
        for note in finding["notes"]:
            say(f"  {note}")
        if not (finding["right"] or finding["faults"] or finding["trouble"]):
            say("  Every line that could be looked at is right by itself: a gradient on the way has no name, or a path has none at all.")
    if answer["trouble"]:
        say(answer["trouble"])
    if answer["printed"]:
        say(f"What the file printed:\n{answer['printed']}")


def show_fault(say: Any, fault: dict[str, Any], file: Path) -> None:
    """A line that is wrong: where, what, and the mend."""
    say(f"\n  {file.name}, line {fault['line']}: what came into this line was right, what it computes is not.")
    if fault["what"]:
        say(f"  {fault['label']} is {fault['what']}.")
    if fault["mend"]:
        say(f"    - {fault['mend']['before']}", style="red")
        say(f"    + {fault['mend']['after']}", style="green")
        say("  With the second line it is right, on inputs of two sizes.")
    else:
        say(f"    {fault['text']}")
