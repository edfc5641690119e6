"""What is to be said of a line that is wrong, or missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from experiments.doctor.calls.results import line_of_return
from experiments.doctor.finding import Fault
from experiments.doctor.mending.cost import Cure
from experiments.doctor.mending.cure import Ward, cures
from experiments.doctor.mending.edits import TELLING
from experiments.doctor.mending.mend import Mend, mended
from experiments.doctor.mending.moved import at_definition
from experiments.doctor.origins import is_zero, readable
from experiments.doctor.patience import Patience
from experiments.doctor.reading.patient import Pair
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.explain import explained, forgotten
from experiments.doctor.verdict.suspects import agreement, returned


def of_cure(examinations: list[Examination], cure: Cure, faults: dict[int, list[str]]) -> Fault:
    """The fault that a cure tells of; `faults` are the values whose gradients are wrong, by their lines."""
    claims = examinations[0].claims
    names = faults.get(cure.line) or [n for n, c in claims.items() if cure.line in c.lines] or list(claims)
    name = min(names, key=lambda n: claims[n].lines.index(cure.line) if cure.line in claims[n].lines else 99)
    is_own = cure.line in claims[name].lines[: claims[name].own]
    what = explained(examinations, name) if is_own and not cure.said.startswith(TELLING) else None
    mend = Mend(cure.line, cure.before, cure.after)
    if not is_own and not cure.said and faults:  # what is to be seen of it in the line that is not right by itself
        name = next(iter(faults.values()))[0]
        label = claims[name].label
        return Fault(cure.line, cure.before, label, readable(explained(examinations, name), label), mend)
    return Fault(
        cure.line, cure.before, claims[name].label if is_own else "this line", readable(what or cure.said or None, claims[name].label), mend
    )


def fault(wards: list[Ward], line: int, names: list[str], patience: Patience, tried: bool = False) -> Fault:
    """What is to be said of a line that is wrong; `tried` if the mistakes that people make were tried backwards on it already."""
    name, examinations = names[0], [ward.e for ward in wards]
    claim = examinations[0].claims[name]
    backward: Pair = examinations[0].subject.pair
    text = next(
        (
            ast.unparse(n)
            for n in ast.walk(backward.backward)
            if isinstance(n, ast.Assign | ast.AugAssign | ast.Return | ast.Expr) and n.lineno == line
        ),
        "",
    )
    mend = mended(wards, names, line, patience, tried)
    what = explained(examinations, name)
    if mend and mend.after == mend.before.replace(" = ", " += ", 1):
        what = "overwritten in every round, where it must be added to what was there"
    if not (mend or what):
        what = forgotten(examinations, name)
    return Fault(mend.line if mend else line, mend.before if mend else text, claim.label, readable(what, claim.label), mend)


def left_out(wards: list[Ward], name: str, new: Mend) -> Fault:
    """The fault of a line that is missing; or of the line that computes what it would change, if a term there would do as well."""
    tree, is_term = wards[0].e.subject.pair.backward, new.after.startswith(f"{name} = {name} +")
    for cure in at_definition(tree, Cure(new.line, "", new.after)) if is_term else ():
        if cures(wards, cure.line, cure.after):
            mend = Mend(cure.line, cure.before, cure.after)
            return Fault(cure.line, cure.before, name, None, mend, others=(new,))
    return Fault(new.line, "", name, None, new)


def missing(examinations: list[Examination]) -> Iterator[Fault]:
    """The gradients that are 0 though no line is wrong: a line has been left out."""
    first = examinations[0]
    last = line_of_return(first.subject.pair.backward)
    for name in returned(first):
        claim = first.claims[name]
        if is_zero(claim.gradient) and not agreement(examinations, name)[1]:
            yield Fault(claim.line or last, "", claim.label, "0 everywhere: no line that has run adds to it", None)
