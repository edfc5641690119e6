"""manual.trainer.Trainer alone against Lightning alone: the same batches, the same losses, the same weights at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import experiments
from experiments.judge.compare import error, errors
from experiments.pair import Twin
from manual.trainer import Trainer
from tests.helpers import SILENT, configured, scheduled

SIZES = (13, 7, 11, 5, 9)
"""Of the batches: five to an epoch, so that an epoch ends with a partial window when two are accumulated."""

SMALL = {"hidden": 21, "dropout": 0.0}


class Listener(pl.Callback):
    """Takes down the loss of every batch."""

    def __init__(self) -> None:
        self.history: list[float] = []

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor) -> None:
        self.history.append(float(loss.detach()) * trainer.accumulate_grad_batches)


def batches(rng: np.random.Generator, sizes: tuple[int, ...]) -> list[tuple[np.ndarray, ...]]:
    return [(rng.normal(size=(n, 64)), rng.integers(0, 10, n)) for n in sizes]


def loader(these: list[tuple[np.ndarray, ...]]) -> DataLoader[Any]:
    return DataLoader(these, batch_size=None)  # type: ignore[arg-type]


def both(twin: Twin, epochs: int = 3, **settings: Any) -> tuple[tuple[Trainer, Any], tuple[Listener, pl.Trainer, Any]]:
    """Train each side on its own; the trainers and the models."""
    rng = np.random.default_rng(4)
    train, val = batches(rng, SIZES), batches(rng, (6, 17))
    ours, theirs = twin.build(seed=2)
    by_hand = Trainer(epochs, **settings)
    by_hand.fit(ours, train, val)
    listener = Listener()
    lightning = pl.Trainer(max_epochs=epochs, precision="64-true", callbacks=[listener], **{**SILENT, **settings})
    lightning.fit(theirs, loader(train), loader(val))
    return (by_hand, ours), (listener, lightning, theirs)


def momentum(optim: Any, parameters: Any, lr: float = 0.2) -> Any:
    return optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=0.01)


def every_step(optim: Any, parameters: Any) -> Any:
    optimizer = momentum(optim, parameters)
    return scheduled(optimizer, optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5), "step")


def every_epoch(optim: Any, parameters: Any) -> Any:
    optimizer = momentum(optim, parameters)
    return scheduled(optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3), "epoch")


def schedule_alone(optim: Any, parameters: Any) -> Any:
    """A scheduler that is given without its interval moves with the epoch."""
    optimizer = momentum(optim, parameters)
    return {"optimizer": optimizer, "lr_scheduler": optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.3)}


CLIP = {"norm": {"gradient_clip_val": 0.4}, "value": {"gradient_clip_val": 0.02, "gradient_clip_algorithm": "value"}}


@pytest.mark.parametrize("configure", [momentum, every_step, every_epoch, schedule_alone])
@pytest.mark.parametrize(
    "settings",
    [{}, {"accumulate_grad_batches": 2}, CLIP["norm"], CLIP["value"], {"accumulate_grad_batches": 3, **CLIP["norm"]}],
    ids=["plain", "accumulate", "clip norm", "clip value", "accumulate and clip"],
)
def test_the_losses_weights_and_metrics_are_lightnings(configure: Any, settings: dict[str, Any]) -> None:
    twin = configured(experiments.twin("digits_mlp"), configure, **SMALL)
    (by_hand, ours), (listener, lightning, theirs) = both(twin, **settings)
    assert len(by_hand.history) == len(listener.history) == 3 * len(SIZES)
    assert error(np.array(by_hand.history), np.array(listener.history)) < 1e-12
    assert max(errors(dict(ours.named_parameters()), dict(theirs.named_parameters())).values()) < 1e-12
    assert by_hand.global_step == lightning.global_step
    found = {name: float(v) for name, v in lightning.callback_metrics.items() if name.endswith("/val")}
    assert by_hand.metrics == pytest.approx(found, rel=1e-12)
    assert set(found) == {"loss/val", "accuracy/val"}


@pytest.mark.parametrize("setting", [{"accumulate_grad_batches": 2}, CLIP["norm"], CLIP["value"]])
def test_each_setting_changes_what_is_learned(setting: dict[str, Any]) -> None:
    """Or the comparison above would say nothing about it."""
    twin = configured(experiments.twin("digits_mlp"), momentum, **SMALL)
    (plain, _), _ = both(twin)
    (with_setting, _), _ = both(twin, **setting)
    assert abs(plain.history[-1] - with_setting.history[-1]) > 1e-3


def test_a_concept_that_is_given_no_batches_stays_as_it_is() -> None:
    ours, _ = experiments.twin("digits_mlp").build()
    before = ours.state_dict()
    trainer = Trainer(max_epochs=2)
    trainer.fit(ours, [])
    assert trainer.global_step == 0
    assert max(errors(ours.state_dict(), before).values()) == 0


def test_validation_neither_saves_nor_leaves_the_model_in_evaluation() -> None:
    ours, _ = experiments.twin("digits_mlp").build()
    trainer = Trainer()
    trainer.attach(ours)
    trainer.validate(batches(np.random.default_rng(0), (5, 3)))
    ours.check_nothing_saved()
    assert ours.training
    assert ours.dropout.training
