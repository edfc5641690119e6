"""Where the shadow itself has parted in one round beyond the ceiling, the round is looked at again from torch's own weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from experiments.judge.compare import CEILING, Judge, Judgement, Round
from experiments.lockstep.again import Again

BEYOND = CEILING["float64"]


def explained(error: float, spread: float, agrees: bool, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether rounding explains an error, of which the shadow has so much, and which is gone from torch's weights or is not."""
    judge = Judge()
    judge.spread["gradient"] = spread
    again: Any = object.__new__(Again)
    again.lockstep = SimpleNamespace(mode="free", partings=1, judge=judge)
    monkeypatch.setattr(Again, "_agrees_from_torchs_weights", lambda self, theirs: agrees)
    monkeypatch.setattr(Again, "_decision_flipped", lambda self, beyond, steps: False)
    found = {"gradient": {"w": error}}
    judgement = Judgement(found, {"gradient": judge.tolerated("gradient")}, "step 3: w differs", SimpleNamespace())  # type: ignore[arg-type]
    nothing = Round([], {})
    return again.explains([judgement], nothing, nothing)


@pytest.mark.parametrize(
    ("error", "spread", "agrees", "is_explained"),
    [
        (1.7 * BEYOND, 0.3 * BEYOND, True, True),  # as in a recurrence, whose gradient parted seventeenfold within one step
        (1.7 * BEYOND, 0.3 * BEYOND, False, False),  # from the same weights it is wrong too: a mistake
        (1.7 * BEYOND, 0.05 * BEYOND, True, False),  # the shadow has not parted
        (5.0 * BEYOND, 0.3 * BEYOND, True, False),  # more than ten times what it did
        (0.5 * BEYOND, 0.01 * BEYOND, True, True),
    ],
)
def test_more_than_the_ceiling_is_explained_only_by_a_shadow_that_parted_as_far(
    error: float, spread: float, agrees: bool, is_explained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert explained(error, spread, agrees, monkeypatch) == is_explained
