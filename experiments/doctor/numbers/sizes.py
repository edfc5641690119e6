"""What a file calls the sizes of its arrays: N, T, D = x.shape, H = h0.shape[1], for t in range(T) beside mask[n, t], "x: (N, D)"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from experiments.doctor.numbers.windows import Shape
from experiments.doctor.reading.claims import short

Axes = dict[str, dict[int, str]]
"""By array, what the length of each of its axes is called."""

LETTERS: tuple[tuple[str, str], ...] = (
    ("T", r"t|t_?x|t_?q|seq\w*|time\w*|n_?steps|timesteps|length"),
    ("B", r"n_?heads?|num_heads|heads|nh|b"),
    ("N", r"n|m|batch\w*|n_?samples|num_\w+|n_nodes"),
    ("H", r"h|hidden\w*|n_?h|hidden_?size|l|units|w"),
    ("O", r"o|k|s|f|out\w*|n_?classes|c_?out|classes|n_?y|filters?"),
    ("D", r"d|i|e|c|v|vocab\w*|in\w*|features?|c_?in|n_?x|dim|channels"),
)
"""Which of our sizes a name is most likely meant for."""

SPARE = "HONDTB"
KERNEL = re.compile(r"k[hw]?|hh|ww|kernel\w*|width|window")
"""A size of weights that is called so is that of a window."""

NO_SIZES = {"optional", "default", "float", "int", "str", "bool", "array", "ndarray", "list", "tuple", "dict"}
"""What a docstring may write in brackets behind a name, and is no size."""

UNKNOWN = {"x": "NDHO", "w": "DHONT"}
"""What an axis may be of which nothing is said: of data, and of weights."""


def said(functions: Sequence[ast.FunctionDef]) -> Axes:
    """What a file says of the axes of the arrays that it names."""
    found: Axes = {}
    for node in (n for f in functions for n in ast.walk(f)):
        match node:
            case ast.Assign([ast.Tuple(names)], ast.Attribute(of, "shape")):
                for axis, name in enumerate(names):
                    put(found, of, axis, name)
                put(found, of, len(names) - 1, names[-1])
            case ast.Assign([ast.Name() as name], ast.Subscript(ast.Attribute(of, "shape"), ast.Constant(int(axis)))) if axis >= 0:
                put(found, of, axis, name)
            case ast.Assign([ast.Name() as name], ast.Call(ast.Name("len"), [of])):
                put(found, of, 0, name)
    rounds = {t.id: n.id for f in functions for t, n in loops(f)}
    for node in (n for f in functions for n in ast.walk(f) if isinstance(n, ast.Subscript)):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for axis, part in enumerate(parts):
            if isinstance(part, ast.Name) and part.id in rounds and axis not in found.get(ast.unparse(node.value), {}):
                put(found, node.value, axis, ast.Name(rounds[part.id]))
    return found


def of_several(functions: Sequence[ast.FunctionDef]) -> Iterator[tuple[str, str, str]]:
    """(Wo, n, d) of z @ Wo where z = np.zeros((T, n * d)): the first axis of what is multiplied with an array is as long as its last."""
    nodes = [n for f in functions for n in ast.walk(f)]
    made: dict[str, tuple[str, str]] = {}
    for node in nodes:
        match node:
            case ast.Assign([ast.Name(z)], ast.Call(_, [ast.Tuple([*_, ast.BinOp(ast.Name(n), ast.Mult(), ast.Name(d))]), *_])):
                made[z] = n, d
    for node in nodes:
        match node:
            case ast.BinOp(ast.Name(z), ast.MatMult(), of) | ast.Call(ast.Attribute(_, "dot" | "matmul"), [ast.Name(z), of]) if z in made:
                yield (ast.unparse(of), *made[z])


def documented(functions: Sequence[ast.FunctionDef], names: Sequence[str]) -> dict[str, list[str]]:
    """The sizes that a docstring writes behind the name of an array: "v_c: (d,), U: (K, d)"; "w: weights, of shape (D, M)"."""
    texts = [ast.get_docstring(f) or "" for f in functions]
    found: dict[str, list[str]] = {}
    for name in names:
        written = re.compile(rf"(?<![\w.]){re.escape(short(name))}\b[^\n()]*[\[(](\w+(?:, *\w+)+|\w+,)[\])]")
        match = next((m for text in texts if (m := written.search(text))), None)
        sizes = [size.strip() for size in match[1].split(",") if size.strip()] if match else []
        if sizes and not NO_SIZES & set(sizes):
            found[name] = sizes
    return found


def put(found: Axes, of: ast.expr, axis: int, name: ast.expr) -> None:
    """Remember it, where it is a name that means something."""
    if isinstance(name, ast.Name) and name.id.strip("_"):
        found.setdefault(ast.unparse(of), {})[axis] = name.id


def loops(function: ast.FunctionDef) -> Iterator[tuple[ast.Name, ast.Name]]:
    """(t, T) of each for t in range(T), also backwards, or from 1."""
    for node in ast.walk(function):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            for call in ast.walk(node.iter):
                match call:
                    case ast.Call(ast.Name("range"), [*_, ast.Name() as end]):
                        yield node.target, end


def letters(axes: Axes) -> dict[str, str]:
    """One of our sizes for each name, no two the same."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(n for of in axes.values() for n in of.values() if not n.isdigit()):
        likely = next((letter for letter, pattern in LETTERS if re.fullmatch(pattern, name.lower())), "D")
        spare = [letter for letter in (likely, *SPARE) if letter not in found.values()]
        found[name] = spare[0] if spare else likely
    return found


def shapes_said(
    functions: Sequence[ast.FunctionDef], exact: Mapping[str, int], least: Mapping[str, int], names: Sequence[str]
) -> dict[str, list[tuple[str, Shape]]]:
    """Shapes of those of the names of which the file calls all sizes but one by a name.

    Args:
        functions: the forward and the backward.
        exact: by name, how many axes an array has.
        least: how many it has at the least.
        names: of the arguments.
    """
    axes = said(functions)
    for name, sizes in documented(functions, names).items():
        axes[name], exact = dict(enumerate(sizes)), {**exact, name: len(sizes)}
    of = letters({n: a for n, a in axes.items() if n in names})
    ranks = {n: exact.get(n, least.get(n, 0)) for n in names if n in exact or least.get(n, 0) > 1}
    in_time = sum(rank == 3 for rank in ranks.values()) > 1  # a kernel beside what it goes over
    found: dict[str, list[tuple[str, Shape]]] = {}
    for name, rank in ranks.items():
        known = axes.get(name, {})
        if known and len(known) >= rank - 1 and rank <= 3:
            is_weight = name.lower().removeprefix("self.").startswith(("w", "k", "u", "f"))
            windows = [3] if is_weight and in_time else []
            ways = [axis_of(known.get(i), of, is_weight, windows) for i in range(rank)]
            shapes = [s for s in product(*ways) if rank < 3 or len(set(s)) == rank or s.count(3) == 2]
            twice = [s for s in product(*ways) if s not in shapes]  # theta of T × K × K
            found[name] = [("normal", tuple(s)) for s in (*shapes, *twice)]
    for name in [n for n in names if n in axes and n not in found]:
        alike = [n for n in found if n[:1] == name[:1] and axes[n].get(0) == axes[name].get(0) and ranks.get(n, 0) > 1]
        if alike:  # W_k is gone through head by head as W_q is
            found[name] = found[alike[0]]
    for name, n, d in of_several(functions):
        if name in names and name not in found and n in of and d in of:
            found[name] = [("normal", (f"{of[n]}*{of[d]}", other)) for other in UNKNOWN["w"]]
    return found


def axis_of(name: str | None, of: Mapping[str, str], is_weight: bool, windows: Sequence[int]) -> list[str | int]:
    """What one axis may be."""
    if name is None:
        return [*UNKNOWN["w" if is_weight else "x"], *windows]
    if name.isdigit():
        return [int(name)]
    if windows and KERNEL.fullmatch(name.lower()):
        return [*windows, of[name]]
    return [of[name]]
