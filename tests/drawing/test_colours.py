"""The language of colour: what is told apart by colour can be told apart by a deuteranope."""

from __future__ import annotations

import ast
import re
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from experiments import curriculum
from experiments.drawing import colours
from experiments.drawing.figure import BY_HAND, TORCH, TWO_CLASSES, figure
from tests.drawing.colours import alike, distance
from tests.helpers import ROOT


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


def literals(path: Path) -> set[str]:
    """What a file has typed in as a colour, or as the name of a map of colours."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {k.value.value for k in ast.walk(tree) if isinstance(k, ast.keyword) and k.arg == "cmap" and isinstance(k.value, ast.Constant)}
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return named | {t for t in texts if re.fullmatch(r"#[0-9a-fA-F]{6}|C[0-9]|tab:\w+", t)}


def test_a_script_types_in_no_colour_of_its_own_but_greys() -> None:
    """Whatever means something has its colour from here: a red line that is not by hand would say that it is."""
    for entry in curriculum.entries():
        for colour in literals(ROOT / "experiments" / entry.path) - {"Greys", "gray"}:
            assert colour.startswith("#"), (entry.name, colour)
            red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
            assert red == green == blue, (entry.name, colour)


def test_a_colour_that_is_typed_in_is_found(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text('ax.plot(x, color="#d1495b", label="C3PO"); ax.imshow(x, cmap="RdBu"); ax.bar(x, color="C0")')
    assert literals(tmp_path / "script.py") == {"#d1495b", "RdBu", "C0"}
