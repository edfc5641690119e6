"""Sequential, ModuleList, ModuleDict, ParameterList and ParameterDict: names, places, and bad input."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from manual import nn
from manual.module import Module, Parameter


def test_state_dict_keys_are_torchs() -> None:
    hand = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Sequential(nn.Linear(3, 4)))
    twin = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Sequential(torch.nn.Linear(3, 4)))
    assert list(hand.state_dict()) == list(twin.state_dict())
    hand = nn.ModuleList([nn.Linear(2, 3)]).append(nn.Linear(3, 4)).extend([nn.Linear(4, 5)])
    assert list(hand.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]


def test_places_slices_and_replacing() -> None:
    layers = [nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 4)]
    for container in (nn.Sequential(*layers), nn.ModuleList(layers)):
        assert len(container) == 3
        assert list(container) == layers
        assert container[0] is layers[0]
        assert container[-1] is layers[2]
        assert list(container[1:]) == layers[1:]
        container[1] = nn.Sigmoid()
        assert isinstance(container[1], nn.Sigmoid)
        assert len(container) == 3
    assert list(nn.Sequential(*layers)[1:].state_dict()) == ["2.weight", "2.bias"]  # torch keeps the names
    assert list(nn.ModuleList(layers)[1:].state_dict()) == ["1.weight", "1.bias"]  # and here it does not


def test_a_shared_module_is_walked_back_as_often_as_it_was_called() -> None:
    tanh = nn.Tanh()
    net = nn.Sequential(tanh, tanh)
    x, d = np.array([[0.3, -1.2, 2.0]]), np.array([[0.7, 1.5, -0.4]])
    y = net(x)
    assert np.allclose(y, np.tanh(np.tanh(x)))
    assert np.allclose(net.backward(d), d * (1 - y**2) * (1 - np.tanh(x) ** 2))
    net.check_nothing_saved()


def test_nothing_in_a_row_changes_nothing() -> None:
    x = np.array([[1.0, 2.0]])
    assert nn.Sequential()(x) is x
    assert nn.Sequential().backward(x) is x


@pytest.mark.parametrize("container", [nn.Sequential(), nn.ModuleList()])
def test_bad_input_is_named(container: nn.Sequential | nn.ModuleList) -> None:
    name = type(container).__name__
    with pytest.raises(TypeError, match=f"{name}: every entry must be a Module, got ufunc"):
        container.append(np.tanh)
    container.append(nn.Tanh())
    with pytest.raises(TypeError, match=f"{name}: every entry must be a Module, got ufunc"):
        container[0] = np.tanh
    with pytest.raises(IndexError, match=f"{name}: index must lie in -1 … 0, got 1"):
        container[1]
    with pytest.raises(TypeError, match="every entry must be a Module, got str"):
        nn.Sequential(OrderedDict(a="b"))


def test_a_module_list_has_no_forward() -> None:
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        nn.ModuleList([nn.Tanh()])(np.zeros((1, 2)))


# ---- by name -------------------------------------------------------------------------------------


def named(library: Any) -> Any:
    """A ModuleDict of either side in which entries were set, replaced and taken out."""
    d = library.ModuleDict({"head": library.Linear(2, 3), "act": library.Tanh()})
    d["tail"] = library.Linear(3, 4)
    d["head"] = library.Linear(5, 3)
    d.update([("body", library.PReLU()), ("tail", library.Linear(3, 6))])
    d.pop("act")
    return d


def test_a_dict_of_modules_is_torchs() -> None:
    hand, twin = named(nn), named(torch.nn)
    assert list(hand) == list(hand.keys()) == list(twin)
    assert [(key, array.shape) for key, array in hand.state_dict().items()] == [(k, tuple(t.shape)) for k, t in twin.state_dict().items()]
    assert [type(m).__name__ for m in hand.values()] == [type(m).__name__ for m in twin.values()]
    assert [key for key, _ in hand.items()] == list(hand)
    assert (len(hand), "act" in hand, "body" in hand) == (3, False, True)
    assert [p.size for p in hand.parameters()] == [p.numel() for p in twin.parameters()]
    del hand["body"]
    assert list(hand) == ["head", "tail"]
    hand.clear()
    assert (len(hand), hand.state_dict()) == (0, {})
    assert list(nn.ModuleDict(nn.ModuleDict({"a": nn.Tanh()}))) == ["a"]
    assert len(nn.ModuleDict()) == 0


def held(library: Any, parameter: Callable[[Any], Any], array: Callable[..., Any]) -> Any:
    """A module of either side with a ParameterList and a ParameterDict."""
    module = library.Module() if library is torch.nn else Module()
    module.row = library.ParameterList([parameter(array(2)), array(3)])
    module.row.append(array(4)).extend([parameter(array(5)), "a word"])
    module.row += [array(6)]
    module.row[1] = array(7)
    module.row[-1] = array(8)
    module.named = library.ParameterDict({"z": parameter(array(2)), "b": array(3)})
    module.named["a"] = array(4)
    module.named.update(OrderedDict(y=array(5), x=array(6)))
    return module


def test_parameters_in_a_list_and_in_a_dict_are_found_under_torchs_names() -> None:
    hand = held(nn, Parameter, lambda n: np.arange(float(n)))
    twin = held(torch.nn, torch.nn.Parameter, lambda n: torch.arange(float(n)))
    expected = [(key, tuple(t.shape)) for key, t in twin.state_dict().items()]
    assert [(key, array.shape) for key, array in hand.state_dict().items()] == expected
    assert [name for name, _ in hand.named_parameters()] == [name for name, _ in twin.named_parameters()]
    assert len(hand.row) == len(twin.row) == 6
    assert hand.row[4] == "a word"
    assert isinstance(hand.row[1], Parameter)
    assert hand.row[-1].size == 8
    assert [p.size for p in hand.row[2:4]] == [p.numel() for p in twin.row[2:4]] == [4, 5]
    assert list(hand.row[2:4].state_dict()) == ["0", "1"]
    assert list(hand.named) == list(twin.named) == ["b", "z", "a", "y", "x"]
    hand.load_state_dict({key: np.asarray(t) + 1 for key, t in twin.state_dict().items()})
    assert hand.row[0].tolist() == [1, 2]


def test_a_name_that_is_none_is_refused_as_torch_does() -> None:
    for container, entry in ((nn.ModuleDict(), nn.Tanh()), (nn.ParameterDict(), np.ones(2))):
        name = type(container).__name__
        for key in ("", "a.b", "forward", "training", "keys", "_saved"):
            with pytest.raises(KeyError, match=f"{name}: a key must not be empty, nor hold a dot, nor be the name of an attribute"):
                container[key] = entry
        with pytest.raises(TypeError, match=f"{name}: a key must be a string, got int"):
            container[3] = entry
        for find in (container.__getitem__, container.__delitem__, container.pop):
            with pytest.raises(KeyError, match="gone"):
                find("gone")
        assert len(container) == 0


def test_what_is_no_module_or_no_list_is_named() -> None:
    with pytest.raises(TypeError, match="ModuleDict: every entry must be a Module, got ufunc"):
        nn.ModuleDict({"tanh": np.tanh})
    with pytest.raises(TypeError, match="ParameterList: values must be an iterable of parameters, got ndarray"):
        nn.ParameterList(np.ones(3))
    with pytest.raises(TypeError, match="a Parameter holds floating point numbers, got dtype int64"):
        nn.ParameterList([np.arange(3)])
    row = nn.ParameterList([np.ones(3)])
    for index in (1, -2):
        with pytest.raises(IndexError, match=f"ParameterList: index must lie in -1 … 0, got {index}"):
            row[index]
    for container in (nn.ModuleDict(), nn.ParameterDict(), row):
        with pytest.raises(NotImplementedError, match=f"{type(container).__name__} has no forward"):
            container(np.ones(3))
