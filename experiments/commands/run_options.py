"""The options of `run`: those of LightningCLI, the defaults of one twin, and the two options of the comparison."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from rich.console import Console

from experiments.commands import links
from experiments.commands.board import Board
from experiments.commands.complaints import FOLDER, is_further_process
from experiments.commands.optimizer_options import following
from experiments.commands.progress import Progress
from experiments.commands.resuming import CHECKPOINT, Signature
from experiments.commands.stopping import StopCleanly
from experiments.data.arrays import InputError
from experiments.lockstep import LockStep, Mode
from experiments.pair import Twin


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
        progress = Progress(self.lockstep, Console())
        self.board = Board(self.twin, self.lockstep, self.folder, step, progress.tell)
        every = max(1, (self.config.trainer.max_epochs or 10) // 10)
        callbacks = [
            self.lockstep,
            progress,
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
