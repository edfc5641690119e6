"""`run`: a Lightning training script whose hand-written twin trains beside it. Its options are LightningCLI's."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]  # in no __all__
from rich.console import Console

import experiments
from experiments.commands.complaints import FOLDER, complain, explain, is_further_process
from experiments.commands.ending import finish, show_where_to_look
from experiments.commands.refusals import refuse_what_cannot_be_compared, refuse_what_does_not_fit
from experiments.commands.resuming import CHECKPOINT, checkpoint_in, open_checkpoint
from experiments.commands.run_options import RunCLI
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE, INTERRUPTED
from experiments.commands.stopping import Interrupted
from experiments.data.arrays import InputError
from experiments.judge.convert import to_numpy
from experiments.judge.nonfinite import NotFinite
from experiments.judge.raised import HandRaised
from experiments.lockstep.quiet import quiet
from experiments.pair import Twin
from manual.trainer import configured


def run(name: str, arguments: list[str]) -> int:
    """Train both sides of a concept. Returns the exit status."""
    quiet()
    console = Console()
    try:
        twin = experiments.twin(name)
        checkpoint = checkpoint_in(arguments)
        resumed = open_checkpoint(checkpoint, twin, arguments) if checkpoint else None
        cli = prepare(twin, arguments, resumed, checkpoint)
        return train(cli, console)
    except (InputError, MisconfigurationException) as error:
        return complain(error, BAD_INPUT)
    except (NotFinite, HandRaised) as error:
        return complain(error, DISAGREE)
    finally:
        os.environ.pop(FOLDER, None)


def prepare(twin: Twin, arguments: list[str], resumed: dict[str, Any] | None, checkpoint: Path | None) -> RunCLI:
    """Parse the command line and make everything, without writing a file; then the run directory and its config.yaml.

    Raises:
        InputError: if anything that was given cannot be used.
    """
    try:
        if checkpoint:
            arguments = ["--config", str(checkpoint.parent.parent / "config.yaml"), *arguments]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # refused below, in one line
            cli = RunCLI(twin, arguments, resumed)
        refuse_what_does_not_fit(twin, cli.model, cli.datamodule)
        cli.model.configure_optimizers()
        if resumed:
            weights = to_numpy(twin.naming.by_hand(resumed["state_dict"]))
            twin.by_hand(cli.model).load_state_dict(weights)  # raises ValueError if they do not fit
        if cli.config.compare.mode != "off":
            refuse_what_cannot_be_compared(cli)
            ours = cli.twin.by_hand(cli.model)
            for optimizer in configured(ours.configure_optimizers())[0]:
                if why := twin.naming.differing_step(ours, optimizer):
                    raise InputError(why)
    except InputError:
        raise
    except ArgumentError as error:
        raise InputError(f"{explain(error)} (see --help)") from error
    except (ValueError, TypeError, RuntimeError, MisconfigurationException, NotImplementedError) as error:
        raise InputError(explain(error)) from error
    try:
        (cli.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        if not (resumed or is_further_process()):
            cli.parser.save(cli.config, cli.folder / "config.yaml", skip_none=False, overwrite=True)
    except OSError as error:
        raise InputError(
            f"the run directory {cli.folder} cannot be written ({error.strerror}): choose one with --trainer.default_root_dir"
        ) from error
    os.environ[FOLDER] = str(cli.folder.resolve())
    return cli


def train(cli: RunCLI, console: Console) -> int:
    """Fit, report, and say how to look at it."""
    began = time.perf_counter()
    show = rank_zero_only(console.print)
    show(f"{cli.twin.title} · {cli.twin.name} · logs in {cli.folder}", highlight=False, soft_wrap=True)
    checkpoint = cli.config.ckpt_path
    status, interrupted = AGREE, False
    try:
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    except Interrupted:
        interrupted, status = True, INTERRUPTED
    except SystemExit:  # so Lightning answers a second Ctrl-C
        return complain("interrupted twice: the last steps are not in the checkpoint", INTERRUPTED)
    except (NotFinite, HandRaised) as error:
        status = complain(error, DISAGREE)
    finish(cli, console, time.perf_counter() - began, quiet_verdict=status == DISAGREE)
    if interrupted:
        resume = f"python -m experiments run {cli.twin.name} --ckpt_path {cli.folder / 'checkpoints' / CHECKPOINT}"
        show(
            f"Interrupted after {cli.trainer.global_step} steps; everything so far is kept. Go on with\n  {resume}",
            highlight=False,
            soft_wrap=True,
        )
    show_where_to_look(cli, show)
    disagree = cli.lockstep.mode != "off" and not cli.lockstep.judge.passed
    return DISAGREE if status == AGREE and (disagree or cli.board.undrawn) else status
