"""The search for what is wrong with a backward: from the line that is wrong by itself to what is further away."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import cached_property

from experiments.doctor.calls.results import line_of_return
from experiments.doctor.faults import fault, left_out, missing, of_cure
from experiments.doctor.finding import Fault
from experiments.doctor.mending.changing import slice_of
from experiments.doctor.mending.cost import Cure, cost, is_strange
from experiments.doctor.mending.cure import Ward, cured, cures
from experiments.doctor.mending.elsewhere import others
from experiments.doctor.mending.inserted import inserted
from experiments.doctor.mending.led import is_empty
from experiments.doctor.mending.mend import Mend
from experiments.doctor.mending.places import statement_at, text_of
from experiments.doctor.mending.severed import led_back, lost_in
from experiments.doctor.mending.solved import Open, openings, solved, tried
from experiments.doctor.mending.twice import cured_twice
from experiments.doctor.origins import elsewhere, label_of
from experiments.doctor.patience import Patience
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.explain import whatever
from experiments.doctor.verdict.suspects import agreement, returned, right_lines, unharmed

PLAIN = 0.3
"""A cure with no more against it (a sign turned, two names the wrong way round, something too much) is not compared with others."""


@dataclass
class Search:
    """The search for the faults of one backward: one line that, changed a little, makes everything right; or each that is wrong by itself.

    Attributes:
        examinations: of two inputs.
        faults: by line, the values whose gradients are wrong in it although what came into it was right.
    """

    examinations: list[Examination]
    faults: dict[int, list[str]]

    def __post_init__(self) -> None:
        self.first = self.examinations[0]
        self.tree = self.first.subject.pair.backward
        self.wards = [Ward(e) for e in self.examinations]
        self.patience = Patience()

    def found(self) -> tuple[Fault, ...]:
        """The faults."""
        if (again := led_back(self.wards, self.lost, self.patience)) is not None:
            return (of_cure(self.examinations, again, self.faults),)
        cure = self.near() or self.bent()
        if cure is None and (mended := self.mended_alone()) is not None:
            return (mended,)
        cure = cure or self.far()
        if cure is None and not self.is_each_mended:
            cure = cured(self.wards, [*self.open_lines, *self.lines], self.sound, self.patience, grown=True)
            if cure is None and (lacking := self.left_out() or self.in_two_lines()) is not None:
                return (lacking,)
        return (self.of(cure),) if cure else self.each_or_none()

    # the lines

    @cached_property
    def lost(self) -> list[int]:
        """The lines at which the gradient that comes in is lost."""
        return lost_in(self.wards)

    @cached_property
    def own(self) -> list[int]:
        """The lines of the gradients that are wrong by themselves."""
        claims = self.first.claims
        return list(dict.fromkeys(line for names in self.faults.values() for n in names for line in claims[n].lines))

    @cached_property
    def ends(self) -> list[int]:
        """The lines that compute the results that are wrong."""
        results = (n for n in returned(self.first) if not agreement(self.examinations, n)[1])
        return [self.first.claims[n].line or self.last for n in results]

    @property
    def last(self) -> int:
        """The line that returns."""
        return line_of_return(self.tree)

    @cached_property
    def lines(self) -> list[int]:
        """All lines that may be wrong, the likely ones first."""
        claims, results = self.first.claims, returned(self.first)
        if self.faults:
            lines = [*self.faults, *self.ends]
        else:
            lines = [line for n in results for line in (claims[n].line or self.last, *claims[n].lines)] + calls_alone(self.tree)
        return [*self.lost, *lines, *(line for n in results if not claims[n].line for line in never(self.tree, claims[n].label))]

    @cached_property
    def surely(self) -> set[int]:
        """The lines that are right by what they compute or leave."""
        return (right_lines(self.first) - set(self.faults) if self.faults else set()) | unharmed(self.first)

    @cached_property
    def opened(self) -> tuple[list[Open], set[int]]:
        """The places of these lines at which some numbers make everything right, and the lines where none do."""
        none = list[Open](), set[int]()  # where a plain cure is known nothing elsewhere would be plainer
        return none if self.is_plain else openings(self.wards, [*self.own, *self.lines], self.surely, self.patience)

    @property
    def places(self) -> list[Open]:
        """The places at which some numbers make everything right."""
        return self.opened[0]

    @property
    def open_lines(self) -> list[int]:
        """The lines that compute what, if it were something else, would make everything right; not one that only makes room for it."""
        return [of.statement.lineno for of in self.places if of.is_whole and not is_empty(of.place[0])]

    @property
    def sound(self) -> set[int]:
        """The lines that need no change, or that none would mend."""
        return self.surely | self.opened[1]

    # the steps

    @cached_property
    def small(self) -> Cure | None:
        """A small change of a line that is wrong by itself, or of the loop that it stands in."""
        return cured(self.wards, [*self.own, *heads(self.tree, self.own)], self.surely, self.patience, alone=True) if self.own else None

    @property
    def is_plain(self) -> bool:
        """Whether that is as plain as any."""
        return self.small is not None and cost(self.tree, self.small, self.own)[0] <= PLAIN

    @cached_property
    def each(self) -> tuple[Fault, ...]:
        """What is to be said of each line that is wrong by itself; of one alone, the mistakes that people make were tried already."""
        tried = len(self.faults) == 1 and any(c.returned for c in self.first.claims.values())
        return tuple(fault(self.wards, *of, self.patience, tried=tried) for of in sorted(self.faults.items()))

    @property
    def is_each_mended(self) -> bool:
        """Whether several lines are wrong, and each has its mend."""
        return len(self.each) > 1 and all(f.mend for f in self.each)

    def near(self) -> Cure | None:
        """A change of a line that is wrong by itself; or a plainer one of a line that it reads."""
        cure = self.small
        if cure is None and len(self.faults) > 1:
            mends = (Cure(f.mend.line, f.mend.before, f.mend.after) for f in self.each if f.mend)
            cure = next((c for c in mends if cures(self.wards, c.line, c.after)), None)
            if all(f.mend or f.what for f in self.each):  # one line could undo the faults of several
                return self.not_strange(cure)
        by_numbers = solved(self.wards, self.places, self.own, self.patience, cure)
        cure = min(filter(None, (cure, by_numbers)), key=lambda c: cost(self.tree, c, self.own), default=None)
        if cure is not None and not self.is_plain:
            cure = cured(self.wards, self.lines, self.sound, self.patience, known=cure)
        return self.not_strange(cure)

    def not_strange(self, cure: Cure | None) -> Cure | None:
        """The cure; if it gives a gradient to a line that has nothing to do with one, a plainer one of a line that returns, if there is."""
        if cure is None or not is_strange(cure):
            return cure
        return cured(self.wards, [*self.ends, self.last], self.sound, self.patience, known=cure, grown=True, alone=True)

    def bent(self) -> Cure | None:
        """A change of a line whose numbers go through a kink on their way to the results; of a loop, of those known to make all right."""
        lines = sorted(set(bending(self.tree, self.places)) - self.sound, reverse=True)
        whole = sorted({*lines, *self.open_lines} - self.sound, reverse=True)  # a plainer one may stand beneath the kink
        cure = cured(self.wards, whole, self.sound, self.patience, alone=True)
        if any(n.rounds for of in self.places for n in of.needed):  # more than one thing in all of its rounds may be right
            cure = cure or cured(self.wards, self.open_lines, self.sound, self.patience, grown=True, alone=True)
        cure = cure or cured(self.wards, lines, self.sound, self.patience, grown=True, alone=True)
        return cure or tried(self.wards, lines, self.own, self.patience)

    def mended_alone(self) -> Fault | None:
        """The one line that is wrong by itself, if what makes its gradient right makes all right."""
        mend = self.each[0].mend if len(self.faults) == 1 else None
        if mend is None or not cures(self.wards, mend.line, mend.after):
            return None
        return self.with_ties(self.each[0], Cure(mend.line, mend.before, mend.after))

    def far(self) -> Cure | None:
        """A change of any line."""
        read = [n for n in slice_of(self.tree, [*self.own, *self.lines]) if n not in self.sound]
        return (
            cured(self.wards, self.lines, self.sound, self.patience)
            or cured(self.wards, every(self.tree), [*self.sound, *self.lines], self.patience, alone=True)
            or tried(self.wards, read, self.own, self.patience)
        )

    def left_out(self) -> Fault | None:
        """A line that is missing."""
        return left_out(self.wards, *missed) if (missed := inserted(self.wards)) is not None else None

    def in_two_lines(self) -> Fault | None:
        """A change of two lines."""
        both = cured_twice(self.wards, [*self.own, *self.lines], self.surely)
        if both is None:
            return None
        cure, second = both
        return replace(of_cure(self.examinations, cure, self.faults), also=(Mend(second.line, second.before, second.after),))

    def each_or_none(self) -> tuple[Fault, ...]:
        """Each line that is wrong by itself; where none is, the gradients to which no line adds."""
        each = self.each
        if len(each) == 1 and any(c.returned for c in self.first.claims.values()):
            each = (replace(each[0], mend=None),)  # it makes this gradient right, and not all
        if not any(f.mend for f in each) and (deaf := self.deaf()) is not None:
            return (deaf,)
        return elsewhere(self.examinations, each, self.places) or tuple(missing(self.examinations))

    def deaf(self) -> Fault | None:
        """The line that has lost the gradient that comes in, where it lacks more than that."""
        statement = statement_at(self.tree, self.lost[0]) if self.lost else None
        if statement is None:
            return None
        what = whatever(n for n in self.first.upstreams if n in self.wards[0].lost)
        return Fault(self.lost[0], text_of(statement), label_of(statement), what, None)

    def of(self, cure: Cure) -> Fault:
        """The fault that a cure tells of; of two that are as plain, that of the line that is wrong by itself."""
        of = self.with_ties(of_cure(self.examinations, cure, self.faults), cure)
        tied = (Cure(m.line, m.before, m.after) for m in of.others if cure.line not in self.faults and m.line in self.faults)
        own = next((c for c in tied if cost(self.tree, c, ())[0] <= cost(self.tree, cure, ())[0]), None)
        if own is None:
            return of
        others = (Mend(cure.line, cure.before, cure.after), *(m for m in of.others if m.line != own.line))
        return replace(of_cure(self.examinations, own, self.faults), others=others)

    def with_ties(self, of: Fault, cure: Cure) -> Fault:
        """The fault, with the changes of other lines that would do as well."""
        found = others(self.wards, cure, [*self.own, *self.lines], self.sound, self.places, self.patience)
        return replace(of, others=tuple(Mend(c.line, c.before, c.after) for c in found))


def heads(tree: ast.FunctionDef, lines: list[int]) -> list[int]:
    """Where the loops begin in which these lines stand."""
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.For)]
    return [loop.lineno for loop in loops if any(isinstance(n, ast.stmt) and n.lineno in lines for n in ast.walk(loop))]


def calls_alone(function: ast.FunctionDef) -> list[int]:
    """The lines that call something and keep no result: a method that adds to a gradient of its object."""
    return [n.lineno for n in ast.walk(function) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]


def never(tree: ast.FunctionDef, label: str) -> list[int]:
    """The lines that write what is called so and did not run: those of the conditions around them, then they."""
    writes = [n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.AugAssign) and label in map(ast.unparse, targets(n))]
    around = [n for n in ast.walk(tree) if isinstance(n, ast.If) and any(w in ast.walk(n) for w in writes)]
    return [n.lineno for n in (*around, *writes)]


def targets(node: ast.Assign | ast.AugAssign) -> list[ast.expr]:
    """What it writes."""
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def bending(tree: ast.FunctionDef, places: list[Open]) -> list[int]:
    """The lines above a narrow place, where all that is wrong can be made right, that no such place is: nothing hangs on them straight."""
    narrow = [of.statement.lineno for of in places if of.is_whole and of.is_narrow]
    return [line for line in slice_of(tree, narrow) if line not in {of.statement.lineno for of in places}]


def every(function: ast.FunctionDef) -> list[int]:
    """All its lines, the last first: an array may be changed by a line that does not name it."""
    return sorted({n.lineno for s in function.body for n in ast.walk(s) if isinstance(n, ast.stmt)}, reverse=True)
