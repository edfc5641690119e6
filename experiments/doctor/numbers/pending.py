"""An argument that has no shape yet stands for itself: whoever computes with it ends the try, and what was given so far is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


class NotYet(Exception):
    """Something was computed with an argument that has no shape yet."""


class Pending(np.lib.mixins.NDArrayOperatorsMixin):
    """An argument that has no shape yet."""

    __array_priority__ = 1000

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotYet

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotYet

    def __getattr__(self, name: str) -> Any:
        raise NotYet

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotYet

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotYet

    def __len__(self) -> int:
        raise NotYet

    def __iter__(self) -> Iterator[Any]:
        raise NotYet

    def __getitem__(self, key: Any) -> Any:
        raise NotYet

    def __float__(self) -> float:
        raise NotYet

    def __int__(self) -> int:
        raise NotYet

    def __index__(self) -> int:
        raise NotYet

    def __bool__(self) -> bool:
        raise NotYet
