"""The language of colour: what is told apart by colour can be told apart by a deuteranope."""

from __future__ import annotations

from itertools import combinations

import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from experiments.drawing import colours
from experiments.drawing.figure import BY_HAND, TORCH, TWO_CLASSES, figure
from tests.drawing.colours import alike, distance


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


def test_shades_are_told_apart_and_go_from_dark_to_bright() -> None:
    five = colours.shades(5)
    assert all(distance(a, b) >= 20 for a, b in combinations([*five, "#ffffff"], 2))
    brightness = [distance(colour, "#000000") for colour in five]
    assert brightness == sorted(brightness)
    assert len(colours.shades(1)) == 1


def test_a_sign_has_a_colour() -> None:
    assert [colours.of_sign(v) for v in (2.5, -0.1, 0.0)] == [colours.POSITIVE, colours.NEGATIVE, "black"]


def test_what_only_colour_tells_apart_is_found() -> None:
    _, axes = figure("some curves")
    ax = axes[0, 0]
    ax.plot([0, 1], color="#d1495b", label="red")
    ax.plot([0, 1], color="#5a9e3d", label="green")
    ax.plot([0, 1], color="#332288", label="indigo")
    ax.plot([0, 1], color="#332288", linestyle="--", label="dashes")
    ax.plot([0, 1], "o", color="#332288", label="dots")
    ax.bar([0, 1], [1, 2], color="#332288", label="bars")
    ax.bar([0, 1], [1, 2], color="#332288", alpha=0.3, label="pale bars")
    ax.hist([0, 1], histtype="step", color="#332288", label="outline")
    ax.scatter([0, 1], [0, 1], color="#d1495b", label="red cloud")
    ax.scatter([0, 1], [0, 1], color="#5a9e3d", label="green cloud")
    ax.scatter([0, 1], [0, 1], c=[0.0, 1.0], label="by a map")
    assert alike(ax) == [("red", "green"), ("red cloud", "green cloud")]
