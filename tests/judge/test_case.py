"""What a case is tried on: sizes, weights and inputs; and that every error of a layer is measured where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import manual.nn
from experiments.judge.case import Built, Call, Case, Pair, against_autograd, draw_sizes, flat, judge, larger, lay_out, two_calls
from experiments.judge.derivative_case import DerivativeCase, differences, judge_derivative
from manual.module import Module, Parameter
from manual.numerics.softmax import softmax_jacobian


def affine(rng: np.random.Generator, N: int, D: int, K: int) -> Built:
    return Built({"in_features": D, "out_features": K}, [rng.normal(size=(N, D))])


LINEAR = Case("Linear", "affine", affine, {"N": 2, "D": 5, "K": 2}, False, True, True, None, None, None)
SIZES = {"N": 3, "D": 5, "K": 4}


# ---- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [None, 0, 6])
def test_sizes_are_all_different_and_each_of_the_six_smallest_that_it_may_have(batch: int | None) -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_sizes(LINEAR, rng, batch) for _ in range(300)]
    assert all(list(sizes) == ["N", "D", "K"] and len(set(sizes.values())) == 3 for sizes in drawn)
    found = {name: {sizes[name] for sizes in drawn} for name in "NDK"}
    assert found == {
        "N": set(range(2, 8)) if batch is None else {batch},
        "D": set(range(5, 11)) - {batch},
        "K": set(range(2, 8)) - {batch},
    }


def test_the_second_call_has_other_sizes_where_the_module_is_not_built_for_them() -> None:
    assert larger(LINEAR, SIZES) == {"N": 6}
    assert larger(LINEAR, {"D": 5, "N": 3, "K": 4}) == {"N": 7}  # all that are new differ from each other
    assert larger(LINEAR, {**SIZES, "N": 1}) == {}  # of one example there may be no more to see
    free = replace(LINEAR, build=lambda rng, N, D, K: Built({}, [rng.normal(size=(N, D, K))]))
    assert larger(free, {**SIZES, "K": 2}) == {"N": 6, "D": 7, "K": 8}
    seeded = replace(LINEAR, build=lambda rng, N, D, K: Built({}, [rng.normal(size=(N, D))], seeded={"W": np.ones(D)}))
    assert larger(seeded, SIZES) == {"N": 6, "K": 8}


# ---- a pair --------------------------------------------------------------------------------------------------


class Holding(Module):
    """It holds one of each, and keeps what it was made with."""

    def __init__(self, x: np.ndarray, i: np.ndarray, *, rng: np.random.Generator, dtype: Any) -> None:
        super().__init__()
        self.given, self.rng, self.dtype = (x, i), rng, dtype
        self.weight, self.scale = Parameter(np.zeros(4000, dtype)), Parameter(np.ones(4000, dtype))
        self.register_buffer("count", np.array(7))

    def forward(self, x: np.ndarray) -> np.ndarray:
        return x

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return dL_dy


def holding(rng: np.random.Generator, N: int) -> Built:
    return Built({"x": np.ones(N), "i": np.arange(N)}, [rng.normal(size=(N, 3)), (np.ones(2), np.arange(2))], {"w": np.ones(N), "k": 3})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("training", [True, False])
def test_a_module_is_made_and_fed_in_the_dtype_with_random_weights_and_prepared(dtype: str, training: bool) -> None:
    prepared: list[Any] = []
    case = Case("Holding", "", holding, {"N": 2}, False, True, training, lambda x, i: None, lambda *p: prepared.append(p), Holding, 0.3)
    pair = Pair(case, {"N": 3}, 5, dtype)
    hand = pair.hand
    assert prepared == [(hand, None)]
    assert (hand.dtype, hand.training, pair.torch) == (dtype, training, None)
    assert [a.dtype.name for a in hand.given] == [dtype, "int64"]
    assert hand.rng.random() == np.random.default_rng(5).random()
    state = hand.state_dict()
    assert (state["weight"].dtype.name, state["count"].item()) == (dtype, 7)
    assert (state["weight"].mean(), state["weight"].std()) == (pytest.approx(0, abs=0.02), pytest.approx(0.3, rel=0.05))
    assert 0.5 < state["scale"].min() < 0.51  # a variance stays positive
    assert 1.49 < state["scale"].max() < 1.5
    (x, (w, i)), call = pair.inputs()
    assert (x.dtype.name, w.dtype.name, i.dtype.name, call["w"].dtype.name, call["k"]) == (dtype, dtype, "int64", dtype, 3)
    assert x.shape == (3, 3)
    (longer, _), _ = pair.inputs(other_sizes=True)
    assert longer.shape == (3, 3)  # its constructor takes N entries
    negative = pair.random_like(np.array([-1.0, 1.0] * 500))
    assert negative.min() < 0 < negative.max()
    assert pair.random_like(np.zeros((0, 2))).shape == (0, 2)


def test_what_a_layout_does() -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert lay_out(x, "strided").strides == (64, 16)
    assert lay_out(x, "repeated").strides == (0, 8)


# ---- what is compared --------------------------------------------------------------------------------------------

KEYS = [
    *(f"output 0 of call {i}" for i in (1, 2)),
    *(f"gradient of input 0 of call {i}" for i in (2, 1)),
    "gradient of weight",
    "gradient of bias",
]


def two(case: Case = LINEAR, sizes: Mapping[str, int] = SIZES) -> tuple[Pair, list[Call]]:
    pair = Pair(case, sizes, 0)
    return pair, two_calls(pair)


def test_two_calls_of_two_sizes_and_everything_that_they_made_is_measured() -> None:
    pair, calls = two()
    assert [len(c.inputs[0]) for c in calls] == [3, 6]
    for c in calls:
        assert (c.a.shape, c.upstreams[0].shape) == (tuple(c.b.shape), tuple(c.b.shape))
        assert c.answered[0] is c.inputs[0]
        assert c.gradients[0] == pytest.approx(c.upstreams[0] @ pair.state["weight"])
        assert len({abs(u) for u in c.upstreams[0].ravel()}) == c.upstreams[0].size
    found = against_autograd(pair, calls)
    assert list(found) == KEYS
    assert max(found.values()) < 1e-12


@pytest.mark.parametrize("key", KEYS)
def test_what_is_wrong_in_one_place_is_measured_there_alone(key: str) -> None:
    pair, calls = two()
    which = calls[int(key[-1]) - 1] if key[-1].isdigit() else None
    if which is None:
        dict(pair.hand.named_parameters())[key.removeprefix("gradient of ")].grad *= 1 + 1e-6
    elif key.startswith("output"):
        which.a *= 1 + 1e-6
    else:
        which.gradients[0] *= 1 + 1e-6
    found = against_autograd(pair, calls)
    assert {k: e for k, e in found.items() if e > 1e-12} == {key: pytest.approx(1e-6, rel=0.9 if which is None else 1e-3)}


def test_a_missing_gradient_is_infinitely_wrong_and_one_of_an_index_must_be_missing() -> None:
    pair, calls = two()
    calls[1].gradients[0] = None
    assert against_autograd(pair, calls)["gradient of input 0 of call 2"] == np.inf
    words = Case("Embedding", "", lambda rng, N: Built({"num_embeddings": 5, "embedding_dim": 3}, [rng.integers(0, 5, N)]), {"N": 2},
                 False, True, True, None, None, None)  # fmt: skip
    pair, calls = two(words, {"N": 4})
    assert [flat(c.gradients) for c in calls] == [[None], [None]]
    found = against_autograd(pair, calls)
    assert list(found) == [*KEYS[:4], "gradient of weight"]
    assert max(found.values()) < 1e-12
    pair, calls = two(words, {"N": 4})
    calls[0].gradients[0] = np.zeros(4)
    assert against_autograd(pair, calls)["gradient of input 0 of call 1"] == np.inf


def test_a_gradient_that_is_0_in_torch_is_measured_against_the_upstream() -> None:
    class Idle(torch.nn.Module):
        def forward(self, x: Any, unused: Any) -> Any:
            return 2 * x

    class Forgetful(Module):
        def forward(self, x: np.ndarray, unused: np.ndarray) -> np.ndarray:
            return 2 * x

        def backward(self, dL_dy: np.ndarray) -> Any:
            return 2 * dL_dy, 1e-9 * dL_dy

    def inputs(rng: np.random.Generator, N: int) -> Built:
        return Built({}, [rng.normal(size=(N, 2)) for _ in range(2)])

    case = Case("Idle", "", inputs, {"N": 2}, False, True, True, Idle, None, Forgetful)
    found = judge(case, {"N": 3}, 0)
    assert {key: e for key, e in found.items() if e} == {f"gradient of input 1 of call {i}": pytest.approx(1e-6) for i in (1, 2)}


def test_buffers_are_measured_by_name() -> None:
    norm = Case("BatchNorm1d", "", lambda rng, N, C: Built({"num_features": C}, [rng.normal(size=(N, C))]), {"N": 4, "C": 2},
                False, True, True, None, None, None)  # fmt: skip
    pair, calls = two(norm, {"N": 5, "C": 3})
    pair.hand.running_var[...] *= 1 + 1e-6
    found = against_autograd(pair, calls)
    assert list(found)[-3:] == ["buffer running_mean", "buffer running_var", "buffer num_batches_tracked"]
    assert {key for key, e in found.items() if e > 1e-12} == {"buffer running_var"}


@pytest.mark.parametrize("answers", [0, 2])
def test_backward_answers_for_every_input(answers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    right = manual.nn.Linear.backward
    monkeypatch.setattr(manual.nn.Linear, "backward", lambda self, dL_dy: (right(self, dL_dy),) * answers)
    with pytest.raises(AssertionError, match=f"Linear-affine: backward returned {answers} gradients, and is asked for 1"):
        judge(LINEAR, SIZES, 0)


def test_a_derivative_is_judged_at_inputs_that_its_seed_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []

    def build(rng: np.random.Generator) -> list[Any]:
        drawn.append(float(rng.random()))
        return [np.array([[0.1, 0.2]])]

    case = DerivativeCase("numerics.softmax", "softmax_jacobian", "", build, lambda z: softmax_jacobian(z))
    for seed in (3, 4):
        assert differences(case, seed) == {"output 0": 0.0}
        assert judge_derivative(case, seed)["output 0"] < 1e-14
    assert drawn == [float(np.random.default_rng(seed).random()) for seed in (3, 3, 4, 4)]
