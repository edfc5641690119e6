"""Mutants that no case can kill because they compute the same: each with the reason, found by thinking, not by trying.

`python -m experiments mutate` prints the id of every mutant that lives. An entry here that matches none of them is stale and fails.
"""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
