"""The command line: `python -m experiments COMMAND`; without one it says what there is."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from experiments import listing
from experiments.commands.status import AGREE, BAD_INPUT, INTERRUPTED, TERMINATED
from experiments.commands.surroundings import (
    Terminated,
    give_backend,
    give_streams,
    keep_memory,
    listening_to_sigterm,
    lose_stdout,
    missing_folder,
)


def named(called: str) -> str:
    """How to call it again, from the path by which it was called."""
    return "gradtwin" if Path(called).stem == "gradtwin" else "python -m experiments"


PROGRAM = named(sys.argv[0])

EPILOG = f"""\
examples:
  {PROGRAM} check             are all pairs equal?
  {PROGRAM} run digits_mlp    train both sides, see them agree
  {PROGRAM} run digits_mlp --trainer.max_epochs 5
  {PROGRAM} run digits_mlp --help

exit status: 0 agree, 1 disagree (or a loss that is not finite, a figure that
cannot be drawn, or a wrong answer), 2 bad usage or input, 130 interrupted,
143 terminated
"""


RUN = """\
Train both sides of a concept, in lock-step. What there is: list. What a concept
can be asked to do differently: run CONCEPT --help.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    give_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a character shows ? in its place
            stream.reconfigure(errors="replace")
    with listening_to_sigterm():
        try:
            status = dispatch(arguments)
            sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        except Terminated:
            print("terminated", file=sys.stderr)
            return TERMINATED
        except BrokenPipeError:  # the reader of our output, `head` for instance, has closed it
            lose_stdout()
            return BAD_INPUT
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            lose_stdout()
            print(f"error: nothing more can be written ({error.strerror})", file=sys.stderr)
            return BAD_INPUT


def dispatch(arguments: list[str]) -> int:
    """Hand the arguments to the command that they name. Heavy packages are imported only by those that need them."""
    parser = command_parser()
    if not arguments:
        parser.print_help()
        return AGREE
    if arguments in (["run", "-h"], ["run", "--help"]):
        print(f"usage: {PROGRAM} run CONCEPT [OPTION VALUE ...]\n\n{RUN}")
        return AGREE
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command in ("list", "check", "trace"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.command == "list":
        return listing.show_list(options)
    if trouble := missing_folder():
        print(f"error: {trouble}", file=sys.stderr)
        return BAD_INPUT
    give_backend()
    keep_memory()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # small models are up to 50 times slower with more; set before torch is imported
    if options.command in LIBRARY:
        return library_command(options.command, rest)
    from experiments.curriculum import UnknownConcept, entry

    try:
        chosen = [entry(name) for name in (options.concepts if options.command == "check" else [options.concept])]
    except UnknownConcept as unknown:
        print(f"error: {unknown}", file=sys.stderr)
        return BAD_INPUT
    names = [found.name for found in chosen]
    title = chosen[0].title if len(chosen) == 1 else f"{len(chosen) or 'All'} concepts"
    if options.command == "run" and {"-h", "--help"} & set(rest):
        with loading(title):
            from experiments.commands.help import show_help

        show_help(names[0])
        return AGREE
    if options.command == "run":
        with loading(title):
            from experiments.commands.run import run

        return run(names[0], ["--help" if argument == "--help-all" else argument for argument in rest])
    if options.command == "trace":
        with loading(title):
            from experiments.commands.trace import trace

        return trace(names[0], options)
    with loading(title):
        from experiments.commands.check import check

    return check(names, options)


@contextmanager
def loading(title: str) -> Iterator[None]:
    """In a terminal: that something has begun, for the seconds that it takes to load torch."""
    seen = sys.stderr.isatty()
    if seen:
        print(f"{title} · loading torch and Lightning …", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if seen:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with status 2."""
        print(f"error: {message}{self.meant(message)} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(BAD_INPUT)

    def meant(self, message: str) -> str:
        """The option that is nearest to the first that was not known: "; did you mean --input?"; nothing if none is near."""
        asked = re.findall(r"(?<!\S)--[\w-]+", message) if message.startswith("unrecognized") else []
        near = difflib.get_close_matches(asked[0], self._option_string_actions, 1, 0.7) if asked else []
        return f"; did you mean {near[0]}?" if near else ""


LIBRARY = {
    "mutate": "experiments.mutation.mutate",
    "bench": "experiments.bench.command",
    "show": "experiments.commands.show",
    "doctor": "experiments.doctor.command",
    "predict": "experiments.commands.predict",
    "play": "experiments.play.command",
    "exercise": "experiments.exercises.command",
    "book": "experiments.book.command",
}
"""Where the commands are that declare their own options."""


def library_command(command: str, arguments: list[str]) -> int:
    """Commands whose options are declared beside what they do."""
    from importlib import import_module

    with loading(command):
        module = import_module(LIBRARY[command])
    parser = Parser(prog=f"{PROGRAM} {command}", description=module.__doc__, allow_abbrev=False)
    module.add_arguments(parser)
    return module.main(parser.parse_args(arguments))


def command_parser() -> argparse.ArgumentParser:
    """The commands and their options; those of `run` are LightningCLI's, parsed later."""
    parser = Parser(
        prog=PROGRAM,
        description="Every concept twice: by hand in NumPy and with torch.nn in Lightning, trained side by side.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gradtwin {version('gradtwin')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing.add_arguments(commands.add_parser("list", help="the curriculum, the path, and what the words mean", allow_abbrev=False))
    running = commands.add_parser("run", help="train both sides of a concept, in lock-step", add_help=False, allow_abbrev=False)
    running.add_argument("concept", metavar="CONCEPT", help="one of those that `list` shows; its options: run CONCEPT --help")
    checking = commands.add_parser("check", help="compare gradients and a short trajectory; writes no files", allow_abbrev=False)
    checking.add_argument("concepts", nargs="*", metavar="CONCEPT", help="all if none is named")
    checking.add_argument("--steps", type=positive, default=50, help="of each trajectory (default 50)")
    tracing = commands.add_parser("trace", help="one step, tensor by tensor: forward, and from the loss back", allow_abbrev=False)
    tracing.add_argument("concept", metavar="CONCEPT")
    tracing.add_argument("--step", type=int, default=0, help="which one (default 0, the first)")
    for command in (checking, tracing):
        command.add_argument("--dtype", choices=("float64", "float32"), default="float64")
        command.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
        command.add_argument("--seed", type=int, default=0, help="of weights, data order and noise (default 0)")
    checking.add_argument("--json", action="store_true", help="one JSON object per concept and line")
    tracing.add_argument("--json", action="store_true", help="a JSON list with an object for each tensor")
    commands.add_parser("show", help="look at runs in TensorBoard, in the browser", add_help=False, allow_abbrev=False)
    commands.add_parser("doctor", help="is the backward in your own file right? Where not?", add_help=False, allow_abbrev=False)
    commands.add_parser("predict", help="say what a run will do, then see", add_help=False, allow_abbrev=False)
    commands.add_parser("play", help="find the fault in a backward of the library", add_help=False, allow_abbrev=False)
    commands.add_parser("exercise", help="write a backward yourself, and be told what is wrong with it", add_help=False, allow_abbrev=False)
    commands.add_parser("book", help="all concepts, layers and optimizers as pages of the web", add_help=False, allow_abbrev=False)
    commands.add_parser("mutate", help="test the tests: would a wrong backward be noticed?", add_help=False, allow_abbrev=False)
    commands.add_parser("bench", help="how fast is it by hand, against torch?", add_help=False, allow_abbrev=False)
    return parser


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
