"""What the text of a file says of its arguments: a word like 'train', a stride, an image of four axes, a dict of options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache

from experiments.doctor.numbers.shapes import COLUMNS, ROWS, is_vector, likely
from experiments.doctor.numbers.windows import IMAGE, LARGE, Shape
from experiments.doctor.reading.claims import short
from experiments.doctor.reading.counterparts import is_loss
from experiments.doctor.reading.taps import PIECE, is_key
from experiments.doctor.reading.text import assignments

Candidates = list[tuple[str, Shape]]

FILTER: tuple[Shape, ...] = (("F", "C", 3, 3), ("C", "F", 3, 3), (3, 3, "C", "F"), ("C", 3, 3))
OF_IMAGES: tuple[Shape, ...] = (("F",), ("C",), ("F", 1), ("C", 1), (1, "C", 1, 1), (1, "F", 1, 1), (1, 1, 1, "F"), (1, 1, 1, "C"))
"""What stands beside an image: one number for each filter, or each channel."""

HEADS = re.compile(r"(n|num)_?heads?$|heads$", re.IGNORECASE)
"""Called like how many heads an attention has, by which the width can be divided."""

WHOLE = (
    (re.compile(r"strides?$|s$"), (2, 1)),
    (re.compile(r"pad(ding)?s?$"), (1, 0)),
    (re.compile(r"(pool|kernel|filter|window|k)?_?(size|height|width|h|w|hh|ww)$|(f|k|hparam)$"), (2, 3)),
)
"""Sizes of windows by their names, and how large they may be."""


def known_by_use(functions: Sequence[ast.FunctionDef], names: Sequence[str]) -> dict[str, Candidates]:
    """(kind, shape) of those of these arguments of which the text says it.

    Args:
        functions: the forward and the backward.
        names: of the arguments, entries of dicts among them.
    """
    axes = ranks(functions)
    said = [n for name in names if (n := unpacked(functions[0]).get(name))]
    images = any(n >= 4 for n in axes.values()) and max(said, default=4) >= 4  # heads have four axes, and what goes in has not
    heads = [n for n in names if HEADS.match(short(n))]
    columns = any(first_is_class(f, names) for f in functions)
    picked = {n for f in functions for n in one_of_each_row(f)}
    found: dict[str, Candidates] = {}
    for name in names:
        words = [w for f in functions for w in compared(f, name)]
        plain = short(name).lower()
        whole = next((n for pattern, n in WHOLE if pattern.match(plain)), None)
        if words:
            found[name] = [(f"text {word}", ()) for word in sorted(dict.fromkeys(words), key=lambda w: w != "train")]
        elif is_index(functions, name):
            deep = axes.get(name, 1) > 1 or any(unpacked(f).get(name, 1) > 1 for f in functions)
            shallow: Candidates = [("label", ("N",)), ("label", ("T",)), ("label", ("N", "T")), ("label", ()), ("label", ("N", "O"))]
            shallow = [shallow[-2], *shallow] if ONE_INDEX.search(plain) else shallow
            shallow = [("indices", ("T",))] if is_joined(functions, name) else shallow
            found[name] = [("label", ("N", "T"))] if deep else shallow
        elif is_yes_or_no(functions, name):
            found[name] = [("binary", shape) for shape in (*ROWS, *COLUMNS)]
        elif is_probability(functions[0], name):
            found[name] = [("probability", ("N", "O")), ("probability", ("N", 1)), ("probability", ("N",)), ("probability", ("O", "N"))]
        elif name in picked and not columns:
            found[name] = [("normal", shape) for shape in (("N", "O"), ("N", "D"), ("N", "H"))]
        elif columns and likely(name)[0][1] in ROWS:
            found[name] = [("normal", shape) for shape in COLUMNS]
        elif goes_through_pairs(functions, name):
            found[name] = [("pairs", (6, 2))]
        elif MASK.fullmatch(plain) and is_factor(functions, name):
            found[name] = [("mask", shape) for shape in (*ROWS, ("N", "N"), *COLUMNS)]
        elif is_options(functions, name):
            found[name] = [("empty", ())]
        elif heads and axes.get(name, 0) == 3:
            found[name] = [("normal", ("B", "T", "2D")), ("normal", ("T", "B", "2D"))]
        elif heads and plain.startswith("w"):
            found[name] = [("normal", ("2D", "2D"))]
        elif heads and is_vector(name):
            found[name] = [("normal", ("2D",))]
        elif whole and images and (len(plain) > 2 or is_entry(name)):
            found[name] = [(f"whole {n}", ()) for n in whole]
        elif images and is_vector(name) and axes.get(name, 0) >= 4:
            found[name] = [("normal", shape) for shape in (*OF_IMAGES[::-1], *IMAGE, *LARGE)]
        elif images and (axes.get(name, 0) >= 4 or plain.startswith(("w", "k", "f"))):
            whole_images = (*IMAGE, *LARGE)
            first, then = (FILTER, whole_images) if plain.startswith(("w", "k", "f")) else (whole_images, FILTER)
            found[name] = [("normal", shape) for shape in (*first, *then)]
        elif name in (letters := einsum_shapes(functions)):
            found[name] = [("normal", letters[name])]
        elif images and is_vector(name):
            found[name] = [("normal", shape) for shape in OF_IMAGES]
    return found


PROBABILITY = re.compile(r"(y_?(pred|hat)|p|probs?|probabilities|pred(iction)?s?)$", re.IGNORECASE)
"""Called like what a softmax has made."""


DISTRIBUTION = re.compile(r"(^|_)(probs?|probabilities|soft_?(labels?|targets?))$", re.IGNORECASE)
"""Of a loss: what another network has guessed, or targets that are no single class."""

SHARES = re.compile(r"(keep|drop(out)?)_?", re.IGNORECASE)


def is_probability(forward: ast.FunctionDef, name: str) -> bool:
    """Whether an argument is a prediction whose logarithm is taken, as it is or clipped."""
    if is_loss(forward.name) and DISTRIBUTION.search(name) and not SHARES.match(name):
        return True
    text = ast.unparse(forward)
    return bool(PROBABILITY.match(name)) and "log(" in text and "exp(" not in text and "softmax" not in text and "sigmoid" not in text


def einsum_shapes(functions: Sequence[ast.FunctionDef]) -> dict[str, Shape]:
    """By name, the axes that an einsum says an array has: np.einsum('ni,oij,nj->no', x, W, y), a size for each letter."""
    found: dict[str, Shape] = {}
    size: dict[str, str] = {}
    spare = [*"NDHOTXCB"]
    for node in (n for f in functions[:1] for n in ast.walk(f)):
        match node:
            case ast.Call(ast.Attribute(_, "einsum"), [ast.Constant(str(text)), *operands]) if "." not in text:
                for letters, of in zip(text.replace(" ", "").split("->")[0].split(","), operands, strict=False):
                    for letter in letters:
                        if letter not in size and spare:
                            size[letter] = spare.pop(0)
                    if isinstance(of, ast.Name) and all(letter in size for letter in letters):
                        found.setdefault(of.id, tuple(size[letter] for letter in letters))
    return found


def is_entry(name: str) -> bool:
    """Whether this is an entry of a dict, or a part of a list."""
    return name.endswith("']") or PIECE.match(name) is not None


def unpacked(function: ast.FunctionDef) -> dict[str, int]:
    """By name, how many axes the file says that it has: N, C, H, W = x.shape."""
    found = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign([ast.Tuple(sizes)], ast.Attribute(of, "shape")):
                found[ast.unparse(of)] = len(sizes)
    return found


def ranks(functions: Sequence[ast.FunctionDef]) -> dict[str, int]:
    """By name, how many axes an array has at the least: N, C, H, W = x.shape; x[n, c, i, j]; x.transpose(0, 2, 3, 1)."""
    found: dict[str, int] = {}
    for function in functions:
        for name, axes in unpacked(function).items():
            if name.isidentifier():
                found[name] = max(found.get(name, 0), axes)
    for node in (n for f in functions for n in ast.walk(f)):
        match node:
            case ast.Subscript(ast.Attribute(ast.Name(name), "shape"), ast.Constant(int(axis))):
                axes = axis + 1
            case ast.Subscript(ast.Name(name), ast.Tuple(elts)):
                axes = sum(not isinstance(e, ast.Starred) and ast.unparse(e) not in ("None", "np.newaxis", "...") for e in elts)
            case ast.Call(ast.Attribute(ast.Name(name), "transpose"), args):
                axes = len(args)
            case ast.Call(ast.Attribute(ast.Name(name), "sum" | "mean" | "max" | "var" | "std"), args, keywords):
                said = [*args[:1], *(k.value for k in keywords if k.arg == "axis")]
                axes = 1 + max(
                    (c.value for a in said for c in ast.walk(a) if isinstance(c, ast.Constant) and type(c.value) is int), default=-1
                )
            case _:
                continue
        found[name] = max(found.get(name, 0), axes)
    return found


def aliases(function: ast.FunctionDef, name: str) -> set[str]:
    """What a value is called: mode of mode = options['mode']."""
    return {name, *(ast.unparse(target) for target, value in assignments(function) if ast.unparse(value) == name)}


def compared(function: ast.FunctionDef, name: str) -> Iterator[str]:
    """The words that an argument is compared with."""
    called = aliases(function, name)
    for node in ast.walk(function):
        match node:
            case ast.Compare(left, [ast.Eq()], [ast.Constant(str(word))]) if ast.unparse(left) in called:
                yield word


def is_yes_or_no(functions: Sequence[ast.FunctionDef], name: str) -> bool:
    """Whether an argument is asked whether it is 1, or 0: np.where(y == 1, p, 1 - p)."""
    for node in (n for f in functions for n in ast.walk(f)):
        match node:
            case ast.Compare(ast.Name(called), [ast.Eq() | ast.NotEq()], [ast.Constant(0 | 1 | 0.0 | 1.0)]) if called == name:
                return True
    return False


def is_index(functions: Sequence[ast.FunctionDef], name: str) -> bool:
    """Whether an argument, or an entry of it, says which entry of another is meant: p[range(N), y], xs[t][inputs[t]], W[x]."""
    for function in functions:
        called = entries_of(function, name)
        for node in (n for n in ast.walk(function) if isinstance(n, ast.Subscript)):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if any(ast.unparse(p.value if isinstance(p, ast.Subscript) else p) in called for p in parts):
                return True
    return False


def entries_of(function: ast.FunctionDef, name: str) -> set[str]:
    """What an argument and its entries are called: first, rest = name[0], name[1:]; for k in rest; for i, k in enumerate(name)."""
    found, before = {name}, 0
    while len(found) > before:
        before = len(found)
        for target, value in taken_out(function):
            if ast.unparse(value) in found:
                found |= {target.id} if isinstance(target, ast.Name) else set()
    return found


def taken_out(function: ast.FunctionDef) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(target, what it is an entry of)."""
    yield from ((target, value.value) for target, value in assignments(function) if isinstance(value, ast.Subscript))
    for node in ast.walk(function):
        match node:
            case ast.For(ast.Tuple([_, target]), ast.Call(ast.Name("enumerate"), [of, *_])) | ast.For(ast.Name() as target, of):
                yield target, of


MASK = re.compile(r"m|\w*mask|observed|is_?(rated|known)|valid")
"""Called like what says which entries count, by 1 and 0."""


def is_factor(functions: Sequence[ast.FunctionDef], name: str) -> bool:
    """Whether an array is only multiplied by, and the backward names no gradient of it."""
    stored = {n.id.lower() for n in ast.walk(functions[1]) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    factors = total = 0
    for node in ast.walk(functions[0]):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            factors += sum(isinstance(side, ast.Name) and side.id == name for side in (node.left, node.right))
        total += isinstance(node, ast.Name) and node.id == name
    return bool(factors) and factors == total and not stored & {f"d{name}".lower(), f"d_{name}".lower(), f"grad_{name}".lower()}


def one_of_each_row(function: ast.FunctionDef) -> set[str]:
    """The matrices of which one entry of each row is taken: q[np.arange(n), actions]."""
    return {
        node.value.id
        for node in ast.walk(function)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and isinstance(node.slice, ast.Tuple)
        and len(node.slice.elts) == 2
        and isinstance(node.slice.elts[0], ast.Call)
        and "range" in ast.unparse(node.slice.elts[0].func)
    }


def first_is_class(function: ast.FunctionDef, names: Sequence[str]) -> bool:
    """Whether the first axis is that of the classes: p[y, np.arange(n)], with labels y."""
    for node in ast.walk(function):
        match node:
            case ast.Subscript(_, ast.Tuple([ast.Name(label), ast.Call(func)])) if label in names and "range" in ast.unparse(func):
                return True
    return False


def computes_with(function: ast.FunctionDef, name: str) -> bool:
    """Whether a function reads this value, or a row of it, only as a number among numbers: o - y, y[t] * p, len(y)."""
    parents = {id(child): node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            parent = parents[id(node)]
            if isinstance(parent, ast.Subscript) and parent.value is node:
                parent = parents[id(parent)]
            is_size = isinstance(parent, ast.Call) and ast.unparse(parent.func) in ("len", "np.zeros_like", "np.shape", "np.sum", "np.log")
            if not (is_size or isinstance(parent, ast.BinOp | ast.Attribute | ast.Tuple)):
                return False
    return True


def keeps_one_row(backward: ast.FunctionDef) -> bool:
    """Whether a backward says that a sum over the examples stays a matrix of one row: keepdims=True, ones((1, n)) @ dz, reshape(1, -1)."""
    return re.search(r"keepdims=True|np\.ones\(\(1,|\.reshape\(\(?1,|\[np\.newaxis, :\]|\[None, :\]", ast.unparse(backward)) is not None


@cache
def is_coefficients(functions: tuple[ast.FunctionDef, ...], name: str) -> bool:
    """Whether a value is read entry by entry, each a factor of something else, and nowhere as a whole: c[k] * p, for k in range(len(c))."""
    rounds = {ast.unparse(n.target) for f in functions for n in ast.walk(f) if isinstance(n, ast.For)}
    entries = whole = 0
    for function in functions:
        parents = {id(child): node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                parent = parents[id(node)]
                if isinstance(parent, ast.Subscript) and ast.unparse(parent.slice) in rounds:
                    factor = parents[id(parent)]
                    entries += isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.Mult)
                    whole += not isinstance(factor, ast.BinOp) or not isinstance(factor.op, ast.Mult)
                elif not isinstance(parent, ast.Tuple | ast.Call) or (isinstance(parent, ast.Call) and "dot" in ast.unparse(parent.func)):
                    whole += 1
    is_measured = any(isinstance(n, ast.Call) and ast.unparse(n) == f"len({name})" for f in functions for n in ast.walk(f))
    return bool(entries) and not whole and is_measured


def made_of(init: ast.FunctionDef) -> set[str]:
    """The arguments of a constructor with one letter that arrays are made with: V of np.random.randn(V, d), which is no array."""
    found: set[str] = set()
    for node in ast.walk(init):
        if isinstance(node, ast.Call) and re.search(r"(randn?|zeros|ones|empty)$", ast.unparse(node.func)):
            parts = [p for a in node.args for p in (a.elts if isinstance(a, ast.Tuple) else [a])]
            found |= {p.id for p in parts if isinstance(p, ast.Name)} if len(parts) > 1 else set()
    return {n for n in found if len(n) == 1} & {a.arg for a in init.args.args}


ONE_INDEX = re.compile(r"(idx|index|ix|id)$")
"""Called like one row of an array, and not like many."""


def is_joined(functions: Sequence[ast.FunctionDef], name: str) -> bool:
    """Whether it is put together with a list, and so is a list itself: [target] + negatives."""
    for node in (n for f in functions for n in ast.walk(f)):
        match node:
            case ast.BinOp(ast.List(), ast.Add(), ast.Name(one)) | ast.BinOp(ast.Name(one), ast.Add(), ast.List()) if one == name:
                return True
    return False


def goes_through_pairs(functions: Sequence[ast.FunctionDef], name: str) -> bool:
    """Whether it is a list of edges: for s, t in edges, where s and t say which entry of another is meant."""
    for node in (n for f in functions for n in ast.walk(f) if isinstance(n, ast.For) and ast.unparse(n.iter) == name):
        if isinstance(node.target, ast.Tuple) and len(node.target.elts) == 2:
            ends = {ast.unparse(e) for e in node.target.elts}
            return any(isinstance(n, ast.Subscript) and ast.unparse(n.slice) in ends for n in ast.walk(node))
    return False


def is_options(functions: Sequence[ast.FunctionDef], name: str) -> bool:
    """Whether a function only asks for what this may hold: options.get('eps', 1e-5)."""
    uses = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == name]
    reads = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Subscript) and ast.unparse(n.value) == name and is_key(n)]
    return bool(uses) and all(n.attr == "get" for n in uses) and not any(isinstance(n.ctx, ast.Load) for n in reads)


def asked_for(functions: Sequence[ast.FunctionDef], name: str) -> set[str]:
    """The keys of a dict that a function asks for before it reads them: if 'seed' in options."""
    return {
        node.left.value
        for f in functions
        for node in ast.walk(f)
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.In)
        and isinstance(node.left, ast.Constant)
        and isinstance(node.left.value, str)
        and ast.unparse(node.comparators[0]) == name
    }
