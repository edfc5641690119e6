"""Central differences, and `check_grads`: which wrong backward passes it finds, what it says of them, and what it lets pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.case import failures
from experiments.judge.central import along, jacobian
from experiments.judge.differences import BY_DIFFERENCES, asked_once, check_grads, slopes
from manual import nn
from manual.concept import Concept
from manual.module import Module, Parameter


def random(*shape: int, seed: int = 0) -> np.ndarray:
    """Random numbers, away from 0."""
    x = np.random.default_rng(seed).normal(size=shape)
    return x + 0.2 * np.sign(x)


# ---- central differences -------------------------------------------------------------------------------


def test_jacobian_of_a_product_and_of_a_number() -> None:
    A, x = random(3, 4), random(4, 1)
    J = jacobian(lambda x: A @ x, x)
    assert J.shape == (3, 1, 4, 1)
    assert pytest.approx(A, abs=1e-9) == J[:, 0, :, 0]
    assert jacobian(lambda x: np.sum(np.sin(x)), x) == pytest.approx(np.cos(x), abs=1e-9)


def test_along_moves_all_inputs_together_and_keeps_outputs_apart() -> None:
    x, y, dx, dy = (random(3, seed=i) for i in range(4))
    found = along(lambda x, y: (x * y, np.sum(x**2)), (x, y), (dx, dy))
    assert found[0] == pytest.approx(x * dy + y * dx, abs=1e-9)
    assert found[1] == pytest.approx(2 * x @ dx, abs=1e-9)


def test_of_a_parabola_a_long_step_is_better_and_of_anything_else_it_is_not() -> None:
    def off(f: Callable[[float], float], slope: float, **step: float) -> float:
        return abs(along(f, (3.0,), (1.0,), **step) - slope)

    assert off(lambda x: x**2, 6.0, h=0.5) == 0 < off(lambda x: x**2, 6.0)
    assert off(lambda x: x**3, 27.0, h=0.5) == 0.25  # h² f‴/6


def test_slopes_measure_each_array_and_put_it_back() -> None:
    x, y = random(3, 2), random(4)
    before = x.copy(), y.copy()
    places = {"x": (x, 2 * x), "y": (y, np.cos(y) * (1 + 1e-5))}
    found = slopes(lambda: float(np.sum(x**2) + np.sum(np.sin(y))), places, 1.0, np.random.default_rng(0))
    assert found["x"] < BY_DIFFERENCES < 9e-6 < found["y"] < 1.1e-5
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


# ---- functions -----------------------------------------------------------------------------------------


def affine(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sin(x @ W + b)


def affine_backward(dL_dy: np.ndarray, x: np.ndarray, W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dL_dz = dL_dy * np.cos(x @ W + b)
    return dL_dz @ W.T, x.T @ dL_dz, dL_dz.sum(axis=0)


def affine_in_torch(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.sin(x @ W + b)


INPUTS = [random(5, 3), random(3, 3, seed=1), random(3, seed=2)]

Wrong = Callable[..., Any]


def changed(change: Callable[..., Any]) -> Wrong:
    """affine_backward, whose answer is changed."""
    return lambda *arguments: change(*affine_backward(*arguments))


def spoils_its_upstream(dL_dy: np.ndarray, *inputs: np.ndarray) -> Any:
    found = affine_backward(dL_dy, *inputs)
    dL_dy *= 2
    return found


def spoils_an_input(dL_dy: np.ndarray, x: np.ndarray, W: np.ndarray, b: np.ndarray) -> Any:
    found = affine_backward(dL_dy, x, W, b)
    W += 1
    return found


MISTAKES: dict[str, tuple[Wrong, list[str]]] = {
    "a factor": (changed(lambda dx, dW, db: (dx, 2 * dW, db)), ["gradient of input 1 of call 1: error 1.0e+00"]),
    "a small factor": (changed(lambda dx, dW, db: (dx, dW, (1 + 1e-5) * db)), ["gradient of input 2 of call 1: error 1.0e-05"]),
    "minus": (changed(lambda dx, dW, db: (-dx, dW, db)), ["gradient of input 0 of call 1: error 2.0e+00"]),
    "transposed, where the shape allows it": (changed(lambda dx, dW, db: (dx, dW.T, db)), ["gradient of input 1 of call 2: error"]),
    "two mistakes": (
        changed(lambda dx, dW, db: (3 * dx, dW, 0 * db)),
        ["input 0 of call 1: error 2.0e+00", "input 2 of call 1: error 1.0e+00"],
    ),
    "transposed": (
        changed(lambda dx, dW, db: (dx.T, dW, db)),
        ["gradient of input 0 of call 1: expected shape (5, 3), got shape (3, 5)"],
    ),
    "a sum that is missing": (
        lambda dL_dy, x, W, b: (*affine_backward(dL_dy, x, W, b)[:2], dL_dy * np.cos(x @ W + b)),
        ["gradient of input 2 of call 1: expected shape (3,), got shape (5, 3)"],
    ),
    "a sum with an axis too many": (
        changed(lambda dx, dW, db: (dx, dW, db[None])),
        ["gradient of input 2 of call 2: expected shape (3,), got shape (1, 3)"],
    ),
    "none": (changed(lambda dx, dW, db: (dx, None, db)), ["gradient of input 1 of call 1: expected shape (3, 3), got None"]),
    "of one input only": (changed(lambda dx, dW, db: dx), ["backward returned 1 gradients, and is asked for 3"]),
    "its upstream is changed": (spoils_its_upstream, ["affine-given: backward changed its argument"]),
    "an input is changed": (spoils_an_input, ["affine-given: an input was changed"]),
}


@pytest.mark.parametrize("twin", [None, affine_in_torch], ids=["alone", "with a twin"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_backward_is_found_and_named(mistake: str, twin: Any) -> None:
    backward, words = MISTAKES[mistake]
    with pytest.raises(AssertionError) as caught:
        check_grads(affine, INPUTS, backward=backward, torch=twin)
    for each in words:
        assert each in str(caught.value)
    shape_or_fault = re.search("expected|changed|returned", str(caught.value))  # found before any value is looked at
    assert ("by differences" in str(caught.value)) is (not shape_or_fault)
    assert ("by autograd" in str(caught.value)) is (twin is not None and not shape_or_fault)


def test_all_that_is_wrong_is_named_and_nothing_else() -> None:
    with pytest.raises(AssertionError) as caught:
        check_grads(affine, INPUTS, backward=MISTAKES["two mistakes"][0])
    first, *lines = str(caught.value).splitlines()
    assert first == "affine: 4 wrong"
    assert sorted(line.partition(":")[0] for line in lines) == [f"gradient of input {i} of call {n}" for i in (0, 2) for n in (1, 2)]


@pytest.mark.parametrize("twin", [None, affine_in_torch])
def test_a_right_one_passes_and_what_was_given_is_as_before(twin: Any) -> None:
    before = [x.copy() for x in INPUTS]
    check_grads(affine, INPUTS, backward=affine_backward, torch=twin)
    check_grads(affine, INPUTS, backward=affine_backward, torch=twin, again=[random(2, 3), *INPUTS[1:]])
    assert all(map(np.array_equal, INPUTS, before))


def test_a_wrong_output_is_found_by_its_twin() -> None:
    with pytest.raises(AssertionError, match=r"output 0 of call 1: error 1.0e\+00, tolerated 1e-12, by autograd"):
        check_grads(lambda *i: 2 * affine(*i), INPUTS, backward=lambda dL_dy, *i: affine_backward(2 * dL_dy, *i), torch=affine_in_torch)


def test_an_output_of_another_shape_is_named_before_any_value() -> None:
    with pytest.raises(AssertionError, match=r"output 0 of call 1: expected shape \(5, 3\), got shape \(5, 3, 1\)"):
        check_grads(lambda *i: affine(*i)[..., None], INPUTS, backward=affine_backward, torch=affine_in_torch)


def test_several_outputs_numbers_and_integer_inputs() -> None:
    def chosen(z: np.ndarray, c: np.ndarray, power: int) -> tuple[np.ndarray, Any]:
        return z[np.arange(len(z)), c] ** power, z.sum()

    def backward(dL_dy: np.ndarray, dL_dsum: float, z: np.ndarray, c: np.ndarray, power: int) -> tuple[np.ndarray, None]:
        dL_dz = np.full_like(z, dL_dsum)
        dL_dz[np.arange(len(z)), c] += power * z[np.arange(len(z)), c] ** (power - 1) * dL_dy
        return dL_dz, None

    def in_torch(z: torch.Tensor, c: torch.Tensor, power: int) -> tuple[torch.Tensor, torch.Tensor]:
        return z[torch.arange(len(z)), c] ** power, z.sum()

    inputs = [random(4, 3), np.array([0, 2, 1, 1]), 3]
    check_grads(chosen, inputs, backward=backward, torch=in_torch)
    check_grads(chosen, inputs, backward=lambda *a: backward(*a)[0], torch=in_torch, differentiated=(0,))
    with pytest.raises(AssertionError, match=r"gradient of input 1 of call 2: expected None, got shape \(4,\)"):
        check_grads(chosen, inputs, backward=lambda *a: (backward(*a)[0], np.zeros(4)))
    with pytest.raises(AssertionError, match="gradient of input 0 of call 1: error"):  # the second output's part is left out
        check_grads(chosen, inputs, backward=lambda dL_dy, dL_dsum, *i: backward(dL_dy, 0.0, *i))
    with pytest.raises(AssertionError, match="given: 2 outputs, but torch has 1"):
        check_grads(chosen, inputs, backward=backward, torch=lambda *i: in_torch(*i)[0])


def test_a_kink_is_seen_at_the_kink_and_not_beside_it() -> None:
    def relu_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        return dL_dy * (x > 0)

    x = random(4, 3)
    check_grads(lambda x: np.maximum(x, 0), [x], backward=relu_backward, torch=torch.relu)
    x[1, 2] = 0
    with pytest.raises(AssertionError, match="by differences"):
        check_grads(lambda x: np.maximum(x, 0), [x], backward=relu_backward, torch=torch.relu)


def test_a_function_needs_its_backward() -> None:
    with pytest.raises(TypeError, match="check_grads: a function needs its backward"):
        check_grads(affine, INPUTS)


# ---- modules -------------------------------------------------------------------------------------------


class Scaled(Module):
    """y = x * w, with mistakes to choose from; x (N, D), w (D)."""

    def __init__(self, mistake: str = "") -> None:
        super().__init__()
        self.w, self.mistake = Parameter(random(3)), mistake

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        y = x * self.w
        if self.mistake == "left" and not self._saved:
            self.save(x)
        self.save(x, y)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x, y = self.restore()
        if self.mistake == "x of the last call":
            x = self.x
        dL_dw = (dL_dy * x).sum(axis=0)
        if self.mistake == "overwritten":
            self.w.grad = dL_dw
        elif self.mistake != "forgotten":
            self.w.grad += dL_dw * (2 if self.mistake == "twice" else 1)
        if self.mistake == "an output is changed":
            y += 1
        if self.mistake == "one array for all answers":
            self.answer = getattr(self, "answer", np.empty_like(x))
            self.answer[...] = dL_dy * self.w
            return self.answer
        return dL_dy * self.w


class ScaledInTorch(torch.nn.Module):
    """The same by autograd."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.w


OF_MODULES = {
    "x of the last call": "gradient of w: error",
    "overwritten": "gradient of w: error",
    "forgotten": r"gradient of w: error 1.0e\+00",
    "twice": r"gradient of w: error 1.0e\+00",
    "an output is changed": "Scaled-given: backward changed an output",
    "one array for all answers": "gradient of input 0 of call 2: error",
}


@pytest.mark.parametrize("twin", [None, ScaledInTorch], ids=["alone", "with a twin"])
@pytest.mark.parametrize("mistake", OF_MODULES)
def test_a_module_that_is_wrong(mistake: str, twin: Any) -> None:
    with pytest.raises(AssertionError, match=OF_MODULES[mistake]):
        check_grads(Scaled(mistake), [random(4, 3)], again=[random(4, 3, seed=1)], torch=twin and twin())


def test_a_module_that_leaves_something_saved() -> None:
    with pytest.raises(RuntimeError, match=r"1 forward\(s\) of Scaled still wait for their backward"):
        check_grads(Scaled("left"), [random(4, 3)])


def test_a_right_module_keeps_its_parameters_and_its_twin_gets_them() -> None:
    ours, theirs = Scaled(), ScaledInTorch()
    before = ours.w.data.copy()
    x, y = random(4, 3), random(2, 3, seed=1)
    for _ in range(2):  # what the first left does not count
        check_grads(ours, [x], again=[y], torch=theirs)
    assert np.array_equal(ours.w.data, before)
    assert np.array_equal(theirs.w.detach().numpy(), before)
    assert ours.w.grad == pytest.approx(theirs.w.grad.numpy(), rel=1e-14)


def test_a_twin_may_call_its_parameters_otherwise_and_hold_them_transposed() -> None:
    names = {"weight": "turned.T", "bias": "b"}

    class Turned(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turned, self.b = torch.nn.Parameter(torch.zeros(3, 2)), torch.nn.Parameter(torch.zeros(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.turned + self.b

    class Twice(nn.Linear):
        def backward(self, dL_dy: np.ndarray) -> np.ndarray:
            self.weight.grad += dL_dy.T @ self._saved[-1]
            return super().backward(dL_dy)

    check_grads(nn.Linear(3, 2), [random(4, 3)], torch=Turned(), names=names)
    with pytest.raises(AssertionError, match=r"gradient of weight: error 1.0e\+00, tolerated 1e-12, by autograd"):
        check_grads(Twice(3, 2), [random(4, 3)], torch=Turned(), names=names)


def test_a_parameter_that_does_not_learn_has_no_gradient() -> None:
    ours = Scaled()
    ours.requires_grad_(False)
    check_grads(ours, [random(4, 3)])


def test_modules_of_modules_in_training_and_with_buffers() -> None:
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh())
    ours[1].weight.data[...] = random(4)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh())
    for training in (True, False):
        state = ours.train(training).state_dict()
        check_grads(ours, [random(6, 3)], again=[random(5, 3, seed=1)], torch=theirs)
        assert theirs.training is training
        assert all(np.array_equal(array, state[name]) for name, array in ours.state_dict().items())


def test_parameters_in_float32_are_refused() -> None:
    with pytest.raises(TypeError, match=r"check_grads: parameters must be float64, got \{'weight': 'float32', 'bias': 'float32'\}"):
        check_grads(nn.Linear(2, 3, dtype=np.float32), [random(4, 2)])


# ---- concepts ------------------------------------------------------------------------------------------


class Fit(Concept):
    """L = mean (w x − y)², whose way back may be wrong."""

    def __init__(self, mistake: str = "") -> None:
        super().__init__()
        self.w, self.mistake = Parameter([0.7]), mistake

    def training_step(self, batch: tuple[np.ndarray, ...], batch_idx: int) -> float:
        x, y = batch
        error = self.w * x - y
        self.save(x, error)
        return float(np.mean(error**2))

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, error = self.restore()
        dL_dw = np.atleast_1d(2 * np.mean(error * x))
        if self.mistake != "without its factor":
            dL_dw = dL_dloss * dL_dw
        self.w.grad = dL_dw if self.mistake == "overwritten" else self.w.grad + dL_dw


class FitInTorch(torch.nn.Module):
    """The same by autograd."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: tuple[torch.Tensor, ...], batch_idx: int) -> torch.Tensor:
        return ((self.w * batch[0] - batch[1]) ** 2).mean()


BATCHES = (random(7), random(7, seed=1)), (random(4, seed=2), random(4, seed=3))


@pytest.mark.parametrize("twin", [None, FitInTorch], ids=["alone", "with a twin"])
def test_a_concept_is_asked_for_the_losses_of_two_batches(twin: Any) -> None:
    check_grads(Fit(), BATCHES[0], again=BATCHES[1], torch=twin and twin())
    for mistake in ("without its factor", "overwritten"):
        with pytest.raises(AssertionError, match="gradient of w: error"):
            check_grads(Fit(mistake), BATCHES[0], again=BATCHES[1], torch=twin and twin())


def test_failures_are_worst_first() -> None:
    assert [line.split(":")[0] for line in failures({"a": 1e-3, "b": 1e-9, "c": 1.0}, 1e-6)] == ["c", "a"]


def test_what_is_asked_once_answers_the_same_to_the_same_and_is_asked_again_for_others() -> None:
    weight = np.array([2.0])
    constant = asked_once(lambda n, x: n * x * weight)
    x = np.array([[1.0, 3.0]])
    first = constant(5, x)
    weight[0] = 7
    assert constant(5, x.copy()) is first
    assert first.tolist() == [[10.0, 30.0]]
    assert constant(1, x).tolist() == [[7.0, 21.0]]
    assert constant(5, x.T).tolist() == [[35.0], [105.0]]
