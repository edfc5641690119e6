"""Cases of plain functions: `f` and `f_backward` by hand, against the torch expression of the same name.

    @function_case("linear_algebra.vectors", "cosine_similarity")
    def rows(rng, N, D):
        return [rng.normal(size=(N, D)), rng.normal(size=(N, D))]

The hand-written pair stands in manual/linear_algebra/vectors.py, `cosine_similarity(a, b)` and
`cosine_similarity_backward(dL_dy, a, b)`; its twin is torch_impl/linear_algebra/vectors.py's `cosine_similarity(a, b)`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch

from experiments.judge.case import Built, case
from manual.module import Module


class ByFunctions(Module):
    """A pair of functions as a Module: forward saves its inputs, backward hands them to f_backward."""

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        super().__init__()
        self.functions = forward, backward

    def forward(self, *inputs: Any, **call: Any) -> Any:
        self.save(inputs, call)
        return self.functions[0](*inputs, **call)

    def backward(self, dL_dy: Any) -> Any:
        inputs, call = self.restore()
        dL_dys = dL_dy if isinstance(dL_dy, tuple) else (dL_dy,)  # one upstream for each output
        return self.functions[1](*dL_dys, *inputs, **call)


class TorchFunction(torch.nn.Module):
    """A torch expression as a Module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any, **call: Any) -> Any:
        return self.function(*inputs, **call)


def function_case(path: str, name: str, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a case for the function `name` of manual.<path>. The builder returns the inputs, or a whole Built.

    Args:
        path: "linear_algebra.vectors".
        name: of the function.
        options: of `case`: least, smooth, nonfinite, ...
    """

    def hand() -> ByFunctions:
        module = import_module(f"manual.{path}")  # looked up at each use, so that a mutant in its place is found
        return ByFunctions(getattr(module, name), getattr(module, f"{name}_backward"))

    def reference() -> TorchFunction:
        return TorchFunction(getattr(import_module(f"torch_impl.{path}"), name))

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(build)
        def built(*sizes: Any, **named: Any) -> Built:
            found = build(*sizes, **named)
            return found if isinstance(found, Built) else Built({}, list(found))

        case(f"{path.rpartition('.')[2]}.{name}", hand=hand, reference=reference, **options)(built)
        return build

    return register
