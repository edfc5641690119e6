"""The command line: what it prints, what it leaves, its exit status, and what bad input gets."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import experiments
from experiments import curriculum
from experiments.commands.ending import next_steps
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.commands.vary import STEPS
from manual import nn
from tests.helpers import Finished, broken, command, finished, python, undrawn, use

FIELDS = ["name", "chapter", "dtype", "device", "steps", "error", "digits", "tolerance", "passed", "seconds"]
"""Of what `check --json` prints for a concept."""

NAMES = [e.name for e in curriculum.entries()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which the commands run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- check -----------------------------------------------------------------------------------------


def check(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, the objects that were printed, and standard error."""
    status, out, err = command("check", "--json", *arguments)
    return status, [json.loads(line) for line in out.splitlines()], err


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.long)])
def test_check_finds_all_pairs_equal(dtype: str, here: Path) -> None:
    status, rows, err = check("--steps", "3", "--dtype", dtype)
    assert [row["name"] for row in rows if not row["passed"]] == []
    assert (status, err) == (AGREE, "")
    assert [row["name"] for row in rows] == NAMES
    for row in rows:
        assert list(row) == FIELDS
        assert row["chapter"] == curriculum.entry(row["name"]).chapter
        assert (row["dtype"], row["device"]) == (dtype, "cpu")
        assert list(row["error"]) == ["loss", "gradient", "parameter", "buffer", "state", "metric", "intermediate", "rollout"]
        assert 0 <= max(row["error"].values()) <= row["tolerance"]
        twin = experiments.twin(row["name"])
        options = STEPS * (len(twin.hyperparameters()) - len(twin.linked()))  # but those that the data decide
        plain = 0 if twin.objectives else 3  # plain gradient descent, of what leaves its steps to the loop
        batches = (1 + 3) * (1 + len(twin.variants)) + plain + options  # one step and a trajectory each
        steps = batches * max(1, len(twin.objectives))  # each of several losses takes a step of its own
        assert row["steps"] == steps or (len(twin.objectives) > 1 and row["steps"] > steps)  # an option may ask for more of them
        assert 0 < row["digits"] < (15.7 if dtype == "float64" else 7)
        assert row["seconds"] > 0
    assert list(here.iterdir()) == []


def test_check_shows_a_table(here: Path) -> None:
    status, out, err = command("check", "digits_mlp", "networks.hidden_layer", "--steps", "3")
    assert (status, err) == (AGREE, "")
    assert len(re.findall(r"^ *(?:digits_mlp|hidden_layer) .* agree", out, re.MULTILINE)) == 2
    assert "Digits of agreement" in out


def test_check_says_where_data_are_not_the_real_ones(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here))
    status, out, _ = command("check", "wine_quality", "--steps", "3")
    assert status == AGREE
    assert "random data" in re.sub(r"[│\s]+", " ", out)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_check_finds_a_mistake(dtype: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Half(nn.Linear):
        def backward(self, dL_dy: np.ndarray) -> np.ndarray:
            return super().backward(dL_dy / 2)

    def halve(model: Any) -> None:
        model.fc1.__class__ = Half

    use(monkeypatch, broken(experiments.twin("digits_mlp"), halve))
    status, (row,), err = check("digits_mlp", "--steps", "3", "--dtype", dtype)
    assert status == DISAGREE
    assert row["passed"] is False
    assert row["error"]["gradient"] >= 0.49
    assert row["digits"] < 1
    assert "The first wrong one is gradient of fc1.weight: it is 1/2 times torch's." in err
    lines = [line for line in err.splitlines() if line.startswith("digits_mlp: ")]
    for line, what in zip(lines, ("as declared, one step", "as declared, own optimizer", "plain gradient descent"), strict=True):
        assert re.fullmatch(rf"digits_mlp: {what}: step 0: gradient fc1\.(weight|bias) differs by 5\.0e-01, tolerated .*", line)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digits_mpl"], r"unknown concept 'digits_mpl': did you mean digits_mlp"),
        (["zzz"], r"unknown concept 'zzz': see `list`"),
        (["--steps", "0"], r"--steps.*must be at least 1, got 0"),
        (["--steps", "many"], r"--steps.*many"),
        (["--seed", "-1"], r"--seed must not be negative, got -1"),
        (["--dtype", "float16"], r"--dtype.*float16.*float64.*float32"),
        (["--device", "gpu"], r"--device gpu: expected cpu, cuda or cuda:N"),
        (["--device", "meta"], r"--device meta: expected cpu, cuda or cuda:N"),
        (["--seed", str(2**64)], r"--seed must have no more than 63 bits, got 18446744073709551616"),
        (["--device", "cpu:3"], r"--device cpu:3: there is one cpu"),
        (["--device", "cuda:99"], r"--device cuda:99: this machine has \d+ CUDA device"),
        (["--frobnicate"], r"unrecognized arguments: --frobnicate"),
    ],
    ids=" ".join,
)
def test_what_check_cannot_use(arguments: list[str], words: str, here: Path) -> None:
    status, out, err = command("check", *arguments)
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, words)


def assert_one_line(err: str, words: str) -> None:
    assert re.fullmatch(r"error: .*\n", err), err
    assert re.search(words, err), err


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["run"], ["list", "--frobnicate"]], ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_bad_usage_is_one_line_and_status_2(arguments: list[str]) -> None:
    status, out, err = command(*arguments)
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, "")


# ---- what a run leaves -----------------------------------------------------------------------------


def test_a_run_ends_with_a_verdict_and_says_how_to_look_at_it(tiny_run: Finished) -> None:
    assert (tiny_run.status, tiny_run.err) == (AGREE, "")
    assert "They agree: 10 steps judged" in tiny_run.out
    for name in ("loss", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "optimizer state"):
        assert re.search(rf"│ {re.escape(name)} .*1\d\.\d", tiny_run.out), name
    assert f"tensorboard --logdir {tiny_run.folder}\n" in tiny_run.out
    assert f"python -m experiments show digits_mlp --runs {tiny_run.folder.parent.parent}\n" in tiny_run.out
    assert f"Everything on one page: {tiny_run.folder / 'report.html'}\n" in tiny_run.out


def test_a_run_leaves_what_the_design_says(tiny_run: Finished) -> None:
    folder = tiny_run.folder
    events, files = {"manual", "torch", "compare", "required"}, {"config.yaml", "curves.csv", "report.json", "report.html"}
    assert {p.name for p in folder.iterdir()} == events | files | {"checkpoints", "figures"}
    for side in ("manual", "torch", "compare"):
        assert len(list((folder / side).glob("events.out.tfevents.*"))) == 1
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["concept"] == "digits_mlp"


def test_the_curves(tiny_run: Finished) -> None:
    rows = list(csv.DictReader((tiny_run.folder / "curves.csv").read_text().splitlines()))
    assert list(rows[0])[:4] == ["step", "loss_manual", "loss_torch", "error"]
    assert [int(row["step"]) for row in rows] == list(range(10))
    for row in rows:
        a, b = float(row["loss_manual"]), float(row["loss_torch"])
        assert a == pytest.approx(b, rel=1e-14)
        assert float(row["error"]) < 1e-14
    assert float(rows[-1]["loss_manual"]) < float(rows[0]["loss_manual"])


def test_the_report(tiny_run: Finished) -> None:
    report = json.loads((tiny_run.folder / "report.json").read_text())
    assert list(report)[: len(FIELDS)] == FIELDS
    assert (report["steps"], report["passed"], report["dtype"], report["failure"]) == (10, True, "float64", None)
    assert report["versions"]["torch"] == torch.__version__
    assert report["versions"]["numpy"] == np.__version__
    by_hand, in_torch = report["metrics"]["manual"], report["metrics"]["torch"]
    assert by_hand["accuracy/val"] == in_torch["accuracy/val"]
    assert by_hand["loss/val"] == pytest.approx(in_torch["loss/val"], rel=1e-12)
    worst = max(e for kind in report["worst"].values() for e in kind.values())
    assert report["digits"] == pytest.approx(-np.log10(worst))


def test_the_config_repeats_the_run(tiny_run: Finished, here: Path) -> None:
    config = yaml.safe_load((tiny_run.folder / "config.yaml").read_text())
    assert config["model"] == {"hidden": 10, "dropout": 0.2, "lr": 0.001}
    assert config["data"] == {"batch_size": 289, "seed": 0}
    status, _, err = command("run", "digits_mlp", "--config", str(tiny_run.folder / "config.yaml"), "--trainer.default_root_dir", "again")
    assert (status, err) == (AGREE, "")
    assert (here / "again" / "digits_mlp" / "version_0" / "curves.csv").read_bytes() == (tiny_run.folder / "curves.csv").read_bytes()


SHORT = ("--data.batch_size", "289", "--trainer.max_steps", "2", "--model.hidden", "10")


def test_each_run_has_a_folder_of_its_own(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, undrawn(experiments.twin("digits_mlp")))
    (here / "runs" / "digits_mlp" / "version_7").mkdir(parents=True)
    for number in (8, 9):
        status, out, _ = command("run", "digits_mlp", *SHORT)
        assert status == AGREE
        assert f"version_{number}" in out
        assert (here / "runs" / "digits_mlp" / f"version_{number}" / "report.json").is_file()


def test_the_seed_changes_the_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, undrawn(experiments.twin("digits_mlp")))
    for seed in ("1", "2"):
        assert command("run", "digits_mlp", *SHORT, "--seed_everything", seed)[0] == AGREE
    first, second = ((here / "runs" / "digits_mlp" / f"version_{i}" / "curves.csv").read_text() for i in (0, 1))
    assert first != second


@pytest.mark.parametrize("options", [(), ("--trainer.precision", "bf16-mixed")], ids=["64-true", "bf16-mixed"])
def test_without_comparison_a_run_says_so(options: tuple[str, ...], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, undrawn(experiments.twin("digits_mlp")))
    status, out, err = command("run", "digits_mlp", *SHORT, "--compare.mode", "off", *options)
    assert (status, err) == (AGREE, "")
    assert "Not compared" in out
    assert "agree:" not in out


def test_a_disagreement_is_status_1_and_names_the_tensor(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flip(model: Any) -> None:
        backward = model.fc2.backward
        model.fc2.backward = lambda dL_dy: -backward(dL_dy)

    use(monkeypatch, undrawn(broken(experiments.twin("digits_mlp"), flip)))
    status, out, err = command("run", "digits_mlp", *SHORT)
    assert (status, err) == (DISAGREE, "")
    assert re.search(r"They disagree\. First at step 0: gradient fc1\.(weight|bias) differs by 2\.0e\+00, tolerated 1\.0e-12", out)
    assert json.loads((here / "runs" / "digits_mlp" / "version_0" / "report.json").read_text())["passed"] is False


def test_a_script_is_the_same_command(tmp_path: Path) -> None:
    status, out, err = finished(python("-m", "experiments.networks.digits_mlp", *SHORT, folder=tmp_path))
    assert status == AGREE, err
    assert err == ""
    assert "They agree: 2 steps judged" in out
    assert (tmp_path / "runs" / "digits_mlp" / "version_0" / "curves.csv").is_file()


@pytest.mark.parametrize(("option", "found"), [("--help", "--compare.mode"), ("--print_config", "hidden: 128")])
def test_what_only_prints_leaves_nothing(option: str, found: str, here: Path) -> None:
    status, out, _ = command("run", "digits_mlp", option)
    assert status == AGREE
    assert found in out
    assert list(here.iterdir()) == []


# ---- bad input -------------------------------------------------------------------------------------

BAD = {
    "--model.hiden 8": r"--model\.hiden",
    "--frobnicate": r"--frobnicate",
    "128": r"128",
    "--model.hidden many": r"--model\.hidden: expected int, got many",
    "--model.lr fast": r"--model\.lr: expected float, got fast",
    "--trainer.max_epochs few": r"--trainer\.max_epochs: few is not of the right type",
    "--compare.mode sometimes": r"--compare\.mode: expected one of 'free', 'spot', 'off', got sometimes",
    "--compare.mode spot --compare.every_n_steps 0": r"--compare\.every_n_steps must be at least 1, got 0",
    "--config nowhere.yaml": r"--config: .*nowhere\.yaml",
    "--seed_everything -1": r"-1",
    "--model.dropout 1.5": r"dropout.*between 0 and 1.*1\.5",
    "--model.lr -1": r"learning rate.*-1",
    "--model.hidden -2": r"-2",
    "--model.hidden 0": r"every size of the model must be at least 1: nothing would be in fc1\.weight \(0, 64\), fc1\.bias \(0,\)",
    "--data.batch_size -1": r"--data\.batch_size.*must not be negative, got -1",
    "--data.seed -1": r"--data\.seed must not be negative, got .*-1",
    "--trainer.max_epochs 0": r"--trainer\.max_epochs.*must not be 0",
    "--trainer.max_epochs -3": r"max_epochs.*-3",
    "--trainer.accumulate_grad_batches 0": r"--trainer\.accumulate_grad_batches must be at least 1, got 0",
    "--trainer.log_every_n_steps 0": r"--trainer\.log_every_n_steps must be at least 1, got 0",
    "--trainer.gradient_clip_algorithm gently": r"gently.*'value', 'norm'",
    "--trainer.precision bf16-mixed": r"64-true or 32-true; for precision bf16-mixed .*--compare\.mode off",
    "--trainer.accelerator abacus": r"abacus",
    "--trainer.logger false": r"--trainer\.logger false",
    "--trainer.fast_dev_run true": r"--trainer\.fast_dev_run",
    "--ckpt nowhere.ckpt": r"unrecognized arguments: --ckpt",
    "--trainer.val_check_interval 0": r"--trainer\.val_check_interval must be more than 0, got 0",
    "--trainer.check_val_every_n_epoch -1": r"--trainer\.check_val_every_n_epoch must be at least 1, got -1",
    "--trainer.gradient_clip_val -1": r"--trainer\.gradient_clip_val must be at least 0, got -1",
    "--trainer.accelerator tpu": r"torch_xla",
    "--trainer.devices 0": r"--trainer\.devices",
    "--model.lr 1e400": r"--model\.lr must be a finite number, got inf",
    "--data.batch_size 99999999999999999999": r"--data\.batch_size must have no more than 63 bits",
    "--trainer.logger CSVLogger": r"--trainer\.logger: .*CSVLogger is not offered",
    "--trainer.enable_checkpointing false": r"--trainer\.enable_checkpointing false: .*; leave it out",
    "--trainer.barebones true": r"--trainer\.barebones true",
    "--trainer.overfit_batches 2": r"--trainer\.overfit_batches 2: .*--trainer\.limit_train_batches",
    "--trainer.profiler simple": r"--trainer\.profiler simple",
    "--trainer.callbacks+=LearningRateFinder": r"--trainer\.callbacks LearningRateFinder is not offered.*EarlyStopping",
    "--trainer.callbacks EarlyStopping(monitor=loss/val)": r"write --trainer\.callbacks\+=EarlyStopping",
    "--trainer.callbacks+=Nonsense": r"--trainer\.callbacks Nonsense is not offered.*EarlyStopping",
    "--trainer.callbacks+=StochasticWeightAveraging --trainer.callbacks.swa_lrs 0.1": r"Averaging changes .*--compare\.mode off",
    "--trainer.callbacks+=EarlyStopping --trainer.callbacks.monitor val_loss": r"as val_loss: .*accuracy/val, loss/",
    "--ckpt_path nowhere.ckpt": r"no checkpoint at nowhere\.ckpt",
}


@pytest.mark.parametrize("options", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(options: str, here: Path) -> None:
    status, out, err = command("run", "digits_mlp", *options.split())
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, BAD[options])
    assert list(here.iterdir()) == []


def test_what_the_data_decide_is_said_to_be_no_option(here: Path) -> None:
    status, out, err = command("run", "gpt", "--model.n_positions", "9")
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, r"--model\.n_positions is no option, for the data say it: their window")
    assert list(here.iterdir()) == []


LATE = {
    "--trainer.val_check_interval 99": r"--trainer\.val_check_interval: .*99.* number of the training batches",
    "--trainer.limit_train_batches 0.0001": r"--trainer\.limit_train_batches: .*0\.0001",
    "--trainer.max_time 00:00:00:00": r"not a single step was taken.*--trainer\.max_time",
}
"""What is only found out when training begins."""


@pytest.mark.parametrize("options", LATE)
def test_what_ends_a_run_before_its_first_step_leaves_nothing(options: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, undrawn(experiments.twin("digits_mlp")))
    status, _, err = command("run", "digits_mlp", *options.split())
    assert status == BAD_INPUT
    assert_one_line(err, LATE[options])
    assert list(here.iterdir()) == []


def test_a_pipe_is_refused_and_not_waited_for(here: Path) -> None:
    os.mkfifo(here / "pipe")
    for given in (("--config", "pipe"), ("--config=pipe",), ("--trainer", "pipe"), ("--data.csv", "pipe")):
        status, out, err = command("run", "wine_quality", *given)
        assert (status, out) == (BAD_INPUT, "")
        assert_one_line(err, "pipe is a pipe, not a file")


SPY = """
from pathlib import Path
Path("spied").write_text("code was run")
from pytorch_lightning.callbacks import Callback, EarlyStopping
from torch.optim import SGD
def function(*_): ...
"""
"""A module that leaves a file when it is imported."""


@pytest.mark.parametrize(
    "config",
    [
        "trainer: {callbacks: [{class_path: spy.Callback}]}",
        "trainer: {callbacks: {class_path: spy.EarlyStopping, init_args: {monitor: loss/val}}}",
        "trainer: {logger: {class_path: spy.Logger}}",
        "trainer: {plugins: [{class_path: spy.Plugin}]}",
        "trainer: {strategy: {class_path: spy.Strategy}}",
        "trainer: {profiler: {class_path: spy.Profiler}}",
        "trainer: {callbacks: [{class_path: LambdaCallback, init_args: {on_fit_start: spy.function}}]}",
        "optimizer: {class_path: spy.SGD, init_args: {lr: 0.1}}",
        "{optimizer: {class_path: SGD, init_args: {lr: 0.1}}, lr_scheduler: {class_path: LambdaLR, init_args: {lr_lambda: spy.function}}}",
        "model: {class_path: spy.Model}",
        "data: {class_path: spy.Data}",
    ],
)
def test_nobody_elses_file_runs_code_here(config: str, here: Path, tiny_run: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "spy.py").write_text(SPY)
    monkeypatch.syspath_prepend(here)
    (here / "foreign.yaml").write_text(config)
    (here / "checkpoints").mkdir()
    shutil.copy(tiny_run.folder / "checkpoints" / "last.ckpt", here / "checkpoints")
    (here / "config.yaml").write_text(config)  # as of a foreign run folder that is resumed
    for given in (("--config", "foreign.yaml"), ("--ckpt_path", "checkpoints/last.ckpt")):
        status, out, err = command("run", "digits_mlp", *given)
        assert (status, out) == (BAD_INPUT, "")
        assert_one_line(err, "")
    assert not (here / "spied").exists()
    assert "spy" not in sys.modules


@pytest.mark.parametrize(("concept", "option"), [("softmax_regression", "--model.features"), ("svd", "--model.rows")])
def test_a_model_that_the_data_do_not_fit_is_refused_before_anything_is_written(concept: str, option: str, here: Path) -> None:
    status, out, err = command("run", concept, option, "3")
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, "the data do not fit this model: ")
    assert list(here.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(here: Path) -> None:
    status, out, err = command("run", "digits_mlp", "--trainer.accelerator", "gpu")
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, "--trainer.accelerator gpu: this machine has no GPU")
    assert list(here.iterdir()) == []


def test_an_unknown_concept_gets_the_nearest_names(here: Path) -> None:
    status, out, err = command("run", "digit_cnn")
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, r"unknown concept 'digit_cnn': did you mean digits_cnn")
    assert list(here.iterdir()) == []


def test_a_file_in_the_way_of_the_run_directory(here: Path) -> None:
    (here / "runs").write_text("in the way")
    status, out, err = command("run", "digits_mlp")
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, r"runs/digits_mlp/version_0 cannot be written \(.*\): choose one with --trainer\.default_root_dir")
    assert (here / "runs").read_text() == "in the way"


def test_a_terminal_sees_one_line_too(tmp_path: Path) -> None:
    status, out, err = finished(python("-m", "experiments", "run", "digits_mlp", "--model.dropout", "1.5", folder=tmp_path))
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, "dropout")
    assert list(tmp_path.iterdir()) == []


# ---- bad checkpoints -------------------------------------------------------------------------------


class Bomb:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("exploded").write_text, ("bang",))


def tampered(change: Any) -> Any:
    """Save the checkpoint with something changed."""

    def write(path: Path) -> None:
        checkpoint = torch.load(path, weights_only=True)
        change(checkpoint)
        torch.save(checkpoint, path)

    return write


def reshape(state: dict[str, torch.Tensor]) -> None:
    state["fc1.bias"] = torch.zeros(3)
    state["fc9.bias"] = state.pop("fc2.bias")


CHECKPOINTS: dict[str, tuple[Any, str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-2000]), "not a readable checkpoint"),
    "empty": (lambda path: path.write_bytes(b""), "not a readable checkpoint"),
    "text": (lambda path: path.write_text("hello"), "not a readable checkpoint"),
    "something else": (
        lambda path: torch.save({"weights": torch.ones(2)}, path),
        "is not a checkpoint of digits_mlp: no run of this project",
    ),
    "a tensor": (lambda path: torch.save(torch.ones(2), path), "is not a checkpoint of digits_mlp"),
    "code": (lambda path: torch.save({"concept": "digits_mlp", "bomb": Bomb()}, path), "not a readable checkpoint"),
    "of another concept": (tampered(lambda c: c.update(concept="digits_cnn")), "is not a checkpoint of digits_mlp, but of digits_cnn"),
    "other weights": (tampered(lambda c: reshape(c["state_dict"])), r"fc1\.bias.*fc2\.bias.*fc9\.bias|fc2\.bias.*fc9\.bias.*fc1\.bias"),
    "no weights": (tampered(lambda c: c.pop("state_dict")), "state_dict"),
    "no loops": (tampered(lambda c: c.pop("loops")), "loops"),
    "no optimizer": (tampered(lambda c: c.pop("optimizer_states")), "optimizer"),
    "alone": (lambda path: path.parent.parent.joinpath("config.yaml").unlink(), r"not in its run directory: expected config\.yaml"),
}


@pytest.mark.parametrize("what", CHECKPOINTS)
def test_a_bad_checkpoint_is_refused_and_its_run_left_as_it_is(what: str, here: Path, tiny_run: Finished) -> None:
    spoil, words = CHECKPOINTS[what]
    folder = here / "runs" / "digits_mlp" / "version_0"
    shutil.copytree(tiny_run.folder, folder)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    spoil(checkpoint)
    before = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    status, out, err = command("run", "digits_mlp", "--ckpt_path", str(checkpoint))
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, words)
    assert {p: p.read_bytes() for p in here.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    "options",
    [["--model.hidden", "12"], ["--model.lr=1"], ["--data.batch_size", "7"]],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_a_resumed_run_keeps_its_model_and_its_data(options: list[str], here: Path, tiny_run: Finished) -> None:
    status, out, err = command("run", "digits_mlp", "--ckpt_path", str(tiny_run.folder / "checkpoints" / "last.ckpt"), *options)
    assert (status, out) == (BAD_INPUT, "")
    assert_one_line(err, rf"{options[0].partition('=')[0]}.*: a resumed run keeps the model and the data")


# ---- what is not finite ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concept", "lr", "words"),
    [
        ("hidden_layer", "1e200", r"error: step 1: the loss is nan; first not finite: torch: z2 \(NaN\); by hand: z2 \(NaN\)"),
        (
            "linear_regression",
            "1e200",
            r"error: step 1: the loss is inf; first not finite: torch: the loss \(Inf\); by hand: the loss \(Inf\)",
        ),
        (
            "digits_mlp",
            "1e200",
            r"error: step 1: the loss is nan; first not finite: torch: the output of fc\d \(\w+\); by hand: the output of fc\d",
        ),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run(concept: str, lr: str, words: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, undrawn(experiments.twin(concept)))
    status, out, err = command("run", concept, "--model.lr", lr)
    assert status == DISAGREE
    assert re.fullmatch(words + r".*\n", err), err
    folder = here / "runs" / concept / f"version_0-lr={float(lr):g}"
    assert len((folder / "curves.csv").read_text().splitlines()) == 1 + 1  # the step before it was judged
    assert str(folder.relative_to(here)) in out


def test_a_loss_that_is_not_finite_by_hand_alone_is_that_sides(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Overflows(nn.ReLU):
        def forward(self, x: np.ndarray) -> np.ndarray:
            self.calls = vars(self).get("calls", 0) + 1
            return super().forward(x) * (np.nan if self.calls > 2 else 1)

    class Hand(experiments.twin("digits_mlp").manual):  # type: ignore[misc]
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.relu.__class__ = Overflows

    use(monkeypatch, undrawn(replace(experiments.twin("digits_mlp"), manual=Hand)))
    status, _, err = command("run", "digits_mlp", *SHORT, "--trainer.max_steps", "9")
    assert status == DISAGREE
    assert re.fullmatch(
        r"error: step 2: the loss is nan by hand and [\d.]+ in torch; first not finite: by hand: the output of relu \(NaN\)\n", err
    ), err


def test_a_figure_that_cannot_be_drawn_is_an_error_with_its_name_but_does_not_cost_the_verdict(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*args: Any) -> Any:
        raise ZeroDivisionError("a pen without ink")

    use(monkeypatch, replace(undrawn(experiments.twin("digits_mlp")), figures=draw, before=draw))
    status, out, err = command("run", "digits_mlp", *SHORT)
    assert status == DISAGREE
    assert "They agree: 2 steps judged" in out
    place = r"test_a_figure.*<locals>\.draw, test_run\.py:\d+: ZeroDivisionError: a pen without ink"
    assert re.fullmatch(
        rf"error: a figure of step 0 cannot be drawn: {place}\nerror: a figure of step 2 cannot be drawn: {place}\n", err
    ), err
    assert "Traceback" not in err


def test_a_run_ends_with_what_to_do_next() -> None:
    exercise = "Now write it yourself:\n  python -m experiments exercise start {}"
    assert next_steps("one_weight") == [
        exercise.format("one_weight"),
        "and then the next concept:\n  python -m experiments run derivatives",
    ]
    ended = "That was the last of the beginner's path. What else there is:\n  python -m experiments list"
    assert next_steps(curriculum.PATH[-1]) == [exercise.format(curriculum.PATH[-1]), ended]
    assert next_steps("perceptron") == [exercise.format("perceptron")]  # nothing needs it
