"""Which files some code runs through, read from its imports; and that nothing else runs when a concept is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.book import imports
from experiments.book.cache import NOTHING_MEASURED, place
from experiments.book.imports import OURS, files_needed
from experiments.curriculum import entries, entry
from tests.helpers import ROOT

FILES = {
    "manual/__init__.py": "",
    "manual/nn/__init__.py": "from manual.nn.a import A as A\nfrom manual.nn.b import B as B\nfrom manual.nn.guard import g as _g\n",
    "manual/nn/a.py": "import numpy as np\n",
    "manual/nn/b.py": "from manual.nn.a import A\n",
    "manual/nn/guard.py": "",
    "manual/seen.py": "",
    "manual/unseen.py": "",
    "manual/one.py": "from manual import nn\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import manual.unseen\nx = nn.A()\n",
    "manual/two.py": "import manual.nn\n\ndef f():\n    from manual.seen import g\n    return manual.nn.B\n",
    "manual/three.py": "import manual.nn as layers\nfound = dir(layers)\n",
    "manual/four.py": "from manual.nn import A as Aleph\n",
}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of these files."""
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for known in (imports.file_of, imports.tree_of, imports.imported, imports.names_of, imports.meant):
        known.cache_clear()


PACKAGES = {"manual/__init__.py", "manual/nn/__init__.py", "manual/nn/guard.py"}


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("one", {"one.py", "nn/a.py"}),
        ("two", {"two.py", "nn/a.py", "nn/b.py", "seen.py"}),
        ("three", {"three.py", "nn/a.py", "nn/b.py"}),
        ("four", {"four.py", "nn/a.py"}),
    ],
)
def test_of_a_package_only_what_is_asked_for_is_needed(house: Path, module: str, needed: set[str]) -> None:
    found = {str(file.relative_to(house)) for file in files_needed([f"manual.{module}"])}
    assert found == PACKAGES | {f"manual/{file}" for file in needed}


def test_a_concept_needs_the_layers_that_it_has_and_no_others() -> None:
    found = {str(file.relative_to(ROOT)) for file in files_needed(["manual.networks.digits_cnn"])}
    assert {f"manual/nn/{name}.py" for name in ("conv", "batchnorm", "linear", "pooling", "boundary")} <= found
    assert not {f"manual/nn/{name}.py" for name in ("ctc", "transformer", "rnn", "attention")} & found


def test_every_concept_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    some = entries()[:8]
    folders = [place(tmp_path, e.name).name.rpartition("-") for e in some]
    assert [name for name, _, _ in folders] == [e.name for e in some]
    assert len({key for _, _, key in folders}) == len(some)


PROBE = """
import sys, tempfile
from pathlib import Path
from experiments.book import measured
from experiments.curriculum import ROOT
import experiments.cases  # a run does not need them
ran = set()
def note(frame, event, argument):
    if event == "call" and frame.f_code.co_name != "<module>" and frame.f_code.co_filename.startswith(str(ROOT)):
        ran.add(frame.f_code.co_filename)
measured.CHECKED.steps = 3
for name in sys.argv[1:]:
    __import__(f"experiments.{name}")
    with tempfile.TemporaryDirectory() as folder:
        sys.setprofile(note)
        measured.measure(Path(folder), name.partition(".")[2])
        sys.setprofile(None)
print("\\n".join(sorted(ran)))
"""


@pytest.mark.long
@pytest.mark.parametrize("name", ["one_weight", "convolution"])
def test_nothing_runs_that_is_not_known_to_be_needed(name: str) -> None:
    e = entry(name)
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, f"{e.chapter}.{e.name}"], capture_output=True, text=True, check=True, cwd=ROOT, env=settings
    )
    ran = {Path(line) for line in done.stdout.splitlines() if line.startswith(str(ROOT))}
    needed = files_needed([*(f"{side}.{e.chapter}.{e.name}" for side in OURS), "experiments.book.measured"])
    assert len(ran) > 30
    assert ran - needed == set()
    assert not (ran & NOTHING_MEASURED) - {ROOT / "experiments" / "curriculum.py", ROOT / "experiments" / "book" / "cache.py"}
