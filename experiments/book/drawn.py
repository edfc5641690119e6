"""The curriculum as a map: each concept a name that can be clicked, with a line to what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from itertools import groupby

import matplotlib as mpl
from matplotlib.figure import Figure

from experiments.curriculum import PATH, Entry

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
