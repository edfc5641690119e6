"""The surfaces of manual/calculus/optimizers.py: how they are drawn, and how any optimizer rolls down them on both sides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import manual.optim
from experiments.judge.compare import as_array
from manual.calculus.optimizers import SCHEDULES, SURFACES
from manual.module import Parameter
from torch_impl.calculus import optimizers as in_torch

WINDOWS = {"bowl": ((-2.3, 1.1), (-1.3, 1.5)), "valley": ((-1.8, 1.6), (-0.8, 2.0)), "saddle": ((-1.9, 1.5), (-1.3, 1.5))}
"""What is shown of each surface: the limits of x and of y, all of one shape."""


def draw_surface(ax: Any, surface: str, ys: tuple[float, float] | None = None) -> None:
    """Contours, closer together where it is low, and the minima; ys in place of the window's own."""
    xs, ys = WINDOWS[surface][0], ys or WINDOWS[surface][1]
    grid = np.stack(np.meshgrid(np.linspace(*xs, 200), np.linspace(*ys, 200)))
    height = SURFACES[surface].height(grid)
    ax.contour(*grid, height, levels=np.linspace(0.02, 1, 16) ** 3 * height.max(), colors="#c8c8c8", linewidths=0.7)
    for minimum in SURFACES[surface].minima:
        ax.plot(*minimum, "*", color="black", markersize=13, zorder=6)
    ax.set(title=surface, xlabel="x", ylabel="y", xlim=xs, ylim=ys)


Make = Callable[[Any, list[Any]], Any]
"""make(library, parameters): an optimizer of manual.optim or of torch.optim."""


def roll_freely(
    surface: str, make: Make, steps: int, *, shape: tuple[int, ...] = (2,), noise: Any = None, schedule: str = "constant"
) -> tuple[np.ndarray, np.ndarray]:
    """The points, (steps+1, 2), by hand and in torch, where the Concept cannot go: optimizers that it does not have, and noisy gradients.

    Args:
        surface: where.
        make: the optimizer.
        steps: to take.
        shape: of the parameter that holds x and y.
        noise: what each gradient is off by, (steps, 2); None is nothing.
        schedule: of the table SCHEDULES.
    """
    noise = np.zeros((steps, 2)) if noise is None else noise
    ours = Parameter(np.reshape(SURFACES[surface].start, shape))
    theirs = torch.tensor(ours.data, requires_grad=True)

    def by_hand(k: int) -> float:
        point = ours.data.reshape(2)
        ours.grad = (SURFACES[surface].backward(1.0, point) + noise[k]).reshape(shape)
        return float(SURFACES[surface].height(point))

    def by_autograd(k: int) -> torch.Tensor:
        theirs.grad = None
        with torch.enable_grad():
            height = in_torch.SURFACES[surface].height(theirs.reshape(2))
            (height + theirs.reshape(2) @ torch.from_numpy(noise[k])).backward()
        return height

    paths = []
    for library, schedules, point, closure in (
        (manual.optim, SCHEDULES, ours, by_hand),
        (torch.optim, in_torch.SCHEDULES, theirs, by_autograd),
    ):
        optimizer = make(library, [point])
        lr = schedules[schedule](optimizer, steps)
        places = [as_array(point).copy()]
        for k in range(steps):
            optimizer.step(partial(closure, k))
            lr.step()
            places.append(as_array(point).copy())
        paths.append(np.reshape(places, (-1, 2)))
    return paths[0], paths[1]
