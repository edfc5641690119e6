"""What is found out about an attempt: right, wrong, not begun; each gradient with its digits; and the sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

RIGHT, WRONG, NOT_BEGUN = "right", "wrong", "not begun"


@dataclass(frozen=True)
class Gradient:
    """One gradient of an attempt.

    Attributes:
        name: of what it is the gradient.
        shape: that it must have; None of what has no shape.
        digits: in how many it agrees.
        right: whether that is enough.
        what: half a sentence about a wrong one: "2 times the right one"; empty if nothing fits.
    """

    name: str
    shape: tuple[int, ...] | None
    digits: float
    right: bool
    what: str = ""


@dataclass(frozen=True)
class Verdict:
    """Of one attempt.

    Attributes:
        state: "right", "wrong" or "not begun".
        sentences: what is said of it, the most important first.
        gradients: each, in the order of the way back.
        fault: the name of the fault in a few words, for a table; empty if it is right.
        printed: what the file printed.
    """

    state: str
    sentences: tuple[str, ...] = ()
    gradients: tuple[Gradient, ...] = ()
    fault: str = ""
    printed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def from_dict(data: Mapping[str, Any]) -> Verdict:
    """The inverse of `Verdict.as_dict`, after JSON."""
    gradients = tuple(Gradient(**{**g, "shape": None if g["shape"] is None else tuple(g["shape"])}) for g in data["gradients"])
    return Verdict(**{**data, "sentences": tuple(data["sentences"]), "gradients": gradients})


def wrong(sentence: str, fault: str, gradients: Sequence[Gradient] = ()) -> Verdict:
    """A wrong attempt of which one thing is to be said."""
    return Verdict(WRONG, (sentence,), tuple(gradients), fault)
