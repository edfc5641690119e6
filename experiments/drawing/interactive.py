"""Pictures that a reader moves: sliders, panels and a sentence, as data in which a page only looks up what it draws.

Every number and every sentence is computed here, by functions of what the sliders stand at; a page computes nothing. A function is asked
for all combinations of the sliders that its arguments are named after, and of no others:

    Dots(lambda lr: train(x, y, 0.0, lr, 8), ...)           as many lists as lr has values
    Line(1.0, lambda lr, steps: ...)                        a list for each pair
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

Moving = Any
"""Numbers, or text; or a function of sliders, by their names, that gives such. NaN among the places of a line interrupts it."""


@dataclass(frozen=True)
class Slider:
    """What a reader moves.

    Args:
        name: of the argument that it is, in the functions beside it.
        values: that it can stand at.
        start: the one that it begins with.
        label: what is written before it; the name unless given.
        written: how a value is written.
    """

    name: str
    values: Sequence[Any]
    start: Any
    label: str = ""
    written: str = "{:g}"

    @property
    def at(self) -> int:
        """The place of the value that it begins with.

        Raises:
            ValueError: if it is none of them.
        """
        found = [i for i, value in enumerate(self.values) if value == self.start]
        if len(found) != 1:
            raise ValueError(f"{self.name} begins with {self.start!r}, which is not one of its {len(self.values)} values")
        return found[0]

    def data(self) -> dict[str, Any]:
        """What a page needs of it."""
        written = [minus(self.written.format(value)) for value in self.values]
        return {"kind": "slider", "name": self.name, "label": self.label or self.name, "at": self.at, "written": written}


@dataclass(frozen=True)
class Words(Slider):
    """A text of which a reader points at a word: its values are the words' places, and each word is lit by a weight.

    Args:
        words: the text.
        weights: of each word, 0 to 1.
    """

    words: Sequence[str] = ()
    weights: Moving = ()

    def data(self) -> dict[str, Any]:
        """The same, with the words."""
        found = super().data()
        written = [f"{place}: {word}" for place, word in zip(found["written"], self.words, strict=True)]
        return {**found, "kind": "words", "written": written, "words": list(self.words), "weights": self.weights}


# ---- what is drawn -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """Places that are joined.

    Args:
        x, y: of the places.
        look: how it looks, by a name that the page's style sheet knows.
        first: how many of them are drawn; all unless given.
    """

    x: Moving
    y: Moving
    look: Moving
    first: Moving = None


@dataclass(frozen=True)
class Dots:
    """Places that are marked.

    Args:
        x, y: of the places.
        look: as of a line.
        shape: of each: "o" round, "s" square, "*" a star, "ring".
        first: how many of them are drawn; all unless given.
    """

    x: Moving
    y: Moving
    look: Moving
    shape: str = "o"
    first: Moving = None


@dataclass(frozen=True)
class Bars:
    """Bars that stand on 0.

    Args:
        x: the middle of each.
        y: its height.
        look: as of a line.
        width: of all.
    """

    x: Moving
    y: Moving
    look: Moving
    width: float = 0.7


@dataclass(frozen=True)
class Texts:
    """Words in the picture.

    Args:
        x, y: the middle of the foot of each.
        text: what is written at each place.
    """

    x: Moving
    y: Moving
    text: Moving


@dataclass(frozen=True)
class Cells:
    """A picture of squares, one unit wide, that of row i and column j around the place (j, i).

    Args:
        values: rows of numbers between −1 and 1: how dark each is.
        look: "ink", or "signed": two colours, of numbers above and below 0.
        first: how many of them are drawn, row by row; all unless given.
    """

    values: Moving
    look: str
    first: Moving = None


Mark = Line | Dots | Bars | Texts | Cells
"""What can be drawn in a panel."""


@dataclass(frozen=True)
class Axis:
    """An axis of a panel.

    Args:
        label: what it is.
        low, high: its ends.
        ticks: what is written at which place; round numbers unless given.
    """

    label: str
    low: float
    high: float
    ticks: Mapping[float, str] | None = None

    def data(self) -> dict[str, Any]:
        """What a page needs of it."""
        return {"label": self.label, "low": self.low, "high": self.high, "ticks": [*self.written().items()]}

    def written(self) -> Mapping[float, str]:
        """What is written at which place."""
        if self.ticks is not None:
            return self.ticks
        places = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        return {float(f"{v:.6g}"): minus(f"{v:g}") for v in places if self.low <= v <= self.high}


@dataclass(frozen=True)
class Panel:
    """A picture with two axes.

    Args:
        title: what it shows, in few words.
        x, y: its axes; one that begins with its larger end runs the other way.
        marks: what is drawn, the last on top.
        equal: whether one unit is as long on both axes.
    """

    title: str
    x: Axis
    y: Axis
    marks: Sequence[Mark]
    equal: bool = False


@dataclass(frozen=True)
class Interactive:
    """A picture that a reader moves.

    Args:
        title: in few words.
        caption: what it teaches, and what to do.
        sliders: what is moved.
        says: sentences that say what is to be seen, for who does not see it, or sees it and wonders. What depends on fewer sliders is
            best said in a sentence of its own: there are fewer of them.
        panels: what is drawn; a text alone needs none.
    """

    title: str
    caption: str
    sliders: Sequence[Slider]
    says: Sequence[Moving]
    panels: Sequence[Panel] = ()

    def data(self) -> dict[str, Any]:
        """All that a page needs, in all positions of the sliders, as JSON has it.

        Raises:
            ValueError: if a function has an argument that is no slider, or two sliders have one name.
        """
        values = {slider.name: slider.values for slider in self.sliders}
        if len(values) != len(self.sliders):
            raise ValueError(f"{self.title}: two sliders have one name, {', '.join(slider.name for slider in self.sliders)}")
        of = {"title": self.title, "caption": self.caption, "says": self.says, "sliders": self.sliders, "panels": self.panels}
        found: dict[str, Any] = {name: computed(value, values) for name, value in of.items()}
        return found


def computed(what: Any, values: Mapping[str, Sequence[Any]]) -> Any:
    """It as JSON has it; of a function, all that it gives.

    Args:
        what: anything of the above.
        values: of the sliders, by name.
    """
    if callable(what):
        return in_all_positions(what, values)
    if isinstance(what, Mark):
        of = {field.name: getattr(what, field.name) for field in fields(what)}
        return computed({"kind": type(what).__name__.lower(), **of}, values)
    if isinstance(what, Panel):
        return computed({field.name: getattr(what, field.name) for field in fields(what)}, values)
    if isinstance(what, Slider | Axis):
        return computed(what.data(), values)
    if isinstance(what, dict):
        return {name: computed(value, values) for name, value in what.items()}
    if isinstance(what, list | tuple | range):
        return [computed(value, values) for value in what]
    return plain(what)


def in_all_positions(function: Callable[..., Any], values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """What it gives: lists within lists, "of", one level for each slider that it depends on; and which these are, "on"."""
    names, order = [*inspect.signature(function).parameters], [*values]
    unknown = [name for name in names if name not in values]
    if unknown:
        raise ValueError(f"a function of {', '.join(unknown)}: the sliders are {', '.join(order)}")

    def level(given: dict[str, Any]) -> Any:
        if len(given) == len(names):
            return plain(function(**given))
        name = names[len(given)]
        return [level({**given, name: value}) for value in values[name]]

    return {"on": [order.index(name) for name in names], "of": level({})}


def plain(what: Any) -> Any:
    """Numbers with five digits, more than any picture shows; what is not finite is null."""
    if isinstance(what, np.ndarray | np.generic):
        what = what.tolist()
    if isinstance(what, list | tuple | range):
        return [plain(value) for value in what]
    if isinstance(what, float):
        rounded = float(f"{what:.5g}")
        return None if not np.isfinite(what) else int(rounded) if rounded.is_integer() else rounded
    return what


def picked(what: Any, at: Sequence[int]) -> Any:
    """What stands in `data` for these positions of all sliders, as the page looks it up."""
    if isinstance(what, dict) and "on" in what:
        found = what["of"]
        for slider in what["on"]:
            found = found[at[slider]]
        return found
    return what


def after(function: Callable[..., Any], then: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of the same sliders, which gives `then` of what that one gives."""
    return wraps(function)(lambda **at: then(function(**at)))


def minus(text: str) -> str:
    """Text whose minus signs are such, and no hyphens."""
    return text.replace("-", "−")
