"""Which tensor turned NaN or infinite first, and that looking for it leaves nothing behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import experiments
from experiments.judge.convert import to_torch
from experiments.judge.naming import Naming
from experiments.judge.nonfinite import first_in, first_in_forward, is_finite, kind_of, watched
from manual import nn


@pytest.mark.parametrize(
    ("value", "kind"),
    [(np.array([1.0, np.nan]), "NaN"), (np.array([np.inf, 1.0]), "Inf"), (np.array([np.inf, np.nan]), "NaN"), (-np.inf, "Inf")],
)
@pytest.mark.parametrize("side", [np.asarray, lambda v: torch.as_tensor(np.asarray(v))])
def test_what_is_not_finite_and_how(value: Any, kind: str, side: Any) -> None:
    assert not is_finite(side(value))
    assert kind_of(side(value)) == kind
    assert is_finite(side(np.array([1.0, -2e300])))
    assert is_finite(side(np.array([1, 2])))


def test_the_first_of_several_is_named() -> None:
    assert first_in({"a": np.ones(2), "b": np.array([np.inf]), "c": np.array([np.nan])}) == "b (Inf)"
    assert first_in({"a": np.ones(2), "i": np.arange(3)}) is None


def models(spoil: str = "") -> list[tuple[Any, Any, Naming | None]]:
    """(model, batch, torch's names) of both sides of digits_mlp, with one tensor spoilt."""
    ours, _ = experiments.twin("digits_mlp").build(0)
    state, batch = ours.state_dict(), (np.random.default_rng(0).random((4, 64)), np.arange(4))
    if spoil == "batch":
        batch[0][1, 2] = np.nan
    elif spoil:
        state[spoil][0] = np.inf
    ours, theirs = experiments.twin("digits_mlp").build(0)
    ours.load_state_dict(state)
    theirs.load_state_dict(to_torch(state))
    return [(ours, batch, None), (theirs, to_torch(batch), Naming({}))]


@pytest.mark.parametrize(
    ("spoil", "found"),
    [("batch", "entry 0 of the batch (NaN)"), ("fc1.bias", "parameter fc1.bias (Inf)"), ("fc2.weight", "parameter fc2.weight (Inf)")],
)
def test_the_batch_and_the_parameters_come_first(spoil: str, found: str) -> None:
    for model, batch, naming in models(spoil):
        assert first_in_forward(model, batch, naming) == found


def test_values_with_names_come_after_the_batch_and_the_parameters_and_before_the_loss() -> None:
    twin = experiments.twin("softmax").having({"form": "naive"})
    x, c = np.ones((3, 2)), np.array([0, 1, 2])
    for by_hand in (True, False):
        for spoil, found in (("x", "entry 0 of the batch (NaN)"), ("W", "parameter W (Inf)"), ("", "exp(z) (Inf)")):
            ours, theirs = twin.build(0)
            state, batch = ours.state_dict(), (np.where(spoil == "x", np.nan, x), c)
            state["W"] = np.full_like(state["W"], np.inf if spoil == "W" else 1e3)
            ours.load_state_dict(state)
            theirs.load_state_dict(to_torch(state))
            with np.errstate(all="ignore"):
                told = first_in_forward(ours, batch) if by_hand else first_in_forward(theirs, to_torch(batch), twin.naming)
            assert told == found


def test_then_the_outputs_in_the_order_of_computation_and_at_last_the_loss() -> None:
    for model, batch, naming in models():
        right = model.training_step
        model.fc1.forward, forward = lambda x, f=model.fc1.forward: f(x) * 0 + np.inf, model.fc1.forward
        with np.errstate(invalid="ignore"):
            assert first_in_forward(model, batch, naming) == "the output of fc1 (Inf)"
        model.fc1.forward = forward
        model.training_step = lambda *a, f=right: f(*a) * np.nan
        assert first_in_forward(model, batch, naming) == "the loss (NaN)"
        model.training_step = lambda *a, f=right: f(*a) * 0 + np.inf
        assert first_in_forward(model, batch, naming) == "the loss (Inf)"
        if naming is None:
            model.check_nothing_saved()


def test_after_watching_every_forward_is_its_own_again() -> None:
    for model, batch, naming in models():
        own = model.fc2.forward = lambda x, f=model.fc2.forward: f(x)
        seen: list[str] = []
        with watched(model, lambda name, y, s=seen: s.append(name)):
            model.training_step(batch, 0)
            assert model.fc1.forward is not own
        assert [name for name in seen if name.startswith("fc")] == ["fc1", "fc2"]
        assert model.fc2.forward is own
        assert "forward" not in vars(model.fc1)
        if naming is None:
            model.forget()
        model.training_step(batch, 0)
        assert len(seen) == len(set(seen))


def test_watching_ends_with_an_exception_too_and_sees_each_of_several_outputs() -> None:
    layer = nn.Sequential(nn.LSTM(3, 4))
    seen: list[tuple[str, tuple[int, ...]]] = []
    with pytest.raises(ValueError, match="axis -1 of input"), watched(layer, lambda name, y: seen.append((name, np.shape(y)))):
        layer[0](layer[0](np.zeros((5, 2, 3)))[0])
    assert ("0", (5, 2, 4)) in seen
    assert "forward" not in vars(layer[0])
