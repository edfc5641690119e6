"""The schedules: lr equal to torch's to the last bit (the cases), closed forms, and what bad input gets."""

from __future__ import annotations

import inspect
import json
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import experiments.cases.optim.lr_scheduler  # noqa: F401  registers its cases
import manual.optim
from experiments.judge.schedule_case import SCHEDULE_CASES, ScheduleCase, Scheduled, judge_schedule
from manual.module import Parameter
from manual.optim import SGD, Adagrad, lr_scheduler

NAMES = [name for name, value in vars(lr_scheduler).items() if inspect.isclass(value) and value is not lr_scheduler.LRScheduler]


def optimizer(lr: float = 0.1, groups: int = 1, cls: type = SGD) -> Any:
    return cls([{"params": [Parameter(np.ones(3))]} for _ in range(groups)], lr=lr)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", SCHEDULE_CASES, ids=str)
def test_lr_momentum_and_state_are_torchs_to_the_last_bit(case: ScheduleCase, seed: int) -> None:
    assert set(judge_schedule(case, seed).values()) == {0.0}


@pytest.mark.parametrize("name", NAMES)
def test_constructor_is_torchs_and_a_case_judges_it(name: str) -> None:
    hand, reference = (inspect.signature(getattr(side, name)) for side in (lr_scheduler, torch.optim.lr_scheduler))
    assert [(p.name, p.kind, p.default) for p in hand.parameters.values()] == [
        (p.name, p.kind, p.default) for p in reference.parameters.values()
    ]
    assert name in {case.name for case in SCHEDULE_CASES}


@pytest.mark.parametrize("case", [c for c in SCHEDULE_CASES if c.closed], ids=str)
def test_recursion_and_closed_form_agree(case: ScheduleCase) -> None:
    o = optimizer(groups=2)
    schedule = case.build(lr_scheduler, o)
    for t in range(40):
        assert schedule.last_epoch == t
        assert schedule.closed_form_lr() == pytest.approx(schedule.get_last_lr(), rel=1e-12, abs=1e-16)
        o.step()
        schedule.step()


@pytest.mark.filterwarnings("ignore:lr_scheduler.step")  # a nested SequentialLR makes two initial steps, in torch too
@pytest.mark.parametrize("case", [c for c in SCHEDULE_CASES if "lambda" not in c.label], ids=str)
def test_state_is_plain(case: ScheduleCase) -> None:
    state = Scheduled(manual.optim, case).schedule.state_dict()
    assert isinstance(json.dumps(state), str)


def test_a_callable_object_keeps_its_state() -> None:
    class Decay:
        def __init__(self, rate: float) -> None:
            self.rate = rate

        def __call__(self, t: int) -> float:
            return self.rate**t

    saved = lr_scheduler.LambdaLR(optimizer(), Decay(0.5)).state_dict()
    other = Decay(0.9)
    lr_scheduler.LambdaLR(optimizer(), other).load_state_dict(saved)
    assert other.rate == 0.5


def test_a_scale_of_your_own_keeps_its_state() -> None:
    class Falling:
        def __init__(self, rate: float) -> None:
            self.rate = rate

        def __call__(self, cycle: float) -> float:
            return self.rate**cycle

    saved = lr_scheduler.CyclicLR(optimizer(), 0.1, 0.5, scale_fn=Falling(0.5)).state_dict()
    other = Falling(0.9)
    lr_scheduler.CyclicLR(optimizer(), 0.1, 0.5, scale_fn=other).load_state_dict(saved)
    assert (saved["_scale_fn_custom"], other.rate) == ({"rate": 0.5}, 0.5)


def test_a_chain_is_of_its_first_schedules_optimizer_and_needs_no_number_of_steps() -> None:
    o = optimizer()
    chain = S.ChainedScheduler((S.ConstantLR(o, 0.5, 3), S.ExponentialLR(o, 0.5)))
    assert chain.optimizer is o
    assert chain.get_last_lr() == [0.05]
    o.step()
    chain.step()
    assert chain.get_last_lr() == [g["lr"] for g in o.param_groups] == [0.025]


def test_a_lr_of_0_cannot_be_undone() -> None:
    o = optimizer()
    schedule = S.ConstantLR(o, factor=0, total_iters=1)
    o.step()
    with pytest.raises(ZeroDivisionError, match="ConstantLR: factor = 0 made every lr 0"):
        schedule.step()


def test_lr_is_pythons_number() -> None:
    o = optimizer()
    lr_scheduler.LambdaLR(o, lambda t: np.float64(0.5))
    assert type(o.param_groups[0]["lr"]) is float


def test_stepping_before_the_optimizer_warns_as_torch_does() -> None:
    def count(schedule: Any, o: Any) -> int:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            schedule.step()
            o.step()
            schedule.step()
        return [str(w.message) for w in caught if issubclass(w.category, UserWarning)]

    t = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=0.1)
    o = optimizer()
    mine, theirs = count(lr_scheduler.StepLR(o, 3), o), count(torch.optim.lr_scheduler.StepLR(t, 3), t)
    assert len(mine) == len(theirs) == 1
    assert "before optimizer.step()" in mine[0]
    o = optimizer()
    schedule = lr_scheduler.StepLR(o, 3)
    o.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()


def test_plateau_takes_a_new_group_and_nan() -> None:
    o = optimizer()
    schedule = lr_scheduler.ReduceLROnPlateau(o, patience=0, factor=0.5)
    o.add_param_group({"params": [Parameter(np.ones(2))], "lr": 0.4})
    schedule.step(1.0)
    schedule.step(float("nan"))  # never better
    assert [g["lr"] for g in o.param_groups] == [0.05, 0.2]
    schedule = lr_scheduler.ReduceLROnPlateau(o, patience=0, min_lr=[0.0, 0.1])
    o.add_param_group({"params": [Parameter(np.ones(4))]})
    schedule.step(1.0)
    with pytest.raises(RuntimeError, match="min_lrs must have one entry per group, 3, got 2"):
        schedule.step(2.0)


S = lr_scheduler


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda o: S.LambdaLR(o, [abs, abs]), "LambdaLR: lr_lambda must have one entry per group, 1, got 2"),
        (lambda o: S.MultiplicativeLR(o, [abs, abs]), "MultiplicativeLR: lr_lambda must have one entry per group, 1, got 2"),
        (lambda o: S.ConstantLR(o, factor=1.5), r"ConstantLR: factor must be in \[0, 1\], got 1.5"),
        (lambda o: S.ConstantLR(o, factor=-0.5), r"factor must be in \[0, 1\], got -0.5"),
        (lambda o: S.CyclicLR(o, [0.1, 0.2], 0.5), "CyclicLR: base_lr must have one entry per group, 1, got 2"),
        (lambda o: S.CyclicLR(o, 0.1, [0.4, 0.5]), "CyclicLR: max_lr must have one entry per group, 1, got 2"),
        (lambda o: S.CyclicLR(o, 0.1, 0.5, step_size_up=0), "step_size_up must be positive .* got 0 and None"),
        (lambda o: S.CyclicLR(o, 0.1, 0.5, 2, -1), r"CyclicLR: .*step_size_down .*at least 0, got .*-1"),
        (lambda o: S.CyclicLR(o, 0.1, 0.5, mode="square"), "mode must be one of 'triangular', .* or scale_fn be given, got 'square'"),
        (lambda o: S.CyclicLR(optimizer(cls=Adagrad), 0.1, 0.5), "CyclicLR: cycle_momentum needs an optimizer with momentum or betas"),
        (lambda o: S.ChainedScheduler([]), "ChainedScheduler: schedulers must hold at least one schedule"),
        (lambda o: S.ChainedScheduler([S.StepLR(o, 2), S.StepLR(optimizer(), 2)]), r"schedulers\[1\] must belong to the same optimizer"),
        (lambda o: S.ChainedScheduler([S.StepLR(o, 2)], optimizer()), r"schedulers\[0\] must belong to the same optimizer"),
        (lambda o: S.ChainedScheduler([S.ReduceLROnPlateau(o)]), r"ChainedScheduler: schedulers\[0\] is a ReduceLROnPlateau"),
        (lambda o: S.StepLR(o, 0), "StepLR: step_size must be an integer of at least 1, got 0"),
        (lambda o: S.LinearLR(o, start_factor=0), r"start_factor must be in \(0, 1\], got 0"),
        (lambda o: S.LinearLR(o, start_factor=1.5), r"start_factor must be in \(0, 1\], got 1.5"),
        (lambda o: S.LinearLR(o, end_factor=-0.1), r"end_factor must be in \[0, 1\], got -0.1"),
        (lambda o: S.CosineAnnealingLR(o, 0), "T_max must be positive, got 0"),
        (lambda o: S.CosineAnnealingWarmRestarts(o, 0), "T_0 must be an integer of at least 1, got 0"),
        (lambda o: S.CosineAnnealingWarmRestarts(o, 2, T_mult=0), "T_mult must be an integer of at least 1, got 0"),
        (lambda o: S.CosineAnnealingWarmRestarts(o, 2, eta_min=math.nan), "eta_min must be a number, got nan"),
        (lambda o: S.CosineAnnealingWarmRestarts(o, 2).step(-1), "epoch must be at least 0, got -1"),
        (lambda o: S.OneCycleLR(o, 0.1), "total_steps, or epochs and steps_per_epoch, must be given"),
        (lambda o: S.OneCycleLR(o, 0.1, total_steps=0), "total_steps must be an integer of at least 1, got 0"),
        (lambda o: S.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=0), "steps_per_epoch must be an integer of at least 1"),
        (lambda o: S.OneCycleLR(o, 0.1, total_steps=9, pct_start=1.5), "pct_start must be a float between 0 and 1, got 1.5"),
        (lambda o: S.OneCycleLR(o, 0.1, total_steps=9, pct_start=1), "pct_start must be a float between 0 and 1, got 1"),
        (lambda o: S.OneCycleLR(o, 0.1, total_steps=9, anneal_strategy="exp"), "anneal_strategy must be 'cos' or 'linear', got 'exp'"),
        (lambda o: S.OneCycleLR(o, [0.1, 0.2], total_steps=9), "max_lr must have one entry per group, 1, got 2"),
        (lambda o: S.OneCycleLR(optimizer(cls=Adagrad), 0.1, total_steps=9), "cycle_momentum needs an optimizer with momentum or betas"),
        (lambda o: S.SequentialLR(o, [], []), "schedulers must hold at least one schedule"),
        (lambda o: S.SequentialLR(o, [S.StepLR(o, 2)], [3]), "milestones must be one fewer than the 1 schedulers, got 1"),
        (lambda o: S.SequentialLR(o, [S.StepLR(optimizer(), 2)], []), r"schedulers\[0\] must belong to the same optimizer"),
        (lambda o: S.SequentialLR(o, [S.StepLR(o, 2) for _ in range(3)], [5, 3]), r"SequentialLR: milestones must not fall, got \[5, 3\]"),
        (
            lambda o: S.SequentialLR(o, [S.StepLR(o, 2) for _ in range(2)], [-1]),
            r"SequentialLR: milestones\[0\] must be at least 0, got -1",
        ),
        (lambda o: S.SequentialLR(o, [S.ReduceLROnPlateau(o)], []), r"schedulers\[0\] is a ReduceLROnPlateau"),
        (lambda o: S.ReduceLROnPlateau(o, factor=1.0), "factor must be below 1, got 1.0"),
        (lambda o: S.ReduceLROnPlateau(o, mode="up"), "mode must be 'min' or 'max', got 'up'"),
        (lambda o: S.ReduceLROnPlateau(o, threshold_mode="log"), "threshold_mode must be 'rel' or 'abs', got 'log'"),
        (lambda o: S.ReduceLROnPlateau(o, min_lr=[0.1, 0.2]), "min_lr must have one entry per group, 1, got 2"),
    ],
)
def test_bad_arguments_are_named(build: Callable[..., Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(optimizer())


def test_too_many_steps_and_wrong_kinds_are_named() -> None:
    o = optimizer()
    o.step()
    schedule = lr_scheduler.OneCycleLR(o, 0.1, total_steps=4)
    for _ in range(4):
        schedule.step()
    with pytest.raises(ValueError, match="at most total_steps = 4 steps can be made, got to 5"):
        schedule.step()
    for name, arguments in {
        "StepLR": [1],
        "LambdaLR": [abs],
        "MultiplicativeLR": [abs],
        "ConstantLR": [],
        "CyclicLR": [0.1, 0.5],
        "OneCycleLR": [0.1],
        "SequentialLR": [[], []],
        "ReduceLROnPlateau": [],
    }.items():
        with pytest.raises(TypeError, match=f"{name}: optimizer must be an Optimizer, got str"):
            getattr(lr_scheduler, name)("sgd", *arguments)
    with pytest.raises(TypeError, match=r"schedulers\[0\] must be an LRScheduler, got int"):
        lr_scheduler.SequentialLR(o, [3], [])
    with pytest.raises(TypeError, match=r"ChainedScheduler: schedulers\[1\] must be an LRScheduler, got str"):
        lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 2), "step"])
    with pytest.raises(TypeError, match=r"MultiplicativeLR: lr_lambda must be a function, got 0\.5"):
        lr_scheduler.MultiplicativeLR(o, 0.5)
    with pytest.raises(NotImplementedError, match="epoch must be None, got 3"):
        lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 2)], []).step(3)
    with pytest.raises(KeyError, match="needs 'initial_lr' in param_groups"):
        lr_scheduler.StepLR(optimizer(), 2, last_epoch=3)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_value_for_each_group_comes_in_a_list_or_a_tuple_and_one_value_is_for_all(kind: Callable[..., Any]) -> None:
    def schedule(peaks: Any) -> Any:
        optimizer = SGD([{"params": [Parameter(np.ones(1))]}, {"params": [Parameter(np.ones(1))]}], lr=0.1, momentum=0.9)
        made = lr_scheduler.OneCycleLR(optimizer, max_lr=peaks, total_steps=10)
        return [group["max_lr"] for group in made.optimizer.param_groups]

    assert schedule(kind((0.5, 0.25))) == [0.5, 0.25]
    assert schedule(0.5) == [0.5, 0.5]
    with pytest.raises(ValueError, match="max_lr must have one entry per group, 2, got 3"):
        schedule(kind((1.0, 2.0, 3.0)))
