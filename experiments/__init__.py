"""What is trained on what, and the machinery that trains both sides and compares them.

`twins()` yields every pair of the curriculum, `twin(name)` gives one, `run(name)` trains it from the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing a Twin imports torch and Lightning; listing concepts must not
    from experiments.commands.result import Result
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


def run(name: str, *arguments: str) -> Result:
    """Train both sides of a concept, with these options: run("one_weight", "--model.lr", "0.1").

    In a notebook, or any Python of one's own, it returns what came of it (`experiments.commands.result.Result`), and the notebook shows the
    figures. The concept's own script, which calls it without options, takes those of the command line, and exits with its status.

    Raises:
        UnknownConcept: with the nearest names.
        Failed: if nothing came of it; why has been printed.
    """
    import os
    from pathlib import Path

    from experiments.curriculum import entry

    found = entry(name)
    script = Path(__file__).parent / found.chapter / f"{found.name}.py"
    started = getattr(sys.modules["__main__"], "__file__", None)
    if started and Path(started).resolve() == script.resolve():
        from experiments.__main__ import main

        sys.exit(main(["run", name, *sys.argv[1:]]))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from experiments.commands.result import result_of

    return result_of(found.name, list(arguments))
