"""Cases for modules made of modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

import manual.nn
from experiments.judge.case import Built, case


def in_a_row(library: Any, I: int, H: int, O: int, **made: Any) -> list[Any]:
    """The layers of a small network, by hand or of torch; the activation comes twice, as one and the same module."""
    tanh = library.Tanh()
    return [library.Linear(I, H, **made), tanh, library.LayerNorm(H, **without_rng(made)), library.Linear(H, O, **made), tanh]


def without_rng(made: dict[str, Any]) -> dict[str, Any]:
    """For layers that draw nothing."""
    return {key: value for key, value in made.items() if key != "rng"}


def by_hand(I: int, H: int, O: int, rng: np.random.Generator, dtype: str) -> manual.nn.Sequential:
    return manual.nn.Sequential(*in_a_row(manual.nn, I, H, O, rng=rng, dtype=dtype))


def of_torch(I: int, H: int, O: int) -> nn.Sequential:
    return nn.Sequential(*in_a_row(nn, I, H, O))


def named(build: Callable[..., Any], sequential: type) -> Callable[..., Any]:
    """The same with names of its own, one Sequential in another."""

    def build_named(**arguments: Any) -> Any:
        first, act, norm, last, _ = build(**arguments)
        return sequential(OrderedDict(body=sequential(first, act), norm=norm, head=last))

    return build_named


def named_by_hand(I: int, H: int, O: int, rng: np.random.Generator, dtype: str) -> manual.nn.Sequential:
    return named(by_hand, manual.nn.Sequential)(I=I, H=H, O=O, rng=rng, dtype=dtype)


@case("Sequential", hand=by_hand, reference=of_torch, empty=True, least={"H": 4}, spread=0.3)
def numbered(rng: np.random.Generator, N: int, I: int, H: int, O: int) -> Built:
    return Built({"I": I, "H": H, "O": O}, [rng.normal(size=(N, I))])


@case("Sequential", hand=named_by_hand, reference=named(of_torch, nn.Sequential), least={"H": 4}, spread=0.3)
def with_names(rng: np.random.Generator, N: int, I: int, H: int, O: int) -> Built:
    return Built({"I": I, "H": H, "O": O}, [rng.normal(size=(N, I))])
