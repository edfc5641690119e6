"""Find the fault: what is shown is what the library has, but for one line; what is said of it is so; and nothing is left changed."""

from __future__ import annotations

import ast
import io
import random

import pytest

from experiments import __main__ as door
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE, INTERRUPTED
from experiments.judge.compare import ONE_STEP
from experiments.play import command, descent, rounds
from experiments.play.rounds import CLEAR, Round, Shown, everything, faulty, readable, text_of
from experiments.play.sayings import WHAT
from experiments.source.operators import OPERATORS


def shown(name: str) -> Shown:
    (found,) = (s for there in everything().values() for s in there if s.written.name == name)
    return found


def with_fault(name: str, after: str) -> Round:
    """The function with this line in it."""
    return next(r for r in faulty(shown(name), random.Random(0)) if r.lines[r.wrong - 1].strip() == after)


# ---- what is shown -------------------------------------------------------------------------------


def test_nothing_but_the_code_is_shown() -> None:
    tree = ast.parse('@f\ndef backward(self, a: int, *, b: str = "") -> None:\n    """Says."""\n    # why\n    return  a  # (N,)').body[0]
    assert text_of(tree) == ("def backward(self, a, *, b=''):", "    return a")


def test_much_of_the_library_can_be_shown_and_all_of_it_is_right() -> None:
    found = [s for there in everything().values() for s in there]
    assert len(found) > 150
    assert {"Linear.backward", "one_weight.backward", "DigitsMLP.backward", "vectors.projection_backward"} & {
        s.written.name.replace("digits_mlp.", "") for s in found
    } == {"Linear.backward", "one_weight.backward", "DigitsMLP.backward", "vectors.projection_backward"}
    for s in found:
        trees = (*s.forward, s.written.tree)
        assert all(len(text_of(t)) < rounds.LINES.stop and max(map(len, text_of(t))) <= rounds.WIDTH for t in trees), s.title
    assert shown("_BatchNorm.backward").judge == "BatchNorm1d", "of those that judge it, the first"
    for s in random.Random(0).sample([s for s in found if not s.is_a_concepts], 40):
        errors = s.errors()
        assert errors, s.title
        assert max(errors.values()) < ONE_STEP["float64"], s.title


@pytest.mark.parametrize(("share", "right"), [(1.0, True), (0.0, False)])
def test_some_rounds_show_what_is_right(share: float, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "RIGHT_ONES", share)
    drawn = [rounds.draw(random.Random(seed)) for seed in range(4)]
    assert [(r.wrong == 0, r.mutant is None) for r in drawn] == [(right, right)] * 4


@pytest.mark.parametrize("seed", range(8))
def test_one_line_is_changed_and_a_gradient_betrays_it(seed: int) -> None:
    rng = random.Random(seed)
    for this in (rounds.draw(rng) for _ in range(4)):
        before = this.shown.written.function.__code__
        right = text_of(this.shown.written.tree)
        assert [n for n, (a, b) in enumerate(zip(this.lines, right, strict=True), 1) if a != b] == ([this.wrong] if this.wrong else [])
        if this.wrong:
            assert this.original == right[this.wrong - 1].strip() != this.lines[this.wrong - 1].strip()
            assert max(this.errors.values()) > CLEAR
        else:
            assert this.mutant is this.code is None
            assert max(this.errors.values()) < ONE_STEP["float64"]
        assert this.shown.written.function.__code__ is before


def test_a_seed_gives_the_same_rounds_and_another_seed_others() -> None:
    def first(seed: int) -> list[tuple[str, ...]]:
        rng = random.Random(seed)
        return [rounds.draw(rng).lines for _ in range(3)]

    assert first(3) == first(3) != first(4)


def test_what_raises_is_no_riddle() -> None:
    linear = shown("Linear.backward")
    raising = next(
        m for m in rounds.mutants("Linear.backward", linear.written.tree) if m.after.startswith("return (d_rows @ self.weight.T)")
    )
    assert rounds.judged(linear, raising) is None
    assert linear.errors() == rounds.judged(linear, None)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("gradient of input 1 of call 2", "gradient of b"),
        ("gradient of input 2 of call 1", "gradient of input 2"),
        ("gradient of weight", "gradient of weight"),
        ("gradient fc1.weight, as declared", "gradient of fc1.weight"),
    ],
)
def test_a_gradient_is_called_as_in_the_code(what: str, said: str) -> None:
    assert readable(what, ["a", "b"]) == said


def test_a_gradient_has_the_name_of_the_argument_that_it_is_of() -> None:
    assert list(shown("ridge.loss_backward").errors()) == ["gradient of W", "gradient of b"]
    assert list(shown("Linear.backward").errors()) == ["gradient of x", "gradient of weight", "gradient of bias"]


# ---- what is said --------------------------------------------------------------------------------


def test_each_kind_of_mistake_has_its_sentence() -> None:
    assert set(WHAT) == {name for name, _ in OPERATORS} - set(rounds.VISIBLE)
    assert all(said[0].isupper() and not said.endswith(".") for said in WHAT.values())


def test_the_line_the_mend_and_the_digits_are_told() -> None:
    this = with_fault("Linear.backward", "self.bias.grad = d_rows.sum(axis=0)")
    said = command.told(this, this.wrong)
    assert said.startswith(f"Yes, line {this.wrong} is wrong.\nIt sets where it should add: ")
    assert "  - self.bias.grad = d_rows.sum(axis=0)\n  + self.bias.grad += d_rows.sum(axis=0)\n" in said
    assert [line.split()[-1] for line in said.splitlines()[-3:]] == ["right", "right", "wrong"]
    assert command.told(this, 0).startswith(f"No: line {this.wrong} is wrong.")
    assert command.told(this, None).startswith(f"The answer: line {this.wrong} is wrong.")


def test_a_right_one_is_told_to_be_right_and_no_loss_is_spoken_of() -> None:
    linear = shown("Linear.backward")
    this = Round(linear, None, text_of(linear.written.tree), 0, linear.errors())
    assert command.told(this, 0).startswith("Yes, all of it is right.\n\n  gradient of x")
    assert "wrong" not in command.told(this, 2)
    assert command.the_loss(this) is None


def test_code_that_is_too_wide_goes_on_below() -> None:
    line = "    return " + " + ".join(["something"] * 12)
    assert all(len(part) <= 80 for part in command.code(line, "  12  ").splitlines())
    assert command.code("    return a", "  12  ") == "  12      return a"


# ---- does the loss fall? -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "after", "falls"),
    [
        ("Linear.backward", "return 0.5 * (d_rows @ self.weight).reshape(x.shape)", True),
        ("one_weight.backward", "dL_dw = 0.5 * (dL_dy_hat * x).sum()", True),
        ("one_weight.backward", "dL_dw = -(dL_dy_hat * x).sum()", False),
        ("derivatives.gelu_backward", "return -(dL_dy * (Phi + x * phi))", False),
    ],
)
def test_the_loss_is_walked_down_with_the_fault_and_without(name: str, after: str, falls: bool) -> None:
    this = with_fault(name, after)
    wrong, right = descent.losses(this) or ([], [])
    assert len(right) == descent.STEPS + 1
    assert right[-1] < right[0] == wrong[0]
    assert wrong != right
    assert descent.fell(wrong) == falls
    found = command.the_loss(this)
    assert found is not None
    assert found[0] == falls
    assert ("It falls" in found[1]) == falls


def test_a_path_that_ends_early_has_not_fallen() -> None:
    assert descent.fell([1.0, *[0.5] * descent.STEPS])
    assert not descent.fell([1.0, *[0.995] * descent.STEPS])
    assert not descent.fell([1.0, 0.5])


# ---- a game --------------------------------------------------------------------------------------


def play(typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    monkeypatch.setattr(command, "the_loss", lambda of: (True, "And the loss?") if of.wrong else None)
    try:
        status = door.main(["play", *options])
    except SystemExit as end:
        status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def truth(seed: int, n: int) -> list[int]:
    rng = random.Random(seed)
    return [rounds.draw(rng).wrong for _ in range(n)]


def test_who_finds_all_faults_wins(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = truth(2, 3)
    status, out, err = play("".join(f"{n}\n" for n in wrong), monkeypatch, capsys, "--seed", "2", "--rounds", "3")
    assert (status, err) == (AGREE, "")
    assert out.count("Yes, ") == 3
    tried = sum(map(bool, wrong))
    assert f"3 of 3 right. With {tried} of the {tried} faults" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_what_is_no_line_is_asked_again_and_a_wrong_line_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (wrong,) = truth(2, 1)
    status, out, _ = play(f"x\n\n99\n{1 if wrong != 1 else 2}\n", monkeypatch, capsys, "--seed", "2", "--rounds", "1")
    assert status == DISAGREE
    assert out.count("is no line: say a number from 1 to") == 3
    assert "0 of 1 right." in out


@pytest.mark.parametrize("typed", ["", "q\n"])
def test_the_end_of_the_input_ends_the_game_with_the_answer(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = play(typed, monkeypatch, capsys, "--seed", "2")
    assert status == AGREE
    assert "Round 1 of 5" in out
    assert "Round 2" not in out
    assert "The answer: " in out
    assert "No round was played." in out


def test_ctrl_c_at_the_prompt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    stdin = io.StringIO()
    stdin.readline = interrupted  # type: ignore[method-assign, assignment]
    monkeypatch.setattr("sys.stdin", stdin)
    assert door.main(["play", "--seed", "2"]) == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_no_rounds_are_no_game(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert play("", monkeypatch, capsys, "--rounds", "0")[0] == BAD_INPUT


def test_faults_come_in_kinds_that_differ() -> None:
    first = [next(faulty(shown("one_weight.backward"), random.Random(seed))).mutant for seed in range(12)]
    assert len({mutant.operator for mutant in first if mutant}) > 2
