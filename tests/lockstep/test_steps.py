"""A step of an optimizer is an event: several optimizers, several steps a batch or none, closures, schedules of every kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import experiments
from experiments.judge.naming import Naming
from experiments.lockstep import LockStep
from experiments.lockstep.in_torch import TorchRun
from experiments.pair import Twin
from tests.helpers import SILENT, broken, configured, fit, scheduled, small_data
from tests.pairs import PLAYERS, REPLAY

MLP = experiments.twin("digits_mlp")
SPOT = {"mode": "spot", "every_n_steps": 3}


def run(twin: Twin, steps: int, **settings: Any) -> LockStep:
    """So many steps in lock-step, in batches of 24, 24 and 8 points."""
    return fit(twin, steps, data=twin.make_data(batch_size=24), **settings)[0]


@pytest.mark.parametrize("lockstep", [{}, SPOT], ids=["free", "spot"])
def test_gradients_that_are_not_forgotten_are_added_to_until_a_validation(lockstep: Any) -> None:
    """Lightning forgets them before it validates (on_validation_model_zero_grad): the twin forgets them there too, and only there."""
    twin = experiments.twin("training_loop").having({"zero_grad": False})
    seen: list[LockStep] = []
    for every in (1, 5, 50):
        found, _ = fit(twin, 120, data=twin.make_data(), lockstep=lockstep, limit_val_batches=None, check_val_every_n_epoch=every)
        assert found.judge.failure is None
        assert found.judge.steps == (40 if lockstep else 120)
        seen.append(found)
    assert len({round(found.records[-1].loss_torch, 9) for found in seen}) == 3  # a validation makes a difference to what is learned


# ---- two optimizers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["64-true", "32-true"])
@pytest.mark.parametrize("lockstep", [{}, SPOT], ids=["free", "spot"])
@pytest.mark.parametrize("d_steps", [1, 2])
def test_every_step_of_two_optimizers_is_judged(d_steps: int, lockstep: Any, precision: str) -> None:
    steps = 60 * (d_steps + 1)
    found = run(PLAYERS, steps, model={"d_steps": d_steps}, lockstep=lockstep, precision=precision, limit_val_batches=None)
    assert found.judge.failure is None
    assert found.judge.steps == len(found.records) == (steps if not lockstep else steps // 3)
    turn = [1] * d_steps + [0]
    assert [r.optimizer for r in found.records] == turn * (found.judge.steps // len(turn))
    assert set(found.judge.worst["metric"]) == {"loss/d", "loss/g", "score/val"}
    assert {"g.0.weight.exp_avg", "d.0.weight.momentum_buffer", "g.0.weight.step"} <= set(found.judge.worst["state"])
    assert found.judge.error("gradient") < (1e-12 if precision == "64-true" else 1e-4)


def backward_times(name: str, factor: float) -> Callable[[Any], None]:
    """The way back of one objective a little too long."""

    def break_(model: Any) -> None:
        right = getattr(model, name)
        setattr(model, name, lambda dL_dloss=1.0: right(factor * dL_dloss))

    return break_


@pytest.mark.parametrize(("name", "step", "parameter"), [("d_loss_backward", 0, "d"), ("g_loss_backward", 1, "g")])
def test_a_wrong_gradient_of_either_is_named_at_its_first_step(name: str, step: int, parameter: str) -> None:
    for factor in (1.0001, 0.999, 1 + 1e-6):
        failure = run(broken(PLAYERS, backward_times(name, factor)), 4).judge.failure or ""
        assert failure.startswith(f"step {step}: gradient {parameter}."), failure


def test_a_second_optimizer_that_is_another_is_named() -> None:
    import manual.optim

    def no_momentum(model: Any) -> None:
        make = model.configure_optimizers
        model.configure_optimizers = lambda: ([make()[0][0], manual.optim.SGD(model.d.parameters(), lr=0.1)], make()[1])

    failure = run(broken(PLAYERS, no_momentum), 2).judge.failure or ""
    assert re.fullmatch(r"step 0: optimizer state d\.[02]\.(weight|bias)\.momentum_buffer is missing by hand", failure), failure

    def slower(model: Any) -> None:
        make = model.configure_optimizers

        def configure() -> Any:
            optimizers, schedules = make()
            optimizers[1].param_groups[0]["lr"] *= 0.9
            return optimizers, schedules

        model.configure_optimizers = configure

    assert (run(broken(PLAYERS, slower), 2).judge.failure or "").startswith("step 0: parameter d.")


@pytest.mark.parametrize("change", ["more", "fewer", "other order"])
def test_another_number_or_order_of_steps_is_a_fault_of_its_own(change: str) -> None:
    def break_(model: Any) -> None:
        right = model.training_step

        def step(batch: Any, batch_idx: int) -> None:
            g, d = model.optimizers()
            if change == "other order":
                model.optimizers = lambda: (d, g) if batch_idx == 1 else (g, d)
            elif batch_idx == 1:
                model.d_steps = 2 if change == "more" else 0
                if change == "fewer":
                    model.log("loss/d", 0.0)
                    model.g_loss(batch)
                    model.forget()
                    model.d_steps = 1
                    return
            right(batch, batch_idx)

        model.training_step = step

    failure = run(broken(PLAYERS, break_), 8).judge.failure
    assert failure is not None
    words = {
        "more": "step 2: 3 steps were taken by hand, 2 steps were in torch (optimizers 1, 1, 0 by hand, 1, 0 in torch)",
        "fewer": "step 2: 0 steps were taken by hand, 2 steps were in torch (optimizers none by hand, 1, 0 in torch)",
        "other order": "step 2: the optimizers step in the order 0, 1 by hand, 1, 0 in torch",
    }
    assert failure == words[change]


# ---- several steps a batch, or none ------------------------------------------------------------------


@pytest.mark.parametrize("lockstep", [{}, SPOT], ids=["free", "spot"])
def test_a_batch_may_bring_several_steps_or_none(lockstep: Any) -> None:
    found = run(REPLAY, 36, lockstep=lockstep)
    assert found.judge.failure is None
    assert len(found.records) == 36 if not lockstep else 0 < len(found.records) < 36


def test_what_is_logged_without_a_step_is_judged_too() -> None:
    def break_(model: Any) -> None:
        right = model.training_step

        def step(batch: Any, batch_idx: int) -> None:
            right(batch, batch_idx)
            if len(batch[0]) < 20:
                model.log("odd", 1.0)

        model.training_step = step

    assert run(broken(REPLAY, break_), 9).judge.failure == "step 6: metric odd is missing in torch"


# ---- one optimizer, each of its ways -----------------------------------------------------------------


def lbfgs(**options: Any) -> Callable[[Any, Any], Any]:
    return lambda optim, parameters: optim.LBFGS(parameters, max_iter=4, history_size=3, **options)


@pytest.mark.parametrize("options", [{"lr": 0.1}, {"line_search_fn": "strong_wolfe"}], ids=["plain", "line search"])
def test_l_bfgs_whose_closure_comes_several_times_is_followed(options: Any) -> None:
    twin = configured(MLP, lbfgs(**options), hidden=9, dropout=0.2)
    found, _ = fit(twin, 6)
    assert found.judge.failure is None
    assert found.judge.steps == 6
    assert {"fc1.weight.func_evals", "fc1.weight.old_dirs", "fc1.weight.d"} <= set(found.judge.worst["state"])

    def one_percent(model: Any) -> None:
        right = model.backward
        model.backward = lambda dL_dloss=1.0: right(1.01 * dL_dloss)

    wrong, _ = fit(broken(twin, one_percent), 2)
    assert (wrong.judge.failure or "").startswith("step 0: gradient")


def plateau(interval: str, monitor: str, frequency: int = 1) -> Callable[[Any, Any], Any]:
    def configure(optim: Any, parameters: Any) -> Any:
        optimizer = optim.SGD(parameters, lr=0.3, momentum=0.9)
        schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.2)
        found = scheduled(optimizer, schedule, interval)
        found["lr_scheduler"] |= {"monitor": monitor, "frequency": frequency}
        return found

    return configure


def every_second(interval: str) -> Callable[[Any, Any], Any]:
    def configure(optim: Any, parameters: Any) -> Any:
        optimizer = optim.SGD(parameters, lr=0.1)
        found = scheduled(optimizer, optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5), interval)
        found["lr_scheduler"]["frequency"] = 2
        return found

    return configure


SCHEDULES = {
    "plateau of the validation, every epoch": plateau("epoch", "loss/val"),
    "plateau of the validation, every second epoch": plateau("epoch", "loss/val", 2),
    "plateau of the training loss, every step": plateau("step", "loss/train"),
    "every second step": every_second("step"),
    "every second epoch": every_second("epoch"),
}


class Rates(pl.Callback):
    """The lr of every step."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.found.append(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("lockstep", [{}, {"mode": "spot", "every_n_steps": 2}], ids=["free", "spot"])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_followed(name: str, accumulate: int, lockstep: Any) -> None:
    rates, twin = Rates(), configured(MLP, SCHEDULES[name], hidden=9)
    found, _ = fit(twin, 17, callbacks=[rates], limit_val_batches=None, accumulate_grad_batches=accumulate, lockstep=lockstep)
    assert found.judge.failure is None
    assert len(set(rates.found)) > 1  # or nothing was followed
    assert "loss/val" in found.judge.worst["metric"]


def test_a_schedule_that_follows_another_metric_is_caught() -> None:
    def follow_the_accuracy(model: Any) -> None:
        make = model.configure_optimizers

        def configure() -> Any:
            made = make()
            made["lr_scheduler"]["monitor"] = "accuracy/val"
            return made

        model.configure_optimizers = configure

    twin = broken(configured(MLP, plateau("epoch", "loss/val"), hidden=9), follow_the_accuracy)
    found, _ = fit(twin, 17, limit_val_batches=None)
    assert not found.judge.passed


def frozen(twin: Twin, **arguments: Any) -> LockStep:
    """Five steps with the first layer frozen."""
    _, theirs = twin.build()
    theirs.get_submodule("fc1").requires_grad_(False)
    lockstep = LockStep(twin)
    pl.Trainer(**{**SILENT, **arguments}, max_steps=5, precision="64-true", callbacks=[lockstep]).fit(theirs, small_data(twin))
    return lockstep


def test_frozen_parameters_have_no_gradient_and_must_not_move() -> None:
    found = frozen(MLP)
    assert found.judge.failure is None
    assert set(found.judge.worst["gradient"]) == {"fc2.weight", "fc2.bias"}

    def moves(model: Any) -> None:
        make = model.configure_optimizers

        def configure() -> Any:
            made = make()
            made.register_step_post_hook(lambda *_: np.multiply(model.fc1.bias, 1 + 1e-15, out=model.fc1.bias.data))
            return made

        model.configure_optimizers = configure

    assert frozen(broken(MLP, moves)).judge.failure == "step 0: parameter fc1.bias is frozen, and moved by hand"


# ---- what a concept itself does when a step is to be taken ---------------------------------------------


def test_a_concept_s_own_hooks_are_called_on_both_sides_beside_those_that_listen() -> None:
    """The hand-written one's was lost, for the listener stood in its place."""

    class Hand(MLP.manual):  # type: ignore[name-defined, misc]
        taken = 0

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            self.taken += 1

    class Torch(MLP.torch):  # type: ignore[name-defined, misc]
        taken = 0

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            self.taken += 1

    found, theirs = fit(replace(MLP, manual=Hand, torch=Torch), 5)
    assert found.judge.failure is None
    assert (found.hand.model.taken, theirs.taken) == (5, 5)


def test_what_is_logged_stays_as_it_was_and_is_no_number_before_it_is_asked_for() -> None:
    """A tensor on the meta device cannot become one; of a GPU's it would have to be waited for."""
    module: Any = torch.nn.Linear(1, 1)
    module.log = lambda *_: None
    trainer: Any = SimpleNamespace(optimizers=[])
    run, loss = TorchRun(trainer, module, Naming({})), torch.tensor(1.0)
    module.log("loss", loss)
    loss.add_(1)
    module.log("loss", loss)
    module.log("elsewhere", torch.empty((), device="meta"))
    module.log("n", 3)
    assert run.latest(["loss", None, "n", "not logged"]) == {"loss": 2.0, "n": 3.0}
    with pytest.raises(RuntimeError, match="meta"):
        run.latest(["elsewhere"])
    run.metrics.pop("elsewhere")
    assert run.take().metrics == {"loss": [1.0, 2.0], "n": [3.0]}
    assert run.take().metrics == {}
