"""Where the legal values of an option end, on both sides alike."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import experiments

OF_MODELS = [(t.name, option) for t in experiments.twins() for option in inspect.signature(t.torch).parameters]
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
            except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as refused:
                answers.append(str(refused))
        own = f"{twin.manual.__name__}: "
        assert answers[0] or not answers[1], value
        assert answers[0] == answers[1] or not any(own in answer for answer in answers), value
