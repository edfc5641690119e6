"""The transformer block, all of it walked back: it reverses a sequence.

One block of attention and feed-forward learns to say sixteen digits backwards, and all of its way back is written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.reversed import Reversed
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.words import in_words, percent
from experiments.judge.compare import error
from experiments.judge.convert import load_in_torch, to_torch
from experiments.judge.naming import Naming
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual import nn
from manual.module import no_grad
from manual.sequences.transformer import Block
from manual.sequences.transformer import Transformer as Manual
from manual.trainer import Trainer
from torch_impl.sequences.transformer import Transformer as Torch

NAMES = {
    "W_qkv": "self_attn.in_proj_weight",
    "W_out": "self_attn.out_proj.weight",
    "W1": "linear1.weight",
    "W2": "linear2.weight",
    "g1": "norm1.weight",
    "g2": "norm2.weight",
}
"""What torch calls the parameters of a block."""


# ---- figures -------------------------------------------------------------------------------------------


def maps_in_torch(torch_module: Torch, x: np.ndarray) -> np.ndarray:
    """Where each head looks, (N, H, T, T): torch's block does not say, so its attention is asked alone."""
    block = torch_module.block
    with torch.no_grad():
        e = torch_module.token(to_torch(x)) + torch_module.position.weight[: x.shape[1]]
        u = block.norm1(e) if block.norm_first else e
        weights: Any = block.self_attn(u, u, u, average_attn_weights=False)[1]
    return weights.numpy()


def who_looks_where(manual: Manual, torch_module: Torch, data: ArrayData, when: str) -> Figure:
    """The maps of all heads, for one held-out sequence."""
    x = data.split.val[0][:1]
    with no_grad():
        said = manual(x)[0].argmax(axis=-1)
    assert manual.block.weights is not None
    ours, theirs = manual.block.weights, maps_in_torch(torch_module, x)
    shown = min(ours.shape[1], 4)
    fig, axes = figure(
        f"{when}. Each row is a place of one sequence, with what is said there; each column a place that it may look at; the darker, the "
        f"more weight. The answer stands on the line from corner to corner: there each place finds its digit. "
        f"{np.sum(said == x[0, ::-1])} of {x.shape[1]} are said rightly. Not every head has to look there. The maps of torch and by "
        f"hand are {in_words(error(ours, theirs))}.",
        columns=shown,
        size=(3.2, 3.3),
    )
    last = x.shape[1] - 1
    for h, ax in enumerate(axes[0]):
        ax.imshow(ours[0, h], cmap="Greys", vmin=0, vmax=1)
        ax.plot([-0.5, last + 0.5], [last + 0.5, -0.5], color=CATEGORIES[1], linewidth=0.8)
        ax.set_xticks(range(last + 1), [str(c) for c in x[0]], fontsize=7)
        ax.set_yticks(range(last + 1), [str(c) for c in said], fontsize=7)
        ax.set(title=f"head {h}", xlabel="what stands there", xlim=(-0.5, last + 0.5), ylim=(last + 0.5, -0.5))
    axes[0, 0].set_ylabel("what is said there")
    return fig


DEPTH = 12


@cache
def sizes(norm_first: bool, side: str) -> np.ndarray:
    """The root mean square of x before and after each of twelve blocks at initial weights, equal on both sides."""
    rng = np.random.default_rng(0)
    blocks: list[Any] = [Block(32, 4, 64, norm_first, rng=rng) for _ in range(DEPTH)]
    x: Any = rng.normal(size=(4, 16, 32))
    if side == "torch":
        states = [block.state_dict() for block in blocks]
        blocks, x = [Torch(norm_first=norm_first).block.double() for _ in states], to_torch(x)
        for layer, state in zip(blocks, states, strict=True):
            load_in_torch(Naming(NAMES), layer, state)
    found = [x]
    with no_grad(), torch.no_grad():
        for block in blocks:
            found.append(block(found[-1]))
    return np.array([np.sqrt(np.mean(np.asarray(x) ** 2)) for x in found])


class Stack(Manual):
    """Twelve small blocks in place of one, for eight digits."""

    def __init__(self, norm_first: bool) -> None:
        rng = np.random.default_rng(0)
        super().__init__(length=8, d_model=16, norm_first=norm_first, lr=0.01, rng=rng)
        self.block: Any = nn.Sequential(*(Block(16, 4, 32, norm_first, rng=rng) for _ in range(DEPTH)))


@cache
def losses(norm_first: bool, steps: int = 64) -> list[float]:
    """Of the stack, trained by hand."""
    rng, trainer = np.random.default_rng(1), Trainer()
    trainer.attach(Stack(norm_first))
    drawn = rng.integers(0, 10, (steps, 32, 8))
    return [trainer.train_batch((x, np.ascontiguousarray(x[:, ::-1])), i, is_last=True) for i, x in enumerate(drawn)]


def twelve_blocks() -> Figure:
    """A stack of blocks with the norm in either place: how large x becomes, and how it learns."""
    pre, post = losses(True), losses(False)
    fig, axes = figure(
        f"Twelve blocks. Left, untrained: in pre-norm x grows as each block adds to it, to {sizes(True, 'by hand')[-1]:.1f}; post-norm "
        "brings it back to 1 (bands: torch, dashes: by hand). Right: small ones learn to reverse eight digits, by hand, from equal "
        f"weights. After {len(pre)} steps the loss is {np.mean(pre[-5:]):.2f} in pre-norm and {np.mean(post[-5:]):.2f} in post-norm; "
        f"who guesses has {np.log(10):.2f}.",
        columns=2,
        size=(4.6, 3.6),
    )
    left, right = axes[0]
    for norm_first, name, colour in ((True, "pre-norm", CATEGORIES[0]), (False, "post-norm", CATEGORIES[1])):
        draw_both(left, sizes(norm_first, "by hand"), sizes(norm_first, "torch"), name, colour)
        right.plot(losses(norm_first), color=colour, label=name)
    left.set(title="what goes forward", xlabel="blocks passed", ylabel="size of x", ylim=(0, None))
    right.set(title="loss of twelve blocks", xlabel="step", ylabel="loss", ylim=(0, None))
    for ax in axes[0]:
        ax.legend(fontsize=9)
    return fig


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The untrained block."""
    return {"who looks where": who_looks_where(manual, torch_module, data, "Before training")}


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The trained block, and twelve untrained ones."""
    return OnDemand(
        {"who looks where": lambda: who_looks_where(manual, torch_module, data, "After training"), "twelve blocks": lambda: twelve_blocks()}
    )


def learned(run: Trained) -> str:
    """What part of the sequences is reversed."""
    n, T = run.data.split.val[0].shape
    return (
        f"Of {n:,} sequences of {T} symbols that it has not seen, {percent(run.metrics['sequences/val'])} are reversed without a fault, "
        f"and {percent(run.metrics['symbols/val'])} of all symbols are right."
    )


# ---- to do ---------------------------------------------------------------------------------------------


def at_the_answer(run: Trained) -> float:
    """The weight that a place gives to the place where its answer stands: the mean over places, heads and 64 held-out sequences."""
    x = run.data.split.val[0][:64]
    with no_grad():
        run.manual(x)
    return float(np.einsum("nhtt->nht", run.manual.block.weights[..., ::-1]).mean())


FEW = {"sequences": 1024}

QUESTIONS = (
    by_size(
        "One block, sixteen digits of ten kinds. What part of the sequences that it has not seen is reversed without any fault?",
        lambda run: run.metrics["sequences/val"],
        *("none", 0.01, "some", 0.95, "nearly all"),
        seen="{:.1%} of them",
        why="What it learns is not sequences but where to look: each place at the one that is as far from the other end.",
        look_at=("who looks where", "the line from corner to corner."),
    ),
    by_size(
        "After training: what part of its attention does a place give to the place where its answer stands, in the mean of four heads?",
        at_the_answer,
        *("about a sixteenth, as at first", 0.15, "much of it, but not all", 0.95, "nearly all"),
        seen="{:.2f} of it",
        why="Once some heads have found the answer the loss is low, and nothing asks the others to look there too.",
        look_at=("who looks where", "which of the heads have the whole line, and which have parts of it."),
    ),
    by_size(
        "Embeddings of 8 numbers in place of 32. What part of the digits is right after as many steps?",
        lambda run: run.metrics["symbols/val"],
        *("about one in ten, as by guessing", 0.14, "more, but not half of them", 0.5, "more than half of them"),
        seen="{:.1%} of them",
        why="In 8 numbers it must be written which of ten digits stands here and which of sixteen places it is; a head has two of them.",
        model={"d_model": 8},
    ),
)


def without_shortcut(block: Block, dL_dx2: np.ndarray) -> np.ndarray:
    """The way back of a pre-norm block, as if what came out of attend and feed_forward had replaced x."""
    dL_dx1 = block.norm_backward(block.feed_forward_backward(dL_dx2), block.g2)
    return block.norm_backward(block.attend_backward(dL_dx1), block.g1)


class WithoutShortcut(Manual):
    """The concept with that way back."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.block.backward = partial(without_shortcut, self.block)  # type: ignore[method-assign]


MISTAKE = Mistake(
    "What comes back from x + f(x) has come through f.",
    lambda run: (
        f"With a backward that forgets the shortcuts the loss still goes from {run.losses[0]:.2f} to {run.losses[-1]:.2f}, but the "
        "gradients are not torch's."
    ),
    lambda run: not run.agree and run.losses[-1] < 0.97 * run.losses[0],
    "x was used twice: as itself, and in f. Both ways bring a gradient, and they add up. That is what keeps deep stacks alive.",
    data=FEW,
    manual=WithoutShortcut,
)

TWIN = Twin(
    name="transformer",
    manual=Manual,
    torch=Torch,
    data=Reversed,
    names={f"block.{ours}": f"block.{theirs}" for ours, theirs in NAMES.items()},
    links={"data.symbols": "model.symbols", "data.length": "model.length"},
    needs=("positions", "multihead_attention"),
    trainer={"max_epochs": 6},
    variants={"post-norm": {"norm_first": False}},
    options={"d_model": 16, "heads": 2},
    sgd_lr=0.05,
    before=before,
    figures=figures,
    learned=learned,
    look_at=("who looks where", "the line from corner to corner: a place's answer stands as far from the other end."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Block.feed_forward_backward", ("Two products and a ReLU, as in the hidden layer, for every place at once.",)),
        Exercise("Block.backward", ("x was used twice in each sum: two gradients come back, and add up.",)),
        Exercise("Block.norm_backward"),
        Exercise("Block.attend_backward"),
    ),
)

if __name__ == "__main__":
    run("transformer")
