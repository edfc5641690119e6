"""Weights and optimizer state go to a file and back, and between the two sides, without loss and without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import experiments
from experiments.judge.convert import read_checkpoint, write_checkpoint
from manual import serialization
from manual.serialization import load_safetensors
from manual.trainer import Trainer


def same(a: Any, b: Any) -> bool:
    """Whether two nested states are equal in structure, types, dtypes and values."""
    if isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=True)
    if isinstance(b, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same(a[k], b[k]) for k in b)
    if isinstance(b, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def batches(n: int = 6) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random digits."""
    rng = np.random.default_rng(0)
    return [(rng.random((12, 64)), rng.integers(0, 10, 12)) for _ in range(n)]


def trained() -> tuple[Any, Trainer]:
    """digits_mlp by hand after a few Adam steps."""
    ours, _ = experiments.twin("digits_mlp").build(seed=3)
    trainer = Trainer()
    trainer.fit(ours, batches())
    return ours, trainer


def test_npz_round_trip_is_exact(tmp_path: Path) -> None:
    ours, trainer = trained()
    state = {"model": ours.state_dict(), "optimizer": trainer.optimizer.state_dict(), "odd": [None, True, -0.0, "β", (np.array(7), np.nan)]}
    serialization.save(tmp_path / "state.npz", state)
    read = serialization.load(tmp_path / "state.npz")
    assert np.isnan(read["odd"][4][1])
    read["odd"][4], state["odd"][4] = read["odd"][4][:1], state["odd"][4][:1]
    assert same(read, state)


def test_training_goes_on_from_npz_as_if_never_interrupted(tmp_path: Path) -> None:
    ours, trainer = trained()
    serialization.save(tmp_path / "state.npz", {"model": ours.state_dict(), "optimizer": trainer.optimizer.state_dict()})
    fresh, _ = experiments.twin("digits_mlp").build(seed=4)
    other = Trainer()
    other.attach(fresh)
    read = serialization.load(tmp_path / "state.npz")
    fresh.load_state_dict(read["model"])
    other.optimizer.load_state_dict(read["optimizer"])
    for t, model in ((trainer, ours), (other, fresh)):
        model.dropout.rng = np.random.default_rng(9)
        t.train_batch(batches(1)[0], 0)
    assert same(fresh.state_dict(), ours.state_dict())


def test_what_needs_pickle_is_refused_both_ways(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="object"):
        serialization.save(tmp_path / "a.npz", {"f": object()})
    with pytest.raises(TypeError, match="objects"):
        serialization.save(tmp_path / "a.npz", np.array([object()]))
    np.savez(tmp_path / "b.npz", structure=np.array(["x", None], dtype=object))
    with pytest.raises(ValueError, match="not written by"):
        serialization.load(tmp_path / "b.npz")


def test_a_damaged_file_is_named_and_a_missing_one_too(tmp_path: Path) -> None:
    serialization.save(tmp_path / "a.npz", {"w": np.arange(30.0)})
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"a\.npz"):
        serialization.load(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError):
        serialization.load(tmp_path / "none.npz")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A Lightning checkpoint of digits_mlp after a few steps in float64."""
    twin = experiments.twin("digits_mlp")
    _, theirs = twin.build()
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_steps=4, precision="64-true", accelerator="cpu", limit_val_batches=0, **quiet)
    trainer.fit(theirs, twin.make_data())
    trainer.save_checkpoint(tmp_path / "torch.ckpt")
    return tmp_path / "torch.ckpt"


def test_a_network_trained_by_lightning_runs_and_trains_on_in_numpy(checkpoint: Path) -> None:
    twin = experiments.twin("digits_mlp")
    ours, theirs = twin.build(seed=5)
    read = read_checkpoint(checkpoint)
    ours.load_state_dict(read["model"])
    trainer = Trainer()
    trainer.attach(ours)
    trainer.optimizer.load_state_dict(read["optimizer"])
    theirs.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    x = batches(1)[0][0]
    expected = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours.eval()(x), expected, rtol=0, atol=1e-12)
    assert float(trainer.optimizer.state[0]["step"]) == 4


def test_a_network_trained_by_hand_goes_back_into_a_lightning_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    ours, trainer = trained()
    write_checkpoint(tmp_path / "hand.ckpt", checkpoint, ours.state_dict(), trainer.optimizer.state_dict())
    theirs = experiments.twin("digits_mlp").torch.load_from_checkpoint(tmp_path / "hand.ckpt", weights_only=True).double()
    x = batches(1)[0][0]
    loaded = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(loaded, ours.eval()(x), rtol=0, atol=1e-6)  # Lightning loads into a float32 module
    again = read_checkpoint(tmp_path / "hand.ckpt")
    assert same(again["model"], ours.state_dict())
    assert same(again["optimizer"]["state"][0]["exp_avg"], trainer.optimizer.state_dict()["state"][0]["exp_avg"])


# ---- files of others -----------------------------------------------------------------------------


@pytest.mark.library
def test_safetensors_are_read_as_their_own_library_writes_them(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(0)
    arrays = {f"of {d}": rng.normal(0, 50, (3, 4)).astype(d) for d in ("float64", "float32", "float16", "int64", "int32", "uint8", "bool")}
    arrays |= {"a number": np.array(2.5), "nothing": np.zeros((0, 3), np.float32)}
    numpy.save_file(arrays, tmp_path / "x.safetensors", metadata={"format": "pt"})
    found = load_safetensors(tmp_path / "x.safetensors")
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in found.items()} == {
        name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()
    }


@pytest.mark.library
def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    in_torch = pytest.importorskip("safetensors.torch")
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    in_torch.save_file({"x": x}, tmp_path / "x.safetensors")
    found = load_safetensors(tmp_path / "x.safetensors")["x"]
    assert found.dtype == np.float32
    assert np.array_equal(found, x.float().numpy())


def written(header: bytes, numbers: bytes = b"") -> bytes:
    """A .safetensors file."""
    return len(header).to_bytes(8, "little") + header + numbers


HEADER = b'{"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'


def test_safetensors_are_read_without_their_library(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(written(HEADER, np.array([1.5, -2.0], "<f4").tobytes()))
    assert load_safetensors(tmp_path / "x")["x"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x05",
        written(b"no json"),
        written(b"[]"),
        written(HEADER, b"1234"),
        written(HEADER.replace(b"F32", b"F8_E5M2"), b"12345678"),
        written(HEADER.replace(b"[2]", b"[3]"), b"12345678"),
        (2**62).to_bytes(8, "little") + HEADER,
    ],
)
def test_what_are_no_safetensors_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=r"x is no whole \.safetensors file"):
        load_safetensors(tmp_path / "x")
