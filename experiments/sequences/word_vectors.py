"""Word vectors: words as lists of numbers, learned from the company they keep

Sixty words of Python's own documentation get vectors by a game of real and false pairs; and both sides arrive at what Levy and Goldberg
proved of that game: u · v is the pointwise mutual information, less log k.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.data.text import documentation
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.lesson import ByLargest, Exercise, Mistake, Question, Trained, by_size
from experiments.pair import Twin
from manual.sequences.word_vectors import WordVectors as Manual
from manual.sequences.word_vectors import by_chance, game, pmi
from manual.trainer import Trainer
from torch_impl.sequences.word_vectors import WordVectors as Torch


@cache
def words_of() -> list[str]:
    """The documentation as words in lower case, without digits and signs. Not to be changed."""
    return re.findall("[a-z]+", documentation().lower())


def company(tokens: np.ndarray, words: int, window: int) -> np.ndarray:
    """n[a, b]: how often a and b stand at most `window` places apart, to the left or the right. Tokens below 0 are other words. (K, K)."""
    n = np.zeros((words, words))
    for apart in range(1, window + 1):
        a, b = tokens[:-apart], tokens[apart:]
        known = (a >= 0) & (b >= 0)
        np.add.at(n, (a[known], b[known]), 1)
    return n + n.T  # b is company of a, and a of b


class Company(ArrayData):
    """How often each of the commonest words of Python's documentation stood near each, and how often it would have by chance.

    Nothing is held out: it is the table itself that is taken apart into vectors.

    Args:
        batch_size: words in a batch; 0 puts all of them into one.
        seed: of the order of the batches.
        words: K, how many of the commonest words.
        window: how many places apart two words may be.
        add: to each count, so that no pair has the logarithm of 0.

    Attributes:
        names: the words, the commonest first; those that are equally common in the order of the alphabet.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0, words: int = 60, window: int = 5, add: float = 0.5) -> None:
        super().__init__(batch_size, seed)
        if min(words, window) < 1 or not add > 0:
            raise InputError(f"--data.words and --data.window must be at least 1 and --data.add above 0, got {words}, {window} and {add}")
        self.words, self.window, self.add = words, window, add
        counts = Counter(words_of())
        if words > len(counts):
            raise InputError(f"--data.words: the text has {len(counts)} different words, got {words}")
        self.names = sorted(counts, key=lambda word: (-counts[word], word))[:words]

    def load(self) -> Split:
        place = {word: i for i, word in enumerate(self.names)}
        n = company(np.array([place.get(word, -1) for word in words_of()]), self.words, self.window) + self.add
        table = np.arange(self.words), n, by_chance(n)
        return Split(table, table)


# ---- what is measured ----------------------------------------------------------------------------------


def scores(side: Any) -> np.ndarray:
    """s = U Vᵀ of a side, (K, K)."""
    if isinstance(side, Manual):
        return np.asarray(side.words.weight.data @ side.contexts.weight.data.T)
    return (side.words.weight.detach() @ side.contexts.weight.detach().T).cpu().double().numpy()


def correlation(side: Any, data: Company) -> float:
    """Of the scores and PMI, over all pairs of words; 1 is a straight line."""
    return float(np.corrcoef(scores(side).ravel(), pmi(data.split.train[1]).ravel())[0, 1])


def least_loss(data: Company, k: float) -> float:
    """The loss at s = PMI − log k, below which none is (Levy and Goldberg 2014, section 3.1)."""
    _, n, e = data.split.train
    return float(game(pmi(n) - np.log(k), n, k * e)) if k > 0 else 0.0


def alike(side: Any) -> np.ndarray:
    """How alike the company of two words is: the cosine of the angle between their rows of learned PMI, (K, K)."""
    rows = scores(side) + (np.log(side.k) if side.k > 0 else 0)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found: np.ndarray = rows @ rows.T
    return found


def neighbours(side: Any, data: Company, word: str, of: int = 3) -> list[str]:
    """The words whose company is most like this one's."""
    i = data.names.index(word)
    return [data.names[j] for j in np.argsort(-alike(side)[i], kind="stable") if j != i][:of]


FEWER = (2, 4, 8, 16, 32, 60)


@cache
def with_fewer_numbers(data: Company) -> dict[int, tuple[float, float]]:
    """By the numbers in a vector: the correlation with PMI, and how far the loss stays above the least; by hand, 150 steps."""
    found = {}
    for dimensions in FEWER:
        model = Manual(data.words, dimensions, steps=150, rng=np.random.default_rng(0))
        Trainer(max_epochs=150).fit(model, [data.split.train])
        _, n, e = data.split.train
        found[dimensions] = correlation(model, data), float(game(scores(model), n, model.k * e)) - least_loss(data, model.k)
    return found


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Company) -> Mapping[str, Figure]:
    """What u · v is, who keeps whose company, and what fewer numbers lose."""
    return OnDemand(
        {
            "what u · v is": lambda: what_it_is(manual, torch_module, data),
            "neighbours": lambda: who_is_alike(manual, torch_module, data),
            "fewer numbers": lambda: fewer_numbers(data),
        }
    )


def what_it_is(manual: Manual, theirs: Torch, data: Company) -> Figure:
    """Scores against PMI, and the table of PMI at the commonest words."""
    wanted = pmi(data.split.train[1])
    shift, shown = float(np.log(manual.k)) if manual.k > 0 else 0.0, min(20, data.words)
    table = scores(manual)[:shown, :shown] + shift
    a, b = np.unravel_index(table.argmin(), table.shape)
    fig, axes = figure(
        f"Left: each of the {wanted.size} pairs of words, by how much more often than by chance it came (PMI) and by its score. The "
        f"line is PMI − log {manual.k:g}; the correlation is {correlation(manual, data):.7f}. Right: PMI as it was learned, u · v + log "
        f"k, for the commonest words. Orange: they seek each other; violet: they avoid each other, most of all {data.names[a]!r} and "
        f"{data.names[b]!r}.",
        columns=2,
        size=(5.2, 4.6),
    )
    left, right = axes[0]
    for side, look, size, name in ((theirs, TORCH, 6, "torch"), (manual, BY_HAND, 2, "by hand")):
        left.plot(wanted.ravel(), scores(side).ravel(), "o", color=look["color"], markersize=size, markeredgewidth=0, label=name)
    ends = np.array([wanted.min(), wanted.max()])
    left.plot(ends, ends - shift, color="#444444", linewidth=0.8, zorder=1, label="PMI − log k")
    left.set(title="score and PMI", xlabel="PMI, as counted", ylabel="u · v, as learned")
    left.legend(fontsize=9)
    image = right.imshow(table, cmap=SIGNED, vmin=-3, vmax=3)
    right.set(xticks=range(shown), yticks=range(shown))
    right.set_xticklabels(data.names[:shown], fontsize=7.5, rotation=90)
    right.set_yticklabels(data.names[:shown], fontsize=7.5)
    right.set_title("learned by hand: u · v + log k")
    fig.colorbar(image, ax=right, shrink=0.8)
    return fig


def who_is_alike(manual: Manual, theirs: Torch, data: Company) -> Figure:
    """For some words those that keep the most similar company."""
    alone = [word for word in data.names if len(word) > 4][:12]
    ours, in_torch = ({word: neighbours(side, data, word) for word in alone} for side in (manual, theirs))
    agree = "finds the same" if ours == in_torch else "finds others"
    fig, axes = figure(
        f"Words of five letters and more, and for each the three of the {data.words} whose rows of PMI are most like its own, with the "
        f"cosine of the angle between the rows: 1 is the same company. torch {agree}. Nobody said what a word means, nor which are "
        "nouns.",
        size=(7.6, 4.2),
    )
    (ax,) = axes[0]
    near = alike(manual)
    for row, word in enumerate(alone):
        ax.text(0.18, row, word, ha="right", va="center", fontsize=10, weight="bold", color=CATEGORIES[0])
        for place, other in enumerate(ours[word]):
            value = near[data.names.index(word), data.names.index(other)]
            ax.text(
                0.24 + 0.26 * place, row, f"{other}  {value:.2f}", va="center", fontsize=9.5, alpha=float(np.clip(0.35 + value, 0.35, 1))
            )
    ax.set(title="who keeps the same company", xlim=(0, 1), ylim=(len(alone) - 0.4, -0.6), xticks=[], yticks=[])
    return fig


def fewer_numbers(data: Company) -> Figure:
    """What is lost where vectors have fewer numbers than there are words."""
    found = with_fewer_numbers(data)
    fig, axes = figure(
        f"Vectors of fewer numbers, trained by hand for 150 steps. Left: the correlation of u · v with PMI, {found[2][0]:.2f} for two "
        f"numbers, {found[16][0]:.2f} for 16, {found[60][0]:.4f} for 60. Right: how far the loss stays above the least there is. What "
        "does not fit in few numbers are the rare exceptions; what does is what many words have in common.",
        columns=2,
        size=(4.2, 3.5),
    )
    left, right = axes[0]
    left.plot(FEWER, [r for r, _ in found.values()], "o-", color=CATEGORIES[0])
    right.plot(FEWER, [above for _, above in found.values()], "o-", color=CATEGORIES[0])
    left.set(title="correlation with PMI", xlabel="numbers in a vector, D", ylim=(0, 1.05))
    right.set(title="loss above the least", xlabel="numbers in a vector, D", yscale="log")
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def above_pmi(run: Trained) -> float:
    """How much larger the scores are than PMI, on average."""
    return float((scores(run.manual) - pmi(run.data.split.train[1])).mean())


CANDIDATES = ("instance", "the", "if")

QUESTIONS = (
    Question(
        'Whose company is most like that of "class"?',
        CANDIDATES,
        ByLargest(
            lambda run: {word: alike(run.manual)[run.data.names.index("class"), run.data.names.index(word)] for word in CANDIDATES},
            "{:.2f}",
        ),
        'Both stand near "object", "method" and "attribute"; "the" and "if" stand near everything.',
        look_at=("neighbours", 'the row of "class", and whether you would agree.'),
    ),
    by_size(
        "Ten negatives for each real pair in place of five. How much larger than PMI are the scores now, on average?",
        above_pmi,
        *("about −log 10 = −2.3", -2, "about −log 5 = −1.6, as before", -0.8, "not at all"),
        seen="{:.2f}",
        why="There are twice as many false pairs to every real one, so each pair is less credible by a factor of two: log 2 less.",
        model={"k": 10.0, "steps": 200},
        trainer={"max_epochs": 200},
        look_at=("what u · v is", "which score a pair has that comes as by chance, PMI = 0."),
    ),
    by_size(
        "Vectors of two numbers in place of 60. How near do their scores come to PMI: what is the correlation?",
        lambda run: correlation(run.manual, run.data),
        *("about 0", 0.15, "about a half", 0.85, "nearly 1"),
        seen="{:.2f}",
        why="Two numbers can say something of a word, for all its pairs at once, but not what is peculiar to each of 60.",
        model={"dimensions": 2, "steps": 140},
        trainer={"max_epochs": 140},
        look_at=("fewer numbers", "how the correlation grows with D."),
    ),
)

MISTAKE = Mistake(
    "The real pairs are what there is to learn. The false ones, made up by chance, can be left out.",
    lambda run: (
        f"With k = 0 the loss falls to {run.losses[-1]:.2g}: {run.metrics['believed/val']:.1%} of the real pairs are believed, and so "
        f"is any other. The correlation of the scores with PMI is {correlation(run.manual, run.data):.2f}, and "
        f"{(scores(run.manual) > 3).mean():.0%} of all scores are above 3."
    ),
    lambda run: run.losses[-1] < 0.05 and correlation(run.manual, run.data) < 0.5,
    "If all that is shown is real, the best answer is to call everything real: all vectors point the same way. Only the false pairs ask "
    "for a difference.",
    model={"k": 0.0},
    trainer={"max_epochs": 20},
)


def learned(run: Trained) -> str:
    """How near the scores came to PMI, and who is whose neighbour."""
    least = least_loss(run.data, run.manual.k)
    word = next(name for name in run.data.names if len(name) > 4)
    return (
        f"Scores are PMI − log {run.manual.k:g} to a correlation of {correlation(run.manual, run.data):.7f}; the loss is "
        f"{run.metrics['loss/val']:.7f}, and the least there is {least:.7f}. Most like {word!r} is "
        f"{neighbours(run.manual, run.data, word)[0]!r}."
    )


TWIN = Twin(
    name="word_vectors",
    manual=Manual,
    torch=Torch,
    data=Company,
    learned=learned,
    look_at=("neighbours", "which of them you would have called alike yourself."),
    needs=("logistic_regression", "bigrams"),
    links={"data.words": "model.words"},
    options={"steps": 3},
    trainer={"max_epochs": 500, "check_val_every_n_epoch": 20},
    variants={"few numbers": {"dimensions": 7}},
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("game_backward", ("−log σ(s) has the slope −σ(−s), and −log σ(−s) the slope σ(s).",)),
        Exercise("WordVectors.backward", ("Every line of forward has one line here, in the opposite order.",)),
    ),
)

if __name__ == "__main__":
    run("word_vectors")
