"""Module and Parameter: what every hand-written layer leans on."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import manual.nn.utils
import manual.optim
from experiments.judge.convert import to_numpy, to_torch
from manual.module import Module, Parameter, no_grad

# ---- Parameter -------------------------------------------------------------------------------------


@pytest.fixture
def p() -> Parameter:
    return Parameter(np.arange(6.0).reshape(2, 3))


def test_every_result_is_a_plain_array(p: Parameter) -> None:
    x = np.ones((2, 3))
    results = [
        p + 1,
        1 - p,
        p * p,
        -p,
        p / x,
        p**2,
        abs(p),
        p.T,
        p[0],
        p[:],
        p[p > 2],
        x @ p.T,
        p.T @ x,
        p > 2,
        p.reshape(3, 2),
        p.sum(axis=0),
    ]
    results += [
        np.exp(p),
        np.zeros_like(p),
        np.asarray(p),
        np.sum(p, axis=0),
        np.concatenate([p, p]),
        np.where(p > 2, p, 0),
        np.maximum(p, 2),
    ]
    assert {type(r) for r in results} == {np.ndarray}
    assert np.array_equal(1 - p, 1 - np.arange(6.0).reshape(2, 3))
    assert np.array_equal(x @ p.T, [[3.0, 12.0], [3.0, 12.0]])
    assert (p.shape, p.dtype, p.ndim, p.size, len(p)) == ((2, 3), np.float64, 2, 6, 2)
    assert [row.tolist() for row in p] == [[0, 1, 2], [3, 4, 5]]


def test_an_update_in_place_keeps_the_parameter_and_its_array() -> None:
    p = same = Parameter(np.arange(6.0).reshape(2, 3))
    array = p.data
    p -= np.full((2, 3), 0.5)
    p *= 2
    p += p
    p[0] = 7
    p[1, :2] -= 1
    assert p is same
    assert p.data is array
    assert array.tolist() == [[7, 7, 7], [9, 13, 18]]


def test_ufuncs_write_into_a_parameter_and_into_an_array(p: Parameter) -> None:
    array = np.empty((2, 3))
    assert np.multiply(p, 2, out=array) is array
    assert array.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert np.add(array, 1, out=p) is p
    assert p.data.tolist() == [[1, 3, 5], [7, 9, 11]]
    whole = np.empty((2, 3))
    assert np.modf(p, out=(whole, p))[1] is p
    np.add.at(p, ([0, 0], [1, 1]), 1.0)
    assert p.data.tolist() == [[1, 5, 5], [7, 9, 11]]


def test_a_parameter_has_its_own_copy_of_the_data() -> None:
    start = np.ones(3)
    p = Parameter(start)
    p += 1
    assert start.tolist() == [1, 1, 1]


@pytest.mark.parametrize("data", [np.arange(3), [True, False], np.ones(2, complex)])
def test_only_floating_point_numbers_are_learned(data: Any) -> None:
    with pytest.raises(TypeError, match=f"a Parameter holds floating point numbers, got dtype {np.asarray(data).dtype}"):
        Parameter(data)


def test_gradients_add_up_and_have_the_parameters_shape_and_dtype() -> None:
    p = Parameter(np.ones((2, 3), np.float32))
    assert not p.has_grad
    assert p.grad.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert not p.has_grad  # to look is not to touch
    dL_dp = np.ones((2, 3), np.float32)
    p.grad += dL_dp
    p.grad += dL_dp
    assert p.has_grad
    assert p.grad.tolist() == [[2, 2, 2], [2, 2, 2]]
    assert p.grad.dtype == np.float32
    assert dL_dp.tolist() == [[1, 1, 1], [1, 1, 1]]
    p.grad = None
    assert not p.has_grad


@pytest.mark.parametrize("shape", [(3, 2), (3,), (1, 3), (), (2, 3, 1)])
def test_a_gradient_of_another_shape_is_refused_even_if_it_would_broadcast(p: Parameter, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"a gradient has its parameter's shape: expected \(2, 3\), got "):
        p.grad = np.ones(shape)
    assert not p.has_grad


def test_before_the_first_backward_there_is_no_gradient_to_write_into(p: Parameter) -> None:
    """Written into zeros that the parameter does not hold, it would be lost without a word."""
    with pytest.raises(TypeError, match="no backward has reached this parameter"):
        p.grad[...] = np.ones((2, 3))
    with pytest.raises(TypeError, match="no backward has reached this parameter"):
        p.grad[0] += 1
    for write in (lambda: np.add.at(p.grad, [0, 1], 1.0), lambda: np.multiply(p.grad, 2, out=p.grad), lambda: p.grad.fill(1)):
        with pytest.raises(ValueError, match="read-only"):
            write()
    with pytest.raises(ValueError, match="read-only"):
        p.grad *= 2
    assert not p.has_grad
    with pytest.raises(ValueError, match="non-broadcastable output operand"):
        p.grad += np.ones((5, 2, 3))
    p.grad += np.ones((2, 3))
    p.grad[0, 1] = 5
    assert p.grad.tolist() == [[1, 5, 1], [1, 1, 1]]
    assert type(p.grad) is np.ndarray


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_zeros_for_no_gradient_are_read_like_any_array(shape: tuple[int, ...]) -> None:
    p = Parameter(np.ones(shape, np.float32))
    for result in (
        p.grad + 1,
        2 * p.grad,
        p.grad @ p.grad.T if p.grad.ndim else -p.grad,
        p.grad.sum(),
        np.array(p.grad),
        p.grad.copy() + 0,
    ):
        assert type(result) in (np.ndarray, np.float32, np.float64)
        assert result.dtype == np.float32
    p.grad += np.ones(shape)
    assert (type(p.grad), p.grad.dtype) == (np.ndarray, np.float32)


def test_a_parameter_that_is_kept_fixed_drops_its_gradient(p: Parameter) -> None:
    p.requires_grad = False
    p.grad += np.ones((2, 3))
    assert not p.has_grad
    assert p.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_freezing_keeps_the_gradient_that_was_there_and_what_is_assigned_as_in_torch() -> None:
    ours, theirs = manual.nn.Linear(2, 1), torch.nn.Linear(2, 1, dtype=torch.float64)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in ours.state_dict().items()})
    x = np.array([[1.0, -2.0]])
    for frozen in (False, True):
        ours.weight.requires_grad = not frozen
        theirs.weight.requires_grad = not frozen
        ours(x)
        ours.backward(np.ones((1, 1)))
        theirs(torch.from_numpy(x)).sum().backward()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_array_equal(p.grad, q.grad)
    manual.nn.utils.clip_grad_norm_(ours.weight, 0.5)
    torch.nn.utils.clip_grad_norm_(theirs.weight, 0.5)
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad, rtol=1e-14)
    manual.optim.SGD(ours.parameters(), lr=0.5).step()
    torch.optim.SGD(theirs.parameters(), lr=0.5).step()
    np.testing.assert_allclose(ours.weight, theirs.weight.detach(), rtol=1e-14)
    ours.weight.grad = np.full((1, 2), 3.0)
    assert ours.weight.has_grad
    assert type(ours.weight.grad * 2) is np.ndarray
    ours.zero_grad()
    assert not ours.weight.has_grad


def test_the_first_gradient_that_is_given_is_kept_and_further_ones_are_added_to_it(p: Parameter) -> None:
    first, second = np.ones((2, 3)), np.full((2, 3), 2.0)
    p.give_grad(first)
    assert p.grad is first
    p.give_grad(second)
    assert p.grad.tolist() == [[3, 3, 3], [3, 3, 3]]
    assert second.tolist() == [[2, 2, 2], [2, 2, 2]]
    with pytest.raises(ValueError, match="shape"):
        Parameter([1.0, 2.0]).give_grad(np.ones(3))


def test_a_gradient_that_is_given_takes_the_dtype_of_its_parameter_and_a_fixed_one_drops_it(p: Parameter) -> None:
    half = Parameter(np.ones(2, np.float16))
    half.give_grad(np.full(2, 3.0, np.float32))
    assert (half.grad.dtype, half.grad.tolist()) == (np.float16, [3, 3])
    p.requires_grad = False
    p.give_grad(np.ones((2, 3)))
    assert not p.has_grad


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_a_copy_is_independent(p: Parameter, duplicate: Any) -> None:
    p.grad = np.ones((2, 3))
    twin = duplicate(p)
    twin += 1
    twin.grad += 1
    assert isinstance(twin, Parameter)
    assert (twin - p).tolist() == [[1, 1, 1], [1, 1, 1]]
    assert p.grad.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_one_number_is_a_number() -> None:
    assert float(Parameter(2.5)) == 2.5
    with pytest.raises(AttributeError, match="no_such"):
        Parameter(1.0).no_such  # noqa: B018


# ---- forward, backward, and what is kept in between ------------------------------------------------


class Scale(Module):
    """y = w x."""

    def __init__(self, w: float = 3.0) -> None:
        super().__init__()
        self.w = Parameter([w])

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.save(x)
        return x * self.w

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        self.w.grad += (dL_dy * x).sum(keepdims=True)
        return dL_dy * self.w


class Nest(Module):
    """Two Scales, one below the other, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Scale()
        self.inner = Module()
        self.inner.deep = Scale(5.0)
        self.register_buffer("count", np.array(0, np.int64))
        self.register_buffer("absent", None)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.inner.deep(self.top(x))


def test_what_was_saved_last_is_restored_first() -> None:
    m = Module()
    m.save("only")
    m.save("first", "second")
    m.save(None)
    assert [m.restore(), m.restore(), m.restore()] == [None, ("first", "second"), "only"]


def test_a_module_called_three_times_is_walked_back_three_times() -> None:
    m = Scale()
    for x in (2.0, 5.0, 11.0):
        m(np.array([x]))
    found = []
    for dL_dy in (1.0, 10.0, 100.0):
        m.backward(np.array([dL_dy]))
        found.append(m.w.grad.item())
    assert found == [11, 11 + 50, 11 + 50 + 200]
    m.check_nothing_saved()


def test_backward_without_forward_says_so() -> None:
    m = Scale()
    with pytest.raises(RuntimeError, match=r"Scale\.backward was called without a forward"):
        m.backward(np.ones(1))
    m(np.ones(1))
    m.backward(np.ones(1))
    with pytest.raises(RuntimeError, match="without a forward"):
        m.backward(np.ones(1))


def test_zero_grad_forgets_gradients_and_nothing_else_also_between_forward_and_backward() -> None:
    m, again = Scale(), Scale()
    m(np.full(1, 3.0))
    m.w.grad += np.full(1, 7.0)
    m.zero_grad()
    assert not m.w.has_grad
    m.backward(np.ones(1))
    again(np.full(1, 3.0))
    again.backward(np.ones(1))
    assert m.w.grad == again.w.grad


def test_what_still_waits_for_its_backward_is_named() -> None:
    m = Nest()
    m(np.ones(1))
    m(np.ones(1))
    m.top.forget()
    with pytest.raises(RuntimeError, match=r"2 forward\(s\) of inner\.deep still wait for their backward"):
        m.check_nothing_saved()


def test_the_module_itself_is_named_where_it_has_no_name() -> None:
    m = Scale()
    m(np.ones(1))
    with pytest.raises(RuntimeError, match=r"1 forward\(s\) of Scale still wait"):
        m.check_nothing_saved()


def test_no_grad_saves_nothing_nested_or_left_by_an_exception() -> None:
    m = Nest()
    with no_grad():
        m(np.ones(1))
        with no_grad():
            m(np.ones(1))
        m(np.ones(1))  # the inner block must not turn saving on again
    m.check_nothing_saved()

    class Stop(Exception):
        pass

    with pytest.raises(Stop), no_grad():
        raise Stop
    m(np.ones(1))
    with pytest.raises(RuntimeError, match="still wait"):
        m.check_nothing_saved()


def test_a_module_without_forward_or_backward_says_so() -> None:
    class Half(Module):
        pass

    with pytest.raises(NotImplementedError, match="Half has no forward"):
        Half()(1)
    with pytest.raises(NotImplementedError, match="Half has no backward"):
        Half().backward(1)


# ---- names, modes, weights in and out --------------------------------------------------------------


def test_everything_inside_is_found_under_its_dotted_name() -> None:
    m = Nest()
    assert [name for name, _ in m.named_modules()] == ["", "top", "inner", "inner.deep"]
    assert [name for name, _ in m.named_parameters()] == ["top.w", "inner.deep.w"]
    assert [name for name, _ in m.named_buffers()] == ["count"]
    assert list(m.state_dict()) == ["count", "top.w", "inner.deep.w"]


def test_train_and_eval_reach_everything() -> None:
    m = Nest()
    modules = [m, m.top, m.inner, m.inner.deep]
    assert m.eval() is m
    assert [x.training for x in modules] == [False] * 4
    m.top.train()
    assert [x.training for x in modules] == [False, True, False, False]
    assert m.train() is m
    assert [x.training for x in modules] == [True] * 4
    m.eval()(np.ones(1))
    with pytest.raises(RuntimeError, match="still wait"):  # eval changes behaviour only, as in torch: forwards still save
        m.check_nothing_saved()


def test_parameters_can_be_fixed_together() -> None:
    m = Nest().requires_grad_(False)
    assert [p.requires_grad for p in m.parameters()] == [False, False]
    m.inner.deep.requires_grad_()
    assert [p.requires_grad for p in m.parameters()] == [False, True]


class Hand(Module):
    """A module that is used twice, and a parameter that two modules share."""

    def __init__(self) -> None:
        super().__init__()
        self.a = Scale(2.0)
        self.b = Module()
        self.b.again = self.a
        self.b.tied = Scale(4.0)
        self.own = Parameter([[1.0, 2.0]])
        self.b.tied.w = self.own
        self.register_buffer("seen", np.array([1, 2, 3]))


def of_torch() -> nn.Module:
    """The same in torch."""
    m = nn.Module()
    m.a = nn.Module()
    m.a.w = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    m.b = nn.Module()
    m.b.again = m.a
    m.b.tied = nn.Module()
    m.own = nn.Parameter(torch.tensor([[1.0, 2.0]], dtype=torch.float64))
    m.b.tied.w = m.own
    m.register_buffer("seen", torch.tensor([1, 2, 3]))
    return m


def test_what_is_shared_comes_once_as_a_parameter_and_under_each_name_in_the_state_dict_as_in_torch() -> None:
    hand, theirs = Hand(), of_torch()
    assert [n for n, _ in hand.named_modules()] == [n for n, _ in theirs.named_modules()] == ["", "a", "b", "b.tied"]
    assert [n for n, _ in hand.named_parameters()] == [n for n, _ in theirs.named_parameters()] == ["own", "a.w"]
    assert list(hand.state_dict()) == list(theirs.state_dict()) == ["own", "seen", "a.w", "b.again.w", "b.tied.w"]


def test_weights_go_to_torch_and_back() -> None:
    hand, theirs = Hand(), of_torch()
    hand.a.w += 0.25
    hand.own *= 3
    hand.seen[...] = [4, 5, 6]
    theirs.load_state_dict(to_torch(hand.state_dict()))
    fresh = Hand()
    fresh.load_state_dict(to_numpy(dict(theirs.state_dict())))
    assert {k: v.tolist() for k, v in fresh.state_dict().items()} == {
        "own": [[3, 6]],
        "seen": [4, 5, 6],
        "a.w": [2.25],
        "b.again.w": [2.25],
        "b.tied.w": [[3, 6]],
    }
    assert fresh.b.tied.w is fresh.own


def test_a_state_dict_is_a_copy_and_loading_keeps_the_arrays() -> None:
    m = Nest()
    state, array, p = m.state_dict(), m.top.w.data, m.top.w
    state["top.w"][...] = 9
    assert array.tolist() == [3]
    m.load_state_dict(state)
    assert m.top.w is p
    assert p.data is array
    assert array.tolist() == [9]
    state["top.w"][...] = 1
    assert array.tolist() == [9]


def test_every_entry_that_does_not_fit_is_named_and_nothing_is_loaded() -> None:
    m = Nest()
    state = {"top.w": np.array([7.0]), "inner.deep.w": np.ones((2, 1)), "more": np.ones(1), "top.b": np.ones(1)}
    with pytest.raises(ValueError, match="state_dict does not fit Nest") as raised:
        m.load_state_dict(state)
    words = str(raised.value).partition(": ")[2].split("; ")
    assert words == ["missing count", "surplus more", "surplus top.b", "inner.deep.w has shape (2, 1), expected (1,)"]
    assert m.top.w.data.tolist() == [3]


def test_an_entry_that_would_broadcast_is_refused() -> None:
    m = Hand()
    with pytest.raises(ValueError, match=r"own has shape \(\), expected \(1, 2\)"):
        m.load_state_dict({**m.state_dict(), "own": np.array(1.0)})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.ones(1) + 1j, "bias must hold real numbers, got dtype complex128"),
        ([None], "bias must hold real numbers, got dtype object"),
        (["x"], "bias must hold real numbers, got dtype <U1"),
        (np.ones(2), r"bias has shape \(2,\), expected \(1,\)"),
        ([[1.0], [1.0, 2.0]], "bias is no array: .*inhomogeneous"),
        (torch.ones(1, requires_grad=True), "bias is no array: .*requires grad"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_nothing_is_loaded_where_one_entry_is_no_array_of_real_numbers(value: Any, words: str, strict: bool) -> None:
    layer = manual.nn.Linear(2, 1)
    before = layer.state_dict()
    with pytest.raises(ValueError, match=words):
        layer.load_state_dict({"weight": np.zeros((1, 2)), "bias": value}, strict=strict)
    np.testing.assert_equal(layer.state_dict(), before)


def test_not_strict_loads_what_fits_and_says_what_does_not_as_torch_does() -> None:
    some = {"weight": np.array([[1.0, 2.0]]), "more": np.ones(1)}
    ours, theirs = manual.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    answer = ours.load_state_dict(some, strict=False)
    assert answer == theirs.load_state_dict({key: torch.from_numpy(value) for key, value in some.items()}, strict=False)
    np.testing.assert_array_equal(ours.weight, some["weight"])
    assert ours.load_state_dict(ours.state_dict()) == ([], [])
    with pytest.raises(NotImplementedError, match="Linear: assign=True"):
        ours.load_state_dict(ours.state_dict(), assign=True)
    with pytest.raises(TypeError, match="Linear: state_dict must be a mapping of names to arrays, got list"):
        ours.load_state_dict([("weight", 1)])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d"])
def test_a_norm_from_before_num_batches_tracked_loads_as_in_torch(name: str) -> None:
    ours, theirs = (getattr(side, name)(3, track_running_stats=True) for side in (manual.nn, torch.nn))
    old = {key: value for key, value in ours.state_dict().items() if key != "num_batches_tracked"}
    net, reference = manual.nn.Sequential(ours), torch.nn.Sequential(theirs)
    net.load_state_dict({f"0.{key}": value for key, value in old.items()})
    reference.load_state_dict({f"0.{key}": torch.from_numpy(value) for key, value in old.items()})


def test_zero_grad_clears_or_forgets() -> None:
    layer = manual.nn.Linear(2, 1)
    layer.weight.grad = np.ones((1, 2))
    layer.zero_grad(set_to_none=False)
    assert (layer.weight.has_grad, layer.bias.has_grad) == (True, False)
    assert layer.weight.grad.tolist() == [[0, 0]]
    layer.zero_grad()
    assert not layer.weight.has_grad


def test_the_mode_is_a_boolean() -> None:
    with pytest.raises(ValueError, match="train: mode must be True or False, got 'yes'"):
        manual.nn.Linear(2, 1).train("yes")  # type: ignore[arg-type]
