"""The other kinds: shapes, the numbers of one example, and a fault to be found."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

from experiments.exercises import faults, hints, kinds, nearly, numbers, shapes
from experiments.exercises.catalogue import Task, find, tasks
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, WRONG
from experiments.exercises.writing import verdict as judged_backward


def of_kind(kind: str) -> pytest.MarkDecorator:
    found = [task for task in tasks() if task.kind == kind]
    return pytest.mark.parametrize("task", found, ids=[task.name for task in found])


def said(task: Task, text: str) -> str:
    """What is said of a wrong file."""
    found = kinds.verdict(task, text, "mine.py")
    assert found.state == WRONG
    assert found.fault
    return " ".join(found.sentences)


# ---- shapes --------------------------------------------------------------------------------------


def with_shapes(task: Task, **changed: object) -> str:
    """The sheet with every shape in it, but for these."""
    answers = shapes.facts(task)[1] | changed
    return shapes.sheet(task).partition("SHAPES = ")[0] + f"SHAPES = {answers}\n"


@of_kind("shapes")
def test_shapes_fail_blank_and_wrong_and_pass_right(task: Task) -> None:
    text = kinds.sheet(task)
    assert kinds.verdict(task, text, "mine.py").state == NOT_BEGUN
    assert "is no" not in said(task, text.replace("None", "()"))
    assert kinds.verdict(task, with_shapes(task), "mine.py").state == RIGHT
    assert "#" not in text.partition("SHAPES")[0], "a comment tells the shapes"
    given, asked = shapes.facts(task)
    assert not set(given) & set(asked)
    assert all(shapes.facts(task)[1][f"dL_d{name}"] == given[name] for name in given if f"dL_d{name}" in asked)


def test_a_wrong_shape_is_told_what_it_is() -> None:
    task = find("shapes.chain_rule")
    wrong = {"z1": (3, 7), "a1": 7, "z2": (7,), "a2": "seven", "dL_da2": None, "dL_dW1": (2, 4)}
    found = said(task, with_shapes(task, **wrong))
    for sentence in (
        "z1: the axes the other way round.",
        "a1: no tuple: with one axis it is (7,).",
        "z2: of 1 axes, and there are 2.",
        "a2: no tuple.",
        "dL_dW1: another size than it has.",
        "1 are not answered yet.",
    ):
        assert sentence in found
    assert said(task, "x = 1").startswith("The file has no SHAPES any more")
    assert said(task, "SHAPES = {").startswith("Line 1 is no Python")
    assert said(task, "SHAPES = y").startswith("The file does not run: NameError")


# ---- numbers -------------------------------------------------------------------------------------


def with_numbers(task: Task, **changed: np.ndarray) -> str:
    """The sheet with every number in it, rounded, but for these."""
    answers = {name: np.round(value, 3) for name, value in numbers.facts(task)[1].items()} | changed
    return kinds.sheet(task) + "".join(f"{name} = {value.tolist()}\n" for name, value in answers.items())


@of_kind("numbers")
def test_numbers_fail_blank_and_zero_and_pass_right(task: Task) -> None:
    text = kinds.sheet(task)
    assert kinds.verdict(task, text, "mine.py").state == NOT_BEGUN
    assert f"0 of {len(numbers.facts(task)[1])} names are right" in said(task, text.replace("None", "0"))
    assert kinds.verdict(task, with_numbers(task), "mine.py").state == RIGHT
    blanks = [line for line in text.splitlines() if re.match(r"\w+ = .*None", line)]
    assert len(blanks) == len(numbers.facts(task)[1])


def test_wrong_numbers_are_told_what_they_are() -> None:
    task = find("numbers.chain_rule")
    right = numbers.facts(task)[1]
    a2 = right["a2"]
    wrong = {
        "dL_da2": -right["dL_da2"],
        "dL_dz2": right["dL_dz2"] / (a2 * (1 - a2)),
        "dL_dW2": 2 * right["dL_dW2"],
        "z1": right["z1"] + np.array([0, 0.5, 0]),
        "dL_dx": np.zeros(3),
    }
    found = said(task, with_numbers(task, **wrong))
    for sentence in (
        "dL_da2: minus the right numbers.",
        "dL_dz2: without the factor σ′ = a (1 − a).",
        "dL_dW2: twice the right numbers.",
        "z1: wrong in z1[1].",
        "dL_dx: not 2 numbers in the lists that were there.",
    ):
        assert sentence in found


# ---- a fault -------------------------------------------------------------------------------------


def answered(text: str, learns: object = None, line: object = None) -> str:
    return text.replace("LEARNS = None", f"LEARNS = {learns}").replace("LINE = None", f"LINE = {line}")


def line_of(text: str, statement: str) -> int:
    found = [i for i, line in enumerate(text.splitlines(), 1) if line.strip() == statement]
    assert len(found) == 1
    return found[0]


@of_kind("fault")
def test_a_fault_is_found_question_by_question(task: Task) -> None:
    text, fault = kinds.sheet(task), faults.chosen(task)
    assert len(re.findall("[▁▂▃▄▅▆▇█]", text)) == 2 * faults.STEPS
    assert judged_backward(task, text, "mine.py").state == WRONG
    assert kinds.verdict(task, text, "mine.py").state == NOT_BEGUN
    learns, line = faults.learns(task), line_of(text, fault.after)
    assert "Does it fall?" in said(task, answered(text, not learns, line))
    assert "Which line is wrong by itself?" in said(task, answered(text, learns))
    other = line_of(text, ast.unparse(ast.parse(text).body[-1].body[-1]))  # type: ignore[attr-defined]  # the return
    assert said(task, answered(text, learns, other)) == f"Line {other} is not the wrong one."
    assert said(task, answered(text, learns, line)).startswith(f"Line {line} is the one. Now mend it.")
    mended = answered(text, learns, line).replace(fault.after, fault.before)
    assert kinds.verdict(task, mended, "mine.py").state == RIGHT
    assert said(task, answered(text, learns, other).replace(fault.after, f"{fault.after} + 1")).startswith(f"Line {other} is not")


def test_a_mended_line_is_not_taken_for_found_elsewhere() -> None:
    task = find("fault.hidden_layer")
    text, fault = kinds.sheet(task), faults.chosen(task)
    mended = text.replace(fault.after, fault.before)
    elsewhere = line_of(text, "dL_dW1 = x.T @ dL_dz1")
    assert said(task, answered(mended, faults.learns(task), elsewhere)).startswith(f"Line {elsewhere} is not the wrong one.")


@of_kind("fault")
def test_the_last_hint_to_a_fault_says_what_it_is_in_words(task: Task) -> None:
    [told] = faults.hint(task, 5)
    assert re.fullmatch(rf"In the line that computes `\w+`, ({'|'.join(made for made, _ in nearly.KINDS.values())})\.", told)


def test_most_of_the_faults_let_the_loss_fall() -> None:
    found = [faults.learns(task) for task in tasks() if task.kind == "fault"]
    assert sum(found) > len(found) / 2


def test_a_curve_is_as_high_as_the_loss() -> None:
    assert faults.curve([2.0, 1.0, 0.0], 2.0) == "█▅▁"
    assert faults.curve([4.0, np.nan], 2.0) == "██"


# ---- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [t for t in tasks() if t.kind != "write"], ids=lambda t: t.name)
def test_each_other_kind_has_an_opening_a_solution_and_hints(task: Task) -> None:
    text = kinds.sheet(task)
    opening = kinds.opening(task, text)
    assert opening
    assert not any("exercise check" in line for line in opening)
    assert kinds.solution(task)
    assert len(kinds.STEPS[task.kind]) == len(hints.STEPS)
    if task.kind == "numbers":
        assert "in the order of the lines of forward" in kinds.hint(task, 1, NotImplemented, None, "")[0]
    else:
        early = " ".join(line for step in (1, 2, 3) if (task.kind, step) != ("fault", 3) for line in kinds.module_of(task).hint(task, step))
        for line in kinds.solution(task):
            assert not line.strip() or line not in early
        assert list(kinds.module_of(task).hint(task, 5))
