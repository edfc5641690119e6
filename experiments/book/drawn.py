"""What is drawn of no run: the curriculum as a map, and how a schedule moves the learning rate."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from html import escape
from itertools import groupby

import numpy as np

import manual.optim
from experiments.curriculum import PATH, Entry
from experiments.judge.schedule_case import SCHEDULE_CASES, ScheduleCase, Scheduled

COLUMNS, NARROW, WIDE, ROW, LETTER, BEND = 4, 2, 212, 19, 6.7, 40
"""Of the map: how many chapters stand side by side, and how many on a telephone; and, in pixels, how wide each is, how high a line, how
wide a letter, and how far out a curve is pulled."""

MARGIN = 3 * BEND // 4 + 3
"""Pixels on the left for curves that bend that way: of what pulls at both ends a curve follows three quarters; names begin 3 behind it."""


def map_of(made: Sequence[Entry], folder: str, columns: int = COLUMNS) -> str:
    """An SVG: every name a link, and lines to it from what it needs, which stand out where it is pointed at or has the focus.

    Args:
        made: the concepts.
        folder: that their pages are in, from the page that shows it.
        columns: how many chapters stand side by side.
    """
    chapters = [(chapter, list(of)) for chapter, of in groupby(made, key=lambda e: e.chapter)]
    place: dict[str, tuple[float, float]] = {}
    out, top = list[str](), 0.0
    for begin in range(0, len(chapters), columns):
        for column, (chapter, of) in enumerate(chapters[begin : begin + columns]):
            out.append(f"<text class='chapter' x='{column * WIDE}' y='{top + ROW}'>{chapter.replace('_', ' ')}</text>")
            place |= {e.name: (column * WIDE, top + ROW * (line + 2.2)) for line, e in enumerate(of)}
        top += ROW * (3.5 + max(len(of) for _, of in chapters[begin : begin + columns]))
    for e in made:
        x, y = place[e.name]
        lines = [line_between(place[need], need, (x, y)) for need in e.needs if need in place]
        look = " class='on-path'" if e.name in PATH else ""
        name = f"<a href='{folder}/{e.name}.html'{look}><title>{escape(e.title)}</title><text x='{x}' y='{y}'>{e.name}</text></a>"
        out.append(f"<g>{''.join(lines)}{name}</g>")
    width = columns * WIDE + MARGIN
    return f"<svg class='map of-{columns}' viewBox='-{MARGIN} 0 {width} {top:.0f}' width='{width}'>{''.join(out)}</svg>"


def line_between(start: tuple[float, float], name: str, end: tuple[float, float]) -> str:
    """A curve from behind one name to the beginning of another; within a chapter, along its left side."""
    (x0, y0), (x1, y1) = (start[0] - 3, start[1] - 4), (end[0] - 3, end[1] - 4)
    if x0 == x1:
        return f"<path d='M{x0} {y0}C{x0 - 16} {y0} {x1 - 16} {y1} {x1} {y1}'/>"
    x0 += 6 + LETTER * len(name) if x1 > x0 else 0
    bend = BEND if x1 > x0 else -BEND
    return f"<path d='M{x0:.0f} {y0:.0f}C{x0 + bend:.0f} {y0:.0f} {x1 - BEND:.0f} {y1:.0f} {x1:.0f} {y1:.0f}'/>"


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
