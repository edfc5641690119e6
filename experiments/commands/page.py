"""report.html: a run on one page that needs nothing else: verdict, figures, lesson, both files side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from experiments.commands import report
from experiments.commands.album import Picture, as_file_name
from experiments.commands.markup import code_of, lesson_of, rendered
from experiments.judge.compare import Judge
from experiments.pair import Twin

NAME = "report.html"


def write_page(
    folder: Path,
    twin: Twin,
    judge: Judge | None,
    learned: Sequence[str],
    metrics: Mapping[str, Any],
    pictures: Sequence[Picture],
    command: str,
) -> Path:
    """Write the page into the run's folder.

    Args:
        folder: of the run.
        twin: the pair.
        judge: what was found; None if nothing was compared.
        learned: what came of the training, a sentence each.
        metrics: by side, "manual" and "torch", those of the last validation.
        pictures: the figures.
        command: that repeats the run.

    Returns: the file.
    """
    further = {as_file_name(name) for name in twin.further}
    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("default", "github-dark"))
    page = Environment(autoescape=True).from_string((files(__package__) / "page.html").read_text(encoding="utf-8"))
    text = page.render(
        title=twin.title,
        highlighting=f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}",
        agree=judge is None or judge.passed,
        verdict=report.verdict(judge) if judge else "Not compared (--compare.mode off).",
        learned=learned,
        metrics=report.metric_rows(metrics["manual"], metrics["torch"]),
        digits=report.digit_rows(judge) if judge and judge.steps else [],
        what_digits_mean=report.WHAT_DIGITS_MEAN,
        pictures=[p for p in pictures if p.name not in further],
        lesson=rendered(lesson_of(twin.manual)),
        more=[(name, rendered(text)) for name, text in twin.text.items() if name not in twin.further],
        further_pictures=[p for p in pictures if p.name in further],
        further_texts=[(name, rendered(text)) for name, text in twin.text.items() if name in twin.further],
        sides=[
            (name, look, cls.__module__.replace(".", "/") + ".py", highlight(code_of(cls), PythonLexer(), HtmlFormatter()))
            for name, look, cls in (("By hand", "by-hand", twin.manual), ("In torch", "torch", twin.torch))
        ],
        command=command,
        versions=", ".join(f"{name} {v}" for name, v in report.versions().items()),
    )
    (folder / NAME).write_text(text, encoding="utf-8")
    return folder / NAME
