"""The second verdict: is a forward what its name says? Torch's function of that name is run on the same numbers.

It accuses no backward: a backward is judged against the forward that stands in the file, whatever that is called. Where the name could
mean something else, and what comes out is not near what torch has, nothing is said.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.doctor.reading.claims import is_array
from experiments.doctor.reading.counterparts import FORWARD
from experiments.doctor.second.named import operation
from experiments.doctor.verdict.examine import Examination
from experiments.judge.compare import error
from experiments.judge.diagnose import multiple
from experiments.judge.sentences import agreed, sentences
from experiments.source.arguments import defaults_of

LIKE = 1e-4
"""So near is the same: an ε in a logarithm or a quotient makes less, and a mistake more."""

NEAR = 0.3
"""What is further off than this, relatively, and cannot be explained, is taken for another thing of the same name."""

PLAIN = ("relu", "sigmoid", "tanh", "softmax", "log_softmax", "gelu", "softplus", "layer_norm", "leaky_relu")
"""These names mean one thing."""


@dataclass(frozen=True)
class Shown:
    """What a forward was given, and what it made of it.

    Attributes:
        values: of its arguments and of its object, by name.
        parts: what it returns, one after the other.
        numbers: by name, single numbers among its defaults and in its object.
        constants: the numbers in its text.
        upstream: the gradient of what it returns, if its backward is given one.
        gradients: what the backward returns, by value.
    """

    values: Mapping[str, Any]
    parts: Sequence[Any]
    numbers: Mapping[str, float]
    constants: tuple[float, ...]
    upstream: Any = None
    gradients: Mapping[str, Any] | None = None


def second(examinations: Sequence[Examination], file: str, called: Iterable[ast.FunctionDef] = ()) -> tuple[str, ...]:
    """Sentences: whether a forward agrees with torch's function of its name; none where its name says nothing.

    Args:
        examinations: of the pair, by what it is judged.
        file: the name of the file, which says it where the functions are called forward and backward.
        called: other functions of the file that forward calls.
    """
    pair = examinations[0].subject.pair
    bare = FORWARD.sub("", pair.forward.name).strip("_")
    names = [pair.cls or pair.forward.name] if bare or pair.cls else [file]
    op = next((o for n in names if (o := operation(n))), None)
    said = []
    if op is not None:
        wrong = not all(error(np.asarray(c.gradient, float), e.whole(n)) < LIKE for e in examinations for n, c in small(e))
        said += [s for s in [verdict(op, [shown(e) for e in examinations], pair.name, wrong)] if s]
    for function in called:
        if (op := operation(function.name)) and (s := of_helper(op, function, examinations[0])):
            said.append(s)
    return tuple(said)


def small(e: Examination) -> list[tuple[str, Any]]:
    """The returned gradients that can be looked at entry by entry."""
    return [(n, c) for n, c in e.claims.items() if c.returned and not e.is_slow(np.size(c.gradient))]


def shown(e: Examination) -> Shown:
    """What an examination knows."""
    function = e.subject.pair.forward
    own = {n: v for n, v in vars(e.ran.self).items() if isinstance(v, int | float)} if e.ran.self is not None else {}
    values = {n: v for n, v in e.inputs.items() if not n.startswith("__init__.")}
    of = next(iter(e.upstreams.values()), None) if len(e.upstreams) == 1 else None
    gradients = {n: c.gradient for n, c in e.claims.items() if c.returned}
    return Shown(values, e.ran.parts, {**defaults(function), **own}, constants(function), of, gradients)


def defaults(function: ast.FunctionDef) -> dict[str, float]:
    """The numbers that arguments have unless they are given."""
    found = ((n, d.value) for n, d in defaults_of(function).items() if isinstance(d, ast.Constant))
    return {n: float(value) for n, value in found if isinstance(value, int | float)}


def constants(function: ast.FunctionDef) -> tuple[float, ...]:
    """The numbers in its text."""
    found = [n.value for n in ast.walk(function) if isinstance(n, ast.Constant) and isinstance(n.value, int | float)]
    return tuple(dict.fromkeys(float(v) for v in found if not isinstance(v, bool)))


# ---- what is said ------------------------------------------------------------------------------------------


def verdict(op: str, runs: Sequence[Shown], name: str, wrong: bool = False) -> str | None:
    """One sentence; None where nothing is to be said.

    Args:
        op: torch's name.
        runs: the forward, on inputs of several sizes.
        name: what the learner calls it.
        wrong: whether its backward is wrong.
    """
    from experiments.doctor.second.in_torch import CALLED, RIGHT, WRONG

    full = CALLED.get(op, f"torch.nn.functional.{op}")
    right = [ways(RIGHT.get(op), run) for run in runs]
    how = next((h for h, _ in same(right, runs)), None)
    if how is not None:
        return f"Its forward agrees with {full}{'' if not how or how[0] in '(_' else ' '}{how}."
    what = next((w for w, _ in same([ways(WRONG.get(op), run) for run in runs], runs)), None)
    what = what or agreed(by_catalogue(w, run) for w, run in zip(right, runs, strict=True))
    what = what or agreed(times(ways(WRONG.get(op), run), run) for run in runs)
    if what is None and not all(is_near(op, w, run) for w, run in zip(right, runs, strict=True)):
        return None
    of = f": {name} is {what}" if what else f", and no plain thing beside it: they are {furthest(right, runs):.2g} apart at the most"
    meant = all(any(is_derivative(way, run) for way in w) for w, run in zip(right, runs, strict=True))
    more = (
        f" The backward is the derivative of torch's {op}: it is the forward that has to be mended."
        if meant and wrong
        else " The backward is judged against the forward as it stands."
    )
    return f"Its forward is not {full}{of}.{more}"


def ways(function: Any, run: Shown) -> list[tuple[str, Any, Any]]:
    """(how, what comes out, the tensors that it is made of) of every way in which torch's function can be called."""
    import torch

    from experiments.doctor.second.given import tensors

    given = tensors(run.values, run.numbers, run.constants)
    found: list[tuple[str, Any, Any]] = []
    try:
        with torch.enable_grad():
            found += ((how.strip(), out, given.of) for how, out in function(given)) if function is not None else ()
    except (LookupError, StopIteration, RuntimeError, ValueError, TypeError, IndexError):  # it is given something else than that takes
        pass
    return found


def same(found: Sequence[list[tuple[str, Any, Any]]], runs: Sequence[Shown]) -> Iterator[tuple[str, Any]]:
    """Those by which what comes out is what the forward returned, on every input."""
    first, *others = found
    rest = [{how for how, out, _ in w if is_same(out, run)} for w, run in zip(others, runs[1:], strict=True)]
    yield from ((how, out) for how, out, _ in first if is_same(out, runs[0]) and all(how in r for r in rest))


def parts_of(out: Any) -> list[np.ndarray]:
    """What torch returns, one after the other."""
    return [t.detach().numpy() for t in (out if isinstance(out, tuple) else (out,))]


def is_same(out: Any, run: Shown) -> bool:
    """Whether torch's results are the first ones of the forward."""
    mine = [np.asarray(p, float) for p in run.parts if is_array(p)]
    theirs = parts_of(out)
    return len(mine) >= len(theirs) and all(is_like(a, b) for a, b in zip(mine, theirs, strict=False))


def is_like(a: np.ndarray, b: np.ndarray) -> bool:
    """The same numbers, in a shape with the same axes that are longer than 1."""
    squeezed = [tuple(n for n in x.shape if n > 1) for x in (a, b)]
    return squeezed[0] == squeezed[1] and error(a.reshape(-1), b.reshape(-1)) < LIKE


def fitting(found: list[tuple[str, Any, Any]], run: Shown) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(the learner's, torch's) of each way that gives the same shape."""
    mine = next((np.asarray(p, float) for p in run.parts if is_array(p)), None)
    for _, out, _ in found:
        b = parts_of(out)[0]
        if mine is not None and mine.shape == b.shape:
            yield mine, b


def by_catalogue(found: list[tuple[str, Any, Any]], run: Shown) -> Iterator[str]:
    """What the forward is beside torch's: a factor of it, a sign, a constant more, a mask."""
    values = {n: np.asarray(v, float) for n, v in run.values.items() if is_array(v)}
    sizes = {
        f"the number of {words} of {n}": v.shape[axis]
        for n, v in list(values.items())[:2]
        for axis, words in enumerate(("rows", "columns")[: v.ndim])
    }
    for a, b in fitting(found, run):
        for said in sentences(a, b, values, {}, sizes):
            if not re.search(r"^right in|gradient|derivative", said):
                yield said.replace("the right one", "torch's")


def times(found: list[tuple[str, Any, Any]], run: Shown) -> Iterator[str]:
    """Of which other thing it is a multiple: 2 times sinh of x."""
    for what, out, _ in found:
        for a, b in fitting([(what, out, None)], run):
            if a.size > 1 and (c := multiple(a, b)) is not None:
                yield f"{c:.6g} times {what}"


def is_near(op: str, found: list[tuple[str, Any, Any]], run: Shown) -> bool:
    """Whether it is near enough to be meant, or its name means one thing."""
    off = [error(a, b) for a, b in fitting(found, run)]
    return bool(off) and (op in PLAIN or min(off) < NEAR)


def furthest(found: Sequence[list[tuple[str, Any, Any]]], runs: Sequence[Shown]) -> float:
    """How far it is from the nearest way, at the most."""
    return max(min(float(np.abs(a - b).max(initial=0)) for a, b in fitting(w, run)) for w, run in zip(found, runs, strict=True))


def is_derivative(way: tuple[str, Any, Any], run: Shown) -> bool:
    """Whether what the backward returns is the derivative of torch's function, called in this way."""
    import torch

    _, out, given = way
    out = out[0] if isinstance(out, tuple) else out
    upstream = torch.as_tensor(np.asarray(1.0 if run.upstream is None else run.upstream, float))
    if out.shape != upstream.shape or not run.gradients:
        return False
    tensors = {n: given[n] for n in run.gradients if n in given}
    found = torch.autograd.grad((out * upstream).sum(), list(tensors.values()), retain_graph=True, allow_unused=True)
    pairs = [(np.asarray(run.gradients[n], float), g) for n, g in zip(tensors, found, strict=True)]
    return bool(pairs) and all(g is not None and g.shape == a.shape and error(a, g.numpy()) < LIKE for a, g in pairs)


# ---- functions that a forward calls --------------------------------------------------------------------------


def called_by(forward: ast.FunctionDef, tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of a file that a forward calls, and those that they call."""
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    todo, found = [forward], list[ast.FunctionDef]()
    while todo:
        names = {n.func.id for n in ast.walk(todo.pop()) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        new = [functions[n] for n in sorted(names & set(functions)) if functions[n] not in found and n != forward.name]
        found, todo = [*found, *new], [*todo, *new]
    return found


def of_helper(op: str, tree: ast.FunctionDef, e: Examination) -> str | None:
    """What is to be said of another function of the file; nothing if it agrees, for one vector or for rows."""
    names = [a.arg for a in tree.args.args]
    if len(names) - len(tree.args.defaults) != 1:
        return None
    said = []
    for shapes in (((5,), (8,)), ((7, 5), (13, 6))):
        runs = [run for shape in shapes if (run := helped(e.subject.namespace.get(tree.name), tree, names[0], shape)) is not None]
        said += [verdict(op, runs, tree.name)] if len(runs) == len(shapes) else []
    if any(s is not None and " agrees with " in s for s in said):
        return None
    text = next((s for s in said if s), None)
    return text and text.replace("Its forward", f"{tree.name}, which it calls,", 1).replace(f": {tree.name} is", ": it is", 1)


def helped(function: Any, tree: ast.FunctionDef, name: str, shape: tuple[int, ...]) -> Shown | None:
    """A run of such a function on random numbers; None if it does not take them."""
    x = np.random.default_rng(0).normal(size=shape)
    try:
        with np.errstate(all="ignore"):
            out = function(x.copy())
    except Exception:  # whatever a stranger's function may raise
        return None
    return Shown({name: x}, (out,), defaults(tree), constants(tree)) if is_array(out) else None
