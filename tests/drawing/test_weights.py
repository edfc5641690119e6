"""The weights of both sides beside another library's: whose is whose, and how far each is away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import experiments
from experiments.drawing.figure import BY_HAND, TORCH
from experiments.drawing.weights import as_row, draw_weights, three_times, weights_of_both

TWIN = experiments.twin("ridge")


def apart() -> tuple[Any, Any, np.ndarray]:
    """Ridge by hand, in torch with every weight 0.5 larger, and what a third library found: by hand plus 0.001."""
    ours, theirs = TWIN.build()
    ours.load_state_dict({"W": np.arange(1.0, 11.0)[:, None], "b": np.array([20.0])})
    with torch.no_grad():
        theirs.linear.weight[...] = torch.arange(1.5, 11.5)
        theirs.linear.bias[...] = 20.5
    return ours, theirs, np.array([*range(1, 11), 20]) + 0.001


def test_weights_are_called_as_by_hand_and_each_side_has_its_own() -> None:
    ours, theirs, _ = apart()
    by_hand, in_torch = weights_of_both(ours, theirs, TWIN.names)
    assert as_row(**by_hand).tolist() == [*range(1, 11), 20]
    assert as_row(**in_torch).tolist() == [*np.arange(1.5, 11), 20.5]


def test_a_caption_says_how_far_either_side_is_away() -> None:
    ours, theirs, third = apart()
    size = np.linalg.norm(third)
    by_hand, in_torch = (f"{np.sqrt(11) * off / size:.0e}" for off in (0.001, 0.499))
    assert by_hand != in_torch
    assert three_times(ours, theirs, third, TWIN.names) == (
        "torch (broad bars), by hand (narrow bars) and scikit-learn (crosses), on the same rows. To scikit-learn's, relative to its "
        f"length: by hand {by_hand} apart, torch {in_torch} apart."
    )


@pytest.mark.parametrize(("features", "turned"), [(list("abcdefghij"), 0), ([f"pixel {i}" for i in range(10)], 0)])
def test_bars_are_those_of_their_sides(features: list[str], turned: float) -> None:
    from matplotlib.figure import Figure

    ours, theirs, third = apart()
    ax = Figure().add_subplot()
    draw_weights(ax, ours, theirs, third, features, TWIN.names)
    broad, narrow = ([bar.get_height() for bar in bars] for bars in ax.containers)
    assert broad == [*np.arange(1.5, 11)]
    assert narrow == [*range(1, 11)]
    assert [bars.get_label() for bars in ax.containers] == ["torch", "by hand"]
    assert [bars[0].get_facecolor()[:3] for bars in ax.containers] == [to_rgb(look["color"]) for look in (TORCH, BY_HAND)]
    assert ax.lines[0].get_ydata().tolist() == third[:-1].tolist()
    assert [(label.get_text(), label.get_rotation()) for label in ax.get_xticklabels()] == [(name, turned) for name in features]


def to_rgb(colour: Any) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)
