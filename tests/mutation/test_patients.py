"""What of the hand-written backwards the doctor is given: functions, layers, and the networks and layers of the concepts."""

from __future__ import annotations

import pytest

import experiments.cases
from experiments.doctor.finding import Finding
from experiments.mutation.doctored import able, by_name, examine
from experiments.mutation.patients import Patient, path
from experiments.source.handwriting import import_all, subjects
from experiments.source.operators import mutants

READ = (
    "svd.svd_backward",  # three gradients come in, of U, S and Vh
    "bayes.normal_normal_posterior_backward",  # two, of numbers
    "flow.Coupling.backward",  # two, in a tuple
    "lstm.Recurrence.backward",  # a concept's own class
    "_Cell.backward",  # a base of several layers
    "autoencoder.Layers.backward",  # parameters of layers within it
)


def known(name: str) -> list[Patient]:
    """The cases in which the doctor reads it, and finds it right."""
    import_all(experiments.cases)
    written, judges = next((w, j) for s in subjects() for w, j in s.functions.items() if w.name == name)
    found = able(written, judges)
    assert not isinstance(found, str), found
    return found


@pytest.mark.parametrize("name", READ)
def test_it_is_read_and_not_accused(name: str) -> None:
    assert known(name)
    assert any(True for _ in mutants(name, by_name()[name].tree))


@pytest.mark.long
def test_a_line_that_has_lost_more_than_the_gradient_that_comes_in_is_named_and_not_the_mask_that_it_reads() -> None:
    written = by_name()["ppo.surrogate_backward"]
    mutant = next(m for m in mutants(written.name, written.tree) if m.id.endswith("A * r / len(A) * counts => counts:0"))
    of = [f for patient in known(written.name) if isinstance(f := examine(patient, mutant), Finding)]
    assert of
    for found in of:
        (fault,) = found.faults
        assert fault.text == "return counts"
        assert fault.what == "the same whatever dL_dy is: the gradient that comes in is left out of it"


def test_a_module_in_a_list_is_written_with_its_number() -> None:
    assert path("weight") == ".weight"
    assert path("layers.0.weight") == ".layers[0].weight"
    assert path("0.net.12.bias") == "[0].net[12].bias"
