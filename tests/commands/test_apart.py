"""A run whose two sides part: whatever it shows of either is that side's own, and what is between them is what they are apart.

Where both agree a number of the wrong side looks right. So here the hand-written gradient of one tensor is half of what it should be, and
each side is also trained alone, by a bare loop, from the same weights on the same batches.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import experiments
from experiments.commands.status import DISAGREE
from experiments.judge.convert import to_numpy, to_torch
from experiments.pair import Twin
from manual import nn
from manual.module import no_grad
from tests.helpers import broken, command, configured, scalars, undrawn

SEED = 3
LR = 0.4
MODEL = {"hidden": 10, "dropout": 0.0}


class Half(nn.Linear):
    """Its weight is moved half as far as it should be."""

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        before = self.weight.grad.copy()
        dL_dx = super().backward(dL_dy)
        self.weight.grad -= 0.5 * (self.weight.grad - before)
        return dL_dx


def halve(model: Any) -> None:
    model.fc1.__class__ = Half


def pair() -> Twin:
    sgd = configured(experiments.twin("digits_mlp"), lambda optim, parameters: optim.SGD(parameters, lr=LR), **MODEL)
    return undrawn(broken(sgd, halve))


class Alone(NamedTuple):
    """One side, trained by a bare loop."""

    losses: list[float]  # of every step
    gradients: list[dict[str, np.ndarray]]
    weights: list[dict[str, np.ndarray]]  # after every step
    validation: dict[str, float]


class Apart(NamedTuple):
    """What the command left, and each side alone."""

    out: str
    folder: Path
    hand: Alone
    torch: Alone


def batches() -> tuple[list[Any], list[Any]]:
    """Two epochs of five batches, and what is held out."""
    data = pair().make_data(batch_size=289)
    train = data.train_dataloader()
    double = [[tuple(t.double() if t.is_floating_point() else t for t in batch) for batch in part] for part in (train, train)]
    return [batch for epoch in double for batch in epoch], [to_torch(data.split.val)]


def hand_alone() -> Alone:
    ours = pair().by_hand(pair().build(SEED, "float32")[1].double())
    train, val = ([to_numpy(batch) for batch in part] for part in batches())
    losses, gradients, weights = [], [], []
    for batch in train:
        losses.append(ours.training_step(batch, 0))
        ours.backward()
        gradients.append({name: p.grad.copy() for name, p in ours.named_parameters()})
        for p in ours.parameters():
            p -= LR * p.grad
        ours.zero_grad()
        weights.append(ours.state_dict())
    with no_grad():
        z = ours(val[0][0])
    right = float((z.argmax(axis=1) == val[0][1]).mean())
    likely = z[np.arange(len(z)), val[0][1]] - logsumexp(z, axis=1)
    return Alone(losses, gradients, weights, {"loss/val": -float(likely.mean()), "accuracy/val": right})


def torch_alone() -> Alone:
    _, theirs = pair().build(SEED, "float32")
    theirs.double()
    train, ((x, c),) = batches()
    losses, gradients, weights = [], [], []
    for batch in train:
        theirs.zero_grad()
        loss = theirs.training_step(batch, 0)
        loss.backward()
        losses.append(float(loss.detach()))
        gradients.append({name: p.grad.numpy().copy() for name, p in theirs.named_parameters()})
        with torch.no_grad():
            for p in theirs.parameters():
                p -= LR * p.grad
        weights.append(to_numpy(dict(theirs.state_dict())))
    with torch.no_grad():
        z = theirs(x)
    right = (z.argmax(1) == c).double().mean()
    return Alone(losses, gradients, weights, {"loss/val": float(torch.nn.functional.cross_entropy(z, c)), "accuracy/val": float(right)})


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Apart:
    root = tmp_path_factory.mktemp("apart")
    options = ["--seed_everything", str(SEED), "--data.batch_size", "289", "--trainer.max_epochs", "2"]
    twin = pair()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "twin", lambda name: twin)
        status, out, err = command("run", "digits_mlp", *options, "--trainer.default_root_dir", str(root))
    assert status == DISAGREE, err
    return Apart(out, root / "digits_mlp" / "version_0", hand_alone(), torch_alone())


def errors(a: dict[str, np.ndarray], b: dict[str, np.ndarray], largest: float) -> dict[str, float]:
    """‖a − b‖ / max(‖b‖, 1e-3 ‖B‖), B all of torch's tensors at the largest that they have been."""
    return {n: float(np.linalg.norm(a[n] - b[n]) / max(np.linalg.norm(b[n]), 1e-3 * largest)) for n in b}


def every_error(kind: str, apart: Apart) -> list[dict[str, float]]:
    """Of the gradients, or the weights, at every step."""
    found, largest = [], 0.0
    for a, b in zip(getattr(apart.hand, kind), getattr(apart.torch, kind), strict=True):
        largest = max(largest, float(np.sqrt(sum(np.sum(v**2) for v in b.values()))))
        found.append(errors(a, b, largest))
    return found


def loss_errors(apart: Apart) -> list[float]:
    pairs = list(zip(apart.hand.losses, apart.torch.losses, strict=True))
    return [abs(a - b) / max(abs(b), np.mean(apart.torch.losses[: k + 1])) for k, (a, b) in enumerate(pairs)]


def curves(apart: Apart) -> list[dict[str, float]]:
    rows = csv.DictReader((apart.folder / "curves.csv").read_text().splitlines())
    return [{key: float(value) for key, value in row.items()} for row in rows]


def test_the_two_sides_do_part(apart: Apart) -> None:
    assert abs(apart.hand.losses[-1] - apart.torch.losses[-1]) > 1e-3 * apart.torch.losses[-1]
    assert apart.hand.validation["loss/val"] > 1.001 * apart.torch.validation["loss/val"]


def test_the_curves_are_each_sides_own_and_so_are_the_errors(apart: Apart) -> None:
    rows = curves(apart)
    assert [row["step"] for row in rows] == list(range(10))
    assert [row["loss_manual"] for row in rows] == pytest.approx(apart.hand.losses, rel=1e-12)
    assert [row["loss_torch"] for row in rows] == pytest.approx(apart.torch.losses, rel=1e-12)
    assert [row["error"] for row in rows] == pytest.approx(loss_errors(apart), rel=1e-6, abs=1e-14)
    assert [row["gradient_error"] for row in rows] == pytest.approx([max(e.values()) for e in every_error("gradients", apart)], rel=1e-6)
    assert [row["parameter_error"] for row in rows] == pytest.approx([max(e.values()) for e in every_error("weights", apart)], rel=1e-6)


def test_the_report_has_the_worst_of_every_tensor_and_the_digits_of_the_worst_of_all(apart: Apart) -> None:
    report = json.loads((apart.folder / "report.json").read_text())
    for kind, of in (("gradient", "gradients"), ("parameter", "weights")):
        steps = every_error(of, apart)
        assert report["worst"][kind] == pytest.approx({n: max(e[n] for e in steps) for n in steps[0]}, rel=1e-6)
        assert report["error"][kind] == max(report["worst"][kind].values())
    assert report["worst"]["loss"]["loss"] == pytest.approx(max(loss_errors(apart)), rel=1e-6)
    worst = max(e for kind in report["worst"].values() for e in kind.values())
    assert report["digits"] == pytest.approx(-np.log10(worst))
    assert report["passed"] is False
    assert report["failure"].startswith("step 0: gradient fc1.weight differs by 5.0e-01")
    for side, alone in (("manual", apart.hand), ("torch", apart.torch)):
        assert {k: v for k, v in report["metrics"][side].items() if k.endswith("/val")} == pytest.approx(alone.validation, rel=1e-12)


def test_the_terminal_shows_each_sides_validation_and_the_digits_of_each_tensor(apart: Apart) -> None:
    shown = {cells[0]: cells[1:] for line in apart.out.splitlines() if len(cells := re.findall(r"[^│┃\s]+", line)) >= 3}
    for name in ("loss", "accuracy"):
        expected = [f"{alone.validation[f'{name}/val']:.6g}" for alone in (apart.hand, apart.torch)]
        assert any(re.search(rf"{name}\s*[│┃]\s*{expected[0]}\s*[│┃]\s*{expected[1]}", line) for line in apart.out.splitlines()), name
    gradients, weights = every_error("gradients", apart), every_error("weights", apart)
    for name in gradients[0]:
        digits = [f"{-np.log10(max(e[name] for e in steps)):.1f}" for steps in (gradients, weights)]
        assert shown[name][:2] == digits, name


def test_tensorboard_has_each_sides_own_scalars_and_how_far_they_are_apart(apart: Apart) -> None:
    for side, alone in (("manual", apart.hand), ("torch", apart.torch)):
        found = scalars(apart.folder / side)
        assert found["loss/train"] == [(k, pytest.approx(loss, rel=1e-6)) for k, loss in enumerate(alone.losses)]
        assert {tag: found[tag][-1] for tag in alone.validation} == {
            tag: (9, pytest.approx(value, rel=1e-6)) for tag, value in alone.validation.items()
        }
    found, rows = scalars(apart.folder / "compare"), curves(apart)
    for kind, column in (("loss", "error"), ("gradient", "gradient_error"), ("parameter", "parameter_error")):
        expected = [min(-np.log10(row[column]), 15.7) if row[column] else 15.7 for row in rows]
        assert found[f"digits of agreement/{kind}"] == [(k, pytest.approx(d, abs=0.1)) for k, d in enumerate(expected)]


def test_histograms_are_of_each_sides_own_weights_and_gradients(apart: Apart) -> None:
    for side, alone in (("manual", apart.hand), ("torch", apart.torch)):
        events = EventAccumulator(str(apart.folder / side), size_guidance={"histograms": 0})
        events.Reload()
        assert len(events.Tags()["histograms"]) == 8
        for tag in events.Tags()["histograms"]:
            what, _, name = tag.partition("/")
            steps = events.Histograms(tag)
            assert steps[0].step == 0
            assert len(steps) > 5
            for h in steps:
                values = getattr(alone, what)[h.step][name]
                assert (h.histogram_value.num, h.histogram_value.sum) == (values.size, pytest.approx(values.sum(), rel=1e-6, abs=1e-9)), tag
                assert h.histogram_value.sum_squares == pytest.approx(np.sum(values**2), rel=1e-6), tag
