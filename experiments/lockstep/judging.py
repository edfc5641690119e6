"""What the two sides did since the last judgement is paired and judged, and the first fault is looked into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pytorch_lightning as pl

import manual.optim
from experiments.data.arrays import InputError
from experiments.judge.compare import Judge, Judgement, Round, Step, order_of, tensors_of
from experiments.judge.convert import to_numpy
from experiments.judge.explain import Line, explain, rows_of
from experiments.judge.look import Row, intermediates, look, objectives
from experiments.judge.noise import SharedNoise, share_hand
from experiments.judge.raised import raising
from experiments.lockstep import ranks
from experiments.lockstep.again import Again
from experiments.lockstep.by_hand import HandRun
from experiments.lockstep.in_torch import TorchRun
from experiments.lockstep.shadow import Shadow
from experiments.pair import Twin

Mode = Literal["free", "spot", "off"]


class Record(NamedTuple):
    """One judged step: a row of curves.csv."""

    step: int
    loss_manual: float
    loss_torch: float
    error: float  # of the loss
    gradient_error: float  # of the worst gradient
    parameter_error: float  # of the worst parameter, after the update
    optimizer: int  # which of them took the step


class Judging:
    """The two runs, their judge, and what was found: the part of LockStep that pairs steps. The other part listens to Lightning.

    Attributes:
        runs: the hand-written run; none where nothing is compared.
        shadow: in mode free, the copy of it that shows what rounding can do.
        in_torch: what was taken down of the torch side.
        records: of every judged step.
        rows: every tensor of the step that was looked at.
        lines: the first disagreement, tensor by tensor.
        metrics: by hand, of the latest validation.
        partings: how many rounds in a row, up to the last, were beyond what is tolerated.
    """

    judge: Judge
    noise: SharedNoise
    dtype: str
    frozen: dict[str, np.ndarray]  # parameters that do not learn, as they were
    before: tuple[dict[str, Any], list[Any], dict[str, Any]]  # torch's, when the round began: weights, optimizers' state, gradients
    options_before: list[Any]  # of the optimizers by hand
    first_micro_batch: int  # of the round, as those below
    first_batch_idx: int
    first_step: int

    def __init__(self, twin: Twin, mode: Mode, seed: int, plain_sgd: float | None, look_at: int) -> None:
        self.twin, self.mode, self.seed, self.plain_sgd, self.look_at = twin, mode, seed, plain_sgd, look_at
        self.runs: list[HandRun] = []
        self.shadow: Shadow | None = None
        self.in_torch: TorchRun | None = None
        self.records: list[Record] = []
        self.rows: list[Row] = []
        self.lines: list[Line] = []
        self.metrics: dict[str, float] = {}
        self.batches: list[Any] = []  # since the last step
        self.micro_batches = 0  # seen since training began
        self.partings = 0
        self.window_begins = True

    @property
    def comparing(self) -> bool:
        """Whether a hand-written twin trains beside torch."""
        return bool(self.runs)

    @property
    def hand(self) -> HandRun:
        """The hand-written run."""
        return self.runs[0]

    @property
    def all_runs(self) -> list[HandRun | Shadow]:
        """The hand-written run, and its shadow."""
        return [*self.runs, *([self.shadow] if self.shadow is not None else [])]

    # ---- the two runs ------------------------------------------------------------------------------

    def hand_run(self, trainer: pl.Trainer, pl_module: Any, shadow: bool, dtype: Any = None) -> HandRun:
        """The hand-written twin of the module at its weights, ready to train; or a shadow of it; in the run's dtype unless given."""
        settings = {
            "accumulate_grad_batches": trainer.accumulate_grad_batches,
            "gradient_clip_val": trainer.gradient_clip_val,
            "gradient_clip_algorithm": str(getattr(trainer.gradient_clip_algorithm, "value", trainer.gradient_clip_algorithm) or "norm"),
        }
        model = self.twin.by_hand(pl_module, dtype or self.dtype)
        if self.plain_sgd is not None:
            sgd = manual.optim.SGD(model.parameters(), lr=self.plain_sgd)
            model.configure_optimizers = lambda: sgd  # type: ignore[method-assign]
        run = HandRun(model, settings, [SharedNoise(self.seed, rank) for rank in range(trainer.world_size)], shadow)
        for optimizer in run.trainer.optimizers:
            if why := self.twin.naming.differing_step(model, optimizer):
                raise InputError(why)
        return run

    def look(self, pl_module: Any, batch: Any, micro_batch: int, weights: dict[str, Any]) -> list[Row]:
        """Every value and every gradient of both sides on one batch, the hand-written side at these weights."""
        model, noise = self.twin.by_hand(pl_module, self.dtype), SharedNoise(self.seed)
        model.load_state_dict(weights)
        share_hand(model, noise)
        rows: list[Row] = []
        for objective in objectives(self.twin, pl_module):
            for side in (noise, self.noise):
                side.begin(micro_batch)
            with np.errstate(all="ignore"), raising(f"step {self.first_step}", self.twin.name):
                rows += look(self.twin, model, pl_module, tuple(to_numpy(t) for t in batch), objective)
        self.noise.begin(self.micro_batches)
        return rows

    # ---- a round -----------------------------------------------------------------------------------

    def judge_round(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge everything since the last judgement, and remember it."""
        assert self.in_torch is not None
        theirs = ranks.together(trainer, self.in_torch.take())
        if not self.comparing:
            return
        ours, shadow = self.hand.take(), self.shadow.run.take() if self.shadow and self.shadow.goes_along else None
        again = Again(self, trainer, pl_module)
        if difference := order_of(ours.steps, theirs.steps):
            self.judge.convict(f"step {self.first_step}: {difference}")
        judgements = self.judgements(self.judge, ours, theirs, shadow)
        if shadow is None and self.shadow is not None:
            judgements = self._ask(self.shadow, judgements, ours)
        if self._is_new(judgements) and self.judge.raise_floor(again.rounding()):
            judgements = [self.judge.review(j) if j.beyond is not None else j for j in judgements]
        beyond = [j for j in judgements if j.beyond is not None]
        self.partings = self.partings + 1 if beyond else 0
        if self.window_begins and not beyond:
            self._measure_rounding(judgements)
        self.window_begins = False
        if self._is_new(beyond) and again.explains(beyond, ours, theirs):
            self._new_window()
        else:
            for judgement in beyond:
                self._convict(again, judgement, judgements.index(judgement), ours, theirs)
            self._judge_intermediates()
            if self.mode == "free" and self.judge.exhausted:
                self._new_window()
        for i, (a, b, found) in enumerate(zip(ours.steps, theirs.steps, judgements, strict=False)):
            loss, gradient, parameter = (found.worst(kind) for kind in ("loss", "gradient", "parameter"))
            self.records.append(Record(self.first_step + i, a.loss, b.loss, loss, gradient, parameter, b.optimizer))

    def _is_new(self, judgements: list[Judgement]) -> bool:
        """Whether something is beyond what is tolerated, for the first time: what follows on a fault is not looked into."""
        return self.judge.failure is None and any(j.beyond is not None for j in judgements)

    def _measure_rounding(self, judgements: list[Judgement]) -> None:
        """From equal weights the two gradients differ by rounding alone: by so much the shadow's are to be perturbed in this window."""
        found = [j.found["gradient"] for j in judgements if "gradient" in j.found]
        if self.shadow is not None:
            self.shadow.perturb_by({name: max(e.get(name, 0.0) for e in found) for name in {n for e in found for n in e}})

    def _ask(self, waiting: Shadow, judgements: list[Judgement], ours: Round) -> list[Judgement]:
        """Ask a shadow that waits, if something is beyond what one step is allowed; and decide again."""
        if all(j.beyond is None for j in judgements):
            waiting.take()
            return judgements
        with raising(f"step {self.first_step}", self.twin.name):
            shadow = waiting.asked().take()
        for of_shadow, of_hand in zip(shadow.steps, ours.steps, strict=False):
            self.judge.stray(of_shadow, of_hand)
        self.judge.stray_in_metrics(shadow.metrics, ours.metrics)
        return [self.judge.review(j) if j.beyond is not None else j for j in judgements]

    def judgements(self, judge: Judge, ours: Round, theirs: Round, shadow: Round | None) -> list[Judgement]:
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

    def _convict(self, again: Again, judgement: Judgement, place: int, ours: Round, theirs: Round) -> None:
        """Record the fault. The first is looked at again, both sides at the weights that torch began with."""
        if self.judge.failure is None and not self.lines:
            self.lines = explain(again.rows(), self.dtype, self.judge.floor)
            if all(line.right for line in self.lines):  # then it is in no gradient
                steps = place < min(len(ours.steps), len(theirs.steps))
                hand, in_torch = (tensors_of(s.steps[place]) if steps else {"metric": s.metrics} for s in (ours, theirs))
                self.lines = explain(rows_of(judgement, hand, in_torch), self.dtype, max(judgement.tolerances.values()))
        self.judge.convict(judgement)

    def _new_window(self) -> None:
        """Copy torch's weights and optimizer state over, and begin again."""
        assert self.in_torch is not None
        for run in self.all_runs:
            run.load(*self.in_torch.copies())
        self.judge.new_window()
        self.window_begins = True
