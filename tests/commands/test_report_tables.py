"""The tables and sentences that commands print, to the letter, on a console that is narrower than a sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from experiments.commands import report, trace
from experiments.judge.compare import Judge
from experiments.judge.explain import Line
from experiments.judge.look import Row
from experiments.lockstep import Record
from tests.helpers import command


def printed(show: Callable[..., None], *arguments: Any) -> list[str]:
    """The lines, without the blanks at their ends."""
    text = io.StringIO()
    show(Console(file=text, width=80), *arguments)
    return [line.rstrip() for line in text.getvalue().rstrip().splitlines()]


def checked(name: str, passed: bool, dtype: str = "float64") -> dict[str, Any]:
    error = {"loss": 1e-15, "gradient": 2e-13, "parameter": 0.0}
    return {"name": name, "steps": 53, "error": error, "dtype": dtype, "tolerance": 1e-12, "seconds": 1.26, "passed": passed}


def test_the_table_of_check_grows_line_by_line() -> None:
    text = io.StringIO()
    table = report.CheckTable(Console(file=text, width=80), ["ridge", "pca", "svd"])
    rows = [(checked("ridge", True), ""), (checked("pca", False), "on random data"), (checked("svd", True, "float32"), "on random data")]
    for row, remark in rows:
        table.add(row, remark)
        assert text.getvalue().splitlines()[-1].startswith(f"{row['name']} ")
    table.end()
    assert [line.rstrip() for line in text.getvalue().splitlines()] == [
        "Digits of agreement: the worst of all steps and tensors, and what is required",
        "",
        "concept   steps  loss  gradient  parameter  required     s",
        "────────────────────────────────────────────────────────────────────",
        "ridge        53  15.0      12.7       15.7      12.0   1.3  agree",
        "pca *        53  15.0      12.7       15.7      12.0   1.3  DISAGREE",
        "svd *        53   6.9       6.9        6.9       6.9   1.3  agree",
        "",
        "* on random data",
        report.WHAT_DIGITS_MEAN,
    ]


def test_the_table_of_the_last_validation() -> None:
    by_hand = {"loss/val": 0.5, "accuracy/val": 0.9123456}
    in_torch = {"loss/val": 0.5, "accuracy/val": 0.9123456789, "r2/val": 1.0, "loss/train": 3.0}
    assert printed(report.show_metrics, by_hand, in_torch) == [
        "┏━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━┓",
        "┃ validation ┃  by hand ┃    torch ┃",
        "┡━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━┩",
        "│ loss       │      0.5 │      0.5 │",
        "│ accuracy   │ 0.912346 │ 0.912346 │",
        "│ r2         │        - │        1 │",
        "└────────────┴──────────┴──────────┘",
    ]
    assert printed(report.show_metrics, {}, {"loss/train": 3.0}) == []


LINES = [
    Line("z1", (3, 4), 15.7, True, "", False),
    Line("loss", (), 15.7, True, "", False),
    Line("dL_dz1", (3, 4), 0.0, False, "−1 times torch's [1]", True),
    Line("gradient of W1", (2, 4), 2.12, False, "", False),
]
FIRST = "2 of 4 tensors are right. The first wrong one is dL_dz1: it is −1 times torch's [1]."


def test_the_table_of_a_verdict() -> None:
    assert printed(report.show_lines, LINES) == [
        "",
        " tensor          shape     digits",
        " ─────────────────────────────────────────────────────────────",
        " z1              3 × 4       15.7  right",
        " loss            a number    15.7  right",
        " dL_dz1          3 × 4        0.0  wrong: −1 times torch's [1]",
        " gradient of W1  2 × 4        2.1  wrong",
        "",
        FIRST,
    ]
    assert printed(report.show_lines, LINES[:2])[-1] == " loss    a number    15.7  right"  # where all are right, no sentence
    assert printed(report.show_lines, []) == []


@pytest.mark.parametrize(("dtype", "all_digits"), [("float64", "15.7"), ("float32", " 6.9")])
def test_the_table_that_ends_a_run(dtype: str, all_digits: str) -> None:
    judge = Judge(dtype)
    judge.steps, judge.worst["loss"] = 3, {"loss": 1e-3}
    judge.worst["gradient"], judge.worst["parameter"] = {"W": 1e-2, "b": 0.0}, {"W": 1e-4}
    judge.worst["state"] = {"W.exp_avg": 0.0}
    losses = [1.0, 0.5, 30.0]
    records = [Record(i, loss, loss, 0.0, 0.0, 0.0, 0) for i, loss in enumerate(losses)]
    lockstep: Any = SimpleNamespace(judge=judge, lines=LINES, records=records, twin=SimpleNamespace(falls=True))
    shown = printed(report.show_verdict, lockstep)
    assert shown == [
        "Digits of agreement, at the worst of 3 steps",
        "┏━━━━━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━━━━━┓",
        "┃                 ┃ gradient ┃         value ┃",
        "┡━━━━━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━━━━━┩",
        "│ loss            │          │           3.0 │",
        "│ W               │      2.0 │           4.0 │",
        f"│ b               │     {all_digits} │ gradient is 0 │",
        f"│ optimizer state │          │          {all_digits} │",
        "└─────────────────┴──────────┴───────────────┘",
        report.WHAT_DIGITS_MEAN,
        "Training failed: the loss began at 1 and ended at 30. Smaller steps may help (--model.lr).",
        "They agree: 3 steps judged; the largest relative difference is 1e-02, and rounding explains it.",
    ]
    lockstep.twin.falls = False  # a target that moves may make the loss larger
    assert printed(report.show_verdict, lockstep) == [*shown[:10], shown[-1]]
    lockstep.twin.falls = True
    judge.failure = "step 2: so"
    lockstep.records = records[:2]
    assert printed(report.show_verdict, lockstep) == [
        *shown[:10],
        *printed(report.show_lines, LINES),
        "They disagree. First at step 2: so.",
    ]


def test_the_table_of_trace() -> None:
    ones = np.ones((3, 4))
    rows = [
        Row("z1", False, ones / 2, ones / 2, 0.0),
        Row("loss", False, 2.0, 2.0, 0.0),
        Row("dL_dz1", True, ones, -ones, 2.0),
        Row("gradient of W1", True, None, ones[:2], np.inf),
    ]
    assert printed(trace.show, "hidden_layer", 3, rows, LINES) == [
        "hidden_layer, step 3: forward, and from the loss back. The size of a tensor is the root of the sum of its squares.",
        "",
        " tensor           shape  by hand  torch  digits",
        " ──────────────────────────────────────────────────────────────────────────────",
        " z1                 3×4    1.732  1.732    15.7",
        " loss            number        2      2    15.7",
        "",
        " dL_dz1             3×4    3.464  3.464     0.0  ← first wrong: −1 times",
        "                                                 torch's [1]",
        " gradient of W1     2×4        -  2.828     2.1  wrong",
        "",
        FIRST,
    ]
    assert printed(trace.show, "hidden_layer", 3, rows[:2], LINES[:2])[-1] == "All 2 agree."


def test_sentences_are_not_broken_into_lines() -> None:
    _, out, _ = command("check", "one_weight", "--steps", "2")
    assert report.WHAT_DIGITS_MEAN in out.splitlines()
