"""The figures of a run as files: their numbers, names and captions; and what is shown of them in TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.commands.album import Album, as_file_name
from experiments.drawing.figure import Captioned, above_its_caption, figure, pixels


def drawn(text: str) -> Captioned:
    fig, axes = figure(f"What is to be seen is {text}, in one line.", size=(3.0, 2.0))
    axes[0, 0].set_title(text)
    return fig


def test_figures_are_numbered_in_their_order_and_one_that_is_drawn_again_keeps_its_number(tmp_path: Path) -> None:
    shown: list[Any] = []
    album = Album(tmp_path, lambda *args: shown.append(args))
    assert album.pictures() == []
    album.add("the plane", drawn("untrained"), 0, untrained=True)
    album.add("its loss: twice/again?", drawn("loss"), 7)
    resumed = Album(tmp_path, lambda *args: shown.append(args))
    resumed.add("the plane", drawn("trained"), 9)
    titles = ["1 the plane, before training", "1 the plane", "2 its loss, twice, again"]
    assert [p.title for p in resumed.pictures()] == titles
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == sorted(f"{t}.{end}" for t in titles for end in ("png", "txt"))
    for picture, text in zip(resumed.pictures(), ("untrained", "trained", "loss"), strict=True):
        assert picture.caption == f"What is to be seen is {text}, in one line."
        expected = pixels(drawn(text))
        on_disk = np.asarray(Image.open(picture.file).convert("RGB"), dtype=int)
        assert np.abs(on_disk - expected).max() <= 12
        assert np.abs(on_disk - expected).mean() < 0.05
    assert [(tag, step) for tag, _, step in shown] == [
        ("figures/1 the plane", 0),
        ("figures/2 its loss, twice, again", 7),
        ("figures/1 the plane", 9),
    ]
    fig = drawn("trained")
    whole = above_its_caption(pixels(fig), fig.caption)
    assert shown[-1][1].size == whole.shape[1::-1]
    assert np.abs(np.asarray(shown[-1][1].convert("RGB"), dtype=int) - whole).max() <= 12


def test_where_nothing_is_shown_a_figure_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.commands.album.above_its_caption", lambda *_: pytest.fail("nobody sees it"))
    album = Album(tmp_path)
    album.add("the plane", drawn("trained"), 1)
    assert [p.title for p in album.pictures()] == ["1 the plane"]


def test_ten_figures_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    album = Album(tmp_path, lambda *args: None)
    for n in range(1, 12):
        album.add(f"figure {n} of eleven", drawn(str(n)), 1)
    assert [p.title for p in album.pictures()] == [f"{n} figure {n} of eleven" for n in range(1, 12)]


@pytest.mark.parametrize(
    ("name", "file"), [("the article/its loss", "the article, its loss"), ('a: "b"?', "a, b"), ("plain, as it is", "plain, as it is")]
)
def test_a_name_holds_nothing_that_a_file_system_refuses(name: str, file: str) -> None:
    assert as_file_name(name) == file
