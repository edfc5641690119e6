"""A pair: one concept by hand and in torch, what it is trained on, and what is shown of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import curriculum
from experiments.curriculum import entry
from experiments.data.arrays import ArrayData, Split
from experiments.data.changes import changed
from experiments.judge.convert import weights_by_hand
from experiments.judge.naming import Naming
from experiments.lesson import Exercise, Mistake, Question, Shorter, Trained
from manual.concept import Concept as ManualConcept
from torch_impl.module import Concept as TorchConcept

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.drawing.interactive import Interactive

Figures = Callable[[Any, Any, Any], "Mapping[str, Figure]"]
"""figures(manual, torch_module, data) draws; the arguments are of the twin's own classes."""


@dataclass(frozen=True)
class Second:
    """A second value, where it needs company: it stands in a Twin's `options` in place of a plain value.

    Args:
        value: of the option.
        given: other hyperparameters, with which the option is looked at: a horizon does nothing to a constant step size.
        data_args: arguments of the data module, likewise.
        data: what becomes of the arrays with the second value: a layer for one feature less needs data of one feature less.
    """

    value: Any
    given: Mapping[str, Any] = field(default_factory=dict)
    data_args: Mapping[str, Any] = field(default_factory=dict)
    data: Callable[[Split], Split] | None = None


@dataclass(frozen=True)
class Twin:
    """What a script declares. Hyperparameters left out here have the constructors' defaults.

    Args:
        name: of the concept, as in the curriculum.
        manual: the class by hand.
        torch: its Lightning twin, with the same constructor arguments.
        data: the data module's class.
        names: which tensor of torch each one by hand is, where it is called otherwise there: {"W1": "hidden.weight.T", "z1": "hidden"}. A
            parameter may be the transpose, .T, of torch's; a value on the way is the output of a module. See experiments.judge.naming.
        needs: names of the concepts to read before.
        model: hyperparameters of the model that differ from the constructors'.
        data_args: arguments of the data module that differ from its constructor's.
        trainer: arguments of Lightning's Trainer: how long the task takes, and clipping or accumulation if it needs them.
        shorter: the run that the book shows, where the whole one takes minutes.
        variants: other hyperparameters to check, by name.
        objectives: where training_step takes its steps itself, the losses that it goes back from: names of methods of a batch, each with
            its way back `NAME_backward(dL_dloss=1.0)` by hand.
        options: a second value of each hyperparameter whose type does not tell one, or not a legal one (experiments/commands/second.py).
        idle: hyperparameters that change nothing that is compared, each with the reason.
        zero_gradient: parameters whose gradient is exactly zero by mathematics; judged by their gradient alone.
        written: parts of the model, by name, into which it writes itself and no optimizer does, such as a target network: frozen, and yet
            not as they were. They are compared as all parameters are.
        foretold: False where two right runs part faster than a perturbed copy does: see experiments.judge.compare.Judge.
        falls: False where the loss of a right run need not fall: what it is measured against moves with what is learned.
        links: arguments of the model that the data decide: {"data.vocabulary": "model.vocabulary"}. On the left is an attribute of the
            data module, whether it was given to it as an argument or found in the data.
        smooth: the variants on whose loss central differences make sense (None is the twin itself); all unless given.
        constant_draw: a method by hand that draws or computes, with the pair's own parameters, what its gradient takes for a constant.
        of_the_optimizer: the part of the loss that has a kink and is left to the optimizer, from the hand-written side: no gradient is
            taken of it.
        needs_values: variants ("as declared" is the twin itself) of which a training step, an optimizer's step or a validation must know
            numbers, and not shapes alone, each with the reason: these make a GPU wait, and cannot run on torch's meta device.
        sgd_lr: the step size of the trajectory that is checked under plain gradient descent.
        before: draws figures of the untrained pair, by name.
        figures: draws figures of the trained pair, by name.
        interactive: pictures of a run that a reader of the book moves.
        learned: what came of a run, in a sentence or two for somebody who reads nothing else, with the run's own numbers.
        look_at: the figure to open first, by name, and what to look for in it.
        text: more to read in TensorBoard, beside the derivation.
        further: the figures and texts, by name, that are further reading: what draws and writes them stands under that heading.
        questions: what a learner predicts before a run.
        exercises: what a learner writes himself.
        mistake: a common one, shown by a run.
    """

    name: str
    manual: type[ManualConcept]
    torch: type[TorchConcept]
    data: type[ArrayData]
    names: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    data_args: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=lambda: {"max_epochs": 10})
    shorter: Shorter = field(default_factory=Shorter)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)
    zero_gradient: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    foretold: bool = True
    falls: bool = True
    links: Mapping[str, str] = field(default_factory=dict)
    smooth: tuple[str | None, ...] | None = None
    constant_draw: str | None = None
    of_the_optimizer: Callable[[Any], float] | None = None
    needs_values: Mapping[str, str] = field(default_factory=dict)
    sgd_lr: float = 0.01
    before: Figures | None = None
    figures: Figures | None = None
    interactive: Callable[[Trained], Sequence[Interactive]] | None = None
    learned: Callable[[Trained], str] | None = None
    look_at: tuple[str, str] | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    further: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    exercises: tuple[Exercise, ...] = ()
    mistake: Mistake | None = None

    @property
    def chapter(self) -> str:
        """The chapter that the curriculum has it in."""
        return entry(self.name).chapter

    @property
    def title(self) -> str:
        """The first line of the script's docstring."""
        return entry(self.name).title

    def __post_init__(self) -> None:
        for source, target in self.links.items():
            if not (source.startswith("data.") and target.startswith("model.")):
                raise ValueError(f"a link goes from data.x to model.y, got {source} to {target}")
        Naming(self.names)  # raises if they contradict each other

    @property
    def naming(self) -> Naming:
        """`names`, ready to be applied."""
        return Naming(self.names)

    def linked(self, data: ArrayData | None = None) -> dict[str, Any]:
        """The model's arguments that the data decide.

        Args:
            data: this twin's data module; one with the declared arguments unless given.
        """
        if not self.links:
            return {}
        data = data or self.make_data()
        return {target.removeprefix("model."): getattr(data, source.removeprefix("data.")) for source, target in self.links.items()}

    def hyperparameters(self, variant: str | None = None, data: ArrayData | None = None) -> dict[str, Any]:
        """All constructor arguments of the model, of this variant, for these data."""
        defaults = {n: p.default for n, p in inspect.signature(self.torch).parameters.items()}
        return {**defaults, **self.model, **(self.variants[variant] if variant else {}), **self.linked(data)}

    def having(self, model: Mapping[str, Any], data_args: Mapping[str, Any] | None = None) -> Twin:
        """The same pair with these hyperparameters, and these arguments of the data module, in place of its own."""
        return replace(self, model={**self.model, **model}, data_args={**self.data_args, **(data_args or {})})

    def on(self, change: Callable[[Split], Split]) -> Twin:
        """The same pair on changed data."""
        return replace(self, data=changed(self.data, change))

    def build(
        self, seed: int = 0, dtype: str = "float64", variant: str | None = None, data: ArrayData | None = None
    ) -> tuple[ManualConcept, TorchConcept]:
        """A (manual, torch) pair that holds equal parameters.

        Args:
            seed: of the initial weights.
            dtype: "float64" or "float32".
            variant: one of `variants`.
            data: what it will be trained on, if that decides arguments of the model (`links`); the declared data unless given.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # modules are made on the CPU; torch.manual_seed prepares GPUs too, and is slow
            theirs = self.torch(**self.hyperparameters(variant, data)).to(getattr(torch, dtype))
        return self.by_hand(theirs, dtype), theirs

    def by_hand(self, theirs: TorchConcept, dtype: str = "float64") -> ManualConcept:
        """The hand-written twin of a torch module: the same hyperparameters, the same weights.

        Raises:
            ValueError: if `names` has one that a side does not have, or shapes do not fit.
        """
        chosen = self.chosen(theirs)
        make: Callable[..., ManualConcept] = self.manual
        ours = make(**chosen, rng=np.random.default_rng(0), dtype=dtype)
        self.naming.check(ours, theirs)
        ours.load_state_dict(weights_by_hand(self.naming, theirs))
        learned = {self.naming.called(name): p.requires_grad for name, p in theirs.named_parameters()}
        for parameter, p in ours.named_parameters():
            p.requires_grad = learned[parameter]
        ours.train(theirs.training)
        return ours

    def in_torch(self, theirs: TorchConcept) -> TorchConcept:
        """Another torch module with the same hyperparameters, in the same mode and on the same device; its weights are its own."""
        with torch.random.fork_rng(devices=[]):
            again = self.torch(**self.chosen(theirs)).to(theirs.device)
        for parameter, p in theirs.named_parameters():
            again.get_parameter(parameter).requires_grad_(p.requires_grad)
        return again.train(theirs.training)

    def chosen(self, theirs: TorchConcept) -> dict[str, Any]:
        """The hyperparameters that a torch module was built with."""
        return {name: theirs.hparams[name] for name in inspect.signature(self.torch).parameters}

    def make_data(self, **overrides: Any) -> ArrayData:
        """The data module, with this twin's arguments and these."""
        return self.data(**{**self.data_args, **overrides})

    def path(self) -> list[str]:
        """What to read first, this concept last: everything that it needs, and what that needs."""
        return curriculum.path(self.name)
