"""Every concept draws all its figures, of the untrained and of the trained pair, in both precisions."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import experiments
from experiments import curriculum
from experiments.data.arrays import ArrayData
from experiments.drawing.figure import Captioned
from experiments.judge.convert import load_in_torch
from experiments.lesson import Trained
from experiments.lockstep.checks import data_for
from experiments.pair import Twin
from manual.concept import Batch
from manual.trainer import Trainer
from tests.drawing.colours import alike

NAMES = [e.name for e in curriculum.entries()]

LONGEST = 450
"""Characters of a caption."""


def in_precision(batch: Batch, dtype: str) -> Batch:
    """The arrays of a batch as a run of this precision hands them out."""
    return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in batch)


def barely_trained(twin: Twin, data: ArrayData, dtype: str, steps: int = 3) -> tuple[Any, Any]:
    """Both sides after a few steps, as a run hands them to the figures: in its precision, in eval mode."""
    ours, theirs = twin.build(dtype=dtype)
    Trainer(max_epochs=steps).fit(ours, [in_precision(data.two_batches(theirs)[0], dtype)])
    load_in_torch(twin.naming, theirs, ours.state_dict())
    return ours.eval(), theirs.eval()


def once(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """The same figure again for the same arguments."""
    made: dict[Any, tuple[Any, Figure]] = {}

    @functools.wraps(draw)
    def drawn(*arguments: Any, **settings: Any) -> Figure:
        key = tuple(a if isinstance(a, str | float | int) else id(a) for a in [*arguments, *settings.values()])
        if key not in made:
            made[key] = (arguments, settings), draw(*arguments, **settings)  # kept, so that no other object gets their id
        return made[key][1]

    return drawn


def draw_once_what_sees_no_model(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure of the data alone is the same in both precisions, and may take seconds."""
    for name, function in inspect.getmembers(script, inspect.isfunction):
        signature = inspect.signature(function)
        if signature.return_annotation == "Figure" and not {"manual", "torch_module"} & set(signature.parameters):
            monkeypatch.setattr(script, name, once(function))


def draw(figures: Mapping[str, Captioned], laid_out: str | None = None) -> None:
    """Into pixels, few of them, as TensorBoard's writer does; a warning is an error here.

    Args:
        figures: by name.
        laid_out: the one for which room is made for every label first, as in a run; it takes longer than the drawing.
    """
    for name, figure in figures.items():
        assert len(figure.caption) > 60, name
        if name != laid_out:
            figure.set_layout_engine("none")
        figure.set_dpi(20)
        FigureCanvasAgg(figure).draw()


def all_figures(twin: Twin, ours: Any, theirs: Any, data: ArrayData) -> dict[str, Captioned]:
    """Those of the untrained pair and those of the trained one."""
    assert twin.figures is not None
    return {**(twin.before(ours, theirs, data) if twin.before else {}), **twin.figures(ours, theirs, data)}


def tells_what_it_shows(figures: Mapping[str, Captioned]) -> None:
    """Colours that are told apart, a title for each panel, and a caption that is not too long."""
    for name, figure in figures.items():
        for ax in figure.axes:
            assert alike(ax) == [], name
        assert len(figure.caption) <= LONGEST, name
        assert figure.caption.endswith(".")
        titled = {ax.get_subplotspec() for ax in figure.axes if ax.get_title()}
        for ax in figure.axes:
            assert not ax.axison or ax.get_label() == "<colorbar>" or ax.get_subplotspec() in titled, f"a panel of {name} has no title"


def says_what_came_of_it(twin: Twin, ours: Any, theirs: Any, data: ArrayData, figures: Mapping[str, Figure]) -> None:
    """A sentence or two with numbers, and which figure to open."""
    assert twin.learned is not None
    assert twin.look_at is not None
    assert set(twin.further) <= {*figures, *twin.text} - {twin.look_at[0]}
    found = Trainer()
    found.attach(ours)
    own, dtype = data.val_batches(), next(ours.parameters()).dtype.name
    metrics = found.validate([in_precision(batch, dtype) for batch in ([data.split.val] if own is None else own)])
    said = twin.learned(Trained(ours, theirs, data, (1.5, 0.75, 0.25), metrics, True))
    assert re.fullmatch(r"[A-Z0-9].*\d.*\.", said), said
    assert len(said) < 320
    name, what = twin.look_at
    assert name in figures
    assert re.fullmatch(r".{30,}[.?]", what), "what to look for, in a sentence"
    assert {q.look_at[0] for q in twin.questions if q.look_at and isinstance(q.look_at[0], str)} <= set(figures)
    assert all(re.fullmatch(r".{25,}[.?]", q.look_at[1]) for q in twin.questions if q.look_at)


LONG = {
    "gpt",
    "sampling",
    "optimizers",
    "summation",
    "wine_quality",
    "lasso",
    "logistic_regression",
    "conditioning",
    "transfer",
    "lora",
    "gan",
    "bandit",
    "distillation",
}
"""Their figures train for seconds."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in NAMES])
def test_every_concept_draws_in_both_precisions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = experiments.twin(name)
    draw_once_what_sees_no_model(importlib.import_module(f"experiments.{twin.chapter}.{name}"), monkeypatch)
    data, _ = data_for(twin, 0)
    names, seen = [], set[Figure]()
    for dtype in ("float64", "float32"):
        ours, theirs = barely_trained(twin, data, dtype)
        figures = all_figures(twin, ours, theirs, data)
        assert twin.look_at is not None
        draw({n: f for n, f in figures.items() if f not in seen}, laid_out=twin.look_at[0])
        seen |= set(figures.values())
        names.append(list(figures))
        if dtype == "float64":
            tells_what_it_shows(figures)
        says_what_came_of_it(twin, ours, theirs, data, figures)
        assert {p.dtype.name for p in ours.parameters()} == {dtype}
        assert {p.dtype for p in theirs.parameters()} == {getattr(torch, dtype)}
        assert all(np.isfinite(p).all() for p in ours.parameters())
    assert names[0] == names[1]
    assert names[0]
