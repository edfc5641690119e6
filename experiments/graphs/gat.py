"""Graph attention: each node decides whom it listens to

Ten nodes look up ten keys in a dictionary that ten others hold. The first form of graph attention cannot learn it, whatever its weights
are, and the second can: two operations in another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import AMOUNT, CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.walk import losses, some_rows
from experiments.drawing.words import percent
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Twin
from manual.graphs.gat import GAT as Manual
from manual.module import no_grad
from torch_impl.graphs.gat import GAT as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray


class Dictionaries(ArrayData):
    """Random dictionaries, in which each key and each value comes once; 300 are held out.

    Args:
        batch_size: dictionaries in a batch; 0 puts all of them into one.
        seed: of the dictionaries and of their order.
        keys: K, in each.
        dictionaries: to train on.

    Shapes: x (N, K, 2), key and value of each teller; y (N, K), the value of key 0, of key 1, and so on.
    """

    def __init__(self, batch_size: int = 32, seed: int = 0, keys: int = 10, dictionaries: int = 1024) -> None:
        super().__init__(batch_size, seed)
        if min(keys, dictionaries) < 1:
            raise InputError(f"--data.keys and --data.dictionaries must be at least 1, got {keys} and {dictionaries}")
        self.keys, self.dictionaries = keys, dictionaries

    def load(self) -> Split:
        rng, n = np.random.default_rng(self.seed), self.dictionaries + 300
        in_order = np.tile(np.arange(self.keys), (n, 1))
        key, value = rng.permuted(in_order, axis=1), rng.permuted(in_order, axis=1)
        y = np.empty_like(value)
        np.put_along_axis(y, key, value, axis=1)
        x = np.stack([key, value], axis=2)
        return Split((x[:-300], y[:-300]), (x[-300:], y[-300:]))


# ---- what is measured, on both sides -------------------------------------------------------------------


def attention(model: Any, x: Array) -> tuple[Array, Array]:
    """s and α of either side, (N, K, K). Tellers are in the order of their keys, so that the right one is on the diagonal."""
    order = np.argsort(x[:, :, 0], axis=1)
    x = np.take_along_axis(x, order[:, :, None], axis=1)
    with no_grad(), torch.no_grad():
        if isinstance(model, Manual):
            model(x)
            s = model.attention.s
        else:
            layer, device = model.attention, model.out.weight.device
            tellers = torch.from_numpy(x).to(device)
            r = layer.right(model.key(tellers[:, :, 0]) + model.value(tellers[:, :, 1]))
            u = layer.left(model.asked.weight)[:, None] + r[:, None]
            s = to_numpy(layer.leaky(u) @ layer.a if layer.dynamic else layer.leaky(u @ layer.a))
    s = np.asarray(s, dtype=float)
    part = np.exp(s - s.max(axis=2, keepdims=True))
    return s, part / part.sum(axis=2, keepdims=True)


def preferred(model: Any, data: Dictionaries) -> float:
    """How many different tellers the askers of a dictionary prefer, on average over those held out."""
    s, _ = attention(model, data.split.val[0])
    return float(np.mean([len(set(best)) for best in s.argmax(axis=2).tolist()]))


@cache
def static(steps: int = 100) -> tuple[Manual, Torch]:
    """A pair of the static form, trained."""
    twin = TWIN.having({"dynamic": False})
    (ours, theirs), data = twin.build(), twin.make_data()
    losses(ours, theirs, some_rows(data.split.train, 32, steps))
    return ours, theirs  # type: ignore[return-value]


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Dictionaries) -> Mapping[str, Figure]:
    """Whom each asker listens to, in the trained pair and in one of the static form; and why."""
    return OnDemand(
        {
            "whom they listen to": lambda: whom(manual, torch_module, data),
            "one order for all": lambda: one_order_for_all(manual, torch_module, data),
        }
    )


def name_of(model: Manual) -> str:
    """Of the form."""
    return "dynamic" if model.attention.dynamic else "static"


def whom(manual: Manual, torch_module: Torch, data: Dictionaries) -> Figure:
    """α of one held-out dictionary, of four models."""
    x = data.split.val[0][:1]
    other, other_in_torch = static()
    of_static = Dictionaries().split.val[0][:1]
    fig, axes = figure(
        "The parts α in which each asker (row) hears each teller (column, in the order of their keys; bright: much), of one dictionary. "
        f"Left, as trained, {name_of(manual)}: the askers of the held-out dictionaries prefer {preferred(manual, data):.1f} different "
        "tellers on average. The right teller is on the diagonal. Right, the static form after 100 steps: all prefer the same one.",
        columns=4,
        size=(2.9, 3.2),
    )
    shown = (
        (manual, x, "by hand"),
        (torch_module, x, "torch"),
        (other, of_static, "static, by hand"),
        (other_in_torch, of_static, "static, torch"),
    )
    for ax, (model, dictionary, title) in zip(axes[0], shown, strict=True):
        ax.imshow(attention(model, dictionary)[1][0], cmap=AMOUNT, vmin=0, vmax=1)
        ax.set(title=title, xlabel="key of the teller", ylabel="asks for key")
    return fig


ASKERS = 3


def one_order_for_all(manual: Manual, torch_module: Torch, data: Dictionaries) -> Figure:
    """The scores of three askers over all tellers, these in the order of the first asker's scores."""
    fig, axes = figure(
        "Scores s of three askers for the tellers of one dictionary, these in the order in which the first asker likes them. Left, as "
        f"trained: the {name_of(manual)} form. Right, the static form: every curve rises, for leaky(a · l + a · r) grows with a · r, "
        "whoever asks. So all have their largest score at the same teller. Bands: torch, dashes: by hand.",
        columns=2,
        size=(4.9, 3.5),
    )
    pairs = ((manual, torch_module, data, f"{name_of(manual)}, as trained"), (*static(), Dictionaries(), "static"))
    for ax, (ours, theirs, of, title) in zip(axes[0], pairs, strict=True):
        x = of.split.val[0][:1]
        s, s_torch = attention(ours, x)[0][0], attention(theirs, x)[0][0]
        order = np.argsort(s[0], kind="stable")
        for asker in range(min(ASKERS, len(s))):
            draw_both(ax, s[asker, order], s_torch[asker, order], f"asks for {asker}", CATEGORIES[(0, 1, 3)[asker]])
        ax.set(title=title, xlabel="tellers, as the first asker likes them", ylabel="score s")
        ax.legend(fontsize=8)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

SHORT: dict[str, Any] = {"data": {"dictionaries": 512}, "trainer": {"max_epochs": 4}}
SEEN = "{:.0%} of the values"

QUESTIONS = (
    by_size(
        "dynamic = False: the first form of graph attention. What part of the values is found?",
        accuracy,
        *("about a tenth, as by guessing", 0.3, "between 30 and 80 %", 0.8, "more than 80 %"),
        seen=SEEN,
        why="All askers hear the same mixture, or nearly: their scores are in one order. One mixture cannot be ten answers.",
        model={"dynamic": False},
        **SHORT,
        look_at=("one order for all", "that every curve of the right panel rises."),
    ),
    by_size(
        "The dynamic form, trained. How many different tellers do the ten askers of a dictionary prefer?",
        lambda run: preferred(run.manual, run.data),
        *("one", 1.5, "some, two to nine", 9.5, "ten, each another"),
        seen="{:.2f} on average",
        why="Each asks for another key, and each key has one teller. The bend within the H numbers lets what a teller is worth depend on "
        "who asks.",
        trainer={"max_epochs": 7},
        look_at=("whom they listen to", "where it is bright in the first panel."),
    ),
    by_size(
        "hidden = 1 in the dynamic form: a single number for each edge. What part of the values is found?",
        accuracy,
        *("less than 30 %", 0.3, "between 30 and 80 %", 0.8, "more than 80 %"),
        seen=SEEN,
        why="With H = 1 there is no sum, and a · leaky(l + r) rises or falls with r for every asker alike. What is told is a "
        "single number, too.",
        model={"hidden": 1},
        **SHORT,
    ),
)

MISTAKE = Mistake(
    "Attention is attention. If the first form does not learn it, it needs more numbers: 64 in place of 24.",
    lambda run: (
        f"With H = {len(run.manual.attention.a)} the static form finds {accuracy(run):.0%} of the values, and the askers of a dictionary "
        f"prefer {preferred(run.manual, run.data):.0f} teller among them."
    ),
    lambda run: run.agree and accuracy(run) < 0.25 and preferred(run.manual, run.data) == 1,
    "The order of the scores is that of a · rⱼ, however many numbers there are: behind the sum there is one bend, and it keeps the order.",
    model={"dynamic": False, "hidden": 64},
    **SHORT,
)


def learned(run: Trained) -> str:
    """What part of the values is found, and how many tellers are preferred."""
    return (
        f"The {name_of(run.manual)} form finds {percent(accuracy(run))} of the values of held-out dictionaries; guessing finds "
        f"{percent(1 / run.data.keys)}. The askers of a dictionary prefer {preferred(run.manual, run.data):.1f} different tellers."
    )


TWIN = Twin(
    name="gat",
    manual=Manual,
    torch=Torch,
    data=Dictionaries,
    needs=("gcn", "attention"),
    links={"data.keys": "model.keys"},
    trainer={"max_epochs": 10},
    variants={"static": {"dynamic": False, "hidden": 5}, "few numbers": {"features": 4, "hidden": 3}},
    figures=figures,
    learned=learned,
    look_at=("one order for all", "in which panel curves cross: where they do not, all prefer the same teller."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("GAT.backward", ("A sum gives both of its parts the whole gradient.",)),
        Exercise("GraphAttention.backward", ("r was used twice: for what is told, and for the score of every asker.",)),
    ),
)

if __name__ == "__main__":
    run("gat")
