"""--optimizer and --lr_scheduler: both sides follow, or the option is refused by name before anything is made."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import Namespace

import experiments
import manual.optim
from experiments.commands.optimizer_options import following, written
from experiments.commands.status import AGREE, BAD_INPUT
from experiments.data.arrays import InputError
from manual.optim import lr_scheduler
from tests.helpers import command, undrawn

SGD = ("torch.optim.SGD", {"lr": 0.1, "momentum": 0.5})
AT_ONCE = ["--lr_scheduler.patience", "0", "--lr_scheduler.threshold", "10.0", "--lr_scheduler.threshold_mode", "abs"]
"""With these a plateau is seen at every look but the first."""


def parsed(mode: str = "free", **options: tuple[str, Mapping[str, Any]]) -> Namespace:
    """What LightningCLI has parsed: a class and its arguments for each of the two options that was given."""
    config = Namespace(compare=Namespace(mode=mode), optimizer=None, lr_scheduler=None)
    for option, (path, arguments) in options.items():
        config[option] = Namespace(class_path=path, init_args=Namespace(**arguments))
    return config


def configured(**options: tuple[str, Mapping[str, Any]]) -> Any:
    """What configure_optimizers returns by hand."""
    return following(experiments.twin("vectors"), parsed(**options)).build()[0].configure_optimizers()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A short run of digits_mlp with these options, without figures: its status, its standard error, and its report if there is one."""
    twin = undrawn(experiments.twin("digits_mlp"))
    monkeypatch.setattr(experiments, "twin", lambda name: twin)

    def shortly(*options: str) -> tuple[int, str, dict[str, Any] | None]:
        short = [
            "--model.hidden",
            "8",
            "--data.batch_size",
            "300",
            "--trainer.max_epochs",
            "3",
            "--trainer.default_root_dir",
            str(tmp_path),
        ]
        status, _, err = command("run", "digits_mlp", *short, *options)
        reports = sorted(tmp_path.glob("digits_mlp/version_*/report.json"))
        return status, err, json.loads(reports[-1].read_text()) if reports else None

    return shortly


# ---- by hand ---------------------------------------------------------------------------------------------


def test_the_hand_written_side_takes_the_optimizer_and_its_arguments() -> None:
    optimizer = configured(optimizer=SGD)
    assert type(optimizer) is manual.optim.SGD
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["nesterov"]) == (0.1, 0.5, False)


def test_a_schedule_moves_once_an_epoch_as_lightnings_does() -> None:
    found = configured(optimizer=SGD, lr_scheduler=("torch.optim.lr_scheduler.StepLR", {"step_size": 2, "gamma": 0.5}))
    assert type(found["lr_scheduler"]["scheduler"]) is lr_scheduler.StepLR
    assert found["lr_scheduler"]["scheduler"].optimizer is found["optimizer"]
    assert (found["lr_scheduler"]["interval"], found["lr_scheduler"]["frequency"]) == ("epoch", 1)
    assert "monitor" not in found["lr_scheduler"]


def test_a_plateau_looks_at_what_it_monitors() -> None:
    plateau = ("pytorch_lightning.cli.ReduceLROnPlateau", {"monitor": "loss/val", "patience": 3})
    found = configured(optimizer=SGD, lr_scheduler=plateau)["lr_scheduler"]
    assert (found["monitor"], found["scheduler"].patience) == ("loss/val", 3)
    assert plateau[1]["monitor"] == "loss/val"


def test_without_the_options_or_without_comparison_the_twin_is_left_alone() -> None:
    twin = experiments.twin("vectors")
    assert following(twin, parsed()) is twin
    assert following(twin, parsed("off", optimizer=("torch.optim.SparseAdam", {}))) is twin


def test_the_concept_is_still_itself() -> None:
    twin = experiments.twin("vectors")
    taking = following(twin, parsed(optimizer=SGD)).manual
    assert issubclass(taking, twin.manual)
    assert (taking.__name__, taking.__module__, taking.__doc__) == (twin.manual.__name__, twin.manual.__module__, twin.manual.__doc__)


# ---- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"optimizer": ("torch.optim.SparseAdam", {})},
            "--optimizer SparseAdam is not written by hand: choose one of ASGD, Adadelta, .*, SGD,",
        ),
        ({"optimizer": ("torch.optim.Optimizer", {})}, "--optimizer Optimizer is not written by hand"),
        (
            {"optimizer": SGD, "lr_scheduler": ("torch.optim.swa_utils.SWALR", {})},
            "--lr_scheduler SWALR is not written by hand: choose one of .*CosineAnnealingLR, .*StepLR,",
        ),
        ({"lr_scheduler": ("torch.optim.lr_scheduler.StepLR", {})}, "--lr_scheduler StepLR needs --optimizer beside it"),
        (
            {"optimizer": SGD, "lr_scheduler": ("torch.optim.lr_scheduler.LambdaLR", {"lr_lambda": abs})},
            r"--lr_scheduler\.lr_lambda: the hand-written side takes numbers and words here",
        ),
        (
            {"optimizer": SGD, "lr_scheduler": ("torch.optim.lr_scheduler.SequentialLR", {"schedulers": [Namespace()]})},
            r"--lr_scheduler\.schedulers: the hand-written side takes numbers and words here",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(options: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        following(experiments.twin("vectors"), parsed(**options))
    assert "\n" not in str(refused.value)


def test_what_is_written_by_hand_is_what_torch_has_but_for_a_few() -> None:
    torchs = [name for name, found in vars(torch.optim).items() if isinstance(found, type)]
    assert set(torchs) - set(written(manual.optim)) == {"SparseAdam"}


# ---- runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ["--optimizer", "Adam", "--optimizer.lr", "0.01"],
        ["--optimizer", "SGD", "--optimizer.lr", "0.1", "--optimizer.nesterov", "true", "--optimizer.momentum", "0.9"],
        ["--optimizer", "RMSprop", "--lr_scheduler", "ExponentialLR", "--lr_scheduler.gamma", "0.5"],
        ["--optimizer", "LBFGS", "--optimizer.max_iter", "3"],
        [
            "--optimizer",
            "SGD",
            "--optimizer.lr",
            "0.1",
            "--lr_scheduler",
            "ReduceLROnPlateau",
            "--lr_scheduler.monitor",
            "loss/train",
            *AT_ONCE,
        ],
    ],
    ids=["adam", "nesterov", "exponential", "lbfgs", "plateau"],
)
def test_a_run_follows_on_both_sides(run: Any, options: list[str]) -> None:
    status, err, report = run(*options)
    assert (status, err) == (AGREE, "")
    assert report is not None
    assert report["passed"]
    assert report["steps"] >= 15


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--optimizer", "SparseAdam"], "--optimizer SparseAdam is not written by hand"),
        (["--optimizer", "SGD", "--lr_scheduler", "SWALR", "--lr_scheduler.swa_lr", "0.1"], "SWALR"),
        (["--lr_scheduler", "StepLR", "--lr_scheduler.step_size", "2"], "--lr_scheduler StepLR needs --optimizer beside it"),
        (["--optimizer", "SGD", "--optimizer.differentiable", "true"], "differentiable"),
        (["--optimizer", "Muon"], "Muon"),
        (["--optimizer", "Nonsense"], "Nonsense"),
    ],
)
def test_a_run_refuses_in_one_line_before_anything_is_made(run: Any, options: list[str], words: str, tmp_path: Path) -> None:
    status, err, report = run(*options)
    assert status == BAD_INPUT
    assert re.fullmatch(rf"error: .*{words}.*\n", err)
    assert report is None
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_goes_on_with_the_optimizer_that_it_began_with(run: Any, tmp_path: Path) -> None:
    run("--optimizer", "Adam", "--optimizer.lr", "0.01", "--lr_scheduler", "StepLR", "--lr_scheduler.step_size", "2")
    checkpoint = tmp_path / "digits_mlp" / "version_0" / "checkpoints" / "last.ckpt"
    status, _, err = command("run", "digits_mlp", "--ckpt_path", str(checkpoint), "--trainer.max_epochs", "5")
    assert (status, err) == (AGREE, "")
    report = json.loads((tmp_path / "digits_mlp" / "version_0" / "report.json").read_text())
    assert (report["passed"], report["steps"]) == (True, 25)


def test_a_run_without_comparison_may_take_any_optimizer(run: Any) -> None:
    status, err, _ = run("--optimizer", "Adafactor", "--compare.mode", "off")
    assert (status, err) == (AGREE, "")
