"""What is read from the scripts: titles, sentences, needs; the way to a concept, and the tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from experiments import curriculum
from experiments.curriculum import (
    PATH,
    Entry,
    UnknownConcept,
    after,
    entries,
    entry,
    markdown,
    markdown_path,
    minutes,
    path,
    read,
    said,
)

SCRIPT = '''"""{title}

{text}
"""

TWIN = Twin(name="{name}", needs={needs})
'''


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two chapters, three concepts: `walls` needs `ground`, `roof` needs `walls` and `ground`."""
    monkeypatch.setattr(curriculum, "ROOT", tmp_path)
    monkeypatch.setattr(curriculum, "CHAPTERS", {"below": ["ground"], "above": ["walls", "roof"], "later": []})
    entries.cache_clear()
    for chapter, name, needs, words in (
        ("below", "ground", (), 499),
        ("above", "walls", ("ground",), 500),
        ("above", "roof", ("walls", "ground"), 501),
    ):
        text = SCRIPT.format(title=f"On {name}: a title.", text=f"What {name}\nis. And more.\n\nMuch more.", name=name, needs=needs)
        write(tmp_path / "experiments" / chapter / f"{name}.py", text)
        write(tmp_path / "manual" / chapter / f"{name}.py", "word " * (words - 200) + "\n# ---- further reading\n" + "word " * 5000)
        write(tmp_path / "torch_impl" / chapter / f"{name}.py", "word " * 200)
    yield tmp_path
    entries.cache_clear()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_further_reading_in_a_script_goes_to_the_next_heading() -> None:
    script = "a\n# ---- figures ----\nb\n# ---- further reading: more ----\nc\n# ---- text ----\nd\n# ---- further reading ----\ne\n"
    assert curriculum.without_further_reading(script) == "a\n# ---- figures ----\nb\n# ---- text ----\nd"
    assert curriculum.without_further_reading("a\n# ---- text ----\nb\n") == "a\n# ---- text ----\nb\n"
    moved = "a\n# ---- to move ----\nb\n# ---- further reading ----\nc\n# ---- text ----\nd\n# ---- to move ----\ne"
    assert curriculum.without_further_reading(moved) == "a\n# ---- text ----\nd"


def test_entries_are_what_the_scripts_say_in_the_order_of_the_chapters(house: Path) -> None:
    ground, walls, roof = entries()
    assert ground == Entry("ground", "below", "On ground: a title", ())
    assert walls == Entry("walls", "above", "On walls: a title", ("ground",))
    assert (roof.needs, roof.path) == (("walls", "ground"), "above/roof.py")


def test_a_script_that_says_nothing(house: Path) -> None:
    write(house / "experiments" / "above" / "door.py", "")
    assert read("above", "door") == Entry("door", "above", "", ())


@pytest.mark.parametrize("name", ["walls", "above.walls", "above/walls"])
def test_a_concept_is_found_by_its_name_with_or_without_its_chapter(name: str, house: Path) -> None:
    assert entry(name) is entries()[1]
    assert path(name) == ["ground", "walls"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("wals", "did you mean walls?"), ("grounds", "did you mean ground?"), ("xyz", "see `list`")],
)
def test_an_unknown_name_gets_the_nearest_or_all(name: str, hint: str, house: Path) -> None:
    for ask in (entry, path):
        with pytest.raises(UnknownConcept) as raised:
            ask(name)
        assert str(raised.value) == f"unknown concept {name!r}: {hint}"


def test_at_most_three_of_the_nearest_are_named_the_nearest_first(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["room1", "room2x", "room3xy", "room4xyz", "cellar"]
    monkeypatch.setattr(curriculum, "entries", lambda: [Entry(n, "above", "", ()) for n in names])
    with pytest.raises(UnknownConcept, match=r"did you mean room1 or room2x or room3xy\?$"):
        entry("room")


def test_a_way_has_everything_that_is_needed_once_and_before_it_is(house: Path) -> None:
    assert path("roof") == ["ground", "walls", "roof"]
    assert path("ground") == ["ground"]


def test_minutes_are_words_in_fives_rounded_up_without_further_reading(house: Path) -> None:
    assert [minutes(e) for e in entries()] == [5, 5, 10]


def test_minutes_count_what_a_script_says_to_a_learner_and_not_its_docstrings() -> None:
    script = '"""A docstring of more words than any other string has, as it should be."""\nnames = ["one two three", "a b c d e f g h"]\n'
    script += 'def f(n):\n    """Another one that is as long as the first one is."""\n'
    script += '    return f"of {n} words some are made by {n:.2f} others"\n'
    assert sorted(said(script)) == ["a b c d e f g h", "of 0 words some are made by 0 others"]


def test_after_a_concept_comes_the_next_on_the_path_or_what_needs_it() -> None:
    for name, then in pairwise(PATH):
        assert after(name) == then
    assert after("eigen") == "svd"
    needed = {need for e in entries() if e.name not in PATH for need in e.needs}
    last = [e.name for e in entries() if e.name not in PATH and e.name not in needed]
    assert [after(name) for name in last] == [None] * len(last) != []


def test_the_tables(house: Path) -> None:
    lines = list(markdown())
    assert lines[:2] == ["**Below**", ""]
    links = "[by hand](manual/below/ground.py) · [torch](torch_impl/below/ground.py) · [script](experiments/below/ground.py)"
    assert lines[2:6] == [f"- On ground: a title: `ground`. {links}", "", "**Above**", ""]
    assert len(lines) == 9
    way = list(markdown_path(path("roof")))
    assert way[:2] == ["| | read | minutes | needs |", "| --- | --- | --- | --- |"]
    assert way[2] == "| 1 | [`ground`](manual/below/ground.py): On ground: a title | 5 |  |"
    assert way[4] == "| 3 | [`roof`](manual/above/roof.py): On roof: a title | 10 | `walls`, `ground` |"
