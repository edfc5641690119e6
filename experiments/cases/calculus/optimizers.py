"""Cases of manual/calculus/optimizers.py."""

from __future__ import annotations

# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the batch is not read: two forwards before one backward save the same point": (
        "optimizers.Optimizers.backward:stale:self.restore() => self._saved.pop(0):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
