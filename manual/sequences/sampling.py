"""From probabilities to text: temperature, top-k, nucleus, greedy and beam, by hand.

A language model gives a probability to each character that may come next. How a text is made of that is a choice of its own. Here a small
network learns Python's documentation and writes in five ways.

    e = the rows of the last characters, side by side      embeddings, as many numbers as characters · d
    h = ReLU(e W1ᵀ + b1)
    z = h W2ᵀ + b2                                         a score for each character

**Temperature.** p = softmax(z / T). T = 1 is what the model has learned. A small T makes large scores larger still, and the probable more
probable; a large T makes all alike. p to the power of 1/T, divided by its sum, is the same.

**Top-k, nucleus.** Of some hundred characters most are nearly impossible, but there are many of them, and one that does not belong
there spoils all that follows. So they are cut off, and the rest is divided by its sum. *Top-k* keeps the k most probable. The
*nucleus*, or top-p, keeps the fewest that together have at least the probability top_p: few where the model is sure, many where it is
not.

**Greedy, beam.** *Greedy* takes the most probable character each time; that is top-k with k = 1, and nothing is left to chance. It is
not the way to the most probable text: a probable character may lead to where all is improbable. *Beam search* goes on with the `width`
most probable beginnings at once. Both soon say the same again and again.

**On paper.** p = (½, ¼, ⅛, ⅛), and a random number u = 0.7, which falls on a line on which the probabilities lie end to end:

    as it is        ½    ¼    ⅛    ⅛         ends at 0.5, 0.75, ...       0.7 is on the second
    T = ½           p² = ¼, 1/16, 1/64, 1/64; over their sum, 22/64:  16/22, 4/22, 1/22, 1/22
                                             ends at 0.73, ...            0.7 is on the first
    top-k, k = 2    ⅔    ⅓    0    0         over ¾, their sum            0.7 is on the second
    top_p = 0.8     4/7  2/7  1/7  0         ½ + ¼ is not yet 0.8         0.7 is on the second

Beam: A comes with 0.6 and B with 0.4; what follows A has at most 0.5, what follows B 0.9. Greedy takes A, and 0.6 · 0.5 = 0.30. A beam
of two keeps B, and 0.4 · 0.9 = 0.36.

Backward. In y = p / S, S the sum of what is kept, each p is in its own y, and by S in all of them:

    ∂L/∂p[j] = (∂L/∂y[j] − Σ y ∂L/∂y) / S           where j is kept, else 0
    top-k with k = 2 above, ∂L/∂y = (1, 0, 0, 0):   (1 − ⅔) / ¾ = 4/9 = 0.444 and (0 − ⅔) / ¾ = −8/9 = −0.889

    >>> p, u = np.array([0.5, 0.25, 0.125, 0.125]), 0.7
    >>> ways = [p, tempered(np.log(p), 0.5), kept(p, keep_top_k(p, 2)), kept(p, keep_top_p(p, 0.8))]
    >>> [draw(way, u).item() for way in ways], (ways[1] * 22).round(12).tolist(), (ways[3] * 7).round(12).tolist()
    ([1, 0, 1, 1], [16.0, 4.0, 1.0, 1.0], [4.0, 2.0, 1.0, 0.0])
    >>> kept_backward(np.array([1.0, 0.0, 0.0, 0.0]), p, keep_top_k(p, 2)).round(3)[:2].tolist()
    [0.444, -0.889]

Sources: Bengio et al., "A neural probabilistic language model" (2003), section 2 (the network); Holtzman et al., "The curious case of
neural text degeneration" (2020), section 3.1 (nucleus) and figure 1 (what repeats itself).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.nn.functional import softmax
from manual.noise import Uniform
from manual.sampling import draw

# ---- distributions ---------------------------------------------------------------------------------


def tempered(z: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(z / T) of each row. Shapes: z and the result (..., V)."""
    return softmax(z / temperature, axis=-1)


def tempered_backward(dL_dp: np.ndarray, z: np.ndarray, temperature: float) -> np.ndarray:
    """That of the softmax, over T: z/T grows T times slower than z."""
    p = tempered(z, temperature)
    return p * (dL_dp - (p * dL_dp).sum(axis=-1, keepdims=True)) / temperature  # (..., V) times ((..., V) − (..., 1))


def keep_top_k(p: np.ndarray, k: int) -> np.ndarray:
    """Which are the k most probable, and any that are as probable as the last of these. Shapes: p and the result (..., V)."""
    return p >= np.sort(p, axis=-1)[..., -k:][..., :1]


def keep_top_p(p: np.ndarray, top_p: float) -> np.ndarray:
    """The nucleus: which are the fewest that together have at least the probability top_p. Shapes: p and the result (..., V)."""
    order = np.argsort(-p, axis=-1, kind="stable")  # the most probable first
    ranked = np.take_along_axis(p, order, axis=-1)
    enough = np.cumsum(ranked, axis=-1) >= top_p  # whether each has it, with those before it
    keep = np.ones(p.shape, bool)
    np.put_along_axis(keep, order[..., 1:], ~enough[..., :-1], axis=-1)  # and those behind are not needed
    return keep


def kept(p: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """What is kept, over its sum. Shapes: p, keep and the result (..., V)."""
    return p * keep / (p * keep).sum(axis=-1, keepdims=True)


def kept_backward(dL_dy: np.ndarray, p: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Which are kept does not change when p moves a little: keep is a constant."""
    y, S = kept(p, keep), (p * keep).sum(axis=-1, keepdims=True)
    return keep * (dL_dy - (y * dL_dy).sum(axis=-1, keepdims=True)) / S  # (..., V) times ((..., V) − (..., 1)), over (..., 1)


def distribution(z: np.ndarray, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """What is drawn from: (..., V), from scores of that shape. A top_k of 0 and a top_p of 1 keep all."""
    p = tempered(z, temperature)
    if top_k:
        p = kept(p, keep_top_k(p, top_k))
    if top_p < 1:
        p = kept(p, keep_top_p(p, top_p))
    return p


# ---- text ------------------------------------------------------------------------------------------

Model = Callable[[np.ndarray], np.ndarray]
"""From the last characters, (N, context) integers, to scores for the next, (N, V)."""


def generate(model: Model, x: np.ndarray, u: np.ndarray, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> np.ndarray:
    """N texts, a character at a time. Shapes: x (N, context), what they begin with; u (N, L) in [0, 1), the draws; the result (N, L)."""
    text = x
    for t in range(u.shape[1]):
        z = model(text[:, -x.shape[1] :])
        c = draw(distribution(z, temperature, top_k, top_p), u[:, t])
        text = np.concatenate([text, c[:, None]], axis=1)
    return text[:, x.shape[1] :]


# ---- the model -------------------------------------------------------------------------------------


class Writer(Concept):
    """The next character from some before it; softmax cross-entropy and Adam. In validation it draws one for every context.

    Args:
        symbols: V, how many different characters there are.
        context: how many of them it sees.
        d: numbers of an embedding.
        hidden: units.
        temperature: above 0.
        top_k: of the most probable this many are kept; 0 keeps all.
        top_p: above 0; as many are kept as have this together; 1 keeps all.
        lr: Adam's step size.
        rng: draws the initial weights, and what is drawn.
        dtype: of the parameters.

    Shapes: x (N, context) integers, the prediction (N, V), the target (N,) integers.

    Raises:
        ValueError: if temperature, top_k or top_p are out of their range.
    """

    def __init__(
        self,
        symbols: int = 103,
        context: int = 8,
        d: int = 16,
        hidden: int = 128,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        lr: float = 5e-3,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if not (temperature > 0 and top_k >= 0 and 0 < top_p <= 1):
            raise ValueError(
                "Writer: temperature must be above 0, top_k not below 0, top_p above 0 and at most 1, got "
                f"{temperature}, {top_k} and {top_p}"
            )
        self.how: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        self.lr = lr
        self.embedding = nn.Embedding(symbols, d, rng=rng, dtype=dtype)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(context * d, hidden, rng=rng, dtype=dtype)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, symbols, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()
        self.uniform = Uniform(rng=rng, dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the next character."""
        e = self.flatten(self.embedding(x))
        h = self.relu(self.fc1(e))
        z = self.fc2(h)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, target = batch
        loss = self.loss(self(x), target)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss)
        dL_dh = self.fc2.backward(dL_dz)
        dL_de = self.fc1.backward(self.relu.backward(dL_dh))
        self.embedding.backward(self.flatten.backward(dL_de))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, in bits too; and the bits, as T = 1 has them, of a character drawn in its place."""
        x, target = batch
        z = self(x)
        loss = self.loss(z, target)
        drawn = draw(distribution(z, **self.how), self.uniform(target.shape))
        self.log("loss/val", loss, batch_size=len(x))
        self.log("bits/val", loss / np.log(2), batch_size=len(x))
        self.log("drawn/val", self.loss(z, drawn) / np.log(2), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)


# ---- further reading: beam search, step by step -----------------------------------------------------


def beam_search(model: Model, x: np.ndarray, length: int, width: int) -> tuple[np.ndarray, float]:
    """The most probable text that is found, and the log of its probability. Shapes: x (context,), the text (length,)."""
    from manual.nn.functional import log_softmax

    text, log_p = x[None], np.zeros(1)  # as many beginnings as there are, up to `width`
    for _ in range(length):
        z = model(text[:, -len(x) :])
        total = log_p[:, None] + log_softmax(z, axis=-1)  # (width, V): of each beginning, with each next character
        best = np.argsort(-total.ravel(), kind="stable")[:width]
        row, c = np.divmod(best, total.shape[1])
        text, log_p = np.concatenate([text[row], c[:, None]], axis=1), total.ravel()[best]
    return text[0, len(x) :], float(log_p[0])
