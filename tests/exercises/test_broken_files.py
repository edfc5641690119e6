"""Files that were changed where they must not be, are of something else, or are right in a way that is not asked for."""

from __future__ import annotations

import re

import pytest

from experiments.exercises import kinds
from experiments.exercises.catalogue import find
from experiments.exercises.cutting import sheet
from experiments.exercises.verdict import RIGHT, WRONG
from tests.exercises.attempts import filled, solved

RESTORED = "y = self.restore()\n"
SLOPE = "dL_dy * (1 - y * y)"

BODIES = {
    "float32": (f"{RESTORED}return ({SLOPE}).astype(np.float32)", "right, but of float32: it must be of float64, as all that comes in is"),
    "torch": (f"import torch\n{RESTORED}return {SLOPE}", r"Line \d+ imports torch, which computes gradients itself"),
    "a tuple of one": (f"{RESTORED}return ({SLOPE},)", "returns a tuple of one: is there a comma behind"),
    "a list": (f"{RESTORED}return ({SLOPE}).tolist()", "must return an array of NumPy, got a list"),
    "a generator": (f"{RESTORED}yield {SLOPE}", "must return an array of NumPy, got a generator"),
    "unfinished": (f"{RESTORED}raise NotImplementedError('later')", r"It is not finished: line \d+ says so itself"),
    "input": (f"{RESTORED}input()\nreturn {SLOPE}", r"Line \d+ waits for a keyboard"),
    "an exception of one's own": (f"{RESTORED}raise ValueError", r"`raise ValueError`: ValueError: without a word\."),
}


@pytest.mark.parametrize("kind", BODIES)
def test_what_cannot_be_accepted_is_said_in_a_sentence(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_keyboard(*_: object) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", no_keyboard)
    body, said = BODIES[kind]
    task = find("nn.Tanh")
    found = kinds.verdict(task, filled(task, body), "mine.py")
    assert found.state == WRONG
    assert found.fault not in ("", "cannot be read")
    assert re.search(said, " ".join(found.sentences)), found.sentences


def test_torch_where_it_is_not_run_is_no_matter() -> None:
    task = find("nn.Tanh")
    assert kinds.verdict(task, solved(task) + '\n\nif __name__ == "__main__":\n    import torch\n', "mine.py").state == RIGHT


def test_arguments_must_stay_and_may_be_called_otherwise_where_that_works() -> None:
    task = find("nn.Tanh")
    text = solved(task)
    assert text.count("(self, dL_dy: np.ndarray)") == 1
    found = kinds.verdict(task, text.replace("(self, dL_dy: np.ndarray)", "(self)"), "mine.py")
    assert found.sentences == ("It must take what it took when it came: `def backward(self, dL_dy)`.",)
    at = text.index("(self, dL_dy: np.ndarray)")
    assert kinds.verdict(task, text[:at] + text[at:].replace("dL_dy", "g"), "mine.py").state == RIGHT


def test_what_goes_in_must_not_be_changed() -> None:
    task = find("one_weight")
    body = "y_hat -= y\nd = 2 * y_hat / len(y)\nreturn {'y_hat': d, 'w': (d * x).sum()}"
    (said,) = kinds.verdict(task, filled(task, body), "mine.py").sentences
    assert re.match(r"Line \d+: y_hat is changed: others may still need it\. Make a new array", said)


def test_the_file_of_another_exercise_is_known_by_its_first_line() -> None:
    (said,) = kinds.verdict(find("nn.Tanh"), sheet(find("nn.ReLU")), "nn.Tanh.py").sentences
    assert said == "This is the file of another exercise, nn.ReLU."


def test_an_import_that_is_no_more_may_come_from_another_version() -> None:
    task = find("nn.Tanh")
    text = solved(task).replace("import Module", "import Module, Modul")
    said = kinds.verdict(task, text, "mine.py").sentences[0]
    assert "ImportError" in said
    assert said.endswith("Has another version of this project made the file?")


def test_what_only_the_compiler_finds_has_its_line_too() -> None:
    task = find("nn.Tanh")
    assert kinds.verdict(task, solved(task) + "return 3\n", "mine.py").sentences[0].endswith("is no Python: 'return' outside function.")
