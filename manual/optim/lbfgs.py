"""L-BFGS: the twin of torch.optim.LBFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from manual.module import Parameter
from manual.optim.optimizer import Optimizer, State, plain


class LBFGS(Optimizer):
    """A quasi-Newton method: steps by an inverse Hessian that is guessed from the last few gradients (torch.optim.LBFGS).

    All parameters are one vector x, with gradient g. An iteration goes a step s = t · d, sees the gradient change by
    y = g − g_before, and remembers the pair if yᵀs > 1e-10 (the function curves upwards). Along the pairs remembered, the
    inverse Hessian H must give s = H y; elsewhere it is H_diag = yᵀs / yᵀy, the newest pair's. The direction d = −H g
    comes from two loops over the pairs, without a matrix (Nocedal and Wright, algorithm 7.4):

        q = −g;   newest to oldest:  al = ro · sᵀq,   q ← q − al · y          with ro = 1 / yᵀs
        d = H_diag · q;   oldest to newest:  d ← d + (al − ro · yᵀd) · s

    The first direction is −g, with t = min(1, 1 / Σ|g|) · lr; later t = lr, or, with line_search_fn="strong_wolfe", the
    step length that `strong_wolfe` finds from there on.

    One call of `step` makes up to max_iter iterations. It ends sooner when max_eval evaluations are used up; when no
    |g| is above tolerance_grad; when the slope gᵀd is above −tolerance_change; when the step moved x, or the loss
    changed, by at most tolerance_change.

    Args:
        params: see Optimizer; one group only.
        lr: the step length (with a line search: its first trial).
        max_iter: iterations per call.
        max_eval: evaluations of closure per call; max_iter · 5 / 4 unless given.
        tolerance_grad, tolerance_change: when to stop.
        history_size: how many pairs are remembered.
        line_search_fn: None or "strong_wolfe".

    State (of parameter 0, for all): func_evals, n_iter, d, t, old_dirs (the y), old_stps (the s), ro, H_diag,
        prev_flat_grad, prev_loss, al (between the loops).

    Raises:
        ValueError: if lr is negative, line_search_fn is unknown, or there are several groups.

    Source: Nocedal and Wright 2006, "Numerical Optimization", chapters 3.5 and 7.2; Schmidt 2005, "minFunc".
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, line_search_fn: str | None, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {line_search_fn!r}")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: params must be one group, got several")
        super().add_param_group(param_group)

    def take_step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to max_iter iterations.

        Args:
            closure: computes the loss and all gradients anew, and returns the loss; called several times.

        Returns:
            The first loss.
        """
        if closure is None:
            raise TypeError("LBFGS: step needs a closure that computes the loss and the gradients, got None")
        self.has_stepped = True
        options = plain(self.param_groups[0])
        lr, tolerance_change = options["lr"], options["tolerance_change"]
        state = self.state.setdefault(0, {"func_evals": 0, "n_iter": 0})

        first_loss = closure()
        loss, g, evals = float(first_loss), self.flat_grad(), 1
        state["func_evals"] += 1
        if abs(g).max() <= options["tolerance_grad"]:
            return first_loss

        for n_iter in range(1, options["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state |= {"d": -g, "t": min(1.0, 1.0 / abs(g).sum()) * lr, "old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1}
            else:
                self.remember(g, state)
                state |= {"d": self.direction(g, state), "t": lr}
            state |= {"prev_flat_grad": g, "prev_loss": loss}

            d, slope = state["d"], g @ state["d"]
            if slope > -tolerance_change:
                break
            new_evals = 0
            if options["line_search_fn"] == "strong_wolfe":
                start = Point(0, loss, g, slope)
                along = partial(self.evaluate, closure, d)
                found, new_evals = strong_wolfe(along, state["t"], d, start, options["max_eval"] - evals)
                state["t"], loss, g = found.t, found.f, found.g
                self.move(state["t"], d)
            else:
                self.move(state["t"], d)
                if n_iter != options["max_iter"]:  # after the last step, the next call's closure will see
                    loss, g, new_evals = float(closure()), self.flat_grad(), 1
            evals += new_evals
            state["func_evals"] += new_evals

            if evals >= options["max_eval"] or abs(g).max() <= options["tolerance_grad"]:
                break
            if abs(d * state["t"]).max() <= tolerance_change or abs(loss - state["prev_loss"]) < tolerance_change:
                break

        self.state[0] = {key: as_array(value) for key, value in state.items()}
        return first_loss

    def remember(self, g: np.ndarray, state: State) -> None:
        """Add the pair of the last step to the history, and drop the oldest where it is full."""
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        ys = y @ s
        if ys > 1e-10:
            for history, newest in zip((state["old_dirs"], state["old_stps"], state["ro"]), (y, s, 1.0 / ys), strict=True):
                if len(history) == self.param_groups[0]["history_size"]:
                    history.pop(0)
                history.append(newest)
            state["H_diag"] = ys / (y @ y)

    def direction(self, g: np.ndarray, state: State) -> np.ndarray:
        """−H g, by the two loops."""
        al = state.setdefault("al", [None] * self.param_groups[0]["history_size"])
        pairs = list(enumerate(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True)))
        q = -g
        for i, (y, s, ro) in reversed(pairs):
            al[i] = (s @ q) * ro
            q -= al[i] * y
        d = state["H_diag"] * q
        for i, (y, s, ro) in pairs:
            d += (al[i] - (y @ d) * ro) * s
        return d

    def evaluate(self, closure: Callable[[], Any], d: np.ndarray, t: Any) -> Point:
        """Loss and gradient at x + t · d; the parameters are where they were, afterwards."""
        before = [p.data.copy() for p in self.parameters()]
        self.move(t, d)
        loss, g = float(closure()), self.flat_grad()
        for p, values in zip(self.parameters(), before, strict=True):
            p.data[...] = values
        return Point(t, loss, g, g @ d)

    def flat_grad(self) -> np.ndarray:
        """g, of one axis: all gradients one after the other, 0 where no backward came."""
        return np.concatenate([p.grad.ravel() for p in self.parameters()])

    def move(self, t: Any, d: np.ndarray) -> None:
        """x ← x + t · d."""
        offset = 0
        for p in self.parameters():
            p.data += t * d[offset : offset + p.size].reshape(p.shape)
            offset += p.size

    def _check_state(self, index: int, p: Parameter, state: State, options: dict[str, Any]) -> None:
        size = sum(q.size for q in self.parameters())
        for key in ("d", "prev_flat_grad"):
            if key in state and np.shape(state[key]) != (size,):
                raise ValueError(f"LBFGS: {key} must have shape {(size,)}, got {np.shape(state[key])}")


class Point(NamedTuple):
    """A place on the line x + t · d."""

    t: Any
    f: float  # the loss there
    g: np.ndarray  # its gradient
    slope: Any  # gᵀd, the derivative of the loss along the line


def strong_wolfe(
    evaluate: Callable[[Any], Point],
    t: Any,
    d: np.ndarray,
    start: Point,
    max_ls: int,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
) -> tuple[Point, int]:
    """A place on the line where the loss has fallen enough, and is nearly flat (the strong Wolfe conditions).

        f(t) ≤ f(0) + c1 · t · slope(0)          fallen enough for so long a step (Armijo)
        |slope(t)| ≤ −c2 · slope(0)              flatter than at the start

    First t grows until such a place, or a bracket around one, is found. Then the bracket is narrowed by cubic
    interpolation: its lower end `low` is always the lowest place known.

    Args:
        evaluate: gives the Point at t.
        t: the first trial.
        d: the direction.
        start: the Point at 0.
        max_ls: how many places may be tried beyond the first.
        c1, c2: the customary constants (Nocedal and Wright).
        tolerance_change: the narrowest bracket, measured in x (torch does not pass on the optimizer's own).

    Returns:
        The best place found, and how many were tried.
    """

    def too_high(point: Point) -> bool:
        return point.f > start.f + c1 * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    before, point = start, evaluate(t)
    for tried in range(max_ls):
        if too_high(point) or (tried > 1 and point.f >= before.f):
            bracket = [before, point]
            break
        if flat(point):
            return point, tried + 1
        if point.slope >= 0:
            bracket = [before, point]
            break
        t = cubic_minimum(before, point, point.t + 0.01 * (point.t - before.t), point.t * 10)
        before, point = point, evaluate(t)
    else:
        tried, bracket = max_ls, [start, point]

    low = 0 if bracket[0].f <= bracket[1].f else 1
    stuck = False
    while tried < max_ls:
        left, right = sorted(end.t for end in bracket)
        if (right - left) * abs(d).max() < tolerance_change:
            break
        t = cubic_minimum(bracket[0], bracket[1], left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            stuck = False
        elif stuck or t >= right or t <= left:  # near an end twice running, or at it: keep away from it
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            stuck = False
        else:
            stuck = True
        point = evaluate(t)
        tried += 1
        if too_high(point) or point.f >= bracket[low].f:
            bracket[1 - low] = point
            low = 0 if bracket[0].f <= bracket[1].f else 1
        elif flat(point):
            return point, tried + 1
        else:
            if point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
                bracket[1 - low] = bracket[low]
            bracket[low] = point
    return bracket[low], tried + 1


def cubic_minimum(a: Point, b: Point, least: Any, most: Any) -> Any:
    """Where the cubic through two points with their slopes is lowest, within bounds; their middle where it has no minimum.

    Source: Nocedal and Wright, equation 3.59.
    """
    if a.t > b.t:
        a, b = b, a
    with np.errstate(all="ignore"):  # as in torch, 0/0 is NaN, and passes through
        d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
        square = d1 * d1 - a.slope * b.slope
        if not square >= 0:
            return (least + most) / 2.0
        d2 = np.sqrt(square)
        t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, least), most)


def as_array(value: Any) -> Any:
    """NumPy's scalars as arrays without axes, as torch keeps them as tensors; lists entry by entry."""
    if isinstance(value, list):
        return [as_array(v) for v in value]
    return np.asarray(value) if isinstance(value, np.generic) else value
