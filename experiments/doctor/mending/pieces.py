"""Pieces that a line may have lost: everything that the backward names and writes, and what is made of it with one operation more."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.doctor.mending.needed import Needed, fits
from experiments.doctor.verdict.examine import Examination

MOST = 300
"""So many are looked at in pairs."""

FEW = 20
"""So many short ones are multiplied with one another before that."""

FACTORS = 80
"""So many are multiplied as matrices in a loop."""

SHORT = 14
"""A longer one is not multiplied."""

LONG = 60
"""A longer piece of code is not taken for one."""

FORMS: tuple[str, ...] = (
    "{}.T",
    "({}).sum(axis=0)",
    "({}).sum(axis=-1)",
    "({}).sum(axis=-1, keepdims=True)",
    "({}).sum()",
    "{}[..., None]",
    "{} > 0",
)
FORMS += ("{}[1:]", "{}[:-1]", "{}[0]", "{}[-1]", "len({})", "np.size({})", "{}.shape[-1]", "2 * {}", "{} ** 2", "1 - {}", "1 - {} ** 2")
FORMS += ("{0} * (1 - {0})",)
FORMS += ("1 / (1 + np.exp(-{}))", "1 / (1 + np.exp({}))", "np.exp({})", "np.sqrt({})", "np.sin({})", "np.cos({})", "np.tanh({})")
"""What else is made of a name."""

SIGNS: Mapping[type[ast.operator], np.ufunc] = {ast.Mult: np.multiply, ast.Div: np.divide, ast.Add: np.add, ast.Sub: np.subtract}
WRITTEN: Mapping[type[ast.operator], str] = {ast.Mult: "*", ast.Div: "/", ast.Add: "+", ast.Sub: "-"}

Rounds = tuple[tuple[int, ...], ...]
"""The shapes of something in every round of a loop."""

Piece = tuple[str, Sequence[Any]]
"""A piece of code, and its numbers on each input: an array; of a line within a loop a tuple of arrays, one for every round."""


def scope(function: ast.FunctionDef, line: int) -> set[str]:
    """The names that are known where that line begins."""
    arguments = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    names = (n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    return arguments | {n.id for n in names if n.lineno < line}


def pieces(examinations: Sequence[Examination], line: int, needed: Sequence[Needed] = ()) -> list[Piece]:
    """Everything with numbers that may stand in a line, each once: first what is written somewhere, the shortest before the others.

    Args:
        examinations: one for each input.
        line: what is named before it is known.
        needed: in that line, which tell what has a name in every round of a loop.
    """
    pair = examinations[0].subject.pair
    known, rounds = scope(pair.backward, line), [n.worlds for n in needed]
    own = [{**e.subject.namespace, **imported(pair.backward), **e.locals, "self": e.ran.self} for e in examinations]
    looped = any(len(of) > 1 for of in rounds)
    worlds = [[{**world, **names} for names in of] for world, of in zip(own, rounds, strict=True)] if needed else [[w] for w in own]
    nodes = [n for f in (pair.backward, pair.forward) for s in f.body for n in ast.walk(s)]
    parts = ast.BinOp | ast.Call | ast.Attribute | ast.Subscript | ast.UnaryOp | ast.Constant | ast.Compare
    written = [*(known - {"self"}), *(ast.unparse(n) for n in nodes if isinstance(n, parts))]
    called = {f"{ast.unparse(n.func)}({{}})" for n in nodes if isinstance(n, ast.Call) and len(n.args) == 1 and not n.keywords}
    axes = [n for n in sorted(known) if is_axes(examinations[0].locals.get(n))]
    forms = [*FORMS, *sorted(called), *(f"({{}}).sum(axis={n})" for n in axes)]
    made = [form.format(n) for n in sorted(known - {"self"}) for form in forms]
    found: dict[bytes, Piece] = {}
    for texts in (written, [*made, "2", "0.5"]):
        for text in sorted(set(texts), key=lambda t: (len(t), t)):
            if len(text) <= LONG and (numbers := evaluated(text, known, worlds)) is not None:
                key = b"".join(n.tobytes() + repr(n.shape).encode() for of in numbers for n in of)
                found.setdefault(key, (text, numbers if looped else [of[0] for of in numbers]))
    return list(found.values())


def is_axes(value: Any) -> bool:
    """Whether this may say over which axes something is summed."""
    return isinstance(value, tuple) and bool(value) and all(isinstance(i, int) for i in value)


def imported(function: ast.FunctionDef) -> dict[str, Any]:
    """What it imports itself."""
    found: dict[str, Any] = {}
    for node in function.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), "<your file>", "exec"), found)
    return found


def evaluated(text: str, known: Iterable[str], worlds: Sequence[Sequence[Mapping[str, Any]]]) -> list[tuple[np.ndarray, ...]] | None:
    """The numbers of a piece of code in each of the worlds of each input; None if it has none."""
    tree = ast.parse(text, mode="eval")
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    if not all(n in known or n == "self" or callable(worlds[0][0].get(n)) or n in ("np", "math", "len") for n in names):
        return None
    code, found = compile(tree, "<a piece>", "eval"), list[tuple[np.ndarray, ...]]()
    try:
        with np.errstate(all="ignore"):
            for worlds_of_one in worlds:
                values = [eval(code, dict(world)) for world in worlds_of_one]
                if not all(isinstance(v, np.ndarray | np.generic | int | float | list | tuple) for v in values):
                    return None  # np.c_ has an entry for every number, without end
                found.append(tuple(map(np.asarray, values)))
    except Exception:  # whatever a piece may raise that is torn out of its line
        return None
    if not all(f.dtype.kind in "fiub" and np.isfinite(f).all() and f.size for of in found for f in of):
        return None
    return [tuple(f.astype(float) for f in of) for of in found]


def fitting(known: Sequence[Piece], needed: Sequence[Needed], three: bool = False) -> Iterator[str]:
    """The pieces that make everything right in the place of another, then two of them with a sign between; or three.

    Args:
        known: the pieces.
        needed: of the place, on each input.
        three: whether three are put together, in the place of one or two.
    """
    if known and isinstance(known[0][1][0], tuple):
        needed = [n if n.rounds else replace(n, value=n.value.reshape(-1), rounds=(n.value.shape,)) for n in needed]
        rounds = [n.rounds or () for n in needed]
        known, matrices = in_a_row(known, rounds), in_a_row(list(products_in_rounds(known, rounds)), rounds)
    else:
        matrices = list(products(known, [n.value.shape for n in needed])) if not three else []
    shapes = [n.value.shape for n in needed]

    def is_right(numbers: Sequence[np.ndarray]) -> bool:
        return all(fits(v, n.value.shape) and n.is_right(v) for n, v in zip(needed, numbers, strict=True))

    of = [(text, numbers) for text, numbers in known if all(map(fits, numbers, shapes))]
    if not three:
        matrices = [(text, numbers) for text, numbers in matrices if all(map(fits, numbers, shapes))]
        yield from (ast.unparse(parsed(text)) for text, numbers in (*of, *matrices) if is_right(numbers))
        of = [*of[: MOST - FEW], *matrices[:MOST]]
    short = [p for p in of if len(p[0]) <= SHORT and not p[0].replace(".", "").isdigit()][:FEW]
    for sign, negative, one, two in pairs(of if not three else of[:MOST], together(short) if three else of, needed[0]):
        found = [SIGNS[sign](x, y) for x, y in zip(one[1], two[1], strict=True)]
        if is_right([-v if negative else v for v in found]):
            node: ast.expr = ast.BinOp(parsed(one[0]), sign(), parsed(two[0]))
            yield ast.unparse(ast.UnaryOp(ast.USub(), node) if negative else node)


def in_a_row(known: Sequence[Piece], rounds: Sequence[Rounds]) -> list[Piece]:
    """The pieces of a line within a loop that may have these shapes: the numbers of all rounds one after the other."""
    found: list[Piece] = []
    for text, numbers in known:
        with suppress(ValueError):  # of another shape
            rows = [[np.broadcast_to(v, s) for v, s in zip(of, shapes, strict=True)] for of, shapes in zip(numbers, rounds, strict=True)]
            found.append((text, [np.concatenate([v.reshape(-1) for v in row]) for row in rows]))
    return found


def products_in_rounds(known: Sequence[Piece], rounds: Sequence[Rounds]) -> Iterator[Piece]:
    """Products of short pieces with a matrix among them, and of two vectors, of the shape that is needed in every round."""
    short = [(t, n) for t, n in known if n[0][0].ndim in (1, 2) and len(t) <= LONG // 2][:FACTORS]
    for a, x in short:
        for b, y in short:
            p, q = x[0][0], y[0][0]
            if p.ndim + q.ndim > 2 and p.shape[-1] == q.shape[0] and (*p.shape[:-1], *q.shape[1:]) == rounds[0][0]:
                with suppress(ValueError):  # in another round
                    yield f"({a}) @ ({b})", [tuple(u @ v for u, v in zip(us, vs, strict=True)) for us, vs in zip(x, y, strict=True)]
            elif p.ndim == q.ndim == 1 and (*p.shape, *q.shape) == rounds[0][0]:
                yield f"np.outer({a}, {b})", [tuple(map(np.outer, us, vs)) for us, vs in zip(x, y, strict=True)]


def pairs(some: Sequence[Piece], others: Sequence[Piece], needed: Needed) -> Iterator[tuple[type[ast.operator], bool, Piece, Piece]]:
    """Two pieces with a sign between, and whether with a minus before them, that move the sum of all results as they must."""
    if not (some and others):
        return
    weights = np.random.default_rng(0).normal(size=len(needed.missing))
    along = weights @ needed.slopes  # one number of all that the piece moves
    wanted = float(along @ needed.value.reshape(-1) + weights @ needed.missing)
    P, Q = (np.array([np.broadcast_to(n[0], needed.value.shape).reshape(-1) for _, n in of]) for of in (some, others))
    with np.errstate(all="ignore"):
        one, two = P @ along, Q @ along
        found = {ast.Mult: (P * along) @ Q.T, ast.Div: (P * along) @ (1 / Q).T, ast.Add: one[:, None] + two, ast.Sub: one[:, None] - two}
        near = [(s, n, *np.argwhere(close(v, -wanted if n else wanted)).T) for s, v in found.items() for n in (False, True)]
    places = [(s, n, some[i], others[j]) for s, n, rows, columns in near for i, j in zip(rows, columns, strict=True)]
    yield from sorted(places, key=lambda p: (len(p[2][0]) + len(p[3][0]), p[1]))


def close(numbers: np.ndarray, to: float) -> np.ndarray:
    """Which of these come so near."""
    return np.isfinite(numbers) & (np.abs(numbers - to) <= 1e-6 * (np.abs(numbers) + abs(to) + 1e-9))


def together(short: Sequence[Piece]) -> list[Piece]:
    """Two short pieces with a sign between, and what that leaves of 1."""
    found: list[Piece] = []
    with np.errstate(all="ignore"):
        for i, (a, x) in enumerate(short):
            for j, (b, y) in enumerate(short):
                for sign, write in SIGNS.items():
                    if i < j or (sign in (ast.Div, ast.Sub) and i != j):
                        numbers = [write(p, q) for p, q in zip(x, y, strict=True)]
                        text = f"({a}) {WRITTEN[sign]} ({b})"
                        found.append((text, numbers))
                        if sign in (ast.Mult, ast.Div):
                            found.append((f"1 - {text}", [1 - n for n in numbers]))
    return [(text, numbers) for text, numbers in found if np.isfinite(numbers[0]).all()]


def products(known: Sequence[Piece], shapes: Sequence[tuple[int, ...]]) -> Iterator[Piece]:
    """Matrix products of short pieces, where a matrix is needed."""
    short = (
        [(t, n) for t, n in known if isinstance(n[0], np.ndarray) and n[0].ndim >= 2 and len(t) <= LONG // 2] if len(shapes[0]) >= 2 else []
    )
    for a, x in short:
        for b, y in short:
            if x[0].shape[-1] == y[0].shape[-2] and (x[0].shape[-2], y[0].shape[-1]) == shapes[0][-2:]:
                try:
                    yield f"({a}) @ ({b})", [p @ q for p, q in zip(x, y, strict=True)]
                except ValueError:  # the axes before these two do not fit
                    continue


def parsed(text: str) -> ast.expr:
    """Its tree."""
    return ast.parse(text, mode="eval").body
