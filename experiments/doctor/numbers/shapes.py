"""What an argument may be by its name: kinds of numbers and shapes, and numbers drawn for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from experiments.doctor.calls.building import ARGUMENT
from experiments.doctor.calls.roles import INPUT, TARGETS
from experiments.doctor.calls.setup import SETUP
from experiments.doctor.numbers.windows import Shape, of_window
from experiments.doctor.reading.claims import short
from experiments.doctor.reading.script import again

SIZES = (
    {"N": 7, "D": 5, "H": 11, "O": 3, "T": 4, "B": 2, "C": 3, "F": 4, "Y": 3, "X": 5},
    {"N": 13, "D": 6, "H": 8, "O": 5, "T": 7, "B": 3, "C": 2, "F": 7, "Y": 5, "X": 3},
)
"""Two sets of sizes: rows, features, hidden units, outputs, time; and images, channels, filters, height, width."""

EVEN = {"N": 12, "D": 6, "H": 8, "O": 10, "T": 4, "B": 3, "C": 2, "F": 4, "Y": 4, "X": 6}
"""A third set, for what must be cut in two."""

SMALL = (
    {"N": 5, "D": 3, "H": 6, "O": 7, "T": 4, "B": 2, "C": 3, "F": 2, "Y": 3, "X": 5},
    {"N": 3, "D": 4, "H": 7, "O": 6, "T": 5, "B": 3, "C": 2, "F": 4, "Y": 5, "X": 3},
)
"""Sizes with which a mend is looked for in a loop, where every round takes its time; no number of rows is 2, a factor by itself."""

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
    ("H", "H+D"),
    ("H+D", "H"),
    ("D", "2D"),
    ("2D", "D"),
    ("D", "3H"),
    ("H", "3H"),
    ("B*H", "D"),
    ("B*H", "O"),
)
ROWS: tuple[Shape, ...] = (
    ("N", "D"),
    ("N", "H"),
    ("N", "O"),
    ("N", "T", "D"),
    ("T", "N", "H"),
    ("N", "T", "H"),
    ("T", "N", "D"),
    ("N",),
    ("N", "T"),
    ("T", "D", 1),
)
COLUMNS: tuple[Shape, ...] = (("D", "N"), ("H", "N"), ("O", "N"), ("N", 1), (1, "N"))
GRAPH = re.compile(r"adj\w*|a_?(hat|norm\w*|tilde|bar)|\w*laplacian|l_?hat")
"""Called like the matrix of a graph, which has a row and a column for each of its nodes."""
BINARY: tuple[tuple[str, Shape], ...] = (("binary", ("N", 1)), ("binary", (1, "N")))
ONE_ROW: tuple[Shape, ...] = ((1, "H"), (1, "O"), (1, "D"))
VECTORS: tuple[Shape, ...] = (("H",), ("O",), ("D",), ("H", 1), ("O", 1), ("N",), ("4H",))
ONE_COLUMN: tuple[Shape, ...] = (("H", 1), ("O", 1), (1, 1))
WHOLE = re.compile(r"stride|pad(ding)?$|(pool|kernel|filter|window|k)_?(size|height|width|h|w)|dilation|(n|num)_?(heads|groups)$|k$")
"""Called like a whole number that says how something is cut."""

SHARE = re.compile(r"drop(out)?(_?(p|prob|rate|ratio))?$|\w+_(rate|prob|ratio|decay|slope)$")
"""Called like a number between 0 and 1."""

ARRAY = re.compile(r"(w|b|u|v)([a-z]?\d*)$|(weight|bias|biase|filter|kernel)s?$|gamma$|beta$|_?(w|b)_?(xh|hh|hy|x|h)$")
"""An argument of a constructor that is no size but the parameter itself."""
LAYERS = re.compile(r"(dim|size|layer|unit|neuron)s(_?(dim|size|list)s?)?$|architecture|topology|^arch$")
"""Called like a list of the widths of layers."""

GUESS = re.compile(r"(y|t)_?(p|pred|hat)\w*|p\w?|prob\w*|pred\w*|guess|out(put)?s?|al?\d?", re.IGNORECASE)
"""Called like what a network has guessed, which a loss may take the logarithm of."""

NUMBER = re.compile(
    r"eps(ilon)?|reg(_\w+|ulari[sz]\w+)?|la?mb?(d|da)?_?|l[rp12]|l[12]_\w+|alpha|p|keep_prob|tau"
    r"|(\w+_)?(rate|decay|momentum|strength|penalty|coef\w*|temperature)$"
)
"""Called like one number, that says how much of something there is to be."""


def candidates(name: str) -> list[tuple[str, Shape]]:
    """(kind, shape) of what an argument of this name may be, the likeliest first."""
    first = likely(name)
    if name == SETUP:
        return first
    normal: list[tuple[str, Shape]] = [("normal", s) for s in (*ROWS, *COLUMNS, *MATRICES, *VECTORS) if not (is_vector(name) and 1 in s)]
    return [*first, *(c for c in normal if c not in first)]


def short_name(name: str) -> str:
    """W1 of params["W1"], and of params["layer1"]["W1"], in small letters."""
    return short(name).lower().rpartition("']['")[2]


def is_vector(name: str) -> bool:
    """Whether this is called like a bias or a scale."""
    plain = short_name(name)
    return not name.startswith(ARGUMENT) and (plain.startswith(("b", "gamma", "beta", "bias", "scale", "shift")) or plain == "g")


def one_row(name: str) -> list[tuple[str, Shape]]:
    """As is likely, but every bias is a matrix of one row: believed where all of them are, since one alone is a forgotten sum."""
    return [("normal", s) for s in ONE_ROW] if is_vector(name) else likely(name)


def one_column(name: str) -> list[tuple[str, Shape]]:
    """Where the examples stand in columns, and a layer may have one unit."""
    return [("normal", s) for s in ONE_COLUMN] if is_vector(name) else likely(name)


def one_state(name: str) -> list[tuple[str, Shape]]:
    """Where all that may have the shape of a state has it: the gates of a cell, its memory, and what they are weighed with."""
    found = likely(name)
    state = ("normal", ("N", "H"))
    return [state] if state in found else found


def columns_in_time(name: str) -> list[tuple[str, Shape]]:
    """Where each step of a sequence is a column, and so is every state."""
    plain = short(name).lower()
    if plain in TARGETS:
        return [("one hot each", ("T", "O", 1)), ("normal", ("T", "O", 1))]
    if INPUT.match(plain):
        return [("normal", ("T", "D", 1))]
    return [(kind, s) for kind, s in likely(name) if len(s) != 1 and s not in ROWS] + [("normal", ("H", 1)), ("normal", ("O", 1))]


def one_number(name: str) -> list[tuple[str, Shape]]:
    """Where what is called like nothing that is known is one number."""
    found = likely(name)
    return [("number", ()), *found] if found == likely("") and not INPUT.match(short_name(name)) else found


def one_unit(name: str) -> list[tuple[str, Shape]]:
    """One neuron: its weights are a vector and its bias is a number."""
    return [("number", ())] if is_vector(name) else [("normal", ("D",))] if short(name).lower().startswith("w") else likely(name)


def one_example(name: str) -> list[tuple[str, Shape]]:
    """One neuron and one example, of which the target is a number."""
    if short(name).lower() in TARGETS:
        return [("binary", ()), ("normal", ())]
    return [("normal", ("D",))] if INPUT.match(short(name).lower()) else one_unit(name)


def one_unit_of_columns(name: str) -> list[tuple[str, Shape]]:
    """One neuron whose weights are a column, or a row, as the examples are columns."""
    if short(name).lower().startswith("w"):
        return [("normal", ("D", 1)), ("normal", (1, "D"))]
    return [("normal", ("D", "N"))] if short(name).lower() == "x" else one_unit(name)


def everything(name: str) -> list[tuple[str, Shape]]:
    """The candidates, and what may hide a mistake: whole numbers, matrices of one row."""
    if name == SETUP:
        return likely(name)
    return [*candidates(name), *(("normal", s) for s in (*ONE_ROW, *ONE_COLUMN, ("N", "N"))), ("label", ("N",)), *BINARY]


def likely(name: str) -> list[tuple[str, Shape]]:
    """What an argument is by its name, as most people name them."""
    if name.startswith(ARGUMENT):
        return constructor_candidates(name.removeprefix(ARGUMENT).lower())
    if name == SETUP:
        return [("whole 0", ()), ("whole 1", ())]
    plain = short_name(name)
    if WHOLE.match(plain):
        return [("size", (1 if "pad" in plain else 2,)), ("size", (2 if "pad" in plain else 1,))]
    first: list[tuple[str, Shape]]
    normal: dict[Shape, tuple[str, Shape]] = {shape: ("normal", shape) for shape in (*ROWS, *COLUMNS, *MATRICES, *VECTORS)}
    if plain in TARGETS:
        first = [("one hot", ("N", "O")), ("columns", ("O", "N")), ("normal", ("N", "O")), ("normal", ("N",))]
        first += [("one hot", ("N", "H")), ("normal", ("N", "H")), ("one hot", ("N", "D")), ("normal", ("N", "D"))]
        first += [("normal", ("N", 1)), ("binary", (1, "N")), ("binary label", ("N",)), ("normal", ("O", 1))]
        first += [("label", ("N",))]  # labels that index are known by that
    elif plain in ("p", "alpha"):  # a rate, or an array: probabilities, attention
        first = [("number", ()), *(normal[s] for s in ROWS)]
    elif NUMBER.fullmatch(plain) or SHARE.match(plain):
        first = [("number", ())]
    elif re.match(r"(w|weight)s?_?(hh?|aa|rec|hidden|h_?h)$|u$|u_?h$", plain):
        full = [s for s in MATRICES if 1 not in s]  # U may be a matrix of weights, or what each output is weighed with
        first = [normal["H", "H"], *(normal[s] for s in (*full, *ROWS, *MATRICES))]
    elif plain.startswith(("w", "v", "k", "theta", "weight", "u_", "wx", "wh")) and plain not in ("k", "v"):
        first = [normal[s] for s in MATRICES]
    elif short(name) == "V":  # of U, W and V, or of Q, K and V
        first = [normal[s] for s in (*MATRICES, *ROWS)]
    elif is_vector(name):
        first = [normal[s] for s in VECTORS]
    elif re.match(r"h_?(0|prev|idden|init)|(prev|init|initial)_?[hc]|c_?(0|prev)|a_?(0|prev)$", plain):
        first = [normal["N", "H"], normal["H",], normal["H", 1], normal["H", "N"]]
    elif GRAPH.fullmatch(plain):
        first = [("symmetric", ("N", "N"))]
    elif GUESS.fullmatch(plain):
        first = [normal[s] for s in (*ROWS, *COLUMNS)]
    elif plain in ("mask", "keep", "drop"):
        first = [("mask", s) for s in (*ROWS, ("N", "T"))]
    else:
        first = [normal[s] for s in (*ROWS, *COLUMNS)]
    return [*first, *(("unit", s) for s in (*ROWS, *COLUMNS))] if GUESS.fullmatch(plain) else first


def constructor_candidates(plain: str) -> list[tuple[str, Shape]]:
    """What an argument of a constructor of this name may be: a size, or a number."""
    if windows := of_window(plain):
        return windows
    if NUMBER.fullmatch(plain) or "rate" in plain:
        return [("number", ())]
    if LAYERS.search(plain) and not re.match(r"n|(in|input|x|out|output|y|state)_?(dim|size)s$", plain):
        lists: tuple[Shape, ...] = (("H", "T"), ("H",)) if "hid" in plain else (("D", "H", "T", "O"), ("D", "H", "O"))
        return [*(("sizes", s) for s in lists), ("size", ("H",))]
    if ARRAY.match(plain):
        return likely(plain)
    order = "HOD" if re.search("hid|neuron|unit|node", plain) else "OHD" if "out" in plain or "class" in plain or plain == "n_y" else "DHO"
    return [*(("size", (letter,)) for letter in f"{order}T"), ("size", (1,)), ("number", ())]


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
    if kind == "probability":
        one = rng.uniform(0.1, 0.9, shape)
        return one / one.sum(axis=-1, keepdims=True) if len(shape) == 2 and 1 not in shape else one
    if kind == "binary":
        return rng.integers(0, 2, shape).astype(float)
    if kind.startswith("text "):
        return kind.removeprefix("text ")
    if kind.startswith("whole "):
        return int(kind.removeprefix("whole "))
    if kind == "empty":
        return {}
    if kind == "size":
        return int(shape[0])
    if kind == "binary label":
        return rng.integers(0, 2, shape)
    if kind == "label":
        return rng.integers(0, 3, shape)
    if kind == "indices":
        return [int(n) for n in rng.integers(0, 3, shape)]
    if kind == "pairs":
        return rng.integers(0, 5, shape)
    if kind == "one hot each":
        return np.eye(shape[1])[rng.integers(0, shape[1], shape[0])][:, :, None]
    if kind == "symmetric":
        one = rng.normal(size=shape)
        return (one + one.T) / 2
    if kind == "mask":
        return (rng.random(shape) > 0.3).astype(float)
    if kind in ("sizes", "tuple"):
        return [int(n) for n in shape] if kind == "sizes" else tuple(map(int, shape))
    if kind == "unit":
        return rng.uniform(0.05, 0.95, shape)
    if kind == "number":
        return 0.1
    if kind == "normal" and not shape:
        return float(rng.normal())
    return rng.normal(size=shape)


class Chosen:
    """Kinds and shapes for every argument, from which numbers can be drawn in any of the sizes.

    Args:
        of: by argument, its kind and its shape in the names of sizes.
        numbers: those of a script, whose shapes are kept, in their place.
        against: how much speaks against them.
    """

    def __init__(self, of: Mapping[str, Any], numbers: Mapping[str, Any] | None = None, against: int = 0) -> None:
        self.of, self.numbers, self.against = dict(of), numbers, against
        self.fixed: Mapping[str, int] = {}
        self.spread = 1.0
        self.other: Mapping[str, int] = SIZES[1]

    def settle(self, runs: Callable[[dict[str, Any]], object], seed: int) -> None:
        """Take for the second numbers the first sizes that the code runs with; what a window must go through without a rest is even."""
        for sizes in (SIZES[1], EVEN, SIZES[0]):
            with suppress(Exception):  # whatever a stranger's code may raise with a size that does not fit
                runs(self.draw(sizes, seed + 1))
                self.other = sizes
                return

    def two(self, given: Mapping[str, tuple[int, ...]], seed: int) -> list[dict[str, Any]]:
        """Numbers of two sizes."""
        return [self.draw(sizes, seed + i) for i, sizes in enumerate((sizes_for(given), self.other))]

    def draw(self, sizes: Mapping[str, int], seed: int) -> dict[str, Any]:
        """Numbers for every argument."""
        rng = np.random.default_rng(seed)
        found = {}
        if self.numbers:
            return again(self.numbers, rng)
        for name, (kind, shape) in self.of.items():
            if shape and callable(shape[0]):  # an argument that is a function
                found[name] = shape[0]
                continue
            found[name] = draw(kind, sized(shape, {**sizes, **self.fixed}), rng)
            found[name] = found[name] * self.spread if kind == "normal" else found[name]
        return found


def sized(shape: Shape, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape in numbers; 4H and H+D are an LSTM's: its gates, and its state beside its input."""
    return tuple(n if isinstance(n, int) else length(n, sizes) for n in shape)


def length(letters: str, sizes: Mapping[str, int]) -> int:
    """H, 4H, H+D, B*H in numbers."""
    return sum(prod(int(of[:-1] or 1) * sizes[of[-1]] for of in part.split("*")) for part in letters.split("+"))
