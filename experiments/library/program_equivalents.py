"""Mistakes outside of the backwards that nobody can tell from the original, or that change nothing anyone relies on: each with the reason.

`python -m experiments mutate --program` prints the id of every mutant that lives. An entry that matches none is stale and fails.
"""

from __future__ import annotations

BY_REASON: dict[str, tuple[str, ...]] = {}

EQUIVALENT: dict[str, str] = {mutant: reason for reason, mutants in BY_REASON.items() for mutant in mutants}
