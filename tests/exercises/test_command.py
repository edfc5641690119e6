"""The command as a learner uses it, and the process in which his file is judged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.__main__ import main
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE, INTERRUPTED
from experiments.exercises import command, grading, kinds
from experiments.exercises.catalogue import find, tasks
from experiments.exercises.progress import HEAD, Done, Progress, line, read
from experiments.exercises.recording import recorded
from experiments.exercises.room import SECONDS, Closed, Room
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, WRONG, Verdict
from tests.exercises.attempts import filled, solved

NAME = "one_weight.backward"
HALF = "dL_dy_hat = 2 * (y_hat - y)\nreturn {'y_hat': dL_dy_hat, 'w': (dL_dy_hat * x).sum()}"


class Here:
    """A room that judges in this process: what the other one does is tested by itself."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def verdict(self, name: str, text: str, file: str) -> Verdict:
        return kinds.verdict(find(name), text, file)

    def facts(self, name: str) -> dict[str, str]:
        return recorded(find(name))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command in a folder of its own; returns its status and what it said."""
    monkeypatch.chdir(tmp_path)
    for module in (command, grading):
        monkeypatch.setattr(module, "Room", Here)

    def call(*arguments: str) -> tuple[int, str]:
        status = main(["exercise", *arguments])
        out = capsys.readouterr()
        return status, " ".join((out.out + out.err).split())

    return call


# ---- from start to solution ----------------------------------------------------------------------


def test_from_start_over_a_wrong_attempt_and_hints_to_the_solution(desk: Any) -> None:
    file = Path("exercises") / f"{NAME}.py"
    status, said = desk("check", NAME)
    assert (status, "make it with: python -m experiments exercise start one_weight.backward" in said) == (DISAGREE, True)
    status, said = desk("start", "one_weight")
    assert status == AGREE
    assert f"{file} is made, an exercise of about 10 minutes" in said
    status, said = desk("check", NAME)
    assert status == DISAGREE
    assert said.startswith(f"{NAME}: not begun")

    file.write_text(filled(find(NAME), HALF), encoding="utf-8")
    status, said = desk("check", NAME)
    assert status == DISAGREE
    assert "is the gradient of y_hat (line 53): it is (N = 6) times the right one" in said
    assert desk("solution", NAME)[0] == DISAGREE
    hints = [desk("hint", NAME)[1] for _ in range(6)]
    for i, (hint, words) in enumerate(
        zip(hints, ("returns a dict", "x (6,)", "((y_hat - y) ** 2).mean()", "times the right one", "____"), strict=False)
    ):
        assert hint.startswith(f"Hint {i + 1} of 5")
        assert words in hint
    assert hints[5] == hints[4]
    assert desk("hint", NAME, "--step", "1")[1] == hints[0]
    assert "dL_dy_hat = 2 * (y_hat - y) / len(y)" in desk("solution", NAME, "--show-me")[1]

    file.write_text(solved(find(NAME)), encoding="utf-8")
    status, said = desk("check", NAME)
    assert status == AGREE
    assert f"{NAME}: right" in said
    assert "Next: python -m experiments exercise start fault.one_weight" in said
    assert desk("solution", NAME)[0] == AGREE
    assert "✓ one_weight.backward 10 min 2 attempts, 5 hints, solution shown" in desk("list", "one_weight")[1]
    assert Progress(Path("exercises")).of(NAME) == Done(RIGHT, 2, 5, True)


def test_a_file_is_never_overwritten_without_being_asked(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("exercises") / f"{NAME}.py"
    desk("start", NAME)
    blank = file.read_text(encoding="utf-8")
    file.write_text("mine", encoding="utf-8")
    status, said = desk("start", NAME)
    assert status == AGREE
    assert "is already there, and stays as it is" in said
    for answer, kept in (("n", True), ("", True), ("y", False)):
        file.write_text("mine", encoding="utf-8")
        monkeypatch.setattr("builtins.input", lambda question, answer=answer: answer)
        assert desk("reset", NAME)[0] == (DISAGREE if kept else AGREE)
        assert (file.read_text(encoding="utf-8") == "mine") == kept
    file.write_text("mine", encoding="utf-8")
    assert desk("reset", NAME, "--yes")[0] == AGREE
    assert file.read_text(encoding="utf-8") == blank


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "check what? A name of `exercise list` is missing"),
        (("grade",), "A folder is missing"),
        (("start", "one_wait"), "unknown exercise 'one_wait': did you mean"),
        (("list", "calculs"), "no exercises of 'calculs': did you mean calculus"),
        (("start", "calculus"), "calculus is a group of exercises: `exercise list calculus` names them"),
        (("grade", "nowhere"), "there is no folder nowhere: expected nowhere/LEARNER/NAME.py"),
        (("grade", "."), "there is no file of an exercise under ."),
    ],
)
def test_bad_usage_is_one_line_and_status_2(desk: Any, arguments: tuple[str, ...], said: str) -> None:
    status, found = desk(*arguments)
    assert status == BAD_INPUT
    assert said in found


@pytest.mark.parametrize("seconds", ["0", "-3", "nan", "inf", "long"])
def test_a_time_limit_is_a_number_above_0(desk: Any, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        desk("check", NAME, "--seconds", seconds)
    assert ended.value.code == BAD_INPUT
    assert f"{seconds} is no number of seconds above 0" in capsys.readouterr().err


def test_an_exercise_may_be_called_by_its_file_and_every_command_shown_is_for_its_folder(desk: Any) -> None:
    said = desk("start", f"there/{NAME}.py", "--folder", "my files")[1]
    assert f"exercise check {NAME} --folder 'my files'" in said
    Path("my files", f"{NAME}.py").write_text("\ufeff" + filled(find(NAME), HALF), encoding="utf-8")
    said = desk("check", NAME, "--folder", "my files")[1]
    assert "(N = 6) times the right one" in said
    assert f"exercise hint {NAME} --folder 'my files'" in said


def test_where_nothing_can_be_written_an_attempt_is_judged_and_not_counted(desk: Any) -> None:
    desk("start", NAME)
    Path("exercises", "progress.txt").unlink()
    Path("exercises", "progress.txt").mkdir()
    said = desk("check", NAME)[1]
    assert "This attempt is not counted: exercises/progress.txt: Is a directory." in said
    assert f"{NAME}: not begun" in said


def test_a_table_that_cannot_be_written_is_refused_before_anything_is_judged(desk: Any) -> None:
    desk("start", NAME)
    assert desk("grade", ".", "--out", "nowhere/grades.csv") == (BAD_INPUT, "error: nowhere/grades.csv: there is no such folder")


def test_the_list_goes_along_the_path_and_counts(desk: Any) -> None:
    status, said = desk()
    assert status == AGREE
    places = [said.index(name) for name in (NAME, "vectors.dot_backward", "wine_quality.", "attention.backward", "nn.Linear")]
    assert places == sorted(places)
    assert f"Right: 0 of {len(tasks())}; the others" in said
    assert "nn.Linear" not in desk("list", "calculus")[1]


def test_watch_judges_whenever_the_file_is_saved_and_ends_with_one_line(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file, waits = Path("exercises") / f"{NAME}.py", []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            file.write_text(solved(find(NAME)), encoding="utf-8")
        if len(waits) == 5:
            raise KeyboardInterrupt

    watch = command.watch
    monkeypatch.setitem(command.DOING, "watch", lambda desk: watch(desk, wait))
    status, said = desk("watch", NAME)
    assert status == INTERRUPTED
    assert said.count(f"{NAME}: not begun {NAME} is") + said.count("is not begun: its body") == 1
    assert said.count(f"{NAME}: right All") + said.count("All of it is right") == 1
    assert said.endswith(f"No longer watched. {NAME}: right.")


# ---- progress ------------------------------------------------------------------------------------


def test_progress_is_a_text_that_can_be_read_and_written(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "exercises")
    assert not (tmp_path / "exercises").exists()
    progress.attempt("nn.Linear", NOT_BEGUN)
    progress.attempt("nn.Linear", WRONG)
    progress.write("one_weight.backward", Done(RIGHT, 3, 2, True))
    progress.attempt("one_weight.backward", WRONG)
    text = progress.file.read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert "nn.Linear            wrong      attempts 1  hints 0\n" in text
    again = Progress(tmp_path / "exercises")
    assert again.done == {"nn.Linear": Done(WRONG, 1, 0), "one_weight.backward": Done(RIGHT, 4, 2, True)}


def test_what_is_no_line_of_progress_is_passed_over() -> None:
    done = Done(WRONG, 12, 1)
    assert read(line("a.b", done, 20)) == ("a.b", done)
    for text in ("", HEAD, "a.b  right", "a.b  right  attempts x  hints 1", "a.b  right  attempts  hints"):
        assert read(text) is None


# ---- many learners -------------------------------------------------------------------------------


def test_many_learners_files_become_a_table(desk: Any, tmp_path: Path) -> None:
    hidden = find("chain_rule.gradient_of_bias")
    files = {
        "class/ada/one_weight.backward.py": solved(find(NAME)),
        "class/ada/exercises/chain_rule.gradient_of_bias.py": filled(hidden, "return dL_dz"),
        "class/ben/one_weight.backward.py": filled(find(NAME), HALF),
        "class/ben/later/one_weight.backward.py": filled(find(NAME), "return None"),
        "class/cy-chain_rule.gradient_of_bias (1).py": "def",
        "class/cy/notes.py": "",
        "class/cy/one_weight (2).backward.py": "",
        "class/dora_one_weight.backward.py": kinds.sheet(find(NAME)),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    status, said = desk("grade", "class")
    assert status == AGREE
    assert "which may take 30 s and 4 GiB" in said
    assert "It is no sandbox" in said
    assert "Not judged, for they are not called as an exercise is: cy/notes.py, cy/one_weight (2).backward.py." in said
    table = pd.read_csv("grades.csv", keep_default_na=False)
    assert table.to_numpy().tolist() == [
        ["ada", NAME, "right", ""],
        ["ada", hidden.name, "wrong", "gradient of b2: not summed over axis 0"],
        ["ben", NAME, "wrong", "gradient of y_hat: (N = 6) times the right one"],
        ["ben", hidden.name, "not begun", ""],
        ["cy", NAME, "not begun", ""],
        ["cy", hidden.name, "wrong", "no Python"],
        ["dora", NAME, "not begun", ""],
        ["dora", hidden.name, "not begun", ""],
    ]
    first = Path("grades.csv").read_bytes()
    assert desk("grade", "class", "--out", "again.csv")[0] == AGREE
    assert Path("again.csv").read_bytes() == first


# ---- the process ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """The real one; it takes seconds to load."""
    room = Room().__enter__()
    yield room
    if room.process.poll() is None:
        room.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("while True: pass", "did not come to an end within 1 s"),
        ("import os\nos._exit(3)", "The file ended the process that judged it."),
        ("raise SystemExit", "The file ended the process that judged it."),
        ("open('trace.txt', 'w')", "PermissionError"),
        ("import subprocess\nsubprocess.run(['true'])", "PermissionError"),
        ("np.zeros(2**40)", "MemoryError"),
    ],
)
def test_a_file_that_does_what_it_must_not_is_told_so_and_the_next_is_judged(room: Room, body: str, said: str, tmp_path: Path) -> None:
    room.seconds = 1.0 if body.startswith("while") else SECONDS
    found = room.verdict(NAME, filled(find(NAME), body), "mine.py")
    assert found.state == WRONG
    assert said in found.sentences[0]
    assert not Path("trace.txt").exists()


def test_the_process_judges_says_what_was_printed_and_knows_the_shapes(room: Room) -> None:
    body = "print('looking')\ndL_dy_hat = 2 * (y_hat - y) / len(y)\nreturn {'y_hat': dL_dy_hat, 'w': (dL_dy_hat * x).sum()}"
    found = room.verdict(NAME, filled(find(NAME), body), "mine.py")
    assert (found.state, found.printed.splitlines()[0]) == (RIGHT, "looking")
    assert found.gradients[0].shape == (6,)
    assert room.facts(NAME)["→ w"] == "one number"


def test_whoever_leaves_a_room_leaves_nobody_computing_in_it(room: Room) -> None:
    """The last of those that use this room."""
    group = room.process.pid

    def asking() -> None:
        with pytest.raises(Closed):
            room.verdict(NAME, filled(find(NAME), "while True: pass"), "a.py")

    begun = threading.Thread(target=asking)
    begun.start()
    while len(members(group)) < 2:
        time.sleep(0.05)
    room.__exit__(None, None, None)
    begun.join()
    until = time.monotonic() + 5  # what was killed is gone when the system comes to it
    while members(group) and time.monotonic() < until:
        time.sleep(0.05)
    assert not members(group)


def members(group: int) -> list[str]:
    """The processes of a group that have not ended."""
    found = [stat.read_text(encoding="utf-8").rpartition(") ")[2].split() for stat in Path("/proc").glob("[0-9]*/stat")]
    return [fields[0] for fields in found if int(fields[2]) == group and fields[0] != "Z"]


def test_a_room_that_has_ended_is_said_to() -> None:
    with Room(1.0) as room:
        room.process.kill()
        room.process.wait()
        with pytest.raises(Closed, match="the process that judges has ended"):
            room.facts(NAME)
