"""Mistakes are made in the whole program, and the tests that run the changed function must notice: `mutate --program`.

A mutant is one mistake in one function outside of the backwards. It is killed if one of the tests that touch the function fails, each
mutant in a process of its own. If none does it lived: the tests have a gap, unless `program_equivalents` says why nobody can tell it
from the original.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from experiments.mutation.program_equivalents import EQUIVALENT
from experiments.mutation.program_operators import known_in, program_mutants
from experiments.mutation.program_targets import Place, files, functions_in, places, source
from experiments.mutation.program_tests import judges_of, verdict, warm
from experiments.mutation.report import Report, Result, UnknownName
from experiments.source.operators import Mutant


@dataclass(frozen=True)
class Mistake:
    """A mutant, and the function that it is one of."""

    place: Place
    mutant: Mutant


def mutate_program(
    names: Collection[str] = (), *, sample: int | None = None, seed: int = 0, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Make every mistake in every function outside of the backwards, and see whether the tests that touch it notice.

    Args:
        names: of files and folders, from the root of the project; all if none is named.
        sample: so many mutants only, drawn at random.
        seed: of the sample.
        progress: is told what became of each mutant.

    Raises:
        UnknownName: if there is no file or folder of a name, or nothing to mutate in it.
    """
    chosen = select(names)
    report = Report(stale=stale(chosen))
    drawn = every(chosen) if sample is None else draw(chosen, sample, seed)
    warm()
    for done, mistake in enumerate(drawn, 1):
        place, mutant = mistake.place, mistake.mutant
        found, why = fate(mistake)
        if found == "no test":
            report.without_case = sorted({*report.without_case, place.id})
            found = "lived"
        if found == "lived" and mutant.id in EQUIVALENT:
            found, why = "equivalent", EQUIVALENT[mutant.id]
        elif mutant.id in EQUIVALENT:
            report.stale.append(mutant.id)
        report.results.append(Result(place.file, mutant, found, why))
        progress(f"{done}: {found} {mutant.id}" + (f" by {why}" if found in ("killed", "raised") else ""))
    report.results.sort(key=lambda r: files().index(r.subject))
    return report


def select(names: Collection[str]) -> list[Place]:
    """The functions of these files and folders."""
    clean = [name.removeprefix("./").rstrip("/") for name in names]
    of = {name: [f for f in files() if f == name or f.startswith(f"{name}/")] for name in clean}
    unknown = [name for name, found in of.items() if not any(places(f) for f in found)]
    if unknown:
        raise UnknownName(f"no file or folder of the program that has functions to mutate is called {', '.join(unknown)}")
    return [p for f in files() if not names or any(f in found for found in of.values()) for p in places(f)]


@cache
def mistakes(place: Place) -> list[Mistake]:
    """Every mutant of a function."""
    known = known_in(ast.parse(source(place.file)))
    found = program_mutants(place.id, place.tree, known, spine=place.file.startswith("experiments/"))
    return [Mistake(place, mutant) for mutant in found]


def every(chosen: Iterable[Place]) -> Iterator[Mistake]:
    """Every mutant of these functions."""
    return (mistake for place in chosen for mistake in mistakes(place))


def draw(chosen: list[Place], sample: int, seed: int) -> Iterator[Mistake]:
    """So many different mutants: of each a function is drawn by its size, then a kind of mistake, then one of the kind."""
    rng, left = random.Random(seed), {place.id: None for place in chosen}
    remaining = dict[str, list[Mistake]]()
    for _ in range(sample):
        while left:
            place = rng.choices(chosen, [p.size if p.id in left else 0 for p in chosen])[0]
            of = remaining.setdefault(place.id, list(mistakes(place)))
            if of:
                kind = rng.choice(sorted({m.mutant.operator for m in of}))
                mistake = rng.choice([m for m in of if m.mutant.operator == kind])
                of.remove(mistake)
                yield mistake
                break
            del left[place.id]


def fate(mistake: Mistake) -> tuple[str, str]:
    """What becomes of it: the verdict, and why; "no test" if none runs its function."""
    try:
        tree = changed(mistake)
        compile(ast.fix_missing_locations(tree), mistake.place.file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, TypeError) as wrong:
        return "raised", f"cannot be compiled: {wrong}"
    survived = 0
    for tests in judges_of(mistake.place.file, mistake.place.id):
        if tests:
            found, why = verdict(tests, mistake.place.file, tree)
            if found != "lived":
                return found, why
            survived += len(tests)
    return ("lived", f"{survived} tests pass") if survived else ("no test", "no test runs this function")


def changed(mistake: Mistake) -> ast.Module:
    """The tree of the file with the mistake in it."""
    module = ast.parse(source(mistake.place.file))
    own = next(n for name, n in functions_in(module) if name == mistake.place.name and n.lineno == mistake.place.tree.lineno)
    with mistake.mutant.applied() as tree:
        wrong = copy.deepcopy(tree)
    own.args, own.body = wrong.args, wrong.body
    return module


def stale(chosen: Iterable[Place]) -> list[str]:
    """The entries of the list of equivalents for these files that no mistake is called by."""
    of: dict[str, set[str]] = {}
    for place in chosen:
        of.setdefault(place.file, set())
        if any(name.startswith(f"{place.id}:") for name in EQUIVALENT):
            of[place.file].update(m.mutant.id for m in mistakes(place))
    return [name for name in EQUIVALENT if name.partition("::")[0] in of and name not in of[name.partition("::")[0]]]
