"""Batches that are not rows (one graph; pairs, drawn anew for every epoch), and arguments of a model that its data decide."""

from __future__ import annotations

import json
import signal
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import experiments
import manual.optim
from experiments.__main__ import AGREE, BAD_INPUT, INTERRUPTED, main
from experiments.commands import run_options
from experiments.commands.check import check_one
from experiments.commands.vary import ignored_by_the_data
from experiments.data.arrays import ArrayData, Batch, Split
from experiments.data.loaders import BatchLoader
from experiments.lockstep.checks import one_step, trajectory
from experiments.pair import Twin
from manual import nn
from manual.concept import Concept as ByHand
from tests.helpers import broken, fit
from torch_impl.module import Concept as InTorch

OPTIONS = Namespace(seed=0, dtype="float64", device="cpu", steps=9)

# ---- one graph: adjacency, features, labels, and which labels are known ------------------------------


class Graph(ArrayData):
    """Nine nodes of three classes, in a ring; four labels are known."""

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        A = np.roll(np.eye(9), 1, axis=0) + np.eye(9)
        A, X, y = (A + A.T) / 4, rng.normal(size=(9, 4)), np.arange(9) % 3
        known = np.arange(9) < 4
        return Split((A, X, y, known), (A, X, y, ~known))

    def batches(self, epoch: int) -> list[Batch]:
        return [self.split.train]

    def val_batches(self) -> list[Batch]:
        return [self.split.val]


class GraphByHand(ByHand):
    def __init__(self, lr: float = 0.5, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.lr, self.fc, self.loss = lr, nn.Linear(4, 3, rng=rng, dtype=dtype), nn.CrossEntropyLoss()

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        A, X, y, known = batch
        z = self.fc(A @ X)
        loss = self.loss(z[known], y[known])
        self.save(z, known)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        z, known = self.restore()
        dL_dz = np.zeros_like(z)
        dL_dz[known] = self.loss.backward(dL_dloss)
        self.fc.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        A, X, y, known = batch
        self.log("loss/val", self.loss(self.fc(A @ X)[known], y[known]), batch_size=1)

    def configure_optimizers(self) -> Any:
        return manual.optim.Adam(self.parameters(), lr=self.lr)


class GraphInTorch(InTorch):
    def __init__(self, lr: float = 0.5) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.fc, self.loss = lr, torch.nn.Linear(4, 3), torch.nn.CrossEntropyLoss()

    def forward(self, A: Any, X: Any) -> Any:
        return self.fc(A @ X)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        A, X, y, known = batch
        loss = self.loss(self(A, X)[known], y[known])
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        A, X, y, known = batch
        self.log("loss/val", self.loss(self(A, X)[known], y[known]), batch_size=1)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# ---- pairs: how far apart are the two, and how far should they be? -----------------------------------


class Pairs(ArrayData):
    """Pairs of rows, drawn anew for every epoch: three batches of 8, 8 and 5. Two of one class belong together.

    Args:
        width: of a row.
        seed: of everything.
    """

    def __init__(self, width: int = 3, seed: int = 0) -> None:
        super().__init__(0, seed)
        self.width = width

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        x, y = rng.normal(size=(20, self.width)), rng.integers(0, 4, 20)
        y[0] = 3
        return Split((x, y), (x[:4], y[:4]))

    @property
    def classes(self) -> int:
        return int(self.split.train[1].max()) + 1

    def batches(self, epoch: int) -> list[Batch]:
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, epoch]))
        x, y = self.split.train
        rows = [rng.integers(0, len(x), (2, n)) for n in (8, 8, 5)]
        return [(x[i], x[j], np.where(y[i] == y[j], 0.0, 4.0)) for i, j in rows]

    def val_batches(self) -> list[Batch]:
        return []


class PairsByHand(ByHand):
    def __init__(self, width: int = 2, classes: int = 2, lr: float = 0.002, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.lr, self.fc = lr, nn.Linear(width, classes, rng=rng, dtype=dtype)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        a, b, wanted = batch
        apart = self.fc(a) - self.fc(b)
        off = (apart**2).sum(axis=1) - wanted
        self.save(apart, off)
        loss = (off**2).mean()
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        apart, off = self.restore()
        dL_dapart = 4 * dL_dloss * off[:, None] * apart / len(off)
        self.fc.backward(-dL_dapart)
        self.fc.backward(dL_dapart)

    def configure_optimizers(self) -> Any:
        return manual.optim.SGD(self.parameters(), lr=self.lr, momentum=0.5)


class PairsInTorch(InTorch):
    def __init__(self, width: int = 2, classes: int = 2, lr: float = 0.002) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.fc = lr, torch.nn.Linear(width, classes)

    def forward(self, x: Any) -> Any:
        return self.fc(x)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        a, b, wanted = batch
        loss = (((self(a) - self(b)) ** 2).sum(dim=1) - wanted).square().mean()
        self.log("loss/train", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.5)


NAMED = experiments.twin("hidden_layer")  # its place in the curriculum is borrowed
GRAPH = replace(
    NAMED,
    manual=GraphByHand,
    torch=GraphInTorch,
    data=Graph,
    data_args={},
    model={},
    names={},
    variants={},
    figures=None,
    before=None,
    learned=None,
)
LINKS = {"data.width": "model.width", "data.classes": "model.classes"}
PAIRS = replace(
    GRAPH, manual=PairsByHand, torch=PairsInTorch, data=Pairs, links=LINKS, zero_gradient=("fc.bias",), trainer={}, sgd_lr=0.002
)
both = pytest.mark.parametrize("twin", [GRAPH, PAIRS], ids=["graph", "pairs"])


@both
def test_they_are_followed_in_lock_step(twin: Twin) -> None:
    lockstep, _ = fit(twin, 20, data=twin.make_data(), limit_val_batches=1.0)
    assert lockstep.judge.failure is None
    assert len(lockstep.records) == 20
    assert lockstep.records[-1].loss_torch < lockstep.records[0].loss_torch
    assert set(lockstep.judge.worst["metric"]) == ({"loss/train", "loss/val"} if twin is GRAPH else {"loss/train"})


@both
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_check_looks_at_two_of_them(twin: Twin, dtype: str) -> None:
    row, _, failures = check_one(twin, Namespace(**{**vars(OPTIONS), "dtype": dtype}))
    assert failures == []
    assert row["passed"]
    assert row["steps"] == 1 + 9 + 9 + 3  # and three for the second value of lr, the one option that the data do not decide


def test_every_argument_of_the_data_shows_in_the_batches() -> None:
    assert list(ignored_by_the_data(PAIRS)) == []
    silent = replace(PAIRS, data=type("Silent", (Pairs,), {"width": property(lambda self: 3, lambda self, width: None)}))
    assert list(ignored_by_the_data(silent)) == ["data.width"]


def wrong(model: Any) -> None:
    backward = model.fc.backward
    model.fc.backward = lambda d: backward(d * (1 + 1e-6))


@both
def test_a_gradient_that_is_a_millionth_off_is_caught_at_once(twin: Twin) -> None:
    twin = broken(twin, wrong)
    judge, _ = one_step(twin, None, OPTIONS)
    assert "gradient fc." in (judge.failure or "")
    judge, _ = trajectory(twin, None, OPTIONS)
    assert (judge.failure or "").startswith("step 0: gradient fc.")


def test_a_graph_comes_whole() -> None:
    data = Graph()
    (batch,) = data.train_dataloader()
    assert [tuple(t.shape) for t in batch] == [(9, 9), (9, 4), (9,), (9,)]
    assert [t.dtype for t in batch] == [torch.float32, torch.float32, torch.int64, torch.bool]
    (held_out,) = data.val_dataloader()
    assert held_out[3].tolist() == [False] * 4 + [True] * 5


def test_pairs_are_drawn_anew_for_every_epoch_and_can_be_entered_anywhere() -> None:
    whole = BatchLoader(Pairs().batches, 3)
    epochs = [list(whole) for _ in range(3)]
    for taken in range(9):
        one, two = BatchLoader(Pairs().batches, 3), BatchLoader(Pairs().batches, 3)
        found: list[Any] = []
        while len(found) < taken:
            for batch in one:
                found.append(batch)
                if len(found) == taken:
                    break
        two.load_state_dict(one.state_dict())
        rest = [batch for _ in range(4) for batch in two]
        for a, b in zip([*found, *rest], [batch for epoch in epochs for batch in epoch], strict=False):
            assert all(map(np.array_equal, a, b))
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])


# ---- links -----------------------------------------------------------------------------------------


def test_a_model_is_built_for_its_data() -> None:
    ours, theirs = PAIRS.build()
    assert ours.fc.weight.shape == tuple(theirs.fc.weight.shape) == (4, 3)
    _, wider = PAIRS.build(data=PAIRS.make_data(width=7))
    assert tuple(wider.fc.weight.shape) == (4, 7)
    with pytest.raises(ValueError, match=r"a link goes from data\.x to model\.y, got model\.width to data\.width"):
        replace(PAIRS, links={"model.width": "data.width"})


def begin(twin: Twin, root: Path, *options: str) -> int:
    return main(["run", twin.name, "--trainer.max_epochs", "4", "--trainer.default_root_dir", str(root), *options])


def test_the_data_decide_on_the_command_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(experiments, "twin", lambda name: PAIRS)
    assert begin(PAIRS, tmp_path, "--data.width", "6") == AGREE
    folder = tmp_path / PAIRS.name / "version_0"
    weights = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert tuple(weights["fc.weight"].shape) == (4, 6)
    capsys.readouterr()
    assert begin(PAIRS, tmp_path, "--model.width", "6") == BAD_INPUT
    assert "model.width" in capsys.readouterr().err


@both
def test_a_run_goes_on_to_the_last_bit(twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(experiments, "twin", lambda name: twin)
    more = () if twin is GRAPH else ("--data.width", "5")
    assert begin(twin, tmp_path / "whole", *more) == AGREE

    class Pressed(run_options.StopCleanly):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == (2 if twin is GRAPH else 4):
                signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(run_options, "StopCleanly", Pressed)
        assert begin(twin, tmp_path / "parts", *more) == INTERRUPTED
    checkpoint = tmp_path / "parts" / twin.name / "version_0" / "checkpoints" / "last.ckpt"
    assert main(["run", twin.name, "--ckpt_path", str(checkpoint)]) == AGREE
    a, b = (tmp_path / root / twin.name / "version_0" for root in ("whole", "parts"))
    assert len((a / "curves.csv").read_text().splitlines()) == 1 + (4 if twin is GRAPH else 12)
    assert (a / "curves.csv").read_bytes() == (b / "curves.csv").read_bytes()
    reports = [json.loads((folder / "report.json").read_text()) for folder in (a, b)]
    assert reports[0]["worst"] == reports[1]["worst"]
