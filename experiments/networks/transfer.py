"""Transfer: layers that learned on some digits, frozen or fine-tuned for others

A network learns the digits 0 to 4, and then 5 to 9 from ten examples of each: with its layers frozen, with all of them fine-tuned, and from
scratch; and what its layers see of digits that they were never shown is drawn by principal components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.digits import DigitImages
from experiments.drawing.colours import CATEGORIES, MARKERS
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.words import in_words, percent
from experiments.judge.compare import error, norm
from experiments.judge.convert import in_dtype_of, load_in_torch, to_numpy, to_torch, weights_by_hand
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual import optim
from manual.concept import Batch
from manual.linear_algebra.pca import pca_by_covariance
from manual.module import no_grad
from manual.networks.transfer import Transfer as Manual
from manual.trainer import Trainer
from torch_impl.networks.transfer import Transfer as Torch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray


class OldThenNew(DigitImages):
    """Digits 0 to 4 in the first epochs, then 5 to 9, of which there are few; 20 batches an epoch, each drawn anew.

    Args:
        batch_size: images in a batch.
        seed: of the split, of the few, and of the batches.
        before: how many epochs of old digits; 0 is to begin from scratch.
        few: examples of each new digit.
    """

    per_epoch = 20

    def __init__(self, batch_size: int = 32, seed: int = 0, before: int = 20, few: int = 10) -> None:
        super().__init__(batch_size, seed)
        self.before, self.few = before, few

    def pools(self) -> tuple[Array, Array]:
        """The rows of the old digits, and of the few new ones."""
        _, y = self.split.train
        return np.flatnonzero(y < 5), np.concatenate([np.flatnonzero(y == digit)[: self.few] for digit in range(5, 10)])

    def batches(self, epoch: int) -> list[Batch]:
        """Those of this epoch."""
        pool = self.pools()[epoch >= self.before]
        rng = np.random.default_rng((self.seed, epoch))
        size = self.batch_size or len(pool)
        drawn = [rng.permutation(pool)[:size] for _ in range(self.per_epoch)]
        return [tuple(a[rows] for a in self.split.train) for rows in drawn]

    def two_batches(self, module: Any) -> list[Batch]:
        """One of old and new digits, and a smaller one of new ones."""
        old, new = self.pools()
        return [tuple(a[rows] for a in self.split.train) for rows in (np.concatenate([old[:20], new[:13]]), new[13:24])]


# ---- what is measured, on both sides -------------------------------------------------------------------

FROZEN, TUNED, SCRATCH, AT_RANDOM = "frozen", "fine-tuned", "from scratch", "frozen at random"
KINDS = {FROZEN: (True, True), TUNED: (True, False), SCRATCH: (False, False), AT_RANDOM: (False, True)}
"""Of each kind, whether it saw old digits before, and whether its body is frozen for new ones."""

COLOURS = dict(zip(KINDS, CATEGORIES, strict=False))
NEW_STEPS, EVERY = 100, 10
EARLY = 40


@cache
def learned_before(epochs: int) -> dict[str, Array]:
    """The weights after so many epochs of old digits."""
    _, theirs = TWIN.build(0)
    data = OldThenNew(before=epochs)
    for epoch in range(epochs):
        steps_in_torch(theirs, data.batches(epoch))
    return weights_by_hand(TWIN.naming, theirs)


@torch.enable_grad()
def steps_in_torch(theirs: Any, batches: Sequence[Batch]) -> None:
    """A step on each of them: plain gradient descent keeps nothing from one to the next."""
    optimizer = theirs.configure_optimizers()
    for batch in batches:
        optimizer.zero_grad()
        theirs.training_step(to_torch(batch), 0).backward()
        optimizer.step()


@cache
def new_digits(kind: str) -> tuple[Array, Array]:
    """What part of new and of old held-out digits is told right, every few steps on new ones: (2, ...), by hand and in torch."""
    before, frozen = KINDS[kind]
    twin, data = TWIN.having({"frozen": frozen}), OldThenNew()
    ours, theirs = twin.build(0)
    if before:
        ours.load_state_dict(learned_before(data.before))
        load_in_torch(twin.naming, theirs, learned_before(data.before))
    trainer = Trainer()
    trainer.attach(ours)
    found = [told(ours, theirs, data)]
    batches = [b for epoch in range(NEW_STEPS // OldThenNew.per_epoch) for b in data.batches(data.before + epoch)]
    for step in range(0, NEW_STEPS, EVERY):
        some = batches[step : step + EVERY]
        for batch in some:
            trainer.train_batch(batch, 0, is_last=True)
        steps_in_torch(theirs, some)
        found.append(told(ours, theirs, data))
    both = np.array(found)  # (steps, side, group)
    return both[:, 0].T, both[:, 1].T


def told(ours: Any, theirs: Any, data: ArrayData) -> list[list[float]]:
    """By hand and in torch: what part of the held-out old and new digits is told from the others of its group."""
    x, y = data.split.val
    with no_grad(), torch.no_grad():
        sides = ours(in_dtype_of(ours, x)), to_numpy(theirs(torch.from_numpy(in_dtype_of(ours, x)).to(theirs.device)))
    group = y // 5
    right = [z.reshape(-1, 2, 5)[np.arange(len(y)), group].argmax(axis=1) == y - 5 * group for z in sides]
    return [[float(r[group == g].mean()) for g in (0, 1)] for r in right]


def neighbours(at: Array, y: Array) -> float:
    """Of what part of the points the nearest other one is of the same kind. Shapes: at (N, 2), y (N,)."""
    apart = ((at[:, None] - at) ** 2).sum(axis=2) + np.diag(np.full(len(at), np.inf))
    return float((y[apart.argmin(axis=1)] == y).mean())


def on_paper(h: Array) -> Array:
    """The first two principal components of features (N, D): (N, 2)."""
    components, _ = pca_by_covariance(h.astype(float), 2)
    return np.asarray((h - h.mean(axis=0)) @ components.T)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What transfers, whatever was trained; and what the trained body sees of new digits."""
    return OnDemand({"what transfers": lambda: what_transfers(), "features": lambda: features(manual, torch_module, data)})


def what_transfers() -> Figure:
    """New and old digits, step by step on new ones, for each of the four ways."""
    found = {kind: new_digits(kind) for kind in KINDS}
    early, late = ({kind: f"{ours[1][step // EVERY]:.0%}" for kind, (ours, _) in found.items()} for step in (EARLY, NEW_STEPS))
    fig, axes = figure(
        f"On ten examples of each new digit. Left: what part of the held-out new ones is told right. After {EARLY} steps it is "
        f"{early[FROZEN]} by frozen layers that knew the old digits, {early[TUNED]} if all is fine-tuned, {early[SCRATCH]} from scratch, "
        f"{early[AT_RANDOM]} by layers frozen as they were drawn; after {NEW_STEPS}, {late[SCRATCH]} from scratch too. Right: old digits: "
        "frozen layers forget nothing. Bands: torch, dashes: by hand.",
        columns=2,
        size=(5.0, 3.8),
    )
    steps = np.arange(0, NEW_STEPS + 1, EVERY)
    for group, (ax, title) in enumerate(zip(axes[0][::-1], ("old digits, 0 to 4", "new digits, 5 to 9"), strict=True)):
        for kind, (ours, theirs) in found.items():
            if group == 1 or KINDS[kind][0]:
                draw_both(ax, np.stack([steps, ours[group]]), np.stack([steps, theirs[group]]), kind, COLOURS[kind])
        ax.set(title=title, xlabel="steps on new digits", xlim=(0, NEW_STEPS))
        ax.legend(fontsize=9, loc="lower right" if group else "lower left")
    axes[0, 0].set(ylabel="told right", ylim=(0, 1.03))
    axes[0, 1].set_ylim(0.6, 1.01)
    return fig


def features(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """Held-out new digits: their pixels, and what an untrained and the trained body see, by two principal components."""
    x, y = (a[data.split.val[1] >= 5] for a in data.split.val)
    drawn, _ = TWIN.build(0)
    with no_grad(), torch.no_grad():
        h, random = manual.body(in_dtype_of(manual, x)), drawn.body(x)  # type: ignore[attr-defined]
        theirs = to_numpy(torch_module.body(torch.from_numpy(in_dtype_of(manual, x)).to(torch_module.device)))
    places = {"pixels": on_paper(x.reshape(len(x), -1)), "features, as drawn": on_paper(random), "features, trained": on_paper(h)}
    alike = [neighbours(at, y) for at in places.values()]
    fig, axes = figure(
        f"{len(x)} held-out new digits, each by two principal components: of its pixels, of what an untrained body makes of them, and of "
        f"what the trained one does. How often is the nearest point the same digit? {alike[0]:.0%}, {alike[1]:.0%}, {alike[2]:.0%}. Look "
        f"for heaps of one colour and shape. The trained features by hand and in torch: {in_words(error(h, theirs))}.",
        columns=3,
        size=(3.9, 3.9),
    )
    for ax, (title, at) in zip(axes[0], places.items(), strict=True):
        draw_kinds(ax, at, y)
        ax.set(title=title, xticks=[], yticks=[], xlabel="first component", ylabel="second component")
    axes[0, 0].legend(fontsize=8, ncols=2)
    return fig


def draw_kinds(ax: Axes, at: Array, y: Array) -> None:
    """A point for each digit, in the colour and the shape of its kind."""
    for digit, colour, marker in zip(range(5, 10), CATEGORIES, MARKERS, strict=False):
        ax.plot(*at[y == digit].T, marker, color=colour, markersize=4.5, label=f"{digit}")


# ---- to do -----------------------------------------------------------------------------------------

SEEN = "{:.1%} of them"


def new(run: Trained) -> float:
    """What part of the new digits is told right."""
    return run.metrics["new/val"]


def old(run: Trained) -> float:
    """What part of the old digits is told right."""
    return run.metrics["old/val"]


QUESTIONS = (
    by_size(
        "before = 0: there were no old digits, and the body is frozen as it was drawn. What part of the new digits is told right after as "
        "many steps?",
        new,
        *("less than a quarter", 0.25, "between a quarter and 80 %", 0.8, "over 80 %"),
        seen=SEEN,
        why="What is drawn at random sees something too, and the head makes the best of it; but kernels that learned on other digits see "
        "what digits are made of.",
        data={"before": 0},
        trainer={"max_epochs": 2},
        look_at=("what transfers", "frozen, beside frozen at random."),
    ),
    by_size(
        "frozen = False: all layers are fine-tuned on new digits. What part of the old ones, 0 to 4, is still told right?",
        old,
        *("less than half", 0.5, "most, but fewer than before", 0.96, "as many as before"),
        seen=SEEN,
        why="Nobody shows the old ones any more, and the body that their part of the head relies on has changed under it. A little: "
        "the steps were few and small.",
        model={"frozen": False},
        look_at=("what transfers", "the right panel: fine-tuned, beside frozen."),
    ),
    by_size(
        "few = 1: a single example of each new digit. What part of the held-out new ones is told right?",
        new,
        *("about a fifth, as by guessing", 0.3, "something in between", 0.9, "over 90 %"),
        seen=SEEN,
        why="One 5 says nothing of how differently people write it. But in features that tell strokes apart it is more than nothing.",
        data={"few": 1},
        look_at=("features", "how far points of one kind lie from each other."),
    ),
)


def moved(run: Trained) -> float:
    """How far the body is from where old digits alone have left it, as a part of its length."""
    start = learned_before(min(run.data.before, len(run.losses) // OldThenNew.per_epoch))
    body = [(value, start[name]) for name, value in run.manual.state_dict().items() if name.startswith("body")]
    return norm([value - was for value, was in body]) / norm([was for _, was in body])


class Decaying(Manual):
    """The same, and at each step every weight is made a little smaller."""

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, weight_decay=0.05)


class DecayingInTorch(Torch):
    """The same in torch."""

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, weight_decay=0.05)


MISTAKE = Mistake(
    "Layers whose gradient is 0 stay as they are, so they are frozen. (And the optimizer has weight decay.)",
    lambda run: (
        f"After {len(run.losses)} steps on new digits the body, whose gradient was 0 at each, has moved by {moved(run):.0%} of its length."
    ),
    lambda run: run.agree and moved(run) > 0.01,
    "A step is not the gradient alone: weight decay pulls at every weight, and momentum goes on from steps before. Take what is frozen "
    "from the optimizer: p.requires_grad = False.",
    data={"before": 0},
    trainer={"max_epochs": 2},
    manual=Decaying,
    torch=DecayingInTorch,
)


def learned(run: Trained) -> str:
    """What part of either is told right."""
    return (
        f"{percent(new(run))} of the new digits, of which it saw {run.data.few} examples each, are told right, and {percent(old(run))} of "
        "the old ones; guessing would tell 20 %."
    )


TWIN = Twin(
    name="transfer",
    manual=Manual,
    torch=Torch,
    data=OldThenNew,
    needs=("digits_cnn", "pca"),
    trainer={"max_epochs": 24},
    options={"frozen": Second(False, data_args={"before": 0}), "data.before": 0},
    idle={"data.few": "new digits come when the old ones are done; tests/networks/test_transfer.py has them"},
    variants={"fine-tuned": {"frozen": False, "channels": 3}},
    smooth=("fine-tuned",),  # what is frozen gets 0, and not the slope of the loss
    figures=figures,
    learned=learned,
    look_at=("what transfers", "who is ahead after twenty steps, and what becomes of the old digits."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("own_scores_backward", ("Begin with zeros: what was not taken cannot move the loss.",)),
        Exercise("Transfer.backward", ("Which rows of dL_dh may reach the body?",)),
    ),
)

if __name__ == "__main__":
    run("transfer")
