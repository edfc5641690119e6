"""Every class of manual.nn, and every plain function with a backward, against torch: the tables of cases in experiments/cases."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, product
from typing import Any

import numpy as np
import pytest
import torch

import experiments.cases
import manual
import manual.nn
from experiments.judge import case as registering
from experiments.judge.case import CASES, Case, Pair, draw_sizes, failures, judge, lay_out, like, to_torch
from experiments.judge.compare import ONE_STEP
from experiments.judge.derivative_case import DERIVATIVE_CASES, DerivativeCase, differences, judge_derivative
from experiments.judge.differences import BY_DIFFERENCES, central_differences
from experiments.source.handwriting import Handwriting, import_all
from manual.module import Module
from tests.helpers import where_there_is_cuda

import_all(experiments.cases)
LAYOUTS = ("plain", "strided", "repeated")

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def judged(case: Case, batch: int | None, seeds: Iterator[int]) -> list[str]:
    """What is beyond one step's tolerance, in either dtype and every memory layout, each with sizes and numbers of its own."""
    found = []
    for (dtype, tolerance), layout in product(ONE_STEP.items(), LAYOUTS):
        seed = next(seeds)
        sizes = draw_sizes(case, np.random.default_rng(seed), batch)
        lines = failures(judge(case, sizes, seed, dtype, layout=layout), tolerance)
        found += [f"{case} {sizes} seed {seed} {dtype} {layout}: {line}" for line in lines]
    return found


@every_case
def test_outputs_gradients_and_buffers_are_torchs(case: Case) -> None:
    assert judged(case, None, count()) == []


SMALLEST = [(c, n) for c in CASES if "N" in c.sizes for n in ((1, 0) if c.empty else (1,))]


@pytest.mark.parametrize(("case", "n"), SMALLEST, ids=[f"{c}-{n}" for c, n in SMALLEST])
def test_a_batch_of_one_and_an_empty_batch(case: Case, n: int) -> None:
    assert judged(case, n, count(7)) == []


@pytest.mark.parametrize("case", [c for c in CASES if c.smooth], ids=str)
def test_gradients_are_what_a_small_change_does(case: Case) -> None:
    sizes = draw_sizes(case, np.random.default_rng(1))
    assert failures(central_differences(case, sizes, 1), BY_DIFFERENCES) == []


@pytest.mark.parametrize("case", where_there_is_cuda(CASES), ids=str)
def test_on_cuda(case: Case) -> None:
    for dtype, tolerance in ONE_STEP.items():
        assert failures(judge(case, draw_sizes(case, np.random.default_rng(3)), 3, dtype, device="cuda"), tolerance) == []


every_derivative = pytest.mark.parametrize("case", DERIVATIVE_CASES, ids=str)


@every_derivative
def test_jacobians_hessians_and_their_products_are_torchs(case: DerivativeCase) -> None:
    for seed in range(3):
        for dtype, tolerance in ONE_STEP.items():
            assert failures(judge_derivative(case, seed, dtype), tolerance) == []


@every_derivative
def test_jacobians_hessians_and_their_products_are_what_a_small_change_does(case: DerivativeCase) -> None:
    for seed in range(2):
        assert failures(differences(case, seed), 1e-7) == []


def test_every_jacobian_hessian_and_product_has_a_case() -> None:
    written = {w.name for w in Handwriting(import_all(manual)).functions.values() if w.is_root and not w.owner}
    others = {name for name in written if not name.endswith("backward")}
    assert len(others) > 12
    assert others == {str(c).rpartition("-")[0] for c in DERIVATIVE_CASES}


def public() -> dict[str, type]:
    """The classes of manual.nn that have a backward."""
    classes = {name: c for name, c in vars(manual.nn).items() if inspect.isclass(c) and issubclass(c, Module)}
    return {name: c for name, c in classes.items() if not name.startswith("_") and c.backward is not Module.backward}


def test_every_class_with_a_backward_has_a_case() -> None:
    assert len(public()) > 100
    assert set(public()) - {c.name for c in CASES} == set()


def test_a_case_stands_in_the_file_of_its_class() -> None:
    homes = {name: c.__module__ for name, c in public().items() if c.__module__.startswith("manual.nn.")}
    assert len(homes) > 60
    elsewhere = {str(c): c.build.__module__ for c in CASES if c.name in homes and not is_of(c, homes[c.name])}
    assert elsewhere == {}


def is_of(case: Case, module: str) -> bool:
    """Whether the case is written in the file of experiments/cases that has the name of this one of manual."""
    return case.build.__module__.removeprefix("experiments.cases.") == module.removeprefix("manual.")


LEFT_OUT = {"device", "dtype", "inplace", "rng", *("_weight", "_freeze"), *("min_value", "max_value")}
"""Arguments of one side alone: what has no meaning on the other, Embedding's private ones and Hardtanh's deprecated ones."""
OPEN = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def arguments(cls: type) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of the constructor's arguments; a default that is a function, by its name."""
    taken = [p for p in inspect.signature(cls).parameters.values() if p.name not in LEFT_OUT]
    return [(p.name, p.kind, getattr(p.default, "__name__", p.default)) for p in taken]


def test_constructors_are_torchs() -> None:
    """But for those that torch's own signature does not tell: it is open, as Tanh's and RNN's."""
    classes = {name: c for name, c in vars(manual.nn).items() if inspect.isclass(c) and hasattr(torch.nn, name)}
    theirs = {name: arguments(getattr(torch.nn, name)) for name in classes}
    told = {name for name, found in theirs.items() if not {kind for _, kind, _ in found} & OPEN}
    assert len(told) > 100
    assert {name: arguments(classes[name]) for name in told} == {name: theirs[name] for name in told}


def test_every_case_has_a_label_of_its_own() -> None:
    names = [str(c) for c in CASES]
    assert sorted({n for n in names if names.count(n) > 1}) == []


def test_a_case_keeps_what_it_is_registered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registering, "CASES", [])
    given = {"empty": True, "smooth": False, "training": False, "reference": torch.nn.Linear, "prepare": print, "hand": manual.nn.Linear,
             "spread": 0.3, "repeat": False, "nonfinite": "match"}  # fmt: skip

    def build(rng: np.random.Generator, N: int, D: int) -> Any:
        raise NotImplementedError

    assert registering.case("Linear", least={"D": 5}, **given)(build) is build
    assert registering.case("ReLU")(build) is build
    told, plain = registering.CASES
    assert {key: getattr(told, key) for key in given} == given
    assert (told.name, told.label, told.build, told.sizes) == ("Linear", "build", build, {"N": 2, "D": 5})
    assert (plain.empty, plain.smooth, plain.training, plain.repeat, plain.nonfinite) == (False, True, True, True, "refuse")
    assert (plain.reference, plain.prepare, plain.hand, plain.sizes) == (None, None, None, {"N": 2, "D": 2})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_case_is_judged_in_the_dtype_and_with_the_numbers_that_are_asked_for(dtype: str) -> None:
    """float32 is told by its rounding: errors that float64 never has."""
    case = next(c for c in CASES if str(c) == "Linear-plain")
    sizes = draw_sizes(case, np.random.default_rng(0))
    pair = Pair(case, sizes, 3, dtype)
    held = [*pair.hand.state_dict().values(), *(p.detach().numpy() for p in pair.torch.parameters()), *pair.inputs()[0]]
    assert {array.dtype.name for array in held} == {dtype}
    worst = max(judge(case, sizes, 3, dtype).values())
    assert worst < ONE_STEP[dtype]
    assert (worst > ONE_STEP["float64"]) is (dtype == "float32")
    assert judge(case, sizes, 3, dtype) == judge(case, sizes, 3, dtype) != judge(case, sizes, 4, dtype)


class Grown(manual.nn.Linear):
    """It writes into what it is given: in its forward, or in its backward."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = super().forward(x)
        if self.spoils == "an input":
            x += 1
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        dL_dx = super().backward(dL_dy)
        if self.spoils == "its argument":
            dL_dy += 1
        return dL_dx


@pytest.mark.parametrize(("spoils", "words"), [("an input", "an input was changed"), ("its argument", "backward changed its argument")])
def test_what_a_layer_is_given_it_must_not_change(spoils: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(c for c in CASES if str(c) == "Linear-plain")
    monkeypatch.setattr(Grown, "spoils", spoils, raising=False)
    monkeypatch.setattr(manual.nn, "Linear", Grown)
    with pytest.raises(AssertionError, match=words):
        judge(case, draw_sizes(case, np.random.default_rng(0)), 0)


def test_layouts_hold_the_same_numbers_and_repeated_ones_the_first_row() -> None:
    x = np.arange(12.0).reshape(3, 4)
    plain, strided, repeated = (lay_out(x, layout) for layout in LAYOUTS)
    assert plain is x
    assert np.array_equal(strided, x)
    assert not strided.flags.c_contiguous
    assert np.array_equal(repeated, x[[0, 0, 0]])
    assert repeated.strides[0] == 0
    number = np.float64(3.0)
    assert all(lay_out(number, layout) is number and lay_out("text", layout) == "text" for layout in LAYOUTS)


def test_a_pair_is_fed_in_the_layout_that_is_asked_for_where_equal_rows_are_allowed() -> None:
    case = next(c for c in CASES if str(c) == "Linear-plain")
    for repeat in (True, False):
        pair = Pair(replace(case, repeat=repeat), draw_sizes(case, np.random.default_rng(0)), 0)
        plain, strided, repeated = (pair.inputs(layout)[0][0] for layout in LAYOUTS)
        assert plain.flags.c_contiguous
        assert not strided.flags.c_contiguous
        assert (repeated.strides[0] == 0) is repeat
        assert not repeated.flags.c_contiguous


def test_a_derivative_that_is_wrong_or_changes_its_input_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(c for c in DERIVATIVE_CASES if c.name == "softmax_jacobian")
    module = importlib.import_module(f"manual.{case.path}")
    right = module.softmax_jacobian
    assert {type(e) for e in judge_derivative(case, 0).values()} == {float}

    def changing(z: np.ndarray) -> np.ndarray:
        found = right(z)
        z += 1
        return found

    monkeypatch.setattr(module, "softmax_jacobian", lambda z: right(z) * (1 + 1e-6))
    assert judge_derivative(case, 0) == {"output 0": pytest.approx(1e-6, rel=1e-3)}
    assert differences(case, 0) == {"output 0": pytest.approx(1e-6, rel=1e-2)}
    monkeypatch.setattr(module, "softmax_jacobian", changing)
    with pytest.raises(AssertionError, match="an input was changed"):
        judge_derivative(case, 0)


def test_tensors_are_copies_nested_as_the_arrays_are_and_floats_can_learn() -> None:
    x, i = np.ones(2), np.arange(2)
    (a, (b, c)), n = to_torch((x, (i, "text")), learn=True), to_torch(3)
    assert (a.requires_grad, b.requires_grad, c, n) == (True, False, "text", 3)
    assert not to_torch(x).requires_grad
    with torch.no_grad():
        a += 1
    assert x.tolist() == [1, 1]
    (a, (b, _)) = to_torch((x, (i, 3)), "meta")
    assert (a.device.type, b.device.type) == ("meta", "meta")


def test_a_pair_begins_with_the_same_random_weights_but_for_those_that_its_case_gives() -> None:
    given = next(c for c in CASES if c.build(np.random.default_rng(0), **draw_sizes(c, np.random.default_rng(0))).seeded)
    pair = Pair(given, draw_sizes(given, np.random.default_rng(0)), 0)
    for key, value in pair.built.seeded.items():
        assert np.array_equal(pair.hand.state_dict()[key], value)
        assert np.array_equal(pair.torch.state_dict()[key].numpy(), value)
    norm = next(c for c in CASES if c.name == "BatchNorm1d")
    pair = Pair(norm, draw_sizes(norm, np.random.default_rng(0)), 0)
    state = pair.hand.state_dict()
    assert all(np.array_equal(tensor.numpy(), state[key]) for key, tensor in pair.torch.state_dict().items())
    assert not np.isin(state["weight"], [0, 1]).any()
    assert not np.isin(state["running_mean"], [0, 1]).any()
    assert state["running_var"].min() > 0


def test_gradients_are_handed_back_nested_as_the_outputs_are() -> None:
    assert like((0, [0, (0, 0)]), [1, 2, 3, 4]) == (1, (2, (3, 4)))
    assert like(0, [7]) == 7


@pytest.mark.parametrize("what", ["output", "gradient of input", "gradient of weight", "gradient of bias"])
def test_a_mistake_is_seen(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table itself is tested in test_mutate.py; here, that this file would notice."""

    class Wrong(manual.nn.Linear):
        def forward(self, x: np.ndarray) -> np.ndarray:
            return super().forward(x) * (1 + 1e-6 * (what == "output"))

        def backward(self, dL_dy: np.ndarray) -> np.ndarray:
            before = self.weight.grad.copy(), self.bias.grad.copy()
            dL_dx = super().backward(dL_dy)
            self.weight.grad += 1e-4 * (what == "gradient of weight") * (self.weight.grad - before[0])
            self.bias.grad += 1e-4 * (what == "gradient of bias") * (self.bias.grad - before[1])
            return dL_dx * (1 + 1e-4 * (what == "gradient of input"))

    case = next(c for c in CASES if str(c) == "Linear-plain")
    assert judged(case, None, count()) == []
    monkeypatch.setattr(manual.nn, "Linear", Wrong)
    found = judged(case, None, count())
    assert found
    assert all(what in line for line in found)
    assert {layout for layout in LAYOUTS for line in found if layout in line} == set(LAYOUTS)
