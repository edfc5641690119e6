"""Numbers that are tried: whether a pair runs on them, and how many gradients then have another shape than their value."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.doctor.calling import Subject
from experiments.doctor.claims import is_array
from experiments.doctor.examine import Examination
from experiments.doctor.patient import Pair
from experiments.doctor.roles import TARGETS

SMALLER = (0.3, 0.05, 0.005)
"""An exp that overflows says nothing: then so much smaller numbers are tried."""


def is_real(value: Any) -> bool:
    """Whether these are numbers that may as well be smaller: not counts, labels or masks."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and bool(np.any(value != np.round(value)))


def misshapen(subject: Subject, inputs: Mapping[str, Any]) -> int:
    """How many gradients have another shape than their value; raises whatever forward or backward raises."""
    for spread in (1.0, *SMALLER):
        found = Examination(subject, {n: v * spread if is_real(v) else v for n, v in inputs.items()})
        if all(np.all(np.isfinite(v)) for v in (found.ran.out,) if is_array(v)) and found.is_finite:
            break
    else:
        raise FloatingPointError("not finite")
    return sum(np.shape(c.gradient) != np.shape(found.ran.values[n]) for n, c in found.claims.items()) + spreads(subject.pair, inputs)


def spreads(pair: Pair, inputs: Mapping[str, Any]) -> int:
    """How many differences of a prediction and its target, both arguments of forward, are of arrays of different shapes."""
    found = 0
    for node in ast.walk(pair.forward):
        match node:
            case ast.BinOp(ast.Name(one), ast.Sub(), ast.Name(other)) if {one.lower(), other.lower()} & set(TARGETS):
                found += one in inputs and other in inputs and np.shape(inputs[one]) != np.shape(inputs[other])
    return found
