"""What both sides say of themselves: the same numbers under the same names, each with the weight of its batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import experiments
from experiments.judge.compare import as_array
from experiments.judge.convert import load_in_torch, to_torch
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from manual.concept import Batch
from manual.module import no_grad
from manual.trainer import Trainer
from tests.helpers import some_examples, variants

VARIANTS = list(variants())
every_variant = pytest.mark.parametrize(("name", "variant"), VARIANTS, ids=[n if v is None else f"{n}: {v}" for n, v in VARIANTS])

Logged = dict[str, tuple[float, int | None]]


def both(name: str, variant: str | None, at: float = 1.0) -> tuple[Any, Any]:
    """A pair at random parameters, or at so many times these, that draws the same noise."""
    ours, theirs = experiments.twin(name).build(seed=1, variant=variant)
    rng = np.random.default_rng(2)
    ours.load_state_dict({**ours.state_dict(), **{n: at * (p + rng.normal(0, 0.3, p.shape)) for n, p in ours.named_parameters()}})
    load_in_torch(experiments.twin(name).naming, theirs, ours.state_dict())
    share_hand(ours, SharedNoise(3))
    share_torch(theirs, SharedNoise(3))
    if not ours.automatic_optimization:  # its training_step asks the loop for its optimizer
        Trainer().attach(ours)
        optimizer = theirs.configure_optimizers()
        theirs.optimizers, theirs.manual_backward = lambda: optimizer, lambda loss, **how: loss.backward(**how)
    return ours, theirs


def logged(model: Any, step: Callable[[Any, int], Any], batch: Any, number: int = 0) -> Logged:
    """(value, weight) of everything that this step logs, by name; None where it leaves the weight to the loop."""
    found: Logged = {}
    model.log = lambda name, value, batch_size=None: found.__setitem__(name, (float(as_array(value)), batch_size))
    step(batch, number)
    del model.log
    return found


def held_out(name: str, n: int, at: int = 0) -> Batch:
    """Some of the examples that are not trained on, or a whole batch where they are no rows."""
    return some_examples(experiments.twin(name), n, at, held_out=True)


def assert_same(by_hand: Logged, in_torch: Logged) -> None:
    assert list(by_hand) == list(in_torch)
    for name, (value, _) in by_hand.items():
        assert value == pytest.approx(in_torch[name][0], rel=1e-11, abs=1e-13, nan_ok=True), name


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """As Lightning does under 64-true."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@every_variant
def test_both_sides_log_the_same_in_a_training_step(name: str, variant: str | None) -> None:
    ours, theirs = both(name, variant)
    batch = some_examples(experiments.twin(name), 9)
    by_hand, in_torch = logged(ours, ours.training_step, batch), logged(theirs, theirs.training_step, to_torch(batch))
    assert "loss/train" in by_hand
    assert all(key.endswith("/train") for key in by_hand)
    assert_same(by_hand, in_torch)


COUNTING = [t.name for t in experiments.twins() if "mean_of(" in inspect.getsource(t.torch)]
"""The concepts that log in how many of the examples something is so."""


@pytest.mark.parametrize("name", COUNTING)
def test_both_sides_decide_alike_where_all_scores_are_equal(name: str) -> None:
    """All parameters are 0: whatever is the larger, or above a threshold, is so by a tie."""
    ours, theirs = both(name, None, at=0.0)
    ours.eval(), theirs.eval()
    batch = held_out(name, 9)
    with no_grad(), np.errstate(all="ignore"):
        by_hand = logged(ours, ours.validation_step, batch)
    assert_same(by_hand, logged(theirs, theirs.validation_step, to_torch(batch)))


BINARY = [name for name in COUNTING if {0.0, 1.0} == set(np.ravel(held_out(name, 40)[-1]).tolist())]


@pytest.mark.parametrize("name", BINARY)
def test_both_sides_take_a_target_of_one_half_alike(name: str) -> None:
    """No flower is half of a kind, but both sides must say the same of it."""
    ours, theirs = both(name, None)
    ours.eval(), theirs.eval()
    *x, y = held_out(name, 40)
    batch = (*x, np.full_like(y, 0.5))
    with no_grad():
        by_hand = logged(ours, ours.validation_step, batch)
    assert_same(by_hand, logged(theirs, theirs.validation_step, to_torch(batch)))


@every_variant
def test_both_sides_log_the_same_of_held_out_batches_with_their_sizes_for_weights(name: str, variant: str | None) -> None:
    """What does not depend on the batch (the place on a surface) has the same mean whatever it is weighted by."""
    ours, theirs = both(name, variant)
    ours.eval(), theirs.eval()
    batches = held_out(name, 9), held_out(name, 4, 9)
    with no_grad():
        by_hand = [logged(ours, ours.validation_step, batch, i) for i, batch in enumerate(batches)]
    in_torch = [logged(theirs, theirs.validation_step, to_torch(batch), i) for i, batch in enumerate(batches)]
    for mine, others in zip(by_hand, in_torch, strict=True):
        assert mine
        assert all(key.endswith(("/val", "/test")) for key in mine)
        assert_same(mine, others)
    for key in (
        key for key, found in by_hand[1].items() if key in by_hand[0] and by_hand[0][key][0] != found[0]
    ):  # a text is written once, by the first
        assert [found[key][1] for found in (*by_hand, *in_torch)] == 2 * [len(batch[-1]) for batch in batches], key
