"""What a lesson holds: examples that can be followed on paper, questions whose answers runs compute, exercises, mistakes, and its words."""

from __future__ import annotations

import ast
import doctest
import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import experiments
from experiments import curriculum
from experiments.calculus import chain_rule, one_weight
from experiments.curriculum import FURTHER_READING
from experiments.glossary import TERMS, Term
from experiments.lesson import Exercise, Mistake, Question, Trained
from experiments.lockstep.trained import trained, twin_of
from experiments.networks import digits_mlp
from tests.helpers import ROOT

WHOLE = ("one_weight", "chain_rule", "digits_mlp")
"""The concepts that have all of it; the others follow."""

ENTRIES = curriculum.entries()
ASKED = [(name, q) for name in WHOLE for q in experiments.twin(name).questions]


@cache
def text(name: str) -> str:
    """The hand-written file of a concept, without its further reading."""
    return (ROOT / "manual" / curriculum.entry(name).path).read_text(encoding="utf-8").partition(FURTHER_READING)[0]


def words(name: str) -> str:
    """What a learner reads first of it: the lesson above the code."""
    return ast.get_docstring(ast.parse(text(name))) or ""


# ---- on paper ------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ENTRIES, ids=[e.name for e in ENTRIES])
def test_what_a_lesson_types_into_python_gives_what_it_says(entry: curriculum.Entry) -> None:
    found = doctest.testmod(importlib.import_module(f"manual.{entry.chapter}.{entry.name}"))
    assert found.failed == 0
    assert found.attempted > 2 or entry.name not in WHOLE


# ---- questions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "question"), ASKED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(ASKED)])
def test_a_run_answers_each_question_with_one_of_its_choices(name: str, question: Question) -> None:
    twin = experiments.twin(name)
    run = trained(twin_of(twin, question))
    assert run.agree
    assert not run.manual.training
    assert not run.torch.training
    assert question.answered(run) in question.choices
    assert len(set(question.choices)) == len(question.choices) > 1
    assert set(question.model) <= set(twin.hyperparameters())
    assert question.text.endswith("?")
    assert question.why.endswith(".")


def test_a_concept_asks_two_or_three_questions() -> None:
    for name in WHOLE:
        assert 2 <= len(experiments.twin(name).questions) <= 3


def test_an_answer_that_is_no_choice_is_refused() -> None:
    nobody = Trained(None, None, None, (1.0, 0.5), {}, True)
    question = Question("What then?", ("yes", "no"), lambda run: "yes" if run.losses[-1] < 1 else "perhaps", "Because.")
    assert question.answered(nobody) == "yes"
    with pytest.raises(ValueError, match="'What then\\?': the run's answer 'perhaps' is none of the choices 'yes', 'no'"):
        question.answered(Trained(None, None, None, (1.0, 2.0), {}, True))


def a_run(losses: tuple[float, ...] = (), data: Any = None, **metrics: float) -> Trained:
    """What nobody has run."""
    return Trained(None, None, data, losses, {f"{name}/val": value for name, value in metrics.items()}, True)


@pytest.mark.parametrize(
    ("answer", "runs"),
    [
        (
            one_weight.what_the_loss_did,
            {"it grows": [(1.0, 0.1, 1.011)], "it stays as it is": [(1.0, 3.0, 1.009), (1.0, 0.1, 0.991)], "it falls": [(1.0, 3.0, 0.989)]},
        ),
        (
            one_weight.steps_to_the_bottom,
            {
                name: [tuple([2.0 * one_weight.LOWEST] * n + [1.009 * one_weight.LOWEST, 0.0]) for n in steps]
                for name, steps in {"1 or 2": (0, 2), "about 10": (3, 24), "all 40": (25, 40)}.items()
            },
        ),
    ],
)
def test_an_answer_is_read_off_the_losses(answer: Callable[[Trained], str], runs: dict[str, list[tuple[float, ...]]]) -> None:
    for expected, those in runs.items():
        assert [answer(a_run(losses)) for losses in those] == [expected] * len(those)
    assert one_weight.steps_to_the_bottom(a_run((1.011 * one_weight.LOWEST, 2.0, 2.0, one_weight.LOWEST))) == "about 10"


@pytest.mark.parametrize(
    ("answer", "edges"),
    [
        (chain_rule.how_many_right, ((0.6, "about half, as by guessing"), (0.899, "something in between"), (1.0, "9 of 10 or more"))),
        (digits_mlp.part_right, ((0.199, "about 10 %, as by guessing"), (0.9, "something in between"), (0.901, "over 90 %"))),
    ],
)
def test_a_part_is_read_off_the_last_validation(answer: Callable[[Trained], str], edges: tuple[tuple[float, str], ...]) -> None:
    (most_of_few, few), (most_of_some, some), (many, most) = edges
    assert {answer(a_run(accuracy=a)) for a in (0.0, most_of_few)} == {few}
    assert {answer(a_run(accuracy=a)) for a in (most_of_few + 0.002, most_of_some)} == {some}
    assert {answer(a_run(accuracy=a)) for a in (most_of_some + 0.002, many)} == {most}


def test_the_loss_of_training_is_the_mean_of_the_last_epoch() -> None:
    data = SimpleNamespace(split=SimpleNamespace(train=(range(7),)), batch_size=3)  # three batches

    def answered(*last: float, held_out: float) -> str:
        return digits_mlp.training_or_held_out(a_run((9.0, 0.0, *last), data, loss=held_out))

    assert answered(1.0, 2.0, 3.0, held_out=2.55) == "the training loss"
    assert answered(1.0, 2.0, 3.0, held_out=2.45) == answered(1.0, 2.0, 3.0, held_out=1.65) == "they are much the same"
    assert answered(1.0, 2.0, 3.0, held_out=1.55) == "the held-out loss"


@pytest.mark.parametrize(
    ("z1", "z2", "answer"),
    [(1.0, 1.21, "at z2, the output"), (1.0, 1.19, "much the same"), (1.19, 1.0, "much the same"), (1.21, 1.0, "at z1, one layer back")],
)
def test_errors_are_compared_by_their_mean_size(z1: float, z2: float, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def backward(*batch: Any, **values: Any) -> dict[str, np.ndarray]:
        asked.append((batch, values))
        return {"z1": z1 * np.array([[1.0, -2.0], [0.0, 1.0]]), "z2": z2 * np.array([[1.0], [-1.0]]), "b2": np.full(1, 50.0)}

    monkeypatch.setattr(chain_rule, "backward", backward)
    run = trained(replace(experiments.twin("chain_rule"), trainer={"max_epochs": 1}))
    assert chain_rule.where_errors_are_larger(run) == answer
    ((x, y), values), *_ = asked
    assert (x, y) == run.data.split.train
    assert list(values) == ["z1", "a1", "z2", "a2", "W1", "b1", "W2", "b2"]


# ---- a mistake -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_a_run_shows_the_mistake_and_the_concepts_own_run_does_not(name: str) -> None:
    twin = experiments.twin(name)
    mistake = twin.mistake
    assert isinstance(mistake, Mistake)
    run = trained(twin_of(twin, mistake))
    assert mistake.shown(run)
    assert len(mistake.seen(run)) > 60
    assert not mistake.shown(trained(twin))


def test_a_wrong_backward_can_lower_the_loss_and_is_not_taken_for_right() -> None:
    twin = experiments.twin("chain_rule")
    run = trained(twin_of(twin, twin.mistake))
    assert run.losses[-1] < run.losses[0]
    assert not run.agree


def test_the_pair_of_a_mistake_is_the_concepts_own_but_for_what_it_changes() -> None:
    twin = experiments.twin("digits_mlp")
    asked = twin_of(twin, Question("?", ("a", "b"), lambda run: "a", ".", {"hidden": 3}))
    assert (asked.manual, asked.torch, asked.model) == (twin.manual, twin.torch, {**twin.model, "hidden": 3})
    by_hand, in_torch = digits_mlp.SoftmaxTwice, digits_mlp.SoftmaxTwiceInTorch

    def mistaken(**changes: Any) -> tuple[Any, ...]:
        changed = twin_of(twin, Mistake("", lambda run: "", lambda run: True, "", {"lr": 0.5}, **changes))
        return changed.manual, changed.torch, changed.model

    model = {**twin.model, "lr": 0.5}
    assert mistaken() == (twin.manual, twin.torch, model)
    assert mistaken(manual=by_hand) == (by_hand, twin.torch, model)
    assert mistaken(manual=by_hand, torch=in_torch) == (by_hand, in_torch, model)


# ---- exercises -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_an_exercise_names_a_function_of_the_hand_written_file(name: str) -> None:
    exercises = experiments.twin(name).exercises
    assert exercises
    found = set()
    for node in ast.parse(text(name)).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{f.name}" for f in node.body if isinstance(f, ast.FunctionDef)}
    assert {e.function for e in exercises} <= found
    assert all(isinstance(e, Exercise) and all(h.endswith(".") for h in e.hints) for e in exercises)


# ---- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", TERMS, ids=[t.term for t in TERMS])
def test_a_term_is_introduced_where_the_glossary_says_and_not_used_before(term: Term) -> None:
    assert term.is_in(words(term.concept)), "it is not in the lesson that introduces it"
    path = [name for whole in WHOLE for name in curriculum.path(whole)]
    too_early = [name for name in dict.fromkeys(path) if term.concept not in curriculum.path(name) and term.is_in(words(name))]
    assert too_early == []


def test_each_term_is_explained_once() -> None:
    terms = [t.term for t in TERMS]
    assert len(set(terms)) == len(terms)
    assert {t.concept for t in TERMS} >= set(WHOLE)
    assert all(t.said and len(t.meaning) > 10 for t in TERMS)


def test_a_term_is_found_as_a_whole_word() -> None:
    lr = next(t for t in TERMS if t.term == "lr")
    assert lr.is_in("w ← w − lr · slope")
    assert not lr.is_in("already")
    assert Term("c", "c", "", "a curvature", "one_weight", "c = ").is_in("by c = 2")
