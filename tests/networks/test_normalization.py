"""Batch, layer and RMS norm: gradients at right angles to the weights, training with and without, and two modes that disagree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.drawing.walk import losses, some_rows
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lockstep.trained import trained
from experiments.networks import normalization as script
from experiments.networks.normalization import COLOURS, SIZES, TWIN
from manual.networks import normalization as by_hand
from manual.networks.normalization import NORMS
from torch_impl.networks import normalization as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
EACH = ("batch", "layer", "rms")
every_norm = pytest.mark.parametrize("norm", EACH)

RNG = np.random.default_rng(0)
BATCH = RNG.uniform(0, 1, (9, 64)), RNG.integers(0, 10, 9)


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradients_of_the_concept_are_those_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(variant=variant)
    check_grads(ours, BATCH, torch=theirs)


@every_norm
@pytest.mark.parametrize("eps", [0.0, 0.2])
def test_gradients_of_the_norms_are_those_of_autograd_and_of_central_differences(norm: str, eps: float) -> None:
    z, other = np.random.default_rng(1).normal(0.5, 2, (2, 7, 5))
    forward, backward = getattr(by_hand, f"{norm}_norm"), getattr(by_hand, f"{norm}_norm_backward")
    check_grads(
        lambda z: forward(z, eps),
        [z],
        again=[other],
        backward=lambda dL_dy, z: backward(dL_dy, z, eps),
        torch=lambda z: getattr(in_torch, f"{norm}_norm")(z, eps),
    )


@every_norm
def test_the_layers_that_are_trained_are_these_norms(norm: str) -> None:
    z = np.random.default_rng(2).normal(0.5, 2, (7, 5))
    layer = NORMS[norm](5, eps=0.2)
    assert error(layer(z), getattr(by_hand, f"{norm}_norm")(z, 0.2)) < 1e-15
    g = np.random.default_rng(3).normal(size=(7, 5))
    assert error(layer.backward(g), getattr(by_hand, f"{norm}_norm_backward")(g, z, 0.2)) < 1e-14


# ---- what follows for the weights ------------------------------------------------------------------


def gradient(side: Any, norm: str, W: np.ndarray, seed: int) -> np.ndarray:
    """∂L/∂W of a layer, its norm with eps = 0, and a loss that is no function of either's size."""
    rng = np.random.default_rng(seed)
    h, c = rng.normal(size=(40, W.shape[1])), rng.normal(size=(40, W.shape[0]))
    if side is by_hand:
        return getattr(by_hand, f"{norm}_norm_backward")(c, h @ W.T).T @ h
    w = torch.from_numpy(W).requires_grad_()
    (torch.from_numpy(c) * getattr(in_torch, f"{norm}_norm")(torch.from_numpy(h) @ w.T)).sum().backward()
    return w.grad.numpy()


@SIDES
@every_norm
def test_the_gradient_is_at_right_angles_to_the_weights_to_1e_16(side: Any, norm: str) -> None:
    """The cosine, in the mean over twelve layers; of batch norm for each unit by itself."""
    cosines = []
    for seed in range(12):
        W = np.random.default_rng(100 + seed).normal(size=(32, 64))
        g = gradient(side, norm, W, seed)
        for w, dw in zip(W, g, strict=True) if norm == "batch" else [(W, g)]:
            cosines.append(np.sum(w * dw) / (np.linalg.norm(w) * np.linalg.norm(dw)))
    assert np.abs(cosines).mean() < 1e-16
    assert np.abs(cosines).max() < 1e-15


def test_one_row_alone_is_at_right_angles_to_its_gradient_only_with_batch_norm() -> None:
    W = np.random.default_rng(5).normal(size=(32, 64))
    assert min(np.abs((W * gradient(by_hand, norm, W, 5)).sum(axis=1)).max() for norm in ("layer", "rms")) > 0.01


@SIDES
@every_norm
def test_three_times_the_weights_have_a_third_of_the_gradient(side: Any, norm: str) -> None:
    W = np.random.default_rng(7).normal(size=(32, 64))
    g = gradient(side, norm, W, 7)
    assert error(3 * gradient(side, norm, 3 * W, 7), g) < 1e-15
    assert np.array_equal(4 * gradient(side, norm, 4 * W, 7), g)  # a power of two is not even rounded


@every_norm
def test_each_step_lengthens_the_weights_as_pythagoras_says(norm: str) -> None:
    """All of the first layer's; the layers' own eps, which they must have, is so small that it is lost beside every variance."""
    ours: Any
    theirs: Any
    ours, theirs = TWIN.having({"norm": norm, "lr": 0.2, "depth": 2}).build()
    for layer in (*ours.norms, *theirs.norms):
        layer.eps = 1e-300
    W = ours.layers[0].weight.data, theirs.layers[0].weight
    for batch in some_rows(TWIN.make_data().split.train, 32, 15):
        before = [script.norm_of(w) for w in W]
        losses(ours, theirs, [batch])
        g = ours.layers[0].weight.grad, theirs.layers[0].weight.grad
        for w, dw, was in zip(W, g, before, strict=True):
            assert script.norm_of(w) ** 2 == pytest.approx(was**2 + 0.2**2 * script.norm_of(dw) ** 2, rel=1e-14)
            assert script.norm_of(w) > was


def test_with_the_usual_eps_pythagoras_holds_to_what_is_seen() -> None:
    for side in zip(*script.lengths(), strict=True):
        assert side[1] == pytest.approx(side[0], rel=2e-3)
    (ours, theirs), _ = script.lengths()
    assert error(ours, theirs) < 1e-8  # the ceiling of a trajectory
    assert (np.diff(ours) > 0).all()
    assert ours[-1] > 1.5 * ours[0]


# ---- with and without ------------------------------------------------------------------------------


def test_without_a_norm_the_loss_stays_and_with_each_it_falls() -> None:
    for side in (2, 3):
        found = {norm: script.trained_with(norm)[side] for norm in NORMS}
        assert abs(found["none"] - np.log(10)).max() < 0.1
        assert max(found[norm][-20:].mean() for norm in EACH) < 1.1


@pytest.mark.long
def test_six_layers_with_batch_norm_read_over_95_percent_on_both_sides() -> None:
    run = trained(TWIN)
    x, y = run.data.split.val
    assert run.agree
    in_torch = run.torch(torch.from_numpy(x)).argmax(dim=1).numpy()
    assert min(np.mean(in_torch == y), run.metrics["accuracy/val"]) > 0.95


# ---- training and evaluation -----------------------------------------------------------------------


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_in_training_mode_batch_norm_asks_the_others_and_layer_norm_does_not(side: int) -> None:
    batch, layer = (script.trained_with(norm)[side] for norm in ("batch", "layer"))
    buffers = {name: np.asarray(value).copy() for name, value in batch.state_dict().items()}
    assert np.std(script.in_company(batch)) > 0.3
    assert np.ptp(script.in_company(layer)) < 1e-12
    x, _ = TWIN.make_data().split.val
    for model in (batch, layer):
        assert script.scores(model, x[:1], train=False) == pytest.approx(script.scores(model, x, train=False)[:1], rel=1e-12)
    assert error(script.scores(layer, x, train=True), script.scores(layer, x, train=False)) == 0
    assert error(script.scores(batch, x, train=True), script.scores(batch, x, train=False)) > 0.01
    assert all(np.array_equal(buffers[name], np.asarray(value)) for name, value in batch.state_dict().items())  # a copy was asked


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_who_forgets_eval_reads_fewer_the_fewer_come_at_a_time(side: int) -> None:
    model = script.trained_with("batch")[side]
    x, y = TWIN.make_data().split.val
    read = [script.read_in_batches(model, size) for size in SIZES]
    assert read == sorted(read)
    assert read[0] < 0.4
    assert np.mean(script.scores(model, x, train=False).argmax(axis=1) == y) > 0.93


# ---- the rest --------------------------------------------------------------------------------------


@SIDES
@pytest.mark.parametrize("wrong", [{"norm": "group"}, {"depth": 0}, {"width": 0}, {"scale": 0.0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"NormalizedMLP: .*{name}.*, got .*{value}"):
        side.NormalizedMLP(**wrong)


@SIDES
def test_scale_is_of_the_hidden_layers_alone(side: Any) -> None:
    models = []
    for scale in (1.0, 8.0):
        torch.manual_seed(3)
        models.append(side.NormalizedMLP(scale=scale, **({"rng": np.random.default_rng(3)} if side is by_hand else {})).state_dict())
    for name, first in models[0].items():
        assert np.array_equal(np.asarray(models[1][name]), np.asarray(first) * (8 if name.startswith("layers") else 1))


def test_figures_show_both_sides() -> None:
    drawings = script.figures(*TWIN.build(), TWIN.make_data())
    assert list(drawings) == ["with and without", "rows and columns", "train and eval"]
    left, right = drawings["with and without"].axes
    by_size = drawings["train and eval"].axes[1]
    for lines, steps, tolerance in ((left.lines, 60, 1e-8), (right.lines[:2], None, 1e-8), (by_size.lines[:2], None, 0)):
        pairs = [(b.get_ydata()[:steps], a.get_ydata()[:steps]) for a, b in zip(lines[::2], lines[1::2], strict=True)]
        assert all(error(*pair) <= tolerance for pair in pairs)  # 1e-8 is a trajectory's ceiling; later on the spikes magnify rounding
    assert len(left.lines) == 2 * len(COLOURS)
    z, batch, layer, rms = (np.asarray(ax.images[0].get_array()) for ax in drawings["rows and columns"].axes)
    assert np.abs(batch.mean(axis=0)).max() < 1e-15 > np.abs(layer.mean(axis=1)).max()
    assert (rms**2).mean(axis=1) == pytest.approx(np.ones(8))
    assert np.sign(rms).tolist() == np.sign(z).tolist()  # the rows keep their mean, and so their colours
