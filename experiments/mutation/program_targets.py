"""What of the program is mutated beside the backwards: every other function that computes, decides, writes or says something."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from experiments.curriculum import ROOT
from experiments.source.handwriting import first_line, subjects

PACKAGES = ("manual", "torch_impl", "experiments")

UNCHANGED = (
    "experiments/cases/",
    "experiments/mutation/",
    "experiments/source/",
    "experiments/commands/bench",
    "experiments/drawing/figure.py",
)
"""What is not mutated: the tables of cases, this engine, the benchmark, and the look of figures."""

TESTS = "tests"


@dataclass(frozen=True)
class Place:
    """One function or method of the program, where it stands."""

    file: str  # from the root of the project: experiments/data/arrays.py
    name: str  # within the file: ArrayData.split
    tree: ast.FunctionDef

    @property
    def id(self) -> str:
        """How the function is called in lists and in the ids of its mutants."""
        return f"{self.file}::{self.name}"

    @cached_property
    def size(self) -> int:
        """How many nodes its tree has: a sample is drawn by it."""
        return sum(1 for _ in ast.walk(self.tree))


def files() -> list[str]:
    """Every file of the program whose functions are mutated."""
    found = [p.relative_to(ROOT) for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))]
    return [file for file in map(Path.as_posix, found) if not file.startswith(UNCHANGED)]


@cache
def source(file: str) -> str:
    """The text of a file."""
    return (ROOT / file).read_text(encoding="utf-8")


def module_of(file: str) -> str:
    """The name by which it is imported."""
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def functions_in(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function and method with its name in the file; what is defined inside of a function is part of that function."""
    waiting: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    while waiting:
        prefix, body = waiting.pop(0)
        for node in body:
            if isinstance(node, ast.FunctionDef):
                yield prefix + node.name, node
            elif isinstance(node, ast.ClassDef):
                waiting.append((f"{prefix}{node.name}.", node.body))


def draws(tree: ast.FunctionDef) -> bool:
    """Whether this function only draws: it is handed axes, or returns figures."""
    parameters = {a.arg for a in (*tree.args.args, *tree.args.kwonlyargs)}
    return bool(parameters & {"ax", "axes", "fig"}) or (tree.returns is not None and "Figure" in ast.unparse(tree.returns))


def places(file: str) -> list[Place]:
    """The functions of a file that are mutated here: neither those that the table of cases judges, nor those that only draw."""
    elsewhere = backwards()
    found = [Place(file, name, node) for name, node in functions_in(ast.parse(source(file)))]
    return [p for p in found if (file, first_line(p.tree)) not in elsewhere and not draws(p.tree)]


@cache
def backwards() -> set[tuple[str, int]]:
    """(file, first line) of every function that is mutated as a backward or a step."""
    written = [w.function.__code__ for s in subjects() for w in s.functions]
    return {(Path(c.co_filename).relative_to(ROOT).as_posix(), c.co_firstlineno) for c in written}


def mirrored(file: str) -> list[str]:
    """The test files that stand where this file does: of the same name, else all of its folder, else of its folder's name."""
    folder, stem = Path(TESTS, *Path(file).parts[1:-1]), Path(file).stem.strip("_")
    named = sorted((ROOT / folder).glob(f"test_{stem}*.py"))
    if not named and folder != Path(TESTS):
        named = sorted((ROOT / folder).glob("test_*.py")) or sorted((ROOT / folder.parent).glob(f"test_{folder.name}*.py"))
    layers = [f"{TESTS}/cases/test_cases.py"] if file.startswith(("manual/nn/", "experiments/judge/")) else []
    return [p.relative_to(ROOT).as_posix() for p in named] + layers


def test_files() -> list[str]:
    """All of them but the engine's own, which would start this engine again."""
    return [p.relative_to(ROOT).as_posix() for p in sorted((ROOT / TESTS).rglob("test_*.py")) if not p.stem.startswith("test_mutate")]
