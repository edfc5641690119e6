"""Other names by which a backward calls what forward was given: dinputs of y_pred, d_L_d_w of self.weights, self.grads[0] of a list."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from experiments.doctor.calls.ran import Ran
from experiments.doctor.calls.roles import TARGETS
from experiments.doctor.reading.claims import ELEMENT, is_array, short, stem
from experiments.doctor.reading.patient import Pair
from experiments.doctor.reading.text import assignments

OF_INPUT = ("x", "input", "inputs", "in", "prev", "a_prev", "layer_input", "last_input", "y_pred", "y_hat")
"""What the first argument of a layer is called in the name of its gradient, whatever the layer calls it."""

OF_PARAMETER = (("w", "weight", "weights", "kernel", "kernels", "filters"), ("b", "bias", "biases", "w0"))
"""Names of the same thing, where an object has only one of them."""

LISTED = re.compile(r"self\.(?:\w*_)?(?:d_?)?grads?(?:ients)?\[(?P<number>\d+)\]$")
"""self.grads[0] is the gradient of self.params[0]."""


def aliases(pair: Pair, ran: Ran) -> dict[str, str]:
    """By other name, the value that is meant, where no value has that name itself."""
    known = {short(n).lower().strip("_"): n for n in ran.values}
    found: dict[str, str] = {}
    inputs = [n for n in pair.parameters(pair.forward) if is_array(ran.values.get(n)) and n.lower() not in TARGETS]
    if inputs and not any(n.lower() in OF_INPUT for n in inputs[1:]):
        found |= {n: inputs[0] for n in OF_INPUT if n not in known}
    given = [n for n in ran.values if n.startswith("self.") and n not in ran.computed]
    for names in OF_PARAMETER:
        wholes = {part["whole"] for n in given if (part := ELEMENT.match(n))}
        own = [n for n in (*given, *wholes) if short(n).lower().strip("_") in names and (n in wholes or is_array(ran.values[n]))]
        if len(own) == 1:
            found |= {n: own[0] for n in names if n not in known or known[n] == own[0]}
    return found | {n: of for n, of in made_like(pair, ran) if n.lower() not in known}


def made_like(pair: Pair, ran: Ran) -> Iterator[tuple[str, str]]:
    """(c, vc) of grad_c = np.zeros_like(V[center]), where forward says vc = V[center]."""
    return ((name, of) for name, of in likes(pair.forward, pair.backward) if of in ran.values)


@cache
def likes(forward: ast.FunctionDef, backward: ast.FunctionDef) -> tuple[tuple[str, str], ...]:
    """Likewise, by the text alone: what a gradient made so says that it is of, and what forward calls what it is made like."""
    named, found = {ast.unparse(value): ast.unparse(target) for target, value in assignments(forward)}, []
    for target, value in assignments(backward):
        match value:
            case ast.Call(ast.Attribute(_, "zeros_like"), [of, *_]) if (name := stem(ast.unparse(target))) is not None:
                found.append((name, named.get(ast.unparse(of), ast.unparse(of))))
    return tuple(found)


def listed(it: Any, values: Mapping[str, Any], label: str) -> str | None:
    """The value that self.grads[0] is the gradient of: what self.params[0] is called."""
    place = LISTED.match(label)
    for name in ("params", "parameters", "weights") if place else ():
        parts = getattr(it, name, None)
        if isinstance(parts, list | tuple) and place and int(place["number"]) < len(parts):
            part = parts[int(place["number"])]
            own = (n for n, v in values.items() if n.startswith("self.") and is_array(v) and np.shape(v) == np.shape(part))
            return next((n for n in own if np.array_equal(values[n], part)), None)
    return None
