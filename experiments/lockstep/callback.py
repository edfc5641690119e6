"""The lock-step callback: while Lightning trains the torch module, its hand-written twin trains beside it.

Only initial weights, batches and noise are shared. The twin has its own weights, its own optimizers and its own
schedules, and follows the Trainer's clipping and accumulation. Each side yields a Step for every step that one of its
optimizers takes; the two lists are paired and judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from experiments.data.arrays import InputError
from experiments.judge.compare import Judge, Judgement, Metrics
from experiments.judge.convert import to_numpy, to_torch, weights_by_hand
from experiments.judge.explain import explain, rows_of
from experiments.judge.noise import SharedNoise, put, share_torch
from experiments.judge.nonfinite import NotFinite, first_in_forward
from experiments.judge.raised import raising
from experiments.lockstep import ranks
from experiments.lockstep.again import Again
from experiments.lockstep.in_torch import TorchRun
from experiments.lockstep.judging import Judging, Mode, Record
from experiments.lockstep.rollouts import judge_rollout
from experiments.lockstep.shadow import Shadow
from experiments.pair import Twin
from manual.concept import Batch
from manual.module import no_grad

DTYPES = {"64-true": "float64", "32-true": "float32"}


class LockStep(Judging, pl.Callback):
    """Trains the hand-written twin beside the Lightning module, and judges every step and everything that is logged.

    Args:
        twin: the pair.
        mode: "free" lets both train on their own and compares every step; "spot" copies torch's weights over every
            `every_n_steps` steps and compares that one step; "off" compares nothing.
        every_n_steps: for "spot".
        seed: of the shared noise.
        plain_sgd: train both with gradient descent of this step size in place of the concept's own optimizer: an
            adaptive optimizer divides a constant factor in the gradient away.
        look_at: the step of which intermediates are compared too.
        unheard: what is logged in training is compared, and not handed on to Lightning, which takes a tenth of the time of a small step to
            keep it: for a Trainer that writes nothing.
    """

    def __init__(
        self,
        twin: Twin,
        mode: Mode = "free",
        every_n_steps: int = 100,
        seed: int = 0,
        plain_sgd: float | None = None,
        look_at: int = 0,
        unheard: bool = False,
    ) -> None:
        if every_n_steps < 1:
            raise InputError(f"--compare.every_n_steps must be at least 1, got {every_n_steps}")
        super().__init__(twin, mode, seed, plain_sgd, look_at)
        self.every_n_steps, self.unheard = every_n_steps, unheard
        self.rounds = 0  # judgements that there were or could have been: in mode spot most are left out
        self.originals: dict[str, Any] = {}  # torch's modules that drew noise of their own
        self.watching = False
        self._resumed: dict[str, Any] | None = None
        self._begin_round()

    def _begin_round(self) -> None:
        self.batches = []
        self.between_steps = True  # whether no gradients are waiting for a step

    # ---- begin and end ---------------------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Make the module double if it will be (Lightning reads a checkpoint before it does so, and rounds its weights to float32).

        Put plain gradient descent in the optimizer's place, if asked to.
        """
        if trainer.precision == "64-true":
            pl_module.double()
        if self.plain_sgd is not None:
            sgd = torch.optim.SGD(pl_module.parameters(), lr=self.plain_sgd)
            pl_module.configure_optimizers = lambda: sgd  # type: ignore[method-assign]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Share the noise; build the twin from the module's own hyperparameters and weights, or from the checkpoint."""
        self.noise = SharedNoise(self.seed, trainer.global_rank)
        self.originals = share_torch(pl_module, self.noise)
        if self.mode == "off":
            return
        if trainer.precision not in DTYPES:
            raise InputError(f"the two sides are compared in 64-true or 32-true: set --compare.mode off for precision {trainer.precision}")
        if trainer.world_size > 1 and not pl_module.automatic_optimization:
            raise InputError("several processes whose model takes its steps itself are not compared: set --compare.mode off")
        ieee_arithmetic()
        self.dtype = DTYPES[trainer.precision]
        self.judge = Judge(self.dtype, self.twin.zero_gradient, self.twin.foretold)
        if trainer.is_global_zero:
            self.runs = [self.hand_run(trainer, pl_module, shadow=False)]
            asked = self.mode == "free" and self.twin.foretold  # by its judge
            self.shadow = Shadow(self.hand_run(trainer, pl_module, shadow=True)) if asked else None
        self.in_torch = TorchRun(trainer, pl_module, self.twin.naming, self.hand.layouts if self.runs else None, self.unheard)
        frozen = to_numpy(self.twin.naming.by_hand({name: p for name, p in pl_module.named_parameters() if not p.requires_grad}))
        written = tuple(f"{part}." for part in self.twin.written)
        self.frozen = {name: p for name, p in frozen.items() if not name.startswith(written)}
        self.window_begins = True
        if self._resumed is not None:
            self._go_on(self._resumed)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the torch module its own noise and optimizer back."""
        if self.plain_sgd is not None:
            vars(pl_module).pop("configure_optimizers", None)
        if self.in_torch is not None:
            self.in_torch.release()
        put(pl_module, self.originals)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """The same where training ends early: Lightning calls no teardown then."""
        self.teardown(trainer, pl_module, "fit")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge what no step came after. In mode spot, hand the last weights over: figures are drawn of the trained pair."""
        if self.comparing and self.watching and self.batches:
            self.judge_round(trainer, pl_module)
        if self.comparing and self.mode == "spot":
            self.hand.model.load_state_dict(weights_by_hand(self.twin.naming, pl_module))

    # ---- a batch ---------------------------------------------------------------------------------

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Give both sides the same noise; before the first batch of a round, take down what torch holds if it will be needed."""
        self._move_plateaus(trainer)
        self.noise.begin(self.micro_batches)
        self.batch = batch
        self.steps_before = trainer.global_step
        if self.mode == "off":
            return
        if batch_idx == 0:
            judge_rollout(self, trainer, pl_module)
        self.watching = self.mode == "free" or self.rounds % self.every_n_steps == 0
        if self.in_torch is not None:
            self.in_torch.watching = self.watching
        if self.watching and not self.batches:
            self._round_begins(trainer, pl_module, batch_idx)

    def _round_begins(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch_idx: int) -> None:
        self.first_micro_batch, self.first_batch_idx, self.first_step = self.micro_batches, batch_idx, trainer.global_step
        if not self.comparing or self.in_torch is None:
            return
        self.before = self.in_torch.copies()
        if self.mode == "spot":
            options = None if pl_module.automatic_optimization else [to_numpy(o.state_dict()["param_groups"]) for o in trainer.optimizers]
            self.hand.load(*self.before, options)
        self.options_before = self.hand.options()
        if trainer.global_step == self.look_at:
            self.rows = self.look(pl_module, self.batch, self.micro_batches, self.hand.model.state_dict())

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor) -> None:
        """Stop if the loss is not finite, before it spoils the weights."""
        value = float(loss.detach()) * trainer.accumulate_grad_batches  # by which Lightning has divided it
        if self.in_torch is not None and self.watching:
            self.in_torch.before_backward(value)
        if trainer.world_size == 1 and not math.isfinite(value):
            self._stop(trainer, pl_module, f"the loss is {value}")

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        """Take down torch's gradients before they are clipped."""
        if self.in_torch is not None:
            self.in_torch.before_step(optimizer)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Let the twin do what torch has just done; once torch has made a step, judge."""
        self.between_steps = trainer.global_step > self.steps_before or not pl_module.automatic_optimization
        if self.mode != "off":
            if self.watching:
                self._follow(trainer, batch, batch_idx)
            self._end_batch(trainer, pl_module, batch_idx)
        self.micro_batches += 1

    def _follow(self, trainer: pl.Trainer, batch: Any, batch_idx: int) -> None:
        """Show the twin the batch that torch has just seen (with several processes, all of theirs)."""
        arrays = ranks.gather(trainer, tuple(to_numpy(t) for t in batch))
        self.batches.append(arrays)
        seen = arrays if trainer.world_size > 1 else arrays[0], batch_idx, self.micro_batches, trainer.is_last_batch
        for run in self.all_runs:
            with np.errstate(all="ignore"), raising(f"step {self.first_step}", self.twin.name):  # an overflow is reported once, by name
                try:
                    run.train(*seen)
                except NotFinite:
                    self._stop_by_hand()

    def _end_batch(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch_idx: int) -> None:
        if self.between_steps:
            if self.watching:
                with np.errstate(all="ignore"):
                    self.judge_round(trainer, pl_module)
            elif self.in_torch is not None:
                self._leave_out(self.in_torch)
            self.rounds += 1
            self._begin_round()
        for run in self.all_runs:
            if self.between_steps:
                run.move_schedules("step", batch_idx)
            if trainer.is_last_batch:
                run.move_schedules("epoch", trainer.current_epoch)
        self.due = [("step", batch_idx)] * self.between_steps + [("epoch", trainer.current_epoch)] * trainer.is_last_batch

    due: Sequence[tuple[str, int]] = ()  # schedules that follow a metric, whose turn comes after the validation

    def _move_plateaus(self, trainer: pl.Trainer) -> None:
        """Lightning moves these last, after checkpoints are saved; a resumed run has lost that move, on both sides."""
        for interval, index in self.due:
            for run in self.all_runs:
                run.move_schedules(interval, index, on_plateau=True)
        self.due = ()

    def _leave_out(self, of_torch: TorchRun) -> None:
        """In mode spot a round that is not compared: a schedule that follows a logged number is given torch's."""
        for run in self.runs:
            run.trainer.callback_metrics |= of_torch.latest(schedule.monitor for schedule in run.trainer.schedules)
        of_torch.forget()

    # ---- NaN and infinity ------------------------------------------------------------------------

    def _stop(self, trainer: pl.Trainer, pl_module: pl.LightningModule, what: str) -> None:
        """Name the first tensor that is not finite, on both sides, and stop."""
        self.noise.begin(self.micro_batches)
        if self.in_torch is not None:
            self.in_torch.release()
        pl_module.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
        with torch.no_grad():
            theirs = first_in_forward(pl_module, self.batch, self.twin.naming)
        del pl_module.log
        message = f"step {trainer.global_step}: {what}; first not finite: torch: {theirs}"
        if self.watching and self.comparing:
            message += f"; by hand: {self._first_by_hand()}"
        raise NotFinite(message)

    def _stop_by_hand(self) -> None:
        theirs = self.in_torch.loss if self.in_torch else None
        raise NotFinite(
            f"step {self.first_step}: the loss is {self.hand.loss} by hand and {theirs} in torch; "
            f"first not finite: by hand: {self._first_by_hand()}"
        )

    def _first_by_hand(self) -> str:
        model, noise = self.hand.model, self.hand.noises[0]
        model.forget()
        noise.begin(self.micro_batches)
        with no_grad(), np.errstate(all="ignore"):
            batch = tuple(to_numpy(t) for t in self.batch)
            if model.automatic_optimization and np.isfinite(model.training_step(batch, 0)):
                return "nothing"
            noise.begin(self.micro_batches)
            return first_in_forward(model, batch)

    # ---- validation ------------------------------------------------------------------------------

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the batches of the last validation."""
        self.held_out: list[Batch] = []
        if self.in_torch is not None:
            self.waiting, self.in_torch.metrics = self.in_torch.metrics, {}

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Keep the batch for the twin."""
        if self.in_torch is not None:
            self.held_out.append(tuple(to_numpy(t) for t in batch))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate the twin on the same batches, and judge all that was logged and the means over the batches."""
        if self.in_torch is None:
            return
        logged = self.in_torch.take_metrics()
        self.in_torch.metrics = self.waiting  # of training, where validation comes between two batches of a step
        if trainer.sanity_checking:
            return
        means = {name: [*values, float(trainer.callback_metrics[name])] for name, values in logged.items()}
        theirs = ranks.one_after_the_other(ranks.gather(trainer, means))
        held_out = ranks.gather(trainer, self.held_out)
        if not self.comparing:
            return
        if self.mode == "spot":
            self.hand.model.load_state_dict(weights_by_hand(self.twin.naming, pl_module))
        when = f"the validation after step {trainer.global_step - 1}"
        with np.errstate(all="ignore"), raising(when, self.twin.name):
            self.metrics, ours = self.hand.validate(held_out)
            judgement = self.judge.metrics(when, ours, theirs)
            if self.shadow is not None:
                judgement = self._ask_about_validation(self.shadow, judgement, ours, held_out)
        if judgement.beyond is not None and not Again(self, trainer, pl_module).explains_validation(held_out, theirs):
            rows = rows_of(judgement, {"metric": ours}, {"metric": theirs})
            self.lines = self.lines or explain(rows, self.dtype, judgement.tolerances["metric"])
            self.judge.convict(judgement)

    def _ask_about_validation(self, shadow: Shadow, judgement: Judgement, ours: Metrics, held_out: Any) -> Judgement:
        """Let the shadow validate too, if something is beyond what is allowed so far; and decide again."""
        if judgement.beyond is not None:
            with np.errstate(all="ignore"), raising("the validation", self.twin.name):
                self.judge.stray_in_metrics(shadow.asked().validate(held_out)[1], ours)
            judgement = self.judge.review(judgement)
        shadow.pass_validation(self.metrics)
        return judgement

    # ---- checkpoint ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Both hand-written runs, the judge and the history, as tensors and plain numbers."""
        if not self.comparing:
            return {"micro_batches": self.micro_batches, "mode": self.mode}
        records = np.array(self.records, dtype=np.float64).reshape(-1, len(Record._fields))
        return to_torch(
            {
                "runs": [run.state_dict() for run in self.all_runs],
                "judge": self.judge.state_dict(),
                "records": records,
                "micro_batches": self.micro_batches,
                "rounds": self.rounds,
                "partings": self.partings,
                "window_begins": self.window_begins,
                "mode": self.mode,
            }
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep a checkpoint's state until on_fit_start."""
        self._resumed = to_numpy(state)

    def _go_on(self, state: dict[str, Any]) -> None:
        if state["mode"] != self.mode:
            raise InputError(f"this run was compared in mode {state['mode']}: resume it with --compare.mode {state['mode']}")
        self.micro_batches, self.rounds, self.partings = state["micro_batches"], state["rounds"], state["partings"]
        hand = state["runs"][0]
        for run, saved in zip(self.all_runs, state["runs"], strict=bool(self.runs)):  # of several processes only the first has any
            run.load_state_dict({**hand, **saved})  # of a shadow that waited little is saved
        self.judge.load_state_dict(state["judge"])
        self.window_begins = state["window_begins"]
        self.records = [Record._make([int(row[0]), *map(float, row[1:-1]), int(row[-1])]) for row in state["records"]]


def ieee_arithmetic() -> None:
    """Turn TF32 off: a comparison of rounded numbers would compare the rounding."""
    if torch.cuda.is_available():
        torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]
