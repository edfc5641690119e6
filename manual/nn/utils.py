"""Clipping of gradients: the twins of torch.nn.utils.clip_grad_norm_ and clip_grad_value_."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.module import Parameter
from manual.nn.functional import binary_scale


def clip_grad_norm_(
    parameters: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Shorten the gradient, all parameters' gradients taken as one vector, to at most max_norm (torch.nn.utils.clip_grad_norm_).

        total_norm = (Σ |∂L/∂p|^norm_type)^(1/norm_type)      or max |∂L/∂p| for norm_type = inf
        ∂L/∂p ← ∂L/∂p · min(1, max_norm / (total_norm + 1e-6))

    The direction stays. The 1e-6 is torch's, against a division by zero: what is clipped ends just below max_norm.

    Args:
        parameters: whose gradients are clipped, in place; those without a gradient are passed over.
        max_norm: the largest length allowed.
        norm_type: p of the p-norm; may be inf.
        error_if_nonfinite: raise where the norm is NaN or infinite; else NaN spreads to all gradients, and
            infinite gradients make every finite one 0 and themselves NaN.
        foreach: None or False.

    Returns:
        total_norm before the clipping, a number of the gradients' dtype. float16 is computed in float32.

    Raises:
        RuntimeError: if error_if_nonfinite, and the norm is NaN or infinite.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".
    """
    refuse_foreach("clip_grad_norm_", foreach)
    learning = with_gradient(parameters)
    if not learning:
        return np.float32(0.0)
    norm_type = float(norm_type)
    total_norm = p_norm(np.array([p_norm(wide(p.grad), norm_type) for p in learning]), norm_type)
    if error_if_nonfinite and not np.isfinite(total_norm):
        raise RuntimeError(f"clip_grad_norm_: the gradients' norm of order {norm_type} must be finite, got {total_norm}")
    coefficient = np.minimum(float(max_norm) / (total_norm + 1e-6), 1.0)
    for p in learning:
        p.grad *= coefficient
    with np.errstate(over="ignore"):  # beyond 65504 it is ∞ in float16
        return total_norm.astype(np.result_type(*(p.grad for p in learning)))


def clip_grad_value_(parameters: Parameter | Iterable[Parameter], clip_value: float, foreach: bool | None = None) -> None:
    """Bring every entry of the gradients into [−clip_value, clip_value] (torch.nn.utils.clip_grad_value_).

    The direction changes, unlike with clip_grad_norm_. NaN stays NaN.

    Args:
        parameters: whose gradients are clipped, in place; those without a gradient are passed over.
        clip_value: the largest entry allowed.
        foreach: None or False.
    """
    refuse_foreach("clip_grad_value_", foreach)
    for p in with_gradient(parameters):
        p.grad = np.clip(p.grad, -float(clip_value), float(clip_value))


def with_gradient(parameters: Parameter | Iterable[Parameter]) -> list[Parameter]:
    """The parameters that a backward has reached."""
    return [p for p in ([parameters] if isinstance(parameters, Parameter) else parameters) if p.has_grad]


def wide(g: np.ndarray) -> np.ndarray:
    """float16 as float32, in which the norm of ordinary gradients does not overflow."""
    return g.astype(np.float32) if g.dtype == np.float16 else g


def p_norm(x: np.ndarray, p: float) -> Any:
    """(Σ |x|ᵖ)^(1/p), max |x| for p = inf, the number of entries that are not 0 for p = 0; in x's dtype. No power over- or underflows."""
    if not x.size:
        return x.dtype.type(0)
    s = binary_scale(x) if p else x.dtype.type(1)
    return s * np.linalg.norm((x / s).ravel(), p)


def refuse_foreach(function: str, foreach: bool | None) -> None:
    """Raise NotImplementedError if foreach is set."""
    if foreach:
        raise NotImplementedError(f"{function}: foreach must be None or False, got {foreach!r}")
