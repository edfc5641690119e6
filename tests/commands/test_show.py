"""`show`: what it refuses, and what it opens. The server itself: test_board."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from experiments.commands import show
from experiments.commands.status import AGREE, BAD_INPUT
from tests.helpers import command


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of one concept, as far as TensorBoard asks."""
    for version in (0, 1):
        folder = tmp_path / "runs" / "one_weight" / f"version_{version}" / "compare"
        folder.mkdir(parents=True)
        (folder / "events.out.tfevents.1").touch()
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["one_weigth"], "error: unknown concept 'one_weigth': did you mean one_weight?"),
        (["ridge"], "error: there is no run in {runs}/ridge: begin with python -m experiments run ridge"),
        (["--runs", "{runs}/nowhere"], "error: there is no run in {runs}/nowhere: begin with python -m experiments run CONCEPT"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(arguments: list[str], error: str, runs: Path) -> None:
    found = command("show", "--runs", str(runs), *(a.format(runs=runs) for a in arguments))
    assert found == (BAD_INPUT, "", error.format(runs=runs) + "\n")


def test_a_server_that_does_not_start_is_an_error(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(folder: Path, port: int) -> str:
        raise RuntimeError(f"port {port} is taken")

    monkeypatch.setattr(show, "serve", taken)
    assert command("show", "--runs", str(runs), "--port", "80") == (BAD_INPUT, "", "error: TensorBoard did not start: port 80 is taken\n")


@pytest.mark.parametrize(("concept", "shown", "by_side"), [(["one_weight"], "one_weight", False), ([], "", False)])
def test_the_browser_is_opened_at_what_is_served(
    concept: list[str], shown: str, by_side: bool, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, opened = [], []
    monkeypatch.setattr(show, "serve", lambda folder, port: served.append((folder, port)) or "http://127.0.0.1:7/")
    monkeypatch.setattr(show.webbrowser, "open", opened.append)

    class Pressed:
        def wait(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(show.threading, "Event", Pressed)
    status, out, err = command("show", "--runs", str(runs), *concept)
    assert (status, err) == (AGREE, "")
    assert served == [(runs / shown, 0)]
    assert out.splitlines()[0] == f"TensorBoard: {opened[0]}"
    assert ("runColorGroup" in parse_qs(urlparse(opened[0]).query)) == by_side


def test_a_single_run_is_coloured_by_side() -> None:
    assert parse_qs(urlparse(show.view(single=True)).query)["runColorGroup"] == ["regex:(manual|torch|compare|required)"]
