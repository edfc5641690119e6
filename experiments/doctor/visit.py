"""A visit to the doctor: every pair of a file is examined on two inputs of other sizes, and what is wrong is said, and mended."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial, wraps
from typing import Any

import numpy as np

from experiments.doctor.calls.building import constructor
from experiments.doctor.calls.calling import Subject
from experiments.doctor.calls.setup import setups
from experiments.doctor.closed import of_closure
from experiments.doctor.diagnosis import diagnosed
from experiments.doctor.finding import Finding, Gradient
from experiments.doctor.mending.helpers import helpers
from experiments.doctor.numbers.implied import derivatives, predictions, with_loss
from experiments.doctor.numbers.inputs import choose
from experiments.doctor.numbers.provided import provided
from experiments.doctor.numbers.readings import charitable, is_right, plainer
from experiments.doctor.numbers.shapes import sizes_for
from experiments.doctor.numbers.smaller import branches, is_quiet, on_the_other_side, smaller
from experiments.doctor.numbers.trial import SMALLER, misshapen
from experiments.doctor.origins import readable
from experiments.doctor.reading.apart import CONTEXT, Context, is_static, of_static, pullbacks
from experiments.doctor.reading.bases import in_their_files, with_bases
from experiments.doctor.reading.classes import methods
from experiments.doctor.reading.closures import closures
from experiments.doctor.reading.combined import combined
from experiments.doctor.reading.counterparts import is_loss
from experiments.doctor.reading.defining import Undefined, defined
from experiments.doctor.reading.given_globals import with_globals
from experiments.doctor.reading.patient import NoLoss, Pair, Unreadable, derivatives_alone, loss_in, pairs
from experiments.doctor.reading.script import again, loss_line, loss_method, script_pair
from experiments.doctor.reading.started import started
from experiments.doctor.second.opinion import called_by, second
from experiments.doctor.verdict.callers import are_mended, called_first, relieved, with_mends, wrong_before
from experiments.doctor.verdict.checker import about_check
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.explain import explained
from experiments.doctor.verdict.formats import as_written, in_float64
from experiments.doctor.verdict.inherited import because, without_inherited
from experiments.doctor.verdict.meant import meant, straightened
from experiments.doctor.verdict.misnamed import without_misnamed
from experiments.doctor.verdict.notes import notes
from experiments.doctor.verdict.suspects import agreement, returned, suspects, wrong_lines


def without_warnings(examine: Callable[..., Finding]) -> Callable[..., Finding]:
    """The same, without a word of overflows and logarithms of 0: the numbers are the doctor's, and not the file's."""

    @wraps(examine)
    def examining(*args: Any, **kwargs: Any) -> Finding:
        with warnings.catch_warnings():
            for kind in (RuntimeWarning, UserWarning):
                warnings.simplefilter("ignore", kind)
            return examine(*args, **kwargs)

    return examining


def visited(
    source: str,
    *,
    forward: str | None = None,
    backward: str | None = None,
    loss: str | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    seed: int = 0,
    file: str = "",
    folder: str | None = None,
    so_far: Callable[[Finding], None] | None = None,
) -> Iterator[Finding]:
    """Examine every pair of a forward and a backward in a file.

    Args:
        source: the text of the file.
        forward, backward: their names, where they cannot be found by name.
        loss: the function that makes one number of what forward returns.
        shapes: of arguments, where they cannot be found by trying.
        seed: of the numbers.
        file: its name, which may say what its forward computes.
        folder: where the file stands, with others that it imports.
        so_far: is told of each pair as soon as it was looked at, and whether it is right before it is looked for what would be.

    Raises:
        Unreadable: if there is no such pair, or the file does not run.
    """
    tree, note = in_float64(ast.parse(source))
    namespace = {**defined(tree, folder), CONTEXT: Context}
    unsure: list[Finding] = []
    looked: dict[int, Finding] = {}
    own = {n.name for n in tree.body if isinstance(n, ast.ClassDef)}
    files = with_bases(tree, namespace)
    if (within := closures(tree)) and not (forward or backward):
        for closure in within:
            yield of_closure(closure, namespace, lambda subject: examined(subject, {}, seed))
        return
    apart = set[str]()
    for number, subject in called_first(subjects(tree, namespace, forward, backward, loss), tree):
        pair = subject.pair
        if pair.cls and pair.cls not in own:  # it stands in another file
            continue
        subject.so_far = so_far
        wrong = wrong_before(subject, list(looked.values()), tree)
        subject.beneath = [f.backward for f in wrong]
        subject.mended = defined(with_mends(tree, wrong), folder) if wrong and are_mended(wrong) else {}
        subject.second = partial(second, file=file, called=called_by(pair.forward, tree))
        try:
            if isinstance(whose := namespace.get(pair.cls or pair.forward.name), Undefined):
                raise Unreadable(whose.why)
            found = with_any_loss(subject, shapes or {}, seed)
            if wrong and not found.right:
                apart.add(found.name)
                found = found if found.faults else replace(found, notes=(*found.notes, because(subject.beneath)))
            of_check = about_check(ast.parse(source), pair) if found.right else ()
            found = as_written(found, source) if note else found
            found = in_their_files(found, files)
            found = replace(found, notes=(*found.notes, *(of_check or note)))
        except Unreadable as trouble:
            found = Finding(pair.name, pair.backward.name, trouble=str(trouble))
        except Exception as error:  # a stranger's code, in a way that nobody has thought of: the other pairs are looked at all the same
            said = f"it runs, and ends in {type(error).__name__}: {error} when its numbers are moved a little"
            found = Finding(pair.name, pair.backward.name, trouble=said)
        if found.trouble and not pair.sure:  # a derivative alone perhaps, and no backward
            unsure.append(found)
            continue
        looked[number] = found
        if so_far:
            so_far(found)
    yield from without_inherited([looked[i] for i in sorted(looked)] or unsure, tree, apart)


def with_any_loss(subject: Subject, shapes: Mapping[str, tuple[int, ...]], seed: int) -> Finding:
    """One pair, as its backward is meant: a loss may give it the prediction in the place of a gradient; it may be a derivative alone."""
    found: list[Finding] = []
    for words, alone in derivatives(subject):
        of = examined(alone, shapes, seed)
        found.append(replace(of, notes=(words, *of.notes)))
        if of.right:
            return found[-1]
    if found:
        return found[0]
    troubles: list[Unreadable] = []
    for reading in (*(replace(r, so_far=None) for r in predictions(subject)), subject):
        try:
            found.append(with_its_loss(reading, shapes, seed))
        except Unreadable as trouble:
            troubles.append(trouble)
            continue
        if found[-1].right:
            return found[-1]
    if not found:
        raise troubles[-1]
    return found[0]


def with_its_loss(subject: Subject, shapes: Mapping[str, tuple[int, ...]], seed: int) -> Finding:
    """One pair; where no loss is to be found, with the one that its backward is the gradient of."""
    try:
        if subject.pair.given and (subject.loss is None or subject.by_name):
            raise NoLoss("the loss of each example is no single number")
        return examined(subject, shapes, seed)
    except NoLoss as trouble:
        try:
            other, words = with_loss(subject, shapes, seed)
        except NoLoss:
            raise trouble from None
        found = examined(other, shapes, seed)
        return replace(found, notes=(words, *found.notes))


def subjects(tree: ast.Module, namespace: dict[str, Any], forward: str | None, backward: str | None, loss: str | None) -> list[Subject]:
    """Every pair of a file, and every function that is both in one; a script, where it has none."""
    try:
        found = pairs(tree, forward, backward)
        trouble = None
    except Unreadable as error:
        found, trouble = [], error
    found = [of_static(tree, p) if p.cls and is_static(p.forward) and is_static(p.backward) else p for p in found]
    if not (forward or backward) and (apart := list(pullbacks(tree))):
        found, trouble = [*found, *apart], None
    one = {f.name for p in found if not p.cls for f in (p.forward, p.backward)} | {p.cls for p in found if p.cls}
    whole = [] if forward or backward else [c for c in combined(tree, namespace) if (c.pair.cls or c.pair.name) not in one]
    made = [
        Subject(
            c.pair, namespace, init=constructor(tree, c.pair.cls, namespace) if c.pair.cls else None, shared=shapes_of(c.shared, namespace)
        )
        for c in whole
    ]
    single = [] if forward or backward else [Subject(p, namespace) for p in derivatives_alone(tree, found)]
    single += [] if forward or backward else [Subject(p, namespace, kinds=of) for p, of in started(tree, namespace)]
    if trouble is not None and not made:
        script = None if forward or backward else script_pair(tree, namespace)
        if script is None and single:
            return single
        if script is None:
            raise trouble
        pair, numbers = script
        line = None if isinstance(pair.forward.body[-1], ast.Return) else loss_line(tree, namespace)
        return [Subject(pair, namespace, line, bool(line), numbers=numbers), *single]
    return [*(subject_of(tree, namespace, p, loss) for p in found), *made, *single]


def shapes_of(names: tuple[str, ...], namespace: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of arrays of the file."""
    return {n: np.shape(namespace[n]) for n in names}


def subject_of(tree: ast.Module, namespace: dict[str, Any], pair: Pair, loss: str | None) -> Subject:
    """The pair with what makes one number of what its forward returns: a function, a method of its class, or a line of the file."""
    pair, shared = (pair, {}) if pair.cls else with_globals(pair, namespace, tree)
    named = loss_in(tree, loss, pair)
    text = ast.unparse(next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == named)) if named else ""
    own = loss_method(tree, pair.cls, namespace) if pair.cls and not loss and not is_loss(pair.forward.name) else None
    line = None if own or named or is_loss(pair.forward.name) else loss_line(tree, namespace)
    init = constructor(tree, pair.cls, namespace) if pair.cls else None
    told = setups(methods(tree, pair.cls), pair.forward, pair.backward) if pair.cls else []
    of, loss_of = helpers(tree, pair.forward, pair.backward), own or named or line
    every = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    return Subject(
        pair, namespace, loss_of, bool(line), bool(loss), init, loss_text=text, shared=shared, setups=told, helpers=of, definitions=every
    )


@without_warnings
def examined(subject: Subject, shapes: Mapping[str, tuple[int, ...]], seed: int, arrays: Mapping[str, Any] | None = None) -> Finding:
    """One pair, on two inputs; on the arrays that were given, and on others of their shapes where they are not whole numbers."""
    chosen = choose(subject, shapes, lambda inputs: misshapen(subject, {**inputs, **(arrays or {})}))
    chosen.settle(lambda inputs: Examination(subject, inputs), seed)
    inputs = chosen.two(shapes, seed)
    if arrays:
        inputs = [{**inputs[0], **arrays}, {**chosen.draw(sizes_for(shapes), seed + 1), **near(arrays, np.random.default_rng(seed))}]
    examinations = [Examination(subject, numbers, seed + i) for i, numbers in enumerate(inputs)]
    if arrays and all(agreement(examinations[:1], name)[1] for name in returned(examinations[0])):
        examinations = examinations[:1]  # other numbers may be none that it is made for: a matrix that is symmetric, for instance
    usable = examinations, chosen.spread
    for spread in SMALLER:
        if arrays or is_quiet(examinations):
            break
        chosen.spread = spread
        inputs = chosen.two(shapes, seed)
        examinations = [Examination(subject, numbers, seed + i) for i, numbers in enumerate(inputs)]
        usable = usable if all(e.is_finite for e in usable[0]) else (examinations, spread)
    if not (arrays or is_quiet(examinations)):  # none is, as in float32: the first that is finite
        examinations, chosen.spread = usable
    if not all(e.is_finite for e in examinations):
        raise Unreadable("the loss is not finite on any numbers that were tried, and says nothing then")
    if not arrays and not all(agreement(examinations, name)[1] for name in returned(examinations[0])):
        if other := charitable(subject, chosen, shapes, seed):
            words, found = other
            return replace(looked_at(found), notes=(otherwise(examinations, words), *looked_at(found).notes))
        examinations = plainer(subject, chosen, shapes, seed, examinations) or smaller(subject, chosen, shapes, seed, examinations)
    elif not arrays and not chosen.numbers and branches(subject):
        examinations = on_the_other_side(subject, chosen, shapes, seed) or examinations
    verdict = looked_at(examinations)
    if verdict.right and not arrays and not chosen.numbers:
        return replace(verdict, notes=(*verdict.notes, *provided(subject, chosen, seed)))
    return verdict


def near(arrays: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Other numbers, each with its sign and nearer to 0: a probability stays one, and a standard deviation too."""
    real = [n for n, a in arrays.items() if np.asarray(a).dtype.kind == "f" and np.any(a != np.round(a))]
    smaller = {n: arrays[n] * rng.uniform(0.7, 1, np.shape(arrays[n])) for n in real}
    return {**again(arrays, rng), **smaller}


def otherwise(examinations: list[Examination], words: str) -> str:
    """That it is right as it is meant, and what would be wrong if it were used for more."""
    wrong = wrong_lines(examinations)[:1]
    what = explained(examinations, wrong[0]) if wrong else None
    claim = examinations[0].claims[wrong[0]] if wrong else None
    more = f" Otherwise line {claim.line} is wrong: {claim.label} is then {readable(what)}." if claim and what else ""
    return f"It is right {words}.{more}"


def looked_at(examinations: list[Examination]) -> Finding:
    """What is to be said of one pair after it ran on two inputs: the backward against its forward; the forward against its name.

    Raises:
        Unreadable: if it has no gradient: where nothing was looked at nothing is right.
    """
    found, verdict = judged(examinations), examinations[0].subject.second
    return replace(found, second=verdict(examinations)) if verdict else found


def judged(examinations: list[Examination]) -> Finding:
    """What is to be said of a backward after it ran on two inputs.

    Raises:
        Unreadable: if it has no gradient: where nothing was looked at nothing is right.
    """
    subject = examinations[0].subject
    gradients = tuple(
        Gradient(name, np.shape(examinations[0].ran.values[name]), *agreement(examinations, name)) for name in returned(examinations[0])
    )
    if not gradients:
        raise Unreadable(
            f"nothing that {subject.pair.backward.name} names or returns is known as the gradient of a value of "
            f"{subject.pair.forward.name}: call it by the name of the value, as dw, grad_w or dL_dw of w"
        )
    if all(g.right for g in gradients):
        return Finding(subject.pair.name, subject.pair.backward.name, gradients, notes=notes(examinations[0]))
    if subject.beneath:  # what it calls is wrong
        found = judged(relieved(examinations)) if subject.mended else Finding(subject.pair.name, subject.pair.backward.name)
        return replace(found, gradients=gradients)
    if on_purpose := meant(examinations, [g.value for g in gradients if not g.right], is_right):
        words, examinations = on_purpose
        gradients = tuple(replace(g, digits=agreement(examinations, g.value)[0], right=True) for g in gradients)
        return Finding(subject.pair.name, subject.pair.backward.name, gradients, notes=(words, *notes(examinations[0])))
    examinations = [e.rescaled() for e in straightened(examinations, lambda found: len(wrong_lines(found)))]
    without_misnamed(examinations, [g.value for g in gradients if g.right])
    faults = suspects(examinations, wrong_lines(examinations))
    found = Finding(subject.pair.name, subject.pair.backward.name, gradients)
    if subject.so_far:
        subject.so_far(replace(found, notes=(early(sorted(faults)),)))
    return replace(found, faults=diagnosed(examinations, faults))


def early(lines: list[int]) -> str:
    """What is known before a cure is looked for: a line whose gradients on the way have no names may have it from one that it reads."""
    where = f" in line {' or '.join(map(str, lines))}, or in one that it reads from" if lines else ""
    return f"It is wrong{where}. What would be right was still being looked for."
