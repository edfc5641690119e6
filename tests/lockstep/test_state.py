"""What a checkpoint keeps of a run that compares nothing: its mode, and how many batches there were, which the noise depends on."""

from __future__ import annotations

import experiments
from experiments.lockstep import LockStep
from tests.helpers import fit


def test_without_comparison_the_batches_are_counted_all_the_same() -> None:
    twin = experiments.twin("digits_mlp")
    assert LockStep(twin, mode="off").state_dict() == {"micro_batches": 0, "mode": "off"}
    callback, _ = fit(twin, 3, model={"hidden": 5}, lockstep={"mode": "off"}, accumulate_grad_batches=2)
    assert not callback.comparing
    assert callback.state_dict() == {"micro_batches": 6, "mode": "off"}
