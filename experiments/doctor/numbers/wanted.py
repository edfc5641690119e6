"""Which arguments, entries of dicts and attributes somebody's forward needs."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence

from experiments.doctor.calls.building import ARGUMENT, defaulted, required
from experiments.doctor.calls.calling import Subject
from experiments.doctor.calls.roles import TARGETS, optional_arguments
from experiments.doctor.calls.setup import SETUP
from experiments.doctor.numbers.uses import asked_for, is_entry
from experiments.doctor.reading.taps import is_key


def order_of_use(
    function: ast.FunctionDef, names: Sequence[str], computed: bool = False, definitions: Sequence[ast.FunctionDef] = ()
) -> list[str]:
    """These names in the order in which the function first uses them; or first computes with them, which more than asks for a size.

    What it hands on to functions of the file, which are among the definitions, is used where those are called.
    """
    sizes = {id(n.value) for n in ast.walk(function) if isinstance(n, ast.Attribute) and n.attr in ("shape", "size", "ndim")}
    found = uses_of(function, names)
    used = [n for n in found if not (computed and id(n) in sizes)]
    place = {id(n): (n.lineno, n.col_offset, 0, 0) for n in used}
    for call in (n for n in ast.walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)):
        for inner in (n for f in definitions if f.name == ast.unparse(call.func) for n in uses_of(f, [n for n in names if is_entry(n)])):
            used.append(inner)
            place[id(inner)] = (call.lineno, call.col_offset, inner.lineno, inner.col_offset)
    used.sort(key=lambda n: place[id(n)])
    made_first = [n for n in names if n.startswith(ARGUMENT) or n == SETUP]
    arguments = [text for n in used if (text := ast.unparse(n)) in names and not isinstance(n, ast.Subscript)]
    entries = [n for n in names if is_entry(n)]
    last = [n for n in names if entries and n.lower() in TARGETS]  # what is made of all entries is compared with it
    ordered = dict.fromkeys([*made_first, *arguments, *map(ast.unparse, used), *names])  # entries are only unpacked at their first use
    return [*(n for n in ordered if n not in last), *last]


def uses_of(function: ast.FunctionDef, names: Sequence[str]) -> list[ast.Name | ast.Attribute | ast.Subscript]:
    """Where a function uses them."""
    return [n for n in ast.walk(function) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript) and ast.unparse(n) in names]


def wanted(subject: Subject, construct: bool = True) -> list[str]:
    """The arguments of forward that must be given, the entries of those that are dicts, and what the object needs.

    Args:
        subject: the pair.
        construct: whether the object is made by its constructor, which then makes its attributes; else they are given to it.
    """
    pair = subject.pair
    optional = optional_arguments(pair.forward)
    names = [n for n in pair.parameters(pair.forward) if n not in optional]
    both = (pair.forward, pair.backward)
    handed = {n: [*both, *given_to(pair.forward, n, subject.definitions)] for n in names}
    entries = {n: parts_of(pair.forward, n) or keys_read(handed[n], n) for n in names}
    names = [k for n in names for k in (entries[n] or [n])]
    beside = [n for n in inspect.signature(subject.namespace[subject.loss]).parameters if n != "self"] if subject.loss else []
    whose = next((n for n in beside if n.lower() not in TARGETS), None)  # what forward returns
    beside = beside if subject.by_name else [n for n in beside if n != whose]
    beside = [*(n for n in pair.parameters(pair.backward) if n.lower() in TARGETS), *beside]
    named = {n.id for n in ast.walk(pair.forward) if isinstance(n, ast.Name)} | set(pair.parameters(pair.forward))
    beside = [n for n in dict.fromkeys(beside) if n not in named and n not in optional_of(subject)]
    targets = [n for n in [*names, *beside] if n.lower() in TARGETS]
    names += [n for n in beside if n not in targets[1:]]
    if pair.cls and subject.made is not None:
        return names
    if pair.cls and construct and subject.init is not None:
        return [*(f"{ARGUMENT}{n}" for n in (*required(subject.init), *defaulted(subject.init))), *setup_of(subject), *names]
    if pair.cls:
        others = {*own(pair.forward, ast.Store), *dir(subject.namespace[pair.cls])}
        names += [f"self.{a}" for a in own(pair.forward, ast.Load) if a not in others]
    return names


def setup_of(subject: Subject) -> list[str]:
    """The one input more that an object needs which is told of the shape of its input after it was made."""
    return [SETUP] if subject.setups and subject.pair.parameters(subject.pair.forward) else []


def optional_of(subject: Subject) -> set[str]:
    """Arguments of the loss that have a default."""
    of = inspect.signature(subject.namespace[subject.loss]).parameters if subject.loss else {}
    return {n for n, p in of.items() if p.default is not inspect.Parameter.empty}


WEIGHTS = re.compile(r"(w|b|u|theta|weight|matrice)s|biases", re.IGNORECASE)
"""Called like a list of weights."""


def parts_of(forward: ast.FunctionDef, name: str) -> list[str]:
    """The parts of two layers, of an argument that is a list of weights: for W, b in zip(Ws, bs); x @ Ws[l] + bs[l]."""
    through, numbered, multiplied = False, False, False
    for node in ast.walk(forward):
        match node:
            case ast.Call(ast.Name("zip" | "enumerate"), args):
                through |= any(isinstance(n, ast.Name) and n.id == name for a in args for n in ast.walk(a))
            case ast.Subscript(ast.Name(id), ast.Name()):
                numbered |= id == name
            case ast.BinOp(a, ast.MatMult(), b) | ast.Call(ast.Attribute(_, "dot" | "matmul"), [a, b]):
                multiplied |= any(isinstance(n, ast.Subscript) and WEIGHTS.fullmatch(ast.unparse(n.value)) for n in (a, b))
    return [f"{name}[{layer}]" for layer in (0, 1)] if WEIGHTS.fullmatch(name) and (through or (numbered and multiplied)) else []


def keys_read(functions: Sequence[ast.FunctionDef], name: str) -> list[str]:
    """The entries of a dict that functions read: params["W1"]. Those that are known only when it runs are not found."""
    read = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Subscript) and is_key(n) and isinstance(n.ctx, ast.Load)]
    found = [ast.unparse(n) for n in read if isinstance(n.value, ast.Name) and n.value.id == name]
    nested = [ast.unparse(n) for n in read if isinstance(n.value, ast.Subscript) and ast.unparse(n.value) in found]
    found = [inner for n in found for inner in ([m for m in nested if m.startswith(f"{n}[")] or [n])]  # params['layer1']['W']
    optional = {f"{name}[{key!r}]" for key in asked_for(functions, name)}
    return [k for k in dict.fromkeys(found) if k not in optional] or numbered_keys(functions, name)


def given_to(function: ast.FunctionDef, name: str, definitions: Sequence[ast.FunctionDef]) -> list[ast.FunctionDef]:
    """The functions of the file that it gives an argument to, under the same name: encode(x, params)."""
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call) and name in map(ast.unparse, n.args)]
    called = {ast.unparse(n.func).removeprefix("self.") for n in calls}
    return [f for f in definitions if f.name in called and any(a.arg == name for a in f.args.args)]


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
