"""Mistakes given to the doctor: whoever changes no gradient is no mistake, and of the others the line is found."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import experiments.cases
from experiments.doctor.finding import Fault, Finding
from experiments.doctor.mending.mend import Mend
from experiments.doctor.visit import looked_at
from experiments.mutation import doctored as module
from experiments.mutation.doctored import by_name, doctored, outcome
from experiments.mutation.doctored_table import print_doctored
from experiments.mutation.patients import alike, examinations, patients
from experiments.source.handwriting import import_all, subjects
from experiments.source.operators import mutants

ENDS: tuple[tuple[type[ast.stmt], str], ...] = ((ast.Assign, "2 * gate"), (ast.Return, "dL_dy"))
"""The two lines of GELU's backward that a factor 2 could be in."""


def test_mistakes_in_a_function_and_in_a_layer_are_located() -> None:
    report = doctored(6, names=("derivatives.multiply_backward", "Sigmoid.backward"))
    assert len(report.outcomes) == 6
    assert {o.kind for o in report.outcomes} == {"functions", "layers"}
    assert sum(o.located for o in report.outcomes) >= 5
    assert all(o.explained or o.mended for o in report.outcomes if o.located)
    console = Console(width=120)
    with console.capture() as printed:
        print_doctored(report, console)
    assert "one or the other" in printed.get()
    assert report.accused == []


def test_what_the_doctor_does_not_read_is_counted() -> None:
    report = doctored(3, names=("LBFGS.take_step",))
    assert report.outcomes == []
    assert set(report.unread) == {"LBFGS.take_step: no forward of its own"}


def test_right_layers_are_not_accused_at_a_place_where_their_curvature_jumps() -> None:
    """CELU at 0: smooth, but its curvature is 0 on one side and 1 on the other, where a central difference is off by a part of its step."""
    import_all(experiments.cases)  # this test may be the first of its process
    subjects_of = {w.name: j for s in subjects() for w, j in s.functions.items() if w.name == "CELU.backward"}
    cases = patients(by_name()["CELU.backward"], subjects_of["CELU.backward"], by_name())
    assert any(0.0 in numbers["x"] for case in cases for _, numbers in case.inputs)
    assert all(looked_at(examinations(case.subject, case.inputs)).right for case in cases)


def test_what_differs_only_at_a_kink_is_no_mistake() -> None:
    right, other, smooth = np.array([1.0, 2.0, 0.0]), np.array([1.0, 2.0, 5.0]), np.array([True, True, False])
    assert alike(right, other, smooth)
    assert not alike(right, other, np.full(3, True))
    assert not alike(right, np.array([1.0, 2.0, np.nan]), smooth)
    assert not alike(right, other[:2], smooth)


def test_a_doctor_who_breaks_down_has_found_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_down(*_: object) -> None:
        raise ZeroDivisionError("of the doctor")

    monkeypatch.setattr(module, "examine", breaks_down)
    report = doctored(2, names=("derivatives.multiply_backward",))
    assert [(o.located, o.said) for o in report.outcomes] == [(False, "ZeroDivisionError: of the doctor")] * 2


def test_another_line_counts_as_cured_only_with_an_edit_that_is_shown_and_holds() -> None:
    """2 gate (1 − gate) without the 2: a 2 in the next line is as right."""
    import_all(experiments.cases)
    written, judges = next((w, j) for s in subjects() for w, j in s.functions.items() if w.name == "GELU.backward")
    of = next(m for m in mutants(written.name, written.tree) if m.id.endswith("2 * gate * (1 - gate) => gate * (1 - gate):0"))
    known = module.able(written, judges)
    assert not isinstance(known, str)
    patient = next(p for p in known if isinstance(module.examine(p, of), Finding))
    here, there = (next(n for n in ast.walk(written.tree) if isinstance(n, kind) and text in ast.unparse(n)) for kind, text in ENDS)
    told = Fault(there.lineno, "", "", None, Mend(there.lineno, ast.unparse(there), "return dL_dy * (gate + 2 * x * dgate_dx)"))
    wrong = replace(told, mend=Mend(there.lineno, ast.unparse(there), "return dL_dy * (gate + 3 * x * dgate_dx)"))
    for fault, located, cured in ((told, False, True), (wrong, False, False), (replace(told, mend=None), False, False)):
        o = outcome("layers", of, Finding("GELU", "backward", faults=(fault,)), patient)
        assert (o.located, o.cured) == (located, cured)
    o = outcome("layers", of, Finding("GELU", "backward", faults=(Fault(here.lineno, "", "", None, None),)), patient)
    assert (o.located, o.cured) == (True, True)
