"""The trained weights of both sides beside another library's, for figures and their captions."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.drawing.figure import BY_HAND, TORCH
from experiments.judge.convert import to_numpy


def as_row(W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """p = [W; b], (D+1,)."""
    return np.concatenate([W.ravel(), b])


def three_times(manual: Any, torch_module: Any, sklearn: np.ndarray) -> str:
    """What a caption says of `draw_weights`, with how far both sides are from scikit-learn's."""
    ours, theirs = (as_row(**to_numpy(dict(side.state_dict()))) for side in (manual, torch_module))
    apart = [np.linalg.norm(q - sklearn) / np.linalg.norm(sklearn) for q in (ours, theirs)]
    return (
        "torch (broad bars), by hand (narrow bars) and scikit-learn (crosses), on the same rows. Relative to its length, the vector by "
        f"hand is {apart[0]:.0e} away from scikit-learn's, torch's {apart[1]:.0e}."
    )


def draw_weights(ax: Any, manual: Any, torch_module: Any, sklearn: np.ndarray, names: Any) -> None:
    """A bar for each weight of both sides, and scikit-learn's as crosses; b, the last of all, is left out."""
    ours, theirs = (to_numpy(dict(side.state_dict()))["W"].ravel() for side in (manual, torch_module))
    at = np.arange(len(ours))
    ax.bar(at, theirs, width=0.8, color=TORCH["color"], label="torch")
    ax.bar(at, ours, width=0.35, color=BY_HAND["color"], label="by hand")
    ax.plot(at, sklearn[:-1], "x", color="black", label="scikit-learn")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(at, names, rotation=90 if len(names) > 12 else 0, fontsize=8)
    ax.legend(fontsize=8)
