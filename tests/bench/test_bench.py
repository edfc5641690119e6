"""`bench --plain`: every pair of forms is measured, by forms that run as they should, and a row fits a terminal of 80 columns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from experiments.bench import forms
from experiments.bench.forms import FORMS, both
from manual.nn import faster
from tests.helpers import command


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The plain forms of all pairs whose faster form has run since."""
    run: list[Any] = []
    for plain, fast in faster.FASTER.items():
        monkeypatch.setitem(faster.FASTER, plain, lambda *args, plain=plain, fast=fast: (run.append(plain), fast(*args))[1])
    return run


def test_every_pair_is_measured_by_some_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(monkeypatch)
    for name, (_, sizes) in FORMS.items():
        before = len(run)
        both(name, sizes[0])[1]()
        assert len(run) > before, name
    assert set(run) == set(faster.FASTER)


def test_the_first_of_both_runs_no_faster_form(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = both("layer_norm", {"N": 3, "D": 5})
    run = recorded(monkeypatch)
    plain()
    assert run == []


def test_a_row_has_the_factor_and_fits_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(forms, "timed", lambda plain, fast, **_: ([3e-3, 4e-3, 5e-3], [2e-3, 2e-3, 2e-3]))
    (own, larger) = forms.measure_forms("embedding")
    assert (own["factor"], own["low"], own["high"], own["ms_plain"], own["ms_fast"]) == (2.0, 1.5, 2.5, 4.0, 2.0)
    assert larger["sizes"] == {"N": 4096, "V": 10000, "D": 64}
    monkeypatch.setenv("COLUMNS", "80")
    forms.show_forms(forms.Console(), [{**larger, "name": "cross_entropy", "low": 874.4, "high": 1498.0}])
    *_, row = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert row.split() == ["cross_entropy", "2.00", "874-1498", "4.00", "2.00", "N4096", "V10000", "D64"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["nosuch"], "see `bench --help`"),
        (["lockstp"], "did you mean lockstep?"),
        (["conv2"], "did you mean conv2d?"),
        (["--plain", "transformer"], "see `bench --help`"),
        (["--plain", "rms_nrm"], "did you mean rms_norm?"),
    ],
)
def test_a_work_that_is_not_there_is_told_with_those_that_are_nearly_called_so(arguments: list[str], hint: str) -> None:
    assert command("bench", *arguments) == (2, "", f"error: unknown work {arguments[-1]!r}: {hint}\n")


def test_the_names_are_those_of_the_layers_with_two_forms() -> None:
    status, out, _ = command("bench", "--plain", "--json", "rms_norm")
    assert status == 0
    assert [json.loads(line)["sizes"] for line in out.splitlines()] == [dict(s) for s in FORMS["rms_norm"][1]]
