"""The faults of a backward: each a line, what is wrong with it, and what would be right."""

from __future__ import annotations

from dataclasses import replace

from experiments.doctor.finding import Fault
from experiments.doctor.mending.cost import Cure, cost
from experiments.doctor.mending.cure import Ward
from experiments.doctor.mending.helpers import cured_in_helper
from experiments.doctor.mending.mend import Mend
from experiments.doctor.origins import numberless, readable
from experiments.doctor.search import Search
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.numberless import NOT_FINITE


def diagnosed(examinations: list[Examination], faults: dict[int, list[str]]) -> tuple[Fault, ...]:
    """The faults; of what is no number, with what made it so; of one in a line that calls a function, there if that is as plain."""
    found = tuple(numberless(examinations, f) if f.what == NOT_FINITE else f for f in Search(examinations, faults).found())
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
