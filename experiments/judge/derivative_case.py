"""Cases of functions that return derivatives: a Jacobian, a Hessian, or the product of one with an arrow.

    @derivative_case("calculus.gradients", "sphere_jacobian", by_differences=lambda p: jacobian(by_hand.sphere, p))
    def anywhere(rng):
        return [rng.normal(size=2)]

The function stands in manual/calculus/gradients.py; its twin of the same name in torch_impl differentiates by torch.func or
torch.autograd; and `by_differences` takes the same inputs and works it out from central differences of another function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from experiments.judge.case import cast, flat, to_torch
from experiments.judge.compare import error
from experiments.judge.registry import judged_by

Inputs = list[Any]


@dataclass(frozen=True)
class DerivativeCase:
    """A registered case; see the module."""

    path: str
    name: str
    label: str
    build: Callable[[np.random.Generator], Inputs]
    by_differences: Callable[..., Any]

    def __str__(self) -> str:
        return f"{self.path.rpartition('.')[2]}.{self.name}-{self.label}"


DERIVATIVE_CASES: list[DerivativeCase] = []


def derivative_case(path: str, name: str, by_differences: Callable[..., Any]) -> Callable[[Callable[..., Inputs]], Callable[..., Inputs]]:
    """Register a case for the function `name` of manual.<path>. The builder takes a generator and returns the inputs."""

    def register(build: Callable[..., Inputs]) -> Callable[..., Inputs]:
        case = DerivativeCase(path, name, build.__name__, build, by_differences)
        DERIVATIVE_CASES.append(case)
        judged_by(f"{path.rpartition('.')[2]}.{name}", partial(judge_derivative, case))
        return build

    return register


def judge_derivative(case: DerivativeCase, seed: int, dtype: str = "float64") -> dict[str, float]:
    """The error of every output against torch.

    Raises:
        AssertionError: if an input is changed.
    """
    inputs = [cast(x, dtype) for x in case.build(np.random.default_rng(seed))]
    kept = [np.copy(x) for x in inputs]
    ours = getattr(import_module(f"manual.{case.path}"), case.name)(*inputs)
    theirs = getattr(import_module(f"torch_impl.{case.path}"), case.name)(*map(to_torch, inputs))
    assert all(np.array_equal(x, k) for x, k in zip(inputs, kept, strict=True)), f"{case}: an input was changed"
    return {f"output {i}": error(a, b) for i, (a, b) in enumerate(zip(flat(ours), flat(theirs), strict=True))}


def differences(case: DerivativeCase, seed: int) -> dict[str, float]:
    """The error of every output against central differences."""
    inputs = case.build(np.random.default_rng(seed))
    ours = getattr(import_module(f"manual.{case.path}"), case.name)(*inputs)
    found = case.by_differences(*inputs)
    return {f"output {i}": error(a, b) for i, (a, b) in enumerate(zip(flat(ours), flat(found), strict=True))}
