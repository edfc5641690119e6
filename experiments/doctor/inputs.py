"""Numbers to call a stranger's forward with: shapes that fit together, all sizes different, found by trying.

An argument that has no shape yet stands for itself: whoever computes with it ends the try, and what was given so far is right.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.doctor.calling import Subject
from experiments.doctor.patient import Unreadable

SIZES = ({"N": 7, "D": 5, "H": 11, "O": 3, "T": 4}, {"N": 13, "D": 6, "H": 8, "O": 5, "T": 4})
"""Two sets of sizes: rows, features, hidden units, outputs, time."""

MATRICES = (("D", "H"), ("H", "O"), ("H", "H"), ("O", "H"), ("H", "D"), ("D", "O"), ("O", "D"), ("D", "D"))
ROWS = (("N", "D"), ("N", "H"), ("N", "O"), ("N", "T", "D"), ("T", "N", "H"), ("N", "T", "H"), ("T", "N", "D"), ("N",))
VECTORS = (("H",), ("O",), ("D",), ("N",))
TARGETS = ("y", "t", "target", "targets", "label", "labels", "y_true", "truth", "onehot", "one_hot")
Shape = tuple[str, ...]


class NotYet(Exception):
    """Something was computed with an argument that has no shape yet."""


class Pending(np.lib.mixins.NDArrayOperatorsMixin):
    """An argument that has no shape yet."""

    __array_priority__ = 1000

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotYet

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotYet

    def __getattr__(self, name: str) -> Any:
        raise NotYet

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotYet

    def __len__(self) -> int:
        raise NotYet

    def __iter__(self) -> Iterator[Any]:
        raise NotYet

    def __getitem__(self, key: Any) -> Any:
        raise NotYet

    def __float__(self) -> float:
        raise NotYet

    def __bool__(self) -> bool:
        raise NotYet


def candidates(name: str) -> list[tuple[str, Shape]]:
    """(kind, shape) of what an argument of this name may be, the likeliest first."""
    plain = name.removeprefix("self.").lower()
    normal = {shape: ("normal", shape) for shape in (*ROWS, *MATRICES, *VECTORS)}
    if plain in TARGETS:
        first = [("one hot", ("N", "O")), ("label", ("N",)), ("normal", ("N", "O")), ("normal", ("N",)), ("normal", ("N", "D"))]
    elif plain.startswith(("w", "v", "k", "theta", "weight", "u_", "wx", "wh")) and plain not in ("k", "v"):
        first = [normal[s] for s in MATRICES]
    elif plain.startswith(("b", "gamma", "beta", "bias", "scale", "shift")) or plain == "g":
        first = [normal[s] for s in VECTORS]
    elif plain in ("eps", "reg", "lam", "lambda_", "lr", "alpha", "l2", "decay", "epsilon", "momentum", "p", "rate"):
        first = [("number", ())]
    elif plain in ("mask", "keep"):
        first = [("mask", s) for s in ROWS]
    else:
        first = [normal[s] for s in ROWS]
    return [*first, *(c for c in [*normal.values(), ("label", ("N",))] if c not in first)]


def sizes_for(given: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The first set of sizes, with those that were given: x=(4, 6) says that there are 4 rows of 6 features."""
    sizes = dict(SIZES[0])
    for name, shape in given.items():
        letters = next((s for _, s in candidates(name) if len(s) == len(shape)), ())
        sizes |= dict(zip(letters, shape, strict=False))
    return sizes


def draw(kind: str, shape: Sequence[int], rng: np.random.Generator) -> Any:
    """Random numbers of that kind."""
    if kind == "one hot":
        return np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]
    if kind == "label":
        return rng.integers(0, 3, shape)
    if kind == "mask":
        return (rng.random(shape) > 0.3).astype(float)
    if kind == "number":
        return 0.1
    return rng.normal(size=shape)


def order_of_use(function: ast.FunctionDef, names: Sequence[str]) -> list[str]:
    """These names in the order in which the function first uses them."""
    used = [n for n in ast.walk(function) if isinstance(n, ast.Name | ast.Attribute) and ast.unparse(n) in names]
    used.sort(key=lambda n: (n.lineno, n.col_offset))
    return list(dict.fromkeys([*map(ast.unparse, used), *names]))


class Chosen:
    """Kinds and shapes for every argument, from which numbers can be drawn in any of the sizes.

    Args:
        of: by argument, its kind and its shape in the names of sizes; or the numbers that were given.
    """

    def __init__(self, of: Mapping[str, Any]) -> None:
        self.of = dict(of)

    def draw(self, sizes: Mapping[str, int], seed: int) -> dict[str, Any]:
        """Numbers for every argument."""
        rng = np.random.default_rng(seed)
        found = {}
        for name, (kind, shape) in self.of.items():
            found[name] = draw(kind, [n if isinstance(n, int) else sizes[n] for n in shape], rng)
        return found


ENOUGH = 30
"""So many choices of shapes that run through are looked at for one in which every gradient has the shape of its value."""


def choose(subject: Subject, given: Mapping[str, tuple[int, ...]], works: Callable[[dict[str, Any]], int]) -> Chosen:
    """Kinds and shapes with which forward and backward run through, every gradient in the shape of its value if that can be had.

    Args:
        subject: the pair.
        given: shapes that are known.
        works: runs both with these arguments, raises whatever they raise, and tells how many gradients have another shape.

    Raises:
        Unreadable: if no shapes were found.
    """
    names = order_of_use(subject.pair.forward, wanted(subject))
    sizes = sizes_for(given)
    tries = {n: [c for c in candidates(n) if n not in given or tuple(sizes[s] for s in c[1]) == tuple(given[n])] for n in names}
    if not all(tries.values()):
        raise Unreadable(f"no argument can have the shape {next(given[n] for n in names if not tries[n])}")
    found: list[tuple[int, dict[str, Any]]] = []

    def tried(of: dict[str, Any]) -> int | None:
        """How many gradients have a wrong shape; 0 where it is not known yet; None if it does not run."""
        pending = {n: Pending() for n in names if n not in of}
        try:
            with np.errstate(all="ignore"):
                return works({**Chosen(of).draw(sizes, 0), **pending})
        except NotYet:
            return 0 if pending else None
        except Unreadable:
            return None
        except Exception:  # whatever a stranger's code may raise with a shape that does not fit
            return None

    def complete(of: dict[str, Any]) -> None:
        wrong = tried(of)
        if wrong is None or (found and (found[-1][0] == 0 or len(found) >= ENOUGH)):
            return
        if len(of) == len(names):
            found.append((wrong, of))
            return
        for candidate in tries[names[len(of)]]:
            complete({**of, names[len(of)]: candidate})

    complete({})
    if not found:
        why = ""
        try:
            works(Chosen({n: tries[n][0] for n in names}).draw(sizes, 0))
        except Unreadable:
            raise  # an argument that is unknown, for instance
        except Exception as error:  # a stranger's
            why = f" With {', '.join(f'{n} {tries[n][0][1]}' for n in names)} it ends in {type(error).__name__}: {error}"
        raise Unreadable(f"no shapes were found that forward and backward run with: give them, as --input x=5,3.{why}")
    return Chosen(min(found, key=lambda f: f[0])[1])


def wanted(subject: Subject) -> list[str]:
    """The arguments of forward that must be given, and the attributes that it reads before it writes them."""
    signature = subject.pair.forward.args
    optional = {a.arg for a in signature.args[len(signature.args) - len(signature.defaults) :]} if signature.defaults else set()
    optional |= {a.arg for a, d in zip(signature.kwonlyargs, signature.kw_defaults, strict=True) if d is not None}
    names = [n for n in subject.pair.parameters(subject.pair.forward) if n not in optional]
    beside = list(inspect.signature(subject.namespace[subject.loss]).parameters)[1:] if subject.loss else []
    named = {n.id for n in ast.walk(subject.pair.forward) if isinstance(n, ast.Name)} | set(subject.pair.parameters(subject.pair.forward))
    beside += [n for n in subject.pair.parameters(subject.pair.backward) if n.lower() in TARGETS]
    names += [n for n in dict.fromkeys(beside) if n not in named]
    if subject.pair.cls:
        others = {*own(subject.pair.forward, ast.Store), *dir(subject.namespace[subject.pair.cls])}
        read = own(subject.pair.forward, ast.Load)
        names += [f"self.{a}" for a in read if a not in others and f"self.{a}" not in subject.made]
    return names


def own(function: ast.FunctionDef, context: type[ast.expr_context]) -> list[str]:
    """The attributes of self that a function reads, or writes."""
    attributes = [n for n in ast.walk(function) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self"]
    return list(dict.fromkeys(n.attr for n in attributes if isinstance(n.ctx, context)))
