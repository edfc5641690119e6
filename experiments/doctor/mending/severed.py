"""The cure of a line that leaves out the gradient that comes in: that gradient is put back as a factor."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.doctor.calls.results import line_of_return
from experiments.doctor.mending.changing import Changing
from experiments.doctor.mending.cost import Cure, cost
from experiments.doctor.mending.cure import Ward, well
from experiments.doctor.mending.led import led_again, losing
from experiments.doctor.mending.places import statement_at, text_of
from experiments.doctor.patience import Patience


def lost_in(wards: Sequence[Ward]) -> list[int]:
    """The lines in which the gradient that comes in is lost, the last first; nothing where every wrong result hangs on it."""
    first = wards[0]
    if not all(ward.lost for ward in wards):
        return []
    tree, last = first.e.subject.pair.backward, line_of_return(first.e.subject.pair.backward)
    of = [first.e.claims[n].line or last for n in first.silent]
    return losing(tree, [*of, last], first.lost)


def led_back(wards: Sequence[Ward], lines: Sequence[int], patience: Patience) -> Cure | None:
    """The plainest change of one of these lines by which the gradient that comes in is a factor again, and everything is right.

    Args:
        wards: one for each input.
        lines: in which it is lost.
        patience: how long.
    """
    subject = wards[0].e.subject
    tree, found = subject.pair.backward, list[Cure]()
    changing, patience = Changing(tree, subject.namespace), patience.for_one()
    for line in lines if all(ward.can_tell for ward in wards) else ():
        statement = statement_at(tree, line)
        if statement is None:
            continue
        for said, after in led_again(tree, statement, wards[0].lost, wards[0].e.upstreams):
            if patience.is_over:
                break
            if well(wards, changing, line, after):
                found.append(Cure(line, text_of(statement), after, said))
    return min(found, key=lambda c: cost(tree, c, lines), default=None)
