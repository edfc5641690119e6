"""LBFGS where a smooth function does not lead: its line search on functions with plateaus and jumps, its stopping on given numbers.

Losses and slopes are multiples of 1/4, so that comparisons come out equal now and then, and the edge of each is judged.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch.optim.lbfgs import _strong_wolfe

import manual.optim
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.optimizer_case import start_equal, state_errors
from experiments.judge.registry import judged_by
from manual.module import Parameter
from manual.optim.lbfgs import Point, strong_wolfe


class Line:
    """A random function of t, given by waves and a parabola; rounded to quarters if `coarse`."""

    def __init__(self, rng: np.random.Generator, coarse: bool) -> None:
        self.a, self.w, self.phase = rng.normal(size=3), rng.uniform(0.3, 4, 3), rng.uniform(0, 6, 3)
        self.bend, self.coarse = rng.choice([0.0, 0.02, 0.5]), coarse
        self.d = rng.permutation([-2.0, 0.5, 1.0])

    def at(self, t: float) -> tuple[float, np.ndarray]:
        """Value, and a gradient g with gᵀd = slope."""
        value = float((self.a * np.sin(self.w * t + self.phase)).sum() + self.bend * t * t)
        slope = float((self.a * self.w * np.cos(self.w * t + self.phase)).sum() + 2 * self.bend * t)
        if self.coarse:
            value, slope = float(np.round(4 * value)) / 4, float(np.round(4 * slope)) / 4
        return value, np.array([slope / self.d[0], 0.0, 0.0])  # one term: gᵀd is the same in whatever order it is summed


class NearAnEnd(Line):
    """Values for which the first interpolation, at 1, comes to lie exactly a margin from the end of [0, 10], the next one nearer to it.

    On [0, 10] they are a cubic's with slope 3/4 (t − 1)(t + 1), on [0, 1] one's with slope 3/2 (t − 1/20)(t + 10).
    """

    def __init__(self) -> None:
        self.d, self.coarse = np.array([1.0, 0.0, 0.0]), True
        self.known = {0.0: (0.0, -0.75), 10.0: (242.5, 74.25), 1.0: (7.2125, 15.675)}

    def at(self, t: float) -> tuple[float, np.ndarray]:
        value, slope = self.known.get(t, (-1.0, 0.0))
        return value, self.d * slope


def judge_line_search(seed: int) -> dict[str, float]:
    """How far the places found by both line searches are apart, over many functions; ∞ if one needs more trials."""
    rng = np.random.default_rng(seed)
    found = {"t": 0.0, "loss": 0.0, "gradient": 0.0, "trials": 0.0}
    for run in range(400):
        line = Line(rng, coarse=run % 4 != 0) if run else NearAnEnd()
        f, g = line.at(0.0)
        slope = g @ line.d
        if slope > 0:  # a search goes downhill
            continue
        t, c1, c2 = float(rng.choice([0.25, 1.0, 8.0])), float(rng.choice([1e-4, 0.25])), float(rng.choice([0.9, 0.5, 0.0625]))
        change, trials = float(rng.choice([1e-9, 0.5, 2.0])), int(rng.choice([0, 1, 2, 25 if line.coarse else 6]))
        if run == 0:
            t, c1, c2, change, trials = 10.0, 1e-4, 0.9, 1e-9, 25

        def torchs(x: Any, t: Any, d: Any, line: Line = line) -> tuple[float, torch.Tensor]:
            value, gradient = line.at(float(t))
            return value, to_torch(gradient)

        tensors = to_torch(line.d), to_torch(g)
        expected = _strong_wolfe(torchs, None, t, tensors[0], f, tensors[1], tensors[1] @ tensors[0], c1, c2, change, trials)
        place, tried = strong_wolfe(partial(point, line), t, line.d, Point(0, f, g, slope), trials, c1, c2, change)
        now = {
            "t": error(np.float64(place.t), np.float64(float(expected[2])), nonfinite="match"),
            "loss": error(place.f, expected[0], nonfinite="match"),
            "gradient": 0.0 if np.array_equal(place.g, line.at(float(place.t))[1], equal_nan=True) else np.inf,
            "trials": 0.0 if tried == expected[3] else np.inf,
        }
        found = {key: max(value, now[key]) for key, value in found.items()}
    return found


def point(line: Line, t: Any) -> Point:
    """The place t on a line."""
    f, g = line.at(float(t))
    return Point(t, f, g, g @ line.d)


class Script:
    """A closure that sets gradients and returns losses from a list, whatever the parameters are."""

    def __init__(self, p: list[Any], losses: np.ndarray, gradients: list[np.ndarray]) -> None:
        self.p, self.losses, self.gradients, self.calls = p, losses, gradients, 0

    def __call__(self) -> float:
        g = self.gradients[self.calls % len(self.gradients)]
        for p, part in zip(self.p, (g[:2].reshape(2, 1), g[2]), strict=True):
            part = np.array(part)
            p.grad = part if isinstance(p, Parameter) else to_torch(part)
        self.calls += 1
        return float(self.losses[self.calls % len(self.losses)])


def judge_stopping(seed: int) -> dict[str, float]:
    """The errors of parameters and state over steps with given losses and gradients: when it stops, and what it then remembers.

    torch computes a / b as (1 / b) · a where b alone is a tensor, which may round differently. In 33 of the 9,000 runs of seeds
    0 to 59 that decides a comparison between equals, or is magnified by an interpolation; in none of the seeds 0 to 5.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, float] = {"parameter": 0.0, "evaluations": 0.0}
    for run in range(150):
        scale = rng.choice([1.0, 0.25, 1e-5])
        options = {
            "lr": float(rng.choice([0.5, 1.0])),
            "max_iter": int(rng.integers(1, 6)),
            "max_eval": int(rng.integers(2, 9)),
            "tolerance_grad": float(rng.choice([1e-7, 0.25, 0.5])),
            "tolerance_change": float(rng.choice([1e-12, 0.25, 0.5])),
            "history_size": int(rng.integers(1, 4)),
            "line_search_fn": rng.choice(np.array([None, "strong_wolfe"])),
        }
        start = [rng.normal(size=(2, 1)), np.array(rng.normal())]
        hand_p = [Parameter(p) for p in start]
        torch_p = [torch.nn.Parameter(to_torch(p)) for p in start]
        one = np.eye(3)[rng.integers(3)]  # sums of one term are rounded alike on both sides, in whatever order they are made
        gradients = [scale * rng.integers(-3, 4) * one for _ in range(23)]
        losses = rng.integers(-4, 5, 19) / 4
        if run == 0:  # yᵀs = 2 · 5e-11 is exactly the curvature that is still too small to be remembered
            options |= {"lr": 1e-10, "max_iter": 3, "max_eval": 9, "tolerance_change": 1e-12, "tolerance_grad": 0.0, "line_search_fn": None}
            gradients, losses = [g * one for g in (-0.5, 1.5, 0.25)], np.arange(19.0)
        a, b = Script(hand_p, losses, gradients), Script(torch_p, losses, gradients)
        hand, reference = manual.optim.LBFGS(hand_p, **options), torch.optim.LBFGS(torch_p, **options)
        for step in range(4):
            if step == 2:
                start_equal(hand_p, torch_p, hand, reference)
            hand.step(a)
            reference.step(b)
            now = state_errors(hand.state_dict(), to_numpy(reference.state_dict()))
            now["evaluations"] = 0.0 if a.calls == b.calls else np.inf
            now["parameter"] = max(error(x.data, y, nonfinite="match") for x, y in zip(hand_p, torch_p, strict=True))
            found = {key: max(found.get(key, 0.0), now.get(key, 0.0)) for key in {**found, **now}}
    return found


judged_by("LBFGS", judge_line_search, judge_stopping)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the arrays are vectors: a vector is its own transpose, and its product with another is the same both ways": (
        "LBFGS.take_step:transpose:g @ state['d'] => state['d'] @ g:0",
        "LBFGS.take_step:transpose:g @ state['d'] => g.T @ state['d']:0",
        "LBFGS.take_step:transpose:g @ state['d'] => g @ state['d'].T:0",
        "LBFGS.direction:transpose:al[i] = s @ q * ro => al[i] = q @ s * ro:0",
        "LBFGS.direction:transpose:al[i] = s @ q * ro => al[i] = s.T @ q * ro:0",
        "LBFGS.direction:transpose:al[i] = s @ q * ro => al[i] = s @ q.T * ro:0",
        "LBFGS.direction:transpose:al[i] - y @ d * ro => al[i] - d @ y * ro:0",
        "LBFGS.direction:transpose:al[i] - y @ d * ro => al[i] - y.T @ d * ro:0",
        "LBFGS.direction:transpose:al[i] - y @ d * ro => al[i] - y @ d.T * ro:0",
        "LBFGS.evaluate:transpose:Point(t, loss, g, g @ d) => Point(t, loss, g, d @ g):0",
        "LBFGS.evaluate:transpose:Point(t, loss, g, g @ d) => Point(t, loss, g, g.T @ d):0",
        "LBFGS.evaluate:transpose:Point(t, loss, g, g @ d) => Point(t, loss, g, g @ d.T):0",
        "LBFGS.remember:transpose:ys = y @ s => ys = s @ y:0",
        "LBFGS.remember:transpose:ys = y @ s => ys = y.T @ s:0",
        "LBFGS.remember:transpose:ys = y @ s => ys = y @ s.T:0",
        "LBFGS.remember:transpose:ys / (y @ y) => ys / (y.T @ y):0",
        "LBFGS.remember:transpose:ys / (y @ y) => ys / (y @ y.T):0",
    ),
    "a point of slope 0 is flat, which was asked before": ("lbfgs.strong_wolfe:edge:point.slope >= 0 => point.slope > 0:0",),
    "the product is 0 where the slope is (then flat came before) or the bracket has no width (then the loop has ended)": (
        "lbfgs.strong_wolfe:edge:point.slope * (bracket[1 - low].t - bracket[low].t) >= 0"
        " => point.slope * (bracket[1 - low].t - bracket[low].t) > 0:0",
    ),
    "the middle of the bracket is further than the margin from both ends, so that this line is not reached": (
        "lbfgs.strong_wolfe:edge:abs(t - right) < abs(t - left) => abs(t - right) <= abs(t - left):0",
    ),
    "cubic_minimum never returns less than left": ("lbfgs.strong_wolfe:call:abs(t - left) => t - left:0",),
    "two points at one t are one point": ("lbfgs.cubic_minimum:edge:if a.t > b.t: => if a.t >= b.t::0",),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
