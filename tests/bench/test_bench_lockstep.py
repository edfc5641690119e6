"""`bench lockstep`: what a step is measured against, its columns, and a plain script that logs what a run logs."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import experiments
from experiments.bench import lockstep
from tests.commands.test_board import events
from tests.helpers import command

MLP = experiments.twin("digits_mlp")


def test_a_row_is_the_ratio_to_the_sum_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"lightning": 0.5, "by hand": 0.25, "shadow": 0.25, "together": 1.25, "lockstep": 2.0, "spot": 0.75, "run": 3.0, "plain": 2.0}
    monkeypatch.setattr(lockstep, "TURNS", {part: lambda twin, steps, s=s: s for part, s in seconds.items()})
    found = {row["name"]: row for row in map(lockstep.measure_lockstep, lockstep.ROWS)}
    assert {name: (row["low"], row["ratio"], row["high"]) for name, row in found.items()} == {
        "lockstep digits_mlp": (2.0, 2.0, 2.0),
        "lockstep digits_cnn": (2.0, 2.0, 2.0),
        "spot digits_mlp": (1.5, 1.5, 1.5),
        "run digits_mlp": (1.5, 1.5, 1.5),
    }
    of_step, of_run = found["lockstep digits_mlp"], found["run digits_mlp"]
    assert of_step["ms"] == {
        part: 1000 * seconds[part] / of_step["steps"] for part in ("lightning", "by hand", "shadow", "together", "lockstep")
    }
    assert of_run["ms"] == {"plain": 2000.0, "run": 3000.0}


def test_everything_that_is_timed_trains_for_so_many_steps(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {"lockstep digits_mlp": ("lockstep", "digits_mlp", 1, 3), "spot digits_mlp": ("spot", "digits_mlp", 1, 3)}
    monkeypatch.setattr(lockstep, "ROWS", rows)
    found = [lockstep.measure_lockstep(name) for name in rows]
    assert all(ms > 0 for row in found for ms in row["ms"].values())
    assert found[0]["ms"]["lockstep"] > found[0]["ms"]["lightning"]
    assert json.loads(json.dumps(found)) == found
    lockstep.show_lockstep(lockstep.Console(width=400), found)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("lockstep digits_mlp: ")
    assert ", together " in first
    assert "every 100th of them compared / Lightning alone; ms a step: lightning" in second


def test_the_rows_are_what_the_command_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def measured(name: str) -> dict[str, Any]:
        asked.append(name)
        return {"name": name, "ratio": 1.0, "low": 1.0, "high": 1.0, "steps": 1, "ms": {}}

    monkeypatch.setattr("experiments.bench.command.measure_lockstep", measured)
    status, out, _ = command("bench", "lockstep", "--json")
    assert status == 0
    assert [json.loads(line)["name"] for line in out.splitlines()] == asked == list(lockstep.ROWS)


def test_the_plain_script_logs_what_a_run_logs(tiny_run: Any, tmp_path: Path) -> None:
    twin = replace(MLP, trainer={"max_steps": 2, "val_check_interval": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a script as anybody writes it
        lockstep.plain_script(twin, str(tmp_path))
    (folder,) = (tmp_path / "lightning_logs").iterdir()
    assert set(events(folder).Tags()["scalars"]) == set(events(tiny_run.folder / "torch").Tags()["scalars"])
    assert list((folder / "checkpoints").glob("*.ckpt"))
