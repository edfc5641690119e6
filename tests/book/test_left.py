"""A book that nothing has changed of need not be looked through."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments.book import left
from experiments.book.left import CACHE, is_as_left, leave, made_from


@pytest.fixture
def book(tmp_path: Path) -> Path:
    folder = tmp_path / "book"
    for name in ("index.html", "concepts/one_weight.html", f"{CACHE}/measured/one_weight-0/told.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    leave(folder, "this")
    return folder


def test_it_is_as_it_was_left_until_a_file_goes_or_grows_or_it_is_made_from_something_else(book: Path) -> None:
    assert is_as_left(book, "this")
    assert not is_as_left(book, "that")
    assert not is_as_left(book.parent, "this")
    (book / "more.html").write_text("")
    assert is_as_left(book, "this"), "what is beside it is nobody's business"
    (book / "index.html").write_text("grown: index.html")
    assert not is_as_left(book, "this")
    leave(book, "this")
    assert is_as_left(book, "this")
    shutil.rmtree(book / CACHE / "measured")
    assert not is_as_left(book, "this")


def test_what_a_book_is_made_from_changes_with_every_file_and_its_concepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [*(tmp_path / side / "a.py" for side in left.OURS), tmp_path / "README.md", tmp_path / "experiments" / "book" / "page.html"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1")
    monkeypatch.setattr(left, "ROOT", tmp_path)
    before = made_from(["one_weight"])
    assert made_from(["one_weight"]) == before
    assert made_from(["one_weight", "gpt"]) != before
    for file in files:
        file.write_text("2")
        assert made_from(["one_weight"]) != before
        file.write_text("1")
    (tmp_path / "manual" / "__pycache__").mkdir()
    (tmp_path / "manual" / "__pycache__" / "a.pyc").write_text("")
    assert made_from(["one_weight"]) == before
    monkeypatch.setattr(left, "distributions", lambda: ())
    assert made_from(["one_weight"]) != before
