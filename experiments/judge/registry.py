"""What judges a class or function that no table of `case` holds: an optimizer, a function that returns a derivative, a concept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Judgement = Callable[[int], Mapping[str, float]]
"""From a seed to errors, by name."""

CHECKS: dict[str, list[Judgement]] = {}
"""By the name of what is judged: "SGD", "svd.LowRank", "calculus.gradients.sphere_jacobian" without its chapter."""


def judged_by(name: str, *checks: Judgement) -> None:
    """This is judged by these, beside those that do already."""
    CHECKS.setdefault(name, []).extend(checks)
