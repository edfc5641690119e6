"""Cases of the schedules."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.schedule_case import schedule


@schedule("LambdaLR")
def lambda_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.LambdaLR(o, lambda t: 0.9**t, **more)


@schedule("LambdaLR")
def lambda_lr_per_group(s: Any, o: Any, **more: Any) -> Any:
    return s.LambdaLR(o, [lambda t: 1 / (1 + t), lambda t: np.float64(0.5 + t)], **more)


@schedule("MultiplicativeLR", closed=False)
def multiplicative_lr_lambda(s: Any, o: Any, **more: Any) -> Any:
    return s.MultiplicativeLR(o, lambda t: 0.9 + 0.01 * t, **more)


@schedule("MultiplicativeLR", closed=False)
def multiplicative_lr_lambda_per_group(s: Any, o: Any, **more: Any) -> Any:
    return s.MultiplicativeLR(o, [lambda t: 1 - 0.5 / (1 + t), lambda t: np.float64(0.95)], **more)


@schedule("ConstantLR")
def constant_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.ConstantLR(o, factor=0.3, total_iters=8, **more)


@schedule("ConstantLR")
def constant_lr_by_default(s: Any, o: Any, **more: Any) -> Any:
    return s.ConstantLR(o, **more)


@schedule("StepLR")
def step_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.StepLR(o, step_size=4, gamma=0.7, **more)


@schedule("MultiStepLR")
def multi_step_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.MultiStepLR(o, milestones=[3, 8, 8, 17, 30], gamma=0.6, **more)


@schedule("ExponentialLR")
def exponential_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.ExponentialLR(o, gamma=0.93, **more)


@schedule("LinearLR")
def linear_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.LinearLR(o, start_factor=0.2, end_factor=0.7, total_iters=9, **more)


@schedule("LinearLR")
def linear_lr_down(s: Any, o: Any, **more: Any) -> Any:
    return s.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=30, **more)


@schedule("PolynomialLR")
def polynomial_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.PolynomialLR(o, total_iters=27, power=1.7, **more)


@schedule("CosineAnnealingLR")
def cosine_annealing_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.CosineAnnealingLR(o, T_max=7, eta_min=0.01, **more)


@schedule("CosineAnnealingLR")
def cosine_annealing_lr_once(s: Any, o: Any, **more: Any) -> Any:
    return s.CosineAnnealingLR(o, T_max=40, **more)


@schedule("CosineAnnealingWarmRestarts")
def cosine_annealing_warm_restarts(s: Any, o: Any, **more: Any) -> Any:
    return s.CosineAnnealingWarmRestarts(o, T_0=4, T_mult=3, eta_min=0.01, **more)


@schedule("CosineAnnealingWarmRestarts")
def cosine_annealing_warm_restarts_even(s: Any, o: Any, **more: Any) -> Any:
    return s.CosineAnnealingWarmRestarts(o, T_0=6, **more)


@schedule("CosineAnnealingWarmRestarts")
def cosine_annealing_warm_restarts_steep(s: Any, o: Any, **more: Any) -> Any:
    return s.CosineAnnealingWarmRestarts(o, T_0=2, T_mult=5, **more)


@schedule("CosineAnnealingWarmRestarts", closed=False, resume=False)
def cosine_annealing_warm_restarts_before_another(s: Any, o: Any) -> Any:
    return s.SequentialLR(o, [s.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2), s.StepLR(o, 9)], milestones=[13])


@schedule("OneCycleLR", closed=False, resume=False)
def one_cycle_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.OneCycleLR(o, max_lr=[0.5, 0.3], total_steps=45, **more)


@schedule("OneCycleLR", optimizer="Adam", closed=False, resume=False)
def one_cycle_lr_three_phases_linear(s: Any, o: Any, **more: Any) -> Any:
    return s.OneCycleLR(
        o,
        max_lr=0.5,
        epochs=5,
        steps_per_epoch=8,
        pct_start=0.4,
        anneal_strategy="linear",
        base_momentum=[0.8, 0.7],
        max_momentum=0.9,
        div_factor=10,
        final_div_factor=100,
        three_phase=True,
        **more,
    )


@schedule("OneCycleLR", optimizer="Adagrad", closed=False, resume=False)
def one_cycle_lr_without_momentum(s: Any, o: Any, **more: Any) -> Any:
    return s.OneCycleLR(o, max_lr=0.5, total_steps=40, pct_start=0.0, cycle_momentum=False, **more)


@schedule("CyclicLR")
def cyclic_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.CyclicLR(o, base_lr=[0.01, 0.02], max_lr=0.5, step_size_up=6, **more)


@schedule("CyclicLR", optimizer="Adam")
def cyclic_lr_halved_of_betas(s: Any, o: Any, **more: Any) -> Any:
    momenta = {"base_momentum": [0.7, 0.8], "max_momentum": 0.95}
    return s.CyclicLR(o, 0.01, [0.5, 0.3], step_size_up=3, step_size_down=8, mode="triangular2", **momenta, **more)


@schedule("CyclicLR", optimizer="Adagrad")
def cyclic_lr_exponential_without_momentum(s: Any, o: Any, **more: Any) -> Any:
    return s.CyclicLR(o, 0.01, 0.5, step_size_up=5, step_size_down=2, mode="exp_range", gamma=0.93, cycle_momentum=False, **more)


@schedule("CyclicLR")
def cyclic_lr_own_scale_of_cycles(s: Any, o: Any, **more: Any) -> Any:
    return s.CyclicLR(o, 0.01, 0.5, step_size_up=4, step_size_down=0, mode="own", scale_fn=lambda cycle: 1 / cycle, **more)


@schedule("CyclicLR")
def cyclic_lr_own_scale_of_steps(s: Any, o: Any, **more: Any) -> Any:
    own = {"scale_fn": lambda t: 1 / (1 + t), "scale_mode": "iterations"}
    return s.CyclicLR(o, 0.01, 0.5, step_size_up=4, mode="triangular2", **own, **more)


@schedule("ChainedScheduler", closed=False, resume=False)
def chained_scheduler(s: Any, o: Any) -> Any:
    return s.ChainedScheduler([s.ConstantLR(o, factor=0.1, total_iters=20), s.ExponentialLR(o, gamma=0.9)], optimizer=o)


@schedule("ChainedScheduler", closed=False, resume=False)
def chained_scheduler_nested(s: Any, o: Any) -> Any:
    inner = s.SequentialLR(o, [s.LinearLR(o, total_iters=3), s.StepLR(o, 3)], milestones=[4])
    return s.ChainedScheduler([inner, s.MultiStepLR(o, [2, 6])])


@schedule("SequentialLR", closed=False, resume=False)
def sequential_lr(s: Any, o: Any) -> Any:
    parts = [s.LinearLR(o, total_iters=4), s.CosineAnnealingLR(o, T_max=10, eta_min=0.001), s.ExponentialLR(o, gamma=0.8)]
    return s.SequentialLR(o, parts, milestones=[5, 22])


@schedule("SequentialLR", closed=False, resume=False)
def sequential_lr_of_restarts(s: Any, o: Any) -> Any:
    return s.SequentialLR(o, [s.StepLR(o, 2), s.CosineAnnealingWarmRestarts(o, 4), s.PolynomialLR(o, 9)], milestones=[3, 15])


@schedule("SequentialLR", closed=False, resume=False)
def sequential_lr_nested(s: Any, o: Any) -> Any:
    inner = s.SequentialLR(o, [s.LinearLR(o, total_iters=3), s.StepLR(o, 3)], milestones=[4])
    return s.SequentialLR(o, [inner, s.MultiStepLR(o, [2, 6])], milestones=[12])


@schedule("SequentialLR", closed=False, resume=False)
def sequential_lr_of_chained(s: Any, o: Any) -> Any:
    chained = s.ChainedScheduler([s.LinearLR(o, total_iters=3), s.ExponentialLR(o, 0.95)])
    return s.SequentialLR(o, [chained, s.StepLR(o, 4)], milestones=[6])


@schedule("ReduceLROnPlateau", metric=True, closed=False, resume=False)
def reduce_lr_on_plateau(s: Any, o: Any) -> Any:
    return s.ReduceLROnPlateau(o, factor=0.5, patience=2, threshold=0.25, cooldown=1, min_lr=[0.004, 0.001])


@schedule("ReduceLROnPlateau", metric=True, closed=False, resume=False)
def reduce_lr_on_plateau_max_abs(s: Any, o: Any) -> Any:
    return s.ReduceLROnPlateau(o, mode="max", factor=0.5, patience=1, threshold=0.5, threshold_mode="abs", eps=0.0125)


@schedule("ReduceLROnPlateau", metric=True, closed=False, resume=False)
def reduce_lr_on_plateau_min_abs(s: Any, o: Any) -> Any:
    return s.ReduceLROnPlateau(o, factor=0.9, patience=0, threshold=0.25, threshold_mode="abs", cooldown=2, min_lr=0.03)


@schedule("ReduceLROnPlateau", metric=True, closed=False, resume=False)
def reduce_lr_on_plateau_max_rel(s: Any, o: Any) -> Any:
    return s.ReduceLROnPlateau(o, mode="max", factor=0.8, patience=1, threshold=0.5, min_lr=0.01)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the cosine is even, and n modulo −2 T is 0 just where n modulo 2 T is": (
        "CosineAnnealingLR.get_lr:sign:(self.last_epoch, self.T_max, self.eta_min) => (self.last_epoch, -self.T_max, self.eta_min):0",
    ),
    "the two differ by 2 T, modulo which they are taken": ("CosineAnnealingLR.get_lr:sign:t - 1 - T_max => t - 1 + T_max:0",),
    "at the top both ways give 1, and with no way down the top is not reached": (
        "CyclicLR.get_lr:edge:done <= part_up => done < part_up:0",
    ),
    "last_epoch is below 0 only in the constructor, which steps without an epoch": (
        "CosineAnnealingWarmRestarts.step:condition:epoch is None and self.last_epoch < 0 => self.last_epoch < 0:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
