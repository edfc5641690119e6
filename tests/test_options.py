"""Every option of every concept and of its data, set to a second legal value: both sides follow it, and it makes a difference."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import experiments
from experiments.compare import errors
from experiments.convert import to_numpy
from experiments.pair import Twin
from tests.helpers import fit, small_data

SECOND: dict[str, Any] = {
    "softmax.form": "naive",
    "gradients.lr": 0.3,
    "gradients.start": (0.4, -0.3),
    "optimizers.lr": 0.01,
    "optimizers.start": (0.4, -0.3),
    "conditioning.data.features": "whitened",
    "perceptron.data.points": "xor",
    "softmax_regression.data.dataset": "iris",
}
"""Where the second value is not told by a variant or by the first."""

GIVEN = ("features", "classes", "svd.rows", "svd.columns")
"""Sizes of the model that the data dictate: they are held by the shapes of the parameters."""

ALONGSIDE: dict[str, dict[str, Any]] = {
    "optimizers.horizon": {"schedule": "cosine"},
    "expectation.baseline": {"estimator": "score"},
}
"""Options that another one must be set for."""

NO_DIFFERENCE = {"wine_quality.data.csv": "where the data are, not what they are", "expectation.data.seed": "every row is the target"}


def second(name: str, option: str, first: Any, twin: Twin) -> Any:
    """Another legal value."""
    if f"{name}.{option}" in SECOND:
        return SECOND[f"{name}.{option}"]
    told = [v[option] for v in twin.variants.values() if v.get(option, first) != first]
    if isinstance(first, str) and told:
        return told[0]
    if isinstance(first, bool):
        return not first
    return first + 1 if isinstance(first, int) else 0.75 * first


def options(of: str) -> list[tuple[str, str]]:
    """(concept, option) for the constructors of the models, or of the data."""
    classes = [(t.name, t.torch if of == "model" else t.data) for t in experiments.twins()]
    return [(name, option) for name, cls in classes for option in inspect.signature(cls).parameters]


OF_MODELS = options("model")
OF_DATA = [(n, o) for n, o in options("data") if f"{n}.data.{o}" not in NO_DIFFERENCE]


def varied(name: str, option: str) -> tuple[Twin, Twin]:
    """The twin as it is (with what the option needs), and with the other value."""
    twin = experiments.twin(name)
    twin = replace(twin, model={**twin.model, **ALONGSIDE.get(f"{name}.{option}", {})})
    first = twin.hyperparameters()[option]
    return twin, replace(twin, model={**twin.model, option: second(name, option, first, twin)})


def shapes(twin: Twin) -> tuple[dict[str, Any], dict[str, Any]]:
    ours, theirs = twin.build()
    return {n: p.shape for n, p in ours.named_parameters()}, {n: tuple(p.shape) for n, p in theirs.named_parameters()}


@pytest.mark.parametrize(("name", "option"), OF_MODELS, ids=[f"{n}.{o}" for n, o in OF_MODELS])
def test_both_sides_follow_every_option_and_it_makes_a_difference(name: str, option: str) -> None:
    first, other = varied(name, option)
    if f"{name}.{option}".endswith(GIVEN):
        by_hand, in_torch = shapes(other)
        assert by_hand == in_torch
        assert by_hand != shapes(first)[0]
        return
    ends = []
    for twin in (first, other):
        has_batches = "batch_size" in inspect.signature(twin.data).parameters
        lockstep, theirs = fit(twin, 6, data=small_data(twin) if has_batches else twin.make_data())
        assert lockstep.judge.failure is None
        assert lockstep.judge.passed
        ends.append(to_numpy(dict(theirs.state_dict())))
    assert any(e > 0 for e in errors(*ends).values())


@pytest.mark.parametrize(("name", "option"), OF_DATA, ids=[f"{n}.data.{o}" for n, o in OF_DATA])
def test_every_option_of_the_data_makes_a_difference(name: str, option: str) -> None:
    twin = experiments.twin(name)
    first = twin.make_data()
    other = twin.make_data(**{option: second(name, f"data.{option}", getattr(first, option), twin)})
    for data in (first, other):
        if not data.at_hand():
            data.use(data.stand_in())
    assert getattr(other, option) != getattr(first, option)
    batches = [[np.concatenate([np.ravel(t) for t in batch]) for batch in data.train_dataloader()] for data in (first, other)]
    assert len(batches[0]) != len(batches[1]) or any(not np.array_equal(a, b) for a, b in zip(*batches, strict=True))


EDGES: dict[type, tuple[Any, ...]] = {int: (2, 1, 0, -1), float: (1e-3, 0.0, -0.5, 1.0, 1.5, float("nan")), str: ("nothing",)}
"""Values beside which legal ones begin or end."""


@pytest.mark.parametrize(("name", "option"), OF_MODELS, ids=[f"{n}.{o}" for n, o in OF_MODELS])
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_both_sides_take_the_same_values_and_refuse_the_same(name: str, option: str) -> None:
    """By a sentence of the concept's own, then the same one, or because a layer or an array cannot be made; layers by hand are stricter."""
    twin = experiments.twin(name)
    for value in EDGES.get(type(twin.hyperparameters()[option]), (None,)):
        answers = []
        for make in (twin.manual, twin.torch):
            try:
                make(**{**twin.model, option: value})
                answers.append("")
            except (ValueError, RuntimeError, ZeroDivisionError) as refused:
                answers.append(str(refused))
        own = f"{twin.manual.__name__}: "
        assert answers[0] or not answers[1], value
        assert answers[0] == answers[1] or not any(own in answer for answer in answers), value
