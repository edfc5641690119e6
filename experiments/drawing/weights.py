"""The trained weights of both sides beside another library's, for figures and their captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.drawing.figure import BY_HAND, TORCH
from experiments.drawing.words import in_words
from experiments.judge.convert import weights_by_hand
from experiments.judge.naming import Naming


def as_row(W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """p = [W; b], (D+1,)."""
    return np.concatenate([W.ravel(), b])


def weights_of_both(manual: Any, torch_module: Any, names: Mapping[str, str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The weights by hand and in torch, both as they are called by hand: `names` are the Twin's."""
    return manual.state_dict(), weights_by_hand(Naming(names), torch_module)


def three_times(manual: Any, torch_module: Any, sklearn: np.ndarray, names: Mapping[str, str]) -> str:
    """What a caption says of `draw_weights`, with how far both sides are from scikit-learn's."""
    ours, theirs = (as_row(**weights) for weights in weights_of_both(manual, torch_module, names))
    apart = [np.linalg.norm(q - sklearn) / np.linalg.norm(sklearn) for q in (ours, theirs)]
    return (
        "torch (broad bars), by hand (narrow bars) and scikit-learn (crosses), on the same rows. To scikit-learn's, relative to its "
        f"length: by hand {in_words(float(apart[0]))}, torch {in_words(float(apart[1]))}."
    )


def draw_weights(ax: Any, manual: Any, torch_module: Any, sklearn: np.ndarray, features: Any, names: Mapping[str, str]) -> None:
    """A bar for each weight of both sides, and scikit-learn's as crosses; b, the last of all, is left out.

    Args:
        ax: where to draw.
        manual, torch_module: both sides.
        sklearn: [W; b].
        features: what each weight belongs to.
        names: the Twin's.
    """
    ours, theirs = (weights["W"].ravel() for weights in weights_of_both(manual, torch_module, names))
    at = np.arange(len(ours))
    ax.bar(at, theirs, width=0.8, color=TORCH["color"], label="torch")
    ax.bar(at, ours, width=0.35, color=BY_HAND["color"], label="by hand")
    ax.plot(at, sklearn[:-1], "x", color="black", label="scikit-learn")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(at, features, rotation=90 if len(features) > 12 else 0, fontsize=8)
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)  # beside the bars, whichever are long
