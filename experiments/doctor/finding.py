"""What the doctor found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from experiments.doctor.mending.mend import Mend
from experiments.doctor.telling import tell


@dataclass(frozen=True)
class Gradient:
    """One gradient that the backward returns, beside the true one.

    Attributes:
        value: what it is the gradient of.
        shape: of the value.
        digits: in how many it agrees with the derivative of forward, at the worse of two inputs; central differences have about 9.
        right: whether it is right.
    """

    value: str
    shape: tuple[int, ...]
    digits: float
    right: bool


@dataclass(frozen=True)
class Fault:
    """A line that is wrong although what came into it was right.

    Attributes:
        line: its number in the file.
        text: it.
        label: what the gradient is called there.
        what: half a sentence: what the gradient is; None if that cannot be said.
        mend: what makes it right; None if nothing small does.
        others: changes of other lines, each of which makes everything right as well.
        also: changes of other lines without which the mend is not enough.
        file: the name of another file that it stands in, which has a base of the class.
    """

    line: int
    text: str
    label: str
    what: str | None
    mend: Mend | None
    others: tuple[Mend, ...] = ()
    also: tuple[Mend, ...] = ()
    file: str | None = None


@dataclass(frozen=True)
class Finding:
    """What is to be said of one pair.

    Attributes:
        name: of the forward, or the class.
        backward: the name of the backward.
        gradients: all that it returns.
        faults: in the order of the backward.
        trouble: why it could not be examined; then all else is empty.
        notes: why what is right may look wrong.
        second: the second verdict: whether the forward is what its name says.
    """

    name: str
    backward: str
    gradients: tuple[Gradient, ...] = ()
    faults: tuple[Fault, ...] = ()
    trouble: str | None = None
    notes: tuple[str, ...] = ()
    second: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every gradient is right, and every line."""
        return not self.trouble and not self.faults and all(g.right for g in self.gradients)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "right": self.right}

    def __str__(self) -> str:
        """In words."""
        said: list[str] = []
        tell(lambda text, end="\n", style=None: said.append(text + end), self.as_dict(), "the file")
        return "".join(said).rstrip()
