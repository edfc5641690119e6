"""The options of `run`: those of LightningCLI, the defaults of one twin, and the two options of the comparison."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, ProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from rich.console import Console

from experiments.commands import album, folders, links
from experiments.commands.board import Board
from experiments.commands.checkpoints import CHECKPOINT, Checkpoints
from experiments.commands.complaints import FOLDER, is_further_process
from experiments.commands.logger import Logger
from experiments.commands.offered import only_what_is_offered, refuse_what_changes_training
from experiments.commands.optimizer_options import following
from experiments.commands.progress import Progress
from experiments.commands.ranges import refuse_senseless_values
from experiments.commands.resuming import config_of, open_checkpoint, refuse_what_must_stay
from experiments.commands.stopping import Signals, StopCleanly
from experiments.lockstep import LockStep, Mode
from experiments.pair import Twin


class RunCLI(LightningCLI):
    """LightningCLI for one twin: its defaults, the two options of the comparison, and one-line errors.

    Nothing is written before `claim`.

    Args:
        twin: the pair to train.
        arguments: of the command line.
        signals: that may end the run.
        console: where its progress is shown.

    Attributes:
        resumed: the checkpoint to go on from, if any.
        folder: of the run, once it is claimed.
        mark: in the folder, as long as the run is not finished.
    """

    def __init__(self, twin: Twin, arguments: list[str], signals: Signals, console: Console | None = None) -> None:
        self.twin, self.signals, self.console = twin, signals, console or Console()
        self.resumed: dict[str, Any] | None = None
        self.mark: folders.Mark | None = None
        super().__init__(
            twin.torch,
            twin.data,
            run=False,
            seed_everything_default=0,
            save_config_callback=None,
            parser_kwargs={
                "prog": f"python -m experiments run {twin.name}",
                "exit_on_error": False,
                "allow_abbrev": False,  # --ckpt would slip past whoever looks for --ckpt_path
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
            "enable_model_summary": False,
        }
        links.declare(parser, self.twin)
        model = {key: value for key, value in self.twin.model.items() if f"model.{key}" not in self.twin.links.values()}
        defaults = {"model": model, "data": self.twin.data_args, "trainer": {**trainer, **self.twin.trainer}}
        parser.set_defaults({f"{group}.{key}": value for group, values in defaults.items() for key, value in values.items()})

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; of a resumed run its own configuration first, and then what is changed of it."""
        with only_what_is_offered():
            super().parse_arguments(parser, args)
            if self.config.ckpt_path is not None:
                path = Path(self.config.ckpt_path)
                self.resumed = open_checkpoint(path, self.twin)
                its_own = ["--config", str(config_of(path))]
                began = parser.parse_args(its_own)
                self.config = parser.parse_args([*its_own, *args])
                refuse_what_must_stay(began, self.config)
            refuse_senseless_values(self.config, parser.get_defaults())
            refuse_what_changes_training(self.config)

    def before_instantiate_classes(self) -> None:
        """The hand-written side takes the optimizer that the command line asks for."""
        self.twin = following(self.twin, self.config)

    def instantiate_classes(self) -> None:
        """Make everything, of nothing but what is offered."""
        with only_what_is_offered():
            super().instantiate_classes()

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The Trainer, with the lock-step callback, the board, and a clean stop; its logger comes with the folder."""
        compare, trainer = self.config.compare, self._get(self.config_init, "trainer", default={})
        given = trainer.get("callbacks") or []
        given = given if isinstance(given, list) else [given]
        step = self.resumed["global_step"] if self.resumed else None
        self.lockstep = LockStep(self.twin, compare.mode, compare.every_n_steps, int(self.config.seed_everything or 0))
        progress = Progress(self.lockstep, self.console)
        self.board = Board(self.twin, self.lockstep, Path(), step, progress.tell)
        self.stopping = StopCleanly(self.signals, self.lockstep, self.board)
        progress.silent = trainer.get("enable_progress_bar") is False or any(isinstance(callback, ProgressBar) for callback in given)
        config = {
            **trainer,
            "callbacks": [self.lockstep, *([] if progress.silent else [progress]), self.board, *given, self.stopping],
            "enable_checkpointing": any(isinstance(callback, Checkpoint) for callback in given),  # ours is no ModelCheckpoint
            "logger": False,
            "plugins": [Checkpoints(self.twin.name)],
        }
        return self._instantiate_trainer(config, [])

    def _label(self) -> str:
        """The learning rate, if it is not the concept's own: TensorBoard tells runs apart by their folders' names."""
        lr, own = (getattr(where, "get", lambda _: None)("lr") for where in (self.config.model, self.twin.hyperparameters()))
        return "" if lr is None or lr == own else f"-lr={lr:g}"

    def claim(self) -> None:
        """Make the run's folder, and write into it what the run is.

        Raises:
            InputError: if it cannot be written, or if another process is at work in it.
        """
        if is_further_process() and FOLDER in os.environ:
            self._use(Path(os.environ[FOLDER]))
            return
        if self.resumed:
            self._use(config_of(Path(self.config.ckpt_path)).parent)
        else:
            self._use(folders.claim(Path(self.config.trainer.default_root_dir or "runs") / self.twin.name, self._label()))
        try:
            (self.folder / "checkpoints").mkdir(exist_ok=True)
            self.mark = folders.Mark(self.folder)
            if not self.resumed:
                self.parser.save(self.config, self.folder / "config.yaml", skip_none=False)
        except BaseException as error:
            self.give_back()
            if isinstance(error, OSError):
                raise folders.cannot_be_written(self.folder, error) from error
            raise
        os.environ[FOLDER] = str(self.folder.resolve())

    def _use(self, folder: Path) -> None:
        """Tell everybody that writes where to."""
        self.folder = self.board.folder = folder
        self.board.album.folder = folder / album.FOLDER
        self.stopping.checkpoint = folder / "checkpoints" / CHECKPOINT
        step = self.resumed["global_step"] if self.resumed else None
        self.trainer.logger = Logger(
            folder.parent.parent,
            name=folder.parent.name,
            version=folder.name,
            sub_dir="torch",
            default_hp_metric=False,
            **({"purge_step": step} if step is not None else {}),
        )

    def give_back(self) -> None:
        """Nothing has come of this run: what it found is as it was."""
        if self.mark is not None:
            self.mark.take_back()
        if not (self.resumed or is_further_process()):
            folders.give_back(self.folder)
