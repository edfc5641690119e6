"""What a lesson holds: examples that can be followed on paper, questions whose answers runs compute, exercises, mistakes, and its words."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import unicodedata
from dataclasses import replace
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import experiments
from experiments import curriculum
from experiments.calculus import chain_rule, one_weight
from experiments.curriculum import FURTHER_READING
from experiments.glossary import TERMS, Term
from experiments.lesson import (
    ByLargest,
    BySize,
    Exercise,
    Mistake,
    Question,
    Shorter,
    Trained,
    accuracy,
    by_size,
    growth,
    in_figures,
    what_will_the_loss_do,
)
from experiments.lockstep.trained import run_of, runs_of, trained, twin_of
from experiments.networks import digits_mlp
from tests.helpers import ROOT

ENTRIES = curriculum.entries()
EVERY = [e.name for e in ENTRIES]
ASKED = [(name, q) for name in EVERY for q in experiments.twin(name).questions]
QUICK = ("one_weight", "chain_rule", "autograd", "training_loop", "vectors")
"""Whose runs take a moment; the others' together take a minute."""


def unless_quick(name: str, *more: Any) -> Any:
    """A parameter of a test that trains."""
    return pytest.param(name, *more, marks=[pytest.mark.long] * (name not in QUICK))


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
    assert found.attempted > 1
    assert "**On paper" in words(entry.name)


@pytest.mark.parametrize("entry", ENTRIES, ids=EVERY)
def test_a_lesson_is_short(entry: curriculum.Entry) -> None:
    """For somebody who reads slowly; what is longer has further reading."""
    assert curriculum.minutes(entry) <= (20 if entry.name in curriculum.PATH else 25)


@pytest.mark.parametrize("entry", ENTRIES, ids=EVERY)
def test_a_script_with_further_reading_says_which_figures_and_texts_it_is(entry: curriculum.Entry) -> None:
    script = (ROOT / "experiments" / entry.path).read_text(encoding="utf-8")
    assert bool(experiments.twin(entry.name).further) == (FURTHER_READING in script)


# ---- questions -----------------------------------------------------------------------------------


@cache
def run_once(name: str, key: str) -> Trained:
    """The run of those questions, or of the mistake, of this concept that `key` tells from its others."""
    twin = experiments.twin(name)
    of = next(of for of in (*twin.questions, twin.mistake, OWN) if of and run_of(of) == key)
    return trained(twin_of(twin, of))


OWN = Question("", (), str, "")
"""The concept's own run."""


@pytest.mark.parametrize(
    ("name", "question"), [unless_quick(*of) for of in ASKED], ids=[f"{name}-{i}" for i, (name, _) in enumerate(ASKED)]
)
def test_a_run_answers_each_question_with_one_of_its_choices(name: str, question: Question) -> None:
    twin = experiments.twin(name)
    run = run_once(name, run_of(question))
    assert run.agree
    assert not run.manual.training
    assert not run.torch.training
    assert question.answered(run) in question.choices
    assert set(question.model) <= set(twin.hyperparameters())
    assert set(question.data) <= set(inspect.signature(twin.data).parameters)
    assert re.search(r"[\d]", question.numbers(run)), "the numbers of the run stand beside the answer"
    assert clear(question.answer, run), "a number that is nearly on an edge may fall to its other side elsewhere"


def clear(answer: Any, run: Trained) -> bool:
    """Whether the number that decides is at least a fiftieth away from where another choice would begin."""
    measured = answer.measure(run)
    if isinstance(answer, BySize):
        return all(abs(measured - edge) > 0.02 * max(abs(edge), abs(measured)) for edge in answer.edges)
    *_, second, largest = sorted(measured.values())
    return bool(second < 0.98 * largest)


@pytest.mark.parametrize(("name", "question"), ASKED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(ASKED)])
def test_each_choice_is_right_for_some_run_and_wrong_for_all_others(name: str, question: Question) -> None:
    answer = question.answer
    if isinstance(answer, BySize):
        low, high = answer.edges[0] - 1, answer.edges[-1] + 1
        between = [(a + b) / 2 for a, b in pairwise(answer.edges)]
        assert list(answer.edges) == sorted(set(answer.edges))
        assert [answer.of(number) for number in (low, *between, high)] == list(question.choices)
        assert [answer.of(edge) for edge in answer.edges] == list(question.choices[1:])
        assert answer.of(float("nan")) == question.choices[-1]
    else:
        assert isinstance(answer, ByLargest)
        for choice in question.choices:
            assert answer.of({c: 1.0 + (c == choice) for c in question.choices}) == choice
        assert tuple(answer.measure(run_once(name, run_of(question)))) == question.choices
    assert len({choice.lower() for choice in question.choices}) == len(question.choices) > 1


@pytest.mark.parametrize(("name", "question"), ASKED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(ASKED)])
def test_a_question_is_a_question_and_its_reason_a_sentence(name: str, question: Question) -> None:
    assert question.text.endswith("?")
    assert len(question.text) < 175
    assert re.fullmatch(r"\S.{30,320}\.", question.why)
    assert all(len(choice) < 65 and not choice.endswith(".") for choice in question.choices)


def test_a_concept_asks_two_or_three_questions() -> None:
    for name in EVERY:
        assert 2 <= len(experiments.twin(name).questions) <= 3


def test_an_answer_that_is_no_choice_is_refused() -> None:
    nobody = Trained(None, None, None, (1.0, 0.5), {}, True)
    question = Question("What then?", ("yes", "no"), lambda run: "yes" if run.losses[-1] < 1 else "perhaps", "Because.")
    assert question.answered(nobody) == "yes"
    assert question.numbers(nobody) == ""
    with pytest.raises(ValueError, match="'What then\\?': the run's answer 'perhaps' is none of the choices 'yes', 'no'"):
        question.answered(Trained(None, None, None, (1.0, 2.0), {}, True))


def a_run(losses: tuple[float, ...] = (), data: Any = None, **metrics: float) -> Trained:
    """What nobody has run."""
    return Trained(None, None, data, losses, {f"{name}/val": value for name, value in metrics.items()}, True)


def test_a_number_is_read_by_its_size_and_said() -> None:
    question = by_size("How many?", accuracy, "few", 0.3, "some", 0.7, "many", seen="{:.0%} of them", why="So.", model={"lr": 1.0})
    assert (question.choices, question.model) == (("few", "some", "many"), {"lr": 1.0})
    assert [question.answered(a_run(accuracy=a)) for a in (0.29, 0.3, 0.69, 0.71)] == ["few", "some", "some", "many"]
    assert question.numbers(a_run(accuracy=0.5)) == "50% of them"
    said = by_size("How many?", growth, "few", 2, "many", seen=lambda number: f"<{number}>", why="So.")
    assert (said.numbers(a_run((1.0, 3.0))), said.answered(a_run((1.0, 3.0)))) == ("<3.0>", "many")


def test_the_largest_of_several_numbers_is_named_and_all_are_said() -> None:
    largest = ByLargest(lambda run: dict(zip("abc", run.losses, strict=True)), "{:.1f}")
    assert [largest(a_run(losses)) for losses in ((1.0, 3.0, 2.0), (5.0, 3.0, 2.0))] == ["b", "a"]
    assert largest.numbers(a_run((1.0, 3.0, 2.0))) == "a: 1.0, b: 3.0, c: 2.0"


def test_the_loss_falls_stays_or_grows_by_more_than_a_hundredth() -> None:
    question = what_will_the_loss_do("What then?", "So.")
    last = {"it grows": 1.011, "it stays as it is": 1.009, "it falls": 0.989}
    assert {question.answered(a_run((2.0, 50.0, 2 * factor))) for factor in (0.991, 1.0)} == {"it stays as it is"}
    assert [question.answered(a_run((2.0, 50.0, 2 * factor))) for factor in last.values()] == list(last)


def test_questions_about_one_run_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = experiments.twin("one_weight")
    questions = [replace(OWN, model=dict(model)) for model in ({"lr": 0.1}, {}, {"lr": 0.1}, {"lr": 0.2})]
    asked: list[Any] = []
    monkeypatch.setattr("experiments.lockstep.trained.trained", lambda pair: asked.append(dict(pair.model)) or len(asked))
    told: list[tuple[int, int]] = []
    assert runs_of(twin, questions, lambda number, of: told.append((number, of))) == [1, 2, 1, 3]
    assert asked == [{"lr": 0.1}, {}, {"lr": 0.2}]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_steps_are_counted_until_the_loss_is_low_for_the_first_time() -> None:
    low, high = one_weight.LOWEST, 2 * one_weight.LOWEST
    assert one_weight.steps_to_the_bottom(a_run((high, high, 1.009 * low, high, low))) == 2
    assert one_weight.steps_to_the_bottom(a_run((1.011 * low, high))) == 2


def test_the_loss_of_training_is_the_mean_of_the_last_epoch() -> None:
    data = SimpleNamespace(split=SimpleNamespace(train=(range(7),)), batch_size=3)  # three batches
    assert digits_mlp.training_over_held_out(a_run((9.0, 0.0, 1.0, 2.0, 3.0), data, loss=2.5)) == pytest.approx(0.8)


def test_errors_are_compared_by_their_mean_size(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def backward(*batch: Any, **values: Any) -> dict[str, np.ndarray]:
        asked.append((batch, values))
        return {"z1": 3 * np.array([[1.0, -2.0], [0.0, 1.0]]), "z2": 2 * np.array([[1.0], [-1.0]]), "b2": np.full(1, 50.0)}

    monkeypatch.setattr(chain_rule, "backward", backward)
    run = trained(replace(experiments.twin("chain_rule"), trainer={"max_epochs": 1}))
    assert chain_rule.error_one_back(run) == pytest.approx(1.5)
    ((x, y), values), *_ = asked
    assert (x, y) == run.data.split.train
    assert list(values) == ["z1", "a1", "z2", "a2", "W1", "b1", "W2", "b2"]


# ---- a mistake -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [unless_quick(name) for name in EVERY])
def test_a_run_shows_the_mistake_and_one_without_it_does_not(name: str) -> None:
    twin = experiments.twin(name)
    mistake = twin.mistake
    assert isinstance(mistake, Mistake)
    run = trained(twin_of(twin, mistake))
    assert mistake.shown(run)
    assert re.fullmatch(r".*\d.{40,}\.", mistake.seen(run)) or len(mistake.seen(run)) > 60
    assert re.fullmatch(r".{10,}[.)]", mistake.belief)
    assert re.fullmatch(r".{30,}[.)]", mistake.why)
    assert not mistake.shown(trained(twin_of(twin, replace(OWN, trainer=mistake.trainer))))


def test_a_wrong_backward_can_lower_the_loss_and_is_not_taken_for_right() -> None:
    twin = experiments.twin("chain_rule")
    run = trained(twin_of(twin, twin.mistake))
    assert run.losses[-1] < run.losses[0]
    assert not run.agree


def test_the_pair_of_a_mistake_is_the_concepts_own_but_for_what_it_changes() -> None:
    twin = experiments.twin("digits_mlp")
    asked = twin_of(twin, Question("?", ("a", "b"), lambda run: "a", ".", {"hidden": 3}, {"batch_size": 5}, {"max_epochs": 2}))
    assert (asked.manual, asked.torch, asked.model) == (twin.manual, twin.torch, {**twin.model, "hidden": 3})
    assert (asked.data_args, asked.trainer) == ({**twin.data_args, "batch_size": 5}, {**twin.trainer, "max_epochs": 2})
    by_hand, in_torch = digits_mlp.SoftmaxTwice, digits_mlp.SoftmaxTwiceInTorch

    def mistaken(**changes: Any) -> tuple[Any, ...]:
        changed = twin_of(twin, Mistake("", lambda run: "", lambda run: True, "", {"lr": 0.5}, **changes))
        return changed.manual, changed.torch, changed.model

    model = {**twin.model, "lr": 0.5}
    assert mistaken() == (twin.manual, twin.torch, model)
    assert mistaken(manual=by_hand) == (by_hand, twin.torch, model)
    assert mistaken(manual=by_hand, torch=in_torch) == (by_hand, in_torch, model)


# ---- exercises -----------------------------------------------------------------------------------


def defined(tree: ast.Module) -> set[str]:
    """The functions of a file, and the methods as Class.method."""
    methods = {f"{c.name}.{f.name}" for c in tree.body if isinstance(c, ast.ClassDef) for f in c.body if isinstance(f, ast.FunctionDef)}
    return methods | {f.name for f in tree.body if isinstance(f, ast.FunctionDef)}


@pytest.mark.parametrize("name", EVERY)
def test_an_exercise_names_a_function_of_the_hand_written_file(name: str) -> None:
    exercises = experiments.twin(name).exercises
    assert exercises
    lesson, whole = (defined(ast.parse(of)) for of in (text(name), (ROOT / "manual" / curriculum.entry(name).path).read_text("utf-8")))
    assert exercises[0].function in lesson, "the first is on what has been read"
    assert {e.function for e in exercises} <= whole
    assert all(isinstance(e, Exercise) and all(h.endswith((".", "?")) for h in e.hints) for e in exercises)


# ---- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", TERMS, ids=[t.term for t in TERMS])
def test_a_term_is_introduced_where_the_glossary_says_and_not_used_before(term: Term) -> None:
    assert term.is_in(words(term.concept)), "it is not in the lesson that introduces it"
    too_early = [name for name in curriculum.PATH[: curriculum.place(term.concept)] if term.is_in(words(name))]
    assert too_early == []


def test_terms_are_in_the_order_in_which_they_are_met() -> None:
    order = [*curriculum.PATH, *(e.name for e in curriculum.entries() if e.name not in curriculum.PATH)]
    places = [order.index(t.concept) for t in TERMS]
    assert places == sorted(places)


def test_each_term_is_explained_once() -> None:
    terms = [t.term for t in TERMS]
    assert len(set(terms)) == len(terms)
    assert {t.concept for t in TERMS} >= set(curriculum.PATH[:-1])
    places = [curriculum.place(t.concept) for t in TERMS]
    assert places == sorted(places), "in the order in which they are met"
    assert all(t.said and len(t.meaning) > 10 for t in TERMS)


PLAIN = set("−⁻·…½¼¾×–—’“”éöü→")
"""Signs that are read as in any book: minus, times, and so on."""


def signs(text: str) -> set[str]:
    """The signs in a text that no keyboard has, ∂, Σ, ŷ, but for raised and lowered numbers and letters."""
    found = {"ŷ"} if "ŷ" in text else set()
    return found | {c for c in text if ord(c) > 127 and unicodedata.category(c) not in ("No", "Lm", "Mn") and c not in PLAIN}


def test_every_sign_on_the_path_is_explained_where_it_is_first_met() -> None:
    unexplained, known = {}, set[str]()
    for name in curriculum.PATH:
        known |= {c for t in TERMS if t.concept == name for c in f"{t.term} {t.meaning}"}
        unexplained[name] = signs(words(name)) - known
    assert {name: sorted(of) for name, of in unexplained.items() if of} == {}


def test_a_term_is_found_as_a_whole_word() -> None:
    lr = next(t for t in TERMS if t.term == "lr")
    assert lr.is_in("w ← w − lr · slope")
    assert not lr.is_in("already")
    assert Term("c", "c", "", "a curvature", "one_weight", "c = ").is_in("by c = 2")


@pytest.mark.parametrize(
    ("number", "written"), [(0.0123456, "0.0123"), (11.24, "11.2"), (866700.0, "867,000"), (-1234.0, "-1,230"), (2.4e217, "2.4e+217")]
)
def test_large_numbers_are_written_out(number: float, written: str) -> None:
    assert in_figures(number) == written


def test_a_shorter_run_is_told_by_its_options_and_is_the_own_one_where_it_changes_nothing() -> None:
    assert Shorter(model={"steps": 800}, data={"window": 8}, trainer={"max_epochs": 2}).options() == (
        "--trainer.max_epochs 2 --model.steps 800 --data.window 8"
    )
    assert (Shorter().options(), run_of(Shorter())) == ("", run_of(None))
    gpt = experiments.twin("gpt")
    short = twin_of(gpt, gpt.shorter)
    assert short.trainer["max_epochs"] < gpt.trainer["max_epochs"]
    assert short.trainer["gradient_clip_val"] == gpt.trainer["gradient_clip_val"]
    assert short.hyperparameters()["steps"] < gpt.hyperparameters()["steps"]


@pytest.mark.parametrize(("precision", "dtype"), [({}, "float64"), ({"precision": "32-true"}, "float32")])
def test_a_run_has_the_precision_that_its_trainer_says(precision: dict[str, str], dtype: str) -> None:
    twin = experiments.twin("chain_rule")
    run = trained(replace(twin, trainer={"max_epochs": 1, **precision}))
    assert {p.data.dtype.name for p in run.manual.parameters()} == {dtype}
    assert {str(p.dtype) for p in run.torch.parameters()} == {f"torch.{dtype}"}
    assert run.agree
