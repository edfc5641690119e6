"""Mixed precision: layers in few bits, loss scaling, and a network in 16 bits."""

from __future__ import annotations

import inspect
import math
from argparse import Namespace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.cases.numerics.mixed_precision import judge_overflow, judge_scaled_step, judge_scaler, judge_scaling
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.lockstep import LockStep
from experiments.lockstep.checks import trajectory
from experiments.numerics import mixed_precision as script
from experiments.numerics.mixed_precision import TWIN
from manual import optim
from manual.amp import GradScaler
from manual.module import Parameter
from manual.numerics import mixed_precision as by_hand
from manual.numerics.rounding import FORMATS, epsilon, round_to, spacing
from tests.helpers import whole_run
from tests.numerics.formats import DTYPES, assert_same_bits
from torch_impl.numerics import mixed_precision as in_torch

# ---- layers in few bits --------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["float16", "bfloat16"])
def test_rounded_linear_is_torchs_linear_in_that_format_but_for_its_rounding(format: str) -> None:
    """torch's own layer, run in 16 bits, adds up with other digits and in another order; both are within u of the exact result."""
    rng, u = np.random.default_rng(0), epsilon(format) / 2
    layer = torch.nn.Linear(64, 17).to(DTYPES[format])
    x = torch.from_numpy(rng.normal(size=(50, 64))).to(DTYPES[format]).requires_grad_()
    up = torch.from_numpy(rng.normal(size=(50, 17))).to(DTYPES[format])
    y = layer(x)
    y.backward(up)
    x64, W64, b64, up64 = (t.detach().double().numpy() for t in (x, layer.weight, layer.bias, up))
    ours = by_hand.rounded_linear(x64, W64, b64, format), *by_hand.rounded_linear_backward(up64, x64, W64, b64, format)
    exact = x64 @ W64.T + b64, up64 @ W64, up64.T @ x64, up64.sum(axis=0)
    sizes = np.abs(x64) @ np.abs(W64).T + np.abs(b64), np.abs(up64) @ np.abs(W64), np.abs(up64).T @ np.abs(x64), np.abs(up64).sum(axis=0)
    for mine, theirs, true, size in zip(ours, (y, x.grad, layer.weight.grad, layer.bias.grad), exact, sizes, strict=True):
        assert (np.abs(mine - true) <= u * np.abs(true) * (1 + 1e-6)).all()
        assert (np.abs(to_numpy(theirs.double()) - true) <= 2 * u * np.abs(true) + 2.0**-18 * size).all()
        assert np.any(mine != true)
    assert_same_bits(round_to(ours[0], format), ours[0])


def test_the_real_format_and_float64_with_rounding_give_the_same_layer() -> None:
    """Sums that are short enough to be exact in float32: every entry of torch's own float16 layer equals ours."""
    x = np.random.default_rng(0).integers(-8, 9, size=(20, 16)) / 8
    W = np.random.default_rng(1).integers(-8, 9, size=(5, 16)) / 64
    b = np.random.default_rng(2).integers(-8, 9, size=5) / 64
    theirs = torch.nn.functional.linear(*(torch.from_numpy(a).half() for a in (x, W, b))).double()
    np.testing.assert_array_equal(by_hand.rounded_linear(x, W, b, "float16"), theirs)


# ---- loss scaling --------------------------------------------------------------------------------


def test_scaler_is_torch_amps_at_every_step() -> None:
    for seed in range(3):
        assert max(judge_scaler(seed).values()) == 0
        assert max(judge_scaling(seed).values()) == 0
        assert max(judge_scaled_step(seed).values()) < 1e-15
        assert max(judge_overflow(seed).values()) == 0


def test_scaler_has_torchs_defaults() -> None:
    ours, theirs = GradScaler(), torch.amp.GradScaler("cpu")
    state = theirs.state_dict()
    assert ours.get_scale() == theirs.get_scale() == 65536
    assert (ours.growth_factor, ours.backoff_factor, ours.growth_interval) == (
        state["growth_factor"],
        state["backoff_factor"],
        state["growth_interval"],
    )


def test_the_scalers_interface_is_torchs() -> None:
    """Arguments of the constructor and of every method that torch has, with dtype besides."""
    ours, theirs = inspect.signature(GradScaler), inspect.signature(torch.amp.GradScaler)
    assert [(p.name, p.default) for p in ours.parameters.values() if p.name != "dtype"] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]
    for name in [name for name in vars(torch.amp.GradScaler) if not name.startswith("_")]:
        ours, theirs = (inspect.signature(getattr(side, name)) for side in (GradScaler, torch.amp.GradScaler))
        assert list(ours.parameters) == list(theirs.parameters), name


def test_a_scalers_state_goes_from_one_side_to_the_other() -> None:
    ours, theirs = GradScaler("cpu", 8.0, 3.0, 0.25, 7), torch.amp.GradScaler("cpu", 8.0, 3.0, 0.25, 7)
    assert ours.state_dict() == theirs.state_dict()
    ours.update(32.0)
    ours.set_growth_factor(4.0)
    ours.set_backoff_factor(0.125)
    ours.set_growth_interval(5)
    again = GradScaler()
    again.load_state_dict(ours.state_dict())
    theirs.load_state_dict(ours.state_dict())
    assert again.state_dict() == ours.state_dict() == theirs.state_dict()
    assert (again.get_scale(), again.get_growth_factor(), again.get_backoff_factor(), again.get_growth_interval()) == (32, 4, 0.125, 5)
    off = GradScaler(enabled=False)
    assert (off.state_dict(), off.is_enabled(), off.get_scale()) == ({}, False, 1)
    off.load_state_dict(ours.state_dict())
    with pytest.raises(RuntimeError, match="GradScaler: the state is empty"):
        again.load_state_dict({})
    for wrong in ({"scale": "x"}, {"growth_factor": 1.0}, {"growth_interval": 2.5}, {"_growth_tracker": -1}):
        with pytest.raises((ValueError, TypeError), match=f"GradScaler: {next(iter(wrong))}"):
            again.load_state_dict(ours.state_dict() | wrong)
    assert again.state_dict() == ours.state_dict()


def test_a_scaler_passes_arguments_on_and_refuses_what_torchs_does() -> None:
    p = Parameter(np.ones(1, np.float32))
    p.grad = np.ones(1, np.float32)
    scaler, sgd = GradScaler(), optim.SGD([p], lr=1.0)
    assert scaler.step(sgd, lambda: 3.0) == 3.0
    with pytest.raises(RuntimeError, match=r"unscale_\(\) is being called after step\(\)"):
        scaler.unscale_(sgd)
    with pytest.raises(RuntimeError, match="Closure use is not currently supported"):
        scaler.step(sgd, closure=lambda: 3.0)
    with pytest.raises(RuntimeError, match="no inf checks were recorded prior to update"):
        GradScaler().update()
    with pytest.raises(RuntimeError, match="no parameter of this optimizer has a gradient"):
        GradScaler().step(optim.SGD([Parameter(np.ones(1))], lr=1.0))
    half = Parameter(np.ones(1, np.float16))
    half.grad = np.ones(1, np.float16)
    with pytest.raises(ValueError, match="gradients must not be float16"):
        GradScaler().unscale_(optim.SGD([half], lr=1.0))
    for wrong in ("x", None):
        with pytest.raises(TypeError, match="GradScaler: outputs must be"):
            GradScaler().scale(wrong)
    with pytest.raises(TypeError, match="GradScaler: new_scale must be a float"):
        GradScaler().update("8")


def both_scalers(slopes: list[float], **settings: Any) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """(scale, parameter) by hand and of torch.amp after each step along these slopes."""
    ours, theirs = GradScaler(**settings), torch.amp.GradScaler("cpu", **settings)
    p, q = Parameter(np.ones(1, np.float32)), torch.nn.Parameter(torch.ones(1))
    optimizers = optim.SGD([p], lr=0.5), torch.optim.SGD([q], lr=0.5)
    rows = []
    for slope in slopes:
        p.grad = np.array([slope], np.float32) * ours.scale(np.float32(1))
        optimizers[1].zero_grad()
        theirs.scale((q * slope).sum()).backward()
        for scaler, optimizer in ((ours, optimizers[0]), (theirs, optimizers[1])):
            scaler.step(optimizer)
            scaler.update()
        rows.append(((ours.get_scale(), float(p.data[0])), (theirs.get_scale(), q.item())))
    return rows


def test_a_scale_that_has_reached_0_spoils_the_weights_as_in_torch() -> None:
    rows = both_scalers([math.inf] * 166 + [1.0])
    assert rows[164][0] == rows[164][1] == (2.0**-149, 1.0)
    assert rows[165][0] == rows[165][1] == (0.0, 1.0)
    assert rows[166][0][0] == rows[166][1][0] == 0
    assert math.isnan(rows[166][0][1])
    assert math.isnan(rows[166][1][1])


def test_a_scale_never_grows_to_infinity() -> None:
    for ours, theirs in both_scalers([1e-38] * 4, init_scale=2.0**126, growth_interval=1):
        assert ours == theirs
        assert ours[0] == 2.0**127


def test_a_step_with_nan_is_skipped() -> None:
    ours, theirs = both_scalers([math.nan])[0]
    assert ours == theirs == (32768.0, 1.0)


def test_a_scaler_that_is_not_enabled_does_nothing() -> None:
    scaler, p = GradScaler(enabled=False), Parameter(np.ones(1))
    p.grad = np.array([np.inf])
    assert scaler.scale(0.3) == 0.3
    scaler.step(optim.SGD([p], lr=1.0))
    scaler.update()
    assert p.data[0] == -np.inf
    assert (scaler.get_scale(), int(scaler._growth_tracker), bool(scaler.found_inf)) == (1, 0, False)


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    x, two = np.ones(3), np.ones((2, 3))
    unknown = r"format must be one of 'float64', 'float32', 'float16', 'bfloat16', 'float8_e5m2', got 'float24'"
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        (ValueError, unknown, "rounded_linear", (two, two, np.ones(2), "float24")),
        (
            ValueError,
            r"axis 1 of W must be the columns of x = 3, got shape \(2, 2\)",
            "rounded_linear",
            (two, np.ones((2, 2)), x, "float16"),
        ),
        (ValueError, r"axis 0 of b must be the rows of W = 2, got shape \(3,\)", "rounded_linear", (two, two, x, "float16")),
        (ValueError, r"x must have 2 axes, got shape \(3,\)", "rounded_linear", (x, two, x, "float16")),
        (TypeError, "W must have the layer's dtype float64, got float32", "rounded_linear", (two, two.astype(np.float32), x, "float16")),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match=f"MixedPrecision: {unknown}"):
            side.MixedPrecision(format="float24")
    for wrong in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(ValueError, match=r"GradScaler: growth_factor must be above 1 and backoff_factor below 1, got"):
            GradScaler(**wrong)


# ---- the network ---------------------------------------------------------------------------------


def batches(n: int) -> list[tuple[np.ndarray, ...]]:
    """n batches of 128 digits."""
    return script.in_batches(TWIN.make_data().split.train, 128, -(-n // 8))[:n]


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_backward_of_the_concept_accumulates_and_is_autograds(variant: str | None) -> None:
    ours, theirs = TWIN.build(seed=1, variant=variant)
    first, second = batches(2)
    for batch, factor in ((first, 0.7), (second, -1.3)):
        ours.training_step(batch, 0)
        ours.backward(factor)
        (factor * theirs.training_step(to_torch(batch), 0)).backward()
    for name, p in theirs.named_parameters():
        assert error(getattr(ours, name).grad, p.grad) < 1e-14
    for name, buffer in theirs.named_buffers():
        assert error(dict(ours.named_buffers())[name], buffer) == 0
    ours.check_nothing_saved()


def test_what_is_stored_has_few_digits() -> None:
    ours, _ = TWIN.build(seed=1)
    x, y = batches(1)[0]
    z2 = ours(x)
    (x_saved, W1, *_), z1, (h, *_) = ours.restore()
    for stored in (x_saved, z1, h, z2):
        assert_same_bits(round_to(stored, "float16"), stored)
    assert np.any(round_to(W1, "float16") != W1)  # the master weights are not rounded
    ours.training_step((x, y), 0)
    ours.backward()
    g = ours.W1.grad * ours.scaler.get_scale() / ours.micro_batches
    assert_same_bits(round_to(g, "float16"), g)
    assert np.abs(g).max() > 2.0**-14


def test_gradients_in_16_bits_are_those_of_full_precision_but_for_a_part_in_100() -> None:
    batch = batches(1)[0]
    found = {}
    for variant in (None, "bfloat16", "float32", "not rounded"):
        ours, _ = TWIN.build(seed=1, variant=variant)
        ours.training_step(batch, 0)
        ours.backward()
        found[variant] = np.concatenate([p.grad.ravel() for p in ours.parameters()])
    for variant, most in ((None, 1e-3), ("bfloat16", 1e-2), ("float32", 1e-7)):
        assert 1e-3 * most < error(found[variant], found["not rounded"]) < most


def test_no_gradient_of_a_mean_over_2_to_the_25_examples_is_left_in_float16() -> None:
    ours, theirs = TWIN.build(seed=1, variant="float16 without loss scaling")
    assert ours.micro_batches * 128 == 2**25
    ours.W2.data *= 100  # sure, and wrong: errors p − y of nearly 1
    theirs.W2.data *= 100
    batch = batches(1)[0]
    assert ours.training_step(batch, 0) > 5
    ours.backward()
    theirs.training_step(to_torch(batch), 0).backward()
    assert all(p.has_grad and not p.grad.any() for p in ours.parameters())
    assert not any(p.grad.any() for p in theirs.parameters())
    assert round_to(np.array([2.0**-25, 2.0**-25 * 1.001]), "float16").tolist() == [0, 2.0**-24]


def test_a_step_that_overflows_changes_nothing_but_the_scale() -> None:
    ours, theirs = TWIN.build(variant="float16 with a scale that is too large")
    before = ours.state_dict()
    by_numpy, by_autograd = script.train_by_hand(ours, batches(1)), script.train_in_torch(theirs, batches(1))
    assert by_numpy.skipped.tolist() == by_autograd.skipped.tolist() == [True]
    for after in (ours.state_dict(), to_numpy(dict(theirs.state_dict()))):
        assert after["scaler._scale"] == before["scaler._scale"] / 2 == 2.0**40
        assert all(np.array_equal(after[name], before[name]) for name in ("W1", "b1", "W2", "b2"))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("variant", [None, "float32", "bfloat16", "float16 with a scale that is too large"])
def test_both_sides_are_equal_to_the_last_bit_although_they_round(variant: str | None, dtype: str) -> None:
    judge, _ = trajectory(TWIN, variant, Namespace(seed=0, dtype=dtype, device="cpu", steps=24))
    assert judge.passed
    assert (judge.error("gradient"), judge.error("parameter"), judge.error("buffer")) == (0, 0, 0)
    assert judge.error("loss") < {"float32": 1e-6, "float64": 1e-15}[dtype]


@pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
def test_impossible_sizes_of_the_network_are_named(side: Any) -> None:
    for wrong, message in (
        ({"hidden": 0}, "hidden must be at least 1, got 0"),
        ({"micro_batches": 0}, "micro_batches must be at least 1, got 0"),
        ({"growth_interval": 0}, "growth_interval must be at least 1, got 0"),
        ({"init_scale": 0.0}, "init_scale must be above 0, got 0.0"),
    ):
        with pytest.raises(ValueError, match=f"MixedPrecision: {message}"):
            side.MixedPrecision(**wrong)


# ---- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, Any]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_reads_the_digits_on_both_sides(trained: tuple[LockStep, Any]) -> None:
    """scikit-learn's network, given the trained weights, and one that scikit-learn trains by itself, are the outside opinions."""
    from sklearn.neural_network import MLPClassifier

    lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    assert lockstep.judge.error("parameter") == 0
    (x, y), (x_val, y_val) = TWIN.make_data().split.train, TWIN.make_data().split.val
    assert (x.shape, x_val.shape) == ((1024, 64), (773, 64))
    settings: dict[str, Any] = {
        "hidden_layer_sizes": (32,),
        "activation": "tanh",
        "solver": "sgd",
        "learning_rate_init": 0.25,
        "batch_size": 128,
    }
    with pytest.warns(match="Maximum iterations"):
        sklearn = MLPClassifier(**settings, alpha=0, max_iter=20, random_state=0).fit(x, y)
    accuracy = sklearn.score(x_val, y_val)
    assert accuracy > 0.95
    for weights in (lockstep.hand.model.state_dict(), to_numpy(dict(theirs.state_dict()))):
        W1, b1, W2, b2 = (weights[name] for name in ("W1", "b1", "W2", "b2"))
        sklearn.coefs_, sklearn.intercepts_ = [W1.T, W2.T], [b1, b2]
        assert sklearn.score(x_val, y_val) == pytest.approx(
            lockstep.metrics["accuracy/val"], abs=2.5 / 773
        )  # rounding may turn a close one
    assert lockstep.metrics["accuracy/val"] > accuracy - 0.015


def test_the_scale_of_the_run_climbs_until_gradients_overflow(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    scale = lockstep.hand.model.scaler.get_scale()
    assert scale == theirs.scaler._scale.item()
    assert 2.0**37 <= scale <= 2.0**40  # 16 + 160 / 5 = 48 without an overflow
    assert lockstep.judge.error("buffer") == 0


def real_mixed_precision(dtype: torch.dtype, scaled: bool, steps: int) -> tuple[list[float], torch.nn.Sequential]:
    """The same network in torch's own mixed precision, autocast and torch.amp.GradScaler, from the same weights on the same batches."""
    ours, _ = TWIN.build()
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10))
    net.load_state_dict(to_torch({"0.weight": ours.W1.data, "0.bias": ours.b1.data, "2.weight": ours.W2.data, "2.bias": ours.b2.data}))
    optimizer = torch.optim.SGD(net.parameters(), lr=ours.lr * ours.micro_batches, momentum=0.9)
    scaler, losses = torch.amp.GradScaler("cpu", growth_interval=5, enabled=scaled), []
    for x, y in batches(steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=dtype):
            loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(x).float()).float(), torch.from_numpy(y))
        scaler.scale(loss / ours.micro_batches).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses, net


@pytest.mark.parametrize(("variant", "dtype"), [(None, torch.float16), ("bfloat16", torch.bfloat16)])
def test_real_mixed_precision_learns_the_same(variant: str | None, dtype: torch.dtype) -> None:
    ours, theirs = TWIN.build(variant=variant)
    real, _ = real_mixed_precision(dtype, scaled=variant is None, steps=40)
    emulated, in_lightning = script.train_by_hand(ours, batches(40)).loss, script.train_in_torch(theirs, batches(40)).loss
    np.testing.assert_allclose(emulated, in_lightning, rtol=1e-12)
    np.testing.assert_allclose(emulated, real, rtol=0.02 if variant is None else 0.1)
    assert emulated[-1] < 0.3


def test_without_scaling_neither_ours_nor_real_float16_moves_at_all() -> None:
    ours, theirs = TWIN.build(variant="float16 without loss scaling")
    before = ours.state_dict()
    script.train_by_hand(ours, batches(10))
    script.train_in_torch(theirs, batches(10))
    _, real = real_mixed_precision(torch.float16, scaled=False, steps=10)
    after = [ours.state_dict(), to_numpy(dict(theirs.state_dict()))]
    assert all(np.array_equal(weights[name], before[name]) for weights in after for name in before)
    for name, p in zip(("W1", "b1", "W2", "b2"), real.parameters(), strict=True):
        np.testing.assert_array_equal(to_numpy(p), before[name].astype(np.float32))


# ---- figures -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(trained: tuple[LockStep, Any]) -> dict[str, Any]:
    """All figures of the trained pair."""
    lockstep, theirs = trained
    return dict(script.figures(lockstep.hand.model, theirs, TWIN.make_data()))


def caption(fig: Any) -> str:
    return fig.caption


def test_figure_of_the_gradients(drawn: dict[str, Any]) -> None:
    data = TWIN.make_data()
    g = script.travelling_gradients(data, 1.0)
    assert np.abs(g).max() <= 2.0**-25
    assert not round_to(g, "float16").any()
    scaled = script.travelling_gradients(data, 2.0**16)
    np.testing.assert_array_equal(scaled, g * 2.0**16)
    assert "are 100% round to 0. Times 2¹⁶ it is 0.0%." in caption(drawn["gradients too small for float16"])
    assert np.mean(round_to(scaled, "float16") == 0) < 5e-4
    bars = [p for p in drawn["gradients too small for float16"].axes[0].patches if p.get_width() == 1]
    heights = [np.sum([p.get_height() for p in bars if low <= p.get_x() < high]) for low, high in ((-60, -25), (-25, 20))]
    assert heights == pytest.approx([1, 1], abs=2e-3)
    assert np.log2(FORMATS["bfloat16"].smallest_subnormal) == -133


def test_figure_of_four_ways(drawn: dict[str, Any]) -> None:
    lines = drawn["the same network in four ways"].axes[0].lines
    pairs = [(lines[i].get_ydata(), lines[i + 1].get_ydata()) for i in range(0, 8, 2)]
    for theirs, ours in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    in_float32, in_bfloat16, not_scaled, scaled = (ours for _, ours in pairs)
    np.testing.assert_allclose(in_bfloat16, in_float32, rtol=0.1)
    assert max(in_float32[-8:]) < 0.3
    np.testing.assert_array_equal(not_scaled[8:], not_scaled[:-8])
    assert max(scaled[-8:]) < 0.5
    assert "12 of the 48 steps overflow and are skipped, the first 6 among them" in caption(drawn["the same network in four ways"])


def test_figure_of_the_scale(drawn: dict[str, Any]) -> None:
    theirs, ours, crosses = drawn["a scale that finds itself"].axes[0].lines
    np.testing.assert_array_equal(theirs.get_ydata(), ours.get_ydata())
    scale, skipped = ours.get_ydata(), crosses.get_xdata()
    assert scale[0] == 44
    step = np.diff(scale)
    np.testing.assert_array_equal(np.flatnonzero(step == -1), skipped[skipped < len(step)])
    assert set(step) == {-1, 0, 1}
    for grown in np.flatnonzero(step == 1):
        assert (step[grown - 4 : grown] == 0).all()


def test_figure_of_the_master_weights(drawn: dict[str, Any], trained: tuple[LockStep, Any]) -> None:
    left, right = drawn["why master weights"].axes
    theirs, ours = (p.get_data().values for p in left.patches)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.sum() == 32 * 64
    assert 60 < ours.min() <= ours.max() < 150
    model = trained[0].hand.model
    step, W1 = script.updates(model, TWIN.make_data()), model.W1.data
    for name, words in (("float16", "{:.0%} of the steps in float16"), ("bfloat16", "{:.0%} in bfloat16")):
        kept = round_to(W1, name)
        lost = np.mean(round_to(kept + step, name) == kept)
        assert words.format(lost) in caption(drawn["why master weights"])
        below = np.abs(step) < spacing(W1, name) / 2
        assert lost <= below.mean() < lost + 0.01  # next to a power of two the spacing to one side is half of that to the other
    assert right.lines[0].get_xdata()[0] == -1


def test_things_to_try_do_what_is_said() -> None:
    data = TWIN.make_data()
    accuracy = {}
    for label, chosen in {
        "2²¹ examples": {"scaling": False, "micro_batches": 16384},
        "2²³ examples": {"scaling": False, "micro_batches": 65536},
        "e5m2": {"format": "float8_e5m2", "growth_interval": 5},
        "torch.amp's interval": {"growth_interval": 2000},
    }.items():
        model = by_hand.MixedPrecision(**chosen, rng=np.random.default_rng(0))
        history = script.train_by_hand(model, script.in_batches(data.split.train, 128, 12))
        x, y = data.split.val
        accuracy[label] = np.mean(model(x).argmax(axis=1) == y)
        assert label != "torch.amp's interval" or set(history.scale) == {65536.0}
    assert accuracy["2²¹ examples"] > 0.94
    assert accuracy["2²³ examples"] < 0.8
    assert accuracy["e5m2"] > 0.94
    assert accuracy["torch.amp's interval"] > 0.94
