"""The doctor: is a backward right, and if not, which line is wrong, what is wrong with it, and what would be right.

python -m experiments doctor FILE        examines every pair of a forward and a backward in a file

from experiments.doctor import doctor    does so in Python, for functions or a class of one's own
print(doctor(forward, backward, loss=mse, inputs={"x": (5, 3)}))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # this file is imported by all of the package
    from experiments.doctor.finding import Finding


def doctor(
    forward: Callable[..., Any] | type,
    backward: Callable[..., Any] | None = None,
    *,
    loss: Callable[..., Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Finding:
    """Examine a forward and its backward in NumPy.

    Args:
        forward: the function; or a class that has both as methods.
        backward: the function. It is given what it asks for: by name the values of forward, what forward returned beside its result as
            its cache, and a random gradient of the result, unless there is a loss.
        loss: makes one number of what forward returns; None if forward does so itself, or if backward is given the gradient.
        inputs: of arguments of forward the shape, or an array; what is not given is found by trying.
        seed: of the random numbers.

    Returns: what was found; `print` says it in words, and its `right`, `gradients` and `faults` are for programs.

    Raises:
        experiments.doctor.reading.patient.Unreadable: if they cannot be examined; the message says what would help.
    """
    from experiments.doctor.inside import examined_here

    return examined_here(forward, backward, loss, inputs or {}, seed)
