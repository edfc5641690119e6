"""A run from within Python: what it returns, whatever the process was started with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import experiments
from experiments.commands.result import Failed, Result
from experiments.commands.status import AGREE
from tests.helpers import undrawn, use


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Of three steps with a learning rate of its own, as in a notebook."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
        root = str(tmp_path_factory.mktemp("notebook"))
        return experiments.run("one_weight", "--model.lr", "0.1", "--trainer.max_epochs", "3", "--trainer.default_root_dir", root)


def test_it_returns_what_the_run_found(result: Result) -> None:
    assert result.status == AGREE
    assert result.verdict.startswith("They agree: 3 steps judged")
    assert repr(result).splitlines() == [result.verdict, f"5 figures in {result.folder / 'figures'}"]
    assert set(result.metrics) == {"manual", "torch"}
    assert result.metrics["manual"]["loss/val"] == pytest.approx(result.metrics["torch"]["loss/val"])
    assert len(result.curves) == 3
    assert float(result.manual.w.data) == pytest.approx(result.torch.w.item())
    assert (result.manual.lr, result.data.batch_size) == (0.1, 0)


def test_a_notebook_sees_the_figures_with_their_captions(result: Result) -> None:
    shown = result._repr_html_()
    assert shown.count("<img ") == len(result.figures) == 5
    for picture in result.figures:
        assert picture.title in shown
    assert "ten purchases of apples" in shown


def test_two_runs_with_other_learning_rates_are_told_apart_by_their_names(result: Result) -> None:
    assert result.folder.name == "version_0-lr=0.1"
    again = experiments.run("one_weight", "--trainer.max_epochs", "1", "--trainer.default_root_dir", str(result.folder.parent.parent))
    assert again.folder.name == "version_1"
    assert again.folder.parent == result.folder.parent


def test_what_cannot_be_run_is_an_exception_in_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    use(monkeypatch, undrawn(experiments.twin("one_weight")))
    with pytest.raises(Failed, match=r"one_weight was not trained \(status 2\)"):
        experiments.run("one_weight", "--model.lr", "many")
    assert "--model.lr" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
