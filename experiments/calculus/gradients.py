"""Gradients: many derivatives at once, and the way downhill

Gradient descent goes down a bowl, along Rosenbrock's bent valley and near a saddle, on both sides; and Newton's method, as further reading.
And the Jacobian, which backward never builds, is built for once, to see what it costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import CATEGORIES, MARKERS, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.surfaces import Window, draw_surface
from experiments.drawing.walk import walk
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_torch
from experiments.lesson import ByLargest, Exercise, Mistake, Question, Trained, by_size, growth, what_will_the_loss_do
from experiments.pair import Twin
from manual.calculus import gradients as by_hand
from manual.calculus.gradients import SURFACES
from manual.calculus.gradients import Descent as Manual
from torch_impl.calculus import gradients as in_torch
from torch_impl.calculus.gradients import Descent as Torch

WINDOWS: dict[str, Window] = {
    "bowl": ((-2.3, 1.1), (-1.3, 1.5)),
    "valley": ((-1.8, 1.6), (-0.8, 2.0)),
    "saddle": ((-1.9, 1.5), (-1.3, 1.5)),
}
"""What is shown of each surface: the limits of x and of y, all of one shape."""

STEPS = 300


class Steps(ArrayData):
    """No data: a batch is the number of a step, and nobody reads it.

    Args:
        steps: in an epoch.
        seed: what every data module takes.
    """

    def __init__(self, steps: int = STEPS, seed: int = 0) -> None:
        super().__init__(batch_size=1, seed=seed)
        if steps < 1:
            raise InputError(f"--data.steps must be at least 1, got {steps}")
        self.steps = steps

    def load(self) -> Split:
        return Split((np.arange(self.steps),), (np.arange(1),))


NEWTON, PLAIN = CATEGORIES[0], CATEGORIES[1]
"""The colours of the two methods."""


def descend(surface: str, method: str, steps: int, start: tuple[float, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The points after 0, 1, ..., `steps` steps, (steps+1, 2), by hand and in torch."""
    settings: dict[str, Any] = {"surface": surface, "method": method, "start": start}
    ours, theirs = walk(Manual(**settings), Torch(**settings), (np.arange(1),), steps)
    return ours["point"], theirs["point"]


def steepness(surface: str, points: np.ndarray) -> np.ndarray:
    """The length of the gradient at each of the points, (N, 2) to (N,)."""
    return np.linalg.norm(SURFACES[surface].backward(1.0, points.T), axis=0)


# ---- figures -------------------------------------------------------------------------------------------


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> dict[str, Figure]:
    """What is drawn of the functions; nothing is trained for it."""
    return {"arrows over contours": arrows(), "kinds of critical points": kinds(), "why backward never builds the Jacobian": costs()}


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The walks on all three surfaces, whichever was trained."""
    return OnDemand({"walking down": lambda: walks(), "Newton against gradient descent": lambda: newton()})


def gradient_in_torch(surface: str, points: np.ndarray) -> np.ndarray:
    """Autograd's gradient at each of the points, (2, N) to (2, N)."""
    at = torch.tensor(points, requires_grad=True)
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(in_torch.SURFACES[surface].height(at).sum(), at)
    return slope.numpy()


def arrows() -> Figure:
    """Gradients over the contours, and the slope along every direction."""
    fig, axes = figure(
        "Grey contours join points of equal height, stars are minima. Each arrow says which way the ground rises the most, broad by "
        "torch, thin by hand (all drawn equally long): at right angles to the contour. Bottom right, from the black dot on the bowl: "
        "steepest along the gradient, ‖g‖ (dotted), level across it, and falling as fast the other way.",
        rows=2,
        columns=2,
        size=(4.3, 3.5),
    )
    for ax, surface in zip(axes.flat, SURFACES, strict=False):
        draw_surface(ax, surface, SURFACES[surface], WINDOWS[surface])
        (x0, x1), (y0, y1) = WINDOWS[surface]
        points = np.stack([a.ravel() for a in np.meshgrid(np.linspace(x0, x1, 9)[1:-1], np.linspace(y0, y1, 9)[1:-1])])
        ours, theirs = SURFACES[surface].backward(1.0, points), gradient_in_torch(surface, points)
        broad, thin = (
            {"color": TORCH["color"], "width": 0.014, "headwidth": 2.6, "headlength": 2.8, "headaxislength": 2.8},
            {"color": BY_HAND["color"], "width": 0.005},
        )
        for g, look in ((theirs, broad), (ours, thin)):
            ax.quiver(*points, *(g / np.linalg.norm(ours, axis=0)), angles="xy", scale_units="xy", scale=3.2, zorder=4, **look)
        ax.plot(*points, ".", color="#555555", markersize=3, zorder=5)
        ax.set_aspect("equal")
    directional(axes[1, 1], np.array([-1.0, 0.5]))
    axes[0, 0].plot(-1.0, 0.5, "o", color="black", markersize=6, zorder=6)
    return fig


def directional(ax: Any, point: np.ndarray) -> None:
    """The slope of the bowl at a point along every direction, against the angle to the gradient."""
    g = SURFACES["bowl"].backward(1.0, point)
    angles = np.linspace(-180, 180, 73)
    turn = np.radians(angles) + np.arctan2(g[1], g[0])
    directions = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    ours = [by_hand.directional_derivative(g, d) for d in directions]
    theirs = [in_torch.directional_derivative(*to_torch((gradient_in_torch("bowl", point), d))).item() for d in directions]
    ax.plot(angles, theirs, label="torch", **TORCH)
    ax.plot(angles, ours, label="by hand", **BY_HAND)
    for height in (np.linalg.norm(g), -np.linalg.norm(g)):
        ax.axhline(height, color="black", linestyle=":", linewidth=1)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(
        title="slope in every direction",
        xlabel="angle to the gradient, degrees",
        ylabel="directional derivative",
        xticks=range(-180, 181, 90),
    )
    ax.legend(fontsize=8, loc="lower center")


def walks(steps: int = 60) -> Figure:
    """Gradient descent's paths over the surfaces."""
    fig, axes = figure(
        f"Against the gradient, {steps} steps from the black dot; the band is torch, the dashes by hand. Bowl: first across the contours, "
        "then along its floor. Valley: to and fro across it, and hardly forward along its floor. Saddle: nearly to the level ground in the "
        "middle, where the gradient is nearly 0, and only then aside to a minimum (star).",
        columns=3,
        size=(3.6, 3.3),
    )
    for ax, surface in zip(axes[0], SURFACES, strict=True):
        draw_surface(ax, surface, SURFACES[surface], WINDOWS[surface])
        ours, theirs = descend(surface, "gradient_descent", steps)
        draw_both(ax, ours.T, theirs.T, "_", PLAIN)
        ax.plot(*ours.T, ".", color=PLAIN, markersize=6)
        ax.plot(*SURFACES[surface].start, "o", color="black", markersize=6, zorder=6)
    return fig


def learned(run: Trained) -> str:
    """Where the point is, and how level the ground is there."""
    surface, method = run.torch.hparams["surface"], METHODS[run.torch.hparams["method"]]
    point = run.manual.point.data.astype(np.float64)
    place = "({:z.4f}, {:z.4f})".format(*point).replace("-", "−")
    return (
        f"{method} on the {surface} is at {place} after {len(run.losses)} steps, where the steepness of the "
        f"ground is {steepness(surface, point[None])[0]:.2g}; its loss went from {run.losses[0]:.3g} to {run.losses[-1]:.3g}."
    )


METHODS = {"newton": "Newton's method", "gradient_descent": "Gradient descent"}


TRY = """
- `--model.surface valley --data.steps 1000`: the valley on foot.
- `--model.lr 0.24`: on the bowl, to and fro across the floor.
"""

# ---- further reading: level ground, Newton's method, and what the Jacobian costs ---------------------------


CRITICAL = {
    "minimum": np.array([[2.0, 0.6], [0.6, 1.0]]),
    "maximum": np.array([[-2.0, -0.6], [-0.6, -1.0]]),
    "saddle": np.array([[1.5, 1.2], [1.2, -0.7]]),
    "undecided": np.array([[1.0, 1.0], [1.0, 1.0]]),
}
"""A Hessian of each kind."""


def kinds() -> Figure:
    """A surface of each kind, and the directions in which it bends the most and the least."""
    fig, axes = figure(
        "Where the gradient is 0 (the dot) the ground is level, and the second derivatives tell what lies around: orange is higher "
        "than the dot, violet lower. The two lines are the directions in which the ground bends the most and the least, with the "
        "curvatures there, H's eigenvalues. Both above 0: a minimum; both below: a maximum; one of each: a saddle. With a 0 among them "
        "higher derivatives decide.",
        rows=2,
        columns=2,
        size=(4.3, 3.4),
        sharex=True,
        sharey=True,
    )
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81)), axis=-1)
    for ax, H in zip(axes.flat, CRITICAL.values(), strict=True):
        height = np.einsum("...i,ij,...j->...", grid, H, grid) / 2
        curvatures, directions = np.linalg.eigh(H)
        ax.contourf(grid[..., 0], grid[..., 1], height, levels=np.linspace(-1.8, 1.8, 19), cmap=SIGNED, extend="both")
        for curvature, direction in zip(curvatures, directions.T, strict=True):
            ax.plot(*np.stack([-0.9 * direction, 0.9 * direction], axis=1), color="black", linewidth=1.2)
            ax.annotate(
                f"{round(curvature, 9):+.1f}".replace("-", "−").replace("+0.0", "0"),
                0.7 * direction,
                fontsize=9,
                ha="center",
                bbox={"boxstyle": "round", "fc": "white", "lw": 0.5},
            )
        ax.plot(0, 0, "o", color="black", markersize=6)
        ax.set(title=by_hand.kind_of_critical_point(H), aspect="equal")
    return fig


EXACT = 1e-17
"""Where a steepness of exactly 0 is drawn, for a logarithm has none."""


def newton(steps: int = 60) -> Figure:
    """Both methods' paths over the surfaces, and how steep it is at each step."""
    fig, axes = figure(
        f"Newton's method and gradient descent from the same start (dot), {steps} steps; bands are torch, dashes by hand. In the valley "
        "gradient descent creeps along the bent floor; Newton's method leaps to the other wall and back, and is there after six steps. "
        "At the saddle it goes to level ground of any kind (cross), gradient descent turns off to a minimum. Bottom right: near its "
        "end Newton's method doubles the right digits at every step, or more.",
        rows=2,
        columns=2,
        size=(4.3, 3.5),
    )
    last = axes[1, 1]
    for ax, surface, marker in zip(axes.flat, SURFACES, MARKERS, strict=False):
        xs, ys = WINDOWS[surface]
        draw_surface(ax, surface, SURFACES[surface], (xs, (-4.0, 2.6) if surface == "valley" else ys))
        for method, colour, name in (("gradient_descent", PLAIN, "gradient descent"), ("newton", NEWTON, "Newton")):
            ours, theirs = descend(surface, method, steps)
            draw_both(ax, ours.T, theirs.T, name, colour)
            ax.plot(*ours.T, ".", color=colour, markersize=6)
            slopes = [np.maximum(steepness(surface, points), EXACT) for points in (ours, theirs)]
            draw_both(last, slopes[0], slopes[1], "_", colour)
            seen = np.where(slopes[0] > EXACT, slopes[0], np.nan)
            last.plot(seen, marker, color=colour, markersize=5, markevery=1 if method == "newton" else (0, 10))
        ax.plot(*SURFACES[surface].start, "o", color="black", markersize=6, zorder=6)
    axes[1, 0].plot(0, 0, "x", color="black", markersize=10, markeredgewidth=2.5, zorder=6)
    axes[0, 0].legend(fontsize=8, loc="lower right")
    for marker, surface in zip(MARKERS, SURFACES, strict=False):
        last.plot([], marker, color="black", markersize=5, label=surface)
    last.set(title="steepness ‖g‖", xlabel="step", yscale="log", ylim=(EXACT, 1e4), xlim=(0, steps))
    last.set_yticks([EXACT, 1e-12, 1e-8, 1e-4, 1], ["0", "1e-12", "1e-8", "1e-4", "1"])
    last.legend(fontsize=9, loc="lower right", bbox_to_anchor=(1, 0.05))
    return fig


Function = Callable[[], Any]


def layer(n: int) -> tuple[np.ndarray, ...]:
    """A dense layer with n inputs and n outputs, and an upstream gradient: dL_dy, x, W, b."""
    rng = np.random.default_rng(n)
    return rng.normal(size=n), rng.normal(size=n), rng.normal(0, n**-0.5, (n, n)), rng.normal(size=n)


def by_jacobian(dL_dy: np.ndarray, x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """∂L/∂W the long way: the whole ∂y/∂W first, then dL_dy times it."""
    _, dy_dW, _ = by_hand.dense_jacobian(x, W, b)
    return np.tensordot(dL_dy, dy_dW, 1)  # (O,) and (O, I, O): (I, O)


def ways(n: int) -> dict[str, tuple[Function, Function]]:
    """∂L/∂W of a layer of this size, both ways, by hand and in torch."""
    arrays = layer(n)
    dL_dy, x, W, b = to_torch(arrays)
    vjp = torch.func.vjp(lambda W: in_torch.dense(x, W, b), W)[1]
    jacobian = torch.func.jacrev(lambda W: in_torch.dense(x, W, b))
    return {
        "whole Jacobian": (lambda: by_jacobian(*arrays), lambda: torch.tensordot(dL_dy, jacobian(W), 1)),
        "backward": (lambda: by_hand.dense_backward(*arrays)[1], lambda: vjp(dL_dy)[0]),
    }


def seconds(work: Function, repeats: int = 5) -> float:
    """The shortest of several measurements."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(repeats))


def costs(sizes: tuple[int, ...] = (8, 16, 32, 64, 128, 192)) -> Figure:
    """Time and numbers held, with and without the Jacobian."""
    taken = {n: {name: [seconds(side) for side in sides] for name, sides in ways(n).items()} for n in sizes}
    ours, theirs = (np.array([taken[n]["whole Jacobian"][side] / taken[n]["backward"][side] for n in sizes]) for side in (0, 1))
    fig, axes = figure(
        "The gradient with respect to the weights of a dense layer, n inputs and n outputs, in two ways with the same result: building "
        "the whole Jacobian ∂y/∂W and multiplying by ∂L/∂y, or by backward, which writes the product down at once. Left: for "
        f"{unbroken(f'n = {sizes[-1]}')} the Jacobian took about {float(f'{ours[-1]:.1g}'):,.0f} times as long by hand, "
        f"{float(f'{theirs[-1]:.1g}'):,.0f} in torch (on this machine). Right: {unbroken('n = 4096')} would need a Jacobian of 550 "
        "gigabytes, for a gradient of 134 megabytes.",
        columns=2,
        size=(4.3, 3.8),
    )
    left, right = axes[0]
    left.plot(sizes, theirs, label="torch", **TORCH)
    left.plot(sizes, ours, label="by hand", **BY_HAND)
    left.axhline(1, color="black", linewidth=0.8)
    for name, colour, held in (("Jacobian, n³", NEWTON, 3), ("backward, n²", PLAIN, 2)):
        right.plot(sizes, np.array(sizes) ** held, color=colour, linewidth=1.6, label=name)
    left.set(title="time: Jacobian / backward", xlabel="n", ylabel="times as long", xscale="log", yscale="log")
    right.set(title="numbers held", xlabel="n", xscale="log", yscale="log")
    for ax in (left, right):
        ax.set_xticks(sizes, [str(n) for n in sizes])
        ax.minorticks_off()
    left.legend(fontsize=9, loc="upper left")
    label_lines(right)
    return fig


TEXT = """
| product | shapes | says | costs | in a network |
| --- | --- | --- | --- | --- |
| vector-Jacobian, uᵀJ | (m,) @ (m, n) | how L moves with every input | one pass back | `backward`: L is one number, so one pass is all |
| Jacobian-vector, J v | (m, n) @ (n,) | how every output moves along v | one pass forwards | the effect of one change on everything |
| Hessian-vector, H v | (n, n) @ (n,) | how the gradient changes along v | about two backwards | how sharp a minimum is |
| the whole J | (m, n) | all of it | m passes backwards or n forwards | nearly never |
| the whole H | (n, n) | all of it | n Hessian-vector products | only where n is small, as here |

Newton's method in the valley, from (−1.25, 1): each row is one step.

{rows}

From step 1 to step 2 it goes up the other wall, to a height of 1,800: the method does not look for lower ground but for level
ground.

After 30 steps gradient descent has brought the loss to a tenth of what it was; Newton's method is at the minimum after seven. Near it
every smooth surface is nearly a bowl, and for a bowl one step is enough.

Things to try, each with `--model.method newton`:

- `--model.surface saddle`: it comes to rest at the saddle itself, where the gradient is 0 as well; the loss stays at 0.25.
- `--model.surface saddle --model.start "[-1.5, 0.75]"`: into a minimum, though not from everywhere: what decides is whether 3 y² − 1, the
  curvature along y, is above 0 at the start.
- `--model.surface bowl --model.lr 0.5`: "damped"; every step goes half of the way.
"""


def rows(steps: int = 6) -> str:
    """A table of Newton's steps in the valley."""
    points, _ = descend("valley", "newton", steps)
    height, slope = SURFACES["valley"].height(points.T), steepness("valley", points)
    lines = [f"| {k} | {x:.8f} | {y:.8f} | {f:.1e} | {g:.1e} |" for k, ((x, y), f, g) in enumerate(zip(points, height, slope, strict=True))]
    return "\n".join(["| step | x | y | height | steepness |", "| --- | --- | --- | --- | --- |", *lines])


# ---- to do ---------------------------------------------------------------------------------------------


def slope_at_last(run: Trained) -> float:
    """How steep it is where the point is."""
    point = run.manual.point.data.astype(np.float64)
    return float(np.linalg.norm(run.manual.surface.backward(1.0, point)))


def left(run: Trained) -> dict[str, float]:
    """How far the point is from the lowest one, in either direction."""
    x, y = np.abs(run.manual.point.data.astype(np.float64))
    return {"in x, to the east": float(x), "in y, to the north": float(y)}


QUESTIONS = (
    Question(
        "In fog on the bowl, at (−2, 1), you feel a slope of −4 eastwards and of 8 northwards. After 30 steps: where are you farther off?",
        ("in x, to the east", "in y, to the north"),
        ByLargest(left, "{:.1e}"),
        "Each step leaves 1 − 0.1 · 2 = 0.8 of what is off in x, and of the steeper y only 1 − 0.1 · 8 = 0.2.",
        look_at=("walking down", "on the bowl, which way the first steps go, and which way the later ones."),
    ),
    what_will_the_loss_do(
        "On the bowl with lr = 0.26: the slope in y is 8 y, so that y becomes y − 0.26 · 8 y = −1.08 y. What will the loss do in 30 steps?",
        "x comes nearer all the while, but y jumps over the floor and lands farther away each time: the steepest direction limits lr.",
        model={"lr": 0.26},
    ),
    by_size(
        "In the bent valley: where is the loss after 30 steps?",
        growth,
        *("next to 0", 1e-3, "at about a tenth of what it was", 0.5, "about where it was, or higher"),
        seen="at {:.2f} of the first",
        why="Steps are as long as the ground is steep: long ones across the valley, and tiny ones along its nearly level floor.",
        model={"surface": "valley"},
    ),
)

MISTAKE = Mistake(
    "Where the gradient is 0, the loss is at its lowest.",
    lambda run: (
        f"From (−1.5, 0) on the saddle the steps end where the gradient is {slope_at_last(run):.0e} long, at a loss of "
        f"{run.losses[-1]:.2f}. A minimum, with a loss of 0, is {run.metrics['distance/val']:.1f} away."
    ),
    lambda run: slope_at_last(run) < 1e-6 and run.metrics["distance/val"] > 0.5,
    "The ground is level on saddles and hilltops too. A small nudge to the side, and the point goes on down.",
    {"surface": "saddle", "start": (-1.5, 0.0)},
    {"steps": 100},
)

TWIN = Twin(
    name="gradients",
    manual=Manual,
    torch=Torch,
    data=Steps,
    needs=("derivatives", "matrices"),
    learned=learned,
    look_at=("arrows over contours", "the angle between an arrow and the contour that it starts from."),
    data_args={"steps": 30},
    trainer={"max_epochs": 1, "log_every_n_steps": 1},
    variants={
        "half of Newton's step": {"surface": "valley", "method": "newton", "lr": 0.5},
        **{
            f"{method.replace('_', ' ')}, {surface}": {"surface": surface, "method": method}
            for surface in SURFACES
            for method in by_hand.LR
            if (surface, method) != ("bowl", "gradient_descent")
        },
    },
    options={"surface": "valley", "method": "newton", "lr": 0.05, "start": (1.0, -0.5)},
    sgd_lr=0.001,
    before=before,
    figures=figures,
    text={"things to try": TRY, "products, not matrices": TEXT.format(rows=rows())},
    further=(
        *("kinds of critical points", "why backward never builds the Jacobian"),
        *("Newton against gradient descent", "products, not matrices"),
    ),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("bowl_backward", ("Two slopes: of x² with y held still, and of 4 y² with x held still.",)),
        Exercise("Descent.backward"),
    ),
)

if __name__ == "__main__":
    run("gradients")
