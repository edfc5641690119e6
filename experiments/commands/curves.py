"""The loss curves of both sides in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.drawing.figure import BY_HAND, TORCH, Captioned, figure
from experiments.lockstep import LockStep


def curves(lockstep: LockStep) -> Captioned:
    """Both loss curves of a run in one picture."""
    records = lockstep.records
    return both_curves([r.step for r in records], [r.loss_manual for r in records], [r.loss_torch for r in records])


def both_curves(numbers: Sequence[int], by_hand: Sequence[float], in_torch: Sequence[float]) -> Captioned:
    """The losses at these steps: torch's curve broad, the hand-written one dashed on top of it."""
    steps, theirs, ours = 1 + np.array(numbers), np.array(in_torch), np.array(by_hand)
    early = fell_early(theirs)
    fig, axes = figure(
        "The loss at every step. The broad band is torch, the dashes on it are the hand-written side: "
        "where only one line is to be seen, the two are the same."
        + (" The axis of the steps counts 1, 10, 100: most of the way down is made in the first few steps." if early else ""),
        size=(7, 3.6),
    )
    axes[0, 0].plot(steps, theirs, label="torch", **TORCH)
    axes[0, 0].plot(steps, ours, label="by hand", **BY_HAND)
    axes[0, 0].set(xlabel="step", ylabel="loss", title="loss of both sides")
    if early:
        axes[0, 0].set_xscale("log")
    if theirs.min() > 0:
        axes[0, 0].set_yscale("log")
    axes[0, 0].legend()
    return fig


def fell_early(losses: np.ndarray) -> bool:
    """Whether nine tenths of the way from the first loss to the lowest were made within a twentieth of the steps."""
    low = losses[0] - 0.9 * (losses[0] - losses.min())
    return bool(len(losses) >= 40 and losses[0] > losses.min() and losses[: len(losses) // 20].min() <= low)
