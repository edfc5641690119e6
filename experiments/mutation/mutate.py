"""The tests are tested: the mistakes of `operators` are made in every hand-written backward and step, and must be noticed.

A mutant is one mistake in one function. Its code stands in for the function's own while the cases of its class are judged; nothing
is written to disk. It is killed if a case fails or does not end, and a mistake that raises is noticed without any case. If neither
happens it lived: the cases have a gap, unless EQUIVALENT of a file of cases says why it computes the same.

With `--program` mistakes are made in everything else (program.py), and the tests that run the changed function must notice.
"""

from __future__ import annotations
import __future__

import argparse
import ast
import random
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from types import CodeType

import numpy as np
from rich.console import Console
from rich.text import Text

import experiments.cases
from experiments.cases.concept import judge_concept
from experiments.curriculum import entries
from experiments.judge.case import Case, cases_of, draw_sizes, failures, judge
from experiments.judge.compare import ONE_STEP
from experiments.judge.registry import CHECKS
from experiments.mutation.report import Report, Result, UnknownName, print_report
from experiments.source.handwriting import Subject, Written, import_all, subjects
from experiments.source.limit import Hangs, time_limit
from experiments.source.operators import Mutant, mutants
from experiments.source.replacing import in_place_of
from manual.nn.faster import plain_forms

PATIENCE = (2.0, 20.0)
"""A check hangs when it takes longer than so many seconds, and so many times as long as with the function unchanged."""


# ---- what a mutant must survive ------------------------------------------------------------------


@dataclass(eq=False)
class Check:
    """One comparison with the truth: `errors()` runs it, and fails where an error is above the tolerance."""

    label: str
    errors: Callable[[], Mapping[str, float]]
    tolerance: float = ONE_STEP["float64"]
    kills: int = 0

    @cached_property
    def unchanged(self) -> tuple[Mapping[str, float], float]:
        """The errors with every function as it is, and the seconds that it took."""
        start = time.perf_counter()
        try:
            found = self.errors()
        except Exception as raised:
            found = {f"{type(raised).__name__}: {raised}": np.inf}
        return found, time.perf_counter() - start

    @property
    def price(self) -> float:
        """Seconds for each mutant that it has killed so far, 0 before it was used: the lowest goes first."""
        return self.unchanged[1] / (1 + self.kills) if "unchanged" in vars(self) else 0.0

    @property
    def is_broken(self) -> bool:
        """Whether it fails, though no mistake was made: then it proves nothing."""
        return bool(failures(self.unchanged[0], self.tolerance))

    def of_plain_forms(self) -> Check:
        """The same, with the plain form of everything run in place of the faster one."""
        return Check(f"{self.label}, plain forms", plain_forms()(self.errors), self.tolerance)


@dataclass
class Exam:
    """The checks of a subject. The thorough ones are for the mutants that survive the quick ones."""

    quick: list[Check] = field(default_factory=list)
    thorough: list[Check] = field(default_factory=list)

    def of_plain_forms(self) -> Exam:
        """The same checks, for functions that only plain forms call, and for plain forms."""
        return Exam(*([check.of_plain_forms() for check in of] for of in (self.quick, self.thorough)))


def exam_of(names: Iterable[str], seeds: int) -> Exam:
    """The checks of these classes and functions: each once, then with other seeds; cases in other layouts, batch sizes and float32 too.

    What a concept is made of and has no checks of its own is judged by the concept.
    """
    exam = Exam()
    for name in names:
        for case in cases_of([name]):
            exam.quick.append(check_of(case, 0))
            for seed in range(1, seeds):
                exam.thorough += [check_of(case, seed, layout=layout) for layout in ("plain", "strided", "repeated")]
                exam.thorough += [check_of(case, seed, batch=n) for n in ((1, 0) if case.empty else (1,)) if "N" in case.sizes]
                exam.thorough.append(check_of(case, seed, dtype="float32"))
        checks = CHECKS.get(name, [])
        if not checks and not cases_of([name]) and name.partition(".")[0] in [e.name for e in entries()]:
            checks = [partial(judge_concept, name.partition(".")[0])]
        for errors in checks:
            label = "-".join(map(str, (name, *getattr(errors, "args", ()))))  # of a partial function its first arguments
            all_seeds = [Check(f"{label}, seed {seed}", partial(errors, seed)) for seed in range(seeds)]
            exam.quick += all_seeds[:1]
            exam.thorough += all_seeds[1:]
    return exam


def check_of(case: Case, seed: int, batch: int | None = None, dtype: str = "float64", layout: str = "plain") -> Check:
    """A case, with the sizes that this seed draws."""
    sizes = draw_sizes(case, np.random.default_rng(seed), batch)
    label = f"{case}, seed {seed}, {layout}, {dtype}" + ("" if batch is None else f", N = {batch}")
    return Check(label, lambda: judge(case, sizes, seed, dtype, layout=layout), ONE_STEP[dtype])


@cache
def equivalent() -> dict[str, str]:
    """The mutants that no case can notice because they compute the same, with the reason: EQUIVALENT of every file of cases."""
    tables = (getattr(module, "EQUIVALENT", {}) for module in import_all(experiments.cases))
    return {mutant: reason for table in tables for reason, mutants in table.items() for mutant in mutants}


# ---- one mutant ----------------------------------------------------------------------------------


def compiled(tree: ast.FunctionDef, written: Written) -> CodeType:
    """The code of a changed tree, as it would be at the function's place: same file, same class, same globals."""
    body: list[ast.stmt] = [tree]
    if written.owner:
        body = [ast.ClassDef(written.owner.__name__, bases=[], keywords=[], body=body, decorator_list=[])]
    module = ast.fix_missing_locations(ast.Module(body, type_ignores=[]))
    code = compile(module, written.function.__code__.co_filename, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
    inside = [code]
    for outer in inside:
        inside += [c for c in outer.co_consts if isinstance(c, CodeType)]
    return next(c for c in inside if c.co_name == tree.name and c.co_firstlineno == written.function.__code__.co_firstlineno)


def mutated(mutant: Mutant, written: Written) -> CodeType:
    """The mutant's code."""
    with mutant.applied() as tree:
        if written.function.__code__.co_freevars:  # it says super(): without that, its code would no longer fit the function
            tree = ast.FunctionDef(**{**vars(tree), "body": [ast.Expr(ast.Name("__class__", ast.Load())), *tree.body]})
        return compiled(tree, written)


def examine(written: Written, mutant: Mutant, exam: Exam) -> tuple[str, str]:
    """Verdict and reason for one mutant."""
    verdict, why = fate(written, mutated(mutant, written), exam)
    known = equivalent()
    return ("equivalent", known[mutant.id]) if verdict == "lived" and mutant.id in known else (verdict, why)


def fate(written: Written, code: CodeType, exam: Exam) -> tuple[str, str]:
    """What becomes of this code in the function's place: the verdict, and why."""
    part, same = 0.0, True
    for check in [*sorted(exam.quick, key=lambda check: check.price), *exam.thorough]:
        unchanged, seconds = check.unchanged
        if check.is_broken:
            continue
        verdict, bad = "killed", []
        try:
            with in_place_of(written.function, code), time_limit(max(PATIENCE[0], PATIENCE[1] * seconds)):
                found = check.errors()
            bad = failures(found, check.tolerance)
        except AssertionError as noticed:  # by judge: an argument changed
            bad = [str(noticed)]
        except Exception as raised:
            verdict, bad = "raised", [f"{type(raised).__name__}: {raised}"]
        except Hangs:
            bad = ["did not end"]
        if bad:
            check.kills += 1
            return verdict, f"{check.label}: {bad[0]}"
        if found != unchanged:
            same, part = False, max(part, max(found.values()) / check.tolerance)
    return "lived", "the same results, to the last bit" if same else f"other results, with errors up to {part:.0e} of what is tolerated"


def is_reached(written: Written, exam: Exam) -> bool:
    """Whether any check runs this function: whether one fails if it does nothing but raise."""
    stop = ast.copy_location(ast.Raise(), written.tree)
    tree = ast.FunctionDef(**{**vars(written.tree), "body": [stop, *written.tree.body]})
    return fate(written, compiled(tree, written), exam)[0] != "lived"


# ---- all of them ---------------------------------------------------------------------------------


def mutate(
    names: Collection[str] = (),
    *,
    seeds: int = 3,
    sample: int | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Make every mistake in every hand-written backward and step, and see whether the cases notice.

    Args:
        names: of classes, public or not, functions and concepts; all if none is named.
        seeds: how many seeds a mutant must survive to have lived.
        sample: so many mutants only, drawn at random.
        seed: of the sample.
        progress: is told the name of what comes next.

    Raises:
        UnknownName: if nothing has one of the names.
    """
    import_all(experiments.cases)
    chosen = select(subjects(), names)
    exams = {judges: exam_of(judges, seeds) for s in chosen for judges in s.functions.values()}
    plain_exams = {judges: exam.of_plain_forms() for judges, exam in exams.items()}
    pairs = [(s, w, m) for s in chosen for w, judges in s.functions.items() if exams[judges].quick for m in mutants(w.name, w.tree)]
    if sample is not None:
        drawn = random.Random(seed).sample(range(len(pairs)), min(sample, len(pairs)))
        pairs = [pairs[i] for i in sorted(drawn)]
    report, reached = Report(), dict[Written, Exam | None]()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for done, (subject, written, mutant) in enumerate(pairs):
            progress(f"{subject.name}: {done} of {len(pairs)}")
            if written not in reached:
                of = [known[subject.functions[written]] for known in (exams, plain_exams)]
                reached[written] = next((exam for exam in of if is_reached(written, exam)), None)
            if exam := reached[written]:
                report.results.append(Result(subject.name, mutant, *examine(written, mutant, exam)))
        report.broken = broken([*exams.values(), *plain_exams.values()])
    judges = {name for s in chosen for name in s.judges if not names or any(has(name, n) or has(s.name, n) for n in names)}
    report.without_case = sorted(name for name in judges if not exam_of([name], 1).quick)
    report.without_case += [written.name for written, exam in reached.items() if not exam]
    if sample is None:
        report.stale = stale(report.results, chosen)
    return report


def broken(exams: Collection[Exam]) -> list[str]:
    """Which of the checks that were used fail when no mistake is made."""
    used = [check for exam in exams for check in (*exam.quick, *exam.thorough) if "unchanged" in vars(check)]
    found = [f"{c.label}: {failures(c.unchanged[0], c.tolerance)[0]}" for c in used if c.is_broken]
    if any(failures(c.errors(), c.tolerance) for exam in exams for c in exam.quick if c in used and not c.is_broken):
        found.append("a case that passed before the run: a mutant has left something changed")
    return list(dict.fromkeys(found))


def stale(results: Iterable[Result], examined: Iterable[Subject]) -> list[str]:
    """The entries of the list for these subjects, or for functions that there are not, that match no mutant that lives."""
    lived = {r.mutant.id for r in results if r.verdict == "equivalent"}
    elsewhere = {w.name for s in subjects() for w in s.functions} - {w.name for s in examined for w in s.functions}
    return [name for name in equivalent() if name not in lived and name.split(":")[0] not in elsewhere]


def select(everything: list[Subject], names: Collection[str]) -> list[Subject]:
    """Those subjects that have one of the names, or are part of what has it."""
    own = {s.name: [s.name, *s.judges] for s in everything}
    unknown = [name for name in names if not any(has(of, name) for s in everything for of in own[s.name])]
    if unknown:
        raise UnknownName(f"nothing of manual has a backward or a step and the name {', '.join(unknown)}")
    return [s for s in everything if not names or any(has(of, name) for name in names for of in own[s.name])]


def has(full: str, name: str) -> bool:
    """Whether this is the name, or begins with it: vectors.dot is part of vectors."""
    return full == name or full.startswith(f"{name}.")


# ---- for people ----------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m experiments mutate`."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="classes, functions and concepts of manual; with --program files and folders, as experiments/data/arrays.py; all by default",
    )
    parser.add_argument("--program", action="store_true", help="mistakes in everything but the backwards, judged by the tests that run it")
    parser.add_argument(
        "--doctor", type=positive, metavar="N", help="give N mutants that change a gradient to the doctor: located, explained, mended?"
    )
    parser.add_argument("--seeds", type=positive, default=3, help="how many seeds a mutant must survive to have lived (default 3)")
    parser.add_argument("--sample", type=positive, metavar="N", help="only so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def main(options: argparse.Namespace) -> int:
    """Run, and print what was found; 0 if every mistake was noticed, 1 if not, 2 for a name that there is not."""
    console, errors = Console(), Console(stderr=True)
    start = time.perf_counter()
    if options.doctor:
        return to_the_doctor(options, console, errors)
    try:
        report = in_program(options, errors) if options.program else in_backwards(options, errors)
    except UnknownName as wrong:
        errors.print(Text(f"mutate: {wrong}"))
        return 2
    print_report(report, console)
    console.print(f"{len(report.results)} mutants in {time.perf_counter() - start:.0f} s")
    return 0 if report.passed else 1


def in_backwards(options: argparse.Namespace, errors: Console) -> Report:
    """What the tables of cases notice."""
    with errors.status("") as status:
        return mutate(options.names, seeds=options.seeds, sample=options.sample, seed=options.seed, progress=status.update)


def to_the_doctor(options: argparse.Namespace, console: Console, errors: Console) -> int:
    """What the doctor finds; 0 whatever it is: a share, and no verdict."""
    from experiments.mutation.doctored import doctored
    from experiments.mutation.doctored_table import print_doctored

    start = time.perf_counter()
    with errors.status("") as status:
        report = doctored(options.doctor, options.seed, tuple(options.names), status.update)
    print_doctored(report, console)
    console.print(f"{len(report.outcomes)} mutants in {time.perf_counter() - start:.0f} s")
    return 0


def in_program(options: argparse.Namespace, errors: Console) -> Report:
    """What the tests notice. No moving status here: it would be a thread, and processes are forked."""
    from experiments.mutation.program import mutate_program

    said = partial(errors.print, markup=False, highlight=False, soft_wrap=True)
    return mutate_program(options.names, sample=options.sample, seed=options.seed, progress=said)
