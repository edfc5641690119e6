"""Folders of runs: each run has its own, and says whether it is finished."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from experiments.commands import folders
from experiments.data.arrays import InputError


def test_many_who_claim_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    found: list[Path] = []
    start = threading.Barrier(16)

    def claim() -> None:
        start.wait()
        found.append(folders.claim(tmp_path / "one_weight"))

    threads = [threading.Thread(target=claim) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {p.name for p in found} == {f"version_{i}" for i in range(16)}


def test_a_number_that_is_taken_meanwhile_is_left_to_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "version_0").mkdir()
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))  # as it was before the other came
    assert folders.claim(tmp_path) == tmp_path / "version_1"


@pytest.mark.parametrize("name", ["x" * 300, "file/below"])
def test_a_folder_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"version_0 cannot be written \(.*\): choose one with --trainer.default_root_dir"):
        folders.claim(tmp_path / name)


def test_a_run_is_unfinished_until_its_end_and_not_while_another_process_trains_it(tmp_path: Path) -> None:
    folder = folders.claim(tmp_path)
    mark = folders.Mark(folder)
    assert folders.unfinished(tmp_path) == []  # whoever opens the file anew is another, also in this process
    with pytest.raises(InputError, match="version_0 is being trained by another process just now"):
        folders.Mark(folder)
    mark.leave()
    assert folders.unfinished(tmp_path) == [folder]
    folders.Mark(folder).take_back()  # it was unfinished before
    assert folders.unfinished(tmp_path) == [folder]
    folders.Mark(folder).remove()
    assert folders.unfinished(tmp_path) == []
    folders.Mark(folder).take_back()
    assert list(folder.iterdir()) == []


def test_what_has_not_begun_leaves_nothing_and_takes_nothing_else_along(tmp_path: Path) -> None:
    folder = folders.claim(tmp_path / "runs" / "one_weight")
    (folder / "config.yaml").write_text("x")
    (tmp_path / "runs" / "notes").write_text("mine")
    folders.give_back(folder)
    assert [p.name for p in tmp_path.rglob("*")] == ["runs", "notes"]
