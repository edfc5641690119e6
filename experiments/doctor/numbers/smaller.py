"""The same pair on other numbers: smaller arrays, where a loop goes through them; smaller numbers, on the other side of a branch."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import numpy as np

from experiments.doctor.calls.calling import Subject
from experiments.doctor.numbers.shapes import SMALL, Chosen
from experiments.doctor.numbers.trial import SMALLER
from experiments.doctor.verdict.examine import MANY, Examination
from experiments.doctor.verdict.suspects import PLAINLY, agreement, returned

QUIET = 3e-8
"""Where rounding makes more than this of a slope, for a loss of 1, p is nearly 1 and 1 − p has lost digits: smaller numbers are tried then.

Of 100 right files 95 have less than half of that. Rounding shows along some directions only, and may be a thousand times more along others.
"""


def smaller(
    subject: Subject, chosen: Chosen, shapes: Mapping[str, tuple[int, ...]], seed: int, than: list[Examination]
) -> list[Examination]:
    """The same on smaller inputs, where a loop goes through them and the same is wrong there."""
    looped = any(isinstance(n, ast.For | ast.While) for n in ast.walk(subject.pair.backward))
    if not looped or shapes or chosen.numbers:
        return than
    try:
        found = [Examination(subject, chosen.draw(sizes, seed + i), seed + i) for i, sizes in enumerate(SMALL)]
        names = returned(found[0])
        same = names == returned(than[0]) and all(agreement(found, n)[1] == agreement(than, n)[1] for n in names)
    except Exception:  # a stranger's code may refuse them
        return than
    return found if same and is_quiet(found) and not any(e.unseen for e in found) else than


def branches(subject: Subject) -> bool:
    """Whether the forward, or its loss, does one thing or another by how large a number is."""
    text = ast.unparse(subject.pair.forward) + subject.loss_text
    return re.search(r"maximum|minimum|where|clip|abs|[<>]", text) is not None


def on_the_other_side(subject: Subject, chosen: Chosen, shapes: Mapping[str, tuple[int, ...]], seed: int) -> list[Examination] | None:
    """On smaller numbers, if something is plainly wrong there: with a margin of 1 large ones show one side alone. None if all is right.

    Small numbers make small gradients, of which fewer digits are known: what is a few digits off is not wrong there.
    """
    was, chosen.spread = chosen.spread, chosen.spread * SMALLER[0]
    try:
        found = [Examination(subject, numbers, seed + i) for i, numbers in enumerate(chosen.two(shapes, seed))]
        if is_quiet(found) and any(agreement(found, name)[0] < PLAINLY for name in returned(found[0])):
            return found
    except Exception:  # a stranger's code may refuse them
        pass
    chosen.spread = was
    return None


def is_quiet(examinations: list[Examination]) -> bool:
    """Whether the loss is finite, and rounding does not drown its slopes."""
    return all(e.is_finite and e.noise < QUIET * (1 + abs(e.loss(e.ran))) and not is_drowned(e) for e in examinations)


def is_drowned(e: Examination) -> bool:
    """Whether no slope is more than what rounding makes of it, though the gradients are not 0: a softmax at 1 but for 1e-70."""
    some = [name for name in returned(e) if np.any(e.claims[name].gradient)]
    slopes = [e.whole(n) for n in some if np.size(e.ran.values[n]) <= MANY and not e.is_slow(np.size(e.ran.values[n]))]
    most = [float(np.abs(s[np.isfinite(s)]).max(initial=0)) for s in slopes]
    return bool(most) and max(most) < e.noise
