"""What is common to torch's functions: how one is called, and what a forward was given for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from experiments.doctor.second.given import BIASES, WEIGHTS, Given

Way = tuple[str, Any]
"""How torch's function is called there, in words that follow its name, or what else it may be; and what comes out."""


def only(of: Given) -> Tensor:
    """The array, where there is no other.

    Raises:
        LookupError: if there are several: `linear` of one array is the identity, and of three a layer.
    """
    if len(of.of) != 1:
        of.missing()
    return next(iter(of.of.values()))


def attempt(computing: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor | None:
    """What comes out; None where the shapes do not fit."""
    try:
        return computing(*args, **kwargs)
    except (RuntimeError, IndexError, ValueError):
        return None


def shaped(b: Tensor, out: Tensor) -> Tensor:
    """A bias as it is added."""
    return b if attempt(lambda: torch.broadcast_to(b, out.shape)) is not None else b.reshape(-1, 1)


def layer(of: Given) -> tuple[Tensor, Tensor, Tensor | None]:
    """Input, weights, and bias.

    Raises:
        LookupError: if there are no such things.
    """
    w = of.named(WEIGHTS)
    b = of.named(BIASES, w or "")
    if w is None or len(of.of) != 2 + (b is not None):
        of.missing()
    x = next(t for n, t in of.of.items() if n not in (w, b))
    return x, of.of[str(w)], of.of[b] if b else None


def two(of: Given) -> tuple[Tensor, Tensor]:
    """What is predicted, and the target.

    Raises:
        LookupError: if there are no two such arrays of one shape.
    """
    found = of.target()
    if found is None or len(of.of) + len(of.whole) != 2:
        of.missing()
    name, y = found
    return next(t for n, t in of.of.items() if n != name), y
