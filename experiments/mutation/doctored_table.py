"""What the doctor made of the mistakes that were made for it, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from experiments.mutation.doctored import Doctored, Outcome

SAID = "located: at the line that was changed; there or cured: at it, or at one that is shown with an edit that makes every gradient right"


def print_doctored(report: Doctored, console: Console) -> None:
    """The shares, by what was changed and by the kind of mistake; then every mutant whose line was not found."""
    heads = ("mutants", "located", "there or cured", "explained", "mended", "one or the other")
    table = Table(
        Column("", overflow="fold"), *(Column(h, justify="right") for h in heads), box=SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    for of in (lambda o: o.kind, lambda o: o.mutant.operator):
        for name in sorted({of(o) for o in report.outcomes}):
            table.add_row(name, *shares(o for o in report.outcomes if of(o) == name))
        table.add_section()
    table.add_row("all", *shares(report.outcomes))
    console.print(table)
    console.print(SAID)
    for o in report.outcomes:
        if not (o.located and (o.explained or o.mended)):
            what = "not explained" if o.located else "cured elsewhere" if o.cured else "not located"
            console.print(Text(f"{what}: {o.mutant.id}\n    line {o.mutant.line}: {o.said}"), soft_wrap=True)
    console.print(f"{report.unchanged} change no gradient, {report.raised} raise by themselves, {sum(report.unread.values())} not read")
    for name in report.accused:
        console.print(Text(f"taken for wrong as it is: {name}"), soft_wrap=True)


def shares(outcomes: Iterable[Outcome]) -> list[str]:
    """How many, and the shares in percent."""
    of = list(outcomes)
    columns = zip(*((o.located, o.cured, o.explained, o.mended, o.explained or o.mended) for o in of), strict=True)
    counts = [sum(map(bool, column)) for column in columns]
    return [str(len(of)), *(f"{100 * n / len(of):.0f} %" for n in counts)] if of else ["0"]
