"""What the doctor found, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Say = Callable[..., None]
"""say(text, style=..., end=...) prints a piece of text."""


def tell(say: Say, finding: Mapping[str, Any], file: str) -> None:
    """One pair: whether it is right, each gradient, and what is wrong.

    Args:
        say: prints.
        finding: `Finding.as_dict()`.
        file: its name.
    """
    say(
        f"{finding['name']} and {finding['backward']}: "
        + ("right" if finding["right"] else "not examined" if finding["trouble"] else "wrong")
    )
    if finding["trouble"]:
        say(f"  {finding['trouble']}")
    for g in finding["gradients"]:
        size = " × ".join(map(str, g["shape"])) or "a number"
        digits = f"{g['digits']:3.0f} digits" if g["digits"] >= 1 or not g["right"] else " on purpose"
        say(f"  gradient of {g['value']:12} {size:>10} {digits:10}  ", end="")
        say("right" if g["right"] else "wrong", style="green" if g["right"] else "bold red")
    for fault in finding["faults"]:
        tell_fault(say, fault, file)
    for note in finding["notes"]:
        say(f"  {note}")
    if not (finding["right"] or finding["faults"] or finding["trouble"]):
        say("  Every line that could be looked at is right by itself: a gradient on the way has no name, or a path has none at all.")
    for said in finding["second"]:
        say(f"  {said}")


def tell_fault(say: Say, fault: Mapping[str, Any], file: str) -> None:
    """A line that is wrong: where, what, and the mend."""
    right = "what came into this line was right, what it computes is not." if fault["text"] else "up to here something is missing."
    say(f"\n  {file}, line {fault['line']}: {right}")
    if fault["what"]:
        say(f"  {fault['label']} is {fault['what']}.")
    if fault["mend"]:
        say(f"    - {fault['mend']['before']}", style="red")
        say(f"    + {fault['mend']['after']}", style="green")
        say("  With the second line it is right, on inputs of two sizes.")
    else:
        say(f"    {fault['text']}")
