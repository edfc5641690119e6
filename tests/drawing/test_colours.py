"""The language of colour: what is told apart by colour can be told apart by a deuteranope."""

from __future__ import annotations

from itertools import combinations

import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from experiments.drawing import colours
from experiments.drawing.figure import BY_HAND, TORCH, TWO_CLASSES
from tests.drawing.colours import distance


def test_the_distance_is_that_of_the_standard() -> None:
    assert distance("#ffffff", "#000000") == pytest.approx(100, abs=0.1)
    assert distance("#0072b2", "#0072b2") == 0
    assert distance("#ff0000", "#00a000") < 40 < distance("#ff0000", "#0000ff"), "red and green are near to a deuteranope"


@pytest.mark.parametrize(
    "palette",
    [colours.CATEGORIES, TWO_CLASSES, (colours.POSITIVE, colours.NEGATIVE), (BY_HAND["color"], TORCH["color"])],
    ids=["categories", "two classes", "signs", "sides"],
)
def test_what_differs_in_kind_is_told_apart_at_a_glance(palette: tuple[str, ...]) -> None:
    for a, b in combinations(palette, 2):
        assert distance(a, b) >= 20, (a, b)
        assert distance(a, "#ffffff") >= 20


def test_the_maps_end_where_the_signs_do() -> None:
    signed = colormaps[colours.SIGNED]
    assert distance(to_hex(signed(0.9)), colours.POSITIVE) < 12
    assert distance(to_hex(signed(0.1)), colours.NEGATIVE) < 12
    assert distance(to_hex(signed(0.5)), "#ffffff") < 5
    assert len(colours.MARKERS) == len(colours.CATEGORIES)
