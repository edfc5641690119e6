"""Questions at the prompt, and what is said of the answers."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import experiments
from experiments import __main__ as door
from experiments.commands import predict
from experiments.commands.asking import LETTERS, chosen, laid_out, what_is_asked_for, wrapped
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE, INTERRUPTED
from experiments.lesson import Question, Trained
from experiments.lockstep.trained import runs_of

QUESTIONS = experiments.twin("one_weight").questions


@pytest.fixture(scope="module")
def runs() -> list[Trained]:
    return runs_of(experiments.twin("one_weight"), QUESTIONS)


@pytest.fixture
def ask(runs: list[Trained], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Runs `predict one_weight` with these lines typed, on runs that are there already; returns status, output and errors."""

    def asked(typed: str = "", *options: str, these: list[Trained] = runs, folder: Path = tmp_path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        monkeypatch.setattr(predict, "run_all", lambda twin: these)
        status = door.main(["predict", "one_weight", "--runs", str(folder), *options])
        return status, *capsys.readouterr()

    return asked


def right(runs: list[Trained]) -> list[int]:
    return [q.choices.index(q.answered(run)) for q, run in zip(QUESTIONS, runs, strict=True)]


def test_an_answer_is_a_letter_a_number_or_the_words() -> None:
    choices = ("it falls", "it stays", "it grows")
    assert [chosen(said, choices) for said in ("b", "B", " b) ", "2", "2.", "It stays")] == [1] * 6
    assert [chosen(said, choices) for said in ("", "d", "0", "4", "-1", "it", "²", "ab")] == [None] * 8
    assert chosen("2", ("1", "2")) == 1
    assert what_is_asked_for(choices) == "a, b or c"


def test_a_question_fits_the_screen_whatever_its_length() -> None:
    text = laid_out(3, "Why " * 40 + "?", ("because " * 20, "so"))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.startswith("3. Why")
    assert "\n   a  because" in text
    assert "\n   b  so" in text
    assert wrapped("1 2", "- ", "  ") == "- 1 2"


def test_every_right_answer_is_a_win_and_every_other_one_is_not(ask: Any, runs: list[Trained], tmp_path: Path) -> None:
    best = right(runs)
    status, out, err = ask("", "--answers", ",".join(LETTERS[i] for i in best))
    assert (status, err) == (AGREE, "")
    assert "3 of 3 predicted right." in out
    assert out.count("(right)") == 3
    assert all(q.why.split()[0] in out and q.choices[i] in out for q, i in zip(QUESTIONS, best, strict=True))
    for number in (1, 2, 3):
        picture = tmp_path / "one_weight" / "predictions" / f"question_{number}.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert len(picture.with_suffix(".txt").read_text(encoding="utf-8")) > 60
        assert f"Open {picture}\n   Look: " in out
    status, out, _ = ask("", "--answers", ",".join(str(1 + (i + 1) % len(q.choices)) for q, i in zip(QUESTIONS, best, strict=True)))
    assert status == DISAGREE
    assert "0 of 3 predicted right." in out


def test_the_numbers_of_the_run_stand_under_the_answer(ask: Any, runs: list[Trained]) -> None:
    _, out, _ = ask("")
    assert all(q.numbers(run) in " ".join(out.split()) for q, run in zip(QUESTIONS, runs, strict=True))
    assert f"from {runs[0].losses[0]:.3g} at its first step to {runs[0].losses[-1]:.3g} at its last" in " ".join(out.split())


def test_what_is_no_choice_is_asked_again(ask: Any, runs: list[Trained]) -> None:
    letters = [LETTERS[i] for i in right(runs)]
    status, out, _ = ask(f"{letters[0]}\nz\n\n{letters[1]}\n{letters[2]}\n")
    assert status == AGREE
    assert "z is none of the choices: say a, b or c." in out
    assert "Nothing is none of the choices" in out


def test_who_says_nothing_is_told_all_the_same(ask: Any) -> None:
    status, out, err = ask("")
    assert (status, err) == (AGREE, "")
    assert out.count("Your answer:") == 1  # nobody is asked again at the end of the input
    assert "What was left open is answered below all the same." in out
    assert out.count("The run ") == 3
    assert "You said" not in out
    assert "Nothing was predicted." in out


def test_a_part_may_be_answered(ask: Any, runs: list[Trained]) -> None:
    status, out, _ = ask(f"{LETTERS[right(runs)[0]]}\n")
    assert status == AGREE
    assert "1 of 1 predicted right." in out


def test_all_of_it_fits_the_screen(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, out, _ = ask("a\nb\nx\na\n", folder=Path("."))
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("a", "there are 3 questions, and this answers 1"),
        ("a,b,a,a", "there are 3 questions, and this answers 4"),
        ("a,b,z", "question 3 is answered by a or b, not by 'z'"),
        ("", "there are 3 questions, and this answers 1"),
    ],
)
def test_answers_that_do_not_fit_are_refused_before_anything_runs(answers: str, said: str, ask: Any) -> None:
    status, out, err = ask("", "--answers", answers)
    assert status == BAD_INPUT
    assert said in err
    assert "1." not in out


def test_a_concept_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["predict", "one_wait"]) == BAD_INPUT
    assert "one_weight" in capsys.readouterr().err


def test_two_sides_that_disagree_teach_nothing(ask: Any, runs: list[Trained]) -> None:
    status, _, err = ask("", these=[runs[0], replace(runs[1], agree=False), runs[2]])
    assert status == DISAGREE
    assert "the two sides disagree: python -m experiments check one_weight" in err


def test_where_nothing_can_be_written_the_answers_are_told_without_figures(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, out, _ = ask("", folder=tmp_path / "file")
    assert status == AGREE
    assert out.count("The figure cannot be written") == 3
    assert "--runs" in out


def test_random_data_are_not_passed_off_as_the_concepts(ask: Any, runs: list[Trained], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "stood in" not in ask("")[1]
    monkeypatch.setattr(type(runs[0].data), "at_hand", lambda self: False)
    assert "random ones stood in for them" in " ".join(ask("")[1].split())


def test_ctrl_c_at_the_prompt(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Any) -> str:
        raise KeyboardInterrupt

    stdin = type("Interrupted", (io.StringIO,), {"readline": interrupted})
    monkeypatch.setattr(io, "StringIO", stdin)
    status, out, err = ask()
    assert (status, err) == (INTERRUPTED, "interrupted\n")
    assert out.endswith("Your answer: \n")


def test_each_run_is_announced(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def told(twin: Any, questions: tuple[Question, ...], say: Any) -> list[Any]:
        say(1, 2), say(2, 2)
        return []

    monkeypatch.setattr("experiments.lockstep.trained.runs_of", told)
    assert predict.run_all(experiments.twin("one_weight")) == []
    assert capsys.readouterr().out == "\nTraining both sides, run 1 of 2 …\nTraining both sides, run 2 of 2 …\n"


def test_a_figure_of_the_concept_is_drawn_once_for_each_run(runs: list[Trained]) -> None:
    twin, calls = experiments.twin("one_weight"), []

    def figures(*sides: Any) -> dict[str, Any]:
        calls.append(sides)
        return {"one": "first", "two": "second"}

    drawing, drawn = replace(twin, figures=figures), {}  # type: ignore[var-annotated]
    one, two = (replace(QUESTIONS[0], look_at=(name, "Look.")) for name in ("one", "two"))
    assert predict.figure_of(drawing, one, runs[0], drawn) == ("first", "Look.")
    assert predict.figure_of(drawing, two, runs[0], drawn) == ("second", "Look.")
    assert len(calls) == 1
    by_itself = replace(one, look_at=(lambda run: run.losses, "Look."))
    assert predict.figure_of(drawing, by_itself, runs[1], drawn) == (runs[1].losses, "Look.")
    assert predict.figure_of(drawing, replace(one, look_at=None), runs[1], drawn)[0].caption
    assert len(calls) == 1
