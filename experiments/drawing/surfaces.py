"""Surfaces over the plane: how they are drawn, and how any optimizer rolls down them on both sides.

A surface has a `height`, a `start` and its `minima`; the hand-written one a `backward` as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import manual.optim
from experiments.judge.compare import as_array
from manual.module import Parameter

Window = tuple[tuple[float, float], tuple[float, float]]
"""The limits of x and of y."""


def draw_surface(ax: Any, name: str, surface: Any, window: Window) -> None:
    """Contours, closer together where it is low, and the minima."""
    xs, ys = window
    grid = np.stack(np.meshgrid(np.linspace(*xs, 200), np.linspace(*ys, 200)))
    height = surface.height(grid)
    ax.contour(*grid, height, levels=np.linspace(0.02, 1, 16) ** 3 * height.max(), colors="#c8c8c8", linewidths=0.7)
    for minimum in surface.minima:
        ax.plot(*minimum, "*", color="black", markersize=13, zorder=6)
    ax.set(title=name, xlabel="x", ylabel="y", xlim=xs, ylim=ys)


Make = Callable[[Any, list[Any]], Any]
"""make(library, parameters): an optimizer of manual.optim or of torch.optim."""

Schedule = Callable[[Any, int], Any]
"""schedule(optimizer, steps): a schedule of its lr."""


def roll_freely(
    surfaces: tuple[Any, Any],
    make: Make,
    steps: int,
    *,
    shape: tuple[int, ...] = (2,),
    noise: Any = None,
    schedules: tuple[Schedule, Schedule] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The points, (steps+1, 2), by hand and in torch, where no Concept is: any optimizer, and noisy gradients.

    Args:
        surfaces: where, by hand and in torch.
        make: the optimizer.
        steps: to take.
        shape: of the parameter that holds x and y.
        noise: what each gradient is off by, (steps, 2); None is nothing.
        schedules: of the lr, by hand and in torch; None leaves it constant.
    """
    noise = np.zeros((steps, 2)) if noise is None else noise
    ours = Parameter(np.reshape(surfaces[0].start, shape))
    theirs = torch.tensor(ours.data, requires_grad=True)

    def by_hand(k: int) -> float:
        point = ours.data.reshape(2)
        ours.grad = (surfaces[0].backward(1.0, point) + noise[k]).reshape(shape)
        return float(surfaces[0].height(point))

    def by_autograd(k: int) -> torch.Tensor:
        theirs.grad = None
        with torch.enable_grad():
            height = surfaces[1].height(theirs.reshape(2))
            (height + theirs.reshape(2) @ torch.from_numpy(noise[k])).backward()
        return height

    paths = []
    sides = (manual.optim, ours, by_hand), (torch.optim, theirs, by_autograd)
    for side, (library, point, closure) in enumerate(sides):
        optimizer = make(library, [point])
        lr = schedules[side](optimizer, steps) if schedules else None
        places = [as_array(point).copy()]
        for k in range(steps):
            optimizer.step(partial(closure, k))
            if lr is not None:
                lr.step()
            places.append(as_array(point).copy())
        paths.append(np.reshape(places, (-1, 2)))
    return paths[0], paths[1]
