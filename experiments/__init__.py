"""What is trained on what, and the machinery that trains both sides and compares them.

`twins()` yields every pair of the curriculum, `twin(name)` gives one, `run(name)` trains it from the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing a Twin imports torch and Lightning; listing concepts must not
    from experiments.pair import Twin


def twin(name: str) -> Twin:
    """The pair of this name.

    Raises:
        UnknownConcept: with the nearest names.
    """
    from importlib import import_module

    from experiments.curriculum import entry

    found = entry(name)
    return import_module(f"experiments.{found.chapter}.{found.name}").TWIN


def twins() -> Iterator[Twin]:
    """All pairs, in teaching order."""
    from experiments.curriculum import entries

    return (twin(e.name) for e in entries())


def run(name: str) -> None:
    """Train both sides of a concept as the command line says, and exit with its status."""
    from experiments.__main__ import main

    sys.exit(main(["run", name, *sys.argv[1:]]))
