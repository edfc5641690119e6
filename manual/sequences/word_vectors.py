"""Word vectors: words as lists of numbers, learned from the company they keep, by hand.

"You shall know a word by the company it keeps" (Firth). Nobody has to say that "class" and "instance" go together: in Python's
documentation they stand near each other, and near the same other words. Here each word gets a vector u, a list of D numbers, and another
one, v, for when it is somebody else's company. Their dot product is to be large for pairs that stand near each other more often than by
chance. This is word2vec's *skip-gram with negatives*; the embeddings at the bottom of every language model are its descendants.

A *pair* is two words at most 5 places apart (the window). n[a, b] counts how often a and b are one, and N is the sum of all n. Were the
words of the text shuffled, a pair would come

    e[a, b] = n[a] n[b] / N          times by chance; n[a] is the sum of row a

The task is a game. A pair is shown, either a real one from the text, or a false one, a *negative*, thrown together by chance; k
negatives for each real one. Which is it? σ(u · v) is the probability of "real", and the surprise is paid, as in logistic regression:

    s[a, b] = u[a] · v[b]                                           the score: s = U Vᵀ
    L = −1/N Σ over all pairs of (n log σ(s) + k e log σ(−s))       real pairs, and k times as many by chance

word2vec draws its negatives; over the whole table of pairs, as here, their expected number is taken instead: no noise is left.

Backward. With σ(−s) = 1 − σ(s):

    ∂L/∂s = (k e σ(s) − n σ(−s)) / N      false ones that were believed, minus real ones that were not
    ∂L/∂U = ∂L/∂s V                       u[a] was multiplied by each v[b]
    ∂L/∂V = (∂L/∂s)ᵀ U

**What is learned.** ∂L/∂s = 0 where k e σ(s) = n σ(−s). Since σ(s)/σ(−s) = eˢ, that is

    s[a, b] = log(n[a, b] / e[a, b]) − log k = PMI[a, b] − log k

PMI, *pointwise mutual information*, says how much more often than by chance two words meet: log 2 is twice as often, 0 as by chance,
below 0 means that they avoid each other. So the game takes a table of counts apart into two lists of vectors (Levy and Goldberg). With
as many numbers as words, D = 60, nothing is lost. With fewer, the vectors must make do with what words have in common; that is what they
are used for where there are 100,000 words and a few hundred numbers. A pair that never came would have PMI −∞, so ½ is added to each
count.

**Neighbours.** Two words are alike if their rows of PMI are: if they keep the same company. A word and its own company, for
which u · v is large, need not be alike: "a" and "class" stand together and mean nothing alike.

**On paper.** Two words, "tea" and "cup", which stood together four times and never with themselves; k = 1.

    n = [0  4]    n[tea] = n[cup] = 4, N = 8    e = 4 · 4 / 8 = 2 everywhere
        [4  0]
    at s = 0, σ = ½:  ∂L/∂s[tea, cup] = (2 · ½ − 4 · ½) / 8 = −⅛      must grow
                      ∂L/∂s[tea, tea] = (2 · ½ − 0 · ½) / 8 =  ⅛      must fall
    PMI[tea, cup] = log(4/2) = log 2. There σ(s) = ⅔:  (2 · ⅔ − 4 · ⅓) / 8 = 0

With u[tea] = (1, 0) and v[cup] = (0.5, 3), s = 1 · 0.5 + 0 · 3 = 0.5, still below log 2 = 0.693.

    >>> n = np.array([[0.0, 4.0], [4.0, 0.0]])
    >>> by_chance(n).tolist()
    [[2.0, 2.0], [2.0, 2.0]]
    >>> game_backward(1.0, np.zeros((2, 2)), n, by_chance(n)).tolist()
    [[0.125, -0.125], [-0.125, 0.125]]
    >>> float(abs(game_backward(1.0, np.full((2, 2), np.log(2)), n, by_chance(n))[0, 1]).round(15))
    0.0
    >>> float(pmi(n + 1e-9)[0, 1].round(3))
    0.693

Sources: Mikolov et al. 2013, "Distributed representations of words and phrases and their compositionality", section 2.2 (negatives);
Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization", section 3.1 (the optimum).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.nn.functional import sigmoid, softplus
from manual.nn.init import normal


def by_chance(n: np.ndarray) -> np.ndarray:
    """e[a, b] = n[a] n[b] / N: how often a pair would come if words stood anywhere. Shapes: n and the result (K, K)."""
    return np.outer(n.sum(axis=1), n.sum(axis=0)) / n.sum()


def pmi(n: np.ndarray) -> np.ndarray:
    """Pointwise mutual information: log n/e, how much more often than by chance. Shapes: n, all above 0, and the result (K, K)."""
    return np.log(n / by_chance(n))


def game(s: np.ndarray, n: np.ndarray, negatives: np.ndarray) -> Any:
    """L = −1/N Σ n log σ(s) + negatives · log σ(−s), where −log σ(s) = log(1 + e⁻ˢ) = softplus(−s). Shapes: all (rows, K)."""
    return (n * softplus(-s) + negatives * softplus(s)).sum() / n.sum()


def game_backward(dL_dy: Any, s: np.ndarray, n: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """∂L/∂s: negatives that are believed, minus real pairs that are not. Shapes: all (rows, K)."""
    return dL_dy * (negatives * sigmoid(s) - n * sigmoid(-s)) / n.sum()


class WordVectors(Concept):
    """Skip-gram with k negatives on a whole table of pairs; Adam, whose step size falls as half a cosine.

    Args:
        words: K, how many words there are.
        dimensions: D, numbers in a vector; as many as words lose nothing.
        k: negatives for each real pair (5: Mikolov et al. 2013, section 2.2).
        lr: Adam's step size at the start.
        steps: the length of the schedule, in epochs: all rows are one batch.
        rng: draws the initial vectors, normal with the standard deviation 0.3.
        dtype: of the vectors.

    Shapes: a batch is a (rows,), words; n (rows, K), how often each stood near each word; e (rows, K), how often by chance.

    Raises:
        ValueError: if words, dimensions or steps is below 1, or k below 0.
    """

    def __init__(
        self,
        words: int = 60,
        dimensions: int = 60,
        k: float = 5.0,
        lr: float = 0.5,
        steps: int = 500,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(words, dimensions, steps) < 1 or k < 0:
            raise ValueError(
                f"WordVectors: words, dimensions and steps must be at least 1 and k not below 0, got {words}, {dimensions}, {steps} and {k}"
            )
        rng = rng or np.random.default_rng()
        self.k, self.lr, self.steps = k, lr, steps
        self.words = nn.Embedding(words, dimensions, rng=rng, dtype=dtype)  # its weight is U: a row for each word
        self.contexts = nn.Linear(dimensions, words, bias=False, rng=rng, dtype=dtype)  # its weight is V: u Vᵀ is a score for each word
        for layer in (self.words, self.contexts):
            layer.weight[...] = normal(layer.weight.shape, 0, 0.3, rng=rng, dtype=dtype)

    def forward(self, a: np.ndarray) -> np.ndarray:
        """The scores s of these words with every word, (rows, K)."""
        u = self.words(a)
        s = self.contexts(u)
        return s

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        a, n, e = batch
        s = self(a)
        self.save(s, n, e)
        loss = game(s, n, self.k * e)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        s, n, e = self.restore()
        dL_ds = game_backward(dL_dloss, s, n, self.k * e)
        dL_du = self.contexts.backward(dL_ds)
        self.words.backward(dL_du)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and the part of real pairs that are believed: the mean of σ(s) over them."""
        a, n, e = batch
        s = self(a)
        self.log("loss/val", game(s, n, self.k * e), batch_size=len(a))
        self.log("believed/val", (n * sigmoid(s)).sum() / n.sum(), batch_size=len(a))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.parameters(), lr=self.lr, betas=(0.9, 0.95))
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
