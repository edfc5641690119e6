"""A run from within Python, as in a notebook: what it found, and its figures."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.commands import report
from experiments.commands.album import Picture
from experiments.commands.run import run
from experiments.commands.run_options import RunCLI


@dataclass(frozen=True)
class Result:
    """What came of a run. A notebook shows it with its figures.

    Attributes:
        status: the exit status of the command; 0 if both sides agree.
        verdict: in a sentence.
        metrics: by side, "manual" and "torch", those of the last validation.
        figures: as they were drawn, in order; each has a title, a file (a PNG) and a caption.
        folder: of the run.
        manual, torch: both sides, trained.
        data: what they were trained on.
    """

    status: int
    verdict: str
    metrics: Mapping[str, Mapping[str, float]]
    figures: tuple[Picture, ...]
    folder: Path
    manual: Any
    torch: Any
    data: Any

    @property
    def curves(self) -> pd.DataFrame:
        """Loss and errors of both sides, a row for each step."""
        return pd.read_csv(self.folder / "curves.csv")

    def __repr__(self) -> str:
        return f"{self.verdict}\n{len(self.figures)} figures in {self.folder / 'figures'}"

    def _repr_html_(self) -> str:
        """Verdict and figures, as Jupyter shows them."""
        shown = [
            f'<figure><h4>{html.escape(p.title)}</h4><img alt="{html.escape(p.caption)}" src="{p.address}">'
            f"<figcaption>{html.escape(p.caption)}</figcaption></figure>"
            for p in self.figures
        ]
        return f"<p><b>{html.escape(self.verdict)}</b></p>{''.join(shown)}"


class Failed(RuntimeError):
    """The run could not be begun, or was interrupted; why has been printed."""


def result_of(name: str, arguments: list[str]) -> Result:
    """Train both sides of a concept, and return what came of it.

    Raises:
        Failed: if nothing came of it.
    """
    made: list[RunCLI] = []
    status = run(name, arguments, made.append)
    if not made:
        raise Failed(f"{name} was not trained (status {status}); the line above says why")
    (cli,) = made
    lockstep = cli.lockstep
    verdict = report.verdict(lockstep.judge) if lockstep.comparing else "Not compared (--compare.mode off)."
    file = cli.folder / "report.json"
    metrics = json.loads(file.read_text(encoding="utf-8"))["metrics"] if file.is_file() else {}
    figures = tuple(cli.board.album.pictures())
    return Result(status, verdict, metrics, figures, cli.folder, lockstep.hand.model, cli.model, cli.datamodule)
