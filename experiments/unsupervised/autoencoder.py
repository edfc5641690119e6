"""An autoencoder: digits through two numbers and back

A network squeezes pictures of digits into two numbers and paints them again. It was never told which digit is which, and yet in its two
numbers they lie apart more than along two principal components; without its bends it ends in their plane.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.digits import DigitsAlone, told_by_nearest
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.drawing.words import percent
from experiments.judge.convert import made_of
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.linear_algebra.pca import pca_by_covariance
from manual.unsupervised.autoencoder import Autoencoder as Manual
from torch_impl.unsupervised.autoencoder import Autoencoder as Torch

# ---- what is measured, on both sides ---------------------------------------------------------------------


@cache
def components_of(pixels: bytes, rows: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean picture (D,) and the first k components (k, D) of these pictures, or all if these are fewer."""
    x = np.frombuffer(pixels).reshape(rows, -1)
    return x.mean(axis=0), pca_by_covariance(x, min(k, *x.shape))[0]


def components(data: DigitsAlone, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean picture (D,) of those that are learned from, and their first k principal components (k, D)."""
    (x,) = data.split.train
    return components_of(np.ascontiguousarray(x, np.float64).tobytes(), len(x), k)


def along(data: DigitsAlone, x: np.ndarray, k: int) -> np.ndarray:
    """Pictures as k numbers: how far they lie along each component. (N, k)."""
    mean, directions = components(data, k)
    return (x - mean) @ directions.T  # (N, D) @ (D, k)


def by_components(data: DigitsAlone, x: np.ndarray, k: int) -> np.ndarray:
    """Pictures rebuilt from k principal components: on the plane that is nearest to those that are learned from. (N, D)."""
    mean, directions = components(data, k)
    return mean + along(data, x, k) @ directions  # (N, k) @ (k, D)


def error_of_pca(data: DigitsAlone, k: int, part: str = "val") -> float:
    """The mean square of what k principal components leave out, of the held-out pictures or (`train`) of those they are taken from."""
    (x,) = getattr(data.split, part)
    return float(((by_components(data, x, k) - x) ** 2).mean())


def told(data: DigitsAlone, numbers: Any) -> float:
    """What part of the held-out digits is told right by the nearest of the others, if pictures are what `numbers` makes of them."""
    (known,), (asked,) = data.split.train, data.split.val
    y, y_val = data.labels()
    return float((told_by_nearest(numbers(known), y, numbers(asked)) == y_val).mean())


COLOURS = [CATEGORIES[i] for i in (0, 1, 2, 3, 4, 5, 1, 0, 4, 2)]
"""Of the ten digits: those that are often near each other have different ones."""

# ---- figures -----------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: DigitsAlone) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return OnDemand(
        {
            "two numbers": lambda: two_numbers(manual, torch_module, data),
            "rebuilt": lambda: rebuilt(manual, torch_module, data),
            "from code to code": lambda: from_code_to_code(manual, data),
            "a bent sheet": lambda: bent_sheet(manual, torch_module, data),
        }
    )


def two_of(code: np.ndarray) -> np.ndarray:
    """The first and the last number of each code: where it is drawn. (N, 2)."""
    return code[:, [0, -1]]


def two_numbers(manual: Manual, torch_module: Torch, data: DigitsAlone) -> Figure:
    """Held-out digits on paper: along two components, and by their code."""
    (x,), (_, y) = data.split.val, data.labels()
    k = manual.decoder.fc1.weight.shape[1]
    by_pca, by_code = (told(data, numbers) for numbers in (lambda x: along(data, x, 2), lambda x: made_of(manual, x, "encoder")))
    fig, axes = figure(
        f"{len(x)} held-out digits, each where its numbers put it. Left: along two principal components. Right: by a code of {k}, by hand "
        f"(pale discs: torch's). The network was never told which digit is which. Whoever calls a digit what its nearest among the "
        f"others is called is right for {percent(by_pca)} on the left, and for {percent(by_code)} on the right.",
        columns=2,
        size=(4.6, 4.4),
    )
    theirs = two_of(made_of(torch_module, x, "encoder"))
    axes[0, 1].plot(*theirs.T, "o", color=TORCH["color"], markersize=8, alpha=0.5, markeredgewidth=0)
    for ax, points, title in zip(
        axes[0], (along(data, x, 2), two_of(made_of(manual, x, "encoder"))), ("along two components", "the code"), strict=True
    ):
        for digit in range(10):
            ax.plot(*points[y == digit].T, marker=f"${digit}$", linestyle="", color=COLOURS[digit], markersize=5)
        ax.set(title=title, xticks=[], yticks=[])
    axes[0, 0].set(xlabel="first component", ylabel="second component")
    axes[0, 1].set(xlabel="code[0]", ylabel=f"code[{k - 1}]")
    return fig


def draw_pictures(ax: Any, pixels: np.ndarray, side: int = 1) -> None:
    """side x side pictures in a square, in ink. Shapes: pixels (side², 64)."""
    tiles = np.zeros((side, side, 9, 9))  # each has a white edge, so that neighbours can be told apart
    tiles[..., :8, :8] = pixels.reshape(side, side, 8, 8)
    ax.imshow(tiles.swapaxes(1, 2).reshape(side * 9, side * 9)[:-1, :-1], cmap="Greys", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])


def rebuilt(manual: Manual, torch_module: Torch, data: DigitsAlone) -> Figure:
    """One held-out digit of each kind, and what is left of it."""
    (x,), (_, y) = data.split.val, data.labels()
    k = manual.decoder.fc1.weight.shape[1]
    shown = x[[int(np.argmax(y == digit)) for digit in range(10)]]
    ours, theirs = (made_of(side, shown) for side in (manual, torch_module))
    error = float(((made_of(manual, x) - x) ** 2).mean())
    fig, axes = figure(
        f"Ten held-out digits (first row), and what is painted again from {k} numbers of each: along as many principal components "
        f"(second), by the autoencoder by hand (third) and in torch (last). The mean square of what is wrong with a pixel is "
        f"{error_of_pca(data, k):.4f} for the components, and {error:.4f} for the autoencoder, over all that are held out.",
        rows=4,
        columns=10,
        size=(0.85, 1.0),
    )
    for row, (name, pictures) in enumerate(
        (("held out", shown), ("PCA", by_components(data, shown, k)), ("by hand", ours), ("torch", theirs))
    ):
        for digit, ax in enumerate(axes[row]):
            draw_pictures(ax, pictures[digit])
            ax.set_title(str(digit) if row == 0 else " ", fontsize=9)
        axes[row, 0].set_ylabel(name, fontsize=9)
    return fig


def from_code_to_code(manual: Manual, data: DigitsAlone, side: int = 14) -> Figure:
    """What is painted from codes on a grid."""
    (x,) = data.split.val
    code = made_of(manual, x, "encoder")
    codes, k = grid(code, side), code.shape[1]
    fig, axes = figure(
        f"What the decoder paints from {side} x {side} codes, spread over where those of nine in ten held-out digits lie. Walk from "
        "one digit to another: they change into each other by way of what is neither. Where few digits had their codes, at the edges and "
        "between the kinds, what is painted is no digit." + (" Further numbers of the code are at their median." if k > 2 else ""),
        size=(6.0, 5.4),
    )
    draw_pictures(axes[0, 0], made_of(manual, codes, "decoder"), side)
    axes[0, 0].set(title="pictures by their codes", xlabel="code[0] →", ylabel=f"code[{k - 1}] →")
    return fig


def grid(code: np.ndarray, side: int) -> np.ndarray:
    """Codes on a grid over the middle nine tenths of these, the last number from large to small as pictures stand. (side², latent)."""
    low, high = np.quantile(code, (0.05, 0.95), axis=0)
    across, up = np.linspace(low[0], high[0], side), np.linspace(high[-1], low[-1], side)
    codes = np.tile(np.median(code, axis=0), (side * side, 1))
    codes[:, 0] = np.tile(across, side)
    codes[:, -1] = np.repeat(up, side)
    return codes


def bent_sheet(manual: Manual, torch_module: Torch, data: DigitsAlone, side: int = 16) -> Figure:
    """All that the decoder can paint, seen along the first three components."""
    (x,) = data.split.val
    code = made_of(manual, x, "encoder")
    seen = {
        name: along(data, made_of(s, grid(code, side), "decoder"), 3).reshape(side, side, 3)
        for name, s in (("ours", manual), ("theirs", torch_module))
    }
    fig, axes = figure(
        "What the decoder paints from a grid of codes is a sheet in the space of pictures. Here it is seen from the front, on the plane of "
        "the first two principal components, and from its edge, with the third upwards; dots: held-out digits. The plane of the "
        "components is a line, from its edge (black). The sheet of the autoencoder is bent towards the digits (broad: torch, "
        "narrow: by hand).",
        columns=2,
        size=(4.4, 4.0),
    )
    points = along(data, x, 3)
    for ax, upwards, title in zip(axes[0], (1, 2), ("from the front", "from the edge"), strict=True):
        ax.plot(points[:, 0], points[:, upwards], ".", color="#bbbbbb", markersize=3)
        for name, look in (
            ("theirs", {"color": TORCH["color"], "linewidth": 3.5}),
            ("ours", {"color": BY_HAND["color"], "linewidth": 0.9}),
        ):
            for lines in (seen[name], seen[name].swapaxes(0, 1)):
                ax.plot(lines[:, ::3, 0], lines[:, ::3, upwards], **look)
        ax.set(title=title, xlabel="first component", ylabel=("second component", "third component")[upwards - 1])
    axes[0, 1].axhline(0, color="black", linewidth=1.2)
    return fig


# ---- to do -------------------------------------------------------------------------------------------------


def beside_pca(run: Trained) -> float:
    """The held-out squared error, as a multiple of that of two principal components."""
    return run.metrics["loss/val"] / error_of_pca(run.data, 2)


SHORT = {"max_epochs": 12}

QUESTIONS = (
    by_size(
        "It is never told which digit is which. Then somebody calls each held-out digit what the one with the nearest code is called. For "
        "what part is he right, with two numbers?",
        lambda run: told(run.data, lambda x: made_of(run.manual, x, "encoder")),
        *("a tenth, as by guessing", 0.2, "about half", 0.65, "more than two thirds"),
        seen="{:.1%} of them",
        why="To paint a picture again from two numbers one must know first of all which kind it is of: that says most about its pixels.",
        trainer={"max_epochs": 20},
        look_at=("two numbers", "how the kinds lie apart on the right, and on top of each other on the left."),
    ),
    by_size(
        "latent = 8: eight numbers in place of two. What becomes of the held-out squared error, beside that of two principal components?",
        beside_pca,
        *("less than half of it", 0.5, "somewhat less", 0.95, "about the same"),
        seen="{:.2f} times as large",
        why="Each number more takes in one more way in which digits differ, the most common first.",
        model={"latent": 8},
        trainer=SHORT,
    ),
    by_size(
        "latent = 1: a single number. How large is the held-out squared error, beside that of two principal components?",
        beside_pca,
        *("half as large", 0.8, "about as large", 1.1, "larger"),
        seen="{:.2f} times as large",
        why="A straight line leaves out more than a plane. But a line may be bent, and wind through the kinds one after the other.",
        model={"latent": 1},
        trainer=SHORT,
        look_at=("a bent sheet", "what two numbers can do: with one it is a thread."),
    ),
)

MISTAKE = Mistake(
    "Four layers see more than principal components do. It is the depth that makes a network strong.",
    lambda run: (
        f"Without the ReLUs, {sum(p.size for p in run.manual.parameters()):,} weights in four layers leave {beside_pca(run):.3f} times the "
        f"held-out squared error of two principal components: {run.metrics['loss/val']:.4f}."
    ),
    lambda run: run.agree and beside_pca(run) > 0.98,
    "Matrices in a row are one matrix, which has no more than two numbers to say. It is the bends between them that make a network strong.",
    model={"linear": True},
    trainer={"max_epochs": 8},
)


def learned(run: Trained) -> str:
    """What is left out, beside PCA, and who is told by his code."""
    k = run.manual.decoder.fc1.weight.shape[1]
    by_code, by_pca = told(run.data, lambda x: made_of(run.manual, x, "encoder")), told(run.data, lambda x: along(run.data, x, k))
    return (
        f"Rebuilt from {k} numbers, held-out digits are wrong by a squared error of {run.metrics['loss/val']:.4f} a pixel; "
        f"principal components, as many, leave {error_of_pca(run.data, k):.4f}. By the nearest code {percent(by_code)} of them are told, "
        f"and along the components {percent(by_pca)}."
    )


TWIN = Twin(
    name="autoencoder",
    manual=Manual,
    torch=Torch,
    data=DigitsAlone,
    learned=learned,
    look_at=("two numbers", "which kinds lie apart, though nobody has told them apart, and which lie on top of each other."),
    needs=("digits_mlp", "pca"),
    data_args={"batch_size": 64},
    trainer={"max_epochs": 40},
    variants={"without bends": {"linear": True, "hidden": 5}},
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Layers.backward", ("Every line of forward has one line here, in the opposite order.",)),
        Exercise("Autoencoder.backward", ("It begins at the pictures that were painted, and passes through the code.",)),
    ),
)

if __name__ == "__main__":
    run("autoencoder")
