"""Cases of the optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import manual.optim
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.optimizer_case import optimizer
from experiments.judge.registry import judged_by
from manual.module import Parameter

MATRICES = ((3, 5), (7, 4), (2, 6))
"""What Muon takes."""


def judge_hooks(seed: int) -> dict[str, float]:
    """What hooks are told of a step, and what they can change of it, beside torch's: with a closure, without, and when taken away."""
    rng = np.random.default_rng(seed)
    start, slope = rng.normal(size=3), rng.normal(size=3)
    p, q = Parameter(start), torch.nn.Parameter(torch.from_numpy(start.copy()))
    told = steps_with_hooks(manual.optim.SGD([p], 0.3), p, slope), steps_with_hooks(torch.optim.SGD([q], 0.3), q, torch.from_numpy(slope))
    return {f"told {i}": abs(a - b) for i, (a, b) in enumerate(zip(*told, strict=True))}


def steps_with_hooks(optimizer: Any, parameter: Any, g: Any) -> list[float]:
    """The numbers that three steps of either side's optimizer bring about."""
    told: list[float] = []

    def closure(factor: float) -> Callable[[], float]:
        def gradient() -> float:
            parameter.grad = factor * g
            return factor

        return gradient

    def note(kind: float) -> Callable[..., None]:
        return lambda o, args, kwargs: told.extend([kind, len(args), len(kwargs), float(o is args[0]), float(parameter.sum())])

    optimizer.register_step_pre_hook(note(1.0))
    instead = optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, closure(5.0)), {}) if len(args) > 1 else None)
    after = optimizer.register_step_post_hook(note(2.0))
    told.append(optimizer.step(closure(1.0)))
    optimizer.step()  # with the gradient that is there
    instead.remove(), after.remove()
    told.append(optimizer.step(closure(2.0)))
    return [*told, float(parameter.sum())]


judged_by("SGD", judge_hooks)


def judge_bfloat16(seed: int) -> dict[str, float]:
    """How far bfloat16 is from torch's, and one step of Muon on matrices whose sums are too short to be rounded differently."""
    rng = np.random.default_rng(seed)
    usual = rng.normal(size=50) * 10.0 ** rng.uniform(-40, 38, 50)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38]
    ties, nans = range(0x3F800000, 0x3F850000, 0x4000), (0x7F800001, 0xFFFFFFFF)  # NaN whose bits look like other numbers'
    bits = np.array([*ties, *nans], dtype=np.uint32)
    x = np.concatenate([usual.astype(np.float32), np.array(special, dtype=np.float32), bits.view(np.float32)])
    same = np.array_equal(manual.optim.muon.bfloat16(x), torch.from_numpy(x).bfloat16().float().numpy(), equal_nan=True)
    found = {"bfloat16": 0.0 if same else np.inf}
    for shape in ((2, 3), (4, 2)):
        p, g = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
        a, b = Parameter(p), torch.nn.Parameter(to_torch(p))
        a.grad, b.grad = g, to_torch(g)
        manual.optim.Muon([a], lr=1.0).step()
        torch.optim.Muon([b], lr=1.0).step()
        found[f"Muon of {shape}"] = error(a.data, b) if error(a.data, b) > 1e-6 else 0.0  # the sum p − lr · u is float32's
    return found


judged_by("Muon", judge_bfloat16)


def judge_adafactor_far_out(seed: int) -> dict[str, float]:
    """Adafactor with gradients so small that eps₁ counts, and with an infinite one in some step; the state is compared right after it."""
    rng = np.random.default_rng(seed)
    found: dict[str, float] = {}
    for kind, beta2_decay, scale, infinite_at in (
        ("below the variance that is borne", -0.8, 1e-17, None),
        ("below the mean that is borne", -0.8, 1e-9, None),
        ("infinite, the newest counting more", -0.8, 1.0, 2),
        ("infinite, the newest counting less", -0.8, 1.0, 3),
        ("infinite, both counting alike", -1.0, 1.0, 2),
    ):
        for shape in ((3, 4), (5,)):
            start = rng.normal(size=shape)
            a, b = Parameter(start), torch.nn.Parameter(to_torch(start))
            hand, reference = manual.optim.Adafactor([a], beta2_decay=beta2_decay), torch.optim.Adafactor([b], beta2_decay=beta2_decay)
            for t in range(1, (infinite_at or 2) + 1):
                g = scale * rng.normal(size=shape)
                g.flat[2] = np.inf if t == infinite_at else g.flat[2]
                a.grad, b.grad = g, to_torch(g)
                with np.errstate(invalid="ignore"):
                    hand.step()
                reference.step()
            kept, expected = hand.state_dict()["state"][0], to_numpy(reference.state_dict())["state"][0]
            found |= {f"{key}, {kind}, {shape}": error(kept[key], value, nonfinite="match") for key, value in expected.items()}
            found[f"parameter, {kind}, {shape}"] = error(a.data, b, nonfinite="match")
    return found


judged_by("Adafactor", judge_adafactor_far_out)


def decays(p: list[Any]) -> list[dict[str, Any]]:
    """Two groups that decay differently; one by exactly 1."""
    return [{"params": p[:2], "weight_decay": 1}, {"params": p[2:], "weight_decay": 0.3}]


@optimizer("SGD")
def sgd(optim: Any, p: list[Any]) -> Any:
    return optim.SGD(p, lr=0.1)


@optimizer("SGD")
def sgd_momentum_dampening_decay(optim: Any, p: list[Any]) -> Any:
    return optim.SGD(decays(p), lr=0.1, momentum=0.9, dampening=0.3)


@optimizer("SGD")
def sgd_nesterov_maximize_groups(optim: Any, p: list[Any]) -> Any:
    return optim.SGD(
        [{"params": p[:2], "momentum": 0.5}, {"params": p[2:], "lr": 0.03, "nesterov": False}],
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        maximize=True,
        weight_decay=0.01,
    )


@optimizer("Adam")
def adam(optim: Any, p: list[Any]) -> Any:
    return optim.Adam(p)


@optimizer("Adam")
def adam_decay(optim: Any, p: list[Any]) -> Any:
    return optim.Adam(decays(p), lr=0.1)


@optimizer("Adam")
def adam_amsgrad_groups(optim: Any, p: list[Any]) -> Any:
    groups = [{"params": p[:1], "lr": 0.3}, {"params": p[1:], "betas": (0.6, 0.7), "amsgrad": False}]
    return optim.Adam(groups, lr=0.1, betas=(0.8, 0.95), eps=1e-3, amsgrad=True)


@optimizer("Adam")
def adam_maximize_decoupled(optim: Any, p: list[Any]) -> Any:
    return optim.Adam(p, lr=0.1, weight_decay=0.2, maximize=True, decoupled_weight_decay=True)


@optimizer("AdamW")
def adamw(optim: Any, p: list[Any]) -> Any:
    return optim.AdamW(p, lr=0.1)


@optimizer("AdamW")
def adamw_amsgrad_maximize(optim: Any, p: list[Any]) -> Any:
    return optim.AdamW(p, lr=0.1, betas=(0.7, 0.8), eps=1e-2, weight_decay=0.3, amsgrad=True, maximize=True)


@optimizer("RMSprop")
def rmsprop_decay(optim: Any, p: list[Any]) -> Any:
    return optim.RMSprop(decays(p))


@optimizer("RMSprop")
def rmsprop_momentum(optim: Any, p: list[Any]) -> Any:
    return optim.RMSprop(p, lr=0.02, alpha=0.8, eps=1e-2, momentum=0.7, maximize=True)


@optimizer("RMSprop")
def rmsprop_centered(optim: Any, p: list[Any]) -> Any:
    return optim.RMSprop(p, lr=0.02, alpha=0.9, eps=0.1, centered=True)


@optimizer("RMSprop")
def rmsprop_centered_momentum(optim: Any, p: list[Any]) -> Any:
    return optim.RMSprop([{"params": p[:3]}, {"params": p[3:], "momentum": 0}], lr=0.02, eps=0.1, momentum=0.9, centered=True)


@optimizer("Adagrad")
def adagrad_decay(optim: Any, p: list[Any]) -> Any:
    return optim.Adagrad(decays(p), lr=0.1)


@optimizer("Adagrad")
def adagrad_lr_decay_and_start_maximize(optim: Any, p: list[Any]) -> Any:
    groups = [{"params": p[:2]}, {"params": p[2:], "initial_accumulator_value": 9.0}]
    return optim.Adagrad(groups, lr=0.3, lr_decay=0.1, initial_accumulator_value=0.5, eps=1e-2, maximize=True)


@optimizer("Adadelta")
def adadelta_decay(optim: Any, p: list[Any]) -> Any:
    return optim.Adadelta(decays(p))


@optimizer("Adadelta")
def adadelta_maximize(optim: Any, p: list[Any]) -> Any:
    return optim.Adadelta(p, lr=0.7, rho=0.6, eps=1e-2, maximize=True)


@optimizer("Adamax")
def adamax_decay(optim: Any, p: list[Any]) -> Any:
    return optim.Adamax(decays(p))


@optimizer("Adamax")
def adamax_maximize(optim: Any, p: list[Any]) -> Any:
    return optim.Adamax(p, lr=0.1, betas=(0.6, 0.7), eps=1e-1, maximize=True)


@optimizer("NAdam")
def nadam_decay(optim: Any, p: list[Any]) -> Any:
    return optim.NAdam(decays(p), lr=0.05)


@optimizer("NAdam")
def nadam_decoupled_maximize(optim: Any, p: list[Any]) -> Any:
    return optim.NAdam(
        p, lr=0.05, betas=(0.7, 0.8), eps=1e-2, weight_decay=0.3, momentum_decay=0.5, decoupled_weight_decay=True, maximize=True
    )


@optimizer("RAdam")
def radam_decay(optim: Any, p: list[Any]) -> Any:
    return optim.RAdam(decays(p), lr=0.05)


@optimizer("RAdam")
def radam_decoupled_maximize(optim: Any, p: list[Any]) -> Any:
    return optim.RAdam(p, lr=0.05, betas=(0.7, 0.9), eps=1e-2, weight_decay=0.3, decoupled_weight_decay=True, maximize=True)


@optimizer("RAdam")
def radam_never_adaptive(optim: Any, p: list[Any]) -> Any:
    return optim.RAdam(p, lr=0.05, betas=(0.9, 0.6))


@optimizer("RAdam", steps=130)
def radam_on_the_edge(optim: Any, p: list[Any]) -> Any:
    return optim.RAdam(p, lr=0.05, betas=(0.9, 0.6666666666666667))  # ρₜ is 5 exactly at t = 97, and just below it else


@optimizer("Rprop")
def rprop(optim: Any, p: list[Any]) -> Any:
    return optim.Rprop(p)


@optimizer("Rprop")
def rprop_narrow_maximize(optim: Any, p: list[Any]) -> Any:
    return optim.Rprop(p, lr=0.3, etas=(0.4, 1.7), step_sizes=(0.02, 0.7), maximize=True)


@optimizer("ASGD")
def asgd_decay(optim: Any, p: list[Any]) -> Any:
    return optim.ASGD(decays(p), lr=0.1)


@optimizer("ASGD")
def asgd_averaging_maximize(optim: Any, p: list[Any]) -> Any:
    return optim.ASGD(p, lr=0.1, lambd=0.2, alpha=0.6, t0=5, maximize=True)


@optimizer("LBFGS", closure=True, steps=9)
def lbfgs_one_iteration(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, lr=0.2, max_iter=1, history_size=4)


@optimizer("LBFGS", closure=True, steps=6, dtypes=("float64",))
def lbfgs(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, lr=0.1, max_iter=4)


@optimizer("LBFGS", closure=True, steps=8, dtypes=("float64",))
def lbfgs_short_history(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, lr=0.2, max_iter=5, max_eval=4, history_size=3)


@optimizer("LBFGS", closure=True, steps=9)
def lbfgs_strong_wolfe_one_iteration(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, max_iter=1, max_eval=9, line_search_fn="strong_wolfe")


@optimizer("LBFGS", closure=True, steps=6, dtypes=("float64",))
def lbfgs_strong_wolfe(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, max_iter=3, max_eval=7, history_size=4, line_search_fn="strong_wolfe")


@optimizer("LBFGS", closure=True, steps=6, dtypes=("float64",))
def lbfgs_strong_wolfe_from_far(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, lr=20, max_iter=2, max_eval=30, line_search_fn="strong_wolfe")


@optimizer("LBFGS", closure=True, steps=6, dtypes=("float64",))
def lbfgs_strong_wolfe_from_near(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, lr=1e-3, max_iter=3, line_search_fn="strong_wolfe")


@optimizer("LBFGS", closure=True, steps=4)
def lbfgs_stops_at_once(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, lr=0.1, tolerance_grad=1e3)


@optimizer("LBFGS", closure=True, steps=4, dtypes=("float64",))
def lbfgs_stops_when_hardly_changing(optim: Any, p: list[Any]) -> Any:
    return optim.LBFGS(p, lr=0.1, max_iter=9, tolerance_change=0.3)


@optimizer("Muon", shapes=MATRICES)
def muon(optim: Any, p: list[Any]) -> Any:
    return optim.Muon(p, lr=0.1)


@optimizer("Muon", shapes=MATRICES)
def muon_match_rms_adamw(optim: Any, p: list[Any]) -> Any:
    return optim.Muon(p, lr=0.1, weight_decay=0.3, momentum=0.6, nesterov=False, eps=3.0, adjust_lr_fn="match_rms_adamw")


@optimizer("Muon", shapes=MATRICES)
def muon_other_iteration(optim: Any, p: list[Any]) -> Any:
    return optim.Muon(p, lr=0.1, ns_coefficients=(2.0, -1.5, 0.5), eps=3.0, ns_steps=3, adjust_lr_fn="original")


@optimizer("Adafactor")
def adafactor_decay(optim: Any, p: list[Any]) -> Any:
    return optim.Adafactor(decays(p))


@optimizer("Adafactor")
def adafactor_clipped_maximize(optim: Any, p: list[Any]) -> Any:
    """lr above 1 / √t from the start, and eps₁ so large that some variances are below it."""
    return optim.Adafactor(p, lr=3.0, beta2_decay=-0.2, eps=(0.3, 0.7), d=1.25, maximize=True)


@optimizer("Adafactor")
def adafactor_fast_forgetting(optim: Any, p: list[Any]) -> Any:
    return optim.Adafactor(p, lr=0.3, beta2_decay=-0.1, eps=(None, 2.0), d=1e3)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the matrix is symmetric: X Xᵀ, and every polynomial of it": (
        "muon.orthogonalize:transpose:c * (XXt @ XXt) => c * (XXt.T @ XXt):0",
        "muon.orthogonalize:transpose:c * (XXt @ XXt) => c * (XXt @ XXt.T):0",
        "muon.orthogonalize:transpose:polynomial @ X => polynomial.T @ X:0",
    ),
    "of a square matrix either side will do: p(X Xᵀ) X = X p(Xᵀ X) for every polynomial p": (
        "muon.orthogonalize:edge:u.shape[0] > u.shape[1] => u.shape[0] >= u.shape[1]:0",
    ),
    "options is a dict made for this group in this step, and advance sets the same keys for each of its parameters": (
        "Optimizer._move:inplace:options = options | self.advance(p, state, **options) => options |= self.advance(p, state, **options):0",
    ),
    "an elementwise update computes the same in blocks and at once; blocks are for speed": (
        "Optimizer._move:condition:self.elementwise and p.size > BLOCK and p.flags.c_contiguous"
        " => self.elementwise and p.flags.c_contiguous:0",
        "Optimizer._move:edge:p.size > BLOCK => p.size >= BLOCK:0",
        "Optimizer._move:direction:p.size > BLOCK => p.size < BLOCK:0",
    ),
    "only the sign of agreement is used": (
        "Rprop.update:scale:agreement = prev * g => agreement = 2 * (prev * g):0",
        "Rprop.update:scale:agreement = prev * g => agreement = 0.5 * (prev * g):0",
    ),
    "is_first is only asked whether it is true, and −True, 2 · True and True / 2 are": (
        "SGD.advance:sign:{'is_first': is_first} => {'is_first': -is_first}:0",
        "SGD.advance:scale:{'is_first': is_first} => {'is_first': 2 * is_first}:0",
        "SGD.advance:scale:{'is_first': is_first} => {'is_first': 0.5 * is_first}:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
