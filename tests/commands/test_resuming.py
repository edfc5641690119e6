"""Which checkpoint is resumed, and which are refused before anything is read into a model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from experiments.commands.resuming import IN_CHECKPOINT, Signature, checkpoint_in, open_checkpoint
from experiments.data.arrays import InputError

TWIN: Any = SimpleNamespace(name="ridge")
WHOLE = {"concept": "ridge", **{key: i for i, key in enumerate(IN_CHECKPOINT)}}


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["--ckpt_path", "a/b.ckpt"], Path("a/b.ckpt")),
        (["--model.lr", "1", "--ckpt_path=c=d.ckpt", "--ckpt_path", "later"], Path("c=d.ckpt")),
        (["--ckpt_path"], None),
        (["--model.lr", "1"], None),
        ([], None),
    ],
)
def test_the_checkpoint_on_the_command_line(arguments: list[str], path: Path | None) -> None:
    assert checkpoint_in(arguments) == path


def saved(folder: Path, content: Any = WHOLE, config: bool = True) -> Path:
    """A checkpoint in its run directory."""
    path = folder / "version_3" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save(content, path)
    if config:
        (path.parent.parent / "config.yaml").touch()
    return path


@pytest.mark.parametrize(
    "arguments", [[], ["--data.csv", "wine.csv"], ["--data.csv=wine.csv"], ["--trainer.max_epochs", "9", "--modelling"]]
)
def test_a_whole_checkpoint_in_its_run_directory_is_read(arguments: list[str], tmp_path: Path) -> None:
    assert open_checkpoint(saved(tmp_path), TWIN, arguments) == WHOLE


@pytest.mark.parametrize("option", ["--model.lr=2", "--data.seed", "--model", "--data"])
def test_model_and_data_stay_as_they_were(option: str, tmp_path: Path) -> None:
    words = f"{option}: a resumed run keeps the model and the data that it began with; leave the option out"
    with pytest.raises(InputError) as refused:
        open_checkpoint(saved(tmp_path), TWIN, ["--data.csv", "a", option, "--model.hidden", "2"])
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "{path} is not a checkpoint of ridge: no run of this project saved it"),
        ({}, "{path} is not a checkpoint of ridge: no run of this project saved it"),
        ({**WHOLE, "concept": "pca"}, "{path} is not a checkpoint of ridge, but of pca"),
        ({"concept": "ridge", "loops": 1, "epoch": 2}, "{path} is not a whole checkpoint: it lacks state_dict, "
         "optimizer_states, lr_schedulers, callbacks, global_step"),
    ],
)  # fmt: skip
def test_what_is_in_a_checkpoint_is_looked_at(content: Any, words: str, tmp_path: Path) -> None:
    path = saved(tmp_path, content)
    with pytest.raises(InputError) as refused:
        open_checkpoint(path, TWIN, [])
    assert str(refused.value) == words.format(path=path)


def test_a_checkpoint_outside_of_a_run_directory_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, config=False)
    with pytest.raises(InputError) as refused:
        open_checkpoint(path, TWIN, [])
    assert str(refused.value) == f"{path} is not in its run directory: expected config.yaml in {path.resolve().parent.parent}"


def test_no_file_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        open_checkpoint(tmp_path / "no.ckpt", TWIN, [])
    assert str(refused.value) == f"no checkpoint at {tmp_path / 'no.ckpt'}: expected runs/ridge/version_N/checkpoints/last.ckpt"
    path = saved(tmp_path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"not a zip"):
        path.write_bytes(damaged)
        with pytest.raises(InputError) as refused:
            open_checkpoint(path, TWIN, [])
        assert str(refused.value) == f"{path} is not a readable checkpoint (truncated, or not saved by a run): not a whole zip archive"


def test_a_checkpoint_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    path = saved(tmp_path, {**WHOLE, "state_dict": SimpleNamespace()})
    with pytest.raises(InputError) as refused:
        open_checkpoint(path, TWIN, [])
    beginning = f"{path} is not a readable checkpoint (truncated, or not saved by a run): "
    assert str(refused.value).startswith(beginning + "Weights only load failed.")
    assert len(str(refused.value)) == len(beginning) + 120


def test_a_checkpoint_is_signed() -> None:
    checkpoint: dict[str, Any] = {}
    Signature("pca").on_save_checkpoint(None, None, checkpoint)  # type: ignore[arg-type]
    assert checkpoint == {"concept": "pca"}
