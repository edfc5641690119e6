"""The torch side in training: Lightning trains, and every step, every loss and everything that is logged is taken down.

Tensors are called as they are by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch

from experiments.judge.compare import Round, Step, as_array
from experiments.judge.convert import to_numpy
from experiments.judge.naming import Layout, Naming, layout
from experiments.judge.nonfinite import NotFinite, first_in
from experiments.lockstep.state import lrs, mean, state_by_key


class TorchRun:
    """Listens to a LightningModule and its optimizers while a Trainer fits it.

    Args:
        trainer: Lightning's, with its optimizers made.
        module: the LightningModule.
        naming: of the pair.
        by_hand: the parameters of each optimizer by hand, where there are any.
        unheard: of what is logged in training Lightning need not know: nothing is written, and only a schedule may ask it.
    """

    def __init__(
        self, trainer: pl.Trainer, module: Any, naming: Naming, by_hand: Sequence[Layout] | None = None, unheard: bool = False
    ) -> None:
        self.trainer, self.module, self.naming = trainer, module, naming
        layouts = [layout(module, optimizer) for optimizer in trainer.optimizers]
        ours: Sequence[Layout | None] = by_hand or [None] * len(layouts)
        self.moves = [naming.to_hand_of(*of) for of in zip(layouts, ours, strict=True)]
        self.names: dict[Any, str] = {p: name for name, p in module.named_parameters()}
        places, saved = places_of(module, naming), module.state_dict()
        self.weights = [places[name] for name in saved]
        self.parameters = [places[name] for name in self.names.values()]
        self.buffers = [places[name] for name, _ in module.named_buffers() if name in saved]
        self.gradient: dict[str, np.ndarray] = {}  # of the latest step, before clipping
        self.watching = True  # whether the coming steps will be judged: of others nothing is taken down but what is logged
        self.loss = 0.0  # the latest that was gone back from
        self.depth = 0  # of optimizer steps within one another: a subclass's may call its base's, and torch tells of both
        self.steps: list[Step] = []
        self.metrics: dict[str, list[Any]] = {}  # all that was logged, by name: to make numbers of it would make a GPU wait
        self.losses: list[float] = []  # that were gone back from since the last step
        self.taken = False  # whether loss and gradient of the coming step have been
        self.handles = []
        for i, optimizer in enumerate(trainer.optimizers):
            self.handles.append(optimizer.register_step_pre_hook(self._enter))
            self.handles.append(optimizer.register_step_post_hook(partial(self._leave, i)))
        log = module.log
        unheard = unheard and not any(config.reduce_on_plateau for config in trainer.lr_scheduler_configs)

        def listened(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
            self.metrics.setdefault(name, []).append(value.detach().clone() if isinstance(value, torch.Tensor) else value)
            if not (unheard and trainer.training):
                log(name, value, *args, **kwargs)

        module.log = listened

    def release(self) -> None:
        """Listen no more."""
        for handle in self.handles:
            handle.remove()
        vars(self.module).pop("log", None)

    def take(self) -> Round:
        """The steps, and all that was logged, since the last call."""
        found = Round(self.steps, self.take_metrics())
        self.forget()
        return found

    def take_metrics(self) -> dict[str, list[float]]:
        """All that was logged since the last call."""
        found, self.metrics = self.metrics, {}
        return {name: [float(value) for value in values] for name, values in found.items()}

    def latest(self, names: Iterable[str | None]) -> dict[str, float]:
        """What was last logged under these names since the last call of `take`."""
        return {name: float(self.metrics[name][-1]) for name in names if name in self.metrics}

    def forget(self) -> None:
        """Everything since the last call of `take`."""
        self.steps, self.losses, self.metrics = [], [], {}

    def before_backward(self, loss: float) -> None:
        """Take down a loss that is gone back from."""
        self.loss = loss
        self.losses.append(loss)

    def before_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take down the gradients, which in a step that Lightning takes are not clipped yet."""
        if not self.watching:
            return
        gradient = self._gradient(optimizer)
        if found := first_in(gradient):
            raise NotFinite(f"step {self.trainer.global_step}: torch: first not finite: the gradient of {found}")
        if self.taken:  # L-BFGS asks for more gradients within its step: judged is what it began with
            return
        changes = self.trainer.gradient_clip_val or isinstance(optimizer, torch.optim.LBFGS)
        self.gradient = copied(gradient) if changes else gradient
        self.losses, self.taken = [mean(self.losses)], True

    def copies(self) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, np.ndarray]]:
        """Of the weights, of what each optimizer remembers, and of gradients that may be added to, as `HandRun.load` takes them."""
        states = [self._state(i, optimizer) for i, optimizer in enumerate(self.trainer.optimizers)]
        learned = () if self.module.automatic_optimization else self.names
        left = {self.names[p]: p.grad for p in learned if p.grad is not None}
        return copied(arrays(self.weights)), to_numpy(states), to_numpy(self.naming.by_hand(left))

    def _state(self, index: int, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        return self.moves[index].state({self.names[p]: s for p, s in optimizer.state.items()})

    def _gradient(self, optimizer: torch.optim.Optimizer) -> dict[str, np.ndarray]:
        """As arrays, which on the CPU share the tensors' memory, and called as they are by hand."""
        found = {self.names[p]: p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None}
        return self.naming.by_hand({name: as_array(t) for name, t in found.items()})

    def _enter(self, *_: Any) -> None:
        self.depth += 1

    def _leave(self, index: int, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.depth -= 1
        if self.depth or not self.watching:
            return
        parameters, buffers = arrays(self.parameters), arrays(self.buffers)
        if not self.module.automatic_optimization:  # else there is no other step before this one is judged
            self.gradient = copied(self._gradient(optimizer))
            parameters, buffers = copied(parameters), copied(buffers)
        self.steps.append(
            Step(
                mean(self.losses[:1] if self.taken else self.losses),
                self.gradient,
                parameters,
                buffers,
                {**state_by_key(self._state(index, optimizer)), "lr": lrs(optimizer)},
                index,
            )
        )
        self.losses, self.taken = [], False


class Place(NamedTuple):
    """Where a module keeps a tensor: by assignment another one may come there."""

    by_hand: str  # what it is called
    turned: bool  # whether it is transposed by hand
    owner: Mapping[str, Any]
    key: str


def places_of(module: torch.nn.Module, naming: Naming) -> dict[str, Place]:
    """Of every parameter and buffer, by its name in torch: a walk through all modules takes longer than the arrays themselves do."""
    found = {}
    for prefix, m in module.named_modules(remove_duplicate=False):
        for owner in (m._parameters, m._buffers):
            for key in owner:
                name = f"{prefix}.{key}" if prefix else key
                found[name] = Place(*naming.place(name), owner, key)
    return found


def arrays(places: Sequence[Place]) -> dict[str, np.ndarray]:
    """What is there, as arrays, which on the CPU share the tensors' memory, and called as they are by hand."""
    found = {}
    for by_hand, turned, owner, key in places:
        array = as_array(owner[key])
        found[by_hand] = array.T if turned else array
    return found


def copied(of: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What stays as it is when the tensors change."""
    return {name: a.copy() for name, a in of.items()}
