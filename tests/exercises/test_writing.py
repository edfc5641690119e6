"""Write a backward: what is blank fails, what is right passes, and what is wrong is told what it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest

from experiments.curriculum import entries
from experiments.exercises import exams, failing, writing
from experiments.exercises.catalogue import LONGEST, Task, UnknownExercise, definition, find, lines_of, tasks
from experiments.exercises.contract import forwards
from experiments.exercises.cutting import CUT, gives_away, sheet, without_answers
from experiments.exercises.exams import Exam, exams_of
from experiments.exercises.hints import solution
from experiments.exercises.placing import in_place, original
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, WRONG
from experiments.judge.case import failures
from experiments.judge.differences import BY_DIFFERENCES
from experiments.source.handwriting import public_classes
from tests.exercises.attempts import filled, judged, of_zeros, solved

WRITE = [task for task in tasks() if task.kind == "write"]
every_exercise = pytest.mark.parametrize("task", WRITE, ids=[task.name for task in WRITE])


def few_exams(task: Task) -> Sequence[Exam]:
    """Enough to find what is blank and to pass what is right; all of them are the tests of the layer itself."""
    return exams_of(task)[:2]


# ---- which there are -----------------------------------------------------------------------------


def test_every_concept_has_an_exercise_and_its_exercises_are_graded_by_length() -> None:
    for e in entries():
        lines = [task.lines for task in WRITE if task.concept == e.name]
        assert lines, e.name
        assert lines == sorted(lines)
    assert len({name for task in tasks() for name in (task.name, *task.also)}) == sum(1 + len(task.also) for task in tasks())


def test_every_layer_whose_backward_is_short_has_one() -> None:
    known = {name for task in WRITE for name in (task.name, *task.also)}
    for name, cls in public_classes().items():
        backward = getattr(cls, "backward", None)
        if cls.__module__.startswith("manual.nn.") and backward and backward.__module__.startswith("manual.nn."):
            short = lines_of(definition(backward.__module__, backward.__qualname__)) <= LONGEST
            assert (f"nn.{name}" in known) == short, name


def test_an_exercise_is_found_by_its_name_its_concept_or_a_class_that_has_its_backward() -> None:
    assert find("chain_rule.one_sample").function == "one_sample"
    assert find("chain_rule").name == "chain_rule.gradient_of_bias"
    assert find("nn.Softmax2d") is find("nn.Softmax")
    assert find("digits_cnn.Block.backward").function == "Block.backward"
    with pytest.raises(UnknownExercise, match=r"unknown exercise 'nn.linear': did you mean nn.Linear"):
        find("nn.linear")


# ---- the sheet -----------------------------------------------------------------------------------


@every_exercise
def test_a_sheet_holds_the_forward_and_nothing_of_the_solution(task: Task) -> None:
    tree = ast.parse(sheet(task))
    texts = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, ast.Module | ast.FunctionDef | ast.ClassDef)]
    said = " ".join(" ".join(texts).split())
    walked_back = " ".join(ast.unparse(f) for f in forwards(task))
    for node in ast.walk(definition(task.module, task.function)):
        if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or node.value is None:
            continue
        if any(isinstance(n, ast.BinOp) for n in ast.walk(node.value)):
            found = ast.unparse(node.value)
            assert found not in said or found in walked_back
    assert not any(gives_away(block) for text in texts for block in text.split("\n\n"))
    owner = task.function.split(".")[:-1]
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == owner[0]) if owner else tree.body
    names = {n.name for n in body if isinstance(n, ast.FunctionDef)}
    assert names - {task.function.rpartition(".")[2]}, "there is no forward"


def test_a_docstring_is_cut_where_it_says_a_derivative() -> None:
    text = "y = tanh x, of any shape.\n\n    ∂y/∂x = 1 − y²\n\nIt is largest at 0.\n\nArgs:\n    x: a number."
    assert without_answers(text) == f"y = tanh x, of any shape.\n\n{CUT}\n\nArgs:\n    x: a number."
    assert without_answers(text, whole=True) == f"y = tanh x, of any shape.\n\n{CUT}"
    assert without_answers("The way back. Its gradient is (p − y)/N. More.") == f"The way back.\n\n{CUT}"
    speed = "A derivative is a speed, written ∂y/∂x, of anything: no more."
    assert without_answers(speed) == speed
    assert without_answers("Shapes: dL_dz (N, out), a = σ(z).") == "Shapes: dL_dz (N, out), a = σ(z)."


@pytest.mark.parametrize("formula", ["∂L/∂W[i, j] = a[i] d[j]", "dL_dx = 2 * x", "σ′(z) = a (1 − a)", "the derivative of tanh is 1 − y²"])
def test_a_derivative_is_known_by_a_formula_or_by_words(formula: str) -> None:
    assert gives_away(formula)


# ---- blank, zero, right --------------------------------------------------------------------------


@every_exercise
def test_an_exercise_fails_blank_and_with_zeros_and_passes_with_the_solution(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "exams_of", few_exams)
    monkeypatch.setattr(writing, "SEEDS", (1,))
    file = f"{task.name}.py"
    assert writing.verdict(task, sheet(task), file).state == NOT_BEGUN
    zeros = writing.verdict(task, of_zeros(task), file)
    assert zeros.state == WRONG
    assert zeros.sentences
    assert zeros.fault
    right = writing.verdict(task, solved(task), file)
    assert right.state == RIGHT, right.sentences
    assert all(g.right and g.digits > 9 for g in right.gradients)


def test_a_right_attempt_is_judged_by_all_exams_and_by_small_changes() -> None:
    task = find("nn.Linear")
    found = writing.verdict(task, solved(task), "a.py")
    assert [g.name for g in found.gradients] == ["gradient of x", "gradient of weight", "gradient of bias"]
    assert f"on {2 * len(exams_of(task))} sets of inputs" in found.sentences[0]


@pytest.mark.parametrize("name", ["one_weight", "chain_rule.one_sample", "digits_mlp", "ridge.loss_backward"])
def test_small_changes_judge_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to be said against it by autograd."""
    task = find(name)
    monkeypatch.setattr(exams, "failures", lambda found, tolerance: failures(found, tolerance) if tolerance == BY_DIFFERENCES else [])
    monkeypatch.setattr(exams, "one_step", lambda *_: (SimpleNamespace(passed=True), False))
    found = exams_of(task)[0]
    assert found.failed(0) == []
    with in_place(task, slightly_wrong(original(task))):
        assert found.failed(0)


def slightly_wrong(function: Any) -> Any:
    """The function with its results, or the gradients that it leaves, a hundredth too large."""
    same = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)

    def wrong(*args: Any, **kwargs: Any) -> Any:
        result = same(*args, **kwargs)
        if result is None:
            for p in args[0].parameters():
                p.grad = 1.01 * p.grad
        return {k: 1.01 * g for k, g in result.items()} if isinstance(result, dict) else result and tuple(1.01 * g for g in result)

    return wrong


def test_what_nothing_calls_is_not_taken_for_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "exams_of", lambda task: exams_of(find("nn.ReLU")))
    task = find("nn.Tanh")
    with pytest.raises(RuntimeError, match="nothing that judges it calls"):
        writing.verdict(task, solved(task), "a.py")


# ---- wrong ---------------------------------------------------------------------------------------

LINEAR = """\
x = self.restore()
rows, d = x.reshape(-1, x.shape[-1]), dL_dy.reshape(-1, dL_dy.shape[-1])
self.weight.grad += d.T @ rows
if self.bias is not None:
    self.bias.grad += d.sum(axis=0)
return dL_dy @ self.weight"""

APPLES = """\
dL_dy_hat = 2 * (y_hat - y) / len(y)
return {"y_hat": dL_dy_hat, "w": (dL_dy_hat * x).sum()}"""

CUBIC = """\
d = 2 * (y_hat - y) / len(y)
return {"y_hat": d, "w0": (d).sum(), "w1": (d * x).sum(), "w2": (d * x**2).sum(), "w3": (d * x**3).sum()}"""

ROUNDED = """\
x, residual = self.restore()
dL_dy_hat = 2 * residual / residual.size
self.W.grad += x.T @ dL_dy_hat
self.b.grad += dL_dy_hat.sum(axis=0)"""

WRONG_ATTEMPTS: dict[str, tuple[str, str, str]] = {
    "a factor": (
        "nn.Tanh",
        "y = self.restore()\nreturn 2 * dL_dy * (1 - y * y)",
        r"gradient of x \(line \d+\): it is 2 times the right one",
    ),
    "a sign": ("nn.Tanh", "y = self.restore()\nreturn -dL_dy * (1 - y * y)", "it is −1 times the right one"),
    "N": ("one_weight", APPLES.replace(" / len(y)", ""), r"gradient of y_hat \(line \d+\): it is \(N = \d+\) times the right one"),
    "a factor that is a root of a size by chance": (
        "derivatives.power_backward",
        "return dL_dy * x ** (n - 1)",
        r"gradient of x: it is 0.333333 times the right one \(with n=3\)|wrong \(with n=3\)\. .*0.333333 times the right one",
    ),
    "nothing in the place of a case of its own": (
        "derivatives.power_backward",
        "return dL_dy * n * x ** (n - 1)",
        r"\(with n=0\)\. .* it is not finite \(inf or nan\) where x is 0",
    ),
    "no upstream": ("vectors.dot_backward", "return b, a", "0 of 2 gradients are right. dL_dy is not used"),
    "not one number": ("derivatives.backward", CUBIC.replace("(d).sum()", "d"), "gradient of w0 .*: it is not summed up to one number"),
    "no derivative": ("nn.Tanh", "self.restore()\nreturn dL_dy", r"without the factor \(1 - np.tanh\(x\)\*\*2\)"),
    "another derivative": ("nn.Tanh", "y = self.restore()\nreturn dL_dy * (1 - y)", r"multiplied by \(1 - y\) in place of \(1 - y\*\*2\)"),
    "no derivative, in a concept": (
        "chain_rule.error_one_layer_back",
        "return dL_dz_next @ W_next.T",
        r"4 of 7 .* gradient of z1: it is without the factor a \* \(1 - a\)",
    ),
    "no mask": ("nn.ReLU", "self.restore()\nreturn dL_dy", "not masked: right wherever the right one is not 0"),
    "not summed": ("chain_rule.gradient_of_bias", "return dL_dz", "gradient of b2: it is not summed over axis 0"),
    "a mean for a sum": ("chain_rule.gradient_of_bias", "return dL_dz.mean(axis=0)", r"it is 1/\(N = \d+\) times the right one"),
    "the first row": ("chain_rule.gradient_of_bias", "return dL_dz[0]", r"it is only dL_dz2\[0\]: the first row"),
    "a mean in a layer": ("nn.Linear", LINEAR.replace("d.sum", "d.mean"), r"gradient of bias \(line \d+\): it is 1/\(the number of rows"),
    "transposed": ("chain_rule.gradient_of_weight", "return dL_dz.T @ a", "gradient of W2: it is transposed"),
    "another operand": (
        "vectors.dot_backward",
        "return dL_dy[..., None] * a, dL_dy[..., None] * a",
        r"1 of 2 .*gradient of a \(line \d+\): it is multiplied by a in place of b",
    ),
    "another order": (
        "vectors.dot_backward",
        "return dL_dy[..., None] * a, dL_dy[..., None] * b",
        "in the wrong order: the gradients of a and b stand in each other's places",
    ),
    "the diagonal": ("nn.Softmax", "p = self.restore()\nreturn dL_dp * p * (1 - p)", "the Jacobian's diagonal alone"),
    "a term forgotten": (
        "ridge.loss_backward",
        "d = dL_dloss * 2 * (x @ W + b - y) / len(x)\nreturn x.T @ d, d.sum(axis=0)",
        r"the right one minus \S+ \* W: a term with W is missing, or has another factor or sign",
    ),
    "one change from ours": (
        "information.entropy_backward",
        "return np.expand_dims(dL_dH, -1) * (-log(p) + 1)",
        r"gradient of p .*: it is no plain multiple.* Line \d+: one sign is wrong. With that mended, all of it is right",
    ),
    "a factor less than ours": (
        "vectors.cosine_similarity_backward",
        "\n".join(solution(find("vectors.cosine_similarity_backward"))).replace("- y * direction(a)", "- direction(a)"),
        r"Line \d+: a factor is missing",
    ),
    "one change from right in another form": (
        "information.entropy_backward",
        "d = np.expand_dims(dL_dH, -1)\nrate = -log(p) + 1\nreturn d * rate",
        r"Line \d+: one sign is wrong. With that mended, all of it is right",
    ),
    "a factor too many in another form": (
        "information.entropy_backward",
        "d = np.expand_dims(dL_dH, -1)\nreturn d * (-log(p) * p - 1)",
        r"Line \d+: a factor is too many",
    ),
    "more than one change": (
        "information.entropy_backward",
        "d = np.expand_dims(dL_dH, -1)\nreturn d * (-log(p) * p - 1) * (1 + p) + 3",
        r"it is no plain multiple, sum or transpose of the right one\.$",
    ),
    "set, not added": (
        "nn.Linear",
        LINEAR.replace("weight.grad +=", "weight.grad ="),
        r"Line \d+: a gradient is set with =, and must be added",
    ),
    "no dL_dloss": ("rounding.backward", ROUNDED, "dL_dloss is not used"),
    "a layer left out": (
        "digits_mlp",
        "self.fc1.backward(self.relu.backward(self.fc2.backward(self.loss.backward(dL_dloss))))",
        "self.dropout is called on the way there, and not on the way back",
    ),
    "no division, in a loss of its own": (
        "training_loop.mse_loss_backward",
        "x, r = self.restore()\nd = dL_dloss * 2 * r\nself.W.grad += x.T @ d\nself.b.grad += d.sum(axis=0)",
        r"The first wrong one .* is the gradient of b \(line \d+\): it is 7 times the right one",
    ),
    "returned, not added": (
        "gradients.backward",
        "return self.surface.backward(dL_dloss, self.restore())",
        r"it is missing: nothing was added into point.grad",
    ),
    "not restored": ("nn.Tanh", "return dL_dy", r"must be taken out with restore\(\)"),
    "the upstream changed": (
        "nn.Tanh",
        "y = self.restore()\ndL_dy *= 1 - y * y\nreturn dL_dy",
        r"Line \d+: dL_dy is changed: others may still need it",
    ),
    "the output changed": ("nn.Tanh", "y = self.restore()\ny *= y\nreturn dL_dy * (1 - y)", "What forward returned and saved is changed"),
    "shapes that do not fit": (
        "nn.Linear",
        LINEAR.replace("self.weight", "self.weight.T").replace("self.weight.T.grad", "self.weight.grad"),
        r"Line \d+ cannot be computed: `return dL_dy @ self.weight.T`: .* Here dL_dy has shape \(\d, \d\), self.weight.T has shape",
    ),
    "None": ("nn.Linear", LINEAR.replace("if self.bias is not None", "if True"), r"cannot be computed \(with bias=False\): .*NoneType"),
    "a name that is not there": ("nn.Tanh", "return dL_dx", r"Line \d+ cannot be computed: `return dL_dx`: NameError"),
    "a key that is missing": (
        "one_weight",
        APPLES.replace('"w"', '"y_hat"'),
        "The result has no 'w': backward returns the gradients of y_hat, w",
    ),
    "a key too many": (
        "one_weight",
        APPLES.replace('{"y', '{"dw": 1, "y'),
        "The result has 'dw', and must have these and no others: y_hat, w",
    ),
    "no dict": ("one_weight", "return y_hat - y", r"must return a dict of gradients with the names y_hat, w, got an array of shape"),
    "nothing": ("one_weight", APPLES.replace("return", "found ="), "backward returns nothing: it needs a `return`"),
    "too few": ("vectors.dot_backward", "return a * b", "must return 2 gradients, one for each input, got an array"),
    "no Python": ("nn.Tanh", "return (dL_dy", r"Line \d+ is no Python: '\(' was never closed"),
    "the original is called": ("nn.ReLU", "from manual.nn import ReLU\nreturn ReLU.backward(self, dL_dy)", "It calls itself without end"),
}


@pytest.mark.parametrize("kind", WRONG_ATTEMPTS)
def test_a_wrong_attempt_is_told_what_it_is(kind: str) -> None:
    name, body, sentence = WRONG_ATTEMPTS[kind]
    found = judged(name, body)
    assert found.state == WRONG
    assert found.fault
    assert re.search(sentence, " ".join(found.sentences)), found.sentences


def test_what_the_wrong_attempts_are_made_of_is_right() -> None:
    assert judged("nn.Linear", LINEAR).state == judged("one_weight", APPLES).state == RIGHT
    assert judged("rounding.backward", ROUNDED.replace("2 * residual", "dL_dloss * 2 * residual")).state == RIGHT


def test_a_file_that_does_not_run_or_has_lost_its_function_is_told_so() -> None:
    task = find("nn.Tanh")

    def said(text: str) -> tuple[Any, ...]:
        found = writing.verdict(task, text, "mine.py")
        return found.state, *found.sentences

    begun = filled(task, "return 2")
    assert said(begun.replace("import numpy as np", "import numpyy"))[1].startswith("The file does not run: line ")
    state, sentence = said("x = 1\n")
    assert state == WRONG
    assert sentence == (
        "There is no function Tanh.backward in the file. `exercise reset nn.Tanh` begins it again; what stands in it now is lost then."
    )
    assert "and there is Tanh.backwards: has it lost its name?" in said(begun.replace("def backward", "def backwards"))[1]


@pytest.mark.parametrize("body", ["pass", "...", '"""Later."""'])
def test_an_empty_body_is_not_begun(body: str) -> None:
    assert judged("nn.Tanh", body).state == NOT_BEGUN


def test_a_function_of_ones_own_may_be_called() -> None:
    task = find("nn.Tanh")
    text = filled(task, "return mine(dL_dy, self.restore())") + "\n\ndef mine(d, y):\n    return d * (1 - y**2)\n"
    assert writing.verdict(task, text, "mine.py").state == RIGHT


@pytest.mark.parametrize(
    ("message", "where", "said"),
    [
        ("Linear-plain: backward changed its argument", "", failing.NOTICED["backward changed its argument"] + "."),
        ("Linear-plain: backward returned 1 gradient", "of Linear", "Backward returned 1 gradient (of Linear)."),
        ("something else", "", "Something else."),
    ],
)  # fmt: skip
def test_what_a_judge_notices_is_a_whole_sentence(message: str, where: str, said: str) -> None:
    exam: Any = SimpleNamespace(where=where)
    assert failing.noticed_in(message, exam) == said


def test_small_changes_are_claimed_only_where_they_are_asked() -> None:
    for name, asked in (("one_weight", True), ("rounding.round_to_backward", False)):
        exams = exams_of(find(name))
        assert any(exam.smooth for exam in exams) is asked
        assert ("small changes" in writing.praise(exams)) is asked


def test_an_attempt_that_is_wrong_in_several_lines_is_told_which() -> None:
    """Here the gradient of W is no plain multiple of the right one: two lines before it are wrong, and each is found by itself."""
    body = "dL_dz = binary_cross_entropy_backward(dL_dloss, x @ W - b, y)\ndL_dW = 2 * (x.T @ dL_dz) - dL_dloss * alpha * W\n"
    found = judged("logistic_regression.loss_backward", body + "dL_db = dL_dz.sum(axis=0)\nreturn dL_dW, dL_db")
    assert "no plain multiple" in found.sentences[1]
    first, second = found.sentences[2:]
    assert re.fullmatch(r"Line \d+: what comes into it is right, and what it computes is not.", first)
    assert re.fullmatch(r"Line \d+: what comes into it is right, and dL_dW is 2 times the right one.", second)


def test_the_way_back_is_told_in_its_order_whatever_the_order_of_the_result() -> None:
    body = "p = sigmoid(z2)\ndL_dz2 = p - y\ndL_dW2 = h.T @ dL_dz2\ndL_db2 = dL_dz2.sum(axis=0)\ndL_dh = dL_dz2 @ W2.T\n"
    body += "dL_dz1 = dL_dh * (z1 > 0)\ndL_dW1 = x.T @ dL_dz1\ndL_db1 = dL_dz1.sum(axis=0)\n"
    body += 'return {"b1": dL_db1, "W1": dL_dW1, "z1": dL_dz1, "h": dL_dh, "W2": dL_dW2, "b2": dL_db2, "z2": dL_dz2}'
    found = judged("hidden_layer.backward", body)
    assert found.sentences[1].startswith("The first wrong one on the way back is the gradient of z2 (line")
    assert "times the right one" in found.sentences[1]
