"""Which place is where: sinusoidal, learned and rotary positions, by hand.

Attention compares what stands at each place, and not where it stands. If the tokens are shuffled, what comes out is shuffled in the same
way, and is otherwise unchanged: it is *permutation equivariant*. "Dog bites man" and "man bites dog" are one to it. So something
must tell it the places. There are three ways, and one task on which they are compared: each place is to say the token that stood three
places before it, in sequences of 16.

    learned       e = token's row + place's row               one row of numbers for each place, learned like any weight
    sinusoidal    e = token's row + place's sines and cosines  nothing to learn
    rotary        q and k of each place are turned by an angle that grows with the place

**Turning.** The last two take numbers in pairs, and have an angle for each pair i that grows with the place t:

    angle(t, i) = t · θᵢ        θᵢ = 10000 to the power of −2i/D: pair 0 turns fast, the last hardly at all, as the hands of a clock do

Sinusoidal positions add the point (sin angle, cos angle) to pair i. *Rotary* positions turn each pair of q and of k itself. With c and s
for the cosine and the sine of the angle, (a, b) becomes

    (c a − s b, s a + c b)

**Only the distance counts.** A score is a dot product, and does not change when both arrows are turned alike. q turned by t θ and k
turned by u θ have the score of q turned by (t − u) θ and k left as it is. Where in the text both stand does not matter, only how far
apart. What was learned about "three places before" is then true everywhere, also in longer texts than those of the training. A learned
row of place 20 is no use if no text had a place 20.

**On paper.** One pair, and θ = 90°: at place 1 (a, b) becomes (−b, a), at place 2 (−a, −b), at place 3 (b, −a). Let q = (2, 1), k = (3, 1).

    q at 2: (−2, −1)     k at 1: (−1, 3)       score   2 − 3 = −1
    q at 3: (1, −2)      k at 2: (−3, −1)      score  −3 + 2 = −1       the same distance, the same score
    q at 3: (1, −2)      k at 1: (−1, 3)       score  −1 − 6 = −7       another one

Backward. Turning keeps lengths, and its way back is to turn back: by minus the angle. If L grows with the first number of q at place 1,
which is −b, then ∂L/∂q is (0, −1): the arrow (1, 0), turned back by 90°.

    >>> quarter = np.pi / 2 * np.arange(4.0)[:, None]      # the angles of places 0 to 3, of one pair
    >>> q, k = rotate(np.tile([2.0, 1.0], (4, 1)), quarter), rotate(np.tile([3.0, 1.0], (4, 1)), quarter)
    >>> (q @ k.T).round(12)[[2, 3, 3], [1, 2, 1]].tolist()
    [-1.0, -1.0, -7.0]
    >>> (rotate_backward(np.array([[1.0, 0.0]]), quarter[1:2]).round(12) + 0.0).tolist()
    [[0.0, -1.0]]

Sources: Vaswani et al., "Attention is all you need" (2017), section 3.5 (sinusoidal, learned); Su et al., "RoFormer" (2021), section 3.2
and equation 34 (rotary).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept

BASE = 10_000.0
"""Of the angles, in both papers: the slowest pair turns about once in 2π · BASE places."""

Kind = Literal["none", "sinusoidal", "learned", "rotary"]
"""How places are told."""


def angles(length: int, d: int) -> np.ndarray:
    """The angle of each place and pair, t · BASE^(−2i/d), in radians: (length, d/2)."""
    theta = BASE ** (-np.arange(0, d, 2) / d)
    return np.arange(length)[:, None] * theta  # (length, 1) times (d/2,)


def sinusoidal(length: int, d: int) -> np.ndarray:
    """The sine and the cosine of every angle, side by side: (length, d)."""
    angle = angles(length, d)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, d)


def rotate(x: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Turn every pair of numbers of every place by its angle, counter-clockwise. Shapes: x (..., T, d), angle (T, d/2)."""
    a, b = x[..., 0::2], x[..., 1::2]
    c, s = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    return np.stack([c * a - s * b, s * a + c * b], axis=-1).reshape(x.shape)


def rotate_backward(dL_dy: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Turn the gradient back: with c and −s, what was a row of the turn's matrix is a column. Shapes as in rotate."""
    return rotate(dL_dy, -angle)


class Copying(Concept):
    """One layer of attention that is told places in one of four ways; softmax cross-entropy and Adam.

    Args:
        tokens: how many different ones there are.
        length: of the longest sequence: rows of the learned positions.
        d_model: D, even: the size of an embedding, a query, a key and a value.
        positions: "none", "sinusoidal", "learned" or "rotary".
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, T) integers, the prediction (N, T, tokens), the target (N, T) integers, −100 where nothing is asked.

    Raises:
        ValueError: for an odd d_model, or positions of another name.
    """

    def __init__(
        self,
        tokens: int = 10,
        length: int = 32,
        d_model: int = 32,
        positions: Kind = "rotary",
        lr: float = 0.01,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if d_model % 2 or positions not in ("none", "sinusoidal", "learned", "rotary"):
            raise ValueError(
                f"Copying: d_model must be even, positions 'none', 'sinusoidal', 'learned' or 'rotary', got {d_model} and {positions!r}"
            )
        self.positions, self.lr = positions, lr
        self.token = nn.Embedding(tokens, d_model, rng=rng, dtype=dtype)
        self.position: Any = nn.Embedding(length, d_model, rng=rng, dtype=dtype) if positions == "learned" else None
        self.query = nn.Linear(d_model, d_model, rng=rng, dtype=dtype)
        self.key = nn.Linear(d_model, d_model, bias=False, rng=rng, dtype=dtype)
        self.value = nn.Linear(d_model, d_model, bias=False, rng=rng, dtype=dtype)
        self.attend = nn.ScaledDotProductAttention()
        self.out = nn.Linear(d_model, tokens, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the token at each place."""
        e = self.token(x)  # (N, T, D)
        if self.positions == "learned":
            e = e + self.position(np.arange(e.shape[1]))  # (N, T, D) + (T, D)
        if self.positions == "sinusoidal":
            e = e + sinusoidal(*e.shape[1:]).astype(e.dtype)
        q = self.query(e)
        k = self.key(e)
        if self.positions == "rotary":
            angle = angles(*e.shape[1:])
            self.save(angle)
            q = rotate(q, angle)
            k = rotate(k, angle)
        v = self.value(e)
        y = self.attend(q, k, v)
        z = self.out(y)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, target = batch
        z = self(x)
        self.save(z.shape)
        loss = self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1))
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss).reshape(self.restore())  # (N·T, tokens) → (N, T, tokens)
        dL_dy = self.out.backward(dL_dz)
        dL_dq, dL_dk, dL_dv = self.attend.backward(dL_dy)
        dL_de = self.value.backward(dL_dv)
        if self.positions == "rotary":
            angle = self.restore()
            dL_dk = rotate_backward(dL_dk, angle)
            dL_dq = rotate_backward(dL_dq, angle)
        dL_de = dL_de + self.key.backward(dL_dk)  # e was used three times: its gradients add up
        dL_de = dL_de + self.query.backward(dL_dq)
        if self.positions == "learned":
            self.position.backward(dL_de.sum(axis=0))  # (N, T, D) → (T, D): each sequence used the same rows
        self.token.backward(dL_de)  # the sines were given: nobody asks for their gradient

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, target = batch
        z = self(x)
        asked = target != -100
        self.log("loss/val", self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1)), batch_size=len(x))
        self.log("copied/val", np.mean(z.argmax(axis=-1)[asked] == target[asked]), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
