"""What a Concept, a Parameter and an Optimizer say and do before anybody has filled them in, on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import torch_impl.module
from experiments.judge.compare import as_array
from experiments.judge.convert import to_torch
from manual import nn, optim
from manual.concept import Concept, StraightLine
from manual.module import Parameter
from manual.numerics import softmax as by_hand
from manual.optim.optimizer import Optimizer
from torch_impl.numerics import softmax as in_torch


class Empty(Concept):
    """Nothing of its own."""


@pytest.mark.parametrize("method", ["training_step", "backward", "configure_optimizers"])
def test_what_a_concept_must_bring_is_said(method: str) -> None:
    arguments = {"training_step": ((), 0)}.get(method, ())
    with pytest.raises(NotImplementedError, match=f"^Empty has no {method}$"):
        getattr(Empty(), method)(*arguments)


def test_a_concept_need_not_validate_and_remembers_what_it_logs_last() -> None:
    concept = Empty()
    concept.validation_step((), 0)
    assert concept.logged == {}
    concept.log("loss/train", np.float32(2), batch_size=3)
    concept.log("loss/train", 4)
    concept.log("accuracy/val", 0.5, batch_size=7)
    assert concept.logged == {"loss/train": (4.0, None), "accuracy/val": (0.5, 7)}
    assert {type(value) for value, _ in concept.logged.values()} == {float}


def test_a_torch_concept_is_silent_without_a_trainer() -> None:
    assert torch_impl.module.Concept().log("loss/train", torch.tensor(1.0)) is None


def test_a_text_is_remembered_by_hand_and_not_told_to_nobody_in_torch() -> None:
    ours = Empty()
    ours.log_text("sample", "once")
    ours.log_text("sample", "twice")
    assert ours.texts == {"sample": "twice"}
    assert ours.logged == {}
    torch_impl.module.Concept().log_text("sample", "unheard")  # no Trainer, no logger: no complaint


def test_fractions_are_counted_in_the_default_dtype() -> None:
    found = torch_impl.module.mean_of(torch.tensor([True, False, False, True, True]))
    assert (found.dtype, found.item()) == (torch.float32, pytest.approx(0.6))


def test_a_parameter_prints_as_torchs_with_its_numbers_as_numpys() -> None:
    p = Parameter(np.array([1.0, 2.0]))
    assert repr(p) == "Parameter containing:\narray([1., 2.], requires_grad=True)"
    assert repr(p.astype(np.float32)) == "array([1., 2.], dtype=float32)"  # an array, as every result
    p.requires_grad = False
    assert repr(p) == "Parameter containing:\narray([1., 2.])"
    assert repr(torch.nn.Parameter(torch.ones(2))) == repr(Parameter(np.ones(2))).replace("array", "tensor")


def test_a_concept_prints_its_own_parameters_and_its_layers() -> None:
    class Straight(StraightLine):
        def __init__(self) -> None:
            super().__init__(dict, float, dict)
            self.w, self.W1 = Parameter(0.5), Parameter(np.ones((2, 3)))

    class Layers(Concept):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.scale = nn.Linear(2, 3), Parameter(np.ones(3))

    assert repr(Straight()) == "Straight(w: (), W1: (2, 3))"
    assert repr(Layers()) == "Layers(\n  scale: (3,)\n  (first): Linear(in_features=2, out_features=3, bias=True)\n)"


def test_an_optimizer_without_an_update_says_so() -> None:
    p = Parameter(np.ones(2))
    p.grad = np.ones(2)
    optimizer = Optimizer([p], {"lr": 0.1, "maximize": False})
    with pytest.raises(NotImplementedError, match=r"^Optimizer has no update$"):
        optimizer.step()


@pytest.mark.parametrize("library", ["manual", "torch"])
def test_hooks_are_called_in_order_before_and_after_the_step_and_can_be_taken_away(library: str) -> None:
    made: Any = Parameter(np.ones(2)) if library == "manual" else torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer = (optim if library == "manual" else torch.optim).SGD([made], lr=0.5)
    seen: list[tuple[str, float]] = []

    def noting(name: str) -> Any:
        return lambda optimizer, args, kwargs: seen.append((name, float(as_array(made)[0])))

    handles = [optimizer.register_step_pre_hook(noting("a")), optimizer.register_step_pre_hook(noting("b"))]
    handles.append(optimizer.register_step_post_hook(noting("c")))
    for _ in range(2):
        made.grad = np.ones(2) if library == "manual" else torch.ones(2, dtype=torch.float64)
        optimizer.step()
        handles[0].remove(), handles[0].remove()
    assert seen == [("a", 1.0), ("b", 1.0), ("c", 0.5), ("b", 0.5), ("c", 0.0)]
    handles[2].remove()
    optimizer.register_step_post_hook(noting("d"))
    optimizer.step()
    assert [name for name, _ in seen[5:]] == ["b", "d"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_jacobian_of_softmax_is_torchs(dtype: str) -> None:
    z = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
    assert by_hand.softmax_jacobian(z) == pytest.approx(
        in_torch.softmax_jacobian(to_torch(z)).numpy(), abs=1e-6 if dtype == "float32" else 1e-14
    )
