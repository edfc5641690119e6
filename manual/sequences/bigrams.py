"""Bigrams: the next character of real text, foretold from the one before it, by hand.

A language model answers one question: what comes next? The smallest one worth the name looks back at one character alone. After a "q" it
expects a "u", after a comma a blank. All that it knows is one table Z: a row for each character a that may come before, and in it a score
for each character b that may follow. A pair of neighbours is called a *bigram*.

    p[a] = softmax(Z[a])                             the probability of each character after an a
    L    = −1/N Σ over a, b of c[a, b] log p[a, b]   the mean surprise; c[a, b] is how often the text has an a followed by a b

N is the number of pairs, the sum of all c. L in *bits* is L / log 2: how many yes-or-no questions a character takes on average, *bits per
character*. Who knows nothing of V characters pays log₂ V for each. A large language model does the same with more than one character
before, and pays less.

Backward. In row a there are n[a] = Σ_b c[a, b] pairs, and for each of them softmax and logarithm give p − y, where y is 1 at the character
that came. Added up over the row, that is

    ∂L/∂Z[a, b] = (n[a] p[a, b] − c[a, b]) / N    how often b was foretold after a, minus how often it came

**The answer is known.** That is 0 in every place if p[a, b] = c[a, b] / n[a]: the parts that were counted. L has only one valley, so
nothing fits the text better: the counts are the *maximum likelihood*. For a table one need not train. But training gets there, and goes
on where nobody can count: the table for ten characters before has V¹⁰ rows, and a network, trained with this same loss, takes its place.

**What never came.** A pair with c = 0 gets p = 0, and is an infinite surprise where it does come. The remedy is as old: to every count
add a little, `alpha` (Laplace took 1). Then p[a, b] = (c[a, b] + alpha) / (n[a] + alpha V), and nothing is impossible.

**It writes.** Draw a character from p[a], then one from its row, and so on. To draw is to let a random number u between 0 and 1 fall on a
line on which the probabilities lie end to end. With the same u both sides write the same text, letter by letter.

**On paper.** The text "aababb" has the pairs aa, ab, ba, ab, bb. So c[a] = (1, 2) and c[b] = (1, 1), N = 5. At first Z = 0:

    p = ½ everywhere, L = log 2: one bit per character
    ∂L/∂Z[a] = (3 · ½ − 1, 3 · ½ − 2) / 5 = (0.1, −0.1)      after a: fewer a, more b
    ∂L/∂Z[b] = (2 · ½ − 1, 2 · ½ − 1) / 5 = (0, 0)           right already

Let Z[a] be (0, log 2): e to it is (1, 2), p[a] = (⅓, ⅔), as counted, and the gradient (3 · ⅓ − 1, 3 · ⅔ − 2) / 5 is 0. In bits, with
log₂ 3 = 1.585 and log₂ 1.5 = 0.585, the five pairs cost (1 · 1.585 + 2 · 0.585 + 2 · 1) / 5 = 0.951.

    >>> c = count(np.array([0, 0, 1, 0, 1, 1]), symbols=2)
    >>> c.tolist()
    [[1.0, 2.0], [1.0, 1.0]]
    >>> float(surprise(np.zeros((2, 2)), c) / np.log(2))
    1.0
    >>> surprise_backward(1.0, np.zeros((2, 2)), c).round(3).tolist()
    [[0.1, -0.1], [0.0, 0.0]]
    >>> Z = np.array([[0.0, np.log(2)], [0.0, 0.0]])
    >>> float((surprise(Z, c) / np.log(2)).round(3)), float(np.abs(surprise_backward(1.0, Z, c)).max().round(15))
    (0.951, 0.0)

Sources: Shannon 1948, "A mathematical theory of communication", sections 2, 3 and 7 (he counted letters in books); Jurafsky and Martin,
"Speech and language processing", chapter 3.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.nn.functional import log_softmax, softmax
from manual.sampling import draw


def count(text: np.ndarray, symbols: int) -> np.ndarray:
    """c[a, b]: how often a is followed by b. Shapes: text (T,) integers below symbols, the result (symbols, symbols)."""
    c = np.zeros((symbols, symbols))
    np.add.at(c, (text[:-1], text[1:]), 1)  # one more for each pair of neighbours
    return c


def surprise(z: np.ndarray, c: np.ndarray) -> Any:
    """L = −1/N Σ c log p, with p = softmax(z) in each row. Shapes: z and c (rows, V)."""
    return -(c * log_softmax(z)).sum() / c.sum()


def surprise_backward(dL_dy: Any, z: np.ndarray, c: np.ndarray) -> np.ndarray:
    """∂L/∂z = (n p − c) / N: how often each was foretold, minus how often it came. Shapes: z, c and the result (rows, V)."""
    n = c.sum(axis=1, keepdims=True)  # (rows, 1): how often there was something to foretell
    return dL_dy * (n * softmax(z) - c) / c.sum()


class Bigrams(Concept):
    """A table of scores, a row for each character before, learned from how often each character followed.

    Args:
        symbols: V, how many characters there are.
        alpha: added to each count that is learned from; 0 learns the counts themselves.
        lr: Adam's step size. 1 is large; a score must get far below the others where a pair never came.
        rng: of no use here: all scores begin at 0.
        dtype: of the table.

    Shapes: a batch is a (rows,), the characters before, and c (rows, V), how often each followed; table.weight (V, V).

    Raises:
        ValueError: if symbols is below 1, or alpha below 0.
    """

    def __init__(
        self, symbols: int = 103, alpha: float = 0.0, lr: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        if symbols < 1 or alpha < 0:
            raise ValueError(f"Bigrams: symbols must be at least 1 and alpha not below 0, got {symbols} and {alpha}")
        self.alpha, self.lr = alpha, lr
        self.table = nn.Embedding(symbols, symbols, rng=rng, dtype=dtype)  # its weight is Z
        self.table.weight[...] = 0

    def forward(self, a: np.ndarray) -> np.ndarray:
        """The scores of what may follow, (rows, V)."""
        return self.table(a)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        a, c = batch
        z = self(a)
        self.save(z, c + self.alpha)
        loss = surprise(z, c + self.alpha)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        z, c = self.restore()
        dL_dz = surprise_backward(dL_dloss, z, c)
        self.table.backward(dL_dz)  # each row of dL_dz is added to the row of Z that it was read from

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The mean surprise at a text, and the same in bits per character."""
        a, c = batch
        loss = surprise(self(a), c)
        self.log("loss/val", loss, batch_size=len(a))
        self.log("bits/val", loss / math.log(2), batch_size=len(a))

    def write(self, start: int, u: np.ndarray) -> np.ndarray:
        """A text of its own, that begins after the character `start`. Shapes: u (T,) numbers from 0 to 1, the result (T,) integers."""
        p, text = softmax(self.table.weight.data), [start]
        for x in u:
            text.append(int(draw(p[text[-1]], x)))
        return np.array(text[1:])

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
