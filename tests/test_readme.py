"""The README: its commands run, its lists are what `list` prints, its pictures what the concepts draw."""

from __future__ import annotations

import io
import re
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import experiments
from experiments import curriculum
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.exercises.catalogue import find
from tests.doctor.sources import SOURCES
from tests.exercises.attempts import solved
from tests.helpers import ROOT, command, finished, python

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

COMMANDS = tuple(dict.fromkeys(c.strip() for c in re.findall(r"python -m experiments +([^`\n;#]*?)(?: -->|(?=[`\n;#]))", TEXT)))
"""What the README tells to type, each once."""

FILLED = {"CONCEPT": "one_weight", "[CONCEPT]": "one_weight", "FILE": "mine.py"}
"""What stands for a name there."""

SHORTER = {
    "run": ("--trainer.max_epochs", "1"),
    "check": ("one_weight", "--steps", "3"),
    "mutate": ("one_weight", "--sample", "1"),
    "bench": ("cross_entropy",),
    "book": ("one_weight",),
}
"""What is added so that it takes seconds."""

TYPED = {"play": "1\n", "predict": "a\na\na\n"}
"""What a reader types when he is asked; he may be wrong."""

NO_WAITING = SimpleNamespace(Event=lambda: SimpleNamespace(wait=lambda: None))

LONG = ("run digits", "run hidden_layer", "predict", "play", "mutate", "bench", "book")


def of_command(line: str) -> Any:
    """A parameter of a test; what takes long is among the long tests."""
    marks = [pytest.mark.long] * line.startswith(LONG)
    if line.startswith("book"):
        marks.append(pytest.mark.skipif(find_spec("pydata_sphinx_theme") is None, reason="the extra `book` is not installed"))
    if "gpu" in line:
        marks.append(pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))
    return pytest.param(line, marks=marks)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a reader has by then: a file of his own, and an exercise that he has done."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SOURCES["cache"].strip(), encoding="utf-8")
    task = find("one_weight")
    Path("exercises").mkdir()
    Path(f"exercises/{task.name}.py").write_text(solved(task), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("line", [of_command(line) for line in COMMANDS])
def test_every_command_of_the_readme_runs(line: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, *rest = (FILLED.get(word, word) for word in line.split())
    if name == "show":  # it serves until Ctrl-C
        events = Path("runs/one_weight/version_0/compare/events.out.tfevents.1")
        events.parent.mkdir(parents=True)
        events.touch()
        for of, done in (("serve", lambda *of: "http://localhost/"), ("webbrowser.open", print), ("threading", NO_WAITING)):
            monkeypatch.setattr(f"experiments.commands.show.{of}", done)
    if (name, *rest[:1]) == ("exercise", "start"):
        (desk / "exercises" / f"{find(rest[1]).name}.py").unlink()
    monkeypatch.setattr("sys.stdin", io.StringIO(TYPED.get(name, "")))
    words = [name, *rest, *SHORTER.get(name, ()) * ("--help" not in rest)]
    apart = "ddp" in words  # which starts further processes, and they read the command line of this one
    status, out, err = finished(python("-m", "experiments", *words, folder=desk)) if apart else command(*words)
    allowed = (AGREE, DISAGREE) if name in TYPED else (AGREE,)
    assert status in allowed, err + out


def test_a_command_is_found_wherever_it_stands() -> None:
    assert {"list", "run CONCEPT", "show [CONCEPT]", "list --words σ", "exercise check one_weight", "list --path --markdown"} <= set(
        COMMANDS
    )
    assert command("frobnicate")[0] == BAD_INPUT
    assert all("|" not in line and "<" not in line for line in COMMANDS)


def test_all_commands_are_in_the_readme() -> None:
    helped = re.findall(r"^    (\w+) ", command("--help")[1], re.MULTILINE)
    assert len(helped) > 8
    assert set(helped) == {line.split()[0] for line in COMMANDS}


# ---- what it shows -------------------------------------------------------------------------------


def between(text: str, comment: str) -> list[str]:
    """The lines between <!-- comment: ... --> and <!-- end of comment -->."""
    found = re.search(rf"<!-- {comment}: .*? -->\n(.*?)<!-- end of {comment} -->", text, re.DOTALL)
    assert found is not None
    return found[1].strip().splitlines()


def test_the_readmes_lists_are_what_list_prints() -> None:
    assert between(TEXT, "curriculum") == "\n".join(curriculum.markdown()).strip().splitlines(), "python -m experiments list --markdown"
    assert between(TEXT, "path") == list(curriculum.markdown_path(curriculum.PATH)), "as its comment says"


def test_the_readme_links_to_files_that_are_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", TEXT) if "://" not in link]
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_lines_of_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["result"].status == AGREE
    assert float(names["by_hand"].w.data) == float(names["result"].manual.w.data)
    assert len(names["data"].split.train[0]) == 10


def test_what_is_shown_of_the_doctor_is_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = SOURCES["cache"].strip().splitlines()
    Path("mine.py").write_text("\n".join(lines).replace("dw = x.T @ dout", "dw = x.T @ dout / x.shape[0]"))
    status, out, _ = command("doctor", "mine.py")
    assert status == DISAGREE
    shown, said = (re.sub(r" \d+ digits", " so many digits", text) for text in (TEXT, out))
    assert f"```\n{said.strip()}\n```" in shown


# ---- pictures ------------------------------------------------------------------------------------

PICTURES = re.findall(r"<!-- python -m experiments run (\w+); then figures/(.+?) of that run is (\S+) -->\n!\[([^\]]+)\]\((\S+)\)", TEXT)


def test_every_picture_says_which_command_made_it_and_what_is_to_be_seen() -> None:
    assert len(PICTURES) == TEXT.count("![") > 1
    for concept, figure, file, alternative, shown in PICTURES:
        assert concept in [e.name for e in curriculum.entries()]
        assert re.fullmatch(r"\d+ .+\.png", figure)
        assert file == shown
        assert len(alternative) > 80
        assert (ROOT / file).stat().st_size < 100_000
    assert {p.name for p in (ROOT / ".github").glob("*.png")} == {Path(file).name for *_, file in PICTURES}


@pytest.mark.long
@pytest.mark.parametrize(("concept", "figure", "file"), [picture[:3] for picture in PICTURES])
def test_a_picture_is_what_the_concept_draws(concept: str, figure: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of the drawing library may set a letter elsewhere by a pixel."""
    monkeypatch.chdir(tmp_path)
    assert experiments.run(concept).status == AGREE
    ours, drawn = (
        np.asarray(Image.open(p).convert("RGB"), dtype=float) for p in (ROOT / file, Path(f"runs/{concept}/version_0/figures/{figure}"))
    )
    assert ours.shape == drawn.shape
    assert np.abs(ours - drawn).mean() < 3
