"""`book`: a web book of all concepts, layers and optimizers, made from the code.

It is written into the folder book/, begins at book/index.html, and needs no server and no network. What a page measures (a run, its
figures, the verdict) is kept there, and measured again only where the code has changed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from experiments.book.left import CACHE, is_as_left, leave, made_from
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.curriculum import Entry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `book`."""
    parser.add_argument("concepts", nargs="*", metavar="CONCEPT", help="a book of these only (default: all)")
    parser.add_argument("--out", type=Path, default=Path("book"), help="the folder (default book)")
    parser.add_argument("--open", action="store_true", help="show it in the browser")


def main(options: argparse.Namespace) -> int:
    """Make it. Returns the exit status."""
    from experiments.curriculum import UnknownConcept, entries, entry

    missing = [name for name in ("sphinx", "pydata_sphinx_theme") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"error: {' and '.join(missing)} must be installed first: pip install -e '.[book]'", file=sys.stderr)
        return BAD_INPUT
    try:
        wanted = {entry(name) for name in options.concepts}
    except UnknownConcept as unknown:
        print(f"error: {without_concept(options.concepts) or unknown}", file=sys.stderr)
        return BAD_INPUT
    made = [e for e in entries() if e in wanted or not wanted]
    print(f"{len(made)} concepts are looked at …", flush=True)
    warned = "" if is_as_left(options.out, whole := made_from(e.name for e in made)) else write(options.out, made)
    if warned is None:
        return BAD_INPUT
    address = (options.out / "index.html").resolve()
    if warned:
        print(warned, file=sys.stderr)
    else:
        leave(options.out, whole)
    print(f"The book: {address}")
    if options.open:
        webbrowser.open(address.as_uri())
    return DISAGREE if warned else AGREE


def without_concept(names: Sequence[str]) -> str | None:
    """That a layer or an optimizer has its page in the whole book, if one of these names is one's."""
    from manual import nn, optim

    known = (n for n in names if n.isidentifier() and (hasattr(nn, n) or hasattr(optim, n)))
    return next((f"{name} is no concept: its page comes with the whole book, `python -m experiments book`" for name in known), None)


def write(folder: Path, made: Sequence[Entry]) -> str | None:
    """Measure what is not measured, and write the book of these concepts. Returns what Sphinx warned of; None where it cannot be."""
    from experiments.book.site import build
    from experiments.book.work import measure_all

    try:
        kept = measure_all(folder / CACHE / "measured", [e.name for e in made], lambda line: print(line, flush=True))
        print("Pages are written …", flush=True)
        return build(folder, made, kept)
    except FileNotFoundError as gone:
        if not is_in(gone.filename, folder / CACHE):
            raise
        print(f"error: {gone.filename} was deleted while the book was made: make it again", file=sys.stderr)
        return None


def is_in(file: object, folder: Path) -> bool:
    """Whether the name of a file that an error is about lies in this folder."""
    return isinstance(file, str | Path) and Path(file).resolve().is_relative_to(folder.resolve())
