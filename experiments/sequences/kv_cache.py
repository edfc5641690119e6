"""A GPT that writes with a cache of keys and values, and computes each place once

The scores are those of the GPT that computes all again; what is saved is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.text import Text
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.module import no_grad
from manual.sequences.kv_cache import CachedGPT as Manual
from torch_impl.sequences.kv_cache import CachedGPT as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def all_scores(model: Any, tokens: np.ndarray, cached: bool) -> np.ndarray:
    """The scores at each place of one text, (T, tokens): with the cache place after place, or as they are computed together."""
    with no_grad(), torch.no_grad():
        if cached:
            kept: Any = model.empty()
            rows = [model.next_scores(int(token), kept) for token in tokens]
            return np.stack([np.asarray(row.cpu() if isinstance(row, torch.Tensor) else row) for row in rows])
        if isinstance(model, Manual):
            return model(tokens[None])[0]
        return np.asarray(model(torch.from_numpy(tokens[None]).to(model.device))[0].cpu())


def apart(model: Any, data: ArrayData) -> np.ndarray:
    """By how much the scores with the cache differ from those without, at most, at each place of the first held-out window."""
    tokens = data.split.val[0][0]
    return np.abs(all_scores(model, tokens, True) - all_scores(model, tokens, False)).max(axis=1)


def rows_computed(model: Any, data: ArrayData, cached: bool) -> int:
    """How many places go through the first block while one window is written: counted at its c_attn."""
    tokens, c_attn, counted = data.split.val[0][0], model.h[0].attn.c_attn, list[int]()
    forward = c_attn.forward

    def count(x: np.ndarray) -> np.ndarray:
        counted.append(x.shape[1])
        return forward(x)

    c_attn.forward = count
    try:
        for t in [len(tokens)] if cached else range(1, len(tokens) + 1):
            all_scores(model, tokens[:t], cached)
    finally:
        del c_attn.forward
    return sum(counted)


# ---- figures ---------------------------------------------------------------------------------------

PLACES = (8, 16, 32, 64, 128, 256)


def seconds(do: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


@cache
def costs() -> dict[str, list[list[float]]]:
    """Milliseconds for the token after so many places, with and without: by hand and in torch, of a larger model, untrained."""
    sizes: dict[str, Any] = {"n_positions": PLACES[-1], "n_embd": 96, "n_head": 4, "n_layer": 2}
    models: list[Any] = [Manual(**sizes, rng=np.random.default_rng(0)), Torch(**sizes).double()]
    tokens = np.random.default_rng(1).integers(0, 100, PLACES[-1])
    found: dict[str, list[list[float]]] = {"without": [[], []], "with": [[], []]}
    for i, model in enumerate(models):
        kept: Any = model.empty()
        with no_grad(), torch.no_grad():
            took = [seconds(partial(model.next_scores, int(token), kept)) for token in tokens]
        for t in PLACES:  # the shortest of a few: something else may run on the machine
            found["with"][i].append(1000 * min(took[t - 5 : t]))
            found["without"][i].append(1000 * min(seconds(partial(all_scores, model, tokens[:t], False)) for _ in range(4)))
    return found


def what_it_saves() -> Figure:
    """Time and multiplications for one more token."""
    fig, axes = figure(
        "What one more token takes, by how many there are. Left: measured on a GPT of 96 numbers a place and two blocks, dashes by hand, "
        "bands torch. Right: multiplications, counted. Without the cache everything is computed again; with it only the newest place.",
        columns=2,
        size=(4.2, 3.6),
    )
    measured, t, D = costs(), np.array(PLACES), 96
    one = 2 * (12 * D**2 + 2 * D * t)
    for (label, (ours, theirs)), colour in zip(measured.items(), CATEGORIES, strict=False):
        draw_both(axes[0, 0], np.stack([t, ours]), np.stack([t, theirs]), label, colour)
        axes[0, 1].plot(t, one if label == "with" else t * one, marker="o", color=colour, label=label)
    axes[0, 0].set(title="Measured", xlabel="places", ylabel="ms for one more token")
    axes[0, 1].set(title="Counted", xlabel="places", ylabel="multiplications")
    for ax in axes[0]:
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.legend(title="cache")
    return fig


def the_same(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """By how much the scores with and without the cache differ."""
    fig, axes = figure(
        "The largest difference between the scores with the cache and without, at each place of a held-out text, on both sides. It is "
        "rounding: the last digit that a number has. The cache changes what is computed, not what comes out.",
        columns=2,
        size=(4.0, 3.2),
    )
    panels: list[tuple[Any, str]] = [(manual, "By hand"), (torch_module, "In torch")]
    for ax, (model, title) in zip(axes[0], panels, strict=True):
        found = apart(model, data)
        ax.bar(np.arange(1, len(found) + 1), found, color=CATEGORIES[0])
        ax.set(title=title, xlabel="place", ylabel="largest difference")
    return fig


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What it saves, and what it leaves the same."""
    return OnDemand({"what it saves": lambda: what_it_saves(), "the same scores": lambda: the_same(manual, torch_module, data)})


# ---- to do -----------------------------------------------------------------------------------------


def saved(run: Trained) -> float:
    """How many times as many places are computed without the cache, for one window."""
    return rows_computed(run.manual, run.data, False) / rows_computed(run.manual, run.data, True)


def kept(run: Trained) -> float:
    """Numbers that are kept of one place, as a multiple of those that stand for it."""
    of = run.manual.empty()
    with no_grad():
        run.manual.next_scores(0, of)
    return sum(k.k.size + k.v.size for k in of) / run.manual.wte.embedding_dim


def learned(run: Trained) -> str:
    """What is saved, and that nothing else has changed."""
    return (
        f"Writing {run.data.window} characters takes {rows_computed(run.manual, run.data, True)} places through each block with the cache, "
        f"{rows_computed(run.manual, run.data, False)} without. The scores differ by {apart(run.manual, run.data).max():.0e} at most."
    )


QUESTIONS = (
    by_size(
        "It writes 32 characters, one after the other. How many times as many places go through a block without the cache?",
        saved,
        *("twice as many", 6, "about 16 times", 24, "32 · 32 times"),
        seen="{:.3g} times",
        why="Without it 1 + 2 + … + 32 = 528 places are computed, with it 32: (32 + 1)/2 times as many.",
        look_at=("what it saves", "how far the two curves lie apart at 32 places, and at 256."),
    ),
    by_size(
        "Two blocks. A place is n_embd numbers. How many times as many are kept of it?",
        kept,
        *("once", 1.5, "twice", 3, "four times", 5, "six times"),
        seen="{:.3g} times",
        why="A key and a value in each of two blocks. Its queries have been answered, and are not asked for again.",
    ),
)


class Stuck(Manual):
    """The GPT with a cache, to which every new place is the first."""

    def place(self, kept: Any) -> int:
        return 0


class StuckInTorch(Torch):
    """The same in torch."""

    def place(self, kept: Any) -> int:
        return 0


MISTAKE = Mistake(
    "The cache holds what was before, so a new token is given to the network as a text of one.",
    lambda run: (
        f"A text of one stands at place 0. Its scores then differ by up to {apart(run.manual, run.data).max():.2g} from those that the "
        "network was trained for."
    ),
    lambda run: run.agree and apart(run.manual, run.data).max() > 1e-3,
    "The newest token stands behind all that are kept. Nothing breaks where that is forgotten: the text only becomes worse.",
    trainer={"max_epochs": 1},
    manual=Stuck,
    torch=StuckInTorch,
)

WRITES = "each character that is drawn goes back in, and all are written as text"

TWIN = Twin(
    name="kv_cache",
    manual=Manual,
    torch=Torch,
    data=Text,
    data_args={"window": 32, "characters": 40_000},
    needs=("gpt",),
    trainer={"max_epochs": 3, "gradient_clip_val": 1.0},
    links={"data.vocabulary": "model.vocabulary", "data.window": "model.n_positions"},
    model={"n_embd": 32, "lr": 3e-3, "warmup": 50, "steps": 210},
    options={
        "n_embd": 24,
        "n_head": 2,
        "n_layer": 1,
        "prompt": Second("If ", {"lr": 0.03, "warmup": 1}),  # so that something is learned in three steps
        "sample": 9,
        "data.characters": 20_000,
        "steps": Second(3, {"warmup": 1}),
    },
    zero_gradient=("h.0.attn.c_attn.bias", "h.1.attn.c_attn.bias"),  # a third of them, that of the keys: softmax does not see it
    needs_values={"as declared": WRITES},
    sgd_lr=0.1,
    figures=figures,
    learned=learned,
    look_at=("what it saves", "how far the two curves lie apart where there are many places."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("look_backward", ("The concept attention has these lines; here one place asks, and sees all.",)),),
)

if __name__ == "__main__":
    run("kv_cache")
