"""The numbers that sum up many judgements, and the digits that are shown in either precision."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import experiments
from experiments.commands.report import PACKAGES, summary, write_report
from experiments.judge.compare import Judge
from experiments.lockstep.checks import one_step, trajectory
from tests.helpers import broken, command, undrawn


def judges(wrong: bool) -> list[Judge]:
    """One step, and a trajectory of five; of the second the losses by hand are a little too large if asked for."""

    def enlarge(model: Any) -> None:
        right = model.training_step
        model.training_step = lambda batch, batch_idx: right(batch, batch_idx) * (1 + 1e-3)

    twin = experiments.twin("hidden_layer")
    options = Namespace(seed=0, dtype="float64", device="cpu", steps=5)
    return [one_step(twin, None, options)[0], trajectory(broken(twin, enlarge) if wrong else twin, None, options)[0]]


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_a_summary_has_the_worst_of_all_judges_and_the_sum_of_their_steps(wrong: bool, order: int) -> None:
    found = judges(wrong)[::order]
    row = summary(experiments.twin("hidden_layer"), found, "cuda:1", 1.23456)
    assert (row["name"], row["chapter"], row["dtype"], row["device"]) == ("hidden_layer", "networks", "float64", "cuda:1")
    assert row["steps"] == sum(judge.steps for judge in found) >= 6
    assert {"loss", "gradient", "parameter"} <= set(row["error"])
    assert row["error"] == {kind: max(judge.error(kind) for judge in found) for kind in row["error"]}
    assert row["digits"] == min(judge.digits for judge in found)
    assert row["tolerance"] == max(judge.tolerance for judge in found)
    assert row["passed"] is not wrong
    assert row["seconds"] == 1.235
    if wrong:
        assert row["error"]["loss"] == pytest.approx(1e-3)
        assert row["digits"] == pytest.approx(3, abs=0.01)


def test_the_report_holds_what_is_known_of_the_judgement_and_of_actions_where_there_were_any(tmp_path: Path) -> None:
    judge = Judge("float64")
    judge.convict("step 3: so")
    for actions in (0, 12):
        judge.actions, judge.undecidable = actions, actions // 6
        write_report(tmp_path, {"name": "ridge"}, judge)
        text = (tmp_path / "report.json").read_text(encoding="utf-8")
        found = json.loads(text)
        assert text == json.dumps(found, indent=2) + "\n"
        assert (found["name"], found["windows"], found["failure"], found["worst"]) == ("ridge", 1, "step 3: so", judge.worst)
        assert found.get("actions") == ({"judged": 12, "undecidable": 2} if actions else None)
        assert found["versions"]["numpy"] == np.__version__
        assert list(found["versions"]) == ["python", *PACKAGES]


def test_a_run_in_float32_shows_no_more_digits_than_float32_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = undrawn(experiments.twin("digits_cnn"))
    monkeypatch.setattr(experiments, "twin", lambda name: twin)
    options = ["--trainer.precision", "32-true", "--trainer.max_steps", "2", "--model.channels", "2", "--data.batch_size", "64"]
    _, out, _ = command("run", "digits_cnn", *options, "--trainer.default_root_dir", str(tmp_path))
    table = out[out.index("Digits of agreement") :]
    shown = [float(cell) for cell in re.findall(r"[│┃]\s+(\d+\.\d)\s", table)]
    assert len(shown) > 10
    assert 5 < max(shown) < 7.5
