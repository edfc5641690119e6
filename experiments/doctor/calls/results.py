"""Which of the gradients that a backward computes are its results."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np

from experiments.doctor.calls import building
from experiments.doctor.calls.called import aliases, listed
from experiments.doctor.calls.ran import Ran
from experiments.doctor.calls.roles import last_return, pieces, result_nodes
from experiments.doctor.reading.claims import Claim, Event, element_value, feeding, is_array, named_value, since_fresh, value_of, versions
from experiments.doctor.reading.patient import Pair
from experiments.doctor.reading.taps import ENTRY, PIECE
from experiments.doctor.reading.text import assignments, written

OF_INPUT = re.compile(r"self\.(d_?(inputs?|x)|(grad|gradient)_(inputs?|x)|(inputs?|x)_(grad|gradient))$", re.IGNORECASE)
"""Where a class leaves the gradient of what its forward was given, whatever forward calls that."""


def first(pair: Pair, ran: Ran) -> set[str]:
    """The names of what forward was given."""
    return {*pair.parameters(pair.forward), *(n for n in ran.values if n.startswith("self.") or ENTRY.match(n) or is_piece(pair, n))}


def rows(pair: Pair) -> dict[str, str]:
    """By name, the argument of which forward takes a part under it: V of vc = V[center]."""
    parts = {ast.unparse(t): ast.unparse(v.value) for t, v in assignments(pair.forward) if isinstance(v, ast.Subscript)}
    return {name: whole for name, whole in parts.items() if whole in pair.parameters(pair.forward)}


def is_piece(pair: Pair, name: str) -> bool:
    """Whether this is a part of an argument of the forward that is a list."""
    piece = PIECE.match(name)
    return piece is not None and piece[1] in pair.parameters(pair.forward)


@dataclass(frozen=True)
class Result:
    """One gradient that a backward returns, or leaves in its object.

    Attributes:
        label: what it is called.
        gradient: it.
        node: what stands for it in the return statement, if it stands there.
    """

    label: str
    gradient: Any
    node: ast.expr | None = None


def results(pair: Pair, own: Mapping[str, Any], ran: Ran, returned: Any, named: Mapping[str, Any] | None = None) -> dict[str, Result]:
    """By value, the gradients that are returned: the keys of a dict, the names in the return statement, or else the arguments in order.

    Args:
        pair: the functions.
        own: what the file defines.
        ran: what forward has shown.
        returned: by the backward.
        named: what it had named at its end, where it changes weights itself.
    """
    known, other = versions(ran.values), aliases(pair, ran)
    found: dict[str, Result] = {}

    def put(label: str, gradient: Any, node: ast.expr | None = None) -> None:
        value = value_of(label, known) or (label if label in known and not label.startswith("self.") else None)
        value = value or other.get(value_of(label, other) or "") or listed(ran.self, ran.values, label)
        value = value or element_value(label, known, other)
        if isinstance(gradient, list) and node is not None:
            gradient = stacked(gradient)  # a list where an array belongs is a wrong gradient, and not none
        if value is not None and isinstance(gradient, np.ndarray | float | int | np.number):
            found[value] = Result(label, gradient, node)

    if ran.self is not None:
        names = [n for n in ran.values if n.startswith("self.")]
        for name, value in building.arrays(ran.self, own):
            if name not in names and (value_of(name, names) or not name.endswith("']")):
                put(name, value)
            elif name not in names and OF_INPUT.match(name) and (inputs := pair.parameters(pair.forward)[:1]):
                found.setdefault(inputs[0], Result(name, value))
        for name in [n for n in names if n not in found and n.endswith(".data")]:  # a parameter that no gradient was added to
            held = reduce(lambda it, part: getattr(it, part, None), name.split(".")[1:-1], ran.self)
            if isinstance(getattr(held, "grad", None), np.ndarray):
                put(name.removesuffix("data") + "grad", np.asarray(held.grad))
    for name, value in (named or {}).items():
        of = value_of(name, known) or other.get(value_of(name, other) or "")
        if (of in pair.updates or ENTRY.match(name)) and of is not None and of not in found:
            put(name, value)
    if isinstance(returned, tuple) and hasattr(returned, "_asdict"):
        returned = returned._asdict()
    if isinstance(returned, dict):
        for label, value in entries(returned):
            put(label, value, within(pair.backward, label))
        return found
    parts = returned if isinstance(returned, tuple | list) else () if returned is None else (returned,)
    nodes = result_nodes(pair.backward)
    if len(nodes) == len(parts) and any(isinstance(part, dict) for part in parts):  # dx, grads
        for label, value in (of for part in parts if isinstance(part, dict) for of in entries(part)):
            put(label, value, within(pair.backward, label))
        kept = [i for i, part in enumerate(parts) if not isinstance(part, dict)]
        nodes, parts = [nodes[i] for i in kept], tuple(parts[i] for i in kept)
    several = any(isinstance(part, list | tuple) for part in parts) and len(nodes) == len(parts)
    both = pieces(nodes, parts) if several and not is_list_for_array(pair, ran, parts) else []
    both = both or list(zip(nodes, parts, strict=False))
    shapes = [np.shape(part) for _, part in both]
    for label, (node, part) in zip(in_order(pair, ran, known, other, shapes, [node for node, _ in both]), both, strict=False):
        put(label, part, node)
    return found


def entries(gradients: Mapping[Any, Any], path: str = "grads") -> Iterator[tuple[str, Any]]:
    """(what it is called, gradient) of a dict of gradients: grads['W'], and grads['layer1']['W'] of dicts within."""
    for key, value in gradients.items():
        inner = f"{path}[{str(key)!r}]"
        if isinstance(value, dict):
            yield from entries(value, inner)
        else:
            yield inner, value


def within(backward: ast.FunctionDef, label: str) -> ast.expr | None:
    """What stands for an entry in a dict that is written out over several lines, each of which may be the wrong one."""
    key = label.rpartition("['")[2].removesuffix("']")
    for node in ast.walk(backward):
        if isinstance(node, ast.Dict) and len({v.lineno for v in node.values}) > 1 and label.count("[") == 1:
            found = [v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant) and k.value == key]
            if found and not isinstance(found[0], ast.Name):
                return found[0]
    return None


def is_list_for_array(pair: Pair, ran: Ran, parts: Sequence[Any]) -> bool:
    """Whether each argument has a part, some are arrays, and each list has arrays of its argument's shape: it should be one."""
    inputs = [ran.values[n] for n in pair.parameters(pair.forward) if is_array(ran.values.get(n))]
    if len(parts) != len(inputs) or not any(map(is_array, parts)):
        return False
    of = zip(inputs, parts, strict=True)
    return all(np.shape(part)[1:] == np.shape(value) for value, part in of if isinstance(part, list) and is_array(stacked(part)))


def stacked(gradients: list[Any]) -> Any:
    """Arrays of one shape as one array; what has none as it is."""
    try:
        found = np.array(gradients, float)
    except (TypeError, ValueError):
        return gradients
    return found if found.size else gradients


def in_order(
    pair: Pair,
    ran: Ran,
    known: Mapping[str, Any],
    other: Mapping[str, str],
    shapes: Sequence[tuple[int, ...]],
    nodes: Sequence[ast.expr],
) -> list[str]:
    """What each part of a tuple is the gradient of: by its name, if no other part has it and it is an argument; else by its place.

    Where there are several, but fewer than arguments, those without a name are of the arguments that have their shapes, in order.
    """
    inputs = [n for n in pair.parameters(pair.forward) if is_array(ran.values.get(n))]
    moving = [n for n in inputs if np.any(np.asarray(ran.values[n]) != np.round(ran.values[n]))]
    if len(nodes) != len(inputs) and len(nodes) == len(moving):
        inputs = moving  # targets and counts get no gradient
    names = [ast.unparse(n) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript) else "" for n in nodes]
    told = [(named_value(n, known, other) or element_value(n, known, other)) if n else None for n in names]
    given = pair.parameters(pair.backward)
    values = [None if n in given else v for n, v in zip(names, told, strict=True)]
    values = in_place_of(pair, inputs, apart(pair, inputs, values, known), known)
    if len(nodes) == 1 == len(shapes) and values == [None] and np.shape(ran.values[moving[0]] if moving else 0.0) != shapes[0]:
        exact = [n for n in moving if np.shape(ran.values[n]) == shapes[0]]
        inputs = exact if len(exact) == 1 else inputs
    others = bool(values) and all(v is not None and v not in inputs for v in values) and len(set(values)) == len(values)
    others = others and not are_of_inputs(inputs, values, shapes, known, ran)
    complete = len(nodes) == len(inputs) and not others  # dJdW1, dJdW2 of an object that is given X and y
    if (
        not complete
        and not (all(names) and any(values))
        and 1 < len(nodes) == len(shapes)
        and (of := of_shapes(inputs, ran, shapes, values))
    ):
        return of
    kept = [v is not None and (not complete or (v in inputs and values.count(v) == 1)) for v in values]
    kept = [k or (complete and values[i] == inputs[i]) for i, k in enumerate(kept)]
    parts = rows(pair)
    of_row = [parts.get(str(v)) in inputs and np.shape(ran.values[str(v)]) == s for v, s in zip(values, shapes, strict=True)]
    kept = [k or of for k, of in zip(kept, of_row, strict=True)]
    left = [n for n in inputs if n not in [v for v, k in zip(values, kept, strict=True) if k]]
    found = []
    for i, name in enumerate(names):
        place = inputs[i] if i < len(inputs) else f"result {i}"
        if kept[i]:
            found.append(name if told[i] == values[i] else str(values[i]))
            continue
        found.append(place if place in left or not left or not complete else left[0])
        left = [n for n in left if n != found[-1]]
    return found


def are_of_inputs(
    inputs: Sequence[str], values: Sequence[str | None], shapes: Sequence[tuple[int, ...]], known: Mapping[str, Any], ran: Ran
) -> bool:
    """Whether each part has the shape of its argument, and none that of what is called so: d_real of real_logits beside real, its mean."""
    if not len(inputs) == len(values) == len(shapes):
        return False
    fits = [np.shape(ran.values[n]) == shape for n, shape in zip(inputs, shapes, strict=True)]
    named = [v is not None and np.shape(ran.values[known[v][-1]]) == shape for v, shape in zip(values, shapes, strict=True)]
    return all(fits) and not any(named)


def of_shapes(inputs: Sequence[str], ran: Ran, shapes: Sequence[tuple[int, ...]], values: Sequence[str | None]) -> list[str]:
    """The arguments that have these shapes, in their order, where no name tells a value; nothing where there are none.

    Where not all have the shape of an argument, as one that was not summed up, or not spread out, those with which the most have it.
    """
    named, best, most = [v if v in inputs else None for v in values], list[str](), 0
    for chosen in combinations([n for n in inputs if n not in values], named.count(None)):
        left = iter(chosen)
        found = [v or next(left) for v in named]
        pairs = [(np.shape(ran.values[n]), shape) for n, shape in zip(found, shapes, strict=True)]
        exact = sum(a == b for a, b in pairs)
        if exact > most and all(map(is_alike, pairs)):
            best, most = found, exact
    return best


def is_alike(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> bool:
    """Whether one of two shapes is the other when it is spread out; a number could be spread out to anything."""
    try:
        return shapes[0] == shapes[1] or (all(shapes) and np.broadcast_shapes(*shapes) in shapes)
    except ValueError:
        return False


def apart(pair: Pair, inputs: Sequence[str], values: Sequence[str | None], known: Mapping[str, Any]) -> list[str | None]:
    """The values of the parts; of dW, dW one is meant for another gradient that the backward names: in the order of forward."""
    found = list(values)
    twice = {v for v in values if v is not None and values.count(v) == 2}
    if not twice:
        return found
    named = [n.id for n in ast.walk(pair.backward) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    spare = [v for n in inputs for v in {value_of(name, known) for name in named} if v == n and v not in values]
    for value in twice:
        if spare and value in inputs:
            both = sorted((value, spare.pop(0)), key=inputs.index)
            for i, v in zip([i for i, v in enumerate(values) if v == value], both, strict=True):
                found[i] = v
    return found


def in_place_of(pair: Pair, inputs: Sequence[str], values: Sequence[str | None], known: Mapping[str, Any]) -> list[str | None]:
    """The values of the parts; of dz, db, where the backward names dW and reads it nowhere, dz is returned in the place of dW."""
    others = [i for i, v in enumerate(values) if v is not None and v not in inputs]
    if len(others) != 1:
        return list(values)
    names = [n for n in ast.walk(pair.backward) if isinstance(n, ast.Name)]
    read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
    forgotten = {v for n in names if n.id not in read and (v := value_of(n.id, known)) in inputs and v not in values}
    if len(forgotten) != 1:
        return list(values)
    return [next(iter(forgotten)) if i == others[0] else v for i, v in enumerate(values)]


def with_returned(
    pair: Pair, own: Mapping[str, Any], claims: dict[str, Claim], ran: Ran, found: Any, events: Sequence[Event], named: Mapping[str, Any]
) -> list[Claim]:
    """The claims, and which of them are results.

    Args:
        pair: the functions.
        own: what the file defines.
        claims: by value.
        ran: what forward has shown.
        found: what the backward returned.
        events: what it named on the way.
        named: what it had named at its end.
    """
    known, given, text = versions(ran.values), first(pair, ran), written(pair.backward)
    given |= {name for name in rows(pair) if len(known.get(name, ())) == 1}
    all_results = results(pair, own, ran, found, named)
    of_given = {v: r for v, r in all_results.items() if known[v][0] in given}
    for value, result in (of_given or all_results).items():  # what else is returned, dZ beside dW, is on the way
        keys = known[value]
        key = keys[0] if keys[0] in given else next((k for k in keys if k in claims), keys[-1])
        of, at = claims.get(key), ast.unparse(result.node) if result.node is not None else ""
        if of is None or not same(of.gradient, result.gradient):  # what the return statement computes is written there
            lines = tuple(dict.fromkeys(e.line for e in since_fresh([e for e in events if e.name == at and e.line], text)))
            here = result.node.lineno if result.node is not None and result.label.startswith("grads[") else line_of_return(pair.backward)
            lines = lines if lines and of is None else (here,)
            tells = value_of(at, known)
            tells = tells if tells is None or np.shape(ran.values[known[tells][-1]]) == np.shape(result.gradient) else None
            if result.node is not None and here not in lines and tells != value and (tells or read_beside(pair.backward, at)):
                lines = (line_of_return(pair.backward),)  # the gradient of another, or what others are made of: it was to be changed there
            if result.node is None and not isinstance(found, dict) and of is None:
                lines = (0,)  # an object within has it: no line here is its own
            before = [
                e for e in events if e.line and is_array(e.value) and (of is None or e.line in of.lines or e.name not in labels(claims))
            ]
            fed = feeding(lines, before, text)
            label = at if at.isidentifier() else result.label if result.node is None else f"the gradient of {key}"
            of = Claim(key, label, result.gradient, lines[-1], (*lines, *fed), len(lines))
        claims[key] = Claim(key, of.label, result.gradient, of.line, of.lines, of.own, of.earlier, True)
    return list(claims.values())


def read_beside(function: ast.FunctionDef, name: str) -> bool:
    """Whether a name that is returned is read elsewhere too."""
    return sum(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(function)) > 1


def line_of_return(function: ast.FunctionDef) -> int:
    """Where it returns."""
    last = last_return(function)
    return last.lineno if last else function.body[-1].lineno


def labels(claims: Mapping[str, Claim]) -> set[str]:
    """What the backward calls its gradients."""
    return {c.label for c in claims.values()}


def same(a: Any, b: Any) -> bool:
    """Whether these are the same numbers."""
    return np.shape(a) == np.shape(b) and np.array_equal(a, b)
