"""The mend: one small change of the line that is wrong, after which every gradient is right, on inputs of several sizes."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from experiments.doctor.calls.calling import Subject
from experiments.doctor.mending.changing import Changing
from experiments.doctor.mending.cure import Ward, common_start
from experiments.doctor.mending.edits import rewritten
from experiments.doctor.mending.grown import grown, wanted
from experiments.doctor.mending.places import is_code, statement_at
from experiments.doctor.patience import Patience
from experiments.doctor.verdict.examine import Examination
from experiments.judge.diagnose import like

MOST_EDITS = 1200
"""So many changes of a line are tried."""


@dataclass(frozen=True)
class Mend:
    """A change of one line.

    Attributes:
        line: its number.
        before: the statement as it stands; empty if a new one is to stand before that line.
        after: as it would be right.
    """

    line: int
    before: str
    after: str


def mended(wards: Sequence[Ward], names: list[str], line: int, patience: Patience, tried: bool = False) -> Mend | None:
    """The first small change of a line that makes these gradients right on every input; None if none was found.

    Args:
        wards: one for each input.
        names: of the values whose gradients are wrong.
        line: where; the lines that feed it are tried too.
        patience: how long.
        tried: whether the mistakes that people make were tried backwards already.
    """
    first = wards[0].e
    claim, tree = first.claims[names[0]], first.subject.pair.backward
    if any(w.e.is_slow(np.size(w.e.ran.values[names[0]])) for w in wards):
        return None  # the truth would have to be known entry by entry
    changing, truths = Changing(tree, first.subject.namespace), [wanted(w.e, names[0]) for w in wards]
    gives = gives_as_result if all(names[0] in w.truths for w in wards) else gives_on_the_way
    lines = (line,) if line != claim.line else tuple(dict.fromkeys((line, *claim.lines)))
    patience = patience.for_one()
    for at in lines:
        found: list[Mend] = []
        for kind, before, text in islice(edits(first, names[0], at, tried), MOST_EDITS):
            if (found and kind != "rewritten") or patience.is_over:
                break
            if not (gives(wards, changing, at, text, names[0], truths) and rights(first, with_line(tree, at, text), names)):
                continue
            found.append(Mend(at, before, ast.unparse(ast.parse(text))))
            if kind != "rewritten":
                break
        if found:
            return min(found, key=lambda m: len(m.after))
    return None


def rights(e: Examination, tree: ast.FunctionDef, names: list[str]) -> bool:
    """Whether all of several gradients are right; one alone has been looked at."""
    if len(names) == 1:
        return True
    other = Examination(e.subject.with_backward(tree), e.inputs, e.seed)
    other = other.divided(e.scale) if e.scale != 1 else other
    return all(n in other.claims and other.is_right(n) for n in names)


def gives_as_result(wards: Sequence[Ward], changing: Changing, at: int, text: str, name: str, truths: Sequence[np.ndarray]) -> bool:
    """Whether the backward with another statement on a line returns what the line of this gradient ought to compute."""
    start = common_start(wards, at)
    try:
        function = changing.made(at, text, start)
        with np.errstate(all="ignore"), changing.changed(at, text) as tree:
            found = (ward.returned(function, tree, start).get(name) for ward in wards)
            return all(g is not None and like(np.asarray(g, float), truth) for g, truth in zip(found, truths, strict=True))
    except Exception:  # a change may make nonsense
        return False


def gives_on_the_way(wards: Sequence[Ward], changing: Changing, at: int, text: str, name: str, truths: Sequence[np.ndarray]) -> bool:
    """Whether it comes by what the line of this gradient ought to compute."""
    subject = wards[0].e.subject.with_backward(with_line(wards[0].e.subject.pair.backward, at, text))
    return all(computes(subject, ward.e, name, truth) for ward, truth in zip(wards, truths, strict=True))


def computes(subject: Subject, e: Examination, name: str, truth: np.ndarray) -> bool:
    """Whether the changed backward computes the right gradient of this value."""
    try:
        with np.errstate(all="ignore"):
            ran = subject.forward(e.inputs) if subject.pair.cls else e.ran
            claims = {c.value: c.gradient for c in subject.backward(ran, e.upstreams)}
    except Exception:  # a change may make nonsense
        return False
    return name in claims and like(np.asarray(claims[name], float), truth)


def edits(e: Examination, name: str, line: int, tried: bool = False) -> Iterator[tuple[str, str, str]]:
    """Changes of that line, the plainest first: (kind, the statement before, the statement after)."""
    tree = e.subject.pair.backward
    statement = next((n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.AugAssign | ast.Return) and n.lineno == line), None)
    if statement is None:
        return
    before, seen = ast.unparse(statement), {ast.unparse(statement)}
    small = () if tried else (text for _, text in rewritten(tree, statement))
    for kind, texts in (("rewritten", small), ("grown", grown(e, name, statement))):
        for text in texts:
            if text not in seen and is_code(text):
                seen.add(text)
                yield kind, before, text


def with_line_before(statement: ast.stmt, text: str) -> str:
    """A statement that does another one before it."""
    return f"if True:\n    {text}\n    {ast.unparse(statement)}"


def with_mend(tree: ast.FunctionDef, mend: Mend) -> ast.FunctionDef:
    """The function, mended."""
    statement = statement_at(tree, mend.line)
    after = mend.after if mend.before or statement is None else with_line_before(statement, mend.after)
    with Changing(tree, {}).changed(mend.line, after) as found:
        return copy.deepcopy(found)


def with_line(tree: ast.FunctionDef, line: int, text: str) -> ast.FunctionDef:
    """The function with another statement at this line."""
    new = ast.parse(text).body[0]

    class Replacing(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) and node.lineno == line:
                for inner in ast.walk(new):
                    if isinstance(inner, ast.stmt | ast.expr):
                        inner.lineno = inner.end_lineno = line
                return new
            return self.generic_visit(node)

    found = Replacing().visit(copy.deepcopy(tree))
    assert isinstance(found, ast.FunctionDef)
    return found
