"""How a run ends before its end: asked to, killed, or by a mistake; and what is left then."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import experiments
from experiments.commands import run_options, stopping
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE, INTERRUPTED, TERMINATED
from tests.helpers import Finished, command, undrawn, use

SMALL = ("--data.batch_size", "289", "--model.hidden", "8", "--trainer.max_epochs", "2")
MLP = undrawn(experiments.twin("digits_mlp"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which the commands run in, with figures left out."""
    monkeypatch.chdir(tmp_path)
    use(monkeypatch, MLP)
    return tmp_path


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], Any]) -> None:
    """Do this when so many steps have been taken."""

    class Acts(run_options.StopCleanly):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
            super().on_train_batch_start(trainer)
            if trainer.global_step == step and not self.asked:
                act()

    monkeypatch.setattr(run_options, "StopCleanly", Acts)


def run(*options: str) -> tuple[int, str, str]:
    return command("run", "digits_mlp", *SMALL, *options)


def test_sigterm_is_an_orderly_stop_and_the_run_goes_on_to_the_last_bit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--trainer.default_root_dir", "whole")[0] == AGREE
    with monkeypatch.context() as patched:
        at_step(patched, 6, lambda: signal.raise_signal(signal.SIGTERM))
        status, out, err = run()
    assert (status, err) == (TERMINATED, "")
    assert "Terminated after 7 steps; everything so far is kept. Go on with" in out
    _, out, _ = command("run", "digits_mlp", "--trainer.max_steps", "1", "--trainer.default_root_dir", "runs")
    line = next(line for line in out.splitlines() if "--ckpt_path" in line)
    assert "runs/digits_mlp/version_0 is unfinished. Go on with it:" in out
    status, out, err = command(*shlex.split(line)[3:])
    assert (status, err) == (AGREE, "")
    curves = [here / root / "digits_mlp" / "version_0" / "curves.csv" for root in ("runs", "whole")]
    assert curves[0].read_bytes() == curves[1].read_bytes()
    assert not (here / "runs" / "digits_mlp" / "version_0" / "unfinished").exists()


class Killed(BaseException):
    """Nobody is told of it, as of SIGKILL."""


def test_a_run_that_was_killed_goes_on_from_its_latest_checkpoint(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill() -> None:
        raise Killed

    assert run("--trainer.default_root_dir", "whole")[0] == AGREE
    with monkeypatch.context() as patched:
        at_step(patched, 8, kill)
        patched.setattr(stopping, "FIRST", 0)
        patched.setattr(stopping, "EVERY", 0)
        patched.setattr(stopping, "SHARE", 1e9)
        with pytest.raises(Killed):
            run()
    checkpoint = here / "runs" / "digits_mlp" / "version_0" / "checkpoints" / "last.ckpt"
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 8
    moved = here / "another [place]"
    (here / "runs" / "digits_mlp").rename(moved)
    status, out, err = command("run", "digits_mlp", "--ckpt_path", str(moved / "version_0" / "checkpoints" / "last.ckpt"))
    assert (status, err) == (AGREE, "")
    assert f"logs in {moved / 'version_0'}\n" in out
    assert f"tensorboard --logdir {shlex.quote(str(moved / 'version_0'))}\n" in out
    whole = here / "whole" / "digits_mlp" / "version_0" / "curves.csv"
    assert (moved / "version_0" / "curves.csv").read_bytes() == whole.read_bytes()


def test_checkpoints_are_ten_seconds_apart_and_take_a_fiftieth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, cost, saved = [100.0], [0.1], []

    class Trainer:
        world_size, global_step, max_steps, is_last_batch, is_global_zero = 1, 0, -1, False, False
        strategy = fit_loop = None

        def save_checkpoint(self, path: Any) -> None:
            saved.append(now[0])
            now[0] += cost[0]

    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])
    trainer: Any = Trainer()
    lockstep: Any = type("LockStep", (), {"between_steps": True})
    callback = stopping.StopCleanly(stopping.Signals(), lockstep)
    callback.checkpoint = Path("last.ckpt")
    callback.on_train_start(trainer, trainer)
    while now[0] < 200:
        now[0] += 0.5
        cost[0] = 0.1 if now[0] < 150 else 0.6
        callback.on_train_batch_end(trainer)
    assert saved[0] == 101.0
    apart = [b - a for a, b in pairwise(saved)]
    assert min(apart) >= 10
    assert apart[-1] >= 0.6 * 50
    assert len(saved) >= 7


@pytest.mark.parametrize("end", [("--trainer.max_epochs", "1"), ("--trainer.max_steps", "3"), ("--trainer.max_steps", "7")])
def test_the_last_checkpoint_of_a_finished_run_is_its_end(end: tuple[str, str], here: Path) -> None:
    assert run("--trainer.default_root_dir", "whole")[0] == AGREE
    assert run(*end)[0] == AGREE
    folder = here / "runs" / "digits_mlp" / "version_0"
    steps = {"1": 5}.get(end[1], int(end[1]))
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == steps
    more = ("--trainer.max_epochs", "2", "--trainer.max_steps", "-1")
    assert command("run", "digits_mlp", "--ckpt_path", str(folder / "checkpoints" / "last.ckpt"), *more)[0] == AGREE
    whole = here / "whole" / "digits_mlp" / "version_0" / "curves.csv"
    assert (folder / "curves.csv").read_bytes() == whole.read_bytes()


def interrupting(number: signal.Signals) -> Callable[..., Any]:
    """Figures during which a signal comes."""

    def draw(*_: Any) -> Any:
        signal.raise_signal(number)
        raise AssertionError("goes on")

    return draw


def test_a_signal_before_the_first_step_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, replace(MLP, before=interrupting(signal.SIGINT)))
    status, _, err = run()
    assert (status, err) == (INTERRUPTED, "interrupted\n")
    assert list(here.iterdir()) == []


def test_a_signal_before_a_resumed_run_begins_leaves_it_as_it_was(here: Path, monkeypatch: pytest.MonkeyPatch, tiny_run: Finished) -> None:
    monkeypatch.setattr(run_options.Board, "on_fit_start", interrupting(signal.SIGTERM))
    folder = shutil.copytree(tiny_run.folder, here / "copy")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    status, _, err = command("run", "digits_mlp", "--ckpt_path", "copy/checkpoints/last.ckpt")
    assert (status, err) == (TERMINATED, "terminated\n")
    after = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.parent.name != "torch"}  # where Lightning's logger began
    assert after == {p: of for p, of in before.items() if p.parent.name != "torch"}


def test_a_signal_while_figures_are_drawn_keeps_the_training(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, replace(MLP, figures=interrupting(signal.SIGINT)))
    status, out, err = run()
    assert (status, err) == (INTERRUPTED, "")
    assert "Interrupted after the last step, while figures were drawn: some are missing, everything else is kept." in out
    assert "They agree: 10 steps judged" in out
    folder = here / "runs" / "digits_mlp" / "version_0"
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 10
    assert {"report.json", "curves.csv"} < {p.name for p in folder.iterdir()}
    assert not (folder / "unfinished").exists()


def test_an_unexpected_exception_is_one_line_and_a_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("nobody thought of it")

    at_step(monkeypatch, 3, fail)
    status, _, err = run()
    assert status == DISAGREE
    file = Path("runs/digits_mlp/version_0/traceback.txt")
    assert err == (f"error: digits_mlp, step 3: ZeroDivisionError: nobody thought of it (where it came from is in {file})\n")
    assert 'raise ZeroDivisionError("nobody thought of it")' in file.read_text()


def test_a_full_disk_is_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("a writer has failed") from OSError(28, "No space left on device")

    at_step(monkeypatch, 3, fail)
    status, _, err = run()
    assert status == BAD_INPUT
    assert re.fullmatch(r"error: nothing more can be written to runs/digits_mlp/version_0 \(No space left on device\), .*\n", err)


# ---- what must stay as it was -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--trainer.precision 32-true", r"--trainer\.precision 32-true: a resumed run keeps the precision .*64-true"),
        ("--compare.mode spot", r"compared in mode free: resume it with --compare\.mode free"),
        ("--seed_everything 3", r"--seed_everything 3: a resumed run keeps the seed"),
        ("--optimizer SGD --optimizer.lr 0.1", r"--optimizer.*a resumed run keeps the optimizer"),
        ("--config other.yaml", r"--model\.hidden 12: a resumed run keeps the model and the data"),
    ],
)
def test_a_run_goes_on_as_it_began_or_not_at_all(options: str, words: str, here: Path, tiny_run: Finished) -> None:
    (here / "other.yaml").write_text("model:\n  hidden: 12\n")
    before = {p: p.read_bytes() for p in tiny_run.folder.rglob("*") if p.is_file()}
    status, out, err = command("run", "digits_mlp", "--ckpt_path", str(tiny_run.folder / "checkpoints" / "last.ckpt"), *options.split())
    assert (status, out) == (BAD_INPUT, "")
    assert re.fullmatch(rf"error: .*{words}.*\n", err), err
    assert {p: p.read_bytes() for p in tiny_run.folder.rglob("*") if p.is_file()} == before


def test_a_checkpoint_that_a_config_names_is_gone_on_from(here: Path) -> None:
    assert run()[0] == AGREE
    config = here / "runs" / "digits_mlp" / "version_0" / "config.yaml"
    before = config.read_text()
    (here / "go_on.yaml").write_text("ckpt_path: runs/digits_mlp/version_0/checkpoints/last.ckpt\ntrainer:\n  max_epochs: 3\n")
    status, out, err = command("run", "digits_mlp", "--config", "go_on.yaml")
    assert (status, err) == (AGREE, "")
    assert "They agree: 15 steps judged" in out
    assert config.read_text() == before
    assert [p.name for p in (here / "runs" / "digits_mlp").iterdir()] == ["version_0"]


# ---- callbacks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        "--trainer.callbacks+=EarlyStopping --trainer.callbacks.monitor loss/val",
        "--trainer.callbacks+=ModelCheckpoint --trainer.callbacks.monitor loss/val",
        "--trainer.callbacks+=TQDMProgressBar",
        "--trainer.callbacks+=LearningRateMonitor",
        "--trainer.enable_progress_bar false",
        "--trainer.max_time 00:01:00:00",
        "--compare.mode off --trainer.callbacks+=GradientAccumulationScheduler --trainer.callbacks.scheduling.1=2",
        "--compare.mode off --trainer.callbacks+=StochasticWeightAveraging --trainer.callbacks.swa_lrs 0.01",
        "--compare.mode off --trainer.precision bf16-true",
    ],
)
def test_what_is_harmless_or_recommended_works(options: str, here: Path) -> None:
    status, _, err = run(*options.split())
    assert (status, err) == (AGREE, "")
