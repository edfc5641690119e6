"""The pages of layers, optimizers and schedules: what the docstring says, and the lines of both sides."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypedDict

import torch

import manual.nn
import manual.optim
from experiments.book.drawn import course_of
from experiments.book.pages import GLOSSARY, html, page
from experiments.book.prose import lesson, sections
from experiments.book.sides import Shapes, in_spans
from experiments.glossary import TERMS

SINGLE = "_single_tensor_"
"""How a function of torch begins that does what an optimizer's `update` does by hand, of the optimizer's module."""


@dataclass(frozen=True)
class Library:
    """A package of classes that torch has too.

    Args:
        title: of the page that lists them.
        folder: of their pages.
        package: by hand.
        twin: torch's.
        base: what they all inherit, whose methods say nothing of one of them.
        functions: what is shown of each, and what torch calls it; "" where torch has none.
    """

    title: str
    folder: str
    package: Any
    twin: Any
    base: type | None
    functions: dict[str, str]

    def classes(self) -> list[type]:
        """The public ones, by name."""
        found = [c for name, c in vars(self.package).items() if not name.startswith("_") and inspect.isclass(c)]
        return sorted({c for c in found if c.__module__.startswith("manual.")}, key=lambda c: c.__name__)


LIBRARIES = (
    Library("Layers", "layers", manual.nn, torch.nn, None, {"forward": "forward", "backward": ""}),
    Library(
        "Optimizers",
        "optimizers",
        manual.optim,
        torch.optim,
        manual.optim.Optimizer,
        {"new_state": "_init_group", "update": SINGLE, "take_step": "step"},
    ),
    Library(
        "Learning-rate schedules",
        "schedules",
        manual.optim.lr_scheduler,
        torch.optim.lr_scheduler,
        manual.optim.lr_scheduler.LRScheduler,
        {"get_lr": "get_lr", "closed_form_lr": "_get_closed_form_lr", "step": "step"},
    ),
)


def of_class(cls: type, library: Library, told: Told | None = None) -> str:
    """The page of a class.

    Args:
        cls: by hand.
        library: that it is of.
        told: what a run of it has shown, if there was one.
    """
    twin, shapes = getattr(library.twin, cls.__name__, None), told["shapes"] if told else {}
    parts = [("", html(lesson(sections(inspect.getdoc(cls) or ""), list(TERMS), GLOSSARY)))]
    if drawn := course_of(cls.__name__) if library.folder == "schedules" else "":
        parts.append(("For example", html(drawn)))
    if told:
        said = f"Beside each line stands what it makes, with its shape, in a run of <code>{escape(told['call'])}</code> on "
        parts.append(("", html(f"<p>{said}{in_spans(told['given'], ', ')}.</p>")))
    parts += derivation(cls, shapes) + of_base(cls)
    methods = own_methods(cls, library)
    for name in methods:
        other = in_torch(twin, library.functions[name]) if twin else ""
        parts.append((name, directive(f"{dotted(cls)}.{name}", f" {other}", shapes)))
    parts += [(function.rpartition(".")[2], directive(function, "", shapes)) for function in made_of(cls, methods)]
    return page(cls.__name__, *parts)


class Told(TypedDict):
    """What a run of a class has shown.

    Attributes:
        call: how it was made.
        given: the shapes of its arguments, by name.
        shapes: of what the lines make of each function that its page shows, by the function's dotted name.
    """

    call: str
    given: dict[str, list[int]]
    shapes: dict[str, Shapes]


def dotted(cls: type) -> str:
    """Its name with its module's."""
    return f"{cls.__module__}.{cls.__qualname__}"


def directive(function: str, other: str, shapes: Mapping[str, Shapes]) -> str:
    """`twin` of a function by hand and what it is in torch, if that is anything."""
    option = f"   :shapes: {json.dumps(of)}\n" if (of := shapes.get(function)) else ""
    return f".. twin:: {function}{other}\n{option}"


def own_methods(cls: type, library: Library) -> list[str]:
    """Those that its page shows."""
    return [name for name in library.functions if shown(cls, name, library.base)]


def functions_shown(cls: type, library: Library) -> list[str]:
    """The dotted names of all functions by hand whose lines its page shows."""
    methods = own_methods(cls, library)
    return [*ways_elsewhere(cls), *(f"{dotted(cls)}.{name}" for name in methods), *made_of(cls, methods)]


ELSEWHERE = re.compile(r"`(\w+)` of (\w+)\.py has the derivation, arguments and shapes in (\w+)")
"""How a docstring says that what it would say stands in another function and another class."""


def ways_elsewhere(cls: type) -> list[str]:
    """The dotted names of that function and its way back, where a docstring says so."""
    m = ELSEWHERE.search(inspect.getdoc(cls) or "")
    return [f"{cls.__module__.rpartition('.')[0]}.{m[2]}.{name}" for name in (m[1], f"{m[1]}_backward")] if m else []


def derivation(cls: type, shapes: Mapping[str, Shapes]) -> list[tuple[str, str]]:
    """What is said elsewhere of a class, as sections: the function that it is made of, both ways, and its arguments."""
    m = ELSEWHERE.search(inspect.getdoc(cls) or "")
    if m is None:
        return []
    there, back = ways_elsewhere(cls)
    function, arguments = getattr(sys.modules[there.rpartition(".")[0]], m[1]), getattr(sys.modules[cls.__module__], m[3])
    texts = [html(lesson(sections(inspect.getdoc(of) or ""), list(TERMS), GLOSSARY)) for of in (function, arguments)]
    ways = "".join(f"{directive(name, '', shapes)}\n" for name in (there, back))
    return [("One layer, in one direction", f"{texts[0]}\n{ways}"), ("Arguments and shapes", texts[1])]


BASE = re.compile(r"see (_\w+)")
"""How a docstring says that the class that it inherits says the rest."""


def of_base(cls: type) -> list[tuple[str, str]]:
    """What is said of a class by the one that it inherits, which has no page, as a section."""
    m = BASE.search(inspect.getdoc(cls) or "")
    base = next((b for b in cls.__mro__ if m and b.__name__ == m[1]), None)
    said = lesson(sections(inspect.getdoc(base) or ""), list(TERMS), GLOSSARY) if base else ""
    return [("Derivation, arguments and shapes", html(said))] if said else []


FASTEST = re.compile(r"fastest\((\w+)\)")
"""How a method calls a function that has a faster form beside its plain one."""


def made_of(cls: type, methods: Sequence[str]) -> list[str]:
    """The dotted names of the functions that these methods leave the arithmetic to."""
    found: dict[str, None] = {}
    for method in (getattr(cls, name) for name in methods):
        known = sys.modules[inspect.unwrap(method).__module__]
        for name in FASTEST.findall(inspect.getsource(inspect.unwrap(method))):
            found[f"{getattr(known, name).__module__}.{name}"] = None
    return list(found)


def in_torch(twin: type, name: str) -> str:
    """The dotted name of what torch calls it; nothing where it has none whose text can be read."""
    if name == SINGLE:
        for module in (sys.modules[c.__module__] for c in twin.__mro__):
            if found := next((f"{module.__name__}.{n}" for n in vars(module) if n == SINGLE + module.__name__.rpartition(".")[2]), ""):
                return found
        return in_torch(twin, "step")
    return f"{twin.__module__}.{twin.__qualname__}.{name}" if name and has_text(twin, name) else ""


def shown(cls: type, name: str, base: type | None) -> bool:
    """Whether a class has a method of its own of this name: what all inherit is shown on the page of the base alone."""
    method = getattr(cls, name, None)
    return callable(method) and (cls is base or method is not getattr(base, name, None))


def has_text(cls: type, name: str) -> bool:
    """Whether a class has a method whose text can be read."""
    try:
        inspect.getsource(inspect.unwrap(getattr(cls, name)))
    except (AttributeError, TypeError, OSError):
        return False
    return True


def list_of(title: str, found: Sequence[type]) -> str:
    """A page that lists others in its folder, each with the sentence that says what it is."""
    rows = [f'<dt><a href="{c.__name__}.html">{c.__name__}</a></dt><dd>{lesson(first_line(c), [], "")}</dd>' for c in found]
    listed = html('<dl class="listed">' + "".join(rows) + "</dl>")
    return page(title, ("", listed), ("", ".. toctree::\n   :hidden:\n\n" + "".join(f"   {c.__name__}\n" for c in found)))


def first_line(cls: type) -> str:
    """What its docstring begins with."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]
