"""The picture of the loss curves: a panel for each optimizer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from experiments.commands.curves import curves
from experiments.lockstep import Record


def test_the_losses_of_several_optimizers_have_a_panel_each() -> None:
    records = [Record(step, 1.0 + step % 2 + step / 100, 1.0 + step % 2 + step / 100, 0.0, 0.0, 0.0, step % 2) for step in range(10)]
    lockstep: Any = SimpleNamespace(records=records)
    panels = curves(lockstep).axes
    assert [ax.get_title() for ax in panels] == ["loss of both sides, optimizer 1", "loss of both sides, optimizer 2"]
    for player, ax in enumerate(panels):
        for line in ax.lines:
            assert np.array_equal(line.get_xdata(), [1 + player, 3 + player, 5 + player, 7 + player, 9 + player])
            assert np.ptp(line.get_ydata()) < 0.1


def test_those_of_one_have_one() -> None:
    lockstep: Any = SimpleNamespace(records=[Record(step, 2.0, 2.0, 0.0, 0.0, 0.0, 0) for step in range(3)])
    assert [ax.get_title() for ax in curves(lockstep).axes] == ["loss of both sides"]
