"""What a line that is wrong by itself may have lost: a factor, a sum, a term, or the name that belongs where another stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from experiments.doctor.reading.claims import is_array
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.terms import anew, known, two_terms
from experiments.judge.operands import local_derivatives, same

MOST_TERMS = 3000
"""So many terms are tried in pairs."""


def wanted(e: Examination, name: str) -> np.ndarray:
    """What the line ought to compute."""
    return e.truth(name) * (1.0 if e.claims[name].returned else e.scale)


def grown(e: Examination, name: str, statement: ast.stmt) -> Iterator[str]:
    """The statement with something more: a factor, a sum, another name."""
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Return) or statement.value is None:
        return
    target, sign = "return", ""
    if isinstance(statement, ast.Assign):
        target, sign = ast.unparse(statement.targets[0]), "="
    elif isinstance(statement, ast.AugAssign):
        target, sign = ast.unparse(statement.target), f"{'-' if isinstance(statement.op, ast.Sub) else '+'}="
    value = ast.unparse(statement.value)
    of = f"({value})" if isinstance(statement.value, ast.BinOp | ast.UnaryOp | ast.IfExp | ast.Compare) else value
    scope = names_in_scope(e, statement)
    for axis in range(3):
        yield f"{target} {sign} {of}.sum(axis={axis})"
        yield f"{target} {sign} {of}.sum(axis={axis}, keepdims=True)"
    yield f"{target} {sign} {of}.T"
    sized = [n for n, v in known(e, scope).items() if v.ndim > 0]
    whole = [n for n, v in e.locals.items() if isinstance(v, int | np.integer) and n in scope]
    columns = [f"{n}.shape[1]" for n in sized if e.ran.values[n].ndim > 1][:3]
    for factor in (*whole, "2", *(f"len({n})" for n in sized), *(f"{n}.size" for n in sized), *columns):
        yield f"{target} {sign} {of} * {factor}"
        yield f"{target} {sign} {of} / {factor}"
    yield from masks(statement, sign, value)
    if sign == "=":
        yield f"{target} += {value}"
    yield from (f"{target} {sign} {text}" for text in (*other_derivatives(e, statement.value), *other_indices(statement.value)))
    for node in ast.walk(statement.value):
        if isinstance(node, ast.Name) and node.id not in ("np", "self"):
            for other in scope:
                if other != node.id:
                    yield f"{target} {sign} {with_name(statement.value, node, other)}"
    if statement.lineno not in e.claims[name].lines[: e.claims[name].own]:
        return  # what the line itself ought to compute is not known
    a, b = np.asarray(e.claims[name].gradient, float) * (1.0 if e.claims[name].returned else e.scale), wanted(e, name)
    terms = list(anew(e, scope, b.shape, value))
    whole = [text for text, found in terms if same(found, b)]
    if a.shape == b.shape:
        whole += [f"{value} + {text}" for text, found in terms if same(found, b - a)]
        whole += [f"{value} - {text}" for text, found in terms if same(found, a - b)]
    yield from (f"{target} {sign} {text}" for text in sorted(whole, key=len))
    yield from (f"{target} {sign} {text}" for text in with_factor(e, statement.value))
    for rest in fewer_factors(statement.value):
        yield f"{target} {sign} {rest}"
    terms = terms[:MOST_TERMS]
    for text in two_terms(terms, b):
        yield f"{target} {sign} {text}"
    if a.shape == b.shape:
        for text in two_terms(terms, b - a):
            yield f"{target} {sign} {value} + {text}"


def masks(statement: ast.stmt, sign: str, value: str) -> Iterator[str]:
    """dx[x <= 0] = 0 with another condition."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Compare):
        whole, left = ast.unparse(target.value), ast.unparse(target.slice.left)
        yield from (f"{whole}[{left} {condition} 0] {sign} {value}" for condition in ("<=", "<", ">", ">="))


def other_indices(value: ast.expr) -> Iterator[str]:
    """The step before, or after, in the place of this one: h[t - 1] of h[t]."""
    for node in ast.walk(value):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name | ast.BinOp):
            was, names = node.slice, [n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name)]
            for text in (f"{names[0]} - 1", f"{names[0]} + 1", names[0]) if names else ():
                node.slice = ast.parse(text, mode="eval").body
                yield ast.unparse(value)
            node.slice = was


def other_derivatives(e: Examination, value: ast.expr) -> Iterator[str]:
    """A gradient that the line reads, times a local derivative of anything that the backward reads: as it is written, h[:, t] too."""
    tree = e.subject.pair.backward
    labels = {c.label for c in e.claims.values()}
    read = [n for n in ast.walk(value) if isinstance(n, ast.Name | ast.Subscript | ast.Attribute) and ast.unparse(n) != "np"]
    texts = list(dict.fromkeys(ast.unparse(n) for n in read))
    inside = {ast.unparse(n.value) for n in ast.walk(tree) if isinstance(n, ast.Subscript)}
    for g in [t for t in texts if t in labels]:
        for t in [t for t in texts if t not in labels and t not in inside]:
            yield from (f"{g} * {form}" for form in (f"(1 - {t} ** 2)", f"{t} * (1 - {t})", f"({t} > 0)", f"(1 - np.tanh({t}) ** 2)"))


def with_factor(e: Examination, value: ast.expr) -> Iterator[str]:
    """A gradient that the line reads, times a local derivative that was forgotten before."""
    labels = {c.label: np.asarray(c.gradient) for c in e.claims.values()}
    values = {n: np.asarray(v, float) for n, v in e.locals.items() if is_array(v) and n not in labels}
    for node in ast.walk(value):
        if isinstance(node, ast.Name) and node.id in labels and labels[node.id].ndim:
            for text, _ in local_derivatives(values, labels[node.id].shape):
                yield with_name(value, node, f"({node.id} * {text})")


def fewer_factors(value: ast.expr) -> Iterator[str]:
    """A product without one, or two, of its factors."""

    def factors(node: ast.expr) -> list[tuple[str, str]]:
        match node:
            case ast.BinOp(left, ast.Mult(), right):
                return [*factors(left), ("*", f"({ast.unparse(right)})")]
            case ast.BinOp(left, ast.Div(), right):
                return [*factors(left), ("/", f"({ast.unparse(right)})")]
        return [("", f"({ast.unparse(node)})")]

    all_of_them = factors(value)
    for n in (1, 2):
        for dropped in combinations(range(1, len(all_of_them)), n):
            yield ast.unparse(ast.parse("".join(op + text for i, (op, text) in enumerate(all_of_them) if i not in dropped)))


def names_in_scope(e: Examination, statement: ast.stmt) -> list[str]:
    """The names that the backward knows when it comes to this statement."""
    backward = e.subject.pair.backward
    stored = [n.id for n in ast.walk(backward) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.lineno < statement.lineno]
    own = [n for n in e.ran.values if n.startswith("self.")]
    return list(dict.fromkeys([*e.subject.pair.parameters(backward), *stored, *own]))


def with_name(expression: ast.expr, node: ast.Name, other: str) -> str:
    """The expression with another name in the place of this one."""
    was, node.id = node.id, other
    try:
        return ast.unparse(expression)
    finally:
        node.id = was
