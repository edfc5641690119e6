"""Cases for optimizers and schedules, and how they are judged: both sides fed alike, everything compared at every step.

A case builds the same thing on either side, from that side's library and parameters (or optimizer):

    @optimizer("Adam")
    def adam_amsgrad(optim, p):
        return optim.Adam(p, lr=0.1, amsgrad=True)

Half-way the two sides exchange their states through `state_dict` and go on in optimizers built anew: what torch saved is
continued by hand, and the other way round.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch

import manual.optim
from experiments.judge.compare import as_array, error, errors, norm
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.registry import judged_by
from manual.module import Parameter

SHAPES = ((3, 5), (7,), (4, 3, 2), (), (2, 6))
MATRICES = ((3, 5), (7, 4), (2, 6))


@dataclass(frozen=True)
class OptimizerCase:
    """One way to build an optimizer, the same on both sides."""

    name: str  # in manual.optim and in torch.optim
    label: str
    build: Callable[[Any, list[Any]], Any]
    shapes: tuple[tuple[int, ...], ...]
    steps: int
    closure: bool  # whether step needs a closure; the gradients are then those of a function
    dtypes: tuple[str, ...]  # float64 alone where a step is a long way, on which rounding grows

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class ScheduleCase:
    """One way to build a schedule, the same on both sides."""

    name: str  # in manual.optim.lr_scheduler and in torch.optim.lr_scheduler
    label: str
    build: Callable[..., Any]
    optimizer: str
    metric: bool  # whether step takes a metric
    closed: bool  # whether step takes a number to jump to
    resume: bool  # whether it can begin at another last_epoch

    def __str__(self) -> str:
        return self.label


def judge_hooks(seed: int) -> dict[str, float]:
    """What hooks are told of a step, and what they can change of it, beside torch's: with a closure, without, and when taken away."""
    rng = np.random.default_rng(seed)
    start, slope = rng.normal(size=3), rng.normal(size=3)
    p, q = Parameter(start), torch.nn.Parameter(torch.from_numpy(start.copy()))
    told: list[list[float]] = []
    for optimizer, parameter, g in ((manual.optim.SGD([p], 0.3), p, slope), (torch.optim.SGD([q], 0.3), q, torch.from_numpy(slope))):
        told.append(steps_with_hooks(optimizer, parameter, g))
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


OPTIMIZER_CASES: list[OptimizerCase] = []
SCHEDULE_CASES: list[ScheduleCase] = []


def optimizer(
    name: str,
    *,
    shapes: tuple[tuple[int, ...], ...] = SHAPES,
    steps: int = 30,
    closure: bool = False,
    dtypes: tuple[str, ...] = ("float64", "float32"),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a case for the optimizer `name`; see the fields of OptimizerCase."""

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        case = OptimizerCase(name, build.__name__, build, shapes, steps, closure, dtypes)
        OPTIMIZER_CASES.append(case)
        judged_by(name, partial(judge_optimizer, case))
        if not closure:
            judged_by(name, partial(judge_nonfinite, case))
        return build

    return register


def schedule(
    name: str, *, optimizer: str = "SGD", metric: bool = False, closed: bool = True, resume: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a case for the schedule `name`; see the fields of ScheduleCase."""

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        case = ScheduleCase(name, build.__name__, build, optimizer, metric, closed, resume)
        SCHEDULE_CASES.append(case)
        judged_by(name, partial(judge_schedule, case))
        return build

    return register


# ---- optimizers ----------------------------------------------------------------------------------


def judge_optimizer(case: OptimizerCase, seed: int, dtype: str = "float64", device: str = "cpu") -> dict[str, float]:
    """The worst error, over all steps, of each parameter, of each kind of state, and of the groups' options.

    Gradients are random, the same for both sides; with a closure they are a function's. In float32 each step, with a
    closure every second, is judged from equal parameters and state, since rounding grows from step to step. A parameter is measured against
    all parameters, at the largest that they have been; a tensor of the state against all that is kept under its key. The
    blocks in which large parameters are updated are made small enough to be used here.
    """
    rng = np.random.default_rng(seed)
    start = [np.asarray(rng.normal(size=shape), dtype=dtype) for shape in case.shapes]
    start[-1] = np.asfortranarray(start[-1])
    hand_p = [Parameter(p) for p in start]
    torch_p = [torch.nn.Parameter(to_torch(p, device)) for p in start]
    feed = Function(hand_p, torch_p, rng, device) if case.closure else Noise(hand_p, torch_p, rng, device)
    with same_arithmetic():
        hand, reference = case.build(manual.optim, hand_p), case.build(torch.optim, torch_p)
        found: dict[str, float] = {}
        largest = 0.0
        for step in range(case.steps):
            if step == case.steps // 2:
                saved = hand.state_dict(), to_numpy(reference.state_dict())
                hand, reference = case.build(manual.optim, hand_p), case.build(torch.optim, torch_p)
                hand.load_state_dict(saved[1])
                reference.load_state_dict(to_torch(saved[0], device))
            if (case.closure and step % 2 == 0) or dtype == "float32":
                start_equal(hand_p, torch_p, hand, reference)
            feed.step(hand, reference)
            largest = max(largest, norm(as_array(p) for p in torch_p))
            now = {f"parameter {i}": error(a.data, b, largest) for i, (a, b) in enumerate(zip(hand_p, torch_p, strict=True))}
            now["has_stepped"] = 0.0 if hand.has_stepped is True else np.inf
            now |= state_errors(hand.state_dict(), to_numpy(reference.state_dict()))
            found = {key: max(found.get(key, 0.0), now.get(key, 0.0)) for key in {**found, **now}}
    return found


def start_equal(hand_p: list[Parameter], torch_p: list[Any], hand: Any, reference: Any) -> None:
    """Copy torch's parameters and state."""
    for a, b in zip(hand_p, torch_p, strict=True):
        a.data[...] = as_array(b)
    hand.load_state_dict(to_numpy(reference.state_dict()))


def judge_nonfinite(case: OptimizerCase, seed: int) -> dict[str, float]:
    """The errors of parameters and state after steps with NaN and ±∞ in the gradients: the same of them in the same places."""
    rng = np.random.default_rng(seed)
    hand_p = [Parameter(rng.normal(size=shape)) for shape in case.shapes]
    torch_p = [torch.nn.Parameter(to_torch(p.data)) for p in hand_p]
    found = {}
    with same_arithmetic(), np.errstate(all="ignore"):
        hand, reference = case.build(manual.optim, hand_p), case.build(torch.optim, torch_p)
        for step in range(3):
            for a, b in zip(hand_p, torch_p, strict=True):
                g = rng.normal(size=a.shape)
                if step == 1:
                    g.reshape(-1)[:3] = np.resize([np.nan, np.inf, -np.inf], min(3, g.size))
                a.grad, b.grad = g, to_torch(g)
            hand.step()
            reference.step()
        state, expected = hand.state_dict()["state"], to_numpy(reference.state_dict())["state"]
        for i, (a, b) in enumerate(zip(hand_p, torch_p, strict=True)):
            found[f"parameter {i}"] = error(a.data, b, nonfinite="match")
            for key, value in expected.get(i, {}).items():
                found[f"state {key} of parameter {i}"] = error(state[i][key], value, nonfinite="match")
    return found


class Noise:
    """Random gradients, the same for both sides: some parameters now and then have none, some entries are 0."""

    def __init__(self, hand_p: list[Parameter], torch_p: list[Any], rng: np.random.Generator, device: str) -> None:
        self.hand_p, self.torch_p, self.rng, self.device = hand_p, torch_p, rng, device
        self.means = [rng.normal(size=p.shape) for p in hand_p]  # so that signs last for a while
        self.scales = 10.0 ** rng.uniform(-2, 1, len(hand_p))
        self.steps = 0

    def step(self, hand: Any, reference: Any) -> None:
        """Feed, and update both; every third step draws its gradients in a closure."""
        hand.zero_grad()
        reference.zero_grad()
        self.steps += 1
        if self.steps % 3 == 0:
            loss = hand.step(self.draw)
        else:
            loss = self.draw()
            before = [a.grad.copy() for a in self.hand_p]
            assert hand.step() is None, "step without a closure must return None"
            assert all(np.array_equal(a.grad, g) for a, g in zip(self.hand_p, before, strict=True)), "step changed a gradient"
        assert loss == self.steps, f"step returned {loss}, expected what the closure returned, {self.steps}"
        reference.step()

    def draw(self) -> float:
        """Set all gradients, of both sides; returns a loss."""
        for i, (a, b) in enumerate(zip(self.hand_p, self.torch_p, strict=True)):
            g = self.scales[i] * (self.means[i] + self.rng.normal(size=a.shape)) * (self.rng.random(a.shape) > 0.1)
            late = i == 2 and self.steps <= 3
            if not late and self.rng.random() > 0.15:
                a.grad = np.asarray(g, dtype=a.dtype)
                b.grad = to_torch(a.grad, self.device)
        return float(self.steps)


class Function:
    """A function with a curved valley, computed in NumPy for both sides: Σ wᵢ (xᵢ − cᵢ)² + 0.1 (xᵢ − cᵢ)⁴ + (xᵢ₊₁ − xᵢ²)²."""

    def __init__(self, hand_p: list[Parameter], torch_p: list[Any], rng: np.random.Generator, device: str) -> None:
        self.hand_p, self.torch_p, self.device = hand_p, torch_p, device
        size = sum(p.size for p in hand_p)
        self.c, self.w = rng.normal(size=size), 10.0 ** rng.uniform(-1, 1, size)

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """f(x) and ∂f/∂x, in float64."""
        x = x.astype(np.float64)
        away, valley = x - self.c, x[1:] - x[:-1] ** 2
        g = 2 * self.w * away + 0.4 * away**3
        g[1:] += 2 * valley
        g[:-1] -= 4 * valley * x[:-1]
        return float((self.w * away**2).sum() + 0.1 * (away**4).sum() + (valley**2).sum()), g

    def closure(self, parameters: list[Any]) -> float:
        """Set the gradients at the point where these parameters are, and return the loss."""
        arrays = [as_array(p.data) for p in parameters]
        loss, g = self.value_and_gradient(np.concatenate([a.ravel() for a in arrays]))
        for p, a in zip(parameters, arrays, strict=True):
            part, g = g[: a.size].reshape(a.shape).astype(a.dtype), g[a.size :]
            p.grad = part if isinstance(p, Parameter) else to_torch(part, self.device)
        return loss

    def step(self, hand: Any, reference: Any) -> None:
        """Update both."""
        a, b = hand.step(lambda: self.closure(self.hand_p)), reference.step(lambda: self.closure(self.torch_p))
        assert np.isclose(a, b, rtol=1e-5), f"step returned the loss {a}, expected {b}"


def state_errors(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, float]:
    """The error of each kind of state, and 0 or ∞ for the groups' options."""
    scalars = [key for s in a["state"].values() for key, _, v in leaves(s) if isinstance(v, np.generic)]
    assert not scalars, f"state must be arrays, got NumPy's scalars for {scalars}"
    mine, theirs = ({(key, i, *path): v for i, s in x["state"].items() for key, path, v in leaves(s)} for x in (a, b))
    found = {"options of the groups": 0.0 if a["param_groups"] == b["param_groups"] else np.inf}
    for key in {k[0] for k in (*mine, *theirs)}:
        ours, torchs = ({str(k): v for k, v in x.items() if k[0] == key} for x in (mine, theirs))
        found[f"state {key}"] = max(errors(ours, torchs).values())
    return found


def leaves(state: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """Every entry of a parameter's state, lists entry by entry.

    Of LBFGS's `al` only which are there: they are written before they are read, and where the line search was good,
    s · q is 0 but for rounding.
    """
    for key, value in state.items():
        for i, v in enumerate(value) if isinstance(value, list) else [(-1, value)]:
            yield key, (i,), v is None if key == "al" else v


@contextmanager
def same_arithmetic() -> Iterator[None]:
    """Small blocks, so that they are used; and Muon in full precision on both sides.

    Rounded to bfloat16 two right Muons differ by 0.5 % wherever a sum comes out on the other side of a rounding edge.
    """
    with ExitStack() as stack:
        for target, name, value in (
            (manual.optim.optimizer, "BLOCK", 7),
            (manual.optim.muon, "bfloat16", lambda x: x),
            (torch.Tensor, "bfloat16", torch.Tensor.clone),
        ):
            stack.enter_context(mock.patch.object(target, name, value))
        yield


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


# ---- schedules -----------------------------------------------------------------------------------


def judge_schedule(case: ScheduleCase, seed: int) -> dict[str, float]:
    """The worst relative error of lr, over all steps, and 0 or ∞ for the groups' options and the schedule's state.

    Both sides make 40 steps; lr is halved by hand on the way, and states are exchanged half-way. Then a schedule that
    begins at another last_epoch, and jumps, are judged too, where the schedule knows them.
    """
    rng = np.random.default_rng(seed)
    found = {"lr": 0.0, "options of the groups": 0.0, "state": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of deprecated epochs
        pair = [Scheduled(side, case) for side in (manual.optim, torch.optim)]
        compare_schedules(pair, found)
        for step in range(40):
            metric = rng.integers(0, 12) / 4 - step // 9  # quarters, so that some are just as good as what they are compared with
            arguments = ([metric, 2 * step] if step % 5 == 4 else [metric]) if case.metric else []
            for side in pair:
                side.move(*arguments)
            if step == 7:
                for side in pair:
                    side.halve()
            if step == 20:
                pair = [Scheduled(mine.optim, case, other) for mine, other in (pair, pair[::-1])]
            if step == 30 and case.metric:
                for side in pair:
                    side.add_group()
            compare_schedules(pair, found)
        if case.resume:
            pair = [Scheduled(side, case, last_epoch=5) for side in (manual.optim, torch.optim)]
            for _ in range(9):
                compare_schedules(pair, found)
                for side in pair:
                    side.move()
        if case.closed:
            pair = [Scheduled(side, case) for side in (manual.optim, torch.optim)]
            for epoch in (3, 4, 17, 0, 2.5, 15, 25, 8, 33, 60):
                for given in ([epoch], [], []):
                    for side in pair:
                        side.schedule.step(*given)
                    compare_schedules(pair, found)
    return found


class Scheduled:
    """An optimizer of one side with two groups, and its schedule; new, or loaded from another's state."""

    def __init__(self, optim: Any, case: ScheduleCase, other: Scheduled | None = None, **more: Any) -> None:
        self.optim = optim
        a, b = (Parameter(np.ones(2)) if optim is manual.optim else torch.nn.Parameter(torch.ones(2)) for _ in range(2))
        start = {"initial_lr": 0.3} if more else {}
        self.optimizer = getattr(optim, case.optimizer)([{"params": [a], **start}, {"params": [b], "lr": 0.02, **start}], lr=0.1)
        self.schedule = case.build(optim.lr_scheduler, self.optimizer, **more)
        if other is not None:
            convert = to_numpy if optim is manual.optim else to_torch
            self.optimizer.load_state_dict(convert(other.optimizer.state_dict()))
            self.schedule.load_state_dict(other.schedule.state_dict())

    def move(self, *metric: float) -> None:
        """One step of both."""
        self.optimizer.step()
        self.schedule.step(*metric)

    def halve(self) -> None:
        """What a person might do between two steps."""
        for group in self.optimizer.param_groups:
            group["lr"] /= 2

    def add_group(self) -> None:
        """A group that the schedule has not seen, if it can do with that."""
        if self.schedule.default_min_lr is not None:
            p = self.optimizer.param_groups[0]["params"][0]
            self.optimizer.add_param_group(
                {"params": [Parameter(np.ones(3)) if isinstance(p, Parameter) else torch.nn.Parameter(torch.ones(3))]}
            )

    def options(self) -> list[dict[str, Any]]:
        """Everything in the groups but lr and the parameters."""
        return [{key: v for key, v in group.items() if key not in ("params", "lr")} for group in self.optimizer.param_groups]


def compare_schedules(pair: list[Scheduled], found: dict[str, float]) -> None:
    """Add the errors of this step to what was found."""
    hand, reference = pair
    for a, b in zip(hand.optimizer.param_groups, reference.optimizer.param_groups, strict=True):
        found["lr"] = max(found["lr"], error(a["lr"], b["lr"]))
    same = hand.schedule.get_last_lr() == reference.schedule.get_last_lr()
    same &= without_torchs_own(hand.schedule.state_dict()) == without_torchs_own(reference.schedule.state_dict())
    found["state"] = max(found["state"], 0.0 if same else np.inf)
    found["options of the groups"] = max(found["options of the groups"], 0.0 if hand.options() == reference.options() else np.inf)


def without_torchs_own(state: Any) -> Any:
    """A schedule's state without the mark by which torch knows who called get_lr."""
    if isinstance(state, dict):
        return {key: without_torchs_own(v) for key, v in state.items() if key != "_get_lr_called_within_step"}
    return [without_torchs_own(v) for v in state] if isinstance(state, list) else state


@schedule("LambdaLR")
def lambda_lr(s: Any, o: Any, **more: Any) -> Any:
    return s.LambdaLR(o, lambda t: 0.9**t, **more)


@schedule("LambdaLR")
def lambda_lr_per_group(s: Any, o: Any, **more: Any) -> Any:
    return s.LambdaLR(o, [lambda t: 1 / (1 + t), lambda t: np.float64(0.5 + t)], **more)


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


judged_by("SGD", judge_hooks)


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
    "the cosine is even, and n modulo −2 T is 0 just where n modulo 2 T is": (
        "CosineAnnealingLR.get_lr:sign:(self.last_epoch, self.T_max, self.eta_min) => (self.last_epoch, -self.T_max, self.eta_min):0",
    ),
    "the two differ by 2 T, modulo which they are taken": ("CosineAnnealingLR.get_lr:sign:t - 1 - T_max => t - 1 + T_max:0",),
    "last_epoch is below 0 only in the constructor, which steps without an epoch": (
        "CosineAnnealingWarmRestarts.step:condition:epoch is None and self.last_epoch < 0 => self.last_epoch < 0:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
