"""What becomes of mutants, and the table of it, for both kinds of mistakes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from experiments.source.operators import Mutant

VERDICTS = ("killed", "raised", "equivalent", "lived")


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    subject: str
    mutant: Mutant
    verdict: str  # "killed"; "raised": killed, but by itself; "lived"; or "equivalent": lived, as it should
    why: str  # which check killed it; or how far its results are from the original's


class UnknownName(ValueError):
    """A name that nothing has."""


@dataclass
class Report:
    """What a run found."""

    results: list[Result] = field(default_factory=list)
    without_case: list[str] = field(default_factory=list)  # nothing judges these
    broken: list[str] = field(default_factory=list)  # checks that fail with no mistake made: they prove nothing
    stale: list[str] = field(default_factory=list)  # entries of EQUIVALENT that match no mutant that lives

    @property
    def passed(self) -> bool:
        """Whether every mistake was noticed."""
        return not (self.without_case or self.broken or self.stale or any(r.verdict == "lived" for r in self.results))


def print_report(report: Report, console: Console) -> None:
    """The table, and below it everything that is not as it should be."""
    columns = Column("written in", overflow="fold"), *(Column(c, justify="right") for c in ("mutants", *VERDICTS))
    table = Table(*columns, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in dict.fromkeys(r.subject for r in report.results):
        table.add_row(name, *counts(r for r in report.results if r.subject == name))
    table.add_section()
    table.add_row("all", *counts(report.results))
    console.print(table)
    for result in report.results:
        if result.verdict == "lived":
            m = result.mutant
            lines = (f"lived: {m.id}", f"    line {m.line}: {result.why}", f"    - {m.before}", f"    + {m.after}")
            console.print(Text("\n".join(lines)), soft_wrap=True)
    for what, found in (
        ("no case", report.without_case),
        ("fails with no mistake made", report.broken),
        ("stale in the list of equivalent mutants", report.stale),
    ):
        for name in found:
            console.print(Text(f"{what}: {name}"), soft_wrap=True)


def counts(results: Iterable[Result]) -> list[str]:
    """How many there are, and how many of each verdict; nothing in place of 0."""
    verdicts = [r.verdict for r in results]
    return [str(n or "") for n in (len(verdicts), *(verdicts.count(v) for v in VERDICTS))]
