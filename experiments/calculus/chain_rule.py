"""The chain rule: how blame travels backwards through a network

The four equations of backpropagation on real flowers: is an iris versicolor or virginica, by the length and width of a petal?
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from experiments import run
from experiments.convert import to_numpy, to_torch
from experiments.data import ArrayData, Split, split_at_random, standardise
from experiments.figure import TWO_CLASSES, figure
from experiments.pair import Twin
from manual.calculus.chain_rule import ChainRule as Manual
from manual.calculus.chain_rule import backward, forward, loss, one_sample
from torch_impl.calculus.chain_rule import ChainRule as Torch

Array = np.ndarray

SPECIES = ("versicolor", "virginica")
FORWARD, BACK = "#1d4e89", "#c1272d"  # colours of a value and of its gradient
BETWEEN = LinearSegmentedColormap.from_list("species", [TWO_CLASSES[0], "white", TWO_CLASSES[1]])


class Petals(ArrayData):
    """Fisher's irises of two species, 50 of each: length and width of a petal, standardised; 1 for virginica. 30 % are held out.

    The third species, setosa, is left out: its petals are so small that no network is needed.

    Args:
        batch_size: flowers in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the batches.
    """

    def __init__(self, batch_size: int = 10, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        from sklearn.datasets import load_iris

        measured, species = load_iris(return_X_y=True)
        kept = species > 0
        x, y = measured[kept, 2:], (species[kept, None] == 2).astype(np.float64)
        return standardise(split_at_random((x, y), 0.3, self.seed))


# ---- the graph of one sample ---------------------------------------------------------------------

COLUMN = {"x": 0.0, "z1": 4.2, "a1": 6.2, "z2": 9.6, "a2": 11.6, "L": 13.6}  # where each value stands, from left to right
HALF_WIDTH, HALF_HEIGHT = 0.55, 0.4  # of a node
LARGEST = 6  # hidden units that can still be drawn


def number(value: float) -> str:
    """Short, with a sign: three digits after the point or, where those would say little, powers of ten."""
    return f"{value:+.3f}" if abs(value) >= 5e-3 or value == 0 else f"{value:+.1e}"


def rows(name: str, count: int) -> Array:
    """Heights for `count` nodes of one column, from the top down."""
    return (2.6 if name == "x" else 2.1) * ((count - 1) / 2 - np.arange(count))


def write(axes: Axes, x: float, y: float, name: str, value: float, gradient: float, size: float = 8.5) -> None:
    """A name, its value and its gradient, one below the other."""
    for dy, text, style in (
        (0.22, name, {"color": "black", "fontweight": "bold"}),
        (0, number(value), {"color": FORWARD}),
        (-0.22, number(gradient), {"color": BACK}),
    ):
        axes.text(x, y + dy, text, ha="center", va="center", fontsize=size, zorder=5, **style)


def draw_node(axes: Axes, x: float, y: float, name: str, value: float, gradient: float) -> None:
    """A value of the network: a box."""
    corner = (x - HALF_WIDTH, y - HALF_HEIGHT)
    outline = FancyBboxPatch(
        corner, 2 * HALF_WIDTH, 2 * HALF_HEIGHT, boxstyle="round,pad=0,rounding_size=0.12", facecolor="#f7f4ea", zorder=3
    )
    axes.add_patch(outline)
    write(axes, x, y, name, value, gradient)


def draw_edge(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """An arrow from the right of one node to the left of another."""
    arrow = {"arrowstyle": "-|>", "color": "0.55", "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (end[0] - HALF_WIDTH, end[1]), (start[0] + HALF_WIDTH, start[1]), arrowprops=arrow, zorder=1)


def draw_weights(axes: Axes, name: str, columns: tuple[str, str], W: Array, dL_dW: Array, places: Array) -> None:
    """The edges of one layer, each with its weight; row i of W is written at places[i] of the way, so that no two labels meet."""
    (x0, x1), left, right = (COLUMN[c] for c in columns), rows(columns[0], len(W)), rows(columns[1], W.shape[1])
    for (i, j), w in np.ndenumerate(W):
        draw_edge(axes, (x0, left[i]), (x1, right[j]))
        x = x0 + HALF_WIDTH + places[i] * (x1 - x0 - 2 * HALF_WIDTH)
        y = left[i] + places[i] * (right[j] - left[i])
        axes.add_patch(Rectangle((x - 0.45, y - 0.33), 0.9, 0.66, color="white", zorder=2))
        write(axes, x, y, f"{name}[{i},{j}]", w, dL_dW[i, j], size=7.5)


def graph(manual: Manual, data: ArrayData, state: str) -> Figure:
    """The network for one flower: every value, and every gradient."""
    x, y = data.split.train
    p = manual.arrays()
    worst = int(np.argmax(np.abs(manual(x) - y)[:, 0]))
    x, y = x[worst], y[worst]
    values = {"x": x, **forward(x, **p)}
    gradients = one_sample(x, y, **forward(x, **p), **p)
    hidden = len(values["z1"])
    reach = rows("z1", max(hidden, 2))[0] + 0.8
    fig, axes = figure(
        f"One flower, a {SPECIES[int(y[0])]} that the {state} network gets most wrong, on its way through the network. Blue: each value, computed "
        "from left to right. Red below it: its gradient, how fast the loss L grows when this number grows, computed from right to left. "
        "Every red number is the product of two that are here, or a sum of such products; the line at the foot says which. Training moves each "
        "weight (on the edges) and bias a little way against its red number.",
        size=(14.0, 2 * reach + 0.8),
    )
    axis = axes[0, 0]
    draw_weights(axis, "W1", ("x", "z1"), p["W1"], gradients["W1"], np.array([0.72, 0.28]))
    draw_weights(axis, "W2", ("a1", "z2"), p["W2"], gradients["W2"], np.full(hidden, 0.42))
    for name in ("x", "z1", "a1", "z2", "a2"):
        for k, height in enumerate(rows(name, len(values[name]))):
            draw_node(axis, COLUMN[name], height, f"{name}[{k}]", values[name][k], gradients[name][k])
    for z, a, b in (("z1", "a1", "b1"), ("z2", "a2", "b2")):
        for k, height in enumerate(rows(z, len(values[z]))):
            draw_edge(axis, (COLUMN[z], height), (COLUMN[a], height))
            slope = values[a][k] * (1 - values[a][k])
            middle = (COLUMN[z] + COLUMN[a]) / 2
            axis.text(middle, height + 0.12, f"σ′ = {slope:.3f}", ha="center", va="bottom", fontsize=7.5, color="0.35")
            write(axis, COLUMN[z], height - 0.83, f"{b}[{k}]", p[b][k], gradients[b][k], size=7.5)
    draw_edge(axis, (COLUMN["a2"], 0), (COLUMN["L"], 0))
    axis.text((COLUMN["a2"] + COLUMN["L"]) / 2, 0.12, f"y = {y[0]:.0f}", ha="center", va="bottom", fontsize=7.5, color="0.35")
    draw_node(axis, COLUMN["L"], 0, "L", float(loss(values["a2"], y)), 1.0)
    for x_foot, rule in (
        (2.1, "BP4: ∂L/∂W1[i,j] = x[i] · ∂L/∂z1[j]"),
        (5.3, "BP2: ∂L/∂z1 = (W2 ∂L/∂z2) · σ′\nBP3: ∂L/∂b1 = ∂L/∂z1"),
        (8.1, "BP4: ∂L/∂W2[i,j] = a1[i] · ∂L/∂z2[j]"),
        (10.7, "BP1: ∂L/∂z2 = ∂L/∂a2 · σ′\nBP3: ∂L/∂b2 = ∂L/∂z2"),
        (13.2, "∂L/∂a2 = a2 − y"),
    ):
        axis.text(x_foot, -reach - 0.65, rule, ha="center", va="center", fontsize=8, color=BACK)
    axis.set(xlim=(-0.8, 14.4), ylim=(-reach - 1.0, reach - 0.2), aspect="equal")
    axis.axis("off")
    return fig


# ---- samples add up ------------------------------------------------------------------------------


def adding_up(manual: Manual, torch_module: Torch, data: ArrayData, state: str) -> Figure:
    """Each flower's own gradient, stacked; the batch's gradient by hand and in torch."""
    x, y = (array[:10] for array in data.split.train)
    p = manual.arrays()
    each = [one_sample(x[n], y[n], **forward(x[n], **p), **p) for n in range(len(x))]
    batch = backward(x, y, **forward(x, **p), **p)
    in_torch = torch_gradients(torch_module, x, y)
    hidden = p["W1"].shape[1]
    fig, axes = figure(
        f"Ten flowers in one batch, the {state} network. Each colour is one flower's own gradient, divided by ten: how it alone would like to turn each weight. "
        "What pulls up is stacked above zero, what pulls down below it. Their sum is the gradient of the batch: computed for all at once by hand (diamond) "
        "and by torch (ring around it).",
        columns=2,
        size=(7.0 if hidden <= LARGEST else 9.0, 4.4),
        width_ratios=(2, 1),
    )
    for axis, name in zip(axes[0], ("W1", "W2"), strict=True):
        entries = [f"{name}[{i},{j}]" for i, j in np.ndindex(p[name].shape)]
        up, down = np.zeros(len(entries)), np.zeros(len(entries))
        for n, gradients in enumerate(each):
            share = gradients[name].ravel() / len(x)
            axis.bar(entries, share, bottom=np.where(share > 0, up, down), color=f"C{n}", width=0.6, label=f"flower {n + 1}")
            up, down = up + np.maximum(share, 0), down + np.minimum(share, 0)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.scatter(
            entries,
            in_torch[name].ravel(),
            s=150,
            marker="o",
            facecolor="none",
            edgecolor="black",
            linewidth=1.5,
            zorder=3,
            label="batch, torch",
        )
        axis.scatter(entries, batch[name].ravel(), s=40, marker="D", color="white", edgecolor="black", zorder=4, label="batch, by hand")
        axis.set(title=f"∂L/∂{name}")
        axis.tick_params(axis="x", rotation=0 if hidden <= LARGEST else 90)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return fig


def torch_gradients(module: Torch, x: Array, y: Array) -> dict[str, Array]:
    """The gradient of a batch by autograd, in the module's own dtype and on its device."""
    x, y = to_torch((x, y), module.device)
    names, parameters = zip(*module.named_parameters(), strict=True)
    with torch.enable_grad():
        found = torch.autograd.grad(module.functions[1](module(x.to(module.dtype)), y.to(module.dtype)), parameters)
    return dict(zip(names, to_numpy(list(found)), strict=True))


def species(manual: Manual, data: ArrayData, state: str) -> Figure:
    """All flowers, and where the network draws the line."""
    fig, axes = figure(
        f"All flowers by their petals (standardised), and what the {state} network makes of the plane: it says virginica on the blue side of "
        "the line. Filled: flowers that it is trained on. Open: held out.",
        size=(5.6, 4.4),
    )
    axis = axes[0, 0]
    side = np.linspace(-2.7, 2.7, 121)
    plane = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)
    shown = axis.pcolormesh(
        *plane.transpose(2, 0, 1), manual(plane)[..., 0], cmap=BETWEEN, vmin=0, vmax=1, shading="gouraud", rasterized=True
    )
    axis.contour(*plane.transpose(2, 0, 1), manual(plane)[..., 0], levels=[0.5], colors="black")
    for (x, y), filled in ((data.split.train, True), (data.split.val, False)):
        for label, (marker, colour) in enumerate(zip("os", TWO_CLASSES, strict=True)):
            length, width = x[y[:, 0] == label].T
            face = colour if filled else "white"
            axis.scatter(
                length,
                width,
                s=34,
                marker=marker,
                facecolor=face,
                edgecolor="black" if filled else colour,
                label=SPECIES[label] if filled else None,
            )
    axis.set(xlabel="petal length", ylabel="petal width")
    axis.legend(loc="upper left")
    fig.colorbar(shown, ax=axis, label="a2")
    return fig


def draw(manual: Manual, torch_module: Torch, data: ArrayData, state: str) -> Mapping[str, Figure]:
    """All figures of an untrained or a trained pair; the graph only if it can be read."""
    drawn = {"samples add up": adding_up(manual, torch_module, data, state), "two species": species(manual, data, state)}
    if len(manual.arrays()["b1"]) <= LARGEST:
        drawn = {"the graph of one flower": graph(manual, data, state), **drawn}
    return drawn


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Of the untrained pair."""
    return draw(manual, torch_module, data, "untrained")


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Of the trained pair."""
    return draw(manual, torch_module, data, "trained")


# ---- text ----------------------------------------------------------------------------------------

FOUR_EQUATIONS = """
| | one sample | N samples, one in each row | the function | in Nielsen's notation |
| --- | --- | --- | --- | --- |
| **BP1** the error at the output | ∂L/∂z2 = ∂L/∂a2 · σ′(z2) | the same, row by row | `error_at_output` | δᴸ = ∇ₐC ⊙ σ′(zᴸ) |
| **BP2** the error one layer back | ∂L/∂z1 = (W2 ∂L/∂z2) · σ′(z1) | (∂L/∂z2 W2ᵀ) · σ′(z1) | `error_one_layer_back` | δˡ = ((wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ) |
| **BP3** the gradient of a bias | ∂L/∂b = ∂L/∂z | sum of ∂L/∂z over rows | `gradient_of_bias` | ∂C/∂b = δ |
| **BP4** the gradient of a weight | ∂L/∂W[i, j] = a[i] · ∂L/∂z[j] | aᵀ ∂L/∂z | `gradient_of_weight` | ∂C/∂w = a_in δ_out |

Nielsen writes a layer's input as a column and W as (out, in); here it is a row and W is (in, out). Hence the transpose stands elsewhere.

Read them as sentences. BP1: an error that meets a flat place of σ is not felt. BP2: a unit is to blame for what it passed on, in proportion to
the weight it passed it through. BP4: a weight learns nothing from an input of zero.
"""

FADING = """
σ′(z) = a (1 − a) is at most ¼, at z = 0, and close to 0 where the unit is sure of itself, right or wrong. BP1 and BP2 multiply by it once per
layer. After ten layers of σ at most (¼)¹⁰, a millionth, is left of an error, times the weights: the *vanishing gradient*. It is why
deep networks use ReLU, whose slope is 1 or 0, and why a σ at the output goes with the cross-entropy loss, which cancels its slope:
∂L/∂z2 = a2 − y then, as in `hidden_layer`.
"""

TWIN = Twin(
    name="chain_rule",
    manual=Manual,
    torch=Torch,
    data=Petals,
    trainer={"max_epochs": 60, "check_val_every_n_epoch": 5},
    sgd_lr=3.0,
    before=before,
    figures=figures,
    text={"the four equations": FOUR_EQUATIONS, "why errors fade": FADING},
)

if __name__ == "__main__":
    run("chain_rule")
