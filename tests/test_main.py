"""The door: which command gets which arguments, and the status that comes back."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import experiments
from experiments import __main__ as door
from experiments import curriculum
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE, INTERRUPTED, TERMINATED
from tests.helpers import ROOT, command


def test_the_statuses_are_those_that_the_help_promises() -> None:
    assert (AGREE, DISAGREE, BAD_INPUT, INTERRUPTED, TERMINATED) == (0, 1, 2, 130, 143)
    assert command("--help")[0] == 0
    promised = "0 agree, 1 disagree (or a loss that is not finite, a figure that cannot be drawn, or a wrong answer), "
    promised += "2 bad usage or input, 130 interrupted, 143 terminated"
    assert f"exit status: {promised}" in " ".join(door.EPILOG.split())
    assert max(map(len, door.EPILOG.splitlines())) <= 80


def test_without_arguments_it_reads_those_of_the_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["experiments", "list", "--path", "one_weight"])
    assert door.main() == AGREE
    _, *lines, _, _, _ = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["one_weight"]


@pytest.mark.parametrize("name", ["mutate", "bench"])
def test_the_tools_have_a_help_of_their_own_and_refuse_what_they_do_not_know(name: str) -> None:
    status, out, _ = command(name, "--help")
    assert status == 0
    assert f"usage: python -m experiments {name}" in out
    doc = import_module(door.LIBRARY[name]).__doc__.split("\n")[0]
    assert " ".join(doc.split())[:40] in " ".join(out.split())
    status, out, err = command(name, "--frobnicate")
    assert (status, out) == (BAD_INPUT, "")
    assert err == f"error: unrecognized arguments: --frobnicate (see python -m experiments {name} --help)\n"


@pytest.mark.parametrize("status", [AGREE, DISAGREE, BAD_INPUT])
def test_the_status_of_a_command_is_that_of_the_door(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.commands import check
    from experiments.commands import run as cli

    asked: list[Any] = []
    monkeypatch.setattr(cli, "run", lambda name, rest: asked.append((name, rest)) or status)
    monkeypatch.setattr(check, "check", lambda names, options: asked.append((names, vars(options))) or status)
    assert door.main(["run", "calculus.one_weight", "--trainer.max_epochs", "3"]) == status
    assert door.main(["check", "calculus/one_weight", "ridge"]) == status
    assert door.main(["check", "--steps", "7", "--seed", "4", "--dtype", "float32", "--device", "cuda:1", "--json"]) == status
    assert asked[0] == ("one_weight", ["--trainer.max_epochs", "3"])
    defaults = {"command": "check", "concepts": ["calculus/one_weight", "ridge"], "dtype": "float64", "device": "cpu"}
    assert asked[1] == (["one_weight", "ridge"], {**defaults, "steps": 50, "seed": 0, "json": False})
    given = {"command": "check", "concepts": [], "dtype": "float32", "device": "cuda:1", "steps": 7, "seed": 4, "json": True}
    assert asked[2] == ([], given)


@pytest.mark.parametrize("status", [AGREE, DISAGREE])
def test_a_script_runs_its_concept_with_the_options_of_its_process(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(door, "main", lambda arguments: asked.append(arguments) or status)
    monkeypatch.setattr(sys, "argv", ["ridge.py", "--model.lr", "1"])
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(ROOT / "experiments" / "regression" / "ridge.py"), raising=False)
    with pytest.raises(SystemExit) as left:
        experiments.run("ridge")
    assert (left.value.code, asked) == (status, [["run", "ridge", "--model.lr", "1"]])


def test_twins_are_all_of_the_curriculum_in_its_order() -> None:
    assert [twin.name for twin in experiments.twins()] == [e.name for e in curriculum.entries()]


def test_an_interruption_and_a_reader_that_left_have_statuses_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: list[str]) -> int:
        raise KeyboardInterrupt

    def unread(_: list[str]) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(door, "dispatch", interrupted)
    assert door.main(["list"]) == INTERRUPTED
    assert capfd.readouterr().err == "interrupted\n"
    moved: list[Any] = []
    monkeypatch.setattr(os, "dup2", lambda new, old: moved.append(old))
    monkeypatch.setattr(door, "dispatch", unread)
    assert door.main(["list"]) == BAD_INPUT
    assert moved == [sys.stdout.fileno()]


@pytest.mark.parametrize("arguments", [("run", "nothing"), ("check", "one_weight", "nothing"), ("list", "--path", "nothing")])
def test_an_unknown_concept_is_bad_input(arguments: tuple[str, ...]) -> None:
    status, out, err = command(*arguments)
    assert (status, out) == (BAD_INPUT, "")
    assert err.startswith("error: unknown concept 'nothing': ")


def test_one_thread_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.commands import check

    monkeypatch.setattr(check, "check", lambda names, options: AGREE)
    for given, found in ((None, "1"), ("3", "3")):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if given:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        assert door.main(["check", "one_weight"]) == AGREE
        assert os.environ["OMP_NUM_THREADS"] == found


SHARED = {
    "--dtype": ("float64", None),
    "--device": ("cpu", "cpu (default), cuda, cuda:1, ..."),
    "--seed": (0, "of weights, data order and noise (default 0)"),
}
OPTIONS: dict[str, dict[str, tuple[Any, str | None]]] = {
    "list": {
        "--path": (
            None,
            "what to read to get to this one, in order, with its minutes and what you have solved (default: the beginner's path)",
        ),
        "--words": (
            None,
            "what a word or a symbol means, and which concept explains it (default: all, in the order in which they are met)",
        ),
        "--markdown": (False, "as the table in the README"),
    },
    "run": {"concept": (None, "one of those that `list` shows; its options: run CONCEPT --help")},
    "check": {
        "concepts": (None, "all if none is named"),
        "--steps": (50, "of each trajectory (default 50)"),
        **SHARED,
        "--json": (False, "one JSON object per concept and line"),
    },
    "trace": {
        "concept": (None, None),
        "--step": (0, "which one (default 0, the first)"),
        **SHARED,
        "--json": (False, "a JSON list with an object for each tensor"),
    },
}
"""Of each command that declares its options at the door: each with its default and what its help says."""


def test_the_options_of_every_command_their_defaults_and_their_help() -> None:
    parser = door.command_parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    found = {
        name: {a.option_strings[0] if a.option_strings else a.dest: (a.default, a.help) for a in of._actions if a.dest != "help"}
        for name, of in commands.choices.items()
    }
    assert found == {**OPTIONS, **{name: {} for name in door.LIBRARY}}  # these declare their own
    help_of = {line.dest: line.help or "" for line in commands._choices_actions}
    assert {name for name, said in help_of.items() if len(said) > 30} >= set(door.LIBRARY)
    assert [(name, said) for name, said in help_of.items() if name not in door.LIBRARY] == [
        ("list", "the curriculum, the path, and what the words mean"),
        ("run", "train both sides of a concept, in lock-step"),
        ("check", "compare gradients and a short trajectory; writes no files"),
        ("trace", "one step, tensor by tensor: forward, and from the loss back"),
    ]
    assert [name for name, of in commands.choices.items() if of.add_help] == ["list", "check", "trace"]  # the others have their own
    described = "Every concept twice: by hand in NumPy and with torch.nn in Lightning, trained side by side."
    assert (parser.prog, parser.description, parser.epilog) == (door.PROGRAM, described, door.EPILOG)
    assert door.EPILOG in parser.format_help()  # line by line, as it is written


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "one_weight", "--ste=3"),
        ("trace", "one_weight", "--js"),
        ("list", "--word"),
        ("list", "--frobnicate"),
        ("list", "one_weight"),
    ],
)
def test_an_option_is_one_that_there_is_and_written_out(arguments: tuple[str, ...]) -> None:
    expected = f"error: unrecognized arguments: {arguments[-1]} (see {door.PROGRAM} --help)\n"
    assert command(*arguments) == (BAD_INPUT, "", expected)


def test_an_option_that_is_nearly_one_of_the_command_is_told_which() -> None:
    expected = f"error: unrecognized arguments: --inputs a.py; did you mean --input? (see {door.PROGRAM} doctor --help)\n"
    assert command("doctor", "--inputs", "x=3", "a.py") == (BAD_INPUT, "", expected)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("12", 12)])
def test_a_number_of_steps(text: str, number: int) -> None:
    assert door.positive(text) == number


def test_what_is_wrong_is_said_whole_where_it_is_short_and_cut_where_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given, cut in (("many", False), ("x" * 1000, True)):
        status, out, err = command("run", "digits_mlp", "--model.hidden", given)
        assert (status, out) == (BAD_INPUT, "")
        assert err.startswith(f"error: --model.hidden: expected int, got {given[:100]}")
        assert (" …" in err) is cut
        assert len(err) < 340
    assert list(tmp_path.iterdir()) == []


# ---- how it is called, and where it is read ------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_without_arguments_and_if_asked_it_says_what_there_is(arguments: tuple[str, ...]) -> None:
    status, out, err = command(*arguments)
    assert (status, err) == (AGREE, "")
    assert out.startswith("usage: python -m experiments")
    for name in ("list", "run", "check", "trace", "show", "mutate", "bench"):
        assert re.search(rf"^    {name} ", out, re.MULTILINE), name
    assert command("--version")[1].startswith("gradtwin 0.")


@pytest.mark.parametrize(("called", "program"), [("/bin/gradtwin", "gradtwin"), ("/x/__main__.py", "python -m experiments")])
def test_it_says_its_own_name(called: str, program: str) -> None:
    assert door.named(called) == program
    assert door.named(sys.argv[0]) == door.PROGRAM
    assert f"{door.PROGRAM} run digits_mlp --help" in door.EPILOG
    assert door.command_parser().prog == door.PROGRAM


def test_run_without_a_concept_says_how_to_name_one_if_asked() -> None:
    for flag in ("-h", "--help"):
        status, out, err = command("run", flag)
        assert (status, err) == (AGREE, "")
        assert "run CONCEPT --help" in out


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_that_lacks_a_character_shows_another(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (["list"], ["list", "--markdown"], ["run", "softmax_regression", "--help"]):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        assert door.main(arguments) == AGREE
        sys.stdout.flush()
        assert "softmax_regression" in raw.getvalue().decode(encoding)


def test_a_terminal_is_told_that_torch_is_being_loaded_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, found in ((True, "one weight · loading torch and Lightning …\r\x1b[K"), (False, "")):
        text = io.StringIO()
        text.isatty = lambda terminal=terminal: terminal  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", text)
        with door.loading("one weight"):
            assert text.getvalue() == found.partition("\r")[0]
        assert text.getvalue() == found
