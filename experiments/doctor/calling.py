"""Calling a stranger's forward and backward: what each argument is, and which of the results is the gradient of what."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.doctor.patient import Pair, Tap, Unreadable, tapped

UPSTREAM = re.compile(
    r"(d_?out(put)?|dy|dz|dh|da|upstream|grad_?out(put)?|grad|g|dl_dout|dl_dy|delta|error|d_?next|dvalues|dloss|U)$", re.IGNORECASE
)
CACHE = re.compile(r"(cache|ctx|context|saved|values|memory|state|store|mem|tape)s?$", re.IGNORECASE)
GRADIENT = (
    r"d[lejc](?:oss)?_?d_?(?P<v>\w+)$",  # dL_dW, dLdW, dJ_dW
    r"d?loss_d_?(?P<v>\w+)$",
    r"grad(?:ient)?s?_(?:of_)?(?P<v>\w+)$",
    r"(?P<v>\w+)_(?:grad|gradient|bar)$",
    r"delta_?(?P<v>\w+)$",
    r"d_?(?P<v>\w+)$",
    r"g_(?P<v>\w+)$",
)
Arrays = dict[str, np.ndarray]


@dataclass
class Ran:
    """What one call of forward has shown.

    Attributes:
        values: every value that it names, as it was last; arguments and attributes too.
        out: what it returns first.
        rest: what it returns beside.
        self: the object whose method it is.
    """

    values: dict[str, Any]
    out: Any
    rest: Any = None
    self: Any = None


@dataclass
class Claim:
    """A gradient that the backward computes.

    Attributes:
        value: the name of the value that it is the gradient of.
        label: what the backward calls it.
        gradient: it.
        line: where it was named last.
        returned: whether it is a result, and not on the way.
    """

    value: str
    label: str
    gradient: Any
    line: int
    returned: bool = False


@dataclass
class Subject:
    """A pair that can be called.

    Attributes:
        pair: its trees.
        namespace: of the file.
        loss: the name of the function that makes one number of what forward returns, if it does not itself.
        made: attributes of the object, as its constructor made them.
        locals: what the backward named when it ran last.
    """

    pair: Pair
    namespace: dict[str, Any]
    loss: str | None = None
    made: dict[str, Any] = field(default_factory=dict)
    compiled: dict[str, Callable[..., Any]] = field(default_factory=dict, repr=False)
    locals: dict[str, Any] = field(default_factory=dict, repr=False)
    listener: Tap = field(default=lambda name, value, line: value, repr=False)

    def _tapped(self, tree: ast.FunctionDef, listener: Tap) -> Callable[..., Any]:
        """The function with its tap, which is compiled once."""
        if tree.name not in self.compiled:
            self.compiled[tree.name] = tapped(tree, self.namespace, lambda name, value, line: self.listener(name, value, line))
        self.listener = listener
        return self.compiled[tree.name]

    def object_with(self, inputs: Mapping[str, Any]) -> Any:
        """A new object whose attributes are those of the inputs that are called self.x."""
        if not self.pair.cls:
            return None
        it = self.namespace[self.pair.cls].__new__(self.namespace[self.pair.cls])
        for name, value in {**self.made, **inputs}.items():
            if name.startswith("self."):
                setattr(it, name.removeprefix("self."), copied(value))
        return it

    def forward(self, inputs: Mapping[str, Any], moved: str | None = None, by: Any = 0.0, held: Mapping[str, Any] | None = None) -> Ran:
        """Run forward; every value that it names is kept. One of them may be moved, others held at what they were."""
        seen: dict[str, Any] = {}

        def listen(name: str, value: Any, line: int) -> Any:
            seen[name] = value
            if name == moved and isinstance(value, np.ndarray | float | np.floating):
                return value + by
            return held[name] if held and name in held else value

        it = self.object_with(inputs)
        function = self._tapped(self.pair.forward, listen)
        if it is not None:
            for name in [n for n in inputs if n.startswith("self.")]:
                setattr(it, name.removeprefix("self."), listen(name, getattr(it, name.removeprefix("self.")), 0))
        arguments = {name: copied(inputs[name]) for name in self.pair.parameters(self.pair.forward) if name in inputs}
        found = function(*([it] if it is not None else []), **arguments)
        out, rest = (found[0], found[1:]) if isinstance(found, tuple) else (found, ())
        return Ran({**inputs, **seen}, out, rest, it)

    def backward(self, ran: Ran, upstream: Any) -> list[Claim]:
        """Run backward after that forward; everything that it calls a gradient.

        Raises:
            Unreadable: if an argument is unknown.
        """
        steps: dict[str, tuple[Any, int]] = {}

        def listen(name: str, value: Any, line: int) -> Any:
            steps[name] = (copied(value), line)
            return value

        function = self._tapped(self.pair.backward, listen)
        arguments = self.arguments(ran, upstream)
        found = function(*([ran.self] if ran.self is not None else []), **arguments)
        given = set(self.pair.parameters(self.pair.backward))
        self.locals = {n: value for n, (value, _) in steps.items()}
        return self.claims(ran, {n: s for n, s in steps.items() if n not in given}, found)

    def number(self, ran: Ran) -> Any:
        """What the file's loss makes of what forward returned; that itself where the file has no loss, or needs none."""
        if self.loss is None or self.takes_upstream(ran):
            return ran.out
        names = list(inspect.signature(self.namespace[self.loss]).parameters)
        known = {n: ran.values[n] for n in names[1:] if n in ran.values}
        first = ran.values.get(names[0], ran.out) if names[0] in ("y", "target", "t") else ran.out
        return self.namespace[self.loss](first, **known)

    def takes_upstream(self, ran: Ran) -> bool:
        """Whether the backward is given the gradient of what forward returned."""
        return any(self.kind(name, ran) == "upstream" for name in self.pair.parameters(self.pair.backward))

    def kind(self, name: str, ran: Ran) -> str:
        """What an argument of the backward is: a value of the forward, the upstream gradient, what was saved, or unknown."""
        if name in ran.values:
            return "value"
        if CACHE.match(name) and ran.rest:
            return "cache"
        if UPSTREAM.match(name) or value_of(name, [*ran.values, "out"]) is not None:
            return "upstream"
        if CACHE.match(name):
            return "cache"
        return "unknown"

    def arguments(self, ran: Ran, upstream: Any) -> dict[str, Any]:
        """What the backward is called with."""
        found: dict[str, Any] = {}
        signature = self.pair.backward.args
        optional = {a.arg for a in signature.args[len(signature.args) - len(signature.defaults) :]} if signature.defaults else set()
        for name in self.pair.parameters(self.pair.backward):
            match self.kind(name, ran):
                case "value":
                    found[name] = copied(ran.values[name])
                case "upstream":
                    found[name] = copied(upstream)
                case "cache":
                    found[name] = ran.rest[0] if len(ran.rest) == 1 else ran.rest if ran.rest else ran.out
                case _ if name not in optional:
                    raise Unreadable(f"what is the argument {name} of {self.pair.backward.name}? Forward names no such value")
        if signature.kwarg is not None and isinstance(ran.out, dict):
            found |= {n: v for n, v in ran.out.items() if n not in found}
        return found

    def claims(self, ran: Ran, steps: Mapping[str, tuple[Any, int]], returned: Any) -> list[Claim]:
        """Which of what the backward names and returns is the gradient of what."""
        found: dict[str, Claim] = {}
        known = [n for n, v in ran.values.items() if is_array(v)]
        for label, (gradient, line) in steps.items():
            value = value_of(label, known)
            if value is not None and is_array(gradient):
                found[value] = Claim(value, label, gradient, line)
        for label, gradient in self.results(ran, returned).items():
            value = value_of(label, known) or (label if label in known else None)
            if value is not None and gradient is not None:
                line = found[value].line if value in found else self.pair.backward.body[-1].lineno
                name = found[value].label if value in found else f"the gradient of {value}"
                found[value] = Claim(value, name, gradient, line, returned=True)
        return list(found.values())

    def results(self, ran: Ran, returned: Any) -> dict[str, Any]:
        """What is returned, by name: the keys of a dict, the names in the return statement, or else the arguments in their order."""
        if isinstance(returned, dict):
            return {str(name): value for name, value in returned.items()}
        parts = returned if isinstance(returned, tuple | list) else () if returned is None else (returned,)
        inputs = [n for n in self.pair.parameters(self.pair.forward) if is_array(ran.values.get(n))]
        last = next((n for n in reversed(self.pair.backward.body) if isinstance(n, ast.Return)), None)
        nodes = last.value.elts if last and isinstance(last.value, ast.Tuple | ast.List) else [last.value] if last else []
        names: list[str] = []
        for i, node in enumerate(nodes):
            by_name = value_of(node.id, list(ran.values)) if isinstance(node, ast.Name) else None
            names.append(node.id if isinstance(node, ast.Name) and by_name else inputs[i] if i < len(inputs) else f"result {i}")
        own = {n: v for n, v in vars(ran.self).items() if value_of(n, [a for a in ran.values if a.startswith("self.")])} if ran.self else {}
        return {**own, **dict(zip(names, parts, strict=False))}


def value_of(label: str, names: list[str]) -> str | None:
    """The value that a gradient of this name is the gradient of: dL_dW, dW, grad_W, W_grad, grads["W"], self.dW."""
    inner = re.search(r"\[['\"](.+)['\"]\]$", label)
    short = inner[1] if inner else label.removeprefix("self.")
    plain = {n.removeprefix("self."): n for n in names} | {n: n for n in names if not n.startswith("self.")}
    if inner and short in plain:
        return plain[short]
    for pattern in GRADIENT:
        if found := re.match(pattern, short, re.IGNORECASE):
            for known, name in plain.items():
                if known == found["v"]:
                    return name
            for known, name in plain.items():
                if known.lower() == found["v"].lower():
                    return name
    return None


def is_array(value: Any) -> bool:
    """Whether this is an array of numbers, or a number, that may have a gradient."""
    return isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def copied(value: Any) -> Any:
    """A value that nobody else changes."""
    return value.copy() if isinstance(value, np.ndarray) else value
