"""Closed streams, deleted folders, signals and strange environments, before anything is run."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import __main__ as door
from experiments.commands import surroundings
from experiments.commands.outlet import Outlet
from experiments.commands.status import BAD_INPUT, INTERRUPTED, TERMINATED
from tests.helpers import command


@pytest.mark.parametrize(
    ("given", "found"),
    [("nonsense", "Agg"), ("SVG", "SVG"), ("agg", "agg"), ("module://matplotlib_inline.backend_inline", None), ("inline", None)],
)
def test_a_backend_that_matplotlib_does_not_know_is_not_used(given: str, found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", given)
    surroundings.give_backend()
    assert os.environ["MPLBACKEND"] == (found or given)


def test_streams_that_a_shell_has_closed_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    out = sys.stdout
    surroundings.give_streams()
    assert sys.stdout is out
    assert sys.stderr.write("nowhere") == 7
    sys.stderr.close()


FAULTS = """
import resource, sys
import numpy as np
from experiments.commands.surroundings import keep_memory

if sys.argv[1] == "kept":
    keep_memory()
def step():
    held = [np.ones(2**18) for _ in range(8)]
for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_was_freed_is_not_asked_for_again() -> None:
    """Eight arrays of 2 MiB, made and freed five times: 20,480 pages of 4 KiB, of which none need be asked for when they are kept."""
    kept, returned = (int(subprocess.check_output([sys.executable, "-c", FAULTS, how], text=True)) for how in ("kept", "returned"))
    assert kept < 100 < returned


def test_a_deleted_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    status, out, err = command("run", "digits_mlp")
    assert (status, out) == (BAD_INPUT, "")
    assert err == "error: the current folder was deleted, or may not be read: change into another\n"


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGTERM, TERMINATED, "terminated"), (signal.SIGINT, INTERRUPTED, "interrupted")]
)
def test_a_signal_is_one_line_whatever_the_command(
    number: signal.Signals, status: int, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(door, "dispatch", lambda arguments: signal.raise_signal(number))
    assert door.main(["list"]) == status
    assert capsys.readouterr().err == f"{word}\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_output_costs_what_is_printed_and_nothing_else(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        outlet = Outlet(full)
        assert outlet.write("lost") == 4
        assert outlet.write("lost, too") == 9
    assert capfd.readouterr().err == (
        "error: what the run says cannot be written (No space left on device); its reports are in its folder\n"
    )


def test_a_reader_that_has_left_costs_nothing(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        assert Outlet(unread).write("lost") == 4
    assert capfd.readouterr().err == ""
