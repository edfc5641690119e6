"""One case of an optimizer, and how it is judged: both sides fed alike, everything compared at every step.

A case builds the same thing on either side, from that side's library and parameters:

    @optimizer("Adam")
    def adam_amsgrad(optim, p):
        return optim.Adam(p, lr=0.1, amsgrad=True)

Half-way the two sides exchange their states through `state_dict` and go on in optimizers built anew: what torch saved is
continued by hand, and the other way round.
"""

from __future__ import annotations

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
"""Of the parameters that an optimizer is tried on."""


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


OPTIMIZER_CASES: list[OptimizerCase] = []


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
