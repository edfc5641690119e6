"""Names at the ends of curves: beside their curve, and never on top of each other."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from experiments.drawing.figure import figure
from experiments.drawing.labels import apart, label_ends


def test_places_are_moved_apart_as_little_as_possible() -> None:
    np.testing.assert_allclose(apart(np.array([0.5, 0.1, 0.9]), 0.2), [0.5, 0.1, 0.9])
    np.testing.assert_allclose(apart(np.array([0.5, 0.5, 0.5]), 0.1), [0.4, 0.5, 0.6])
    np.testing.assert_allclose(apart(np.array([2.0, 0.0, 0.1, 0.0]), 1.0), [2.025, -0.975, 1.025, 0.025])
    assert len(apart(np.array([]), 1.0)) == 0


@pytest.mark.parametrize("seed", range(4))
def test_places_keep_their_order_and_their_gap_and_stay_around_the_same_middle(seed: int) -> None:
    wanted = np.random.default_rng(seed).uniform(size=9)
    found, order = apart(wanted, 0.1), np.argsort(wanted)
    assert (np.diff(found[order]) > 0.1 - 1e-12).all()
    assert found.mean() == pytest.approx(wanted.mean())


@pytest.mark.parametrize("left", [False, True])
def test_no_name_covers_another_and_each_is_beside_the_panel(left: bool) -> None:
    fig, axes = figure("Curves that end close together.", size=(5.0, 3.0))
    ax = axes[0, 0]
    ends = {f"curve {k}": (10.0 if not left else 1.0, 1.0 + 0.01 * k, "black") for k in range(6)}
    for _, y, _ in ends.values():
        ax.plot([1, 10], [y + 1, y] if not left else [y, y + 1])
    ax.set(xscale="log", yscale="log", ylim=(0.5, 5))
    label_ends(ax, ends, left)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    boxes = [Text.get_window_extent(name) for name in ax.texts]  # without the line to the curve
    assert [text.get_text() for text in ax.texts] == list(ends)
    for k, box in enumerate(boxes):
        assert box.x1 < ax.bbox.x0 if left else box.x0 > ax.bbox.x1
        assert 0 <= box.x0 < box.x1 <= fig.bbox.width
        assert not any(box.overlaps(other) for other in boxes[:k])
