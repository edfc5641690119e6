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
from experiments.doctor.telling import tell
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
            "file": options.file.stem,
            "folder": str(options.file.resolve().parent),
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
        tell(say, finding, file.name)
    if answer["trouble"]:
        say(answer["trouble"])
    if answer["printed"]:
        say(f"What the file printed:\n{answer['printed']}")
