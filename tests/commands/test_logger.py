"""When Lightning's logger writes to the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.commands import logger
from tests.helpers import scalars


def test_it_writes_at_most_once_in_a_while_and_everything_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(logger.time, "monotonic", lambda: now)
    written = logger.Logger(tmp_path, name="a", version="b", default_hp_metric=False)
    folder = tmp_path / "a" / "b"
    written.log_hyperparams({"lr": 0.5})

    def log(step: int) -> None:
        written.log_metrics({"loss": float(step)}, step)
        written.save()

    flush, flushed = written.experiment.flush, list[float]()
    monkeypatch.setattr(written.experiment, "flush", lambda: (flushed.append(now), flush()))
    log(0)
    log(1)
    assert flushed == [100.0]
    assert (folder / "hparams.yaml").read_text() == "lr: 0.5\n"
    now += logger.SECONDS
    log(2)
    assert flushed == [100.0, 100.0 + logger.SECONDS]
    assert [step for step, _ in scalars(folder)["loss"]] == [0, 1, 2]
    log(3)
    written.finalize("failed")
    assert [step for step, _ in scalars(folder)["loss"]] == [0, 1, 2, 3]
