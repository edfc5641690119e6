"""Convolution arithmetic, and kernels that learn to find edges

Two kernels find the rule by which scipy.signal made images of edges, and find edges in a photograph then; and the arithmetic of
convolutions (stride, padding, dilation, groups, the way back) is done by hand on real images.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.data.digits import DigitImages
from experiments.drawing.colours import AMOUNT, CATEGORIES, SIGNED
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.interactive import Axis, Cells, Interactive, Line, Panel, Slider, Texts, minus
from experiments.drawing.walk import Path, walk
from experiments.drawing.words import in_words
from experiments.drawing.written import write_numbers
from experiments.judge.convert import in_dtype_of, to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.networks import convolution as by_hand
from manual.networks.convolution import Convolution as Manual
from torch_impl.networks import convolution as in_torch
from torch_impl.networks.convolution import Convolution as Torch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray
INK = "Greys"

SOBEL = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
"""How much more there is on the right than on the left; its transpose says it of below and above (Sobel and Feldman 1968)."""


class Edges(DigitImages):
    """Digits, (N, 1, 8, 8), and what Sobel's two kernels make of them, (N, 2, 8, 8), by scipy.signal.

    Args:
        batch_size: images in a batch.
        seed: of the split and of the order of the batches.
        flip: whether scipy.signal.convolve makes them, which turns the kernel by half a turn, in place of scipy.signal.correlate.
    """

    def __init__(self, batch_size: int = 32, seed: int = 0, flip: bool = False) -> None:
        super().__init__(batch_size, seed)
        self.flip = flip

    def load(self) -> Split:
        split = super().load()
        return Split(*((x, edges(x, self.flip)) for x, _ in (split.train, split.val)))


def edges(x: Array, flip: bool = False) -> Array:
    """(N, 1, H, W) to (N, 2, H, W)."""
    from scipy import signal

    make = signal.convolve if flip else signal.correlate
    return np.stack([make(x[:, 0], kernel[None], mode="same", method="direct") for kernel in (SOBEL, SOBEL.T)], axis=1)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The arithmetic, and how a kernel is found, whatever was trained; and the edges that the trained pair finds."""
    return OnDemand(
        {
            "arithmetic": lambda: arithmetic(data.split.val[0][0]),
            "a kernel is found": lambda: a_kernel_is_found(),
            "edges": lambda: edges_of_a_photograph(manual, torch_module),
            "groups": lambda: groups(),
        }
    )


def show(ax: Axes, values: Array, title: str, signed: bool = True, cmap: str = INK) -> None:
    """A picture: of signs, white where it is 0; or of ink."""
    most = float(np.abs(values).max()) or 1.0
    ax.imshow(values, cmap=SIGNED if signed else cmap, vmin=-most if signed else 0, vmax=most, interpolation="nearest")
    ax.set_title(title, fontsize=10)
    ax.set(xticks=[], yticks=[])


SETTINGS: tuple[dict[str, int], ...] = ({}, {"padding": 1}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"dilation": 2, "padding": 2})
"""Of the figure "arithmetic"."""


def named(settings: dict[str, int]) -> str:
    """In words."""
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "nothing special"


def both(name: str, *arguments: Any, **settings: Any) -> tuple[Array, float]:
    """What a function of the hand-written file gives, and by how much torch differs."""
    ours = getattr(by_hand, name)(*arguments, **settings)
    theirs = to_numpy(getattr(in_torch, name)(*(to_torch(a) if isinstance(a, np.ndarray) else a for a in arguments), **settings))
    return ours, float(np.abs(ours - theirs).max())


def arithmetic(x: Array) -> Figure:
    """What Sobel's kernel makes of one digit with these settings, and how often each pixel was seen."""
    x, W, ones = x[None].astype(float), SOBEL[None, None], np.ones((1, 1, 3, 3))
    found = [both("conv", x, W, **settings) for settings in SETTINGS]
    shape = x.shape[2:]
    counts = [both("conv_transposed", np.ones_like(y), ones, shape, **settings) for (y, _), settings in zip(found, SETTINGS, strict=True)]
    worst = max(error for _, error in found + counts)
    fig, axes = figure(
        "One digit and one kernel, which finds where it is darker on the right (orange) or left (violet). Above: what comes out, and "
        "how large it is. Below: how many places saw each pixel, which a transposed convolution of ones says. Without padding a corner is "
        f"seen once; a stride of 2 sees unevenly. By hand and in torch: {in_words(worst)}.",
        rows=2,
        columns=len(SETTINGS) + 1,
        size=(1.9, 2.2),
    )
    show(axes[0, 0], x[0, 0], "the digit: 8 x 8", signed=False)
    show(axes[1, 0], SOBEL, "the kernel: 3 x 3")
    for k, settings in enumerate(SETTINGS):
        (y, _), (count, _) = found[k], counts[k]
        show(axes[0, k + 1], y[0, 0], f"{named(settings)}\n{y.shape[2]} x {y.shape[3]}")
        show(axes[1, k + 1], count[0, 0], f"seen {count.min():.0f} to {count.max():.0f} times", signed=False, cmap=AMOUNT)
    return fig


WALKED = 120


@cache
def walked() -> tuple[Path, Path]:
    """Where both sides' kernels are at each step, on a batch of 100 digits."""
    data = TWIN.make_data()
    ours, theirs = TWIN.build(0)
    return walk(ours, theirs, tuple(a[:100] for a in data.split.train), WALKED, TWIN.names)


def a_kernel_is_found() -> Figure:
    """The nine weights of each kernel, step by step."""
    ours, theirs = walked()
    off = [float(np.abs(ours["W"][-1, o, 0] - kernel).max()) for o, kernel in enumerate((SOBEL, SOBEL.T))]
    fig, axes = figure(
        f"The nine weights of each kernel in {WALKED} steps on 100 digits. From errors alone they come to Sobel's numbers (thin lines: "
        f"−2, −1, 0, 1, 2); at the end they are off by {max(off):.2g} at most. Bands: torch, dashes: by hand.",
        columns=2,
        size=(4.9, 3.6),
    )
    for o, (ax, title) in enumerate(zip(axes[0], ("right minus left", "below minus above"), strict=True)):
        for a, b in np.ndindex(3, 3):
            draw_both(ax, ours["W"][:, o, 0, a, b], theirs["W"][:, o, 0, a, b], "_", CATEGORIES[b if o == 0 else a])
        for value in range(-2, 3):
            ax.axhline(value, color="#999999", linewidth=0.6, zorder=0)
        ax.set(title=f"{title}: nine weights", xlabel="step", xlim=(0, WALKED))
    return fig


@cache
def photograph() -> Array:
    """A temple in China, from scikit-learn: brightness 0 to 1, (1, 1, 142, 213)."""
    from sklearn.datasets import load_sample_image

    grey = load_sample_image("china.jpg").mean(axis=2) / 255
    height, width = (n // 3 * 3 for n in grey.shape)
    return grey[:height, :width].reshape(height // 3, 3, width // 3, 3).mean(axis=(1, 3))[None, None]


def edges_of_a_photograph(manual: Manual, torch_module: Torch) -> Figure:
    """What the kernels are now, and the edges that they find in a photograph."""
    x = in_dtype_of(manual, photograph())
    with no_grad(), torch.no_grad():
        y, theirs = manual(x)[0], to_numpy(torch_module(torch.from_numpy(x).to(torch_module.device)))[0]
    fig, axes = figure(
        "What the two kernels have become, from digits of 8 x 8 pixels, and what they find in a photograph, for a kernel does not care how "
        "large the image is. Orange: brighter on the right, or below; violet: darker. Below on the right the length of both numbers: edges "
        f"in any direction. By hand and in torch: {in_words(np.abs(y - theirs).max())}.",
        rows=2,
        columns=3,
        size=(3.6, 2.7),
    )
    for o, (row, title) in enumerate(zip(axes, ("right minus left", "below minus above"), strict=True)):
        kernel = manual.W.data[o, 0]
        show(row[0], kernel, f"kernel {o}")
        write_numbers(row[0], kernel, digits=2, size=9 if len(kernel) < 4 else 6)
        show(row[1], y[o, 1:-1, 1:-1], title)  # without its border, where the padding makes an edge
    show(axes[0, 2], x[0, 0], "the photograph", signed=False, cmap="gray")
    show(axes[1, 2], np.hypot(*y)[1:-1, 1:-1], "edges, any direction", signed=False)
    return fig


# ---- to move -------------------------------------------------------------------------------------------

KERNELS = {
    "right minus left": SOBEL,
    "below minus above": SOBEL.T,
    "mean of nine": np.full((3, 3), 1 / 9),
    "the pixel itself": np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
    "itself less its neighbours": np.array([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]]),
}
"""Five that are written by hand."""


def interactive(run: Trained) -> tuple[Interactive, ...]:
    """A kernel that goes over a digit."""
    x = run.data.split.val[0][:1].astype(float)  # (1, 1, 8, 8)
    height, width = x.shape[2:]

    def says(kernel: str, row: int, column: int) -> str:
        terms = [f"{p:.5g}" for p in products(x, kernel, row, column).ravel() if p]
        total = by_hand.conv(x, KERNELS[kernel][None, None], padding=1)[0, 0, row, column]
        added = " + ".join(terms).replace("+ -", "- ") or "nine times 0"
        return minus(f"Row {row}, column {column}, what is not 0: {added} = {total:.5g}.")

    return (
        Interactive(
            "One pixel after another",
            f"The window lies on nine pixels of a digit (around its {height} x {width} there are zeros: padding 1). Each is multiplied "
            "by the kernel's number at its place, and the nine products are added up: that is one pixel of what comes out, orange above "
            "0, violet below. Move the window to an edge of the stroke, and to its middle. Then take another kernel: what does it "
            "answer to? The mean of nine has no violet. Why?",
            (
                Slider("kernel", tuple(KERNELS), "right minus left", written="{}"),
                Slider("row", range(height), 3),
                Slider("column", range(width), 2),
            ),
            (says,),
            (the_digit(x), the_products(x), the_output(x)),
        ),
    )


def products(x: Array, kernel: str, row: int, column: int) -> Array:
    """The nine pixels under the window, each times the kernel's number: (3, 3)."""
    under: Array = by_hand.padded(x, 1)[0, 0, row : row + 3, column : column + 3]
    return under * KERNELS[kernel]


def square(row: float, column: float, reach: float) -> Array:
    """The outline of a square around a place, (5, 2) of (column, row)."""
    return np.array([column, row]) + reach * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])


def of_pixels(title: str, margin: float, size: tuple[int, int], *marks: Any) -> Panel:
    """A panel with a place for each pixel, rows from above to below, and so much room around them."""
    height, width = size
    rows, columns = ({float(i): f"{i}" for i in range(n)} for n in size)
    x, y = Axis("column", -0.5 - margin, width - 0.5 + margin, columns), Axis("row", height - 0.5 + margin, -0.5 - margin, rows)
    return Panel(title, x, y, marks, equal=True)


def the_digit(x: Array) -> Panel:
    """The image, and the window on it."""

    def across(row: int, column: int) -> Array:
        return square(row, column, 1.5)[:, 0]

    def down(row: int, column: int) -> Array:
        return square(row, column, 1.5)[:, 1]

    return of_pixels("the digit, and the window", 1.1, x.shape[2:], Cells(x[0, 0] / x.max(), "ink"), Line(across, down, "window"))


def the_products(x: Array) -> Panel:
    """What is added up."""
    places = np.stack(np.meshgrid(np.arange(3), np.arange(3), indexing="xy")).reshape(2, 9)

    def words(kernel: str, row: int, column: int) -> list[str]:
        pixels = by_hand.padded(x, 1)[0, 0, row : row + 3, column : column + 3]
        return [minus(f"{w:.2g} · {p:.2g}") for w, p in zip(KERNELS[kernel].ravel(), pixels.ravel(), strict=True)]

    def parts(kernel: str, row: int, column: int) -> Array:
        return products(x, kernel, row, column) / (np.abs(KERNELS[kernel]).max() * x.max())

    shown = Cells(parts, "signed")
    return of_pixels("kernel times pixel, nine times", 0.05, (3, 3), shown, Texts(places[0], places[1] + 0.12, words))


def the_output(x: Array) -> Panel:
    """What has come out so far."""

    def out(kernel: str) -> Array:
        y = by_hand.conv(x, KERNELS[kernel][None, None], padding=1)[0, 0]
        return y / np.abs(y).max()

    height, width = x.shape[2:]
    shown = Cells(out, "signed", first=lambda row, column: width * row + column + 1)
    here = Line(lambda column: square(0, column, 0.5)[:, 0], lambda row: square(row, 0, 0.5)[:, 1], "window")
    return of_pixels("what has come out so far", 1.1, (height, width), shown, here)


# ---- further reading: groups -----------------------------------------------------------------------


def groups() -> Figure:
    """The red, green and blue of a photograph: mixed by one convolution, and each for itself."""
    from sklearn.datasets import load_sample_image

    x = (load_sample_image("flower.jpg")[40:360:4, 180:500:4] / 255).transpose(2, 0, 1)[None]  # (1, 3, 80, 80)
    mixed, apart = np.tile(SOBEL / 3, (1, 3, 1, 1)), np.tile(SOBEL, (3, 1, 1, 1))
    (one, e1), (three, e2) = both("conv", x, mixed, padding=1), both("grouped", x, apart, groups=3, padding=1)
    fig, axes = figure(
        "Three channels in. One kernel (1, 3, 3, 3) sees all of them and makes one image. With groups = 3 there are three kernels "
        "(3, 1, 3, 3), each of which sees one channel: the edges of red, of green and of blue, for as many weights. By hand and in "
        f"torch: {in_words(max(e1, e2))}.",
        columns=5,
        size=(2.2, 2.5),
    )
    axes[0, 0].imshow(x[0].transpose(1, 2, 0))
    axes[0, 0].set(title="x: 3 channels", xticks=[], yticks=[])
    show(axes[0, 1], one[0, 0], "one group")
    for ax, picture, colour in zip(axes[0, 2:], three[0], ("red", "green", "blue"), strict=True):
        show(ax, picture, f"its own group: {colour}")
    return fig


# ---- to do -----------------------------------------------------------------------------------------


def unexplained(run: Trained) -> float:
    """What part of the held-out images of edges, as a mean square, is not explained."""
    return run.metrics["loss/val"] / float(np.mean(run.data.split.val[1] ** 2))


def likeness(run: Trained) -> float:
    """The cosine of the first kernel and Sobel's: 1 the same, −1 turned by half a turn."""
    kernel = run.manual.W.data[0, 0]
    return float((kernel * SOBEL).sum() / np.linalg.norm(kernel) / np.linalg.norm(SOBEL))


QUESTIONS = (
    by_size(
        "kernel_size = 5: each kernel has 25 weights, and Sobel's rule is one of 3 x 3, six of them not 0. How many of the first "
        "kernel's weights are above 0.1 in size?",
        lambda run: float((np.abs(run.manual.W.data[0, 0]) > 0.1).sum()),
        *("none", 1, "six", 7, "more than six, up to 25"),
        seen="{:.0f} of 25",
        why="Other weights could only add errors, and from so many images the run learns that they are not wanted.",
        model={"kernel_size": 5},
        look_at=("edges", "the border of the kernels, where it says 0.00."),
    ),
    by_size(
        "dilation = 2: the kernel's nine weights lie two pixels apart. How much of the images of edges is left unexplained?",
        unexplained,
        *("nothing: less than a millionth", 1e-6, "a part", 0.9, "as good as all"),
        seen="{:.2g} of it",
        why="It sees pixels two to the right and two to the left. They know something of those between, for strokes are wide, but not all.",
        model={"dilation": 2},
        look_at=("edges", "what the kernels have become now, and what they find."),
    ),
    by_size(
        "A matrix that makes 2 · 64 numbers of 64 pixels has 8,192 weights. How many does this run find, for a map that does the same?",
        lambda run: float(sum(p.size for p in run.manual.parameters())),
        *("fewer than a hundred", 100, "about a thousand", 4000, "as many"),
        seen="{:.0f}",
        why="Each row of that matrix is the same nine weights, one pixel farther on. Two kernels have eighteen.",
        trainer={"max_epochs": 1},
        look_at=("a kernel is found", "how soon so few weights are there: each has 64 places in every image to learn from."),
    ),
)

MISTAKE = Mistake(
    "A convolution in a network is the convolution of mathematics, so a kernel means the same in both.",
    lambda run: (
        f"Images made by scipy.signal.convolve are explained but for {unexplained(run):.0e}; the cosine of the kernel found and the "
        f"one that made them is {likeness(run):.3f}: it is turned by half a turn."
    ),
    lambda run: run.agree and likeness(run) < -0.99 and unexplained(run) < 1e-3,
    "Networks do not flip the kernel: they correlate. A kernel from signal processing has to be turned first: W[:, :, ::-1, ::-1].",
    data={"flip": True},
    trainer={"max_epochs": 4},
)


def learned(run: Trained) -> str:
    """How far the kernels are from Sobel's, and what they leave unexplained."""
    off = max(float(np.abs(kernel - wanted).max()) for kernel, wanted in zip(run.manual.W.data[:, 0], (SOBEL, SOBEL.T), strict=True))
    return f"Two kernels have found Sobel's, to {off:.1g} in each weight. Of held-out images they leave {unexplained(run):.1g} unexplained."


TWIN = Twin(
    name="convolution",
    manual=Manual,
    torch=Torch,
    data=Edges,
    names={"W": "conv.weight"},
    needs=("matrices", "training_loop"),
    trainer={"max_epochs": 8},
    options={"kernel_size": 5},
    variants={"a larger kernel": {"kernel_size": 5}, "weights apart": {"dilation": 3}},
    figures=figures,
    interactive=interactive,
    further=("groups",),
    learned=learned,
    look_at=("arithmetic", "how large each result is, and which pixels are seen most often."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise(
            "kernel_gradient", ("In conv W[:, :, a, b] is multiplied with what the weight has seen: so that is what it is given here.",)
        ),
        Exercise("conv_transposed_backward", ("The transpose of the transpose of A is A.",)),
    ),
)

if __name__ == "__main__":
    run("convolution")
