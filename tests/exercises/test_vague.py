"""What is said of an attempt must be true, and say what to do: one that is wrong in a vague way is looked at further."""

from __future__ import annotations

import re

import numpy as np
import pytest

from experiments.exercises import kinds
from experiments.exercises.catalogue import find
from experiments.exercises.explaining import VAGUE
from experiments.exercises.verdict import WRONG
from experiments.judge.diagnose import diagnose
from experiments.judge.operands import factors
from tests.exercises.attempts import judged, solved

ATTEMPTS: dict[str, tuple[str, str, str, str]] = {
    "one row of two": ("gradients.bowl_backward", "= 2 * x", "= 3 * x", r"right in 1 of 2 rows \(1\)\. Line \d+: a number is wrong"),
    "half of the columns": ("nn.GLU", "dL_da = dL_dy", "dL_da = 3 * dL_dy", r"right in 9 of 18 columns\. Line \d+: a factor is"),
    "a layer, by the doctor": ("nn.Linear", "d_rows.sum(axis=0)", "d_rows[0]", r"Line \d+: what comes into it is right, and"),
    "no layer is left out": ("nn.GRUCell", "dL_dinput = dL", "dL_dinput = 0.5 * dL", "gradient of input .* it is 1/2 times"),
    "a line before": ("matrices.backward", "dL_dloss * 2", "dL_dloss * 3", r"\(line \d+\): it is 1.5 .* Line \d+: a number"),
    "an index that comes twice": (
        "k_means.quantisation_backward",
        "np.add.at(dL_dc, a, dL_dy * (c[a] - x))",
        "dL_dc[a] += dL_dy * (c[a] - x)",
        "added only once where an index comes more than once",
    ),
    "a constant of the layer": ("dropout.Dropout.backward", " / (1 - self.p)", "", r"it is \(1 − p = 0.7\) times the right one"),
    "a mask and a factor": ("dropout.Dropout.backward", " * keep / (1 - self.p)", "", "not masked: 0.7 times the right one wherever"),
    "another factor of a term": ("ridge.loss_backward", "2 * alpha", "3 * alpha", "a term with W is too many, or has another factor"),
    "a function that was given": ("nn.Embedding", "(dL_drows, rows, ", "(rows, rows, ", r"rows, .*in sum_by_row: IndexError"),
    "set in a loop": (
        "rnn.Recurrence.backward",
        "bias_ih_l0.grad +=",
        "bias_ih_l0.grad =",
        r"Line \d+: a gradient is set with =, and must",
    ),
    "taken away": ("transformer.attend_backward", "W_out.grad +=", "W_out.grad -=", r"into a gradient one adds, with \+= and nothing else"),
    "twice by N": ("one_weight", "/ len(y)", "* len(y)", r"y_hat \(line \d+\): it is \(N = 6\)² times the right one"),
    "a bound": (
        "nn.BCELoss",
        "np.maximum(x * (1 - x), EPSILON)",
        "EPSILON",
        r"Line \d+: a largest or a smallest is the other one, or a bound is",
    ),
    "a number in a product": (
        "hidden_layer.backward",
        "((1 - y) * p - y * q) / N",
        "1 / N",
        "one factor is a number. .*dL_dz2 is one number",
    ),
}


@pytest.mark.parametrize("kind", ATTEMPTS)
def test_the_sentence_is_true_and_goes_on_to_the_line(kind: str) -> None:
    name, before, after, said = ATTEMPTS[kind]
    task = find(name)
    head, there, tail = solved(task).rpartition(before)
    assert there
    found = kinds.verdict(task, head + after + tail, "mine.py")
    assert found.state == WRONG
    assert re.search(said, " ".join(found.sentences)), found.sentences


def test_what_is_computed_and_not_used_is_said() -> None:
    task = find("nn.MSELoss")
    found = kinds.verdict(task, solved(task).replace("return dL_dl * 2 * d", "return d * d * d"), "mine.py")
    assert re.search(r"Line \d+: dL_dl is computed, and not used\.", " ".join(found.sentences)), found.sentences


def test_vague_is_what_names_no_cause() -> None:
    for what in (
        "",
        "right in 1 of 2 rows (1)",
        "not finite (inf or nan)",
        "of shape () in place of (3,)",
        "0 everywhere",
        "the same multiple of the right one",
    ):
        assert VAGUE.match(what)
    for what in ("2 times the right one", "transposed", "right only in its first 7 digits", "without the factor x"):
        assert not VAGUE.match(what)


def test_a_factor_that_is_0_everywhere_explains_nothing() -> None:
    rng = np.random.default_rng(0)
    b, below, mask = rng.normal(size=6), -1 - rng.random(6), np.array([1.0, -1, 1, -1, 1, -1])
    assert not [said for said in factors(np.where(mask > 0, 0, b), b, {"A": mask, "old": below}) if "old > 0" in said]


def test_what_is_written_in_the_line_is_too_much_there_and_not_its_inverse_missing() -> None:
    rng = np.random.default_rng(0)
    b, x = rng.normal(size=6), rng.normal(size=6)
    assert next(factors(b * x, b, {"x": x}, "g * x * x")) == "multiplied by x, which does not belong there"
    assert next(factors(b * x, b, {"x": x}, "g")) == "without the factor 1 / x"


def test_what_has_lost_digits_is_no_multiple() -> None:
    b = np.random.default_rng(0).normal(size=7)
    assert (diagnose(b.astype(np.float32).astype(float), b) or "").startswith("right only in its first 8 digits")
    assert diagnose(b * 1.01, b) == "1.01 times torch's"


OWN = {
    "a factor that has a name of one's own": (
        "logistic_regression.binary_cross_entropy_backward",
        "p = 1 / (1 + np.exp(-z))\nreturn dL_dl * (p - y) * p * (1 - p) / p.size",
        r"multiplied by p \* \(1 - p\), which does not belong there",
    ),
    "another's derivative": (
        "nn.Sigmoid",
        "y = self.restore()\ns = 1 / (1 + np.exp(-y))\nreturn dL_dy * s * (1 - s)",
        r"multiplied by s \* \(1 - s\) in place of y \* \(1 - y\)",
    ),
    "a one-hot row left out": (
        "softmax_regression.cross_entropy_backward",
        "p = np.exp(z - z.max(axis=1, keepdims=True))\nreturn dL_dl * p / p.sum(axis=1, keepdims=True) / len(c)",
        "as if the 1 of a one-hot row were left out",
    ),
    "another axis": (
        "nn.Softmax",
        "p = self.restore()\nreturn p * (dL_dp - (dL_dp * p).sum(axis=-1, keepdims=True))",
        "^(?!.*one sign is wrong)",
    ),
}


@pytest.mark.parametrize("kind", OWN)
def test_an_attempt_is_explained_by_the_names_that_stand_in_it(kind: str) -> None:
    name, body, said = OWN[kind]
    found = judged(name, body)
    assert found.state == WRONG
    assert re.search(said, " ".join(found.sentences)), found.sentences
