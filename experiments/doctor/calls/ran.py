"""What one call of a stranger's forward has shown."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Ran:
    """What one call of forward has shown.

    Attributes:
        values: every value that it names, as it came; arguments and attributes too; h#2 is what was called h the second time.
        final: by name, what forward went on with last.
        passed: its arguments, as whoever called it still has them: what was done to them in place is seen in them, a new meaning of their
            names is not.
        computed: the names of values that forward was not given.
        out: what it returns first.
        rest: what it returns beside.
        self: the object whose method it is.
        returned: all that it returns.
    """

    values: dict[str, Any]
    final: dict[str, Any]
    out: Any
    rest: Any = None
    self: Any = None
    returned: Any = None
    passed: dict[str, Any] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    rounds: dict[int, int] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Any, ...]:
        """What it returns, one thing after the other."""
        return self.returned if isinstance(self.returned, tuple) and self.returned else (self.returned,)

    @property
    def is_single(self) -> bool:
        """Whether what comes out is a matrix of one number: a sum over the wrong axis is none there."""
        return np.ndim(self.parts[0]) > 1 and np.size(self.parts[0]) == 1


def copied(value: Any) -> Any:
    """A value that nobody else changes."""
    return value.copy() if isinstance(value, np.ndarray | dict | list) else copy.copy(value) if isinstance(value, set) else value
