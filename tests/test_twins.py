"""Every pair of the curriculum, in every variant: equal weights, equal loss and gradients, and a third opinion on the gradients."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

import experiments
from experiments import curriculum
from experiments.judge.case import failures
from experiments.judge.compare import ONE_STEP, errors, norm
from experiments.judge.convert import to_torch, weights_by_hand
from experiments.judge.differences import BY_DIFFERENCES, asked_once, slopes
from experiments.judge.look import loss_of, objectives
from experiments.judge.noise import SharedNoise, share_hand
from experiments.lockstep.checks import data_for, one_step, trajectory
from manual.concept import Concept
from tests.helpers import same, some_examples, variants, where_there_is_cuda
from tests.pairs import PLAYERS

VARIANTS = list(variants())
every_variant = pytest.mark.parametrize(("name", "variant"), VARIANTS, ids=[n if v is None else f"{n}: {v}" for n, v in VARIANTS])
every_dtype = pytest.mark.parametrize("dtype", ["float64", "float32"])

Batch = tuple[np.ndarray, ...]


def is_smooth(name: str, variant: str | None) -> bool:
    """Whether a small change changes the loss as its gradient says; the others are judged by autograd alone, which rounds too."""
    smooth = experiments.twin(name).smooth
    return smooth is None or variant in smooth


SMOOTH = [of for of in VARIANTS if is_smooth(*of)]
every_smooth_variant = pytest.mark.parametrize(("name", "variant"), SMOOTH, ids=[n if v is None else f"{n}: {v}" for n, v in SMOOTH])


@cache
def batch(name: str, n: int, at: int = 0) -> Batch:
    """n examples that a concept is trained on, or a whole batch where they are no rows."""
    return some_examples(experiments.twin(name), n, at)


def at_random(name: str, variant: str | None) -> tuple[Concept, SharedNoise]:
    """The hand-written concept at random parameters (initial zeros and ones would hide a forgotten factor), and its noise."""
    ours, _ = experiments.twin(name).build(seed=1, variant=variant)
    rng = np.random.default_rng(2)
    ours.load_state_dict({**ours.state_dict(), **{n: p + rng.normal(0, 0.3, p.shape) for n, p in ours.named_parameters()}})
    noise = SharedNoise(seed=3)
    share_hand(ours, noise)
    return ours, noise


def loss(ours: Concept, noise: SharedNoise, examples: Batch, objective: str = "training_step") -> float:
    """Of these examples, always with the same noise."""
    noise.begin(0)
    return float(loss_of(ours, examples, objective))


def walk(ours: Concept, objective: str) -> Callable[..., None]:
    """The way back from a loss."""
    return ours.backward if objective == "training_step" else getattr(ours, f"{objective}_backward")


def gradients(
    ours: Concept, noise: SharedNoise, examples: Batch, dL_dloss: float = 1.0, objective: str = "training_step"
) -> dict[str, np.ndarray]:
    """Of each parameter, from nothing."""
    ours.zero_grad()
    loss(ours, noise, examples, objective)
    walk(ours, objective)(dL_dloss)
    return {name: p.grad.copy() for name, p in ours.named_parameters()}


@every_dtype
@every_variant
def test_both_sides_hold_equal_parameters_under_equal_names_in_equal_order(name: str, variant: str | None, dtype: str) -> None:
    twin = experiments.twin(name)
    ours, theirs = twin.build(seed=5, dtype=dtype, variant=variant)
    assert [n for n, _ in ours.named_parameters()] == [twin.naming.called(n) for n, _ in theirs.named_parameters()]
    a, b = ours.state_dict(), weights_by_hand(twin.naming, theirs)
    assert list(a) == list(b)
    assert set(errors(a, b).values()) <= {0.0}  # an error is infinite where shape or dtype differ
    assert {p.dtype.name for p in ours.parameters()} == {dtype}
    assert ours.training
    assert theirs.training
    again, _ = twin.build(seed=5, dtype=dtype, variant=variant)
    assert set(errors(a, again.state_dict()).values()) <= {0.0}


@pytest.mark.parametrize("name", [e.name for e in curriculum.entries()])
def test_both_sides_draw_their_initial_weights_or_neither_does(name: str) -> None:
    twin = experiments.twin(name)
    in_torch = [twin.build(seed)[0].state_dict() for seed in (0, 1)]
    by_hand = [twin.manual(**twin.hyperparameters(), rng=np.random.default_rng(seed)).state_dict() for seed in (0, 1)]
    assert {key for key, e in errors(*in_torch).items() if e > 0} == {key for key, e in errors(*by_hand).items() if e > 0}


@pytest.mark.parametrize("name", [e.name for e in curriculum.entries()])
def test_weights_by_hand_are_drawn_from_the_generator_that_is_given(name: str) -> None:
    twin = experiments.twin(name)
    first, again = (twin.manual(**twin.hyperparameters(), rng=np.random.default_rng(5)).state_dict() for _ in range(2))
    assert same(first, again)


def groups_of(configured: Any) -> list[dict[str, Any]]:
    """The options of every group of what a `configure_optimizers` returns: one optimizer, or several, with or without schedules."""
    found = configured if isinstance(configured, list | tuple) else [configured]
    optimizers = [each["optimizer"] if isinstance(each, dict) else each for each in found]
    return [{key: v for key, v in group.items() if key != "params"} for optimizer in optimizers for group in optimizer.param_groups]


@every_variant
def test_both_sides_make_the_same_optimizer_with_the_same_options(name: str, variant: str | None) -> None:
    """A step size that one side alone changes shows in a training of seconds; here, where it is made."""
    ours, theirs = (groups_of(side.configure_optimizers()) for side in experiments.twin(name).build(variant=variant))
    assert ours
    assert ours == theirs


@pytest.mark.parametrize("name", [e.name for e in curriculum.entries()])
def test_initial_weights_have_the_same_distribution_on_both_sides(name: str) -> None:
    """Of each parameter all entries of many draws, some 4,000: a bound or a deviation that differs by a factor of 2 shows."""
    twin = experiments.twin(name)
    arguments = twin.hyperparameters()
    torch.manual_seed(0)
    smallest = min(p.data.size for p in twin.build()[0].parameters())
    draws = range(max(2, min(400, 4000 // smallest)))
    by_hand = [twin.manual(**arguments, rng=np.random.default_rng(i)).state_dict() for i in draws]
    in_torch = [weights_by_hand(twin.naming, twin.torch(**arguments)) for _ in draws]
    for key, first in by_hand[0].items():
        enough = max(2, 4000 // first.size)
        ours, theirs = (np.concatenate([np.ravel(weights[key]) for weights in side[:enough]]) for side in (by_hand, in_torch))
        ours = ours.astype(theirs.dtype)  # a number that is given and not drawn is the same after rounding
        assert ks_2samp(ours, theirs).pvalue > 1e-3, key


def learning(ours: Any) -> set[str]:
    """The names of the parameters that are not frozen: those, and no others, get a gradient."""
    return {name for name, p in ours.named_parameters() if p.requires_grad}


@every_dtype
@every_variant
def test_loss_gradients_and_buffers_of_one_step_at_random_parameters(name: str, variant: str | None, dtype: str) -> None:
    judge, _ = one_step(experiments.twin(name), variant, Namespace(seed=4, dtype=dtype, device="cpu"))
    assert judge.failure is None
    assert judge.passed
    assert set(judge.worst["gradient"]) == learning(experiments.twin(name).build(variant=variant)[0])
    assert max(judge.error(kind) for kind in ("loss", "gradient", "buffer")) <= ONE_STEP[dtype]


@every_smooth_variant
def test_gradients_are_what_a_small_change_does_to_the_loss(name: str, variant: str | None) -> None:
    ours, noise = at_random(name, variant)
    twin = experiments.twin(name)
    if twin.constant_draw:  # asked once
        setattr(ours, twin.constant_draw, asked_once(getattr(ours, twin.constant_draw)))
    for objective in objectives(twin, ours):
        assert_slopes(ours, noise, batch(name, 6), objective, twin.of_the_optimizer or (lambda ours: 0.0))


@pytest.mark.parametrize("objective", PLAYERS.objectives)
def test_so_are_those_of_each_of_several_objectives(objective: str) -> None:
    ours, _ = PLAYERS.build(1)
    noise = SharedNoise(3)
    share_hand(ours, noise)
    (x,) = PLAYERS.make_data().split.train
    assert_slopes(ours, noise, (x[:6],), objective)
    right = ours.d.backward
    ours.d.backward = lambda dL_dy: right(dL_dy * (1 + 1e-5))
    with pytest.raises(AssertionError):
        assert_slopes(ours, noise, (x[:6],), objective)


def assert_slopes(
    ours: Concept, noise: SharedNoise, examples: Batch, objective: str, kinked: Callable[[Any], float] = lambda ours: 0.0
) -> None:
    """The third judge, which knows neither backward: at these weights, in this noise."""
    found = gradients(ours, noise, examples, objective=objective)
    learned = {n: (p.data, found[n]) for n, p in ours.named_parameters() if p.has_grad}  # what an objective takes as given has none
    assert learned
    size = max(abs(loss(ours, noise, examples, objective)), 1.0)
    wrong = slopes(lambda: loss(ours, noise, examples, objective) - kinked(ours), learned, size, np.random.default_rng(6))
    assert failures(wrong, BY_DIFFERENCES) == []


@every_variant
def test_the_gradients_of_two_batches_add_up(name: str, variant: str | None) -> None:
    ours, noise = at_random(name, variant)
    batches = batch(name, 5), batch(name, 3, at=5)
    reached: set[str] = set()
    for objective in objectives(experiments.twin(name), ours):
        apart = [gradients(ours, noise, examples, objective=objective) for examples in batches]
        ours.zero_grad()
        for examples in batches:
            loss(ours, noise, examples, objective)
            walk(ours, objective)()
        together = {n: p.grad for n, p in ours.named_parameters()}
        assert max(errors(together, {n: apart[0][n] + apart[1][n] for n in together}).values()) < 1e-14
        reached |= {n for n, p in ours.named_parameters() if p.has_grad}
    assert reached == learning(ours)
    ours.check_nothing_saved()


def test_every_concept_has_a_variant_that_is_smooth() -> None:
    assert {name for name, _ in SMOOTH} == {name for name, _ in VARIANTS}


@every_smooth_variant
def test_the_factor_of_backward_reaches_every_gradient(name: str, variant: str | None) -> None:
    ours, noise = at_random(name, variant)
    for objective in objectives(experiments.twin(name), ours):
        whole, part = (gradients(ours, noise, batch(name, 6), factor, objective) for factor in (1.0, 0.37))
        assert max(errors(part, {n: 0.37 * g for n, g in whole.items()}).values()) < 1e-13
        assert norm(whole.values()) > 1e-6


@every_dtype
@pytest.mark.parametrize(("name", "variant"), where_there_is_cuda(VARIANTS))
def test_on_cuda_both_sides_agree_at_one_step_and_on_a_trajectory(name: str, variant: str | None, dtype: str) -> None:
    options: Any = Namespace(seed=0, dtype=dtype, device="cuda", steps=20)
    for judge, _ in (one_step(experiments.twin(name), variant, options), trajectory(experiments.twin(name), variant, options)):
        assert judge.failure is None
        assert judge.passed


@every_variant
def test_what_forward_takes_is_what_a_batch_begins_with(name: str, variant: str | None) -> None:
    """So that its graph can be drawn, whatever its hyperparameters are; a module without a forward of its own refuses everything."""
    twin = experiments.twin(name)
    data, _ = data_for(twin, 0)
    _, theirs = twin.build(dtype="float32", variant=variant, data=data)
    parameters = inspect.signature(theirs.forward).parameters.values()
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        with torch.no_grad():
            theirs.eval()(
                *(to_torch(a.astype("float32") if a.dtype.kind == "f" else a) for a in data.example(theirs, 2)[: len(parameters)])
            )
