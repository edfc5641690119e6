"""What there is to mutate, found by itself: every backward, Jacobian and Hessian, an optimizer's step, and helpers that only these call."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

import manual
import manual.amp
import manual.module
import manual.nn
import manual.nn.faster
import manual.optim
import manual.optim.lr_scheduler
from experiments.curriculum import CHAPTERS
from manual.nn.faster import FASTER

BASES = ("Optimizer", "LRScheduler")
"""Public classes that are nothing on their own: the cases of their subclasses judge them."""


WRONG_ON_PURPOSE = ("wine_quality.article_backward",)
"""A published mistake, shown as it is; tests/networks/test_wine_quality.py holds every fault of it in place."""


DERIVATIVES = ("backward", "jacobian", "jacobians", "hessian", "jvp", "hvp")
"""The last words of the names of plain functions that return derivatives."""


@dataclass(frozen=True, eq=False)
class Written:
    """A function written by hand, its syntax tree, and the class that it is a method of."""

    name: str  # "Linear.backward"; in a concept, or without a class, the module's name comes first
    function: FunctionType
    tree: ast.FunctionDef
    owner: type | None

    @property
    def is_root(self) -> bool:
        """Whether it is itself a derivative or a step. Roots are mutated whoever calls them, what they call if nothing else does."""
        name = self.function.__name__
        if self.owner is None:
            return name.rpartition("_")[2] in DERIVATIVES
        return (
            name in ("step", "take_step", "new_state", "scale") or name.strip("_").startswith("backward") or name.endswith("_loss_backward")
        )


@dataclass(frozen=True)
class Subject:
    """What is mutated together: the functions of one class or module, each with the names of what judges it."""

    name: str
    functions: dict[Written, tuple[str, ...]]

    @property
    def judges(self) -> list[str]:
        """The names of everything that judges some function of it."""
        return list(dict.fromkeys(name for names in self.functions.values() for name in names))


def import_all(package: ModuleType) -> list[ModuleType]:
    """Every module of a package."""
    return [importlib.import_module(m.name) for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]


def written_in(module: ModuleType) -> Iterator[Written]:
    """Every function and method that this module defines."""
    trees = {first_line(n): n for n in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(n, ast.FunctionDef)}
    classes = dict.fromkeys(c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__)
    for owner in (None, *classes):
        for value in list(vars(owner or module).values()):
            function = plain_function(value)
            if function and function.__module__ == module.__name__ and function.__code__.co_filename == module.__file__:
                prefix = name_of(owner) if owner else module.__name__.rpartition(".")[2]
                tree = trees.get(function.__code__.co_firstlineno)  # None: a lambda
                if tree:
                    yield Written(f"{prefix}.{function.__name__}", function, tree, owner)


def name_of(cls: type) -> str:
    """Its name, that of a concept's class with the concept's before it: "Linear", "digits_cnn.Block"."""
    return f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}" if is_of_a_concept(cls.__module__) else cls.__name__


def first_line(tree: ast.FunctionDef) -> int:
    """Where Python says that the function begins: at its first decorator."""
    return min([tree.lineno, *(d.lineno for d in tree.decorator_list)])


def plain_function(value: Any) -> FunctionType | None:
    """The function inside of a static or class method, a property or a decorated function."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, property | cached_property):
        value = getattr(value, "fget", None) or getattr(value, "func", None)
    value = inspect.unwrap(value) if isinstance(value, FunctionType) else value
    return value if isinstance(value, FunctionType) else None


Call = tuple[Written, type | None]
"""A function, and the class whose method it is when it is called."""


class Handwriting:
    """All functions of these modules, and which calls which.

    What a call means is read off the names: a method of self is looked up in the class that is asked about, a global in its
    module, the method of any other object by its name alone.
    """

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self.functions: dict[Any, Written] = {}  # by the function; asked also for what is none
        for module in modules:
            for written in written_in(module):
                self.functions.setdefault(written.function, written)
        self.classes = list(dict.fromkeys(w.owner for w in self.functions.values() if w.owner))
        self.layers = public_classes()
        self.concepts = {name_of(c): c for c in self.classes if is_of_a_concept(c.__module__)}
        self._calls: dict[Call, list[Call]] = {}

    def method(self, lookup: Iterable[type], name: str, cls: type) -> list[Call]:
        """The method of this name in the first class that has one, if it is written by hand."""
        for base in lookup:
            if name in vars(base):
                written = self.functions.get(plain_function(vars(base)[name]))
                return [(written, cls)] if written else []
        return []

    def calls(self, written: Written, cls: type | None) -> list[Call]:
        """What this function may call when it is a method of `cls`."""
        if (written, cls) not in self._calls:
            found = (call for node in ast.walk(written.tree) for call in self._called_by(node, written, cls))
            self._calls[written, cls] = list(dict.fromkeys(found))
        return self._calls[written, cls]

    def _called_by(self, node: ast.AST, written: Written, cls: type | None) -> Iterator[Call]:
        known = written.function.__globals__
        match node:
            case ast.Name(name):
                yield from self._held_by(known.get(name))
            case ast.Attribute(ast.Name("self" | "cls"), name) if cls:
                yield from self.method(cls.__mro__, name, cls)
            case ast.Attribute(ast.Call(ast.Name("super")), name) if cls:
                yield from self.method(cls.__mro__[cls.__mro__.index(written.owner) + 1 :], name, cls)
            case ast.Attribute(ast.Name(module), name) if isinstance(known.get(module), ModuleType):
                yield from self._held_by(getattr(known[module], name, None))
            case ast.Attribute(_, name) if not any(hasattr(t, name) for t in (dict, list, str)):
                for found in (called for other in self.classes for called in self.method([other], name, other)):
                    public = found[1] in self.layers.values() or found[1] in self.concepts.values()
                    at_home = found[1].__module__ == written.function.__module__
                    if hasattr(np.ndarray, name) and not at_home:
                        continue  # elsewhere x.sum() is an array's own
                    if (at_home and not public) or not found[0].is_root:  # a public class's backward is judged by its own cases
                        yield found

    def _held_by(self, value: Any) -> Iterator[Call]:
        """The functions that a global is, or holds, and their faster forms, which may be run in their place."""
        for v in value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else [value]:
            if function := plain_function(v):
                for form in (function, FASTER.get(function)):
                    if form in self.functions:
                        yield self.functions[form], None

    def reached_from(self, written: Written, cls: type | None) -> dict[Written, None]:
        """Everything that runs, directly or not, when this method of `cls` runs, itself included."""
        reached: dict[Call, None] = {}
        waiting = [(written, cls)]
        while waiting:
            call = waiting.pop()
            if call not in reached:
                reached[call] = None
                waiting.extend(self.calls(*call))
        return dict.fromkeys(w for w, _ in reached)

    def family(self, written: Written) -> list[type | None]:
        """The classes whose method this function may be."""
        return [c for c in self.classes if issubclass(c, written.owner)] if written.owner else [None]

    @cached_property
    def backward_only(self) -> set[Written]:
        """The backward passes, the steps, and every function that nothing else calls."""
        callers: dict[Written, set[Written]] = {w: set() for w in self.functions.values()}
        only: set[Written] = set()
        for written in self.functions.values():
            for cls in self.family(written):
                for called, _ in self.calls(written, cls):
                    callers[called].add(written)
                if written.is_root:
                    only.update(self.reached_from(written, cls))
        names = {w.name for w in self.functions.values()}
        only -= {w for w in only if f"{w.name}_backward" in names}  # a function with a backward of its own is a forward
        while shared := {w for w in only if not w.is_root and not callers[w] <= only}:
            only -= shared
        return only

    def judges(self) -> dict[Written, tuple[str, ...]]:
        """For everything that is mutated the names whose cases run it: of layers and optimizers, else of functions, else of concepts."""
        plain = [w for w in self.functions.values() if w.is_root and not w.owner and w.name not in WRONG_ON_PURPOSE]
        functions = {w.name.removesuffix("_backward"): [(w, None)] for w in plain}  # as function_case has them
        found: dict[Written, list[str]] = {}
        for roots in (self.roots_of(self.layers), functions, self.roots_of(self.concepts)):
            judged = set(found)
            for name, calls in roots.items():
                for written in dict.fromkeys(w for call in calls for w in self.reached_from(*call)):
                    if written in self.backward_only - judged and name not in BASES:
                        found.setdefault(written, []).append(name)
        return {written: tuple(names) for written, names in found.items()}

    def roots_of(self, classes: dict[str, type]) -> dict[str, list[Call]]:
        """The backward passes and steps of these classes, inherited ones too."""
        methods = {name: [call for attribute in dir(c) for call in self.method(c.__mro__, attribute, c)] for name, c in classes.items()}
        return {name: [call for call in calls if call[0].is_root] for name, calls in methods.items()}


def is_of_a_concept(module: str) -> bool:
    """Whether this module of `manual` is one of the curriculum."""
    return any(module == f"manual.{chapter}.{concept}" for chapter, concepts in CHAPTERS.items() for concept in concepts)


def public_classes() -> dict[str, type]:
    """The hand-written classes of manual.nn, manual.optim and manual.amp, by name."""
    named = {**vars(manual.nn), **vars(manual.optim), **vars(manual.optim.lr_scheduler), **vars(manual.amp)}
    homes = ("manual.nn", "manual.optim", "manual.amp")
    ours = {name: c for name, c in named.items() if inspect.isclass(c) and c.__module__.startswith(homes)}
    return {name: c for name, c in ours.items() if not name.startswith("_")}


@cache
def subjects() -> list[Subject]:
    """Everything of the package `manual` that is mutated, one entry for each class or module that it is written in."""
    found: dict[str, Subject] = {}
    handwriting = Handwriting(m for m in import_all(manual) if m not in (manual.module, manual.nn.faster))
    for written, judges in handwriting.judges().items():
        name = written.name.rpartition(".")[0]
        found.setdefault(name, Subject(name, {})).functions[written] = judges
    return list(found.values())
