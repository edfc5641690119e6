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
        f"{finding['name']} and {finding['backward'].replace('its_gradient', 'its gradient')}: "
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
        tell_fault(say, fault, file, alone=len(finding["faults"]) == 1)
    if len(finding["faults"]) > 1:
        many = "Both" if len(finding["faults"]) == 2 else f"All {len(finding['faults'])}"
        say(f"\n  {many} lines have to be mended before everything is right: each is wrong by itself.")
    for note in finding["notes"]:
        say(f"  {note}")
    told = finding["right"] or finding["faults"] or finding["trouble"] or any(n.startswith("It is wrong") for n in finding["notes"])
    if not told:
        say("  Every line that could be looked at is right by itself: a gradient on the way has no name, or a path has none at all.")
    for said in finding["second"]:
        say(f"  {said}")


def tell_fault(say: Say, fault: Mapping[str, Any], file: str, alone: bool = True) -> None:
    """A line that is wrong: where, what, and the mend; `alone` if it is the only one, so that with the mend everything is right."""
    right = "what came into this line was right, what it computes is not." if fault["text"] else "up to here something is missing."
    tied = "".join(f", or line {other['line']}" for other in fault["others"])
    if fault["mend"] and not fault["mend"]["before"]:
        right = "before this line another is missing."
    if fault["also"]:
        tied, right = "".join(f" and line {other['line']}" for other in fault["also"]), "both must be changed to make it right."
    if fault["others"]:
        right = f"a change of {'either' if len(fault['others']) == 1 else 'any of them'} makes it right."
    say(f"\n  {fault.get('file') or file}, line {fault['line']}{tied}: {right}")
    if fault["what"]:
        say(f"  {fault['label']} is {fault['what']}.")
    if fault["mend"]:
        for mend in sorted((fault["mend"], *fault["also"]), key=lambda m: m["line"]):
            tell_mend(say, mend)
        for other in fault["others"]:
            say(f"  Or in line {other['line']}:")
            tell_mend(say, other)
        new = "both second lines" if fault["also"] else "the second line of one of them" if tied else "the second line"
        new = new if fault["mend"]["before"] else "this line"
        say(f"  With {new} {'it is right' if alone else 'what this line computes is right'}, on inputs of two sizes.")
    else:
        say(f"    {fault['text']}")


def tell_mend(say: Say, mend: Mapping[str, Any]) -> None:
    """The line as it stands and as it would be right."""
    if mend["before"]:
        say(f"    - {mend['before']}", style="red")
    say(f"    + {mend['after']}", style="green")
