"""The mend: one small change of the line that is wrong, after which every gradient is right, on inputs of several sizes."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from experiments.doctor.calling import Subject
from experiments.doctor.edits import is_code, rewritten
from experiments.doctor.examine import Examination
from experiments.doctor.grown import grown, wanted
from experiments.doctor.patience import Patience
from experiments.judge.diagnose import like

MOST_EDITS = 1200
"""So many changes of a line are tried."""


@dataclass(frozen=True)
class Mend:
    """A change of one line.

    Attributes:
        line: its number.
        before: the statement as it stands.
        after: as it would be right.
    """

    line: int
    before: str
    after: str


def mended(examinations: list[Examination], names: list[str], line: int, patience: Patience, tried: bool = False) -> Mend | None:
    """The first small change of a line that makes these gradients right on every input; None if none was found.

    Args:
        examinations: one for each input.
        names: of the values whose gradients are wrong.
        line: where; the lines that feed it are tried too.
        patience: how long.
        tried: whether the mistakes that people make were tried backwards already.
    """
    first = examinations[0]
    claim = first.claims[names[0]]
    if any(e.is_slow(np.size(e.ran.values[names[0]])) for e in examinations):
        return None  # the truth would have to be known entry by entry
    truths = [wanted(e, names[0]) for e in examinations]
    lines = (line,) if line != claim.line else tuple(dict.fromkeys((line, *claim.lines)))
    patience = patience.for_one()
    for at in lines:
        found: list[Mend] = []
        for kind, before, tree in islice(edits(first, names[0], at, tried), MOST_EDITS):
            if (found and kind != "rewritten") or patience.is_over:
                break
            subject = first.subject.with_backward(tree)
            pairs = zip(examinations, truths, strict=True)
            if not (all(gives(subject, e, names[0], truth) for e, truth in pairs) and rights(subject, first, names)):
                continue
            after = next(n for n in ast.walk(tree) if isinstance(n, ast.stmt) and getattr(n, "mended", False))
            found.append(Mend(at, before, ast.unparse(after)))
            if kind != "rewritten":
                break
        if found:
            return min(found, key=lambda m: len(m.after))
    return None


def rights(subject: Subject, e: Examination, names: list[str]) -> bool:
    """Whether all of several gradients are right; one alone has been looked at."""
    if len(names) == 1:
        return True
    other = Examination(subject, e.inputs, e.seed)
    other = other.divided(e.scale) if e.scale != 1 else other
    return all(n in other.claims and other.is_right(n) for n in names)


def gives(subject: Subject, e: Examination, name: str, truth: np.ndarray) -> bool:
    """Whether the changed backward computes the right gradient of this value."""
    try:
        with np.errstate(all="ignore"):
            ran = subject.forward(e.inputs) if subject.pair.cls else e.ran
            claims = {c.value: c.gradient for c in subject.backward(ran, e.upstreams)}
    except Exception:  # a change may make nonsense
        return False
    return name in claims and like(np.asarray(claims[name], float), truth)


def edits(e: Examination, name: str, line: int, tried: bool = False) -> Iterator[tuple[str, str, ast.FunctionDef]]:
    """The backward with one change of that line: (kind, the statement before, the tree); the plainest changes first."""
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
                yield kind, before, with_line(tree, line, text)


def with_line(tree: ast.FunctionDef, line: int, text: str) -> ast.FunctionDef:
    """The function with another statement at this line."""
    new = ast.parse(text).body[0]

    class Replacing(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) and node.lineno == line:
                for inner in ast.walk(new):
                    if isinstance(inner, ast.stmt | ast.expr):
                        inner.lineno = inner.end_lineno = line
                new.mended = True  # type: ignore[attr-defined]  # to be found again
                return new
            return self.generic_visit(node)

    found = Replacing().visit(copy.deepcopy(tree))
    assert isinstance(found, ast.FunctionDef)
    return found
