"""`list`: the curriculum, the path and what has been solved on it, and the words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments import curriculum, listing
from experiments.commands.status import AGREE, BAD_INPUT
from experiments.curriculum import entry, minutes
from experiments.exercises.catalogue import tasks
from experiments.exercises.progress import Progress
from experiments.exercises.verdict import RIGHT
from experiments.glossary import TERMS
from tests.helpers import command, finished, python


def test_list_shows_the_curriculum_in_its_order() -> None:
    status, out, err = command("list")
    assert (status, err) == (AGREE, "")
    lines = out.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == list(dict.fromkeys(e.chapter for e in curriculum.entries()))
    assert [line.split(None, 1) for line in lines if line.startswith(" ")] == [[e.name, e.title] for e in curriculum.entries()]


def test_list_prints_the_readmes_lists() -> None:
    assert command("list", "--markdown") == (AGREE, "\n".join(curriculum.markdown()) + "\n", "")
    assert command("list", "--path", "--markdown") == (AGREE, "\n".join(curriculum.markdown_path(curriculum.PATH)) + "\n", "")
    table = "\n".join(curriculum.markdown_path(curriculum.path("wine_quality"))) + "\n"
    assert command("list", "--path", "wine_quality", "--markdown") == (AGREE, table, "")


def test_list_shows_the_way_to_a_concept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = command("list", "--path", "digits_mlp")
    assert (status, err) == (AGREE, "")
    heading, *lines, empty, total, then = out.splitlines()
    assert heading.split() == ["concept", "minutes", "solved"]
    assert [line.split()[0] for line in lines] == curriculum.path("digits_mlp")
    found = [int(row[1]) for line in lines if (row := re.search(r" (\d+)  0 of [1-9]\d*  +\S", line))]
    assert found == [minutes(entry(name)) for name in curriculum.path("digits_mlp")]
    assert (empty, total.partition(",")[0]) == ("", f"To read: {sum(found) // 60} h {sum(found) % 60} min")
    assert then == "Next: python -m experiments run one_weight"


def test_the_path_counts_what_is_right_and_goes_on_where_nothing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    of = [task for task in tasks() if task.concept in ("one_weight", "derivatives")]
    for task in of:
        if task.concept == "one_weight":
            Progress(Path("exercises")).attempt(task.name, RIGHT)
    _, first, second, *_, then = listing.the_path(["one_weight", "derivatives"])
    assert re.search(r"(\d+) of \1  ", first)
    assert " 0 of " in second
    assert then == "Next: python -m experiments run derivatives"
    for task in of:
        Progress(Path("exercises")).attempt(task.name, RIGHT)
    assert not listing.the_path(["one_weight", "derivatives"])[-1].startswith("Next")


@pytest.mark.parametrize("wrong", ["", "wine"])
def test_what_is_no_concept_is_told_in_one_line(wrong: str) -> None:
    status, out, err = command("list", "--path", wrong)
    assert (status, out) == (BAD_INPUT, "")
    assert err == f"error: unknown concept {wrong!r}: {'did you mean wine_quality?' if wrong else 'see `list`'}\n"


def test_the_words_stand_under_the_concept_that_explains_them() -> None:
    status, out, err = command("list", "--words")
    assert (status, err) == (AGREE, "")
    concepts = [line.partition(":")[0] for line in out.splitlines() if line and not line.startswith(" ")]
    assert concepts == list(dict.fromkeys(t.concept for t in TERMS))
    said = " ".join(out.split())
    assert [t.term for t in TERMS if " ".join(t.meaning.split()) not in said] == []
    assert max(map(len, (line for line in out.splitlines() if line.startswith(" ")))) <= 80


def test_a_word_is_found_as_it_is_written_and_as_it_is_said() -> None:
    entries = [listing.words(word) for word in ("σ", "sigma", "Sigma")]
    assert entries[0] == entries[1] == entries[2]
    assert re.fullmatch(r'chain_rule: .*\n  σ \(say "sigma"\): .*In code: sigmoid\(z\)', "\n".join(entries[0]).replace("\n      ", " "))


def test_a_sign_without_an_entry_of_its_own_is_shown_where_it_is_part_of_one() -> None:
    assert [line.split(" (say")[0].strip() for line in listing.words("∂") if "(say" in line] == ["∂L/∂w", "∂y/∂x"]
    assert "chain rule" in " ".join(listing.words("rule"))
    assert not listing.part("rule", "a ruler")


def test_a_word_that_nobody_explains_is_told_with_the_nearest() -> None:
    assert command("list", "--words", "sigmiod") == (
        BAD_INPUT,
        "",
        "error: no lesson explains 'sigmiod': did you mean sigmoid or sigma or sigma prime?\n",
    )
    assert command("list", "--words", "zzzz")[2] == "error: no lesson explains 'zzzz': see `list --words`\n"
    assert command("list", "--words", "σ", "--path", "ridge")[0] == BAD_INPUT


@pytest.mark.parametrize("arguments", [["list"], ["list", "--words"], ["list", "--path"]])
def test_list_takes_less_than_a_second_and_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, time; began = time.perf_counter()\n"
        f"from experiments.__main__ import main; assert main({arguments}) == 0\n"
        "heavy = {'torch', 'pytorch_lightning', 'numpy', 'pandas', 'matplotlib'}\n"
        "print(time.perf_counter() - began, sorted(heavy & set(sys.modules)))"
    )
    status, out, err = finished(python("-c", code, folder=tmp_path))
    assert status == AGREE, err
    seconds, modules = out.splitlines()[-1].split(None, 1)
    assert float(seconds) < (2 if "--path" in arguments else 1)  # the path is read from all files of its concepts
    assert modules == "[]"
