"""Cases of manual/sequences/attention.py."""

from __future__ import annotations

# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "what value.backward returns is a new array that nobody else holds": (
        "attention.Attention.backward:inplace:dL_de = dL_de + self.query.backward(dL_dq) => dL_de += self.query.backward(dL_dq):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
