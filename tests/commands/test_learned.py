"""What a run says of itself that ended before its first validation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import experiments
from experiments.commands import report
from experiments.lesson import Metrics, NotValidated
from experiments.lockstep.trained import left_by
from tests.helpers import fit

TWIN = experiments.twin("training_loop")


@pytest.mark.parametrize("validated", [True, False])
def test_a_run_that_was_never_validated_says_so_in_place_of_what_was_learned(validated: bool) -> None:
    lockstep, theirs = fit(TWIN, 4, limit_val_batches=1 if validated else 0)
    said = report.learned(TWIN, lockstep, left_by(lockstep, theirs, TWIN.make_data()))
    told = "What was learned is not told: the run ended before its first validation."
    if validated:
        assert len(said) == 1
        assert "rounds of four lines" in said[0]
    else:
        assert said[1] == told
        assert said[0].startswith("In 4 steps the loss went from ")


def test_what_is_missing_is_named_and_other_faults_are_not_hidden() -> None:
    metrics = Metrics({"loss/val": 2.0})
    assert metrics["loss/val"] == 2.0
    with pytest.raises(NotValidated, match="accuracy/val is not known"):
        metrics["accuracy/val"]

    def wrong(run: Any) -> str:
        return {"a": "b"}["c"]

    lockstep, theirs = fit(TWIN, 1)
    with pytest.raises(KeyError, match="c"):
        report.learned(replace(TWIN, learned=wrong), lockstep, left_by(lockstep, theirs, TWIN.make_data()))
