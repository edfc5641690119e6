"""The faults of a backward: each a line, what is wrong with it, and what would be right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from experiments.doctor.calls.results import line_of_return
from experiments.doctor.finding import Fault
from experiments.doctor.mending.changing import slice_of
from experiments.doctor.mending.cost import Cure, cost, is_strange
from experiments.doctor.mending.cure import Ward, cured, cures
from experiments.doctor.mending.edits import TELLING
from experiments.doctor.mending.elsewhere import others
from experiments.doctor.mending.helpers import cured_in_helper
from experiments.doctor.mending.inserted import inserted
from experiments.doctor.mending.mend import Mend, mended
from experiments.doctor.mending.moved import at_definition
from experiments.doctor.mending.severed import led_back, lost_in
from experiments.doctor.mending.solved import Open, openings, solved, tried
from experiments.doctor.mending.twice import cured_twice
from experiments.doctor.origins import elsewhere, is_zero, numberless, readable
from experiments.doctor.patience import Patience
from experiments.doctor.reading.patient import Pair
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.explain import explained, forgotten
from experiments.doctor.verdict.numberless import NOT_FINITE
from experiments.doctor.verdict.suspects import agreement, returned, right_lines, unharmed

PLAIN = 0.3
"""A cure with no more against it (a sign turned, two names the wrong way round, something too much) is not compared with others."""


def diagnosed(examinations: list[Examination], faults: dict[int, list[str]]) -> tuple[Fault, ...]:
    """The faults; of what is no number, with what made it so; of one in a line that calls a function, there if that is as plain."""
    found = tuple(numberless(examinations, f) if f.what == NOT_FINITE else f for f in located(examinations, faults))
    return (in_helper(examinations, found[0]),) if len(found) == 1 else found


def in_helper(examinations: list[Examination], fault: Fault) -> Fault:
    """The fault; or that of a function that its line calls, which with a change as plain as that of the line makes everything right."""
    subject = examinations[0].subject
    cure = (
        cured_in_helper([Ward(e) for e in examinations], [fault.line]) if (subject.helpers or subject.definitions) and fault.text else None
    )
    if cure is None:
        return fault
    tree, here = subject.pair.backward, fault.mend and Cure(fault.mend.line, fault.mend.before, fault.mend.after)
    mend = Mend(cure.line, cure.before, cure.after)
    if here and cost(tree, here, [here.line])[0] < cost(tree, cure, [cure.line])[0]:
        return replace(fault, others=(*fault.others, mend))
    return Fault(cure.line, cure.before, "this line", readable(cure.said or None), mend, tuple(filter(None, (fault.mend, *fault.others))))


def located(examinations: list[Examination], faults: dict[int, list[str]]) -> tuple[Fault, ...]:
    """The faults: one line that, changed a little, makes everything right; or else each line that is wrong by itself."""
    first, wards, patience = examinations[0], [Ward(e) for e in examinations], Patience()
    last = line_of_return(first.subject.pair.backward)
    ends = [first.claims[n].line or last for n in returned(first) if not agreement(examinations, n)[1]]
    lost = lost_in(wards)
    if (again := led_back(wards, lost, patience)) is not None:
        return (of_cure(examinations, again, faults),)
    lines = [*lost, *faults, *ends]
    if not faults:
        lines = [line for n in returned(first) for line in (first.claims[n].line or last, *first.claims[n].lines)]
        lines = [*lost, *lines, *calls_alone(first.subject.pair.backward)]
    lines += [line for n in returned(first) if not first.claims[n].line for line in never(first, first.claims[n].label)]
    sound = (right_lines(first) - set(faults) if faults else set()) | unharmed(first)
    own = list(dict.fromkeys(line for names in faults.values() for n in names for line in first.claims[n].lines))
    small = cured(wards, own, sound, patience, alone=True) if own else None
    plain = small is not None and cost(first.subject.pair.backward, small, own)[0] <= PLAIN  # nothing elsewhere would be plainer
    places, closed = ([], set[int]()) if plain else openings(wards, [*own, *lines], sound, patience)
    all_sound, sound = sound, sound | closed
    each: tuple[Fault, ...] = ()
    if small is None and len(faults) > 1:
        each = tuple(fault(wards, *of, patience) for of in sorted(faults.items()))
        small = next((Cure(m.line, m.before, m.after) for f in each if (m := f.mend) and cures(wards, m.line, m.after)), None)
    known = bool(each) and all(f.mend or f.what for f in each)  # one line could undo the faults of several
    cure = small if known else plainest(examinations, own, small, solved(wards, places, own, patience, small))
    if cure is not None and not plain and not known:
        cure = cured(wards, lines, sound, patience, known=cure)
    if cure is not None and is_strange(cure):
        cure = cured(wards, [*ends, last], sound, patience, known=cure, grown=True, alone=True)
    bent = sorted(set(bending(first.subject.pair.backward, places)) - sound, reverse=True) if cure is None else []
    cure = cure or cured(wards, bent, sound, patience, grown=True, alone=True) or tried(wards, bent, own, patience)
    if cure is None and len(faults) == 1:
        results = any(c.returned for c in first.claims.values())  # else nothing has been tried
        each = tuple(fault(wards, *of, patience, tried=results) for of in faults.items())
        mend = each[0].mend
        if mend and cures(wards, mend.line, mend.after):
            cure = Cure(mend.line, mend.before, mend.after)
            return (replace(each[0], others=ties(wards, cure, [*own, *lines], sound, places, patience)),)
    cure = (
        cure
        or cured(wards, lines, sound, patience)
        or cured(wards, every(first.subject.pair.backward), [*sound, *lines], patience, alone=True)
        or tried(wards, [n for n in slice_of(first.subject.pair.backward, [*own, *lines]) if n not in sound], own, patience)
    )
    if cure is None:
        each = each or tuple(fault(wards, *of, patience) for of in sorted(faults.items()))
        if len(each) < 2 or not all(f.mend for f in each):
            cure = cured(wards, lines, sound, patience, grown=True)
        if cure is None and not (len(each) > 1 and all(f.mend for f in each)):
            if (missed := inserted(wards)) is not None:
                return (left_out(wards, *missed),)
            if (both := cured_twice(wards, [*own, *lines], all_sound)) is not None:
                return (replace(of_cure(examinations, both[0], faults), also=(Mend(both[1].line, both[1].before, both[1].after),)),)
        if cure is None:
            if len(each) == 1 and any(c.returned for c in first.claims.values()):
                each = (replace(each[0], mend=None),)  # it makes this gradient right, and not all
            return elsewhere(examinations, each, places) or tuple(missing(examinations))
    return (replace(of_cure(examinations, cure, faults), others=ties(wards, cure, [*own, *lines], sound, places, patience)),)


def left_out(wards: list[Ward], name: str, new: Mend) -> Fault:
    """The fault of a line that is missing; or of the line that computes what it would change, if a term there would do as well."""
    tree, is_term = wards[0].e.subject.pair.backward, new.after.startswith(f"{name} = {name} +")
    for cure in at_definition(tree, Cure(new.line, "", new.after)) if is_term else ():
        if cures(wards, cure.line, cure.after):
            mend = Mend(cure.line, cure.before, cure.after)
            return Fault(cure.line, cure.before, name, None, mend, others=(new,))
    return Fault(new.line, "", name, None, new)


def ties(wards: list[Ward], cure: Cure, lines: list[int], sound: set[int], places: list[Open], patience: Patience) -> tuple[Mend, ...]:
    """The changes of other lines that would do as well."""
    return tuple(Mend(c.line, c.before, c.after) for c in others(wards, cure, lines, sound, places, patience))


def bending(tree: ast.FunctionDef, places: list[Open]) -> list[int]:
    """The lines above a narrow place, where all that is wrong can be made right, that no such place is: nothing hangs on them straight."""
    narrow = [of.statement.lineno for of in places if of.is_whole and of.is_narrow]
    return [line for line in slice_of(tree, narrow) if line not in {of.statement.lineno for of in places}]


def never(e: Examination, label: str) -> list[int]:
    """The lines that write what is called so and did not run: those of the conditions around them, then they."""
    tree = e.subject.pair.backward
    writes = [n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.AugAssign) and label in map(ast.unparse, targets(n))]
    around = [n for n in ast.walk(tree) if isinstance(n, ast.If) and any(w in ast.walk(n) for w in writes)]
    return [n.lineno for n in (*around, *writes)]


def targets(node: ast.Assign | ast.AugAssign) -> list[ast.expr]:
    """What it writes."""
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def every(function: ast.FunctionDef) -> list[int]:
    """All its lines, the last first: an array may be changed by a line that does not name it."""
    return sorted({n.lineno for s in function.body for n in ast.walk(s) if isinstance(n, ast.stmt)}, reverse=True)


def missing(examinations: list[Examination]) -> Iterator[Fault]:
    """The gradients that are 0 though no line is wrong: a line has been left out."""
    first = examinations[0]
    last = line_of_return(first.subject.pair.backward)
    for name in returned(first):
        claim = first.claims[name]
        if is_zero(claim.gradient) and not agreement(examinations, name)[1]:
            yield Fault(claim.line or last, "", claim.label, "0 everywhere: no line that has run adds to it", None)


def plainest(examinations: list[Examination], accused: list[int], *cures: Cure | None) -> Cure | None:
    """The plainest of these cures."""
    tree = examinations[0].subject.pair.backward
    return min((c for c in cures if c is not None), key=lambda c: cost(tree, c, accused), default=None)


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
        return Fault(cure.line, cure.before, claims[name].label, readable(explained(examinations, name)), mend)
    return Fault(cure.line, cure.before, claims[name].label if is_own else "this line", readable(what or cure.said or None), mend)


def calls_alone(function: ast.FunctionDef) -> list[int]:
    """The lines that call something and keep no result: a method that adds to a gradient of its object."""
    return [n.lineno for n in ast.walk(function) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]


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
    return Fault(mend.line if mend else line, mend.before if mend else text, claim.label, readable(what), mend)
