"""The mistakes that people make in a backward pass, each as a small change of its syntax tree.

An operator is a generator: given one node of a function's tree it yields what could stand in the node's place.
A flipped sign, for one:

    @operator("sign")
    def flipped_sign(node, function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield ast.BinOp(node.left, ast.Sub(), node.right)
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard

REDUCTIONS = {"sum", "mean", "prod", "max", "min", "var", "std", "any", "all"}
REARRANGING = {"transpose", "swapaxes", "moveaxis"}
UNARY = {"abs", "fabs", "exp", "expm1", "log", "log1p", "sqrt", "square", "sign", "tanh", "sin", "cos", "erf", "sigmoid", "reciprocal"}
OPPOSITES = {"maximum": "minimum", "fmax": "fmin", "max": "min", "argmax": "argmin"}
OPPOSITES |= {there: here for here, there in OPPOSITES.items()}
NO_NUMBER = {"restore", "reversed", "zip", "range", "enumerate", "list", "tuple", "dict", "len", "slice", "isinstance", "errstate"}
NOTHING_YET = {"zeros", "zeros_like", "empty", "empty_like", "new_counter"}  # 2 · 0 is 0
WRITTEN_AT = {"at": 2, "put_along_axis": 2, "copyto": 1}  # which argument is what these write
ARITHMETIC = {"multiply": "divide", "divide": "multiply", "add": "subtract", "subtract": "add"}

EDGE = {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt}
DIRECTION = {ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.NotEq, ast.Is: ast.IsNot, ast.In: ast.NotIn}
DIRECTION |= {there: here for here, there in DIRECTION.items()}


# ---- a function's tree ---------------------------------------------------------------------------


class Function:
    """The tree of one function: where each of its nodes hangs, and which of its names could be mistaken for one another.

    What only checks its input (raise, assert, calls of `expect_...`) belongs to other tests and is not mutated.

    Args:
        tree: of the function.
        skipped: whether a node, and what is in it, is left alone.
    """

    def __init__(self, tree: ast.FunctionDef, skipped: Callable[[ast.AST], bool] | None = None) -> None:
        self.tree, self.skipped = tree, skipped or only_checks
        self.place: dict[ast.AST, tuple[ast.AST, str, int | None]] = {}
        self.nodes = [node for statement in tree.body for node in self._walk(statement)]
        for i, statement in enumerate(tree.body):
            self.place[statement] = (tree, "body", i)
        parameters = [a.arg for a in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)]
        self.bound = dict.fromkeys(parameters, tree.lineno)  # name -> the line that binds it first
        self.together: list[list[str]] = []  # names unpacked from one tuple, such as `x, mask = self.restore()`
        for node in self.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.bound.setdefault(node.id, node.lineno)
            if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store) and not isinstance(self.parent(node), ast.Tuple):
                self.together.append([n.id for n in ast.walk(node) if isinstance(n, ast.Name)])
        keys = [node.slice.value for node in self.nodes if isinstance(node, ast.Subscript) and is_text(node.slice)]
        self.keys = list(dict.fromkeys(keys))  # of dicts, such as state["exp_avg"]
        self.attributes = list(dict.fromkeys(n.attr for n in self.nodes if self.is_attribute(n)))  # such as weight of self.weight

    def _walk(self, node: ast.AST) -> Iterator[ast.AST]:
        if self.skipped(node):
            return
        yield node
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns"):
                continue
            children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
            for i, child in children:
                if isinstance(child, ast.stmt | ast.expr | ast.keyword | ast.comprehension | ast.withitem | ast.excepthandler):
                    self.place[child] = (node, field, i)
                    yield from self._walk(child)

    def parent(self, node: ast.AST) -> ast.AST:
        """The node that this one is part of."""
        return self.place[node][0]

    def is_attribute(self, node: ast.AST) -> TypeGuard[ast.Attribute]:
        """Whether this is something that self holds, no method of it."""
        own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        return own and self.place[node][1] != "func"

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that this node is, or is part of."""
        while not isinstance(node, ast.stmt):
            node = self.parent(node)
        return node

    def around(self, node: ast.AST) -> ast.AST:
        """The node, or as much around it as tells a reader which one is meant."""
        while not isinstance(node, ast.stmt) and len(ast.unparse(node)) < 12:
            node = self.parent(node)
        return node

    def is_result(self, node: ast.AST) -> bool:
        """Whether this expression is what a line computes: assigned, added, returned, or handed to another backward."""
        parent, field, i = self.place[node]
        match parent:
            case ast.Tuple() | ast.Dict() | ast.IfExp() | ast.ListComp():
                return field in ("elts", "values", "body", "orelse", "elt") and self.is_result(parent)
            case ast.Assign([target], value):
                return node is value and isinstance(target, ast.Tuple) == isinstance(node, ast.Tuple)
            case ast.Call():
                return field == "args" and (name_of(parent).endswith("backward") or WRITTEN_AT.get(name_of(parent)) == i)
        return field == "value" and isinstance(parent, ast.Assign | ast.AugAssign | ast.Return)

    @contextmanager
    def replaced(self, node: ast.AST, replacement: ast.AST) -> Iterator[None]:
        """For the time of the `with`, the other node stands in the place of this one."""
        parent, field, i = self.place[node]
        if not hasattr(replacement, "lineno"):
            ast.fix_missing_locations(ast.copy_location(replacement, node))

        def put(child: ast.AST) -> None:
            if i is None:
                setattr(parent, field, child)
            else:
                getattr(parent, field)[i] = child

        put(replacement)
        try:
            yield
        finally:
            put(node)


def only_checks(node: ast.AST) -> bool:
    """Whether this node computes nothing: a check of the input, a warning, a docstring, a text, a dtype (all are alike)."""
    match node:
        case ast.If(body=[*_, ast.Raise()], orelse=[]) | ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.If(body=[*_, ast.Expr(ast.Call() as call)], orelse=[]) | ast.Expr(ast.Call() as call):
            return name_of(call) == "warn" or name_of(call).startswith("expect")
        case ast.Expr(value):
            return is_text(value)
    return (isinstance(node, ast.Attribute) and node.attr == "dtype") or (isinstance(node, ast.keyword) and node.arg in ("dtype", "strict"))


def is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    """Whether this is a literal string."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def name_of(call: ast.Call) -> str:
    """The last name of what is called: `sum` of x.sum(...) and of np.sum(...), `f_backward` of fastest(f_backward)(...)."""
    if isinstance(call.func, ast.Call) and name_of(call.func) == "fastest":
        return ast.unparse(call.func.args[0])
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def is_number(node: ast.AST) -> bool:
    """Whether this expression may be a number or an array of floats; conditions, shapes and containers are not."""
    if isinstance(node, ast.Call):
        return name_of(node) not in NO_NUMBER | NOTHING_YET
    if isinstance(node, ast.Subscript):
        return is_number(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr not in {"shape", "ndim", "dtype", "size", "__name__"}
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and bool(node.value) and not isinstance(node.value, bool)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub)
    return isinstance(node, ast.BinOp | ast.Name) and not is_condition(node)


def is_condition(node: ast.AST) -> bool:
    """Whether this expression is, by its form or its name, a mask of booleans."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitAnd | ast.BitOr)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Invert | ast.Not)
    named = isinstance(node, ast.Name) and any(word in node.id for word in ("mask", "keep", "inside"))
    return named or isinstance(node, ast.Compare | ast.BoolOp)


# ---- the operators -------------------------------------------------------------------------------

Operator = Callable[[Any, Any], Iterator[ast.AST]]  # of a node, and the Function, or a kind of it, that it stands in
OPERATORS: list[tuple[str, Operator]] = []


def operator(name: str) -> Callable[[Operator], Operator]:
    """Register a generator of mistakes under this name."""

    def register(generate: Operator) -> Operator:
        OPERATORS.append((name, generate))
        return generate

    return register


@operator("sign")
def flipped_sign(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left, ast.Sub(), right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.AugAssign(target, ast.Add(), value):
            yield ast.AugAssign(target, ast.Sub(), value)
        case ast.AugAssign(target, ast.Sub(), value):
            yield ast.AugAssign(target, ast.Add(), value)
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.expr() if function.is_result(node) and is_number(node) and not is_added(node, function):
            yield ast.UnaryOp(ast.USub(), node)


def is_added(node: ast.AST, function: Function) -> bool:
    """Whether this is the right-hand side of += or -=, whose own sign is flipped."""
    parent = function.parent(node)
    return isinstance(parent, ast.AugAssign) and isinstance(parent.op, ast.Add | ast.Sub)


@operator("scale")
def wrong_constant_factor(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    if isinstance(node, ast.expr) and function.is_result(node) and is_number(node):
        for factor in (2, 0.5):
            yield ast.BinOp(ast.Constant(factor), ast.Mult(), node)
    if isinstance(node, ast.Call) and name_of(node) in ("sum", "mean"):  # 1/N, forgotten or too much
        yield ast.Call(renamed(node.func, "mean" if name_of(node) == "sum" else "sum"), node.args, node.keywords)


@operator("term")
def dropped_term(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield from (left, right)
        case ast.BinOp(left, ast.Sub(), right):
            yield from (left, ast.UnaryOp(ast.USub(), right))


@operator("mask")
def dropped_mask(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, ast.Mult(), right) if is_condition(left) or is_condition(right):
            yield left if is_condition(right) else right
        case ast.BinOp(left, ast.BitAnd() | ast.BitOr(), right):
            yield from (left, right)
        case ast.UnaryOp(ast.Invert(), operand):
            yield operand
        case ast.Call(args=[_, yes, no]) if name_of(node) == "where":
            yield from (yes, no)


@operator("factor")
def dropped_factor(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, ast.Mult(), right):
            yield from (left, right)
        case ast.BinOp(left, ast.Div(), right):
            yield from (left, ast.BinOp(left, ast.Mult(), right))
            if not (isinstance(left, ast.Constant) and left.value == 1):
                yield ast.BinOp(ast.Constant(1), ast.Div(), right)
        case ast.AugAssign(target, ast.Div(), value):
            yield ast.AugAssign(target, ast.Mult(), value)
        case ast.AugAssign(target, ast.Mult(), value):
            yield ast.AugAssign(target, ast.Div(), value)
        case ast.Call(func, [left, right], keywords) if name_of(node) in ARITHMETIC:
            yield ast.Call(renamed(func, ARITHMETIC[name_of(node)]), [left, right], keywords)
            nothing = ast.Constant(1 if name_of(node) in ("multiply", "divide") else 0)
            yield ast.Call(func, [left, nothing], keywords)
            yield ast.Call(func, [nothing, right], keywords)


@operator("transpose")
def wrong_transpose(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute(value, "T" | "mT"):
            yield value
        case ast.BinOp(left, ast.MatMult(), right):
            yield ast.BinOp(right, ast.MatMult(), left)
            yield ast.BinOp(transposed(left), ast.MatMult(), right)
            yield ast.BinOp(left, ast.MatMult(), transposed(right))
        case ast.Call(args=[ast.Constant(str(path)), *arrays]) if name_of(node) == "einsum":
            for other in swapped_letters(path):
                yield ast.Call(node.func, [ast.Constant(other), *arrays], node.keywords)
        case ast.Call() if name_of(node) in REARRANGING:
            yield operand_of(node)
        case ast.Call(func, [left, right], keywords) if name_of(node) in ("matmul", "dot", "outer"):
            yield ast.Call(func, [right, left], keywords)


def transposed(node: ast.expr) -> ast.expr:
    """The matrix, the other way round."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else ast.Attribute(node, "T", ast.Load())


def operand_of(call: ast.Call) -> ast.expr:
    """The array that a method or a function of NumPy works on: x of x.sum(axis=0) and of np.sum(x, axis=0)."""
    if isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") not in ("np", "math"):
        return call.func.value
    return call.args[0]


def swapped_letters(path: str) -> Iterator[str]:
    """An einsum's path with two neighbouring axes of one of its arrays swapped."""
    for i in range(len(path) - 1):
        if path[i].isalpha() and path[i + 1].isalpha():
            yield path[:i] + path[i + 1] + path[i] + path[i + 2 :]


@operator("axis")
def wrong_axis(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.keyword("keepdims", ast.Constant(bool(kept))) if not is_reshaped(function.parent(node), function):
            yield ast.keyword("keepdims", ast.Constant(not kept))
        case ast.Call(ast.Attribute() as func, args, keywords) if name_of(node) in REDUCTIONS:
            yield operand_of(node)
            if len(args) + len(keywords) == 1 and not is_reshaped(node, function):
                yield ast.Call(func, args, [*keywords, ast.keyword("keepdims", ast.Constant(True))])
        case ast.expr() if is_axis(node, function):
            yield from other_axes(node)


def is_reshaped(node: ast.AST, function: Function) -> bool:
    """Whether the next thing that happens to this array is reshape, to which an axis of size 1 makes no difference."""
    return getattr(function.parent(node), "attr", "") == "reshape"


def is_axis(node: ast.AST, function: Function) -> bool:
    """Whether this says along which axis something is done: axis=0, or the 0 of x.sum(0)."""
    parent = function.parent(node)
    if isinstance(parent, ast.Call):
        return name_of(parent) in REDUCTIONS and [node] == parent.args[:1] and operand_of(parent) is not node
    return isinstance(parent, ast.keyword) and parent.arg == "axis"


def other_axes(axis: ast.expr) -> Iterator[ast.expr]:
    """Axes that could be taken for this one; None is all of them."""
    match axis:
        case ast.Constant(int(n)):
            yield from (ast.Constant(other) for other in (n + 1, n - 1))
        case ast.UnaryOp(ast.USub(), ast.Constant(int(n))):
            yield from (ast.Constant(other) for other in (-n - 1, -n + 1))
        case ast.Tuple(axes):
            yield from (ast.Tuple(axes[:i] + axes[i + 1 :], ast.Load()) for i in range(len(axes)))
        case _:
            yield ast.BinOp(axis, ast.Sub(), ast.Constant(1))
            yield ast.Subscript(axis, ast.Slice(ast.Constant(1)), ast.Load())  # all but the first, where it is a tuple
    yield ast.Constant(None)


@operator("accumulate")
def set_instead_of_added(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.AugAssign(target, _, value):
            yield ast.Assign([target], value)
        case ast.Expr(ast.Call(ast.Attribute(ast.Attribute(attr="add"), "at"), [target, index, value])):
            store = ast.Subscript(target, index, ast.Store())
            yield ast.AugAssign(store, ast.Add(), value)  # an index that comes twice is added once


@operator("inplace")
def changed_in_place(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.Assign([ast.Name(name) as target], ast.BinOp(ast.Name(left), op, right)) if name == left and not isinstance(
            op, ast.MatMult
        ):
            yield ast.AugAssign(target, op, right)
        case ast.Call(ast.Attribute(array, "copy"), []) | ast.Call(ast.Attribute(ast.Name("np"), "array" | "copy"), [array]):
            yield array


@operator("delete")
def deleted_statement(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.AugAssign() | ast.Expr(ast.Call()) | ast.Break() | ast.Continue():
            yield ast.Pass()
        case ast.Assign([ast.Subscript() | ast.Attribute()]):
            yield ast.Pass()
        case ast.Assign([ast.Name(name)]) if function.bound.get(name, node.lineno) < node.lineno:
            yield ast.Pass()
        case ast.Return() if isinstance(function.parent(node), ast.If):
            yield ast.Pass()


@operator("saved")
def wrong_saved_tensor(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.Name(name, ast.Load()):
            others = [other for group in function.together if name in group for other in group]
            yield from (ast.Name(other, ast.Load()) for other in dict.fromkeys(others) if other not in (name, "_"))
        case ast.Attribute(ast.Name("self") as module, name, ctx) if name in function.attributes:
            yield from (ast.Attribute(module, other, ctx) for other in function.attributes if other != name)
        case ast.Constant(str(key)) if key in function.keys and isinstance(function.parent(node), ast.Subscript):
            yield from (ast.Constant(other) for other in function.keys if other != key)


@operator("stale")
def stale_tensor(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.Call(ast.Attribute(module, "restore"), []):  # the first forward's in place of the last one's
            first = ast.Attribute(ast.Attribute(module, "_saved", ast.Load()), "pop", ast.Load())
            yield ast.Call(first, [ast.Constant(0)], [])
        case ast.Call(ast.Name("reversed"), [forwards]):
            yield ast.Call(ast.Name("list", ast.Load()), [forwards], [])
        case ast.Subscript(forwards, ast.Slice(None, None, ast.UnaryOp(ast.USub()))):
            yield forwards
        case ast.Name(name, ast.Load()) if name.startswith("dL_d"):
            earlier = [other for other, line in function.bound.items() if other.startswith("dL_d") and line < node.lineno]
            yield from (ast.Name(other, ast.Load()) for other in earlier if other != name)


@operator("edge")
def other_edge(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.Compare():
            yield from with_comparison(node, EDGE)
        case ast.Call(args=[x]) if name_of(node) == "sign":
            here = ast.Compare(x, [ast.GtE()], [ast.Constant(0)])
            yield ast.BinOp(ast.BinOp(ast.Constant(2.0), ast.Mult(), here), ast.Sub(), ast.Constant(1.0))


@operator("direction")
def other_direction(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        yield from with_comparison(node, DIRECTION)


def with_comparison(node: ast.Compare, others: dict[type[ast.cmpop], type[ast.cmpop]]) -> Iterator[ast.AST]:
    """The comparison, with one of its signs changed as the table says."""
    for i, op in enumerate(node.ops):
        if type(op) in others:
            yield ast.Compare(node.left, [*node.ops[:i], others[type(op)](), *node.ops[i + 1 :]], node.comparators)


@operator("condition")
def wrong_condition(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.BoolOp(op, values):
            yield from (ast.BoolOp(op, values[:i] + values[i + 1 :]) if len(values) > 2 else values[1 - i] for i in range(len(values)))
        case ast.IfExp(_, yes, no):
            yield from (yes, no)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.expr() if function.place[node][1] == "test" and not isinstance(node, ast.Compare):
            yield ast.UnaryOp(ast.Not(), node)


@operator("extremum")
def other_extremum(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call):
        name = name_of(node)
        if name in OPPOSITES:
            yield ast.Call(renamed(node.func, OPPOSITES[name]), node.args, node.keywords)
        if name in ("maximum", "minimum", "fmax", "fmin") or (
            isinstance(node.func, ast.Name) and len(node.args) == 2 and name in OPPOSITES
        ):
            yield from node.args[:2]
        if name == "clip":
            yield operand_of(node)


def renamed(called: ast.expr, name: str) -> ast.expr:
    """The function of another name, at the same place."""
    return ast.Attribute(called.value, name, ast.Load()) if isinstance(called, ast.Attribute) else ast.Name(name, ast.Load())


@operator("call")
def dropped_call(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.Call(args=[x]) if name_of(node) in UNARY or name_of(node).endswith("backward"):
            yield x


@operator("power")
def other_power(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(base, ast.Pow(), ast.Constant(int() | float() as exponent)):
            yield from (base, ast.BinOp(base, ast.Pow(), ast.Constant(exponent + 1)))
        case ast.BinOp(base, ast.Pow(), exponent):
            plus_one = ast.BinOp(exponent, ast.Add(), ast.Constant(1))
            yield from (base, ast.BinOp(base, ast.Pow(), plus_one))


@operator("constant")
def other_constant(node: ast.AST, function: Function) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value)) if not to_be_inferred(node, function):
            yield ast.Constant(value + 1)
        case ast.Constant(float(value)):
            yield ast.Constant(2 * value or 1.0)


def to_be_inferred(node: ast.AST, function: Function) -> bool:
    """Whether this is the 1 of x.reshape(-1, ...): NumPy reads every negative number alike."""
    sign = function.parent(node)
    shape = function.parent(sign)
    call = function.parent(shape) if isinstance(shape, ast.Tuple) else shape
    return isinstance(sign, ast.UnaryOp) and isinstance(call, ast.Call) and name_of(call) == "reshape"


# ---- mutants -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One mistake in one function."""

    id: str  # function:operator:what it was => what it is:index, the same as long as this expression is
    operator: str
    function: Function
    node: ast.AST
    replacement: ast.AST
    line: int
    before: str  # the statement
    after: str

    @contextmanager
    def applied(self) -> Iterator[ast.FunctionDef]:
        """The function's tree with the mistake in it, for the time of the `with`."""
        with self.function.replaced(self.node, self.replacement):
            yield self.function.tree


def mutants(name: str, tree: ast.FunctionDef) -> list[Mutant]:
    """Every mistake that the operators make in this function, each text once.

    Args:
        name: of the function, the beginning of each id.
        tree: its tree; copied, so that the caller's stays as it is.
    """
    return mutants_of(name, Function(copy.deepcopy(tree)), OPERATORS)


def mutants_of(name: str, function: Function, operators: Sequence[tuple[str, Operator]]) -> list[Mutant]:
    """Every mistake that these operators make in it, each text once; `name` is the beginning of each id."""
    seen, indices, found = set[tuple[ast.AST, str]](), Counter[str](), []
    for node in function.nodes:
        statement, around = function.statement(node), function.around(node)
        before, was = head(statement), head(around)
        for kind, generate in operators:
            for replacement in generate(node, function):
                if isinstance(replacement, ast.Starred):
                    continue  # it stands for several values, and not where one is wanted
                with function.replaced(node, replacement):
                    after = head(replacement if node is statement else statement)
                    if after == before or (statement, after) in seen:
                        continue
                    now = head(replacement if node is around else around)
                seen.add((statement, after))
                key = f"{name}:{kind}:{was} => {now}"
                line = getattr(node, "lineno", statement.lineno)
                found.append(Mutant(f"{key}:{indices[key]}", kind, function, node, replacement, line, before, after))
                indices[key] += 1
    return found


def head(node: ast.AST) -> str:
    """The text of a node; of an if or a loop only the line that it begins with."""
    if isinstance(node, ast.stmt) and hasattr(node, "body"):
        node = type(node)(**{**vars(node), "body": [ast.Pass()], "orelse": [], "decorator_list": []})
        return ast.unparse(node).split("\n")[0]
    return ast.unparse(node)
