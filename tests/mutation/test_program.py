"""The engine that makes mistakes in the whole program: which ones, where, judged by which tests, and that it would see a gap."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from experiments.mutation import mutate, program, program_targets, program_tests
from experiments.mutation.program import draw, every
from experiments.mutation.program_equivalents import EQUIVALENT
from experiments.mutation.program_operators import program_mutants
from experiments.mutation.program_targets import draws, files, functions_in, mirrored, places
from experiments.mutation.program_tests import Hung, Measuring, Test, in_a_child, in_turn, judges_of, verdict, with_notes
from tests.helpers import ROOT, command

# ---- which mistakes are made ------------------------------------------------------------------------


def function(source: str) -> ast.FunctionDef:
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def mistakes(line: str, signature: str = "ours, theirs, n: int = 3, lr: float = 0.5") -> list[tuple[str, str]]:
    """(operator, the statement with the mistake in it) for every mutant of a function of this line."""
    known = frozenset({"AGREE", "DISAGREE", "BAD_INPUT"})
    return [(m.operator, m.after) for m in program_mutants("f", function(f"def f({signature}):\n    {line}"), known)]


@pytest.mark.parametrize(
    ("line", "operator", "mistake"),
    [
        ("a = ours.x + theirs.x", "side", "a = theirs.x + theirs.x"),
        ("a = split.train", "side", "a = split.val"),
        ("self.log('loss/train', a)", "side", "self.log('loss/val', a)"),
        ("return (first, second)", "side", "return (second, first)"),
        ("a = f(ours, theirs)", "side", "a = f(theirs, ours)"),
        ("a = sorted(b)", "best", "a = sorted(b, reverse=True)"),
        ("a = max(b)", "extremum", "a = min(b)"),
        ("a = b.argmax(axis=1)", "extremum", "a = b.argmin(axis=1)"),
        ("a = any(b)", "any", "a = all(b)"),
        ("a = np.isfinite(b).all()", "any", "a = np.isfinite(b).any()"),
        ("a = b[0]", "first", "a = b[-1]"),
        ("a = b[-1]", "first", "a = b[0]"),
        ("a = b[1:]", "first", "a = b[:1]"),
        ("a = next((b for b in c), None)", "first", "a = [None, *(b for b in c)][-1]"),
        ("return AGREE", "status", "return DISAGREE"),
        ("return {'a': b, 'c': d}", "name", "return {'a_': b, 'c': d}"),
        ("self.log('loss', a)", "name", "self.log('loss_', a)"),
        ("a = g(b, n)", "given", "a = g(b, 0)"),
        ("a = g(lr=lr)", "given", "a = g(lr=0.5)"),
        ("a = g(self.seed)", "given", "a = g(0)"),
        ("a = n", "default", "def f(ours, theirs, n: int=4, lr: float=0.5):"),
        ("a = lr", "default", "def f(ours, theirs, n: int=3, lr: float=1.0):"),
        ("a = n * 2", "ignored", "a = 3 * 2"),
        ("a = g(b, c, d=e)", "ignored", "a = g(b, c)"),
        ("a = g(b, c)", "ignored", "a = g(b)"),
        ("if a > b: c = d", "negated", "if not a > b:"),
        ("if a: raise ValueError", "negated", "if False:"),
        ("a = [b for b in c if d]", "negated", "a = [b for b in c if not d]"),
        ("a = [b for b in c if d]", "negated", "a = [b for b in c if True]"),
        ("a = b and c", "connective", "a = b or c"),
        ("a = b or c", "connective", "a = b and c"),
        ("self.a = b", "added", "self.a += b"),
        ("return a", "dropped", "return"),
        ("return {'a': b, 'c': d}", "dropped", "return {'a': b}"),
        ("a = range(n)", "count", "a = range(n - 1)"),
        ("a = b[:5]", "count", "a = b[:4]"),
        ("a = len(b)", "count", "a = len(b) + 1"),
        ("a = enumerate(b)", "count", "a = enumerate(b, 1)"),
        ("print(f'{a + b} of them')", "sign", "print(f'{a - b} of them')"),
        ("a = 1 - b", "constant", "a = 2 - b"),
    ],
)
def test_the_mistake_is_made(line: str, operator: str, mistake: str) -> None:
    assert (operator, mistake) in mistakes(line)


def test_words_types_and_imports_are_left_alone() -> None:
    assert mistakes("'A docstring of 2 lines.'; import a.b; a: list[0]; assert a == 2", "") == []
    assert mistakes("raise ValueError(f'{n - 1}')", "") == []


def test_a_name_is_swapped_only_for_one_that_is_there() -> None:
    assert ("side", "a = theirs") not in mistakes("a = ours", "ours")


def test_every_mutant_of_a_file_is_valid_python_another_text_and_has_an_id_of_its_own() -> None:
    found = [m for place in places("experiments/data/arrays.py") for m in program.mistakes(place)]
    assert len(found) > 150
    assert len({m.mutant.id for m in found}) == len(found)
    original = ast.unparse(ast.parse(program_targets.source("experiments/data/arrays.py")))
    for mistake in found[::7]:
        tree = ast.fix_missing_locations(program.changed(mistake))
        assert ast.unparse(tree) != original, mistake.mutant.id
        compile(tree, "data.py", "exec")


# ---- where they are made, and who judges ------------------------------------------------------------


def test_backwards_and_drawings_are_left_to_others() -> None:
    assert {"forward", "training_step", "validation_step", "__init__"} <= {p.tree.name for p in places("manual/regression/ridge.py")}
    every = {p.id for f in files() for p in places(f)}
    assert "manual/nn/linear.py::Linear.forward" in every
    assert "manual/nn/linear.py::Linear.backward" not in every
    assert "experiments/regression/ridge.py::by_sklearn" in every
    assert "experiments/regression/ridge.py::path" not in every
    assert {"manual", "torch_impl", "experiments"} == {f.partition("/")[0] for f in files()}


@pytest.mark.parametrize(
    ("source", "only_draws"),
    [
        ("def f(ax, x): ...", True),
        ("def f(x) -> Figure: ...", True),
        ("def f(x) -> Mapping[str, Figure]: ...", True),
        ("def f(x) -> np.ndarray: ...", False),
    ],
)
def test_what_only_draws(source: str, only_draws: bool) -> None:
    assert draws(function(source)) is only_draws


def test_functions_are_found_by_the_name_that_they_have_in_their_file() -> None:
    tree = ast.parse("def f():\n    def inside(): ...\nclass A:\n    def g(self): ...\n    class B:\n        def h(self): ...")
    assert [name for name, _ in functions_in(tree)] == ["f", "A.g", "A.B.h"]


@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("experiments/data/arrays.py", ["tests/data/test_arrays.py"]),
        ("manual/regression/ridge.py", ["tests/regression/test_ridge.py"]),
        ("torch_impl/regression/ridge.py", ["tests/regression/test_ridge.py"]),
        ("manual/nn/attention.py", ["tests/nn/test_attention_input.py", "tests/cases/test_cases.py"]),
        ("experiments/lockstep/state.py", ["tests/lockstep/test_state.py"]),
        ("experiments/drawing/colours.py", ["tests/drawing/test_colours.py"]),
        ("experiments/mutation/report.py", sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "tests/mutation").glob("test_*.py"))),
        ("experiments/curriculum.py", ["tests/test_curriculum.py"]),
    ],
)
def test_the_mirrored_tests_come_first(file: str, tests: list[str]) -> None:
    assert mirrored(file) == tests


def test_the_judges_are_the_mirrored_tests_then_the_quickest_and_most_specific_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def test(name: str, seconds: float, *touches: str) -> Test:
        return Test(name, seconds, frozenset(touches))

    measured = {
        "tests/data/test_arrays.py": [
            test("slow", 2.0, "f"),
            test("quick", 0.1, "f"),
            test("elsewhere", 0.1, "g"),
        ],
        "tests/test_a.py": [test("broad", 0.2, "f", "g", "h"), test("narrow", 0.3, "f")],
        "tests/test_b.py": [test(f"tests/test_b.py::long {i}", 10.0 + i, "f") for i in range(10)],
        **{f"tests/test_{i}.py": [test(f"tests/test_{i}.py::last", 100.0 + i, "f")] for i in range(9)},
    }
    monkeypatch.setattr(program_tests, "FILES", 6)
    monkeypatch.setattr(program_tests, "test_files", lambda: list(measured))
    monkeypatch.setattr(program_tests, "tests_in", measured.__getitem__)
    first, second, third = ([t.id for t in tests] for tests in judges_of("experiments/data/arrays.py", "f"))
    assert (first, third) == (["quick"], ["slow"])
    assert second == [
        "narrow",
        "broad",
        *(f"tests/test_b.py::long {i}" for i in range(10)),
        *(f"tests/test_{i}.py::last" for i in range(3)),
    ]
    measured[program_tests.HOUSE] = [test(f"{program_tests.HOUSE}::test_signatures[{name}]", 0.1) for name in ("arrays", "other")]
    assert list(judges_of("experiments/data/arrays.py", "f"))[1][0].id == f"{program_tests.HOUSE}::test_signatures[arrays]"
    del measured[program_tests.HOUSE]
    monkeypatch.setattr(program_tests, "OTHERS", 4)
    assert list(judges_of("experiments/data/arrays.py", "f"))[1] == measured["tests/test_a.py"][::-1] + measured["tests/test_b.py"][:2]
    monkeypatch.setattr(program_tests, "run_by_import", lambda file: {"f", "made"} if file == "tests/test_a.py" else set())
    assert [[t.id for t in tests] for tests in judges_of("experiments/data/arrays.py", "made")] == [[], ["narrow", "broad"], []]
    assert [*judges_of("experiments/data/arrays.py", "unknown")] == [[], [], []]


def test_of_every_test_one_case_comes_before_the_second_of_any() -> None:
    names = ["f[a]", "f[b]", "g", "f[c]", "h[a]", "h[b]"]
    assert [t.id for t in in_turn([Test(name, 0.1, frozenset()) for name in names])] == ["f[a]", "g", "h[a]", "f[b]", "h[b]", "f[c]"]


def test_a_function_says_that_it_runs_and_does_the_same() -> None:
    tree, said = with_notes("experiments/judge/convert.py"), list[str]()
    known = {"__touched__": said.append, "__name__": "copy"}
    exec(compile(ast.fix_missing_locations(tree), "convert.py", "exec"), known)
    assert known["to_numpy"]({"a": [1, 2]}) == {"a": [1, 2]}
    assert set(said) == {"experiments/judge/convert.py::to_numpy", "experiments/judge/convert.py::_inside"}
    assert known["to_numpy"].__doc__.startswith("Copies of all tensors")


def test_what_runs_in_a_process_that_a_test_forks_counts_as_well() -> None:
    measuring = Measuring()
    here, there = measuring.names[:2]
    measuring.note(here)
    child = os.fork()
    if child == 0:
        measuring.note(there)
        os._exit(0)
    os.waitpid(child, 0)
    assert measuring.take() == {here, there}
    assert measuring.take() == set()


# ---- children ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [3, [1, "two"], {"three": None}])
def test_a_child_returns_what_it_computes(value: object) -> None:
    assert in_a_child(lambda: value, 20) == value


def test_a_child_that_fails_says_how_and_one_that_hangs_is_ended(capfd: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        print("not to be seen")
        raise KeyError("so")

    def hangs() -> None:
        while True:
            pass

    assert "KeyError: 'so'" in in_a_child(fails, 20)["error"]
    with pytest.raises(Hung):
        in_a_child(hangs, 0.3)
    assert capfd.readouterr().out == ""


# ---- which of them are drawn, and what is said ------------------------------------------------------------


def test_a_sample_is_drawn_by_its_seed_without_drawing_one_twice() -> None:
    chosen = program.select(["experiments/judge/convert.py"])
    ids = [[m.mutant.id for m in draw(chosen, 60, seed)] for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]
    assert len(set(ids[0])) == 60
    everything = [m.mutant.id for m in every(chosen)]
    assert sorted(m.mutant.id for m in draw(chosen, 10**5, 0)) == sorted(everything)


def test_files_and_folders_are_chosen_by_name() -> None:
    assert {p.file for p in program.select(["experiments/data/arrays.py"])} == {"experiments/data/arrays.py"}
    assert {p.file for p in program.select(["./torch_impl/calculus/"])} <= {f for f in files() if f.startswith("torch_impl/calculus/")}
    assert {p.file for p in program.select([])} > {"experiments/data/arrays.py", "manual/trainer.py", "torch_impl/module.py"}
    for wrong in ("experiments/dat", "experiments/drawing/figure.py", "no/such.py"):
        with pytest.raises(mutate.UnknownName, match=wrong):
            program.select(["experiments/data/arrays.py", wrong])


def test_equivalent_ones_are_known_by_their_ids_and_stale_entries_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [m.mutant.id for m in every(program.select(["experiments/judge/convert.py"]))]
    gone = "experiments/judge/convert.py::gone:sign:a => -a:0"
    monkeypatch.setattr(
        program, "EQUIVALENT", {made[0]: "the same", made[1]: "not the same", gone: "", "experiments/data/arrays.py::f:a:b": ""}
    )
    monkeypatch.setattr(program, "fate", lambda m: ("killed", "a test") if m.mutant.id == made[1] else ("lived", "2 tests pass"))
    monkeypatch.setattr(program, "warm", lambda: None)
    report = program.mutate_program(["experiments/judge/convert.py"])
    assert [r.mutant.id for r in report.results] == made
    assert [r.verdict for r in report.results[:3]] == ["equivalent", "killed", "lived"]
    assert report.stale == [gone, made[1]]
    assert not report.passed


def test_every_entry_of_the_list_is_a_mutant_that_can_be_made() -> None:
    assert program.stale(program.select([])) == []
    assert {name.partition("::")[0] for name in EQUIVALENT} <= set(files())
    assert all(len(reason) > 20 for reason in EQUIVALENT.values())


@pytest.mark.parametrize(
    "arguments",
    [("--sample", "0"), ("--sample", "-1"), ("--seeds", "0"), ("--seeds", "-1"), ("--program", "no/such.py"), ("--program", "Linear")],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...]) -> None:
    status, out, err = command("mutate", *arguments)
    assert (status, out) == (2, "")
    assert arguments[-1] in err


@pytest.mark.parametrize(("verdict", "status"), [("killed", 0), ("raised", 0), ("lived", 1), ("no test", 1)])
def test_the_command_prints_a_table_by_file_and_its_status_says_whether_one_lived(
    verdict: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "fate", lambda _: (verdict, "because"))
    monkeypatch.setattr(program, "warm", lambda: None)
    found, out, err = command("mutate", "--program", "experiments/judge/convert.py", "torch_impl/noise.py", "--sample", "30", "--seed", "4")
    assert found == status
    assert "experiments/judge/convert.py" in out
    assert "torch_impl/noise.py" in out
    assert err.count("experiments/judge/convert.py::") + err.count("torch_impl/noise.py::") == 30
    assert out.count("lived: ") == (30 if status else 0)
    assert ("no case: " in out) is (verdict == "no test")


# ---- all of it -------------------------------------------------------------------------------------------


def test_a_sample_of_the_mistakes_in_the_program_is_noticed_and_what_no_test_runs_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no other judge than test_arrays.py: of mistakes in what it tests, and in what it does not."""
    monkeypatch.setattr(program_tests, "CACHE", tmp_path)
    monkeypatch.setattr(program_tests, "test_files", lambda: ["tests/data/test_arrays.py"])
    for name in ("measured", "tests_in", "run_by_import"):
        monkeypatch.setattr(program_tests, name, getattr(program_tests, name).__wrapped__)
    measured = {test.id: test for test in program_tests.tests_in("tests/data/test_arrays.py")}
    assert all(test.seconds > 0 for test in measured.values())
    touched = {function for test in measured.values() for function in test.touches}
    assert "experiments/data/digits.py::Digits.load" in measured["tests/data/test_arrays.py::test_the_digits"].touches
    assert "experiments/data/digits.py::Digits.load" not in measured["tests/data/test_arrays.py::test_a_loader_says_how_far_it_is"].touches

    elsewhere = ("train_dataloader", "val_dataloader")  # their other half, batches that are no rows, is tested by test_batches.py
    here = [p for p in program.select(["experiments/data/arrays.py"]) if p.id in touched and not p.id.endswith(elsewhere)]
    sample = list(draw(here, 8, 0))
    found = {mistake.mutant.id: program.fate(mistake) for mistake in sample}
    assert len(found) == 8
    assert {id: f for id, f in found.items() if f[0] not in ("killed", "raised") and id not in EQUIVALENT} == {}
    assert {why for fate, why in found.values() if fate == "killed"} <= set(measured)
    assert sum(fate == "killed" for fate, _ in found.values()) > 3

    nowhere = next(every(program.select(["torch_impl/noise.py"])))
    assert program.fate(nowhere) == ("no test", "no test runs this function")
    the_digits = measured["tests/data/test_arrays.py::test_the_digits"]
    assert verdict([the_digits], "torch_impl/noise.py", program.changed(nowhere)) == ("lived", "")
