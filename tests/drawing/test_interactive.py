"""Pictures that are moved: every function is asked for every position of its own sliders, and a page has only to look up."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from experiments.drawing.interactive import Axis, Bars, Cells, Dots, Interactive, Line, Panel, Slider, Texts, Words, computed, picked, plain

A, B = Slider("a", (1.0, 2.0, 4.0), 2.0, "the first", "{:.1f}"), Slider("b", (-1, 3), -1)


def test_a_function_is_asked_for_all_positions_of_its_own_sliders_and_no_others() -> None:
    asked = []

    def both(b: int, a: float) -> float:
        asked.append((a, b))
        return a - b

    values = {slider.name: slider.values for slider in (A, B)}
    found = computed(both, values)
    assert sorted(asked) == sorted(product(A.values, B.values))
    for i, j in product(range(3), range(2)):
        assert picked(found, (i, j)) == A.values[i] - B.values[j]
    alone = computed(lambda b: f"b is {b}", values)
    assert alone == {"on": [1], "of": ["b is -1", "b is 3"]}
    assert picked(alone, (2, 1)) == "b is 3"
    assert picked("nothing moves", (2, 1)) == "nothing moves"


def test_a_picture_is_data_that_json_can_hold() -> None:
    marks = (
        Line([0.0, np.nan, 1.0], lambda a: np.array([a, np.inf, 0.25]), "curve"),
        Dots(1.5, lambda a, b: a * b, "best", "*", first=lambda b: b + 1),
        Bars(range(2), (np.float64(0.123456789), 1), "one"),
        Texts(0, 0, "here"),
    )
    picture = Interactive(
        "t", "c", (A, B), ("It stands still.", lambda a: f"a = {a}"), (Panel("p", Axis("x", 0, 1), Axis("y", -4, 4), marks),)
    )
    data = json.loads(json.dumps(picture.data(), allow_nan=False))
    assert data["sliders"][0] == {"kind": "slider", "name": "a", "label": "the first", "at": 1, "written": ["1.0", "2.0", "4.0"]}
    assert data["sliders"][1]["label"] == "b"
    assert data["sliders"][1]["written"] == ["−1", "3"]
    line, dots, bars, texts = data["panels"][0]["marks"]
    assert (line["kind"], line["x"], picked(line["y"], (2, 0))) == ("line", [0, None, 1], [4, None, 0.25])
    assert (dots["shape"], picked(dots["y"], (2, 1)), picked(dots["first"], (0, 1))) == ("*", 12, 4)
    assert (bars["x"], bars["y"], bars["width"]) == ([0, 1], [0.12346, 1], 0.7)
    assert (texts["kind"], texts["text"]) == ("texts", "here")
    assert [picked(part, (0, 0)) for part in data["says"]] == ["It stands still.", "a = 1.0"]


def test_numbers_keep_five_digits() -> None:
    assert plain(np.array([[1 / 3, -2.0], [123456.7, 1e-9]])) == [[0.33333, -2], [123460, 1e-9]]
    assert plain([np.nan, np.inf, 7, True, "7"]) == [None, None, 7, True, "7"]
    assert isinstance(plain(2.0), int)


def test_words_are_places_that_light_up() -> None:
    words = Words("place", range(2), 1, "which", "{}", ("to", "be"), lambda place: [[1.0, 0.0], [0.25, 0.75]][place])
    data = Interactive("t", "c", (words,), ("so",)).data()["sliders"][0]
    assert (data["kind"], data["words"], data["at"], data["written"]) == ("words", ["to", "be"], 1, ["0: to", "1: be"])
    assert picked(data["weights"], (1,)) == [0.25, 0.75]


def test_an_axis_has_round_ticks_within_its_ends_or_those_that_are_given() -> None:
    assert Axis("x", -1.4, 6.0).data()["ticks"] == [(0.0, "0"), (2.0, "2"), (4.0, "4"), (6.0, "6")]
    assert Axis("x", -1.0, 1.0).data()["ticks"][0] == (-1.0, "−1")
    assert Axis("x", 0, 1, {0.3: "c"}).data()["ticks"] == [(0.3, "c")]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a function of c: the sliders are a, b"):
        computed(lambda a, c: 0, {"a": [1], "b": [2]})
    with pytest.raises(ValueError, match=r"a begins with 3, which is not one of its 2 values"):
        Slider("a", (1, 2), 3).data()
    with pytest.raises(ValueError, match="two sliders have one name, a, a"):
        Interactive("t", "c", (A, A), ("so",)).data()


def test_cells_are_rows_of_numbers() -> None:
    (cells,) = computed([Cells(lambda a: np.full((2, 3), a), "signed", first=lambda b: b)], {"a": A.values, "b": B.values})
    assert picked(cells["values"], (1, 0)) == [[2, 2, 2], [2, 2, 2]]
    assert (cells["kind"], cells["look"], picked(cells["first"], (0, 1))) == ("cells", "signed", 3)
