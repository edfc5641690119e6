"""A run that is interrupted in mid-epoch and resumed is, to the last bit, the run that was not interrupted."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import experiments
from experiments.__main__ import AGREE, INTERRUPTED, main
from experiments.commands import board, run_options, stopping
from experiments.data.digits import images
from experiments.judge.compare import ONE_STEP
from experiments.pair import Twin
from tests.helpers import configured, finished, python, same, scalars, scheduled, undrawn


def every_step(optim: Any, parameters: Any) -> Any:
    optimizer = optim.AdamW(parameters, lr=0.01)
    return scheduled(optimizer, optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=40), "step")  # it moves the momentum too


MLP = undrawn(configured(experiments.twin("digits_mlp"), every_step))
CNN = undrawn(experiments.twin("digits_cnn"))
SPOT = ("--compare.mode", "spot", "--compare.every_n_steps", "4")
F32 = ("--trainer.precision", "32-true")
RUNS: dict[str, tuple[Twin, int, tuple[str, ...]]] = {
    "dropout, a step schedule, accumulation": (MLP, 7, ("--model.hidden", "11", "--trainer.accumulate_grad_batches", "2")),
    "the first step": (MLP, 1, ("--model.hidden", "11")),
    "the last step of an epoch": (MLP, 6, ("--model.hidden", "11", "--trainer.accumulate_grad_batches", "2")),
    "one batch an epoch": (undrawn(experiments.twin("hidden_layer")), 2, ("--data.batch_size", "0")),
    "batch norm, momentum, an epoch schedule": (CNN, 7, ("--model.channels", "3", "--trainer.gradient_clip_val", "0.5")),
    "float32": (CNN, 8, ("--model.channels", "3", *F32)),
    "spot": (CNN, 6, ("--model.channels", "3", *SPOT)),
}


@pytest.fixture(autouse=True)
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Afterwards Ctrl-C is again what it was. Histograms are drawn but once: they take longer than a step."""
    monkeypatch.setattr(board, "HISTOGRAMS", 1)
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Press Ctrl-C while this step is being taken."""

    class Pressed(run_options.StopCleanly):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step + 1 == step and not self.asked:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(run_options, "StopCleanly", Pressed)


def start(twin: Twin, root: Path, options: tuple[str, ...]) -> int:
    """Five batches of 289 digits are an epoch."""
    long = ("--data.batch_size", "289", "--trainer.max_epochs", "3", "--trainer.default_root_dir", str(root))
    return main(["run", twin.name, *long, *options])


def resume(twin: Twin, root: Path, *options: str) -> int:
    newest = max(int(file.name.split(".")[3]) for file in (root / twin.name).rglob("events.*"))
    time.sleep(max(0, newest + 1 - time.time()))  # event files are named by the second, and read in the order of their names
    return main(["run", twin.name, "--ckpt_path", str(root / twin.name / "version_0" / "checkpoints" / "last.ckpt"), *options])


def last(root: Path, twin: Twin) -> dict[str, Any]:
    return torch.load(root / twin.name / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)


@pytest.mark.parametrize("case", RUNS)
def test_it_goes_on_to_the_last_bit(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    twin, step, options = RUNS[case]
    monkeypatch.setattr(experiments, "twin", lambda name: twin)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert start(twin, whole, options) == AGREE
    with monkeypatch.context() as patched:
        interrupt_at(patched, step)
        assert start(twin, parts, options) == INTERRUPTED
    assert f"Interrupted after {step} steps" in capsys.readouterr().out
    assert last(parts, twin)["global_step"] == step
    assert resume(twin, parts) == AGREE

    assert [p.name for p in (parts / twin.name).iterdir()] == ["version_0"]
    a, b = (root / twin.name / "version_0" for root in (whole, parts))
    assert (b / "curves.csv").read_bytes() == (a / "curves.csv").read_bytes()
    reports = [json.loads((folder / "report.json").read_text()) for folder in (a, b)]
    for report in reports:
        del report["seconds"]
    assert reports[0] == reports[1]
    assert reports[0]["steps"] == {"spot": 4}.get(case, last(whole, twin)["global_step"])
    for side in ("manual", "torch", "compare"):
        assert scalars(b / side) == scalars(a / side)
        assert scalars(a / side)["loss/train" if side != "compare" else "digits of agreement/loss"]

    first, second = last(whole, twin), last(parts, twin)
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert same(first[key], second[key]), key
    lockstep = [next(state for key, state in c["callbacks"].items() if "LockStep" in key) for c in (first, second)]
    assert len(lockstep[0]["runs"]) == (1 if case == "spot" else 2)
    for key in lockstep[0]:
        assert same(lockstep[0][key], lockstep[1][key]), key


def test_a_run_that_is_over_can_be_given_more_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "twin", lambda name: MLP)
    options = ("--model.hidden", "11")
    assert start(MLP, tmp_path / "whole", (*options, "--trainer.max_epochs", "4")) == AGREE
    assert start(MLP, tmp_path / "parts", (*options, "--trainer.max_epochs", "2")) == AGREE
    assert resume(MLP, tmp_path / "parts", "--trainer.max_epochs", "4") == AGREE
    a, b = (tmp_path / root / "digits_mlp" / "version_0" / "curves.csv" for root in ("whole", "parts"))
    assert len(a.read_text().splitlines()) == 1 + 4 * 5
    assert a.read_bytes() == b.read_bytes()


def test_what_a_run_had_logged_when_it_was_interrupted_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_at(monkeypatch, 7)
    assert start(CNN, tmp_path, ("--model.channels", "3")) == INTERRUPTED
    folder = tmp_path / "digits_cnn" / "version_0"
    assert [step for step, _ in scalars(folder / "manual")["loss/train"]] == list(range(7))
    assert [step for step, _ in scalars(folder / "torch")["loss/train"]] == list(range(7))
    assert len((folder / "curves.csv").read_text().splitlines()) == 1 + 7


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient(run_options.StopCleanly):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == 3:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
                raise AssertionError("goes on")

    monkeypatch.setattr(run_options, "StopCleanly", Impatient)
    assert start(CNN, tmp_path, ("--model.channels", "3")) == INTERRUPTED


def test_steps_that_were_taken_after_the_checkpoint_are_shown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ended without saving goes on from an earlier step: what it had logged since is taken back on all sides."""

    class Impatient(run_options.StopCleanly):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == 8:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(run_options, "StopCleanly", Impatient)
        patched.setattr(stopping, "FIRST", 0)
        assert start(CNN, tmp_path, ("--model.channels", "3")) == INTERRUPTED
    folder = tmp_path / "digits_cnn" / "version_0"
    assert [step for step, _ in scalars(folder / "torch")["loss/train"]] == list(range(8))
    assert last(tmp_path, CNN)["global_step"] == 1
    assert resume(CNN, tmp_path) == AGREE
    for side, tag in (("manual", "loss/train"), ("torch", "loss/train"), ("compare", "digits of agreement/loss")):
        assert [step for step, _ in scalars(folder / side)[tag]] == list(range(15)), side


def test_another_mode_is_refused_on_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    with monkeypatch.context() as patched:
        interrupt_at(patched, 2)
        assert start(CNN, tmp_path, ("--model.channels", "3")) == INTERRUPTED
    capsys.readouterr()
    assert resume(CNN, tmp_path, *SPOT) == 2
    assert capsys.readouterr().err == "error: this run was compared in mode free: resume it with --compare.mode free\n"


def test_a_run_goes_on_with_its_own_data_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A file that was changed under the same name, or examples that stand in for others that cannot be had."""
    with monkeypatch.context() as patched:
        interrupt_at(patched, 2)
        assert start(MLP, tmp_path, ("--model.hidden", "5")) == INTERRUPTED
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    pixels, digit = images()
    for others in ((pixels, digit[::-1]), (pixels[:1796], digit[:1796])):
        with monkeypatch.context() as patched:
            patched.setattr("experiments.data.digits.images", lambda others=others: others)
            capsys.readouterr()
            assert resume(MLP, tmp_path) == 2
        assert capsys.readouterr().err.endswith(": this run was trained on other data than there are now; it can go on with those alone\n")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_ctrl_c_in_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """As a person does it: a process, SIGINT, and the command that it prints."""
    options = ["run", "digits_mlp", "--model.hidden", "9", "--trainer.max_epochs", "4", "--trainer.default_root_dir"]
    folder = tmp_path / "runs" / "digits_mlp" / "version_0"
    process = python("-m", "experiments", *options, "runs", folder=tmp_path)
    began = time.monotonic()
    while not (folder / "manual").exists() and process.poll() is None and time.monotonic() - began < 120:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    status, out, err = finished(process)
    assert status == INTERRUPTED, err
    assert err == ""
    line = next(line for line in out.splitlines() if "--ckpt_path" in line).split()
    assert line[:6] == ["python", "-m", "experiments", "run", "digits_mlp", "--ckpt_path"]
    taken = len((folder / "curves.csv").read_text().splitlines()) - 1
    assert f"Interrupted after {taken} steps" in out
    assert 0 < taken < 4 * 45
    for side in ("manual", "torch"):
        assert [step for step, _ in scalars(folder / side)["loss/train"]] == list(range(taken))

    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(line[3:]) == AGREE
    assert "They agree: 180 steps judged" in capsys.readouterr().out
    assert main([*options, str(tmp_path / "whole")]) == AGREE
    curves = [root / "digits_mlp" / "version_0" / "curves.csv" for root in (tmp_path / "runs", tmp_path / "whole")]
    assert curves[0].read_bytes() == curves[1].read_bytes()


def test_a_shadow_that_waited_at_the_checkpoint_may_be_asked_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mixture's two sides part after some twenty steps; the resumed shadow has not seen them, and tolerates no more for that."""
    twin = undrawn(experiments.twin("mixture"))
    monkeypatch.setattr(experiments, "twin", lambda name: twin)

    def run(folder: str, epochs: int, *options: str) -> dict[str, Any]:
        root = ("--trainer.default_root_dir", str(tmp_path / folder))
        assert main(["run", "mixture", "--trainer.max_epochs", str(epochs), *(options or root)]) == AGREE
        return dict(json.loads((tmp_path / folder / "mixture" / "version_0" / "report.json").read_text()))

    whole, first = run("whole", 50), run("parts", 20)
    checkpoint = tmp_path / "parts" / "mixture" / "version_0" / "checkpoints" / "last.ckpt"
    hand, shadow = torch.load(checkpoint, weights_only=True)["callbacks"]["LockStep"]["runs"]
    assert set(shadow) == {"rounding"} < set(hand)  # nobody has asked it
    resumed = run("parts", 50, "--ckpt_path", str(checkpoint))
    assert first["tolerance"] == ONE_STEP["float64"] < resumed["tolerance"] <= whole["tolerance"]
    assert resumed["steps"] == whole["steps"] == 50
