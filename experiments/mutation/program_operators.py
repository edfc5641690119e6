"""The mistakes that people make outside of a backward: the other side, the worst for the best, an option ignored, an end too early.

Each is a generator, as in `operators`, whose own mistakes are made here too.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

from experiments.source.arguments import defaults_of
from experiments.source.operators import OPERATORS, Function, Mutant, Operator, is_text, mutants_of, name_of, renamed

SIDES = [
    ("ours", "theirs"), ("hand", "torch"), ("manual", "torch"), ("manual", "torch_module"), ("by_hand", "by_torch"),
    ("by_hand", "in_torch"),
    ("train", "val"), ("row", "column"), ("rows", "columns"), ("x", "y"), ("a", "b"), ("lower", "upper"), ("before", "after"),
]  # fmt: skip
"""Words that stand for the two sides of something, and are easily exchanged."""

OTHER_SIDE = {here: [b if a == here else a for a, b in SIDES if here in (a, b)] for pair in SIDES for here in pair}
QUANTIFIERS = {"any": "all", "all": "any", "nanmax": "nanmin", "nanmin": "nanmax", "isnan": "isinf", "isinf": "isnan"}
STATUSES = ("AGREE", "DISAGREE", "BAD_INPUT", "INTERRUPTED")
DTYPES = {"float64": "float32", "float32": "float64"}
SAID = {"log", "add_scalar", "add_scalars", "add_histogram", "add_figure", "add_text", "getattr", "get"}
"""Calls whose first argument is a name that somebody else reads."""

NOT_OUTSIDE = {"scale", "saved", "stale"}
"""Mistakes of a backward that make no sense where no gradient is computed: the spine does without them."""

PROGRAM_OPERATORS: list[tuple[str, Operator]] = []


def operator(name: str) -> Callable[[Operator], Operator]:
    """Register a generator of mistakes under this name."""

    def register(generate: Operator) -> Operator:
        PROGRAM_OPERATORS.append((name, generate))
        return generate

    return register


# ---- the other one of two ------------------------------------------------------------------------------


@operator("side")
def other_side(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    match node:
        case ast.Name(name, ast.Load()):
            yield from (ast.Name(other, ast.Load()) for other in OTHER_SIDE.get(name, ()) if other in function.words)
        case ast.Attribute(value, name, ast.Load()) if name in OTHER_SIDE and function.place[node][1] != "func":
            yield from (ast.Attribute(value, other, ast.Load()) for other in OTHER_SIDE[name] if other in function.words or name in SPLIT)
        case ast.Constant(str(text)):
            parts = text.split("/")
            for i, part in enumerate(parts):
                for other in OTHER_SIDE.get(part, ()) if len(part) > 1 else ():
                    yield ast.Constant("/".join([*parts[:i], other, *parts[i + 1 :]]))
        case ast.Return(ast.Tuple([first, second])):
            yield ast.Return(ast.Tuple([second, first], ast.Load()))
        case ast.Call(func, [first, second, *rest], keywords) if is_plain(first) and is_plain(second) and name_of(node) not in NEEDS_ALL:
            yield ast.Call(func, [second, first, *rest], keywords)


SPLIT = ("train", "val")


def is_plain(node: ast.AST) -> bool:
    """Whether this is a name, or an attribute of one."""
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))


@operator("best")
def worst_for_best(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    match node:
        case ast.Call(ast.Name("sorted"), [values], keywords) if not any(k.arg == "reverse" for k in keywords):
            yield ast.Call(ast.Name("sorted", ast.Load()), [values], [*keywords, ast.keyword("reverse", ast.Constant(True))])
            yield ast.Call(ast.Name("list", ast.Load()), [values], [])
        case ast.Call(ast.Name("reversed"), [values]):
            yield ast.Call(ast.Name("list", ast.Load()), [values], [])


@operator("any")
def all_for_any(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call) and name_of(node) in QUANTIFIERS:
        yield ast.Call(renamed(node.func, QUANTIFIERS[name_of(node)]), node.args, node.keywords)


@operator("first")
def last_for_first(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    last = ast.UnaryOp(ast.USub(), ast.Constant(1))
    match node:
        case ast.Subscript(value, ast.Constant(0), ctx) if not isinstance(value, ast.Attribute) or value.attr != "shape":
            yield ast.Subscript(value, last, ctx)
        case ast.Subscript(value, ast.UnaryOp(ast.USub(), ast.Constant(1)), ctx):
            yield ast.Subscript(value, ast.Constant(0), ctx)
        case ast.Subscript(value, ast.Slice(low, high, None), ctx) if (low is None) != (high is None):
            yield ast.Subscript(value, ast.Slice(high, low, None), ctx)
        case ast.Call(ast.Name("next"), [ast.GeneratorExp() as each, *otherwise]):
            found = ast.List([*otherwise, ast.Starred(each, ast.Load())], ast.Load())
            yield ast.Subscript(found, last, ast.Load())
        case ast.Call(ast.Attribute(_, "pop") as func, []):
            yield ast.Call(func, [ast.Constant(0)], [])


@operator("status")
def other_status(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    if isinstance(node, ast.Name) and node.id in STATUSES:
        yield from (ast.Name(other, ast.Load()) for other in STATUSES[:3] if other != node.id and other in function.known)


@operator("name")
def other_name(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    parent, field, i = function.place[node]
    said = isinstance(parent, ast.Call) and name_of(parent) in SAID and field == "args" and i in (0, 1)
    if is_text(node) and ((isinstance(parent, ast.Dict) and field == "keys") or said):
        yield ast.Constant(str(node.value) + "_")


# ---- arguments and defaults ------------------------------------------------------------------------------


@operator("given")
def constant_for_an_argument(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    if function.is_argument(node) and not isinstance(function.parent(node), ast.Starred):
        match node:
            case ast.Name(name, ast.Load()) if function.annotations.get(name) in NUMBERS:
                yield ast.Constant(NUMBERS[function.annotations[name]])
            case ast.Attribute(ast.Name("self" | "options"), name) if name not in ("device", "trainer"):
                yield ast.Constant(0)


NUMBERS = {"int": 0, "float": 0.5, "bool": False}
"""What stands in the place of an argument, by its annotation."""


@operator("default")
def other_default(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    if function.is_default(node):
        match node:
            case ast.Constant(bool(value)):
                yield ast.Constant(not value)
            case ast.Constant(int(value)):
                yield ast.Constant(value + 1)
            case ast.Constant(float(value)):
                yield ast.Constant(2 * value or 1.0)
            case ast.Constant(str(value)) if value in DTYPES:
                yield ast.Constant(DTYPES[value])
            case ast.Tuple([ast.Constant(int() | float() as first), *rest]):
                yield ast.Tuple([ast.Constant(first / 2 if first else 1), *rest], ast.Load())


@operator("ignored")
def ignored_argument(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    match node:
        case ast.Name(name, ast.Load()) if name in function.defaults:
            yield copy.deepcopy(function.defaults[name])
        case ast.Call(func, args, keywords):
            for i, k in enumerate(keywords):
                if k.arg not in (None, "dtype", "strict", "file", "encoding"):
                    yield ast.Call(func, args, keywords[:i] + keywords[i + 1 :])
            if len(args) > 1 and not any(isinstance(a, ast.Starred) for a in args) and name_of(node) not in NEEDS_ALL:
                yield ast.Call(func, args[:-1], keywords)


NEEDS_ALL = {"isinstance", "zip", "setattr", "partial"}


# ---- conditions --------------------------------------------------------------------------------------------


@operator("negated")
def negated_condition(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    parent, field, _ = function.place.get(node, (None, "", None))
    if isinstance(node, ast.expr) and field == "test":
        yield ast.UnaryOp(ast.Not(), node)
        if isinstance(parent, ast.If):
            yield ast.Constant(False)
    if isinstance(node, ast.expr) and isinstance(parent, ast.comprehension) and field == "ifs":
        yield ast.UnaryOp(ast.Not(), node)
        yield ast.Constant(True)
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Compare | ast.BoolOp):
        yield ast.Return(ast.UnaryOp(ast.Not(), node.value))


@operator("connective")
def or_for_and(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


# ---- values --------------------------------------------------------------------------------------------------


@operator("added")
def added_instead_of_set(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    match node:
        case ast.Assign([ast.Name(name) as target], value) if function.bound.get(name, node.lineno) < node.lineno:
            yield ast.AugAssign(target, ast.Add(), value)
        case ast.Assign([ast.Attribute() | ast.Subscript() as target], value) if function.tree.name != "__init__":
            yield ast.AugAssign(target, ast.Add(), value)


@operator("dropped")
def dropped_value(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    match node:
        case ast.Return(ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(None)
        case ast.Dict(keys, values) if len(keys) > 1:
            yield ast.Dict(keys[:-1], values[:-1])
        case ast.Expr(ast.Yield(ast.expr() as value) as here):
            yield ast.Expr(ast.Yield(None)) if here.value is value else node


@operator("count")
def off_by_one(node: ast.AST, function: Whole) -> Iterator[ast.AST]:
    one = ast.Constant(1)
    match node:
        case ast.Constant(int(value)) if not isinstance(value, bool) and value > 1 and not function.is_default(node):
            yield ast.Constant(value - 1)
        case ast.Call(ast.Name("len" | "round"), _, _):
            yield from (ast.BinOp(node, op, one) for op in (ast.Add(), ast.Sub()))
        case ast.Call(ast.Name("range") as func, args, _):
            yield ast.Call(func, [*args[:-1], ast.BinOp(args[-1], ast.Sub(), one)], [])
        case ast.Call(ast.Name("enumerate") as func, [values], []):
            yield ast.Call(func, [values, one], [])


# ---- a whole function ------------------------------------------------------------------------------------------


class Whole(Function):
    """The tree of a function, with its defaults, its checks and the values in its texts."""

    def __init__(self, tree: ast.FunctionDef, known: frozenset[str] = frozenset()) -> None:
        super().__init__(tree, says_nothing)
        arguments = tree.args
        named = [*arguments.posonlyargs, *arguments.args]
        self.known = known  # the names of the module
        self.defaults = {name: d for name, d in defaults_of(tree).items() if isinstance(d, ast.Constant | ast.Tuple)}
        self.annotations = {a.arg: ast.unparse(a.annotation) for a in (*named, *arguments.kwonlyargs) if a.annotation}
        self.words = set(self.bound) | {n.attr for n in self.nodes if isinstance(n, ast.Attribute)}
        self.words |= {n.id for n in self.nodes if isinstance(n, ast.Name)}
        self.place[arguments] = (tree, "args", None)
        for field in ("defaults", "kw_defaults"):
            for i, default in enumerate(getattr(arguments, field)):
                if default is not None:
                    self.place[default] = (arguments, field, i)
                    self.nodes.append(default)

    def is_argument(self, node: ast.AST) -> bool:
        """Whether this is handed to a call."""
        parent, field, _ = self.place[node]
        return (isinstance(parent, ast.Call) and field == "args") or isinstance(parent, ast.keyword)

    def is_default(self, node: ast.AST) -> bool:
        """Whether this stands in the signature."""
        return isinstance(self.place.get(node, (None,))[0], ast.arguments)


def says_nothing(node: ast.AST) -> bool:
    """Whether this decides and computes nothing: a docstring, an import, the words of an error, an annotation's type."""
    match node:
        case ast.Raise() | ast.Assert() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(ast.Call() as call):
            return name_of(call) == "warn"
        case ast.Expr(value):
            return is_text(value)
        case ast.keyword("strict" | "encoding"):
            return True
        case ast.AnnAssign(value=None):
            return True
    return False


def known_in(module: ast.Module) -> frozenset[str]:
    """The names that a module binds outside of its functions, imported ones too."""
    imports = {a.asname or a.name for n in ast.walk(module) if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names}
    return frozenset(imports | {n.id for n in ast.walk(module) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)})


def program_mutants(name: str, tree: ast.FunctionDef, known: frozenset[str] = frozenset(), *, spine: bool = False) -> list[Mutant]:
    """Every mistake of either kind in this function, each text once.

    Args:
        name: of the function, the beginning of each id.
        tree: its tree; copied, so that the caller's stays as it is.
        known: what its module binds.
        spine: whether it belongs to what trains, compares and reports, where `NOT_OUTSIDE` makes no sense.
    """
    others = [(kind, generate) for kind, generate in OPERATORS if not (spine and kind in NOT_OUTSIDE)]
    found = mutants_of(name, Whole(copy.deepcopy(tree), known), [*PROGRAM_OPERATORS, *others])
    return [m for m in found if not (spine and is_minus(m))]


def is_minus(mutant: Mutant) -> bool:
    """Whether all it does is to put a minus before a result: what the spine returns are seldom numbers."""
    added = isinstance(mutant.replacement, ast.UnaryOp) and mutant.replacement.operand is mutant.node
    return mutant.operator == "sign" and added
