"""The loss curves of both sides in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.drawing.figure import BY_HAND, TORCH, Captioned, figure
from experiments.lockstep import LockStep


def curves(lockstep: LockStep) -> Captioned:
    """Both loss curves of a run in one picture."""
    records = lockstep.records
    numbers, by_hand, in_torch, optimizers = zip(*((r.step, r.loss_manual, r.loss_torch, r.optimizer) for r in records), strict=True)
    return both_curves(numbers, by_hand, in_torch, optimizers)


def both_curves(numbers: Sequence[int], by_hand: Sequence[float], in_torch: Sequence[float], optimizers: Sequence[int]) -> Captioned:
    """The losses at these steps: torch's curve broad, the hand-written one dashed on top of it. A panel for the steps of each optimizer."""
    steps, theirs, ours, turns = 1 + np.array(numbers), np.array(in_torch), np.array(by_hand), np.array(optimizers)
    players = np.unique(turns)
    several, early = len(players) > 1, any(fell_early(theirs[turns == player]) for player in players)
    fig, axes = figure(
        "The loss at every step. The broad band is torch, the dashes on it are the hand-written side: "
        "where only one line is to be seen, the two are the same."
        + (" A panel for each optimizer, in the order in which the concept makes them." if several else "")
        + (" The axis of the steps counts 1, 10, 100: most of the way down is made in the first few steps." if early else ""),
        columns=len(players),
        size=(5 if several else 7, 3.6),
    )
    for ax, player in zip(axes[0], players, strict=True):
        its = turns == player
        ax.plot(steps[its], theirs[its], label="torch", **TORCH)
        ax.plot(steps[its], ours[its], label="by hand", **BY_HAND)
        ax.set(xlabel="step", ylabel="loss", title="loss of both sides" + (f", optimizer {player + 1}" if several else ""))
        if early:
            ax.set_xscale("log")
        if theirs[its].min() > 0:
            ax.set_yscale("log")
        ax.legend()
    return fig


def fell_early(losses: np.ndarray) -> bool:
    """Whether nine tenths of the way from the first loss to the lowest were made within a twentieth of the steps."""
    low = losses[0] - 0.9 * (losses[0] - losses.min())
    return bool(len(losses) >= 40 and losses[0] > losses.min() and losses[: len(losses) // 20].min() <= low)
