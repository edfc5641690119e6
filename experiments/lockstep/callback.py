"""The lock-step callback: while Lightning trains the torch module, its hand-written twin trains beside it.

Only initial weights, batches and noise are shared. The twin has its own weights, its own optimizers and its own
schedules, and follows the Trainer's clipping and accumulation. Each side yields a Step for every step that one of its
optimizers takes; the two lists are paired and judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch

import manual.optim
from experiments.compare import ONE_STEP, Judge, Judgement, Metrics, Round, Step, errors, order_of, tensors_of
from experiments.convert import to_numpy, to_torch
from experiments.data import InputError
from experiments.explain import Line, explain, rows_of
from experiments.lockstep import ranks
from experiments.lockstep.by_hand import HandRun, of_torch
from experiments.lockstep.floor import rounding_of_step
from experiments.lockstep.in_torch import TorchRun
from experiments.look import Row, intermediates, look, objectives
from experiments.noise import SharedNoise, put, share_hand, share_torch
from experiments.nonfinite import NotFinite, first_in_forward
from experiments.pair import Twin
from experiments.raised import HandRaised, raising
from manual.concept import Batch
from manual.module import no_grad

Mode = Literal["free", "spot", "off"]
SHADOWS = 8
"""How many shadows a second look at a step has, at most: one may by chance decide every tie as the hand does."""

DTYPES = {"64-true": "float64", "32-true": "float32"}


class Record(NamedTuple):
    """One judged step: a row of curves.csv."""

    step: int
    loss_manual: float
    loss_torch: float
    error: float  # of the loss
    gradient_error: float  # of the worst gradient
    parameter_error: float  # of the worst parameter, after the update
    optimizer: int  # which of them took the step


class LockStep(pl.Callback):
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
    """

    def __init__(
        self,
        twin: Twin,
        mode: Mode = "free",
        every_n_steps: int = 100,
        seed: int = 0,
        plain_sgd: float | None = None,
        look_at: int = 0,
    ) -> None:
        if every_n_steps < 1:
            raise InputError(f"--compare.every_n_steps must be at least 1, got {every_n_steps}")
        self.twin, self.mode, self.every_n_steps, self.seed = twin, mode, every_n_steps, seed
        self.plain_sgd, self.look_at = plain_sgd, look_at
        self.records: list[Record] = []
        self.micro_batches = 0  # seen since training began
        self.rounds = 0  # judgements that there were or could have been: in mode spot most are left out
        self.partings = 0  # how many rounds in a row, up to the last, were beyond what is tolerated
        self.metrics: dict[str, float] = {}  # by hand, of the latest validation
        self.runs: list[HandRun] = []  # the hand-written run, and in mode free its shadow
        self.originals: dict[str, Any] = {}  # torch's modules that drew noise of their own
        self.in_torch: TorchRun | None = None
        self.rows: list[Row] = []  # of the step that was looked at
        self.lines: list[Line] = []  # the first disagreement, tensor by tensor
        self.watching = False
        self._resumed: dict[str, Any] | None = None
        self._begin_round()

    def _begin_round(self) -> None:
        self.batches: list[Any] = []  # since the last step
        self.between_steps = True  # whether no gradients are waiting for a step

    @property
    def comparing(self) -> bool:
        """Whether a hand-written twin trains beside torch."""
        return bool(self.runs)

    @property
    def hand(self) -> HandRun:
        """The hand-written run."""
        return self.runs[0]

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
        ieee_arithmetic()
        self.dtype = DTYPES[trainer.precision]
        self.judge = Judge(self.dtype, self.twin.zero_gradient, self.twin.foretold)
        self.in_torch = TorchRun(trainer, pl_module)
        if trainer.is_global_zero:
            self.runs = [self._hand_run(trainer, pl_module, shadow) for shadow in ((False, True) if self.mode == "free" else (False,))]
        self.frozen = to_numpy({name: p for name, p in pl_module.named_parameters() if not p.requires_grad})
        self.window_begins = True
        if self._resumed is not None:
            self._go_on(self._resumed)

    def _hand_run(self, trainer: pl.Trainer, pl_module: Any, shadow: bool) -> HandRun:
        settings = {
            "accumulate_grad_batches": trainer.accumulate_grad_batches,
            "gradient_clip_val": trainer.gradient_clip_val,
            "gradient_clip_algorithm": str(getattr(trainer.gradient_clip_algorithm, "value", trainer.gradient_clip_algorithm) or "norm"),
        }
        model = self.twin.by_hand(pl_module, self.dtype)
        if self.plain_sgd is not None:
            sgd = manual.optim.SGD(model.parameters(), lr=self.plain_sgd)
            model.configure_optimizers = lambda: sgd  # type: ignore[method-assign]
        return HandRun(model, settings, [SharedNoise(self.seed, rank) for rank in range(trainer.world_size)], shadow)

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
            self._judge(trainer, pl_module)
        if self.comparing and self.mode == "spot":
            self.hand.model.load_state_dict(to_numpy(dict(pl_module.state_dict())))

    # ---- a batch ---------------------------------------------------------------------------------

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Give both sides the same noise; before the first batch of a round, take down what torch holds if it will be needed."""
        self._move_plateaus(trainer)
        self.noise.begin(self.micro_batches)
        self.batch = batch
        self.steps_before = trainer.global_step
        if self.mode == "off":
            return
        self.watching = self.mode == "free" or self.rounds % self.every_n_steps == 0
        if self.watching and not self.batches:
            self._round_begins(trainer, pl_module, batch_idx)

    def _round_begins(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch_idx: int) -> None:
        self.first_micro_batch, self.first_batch_idx, self.first_step = self.micro_batches, batch_idx, trainer.global_step
        if not self.comparing:
            return
        self.before = of_torch(pl_module, trainer.optimizers)
        if self.mode == "spot":
            options = None if pl_module.automatic_optimization else [to_numpy(o.state_dict()["param_groups"]) for o in trainer.optimizers]
            self.hand.load(*self.before, options)
        self.options_before = self.hand.options()
        if trainer.global_step == self.look_at:
            self.rows = self._look(pl_module, self.batch, self.micro_batches, self.hand.model.state_dict())

    def _look(self, pl_module: Any, batch: Any, micro_batch: int, weights: dict[str, Any]) -> list[Row]:
        """Every value and every gradient of both sides on one batch, the hand-written side at these weights."""
        model, noise = self.twin.by_hand(pl_module, self.dtype), SharedNoise(self.seed)
        model.load_state_dict(weights)
        share_hand(model, noise)
        rows: list[Row] = []
        for objective in objectives(self.twin, pl_module):
            for side in (noise, self.noise):
                side.begin(micro_batch)
            with np.errstate(all="ignore"), raising(f"step {self.first_step}", self.twin.name):
                rows += look(model, pl_module, tuple(to_numpy(t) for t in batch), objective)
        self.noise.begin(self.micro_batches)
        return rows

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor) -> None:
        """Stop if the loss is not finite, before it spoils the weights."""
        if self.in_torch is not None:
            self.in_torch.before_backward(loss)
        if trainer.world_size == 1 and not torch.isfinite(loss):
            self._stop(trainer, pl_module, f"the loss is {float(loss.detach() * trainer.accumulate_grad_batches)}")

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
        for run in self.runs:
            with np.errstate(all="ignore"), raising(f"step {self.first_step}", self.twin.name):  # an overflow is reported once, by name
                try:
                    run.train(arrays if trainer.world_size > 1 else arrays[0], batch_idx, self.micro_batches, trainer.is_last_batch)
                except NotFinite:
                    self._stop_by_hand()

    def _end_batch(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch_idx: int) -> None:
        if self.between_steps:
            if self.watching:
                with np.errstate(all="ignore"):
                    self._judge(trainer, pl_module)
            elif self.in_torch is not None:
                self._leave_out(self.in_torch.take())
            self.rounds += 1
            self._begin_round()
        for run in self.runs:
            if self.between_steps:
                run.trainer.move_schedules("step", batch_idx)
            if trainer.is_last_batch:
                run.trainer.move_schedules("epoch", trainer.current_epoch)
        self.due = [("step", batch_idx)] * self.between_steps + [("epoch", trainer.current_epoch)] * trainer.is_last_batch

    due: Sequence[tuple[str, int]] = ()  # schedules that follow a metric, whose turn comes after the validation

    def _move_plateaus(self, trainer: pl.Trainer) -> None:
        """Lightning moves these last, after checkpoints are saved; a resumed run has lost that move, on both sides."""
        for interval, index in self.due:
            for run in self.runs:
                run.trainer.move_schedules(interval, index, on_plateau=True)
        self.due = ()

    def _leave_out(self, of_torch: Round) -> None:
        """In mode spot a round that is not compared: a schedule that follows a logged number is given torch's."""
        for run in self.runs:
            run.trainer.callback_metrics |= {name: values[-1] for name, values in of_torch.metrics.items()}

    # ---- judging ---------------------------------------------------------------------------------

    def _judge(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge everything since the last judgement, and remember it."""
        assert self.in_torch is not None
        theirs = ranks.together(trainer, self.in_torch.take())
        if not self.comparing:
            return
        ours, *shadow = (run.take() for run in self.runs)
        if difference := order_of(ours.steps, theirs.steps):
            self.judge.convict(f"step {self.first_step}: {difference}")
        judgements = self._judgements(self.judge, ours, theirs, shadow[0] if shadow else None)
        if any(j.beyond is not None for j in judgements) and self.judge.raise_floor(self._rounding(pl_module)):
            judgements = [self.judge.review(j) if j.beyond is not None else j for j in judgements]
        beyond = [j for j in judgements if j.beyond is not None]
        self.partings = self.partings + 1 if beyond else 0
        if self.window_begins and not beyond:
            self._measure_rounding(judgements)
        self.window_begins = False
        if beyond and self._rounding_explains(trainer, pl_module, ours, theirs):
            self._new_window(trainer, pl_module)
        else:
            for judgement in beyond:
                self._convict(pl_module, judgement, judgements.index(judgement), ours, theirs)
            self._judge_intermediates()
            if self.mode == "free" and self.judge.exhausted:
                self._new_window(trainer, pl_module)
        for i, (a, b, found) in enumerate(zip(ours.steps, theirs.steps, judgements, strict=False)):
            loss, gradient, parameter = (found.worst(kind) for kind in ("loss", "gradient", "parameter"))
            self.records.append(Record(self.first_step + i, a.loss, b.loss, loss, gradient, parameter, b.optimizer))

    def _measure_rounding(self, judgements: list[Judgement]) -> None:
        """From equal weights the two gradients differ by rounding alone: by so much the shadow's are to be perturbed in this window."""
        found = [j.found["gradient"] for j in judgements if "gradient" in j.found]
        for run in self.runs[1:]:
            run.rounding = {name: max(e.get(name, 0.0) for e in found) for name in {n for e in found for n in e}}

    def _judgements(self, judge: Judge, ours: Round, theirs: Round, shadow: Round | None) -> list[Judgement]:
        """Of each step, and then of what was logged."""
        steps = shadow.steps if shadow else []
        shadows = [*steps, *[None] * (len(ours.steps) - len(steps))]
        found = [
            judge.step(self.first_step + i, a, b, s) for i, (a, b, s) in enumerate(zip(ours.steps, theirs.steps, shadows, strict=False))
        ]
        when = f"step {self.first_step}"
        found.append(judge.metrics(when, ours.metrics, theirs.metrics, shadow.metrics if shadow else None))
        if moved := self._frozen_moved(ours.steps, theirs.steps):
            judge.convict(f"{when}: {moved}")
        return found

    def _frozen_moved(self, *sides: Sequence[Step]) -> str | None:
        """A parameter that is frozen and moved all the same, on either side."""
        for side, steps in zip(("by hand", "in torch"), sides, strict=True):
            for name, value in self.frozen.items():
                if any(not np.array_equal(to_numpy(step.parameter[name]), value) for step in steps[-1:]):
                    return f"parameter {name} is frozen, and moved {side}"
        return None

    def _judge_intermediates(self) -> None:
        """Those of the step that was looked at, once it has been judged itself."""
        if self.rows and self.first_step == self.look_at:
            judgement = self.judge.intermediates(f"step {self.look_at}", *intermediates(self.rows))
            if judgement.beyond is not None:
                self.judge.convict(judgement)
                self.lines = self.lines or explain(self.rows, self.dtype, self.judge.floor)

    def _convict(self, pl_module: Any, judgement: Judgement, place: int, ours: Round, theirs: Round) -> None:
        """Record the fault. The first is looked at again, both sides at the weights that torch began with."""
        if self.judge.failure is None and not self.lines:
            self.lines = explain(self._look_again(pl_module), self.dtype, self.judge.floor)
            if all(line.right for line in self.lines):  # then it is in no gradient
                steps = place < min(len(ours.steps), len(theirs.steps))
                hand, in_torch = (tensors_of(s.steps[place]) if steps else {"metric": s.metrics} for s in (ours, theirs))
                self.lines = explain(rows_of(judgement, hand, in_torch), self.dtype, max(judgement.tolerances.values()))
        self.judge.convict(judgement)

    def _look_again(self, pl_module: Any) -> list[Row]:
        with self._as_before(pl_module) as batch:
            try:
                return self._look(pl_module, batch, self.first_micro_batch, self.before[0])
            except HandRaised:
                return []

    def _rounding(self, pl_module: Any) -> float:
        """What rounding does to this very step in torch."""
        with self._as_before(pl_module) as batch, np.errstate(all="ignore"):
            return rounding_of_step(self.twin, pl_module, batch, self.noise, self.first_micro_batch)

    @contextmanager
    def _as_before(self, pl_module: Any) -> Iterator[Any]:
        """For the time of the `with`, torch has the weights with which it began the round; gives the first batch that it saw then."""
        now = {key: t.detach().clone() for key, t in pl_module.state_dict().items()}
        pl_module.load_state_dict(to_torch(self.before[0], pl_module.device))
        try:
            yield to_torch(self.batches[0][0], pl_module.device)
        finally:
            pl_module.load_state_dict(now)
            self.noise.begin(self.micro_batches)

    def _rounding_explains(self, trainer: pl.Trainer, pl_module: pl.LightningModule, ours: Round, theirs: Round) -> bool:
        """Whether these very steps agree when they start from torch's own weights.

        In float32 a single ReLU or maximum that falls on the other side parts two right runs for good, at a step
        that the shadow does not share. A wrong backward is wrong from any weights. What rounding can do to this one
        step is measured as ever: by a shadow, whose weights are here multiplied by 1 ± eps as well.

        It explains no more than two rounds in a row: the second began with torch's own weights. Nor does it explain a schedule.
        """
        if self.mode != "free" or self.dtype != "float32" or self.partings > 2 or order_of(ours.steps, theirs.steps):
            return False
        lrs = [(a.state["lr"], b.state["lr"]) for a, b in zip(ours.steps, theirs.steps, strict=True)]
        if any(max(errors(a, b).values()) > ONE_STEP["float64"] for a, b in lrs):
            return False
        again, judge = self._again(trainer, pl_module), self.judge.same_measure()
        shadows = (self._again(trainer, pl_module, i) for i in range(SHADOWS))  # which way a tie falls is a matter of luck
        return any(all(j.beyond is None for j in self._judgements(judge, again, theirs, shadow)) for shadow in shadows)

    def _again(self, trainer: pl.Trainer, pl_module: pl.LightningModule, shadow: int | None = None) -> Round:
        """The same batches once more, by hand, from torch's weights; as the how-manieth shadow, if it is one."""
        run = self._hand_run(trainer, pl_module, shadow is not None)
        run.load(*self.before, self.options_before)
        if shadow is not None:
            run.perturb_weights(SHADOWS * self.first_step + shadow)
        for i, arrays in enumerate(self.batches):
            last = trainer.is_last_batch and i == len(self.batches) - 1
            batch = arrays if trainer.world_size > 1 else arrays[0]
            run.train(batch, self.first_batch_idx + i, self.first_micro_batch + i, last)
        return run.take()

    def _new_window(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy torch's weights and optimizer state over, and begin again."""
        for run in self.runs:
            run.load(*of_torch(pl_module, trainer.optimizers))
        self.judge.new_window()
        self.window_begins = True

    # ---- NaN and infinity ------------------------------------------------------------------------

    def _stop(self, trainer: pl.Trainer, pl_module: pl.LightningModule, what: str) -> None:
        """Name the first tensor that is not finite, on both sides, and stop."""
        self.noise.begin(self.micro_batches)
        if self.in_torch is not None:
            self.in_torch.release()
        pl_module.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
        with torch.no_grad():
            theirs = first_in_forward(pl_module, self.batch, by_hand=False)
        del pl_module.log
        message = f"step {trainer.global_step}: {what}; first not finite: torch: {theirs}"
        if self.watching and self.comparing:
            message += f"; by hand: {self._first_by_hand()}"
        raise NotFinite(message)

    def _stop_by_hand(self) -> None:
        theirs = float(self.in_torch.loss) if self.in_torch else None
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
            return first_in_forward(model, batch, by_hand=True)

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
        theirs = ranks.together(trainer, Round([], means)).metrics
        held_out = ranks.gather(trainer, self.held_out)
        if not self.comparing:
            return
        if self.mode == "spot":
            self.hand.model.load_state_dict(to_numpy(dict(pl_module.state_dict())))
        when = f"the validation after step {trainer.global_step - 1}"
        with np.errstate(all="ignore"), raising(when, self.twin.name):
            (self.metrics, ours), *shadow = [run.validate(held_out) for run in self.runs]
        judgement = self.judge.metrics(when, ours, theirs, shadow[0][1] if shadow else None)
        if judgement.beyond is not None and not self._rounding_explains_validation(trainer, pl_module, held_out, theirs):
            rows = rows_of(judgement, {"metric": ours}, {"metric": theirs})
            self.lines = self.lines or explain(rows, self.dtype, judgement.tolerances["metric"])
            self.judge.convict(judgement)

    def _rounding_explains_validation(self, trainer: pl.Trainer, pl_module: Any, held_out: Any, theirs: Metrics) -> bool:
        """Whether in float32 torch's own weights, by hand, give torch's numbers: two right runs may long have parted."""
        if self.mode != "free" or self.dtype != "float32":
            return False
        _, again = self._hand_run(trainer, pl_module, shadow=False).validate(held_out)
        return self.judge.same_measure().metrics("validation", again, theirs).beyond is None

    # ---- checkpoint ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Both hand-written runs, the judge and the history, as tensors and plain numbers."""
        if not self.comparing:
            return {"micro_batches": self.micro_batches, "mode": self.mode}
        records = np.array(self.records, dtype=np.float64).reshape(-1, len(Record._fields))
        return to_torch(
            {
                "runs": [run.state_dict() for run in self.runs],
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
        for run, saved in zip(self.runs, state["runs"], strict=True):
            run.load_state_dict(saved)
        self.judge.load_state_dict(state["judge"])
        self.window_begins = state["window_begins"]
        self.records = [Record._make([int(row[0]), *map(float, row[1:-1]), int(row[-1])]) for row in state["records"]]


def ieee_arithmetic() -> None:
    """Turn TF32 off: a comparison of rounded numbers would compare the rounding."""
    if torch.cuda.is_available():
        torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]
