"""`run CONCEPT --help`: every option of the concept, with what it does and its default, in 80 columns."""

from __future__ import annotations

import inspect

import pytest

import experiments
from experiments import curriculum
from experiments.commands import help as helping
from tests.helpers import command

NAMES = [e.name for e in curriculum.entries()]


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_a_concept_is_explained_in_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    helping.show_help(name)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    twin = experiments.twin(name)
    for group, options in (("model", helping.of_the_model(twin)), ("data", helping.of_the_data(twin))):
        for option, what in options:
            assert f"  {option} " in out or f"  {option}\n" in out
            assert len(what.partition("(default")[0]) > 4, f"{option} is not explained"
            assert option.startswith(f"--{group}.")
    chosen = set(twin.hyperparameters()) - set(twin.linked())  # what the data decide is no option
    assert {option.removeprefix("--model.") for option, _ in helping.of_the_model(twin)} == chosen
    assert {option.removeprefix("--data.") for option, _ in helping.of_the_data(twin)} == set(inspect.signature(twin.data).parameters)


def test_the_help_of_a_run() -> None:
    status, out, err = command("run", "digits_mlp", "--help")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "usage: python -m experiments run digits_mlp [OPTION VALUE ...]"
    assert "  --model.hidden              units of the hidden layer (default 128)" in lines
    assert "  --trainer.max_epochs N      how often all examples are seen (default 20)" in lines
    assert len(lines) < 60
    assert command("run", "digits_mlp", "-h")[1] == out


def test_all_of_lightnings_options() -> None:
    status, out, _ = command("run", "digits_mlp", "--help-all")
    assert status == 0
    assert "--trainer.check_val_every_n_epoch" in out
    assert len(out.splitlines()) > 300


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("--lr 0.1", "--model.lr"),
        ("--model.hiden=3", "--model.hidden"),
        ("--batch_size 3", "--data.batch_size"),
        ("--trainer.max_epoch 3", "--trainer.max_epochs"),
        ("--max_epochs 3", "--trainer.max_epochs"),
        ("--frobnicate 3", None),
    ],
)
def test_an_option_that_there_is_not_is_answered_with_the_nearest(asked: str, meant: str | None) -> None:
    twin = experiments.twin("digits_mlp")
    assert helping.did_you_mean(twin, f"unrecognized arguments: {asked}") == (f"; did you mean {meant}?" if meant else "")
    status, out, err = command("run", "digits_mlp", *asked.split())
    assert (status, out) == (2, "")
    assert err.endswith(f"; did you mean {meant}?\n" if meant else " (see --help)\n")
