"""Several processes: rank 0's hand plays all of them, and equals the gradient that they bring together in every step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from experiments.commands.status import AGREE, BAD_INPUT
from experiments.data.arrays import InputError
from experiments.data.loaders import ShuffledOrder
from experiments.lockstep import LockStep
from experiments.pair import Twin
from tests.helpers import SILENT, broken, command, configured, finished, python, small_data
from tests.lockstep.test_lockstep import CNN, MLP, Nudge, every_step, halve
from tests.pairs import PLAYERS

# ---- the order of the rows -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "batch_size", "world_size"), [(24, 4, 2), (23, 4, 2), (10, 3, 3), (13, 4, 3), (5, 2, 4)])
def test_the_processes_see_together_what_one_would_see(n: int, batch_size: int, world_size: int) -> None:
    together = ShuffledOrder(n, 5).rows()
    parts = [ShuffledOrder(n, 5, batch_size, rank, world_size).rows() for rank in range(world_size)]
    counts = {-(-len(part) // batch_size) for part in parts}
    assert len(counts) == 1  # or one would wait for the others for ever
    for i in range(counts.pop()):
        mine = [part[i * batch_size : (i + 1) * batch_size] for part in parts]
        assert all(mine)
        seen, whole = (
            sorted(row for part in mine for row in part),
            together[i * batch_size * world_size : (i + 1) * batch_size * world_size],
        )
        assert set(seen) == set(whole)
        if len(whole) >= world_size:
            assert seen == sorted(whole)  # each once
            assert max(map(len, mine)) - min(map(len, mine)) <= 1


def test_an_order_is_entered_at_any_place_and_another_epoch_has_another() -> None:
    order = ShuffledOrder(20, 1, 3, rank=1, world_size=2)
    whole = list(order)
    order.start = 6
    assert list(order) == whole[6:]
    order.start, order.epoch = 0, 1
    assert list(order) != whole
    order.set_epoch(0)
    assert list(order) != whole


# ---- in lock-step --------------------------------------------------------------------------------------


class Told(LockStep):
    """Writes what it found into a file: the processes end, and what they held with them."""

    def __init__(self, twin: Twin, path: Path, **arguments: Any) -> None:
        super().__init__(twin, **arguments)
        self.path = path

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if not self.comparing:
            return
        found = {"failure": self.judge.failure, "steps": self.judge.steps, "windows": self.judge.windows,
                 "gradient": self.judge.error("gradient"),
                 "kinds": {kind: sorted(of) for kind, of in self.judge.worst.items()}, "losses": [r.loss_torch for r in self.records],
                 "sizes": [[len(part[0]) for part in batch] for batch in self.seen]}  # fmt: skip
        self.path.write_text(json.dumps(found))

    def _follow(self, trainer: pl.Trainer, batch: Any, batch_idx: int) -> None:
        super()._follow(trainer, batch, batch_idx)
        self.seen = [*getattr(self, "seen", []), self.batches[-1]]


def forked(
    twin: Twin,
    path: Path,
    steps: int = 7,
    n: int = 83,
    processes: int = 2,
    more: Sequence[pl.Callback] = (),
    checkpoint: Path | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """A few steps in two processes, in batches of 12 and 12 rows, the last of an epoch of 6 and 5; what rank 0 found."""
    if not hasattr(torch.distributed, "is_available") or not torch.distributed.is_available():
        pytest.skip("torch without torch.distributed")
    callback = Told(twin, path / "found.json", seed=4)
    _, theirs = twin.build(4, "float32")
    settings = {**SILENT, "limit_val_batches": 0, "precision": "64-true", **settings}
    trainer = pl.Trainer(max_steps=steps, callbacks=[callback, *more], devices=processes, strategy="ddp_fork", **settings)
    safe = True if checkpoint else None
    trainer.fit(theirs, small_data(twin, n, batch_size=12), ckpt_path=checkpoint, weights_only=safe)
    return json.loads((path / "found.json").read_text())


@pytest.mark.parametrize(
    "settings",
    [{}, {"accumulate_grad_batches": 2}, {"gradient_clip_val": 0.05}, {"accumulate_grad_batches": 3, "gradient_clip_val": 0.05}],
    ids=["plain", "accumulate", "clip", "both"],
)
@pytest.mark.parametrize("twin", [MLP, CNN], ids=lambda t: t.name)
def test_the_hand_equals_the_gradient_of_two_processes_in_every_step(twin: Twin, settings: Any, tmp_path: Path) -> None:
    """digits_mlp has dropout, drawn anew by each process; digits_cnn has batch norm, whose statistics are process 0's."""
    found = forked(twin, tmp_path, **settings)
    assert found["failure"] is None
    assert found["steps"] == 7
    assert found["gradient"] < 1e-12
    assert [6, 5] in found["sizes"]  # an uneven last batch


def test_in_float32_the_hand_of_two_processes_that_parted_once_begins_a_new_window(tmp_path: Path) -> None:
    found = forked(MLP, tmp_path, precision="32-true", more=[Nudge(at=(3,))])
    assert found["failure"] is None
    assert found["windows"] == 2


class SaveAt(pl.Callback):
    """Saves a checkpoint after so many steps."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def test_a_run_of_two_processes_goes_on_from_a_checkpoint_as_if_never_interrupted(tmp_path: Path) -> None:
    whole = forked(MLP, tmp_path, steps=9, more=[SaveAt(5, tmp_path / "at 5.ckpt")])
    resumed = forked(MLP, tmp_path, steps=9, checkpoint=tmp_path / "at 5.ckpt")
    assert resumed["failure"] is None
    assert resumed["losses"] == whole["losses"]


def test_schedules_validation_and_three_processes(tmp_path: Path) -> None:
    found = forked(configured(MLP, every_step), tmp_path, processes=3, n=80, limit_val_batches=None)
    assert found["failure"] is None
    assert {"accuracy/val", "loss/train", "loss/val"} == set(found["kinds"]["metric"])


def one_rank_twice(model: Any) -> None:
    """A hand that forgets to divide by the number of processes is twice as long."""
    right = model.backward
    model.backward = lambda dL_dloss=1.0: right(2 * dL_dloss)


@pytest.mark.parametrize("mistake", [halve, one_rank_twice])
def test_a_wrong_gradient_is_caught_there_too(mistake: Callable[[Any], None], tmp_path: Path) -> None:
    assert "step 0: gradient fc" in (forked(broken(MLP, mistake), tmp_path, steps=2)["failure"] or "")


def test_an_uneven_batch_weighs_each_example_of_the_smaller_part_more() -> None:
    """What DDP does there: the mean of the parts' means, which is not the mean of all examples; of equal parts it is."""
    twin = MLP.having({"dropout": 0.0})
    x, y = small_data(twin, 11).split.train

    def gradient(*parts: slice) -> np.ndarray:
        ours, _ = twin.build(4)
        for part in parts:
            ours.training_step((x[part], y[part]), 0)
            ours.backward(1 / len(parts))
        return ours.fc2.weight.grad

    even, uneven = gradient(slice(0, 10)), gradient(slice(0, 11))
    np.testing.assert_allclose(gradient(slice(0, 5), slice(5, 10)), even, rtol=0, atol=1e-15)
    assert np.abs(gradient(slice(0, 6), slice(6, 11)) - uneven).max() > 1e-4
    weighted = (gradient(slice(0, 6)) * 6 + gradient(slice(6, 11)) * 5) / 11
    np.testing.assert_allclose(weighted, uneven, rtol=0, atol=1e-15)


def test_a_model_that_takes_its_steps_itself_is_refused() -> None:
    _, theirs = PLAYERS.build()
    lockstep = LockStep(PLAYERS)
    with pytest.raises(InputError, match="takes its steps itself"):
        lockstep.on_fit_start(type("Two", (), {"world_size": 2, "precision": "64-true", "global_rank": 0})(), theirs)  # type: ignore[arg-type]


# ---- from the command line -----------------------------------------------------------------------------

TWO = (
    "--trainer.devices",
    "2",
    "--trainer.strategy",
    "ddp",
    "--data.batch_size",
    "289",
    "--model.hidden",
    "10",
    "--trainer.max_epochs",
    "2",
)


def test_run_in_two_processes_agrees_says_so_once_and_leaves_one_folder(tmp_path: Path) -> None:
    status, out, err = finished(python("-m", "experiments", "run", "digits_mlp", *TWO, folder=tmp_path))
    assert (status, err) == (AGREE, ""), err
    assert out.count("They agree") == 1
    assert [p.name for p in (tmp_path / "runs" / "digits_mlp").iterdir()] == ["version_0"]
    report = json.loads((tmp_path / "runs" / "digits_mlp" / "version_0" / "report.json").read_text())
    assert report["passed"]
    assert report["steps"] == 6


@pytest.mark.long
def test_two_processes_that_cannot_be_compared_are_refused_with_a_way_out_that_works(tmp_path: Path) -> None:
    two = ("--trainer.devices", "2", "--trainer.default_root_dir", str(tmp_path))
    status, _, err = command("run", "digits_mlp", *two, "--trainer.strategy", "fsdp")
    assert status == BAD_INPUT
    status, out, err = finished(python("-m", "experiments", "run", "digits_mlp", *TWO, "--compare.mode", "off", folder=tmp_path))
    assert (status, err) == (AGREE, "")
    assert "Not compared (--compare.mode off)." in out


@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed"])
def test_other_precisions_run_uncompared(precision: str, tmp_path: Path) -> None:
    options = ("--model.hidden", "10", "--data.batch_size", "289", "--trainer.max_epochs", "1", "--trainer.default_root_dir", str(tmp_path))
    status, _, err = command("run", "digits_mlp", *options, "--trainer.precision", precision)
    assert status == BAD_INPUT
    assert "add --compare.mode off" in err
    status, out, err = command("run", "digits_mlp", *options, "--trainer.precision", precision, "--compare.mode", "off")
    assert status == AGREE, err
    assert "Not compared" in out
