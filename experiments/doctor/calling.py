"""Calling a stranger's forward and backward: what each argument is, and what was seen on the way."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.doctor import building
from experiments.doctor.claims import Claim, Event, claimed, is_array, since_fresh, value_of, versions, written
from experiments.doctor.patient import Pair, Unreadable
from experiments.doctor.taps import Tap, tapped

UPSTREAM = re.compile(
    r"(d_?out(put)?s?|dy|dz|dh|da|upstream|grad_?out(put)?s?|grad|g|dl_dout|dl_dy|delta|error|d_?next|dvalues|dloss|U|output_gradient)$",
    re.IGNORECASE,
)
CACHE = re.compile(r"\w*(cache|ctx|context|saved|values|memory|state|store|mem|tape)s?$", re.IGNORECASE)
TARGETS = (
    "y",
    "t",
    "target",
    "targets",
    "label",
    "labels",
    "y_true",
    "ytrue",
    "truth",
    "onehot",
    "one_hot",
    "y_train",
    "y_batch",
    "y_onehot",
)
ENTRY = re.compile(r"(\w+)\['(.+)'\]$")
SEED = 20
"""Of what forward draws itself: a mask of dropout is the same in every run."""


@dataclass
class Ran:
    """What one call of forward has shown.

    Attributes:
        values: every value that it names, as it came; arguments and attributes too; h#2 is what was called h the second time.
        final: by name, what forward went on with last.
        out: what it returns first.
        rest: what it returns beside.
        self: the object whose method it is.
        returned: all that it returns.
    """

    values: dict[str, Any]
    final: dict[str, Any]
    out: Any
    rest: Any = None
    self: Any = None
    returned: Any = None


@dataclass
class Subject:
    """A pair that can be called.

    Attributes:
        pair: its trees.
        namespace: of the file.
        loss: the name of the function that makes one number of what forward returns, if it does not itself.
        by_name: whether that function is one line of the file, which knows values of forward by their names.
        loss_text: of that function.
        init: the constructor of the class.
        numbers: what forward is given, where it is a script that has them.
        locals: what the backward named when it ran last.
    """

    pair: Pair
    namespace: dict[str, Any]
    loss: str | None = None
    by_name: bool = False
    init: ast.FunctionDef | None = None
    numbers: dict[str, Any] | None = None
    loss_text: str = ""
    compiled: dict[str, Callable[..., Any]] = field(default_factory=dict, repr=False)
    locals: dict[str, Any] = field(default_factory=dict, repr=False)
    listener: Tap = field(default=lambda name, value, line: value, repr=False)

    def __post_init__(self) -> None:
        self.generators = {n: g.bit_generator.state for n, g in self.namespace.items() if isinstance(g, np.random.Generator)}

    def _tapped(self, tree: ast.FunctionDef, listener: Tap, entries: list[str]) -> Callable[..., Any]:
        """The function with its tap, which is compiled once."""
        key = f"{tree.name} {entries}"
        if key not in self.compiled:
            heard = lambda name, value, line: self.listener(name, value, line)  # noqa: E731  # the listener of the day
            self.compiled[key] = tapped(tree, self.namespace, heard, bool(self.pair.cls), entries, wholes=tree is self.pair.backward)
        self.listener = listener
        return self.compiled[key]

    def seeded(self) -> None:
        """What is drawn within forward and backward is drawn alike in every run."""
        np.random.seed(SEED)  # noqa: NPY002  # it is what strangers draw from
        for name, state in self.generators.items():
            self.namespace[name].bit_generator.state = state

    def object_with(self, inputs: Mapping[str, Any]) -> Any:
        """A new object whose attributes are those of the inputs that are called self.x."""
        if not self.pair.cls:
            return None
        cls = self.namespace[self.pair.cls]
        self.seeded()
        it = building.made(cls, inputs) if self.constructs(inputs) else cls.__new__(cls)
        for name, value in inputs.items():
            if name.startswith("self."):
                building.put(it, name, copied(value))
        return it

    def constructs(self, inputs: Mapping[str, Any]) -> bool:
        """Whether these inputs are enough for the constructor."""
        return self.init is not None and all(building.ARGUMENT + n in inputs for n in building.required(self.init))

    def completed(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs, and numbers for the parameters that the constructor has made."""
        if not self.pair.cls or not self.constructs(inputs):
            return dict(inputs)
        drawn = building.numbers(self.object_with(inputs), self.namespace, np.random.default_rng(SEED))
        return {**drawn, **inputs}

    def forward(self, inputs: Mapping[str, Any], moved: str | None = None, by: Any = 0.0, held: Mapping[str, Any] | None = None) -> Ran:
        """Run forward; every value that it names is kept. One of them may be moved, others held at what they were."""
        seen: dict[str, Any] = {}
        final: dict[str, Any] = {}
        count: dict[str, int] = {}

        def listen(name: str, value: Any, line: int) -> Any:
            count[name] = count.get(name, 0) + 1
            key = name if count[name] == 1 else f"{name}#{count[name]}"
            seen[key] = copied(value)
            if key == moved and isinstance(value, np.ndarray | float | np.floating):
                value = value + by
            elif held and key in held:
                value = copied(held[key])
            final[name] = value
            return value

        it = self.object_with(inputs)
        entries = [n for n in inputs if ENTRY.match(n) and not n.startswith("self.")]
        function = self._tapped(self.pair.forward, listen, entries)
        if it is not None:
            for name in [n for n in inputs if n.startswith("self.")]:
                building.put(it, name, listen(name, copied(inputs[name]), 0))
        self.seeded()
        found = function(*([it] if it is not None else []), **self.given(inputs))
        out, rest = (found[0], found[1:]) if isinstance(found, tuple) and found else (found, ())
        return Ran({**inputs, **seen}, {**inputs, **final}, out, rest, it, found)

    def given(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of forward; a dict is made of its entries."""
        names = self.pair.parameters(self.pair.forward)
        arguments = {name: copied(inputs[name]) for name in names if name in inputs}
        for name, value in inputs.items():
            entry = ENTRY.match(name)
            if entry and entry[1] in names:
                arguments.setdefault(entry[1], {})[entry[2]] = copied(value)
        return arguments

    def backward(self, ran: Ran, upstream: Any) -> list[Claim]:
        """Run backward after that forward; everything that it calls a gradient.

        Raises:
            Unreadable: if an argument is unknown.
        """
        events: list[Event] = []

        def listen(name: str, value: Any, line: int) -> Any:
            events.append(Event(name, copied(value), line))
            return value

        function = self._tapped(self.pair.backward, listen, [])
        arguments = self.arguments(ran, upstream)
        self.seeded()
        found = function(*([ran.self] if ran.self is not None else []), **arguments)
        self.locals = {e.name: e.value for e in events}
        # an upstream gradient is the gradient of the last value of its name, and is written in no line
        gradients = [Event(e.name, e.value, 0) if e.name in arguments and i < len(arguments) else e for i, e in enumerate(events)]
        ours = {n for n in arguments if self.kind(n, ran) != "upstream"}
        gradients = [e for i, e in enumerate(gradients) if not (i < len(arguments) and e.name in ours)]
        claims = claimed(ran.values, [n for n in ran.values if "#" not in n and n in self.first(ran)], gradients, self.pair.backward)
        return self.with_returned(claims, ran, found, gradients)

    def first(self, ran: Ran) -> set[str]:
        """The names of what forward was given."""
        return {*self.pair.parameters(self.pair.forward), *(n for n in ran.values if n.startswith("self.") or ENTRY.match(n))}

    def number(self, ran: Ran) -> Any:
        """What the file's loss makes of what forward returned; that itself where the file has no loss, or needs none."""
        if self.loss is None or self.takes_upstream(ran):
            return ran.out
        signature = inspect.signature(self.namespace[self.loss]).parameters
        known: dict[str, Any] = {}
        target, whose = self.target(ran), not self.by_name
        for name, parameter in signature.items():
            if name.lower() in TARGETS and target is not None:
                known[name] = ran.final.get(name, target)
            elif whose and not isinstance(ran.final.get(name), dict):
                known[name], whose = ran.out, False  # the first that is no target is what forward returns
            elif name in ran.final:
                known[name] = ran.final[name]
            elif self.by_name:
                known[name] = ran.out  # what the script calls what forward returns
            elif parameter.default is inspect.Parameter.empty:
                raise Unreadable(f"what is the argument {name} of {self.loss}? Forward names no such value")
        return self.namespace[self.loss](**known)

    def target(self, ran: Ran) -> Any:
        """What the file calls the target, under any of the names for it."""
        return next((v for n, v in ran.values.items() if n.lower() in TARGETS), None)

    def takes_upstream(self, ran: Ran) -> bool:
        """Whether the backward is given the gradient of what forward returned."""
        return any(self.kind(name, ran) == "upstream" for name in self.pair.parameters(self.pair.backward))

    def kind(self, name: str, ran: Ran) -> str:
        """What an argument of the backward is: a value of the forward, the upstream gradient, what was saved, or unknown."""
        if name in ran.final or (name.lower() in TARGETS and self.target(ran) is not None):
            return "value"
        if CACHE.match(name) and (ran.rest or isinstance(ran.out, dict)):
            return "cache"
        if UPSTREAM.match(name) or value_of(name, [*versions(ran.values), "out"]) is not None:
            return "upstream"
        return "cache" if CACHE.match(name) else "unknown"

    def saved(self, name: str, ran: Ran) -> Any:
        """What the backward is given as its cache: as many things as it unpacks, or the one that forward returned beside."""
        unpacked = [
            len(n.targets[0].elts)
            for n in ast.walk(self.pair.backward)
            if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple) and isinstance(n.value, ast.Name) and n.value.id == name
        ]
        whole = ran.returned
        if unpacked and isinstance(whole, tuple) and len(whole) == unpacked[0] and not (ran.rest and isinstance(ran.rest[-1], tuple)):
            return whole
        return ran.rest[0] if len(ran.rest) == 1 else ran.rest or ran.out

    def arguments(self, ran: Ran, upstream: Any) -> dict[str, Any]:
        """What the backward is called with."""
        found: dict[str, Any] = {}
        optional = optional_arguments(self.pair.backward)
        for name in self.pair.parameters(self.pair.backward):
            match self.kind(name, ran):
                case "value":
                    found[name] = copied(ran.final[name] if name in ran.final else self.target(ran))
                case "upstream":
                    found[name] = copied(upstream)
                case "cache":
                    found[name] = self.saved(name, ran)
                case _ if name not in optional:
                    raise Unreadable(f"what is the argument {name} of {self.pair.backward.name}? Forward names no such value")
        if self.pair.backward.args.kwarg is not None and isinstance(ran.out, dict):
            found |= {n: v for n, v in ran.out.items() if n not in found}
        return found

    def with_returned(self, claims: dict[str, Claim], ran: Ran, found: Any, events: Sequence[Event]) -> list[Claim]:
        """The claims, and which of them are results."""
        known, first, text = versions(ran.values), self.first(ran), written(self.pair.backward)
        nodes = [ast.unparse(n) for n in result_nodes(self.pair.backward)]
        for label, gradient in self.results(ran, found).items():
            value = value_of(label, known) or (label if label in known else None)
            if value is None or not isinstance(gradient, np.ndarray | float | int | np.number):
                continue
            keys = known[value]
            key = keys[0] if keys[0] in first else next((k for k in keys if k in claims), keys[-1])
            of = claims.get(key)
            changed = len(nodes) == len(self.results(ran, found)) and " " in nodes[list(self.results(ran, found)).index(label)]
            if of is None or changed:  # what is computed in the return statement itself is written there
                at = nodes[list(self.results(ran, found)).index(label)] if len(nodes) == len(self.results(ran, found)) else ""
                lines = tuple(dict.fromkeys(e.line for e in since_fresh([e for e in events if e.name == at and e.line], text)))
                lines = lines or (self.pair.backward.body[-1].lineno,)
                of = Claim(key, at if at.isidentifier() else f"the gradient of {key}", gradient, lines[-1], lines, len(lines))
            claims[key] = Claim(key, of.label, gradient, of.line, of.lines, of.own, of.earlier, True)
        return list(claims.values())

    def results(self, ran: Ran, returned: Any) -> dict[str, Any]:
        """What is returned, by name: the keys of a dict, the names in the return statement, or else the arguments in their order."""
        own = {}
        if ran.self is not None:
            held = [n for n in ran.values if n.startswith("self.")]
            own = {n: v for n, v in building.arrays(ran.self, self.namespace) if n not in held and value_of(n, held)}
        if isinstance(returned, dict):
            return {**own, **{f"grads['{name}']": value for name, value in returned.items()}}
        parts = returned if isinstance(returned, tuple | list) else () if returned is None else (returned,)
        inputs = [n for n in self.pair.parameters(self.pair.forward) if is_array(ran.values.get(n))]
        names: list[str] = []
        for i, node in enumerate(result_nodes(self.pair.backward)):
            name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else ""
            by_name = name and name not in self.pair.parameters(self.pair.backward) and value_of(name, versions(ran.values))
            names.append(name if by_name else inputs[i] if i < len(inputs) else f"result {i}")
        return {**own, **dict(zip(names, parts, strict=False))}


def result_nodes(function: ast.FunctionDef) -> list[ast.expr]:
    """What stands in the return statement, or in the tuple that it names."""
    last = next((n for n in reversed(function.body) if isinstance(n, ast.Return)), None)
    value = last.value if last else None
    if isinstance(value, ast.Name):
        made = [n.value for n in ast.walk(function) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == value.id]
        value = made[-1] if made and isinstance(made[-1], ast.Tuple | ast.List) else value
    return value.elts if isinstance(value, ast.Tuple | ast.List) else [value] if value else []


def optional_arguments(function: ast.FunctionDef) -> set[str]:
    """The arguments that have a default."""
    args = function.args
    optional = {a.arg for a in args.args[len(args.args) - len(args.defaults) :]} if args.defaults else set()
    return optional | {a.arg for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None}


def copied(value: Any) -> Any:
    """A value that nobody else changes."""
    return value.copy() if isinstance(value, np.ndarray | dict | list) else copy.copy(value) if isinstance(value, set) else value
