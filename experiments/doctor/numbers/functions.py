"""Arguments that are functions: an activation, or a loss, and its derivative beside it, that a layer is made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.doctor.calls.building import ARGUMENT
from experiments.doctor.reading.counterparts import LOSS, derivative

FUNCTION = "function"
"""The kind of an argument that is given a function, which stands in the place of its shape."""


def tanh_prime(x: Any) -> Any:
    """The derivative of tanh."""
    return 1 - np.tanh(x) ** 2


def half_square(y_true: Any, y_pred: Any) -> Any:
    """A loss that is the same with its arguments the other way round."""
    return 0.5 * np.sum((y_pred - y_true) ** 2)


def half_square_prime(y_true: Any, y_pred: Any) -> Any:
    """Its derivative by the second."""
    return y_pred - y_true


def given_functions(names: Sequence[str]) -> dict[str, list[tuple[str, Any]]]:
    """By argument of a constructor that is a function with its derivative beside it, (kind, (function,)): right ones of ours.

    Those of the file are looked at by themselves: with a wrong one among them a right layer would be wrong.
    """
    found: dict[str, list[tuple[str, Any]]] = {}
    plain = {n.removeprefix(ARGUMENT): n for n in names if n.startswith(ARGUMENT)}
    for name in plain:
        other = derivative(name, plain) or next((n for n in (f"{name}_grad", f"{name}_gradient", f"grad_{name}") if n in plain), None)
        if other is not None:
            both: tuple[Callable[..., Any], Callable[..., Any]] = (np.tanh, tanh_prime)
            both = (half_square, half_square_prime) if LOSS.search(name) else both
            found |= {plain[n]: [(FUNCTION, (function,))] for n, function in zip((name, other), both, strict=True)}
    return found
