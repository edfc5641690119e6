"""`book`: a web book of all concepts, layers and optimizers, made from the code.

It is written into the folder book/, begins at book/index.html, and needs no server and no network. What a page measures (a run, its
figures, the verdict) is kept there, and measured again only where the code has changed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import webbrowser
from pathlib import Path

from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE


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
        print(f"error: {unknown}", file=sys.stderr)
        return BAD_INPUT
    made = [e for e in entries() if e in wanted or not wanted]
    from experiments.book.site import CACHE, build
    from experiments.book.work import measure_all

    print(f"{len(made)} concepts are looked at …", flush=True)
    try:
        kept = measure_all(options.out / CACHE / "measured", [e.name for e in made], lambda line: print(line, flush=True))
        print("Pages are written …", flush=True)
        warned = build(options.out, made, kept)
    except FileNotFoundError as gone:
        if not is_in(gone.filename, options.out / CACHE):
            raise
        print(f"error: {gone.filename} was deleted while the book was made: make it again", file=sys.stderr)
        return BAD_INPUT
    address = (options.out / "index.html").resolve()
    if warned:
        print(warned, file=sys.stderr)
    print(f"The book: {address}")
    if options.open:
        webbrowser.open(address.as_uri())
    return DISAGREE if warned else AGREE


def is_in(file: object, folder: Path) -> bool:
    """Whether the name of a file that an error is about lies in this folder."""
    return isinstance(file, str | Path) and Path(file).resolve().is_relative_to(folder.resolve())
