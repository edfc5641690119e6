"""Calling a stranger's forward and backward: what each argument is, and what was seen on the way."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import numpy as np

from experiments.doctor.calls import building, results, roles, setup
from experiments.doctor.calls.called import aliases
from experiments.doctor.calls.guards import lowered
from experiments.doctor.calls.ran import Ran, copied
from experiments.doctor.reading.claims import Claim, Event, claimed, is_array
from experiments.doctor.reading.patient import Pair
from experiments.doctor.reading.taps import ENTRY, PIECE, Tap, tapped
from experiments.doctor.reading.updates import with_locals

SEED = 20
"""Of what forward draws itself: a mask of dropout is the same in every run."""


OUTPUT = re.compile(r"(self\.)?_*(last_?)?(out(put)?s?|y(_?(hat|pred))?|activations?|result|a)$", re.IGNORECASE)
"""What a forward calls its result that it does not return."""


def left_behind(forward: ast.FunctionDef, it: Any) -> Any:
    """What a forward that returns nothing leaves in its object: what it calls its output, or else what it writes last."""
    written = [t for n in ast.walk(forward) if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Attribute)]
    names = [t.attr for t in written if ast.unparse(t.value) == "self" and is_array(getattr(it, t.attr, None))]
    called = [n for n in names if OUTPUT.match(n)]
    return getattr(it, (called or names)[-1]) if names else None


@dataclass
class Subject:
    """A pair that can be called.

    Attributes:
        pair: its trees.
        namespace: of the file.
        loss: the name of the function that makes one number of what forward returns, if it does not itself.
        by_name: whether that function is one line of the file, which knows values of forward by their names.
        asked: whether the user has named that function.
        loss_text: of that function.
        init: the constructor of the class.
        numbers: what forward is given, where it is a script that has them.
        made: an object of the class, whose copies are used in the place of new ones.
        kinds: what its arguments may be, of which the first that runs is taken, where that is known.
        setups: the methods that tell a new object what its constructor leaves open.
        shared: the shapes of arrays of the file that forward reads and that are inputs as well.
        through: lets steps move with their arguments, where it is asked whether a backward goes straight through them.
        single: whether of the gradient that comes in one entry alone is not zero.
        guards: functions that forward calls, whose small constants it does without.
        helpers: functions of the file that backward calls and forward does not.
        definitions: all functions of the file, methods and those within others too.
        second: says of examinations whether the forward is what its name says, where that is asked for.
        beneath: the backward functions that are wrong by themselves and that the backward calls.
        mended: what the file defines where these are mended; nothing where they cannot be.
        so_far: is told what is known before a cure is looked for, which may take long.
        compiled: the functions with their taps.
        locals: what the backward named when it ran last.
    """

    pair: Pair
    namespace: dict[str, Any]
    loss: str | None = None
    by_name: bool = False
    asked: bool = False
    init: ast.FunctionDef | None = None
    numbers: dict[str, Any] | None = None
    loss_text: str = ""
    made: Any = None
    setups: Sequence[ast.FunctionDef] = ()
    kinds: Sequence[Mapping[str, Any]] = ()
    shared: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    through: Any = None
    single: bool = False
    guards: tuple[FunctionType, ...] = ()
    helpers: Mapping[str, ast.FunctionDef] = field(default_factory=dict)
    definitions: Sequence[ast.FunctionDef] = ()
    second: Callable[[Any], tuple[str, ...]] | None = None
    beneath: Sequence[str] = ()
    mended: Mapping[str, Any] = field(default_factory=dict, repr=False)
    so_far: Callable[[Any], None] | None = None
    compiled: dict[tuple[int, str], tuple[Callable[..., Any], list[Tap], ast.FunctionDef]] = field(default_factory=dict, repr=False)
    locals: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.generators = {n: g.bit_generator.state for n, g in self.namespace.items() if isinstance(g, np.random.Generator)}

    def _tapped(self, tree: ast.FunctionDef, listener: Tap, entries: list[str]) -> Callable[..., Any]:
        """The function with its tap, which is compiled once."""
        key = (id(tree), str(entries))
        if key not in self.compiled:
            ears: list[Tap] = [listener]
            heard = lambda name, value, line: ears[0](name, value, line)  # noqa: E731  # the listener of the day
            function = tapped(tree, self.namespace, heard, bool(self.pair.cls), entries, wholes=tree is self.pair.backward)
            self.compiled[key] = function, ears, tree  # a tree that is kept keeps its id
        function, ears, _ = self.compiled[key]
        ears[0] = listener
        return function

    def of(self, made: Any) -> Subject:
        """The same with another object of the class."""
        return self if made is None else replace(self, made=made, locals={})

    def with_backward(self, tree: ast.FunctionDef) -> Subject:
        """The same with another backward; its forward is not compiled again."""
        kept = {key: of for key, of in self.compiled.items() if of[2] is self.pair.forward}
        return replace(self, pair=replace(self.pair, backward=tree), compiled=kept, locals={})

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
        if self.made is not None:
            it = copy.deepcopy(self.made)
        else:
            it = building.made(cls, inputs) if self.constructs(inputs) else cls.__new__(cls)
            if self.setups and setup.SETUP in inputs:
                setup.set_up(it, self.setups, inputs[self.pair.parameters(self.pair.forward)[0]], inputs[setup.SETUP])
        for name, value in inputs.items():
            if name.startswith("self."):
                building.put(it, name, copied(value))
        return it

    def constructs(self, inputs: Mapping[str, Any]) -> bool:
        """Whether these inputs are enough for the constructor."""
        return self.init is not None and all(building.ARGUMENT + n in inputs for n in building.required(self.init))

    def completed(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs, and numbers for the parameters that the constructor has made."""
        if not self.pair.cls or not (self.made is not None or self.constructs(inputs)):
            return dict(inputs)
        if self.made is not None and any(n.startswith("self.") for n in inputs):
            return dict(inputs)
        drawn = building.numbers(self.object_with(inputs), self.namespace, np.random.default_rng(SEED))
        return {**drawn, **inputs}

    def forward(self, inputs: Mapping[str, Any], moved: str | None = None, by: Any = 0.0, held: Mapping[str, Any] | None = None) -> Ran:
        """Run forward; every value that it names is kept. One of them may be moved, others held at what they were."""
        seen: dict[str, Any] = {}
        final: dict[str, Any] = {}
        passed: dict[str, Any] = {}
        count: dict[str, int] = {}
        rounds: dict[int, int] = {}
        names = self.pair.parameters(self.pair.forward)

        def listen(name: str, value: Any, line: int) -> Any:
            count[name] = count.get(name, 0) + 1
            rounds[line] = rounds.get(line, 0) + 1
            key = name if count[name] == 1 else f"{name}#{count[name]}"
            seen[key] = copied(value)
            if key == moved and isinstance(value, np.ndarray | float | np.floating):
                value = value + by
            elif held and key in held:
                value = copied(held[key])
            final[name] = value
            if name in names:
                passed.setdefault(name, value)
            return value

        it = self.object_with(inputs)
        entries = [n for n in inputs if (ENTRY.match(n) or PIECE.match(n)) and not n.startswith("self.")]
        function = self._tapped(self.pair.forward, listen, entries)
        if it is not None:
            for name in [n for n in inputs if n.startswith("self.")]:
                building.put(it, name, listen(name, copied(inputs[name]), 0))
        self.seeded()
        if self.through is not None:
            self.through.begin(inputs, moved is None and not held)
        with lowered(self.guards):
            found = function(*([it] if it is not None else []), **self.given(inputs))
        if found is None and it is not None:
            found = left_behind(self.pair.forward, it)
        if isinstance(found, list) and (end := roles.last_return(self.pair.forward)) and isinstance(end.value, ast.List):
            found = tuple(found)  # return [o, s]
        out, rest = (found[0], found[1:]) if isinstance(found, tuple) and found else (found, ())
        return Ran({**inputs, **seen}, {**inputs, **final}, out, rest, it, found, passed, frozenset(seen) - {*inputs, *passed}, rounds)

    def given(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of forward; a dict is made of its entries, and a list of its parts."""
        names = self.pair.parameters(self.pair.forward)
        arguments = {name: copied(inputs[name]) for name in names if name in inputs}
        for name, value in inputs.items():
            entry = ENTRY.match(name)
            if entry and entry[1] in names:
                *outer, key = entry[2].split("']['")
                inner = arguments.setdefault(entry[1], {})
                for part in outer:
                    inner = inner.setdefault(part, {})
                inner[key] = copied(value)
            elif (piece := PIECE.match(name)) and piece[1] in names:
                arguments.setdefault(piece[1], []).append(copied(value))
        return arguments

    def backward(self, ran: Ran, upstream: Mapping[str, Any]) -> list[Claim]:
        """Run backward after that forward; everything that it calls a gradient.

        Raises:
            Unreadable: if an argument is unknown.
        """
        events: list[Event] = []

        def listen(name: str, value: Any, line: int) -> Any:
            events.append(Event(name, copied(value), line))
            return value

        function = self._tapped(self.pair.backward, listen, [])
        arguments = roles.arguments(self.pair, ran, upstream)
        self.seeded()
        found, named = self.answer(function, [ran.self] if ran.self is not None else [], arguments)
        filled = [n for n in arguments if roles.kind(self.pair, n, ran) == "filled"]
        named = {**named, **{f"grads[{key!r}]": value for n in filled for key, value in arguments[n].items()}}
        self.locals = {e.name: e.value for e in events}
        # an upstream gradient is the gradient of the last value of its name, and is written in no line
        gradients = [Event(e.name, e.value, 0) if e.name in arguments and i < len(arguments) else e for i, e in enumerate(events)]
        ours = {n for n in arguments if roles.kind(self.pair, n, ran) != "upstream"}
        gradients = [e for i, e in enumerate(gradients) if not (i < len(arguments) and e.name in ours)]
        given = results.first(self.pair, ran)
        claims = claimed(
            ran.values, [n for n in ran.values if "#" not in n and n in given], gradients, self.pair.backward, aliases(self.pair, ran)
        )
        return results.with_returned(self.pair, self.namespace, claims, ran, found, gradients, named)

    def answer(self, function: Callable[..., Any], it: list[Any], arguments: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What a backward returns; and what it had named at its end, where it changes weights itself."""
        with lowered(self.guards):
            if self.pair.updates:
                return with_locals(function, tuple(it), arguments)
            return function(*it, **arguments), {}

    def number(self, ran: Ran) -> Any:
        """What the file's loss makes of what forward returned; that itself where the file has no loss, or forward returns one."""
        if self.loss is None or (not self.asked and roles.returns_loss(self.pair, ran)):
            return ran.out
        with lowered(self.guards):
            return roles.number(self.namespace[self.loss], self.by_name, ran, self.loss, roles.prediction(self.pair, ran))
