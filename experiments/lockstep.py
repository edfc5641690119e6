"""The lock-step callback: while Lightning trains the torch module, its hand-written twin trains beside it.

Only initial weights, batches and noise are shared. The twin has its own weights, its own optimizer and its own
schedule, and follows the Trainer's clipping and accumulation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch

import manual.optim
from experiments.compare import ONE_STEP, Judge, Step, errors
from experiments.convert import to_numpy, to_torch
from experiments.data import InputError
from experiments.noise import SharedNoise, put, share_hand, share_torch
from experiments.nonfinite import NotFinite, first_in, first_in_forward
from experiments.pair import Twin
from manual.concept import Batch
from manual.concept import Concept as ManualConcept
from manual.module import no_grad
from manual.trainer import Trainer

Mode = Literal["free", "spot", "off"]
DTYPES = {"64-true": "float64", "32-true": "float32"}


class Record(NamedTuple):
    """One judged step: a row of curves.csv."""

    step: int
    loss_manual: float
    loss_torch: float
    error: float  # of the loss
    gradient_error: float  # of the worst gradient
    parameter_error: float  # of the worst parameter, after the update


class HandRun:
    """A hand-written concept in training.

    Args:
        model: the concept.
        settings: manual.trainer.Trainer's, those of the Lightning Trainer.
        noise: what it draws its noise from.
        shadow: multiply every gradient entry by 1 ± eps at every step, to see what rounding can do.
    """

    def __init__(self, model: ManualConcept, settings: Mapping[str, Any], noise: SharedNoise, shadow: bool = False) -> None:
        self.model, self.noise, self.shadow = model, noise, shadow
        share_hand(model, noise)
        self.trainer = Trainer(**settings)
        self.trainer.attach(model)
        self.names = {id(p): name for name, p in model.named_parameters()}
        self.losses: list[float] = []
        self.gradient: dict[str, np.ndarray] = {}  # of the latest step, before clipping

    def load(self, weights: Mapping[str, Any], state: Mapping[int, Any], options: list[dict[str, Any]] | None = None) -> None:
        """Take over torch's weights and its optimizer's state, but not its options: a wrong step size must stay wrong.

        Args:
            weights: a state_dict.
            state: what the optimizer remembers of each parameter.
            options: of each group of parameters; those that this run has, unless given.
        """
        self.model.load_state_dict(weights)
        self.trainer.optimizer.load_state_dict({"state": state, "param_groups": self.options() if options is None else options})

    def options(self) -> list[dict[str, Any]]:
        """The optimizer's options, of each group of parameters, for the step to come."""
        return self.trainer.optimizer.state_dict()["param_groups"]

    def micro(self, batch: Batch, batch_idx: int, micro_batch: int) -> float:
        """Forward and backward of one batch; its loss."""
        self.noise.begin(micro_batch)
        self.losses.append(float(self.trainer.accumulate(batch, batch_idx)))
        return self.losses[-1]

    def finish(self, number: int) -> Step:
        """The optimizer step that ends the batches seen since the last one."""
        if self.shadow:
            self._perturb(number)
        self.gradient = {name: p.grad.copy() for name, p in self.model.named_parameters() if p.has_grad}
        loss = sum(self.losses) / len(self.losses)
        self.losses = []
        lr = step_sizes(self.trainer.optimizer)  # of this step: the schedule then moves it
        self.trainer.step()
        parameters = {name: p.data for name, p in self.model.named_parameters()}
        return Step(loss, self.gradient, parameters, dict(self.model.named_buffers()), {**self._state(), "lr": lr})

    def _perturb(self, number: int) -> None:
        rng = np.random.Generator(np.random.Philox(key=0, counter=[0, 0, 0, number]))
        for p in self.model.parameters():
            if p.has_grad:
                p.grad = p.grad * rounding_factors(rng, p.data)

    def perturb_weights(self, number: int) -> None:
        """Multiply every weight by 1 ± eps."""
        rng = np.random.Generator(np.random.Philox(key=1, counter=[0, 0, 0, number]))
        for p in self.model.parameters():
            p *= rounding_factors(rng, p.data)

    def _state(self) -> dict[str, dict[str, Any]]:
        parameters = self.trainer.optimizer.parameters()
        return by_key({self.names[id(parameters[index])]: s for index, s in self.trainer.optimizer.state.items()})

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimizer and schedule."""
        schedule = self.trainer.scheduler.state_dict() if self.trainer.scheduler is not None else {}
        return {"model": self.model.state_dict(), "optimizer": self.trainer.optimizer.state_dict(), "schedule": schedule}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint left off."""
        self.load(state["model"], state["optimizer"]["state"], state["optimizer"]["param_groups"])
        if self.trainer.scheduler is not None:
            self.trainer.scheduler.load_state_dict(state["schedule"])


def rounding_factors(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """1 + eps or 1 − eps for each entry."""
    eps = float(np.finfo(like.dtype).eps)
    return np.where(rng.integers(0, 2, like.shape, dtype=np.int8) == 1, 1 + eps, 1 - eps).astype(like.dtype)


def step_sizes(optimizer: Any) -> dict[str, Any]:
    """The lr of each group, of either side's optimizer."""
    return {f"group {i}": np.float64(group["lr"]) for i, group in enumerate(optimizer.param_groups)}


def by_key(state: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """{"W": {"exp_avg": ...}} as {"exp_avg": {"W": ...}}, without entries that are None."""
    keys = {key for s in state.values() for key in s}
    return {key: {name: s[key] for name, s in state.items() if s.get(key) is not None} for key in sorted(keys)}


class LockStep(pl.Callback):
    """Trains the hand-written twin beside the Lightning module, and judges every step.

    Args:
        twin: the pair.
        mode: "free" lets both train on their own and compares every step; "spot" copies torch's weights over every
            `every_n_steps` steps and compares that one step; "off" compares nothing.
        every_n_steps: for "spot".
        seed: of the shared noise.
        plain_sgd: train both with gradient descent of this step size in place of the concept's own optimizer: an
            adaptive optimizer divides a constant factor in the gradient away.
    """

    def __init__(self, twin: Twin, mode: Mode = "free", every_n_steps: int = 100, seed: int = 0, plain_sgd: float | None = None) -> None:
        if every_n_steps < 1:
            raise InputError(f"--compare.every_n_steps must be at least 1, got {every_n_steps}")
        self.twin, self.mode, self.every_n_steps, self.seed = twin, mode, every_n_steps, seed
        self.plain_sgd = plain_sgd
        self.records: list[Record] = []
        self.micro_batches = 0  # seen since training began
        self.partings = 0  # how many steps in a row, up to the last, were beyond what is tolerated
        self.metrics: dict[str, float] = {}  # by hand, of the latest validation
        self._resumed: dict[str, Any] | None = None
        self.runs: list[HandRun] = []  # the hand-written run, and in mode free its shadow

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
        if trainer.world_size > 1 or trainer.precision not in DTYPES:
            raise InputError(
                "the two sides are compared in one process, in 64-true or 32-true: set --compare.mode off "
                f"(this run has {trainer.world_size} processes and precision {trainer.precision})"
            )
        ieee_arithmetic()
        self.dtype = DTYPES[trainer.precision]
        self.judge = Judge(self.dtype, self.twin.zero_gradient)
        self.runs = [self._hand_run(trainer, pl_module, shadow) for shadow in ((False, True) if self.mode == "free" else (False,))]
        self.batches: list[Batch] = []
        self.batch_losses: list[float] = []
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
        return HandRun(model, settings, SharedNoise(self.seed, trainer.global_rank), shadow)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the torch module its own noise and optimizer back."""
        if self.plain_sgd is not None:
            del pl_module.configure_optimizers
        put(pl_module, getattr(self, "originals", {}))

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """The same where training ends early: Lightning calls no teardown then."""
        self.teardown(trainer, pl_module, "fit")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """In mode spot, hand the last weights over: figures are drawn of the trained pair."""
        if self.mode == "spot":
            self.hand.model.load_state_dict(to_numpy(dict(pl_module.state_dict())))

    # ---- a step ----------------------------------------------------------------------------------

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Give both sides the same noise; before the first batch of a step, take down what torch holds if it will be needed."""
        self.noise.begin(self.micro_batches)
        self.batch = batch
        self.watching = self.mode == "free" or (self.mode == "spot" and trainer.global_step % self.every_n_steps == 0)
        if self.watching and not self.batches:
            self.first_micro_batch, self.first_batch_idx = self.micro_batches, batch_idx
            if self.mode == "spot":
                self.hand.load(*self._torch_holds(trainer, pl_module))
            elif self.dtype == "float32":
                self.before = *self._torch_holds(trainer, pl_module), self.hand.options()

    @staticmethod
    def _torch_holds(trainer: pl.Trainer, pl_module: pl.LightningModule) -> tuple[Any, Any]:
        """Copies of torch's weights and optimizer state."""
        return to_numpy(dict(pl_module.state_dict())), to_numpy(trainer.optimizers[0].state_dict()["state"])

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor) -> None:
        """Stop if the loss is not finite, before it spoils the weights."""
        self.loss = loss.detach() * trainer.accumulate_grad_batches
        if not torch.isfinite(self.loss):
            self._stop(trainer, pl_module, f"the loss is {float(self.loss)}")

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        """Take down torch's gradients before they are clipped."""
        self.lr = step_sizes(optimizer)
        self.gradient = {name: p.grad for name, p in pl_module.named_parameters() if p.grad is not None}
        found = first_in(self.gradient)
        if found:
            raise NotFinite(f"step {trainer.global_step}: torch: first not finite: the gradient of {found}")
        if self.watching and trainer.gradient_clip_val:
            self.gradient = {name: g.clone() for name, g in self.gradient.items()}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Let the twin do what torch has just done; at the end of a step, judge."""
        if self.watching:
            arrays = tuple(to_numpy(t) for t in batch)
            self.batches.append(arrays)
            self.batch_losses.append(float(self.loss))
            with np.errstate(all="ignore"):  # an overflow is reported once, by name, below
                for run in self.runs:
                    run.micro(arrays, batch_idx, self.micro_batches)
            if not np.isfinite(self.hand.losses[-1]):
                self._stop_by_hand(trainer.global_step - 1)
            if not trainer.fit_loop._should_accumulate():
                with np.errstate(all="ignore"):
                    self._judge(trainer, pl_module)
                self.batches, self.batch_losses = [], []
        elif not trainer.fit_loop._should_accumulate():
            for run in self.runs:
                run.trainer.move_schedule("step")
        if trainer.is_last_batch:
            for run in self.runs:
                run.trainer.move_schedule("epoch")
        self.micro_batches += 1

    def _judge(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        number = trainer.global_step - 1
        theirs = self._torch_step(trainer, pl_module)
        ours = self.hand.finish(number)
        shadow = self.runs[1].finish(number) if self.mode == "free" else None
        found = self.judge.step(number, ours, theirs, shadow)
        self.partings = self.partings + 1 if found.beyond is not None else 0
        if found.beyond is not None:
            if self._rounding_explains(number, ours, theirs):
                self._new_window(trainer, pl_module)
            else:
                self.judge.convict(number, ours, theirs)
        elif self.mode == "free" and self.judge.exhausted:
            self._new_window(trainer, pl_module)
        worst = found.errors
        self.records.append(Record(number, ours.loss, theirs.loss, worst["loss"], worst["gradient"], worst["parameter"]))

    def _torch_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> Step:
        optimizer = trainer.optimizers[0]
        names: dict[Any, str] = {p: name for name, p in pl_module.named_parameters()}
        saved = pl_module.state_dict()
        return Step(
            sum(self.batch_losses) / len(self.batch_losses),
            self.gradient,
            dict(pl_module.named_parameters()),
            {name: b for name, b in pl_module.named_buffers() if name in saved},
            {**by_key({names[p]: s for p, s in optimizer.state.items()}), "lr": self.lr},
        )

    def _rounding_explains(self, number: int, ours: Step, theirs: Step) -> bool:
        """Whether this very step agrees when it starts from torch's own weights.

        In float32 a single ReLU or maximum that falls on the other side parts two right runs for good, at a step
        that the shadow does not share. A wrong backward is wrong from any weights. What rounding can do to this one
        step is measured as ever: by a shadow, whose weights are here multiplied by 1 ± eps as well.

        It explains no more than two steps in a row: the second began with torch's own weights. Nor does it explain a schedule.
        """
        if self.mode != "free" or self.dtype != "float32" or self.partings > 2:
            return False
        if max(errors(ours.state["lr"], theirs.state["lr"]).values()) > ONE_STEP["float64"]:
            return False
        alone = Judge(self.dtype, self.twin.zero_gradient)
        alone.largest, alone.loss_sum, alone.steps = dict(self.judge.largest), self.judge.loss_sum, self.judge.steps
        steps = []
        for run in self.runs:
            again = HandRun(run.model, self._settings(), run.noise, run.shadow)
            again.load(*self.before)
            if run.shadow:
                again.perturb_weights(number)
            for i, batch in enumerate(self.batches):
                again.micro(batch, self.first_batch_idx + i, self.first_micro_batch + i)
            steps.append(again.finish(number))
        return alone.step(number, steps[0], theirs, steps[1]).beyond is None

    def _settings(self) -> dict[str, Any]:
        ours = self.hand.trainer
        return {key: getattr(ours, key) for key in ("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm")}

    def _new_window(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy torch's weights and optimizer state over, and begin again."""
        for run in self.runs:
            run.load(*self._torch_holds(trainer, pl_module))
        self.judge.new_window()

    # ---- NaN and infinity ------------------------------------------------------------------------

    def _stop(self, trainer: pl.Trainer, pl_module: pl.LightningModule, what: str) -> None:
        """Name the first tensor that is not finite, on both sides, and stop."""
        self.noise.begin(self.micro_batches)
        pl_module.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
        with torch.no_grad():
            theirs = first_in_forward(pl_module, self.batch, by_hand=False)
        del pl_module.log
        message = f"step {trainer.global_step}: {what}; first not finite: torch: {theirs}"
        if self.watching:
            message += f"; by hand: {self._first_by_hand()}"
        raise NotFinite(message)

    def _stop_by_hand(self, number: int) -> None:
        loss = self.hand.losses[-1]
        raise NotFinite(
            f"step {number}: the loss is {loss} by hand and {float(self.loss)} in torch; first not finite: by hand: {self._first_by_hand()}"
        )

    def _first_by_hand(self) -> str:
        self.hand.model.forget()
        self.hand.noise.begin(self.micro_batches)
        with no_grad(), np.errstate(all="ignore"):
            batch = tuple(to_numpy(t) for t in self.batch)
            if np.isfinite(self.hand.model.training_step(batch, 0)):
                return "nothing"
            self.hand.noise.begin(self.micro_batches)
            return first_in_forward(self.hand.model, batch, by_hand=True)

    # ---- validation ------------------------------------------------------------------------------

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the batches of the last validation."""
        self.held_out: list[Batch] = []

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Keep the batch for the twin."""
        if self.comparing:
            self.held_out.append(tuple(to_numpy(t) for t in batch))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate the twin on the same batches."""
        if self.comparing:
            if self.mode == "spot":
                self.hand.model.load_state_dict(to_numpy(dict(pl_module.state_dict())))
            self.metrics = self.hand.trainer.validate(self.held_out)

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
                "partings": self.partings,
                "mode": self.mode,
            }
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep a checkpoint's state until on_fit_start."""
        self._resumed = to_numpy(state)

    def _go_on(self, state: dict[str, Any]) -> None:
        if state["mode"] != self.mode:
            raise InputError(f"this run was compared in mode {state['mode']}: resume it with --compare.mode {state['mode']}")
        self.micro_batches, self.partings = state["micro_batches"], state["partings"]
        for run, saved in zip(self.runs, state["runs"], strict=True):
            run.load_state_dict(saved)
        self.judge.load_state_dict(state["judge"])
        self.records = [Record(int(row[0]), *map(float, row[1:])) for row in state["records"]]


def ieee_arithmetic() -> None:
    """Turn TF32 off: a comparison of rounded numbers would compare the rounding."""
    if torch.cuda.is_available():
        torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]
