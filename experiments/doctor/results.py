"""Which of the gradients that a backward computes are its results."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.doctor import building
from experiments.doctor.claims import Claim, Event, is_array, since_fresh, value_of, versions, written
from experiments.doctor.patient import Pair
from experiments.doctor.ran import Ran
from experiments.doctor.roles import result_nodes
from experiments.doctor.taps import ENTRY


def first(pair: Pair, ran: Ran) -> set[str]:
    """The names of what forward was given."""
    return {*pair.parameters(pair.forward), *(n for n in ran.values if n.startswith("self.") or ENTRY.match(n))}


def with_returned(
    pair: Pair, own: Mapping[str, Any], claims: dict[str, Claim], ran: Ran, found: Any, events: Sequence[Event]
) -> list[Claim]:
    """The claims, and which of them are results.

    Args:
        pair: the functions.
        own: what the file defines.
        claims: by value.
        ran: what forward has shown.
        found: what the backward returned.
        events: what it named on the way.
    """
    known, given, text = versions(ran.values), first(pair, ran), written(pair.backward)
    nodes = [ast.unparse(n) for n in result_nodes(pair.backward)]
    labelled = results(pair, own, ran, found)
    by_label = dict(zip(labelled, nodes, strict=True)) if len(nodes) == len(labelled) else {}
    for label, gradient in labelled.items():
        value = value_of(label, known) or (label if label in known else None)
        if value is None or not isinstance(gradient, np.ndarray | float | int | np.number):
            continue
        keys = known[value]
        key = keys[0] if keys[0] in given else next((k for k in keys if k in claims), keys[-1])
        of, at = claims.get(key), by_label.get(label, "")
        if of is None or " " in at:  # what is computed in the return statement itself is written there
            lines = tuple(dict.fromkeys(e.line for e in since_fresh([e for e in events if e.name == at and e.line], text)))
            lines = lines or (pair.backward.body[-1].lineno,)
            of = Claim(key, at if at.isidentifier() else f"the gradient of {key}", gradient, lines[-1], lines, len(lines))
        claims[key] = Claim(key, of.label, gradient, of.line, of.lines, of.own, of.earlier, True)
    return list(claims.values())


def results(pair: Pair, own: Mapping[str, Any], ran: Ran, returned: Any) -> dict[str, Any]:
    """What is returned, by name: the keys of a dict, the names in the return statement, or else the arguments in their order."""
    held: dict[str, Any] = {}
    if ran.self is not None:
        names = [n for n in ran.values if n.startswith("self.")]
        held = {n: v for n, v in building.arrays(ran.self, own) if n not in names and value_of(n, names)}
    if isinstance(returned, dict):
        return {**held, **{f"grads['{name}']": value for name, value in returned.items()}}
    parts = returned if isinstance(returned, tuple | list) else () if returned is None else (returned,)
    inputs = [n for n in pair.parameters(pair.forward) if is_array(ran.values.get(n))]
    names = []
    for i, node in enumerate(result_nodes(pair.backward)):
        name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else ""
        by_name = name and name not in pair.parameters(pair.backward) and value_of(name, versions(ran.values))
        names.append(name if by_name else inputs[i] if i < len(inputs) else f"result {i}")
    return {**held, **dict(zip(names, parts, strict=False))}
