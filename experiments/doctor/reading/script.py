"""Files without a pair of functions: a script is a forward up to its gradients; and a loss may be one of its lines."""

from __future__ import annotations

import ast
import builtins
import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.doctor.reading.claims import is_array, value_of
from experiments.doctor.reading.counterparts import FORWARD
from experiments.doctor.reading.defining import without_arguments
from experiments.doctor.reading.patient import LOSSES, Pair

LOSS = re.compile(r"(\w*_)?(loss|cost|mse|error|objective|l|j)$", re.IGNORECASE)
ERROR = re.compile(r"err|diff|resid", re.IGNORECASE)
RATE = re.compile(r"(learning_?rate|lr|eta|alpha|step_?size)$", re.IGNORECASE)
LINE = "__loss__"
"""What the loss is called that was one line of the file."""
Simple = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.For


def outside(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a file that stand in no function and in no class, those within loops and conditions too."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node
            for inner in ("body", "orelse"):
                yield from outside(getattr(node, inner, []))


def returns(body: Sequence[ast.AST]) -> Iterator[ast.Return]:
    """The return statements of a function with this body; those of functions within are not its own."""
    for node in body:
        if isinstance(node, ast.Return):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.ClassDef):
            for inner in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from returns(getattr(node, inner, []))


def loss_line(tree: ast.Module, namespace: dict[str, Any]) -> str | None:
    """The name of a function made of the line that computes the loss: loss = np.mean((y_hat - y) ** 2); None if there is none."""
    for node in outside(tree.body):
        match node:
            case ast.Assign([ast.Name(name)], value) if LOSS.match(name) and not calls_forward(value, namespace):
                names = [n for n in loads([node]) if n not in namespace or is_array(namespace[n])]
                if names:
                    text = f"def {LINE}({', '.join(names)}):\n    return {ast.unparse(value)}"
                    exec(text, namespace)
                    return LINE
    return None


def loss_method(tree: ast.Module, cls: str, namespace: dict[str, Any]) -> str | None:
    """The name of a function made of a class's method that is called like a loss; None without one. The object may be asked for more."""
    body = next((n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls), [])
    for method in body:
        if isinstance(method, ast.FunctionDef) and method.name.lower() in LOSSES and method.args.args:
            plain = copy.deepcopy(method)
            this = plain.args.args[0].arg
            of_output(plain, this)
            asks = any(isinstance(n, ast.Name) and n.id == this for n in ast.walk(plain))
            if not asks:
                plain.args.args.pop(0)
            if plain.args.args and (not asks or this == "self"):
                plain.name, plain.decorator_list = f"{LINE}{cls}", []
                exec(compile(ast.fix_missing_locations(ast.Module([plain], [])), "<your file>", "exec"), namespace)
                return plain.name
    return None


def of_output(method: ast.FunctionDef, this: str) -> None:
    """Let a loss that runs forward itself begin with what forward returns: of ((self.forward(x) - y) ** 2).mean() it is x then."""
    first = method.args.args[1].arg if len(method.args.args) > 1 else None

    class Standing(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            match node:
                case ast.Call(ast.Attribute(ast.Name(called), name), [ast.Name(given)]) if (called, given) == (this, first):
                    return node.args[0] if FORWARD.search(name) else node
            return self.generic_visit(node)

    Standing().visit(method)


def calls_forward(value: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Whether the loss is what a forward returns, or an object of the file that is called."""
    called = [n.func for n in ast.walk(value) if isinstance(n, ast.Call)]
    known = {*namespace, *dir(builtins)}
    return any(FORWARD.search(ast.unparse(f)) or (isinstance(f, ast.Name) and f.id not in known) for f in called)


def loads(statements: Iterable[ast.stmt]) -> list[str]:
    """The names that are read before they are written, in their order."""
    known: set[str] = set()
    found: list[str] = []
    for statement in statements:
        nodes = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
        written_in_loop = stores(statement.target) if isinstance(statement, ast.For) else set()
        inner = {n.arg for n in ast.walk(statement) if isinstance(n, ast.arg)}
        inner |= {
            m.id for n in ast.walk(statement) if isinstance(n, ast.comprehension) for m in ast.walk(n.target) if isinstance(m, ast.Name)
        }
        read = [n.id for n in nodes if isinstance(n.ctx, ast.Load)]
        read += [n.target.id for n in ast.walk(statement) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)]
        found += [n for n in read if n not in known | written_in_loop | inner and not hasattr(builtins, n)]
        known |= stores(statement)
    return list(dict.fromkeys(found))


def stores(node: ast.AST) -> set[str]:
    """The names that are written."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def script_pair(tree: ast.Module, namespace: dict[str, Any]) -> tuple[Pair, dict[str, Any]] | None:
    """A script as a pair of functions, and the numbers that its forward begins with; None if it computes no gradient by name.

    Args:
        tree: of the file.
        namespace: what the file defines, which the numbers are added to.
    """
    for before, block in blocks(tree.body):
        setup, statements = (before, block) if before else split(block, namespace)
        if before:
            run(setup, namespace)
        names = [n for s in (*setup, *statements) for n in stores(s)]
        first = next((i for i, s in enumerate(statements) if is_gradient_of(s, names) and not is_error(s)), None)
        if not first:
            continue
        given = {n: namespace[n] for n in loads(statements[:first]) if n in namespace and is_data(namespace[n])}
        forward = function("forward", statements[:first], list(given))
        forward = implied(forward, given, namespace)
        known = {*given, *stores(forward)}
        rest = statements[first:]
        named = any(is_gradient_of(s, given) for s in rest)
        backward = [s for s in rest if not (stores(s) & set(given))] if named else with_steps(rest, given)
        read = [n for n in loads(backward) if n in known]
        return Pair("the script", forward, function("its gradients", backward, read), updates=frozenset(given)), given
    return None


def implied(forward: ast.FunctionDef, given: Mapping[str, Any], namespace: Mapping[str, Any]) -> ast.FunctionDef:
    """The forward; one that ends with errors, one for each guess, and has no loss ends with half the sum of their squares."""
    end = forward.body[-1]
    if not isinstance(end, ast.Return) or not isinstance(end.value, ast.Name) or not ERROR.search(end.value.id):
        return forward
    box = dict(namespace)
    try:
        exec(compile(ast.Module([forward], []), "<your file>", "exec"), box)
        found = box[forward.name](**{n: copy.deepcopy(v) for n, v in given.items()})
    except Exception:  # whatever a stranger's line may raise
        return forward
    if not np.ndim(found):
        return forward
    changed = copy.copy(forward)
    squares = ast.parse(f"return 0.5 * np.sum({end.value.id} ** 2)").body[0]
    for node in ast.walk(squares):
        ast.copy_location(node, end)
    changed.body = [*forward.body[:-1], squares]
    return changed


def is_error(statement: ast.stmt) -> bool:
    """Whether it is what a guess is off by: l2_error = y - l2."""
    match statement:
        case ast.Assign([ast.Name(name)], ast.BinOp(ast.Name(), ast.Sub(), ast.Name())):
            return ERROR.search(name) is not None
    return False


def is_gradient_of(statement: ast.stmt, given: Iterable[str]) -> bool:
    """Whether it names the gradient of one of these."""
    return isinstance(statement, ast.Assign) and value_of(ast.unparse(statement.targets[0]), given) is not None


def with_steps(statements: Sequence[ast.stmt], given: Mapping[str, Any]) -> list[ast.stmt]:
    """The statements with d_W = -(...) for W += ..., and with d_W = ... for W -= lr * ...: a step is what is known of the gradient then."""
    found: list[ast.stmt] = []
    results: list[str] = []
    for s in statements:
        step = step_of(s)
        if step is None or step[0] not in given:
            found += [] if stores(s) & set(given) else [s]
            continue
        name, gradient = step
        new = ast.Assign([ast.Name(f"d_{name}", ast.Store())], gradient)
        found.append(ast.fix_missing_locations(ast.copy_location(new, s)))
        results.append(name)
    if results:
        end = ast.parse("return {" + ", ".join(f"'d_{n}': d_{n}" for n in results) + "}").body[0]
        for node in ast.walk(end):
            ast.copy_location(node, statements[-1])
        found.append(end)
    return found


def step_of(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """Of W += X and W -= lr * X: W, and what its gradient is then by what is written: -X, and X."""
    match statement:
        case ast.AugAssign(ast.Name(name), op, value):
            pass
        case ast.Assign([ast.Name(name)], ast.BinOp(ast.Name(same), op, value)) if same == name:
            pass
        case _:
            return None
    match value:
        case ast.BinOp(ast.Name(rate), ast.Mult(), of) if RATE.match(rate):
            value = of
        case ast.BinOp(of, ast.Mult(), ast.Name(rate)) if RATE.match(rate):
            value = of
    if isinstance(op, ast.Add):
        return name, ast.UnaryOp(ast.USub(), value)
    return (name, value) if isinstance(op, ast.Sub) else None


def blocks(body: Sequence[ast.stmt]) -> Iterator[tuple[list[ast.stmt], list[ast.stmt]]]:
    """Where a script may compute: the body of a loop after what stands before it, or all of it."""
    for i, node in enumerate(body):
        if isinstance(node, ast.For | ast.While):
            for before, inner in blocks(node.body):
                yield [*body[:i], *before], inner
    yield [], [s for s in body if isinstance(s, Simple)]


def split(block: Sequence[ast.stmt], namespace: dict[str, Any]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """A script without a loop: what makes numbers of nothing, and what computes with them."""
    setup: list[ast.stmt] = []
    statements: list[ast.stmt] = []
    for s in block:
        if statements or any(is_array(namespace.get(n)) for n in loads([s])):
            (setup if not any(is_array(namespace.get(n)) for n in loads([s])) else statements).append(s)
        else:
            setup.append(s)
        if s in setup:
            run([s], namespace)
    return setup, statements


def run(statements: Sequence[ast.stmt], namespace: dict[str, Any]) -> None:
    """Do what stands there; what fails (data that is not here) is left out."""
    for s in statements:
        if isinstance(s, ast.Assign | ast.AugAssign | ast.AnnAssign):
            try:
                with without_arguments():
                    exec(compile(ast.Module([s], []), "<your file>", "exec"), namespace)
            except (Exception, SystemExit):  # whatever a stranger's line may raise
                continue


def is_data(value: Any) -> bool:
    """Whether this is a number or an array."""
    return isinstance(value, np.ndarray | float | int | np.number) and not isinstance(value, bool)


def function(name: str, body: list[ast.stmt], arguments: list[str]) -> ast.FunctionDef:
    """A function of these statements, which returns the loss if it computes one."""
    losses = [n for s in body for n in stores(s) if LOSS.match(n)] if name == "forward" else []
    result = [ast.parse(f"return {losses[-1]}").body[0]] if losses else []
    found = ast.parse(f"def {name.replace(' ', '_')}({', '.join(arguments)}): pass").body[0]
    assert isinstance(found, ast.FunctionDef)
    for statement in result:
        for node in ast.walk(statement):
            ast.copy_location(node, body[-1])
    found.body = [*body, *result]
    ast.copy_location(found, body[0])
    return found


def again(given: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Other numbers for those of a script, where they are not whole (targets, labels, counts)."""
    found = {}
    for name, value in given.items():
        array = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        whole = array and value.any() and (value == np.round(value)).all()
        found[name] = rng.normal(size=value.shape) if array and not whole else value
    return found
