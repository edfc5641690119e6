"""What a run shows in TensorBoard: four event files, `manual`, `torch`, `compare` and `required`, side by side.

`manual` and `torch` carry the same tags at the same steps, so that one card shows both curves in two colours.
`compare` carries digits of agreement (identical curves hide each other, and tiny errors are displayed as 0), the
figures of the concept, its lesson and both files; `required` the digits that are required, on the cards of those reached.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.tensorboard.summary import hparams

from experiments.commands.album import Album
from experiments.commands.curves import curves
from experiments.commands.events import Writer
from experiments.commands.markup import code_of, lesson_of, rendered
from experiments.judge.compare import as_array, digits
from experiments.judge.raised import where_and_what
from experiments.lockstep import LockStep
from experiments.pair import Twin

HISTOGRAMS = 20
"""How many times in a run weights and gradients are drawn as histograms."""


Tell = Callable[[str, int, str, int], None]


def say_nothing(doing: str, done: int, found: str, total: int) -> None:
    """To nobody."""


class Board(pl.Callback):
    """Writes what LockStep found. It stands after LockStep in the list of callbacks.

    Args:
        twin: the pair.
        lockstep: what it reports on.
        folder: of this run.
        purge_step: on resume, the step from which older events are dropped.
        tell: is told what is being drawn: "drawing", which figure it is, its name, and of how many.

    Attributes:
        album: the figures.
        undrawn: what became of each call for figures that ended in an exception.
    """

    def __init__(self, twin: Twin, lockstep: LockStep, folder: Path, purge_step: int | None = None, tell: Tell = say_nothing) -> None:
        self.twin, self.lockstep, self.folder, self.purge_step, self.tell = twin, lockstep, folder, purge_step, tell
        self.writers: dict[str, Writer] = {}
        self.undrawn: list[str] = []
        self.album = Album(folder, lambda *shown: self.writer("compare").add_picture(*shown))

    def writer(self, side: str) -> Writer:
        """The event file of "manual", "compare" or "required"; Lightning's own logger writes that of "torch"."""
        if side not in self.writers:
            self.writers[side] = Writer(str(self.folder / side), purge_step=self.purge_step)
        return self.writers[side]

    def on_fit_start(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """The graph, the derivation, and the figures of the untrained pair."""
        self.torch_writer: Writer = trainer.logger.experiment
        if self.purge_step is None and trainer.is_global_zero:
            self._graph(trainer, pl_module)
            self._text()
            if self.twin.before and self.lockstep.comparing:
                self._figures(self.twin.before, trainer, pl_module, untrained=True)

    def _graph(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """The graph of the torch module's forward, if it has one of its own."""
        parameters = inspect.signature(pl_module.forward).parameters.values()
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):  # torch.nn.Module's, which refuses everything
            return
        arrays = [torch.from_numpy(a).to(pl_module.device) for a in trainer.datamodule.example(pl_module, 2)[: len(parameters)]]
        example = tuple(a.to(pl_module.dtype) if a.is_floating_point() else a for a in arrays)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracing warns of every Python branch that it takes
            training = pl_module.training
            self.torch_writer.add_graph(pl_module.eval(), example)
            pl_module.train(training)

    def _text(self) -> None:
        """The lesson with its derivation, both files, and what else the concept has to say; in this order, which the numbers keep."""
        files = {"by hand": self.twin.manual, "in torch": self.twin.torch}
        texts = {
            "the lesson": rendered(lesson_of(self.twin.manual)),
            **{name: fenced(code_of(cls), "python") for name, cls in files.items()},
        }
        for number, (name, text) in enumerate({**texts, **{n: rendered(t) for n, t in self.twin.text.items()}}.items(), 1):
            self.writer("compare").add_text(f"{number} {name}", text, 0)

    def on_train_batch_end(self, trainer: Any, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """The scalars of a step, whenever Lightning writes its own."""
        if not (self.lockstep.between_steps and self.lockstep.comparing):
            return
        step = self.lockstep.rounds - 1  # Lightning counts batches in which steps were made, not steps
        if self.lockstep.rounds % trainer.log_every_n_steps == 0 and self.lockstep.watching:
            self._scalars("manual", {**self.lockstep.hand.model.logged, "epoch": trainer.current_epoch}, step)
            self._agreement(step)
        total = trainer.estimated_stepping_batches
        if step == 0 or self.lockstep.rounds % max(1, int(total) // HISTOGRAMS) == 0:
            self._histograms(pl_module, step)

    def _scalars(self, side: str, logged: Mapping[str, Any], step: int) -> None:
        numbers = {tag: value[0] if isinstance(value, tuple) else value for tag, value in logged.items()}
        self.writer(side).add_numbers(numbers, step)

    def _agreement(self, step: int) -> None:
        judge, first = self.lockstep.judge, self.lockstep.first_step
        of_round = list(takewhile(lambda r: r.step >= first, reversed(self.lockstep.records)))  # a batch may bring several steps
        reached, required = {}, {}
        for kind, name in (("loss", "error"), ("gradient", "gradient_error"), ("parameter", "parameter_error")):
            e = max((getattr(r, name) for r in of_round), default=0.0)
            reached[f"digits of agreement/{kind}"] = digits(e, judge.dtype)
            required[f"digits of agreement/{kind}"] = digits(judge.tolerated(kind), judge.dtype)
        self._scalars("compare", reached, step)
        self._scalars("required", required, step)

    def _histograms(self, pl_module: pl.LightningModule, step: int) -> None:
        """Weights of both sides, and the gradients of the step just taken, all as they are called by hand."""
        hand, in_torch = self.lockstep.hand, self.lockstep.in_torch
        assert in_torch is not None
        for writer, parameters, gradients in (
            (self.writer("manual"), dict(hand.model.named_parameters()), hand.gradient),
            (self.torch_writer, self.twin.naming.by_hand(dict(pl_module.named_parameters())), in_torch.gradient),
        ):
            for name, p in parameters.items():
                writer.add_distribution(f"weights/{name}", as_array(p), step)
                if name in gradients:
                    writer.add_distribution(f"gradients/{name}", gradients[name], step)

    def on_validation_end(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """The twin's validation, at the step of Lightning's."""
        if self.lockstep.comparing:
            step = max(self.lockstep.rounds - 1, 0)
            self._scalars("manual", self.lockstep.metrics, step)
            for name, text in self.lockstep.hand.model.texts.items():
                self.writer("manual").add_text(name, fenced(text), step)

    def on_train_end(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """The overlaid curves, and the figures of the trained pair."""
        self._hparams(trainer, pl_module)
        if not self.lockstep.comparing:
            return
        if self.twin.figures:
            self._figures(self.twin.figures, trainer, pl_module)
        if self.lockstep.records:
            self.album.add("both loss curves", curves(self.lockstep), trainer.global_step)

    def _hparams(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """What the run was asked for, and the last value of everything it logged, of each side: TensorBoard compares runs by these."""
        asked: dict[str, Any] = {f"model.{name}": value for name, value in self.twin.chosen(pl_module).items()}  # type: ignore[arg-type]
        asked |= {
            f"data.{name}": value for name in ("batch_size", "seed") if (value := getattr(trainer.datamodule, name, None)) is not None
        }
        asked |= {"optimizer": ", ".join(type(o).__name__ for o in trainer.optimizers), "epochs": trainer.current_epoch}
        asked = {name: value if isinstance(value, bool | int | float) else str(value) for name, value in asked.items()}
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        sides = [self.torch_writer, self.writer("manual")] if self.lockstep.comparing else [self.torch_writer]
        for writer in sides:
            assert writer.file_writer is not None  # it is there since something was written
            for summary in hparams(asked, found):
                writer.file_writer.add_summary(summary)

    def _figures(self, draw: Any, trainer: Any, pl_module: pl.LightningModule, untrained: bool = False) -> None:
        step = 0 if untrained else trainer.global_step
        modes = pl_module.training, self.lockstep.hand.model.training
        pl_module.eval(), self.lockstep.hand.model.eval()
        try:
            if not untrained:
                self.tell("drawing figures", 0, "", 1)
            figures = draw(self.lockstep.hand.model, pl_module, trainer.datamodule)
            for number, (name, fig) in enumerate(figures.items(), 1):
                if not untrained:
                    self.tell("drawing figures", number, name, len(figures))
                self.album.add(name, fig, step, untrained)
        except Exception as error:  # told at once, and by the exit status; no reason to lose the run and its verdict
            self.undrawn.append(f"a figure of step {step} cannot be drawn: {where_and_what(error)}")
            print(f"error: {self.undrawn[-1]}", file=sys.stderr)
        pl_module.train(modes[0]), self.lockstep.hand.model.train(modes[1])

    def teardown(self, trainer: Any, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the event files, so that nothing that was logged is lost."""
        for writer in self.writers.values():
            writer.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """The same where training ends early: Lightning calls no teardown then."""
        self.teardown(trainer, pl_module, "fit")


def fenced(text: str, language: str = "") -> str:
    """Text as a Markdown block that keeps its lines."""
    return f"```{language}\n{text.strip(chr(10))}\n```"
