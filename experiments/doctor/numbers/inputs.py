"""Numbers to call a stranger's forward with: shapes that fit together, all sizes different, found by trying."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np

from experiments.doctor.calls.building import ARGUMENT, arrays, required
from experiments.doctor.calls.calling import Subject
from experiments.doctor.calls.roles import INPUT, TARGETS, is_layer
from experiments.doctor.numbers.ends import Ending, Ends, ending, most_telling
from experiments.doctor.numbers.functions import given_functions
from experiments.doctor.numbers.pending import NotYet, Pending
from experiments.doctor.numbers.shapes import (
    ARRAY,
    Chosen,
    candidates,
    columns_in_time,
    constructor_candidates,
    draw,
    everything,
    is_vector,
    likely,
    one_column,
    one_example,
    one_number,
    one_row,
    one_state,
    one_unit,
    one_unit_of_columns,
    short_name,
    sized,
    sizes_for,
)
from experiments.doctor.numbers.sizes import shapes_said
from experiments.doctor.numbers.uses import FILTER, computes_with, is_coefficients, is_index, keeps_one_row, known_by_use, made_of, unpacked
from experiments.doctor.numbers.uses import OF_IMAGES as BESIDE_IMAGES
from experiments.doctor.numbers.uses import ranks as axes_of
from experiments.doctor.numbers.wanted import given_to, order_of_use, wanted
from experiments.doctor.numbers.windows import IMAGES, Shape
from experiments.doctor.patience import Patience
from experiments.doctor.reading.combined import sizes_of
from experiments.doctor.reading.patient import NoLoss, Unreadable

OF_IMAGES = re.compile(r"conv|pool|2d|image|upsampl", re.IGNORECASE)
"""Called like what is done with images."""

FEW = 3
"""So many arguments may be given shapes all at once."""

ENOUGH = 30
"""So many choices of shapes that run through are looked at for one in which every gradient has the shape of its value."""

MOST = 6000
"""So many choices are tried."""

SECONDS = 6.0
"""That choosing may take for one pair, whatever is tried."""

SHORT = 2.0
"""That it may take once more, for a class without its constructor."""

TOLD = 12
"""After so many shapes with which the same is missing no other is tried."""


def choose(subject: Subject, given: Mapping[str, tuple[int, ...]], works: Callable[[dict[str, Any]], int]) -> Chosen:
    """Kinds and shapes with which forward and backward run through, every gradient in the shape of its value if that can be had.

    Args:
        subject: the pair.
        given: shapes that are known.
        works: runs both with these arguments, raises whatever they raise, and tells how much speaks against them.

    Raises:
        Unreadable: if no shapes were found.
    """
    if subject.numbers:
        return Chosen({}, subject.numbers)
    patience = Patience(SECONDS)
    if subject.kinds:
        return of_kinds(subject, works)
    if subject.made is not None:
        return with_its_own(subject, subject.made, given, works, patience)
    try:
        if subject.shared:
            return with_shapes(subject, list(subject.shared.values()), sizes_of(subject.namespace), given, works, patience)
        return fitting(subject, given, works, patience, True)
    except NoLoss:
        raise  # no shape mends that
    except Unreadable as trouble:
        it = next((v for v in subject.namespace.values() if type(v).__name__ == subject.pair.cls), None)
        if it is not None and subject.made is None:
            return with_its_own(subject, it, given, works, patience)
        if subject.init is None:
            raise
        for it in constructed(subject):
            try:
                return with_its_own(subject, it, given, works, patience)
            except Unreadable:
                subject.made = None
        subject.init = None  # its attributes are given to it
        try:
            return fitting(subject, given, works, Patience(SHORT), False)
        except Unreadable as other:
            raise (trouble if isinstance(trouble, Ends) else other) from None


def of_kinds(subject: Subject, works: Callable[[dict[str, Any]], int]) -> Chosen:
    """The first of what its arguments may be with which it runs."""
    for of in subject.kinds:
        with suppress(Exception), np.errstate(all="ignore"):  # whatever a stranger's code may raise with a number that it does not take
            works(Chosen(of).draw(sizes_for({}), 0))
            return Chosen(of)
    raise Unreadable("it runs on no numbers and no matrices that were tried")


def constructed(subject: Subject) -> Iterator[Any]:
    """Objects of the class that its constructor makes with likely arguments, where they hold arrays: those say how wide an input is."""
    assert subject.init is not None
    rng, names = np.random.default_rng(0), required(subject.init)
    tries = [constructor_candidates(n.lower())[:2] for n in names]
    for of in product(*tries) if len(names) <= FEW else ():
        arguments = {n: draw(kind, sized(shape, sizes_for({})), rng) for n, (kind, shape) in zip(names, of, strict=True)}
        try:
            it = subject.namespace[str(subject.pair.cls)](**arguments)
        except Exception:  # whatever a stranger's constructor may raise
            continue
        if any(True for _ in arrays(it, subject.namespace)):
            yield it


def with_its_own(
    subject: Subject, it: Any, given: Mapping[str, tuple[int, ...]], works: Callable[[dict[str, Any]], int], patience: Patience
) -> Chosen:
    """`choose`, with an object that the file has made itself, of a list of layers for instance, and inputs as wide as it takes them."""
    subject.made = it
    shapes = [array.shape for _, array in arrays(it, subject.namespace) if array.ndim == 2]
    return with_shapes(subject, shapes, {}, given, works, patience)


def with_shapes(
    subject: Subject,
    shapes: Sequence[tuple[int, ...]],
    first: Mapping[str, int],
    given: Mapping[str, tuple[int, ...]],
    works: Callable[[dict[str, Any]], int],
    patience: Patience,
) -> Chosen:
    """`choose`, with inputs and targets as wide as arrays of these shapes take them; with the sizes `first` at first, if there are any."""
    shapes = [s for s in shapes if len(s) > 1]
    ins, outs = dict.fromkeys(n for s in shapes for n in s), dict.fromkeys(n for s in shapes[:-3:-1] for n in s)
    best: Chosen | None = None
    for fixed in [*([first] if first else []), *({"D": n, "O": m} for n in ins for m in outs if n != m), *({"D": n} for n in ins)]:
        try:
            found = fitting(subject, given, works, patience, True, fixed)
        except NoLoss:
            raise
        except Unreadable:
            continue
        found.fixed = fixed
        best = found if best is None or found.against < best.against else best
        if not best.against:
            return best
    return best or fitting(subject, given, works, patience, True)


def fitting(
    subject: Subject,
    given: Mapping[str, tuple[int, ...]],
    works: Callable[[dict[str, Any]], int],
    patience: Patience,
    construct: bool,
    fixed: Mapping[str, int] | None = None,
) -> Chosen:
    """`choose`, with the constructor or without it: what the names make likely first, then everything."""
    names, others = (
        order_of_use(subject.pair.forward, wanted(subject, construct), computed, subject.definitions) for computed in (False, True)
    )
    sizes = {**sizes_for(given), **(fixed or {})}
    found: list[tuple[int, dict[str, Any]]] = []
    biases = sum(is_vector(n) for n in names)
    adds = (
        biases == 1 and len(names) == 2 and keeps_one_row(subject.pair.backward)
    )  # x + b without weights, beside which a bias is a vector
    rows = [one_row, one_column] if biases > 1 or adds else []
    rows += [columns_in_time] if rows and any(INPUT.match(short_name(n)) for n in names) else []
    single = [one_example] if any(n.lower() in TARGETS for n in names) else []
    told: list[Unreadable] = []
    endings: list[Ending] = []
    ranks = unpacked(subject.pair.forward)
    known = known_by_use((subject.pair.forward, subject.pair.backward), names)
    known |= {n: [("normal", shape)] for n, shape in subject.shared.items()}
    known |= given_functions(names)
    known |= indices_handed_on(subject, [n for n in names if n not in known])
    known |= {ARGUMENT + n: constructor_candidates(f"n_{n}") for n in made_of(subject.init)} if subject.init else {}
    both = (subject.pair.forward, subject.pair.backward)
    of_sizes = shapes_said(both, ranks, axes_of(both), [n for n in names if n not in known])

    def run(inputs: dict[str, Any]) -> int:
        """`works`, which leaves behind where the backward has ended."""
        try:
            return works(inputs)
        except Exception as error:
            if not isinstance(error, NotYet | Unreadable) and (of := ending(error, subject.pair.backward)):
                endings.append(of)
                if sum(e.is_without_shapes for e in endings) > 2 * TOLD:  # other shapes will hardly help
                    raise most_telling(endings) from error
            raise

    def tried(names: Sequence[str], of: Callable[[str], list[tuple[str, Shape]]]) -> dict[str, list[tuple[str, Shape]]]:
        """What each of these may be: what is known of it, or what its name makes likely."""
        every = {n: known.get(n) or first_of(of_sizes.get(n, []), of_rank(used(subject, n, of(n)), n, ranks)) for n in names}
        return all_different({n: as_given(n, every[n], given, sizes) for n in names})

    for of in (likely, one_number, one_state, one_unit, one_unit_of_columns, *single, *rows, candidates, everything):
        if of is everything and found:
            break
        tries = tried(names, of)
        found += fits(tries, run, sizes, told, patience)
        if any(wrong == 0 for wrong, _ in found):
            break
    for of in (likely, candidates) if others != names else ():  # in another order, in which a wrong shape may show earlier
        if not found:
            found = fits(tried(others, of), run, sizes, told, patience)
    if not found and len(names) <= FEW:  # a forward that looks at what it is given may refuse what stands for an argument
        found = fits(tries, run, sizes, told, patience, at_once=True)
    if found:
        against, best = min(found, key=lambda f: f[0])
        return Chosen(best, against=against)
    if told:
        raise next((t for t in told if isinstance(t, NoLoss)), told[0])
    if endings:
        raise most_telling(endings)
    why = ""
    try:
        works(Chosen({n: tries[n][0] for n in names}).draw(sizes, 0))
    except Unreadable:
        raise  # an argument that is unknown, for instance
    except Exception as error:  # a stranger's
        why = f" With {', '.join(f'{n} {tries[n][0][1]}' for n in names)} it ends in {type(error).__name__}: {error}"
    raise Unreadable(f"no shapes were found that forward and backward run with: give them, as --input x=5,3.{why}")


def indices_handed_on(subject: Subject, names: Sequence[str]) -> dict[str, list[tuple[str, Shape]]]:
    """The arguments that a function which forward calls takes for indices: u of self.predict(u, i), where P[u] stands."""
    found: dict[str, list[tuple[str, Shape]]] = {}
    for name in names:
        handed = given_to(subject.pair.forward, name, subject.definitions)
        if is_index(handed, name):
            found |= known_by_use((subject.pair.forward, subject.pair.backward, *handed), [name])
    return found


def fits(
    tries: Mapping[str, list[tuple[str, Shape]]],
    works: Callable[[dict[str, Any]], int],
    sizes: Mapping[str, int],
    told: list[Unreadable],
    patience: Patience,
    at_once: bool = False,
) -> list[tuple[int, dict[str, Any]]]:
    """The choices that run through, each with how many gradients have another shape than their value; ends at the first with none.

    What no shape would mend, an argument that is unknown for instance, is added to `told`. With `at_once` all arguments have shapes
    before anything is tried.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    names, count, before = list(tries), 0, len(told)

    def tried(of: dict[str, Any]) -> int | None:
        """How many gradients have a wrong shape; 0 where it is not known yet; None if it does not run."""
        nonlocal count
        count += 1
        pending = {n: Pending() for n in names if n not in of}
        try:
            with np.errstate(all="ignore"):
                return works({**Chosen(of).draw(sizes, 0), **pending})
        except NotYet:
            return 0 if pending else None
        except Unreadable as trouble:
            told.append(trouble)
            return None
        except NameError as error:  # no shape mends that
            told.append(Unreadable(str(error)))
            return None
        except Exception:  # whatever a stranger's code may raise with a shape that does not fit, or what it asks for
            return None

    def complete(of: dict[str, Any]) -> None:
        if count > MOST or patience.is_over or len(told) - before >= TOLD or (found and (found[-1][0] == 0 or len(found) >= ENOUGH)):
            return
        wrong = tried(of) if len(of) == len(names) or not at_once else 0
        if wrong is None:
            return
        if len(of) == len(names):
            found.append((wrong, of))
            return
        for candidate in tries[names[len(of)]]:
            complete({**of, names[len(of)]: candidate})

    complete({})
    return found


def as_given(name: str, found: list[tuple[str, Shape]], given: Mapping[str, Shape], sizes: Mapping[str, int]) -> list[tuple[str, Shape]]:
    """The candidates that have the shape that was given, in the names of sizes where one has it."""
    if name not in given:
        return found
    return [c for c in found if sized(c[1], sizes) == tuple(given[name])] or [("normal", tuple(given[name]))]


def all_different(tries: dict[str, list[tuple[str, Shape]]]) -> dict[str, list[tuple[str, Shape]]]:
    """The same, each size that a constructor asks for beginning with one that none before it begins with: a square matrix hides much."""
    taken: list[tuple[str, Shape]] = []
    for name, of in tries.items():
        if name.startswith(ARGUMENT) and of and of[0][0] == "size":
            tries[name] = [*(c for c in of if c not in taken), *(c for c in of if c in taken)]
            taken.append(tries[name][0])
    return tries


def of_rank(found: list[tuple[str, Shape]], name: str, ranks: Mapping[str, int]) -> list[tuple[str, Shape]]:
    """The candidates with so many axes as the file says."""
    return [c for c in found if c[0] == "size" or len(c[1]) == ranks.get(name, len(c[1]))] or found


def first_of(first: list[tuple[str, Shape]], others: list[tuple[str, Shape]]) -> list[tuple[str, Shape]]:
    """Those that are of a kind with the others, the first ones before them: labels of which the sizes are known stay labels."""
    kinds = {kind for kind, _ in others}
    normal = [c for c in first if "normal" in kinds]
    shapes = [shape for _, shape in first]
    special = [(kind, shape) for kind in ("mask", "one hot") if kind in kinds for shape in shapes if kind == "mask" or len(shape) == 2]
    return [*special, *normal, *(c for c in others if c not in normal and c not in special)]


def used(subject: Subject, name: str, found: list[tuple[str, Shape]]) -> list[tuple[str, Shape]]:
    """The candidates of an argument: a size of 1 first where the file itself says 1; no labels where every use computes with them."""
    functions = (subject.pair.forward, subject.pair.backward)
    if subject.loss is None and any(kind == "label" for kind, _ in found) and all(computes_with(f, name) for f in functions):
        found = [c for c in found if c[0] != "label"]
    if subject.loss is None and is_coefficients(functions, name):
        found = sorted(found, key=lambda c: len(c[1]) != 1)
    if OF_IMAGES.search(subject.pair.name) and INPUT.match(short_name(name)):
        images: list[tuple[str, Shape]] = [("normal", shape) for shape in IMAGES]
        found = [*images, *(c for c in found if c not in images)]
    if OF_IMAGES.search(subject.pair.name) and (plain := name.removeprefix(ARGUMENT)) != name and ARRAY.match(plain.lower()):
        shapes = FILTER if plain.lower().startswith(("w", "k", "f")) else BESIDE_IMAGES
        found = [*(("normal", shape) for shape in shapes), *found]
    if name.startswith(ARGUMENT) and subject.namespace.get(name.removeprefix(ARGUMENT)) == 1:
        return sorted(found, key=lambda c: c != ("size", (1,)))
    if name.startswith(ARGUMENT) and is_layer(
        subject.pair
    ):  # that runs with one output says nothing of a layer that is made with any number
        return [c for c in found if c != ("size", (1,))] or found
    return found
