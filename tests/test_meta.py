"""Without a GPU at hand: every torch side trains a step and validates on torch's meta device, where tensors have shapes and no numbers.

There a tensor that was left on the CPU meets others and is refused, and so is whatever asks for a number in the middle: an `.item()`, an
`if` on a tensor, an index by a mask. On a GPU these make Python wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

import experiments
from experiments import curriculum
from experiments.judge.convert import to_torch
from experiments.judge.look import default_dtype, loss_of, objectives
from experiments.lockstep.checks import data_for
from experiments.pair import Twin
from tests.helpers import variants
from tests.pairs import PLAYERS, REPLAY

NO_NUMBERS = "meta tensors|data-dependent|nonzero"
"""What torch says where numbers are asked for."""


def optimizers_of(configured: Any) -> list[Any]:
    """All optimizers of whatever `configure_optimizers` returns."""
    if isinstance(configured, tuple):
        configured = configured[0]
    every = configured if isinstance(configured, list) else [configured]
    return [one["optimizer"] if isinstance(one, dict) else one for one in every]


def train_and_validate(twin: Twin, batch: Any, module: Any, held_out: Any = None) -> None:
    """A step of each optimizer for the gradients of all objectives, and a validation (of the same batch unless given), on its device."""
    with default_dtype(module):
        optimizers = optimizers_of(module.configure_optimizers())
        for objective in objectives(twin, module):
            loss = loss_of(module, batch, objective)
            assert loss.device == module.device
            loss.backward()
        assert all(p.grad is not None and p.grad.device == p.device for p in module.parameters() if p.requires_grad)
        for optimizer in optimizers:
            optimizer.step()
        with torch.no_grad():
            module.eval().validation_step(batch if held_out is None else held_out, 0)


def on_meta(twin: Twin, variant: str | None = None) -> None:
    """Build the torch side, move it and a batch to the meta device, and train and validate there."""
    data, _ = data_for(twin, 0)
    _, theirs = twin.build(0, variant=variant, data=data)
    batch, own = data.two_batches(theirs)[0], data.val_batches()
    train_and_validate(twin, to_torch(batch, "meta"), theirs.to("meta"), to_torch(own[0], "meta") if own else None)


VARIANTS = list(variants())


@pytest.mark.parametrize(("name", "variant"), VARIANTS, ids=[n if v is None else f"{n}: {v}" for n, v in VARIANTS])
def test_a_training_step_and_a_validation_need_no_numbers_or_the_twin_says_why(name: str, variant: str | None) -> None:
    twin = experiments.twin(name)
    if (variant or "as declared") in twin.needs_values:
        with pytest.raises((RuntimeError, NotImplementedError), match=NO_NUMBERS):
            on_meta(twin, variant)
    else:
        on_meta(twin, variant)


@pytest.mark.parametrize("twin", [PLAYERS, REPLAY], ids=["players", "replay"])
def test_so_do_those_that_take_their_steps_themselves(twin: Twin) -> None:
    on_meta(twin)


def test_what_needs_values_is_there_and_has_a_reason() -> None:
    for entry in curriculum.entries():
        twin = experiments.twin(entry.name)
        assert set(twin.needs_values) <= {"as declared", *twin.variants}
        assert all(len(reason) > 20 for reason in twin.needs_values.values())


# ---- it finds what it is for ---------------------------------------------------------------------------


def asks(self: Any, batch: Any, batch_idx: int) -> Any:
    loss = self.right(batch, batch_idx)
    return loss if loss.item() > 0 else -loss


def masks(self: Any, batch: Any, batch_idx: int) -> Any:
    return self.right(batch, batch_idx) + batch[0][batch[0] > 0].sum()


def leaves_on_the_cpu(self: Any, batch: Any, batch_idx: int) -> Any:
    return (self.right(batch, batch_idx) * torch.ones(3)).mean()


@pytest.mark.parametrize("fault", [asks, masks, leaves_on_the_cpu])
@pytest.mark.parametrize("where", ["training", "validation"])
def test_it_finds_what_it_is_for(fault: Callable[..., Any], where: str) -> None:
    twin = experiments.twin("hidden_layer")

    class Faulty(twin.torch):  # type: ignore[name-defined, misc]
        right = twin.torch.training_step

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return (fault if where == "training" else twin.torch.training_step)(self, batch, batch_idx)

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            (fault if where == "validation" else twin.torch.training_step)(self, batch, batch_idx)

    with pytest.raises((RuntimeError, NotImplementedError)):
        on_meta(replace(twin, torch=Faulty))
