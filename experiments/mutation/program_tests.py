"""Tests run in forked children: each child finds Python, torch and Lightning imported, and imports the project anew, perhaps changed.

A changed module never touches the disk: the child's import takes its tree in place of the file's text. So decorators, defaults, tables and
caches are all made by the changed code, and nothing of it is left when the child ends.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import gc
import hashlib
import importlib
import json
import mmap
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.machinery import PathFinder, SourceFileLoader
from itertools import zip_longest
from pathlib import Path
from types import CodeType
from typing import Any

from experiments.curriculum import ROOT
from experiments.mutation.program_targets import PACKAGES, TESTS, files, functions_in, mirrored, module_of, source, test_files

CACHE = ROOT / ".cache" / "touched"
"""What each test file touches, measured once; measured anew when it or the helpers have changed, or functions have come or gone."""

OWN, OTHERS, FILES = 300, 40, 6
"""So many tests of its own test file must a mutant survive, quick ones first, and so many others, of so many files."""

HOUSE = f"{TESTS}/test_house.py"
"""What looks at the files of a concept without running them: at signatures, for one."""

QUICK = 0.5
"""The tests of its own file that take longer, in seconds, come last."""

PATIENCE = (10.0, 6.0)
"""A child hangs when it takes longer than so many seconds, and so many times what its tests took with nothing changed."""


# ---- children --------------------------------------------------------------------------------------


@cache
def warm() -> None:
    """Import everything foreign that the project and its tests import, so that no child has to."""
    ours = {*PACKAGES, TESTS}
    for file in (*files(), *test_files()):
        for node in ast.walk(ast.parse(source(file))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None)]
            for name in names if isinstance(node, ast.Import | ast.ImportFrom) else []:
                if name and name.partition(".")[0] not in ours:
                    with contextlib.suppress(ImportError):
                        importlib.import_module(name)


class Hung(Exception):
    """A child that did not end."""


def in_a_child(work: Callable[[], Any], seconds: float) -> Any:
    """What `work` returns (something that JSON can hold), computed in a forked child that prints nothing.

    Raises:
        Hung: if it takes longer; the child and all that it started are ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer"
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
                gc.freeze()  # what the parent holds is not looked through again and again
                silence()
                answer.write_text(json.dumps(work()), encoding="utf-8")
            except BaseException:
                answer.write_text(json.dumps({"error": traceback.format_exc()}), encoding="utf-8")
            finally:
                os._exit(0)
        wait_for(child, seconds)
        return json.loads(answer.read_text(encoding="utf-8"))


def silence() -> None:
    """Send what this process prints nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdout = sys.stderr = os.fdopen(nowhere, "w")


def wait_for(child: int, seconds: float) -> None:
    """Until it ends; at the latest after so many seconds it is made to."""
    end = time.monotonic() + seconds
    try:
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                raise Hung
            time.sleep(0.01)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


OURS = tuple(f"{ROOT / folder}{os.sep}" for folder in (*PACKAGES, TESTS))


def is_ours(module: Any) -> bool:
    """Whether this module is of the project: its packages and their folders, its tests and what they share."""
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and file.startswith(OURS)


class Changed(SourceFileLoader):
    """Loads a module from a tree in place of its file's text."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self.tree = tree

    def get_code(self, fullname: str) -> CodeType:
        """The tree, compiled."""
        return compile(ast.fix_missing_locations(self.tree), self.path, "exec", dont_inherit=True)


class Finder:
    """Finds the modules that are changed, by name; everything else is left to Python."""

    def __init__(self, trees: Mapping[str, Callable[[], ast.Module]]) -> None:
        self.trees = trees

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Python's own answer, with another loader."""
        if name not in self.trees:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.origin:
            spec.loader = Changed(name, spec.origin, self.trees[name]())
        return spec


def run_pytest(chosen: Collection[str], plugin: Any, trees: Mapping[str, Callable[[], ast.Module]]) -> int:
    """Run pytest on these files in this process, with the project imported anew and these modules changed; its exit status."""
    import pytest

    os.chdir(ROOT)
    for name in [name for name, module in sys.modules.items() if is_ours(module)]:
        del sys.modules[name]
    sys.path.insert(0, str(ROOT))
    sys.meta_path.insert(0, Finder(trees))
    with tempfile.TemporaryDirectory() as folder:
        quietly = ["-q", "-x", "-n0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        quietly += ["--basetemp", f"{folder}/tests"]
        return int(pytest.main([*quietly, *plugin.options, *chosen], plugins=[plugin]))


# ---- which tests run which functions -----------------------------------------------------------------


@dataclass(frozen=True)
class Test:
    """One test, as it was measured with nothing changed."""

    id: str  # as pytest names it
    seconds: float
    touches: frozenset[str]  # the functions of the program that run while it does

    __test__ = False  # for pytest

    @property
    def file(self) -> str:
        """Where it stands."""
        return self.id.partition("::")[0]


def with_notes(file: str) -> ast.Module:
    """The tree of a file in which every function first says that it runs."""
    tree = ast.parse(source(file))
    for name, node in functions_in(tree):
        note = ast.parse(f"__touched__({f'{file}::{name}'!r})").body[0]
        ast.increment_lineno(note, node.lineno - 1)
        node.body.insert(1 if ast.get_docstring(node, clean=False) is not None else 0, note)
    return tree


class Measuring:
    """A plugin for pytest that takes down, for each test, how long it takes and which functions run; those of its fixtures too.

    What runs in a process that a test forks counts as well: the marks stand in memory that it shares.
    """

    options = ("--maxfail", "1000000")

    def __init__(self) -> None:
        self.tests: list[dict[str, Any]] = []
        self.names = all_functions().split("\n")
        self.number = {name: i for i, name in enumerate(self.names)}
        self.marks = mmap.mmap(-1, len(self.names))  # a byte for each function: whether it has run
        self.of_fixture: dict[str, set[str]] = {}
        self.failed: set[str] = set()
        self.by_import: set[str] = set()

    def hooks(self) -> Any:
        """The plugin's hooks, made where pytest is at hand."""
        import pytest

        class Hooks:
            options = self.options

            def pytest_collection_finish(_) -> None:
                self.by_import = self.take()

            @pytest.hookimpl(wrapper=True)
            def pytest_fixture_setup(_, fixturedef: Any, request: Any) -> Any:
                before = self.take()
                value = yield
                self.of_fixture.setdefault(fixturedef.argname, set()).update(self.take())
                for function in before:
                    self.note(function)
                return value

            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_protocol(_, item: Any, nextitem: Any) -> Any:
                self.take()
                start = time.perf_counter()
                value = yield
                touched = self.take().union(*(self.of_fixture.get(name, ()) for name in item.fixturenames))
                seconds, passed = time.perf_counter() - start, item.nodeid not in self.failed
                self.tests.append({"id": item.nodeid, "seconds": round(seconds, 4), "touches": sorted(touched), "passed": passed})
                return value

            def pytest_runtest_logreport(_, report: Any) -> None:
                if report.failed or report.skipped:
                    self.failed.add(report.nodeid)

        return Hooks()

    def note(self, function: str) -> None:
        """This function runs."""
        self.marks[self.number[function]] = 1

    def take(self) -> set[str]:
        """The functions that have run since the last call."""
        marks = self.marks[:]
        self.marks[:] = bytes(len(marks))
        return {name for name, mark in zip(self.names, marks, strict=True) if mark}


def measure(file: str) -> dict[str, Any]:
    """Run a test file with nothing changed, and see what it touches: each of its tests, and its import."""
    measuring = Measuring()
    vars(builtins)["__touched__"] = measuring.note
    status = run_pytest([file], measuring.hooks(), {module_of(f): partial(with_notes, f) for f in files()})
    if status > 1:
        raise RuntimeError(f"pytest ended with status {status}")
    return {"tests": measuring.tests, "import": sorted(measuring.by_import)}


@cache
def all_functions() -> str:
    """The names of all functions of the program."""
    return "\n".join(f"{file}::{name}" for file in files() for name, _ in functions_in(ast.parse(source(file))))


@cache
def measured(file: str) -> dict[str, Any]:
    """What `measure` found before or finds now, with numbers in the place of functions, which stand in a list of their own."""
    shared = [ROOT / TESTS / name for name in ("conftest.py", "helpers.py")]
    text = sys.version + all_functions() + "".join(p.read_text(encoding="utf-8") for p in (ROOT / file, *shared))
    kept = CACHE / f"{file.replace('/', '.')}.{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not kept.is_file():
        warm()
        found = in_a_child(lambda: measure(file), 1800)
        if "error" in found:
            raise RuntimeError(f"{file} cannot be measured: {found['error']}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        for old in kept.parent.glob(f"{file.replace('/', '.')}.*.json"):
            old.unlink()
        functions = sorted({*found["import"], *(f for test in found["tests"] for f in test["touches"])})
        number = {f: i for i, f in enumerate(functions)}
        rows = [[t["id"], t["seconds"], t["passed"], [number[f] for f in t["touches"]]] for t in found["tests"]]
        saved = {"functions": functions, "tests": rows, "import": [number[f] for f in found["import"]]}
        kept.write_text(json.dumps(saved), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


@cache
def tests_in(file: str) -> tuple[Test, ...]:
    """The tests of a file that pass with nothing changed."""
    saved = measured(file)
    functions = saved["functions"]
    return tuple(Test(i, seconds, frozenset(functions[f] for f in touches)) for i, seconds, passed, touches in saved["tests"] if passed)


@cache
def run_by_import(file: str) -> frozenset[str]:
    """The functions that run when a test file is imported, before any test does."""
    saved = measured(file)
    return frozenset(saved["functions"][f] for f in saved["import"])


def judges_of(file: str, function: str) -> Iterator[list[Test]]:
    """The tests that a mutant of this function must survive: the quick ones of its mirrored file, others, and the slow ones of that file.

    Of the others, those that are quick and touch little else, and those that only read it.
    What runs at import alone (a table is made) is judged by the tests of whoever imports it.
    """
    own = mirrored(file)
    elsewhere = [f for f in test_files() if f not in own]
    touching = in_turn(sorted((t for f in own for t in tests_in(f) if function in t.touches), key=lambda t: t.seconds))[:OWN]
    yield [t for t in touching if t.seconds <= QUICK]
    others = [t for f in elsewhere for t in tests_in(f) if function in t.touches]
    if not touching and not others:
        others = [t for f in (*own, *elsewhere) if function in run_by_import(f) for t in tests_in(f)]
    others.sort(key=lambda t: len(t.touches) * (t.seconds + 0.05))
    best = list(dict.fromkeys(t.file for t in others))[:FILES]
    readers = [t for t in tests_in(HOUSE) if f"[{Path(file).stem}]" in t.id] if HOUSE in test_files() else []
    yield list(dict.fromkeys([*readers, *in_turn([t for t in others if t.file in best])[:OTHERS]])) if touching or others else []
    yield [t for t in touching if t.seconds > QUICK]


def in_turn(tests: Sequence[Test]) -> list[Test]:
    """The first case of every test function, then the second of each, and so on: a thousand cases of one test see much the same."""
    rows: dict[str, list[Test]] = {}
    for test in tests:
        rows.setdefault(test.id.partition("[")[0], []).append(test)
    return [test for row in zip_longest(*rows.values()) for test in row if test is not None]


# ---- one mutant --------------------------------------------------------------------------------------


class Judging:
    """A plugin for pytest that runs the chosen tests in the order given, and takes down the first that fails."""

    options = ()

    def __init__(self, chosen: Sequence[str]) -> None:
        self.place = {name: i for i, name in enumerate(chosen)}
        self.first: tuple[str, str] | None = None

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Only the chosen ones, in their order."""
        items[:] = sorted((i for i in items if i.nodeid in self.place), key=lambda i: self.place[i.nodeid])

    def pytest_exception_interact(self, node: Any, call: Any) -> None:
        """A test failed, or could not be imported."""
        import pytest

        if self.first is None:
            noticed = isinstance(call.excinfo.value, AssertionError | pytest.fail.Exception)
            self.first = ("killed" if noticed else "raised", node.nodeid)


NOTHING_RAN = 5
"""pytest's exit status where no test is left to run."""


def verdict(tests: Sequence[Test], file: str, tree: ast.Module) -> tuple[str, str]:
    """What these tests say of the program in which this tree is the file's: "lived", or "killed" or "raised" and by which test."""

    def work() -> list[str]:
        judging = Judging([t.id for t in tests])
        status = run_pytest(list(dict.fromkeys(t.file for t in tests)), judging, {module_of(file): lambda: tree})
        if judging.first:
            return list(judging.first)
        return ["lived", ""] if status in (0, NOTHING_RAN) else ["raised", f"pytest ended with status {status}"]

    try:
        found = in_a_child(work, PATIENCE[0] + PATIENCE[1] * sum(t.seconds for t in tests))
    except Hung:
        return "killed", "did not end"
    return ("raised", found["error"].strip().split("\n")[-1]) if isinstance(found, dict) else tuple(found)
