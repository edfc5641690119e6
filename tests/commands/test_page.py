"""report.html: all of a run on one page that asks nobody for anything."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import experiments
from experiments.commands.album import Album
from experiments.commands.page import NAME, write_page
from experiments.drawing.figure import figure
from experiments.judge.compare import Judge
from tests.helpers import Finished


class Page(HTMLParser):
    """The tags of a page, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_run_leaves_a_page_with_everything_on_it(tiny_run: Finished) -> None:
    text = (tiny_run.folder / NAME).read_text(encoding="utf-8")
    page = Page(text)
    assert "They agree: 10 steps judged" in page.text
    assert "accuracy" in page.text
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    captions = [p.caption for p in Album(tiny_run.folder, print).pictures()]
    assert [image["alt"] for image in images] == captions
    assert len(captions) == 5
    assert all(image["src"].startswith("data:image/png;base64,iVBOR") for image in images)
    for words in ("dL_dz1 = self.relu.backward(dL_dh)", "manual/networks/digits_mlp.py", "torch_impl/networks/digits_mlp.py", "(p − y)/N"):
        assert words in page.text
    assert f"python -m experiments run digits_mlp --config {tiny_run.folder / 'config.yaml'}" in page.text
    asked = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href") and ":" in value]
    assert all(value.startswith("data:") for value in asked), "it needs no other host"
    assert not re.search(r"url\(|@import|<script", text)


def test_words_are_text_and_not_markup_and_without_a_judge_nothing_was_compared(tmp_path: Path) -> None:
    album = Album(tmp_path, lambda *args: None)
    album.add("less", figure('Where p < 0.5 & q > <b>1</b> one sees "it".', size=(2, 2))[0], 1)
    twin = experiments.twin("one_weight")
    metrics = {"manual": {"loss/val": 0.25}, "torch": {"loss/val": 0.25, "loss/train": 31.75}}
    write_page(tmp_path, twin, None, ["w < 2 now."], metrics, album.pictures(), "again <now>")
    page = Page((tmp_path / NAME).read_text(encoding="utf-8"))
    assert "Not compared" in page.text
    assert 'Where p < 0.5 & q > <b>1</b> one sees "it".' in page.text
    assert "w < 2 now." in page.text
    assert "again <now>" in page.text
    assert "0.25" in page.text
    assert "31.75" not in page.text


def test_further_reading_is_folded_and_comes_after_both_files(tmp_path: Path) -> None:
    album = Album(tmp_path, lambda *args: None)
    for name in ("first", "more: of it"):
        album.add(name, figure(f"The caption of {name.partition(':')[0]}.", size=(2, 2))[0], 1, untrained=name != "first")
    twin = replace(
        experiments.twin("one_weight"), text={"at once": "Words at once.", "later": "Words for later."}, further=("more: of it", "later")
    )
    write_page(tmp_path, twin, None, [], {"manual": {}, "torch": {}}, album.pictures(), "again")
    lesson, folded, _ = re.split(r"<details>|</details>", (tmp_path / NAME).read_text(encoding="utf-8"))
    for words in ("The caption of first.", "Words at once.", "dL_dw = "):
        assert words in Page(lesson).text
        assert words not in folded
    for words in ("The caption of more.", "Words for later."):
        assert words not in lesson
        assert words in folded


def test_a_disagreement_looks_like_one(tmp_path: Path) -> None:
    judge = Judge("float64")
    judge.steps, judge.failure = 2, "step 1: gradient w differs"
    write_page(tmp_path, experiments.twin("one_weight"), judge, [], {"manual": {}, "torch": {}}, [], "again")
    page = Page((tmp_path / NAME).read_text(encoding="utf-8"))
    assert "They disagree. First at step 1: gradient w differs." in page.text
    assert ("p", {"class": "verdict disagree"}) in page.tags
