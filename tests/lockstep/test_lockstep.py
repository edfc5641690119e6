"""The lock-step callback: right pairs pass under every setting of the Trainer, and every mistake is caught and named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import experiments
import manual.optim
from experiments.data.arrays import InputError
from experiments.judge.nonfinite import NotFinite, first_in_forward
from experiments.lockstep import LockStep
from experiments.lockstep.again import Again
from experiments.pair import Twin
from manual import nn
from manual.module import Module
from tests.helpers import broken, configured, fit, hand_runs, scheduled, small_data

MLP = experiments.twin("digits_mlp")
CNN = experiments.twin("digits_cnn")
CORNERS = experiments.twin("hidden_layer")
SPOT = {"mode": "spot", "every_n_steps": 3}
SMALL = {"digits_mlp": {"hidden": 20}, "digits_cnn": {"channels": 3, "epochs": 4}, "hidden_layer": {"hidden": 5}}


def run(twin: Twin, steps: int = 11, n: int = 84, **settings: Any) -> tuple[LockStep, Any]:
    """A short training in lock-step. An epoch has four batches, of 24, 24, 24 and 12 examples."""
    data = twin.make_data() if twin is CORNERS else small_data(twin, n)
    return fit(twin, steps, **{"model": SMALL.get(twin.name), "data": data, **settings})


# ---- right pairs -----------------------------------------------------------------------------------


def decay(optim: Any, parameters: Any) -> Any:
    return optim.AdamW(parameters, lr=0.01, weight_decay=0.1)


def nesterov(optim: Any, parameters: Any) -> Any:
    return optim.SGD(parameters, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.02)


def every_step(optim: Any, parameters: Any) -> Any:
    optimizer = optim.RMSprop(parameters, lr=0.003, momentum=0.5)
    return scheduled(optimizer, optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=40), "step")


def every_epoch(optim: Any, parameters: Any) -> Any:
    optimizer = optim.SGD(parameters, lr=0.05, momentum=0.8)
    return scheduled(optimizer, optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5), "epoch")


SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "accumulate": {"accumulate_grad_batches": 3},  # windows of 3 and 1 batches
    "clip norm": {"gradient_clip_val": 0.3},
    "clip value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    "accumulate and clip": {"accumulate_grad_batches": 2, "gradient_clip_val": 0.3},
}


@pytest.mark.parametrize("mode", ["free", "spot"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("twin", [MLP, CNN, CORNERS], ids=lambda t: t.name)
def test_right_pairs_agree_under_every_setting(twin: Twin, settings: dict[str, Any], mode: str) -> None:
    lockstep, _ = run(twin, lockstep=SPOT if mode == "spot" else {}, **settings)
    judge = lockstep.judge
    assert judge.failure is None
    assert judge.passed
    assert judge.windows == 1
    assert judge.error("gradient") < 1e-12
    assert judge.error("loss") < 1e-13
    assert [r.step for r in lockstep.records] == list(range(0, 11, 1 if mode == "free" else 3))
    assert set(judge.worst["gradient"]) == set(judge.worst["parameter"]) == {n for n, _ in lockstep.hand.model.named_parameters()}


@pytest.mark.parametrize("settings", [{}, SETTINGS["accumulate and clip"]], ids=["as it is", "accumulate and clip"])
@pytest.mark.parametrize("configure", [decay, nesterov, every_step, every_epoch])
@pytest.mark.parametrize("mode", ["free", "spot"])
@pytest.mark.parametrize("twin", [MLP, CNN], ids=lambda t: t.name)
def test_right_pairs_agree_under_other_optimizers_and_schedules(twin: Twin, mode: str, configure: Any, settings: dict[str, Any]) -> None:
    lockstep, theirs = run(configured(twin, configure), lockstep=SPOT if mode == "spot" else {}, **settings)
    assert lockstep.judge.failure is None
    assert lockstep.judge.passed
    assert lockstep.judge.error("gradient") < 1e-12
    assert "group 0.lr" in lockstep.judge.worst["state"]
    assert lockstep.hand.trainer.optimizer.param_groups[0]["lr"] == pytest.approx(
        theirs.trainer.optimizers[0].param_groups[0]["lr"], rel=1e-13
    )


@pytest.mark.parametrize("mode", ["free", "spot"])
def test_weights_and_metrics_at_the_end_are_the_same_numbers(mode: str) -> None:
    lockstep, theirs = run(CNN, limit_val_batches=1.0, max_epochs=3, lockstep=SPOT if mode == "spot" else {})
    assert set(lockstep.metrics) == {"loss/val", "accuracy/val"}
    found = {name: float(theirs.trainer.callback_metrics[name]) for name in lockstep.metrics}
    assert lockstep.metrics == pytest.approx(found, rel=1e-12)
    for name, p in lockstep.hand.model.named_parameters():
        assert p.data == pytest.approx(theirs.get_parameter(name).detach().numpy(), rel=1e-9, abs=1e-12)


def test_batchnorms_buffers_are_followed() -> None:
    lockstep, theirs = run(CNN)
    judged = {f"block{i}.norm.{key}" for i in (1, 2) for key in ("running_mean", "running_var", "num_batches_tracked")}
    assert set(lockstep.judge.worst["buffer"]) == judged
    assert theirs.block1.norm.num_batches_tracked == lockstep.hand.model.block1.norm.num_batches_tracked == 11
    assert not np.array_equal(lockstep.hand.model.block1.norm.running_var, np.ones(3))


def test_dropout_is_shared_and_the_torch_module_gets_its_own_back() -> None:
    _, fresh = MLP.build()
    seen = []

    class Look(pl.Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            seen.append((type(pl_module.dropout), list(pl_module.state_dict())))

    lockstep, theirs = run(MLP, callbacks=[Look()])
    assert lockstep.judge.passed
    assert all(kind is not torch.nn.Dropout for kind, _ in seen)
    assert all(keys == list(fresh.state_dict()) for _, keys in seen)
    assert type(theirs.dropout) is torch.nn.Dropout
    assert list(theirs.state_dict()) == list(fresh.state_dict())


def test_the_module_gets_its_dropout_back_after_an_error_too() -> None:
    class Fail(pl.Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            raise ZeroDivisionError

    _, theirs = MLP.build()
    trainer = pl.Trainer(max_steps=2, precision="64-true", callbacks=[LockStep(MLP), Fail()], accelerator="cpu", logger=False,
                         enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        trainer.fit(theirs, small_data(MLP))
    assert type(theirs.dropout) is torch.nn.Dropout


def test_the_noise_depends_on_the_seed_and_on_nothing_else() -> None:
    def losses(noise_seed: int) -> list[float]:
        lockstep = LockStep(MLP, seed=noise_seed)
        _, theirs = MLP.build(seed=0)
        torch.manual_seed(np.random.default_rng().integers(1000))  # torch's own generator is not asked
        trainer = pl.Trainer(max_steps=4, precision="64-true", callbacks=[lockstep], accelerator="cpu", logger=False,
                             enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
        trainer.fit(theirs, small_data(MLP))
        return [r.loss_torch for r in lockstep.records]

    assert losses(3) == losses(3) != losses(4)


def test_off_compares_nothing_and_trains_the_same() -> None:
    off, theirs = run(MLP, lockstep={"mode": "off"})
    assert not off.comparing
    assert off.records == []
    _, compared = run(MLP)
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), compared.parameters(), strict=True))


def test_spot_looks_at_torchs_weights_every_so_often() -> None:
    """Between two looks the twin may lie anywhere: a fault in step 1 is overwritten, one in step 3 is seen."""

    class Spoil(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step in (2, 3):
                lockstep.hand.model.fc1.weight[...] = 7

    lockstep = LockStep(MLP, "spot", 3)
    _, theirs = MLP.build()
    trainer = pl.Trainer(max_steps=8, precision="64-true", callbacks=[lockstep, Spoil()], accelerator="cpu", logger=False,
                         enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    trainer.fit(theirs, small_data(MLP))
    assert lockstep.judge.passed
    assert [r.step for r in lockstep.records] == [0, 3, 6]


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match=r"--compare\.every_n_steps must be at least 1, got 0"):
        LockStep(MLP, "spot", 0)
    with pytest.raises(InputError, match=r"in 64-true or 32-true: set --compare\.mode off for precision bf16-mixed"):
        run(MLP, precision="bf16-mixed")
    off, _ = run(MLP, precision="bf16-mixed", lockstep={"mode": "off"})
    assert not off.comparing


# ---- windows in float32 ----------------------------------------------------------------------------


class Nudge(pl.Callback):
    """Moves the twin and its shadow at one step, further than any rounding: as where a ReLU has fallen on the other side."""

    def __init__(self, at: tuple[int, ...]) -> None:
        self.at = at

    def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
        lockstep = next(c for c in trainer.callbacks if isinstance(c, LockStep))
        if trainer.global_step in self.at:
            for each in hand_runs(lockstep):
                next(each.model.parameters())[...] *= each.model.state_dict().popitem()[1].dtype.type(1.01)


@pytest.mark.parametrize("settings", [{}, {"accumulate_grad_batches": 2, "gradient_clip_val": 0.3}], ids=["plain", "accumulate and clip"])
@pytest.mark.parametrize("twin", [MLP, CNN], ids=lambda t: t.name)
def test_in_float32_two_runs_that_parted_once_begin_a_new_window(twin: Twin, settings: dict[str, Any]) -> None:
    lockstep, _ = run(twin, 14, precision="32-true", callbacks=[Nudge(at=(4, 9))], **settings)
    assert lockstep.judge.failure is None
    assert lockstep.judge.windows == 3
    assert len(lockstep.records) == lockstep.judge.steps == 14
    apart = [r.step for r in lockstep.records if r.gradient_error > 1e-4]
    assert apart == [4, 9]  # dropout, BatchNorm, momentum and the place in the window went on as they should


def test_a_decision_that_falls_otherwise_in_float32_is_made_again_in_float64_with_the_noise_of_its_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if float32's own rounding could not explain it: the two look at one step in float64, both with dropout's masks of that step."""
    monkeypatch.setattr(Again, "_agrees_from_torchs_weights", lambda *_: False)
    lockstep, _ = run(MLP, 6, precision="32-true", callbacks=[Nudge(at=(3,))], model={"dropout": 0.4})
    assert lockstep.judge.failure is None
    assert lockstep.judge.windows == 2
    wrong, _ = run(broken(MLP, halve), 2, precision="32-true", model={"dropout": 0.4})
    assert (wrong.judge.failure or "").startswith("step 0: gradient ")


class DoubleRate(pl.Callback):
    """The twin's step size, and its shadow's, are twice too large for one step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def scale(self, trainer: Any, factor: float) -> None:
        for each in hand_runs(next(c for c in trainer.callbacks if isinstance(c, LockStep))):
            each.trainer.optimizer.param_groups[0]["lr"] *= factor

    def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == self.at:
            self.scale(trainer, 2.0)


def test_a_wrong_step_size_is_not_excused_where_a_decision_falls_otherwise_at_the_same_step() -> None:
    lockstep, _ = run(MLP, 6, precision="32-true", callbacks=[Nudge(at=(3,)), DoubleRate(at=3)])
    assert (lockstep.judge.failure or "").startswith("step 3: ")


def test_in_float64_nothing_but_rounding_parts_two_runs() -> None:
    lockstep, _ = run(MLP, 6, callbacks=[Nudge(at=(4,))])
    assert (lockstep.judge.failure or "").startswith("step 4: ")


def test_what_parts_the_two_at_every_step_is_no_rounding_in_float32_either() -> None:
    lockstep, _ = run(MLP, 9, precision="32-true", callbacks=[Nudge(at=(3, 4, 5, 6))])
    assert (lockstep.judge.failure or "").startswith("step 5: ")


class StopAfterParting(pl.Callback):
    """Ends the training some steps after rounding has parted the two sides."""

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        lockstep = trainer.callbacks[0]
        if lockstep.judge.windows > 1 and trainer.global_step > parted(lockstep) + 25:
            trainer.should_stop = True


def parted(lockstep: LockStep) -> int:
    """The last step at which a gradient was further off than a ten-thousandth."""
    return max((r.step for r in lockstep.records if r.gradient_error > 1e-4), default=0)


def test_a_float32_run_that_rounding_parts_by_itself_passes_in_windows() -> None:
    fast = {"channels": 4, "lr": 0.4, "epochs": 250}  # so that rounding grows fast
    lockstep, _ = run(CNN, 1000, model=fast, precision="32-true", callbacks=[StopAfterParting()])
    assert lockstep.judge.failure is None
    assert 1 < lockstep.judge.windows < len(lockstep.records) / 10


# ---- mistakes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A mistake in the hand-written side, and how it must be reported."""

    break_: Callable[[Any], None]  # makes the mistake in a model
    named: str  # the tensor that is reported, as a regular expression
    step: int = 0  # the step at which it is caught
    twin: Twin = MLP
    fit: Mapping[str, Any] = field(default_factory=dict)


def become(path: str, wrong: type, **attributes: Any) -> Callable[[Any], None]:
    """Give the layer of this name another class."""

    def break_(model: Any) -> None:
        layer = model
        for name in path.split("."):
            layer = getattr(layer, name)
        layer.__class__ = wrong
        vars(layer).update(attributes)

    return break_


class Pieces(nn.Linear):
    """Linear, with each of its three formulas in a method of its own, to be got wrong. x (N, I), dL_dy (N, O)."""

    dL_dW = staticmethod(lambda W, x, dL_dy: dL_dy.T @ x)
    dL_db = staticmethod(lambda W, x, dL_dy: dL_dy.sum(axis=0))
    dL_dx = staticmethod(lambda W, x, dL_dy: dL_dy @ W)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        of = self.weight.data, self.restore(), dL_dy
        self.weight.grad += self.dL_dW(*of)
        self.bias.grad += self.dL_db(*of)
        return self.dL_dx(*of)


def linear(path: str, **pieces: Any) -> Callable[[Any], None]:
    """Get some formulas of this Linear wrong."""
    return become(path, Pieces, **pieces)


class ForgottenBias(nn.Linear):
    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        self.weight.grad += dL_dy.T @ self.restore()
        return dL_dy @ self.weight


class Overwrites(nn.Linear):
    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        self.weight.grad = dL_dy.T @ self.restore()
        self.bias.grad += dL_dy.sum(axis=0)
        return dL_dy @ self.weight


class StaleInput(nn.Linear):
    """Uses the x of the call before."""

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        stale, self.before = vars(self).get("before", x), x
        self.weight.grad += dL_dy.T @ stale
        self.bias.grad += dL_dy.sum(axis=0)
        return dL_dy @ self.weight


class StaleWeight(nn.Linear):
    """Goes back through the weight of the first call."""

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        self.first = vars(self).get("first", self.weight.data.copy())
        super().backward(dL_dy)
        return dL_dy @ self.first


class NoMask(Module):
    """For ReLU: the gradient passes everywhere."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return dL_dy


class NoDropoutMask(nn.Dropout):
    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        self.restore()
        return dL_dy / (1 - self.p)


class BiasedVariance(nn.BatchNorm2d):
    def track(self, mean: np.ndarray, var: np.ndarray, n: int) -> None:
        super().track(mean, var * ((n - 1) / n), n)


def halve(model: Any) -> None:
    """All gradients."""
    backward = model.backward
    model.backward = lambda dL_dloss=1.0: backward(dL_dloss / 2)


def one_percent(model: Any) -> None:
    backward = model.backward
    model.backward = lambda dL_dloss=1.0: backward(1.01 * dL_dloss)


def decay_late(model: Any) -> None:
    """AdamW that decays after the update."""

    class Late(manual.optim.AdamW):
        def update(self, p: np.ndarray, g: np.ndarray, state: Any, **options: Any) -> None:
            super().update(p, g, state, **{**options, "weight_decay": 0.0})
            p *= 1 - options["lr"] * options["weight_decay"]

    model.configure_optimizers = lambda: Late(model.parameters(), lr=0.01, weight_decay=0.1)


def adam_for_adamw(model: Any) -> None:
    model.configure_optimizers = lambda: manual.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)


def late_schedule(model: Any) -> None:
    """Moves one step late."""
    make = model.configure_optimizers

    def configure() -> Any:
        configured = make()
        scheduler = configured["lr_scheduler"]["scheduler"]
        step, waiting = scheduler.step, [True]
        scheduler.step = lambda: waiting.pop() if waiting else step()
        scheduler.state_dict = dict
        return configured

    model.configure_optimizers = configure


def mean_of_what_is_there(model: Any) -> None:
    """Divides the last, partial window by its own number of batches: the third batch is alone in its window of two."""
    training_step, backward = model.training_step, model.backward

    def step(batch: Any, batch_idx: int) -> float:
        model.alone = batch_idx == 2
        return training_step(batch, batch_idx)

    model.training_step = step
    model.backward = lambda dL_dloss=1.0: backward(1.0 if model.alone else dL_dloss)


def straight(**formulas: Callable[[dict[str, np.ndarray], dict[str, Any]], Any]) -> Callable[[Any], None]:
    """Get gradients of a straight-line concept wrong: each formula makes one from the right gradients and the values."""

    def break_(model: Any) -> None:
        forward, loss, backward = model.functions

        def wrong(x: np.ndarray, y: np.ndarray, **values: Any) -> dict[str, np.ndarray]:
            right = backward(x, y, **values)
            return {**right, **{name: f(right, {"x": x, "y": y, **values}) for name, f in formulas.items()}}

        model.functions = forward, loss, wrong

    return break_


EVERY_STEP = configured(MLP, every_step)
FAULTS = {
    "sign": Fault(linear("fc2", dL_dW=lambda W, x, d: -d.T @ x), r"gradient fc2\.weight"),
    "factor 2": Fault(linear("fc1", dL_db=lambda W, x, d: 2 * d.sum(axis=0)), r"gradient fc1\.bias"),
    "factor 1/N": Fault(linear("fc1", dL_dW=lambda W, x, d: d.T @ x / len(x)), r"gradient fc1\.weight"),
    "sign of dL_dx": Fault(linear("fc2", dL_dx=lambda W, x, d: -d @ W), r"gradient fc1\.(weight|bias)"),
    "forgotten bias": Fault(become("fc1", ForgottenBias), r"gradient fc1\.bias is missing by hand"),
    "dropout's mask": Fault(become("dropout", NoDropoutMask), r"gradient fc1\.(weight|bias)"),
    "ReLU's mask": Fault(become("relu", NoMask), r"gradient fc1\.(weight|bias)"),
    "transposed weight": Fault(linear("fc2", dL_dx=lambda W, x, d: d @ W.T), r"gradient fc1\.(weight|bias)", fit={"model": {"hidden": 10}}),
    "transposed product": Fault(linear("fc1", dL_dW=lambda W, x, d: x.T @ d), r"gradient fc1\.weight", fit={"model": {"hidden": 64}}),
    "sum over the wrong axis": Fault(
        linear("fc1", dL_db=lambda W, x, d: d.sum(axis=1)), r"gradient fc1\.bias", fit={"model": {"hidden": 24}}
    ),
    "= for +=": Fault(become("fc1", Overwrites), r"gradient fc1\.weight", fit={"accumulate_grad_batches": 2}),
    "stale input": Fault(become("fc1", StaleInput), r"gradient fc1\.weight", step=3),
    "stale weight": Fault(become("fc2", StaleWeight), r"gradient fc1\.(weight|bias)", step=3),
    "all halved": Fault(halve, r"gradient fc[12]\.(weight|bias) differs by 5\.0e-01"),
    "all 1 % too long": Fault(one_percent, r"gradient fc[12]\.(weight|bias) differs by 1\.0e-02"),
    "decay after the update": Fault(decay_late, r"parameter fc[12]\.(weight|bias)", twin=configured(MLP, decay)),
    "decay through the gradient": Fault(adam_for_adamw, r"parameter fc[12]\.(weight|bias)", twin=configured(MLP, decay)),
    "biased variance": Fault(become("block2.norm", BiasedVariance), r"buffer block2\.norm\.running_var", twin=CNN),
    "CNN's gamma": Fault(
        lambda m: setattr(m.block1.norm, "backward", lambda d, b=m.block1.norm.backward: 2 * b(d)),
        r"gradient block1\.conv\.weight",
        twin=CNN,
    ),
    "schedule one step late": Fault(late_schedule, r"parameter fc[12]\.(weight|bias)", 1, EVERY_STEP),
    "partial window": Fault(mean_of_what_is_there, r"gradient fc[12]\.(weight|bias)", 1, fit={"accumulate_grad_batches": 2}),
    "straight line: sign": Fault(straight(b2=lambda g, v: -g["b2"]), "gradient b2", twin=CORNERS),
    "straight line: ReLU": Fault(straight(b1=lambda g, v: ((v["z2"] * 0 + 1 / 4) @ v["W2"].T).sum(axis=0)), "gradient b1", twin=CORNERS),
    "straight line: factor": Fault(straight(W1=lambda g, v: 4 * g["W1"]), "gradient W1", twin=CORNERS),
}


@pytest.mark.parametrize("mode", ["float64", "float32", "spot"])
@pytest.mark.parametrize("name", FAULTS)
def test_mistakes_are_caught_and_named(name: str, mode: str) -> None:
    fault = FAULTS[name]
    precision = "32-true" if mode == "float32" else "64-true"
    lockstep, _ = run(broken(fault.twin, fault.break_), 6, precision=precision, lockstep=SPOT if mode == "spot" else {}, n=72, **fault.fit)
    assert not lockstep.judge.passed
    failure = lockstep.judge.failure or "not caught"
    assert re.search(fault.named, failure), failure
    caught = int(failure.removeprefix("step ").partition(":")[0])
    assert caught <= (fault.step if mode != "spot" else SPOT["every_n_steps"] * (fault.step > 0)), failure


@pytest.mark.parametrize("name", FAULTS)
def test_without_the_mistake_the_same_run_passes(name: str) -> None:
    lockstep, _ = run(FAULTS[name].twin, 5, n=72, **FAULTS[name].fit)
    assert lockstep.judge.passed


def test_formulas_in_pieces_are_no_mistake() -> None:
    lockstep, _ = run(broken(MLP, linear("fc1")), 5)
    assert lockstep.judge.passed


def test_halved_gradients_hardly_move_adam() -> None:
    """So parameters alone would not have told, and gradients must be compared."""
    lockstep, _ = run(broken(MLP, halve), 5)
    assert lockstep.records[0].gradient_error == pytest.approx(0.5)
    assert max(r.parameter_error for r in lockstep.records) < 1e-5
    sgd, _ = run(broken(MLP, halve), 5, lockstep={"plain_sgd": 0.1})
    assert max(r.parameter_error for r in sgd.records) > 1e-3


def test_plain_gradient_descent_takes_the_place_of_both_optimizers_and_goes_again() -> None:
    lockstep, theirs = run(CNN, lockstep={"plain_sgd": 0.02})
    assert lockstep.judge.passed
    assert set(lockstep.judge.worst["state"]) == {"group 0.lr"}
    assert isinstance(theirs.configure_optimizers(), dict)  # the concept's own again


# ---- what is not finite ----------------------------------------------------------------------------


class RootOfZero:
    """A loss that is finite, and a gradient that is not: the slope of a root at 0 is infinite."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch, batch_idx) + (0 * self.fc2.bias).sum().sqrt()  # type: ignore[misc, attr-defined]


def test_a_gradient_that_is_not_finite_in_torch_stops_the_run_and_is_named() -> None:
    twin = replace(MLP, torch=type("Rooted", (RootOfZero, MLP.torch), {}))
    with pytest.raises(NotFinite, match=r"step 0: torch: first not finite: the gradient of fc2\.bias \(NaN\)"):
        run(twin)


@pytest.mark.parametrize("mode", ["free", "spot"])
def test_a_gradient_that_is_not_finite_by_hand_alone_is_a_disagreement(mode: str) -> None:
    nan = linear("fc2", dL_dW=lambda W, x, d: d.T @ x * np.nan)
    lockstep, _ = run(broken(MLP, nan), 1, lockstep=SPOT if mode == "spot" else {})
    assert (lockstep.judge.failure or "").startswith("step 0: gradient fc2.weight is not finite by hand")


@pytest.mark.parametrize("at", ["batch", "parameter", "module", "values"])
def test_the_first_tensor_that_is_not_finite_is_named_in_the_order_of_computation(at: str) -> None:
    twin = CORNERS if at == "values" else MLP
    for by_hand, model in zip((True, False), twin.build(), strict=True):
        rng = np.random.default_rng(0)
        x, y = (rng.normal(size=(4, 2)), np.ones((4, 1))) if at == "values" else (rng.normal(size=(4, 64)), np.arange(4))
        as_theirs: Callable[[Any], Any] = (lambda a: a) if by_hand else torch.from_numpy
        forward = model.relu.forward if at != "values" else None
        if at == "batch":
            x[2, 3] = np.inf
        elif at == "parameter":
            model.fc2.bias.data[1] = np.nan
        elif at == "module":
            model.relu.forward = lambda z, forward=forward: forward(z) * np.inf
        else:
            for p in (model.b1, model.W2) if by_hand else (model.hidden.bias, model.output.weight):
                p.data[:] = 1e308
        expected = {
            "batch": "entry 0 of the batch (Inf)",
            "parameter": "parameter fc2.bias (NaN)",
            "module": "the output of relu (NaN)",  # 0 · ∞
            "values": "z2 (Inf)",
        }
        with torch.no_grad(), np.errstate(all="ignore"):
            assert first_in_forward(model, (as_theirs(x), as_theirs(y)), None if by_hand else twin.naming) == expected[at]
        if at == "module":
            assert vars(model.fc2).get("forward") is None  # what looked on is gone
