"""`run`: a Lightning training script whose hand-written twin trains beside it. Its options are LightningCLI's."""

from __future__ import annotations

import copy
import os
import re
import signal
import sys
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentError
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.callbacks import ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]  # in no __all__
from rich.console import Console

import experiments
from experiments.commands import links, report
from experiments.commands.board import Board, link
from experiments.commands.optimizer_options import following
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE, INTERRUPTED
from experiments.data.arrays import ArrayData, InputError
from experiments.judge.convert import to_numpy
from experiments.judge.look import loss_of, objectives
from experiments.judge.nonfinite import NotFinite
from experiments.judge.raised import HandRaised
from experiments.lockstep import DTYPES, LockStep, Mode
from experiments.lockstep.quiet import quiet
from experiments.pair import Twin
from manual.trainer import configured

CHECKPOINT = "last.ckpt"
IN_CHECKPOINT = ("state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks", "global_step", "epoch")
"""What Lightning needs to go on."""


class Interrupted(Exception):
    """Ctrl-C: the step in progress was finished and a checkpoint was saved."""


class StopCleanly(pl.Callback):
    """On Ctrl-C, finish the step, save a checkpoint and stop; a second Ctrl-C stops at once.

    Args:
        checkpoint: where to save.
        lockstep: knows whether gradients are waiting for a step; it stands before this one in the list of callbacks.
    """

    def __init__(self, checkpoint: Path, lockstep: LockStep) -> None:
        self.checkpoint, self.lockstep, self.asked = checkpoint, lockstep, False

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for Ctrl-C."""
        self.before = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def _all_asked(self, trainer: pl.Trainer) -> bool:
        """Whether any process was asked: all must stop after the same step."""
        return trainer.strategy.reduce_boolean_decision(self.asked, all=False) if trainer.world_size > 1 else self.asked

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Stop here if asked to: between two steps, never within one whose gradients are still accumulating.

        After an epoch's last batch, validation comes first: a resumed run would begin with the next epoch.
        """
        if self._all_asked(trainer) and self.lockstep.between_steps and not trainer.is_last_batch:
            trainer.save_checkpoint(self.checkpoint)
            trainer._logger_connector.on_batch_end()  # what Lightning would do next: write the metrics of this step
            trainer._logger_connector.update_train_step_metrics()
            raise Interrupted

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop here if asked to."""
        if self._all_asked(trainer):
            trainer.save_checkpoint(self.checkpoint)
            raise Interrupted

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave Ctrl-C as it was."""
        signal.signal(signal.SIGINT, getattr(self, "before", signal.default_int_handler))


class Signature(pl.Callback):
    """Writes the concept's name into every checkpoint, so that a foreign one is recognised."""

    def __init__(self, concept: str) -> None:
        self.concept = concept

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Sign."""
        checkpoint["concept"] = self.concept


class RunCLI(LightningCLI):
    """LightningCLI for one twin: its defaults, the two options of the comparison, and one-line errors.

    Args:
        twin: the pair to train.
        arguments: of the command line.
        resumed: the checkpoint to go on from, if any.
    """

    def __init__(self, twin: Twin, arguments: list[str], resumed: dict[str, Any] | None) -> None:
        self.twin, self.resumed = twin, resumed
        super().__init__(
            twin.torch,
            twin.data,
            run=False,
            seed_everything_default=0,
            save_config_callback=None,
            parser_kwargs={
                "prog": f"python -m experiments run {twin.name}",
                "exit_on_error": False,
                "description": f"{twin.title}: {twin.name}, by hand and in torch, in lock-step.",
            },
            args=arguments,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The options that are not Lightning's, and the defaults of this experiment."""
        parser.add_argument("--compare.mode", type=Mode, default="free", help="free: every step; spot: one step now and then; off: none")
        parser.add_argument("--compare.every_n_steps", type=int, default=100, help="how often, in mode spot")
        parser.add_argument("--ckpt_path", type=str | None, default=None, help="go on from this checkpoint, in its own run directory")
        trainer = {
            "precision": "64-true",
            "accelerator": "cpu",
            "default_root_dir": "runs",
            "log_every_n_steps": 1,
            "num_sanity_val_steps": 0,
        }
        links.declare(parser, self.twin)
        model = {key: value for key, value in self.twin.model.items() if f"model.{key}" not in self.twin.links.values()}
        defaults = {"model": model, "data": self.twin.data_args, "trainer": {**trainer, **self.twin.trainer}}
        parser.set_defaults({f"{group}.{key}": value for group, values in defaults.items() for key, value in values.items()})

    def before_instantiate_classes(self) -> None:
        """Refuse what cannot work, before anything is made."""
        trainer = self.config.trainer
        if trainer.logger is False:
            raise InputError("--trainer.logger false leaves nothing to look at: leave it out")
        if trainer.fast_dev_run:
            raise InputError("--trainer.fast_dev_run writes no logs: use --trainer.max_steps, or the command `check`")
        if 0 in (trainer.max_epochs, trainer.max_steps, trainer.limit_train_batches):
            raise InputError("--trainer.max_epochs, max_steps and limit_train_batches must not be 0: there would be nothing to compare")
        for key in ("accumulate_grad_batches", "log_every_n_steps"):
            if trainer[key] is not None and trainer[key] < 1:
                raise InputError(f"--trainer.{key} must be at least 1, got {trainer[key]}")
        self.twin = following(self.twin, self.config)
        self.folder = self._folder(Path(trainer.default_root_dir or "runs"))

    def _folder(self, root: Path) -> Path:
        if is_further_process() and FOLDER in os.environ:
            return Path(os.environ[FOLDER])
        if self.config.ckpt_path is not None:
            return Path(self.config.ckpt_path).resolve().parent.parent
        versions = [re.fullmatch(r"version_(\d+)", p.name) for p in (root / self.twin.name).glob("version_*")]
        return root / self.twin.name / f"version_{max((int(m[1]) + 1 for m in versions if m), default=0)}"

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The Trainer, with the lock-step callback, the board, checkpoints and a clean stop."""
        compare, step = self.config.compare, self.resumed["global_step"] if self.resumed else None
        self.lockstep = LockStep(self.twin, compare.mode, compare.every_n_steps, int(self.config.seed_everything or 0))
        self.board = Board(self.twin, self.lockstep, self.folder, step)
        every = max(1, (self.config.trainer.max_epochs or 10) // 10)
        callbacks = [
            TQDMProgressBar(refresh_rate=20 if sys.stderr.isatty() else 0),
            self.lockstep,
            self.board,
            Signature(self.twin.name),
            StopCleanly(self.folder / "checkpoints" / CHECKPOINT, self.lockstep),
            ModelCheckpoint(
                self.folder / "checkpoints",
                CHECKPOINT.removesuffix(".ckpt"),
                save_top_k=1,
                enable_version_counter=False,
                every_n_epochs=every,
                save_on_train_epoch_end=True,
            ),
        ]
        given = self._get(self.config_init, "trainer.callbacks") or []
        logger = TensorBoardLogger(
            self.folder.parent.parent,
            name=self.folder.parent.name,
            version=self.folder.name,
            sub_dir="torch",
            default_hp_metric=False,
            **({"purge_step": step} if step is not None else {}),
        )
        config = {**self._get(self.config_init, "trainer", default={}), "enable_model_summary": False}
        return self._instantiate_trainer({**config, "callbacks": [*callbacks, *given], "logger": logger}, [])


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


FOLDER = "GRADTWIN_RUN_FOLDER"
"""The variable in which the first of several processes tells the others where the run is."""


def is_further_process() -> bool:
    """Whether Lightning has started this process beside the first one of a run: it trains, and says nothing."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def complain(error: Exception | str, status: int) -> int:
    """One line on standard error."""
    if not is_further_process():
        print(f"error: {one_line(error)}", file=sys.stderr)
    return status


def one_line(error: Exception | str) -> str:
    """The message without line breaks and runs of blanks."""
    return re.sub(r"\s+", " ", str(error)).strip()


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


def explain(error: Exception) -> str:
    """What jsonargparse or a constructor says, shortened to what a person needs."""
    text = one_line(error)
    text = re.sub(r"^Parser key \"(.+?)\": ", r"--\1: ", text)
    text = re.sub(r"Expected a <class '(\w+)'>\. Got value: (.*)", r"expected \1, got \2", text)
    text = re.sub(r"Expected a typing\.Literal\[(.*?)\]\. Got value: (.*)", r"expected one of \1, got \2", text)
    text = re.sub(r"Does not validate against any of the Union subtypes .* Given value: (.*)", r"\1 is not of the right type", text)
    text = re.sub(
        r"No supported gpu backend found!", "--trainer.accelerator gpu: this machine has no GPU that torch can use; leave it out", text
    )
    text = re.sub(r"^Problem with given class_path .*?: ", "", text)
    return text if len(text) <= 300 else text[:300] + " …"


def refuse_what_does_not_fit(twin: Twin, model: pl.LightningModule, data: ArrayData) -> None:
    """Raise InputError for a model that is empty, or that the data do not fit: a copy of it is shown the first of them."""
    parameters = twin.naming.by_hand(dict(model.named_parameters()))
    empty = [f"{name} {tuple(p.shape)}" for name, p in parameters.items() if p.numel() == 0]
    if empty:
        raise InputError(f"every size of the model must be at least 1: nothing would be in {', '.join(empty)}")
    try:
        batch = [torch.from_numpy(a) for a in data.example(model)]
        with torch.random.fork_rng(devices=[]):
            for objective in objectives(twin, model):
                loss_of(copy.deepcopy(model), tuple(t.to(model.dtype) if t.is_floating_point() else t for t in batch), objective)
    except (RuntimeError, IndexError, ValueError) as error:
        raise InputError(f"the data do not fit this model: {explain(error)}") from error


def refuse_what_cannot_be_compared(cli: RunCLI) -> None:
    """Raise InputError for a precision or a number of processes in which the two sides cannot be compared."""
    precision, processes = cli.trainer.precision, cli.trainer.world_size
    if precision not in DTYPES:
        raise InputError(f"the two sides are compared in 64-true or 32-true; for precision {precision} add --compare.mode off")
    plain = isinstance(cli.trainer.strategy, DDPStrategy) and cli.model.automatic_optimization and not cli.datamodule.n_batches()
    if processes > 1 and not plain:
        raise InputError(
            f"of {processes} processes only those of --trainer.strategy ddp are compared, of a model that leaves its steps to Lightning "
            "and whose batches are rows; else add --compare.mode off"
        )


def checkpoint_in(arguments: list[str]) -> Path | None:
    """The value of --ckpt_path, which must be known before the rest is parsed."""
    for i, argument in enumerate(arguments):
        if argument == "--ckpt_path" and i + 1 < len(arguments):
            return Path(arguments[i + 1])
        if argument.startswith("--ckpt_path="):
            return Path(argument.partition("=")[2])
    return None


def open_checkpoint(path: Path, twin: Twin, arguments: list[str]) -> dict[str, Any]:
    """Read a checkpoint without running any code that it might hold.

    Raises:
        InputError: if it is missing, truncated, of another concept, or not of a run; or if the model is changed with it.
    """
    changed = [a for a in arguments if re.match(r"--(model|data)\b", a) and not a.startswith("--data.csv")]
    if changed:
        raise InputError(f"{changed[0]}: a resumed run keeps the model and the data that it began with; leave the option out")
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}: expected runs/{twin.name}/version_N/checkpoints/{CHECKPOINT}")
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("not a whole zip archive")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # every kind of damage has its own exception
        raise InputError(f"{path} is not a readable checkpoint (truncated, or not saved by a run): {one_line(error)[:120]}") from error
    if not isinstance(checkpoint, dict) or checkpoint.get("concept") != twin.name:
        of = checkpoint.get("concept") if isinstance(checkpoint, dict) else None
        raise InputError(f"{path} is not a checkpoint of {twin.name}" + (f", but of {of}" if of else ": no run of this project saved it"))
    missing = [key for key in IN_CHECKPOINT if key not in checkpoint]
    if missing:
        raise InputError(f"{path} is not a whole checkpoint: it lacks {', '.join(missing)}")
    if not (path.resolve().parent.parent / "config.yaml").is_file():
        raise InputError(f"{path} is not in its run directory: expected config.yaml in {path.resolve().parent.parent}")
    return checkpoint


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
    show(f"Look at it:\n  tensorboard --logdir {cli.folder}\n  {link(cli.folder)}", highlight=False, soft_wrap=True)
    disagree = cli.lockstep.mode != "off" and not cli.lockstep.judge.passed
    return DISAGREE if status == AGREE and (disagree or cli.board.undrawn) else status


def finish(cli: RunCLI, console: Console, seconds: float, quiet_verdict: bool) -> None:
    """Write report.json and curves.csv, print the verdict; in mode off there is nothing to say."""
    lockstep = cli.lockstep
    if is_further_process():
        return
    metrics = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    report.show_metrics(console, lockstep.metrics, metrics)
    if not lockstep.comparing:
        console.print("Not compared (--compare.mode off).")
        return
    report.write_curves(cli.folder, lockstep.records)
    found = report.summary(cli.twin, [lockstep.judge], str(cli.trainer.strategy.root_device), seconds)
    report.write_report(cli.folder, {**found, "metrics": {"manual": lockstep.metrics, "torch": metrics}}, lockstep.judge)
    if lockstep.judge.steps and not quiet_verdict:
        report.show_verdict(console, cli.twin, lockstep)
