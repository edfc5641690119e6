"""What a hidden layer does: it folds the plane until a straight cut will do.

The README's first command for a learner. Four points, 16 hidden units, 300 steps of plain gradient descent: seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import run
from experiments.data import ArrayData, Split
from experiments.figure import TWO_CLASSES, figure
from experiments.pair import Twin
from manual.networks.hidden_layer import HiddenLayer as Manual
from manual.networks.hidden_layer import forward
from manual.nn.functional import sigmoid
from torch_impl.networks.hidden_layer import HiddenLayer as Torch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray

TWO_UNITS: dict[str, Array] = {
    "W1": np.array([[1.0, -0.8], [-0.8, 1.0]]),
    "b1": np.array([-0.2, -0.2]),
    "W2": np.array([[1.0], [1.0]]),
    "b2": np.array([-1.1]),
}
"""The smallest network that tells the diagonals apart, its weights chosen by hand so that the picture is easy to read."""


class Corners(ArrayData):
    """The corners of a square, in one batch; class 1 on one diagonal, class 0 on the other. There is nothing to hold out."""

    def load(self) -> Split:
        x = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0], [2.0, 0.0]])
        y = np.array([[0.0], [1.0], [0.0], [1.0]])
        return Split((x, y), (x, y))


def without_relu(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """z2 of the same two layers if nothing is folded between them."""
    return (x @ W1 + b1) @ W2 + b2


def collapsed(W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[Array, Array]:
    """(W, b) of the one layer x W + b that two layers without ReLU amount to: W1 W2 and b1 W2 + b2."""
    return W1 @ W2, b1 @ W2 + b2


# ---- figures -------------------------------------------------------------------------------------


def square(n: int, margin: float) -> Array:
    """n x n points that cover the corners and a margin around them, as (n, n, 2)."""
    side = np.linspace(-margin, 2 + margin, n)
    return np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)


def draw_corners(axes: Axes, at: Array, y: Array) -> None:
    """The corners, wherever they have come to lie: round for class 0, square for class 1."""
    for label, (marker, colour) in enumerate(zip("os", TWO_CLASSES, strict=True)):
        of_class = at[y[:, 0] == label]
        axes.scatter(*of_class.T, s=110, marker=marker, color=colour, edgecolor="black", linewidth=1.2, zorder=10, label=f"class {label}")


def draw_grid(axes: Axes, at: Array, where: Array) -> None:
    """A grid of points at (n, n, 2), neighbours joined; each keeps the colour of the place that it came from."""
    for rows in (at, at.swapaxes(0, 1)):
        axes.plot(rows[..., 0].T, rows[..., 1].T, color="0.75", linewidth=0.7, zorder=1)
    low, high = where.min(), where.max()
    red, blue = ((where - low) / (high - low)).reshape(-1, 2).T
    axes.scatter(*at.reshape(-1, 2).T, s=14, color=np.stack([0.15 + 0.8 * red, np.full_like(red, 0.55), 0.15 + 0.8 * blue], axis=1), zorder=3)


def draw_creases(axes: Axes, W1: Array, b1: Array, strength: Array, reach: Array) -> None:
    """The line x W1[:, j] + b1[j] = 0 of each unit j, the darker the more the unit matters."""
    for w, b, alpha in zip(W1.T, b1, strength, strict=True):
        foot, along = -b * w / (w @ w), np.array([-w[1], w[0]]) / np.sqrt(w @ w)
        axes.axline(foot, foot + along, color="black", linewidth=1.2, linestyle="--", alpha=float(alpha), zorder=4)
    axes.set(xlim=reach, ylim=reach)


def folding(data: ArrayData) -> Figure:
    """The smallest network that will do, on a grid of points: the plane, the folded plane, the same without ReLU."""
    x, y = data.split.train
    p = TWO_UNITS
    fig, axes = figure(
        "Left: a grid of points, and the creases of two units (dashed). Middle: where the two units put the same points. Each folds what lies "
        "behind its crease onto an axis, and the round corners, which lay across from each other, come to lie together: the dotted line now "
        "separates them from the square ones. Right: the same two units without ReLU. The plane is tilted and stretched but nothing folds, the two "
        "diagonals still cross, and no line can separate them.",
        columns=3,
        size=(4.2, 4.0),
    )
    plane, folded, flat = axes[0]
    grid = square(17, 0.4)
    draw_grid(plane, grid, grid)
    draw_corners(plane, x, y)
    draw_creases(plane, p["W1"], p["b1"], np.ones(2), grid[[0, -1], [0, -1], 0])
    plane.set(title="the plane, with two creases", xlabel="x[0]", ylabel="x[1]")
    plane.legend(loc="upper left", fontsize=8, framealpha=0.95)

    draw_grid(folded, forward(grid, **p)["h"], grid)
    draw_corners(folded, forward(x, **p)["h"], y)
    cut = -p["b2"][0] / p["W2"][:, 0]  # where the line h W2 + b2 = 0 meets the axes
    folded.axline((cut[0], 0), (0, cut[1]), color="black", linestyle=":", linewidth=1.8, zorder=5)
    folded.set(title="h = max(x W1 + b1, 0): folded", xlabel="h[0]", ylabel="h[1]")

    z1 = forward(x, **p)["z1"]
    draw_grid(flat, forward(grid, **p)["z1"], grid)
    draw_corners(flat, z1, y)
    for diagonal, colour in ((z1[[0, 2]], TWO_CLASSES[0]), (z1[[1, 3]], TWO_CLASSES[1])):
        flat.plot(*diagonal.T, color=colour, linewidth=2, zorder=5)
    flat.set(title="x W1 + b1, without ReLU: nothing folds", xlabel="z1[0]", ylabel="z1[1]")
    for axis in axes[0]:
        axis.set_aspect("equal", adjustable="datalim" if axis is not plane else "box")
    return fig


def decision_regions(manual: Manual, data: ArrayData) -> Figure:
    """What the network says of every point of the plane, and what it would say without ReLU."""
    from matplotlib.colors import LinearSegmentedColormap

    x, y = data.split.train
    p = manual.arrays()
    (w0,), (w1,) = W = collapsed(**p)[0]
    fig, axes = figure(
        "The colour is the probability of class 1 (squares), the solid line is where it is one half. Left: the trained network. The line bends at "
        "the creases of the hidden units (dashed, the darker the sharper the fold), and only there. Right: the same weights without ReLU. Two layers "
        f"collapse into one: W1 W2 is the one matrix [{w0:.2f}, {w1:.2f}]ᵀ, the line is straight, and no straight line gets more than 3 of 4 right. "
        "(At step 0 the network is not trained yet.)",
        columns=2,
        size=(4.6, 4.2),
        sharex=True,
        sharey=True,
    )
    colours = LinearSegmentedColormap.from_list("classes", [TWO_CLASSES[0], "white", TWO_CLASSES[1]])
    plane = square(161, 0.8)
    strength = np.linalg.norm(p["W1"], axis=0) * np.abs(p["W2"][:, 0])  # by how much the slope changes at the crease
    for axis, name, z2 in ((axes[0, 0], "with ReLU", lambda q: forward(q, **p)["z2"]), (axes[0, 1], "without ReLU", lambda q: without_relu(q, **p))):
        right = int(np.sum((z2(x) > 0) == (y > 0.5)))
        height = z2(plane)[..., 0]
        shown = axis.pcolormesh(plane[..., 0], plane[..., 1], sigmoid(height), cmap=colours, vmin=0, vmax=1, shading="gouraud", rasterized=True)
        if height.min() < 0 < height.max():
            axis.contour(plane[..., 0], plane[..., 1], height, levels=[0.0], colors="black", linewidths=2)
        draw_corners(axis, x, y)
        axis.set(title=f"{name}: {right} of 4 right", xlabel="x[0]", aspect="equal")
    draw_creases(axes[0, 0], p["W1"], p["b1"], np.clip(strength / strength.max(), 0.1, 1), plane[[0, -1], [0, -1], 0])
    axes[0, 0].set(ylabel="x[1]")
    fig.colorbar(shown, ax=axes[0].tolist(), label="probability of class 1", shrink=0.85)
    return fig


def sheet(manual: Manual, data: ArrayData) -> Figure:
    """z2 as the height of a sheet over the plane: folded along the creases, and without ReLU flat."""
    x, y = data.split.train
    p = manual.arrays()
    fig, axes = figure(
        "All units at once: the plane as a sheet whose height at each point is the output z2. Left: the trained network has folded it along its "
        "creases, so that the square corners stand above the level 0 (grey) and the round ones lie below. Right: the same weights without ReLU "
        "leave the sheet flat. However it is tilted, the two diagonals have the same mean height. (At step 0 the network is not trained yet.)",
        columns=2,
        size=(4.8, 4.4),
        subplot_kw={"projection": "3d"},
    )
    plane = square(41, 0.4)
    for axis, title, z2 in ((axes[0, 0], "with ReLU: folded", lambda q: forward(q, **p)["z2"]), (axes[0, 1], "without ReLU: flat", lambda q: without_relu(q, **p))):
        height = z2(plane)[..., 0]
        axis.plot_wireframe(plane[..., 0], plane[..., 1], height, color="0.45", linewidth=0.5, rcount=21, ccount=21)
        axis.plot_surface(plane[..., 0], plane[..., 1], np.zeros_like(height), color="0.5", alpha=0.2)
        for corner, z, label in zip(x, z2(x)[:, 0], y[:, 0].astype(int), strict=True):
            axis.plot([corner[0]] * 2, [corner[1]] * 2, [0, z], color=TWO_CLASSES[label], linewidth=2)
            axis.scatter(*corner, z, s=90, marker="os"[label], color=TWO_CLASSES[label], edgecolor="black", depthshade=False, zorder=10)
        axis.set(title=title, xlabel="x[0]", ylabel="x[1]", zlabel="z2")
        axis.view_init(elev=22, azim=-68)
    return fig


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The principle, on two units; and the untrained network."""
    return {"folding the plane with two units": folding(data), **figures(manual, torch_module, data)}


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The decision regions, and the sheet that the hidden layer folds."""
    return {"decision regions": decision_regions(manual, data), "the folded sheet": sheet(manual, data)}


TEXT: dict[str, Any] = {}

TWIN = Twin(
    name="hidden_layer",
    manual=Manual,
    torch=Torch,
    data=Corners,
    data_args={"batch_size": 0},
    trainer={"max_epochs": 300, "check_val_every_n_epoch": 10},
    sgd_lr=0.5,
    before=before,
    figures=figures,
    text=TEXT,
)

if __name__ == "__main__":
    run("hidden_layer")
