"""What a forward was given, as tensors, and which of it is what by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import torch

from experiments.doctor.calls.roles import TARGETS
from experiments.doctor.reading.claims import is_array, short

WEIGHTS = re.compile(r"(w|weights?|kernels?|filters?|k|f|theta|e|emb(edding)?s?|table|embed)(_?\w?\d?)?$|w_?(\w+)$")
BIASES = re.compile(r"b(_?\w{1,2})?$|bias(es)?$|b_?\w$")
SCALES = re.compile(r"gamma|g|scale|weights?|w|gain$")
SHIFTS = re.compile(r"beta|b|bias|shift$")
STATES = re.compile(r"(h|prev_?h|h_?prev\w*|hidden\w*|h0|h_t|state|s_?prev|a_?prev|h_last|last_h|h_?old)$")
CELLS = re.compile(r"(c|prev_?c|c_?prev\w*|cell\w*|c0|c_t|c_?old)$")


@dataclass(frozen=True)
class Given:
    """What a forward was given, as tensors.

    Attributes:
        of: every array of real numbers, by its name.
        whole: whole numbers: labels, indices.
        numbers: by name, single numbers among the arguments, the object's attributes and the defaults.
        constants: the small and large numbers that stand in the text.
    """

    of: dict[str, torch.Tensor]
    whole: dict[str, torch.Tensor] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    constants: tuple[float, ...] = ()

    def target(self) -> tuple[str, torch.Tensor] | None:
        """What is called like a target, or the whole numbers; else the second array."""
        named = next(((n, t) for n, t in {**self.of, **self.whole}.items() if plain(n) in TARGETS), None)
        others = list(self.of.items())[1:2]
        return named or next(iter(self.whole.items()), None) or (others[0] if others else None)

    def named(self, pattern: re.Pattern[str], *without: str) -> str | None:
        """The name of the first array that is called so."""
        return next((n for n in self.of if n not in without and pattern.fullmatch(plain(n))), None)

    def missing(self) -> NoReturn:
        """Raise LookupError: this is not what it was taken for."""
        raise LookupError("not what it was taken for")

    def epsilons(self) -> Iterator[float]:
        """Numbers that may keep a quotient finite: those that are called or written so, and the usual ones."""
        named = [v for n, v in self.numbers.items() if "eps" in n.lower()]
        yield from dict.fromkeys([*named, *(c for c in self.constants if 0 < c < 1e-2), 1e-5, 1e-8, 0.0])

    def slopes(self) -> Iterator[float]:
        """Numbers that may be a slope, or α: those that are given or written."""
        yield from (v for v in dict.fromkeys([*self.numbers.values(), *self.constants, 0.01, 1.0]) if v)


def plain(name: str) -> str:
    """w of self.W and params['W']."""
    return short(name).lower().removeprefix("_")


def tensors(values: Mapping[str, Any], numbers: Mapping[str, float], constants: tuple[float, ...]) -> Given:
    """The values of a forward, as tensors that have gradients; of single numbers those that are called like a bias."""
    arrays = {n: v for n, v in values.items() if is_array(v) and (np.ndim(v) or BIASES.fullmatch(plain(n)))}
    real = {n: torch.tensor(np.asarray(v, float), requires_grad=True) for n, v in arrays.items()}
    whole = {n: torch.as_tensor(v) for n, v in values.items() if isinstance(v, np.ndarray) and v.dtype.kind in "iu"}
    single = {n: float(v) for n, v in values.items() if np.ndim(v) == 0 and isinstance(v, int | float | np.number)}
    return Given(real, whole, {**numbers, **single}, constants)
