"""On a GPU: other last digits, how much faster, and how many a model needs

A network whose products are added up in tiles, as a GPU does it, learns to read digits beside torch's. How the order of a sum and TF32
change its last digits, how fast products of each size are here (and on a GPU, if there is one), and the arithmetic of large models.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.words import classes_right
from experiments.drawing.written import label_lines
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.lockstep.callback import ieee_arithmetic
from experiments.pair import Twin
from manual.module import no_grad
from manual.scale.on_a_gpu import OnAGPU as Manual
from manual.scale.on_a_gpu import gpus_needed, tf32, tiled_product, training_bytes, training_days
from torch_impl.scale.on_a_gpu import OnAGPU as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray
HERE = torch.cuda.is_available()
NO_GPU = "No GPU is here, so this is the CPU's half."

# ---- what is measured, on both sides -------------------------------------------------------------------

LENGTHS = (16, 64, 256, 1024, 4096)
ONE_BY_ONE, IN_TILES, TORCHS, IN_TF32, ON_GPU = "one by one", "tiles of 32", "torch, CPU", "TF32", "torch, GPU"


@cache
def last_digits(n: int = 24) -> dict[str, Array]:
    """How far products in float32 are from the same in float64, by how many terms each sum has; in TF32 what goes in is rounded."""
    found: dict[str, list[float]] = {}
    for length in LENGTHS:
        rng = np.random.default_rng(length)
        A, B = (rng.normal(size=shape).astype(np.float32) for shape in ((n, length), (length, n)))
        ways = {
            ONE_BY_ONE: tiled_product(A, B, 1),
            IN_TILES: tiled_product(A, B, 32),
            TORCHS: to_numpy(torch.from_numpy(A) @ torch.from_numpy(B)),
            IN_TF32: tf32(A) @ tf32(B),
            **({ON_GPU: on_gpu(A, B)} if HERE else {}),
        }
        exact = A.astype(np.float64) @ B.astype(np.float64)
        for name, C in ways.items():
            found.setdefault(name, []).append(error(C.astype(np.float64), exact))
    return {name: np.array(errors) for name, errors in found.items()}


def on_gpu(A: Array, B: Array) -> Array:
    """The product as a GPU computes it, without TF32."""
    ieee_arithmetic()
    return to_numpy(to_torch(A, "cuda") @ to_torch(B, "cuda"))


SIZES = (8, 16, 32, 64, 128, 256, 512)


@cache
def speeds() -> dict[str, Array]:
    """Billions of multiplications and additions a second in products of n x n by n x n, float32: by NumPy, by torch here, on a GPU."""
    found: dict[str, list[float]] = {}
    for n in SIZES:
        A = np.random.default_rng(n).normal(size=(n, n)).astype(np.float32)
        a = torch.from_numpy(A)
        calls: dict[str, Callable[[], Any]] = {"NumPy": lambda A=A: A @ A, "torch, CPU": lambda a=a: a @ a}  # type: ignore[misc]
        if HERE:
            b = a.cuda()
            calls[ON_GPU] = lambda b=b: b @ b  # type: ignore[misc]
        for name, call in calls.items():
            found.setdefault(name, []).append(2 * n**3 / seconds(call, wait=name == ON_GPU) / 1e9)
    return {name: np.array(of) for name, of in found.items()}


def seconds(call: Callable[[], Any], wait: bool, times: int = 5) -> float:
    """How long a call takes, the shortest of some.

    Args:
        call: what is measured.
        wait: a GPU works on while Python goes on, so that it must be waited for, before and after.
        times: how often it is tried; once before, so that all is loaded.
    """
    call()
    found = []
    for _ in range(times):
        if wait:
            torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        if wait:
            torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return max(min(found), 1e-9)


def with_tile(run: Trained, tile: int) -> Array:
    """The trained network's scores of the held-out digits by hand, its products added up so many terms at a time."""
    model = deepcopy(run.manual)
    for layer in (model.fc1, model.fc2):
        layer.tile = tile
    with no_grad():
        return model(run.data.split.val[0].astype(model.fc1.weight.dtype)).astype(np.float64)


def another_order(run: Trained) -> float:
    """How far scores are from others when each sum is added up one by one, in place of all at once."""
    return error(with_tile(run, 1), with_tile(run, 10**6))


def in_tf32(run: Trained) -> float:
    """How far they are when what goes into each product is rounded to TF32."""
    model, x = deepcopy(run.manual), run.data.split.val[0]
    z1 = tf32(x) @ tf32(model.fc1.weight.data).T + model.fc1.bias.data
    z2 = tf32(np.maximum(z1, 0)) @ tf32(model.fc2.weight.data).T + model.fc2.bias.data
    return error(z2.astype(np.float64), with_tile(run, 10**6))


def held(run: Trained) -> tuple[int, int]:
    """Bytes of the weights, and of all that a step of training holds for them: by hand, in one precision."""
    model, (x, y) = deepcopy(run.manual), run.data.split.train
    optimizer = model.configure_optimizers()
    model.zero_grad()
    model.training_step((x[:8].astype(model.fc1.weight.dtype), y[:8]), 0)
    model.backward()
    optimizer.step()
    weights = sum(p.data.nbytes for p in model.parameters())
    state = sum(np.asarray(a).nbytes for of in optimizer.state.values() for a in of.values() if np.ndim(a))
    return weights, weights + sum(p.grad.nbytes for p in model.parameters()) + state


# ---- figures -------------------------------------------------------------------------------------------

COLOURS = {ONE_BY_ONE: CATEGORIES[0], IN_TILES: CATEGORIES[2], TORCHS: CATEGORIES[1], IN_TF32: CATEGORIES[3], ON_GPU: CATEGORIES[5]}


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Last digits and speed here, and the arithmetic of large models; whatever was trained."""
    return OnDemand({"last digits": lambda: the_last_digits(), "how fast and how many": lambda: how_fast_and_how_many()})


def the_last_digits() -> Figure:
    """How far a product in float32 is off, by the order of its sums and by TF32."""
    found = last_digits()
    fig, axes = figure(
        "How far products in float32 are from exact, by how many terms each sum has. Added one by one most is lost, and more the longer "
        f"the sum is; in tiles less ({found[ONE_BY_ONE][-1] / found[IN_TILES][-1]:.0f} times at 4,096 terms). Each is right to about 7 "
        f"digits, and no two alike. In TF32 it is {found[IN_TF32][-1]:.0e}: 3 digits. {'' if HERE else NO_GPU}",
        size=(6.8, 3.9),
    )
    ax = axes[0, 0]
    for name, errors in found.items():
        ax.plot(LENGTHS, errors, marker=".", color=COLOURS[name], linewidth=1.4, label=name)
    ax.set(title="last digits of a product, float32", xlabel="terms of a sum", ylabel="relative error", xscale="log", yscale="log")
    ax.set(xlim=(12, 5000), ylim=(1e-8, 1e-3))
    ax.set_xticks(LENGTHS, [f"{n:,}" for n in LENGTHS])
    ax.minorticks_off()
    label_lines(ax)
    return fig


def how_fast_and_how_many() -> Figure:
    """How fast products are by their size; and how many GPUs hold a model in training."""
    found = speeds()
    ratio = found["torch, CPU"][-1] / found["torch, CPU"][0]
    fig, axes = figure(
        "Left: how many billion multiplications and additions a second this computer does in products of n × n numbers (band: torch, "
        f"dashes: NumPy{', black: GPU' if HERE else ''}). Small ones are all beginning and end: of n = 512 it does {ratio:.0f} times as "
        f"many a second as of n = 8. {'' if HERE else NO_GPU} Right: the GPUs of 80 GB that hold weights, gradients and Adam's "
        "state, 16 bytes a parameter, and the weights alone, 2 bytes.",
        columns=2,
        size=(4.8, 3.8),
    )
    left, right = axes[0]
    draw_both(left, np.stack([SIZES, found["NumPy"]]), np.stack([SIZES, found["torch, CPU"]]), "CPU", CATEGORIES[0])
    if HERE:
        left.plot(SIZES, found[ON_GPU], color=COLOURS[ON_GPU], label="GPU")
    left.set(title="how fast by size", xlabel="n", ylabel="billions a second", xscale="log", yscale="log")
    left.set_xticks(SIZES, [str(n) for n in SIZES])
    left.minorticks_off()
    left.legend(fontsize=9)
    N = np.logspace(8.5, 12, 60)
    for name, of, colour in (("training", training_bytes, CATEGORIES[3]), ("answers only", lambda n: 2 * n, CATEGORIES[2])):
        right.step(N, [gpus_needed(of(n), 80e9) for n in N], color=colour, label=name)
    for name, n in (("7.5", 7.5e9), ("175", 175e9)):
        right.plot(n, gpus_needed(training_bytes(n), 80e9), "o", color="black", markersize=4)
        right.annotate(f"{name} billion: {gpus_needed(training_bytes(n), 80e9)}", (n, gpus_needed(training_bytes(n), 80e9)),
                       (-8, 6), textcoords="offset points", ha="right", fontsize=8.5)  # fmt: skip
    right.set(title="how many GPUs of 80 GB", xlabel="parameters", ylabel="GPUs", xscale="log", yscale="log")
    right.legend(fontsize=9, loc="upper left")
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

SHORT: dict[str, Any] = {"trainer": {"max_epochs": 1}}

QUESTIONS = (
    by_size(
        "Each sum is added up one by one, in place of all at once. How far are the trained network's scores from what they were (float64)?",
        another_order,
        *("not at all", 1e-18, "in the last digits", 1e-9, "in digits that one sees"),
        seen="they are {:.0e} apart",
        why="Another order rounds in other places. That is all that a GPU does otherwise, where TF32 is off.",
        **SHORT,
        look_at=("last digits", "how far apart the lower curves lie."),
    ),
    by_size(
        "And if what goes into each product is rounded to TF32, with its 10 binary digits behind the point?",
        in_tf32,
        *("in the last digits, below 10⁻⁹", 1e-9, "from the fourth digit or so", 0.01, "every digit is another"),
        seen="they are {:.0e} apart",
        why="Rounded to 2⁻¹¹ a number is off by up to 0.0005 of itself; in a sum much of that cancels.",
        **SHORT,
        look_at=("last digits", "how far above the others the curve of TF32 is."),
    ),
    by_size(
        "A model of 7.5 billion parameters, trained with Adam in mixed precision, on GPUs of 80 GB. How many are needed, without "
        "activations?",
        lambda run: float(gpus_needed(training_bytes(7.5e9), 80e9)),
        *("one: its weights are 15 GB", 1.5, "two", 3, "eight"),
        seen="it is {:.0f}",
        why="16 bytes for each parameter are 120 GB. Only 2 of the 16 are the weights that one thinks of.",
        **SHORT,
        look_at=("how fast and how many", "how high the dot at 7.5 billion parameters is."),
    ),
)

ROOM = 200_000
"""Bytes of a small device, on which a network of 64 hidden units can be trained."""

MISTAKE = Mistake(
    f"On a small device with room for {ROOM:,} bytes a network of 256 hidden units can be trained, for its weights fit.",
    lambda run: (
        f"Its weights are {held(run)[0]:,} bytes, and do fit. With their gradients and the two means that Adam keeps of each, a step holds "
        f"{held(run)[1]:,}, {held(run)[1] / held(run)[0]:.1f} times as much, and activations come on top."
    ),
    lambda run: run.agree and held(run)[0] < ROOM < held(run)[1],
    "Each weight has a gradient and, with Adam, two means. In mixed precision there is a copy in 32 bits besides: 16 bytes for 2.",
    trainer={"max_epochs": 1},
    model={"hidden": 256},
)


def learned(run: Trained) -> str:
    """How far the order of sums matters, where it ran, and how well it reads."""
    where = "on the CPU" if run.torch.device.type == "cpu" else f"on {run.torch.device.type}"
    days = training_days(175e9, 300e9, 1024, 140e12, recompute=True)
    return (
        f"Sums in another order change the scores by {another_order(run):.0e}, TF32 by {in_tf32(run):.0e}; torch's half ran {where}. "
        f"{'' if HERE else NO_GPU + ' '}The network reads {classes_right(run)} digits that it has not seen. GPT-3 would take 1,024 GPUs "
        f"{days:.0f} days."
    )


TWIN = Twin(
    name="on_a_gpu",
    manual=Manual,
    torch=Torch,
    data=Digits,
    data_args={"batch_size": 64},
    needs=("recomputation", "mixed_precision", "digits_mlp"),
    trainer={"max_epochs": 6},
    model={"lr": 0.003},
    variants={"small tiles": {"hidden": 13, "tile": 3}},
    idle={"tile": "it changes the order of sums, and nothing else"},
    figures=figures,
    learned=learned,
    look_at=("last digits", "that no two ways give the same digits, and how far above the others TF32 is."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("tiled_product_backward", ("Two products again. Which shapes must they have?",)),
        Exercise("TiledLinear.backward"),
    ),
)

if __name__ == "__main__":
    run("on_a_gpu")
