"""The cure: one small change of one line after which everything that the backward returns is right, on inputs of several sizes."""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from experiments.doctor.calls import results, roles
from experiments.doctor.calls.ran import copied
from experiments.doctor.calls.resumed import Known, Start, known_before, number_of
from experiments.doctor.mending.changing import Changing, slice_of
from experiments.doctor.mending.cost import Cure, cost, tokens
from experiments.doctor.mending.edits import edits
from experiments.doctor.mending.led import led
from experiments.doctor.mending.places import Headed, parsed, statement_at, text_of
from experiments.doctor.patience import Patience
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.recalled import recalled, values_of

LIKE = 1e-6
"""So near a returned gradient comes to the derivative of forward where it is right."""

MOST = 4000
"""So many changes are tried of one line."""

MANY_ENTRIES = 40
"""Of a gradient with more entries so many are compared, drawn at random."""


def cured(
    wards: Sequence[Ward],
    accused: list[int],
    sound: Collection[int],
    patience: Patience,
    grown: bool = False,
    alone: bool = False,
    known: Cure | None = None,
) -> Cure | None:
    """The change of one line that makes everything right; of several the one that leaves the least text; None if there is none.

    Args:
        wards: one for each input.
        accused: the lines that are wrong by themselves; those that they read from are tried too.
        sound: lines that are known to be right.
        patience: how long.
        grown: whether to look for factors and terms that are missing, in the place of other changes.
        alone: whether only these lines are tried, and not those that they read from.
        known: a cure that is known already: only a plainer one is looked for.
    """
    subject = wards[0].e.subject
    tree = subject.pair.backward
    if not all(ward.can_tell for ward in wards):
        return None
    names = scope(wards[0].e)
    changing, lost = Changing(tree, subject.namespace), wards[0].lost
    found = [known] if known else []
    best = cost(tree, known, accused) if known else (math.inf, False, 0)
    patience = patience.for_one()
    for line in dict.fromkeys(accused) if alone else slice_of(tree, accused):
        statement = statement_at(tree, line)
        if statement is None or line in sound:
            continue
        before = text_of(statement)
        for said, after in islice(edits(tree, line, names, grown), MOST):
            if found and cost(tree, Cure(line, before, after), accused) >= best:
                continue  # another is plainer
            if lost and not isinstance(statement, Headed) and after != "pass" and lost.isdisjoint(tokens(after)):
                continue  # what comes in is lost, and would be so still
            if patience.is_over:
                break
            if well(wards, changing, line, after):
                found.append(Cure(line, before, after, said))
                best = min(cost(tree, c, accused) for c in found)
    return min(found, key=lambda c: cost(tree, c, accused), default=None)


def scope(e: Examination) -> list[str]:
    """What the lines of a backward may read: its arguments, what it names, what its object holds, and numbers that the forward writes."""
    pair = e.subject.pair
    stored = [n.id for n in ast.walk(pair.backward) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    own = [ast.unparse(n) for f in (pair.backward, pair.forward) for n in ast.walk(f) if isinstance(n, ast.Attribute) and holds(n)]
    own += [ast.unparse(n) for n in ast.walk(pair.forward) if isinstance(n, ast.Attribute) and holds(n, ast.Store)]
    held = getattr(e.ran.self, "__dict__", {})
    own += [f"self.{n}" for n, v in held.items() if callable(v) and n.isidentifier()]  # self.activation_prime
    own += entries(pair.forward, pair.backward)
    numbers = [ast.unparse(n) for n in ast.walk(pair.forward) if isinstance(n, ast.Constant) and isinstance(n.value, float) and n.value > 0]
    return list(dict.fromkeys([*pair.parameters(pair.backward), *stored, *own, *numbers]))


def holds(node: ast.Attribute, context: type[ast.expr_context] = ast.Load) -> bool:
    """Whether this is something of self."""
    return isinstance(node.value, ast.Name) and node.value.id == "self" and isinstance(node.ctx, context)


def entries(forward: ast.FunctionDef, backward: ast.FunctionDef) -> list[str]:
    """Of the dicts that a backward reads what the forward has put into them: cache['Z1'] beside cache['A1']."""
    written = [k for n, k in keyed(forward) if isinstance(n.ctx, ast.Store)]
    written += [
        k.value
        for n in ast.walk(forward)
        if isinstance(n, ast.Dict)
        for k in n.keys
        if isinstance(k, ast.Constant) and isinstance(k.value, str)
    ]
    read = [n.value for n, k in keyed(backward) if isinstance(n.ctx, ast.Load) and k in written]
    bases = dict.fromkeys(ast.unparse(n) for n in read if isinstance(n, ast.Name | ast.Attribute))
    return [f"{base}[{key!r}]" for base in bases for key in dict.fromkeys(written)]


def keyed(function: ast.FunctionDef) -> list[tuple[ast.Subscript, str]]:
    """Where it reads or writes an entry of a dict by its name, and that."""
    found = [n for n in ast.walk(function) if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant)]
    return [(n, n.slice.value) for n in found if isinstance(n.slice, ast.Constant) and isinstance(n.slice.value, str)]


def cures(wards: Sequence[Ward], line: int, after: str) -> bool:
    """Whether this statement on that line makes everything right."""
    subject = wards[0].e.subject
    return all(ward.can_tell for ward in wards) and well(wards, Changing(subject.pair.backward, subject.namespace), line, after)


def well(wards: Sequence[Ward], changing: Changing, line: int, after: str) -> bool:
    """Whether the backward with this statement makes every one of them well."""
    start = common_start(wards, line)
    try:
        if line in wards[0].recalled and not wards[0].recalled[line] <= values_of(parsed(after)):
            return False  # what forward gave is not to blame
        function = changing.made(line, after, start)
    except SyntaxError:
        return False
    with changing.changed(line, after) as tree:
        return all(ward.is_well(function, tree, start) for ward in wards)


def common_start(wards: Sequence[Ward], line: int) -> Start | None:
    """From where the backward may be gone on with if this line is changed; None if it must run as a whole."""
    starts = [ward.start(line) for ward in wards]
    return starts[0] if all(s == starts[0] for s in starts) else None


class Ward:
    """One input, and what must come out of a backward for it.

    Args:
        e: its examination.
    """

    def __init__(self, e: Examination) -> None:
        self.e = e
        self.truths = {n: self.truth(n) for n, c in e.claims.items() if c.returned}
        self.ran = e.subject.forward(e.inputs)
        self.arguments = roles.arguments(e.subject.pair, self.ran, e.upstreams)
        self.known: dict[int, Known | None] = {}
        self.starts: dict[int, Start | None] = {}

    @property
    def can_tell(self) -> bool:
        """Whether it is known of every result what it must be, in one entry at least: else anything would seem to be right."""
        return bool(self.truths) and all(len(places) for places, _ in self.truths.values())

    @cached_property
    def silent(self) -> dict[str, set[str]]:
        """By wrong result that is the same whatever gradient comes in, or whatever one of several is, the names that it is led to."""
        first, tree = self.e, self.e.subject.pair.backward
        wrong = {n for n in self.truths if not self.fits(n, first.claims[n].gradient)}
        given = {n for n in first.upstreams if roles.is_read(tree, n) or not first.subject.pair.cls}
        if unmoved := wrong & first.unmoved:
            return dict.fromkeys(unmoved, led(tree, given))
        return {n: led(tree, {up}) for up in given for n in wrong & first.deaf_to(up)} if wrong else {}

    @cached_property
    def recalled(self) -> dict[int, set[str]]:
        """By line, calls of the forward that give what it gave."""
        return recalled(self.e)

    @property
    def lost(self) -> set[str]:
        """The names that gradients are led to which a wrong result hangs on not at all: a cure must read one of them."""
        return set[str]().union(*self.silent.values())

    def start(self, line: int) -> Start | None:
        """From where its backward may be gone on with if this line is changed."""
        if line not in self.starts:
            subject = self.e.subject
            at = 0 if subject.pair.updates else number_of(subject.pair.backward, line)  # what has names at the end is seen of a whole run
            if at and at not in self.known:
                self.known[at] = known_before(subject.pair.backward, subject.namespace, at, self.call)
            known = self.known.get(at)
            self.starts[line] = Start(at, tuple(known)) if known is not None else None
        return self.starts[line]

    def call(self, function: Callable[..., Any]) -> Any:
        """What a backward returns with the arguments of this input."""
        self.e.subject.seeded()
        it = [copy.deepcopy(self.ran.self)] if self.ran.self is not None else []
        with np.errstate(all="ignore"):
            return function(*it, **fresh(self.arguments))

    def truth(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Which entries of a gradient are looked at, and what they must be."""
        value = np.asarray(self.e.ran.values[name])
        places = np.arange(value.size)
        if value.size > (many := MANY_ENTRIES if not self.e.is_slow(MANY_ENTRIES) else MANY_ENTRIES // 4):
            places = np.random.default_rng(0).choice(value.size, many, replace=False)
        found = np.array([self.e.entry(name, int(at)) for at in places], float)
        smooth = np.isfinite(found)
        return places[smooth], found[smooth]

    def is_well(self, function: Callable[..., Any], tree: ast.FunctionDef, start: Start | None = None) -> bool:
        """Whether everything that this backward returns is right."""
        try:
            with np.errstate(all="ignore"):
                found = self.returned(function, tree, start)
                return all(name in found and self.fits(name, found[name]) for name in self.truths)
        except Exception:  # a change may make nonsense
            return False

    def fits(self, name: str, gradient: Any) -> bool:
        """Whether this is the right gradient."""
        if np.shape(gradient) != np.shape(self.e.ran.values[name]):
            return False
        places, truth = self.truths[name]
        g = np.asarray(gradient, float).reshape(-1)[places]
        size = max(float(np.abs(truth).max(initial=0)), 1e-9)
        return bool(np.abs(g - truth).max(initial=0) <= LIKE * size + 1e-9 * (1 + abs(self.e.loss(self.e.ran))))

    def returned(self, function: Callable[..., Any], tree: ast.FunctionDef, start: Start | None = None) -> dict[str, Any]:
        """What a backward returns and leaves, by the value that it is the gradient of.

        Args:
            function: it, or what is left of it from its start on.
            tree: of all of it.
            start: from where it is gone on with.
        """
        subject, ran = self.e.subject, self.ran
        known = self.known.get(start.at) if start is not None else None
        named: dict[str, Any] = {}
        if known is not None:
            known = copy.deepcopy(known)
            it = known[tree.args.args[0].arg] if ran.self is not None else None
            found = function(**known)
        else:
            it = copy.deepcopy(ran.self)
            subject.seeded()
            found, named = subject.answer(function, [it] if it is not None else [], fresh(self.arguments))
        of = results.results(replace(subject.pair, backward=tree), subject.namespace, replace(ran, self=it), found, named)
        return {value: result.gradient for value, result in of.items()}


def fresh(value: Any) -> Any:
    """It, with arrays that nobody else changes."""
    if isinstance(value, dict):
        return {k: fresh(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(fresh, value)) if type(value) in (tuple, list) else value
    return copied(value)
