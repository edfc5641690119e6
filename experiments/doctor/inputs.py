"""Numbers to call a stranger's forward with: shapes that fit together, all sizes different, found by trying.

An argument that has no shape yet stands for itself: whoever computes with it ends the try, and what was given so far is right.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.doctor.building import ARGUMENT, arrays, required
from experiments.doctor.calling import Subject
from experiments.doctor.claims import short
from experiments.doctor.patient import Unreadable
from experiments.doctor.roles import TARGETS, optional_arguments
from experiments.doctor.script import again
from experiments.doctor.taps import is_key

SIZES = ({"N": 7, "D": 5, "H": 11, "O": 3, "T": 4}, {"N": 13, "D": 6, "H": 8, "O": 5, "T": 4})
"""Two sets of sizes: rows, features, hidden units, outputs, time."""

Shape = tuple[str | int, ...]
MATRICES: tuple[Shape, ...] = (
    ("H", "O"),
    ("O", "H"),
    ("D", "H"),
    ("H", "D"),
    ("H", "H"),
    ("D", "O"),
    ("O", "D"),
    ("D", "D"),
    ("H", 1),
    (1, "H"),
    ("D", 1),
    (1, "D"),
    ("D", "4H"),
    ("H", "4H"),
)
ROWS: tuple[Shape, ...] = (("N", "D"), ("N", "H"), ("N", "O"), ("N", "T", "D"), ("T", "N", "H"), ("N", "T", "H"), ("T", "N", "D"), ("N",))
COLUMNS: tuple[Shape, ...] = (("D", "N"), ("H", "N"), ("O", "N"), ("N", 1), (1, "N"))
BINARY: tuple[tuple[str, Shape], ...] = (("binary", ("N", 1)), ("binary", (1, "N")))
ONE_ROW: tuple[Shape, ...] = ((1, "H"), (1, "O"), (1, "D"))
VECTORS: tuple[Shape, ...] = (("H",), ("O",), ("D",), ("H", 1), ("O", 1), ("N",), ("4H",))
ONE_COLUMN: tuple[Shape, ...] = (("H", 1), ("O", 1), (1, 1))
NUMBERS = ("eps", "reg", "lam", "lambda_", "lambd", "lr", "alpha", "l2", "decay", "epsilon", "momentum", "p", "rate", "keep_prob")


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

    def __int__(self) -> int:
        raise NotYet

    def __index__(self) -> int:
        raise NotYet

    def __bool__(self) -> bool:
        raise NotYet


def candidates(name: str) -> list[tuple[str, Shape]]:
    """(kind, shape) of what an argument of this name may be, the likeliest first."""
    first = likely(name)
    normal: list[tuple[str, Shape]] = [("normal", s) for s in (*ROWS, *COLUMNS, *MATRICES, *VECTORS) if not (is_vector(name) and 1 in s)]
    return [*first, *(c for c in normal if c not in first)]


def short_name(name: str) -> str:
    """W1 of params["W1"], in small letters."""
    return short(name).lower()


def is_vector(name: str) -> bool:
    """Whether this is called like a bias or a scale."""
    plain = short(name).lower()
    return not name.startswith(ARGUMENT) and (plain.startswith(("b", "gamma", "beta", "bias", "scale", "shift")) or plain == "g")


def one_row(name: str) -> list[tuple[str, Shape]]:
    """As is likely, but every bias is a matrix of one row: believed where all of them are, since one alone is a forgotten sum."""
    return [("normal", s) for s in ONE_ROW] if is_vector(name) else likely(name)


def one_column(name: str) -> list[tuple[str, Shape]]:
    """Where the examples stand in columns, and a layer may have one unit."""
    return [("normal", s) for s in ONE_COLUMN] if is_vector(name) else likely(name)


def one_unit(name: str) -> list[tuple[str, Shape]]:
    """One neuron: its weights are a vector and its bias is a number."""
    return [("number", ())] if is_vector(name) else [("normal", ("D",))] if short(name).lower().startswith("w") else likely(name)


def one_unit_of_columns(name: str) -> list[tuple[str, Shape]]:
    """One neuron whose weights are a column, or a row, as the examples are columns."""
    if short(name).lower().startswith("w"):
        return [("normal", ("D", 1)), ("normal", (1, "D"))]
    return [("normal", ("D", "N"))] if short(name).lower() == "x" else one_unit(name)


def everything(name: str) -> list[tuple[str, Shape]]:
    """The candidates, and what may hide a mistake: whole numbers, matrices of one row."""
    return [*candidates(name), *(("normal", s) for s in (*ONE_ROW, *ONE_COLUMN)), ("label", ("N",)), *BINARY]


def likely(name: str) -> list[tuple[str, Shape]]:
    """What an argument is by its name, as most people name them."""
    if name.startswith(ARGUMENT):
        return constructor_candidates(name.removeprefix(ARGUMENT).lower())
    plain = short(name).lower()
    first: list[tuple[str, Shape]]
    normal: dict[Shape, tuple[str, Shape]] = {shape: ("normal", shape) for shape in (*ROWS, *COLUMNS, *MATRICES, *VECTORS)}
    if plain in TARGETS:
        first = [("one hot", ("N", "O")), ("label", ("N",)), ("columns", ("O", "N")), ("normal", ("N", "O")), ("normal", ("N",))]
        first += [("one hot", ("N", "H")), ("normal", ("N", "H")), ("one hot", ("N", "D")), ("normal", ("N", "D"))]
        first += [("normal", ("N", 1)), ("binary", (1, "N"))]
    elif re.match(r"(w|weight)s?_?(hh?|aa|rec|hidden|h_?h)$|u$|u_?h$", plain):
        first = [normal["H", "H"], *(normal[s] for s in MATRICES)]
    elif plain.startswith(("w", "v", "k", "theta", "weight", "u_", "wx", "wh")) and plain not in ("k", "v"):
        first = [normal[s] for s in MATRICES]
    elif is_vector(name):
        first = [normal[s] for s in VECTORS]
    elif re.match(r"h_?(0|prev|idden|init)|(prev|init|initial)_?[hc]|c_?(0|prev)|a_?(0|prev)$", plain):
        first = [normal["N", "H"], normal["H",], normal["H", 1]]
    elif plain in NUMBERS:
        first = [("number", ())]
    elif plain in ("mask", "keep", "drop"):
        first = [("mask", s) for s in ROWS]
    else:
        first = [normal[s] for s in (*ROWS, *COLUMNS)]
    return first


def constructor_candidates(plain: str) -> list[tuple[str, Shape]]:
    """What an argument of a constructor of this name may be: a size, or a number."""
    if plain in NUMBERS or "rate" in plain:
        return [("number", ())]
    order = "HOD" if "hid" in plain else "OHD" if "out" in plain or "class" in plain or plain == "n_y" else "DHO"
    return [*(("size", (letter,)) for letter in order), ("size", (1,)), ("number", ())]


def sizes_for(given: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The first set of sizes, with those that were given: x=(4, 6) says that there are 4 rows of 6 features."""
    sizes = dict(SIZES[0])
    for name, shape in given.items():
        letters = next((s for _, s in candidates(name) if len(s) == len(shape)), ())
        sizes |= {letter: n for letter, n in zip(letters, shape, strict=False) if isinstance(letter, str)}
    return sizes


def draw(kind: str, shape: Sequence[int], rng: np.random.Generator) -> Any:
    """Random numbers of that kind."""
    if (kind == "one hot" and shape[1] == 1) or (kind == "columns" and shape[0] == 1):
        kind = "binary"
    if kind == "one hot":
        return np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]
    if kind == "columns":
        return np.eye(shape[0])[:, rng.integers(0, shape[0], shape[1])]
    if kind == "binary":
        return rng.integers(0, 2, shape).astype(float)
    if kind == "size":
        return int(shape[0])
    if kind == "label":
        return rng.integers(0, 3, shape)
    if kind == "mask":
        return (rng.random(shape) > 0.3).astype(float)
    if kind == "number":
        return 0.1
    if kind == "normal" and not shape:
        return float(rng.normal())
    return rng.normal(size=shape)


def order_of_use(function: ast.FunctionDef, names: Sequence[str]) -> list[str]:
    """These names in the order in which the function first uses them."""
    used = [n for n in ast.walk(function) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript) and ast.unparse(n) in names]
    used.sort(key=lambda n: (n.lineno, n.col_offset))
    made_first = [n for n in names if n.startswith(ARGUMENT)]
    arguments = [text for n in used if (text := ast.unparse(n)) in names and not isinstance(n, ast.Subscript)]
    return list(dict.fromkeys([*made_first, *arguments, *map(ast.unparse, used), *names]))  # entries are only unpacked at their first use


class Chosen:
    """Kinds and shapes for every argument, from which numbers can be drawn in any of the sizes.

    Args:
        of: by argument, its kind and its shape in the names of sizes.
        numbers: those of a script, whose shapes are kept, in their place.
    """

    def __init__(self, of: Mapping[str, Any], numbers: Mapping[str, Any] | None = None) -> None:
        self.of, self.numbers = dict(of), numbers
        self.fixed: Mapping[str, int] = {}

    def draw(self, sizes: Mapping[str, int], seed: int) -> dict[str, Any]:
        """Numbers for every argument."""
        rng = np.random.default_rng(seed)
        found = {}
        if self.numbers:
            return again(self.numbers, rng)
        for name, (kind, shape) in self.of.items():
            found[name] = draw(kind, sized(shape, {**sizes, **self.fixed}), rng)
        return found


def sized(shape: Shape, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape in numbers."""
    return tuple(n if isinstance(n, int) else 4 * sizes[n[1]] if n[0] == "4" else sizes[n] for n in shape)  # 4H: the gates of an LSTM


ENOUGH = 30
"""So many choices of shapes that run through are looked at for one in which every gradient has the shape of its value."""

MOST = 6000
"""So many choices are tried."""


def choose(subject: Subject, given: Mapping[str, tuple[int, ...]], works: Callable[[dict[str, Any]], int]) -> Chosen:
    """Kinds and shapes with which forward and backward run through, every gradient in the shape of its value if that can be had.

    Args:
        subject: the pair.
        given: shapes that are known.
        works: runs both with these arguments, raises whatever they raise, and tells how many gradients have another shape.

    Raises:
        Unreadable: if no shapes were found.
    """
    if subject.numbers:
        return Chosen({}, subject.numbers)
    try:
        return fitting(subject, given, works, True)
    except Unreadable:
        it = next((v for v in subject.namespace.values() if type(v).__name__ == subject.pair.cls), None)
        if it is not None and subject.made is None:
            return with_its_own(subject, it, given, works)
        if subject.init is None:
            raise
        subject.init = None  # its attributes are given to it
        return fitting(subject, given, works, False)


def with_its_own(subject: Subject, it: Any, given: Mapping[str, tuple[int, ...]], works: Callable[[dict[str, Any]], int]) -> Chosen:
    """`choose`, with an object that the file has made itself, of a list of layers for instance, and inputs as wide as it takes them."""
    subject.made = it
    widths = [n for _, array in arrays(it, subject.namespace) if array.ndim == 2 for n in array.shape]
    for width in dict.fromkeys(widths):
        try:
            found = fitting(subject, given, works, True, {"D": width})
        except Unreadable:
            continue
        found.fixed = {"D": width}
        return found
    return fitting(subject, given, works, True)


def fitting(subject: Subject, given: Mapping[str, tuple[int, ...]], works: Callable[[dict[str, Any]], int], construct: bool, fixed: Mapping[str, int] | None = None
) -> Chosen:
    """`choose`, with the constructor or without it: what the names make likely first, then everything."""
    names = order_of_use(subject.pair.forward, wanted(subject, construct))
    sizes = {**sizes_for(given), **(fixed or {})}
    found: list[tuple[int, dict[str, Any]]] = []
    rows = [one_row, one_column] if sum(is_vector(n) for n in names) > 1 else []
    for of in (likely, one_unit, one_unit_of_columns, *rows, candidates, everything):
        if of is everything and found:
            break
        tries = {n: [c for c in file_first(subject, n, of(n)) if n not in given or sized(c[1], sizes) == tuple(given[n])] for n in names}
        found += fits(tries, works, sizes)
        if any(wrong == 0 for wrong, _ in found):
            break
    if found:
        return Chosen(min(found, key=lambda f: f[0])[1])
    if not all(tries.values()):
        raise Unreadable(f"no argument can have the shape {next(given[n] for n in names if not tries[n])}")
    why = ""
    try:
        works(Chosen({n: tries[n][0] for n in names}).draw(sizes, 0))
    except Unreadable:
        raise  # an argument that is unknown, for instance
    except Exception as error:  # a stranger's
        why = f" With {', '.join(f'{n} {tries[n][0][1]}' for n in names)} it ends in {type(error).__name__}: {error}"
    raise Unreadable(f"no shapes were found that forward and backward run with: give them, as --input x=5,3.{why}")


def fits(
    tries: Mapping[str, list[tuple[str, Shape]]], works: Callable[[dict[str, Any]], int], sizes: Mapping[str, int]
) -> list[tuple[int, dict[str, Any]]]:
    """The choices that run through, each with how many gradients have another shape than their value; ends at the first with none."""
    found: list[tuple[int, dict[str, Any]]] = []
    names, count = list(tries), 0

    def tried(of: dict[str, Any]) -> int | None:
        """How many gradients have a wrong shape; 0 where it is not known yet; None if it does not run."""
        nonlocal count
        count += 1
        pending = {n: Pending() for n in names if n not in of}
        try:
            with np.errstate(all="ignore"):
                return works({**Chosen(of).draw(sizes, 0), **pending})
        except NotYet:
            return 0 if pending else None
        except Exception:  # whatever a stranger's code may raise with a shape that does not fit, or what it asks for
            return None

    def complete(of: dict[str, Any]) -> None:
        if count > MOST or (found and (found[-1][0] == 0 or len(found) >= ENOUGH)):
            return
        wrong = tried(of)
        if wrong is None:
            return
        if len(of) == len(names):
            found.append((wrong, of))
            return
        for candidate in tries[names[len(of)]]:
            complete({**of, names[len(of)]: candidate})

    complete({})
    return found


def file_first(subject: Subject, name: str, found: list[tuple[str, Shape]]) -> list[tuple[str, Shape]]:
    """The candidates of an argument; a size of 1 first where the file itself says 1."""
    if name.startswith(ARGUMENT) and subject.namespace.get(name.removeprefix(ARGUMENT)) == 1:
        return sorted(found, key=lambda c: c != ("size", (1,)))
    return found


def wanted(subject: Subject, construct: bool = True) -> list[str]:
    """The arguments of forward that must be given, the entries of those that are dicts, and what the object needs.

    Args:
        subject: the pair.
        construct: whether the object is made by its constructor, which then makes its attributes; else they are given to it.
    """
    pair = subject.pair
    optional = optional_arguments(pair.forward)
    names = [n for n in pair.parameters(pair.forward) if n not in optional]
    entries = {n: keys_read((pair.forward, pair.backward), n) for n in names}
    names = [k for n in names for k in (entries[n] or [n])]
    beside = list(inspect.signature(subject.namespace[subject.loss]).parameters) if subject.loss else []
    beside = beside[0 if subject.by_name else 1 :] + [n for n in beside[:1] if n.lower() in TARGETS]
    beside += [n for n in pair.parameters(pair.backward) if n.lower() in TARGETS]
    named = {n.id for n in ast.walk(pair.forward) if isinstance(n, ast.Name)} | set(pair.parameters(pair.forward))
    beside = [n for n in dict.fromkeys(beside) if n not in named and n not in optional_of(subject)]
    targets = [n for n in [*names, *beside] if n.lower() in TARGETS]
    names += [n for n in beside if n not in targets[1:]]
    if pair.cls and subject.made is not None:
        return names
    if pair.cls and construct and subject.init is not None:
        return [*(f"{ARGUMENT}{n}" for n in required(subject.init)), *names]
    if pair.cls:
        others = {*own(pair.forward, ast.Store), *dir(subject.namespace[pair.cls])}
        names += [f"self.{a}" for a in own(pair.forward, ast.Load) if a not in others]
    return names


def optional_of(subject: Subject) -> set[str]:
    """Arguments of the loss that have a default."""
    of = inspect.signature(subject.namespace[subject.loss]).parameters if subject.loss else {}
    return {n for n, p in of.items() if p.default is not inspect.Parameter.empty}


def keys_read(functions: Sequence[ast.FunctionDef], name: str) -> list[str]:
    """The entries of a dict that functions read: params["W1"]. Those that are known only when it runs are not found."""
    found = [
        ast.unparse(n)
        for function in functions
        for n in ast.walk(function)
        if isinstance(n, ast.Subscript)
        and isinstance(n.value, ast.Name)
        and n.value.id == name
        and is_key(n)
        and isinstance(n.ctx, ast.Load)
    ]
    return list(dict.fromkeys(found)) or numbered_keys(functions, name)


def numbered_keys(functions: Sequence[ast.FunctionDef], name: str) -> list[str]:
    """The entries of two layers, where a dict is read by keys that are made as it runs: params["W" + str(l)], params[f"W{l}"]."""
    stems: list[str] = []
    for node in (n for function in functions for n in ast.walk(function)):
        match node:
            case ast.Subscript(ast.Name(id), ast.BinOp(ast.Constant(str(stem)), ast.Add(), _)) if id == name:
                stems.append(stem)
            case ast.Subscript(ast.Name(id), ast.JoinedStr([ast.Constant(str(stem)), _])) if id == name:
                stems.append(stem)
    return [f"{name}['{stem}{layer}']" for layer in (1, 2) for stem in dict.fromkeys(stems)]


def own(function: ast.FunctionDef, context: type[ast.expr_context]) -> list[str]:
    """The attributes of self that a function reads, or writes."""
    attributes = [n for n in ast.walk(function) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self"]
    return list(dict.fromkeys(n.attr for n in attributes if isinstance(n.ctx, context)))
