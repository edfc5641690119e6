"""`show`: TensorBoard over the runs of a concept, or over all, in the browser."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import webbrowser
from pathlib import Path
from urllib.parse import quote

from experiments.commands.status import AGREE, BAD_INPUT

PINNED = ("loss/train", "digits of agreement/gradient")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `show`."""
    parser.add_argument("concept", nargs="?", metavar="CONCEPT", help="its runs only")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of the runs (default runs)")
    parser.add_argument("--port", type=int, default=0, help="of the page (default: one that is free)")


def main(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Returns the exit status."""
    from experiments.curriculum import UnknownConcept, entry

    try:
        folder = options.runs / entry(options.concept).name if options.concept else options.runs
    except UnknownConcept as unknown:
        print(f"error: {unknown}", file=sys.stderr)
        return BAD_INPUT
    if not any(folder.glob("**/events.out.tfevents.*")):
        print(f"error: there is no run in {folder}: begin with python -m experiments run {options.concept or 'CONCEPT'}", file=sys.stderr)
        return BAD_INPUT
    try:
        address = serve(folder, options.port)
    except Exception as error:  # TensorBoard's own: a port that is taken, or none
        print(f"error: TensorBoard did not start: {error}", file=sys.stderr)
        return BAD_INPUT
    single = len(list(folder.glob("**/compare"))) == 1
    page = address + view(single)
    print(f"TensorBoard: {page}\nStop it with Ctrl-C.", flush=True)
    webbrowser.open(page)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
    return AGREE


def serve(folder: Path, port: int) -> str:
    """Start TensorBoard over a folder, for this machine alone; returns its address."""
    from tensorboard import program

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    board = program.TensorBoard()
    board.configure(argv=["tensorboard", "--logdir", str(folder), "--host", "127.0.0.1", "--port", str(port), "--load_fast", "false"])
    return str(board.launch())


def view(single: bool) -> str:
    """What is shown first: the loss of both sides and their agreement, unsmoothed; of a single run coloured by side."""
    pinned = quote(json.dumps([{"plugin": "scalars", "tag": tag} for tag in PINNED], separators=(",", ":")))
    colours = f"&runColorGroup={quote('regex:(manual|torch|compare|required)')}" if single else ""
    return f"?smoothing=0{colours}&pinnedCards={pinned}#timeseries"
