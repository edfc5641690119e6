"""Sequential and ModuleList: names, places, and bad input."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch

from manual import nn


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
