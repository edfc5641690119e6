"""The walls of the house: who may import whom, and that each concept has its file in every tree, alike in every name."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import experiments
from experiments import curriculum
from experiments.pair import Twin
from manual.concept import StraightLine
from tests.helpers import ROOT, finished, python

ENTRIES = curriculum.entries()
every_concept = pytest.mark.parametrize("entry", ENTRIES, ids=[e.name for e in ENTRIES])


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in a file, as a dotted name. Relative imports are not used in this project."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module if node.level == 0 and node.module else "a relative import"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("import_module", "__import__"):
            yield "an import by a name that is computed"


def packages(path: Path) -> set[str]:
    """The top-level packages that a file imports, without those of the standard library; scipy with the part of it."""
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    return {n if n.startswith("scipy") else n.partition(".")[0] for n in names} - sys.stdlib_module_names


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch.nn as nn", {"torch.nn"}),
        ("def f():\n    from torch import nn", {"torch"}),
        ("if False:\n    import numpy, torch", {"numpy", "torch"}),
        ("from ..experiments import data", {"a relative import"}),
        ("importlib.import_module('to' + 'rch')", {"an import by a name that is computed"}),
    ],
)
def test_an_import_is_seen_wherever_it_stands(source: str, found: set[str]) -> None:
    assert set(imported(ast.parse(source))) == found


def test_by_hand_means_with_numpy_and_nothing_else() -> None:
    allowed = {"numpy", "scipy.special", "manual"}
    assert len(files("manual")) > 30
    assert {str(p.relative_to(ROOT)): packages(p) - allowed for p in files("manual") if packages(p) - allowed} == {}


def test_the_torch_side_never_looks_at_the_other() -> None:
    forbidden = {"manual", "experiments", "tests", "a relative import", "an import by a name that is computed"}
    assert len(files("torch_impl")) > 10
    assert {str(p.relative_to(ROOT)): packages(p) & forbidden for p in files("torch_impl") if packages(p) & forbidden} == {}


def test_the_packages_do_not_need_the_tests() -> None:
    assert [p for package in ("manual", "torch_impl", "experiments") for p in files(package) if "tests" in packages(p)] == []


def test_importing_everything_by_hand_imports_no_torch(tmp_path: Path) -> None:
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in files("manual")]
    heavy = {"torch", "pytorch_lightning", "experiments", "torch_impl", "pandas", "sklearn", "matplotlib"}
    code = f"import sys, importlib\nfor n in {names}: importlib.import_module(n)\nprint(sorted({heavy} & set(sys.modules)))"
    status, out, err = finished(python("-c", code, folder=tmp_path))
    assert (status, out.strip()) == (0, "[]"), err


# ---- which way the arrows run --------------------------------------------------------------------------

FLOORS = (
    ("curriculum",),
    ("lesson", "glossary", "judge"),
    ("data", "drawing"),
    ("pair",),
    ("lockstep",),
    ("commands", *curriculum.CHAPTERS),
    ("cases",),
    ("bench",),
    ("source",),
    ("doctor",),
    ("mutation",),
    ("play", "exercises"),
    ("book",),
    ("listing",),
    ("__main__",),
)
"""The folders of experiments, and the files at its root, from the ground up: each imports only what lies below it."""

DOORS = {"experiments", "experiments.commands.status"}
"""Light, and imported by all: the package finds a Twin by its name when it is asked to; and what an exit status means."""


def floor_of(module: str) -> int:
    """On which floor a module of experiments lies."""
    part = module.split(".")[1]
    return next(i for i, floor in enumerate(FLOORS) if part in floor)


def targets(path: Path) -> set[str]:
    """The project's modules that a file imports, as dotted names; of a name taken from a package, the submodule if it is one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {n if module_file(n) else node.module for n in inner}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {n for n in found if n.partition(".")[0] in ("manual", "torch_impl", "experiments")}


def module_file(name: str) -> Path | None:
    """The file of a module of the project."""
    path = ROOT.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_concept(module: str) -> bool:
    """Whether it is a file of a concept, on any side."""
    parts = module.split(".")
    return len(parts) == 3 and parts[1] in curriculum.CHAPTERS


def test_arrows_between_the_folders_of_experiments_run_down() -> None:
    up = {}
    for path in files("experiments"):
        me = name_of(path)
        if me != "experiments":
            there = {n for n in targets(path) if n.startswith("experiments") and n not in DOORS}
            up[me] = {
                n for n in there if floor_of(n) > floor_of(me) or (floor_of(n) == floor_of(me) and n.split(".")[1] != me.split(".")[1])
            }
    assert len(up) > 100
    assert {me: n for me, n in up.items() if n and not (is_concept(me) and all(map(is_concept, n)))} == {}


def test_every_folder_is_on_a_floor() -> None:
    for path in files("experiments"):
        assert name_of(path) == "experiments" or floor_of(name_of(path)) >= 0


def test_the_spine_imports_no_concept() -> None:
    spine = ("judge", "data", "drawing", "lockstep", "commands", "bench", "source", "mutation", "doctor", "play", "exercises")
    looked_at = [p for p in files("experiments") if p.relative_to(ROOT).parts[1] in (*spine, "pair.py", "curriculum.py", "__main__.py")]
    assert len(looked_at) > 50
    assert {str(p): found for p in looked_at if (found := {n for n in targets(p) if is_concept(n)})} == {}


def test_what_equal_means_is_asked_without_lightning(tmp_path: Path) -> None:
    names = [name_of(p) for p in files("experiments/judge")]
    code = f"import sys, importlib\nfor n in {names}: importlib.import_module(n)\nprint('pytorch_lightning' in sys.modules)"
    assert finished(python("-c", code, folder=tmp_path))[:2] == (0, "False\n")


@every_concept
def test_a_concept_builds_on_what_is_read_before_it(entry: curriculum.Entry) -> None:
    """What a file needs for further reading it imports inside of a function."""
    for side in ("manual", "torch_impl", "experiments"):
        tree = ast.parse((ROOT / side / entry.path).read_text(encoding="utf-8"))
        at_the_top = {n.module for n in tree.body if isinstance(n, ast.ImportFrom) and n.module and is_concept(n.module)}
        names = {a.name for n in tree.body if isinstance(n, ast.ImportFrom) and len((n.module or "").split(".")) == 2 for a in n.names}
        names &= {e.name for e in ENTRIES}
        assert {n.rpartition(".")[2] for n in at_the_top} | names <= set(curriculum.path(entry.name)), side


# ---- one implementation of central differences -----------------------------------------------------


def quotients(tree: ast.AST) -> list[int]:
    """The lines on which a difference is divided by twice a step: by 2 · h, or by a small number such as 2e-5."""

    def is_step(node: ast.expr) -> bool:
        if isinstance(node, ast.Constant):
            return isinstance(node.value, float) and 0 < node.value < 0.01
        sides = [node.left, node.right] if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) else []
        return any(isinstance(n, ast.Constant) and n.value == 2 for n in sides) and any(isinstance(n, ast.Name) for n in sides)

    divided = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) and is_step(n.right)]
    return [n.lineno for n in divided if any(isinstance(m, ast.BinOp) and isinstance(m.op, ast.Sub) for m in ast.walk(n.left))]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("slope = (f(x + h) - f(x - h)) / (2 * h)", 1),
        ("slope = (f(x + step) - f(x - step)) / (step * 2.0)", 1),
        ("slope = 0.7 * (losses[0] - losses[1]) / (2 * h)", 1),
        ("J = np.stack([f(x + h * e) - f(x - h * e) for e in np.eye(3)]) / (2 * h)", 1),
        ("slope = (above - below) / 2e-3", 1),
        ("share = (a - b) / 2", 0),
        ("loss = error / (2 * n)", 0),
        ("normal = (x - mean) / (2 * 0.7**2)", 0),
        ("wanted = (after - before) / before", 0),
    ],
)
def test_a_difference_quotient_is_seen_whatever_its_step_is_called(source: str, found: int) -> None:
    assert len(quotients(ast.parse(source))) == found


def test_nobody_writes_a_central_difference_of_their_own() -> None:
    """They are experiments.judge's (central: along, jacobian; differences: check_grads, slopes); in manual/calculus they are the lesson."""
    looked_at = [p for package in ("tests", "experiments") for p in files(package)]
    found = {p.relative_to(ROOT).as_posix(): lines for p in looked_at if (lines := quotients(ast.parse(p.read_text(encoding="utf-8"))))}
    assert set(found) == {"experiments/judge/central.py"}


# ---- the tools look at everything alike ------------------------------------------------------------


TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def test_every_error_that_mypy_knows_is_on_for_every_file_of_ours() -> None:
    """What types cannot say, a line says: with the code of its error, or mypy complains."""
    mypy = TOOLS["mypy"]
    assert set(mypy["packages"]) == {"manual", "torch_impl", "experiments"}
    assert {key: value for key, value in mypy.items() if value is False or key in ("disable_error_code", "exclude", "ignore_errors")} == {}
    assert mypy["enable_error_code"] == ["ignore-without-code"]
    for override in mypy["overrides"]:
        assert set(override) == {"module", "ignore_missing_imports"}  # of packages that come without types
        assert [m for m in override["module"] if m.partition(".")[0] in {"*", "tests", *mypy["packages"]}] == []


def test_no_tool_is_told_of_a_chapter_or_a_concept() -> None:
    """Adding one changes no table: tools find them by pattern."""
    known = {*curriculum.CHAPTERS, *(e.name for e in ENTRIES)}
    assert set(re.findall(r"\w+", str(TOOLS))) & known == set()


# ---- one file of one name in every tree ------------------------------------------------------------------


@every_concept
def test_a_concept_has_its_file_in_every_tree(entry: curriculum.Entry) -> None:
    """Cases where it has functions with a backward of their own; they are judged beside their twins."""
    for side in ("manual", "torch_impl", "experiments"):
        assert (ROOT / side / entry.path).is_file()
    assert (ROOT / "tests" / entry.chapter / f"test_{entry.name}.py").is_file()
    by_hand = ast.parse((ROOT / "manual" / entry.path).read_text(encoding="utf-8"))
    functions = {n.name for n in by_hand.body if isinstance(n, ast.FunctionDef)}
    if any(f"{name}_backward" in functions for name in functions):
        assert (ROOT / "experiments" / "cases" / entry.path).is_file()


@pytest.mark.parametrize("chapter", curriculum.CHAPTERS)
def test_every_file_of_a_chapter_is_in_the_curriculum(chapter: str) -> None:
    """A file that stands in one side alone, or that nobody listed, is a mistake."""
    known = set(curriculum.CHAPTERS[chapter])
    for side in ("manual", "torch_impl", "experiments"):
        assert {p.stem for p in (ROOT / side / chapter).glob("*.py")} - {"__init__"} == known, side
    assert {p.stem for p in (ROOT / "experiments" / "cases" / chapter).glob("*.py")} - {"__init__"} <= known
    assert {p.stem.removeprefix("test_") for p in (ROOT / "tests" / chapter).glob("test_*.py")} <= known


def test_the_spine_names_no_concept() -> None:
    """What is special about a concept stands in its Twin. The benchmark, which times some of them, is left out."""
    names, found = {e.name for e in ENTRIES} - {"optimizers", "rounding", "gradients", "softmax"}, {}  # which are words, too
    for folder in ("judge", "data", "drawing", "lockstep", "commands", "source", "mutation", "doctor", "play", "exercises"):
        for path in files(f"experiments/{folder}"):
            literals = {n.value for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Constant)}
            found[path.stem] = {v for v in literals if isinstance(v, str) and v in names}
    assert {stem: named for stem, named in found.items() if named} == {}


def test_there_are_no_other_chapters() -> None:
    known = {
        "manual": {"nn", "optim"},
        "torch_impl": set(),
        "experiments": {
            "data",
            "judge",
            "lockstep",
            "commands",
            "bench",
            "drawing",
            "cases",
            "source",
            "glossary",
            "mutation",
            "doctor",
            "play",
            "exercises",
            "book",
        },
    }
    for side, more in known.items():
        folders = {p.parent.name for p in (ROOT / side).glob("*/__init__.py")}
        assert folders <= set(curriculum.CHAPTERS) | more


def test_names_are_unique_and_titles_are_short_plain_phrases() -> None:
    assert len({e.name for e in ENTRIES}) == len(ENTRIES)
    for e in ENTRIES:
        assert 5 < len(e.title) <= 100, e
        assert "\n" not in e.title


@every_concept
def test_a_twin_declares_its_concept_in_its_own_chapter(entry: curriculum.Entry) -> None:
    twin = experiments.twin(entry.name)
    assert isinstance(twin, Twin)
    assert (twin.name, twin.chapter, twin.title, twin.needs) == (entry.name, entry.chapter, entry.title, entry.needs)
    assert twin.manual.__module__ == f"manual.{entry.chapter}.{entry.name}"
    assert twin.torch.__module__ == f"torch_impl.{entry.chapter}.{entry.name}"
    assert twin.manual.__name__ == twin.torch.__name__
    assert twin is experiments.twin(f"{entry.chapter}.{entry.name}") is experiments.twin(f"{entry.chapter}/{entry.name}")


def test_all_twins_come_in_teaching_order() -> None:
    assert [t.name for t in experiments.twins()] == [name for names in curriculum.CHAPTERS.values() for name in names]


@every_concept
def test_what_a_concept_needs_is_there_and_never_the_concept_itself(entry: curriculum.Entry) -> None:
    """`path` would not end if there were a circle, so it is walked here by hand."""
    reached, waiting = set(), list(experiments.twin(entry.name).needs)
    while waiting:
        name = waiting.pop()
        assert name in {e.name for e in ENTRIES}
        if name not in reached:
            reached.add(name)
            waiting += experiments.twin(name).needs
    assert entry.name not in reached
    path = experiments.twin(entry.name).path()
    assert path[-1] == entry.name
    assert set(path[:-1]) == reached
    for i, name in enumerate(path):
        assert set(experiments.twin(name).needs) <= set(path[:i])


def arguments(cls: type, leave_out: tuple[str, ...] = ()) -> list[tuple[str, Any, Any]]:
    """Name, default and kind of each argument of a constructor."""
    return [(p.name, p.default, p.kind) for p in inspect.signature(cls).parameters.values() if p.name not in leave_out]


@every_concept
def test_constructors_are_equal_but_for_rng_and_dtype(entry: curriculum.Entry) -> None:
    twin = experiments.twin(entry.name)
    assert arguments(twin.manual, ("rng", "dtype")) == arguments(twin.torch)
    extra = {n: (default, kind) for n, default, kind in arguments(twin.manual) if n in ("rng", "dtype")}
    assert set(extra) == {"rng", "dtype"}
    assert {kind for _, kind in extra.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(default is not inspect.Parameter.empty for _, default, _ in arguments(twin.torch))  # or `run` could not begin


@every_concept
def test_a_twin_holds_only_what_differs_from_the_defaults(entry: curriculum.Entry) -> None:
    twin = experiments.twin(entry.name)
    for given, cls in ((twin.model, twin.torch), (twin.data_args, twin.data), *((v, twin.torch) for v in twin.variants.values())):
        defaults = {n: default for n, default, _ in arguments(cls)}
        assert set(given) <= set(defaults)
    assert {k: v for k, v in twin.model.items() if v == inspect.signature(twin.torch).parameters[k].default} == {}
    assert {k: v for k, v in twin.data_args.items() if v == inspect.signature(twin.data).parameters[k].default} == {}
    assert set(twin.zero_gradient) <= {n for n, _ in twin.build()[0].named_parameters()}


@every_concept
def test_names_and_shapes_of_parameters_are_equal(entry: curriculum.Entry) -> None:
    twin = experiments.twin(entry.name)
    ours, theirs = twin.build()
    in_torch = twin.naming.by_hand(dict(theirs.named_parameters()))
    assert [(n, p.shape) for n, p in ours.named_parameters()] == [(n, tuple(p.shape)) for n, p in in_torch.items()]
    assert list(ours.state_dict()) == list(twin.naming.by_hand(theirs.state_dict()))


def functions(body: list[ast.stmt]) -> list[str]:
    return [node.name for node in body if isinstance(node, ast.FunctionDef)]


@every_concept
def test_backward_stands_under_its_forward(entry: curriculum.Entry) -> None:
    """In a module right under forward; in a concept right under the training_step that it walks back; f_backward right under f."""
    path = ROOT / "manual" / entry.chapter / f"{entry.name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef))]:
        names = functions(node.body)
        for i, name in enumerate(names):
            if name == "backward":
                above = {"training_step", "forward"} if isinstance(node, ast.ClassDef) else {"loss", "forward"}
                if isinstance(node, ast.ClassDef) and not above & set(names):
                    continue  # a tensor goes back, and computes nothing itself
                between = names[: names.index(name)][::-1]
                assert between, f"{path.name}: backward comes first"
                if isinstance(node, ast.ClassDef):
                    assert between[0] in above, f"{path.name}: backward stands under {between[0]}"
                else:
                    assert "forward" in between, path.name
            elif name.endswith("_backward") and name.removesuffix("_backward") in names:
                assert names[i - 1] == name.removesuffix("_backward"), f"{path.name}: {name} stands under {names[i - 1]}"


@every_concept
def test_a_concept_by_hand_explains_itself(entry: curriculum.Entry) -> None:
    """Its file opens with the derivation, which is also shown in TensorBoard."""
    module = importlib.import_module(f"manual.{entry.chapter}.{entry.name}")
    text = inspect.getdoc(module) or ""
    assert len(text.splitlines()) >= 10
    assert "\\frac" not in text
    assert "$" not in text


@every_concept
def test_only_straight_lines_have_no_training_step_of_their_own(entry: curriculum.Entry) -> None:
    twin = experiments.twin(entry.name)
    walks = {f"{objective}_backward" for objective in twin.objectives} or {"backward"}
    own = {"training_step", "configure_optimizers", "backward", *walks} & set(vars(twin.manual))
    assert own == ({"configure_optimizers"} if issubclass(twin.manual, StraightLine) else {"training_step", "configure_optimizers", *walks})
    assert not {"backward", *walks} & set(vars(twin.torch))  # autograd writes it


def test_the_beginners_path_is_in_the_order_in_which_ideas_need_each_other() -> None:
    wanted = "one_weight derivatives vectors matrices linear_regression logistic_regression gradients chain_rule autograd training_loop "
    wanted += "hidden_layer digits_mlp wine_quality"
    assert list(curriculum.PATH) == wanted.split()
    for i, name in enumerate(curriculum.PATH):
        assert curriculum.path(name) == [n for n in curriculum.PATH[:i] if n in curriculum.path(name)] + [name]
    assert curriculum.path(curriculum.PATH[0]) == [curriculum.PATH[0]]
    assert all(0 < curriculum.minutes(e) <= 60 for e in ENTRIES)


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest cannot collect both; in a run of single files nobody sees it."""
    names = [p.name for p in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_a_twin_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        experiments.twin("digits_mlp").name = "other"  # type: ignore[misc]
