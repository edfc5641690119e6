"""Which of what a backward names and returns is the gradient of what: by the names, and by their count where a name is given again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.doctor.reading.text import Written, written

GRADIENT = (
    r"d_?[lejc](?:oss)?_?d_?(?P<v>\w+)$",  # dL_dW, dLdW, dJ_dW
    r"d?loss_d_?(?P<v>\w+)$",
    r"grad(?:ient)?s?_(?:of_)?(?P<v>\w+)$",
    r"(?P<v>\w+)_(?:grad|gradient|bar|delta|error)$",
    r"delta_?(?P<v>\w+)$",
    r"d_?(?P<v>\w+)$",
    r"g_(?P<v>\w+)$",
    r"(?:slope|deriv(?:ative)?s?|partial|nabla)_(?:of_)?(?P<v>\w+)$",
    r"g(?P<v>(?-i:[A-Z])\w*|\w\d?|phi|beta|gamma|mu|sigma|theta)$",
)
TOLD = re.compile(r"d[LJEC]_?d|grad|delta|^d(out|[a-z])\d*$|^up(stream)?$", re.IGNORECASE)
ENTRY = re.compile(r"(?P<whole>.+?)\[['\"](?P<key>.+)['\"]\]$")
ELEMENT = re.compile(r"(?P<whole>.+?)(?P<index>\[[^\]'\"]+\])$")
HOLDER = re.compile(r"(self\..+)\._?(?:grad|gradient)$")
"""The gradient that a parameter holds beside its numbers: self.weight.grad."""
BESIDE = re.compile(r"self\.(?:grads|gradients)\[(\d+)\]$")
"""The gradient of the parameter with the same number, of two lists."""
PATH = re.compile(r"(?P<owner>self\.(?:\w+(?:\[\d+\])?\.)*)(?P<name>\w+)$")


@dataclass
class Claim:
    """A gradient that the backward computes.

    Attributes:
        value: the name of the value that it is the gradient of; h#2 is what was called h the second time.
        label: what the backward calls it.
        gradient: it.
        line: where it was named last.
        lines: all that had a part in it: those that write it, then those that feed them under names that do not tell whose gradient it is.
        own: how many of them write it.
        earlier: what it was before it was changed in place, and where: the change may have made it the gradient of a value before.
        returned: whether it is a result, and not on the way.
    """

    value: str
    label: str
    gradient: Any
    line: int
    lines: tuple[int, ...] = ()
    own: int = 1
    earlier: tuple[tuple[Any, int], ...] = ()
    returned: bool = False


@dataclass(frozen=True)
class Event:
    """A value was named.

    Attributes:
        name: what it is called.
        value: it.
        line: where.
    """

    name: str
    value: Any
    line: int


def is_array(value: Any) -> bool:
    """Whether this is an array of numbers, or a number, that may have a gradient."""
    return isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def value_of(label: str, names: Iterable[str]) -> str | None:
    """The value that a gradient of this name is the gradient of: dL_dW, dW, grad_W, W_grad, grads["W"], self.dW, self.layers[0].dW."""
    names, owner, inner = list(names), "", ENTRY.match(label)
    if beside := BESIDE.match(label):
        return next((n for n in names if n in (f"self.params[{beside[1]}]", f"self.weights[{beside[1]}]")), None)
    if inner:
        label = inner["key"]
    elif whole := HOLDER.match(label):
        return next((n for n in names if n in (whole[1], *(f"{whole[1]}.{held}" for held in ("data", "value", "val", "values")))), None)
    elif (path := PATH.match(label)) and path["owner"] != "self.":
        owner, label = path["owner"], path["name"]
        names = [n for n in names if n.startswith(owner)]
    plain = {short(n.removeprefix(owner)): n for n in sorted(names, key=rank, reverse=True)}
    label = label.removeprefix("self.")
    if inner and label in plain:
        return plain[label]
    for pattern in GRADIENT:
        if found := re.match(pattern, label, re.IGNORECASE):
            for fits in (str.__eq__, lambda a, b: a.lower() == b.lower(), lambda a, b: bare(a) == bare(b), lambda a, b: a == b + "s"):
                name = next((name for known, name in plain.items() if known and fits(known, found["v"])), None)
                if name is not None:
                    return name
    return None


def is_gradient(label: str) -> bool:
    """Whether this is called like the gradient of something."""
    return any(re.match(pattern, label, re.IGNORECASE) for pattern in GRADIENT[:4])


def stem(label: str) -> str | None:
    """What a gradient of this name is the gradient of, as it says itself: W of dL_dW, c of grad_c."""
    return next((found["v"] for pattern in GRADIENT if (found := re.match(pattern, label, re.IGNORECASE))), None)


def tells_of_gradient(word: str) -> bool:
    """Whether a word has anything to do with a gradient, of whatever: w_dL_dl, dout and upstream too, which `is_gradient` does not know."""
    return TOLD.search(word) is not None


def bare(name: str) -> str:
    """yhat of y_hat."""
    return name.replace("_", "").lower()


def short(name: str) -> str:
    """W1 of params["W1"] and of self.W1."""
    inner = ENTRY.match(name)
    return inner["key"] if inner else name.removeprefix("self.")


def rank(name: str) -> int:
    """Which of several values of the same short name is meant: a parameter, then the plain name, then self's, then what a cache holds."""
    inner = ENTRY.match(name)
    if inner:
        return 0 if re.search(r"param|weight|theta|model|network", inner["whole"], re.IGNORECASE) else 3
    return 2 if name.startswith("self.") else 1


# ---- names that are given again and again ------------------------------------------------------------------


def versions(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """By name, the values that had it, in their order: h of h, h#2, h#3; h of h[0], h[1], where it was filled part by part."""
    found: dict[str, list[str]] = {}
    parts: dict[str, list[str]] = {}
    for key, value in values.items():
        if is_array(value):
            name = key.partition("#")[0]
            found.setdefault(name, []).append(key)
            if part := ELEMENT.match(name):
                parts.setdefault(part["whole"], []).append(key)
    return {**found, **parts}


def paired(
    keys: Sequence[str], values: Mapping[str, Any], events: Sequence[Event], text: Written, first_given: bool
) -> list[tuple[str, list[Event]]]:
    """Which of the events are the gradient of which of the values of one name.

    Args:
        keys: the names of the values, in the order of forward.
        values: they.
        events: the gradients, in the order of backward.
        text: of the backward.
        first_given: whether the first of the values was an argument: the last gradient is then its.

    Returns: pairs of a value and the events that make its gradient, the last of which is it. Nothing where it cannot be told.
    """
    if len(keys) == 1 and len(events) > 1 and not events[0].line:
        return []  # an upstream gradient that is changed becomes the gradient of something that came before
    if len(keys) == 1:
        return [(keys[0], since_fresh(events, text))]
    fresh: list[list[Event]] = []
    rounds: list[list[Event]] = []
    for e in events:
        if not fresh or e.line not in text.onward:
            fresh.append([])
        fresh[-1].append(e)
        if not rounds or e.line <= rounds[-1][-1].line:
            rounds.append([])
        rounds[-1].append(e)
    up = events[-1].line in text.upwards
    for missing in (0, 1):  # the first value may be where it all starts from, which has no gradient
        wanted = list(keys[missing:] if up else reversed(keys[missing:]))
        for groups in ([[e] for e in events], fresh, rounds):
            if len(groups) == len(wanted) and all(
                np.shape(values[k]) == np.shape(g[-1].value) for k, g in zip(wanted, groups, strict=True)
            ):
                return list(zip(wanted, groups, strict=True))
    return [(keys[0], since_fresh(events, text))] if first_given else []


def since_fresh(events: Sequence[Event], text: Written) -> list[Event]:
    """The last events, from the one that did not go on from another."""
    if not events:
        return []
    start = next((i for i in range(len(events) - 1, -1, -1) if events[i].line not in text.onward), 0)
    return list(events[start:])


def claimed(
    values: Mapping[str, Any],
    inputs: Iterable[str],
    events: Sequence[Event],
    tree: ast.FunctionDef,
    other: Mapping[str, str] | None = None,
) -> dict[str, Claim]:
    """By value, the gradient that the backward names.

    Args:
        values: of forward.
        inputs: those that were given.
        events: of backward, its arguments among them if they are gradients.
        tree: of the backward.
        other: names of values.
    """
    known, text, found, inputs = versions(values), written(tree), {}, set(inputs)
    by_label: dict[str, list[Event]] = {}
    for event in events:
        if is_array(event.value) and event.line not in text.unpacked:
            by_label.setdefault(event.name, []).append(event)
    changes: list[Event] = []
    for label, named in by_label.items():
        value = named_value(label, known, other or {})
        pairs: list[tuple[str, list[Event]]] = []
        if value is not None:
            pairs = paired(known[value], values, named, text, known[value][0] in inputs)
        elif (whole := element_value(label, known, other or {})) is not None:
            key = known[whole][-1]  # the third row of dy, dy[2], is no gradient of ys[2]
            pairs = [(key, since_fresh(named, text))] if np.shape(named[-1].value) == np.shape(values[key]) else []
        for key, group in pairs:
            lines = tuple(dict.fromkeys(e.line for e in group if e.line and (np.any(e.value) or len(group) == 1)))
            lines = lines or tuple(e.line for e in group[-1:] if e.line)
            if lines:
                found[key] = Claim(key, label, group[-1].value, group[-1].line, lines, len(lines))
                found[key].earlier = tuple((e.value, e.line) for e in group[:-1] if e.line and np.any(e.value))
                changes += group[1:]
    firsts: dict[tuple[tuple[int, ...], bytes], str] = {}
    for key, value in values.items():
        if is_array(value):
            firsts.setdefault(numbers_of(value), key)
    found = {k: c for key, c in found.items() for k in [first_alike(key, values, found, firsts)]}
    for key, claim in found.items():
        claim.value = key
    labels = {c.label for c in found.values()}
    nameless = [e for e in events if e.name not in labels and is_array(e.value) and e.line and np.any(e.value)]
    nameless = [e for e in nameless if e.line not in text.unpacked and numbers_of(e.value) not in firsts]  # that was unpacked
    nameless += [e for e in changes if e.line]
    for claim in found.values():
        claim.lines = (*claim.lines, *feeding(claim.lines, nameless, text))
    return found


def named_value(label: str, known: Iterable[str], other: Mapping[str, str]) -> str | None:
    """The value that a gradient of this name is the gradient of, by its own name or by another one."""
    return value_of(label, known) or other.get(value_of(label, other) or "")


def element_value(label: str, known: Mapping[str, Any], other: Mapping[str, str]) -> str | None:
    """Likewise of a part of a list: self.weights[0] of nabla_w[0]."""
    part = ELEMENT.match(label)
    whole = named_value(part["whole"], known, other) if part else None
    return whole + part["index"] if part and whole and whole + part["index"] in known else None


def numbers_of(value: Any) -> tuple[tuple[int, ...], bytes]:
    """What two arrays have in common that are the same: 0 and −0 are."""
    of = np.asarray(value, float) + 0.0
    return of.shape, of.tobytes()


def first_alike(
    key: str, values: Mapping[str, Any], claims: Mapping[str, Claim], firsts: Mapping[tuple[tuple[int, ...], bytes], str]
) -> str:
    """The first value with the same numbers, of which this is a copy: h[t] of h. What is the gradient of a copy is meant for the first."""
    of = values[key]
    alike = firsts.get(numbers_of(of), key)
    return key if alike in claims or not np.ndim(of) or not np.any(of) else alike


def feeding(lines: Sequence[int], nameless: Sequence[Event], text: Written) -> list[int]:
    """The lines that compute what these lines read, where nobody can tell by its name what it is: the mistake may be there."""
    found: list[int] = []
    todo = list(lines)
    while todo:
        reads = text.reads.get(todo.pop(), frozenset())
        new = [e.line for e in nameless if e.name in reads and e.line not in (*lines, *found)]
        found += dict.fromkeys(new)
        todo += dict.fromkeys(new)
    return found
