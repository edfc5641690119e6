"""What is drawn of no run: the curriculum as a map, and how a schedule moves the learning rate."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from html import escape
from io import StringIO
from itertools import groupby

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import manual.optim
from experiments.curriculum import PATH, Entry
from experiments.judge.schedule_case import SCHEDULE_CASES, ScheduleCase, Scheduled

ROW, COLUMN = 0.26, 1.75
"""Inches between two names, and between two chapters."""


def map_of(made: Sequence[Entry]) -> str:
    """An SVG: a column for each chapter."""
    chapters = [(chapter, list(of)) for chapter, of in groupby(made, key=lambda e: e.chapter)]
    place = {e.name: (x * COLUMN, -y * ROW) for x, (_, of) in enumerate(chapters) for y, e in enumerate(of, 1)}
    rows = max((len(of) for _, of in chapters), default=1)
    fig = Figure(figsize=(COLUMN * len(chapters) + 0.2, ROW * (rows + 2)))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-0.1, COLUMN * len(chapters)), ylim=(-ROW * (rows + 1), ROW))
    ax.axis("off")
    for e in made:
        for need in e.needs:
            if need in place:
                (x0, y0), (x1, y1) = place[need], place[e.name]
                line = {"arrowstyle": "-", "connectionstyle": "arc3,rad=0.15", "color": "#8888", "linewidth": 0.7, "zorder": 0}
                ax.annotate("", (x1, y1), (x0 + (1.2 if x1 != x0 else 0), y0), arrowprops=line)
    for x, (chapter, _) in enumerate(chapters):
        ax.text(x * COLUMN, 0.3 * ROW, chapter.replace("_", " "), fontsize=9, fontweight="bold")
    for e in made:
        weight = "bold" if e.name in PATH else "normal"
        ax.text(*place[e.name], e.name, fontsize=8, va="center", fontweight=weight, color="#1a6fa8", url=f"../concepts/{e.name}.html")
    out = StringIO()
    with mpl.rc_context({"svg.hashsalt": "gradtwin", "svg.fonttype": "none"}):
        fig.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return out.getvalue()


STEPS, WIDTH, HEIGHT = 40, 480, 150
"""Of the course of a schedule."""


def course_of(name: str) -> str:
    """How the first case of a schedule moves the learning rate, as HTML with its call above it; nothing where there is no case."""
    import experiments.cases.optim.lr_scheduler  # noqa: F401  registers them

    case = next((c for c in SCHEDULE_CASES if c.name == name), None)
    if case is None:
        return ""
    lrs = moved(case)
    top, xs = max(lrs), np.linspace(60, WIDTH - 10, len(lrs))
    points = " ".join(f"{x:.1f},{HEIGHT - 25 - lr / top * (HEIGHT - 40):.1f}" for x, lr in zip(xs, lrs, strict=True))
    said = f"lr over {STEPS} steps: {lrs[0]:.3g} at the first, {lrs[-1]:.3g} at the last, between {min(lrs):.3g} and {top:.3g}."
    return (
        f"<pre>{escape(call_of(case))}</pre>"
        f"<figure class='course'><svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{said}'>"
        f"<line x1='60' y1='{HEIGHT - 25}' x2='{WIDTH - 10}' y2='{HEIGHT - 25}'/><line x1='60' y1='15' x2='60' y2='{HEIGHT - 25}'/>"
        f"<text x='54' y='19' text-anchor='end'>{top:.3g}</text><text x='54' y='{HEIGHT - 21}' text-anchor='end'>0</text>"
        f"<text x='{WIDTH - 10}' y='{HEIGHT - 8}' text-anchor='end'>{STEPS} steps</text><polyline points='{points}'/></svg>"
        f"<figcaption>{said}</figcaption></figure>"
    )


def moved(case: ScheduleCase) -> list[float]:
    """The learning rate of the first group at each step, by hand. One that follows a metric is told of a loss that falls for a while."""
    side = Scheduled(manual.optim, case)
    lrs = []
    for step in range(STEPS):
        lrs.append(float(side.optimizer.param_groups[0]["lr"]))
        side.move(*([max(10.0 - step, 0.0)] if case.metric else []))
    return lrs


def call_of(case: ScheduleCase) -> str:
    """How the case makes it, as one writes it."""
    (function,) = ast.parse(inspect.getsource(case.build)).body
    assert isinstance(function, ast.FunctionDef)
    text = "\n".join(ast.unparse(statement) for statement in function.body)
    for pattern, said in ((r", \*\*more", ""), (r"\bs\.", ""), (r"\bo\b", "optimizer"), (r"^return ", "")):
        text = re.sub(pattern, said, text, flags=re.MULTILINE)
    return text
