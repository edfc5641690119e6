"""`run`: a Lightning training script whose hand-written twin trains beside it. Its options are LightningCLI's."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO, cast

from jsonargparse import ArgumentError
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]  # in no __all__
from rich.console import Console

import experiments
from experiments.commands.complaints import FOLDER, command, complain, explain, is_further_process, one_line
from experiments.commands.ending import finish, show_where_to_look
from experiments.commands.folders import unfinished
from experiments.commands.help import did_you_mean
from experiments.commands.outlet import Outlet
from experiments.commands.ranges import refuse_pipes
from experiments.commands.refusals import refuse_metrics_that_are_not_there, refuse_what_cannot_be_compared, refuse_what_does_not_fit
from experiments.commands.resuming import CHECKPOINT
from experiments.commands.run_options import RunCLI
from experiments.commands.saved import refuse_what_no_run_has_saved
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.commands.stopping import Interrupted, Signals
from experiments.data.arrays import InputError
from experiments.judge.nonfinite import NotFinite
from experiments.judge.raised import HandRaised
from experiments.lockstep.quiet import quiet
from experiments.pair import Twin
from manual.trainer import configured

TRACEBACK = "traceback.txt"
"""The file in a run's folder that holds where an unexpected exception came from."""


def run(name: str, arguments: list[str], ended: Callable[[RunCLI], None] = lambda _: None) -> int:
    """Train both sides of a concept. Returns the exit status.

    Args:
        name: of the concept.
        arguments: of the command line.
        ended: is given everything that the run was made of, when it has ended and its reports are written.
    """
    quiet()
    console = Console(file=cast(TextIO, Outlet(sys.stdout)))
    with told_once(), Signals() as signals:
        try:
            cli = prepare(experiments.twin(name), arguments, signals, console)
            status = train(cli, console)
            ended(cli)
            return status
        except (InputError, MisconfigurationException) as error:
            return complain(error, BAD_INPUT)
        except Interrupted:
            if not is_further_process():
                print(signals.word, file=sys.stderr)
            return signals.status
        finally:
            os.environ.pop(FOLDER, None)


def prepare(twin: Twin, arguments: list[str], signals: Signals, console: Console) -> RunCLI:
    """Parse the command line, make everything and look at it, without writing a file; then claim the run's folder.

    Raises:
        InputError: if anything that was given cannot be used.
    """
    try:
        refuse_pipes(arguments)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # refused below, in one line
            cli = RunCLI(twin, arguments, signals, console)
        refuse_what_does_not_fit(twin, cli.model, cli.datamodule)
        cli.model.configure_optimizers()
        if cli.config.compare.mode != "off":
            refuse_what_cannot_be_compared(cli)
            ours = cli.twin.by_hand(cli.model)
            for optimizer in configured(ours.configure_optimizers())[0]:
                if why := twin.naming.differing_step(ours, optimizer):
                    raise InputError(why)
        refuse_metrics_that_are_not_there(cli)
        if cli.resumed:
            refuse_what_no_run_has_saved(cli)
    except InputError:
        raise
    except ArgumentError as error:
        meant = did_you_mean(twin, str(error)) if "unrecognized" in str(error).lower() else ""
        raise InputError(f"{explain(error)}{meant or ' (see --help)'}") from error
    except Exception as error:  # of any library that was given what it cannot use: nothing is there yet that could be lost
        raise InputError(explain(error)) from error
    cli.claim()
    return cli


def train(cli: RunCLI, console: Console) -> int:
    """Fit, report, and say how to look at it."""
    began = time.perf_counter()
    show = rank_zero_only(partial(console.print, highlight=False, soft_wrap=True, markup=False))
    show(f"{cli.twin.title} · {cli.twin.name} · logs in {cli.folder}")
    tell_of_unfinished(cli, show)
    finished = True
    try:
        status = fit(cli)
        finished = not goes_on(cli, status)
        finish(cli, console, time.perf_counter() - began, quiet_verdict=status == DISAGREE)
        if cli.signals.number is not None and status == cli.signals.status:
            show(how_it_was_ended(cli))
        show_where_to_look(cli, rank_zero_only(console.print))
    except OSError as error:
        finished = False
        raise full(cli, error) from error
    finally:
        if cli.mark is not None:
            cli.mark.remove() if finished else cli.mark.leave()
    disagree = cli.lockstep.mode != "off" and not cli.lockstep.judge.passed
    return DISAGREE if status == AGREE and (disagree or cli.board.undrawn) else status


def fit(cli: RunCLI) -> int:
    """Let Lightning train. What ends it before its first step leaves nothing behind.

    Raises:
        InputError: for what Lightning or a callback only finds out when it begins.
        Interrupted: before the first step.
        OSError: if the disk is full.
    """
    checkpoint, trainer = cli.config.ckpt_path, cli.trainer
    try:
        trainer.fit(cli.model, cli.datamodule, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
        if trainer.global_step == 0:
            raise ValueError("not a single step was taken: allow more time (--trainer.max_time), or more batches")
        return AGREE if cli.signals.number is None else cli.signals.status
    except (Interrupted, SystemExit):  # so Lightning's own handlers end a run
        if not begun(cli):
            cli.give_back()
            raise Interrupted from None
        return cli.signals.status
    except (NotFinite, HandRaised) as error:
        return complain(error, DISAGREE)
    except Exception as error:
        if on_disk := next((e for e in causes(error) if isinstance(e, OSError) and e.errno in FULL), None):
            raise on_disk from error
        if not begun(cli) and isinstance(error, InputError | MisconfigurationException | ValueError | ImportError):
            cli.give_back()
            raise InputError(explain(error)) from error
        if "conditioned on metric" in str(error):  # a callback that waits for what is not logged
            raise InputError(explain(error)) from error
        return unexpected(cli, error)


def begun(cli: RunCLI) -> bool:
    """Whether a step was taken."""
    return cli.lockstep.micro_batches > 0 and cli.signals.phase != "before"


def goes_on(cli: RunCLI, status: int) -> bool:
    """Whether a run that ended with this status can and should be gone on with."""
    return cli.signals.number is not None and status == cli.signals.status and cli.signals.phase == "training"


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where nothing more can be written."""


@contextmanager
def told_once() -> Iterator[None]:
    """For the time of the `with`, a full disk is not told by the threads that write event files, too."""
    before = threading.excepthook

    def tell(of: threading.ExceptHookArgs) -> None:
        if not (isinstance(of.exc_value, OSError) and of.exc_value.errno in FULL):
            before(of)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


def full(cli: RunCLI, error: OSError) -> InputError:
    """What to say then."""
    if not begun(cli):
        cli.give_back()
    return InputError(
        f"nothing more can be written to {cli.folder} ({error.strerror}), and the run has ended: make room, "
        "or choose another place with --trainer.default_root_dir"
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those in whose course it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def unexpected(cli: RunCLI, error: Exception) -> int:
    """One line about a mistake of ours or of a library, and a file with all that is known of it."""
    where = f"{cli.twin.name}, step {cli.trainer.global_step}"
    try:
        (cli.folder / TRACEBACK).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        more = f" (where it came from is in {cli.folder / TRACEBACK})"
    except OSError as of_file:
        more = f" ({cli.folder} cannot be written: {of_file.strerror})"
    return complain(f"{where}: {type(error).__name__}: {one_line(error)[:300]}{more}", DISAGREE)


def tell_of_unfinished(cli: RunCLI, show: Callable[[str], None]) -> None:
    """Say that an earlier run of this concept was ended before its end, and how to go on with it."""
    if cli.resumed or is_further_process():
        return
    for folder in unfinished(cli.folder.parent)[-1:]:
        checkpoint = folder / "checkpoints" / CHECKPOINT
        if checkpoint.is_file():
            show(f"{folder} is unfinished. Go on with it:\n  {resume(cli.twin.name, checkpoint)}")
        else:
            show(f"{folder} was ended before its first checkpoint: there is nothing to go on from.")


def how_it_was_ended(cli: RunCLI) -> str:
    """By whom, after how many steps, what is kept and how to go on."""
    word, steps, checkpoint = cli.signals.word.capitalize(), cli.trainer.global_step, cli.stopping.checkpoint
    if cli.signals.phase == "after":
        return f"{word} after the last step, while figures were drawn: some are missing, everything else is kept."
    if cli.stopping.saved_at == steps:
        return f"{word} after {steps} steps; everything so far is kept. Go on with\n  {resume(cli.twin.name, checkpoint)}"
    if not checkpoint.is_file():
        return f"{word} at once, before the first checkpoint: there is nothing to go on from."
    return f"{word} at once: the last steps are not in the checkpoint. Go on from it with\n  {resume(cli.twin.name, checkpoint)}"


def resume(concept: str, checkpoint: Path) -> str:
    """The command that goes on with a run."""
    return command("python", "-m", "experiments", "run", concept, "--ckpt_path", checkpoint)
