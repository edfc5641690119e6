"""Arrays to tensors and back: copies, nested as they were; checkpoints to and fro, and none that could run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.convert import made_of, read_checkpoint, to_numpy, to_torch, write_checkpoint
from manual.nn import Bilinear, Embedding, Linear, Sequential
from tests.helpers import same


def test_everything_inside_is_converted_and_copied_and_the_rest_is_left() -> None:
    x = np.arange(3.0)
    nested: dict[str, Any] = {"a": [x, (x, 1, "text", None)], "b": {"c": np.float32(2)}}
    there = to_torch(nested)
    assert isinstance(there["a"], list)
    assert isinstance(there["a"][1], tuple)
    assert there["a"][1][1:] == (1, "text", None)
    assert (there["b"]["c"].dtype, there["a"][0].device.type) == (torch.float32, "cpu")
    assert same(to_numpy(there), {"a": [x, (x, 1, "text", None)], "b": {"c": np.array(2, np.float32)}})
    back = to_numpy(there)
    there["a"][0][0] = 7.0
    assert (x[0], back["a"][0][0]) == (0.0, 0.0)
    assert to_torch(nested, "meta")["a"][1][0].device.type == "meta"


def test_a_tensor_that_is_being_learned_is_converted_too() -> None:
    p = torch.ones(2, requires_grad=True)
    array = to_numpy([p * 2])[0]
    array[0] = 5
    assert (type(array), p[0].item()) == (np.ndarray, 1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_either_side_makes_of_data_comes_in_float64_and_leaves_nothing_saved(dtype: str) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = Linear(3, 2, rng=rng, dtype=dtype), torch.nn.Linear(3, 2).to(getattr(torch, dtype))
    theirs.load_state_dict(to_torch(ours.state_dict()))
    x = rng.normal(size=(5, 3))
    found = [made_of(side, x) for side in (ours, theirs)]
    for y in found:
        assert y.dtype == np.float64
        np.testing.assert_allclose(y, x @ ours.weight.data.T + ours.bias.data, rtol=1e-12 if dtype == "float64" else 1e-5, atol=1e-6)
    ours.check_nothing_saved()
    assert np.array_equal(made_of(Sequential(ours), x, "0"), found[0])
    assert np.array_equal(made_of(torch.nn.Sequential(theirs), x, "0"), found[1])


def test_a_module_is_given_all_that_it_takes_and_integers_stay_integers() -> None:
    rng = np.random.default_rng(1)
    table, both = Embedding(4, 3, rng=rng), Bilinear(3, 2, 5, rng=rng)
    table_in_torch, both_in_torch = torch.nn.Embedding(4, 3), torch.nn.Bilinear(3, 2, 5)
    for ours, theirs in ((table, table_in_torch), (both, both_in_torch)):
        theirs.double().load_state_dict(to_torch(ours.state_dict()))
    index, x = np.array([3, 0, 3]), rng.normal(size=(3, 2))
    rows = [made_of(side, index) for side in (table, table_in_torch)]
    assert all(np.array_equal(found, table.weight.data[index]) for found in rows)
    for side in (both, both_in_torch):
        wanted = np.einsum("ni,oij,nj->no", rows[0], both.weight.data, x) + both.bias.data
        np.testing.assert_allclose(made_of(side, (rows[0], x)), wanted, rtol=1e-12)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    state = {"W": torch.tensor([1.0, 2.0])}
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save({"state_dict": state, "optimizer_states": [optimizer], "epoch": 4, "concept": "x"}, tmp_path / "like.ckpt")
    return tmp_path / "like.ckpt"


def test_weights_and_state_are_read_and_written_and_all_else_kept(checkpoint: Path) -> None:
    found = read_checkpoint(checkpoint)
    assert found["model"]["W"].tolist() == [1, 2]
    assert found["optimizer"]["state"][0]["step"] == 3
    path = checkpoint.parent / "new.ckpt"
    write_checkpoint(path, checkpoint, {"W": np.array([5.0, 6.0])})
    assert read_checkpoint(path)["model"]["W"].tolist() == [5, 6]
    assert same(read_checkpoint(path)["optimizer"], found["optimizer"])
    write_checkpoint(path, checkpoint, {"W": np.array([7.0, 8.0])}, {"state": {}, "param_groups": []})
    assert read_checkpoint(path)["optimizer"] == {"state": {}, "param_groups": []}
    whole = torch.load(path, weights_only=True)
    assert (whole["epoch"], whole["concept"], list(whole)) == (4, "x", ["state_dict", "optimizer_states", "epoch", "concept"])


@pytest.mark.parametrize("kept", [{}, {"optimizer_states": []}])
def test_a_checkpoint_without_an_optimizer(kept: dict[str, Any], tmp_path: Path) -> None:
    torch.save({"state_dict": {"W": torch.ones(1)}, **kept}, tmp_path / "a.ckpt")
    assert read_checkpoint(tmp_path / "a.ckpt")["optimizer"] is None


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "bomb": Bomb(tmp_path / "done")}, tmp_path / "bad.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        read_checkpoint(tmp_path / "bad.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        write_checkpoint(tmp_path / "new.ckpt", tmp_path / "bad.ckpt", {})
    assert not (tmp_path / "done").exists()
