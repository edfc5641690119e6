"""Cases of manual/sequences/seq2seq.py: it is made of layers, and judged whole."""

from __future__ import annotations

# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT: dict[str, tuple[str, ...]] = {}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
