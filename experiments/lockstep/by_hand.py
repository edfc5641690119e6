"""The hand-written side in training: batches go in, Steps come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from experiments.judge.compare import Round, Step
from experiments.judge.convert import by_number
from experiments.judge.naming import layout
from experiments.judge.noise import SharedNoise, share_hand
from experiments.judge.nonfinite import NotFinite
from experiments.lockstep.state import lrs, mean, state_by_key
from manual.concept import Batch
from manual.concept import Concept as ManualConcept
from manual.trainer import Trainer


class HandRun:
    """A hand-written concept in training.

    Args:
        model: the concept.
        settings: manual.trainer.Trainer's, those of the Lightning Trainer.
        noises: what it draws its noise from, one for each process that it plays.
        shadow: multiply every gradient entry by 1 ± its rounding before every step, to see what rounding can do.

    Attributes:
        layouts: the parameters of each optimizer.
        rounding: of a shadow, each gradient's, as it was measured at the first step of the window; eps where nothing was measured.
    """

    def __init__(self, model: ManualConcept, settings: Mapping[str, Any], noises: Sequence[SharedNoise], shadow: bool = False) -> None:
        self.model, self.noises, self.shadow = model, noises, shadow
        share_hand(model, noises[0])
        self.trainer = Trainer(**settings) if len(noises) == 1 else AllRanks(noises, **settings)
        self.trainer.attach(model)
        self.parameters = dict(model.named_parameters())
        self.names = {id(p): name for name, p in self.parameters.items()}
        self.layouts = [layout(model, optimizer) for optimizer in self.trainer.optimizers]
        self.gradient: dict[str, np.ndarray] = {}  # of the latest step, before clipping
        self.loss = 0.0  # the latest that was gone back from
        self.rounding: dict[str, float] = {}
        self.perturbed = 0  # how often gradients were perturbed
        self._forget()
        self._listen()

    def _listen(self) -> None:
        """Be told of every loss, every gradient, every step and everything that is logged."""
        self._hear("on_before_backward", self._before_backward)
        self._hear("on_before_optimizer_step", self._before_step)
        if not self.model.automatic_optimization:
            self._hear("on_after_backward", self._perturb)
        for i, optimizer in enumerate(self.trainer.optimizers):
            optimizer.register_step_post_hook(partial(self._after_step, i))
        log = self.model.log

        def listened(name: str, value: Any, batch_size: int | None = None) -> None:
            self.metrics.setdefault(name, []).append(float(value))
            log(name, value, batch_size)

        self.model.log = listened  # type: ignore[method-assign]

    def _hear(self, hook: str, listener: Callable[..., None]) -> None:
        """Be called first, and then what the concept itself does there: as Lightning calls a callback's hook before the module's."""
        own = partial(getattr(type(self.model), hook), self.model)

        def both(*arguments: Any) -> None:
            listener(*arguments)
            own(*arguments)

        setattr(self.model, hook, both)

    # ---- training ----------------------------------------------------------------------------------

    def train(self, batch: Any, batch_idx: int, micro_batch: int, is_last: bool) -> None:
        """What the loop does with one batch (of several processes, a list of theirs); `take` gives what came of it."""
        for noise in self.noises:
            noise.begin(micro_batch)
        self.trainer.train_batch(batch, batch_idx, is_last)

    def take(self) -> Round:
        """The steps, and all that was logged, since the last call."""
        found = Round(self.steps, self.metrics)
        self._forget()
        return found

    def _forget(self) -> None:
        self.steps: list[Step] = []
        self.metrics: dict[str, list[float]] = {}
        self.losses: list[float] = []
        self.taken = False  # whether loss and gradient of the coming step have been

    def validate(self, batches: Sequence[Sequence[Batch]]) -> tuple[dict[str, float], dict[str, list[float]]]:
        """The means of rank 0; and under each name every value that was logged, each rank's followed by its mean."""
        found: list[dict[str, float]] = []
        logged: dict[str, list[float]] = {}
        of_training = self.metrics  # where validation comes between two batches of a step
        self.trainer.forget_before_validation()
        for of_rank in batches:
            self.metrics = {}
            found.append(self.trainer.validate(of_rank))
            for name, value in found[-1].items():
                logged.setdefault(name, []).extend([*self.metrics[name], value])
        self.metrics = of_training
        self.trainer.callback_metrics |= found[0]
        return found[0], logged

    def move_schedules(self, interval: str, index: int, on_plateau: bool = False) -> None:
        """As Trainer.move_schedules."""
        self.trainer.move_schedules(interval, index, on_plateau)

    def pass_validation(self, metrics: Mapping[str, float]) -> None:
        """All that a validation leaves behind, with these means in the place of its own."""
        self.trainer.forget_before_validation()
        self.trainer.callback_metrics |= metrics

    def _before_backward(self, loss: float) -> None:
        self.loss = float(loss)
        self.losses.append(self.loss)
        if not self.shadow and len(self.noises) == 1 and not np.isfinite(self.loss):
            raise NotFinite(f"the loss is {self.loss} by hand")  # before it spoils the weights

    def _before_step(self, optimizer: Any) -> None:
        self._perturb()
        if not self.taken:  # L-BFGS asks for more gradients within its step: judged is what it began with
            self.gradient, self.losses, self.taken = self._gradient(optimizer), [mean(self.losses)], True

    def _gradient(self, optimizer: Any) -> dict[str, np.ndarray]:
        return {self.names[id(p)]: p.grad.copy() for p in optimizer.parameters() if p.has_grad}

    def _after_step(self, index: int, optimizer: Any, *_: Any) -> None:
        alone = self.model.automatic_optimization  # then there is no other step before this one is judged
        if not alone:
            self.gradient = self._gradient(optimizer)
        parameters = {name: p.data if alone else p.data.copy() for name, p in self.parameters.items()}
        buffers = {name: b if alone else b.copy() for name, b in self.model.named_buffers()}
        of = optimizer.parameters()
        state = state_by_key({self.names[id(of[i])]: s for i, s in optimizer.state.items()})
        self.steps.append(
            Step(
                mean(self.losses[:1] if self.taken else self.losses),
                self.gradient,
                parameters,
                buffers,
                {**state, "lr": lrs(optimizer)},
                index,
            )
        )
        self.losses, self.taken = [], False

    # ---- the shadow --------------------------------------------------------------------------------

    def _perturb(self) -> None:
        if self.shadow:
            perturb(self.model, self.perturbed, self.rounding)
            self.perturbed += 1

    def perturb_weights(self, number: int) -> None:
        """Multiply every weight by 1 ± eps."""
        rng = np.random.Generator(np.random.Philox(key=1, counter=[0, 0, 0, number]))
        for p in self.model.parameters():
            p *= rounding_factors(rng, p.data)

    # ---- weights and state -------------------------------------------------------------------------

    def load(
        self,
        weights: Mapping[str, Any],
        states: Sequence[Mapping[str, Any]],
        gradients: Mapping[str, np.ndarray],
        options: Sequence[Any] | None = None,
    ) -> None:
        """Take over torch's weights and its optimizers' state, but not their options: a wrong step size must stay wrong.

        Args:
            weights: a state_dict.
            states: what each optimizer remembers of each parameter, by its name.
            gradients: what a model that takes its steps itself has not forgotten, by the parameter's name.
            options: of each optimizer, the options of each of its groups; those that this run has, unless given.
        """
        self.model.load_state_dict(weights)
        if not self.model.automatic_optimization:
            for name, p in self.model.named_parameters():
                p.grad = gradients.get(name)
        for i, (optimizer, state) in enumerate(zip(self.trainer.optimizers, states, strict=True)):
            numbers = (group["params"] for group in optimizer.pack_groups())
            groups = [{**group, "params": own} for group, own in zip((options or self.options())[i], numbers, strict=True)]
            optimizer.load_state_dict({"state": by_number(state, self.layouts[i]), "param_groups": groups})

    def options(self) -> list[list[dict[str, Any]]]:
        """Each optimizer's options, of each group of parameters, for the step to come."""
        return [[dict(group) for group in optimizer.param_groups] for optimizer in self.trainer.optimizers]

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimizers and schedules."""
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.trainer.optimizers],
            "schedules": [schedule.scheduler.state_dict() for schedule in self.trainer.schedules],
            "metrics": dict(self.trainer.callback_metrics),
            "perturbed": self.perturbed,
            "rounding": dict(self.rounding),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint left off."""
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.trainer.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for schedule, of in zip(self.trainer.schedules, state["schedules"], strict=True):
            schedule.scheduler.load_state_dict(of)
        self.trainer.callback_metrics, self.perturbed = dict(state["metrics"]), int(state["perturbed"])
        self.rounding = dict(state["rounding"])


class AllRanks(Trainer):
    """The loop of several processes at once, played by one: a micro-batch for each, in its noise, its loss divided by their number.

    The sum of such gradients is what DistributedDataParallel's all-reduce gives every process. Buffers (running statistics) are
    process 0's: it sends its own to the others before a forward, but for one that follows a batch whose gradients only accumulate.

    Args:
        noises: each process's.
        settings: Trainer's.
    """

    def __init__(self, noises: Sequence[SharedNoise], **settings: Any) -> None:
        super().__init__(**settings)
        self.noises = noises
        self.buffers: list[dict[str, np.ndarray]] = []  # of each process
        self.sent = True  # whether the next forward begins with process 0's buffers

    def forward_and_backward(self, batch: Any, batch_idx: int) -> float:
        """The mean of all processes' losses, and of their gradients."""
        mine = {name: b.copy() for name, b in self.model.named_buffers()}
        if self.sent or not self.buffers:
            self.buffers = [mine] * len(self.noises)
        if batch_idx % self.accumulate_grad_batches == 0:
            self.optimizer.zero_grad()
        losses = []
        for rank, (noise, part) in enumerate(zip(self.noises, batch, strict=True)):
            share_hand(self.model, noise)
            self._set_buffers(rank)
            losses.append(float(self.model.training_step(part, batch_idx)))
            self.buffers[rank] = {name: b.copy() for name, b in self.model.named_buffers()}
            self.model.on_before_backward(losses[-1])
            self.model.backward(1 / (self.accumulate_grad_batches * len(batch)))
        self._set_buffers(0)
        return mean(losses)

    def _set_buffers(self, rank: int) -> None:
        for name, b in self.model.named_buffers():
            b[...] = self.buffers[rank][name]

    def train_batch(self, batch: Any, batch_idx: int, is_last: bool = False) -> float:
        """See Trainer; `batch` is a list of all processes' batches."""
        loss = super().train_batch(batch, batch_idx, is_last)
        self.sent = self.ends_step(batch_idx, is_last)
        return loss


def perturb(model: ManualConcept, number: int, rounding: Mapping[str, float] = MappingProxyType({})) -> None:
    """Multiply every entry of every gradient by 1 ± its rounding, eps where none is given; by other signs for each number."""
    rng = np.random.Generator(np.random.Philox(key=0, counter=[0, 0, 0, number]))
    for name, p in model.named_parameters():
        if p.has_grad:
            p.grad = p.grad * rounding_factors(rng, p.data, rounding.get(name, 0.0))


def rounding_factors(rng: np.random.Generator, like: np.ndarray, rounding: float = 0.0) -> np.ndarray:
    """1 + eps or 1 − eps for each entry, or what stands for eps where rounding was measured to be more."""
    eps = max(float(np.finfo(like.dtype).eps), rounding)
    return np.array([1 - eps, 1 + eps], like.dtype).take(rng.integers(0, 2, like.shape, dtype=np.int8))  # twice as fast as `where`
