"""The chain rule: how blame travels backwards through a network

The four equations of backpropagation on real flowers: is an iris versicolor or virginica, by the length and width of a petal?
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from experiments import run
from experiments.data.arrays import ArrayData, Split, split_at_random, standardise
from experiments.drawing.colours import BETWEEN, CATEGORIES, MARKERS, NEGATIVE, POSITIVE
from experiments.drawing.figure import BY_HAND, TORCH, TWO_CLASSES, figure
from experiments.drawing.written import HALO
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Twin
from manual.calculus.chain_rule import ChainRule as Manual
from manual.calculus.chain_rule import backward, forward, loss, one_sample
from torch_impl.calculus.chain_rule import ChainRule as Torch

Array = np.ndarray

SPECIES = ("versicolor", "virginica")
FORWARD, BACK = CATEGORIES[0], CATEGORIES[3]  # colours of a value and of its gradient


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

COLUMN = {"x": 0.0, "z1": 6.6, "a1": 8.6, "z2": 12.2, "a2": 14.2, "L": 16.2}  # where each value stands, from left to right
HALF_WIDTH, HALF_HEIGHT = 0.55, 0.46  # of a node
LARGEST = 5  # hidden units of which each weight can be written on its edge
SIZE = 10.5  # of letters, in points


def number(value: float) -> str:
    """Short, with a sign: three digits after the point, or two that count where it is small."""
    return (f"{value:+.3f}" if abs(value) >= 0.1 else f"{value:+#.2g}").replace("-", "−")


def rows(name: str, count: int, hidden: int) -> list[float]:
    """Heights for `count` nodes of one column, from the top down; x stands as wide as the hidden units, so that edges cross late."""
    return [(1.2 * max(hidden, 3) if name == "x" else 2.4) * ((count - 1) / 2 - k) for k in range(count)]


def write(axes: Axes, x: float, y: float, text: str, colour: str = "black", **look: Any) -> None:
    """Text in the middle of a place, with a white halo in place of a box that would hide what is below."""
    look = {"ha": "center", "va": "center", "fontsize": SIZE, "zorder": 5, **look}
    axes.text(x, y, text, color=colour, path_effects=HALO, **look)


def draw_node(axes: Axes, x: float, y: float, name: str, value: float, gradient: float) -> None:
    """A value of the network: a box with its name, the value and the gradient."""
    corner, size = (x - HALF_WIDTH, y - HALF_HEIGHT), (2 * HALF_WIDTH, 2 * HALF_HEIGHT)
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=0.12", facecolor="#f4f4f4", zorder=3))
    for dy, text, colour in ((0.28, name, "black"), (0, number(value), FORWARD), (-0.28, f"∂ {number(gradient)}", BACK)):
        axes.text(x, y + dy, text, color=colour, ha="center", va="center", fontsize=SIZE, zorder=5)


def draw_edge(axes: Axes, start: tuple[float, float], end: tuple[float, float], above: str = "") -> None:
    """An arrow from the right of one node to the left of another."""
    arrow = {"arrowstyle": "-|>", "color": "0.6", "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (end[0] - HALF_WIDTH, end[1]), (start[0] + HALF_WIDTH, start[1]), arrowprops=arrow, zorder=1)
    write(axes, (start[0] + end[0]) / 2, start[1] + 0.08, above, "0.3", va="bottom", fontsize=SIZE - 0.5)


def label_edge(axes: Axes, start: tuple[float, float], end: tuple[float, float], texts: tuple[str, str], at: float) -> None:
    """Two texts along an edge, just above and just below it, at the end that it comes from, where no other edge crosses it yet.

    They begin so far right of the node that edges of one node are already apart.
    """
    run, rise = end[0] - start[0] - 2 * HALF_WIDTH, end[1] - start[1]
    along = np.array([run, rise]) / np.hypot(run, rise)
    across = np.array([-along[1], along[0]])
    foot = np.array([start[0] + HALF_WIDTH, start[1]]) + along * (at / along[0])
    for text, colour, side, va in zip(texts, (FORWARD, BACK), (0.04, -0.04), ("bottom", "top"), strict=True):
        place = foot + side * across
        turned: dict[str, Any] = {"rotation": np.rad2deg(np.arctan2(rise, run)), "rotation_mode": "anchor"}
        write(axes, float(place[0]), float(place[1]), text, colour, ha="left", va=va, **turned)


def draw_weights(axes: Axes, name: str, columns: tuple[str, str], W: Array, dL_dW: Array, at: float) -> None:
    """The edges of one layer, each with its weight and the weight's gradient."""
    (x0, x1), left, right = (COLUMN[c] for c in columns), rows(columns[0], len(W), W.shape[1]), rows(columns[1], W.shape[1], W.shape[1])
    for i, j in np.ndindex(W.shape):
        ends = (x0, left[i]), (x1, right[j])
        draw_edge(axes, *ends)
        texts = f"{name}[{i},{j}] {number(float(W[i, j]))}", f"∂ {number(float(dL_dW[i, j]))}"
        label_edge(axes, *ends, texts, at)


def graph(manual: Manual, data: ArrayData, state: str) -> Figure:
    """The network for one flower: every value, and every gradient."""
    x, y = data.split.train
    p = manual.arrays()
    worst = int(np.argmax(np.abs(manual(x) - y)))
    x, y = x[worst], y[worst]
    values = {"x": x, **forward(x, **p)}
    gradients = one_sample(x, y, **forward(x, **p), **p)
    hidden = len(values["z1"])
    reach = rows("z1", max(hidden, 2), hidden)[0]
    low, high, left, right = -reach - 2.0, reach + 1.1, -0.7, 16.9
    fig, axes = figure(
        f"One flower, the {SPECIES[int(y[0])]} that the {state} network gets most wrong. In each box: a number's name, its value, and "
        "its gradient ∂. Weights stand on their edges, biases below their units. The foot says how each gradient is made of others; where "
        "several edges leave a unit, they add up. Training moves each weight and bias a little way against its ∂.",
        size=(15.0, 15.0 * (high - low) / (right - left)),
    )
    axis = axes[0, 0]
    draw_weights(axis, "W1", ("x", "z1"), p["W1"], gradients["W1"], 1.07)
    draw_weights(axis, "W2", ("a1", "z2"), p["W2"], gradients["W2"], 0.7)
    for name in ("x", "z1", "a1", "z2", "a2"):
        for k, height in enumerate(rows(name, len(values[name]), hidden)):
            draw_node(axis, COLUMN[name], height, f"{name}[{k}]", values[name][k], gradients[name][k])
    for z, a, b in (("z1", "a1", "b1"), ("z2", "a2", "b2")):
        for k, height in enumerate(rows(z, len(values[z]), hidden)):
            slope = values[a][k] * (1 - values[a][k])
            draw_edge(axis, (COLUMN[z], height), (COLUMN[a], height), above=f"σ′ {slope:.3f}")
            write(axis, COLUMN[z], height - 0.66, f"{b}[{k}] {number(p[b][k])}", FORWARD)
            write(axis, COLUMN[z], height - 0.94, f"∂ {number(gradients[b][k])}", BACK)
    draw_edge(axis, (COLUMN["a2"], 0), (COLUMN["L"], 0), above=f"y = {y[0]:.0f}")
    draw_node(axis, COLUMN["L"], 0, "L", float(loss(values["a2"], y)), 1.0)
    write(axis, right, high - 0.25, "values: computed from left to right  →", FORWARD, ha="right", fontsize=12)
    write(axis, right, high - 0.7, "←  gradients ∂: computed from right to left", BACK, ha="right", fontsize=12)
    for place, rule in (
        (2.8, "BP4: ∂L/∂W1[i,j] = x[i] · ∂L/∂z1[j]"),
        (7.2, "BP2: ∂L/∂z1 = (W2 ∂L/∂z2) · σ′\nBP3: ∂L/∂b1 = ∂L/∂z1"),
        (10.3, "BP4: ∂L/∂W2[i,j] =\na1[i] · ∂L/∂z2[j]"),
        (13.1, "BP1: ∂L/∂z2 = ∂L/∂a2 · σ′\nBP3: ∂L/∂b2 = ∂L/∂z2"),
        (15.9, "∂L/∂a2 = a2 − y"),
    ):
        write(axis, place, low + 0.3, rule, BACK, fontsize=SIZE - 0.5)
    axis.set(xlim=(left, right), ylim=(low, high), aspect="equal")
    axis.axis("off")
    return fig


# ---- all flowers --------------------------------------------------------------------------------


def two_species(manual: Manual, data: ArrayData, state: str) -> Figure:
    """All flowers, and where the network draws the line."""
    side = np.linspace(-2.7, 2.7, 121)
    plane = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)
    x0, x1, a2 = plane[..., 0], plane[..., 1], manual(plane)[..., 0]
    divided = a2.min() < 0.5 < a2.max()
    half = "on the black line it is one half" if divided else "nowhere is it one half"
    fig, axes = figure(
        f"All flowers by their petals (standardised). The ground is the {state} network's prediction a2, 1 for virginica; {half}. "
        "Filled: trained on. White: held out.",
        size=(5.6, 4.4),
    )
    axis = axes[0, 0]
    shown = axis.pcolormesh(x0, x1, a2, cmap=BETWEEN, vmin=0, vmax=1, shading="gouraud", rasterized=True)
    if divided:
        axis.contour(x0, x1, a2, levels=[0.5], colors="black")
    for (x, y), filled in ((data.split.train, True), (data.split.val, False)):
        for label, (marker, colour) in enumerate(zip(MARKERS[:2], TWO_CLASSES, strict=True)):
            length, width = x[y[:, 0] == label].T
            name = SPECIES[label] if filled else None
            axis.scatter(length, width, s=34, marker=marker, facecolor=colour if filled else "white", edgecolor="black", label=name)
    axis.set(xlabel="petal length", ylabel="petal width", title=f"the {state} network")
    axis.legend(loc="upper left")
    fig.colorbar(shown, ax=axis, label="a2, how probably it is a virginica")
    return fig


def draw(manual: Manual, torch_module: Torch, data: ArrayData, state: str) -> Mapping[str, Figure]:
    """All figures of an untrained or a trained pair; the graph only if it can be read."""
    drawn = {"two species": two_species(manual, data, state), "samples add up": adding_up(manual, torch_module, data, state)}
    if len(manual.arrays()["b1"]) <= LARGEST:
        drawn = {"the graph of one flower": graph(manual, data, state), **drawn}
    return drawn


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Of the untrained pair."""
    return draw(manual, torch_module, data, "untrained")


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Of the trained pair."""
    return draw(manual, torch_module, data, "trained")


# ---- further reading: samples add up, the equations in other letters, and why errors fade --------


def adding_up(manual: Manual, torch_module: Torch, data: ArrayData, state: str) -> Figure:
    """Each flower's own gradient, stacked; the batch's gradient by hand and in torch."""
    x, y = (array[:10] for array in data.split.train)
    p = manual.arrays()
    each = [one_sample(x[n], y[n], **forward(x[n], **p), **p) for n in range(len(x))]
    batch, in_torch = backward(x, y, **forward(x, **p), **p), torch_gradients(torch_module, x, y)
    few = p["W1"].size <= 12
    fig, axes = figure(
        f"The gradients of ten flowers, the {state} network. Each piece of a bar is one flower's own gradient, divided by ten: how fast "
        "its part of the loss grows with that weight. It is stacked above zero if it grows, below if it shrinks. Together they are the "
        "gradient of the batch (dots), computed for all ten at once by hand and by torch.",
        columns=2,
        size=(6.5 if few else 9.0, 4.2),
        width_ratios=(2, 1),
    )
    for axis, name in zip(axes[0], ("W1", "W2"), strict=True):
        entries = [f"{name}[{i},{j}]" for i, j in np.ndindex(p[name].shape)]
        up, down = np.zeros(len(entries)), np.zeros(len(entries))
        for gradients in each:
            share = gradients[name].ravel() / len(x)
            colours = np.where(share > 0, POSITIVE, NEGATIVE)
            axis.bar(entries, share, bottom=np.where(share > 0, up, down), color=colours, alpha=0.55, width=0.6, edgecolor="white")
            up, down = up + np.maximum(share, 0), down + np.minimum(share, 0)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.scatter(entries, in_torch[name].ravel(), s=170, color=TORCH["color"], edgecolor="black", zorder=3, label="all ten, torch")
        axis.scatter(entries, batch[name].ravel(), s=40, marker="D", color=BY_HAND["color"], zorder=4, label="all ten, by hand")
        axis.set(title=f"∂L/∂{name}", xlabel="weight", ylabel="gradient" if name == "W1" else None)
        axis.tick_params(axis="x", rotation=0 if few else 90)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return fig


def torch_gradients(module: Torch, x: Array, y: Array) -> dict[str, Array]:
    """The gradient of a batch by autograd, in the module's own dtype and on its device."""
    inputs, targets = (t.to(module.dtype) for t in to_torch((x, y), module.device))
    names, parameters = zip(*module.named_parameters(), strict=True)
    with torch.enable_grad():
        found = torch.autograd.grad(module.functions[1](module(inputs), targets), parameters)
    return dict(zip(names, to_numpy(found), strict=True))


FOUR_EQUATIONS = """
| | one sample | N rows, one for each sample | the function | in Nielsen's notation |
| --- | --- | --- | --- | --- |
| **BP1** the error at the output | ∂L/∂z2 = ∂L/∂a2 · σ′(z2) | likewise | `error_at_output` | δᴸ = ∇ₐC ⊙ σ′(zᴸ) |
| **BP2** the error one back | ∂L/∂z1 = (W2 ∂L/∂z2) · σ′(z1) | (∂L/∂z2 W2ᵀ) · σ′(z1) | `error_one_layer_back` | δˡ = (wˡ⁺¹)ᵀδˡ⁺¹ ⊙ σ′(zˡ) |
| **BP3** the gradient of a bias | ∂L/∂b = ∂L/∂z | sum of ∂L/∂z over rows | `gradient_of_bias` | ∂C/∂b = δ |
| **BP4** the gradient of a weight | ∂L/∂W[i, j] = a[i] · ∂L/∂z[j] | aᵀ ∂L/∂z | `gradient_of_weight` | ∂C/∂w = a_in δ_out |

Nielsen writes a layer's input as a column and W as (out, in); here it is a row and W is (in, out). Hence the transpose stands elsewhere.

Read them as sentences. BP1: an error that meets a flat place of σ is not felt. BP2: a unit is to blame for what it passed on,
in proportion to the weight it passed it through. BP4: a weight learns nothing from an input of zero.
"""

FADING = """
σ′(z) = a (1 − a) is at most ¼, at z = 0, and close to 0 where the unit is sure of itself, right or wrong. BP1 and BP2 multiply by
it once per layer, and by a weight. Ten slopes alone leave at most (¼)¹⁰, a millionth, of an error; weights of size 4 could make up for
that, but those that networks start with are smaller: the *vanishing gradient*. It is why deep networks use ReLU, whose slope is 1 or 0,
and why a σ at the output goes with the cross-entropy loss, which cancels its slope: there ∂L/∂z2 = a2 − y, as in `hidden_layer`.
"""

# ---- to do ---------------------------------------------------------------------------------------


def error_one_back(run: Trained) -> float:
    """The mean size of ∂L/∂z1 over that of ∂L/∂z2, on the training flowers."""
    x, y = run.data.split.train
    gradients = backward(x, y, **run.manual.values(x), **run.manual.arrays())
    return float(np.abs(gradients["z1"]).mean() / np.abs(gradients["z2"]).mean())


QUESTIONS = (
    by_size(
        "In the trained network, where are the errors ∂L/∂z larger on average: at the output, or one layer back?",
        error_one_back,
        *("at z2, the output", 0.8, "much the same", 1.25, "at z1, one layer back"),
        seen="at z1 they are {:.2f} times as large as at z2",
        why="On its way from a1 to z1 an error is multiplied by σ′(z1), which is at most ¼; W2 does not make up for it.",
    ),
    by_size(
        "hidden = 1: one hidden unit only. How many of the held-out flowers does it tell right?",
        accuracy,
        *("about half, as by guessing", 0.65, "something in between", 0.9, "9 of 10 or more"),
        seen="{:.0%} of those that were held out",
        why="The two species lie side by side, and one straight cut all but parts them: one unit is a straight cut.",
        model={"hidden": 1},
        trainer={"max_epochs": 20},
    ),
)


def without_the_slope(x: Array, y: Array, z1: Array, a1: Array, z2: Array, a2: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Any:
    """A backward whose BP2 forgets σ′(z1)."""
    found = backward(x, y, z1, a1, z2, a2, W1, b1, W2, b2)
    dL_dz1 = found["z2"] @ W2.T  # (N, out) @ (out, hidden): and not times a1 (1 − a1)
    return {**found, "z1": dL_dz1, "b1": dL_dz1.sum(axis=0), "W1": x.T @ dL_dz1}


class WithoutTheSlope(Manual):
    """The network with the wrong backward."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.functions = forward, loss, without_the_slope


def learned(run: Trained) -> str:
    """How well the species are told apart."""
    (x, _), held_out = run.data.split.train, len(run.data.split.val[0])
    return (
        f"The network has seen {len(x)} flowers, and its loss went from {run.losses[0]:.3f} to {run.losses[-1]:.3f}. Of {held_out} "
        f"others it tells {run.metrics['accuracy/val']:.0%} right."
    )


MISTAKE = Mistake(
    "The loss goes down, so the backward is right.",
    lambda run: (
        f"With a backward that forgets σ′(z1) the loss goes from {run.losses[0]:.3f} down to {run.losses[-1]:.3f}, and "
        f"{run.metrics['accuracy/val']:.0%} of the held-out flowers are told right. Its gradient of W1 is not torch's."
    ),
    lambda run: not run.agree and run.losses[-1] < 0.5 * run.losses[0],
    "σ′ is never below 0: without it the gradient of each flower still points downhill, only not straight down. So gradients are compared.",
    trainer={"max_epochs": 30},
    manual=WithoutTheSlope,
)

TWIN = Twin(
    name="chain_rule",
    manual=Manual,
    torch=Torch,
    data=Petals,
    needs=("gradients",),
    learned=learned,
    look_at=("the graph of one flower", "follow one ∂ from L back to a weight; the foot says what it was multiplied by at each arrow."),
    trainer={"max_epochs": 60, "check_val_every_n_epoch": 5},
    sgd_lr=3.0,
    before=before,
    figures=figures,
    text={"the four equations": FOUR_EQUATIONS, "why errors fade": FADING},
    further=("samples add up", "the four equations", "why errors fade"),
    questions=QUESTIONS,
    exercises=(
        Exercise("gradient_of_bias"),
        Exercise("gradient_of_weight", ("The result has the shape of W.",)),
        Exercise("error_one_layer_back", ("Two rates: through W_next, and through σ.",)),
        Exercise("one_sample"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("chain_rule")
