"""What a hidden layer does: it folds the plane until a straight cut will do

A network with 16 hidden units learns XOR, the four corners of a square that no straight line can tell apart, in 300 steps of plain
gradient descent. It is the README's first command for a learner, and takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.drawing.colours import BETWEEN, MARKERS, SIGNED
from experiments.drawing.figure import TWO_CLASSES, OnDemand, figure, unbroken
from experiments.drawing.interactive import Axis, Dots, Interactive, Line, Mark, Panel, Slider, after, minus
from experiments.drawing.words import in_words
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.networks.hidden_layer import HiddenLayer as Manual
from manual.networks.hidden_layer import backward, forward
from manual.nn.functional import sigmoid
from torch_impl.networks.hidden_layer import HiddenLayer as Torch

Array = np.ndarray


TWO_UNITS: dict[str, Array] = {
    "W1": np.array([[1.0, -0.5], [-0.5, 1.0]]),
    "b1": np.array([-0.5, -0.5]),
    "W2": np.array([[1.0], [1.0]]),
    "b2": np.array([-1.25]),
}
"""The smallest network that tells the diagonals apart, its weights chosen by hand so that the picture is easy to read."""


class Corners(ArrayData):
    """The corners of a square; class 1 on one diagonal, class 0 on the other. There is nothing to hold out.

    Args:
        batch_size: corners in a batch; 0 puts all of them into one.
        seed: of the order of the corners.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

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
    for label, (marker, colour) in enumerate(zip(MARKERS[:2], TWO_CLASSES, strict=True)):
        a, b = at[y[:, 0] == label].T
        axes.scatter(a, b, s=110, marker=marker, color=colour, edgecolor="black", linewidth=1.2, zorder=10, label=f"class {label}")


def draw_grid(axes: Axes, at: Array, where: Array) -> None:
    """A grid of points at (n, n, 2), neighbours joined; each keeps the colour of the place where it was."""
    for rows in (at, at.swapaxes(0, 1)):
        axes.plot(rows[..., 0].T, rows[..., 1].T, color="0.75", linewidth=0.7, zorder=1)
    red, blue = ((where - where.min()) / np.ptp(where)).reshape(-1, 2).T
    colours = np.stack([0.15 + 0.8 * red, np.full_like(red, 0.55), 0.15 + 0.8 * blue], axis=1)
    axes.scatter(at[..., 0], at[..., 1], s=14, color=colours, zorder=3)


def draw_creases(axes: Axes, W1: Array, b1: Array, strength: Array) -> None:
    """The line x W1[:, j] + b1[j] = 0 of each unit j, the darker the stronger it is (0 to 1)."""
    for w, b, alpha in zip(W1.T, b1, strength, strict=True):
        foot, along = straight(w, b)
        (x0, y0), (x1, y1) = foot, foot + along
        axes.axline((x0, y0), (x1, y1), color="black", linewidth=1.2, linestyle="--", alpha=float(alpha), zorder=4)


def straight(w: Array, b: float) -> tuple[Array, Array]:
    """The line x w + b = 0: its point nearest to the origin, and a direction of length 1 along it; NaN where w is 0. Shapes: all (2,)."""
    length = np.linalg.norm(w) or np.nan
    return -b * w / length**2, np.array([-w[1], w[0]]) / length


def folding(data: ArrayData) -> Figure:
    """The smallest network that will do, on a grid of points: the plane, the folded plane, the same without ReLU."""
    x, y = data.split.train
    grid = square(17, 0.4)
    fig, axes = figure(
        "The principle, on two units chosen by hand. Each lays what is behind its crease (dashed) flat onto an axis. Look at the two round "
        "corners: once far apart, they come to lie on the same side of the dotted line: a straight cut is enough. Without ReLU nothing is "
        "folded: the diagonals still cross.",
        columns=3,
        size=(4.2, 3.9),
    )
    at_grid, at_corners = forward(grid, **TWO_UNITS), forward(x, **TWO_UNITS)
    panels = (
        (grid, x, "The plane, with two creases", "x"),
        (at_grid["h"], at_corners["h"], "h = max(x W1 + b1, 0): folded", "h"),
        (at_grid["z1"], at_corners["z1"], "z1 = x W1 + b1: not folded", "z1"),
    )
    for axis, (points, corners, title, name) in zip(axes[0], panels, strict=True):
        draw_grid(axis, points, grid)
        draw_corners(axis, corners, y)
        middle, reach = (points.min() + points.max()) / 2, 0.55 * np.ptp(points)
        limits = (middle - reach, middle + reach)
        axis.set(title=title, xlabel=f"{name}[0]", ylabel=f"{name}[1]", xlim=limits, ylim=limits, aspect="equal")
    draw_creases(axes[0, 0], TWO_UNITS["W1"], TWO_UNITS["b1"], np.ones(2))
    cut = -TWO_UNITS["b2"] / TWO_UNITS["W2"][:, 0]  # where the line h W2 + b2 = 0 meets the two axes
    axes[0, 1].axline((cut[0], 0), (0, cut[1]), color="black", linestyle=":", linewidth=1.8, zorder=5)
    axes[0, 1].legend(loc="upper right")
    for diagonal, colour in zip((at_corners["z1"][[0, 2]], at_corners["z1"][[1, 3]]), TWO_CLASSES, strict=True):
        axes[0, 2].plot(*diagonal.T, color=colour, linewidth=2, zorder=5)
    return fig


def decision_regions(manual: Manual, data: ArrayData, state: str) -> Figure:
    """What the network says of every point of the plane, and what it would say without ReLU."""
    x, y = data.split.train
    p = manual.arrays()
    one_matrix = ", ".join(f"{w:.2f}" for w in collapsed(**p)[0][:, 0]).replace("-", "−")
    fig, axes = figure(
        f"The colour is the probability of class 1 (squares), one half on the solid line. Left: the {state} network. The line bends "
        "where it meets the crease of a hidden unit (dashed, darker for a sharper fold), and nowhere else. Right: the same weights "
        f"without ReLU are one layer, {unbroken(f'W = W1 W2 = [{one_matrix}]ᵀ')}, and a straight line.",
        columns=2,
        size=(4.6, 4.2),
        sharex=True,
        sharey=True,
    )
    plane = square(161, 0.8)
    for axis, (title, z2) in zip(axes[0], outputs(p), strict=True):
        right = int(np.sum((z2(x) > 0) == (y > 0.5)))
        height = z2(plane)[..., 0]
        shown = axis.pcolormesh(
            *plane.transpose(2, 0, 1), sigmoid(height), cmap=BETWEEN, vmin=0, vmax=1, shading="gouraud", rasterized=True
        )
        if height.min() < 0 < height.max():
            axis.contour(*plane.transpose(2, 0, 1), height, levels=[0.0], colors="black", linewidths=2)
        draw_corners(axis, x, y)
        axis.set(title=f"{title}: {right} of 4 right", xlabel="x[0]", aspect="equal")
    bend = np.linalg.norm(p["W1"], axis=0) * np.abs(p["W2"][:, 0])  # by how much the slope of z2 changes at each crease
    draw_creases(axes[0, 0], p["W1"], p["b1"], np.clip(bend / max(bend.max(), 1e-30), 0.1, 1))
    axes[0, 0].set(ylabel="x[1]", xlim=plane[[0, -1], 0, 0], ylim=plane[0, [0, -1], 1])
    fig.colorbar(shown, ax=axes[0].tolist(), label="probability of class 1", shrink=0.85)
    return fig


def outputs(p: Mapping[str, Array]) -> tuple[tuple[str, Callable[[Array], Array]], ...]:
    """z2 as a function of the point, with ReLU and without."""
    return ("with ReLU", lambda q: forward(q, **p)["z2"]), ("without ReLU", lambda q: without_relu(q, **p))


def hidden_numbers(manual: Manual, data: ArrayData, state: str, shown: int = 16) -> Figure:
    """What the hidden layer makes of each corner: h in numbers, and below it the weights that make z2 of them."""
    x, y = data.split.train
    p = manual.arrays()
    values, of = forward(x, **p), len(p["b1"])
    silent = int((values["h"].max(axis=0) == 0).sum())
    h, W2 = values["h"][:, :shown], p["W2"].T[:, :shown]
    units = h.shape[1]
    fig, axes = figure(
        f"The {state} hidden layer makes {of} numbers of each corner's two, a column for each unit. Blank: the corner lies behind the "
        f"unit's crease (columns blank from top to bottom: {silent}). A row of h times W2, number by number, and b2 = {short(p['b2'][0])} "
        "add up to z2." + (f" (Only {units} units are drawn.)" if units < of else ""),
        size=(10.0, 3.4),
    )
    at_h, at_z2 = 6, 7 + max(units, 4)
    for title, matrix, left, top in (
        ("x (4, 2)", x, 2, 0),
        (f"h (4, {of})", h, at_h, 0),
        (f"W2, lying down: (1, {of})", W2, at_h, 5.5),
        ("z2 (4, 1)", values["z2"], at_z2, 0),
    ):
        draw_matrix(axes[0, 0], title, matrix, left, top, None)
        for (row, column), value in np.ndenumerate(matrix):
            if value or matrix is not h:
                colour = "white" if abs(value) > 0.6 * np.abs(matrix).max() else "black"
                axes[0, 0].text(left + column + 0.5, top + row + 0.5, short(value), color=colour, ha="center", va="center", fontsize=8)
    draw_corners(axes[0, 0], np.column_stack([np.full(4, 1.0), np.arange(4) + 0.5]), y)
    axes[0, 0].set(xlim=(0, at_z2 + 2), ylim=(7, -1.2), aspect="equal")
    axes[0, 0].axis("off")
    return fig


def short(value: float) -> str:
    """With one decimal, and a minus sign that is one."""
    return f"{value:z.1f}".replace("-", "−")


def shapes(manual: Manual, torch_module: Torch, data: ArrayData, shown: int = 16) -> Figure:
    """x W1 as it is written by hand, and as torch stores and computes it, with one unit outlined."""
    x, W1, weight = data.split.train[0], manual.W1.data[:, :shown], to_numpy(torch_module.hidden.weight)[:shown]
    units, of = len(weight), torch_module.hidden.out_features
    unit = int(np.abs(weight).min(axis=1).argmax())  # neither of its two numbers is pale
    by_hand, in_torch = x @ W1, x @ weight.T
    apart = float(np.linalg.norm(by_hand - in_torch)) / max(float(np.linalg.norm(in_torch)), 1e-300)
    fig, axes = figure(
        f"One multiplication, stored in two ways (orange: above 0, violet: below). By hand W1 is (2, {of}), a column for each unit; "
        f"outlined is unit {unit}'s. torch stores a row for each unit, ({of}, 2); the transpose is the same picture as W1. "
        f"The two products are {in_words(apart)}." + (f" (Only {units} units are drawn.)" if units < of else ""),
        size=(10.0, 4.2),
    )
    at = {"stored": 0, "x": 8, "weight": 13, "product": 16 + max(units, 7)}
    panels: tuple[tuple[str, Array, float, float, Callable[[int], tuple[float, ...]] | None], ...] = (
        ("by hand:\nx (4, 2)", x, at["x"], 0, None),
        (f"W1 (2, {of})", W1, at["weight"], 1, lambda u: (u, 0, 1, 2)),
        (f"x @ W1 (4, {of})", by_hand, at["product"], 0, lambda u: (u, 0, 1, 4)),
        (f"torch stores\nhidden.weight ({of}, 2)", weight, at["stored"], 0, lambda u: (0, u, 2, 1)),
        ("in torch:\nx (4, 2)", x, at["x"], 8, None),
        (f"hidden.weight.T (2, {of})", weight.T, at["weight"], 9, lambda u: (u, 0, 1, 2)),
        (f"x @ hidden.weight.T (4, {of})", in_torch, at["product"], 8, lambda u: (u, 0, 1, 4)),
    )
    for title, matrix, left, top, place in panels:
        draw_matrix(axes[0, 0], title, matrix, left, top, place(unit) if place else None)
    for row in (2, 10):
        axes[0, 0].text(at["weight"] - 1.5, row, "@", ha="center", va="center", fontsize=12)
        axes[0, 0].text(at["product"] - 1.5, row, "=", ha="center", va="center", fontsize=12)
    axes[0, 0].set(xlim=(-2, at["product"] + max(units, 7) + 0.5), ylim=(max(units, 12) + 0.5, -2.5), aspect="equal")
    axes[0, 0].axis("off")
    return fig


def draw_matrix(ax: Axes, title: str, matrix: Array, left: float, top: float, outlined: tuple[float, ...] | None) -> None:
    """A square for each number, from the corner at (left, top); `outlined` is a part of it: column, row, width and height."""
    rows, columns = matrix.shape
    most = max(float(np.abs(matrix).max()), 1e-30)
    ax.imshow(matrix, cmap=SIGNED, vmin=-most, vmax=most, extent=(left, left + columns, top + rows, top), interpolation="nearest")
    ax.text(left + columns / 2, top - 0.3, title, ha="center", va="bottom")
    ax.add_patch(Rectangle((left, top), columns, rows, fill=False, edgecolor="0.6", linewidth=0.8))
    if outlined is not None:
        column, row, width, height = outlined
        ax.add_patch(Rectangle((left + column, top + row), width, height, fill=False, edgecolor="black", linewidth=2, zorder=5))


# ---- to move -------------------------------------------------------------------------------------

WEIGHTS, BIASES, LAST = (-1.0, -0.5, 0.0, 0.5, 1.0), tuple(n / 4 for n in range(-4, 3)), tuple(n / 4 for n in range(-7, 0))
"""What the two weights of the first unit, its bias, and b2 can be moved to."""

LOW, HIGH = -0.5, 2.5
"""The part of the plane that is shown."""


def interactive(run: Trained) -> tuple[Interactive, ...]:
    """The fold, with weights that a reader moves."""
    x, y = run.data.split.train
    settings = [*product(WEIGHTS, WEIGHTS, BIASES, LAST)]
    good = sum(len(wrong(x, y, *setting)) == 0 for setting in settings)

    def says(w0: float, w1: float, b: float, b2: float) -> str:
        n = 4 - len(wrong(x, y, w0, w1, b, b2))
        return f"{n} of the 4 corners are right{': one straight cut is enough.' if n == 4 else '.'}"

    return (
        Interactive(
            "Fold it yourself",
            "Two hidden units. The second stands still (grey crease), the first is yours (orange): its weights turn the crease, its "
            "bias moves it. What is behind a crease is laid flat onto an axis of the folded plane. There b2 moves the straight cut "
            "(dotted); in the plane it is a border (thick) that bends at the creases, and nowhere else. Make all four corners right: "
            f"squares are to lie above the cut, circles below it, and a ring is an error. {good} of the {len(settings):,} settings do.",
            (
                Slider("w0", WEIGHTS, 0.5, "W1[0, 0], from x[0] to the first unit"),
                Slider("w1", WEIGHTS, 0.5, "W1[1, 0], from x[1] to the first unit"),
                Slider("b", BIASES, -0.5, "b1[0], the first unit's bias"),
                Slider("b2", LAST, -1.0, "b2, which moves the cut"),
            ),
            (first_unit, says),
            (the_plane(x, y), the_folded_plane(x, y)),
        ),
    )


def moved(w0: float, w1: float, b: float, b2: float = 0.0) -> dict[str, Array]:
    """`TWO_UNITS`, the first with other weights, and another b2."""
    W1, b1 = TWO_UNITS["W1"].copy(), TWO_UNITS["b1"].copy()
    W1[:, 0], b1[0] = (w0, w1), b
    return {**TWO_UNITS, "W1": W1, "b1": b1, "b2": np.array([b2])}


def wrong(x: Array, y: Array, w0: float, w1: float, b: float, b2: float) -> Array:
    """The corners that are told wrongly, (n, 2)."""
    z2 = forward(x, **moved(w0, w1, b, b2))["z2"]
    return x[((z2 > 0) != (y > 0.5))[:, 0]]


def first_unit(w0: float, w1: float, b: float) -> str:
    """The unit that is moved, as a formula."""
    return minus(f"The first unit is h[0] = max({w0:g} · x[0] + {w1:g} · x[1] + {b:g}, 0).").replace("+ −", "− ")


def at(places: Array | Callable[..., Array]) -> dict[str, Any]:
    """Where a mark is drawn: places (n, 2), or a function of sliders that gives such."""
    if callable(places):
        return {"x": after(places, lambda p: p[:, 0]), "y": after(places, lambda p: p[:, 1])}
    return {"x": places[:, 0], "y": places[:, 1]}


def h_of(x: Array) -> dict[str, Any]:
    """The same in the folded plane, for places in the plane. Each unit has its axis, so that only the first number moves."""

    def h(w0: float, w1: float, b: float) -> Array:
        return forward(x, **moved(w0, w1, b))["h"][:, 0]

    return {"x": h, "y": forward(x, **TWO_UNITS)["h"][:, 1]}


def mesh() -> Array:
    """Lines across the plane, half a unit apart, with a row of NaN after each: (n, 2). A crease crosses them at quarters only."""
    x = np.stack(np.meshgrid(np.arange(LOW, HIGH + 0.1, 0.5), np.arange(LOW, HIGH + 0.1, 0.25), indexing="ij"), axis=-1)
    both = np.concatenate([x, x[..., ::-1]])
    return np.pad(both, [(0, 0), (0, 1), (0, 0)], constant_values=np.nan).reshape(-1, 2)


def corners_at(y: Array, where: Callable[[Array], dict[str, Any]], x: Array) -> list[Dots]:
    """The corners, round for class 0 and square for class 1."""
    return [Dots(**where(x[y[:, 0] == c]), look=look, shape=shape) for c, (look, shape) in enumerate((("zero", "o"), ("one", "s")))]


def crease(w: Array, b: float) -> Array:
    """Two places on it, outside of what is shown, (2, 2)."""
    foot, along = straight(w, b)
    return foot + np.outer([-9, 9], along)


def border(p: dict[str, Array]) -> Array:
    """Where z2 = 0: in each of the four regions between the creases a straight line, its two ends and a row of NaN. (n, 2)."""
    found = [np.full((1, 2), np.nan)]
    box = [(edge * axis, -edge * end) for axis in np.eye(2) for edge, end in ((1, LOW), (-1, HIGH))]  # edge · x[i] − edge · end > 0
    for on in product((0, 1), repeat=2):
        W2 = on * p["W2"][:, 0]  # of the units that are not cut off
        foot, along = straight(p["W1"] @ W2, p["b1"] @ W2 + p["b2"][0])
        sides = [(w, b) if o else (-w, -b) for o, w, b in zip(on, p["W1"].T, p["b1"], strict=True)]
        t = np.linspace(-9, 9, 2)
        for w, b in (*sides, *box):  # where (foot + t along) w + b > 0
            slope, height = along @ w, foot @ w + b
            if slope:
                t = np.clip(t, *((-height / slope, np.inf) if slope > 0 else (-np.inf, -height / slope)))
            elif height < 0:
                t = t[:1]
        if len(t) == 2 and t[0] < t[1]:
            found += [foot + np.outer(t, along), found[0]]
    return np.concatenate(found)


def the_plane(x: Array, y: Array) -> Panel:
    """The plane, both creases, the border that the cut makes in it, and the corners."""
    marks: tuple[Mark, ...] = (
        Line(**at(mesh()), look="faint"),
        Line(**at(crease(TWO_UNITS["W1"][:, 1], TWO_UNITS["b1"][1])), look="other"),
        Line(**at(lambda w0, w1, b: crease(np.array([w0, w1]), b)), look="crease"),
        Line(**at(lambda w0, w1, b, b2: border(moved(w0, w1, b, b2))), look="border"),
        *corners_at(y, at, x),
        Dots(**at(lambda w0, w1, b, b2: wrong(x, y, w0, w1, b, b2)), look="wrong", shape="ring"),
    )
    return Panel("the plane", Axis("x[0]", LOW, HIGH), Axis("x[1]", LOW, HIGH), marks, equal=True)


def the_folded_plane(x: Array, y: Array) -> Panel:
    """The plane as the two units see it, the straight cut, and the corners."""

    def errors(w0: float, w1: float, b: float, b2: float) -> Array:
        return forward(wrong(x, y, w0, w1, b, b2), **moved(w0, w1, b, b2))["h"]

    marks: tuple[Mark, ...] = (
        Line(**h_of(mesh()), look="faint"),
        Line(**at(lambda b2: crease(TWO_UNITS["W2"][:, 0], b2)), look="cut"),
        *corners_at(y, h_of, x),
        Dots(**at(errors), look="wrong", shape="ring"),
    )
    return Panel("the folded plane", Axis("h[0]", -0.3, 2.9), Axis("h[1]", -0.3, 2.9), marks, equal=True)


# ---- text ----------------------------------------------------------------------------------------

LAST_LAYER = """
Only the last layer depends on the task:

    yes or no       one unit, and σ: a probability                         cross-entropy       hidden_layer
    one of K        K units, and softmax: K probabilities, whose sum is 1  cross-entropy       digits_mlp
    a number        one unit, and nothing: z2 is the prediction            mean of (ŷ − y)²    wine_quality

In all three backward begins with predicted minus true.
"""

NAMES = {
    "W1": "hidden.weight.T", "b1": "hidden.bias", "W2": "output.weight.T", "b2": "output.bias",
    "z1": "hidden", "h": "relu", "z2": "output",
}  # fmt: skip
"""What each parameter, and each value on the way, is called in torch."""


# ---- to do ---------------------------------------------------------------------------------------------


def told_right(run: Trained, without: bool = False) -> int:
    """How many of the corners are told rightly: by the trained network, or by the same weights without the ReLU between."""
    x, y = run.data.split.train
    z2 = dict(outputs(run.manual.arrays()))["without ReLU" if without else "with ReLU"]
    return int(((z2(x) > 0) == (y > 0.5)).sum())


def silent_units(run: Trained) -> int:
    """How many hidden units are 0 for all corners."""
    return int((run.manual.values(run.data.split.train[0])["h"].max(axis=0) == 0).sum())


def learned(run: Trained) -> str:
    """How many corners are told rightly, with ReLU and without."""
    return (
        f"The network has {told_right(run)} of the 4 corners right. The same weights without ReLU are one straight cut, which has "
        f"{told_right(run, without=True)} right and could never have more than 3."
    )


CORNERS = ("2", 2.5, "3", 3.5, "all 4")
SEEN, SHORT = "{} of the 4 corners", {"max_epochs": 150}

QUESTIONS = (
    by_size(
        "hidden = 1: one hidden unit. How many of the four corners does it tell rightly after 150 steps?",
        told_right,
        *CORNERS,
        seen=SEEN,
        why="One unit makes one crease, and a crease alone leaves one straight cut: that has three corners right at best.",
        model={"hidden": 1},
        trainer=SHORT,
        look_at=("decision regions", "the shape of the region: one cut."),
    ),
    by_size(
        "Sixteen units, trained, and then the ReLU is taken out. How many corners do these weights tell rightly?",
        lambda run: told_right(run, without=True),
        *("3 or fewer", 3.5, "all 4, as before"),
        seen="these have {} right",
        why="Without it W1 W2 is one matrix, and two layers are one straight cut. The ReLU makes the creases.",
        trainer=SHORT,
        look_at=("decision regions", "the straight line on the right, beside the bent one."),
    ),
    by_size(
        "Sixteen units, trained. How many of them are 0 for all four corners?",
        silent_units,
        *("none", 0.5, "some of them", 7.5, "half of them or more"),
        seen="{} of 16",
        why="Such a unit's crease has all corners behind it: ReLU passes nothing on, and nothing back. With a gradient of 0 it stays.",
        trainer=SHORT,
        look_at=("the hidden numbers", "the columns that are blank from top to bottom."),
    ),
)

MISTAKE = Mistake(
    "Two hidden units can fold the plane, so two are enough.",
    lambda run: (
        f"Trained with two, the network tells {told_right(run)} of the 4 corners rightly, and its loss ends at {run.losses[-1]:.2f}."
    ),
    lambda run: told_right(run) < 4,
    "That a solution exists does not mean that gradient descent finds it. With more units more of the beginnings lead to one.",
    {"hidden": 2},
    trainer=SHORT,
)

# ---- further reading: why no line will do, the folded sheet, and other beginnings -------------------------

NO_LINE = """
A line puts a point x in class 1 where f(x) = w · x + b > 0. The centre (1, 1) lies halfway along both diagonals, and f is linear, so

    f(1, 1) = ( f(0, 2) + f(2, 0) ) / 2        above 0, if both squares are in class 1
    f(1, 1) = ( f(0, 0) + f(2, 2) ) / 2        0 or below, if both circles are in class 0

It cannot be both. So no straight line gets all four right; three of four is the best there is.

Training does not help: the loss of a line is a bowl, its lowest point is w = 0, b = 0, where every probability is one half and the loss
is log 2 = 0.693. There, the gradient's four terms p − y are +½, −½, +½, −½, one for each corner, and cancel.
"""

OTHER_STARTS = """
Two hidden units are enough (see *folding the plane*), but gradient descent must find them. A unit that is 0 on all four corners has no
gradient and never comes back; with few units, too few may be left. Of 20 random starts, so many end with 4 of 4 after 300 steps:

| hidden units | weights and biases uniform in ±1/√(inputs), as torch | weights uniform in ±1, biases 0 |
| --- | --- | --- |
| 1 | 0 | 0 |
| 2 | 7 | 2 |
| 4 | 15 | 12 |
| 8 | 20 | 20 |
| 16 | 20 | 20 |

The start on the right is that of an answer in a forum, which explains a hidden layer by these four corners, with sixteen units; with
them 200 of 200 starts learn. (Of its two listings the first cannot run, for a bracket is never closed, and has no bias; the second is
as here.)

What the biases are for: with b1 = 0 the corner (0, 0) becomes h = (0, 0, ..., 0), whatever W1 is, for 0 times anything is 0. Every
crease goes through that corner. Only when a step has moved the biases can the creases move away from it, and with few units that is too
late for some.

See it fail: `python -m experiments run hidden_layer --model.hidden 2` (and with `--seed_everything 1`, `2`, `3`, …).
"""


def as_torch(hidden: int, rng: np.random.Generator) -> dict[str, Array]:
    """The weights that the concept begins with."""
    return Manual(hidden, rng=rng).arrays()


def without_biases(hidden: int, rng: np.random.Generator) -> dict[str, Array]:
    """Weights uniform in ±1, biases 0."""
    W1, W2 = rng.uniform(-1, 1, (2, hidden)), rng.uniform(-1, 1, (hidden, 1))
    return {"W1": W1, "b1": np.zeros(hidden), "W2": W2, "b2": np.zeros(1)}


def starts_that_learn(start: Callable[[int, np.random.Generator], dict[str, Array]], hidden: int, starts: int, steps: int = 300) -> int:
    """How many of the first so many starts end with all four corners right."""
    (x, y), lr, found = Corners().split.train, Manual().lr, 0
    for seed in range(starts):
        p = start(hidden, np.random.default_rng(seed))
        for _ in range(steps):
            dL = backward(x, y, **forward(x, **p), **p)
            p = {name: p[name] - lr * dL[name] for name in p}
        found += bool(((forward(x, **p)["z2"] > 0) == (y > 0.5)).all())
    return found


def sheet(manual: Manual, data: ArrayData, state: str) -> Figure:
    """z2 as the height of a sheet over the plane: folded along the creases, and without ReLU flat."""
    x, y = data.split.train
    fig, axes = figure(
        f"All units of the {state} network at once: the plane as a sheet whose height is the output z2, in the colour of the class that it "
        "speaks for, black at 0. Each corner stands on a pin from that level. Left: the hidden layer folds the sheet, so that the "
        "squares' pins can point up and the circles' down. Right: without ReLU it stays flat, and the two diagonals have the same mean "
        "height, however it is tilted.",
        columns=2,
        size=(5.0, 4.2),
        subplot_kw={"projection": "3d", "computed_zorder": False},
    )
    plane = square(61, 0.4)
    x0, x1 = plane.transpose(2, 0, 1)
    for axis, (title, z2) in zip(axes[0], outputs(manual.arrays()), strict=True):
        height = z2(plane)[..., 0]
        colours = BETWEEN(sigmoid(3 * height / np.abs(height).max()))
        axis.plot_surface(
            x0, x1, height, facecolors=colours, rcount=31, ccount=31, shade=False, edgecolor="0.6", linewidth=0.2, alpha=0.9, zorder=1
        )
        if height.min() < 0 < height.max():
            axis.contour(x0, x1, height, levels=[0.0], colors="black", linewidths=2, zorder=2)
        for corner, z, label in zip(x, z2(x)[:, 0], y[:, 0].astype(int), strict=True):
            axis.plot([corner[0]] * 2, [corner[1]] * 2, [0, z], color="black", linewidth=1.5, zorder=3)
            axis.scatter(*corner, z, s=90, marker=MARKERS[label], color=TWO_CLASSES[label], edgecolor="black", depthshade=False, zorder=4)
        axis.set(title=title, xlabel="x[0]", ylabel="x[1]", zlabel="z2")
        axis.view_init(elev=28, azim=-72)
        axis.set_box_aspect(None, zoom=1.05)
    return fig


# ---- the pair --------------------------------------------------------------------------------------


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The principle, on two units; the untrained network; how either side stores it; and the sheet that it folds."""
    return {
        "folding the plane": folding(data),
        "decision regions": decision_regions(manual, data, state="untrained"),
        "the hidden numbers": hidden_numbers(manual, data, state="untrained"),
        "shapes": shapes(manual, torch_module, data),
        "the folded sheet": sheet(manual, data, state="untrained"),
    }


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The decision regions, the numbers of the hidden layer, and the sheet that it folds."""
    return OnDemand(
        {
            "decision regions": lambda: decision_regions(manual, data, state="trained"),
            "the hidden numbers": lambda: hidden_numbers(manual, data, state="trained"),
            "the folded sheet": lambda: sheet(manual, data, state="trained"),
        }
    )


TWIN = Twin(
    name="hidden_layer",
    manual=Manual,
    torch=Torch,
    data=Corners,
    names=NAMES,
    needs=("chain_rule", "logistic_regression"),
    trainer={"max_epochs": 300, "check_val_every_n_epoch": 10},
    sgd_lr=0.5,
    before=before,
    figures=figures,
    interactive=interactive,
    learned=learned,
    look_at=("decision regions", "where the line bends: at the creases of the hidden units, and nowhere else."),
    text={"the last layer": LAST_LAYER, "why no line will do": NO_LINE, "other beginnings": OTHER_STARTS},
    further=("the folded sheet", "why no line will do", "other beginnings"),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("backward", ("Begin with p − y over the N points: σ(z2) is the prediction.",)),),
)

if __name__ == "__main__":
    run("hidden_layer")
