"""From one sequence to another: an encoder, a decoder, and attention between them, by hand.

A sentence becomes a sentence in another language; speech becomes text. What comes in is a sequence, what goes out is another, and it cannot
be written before the first is read. Two recurrent networks share the work. The **encoder** reads. The **decoder** begins with the encoder's
last state and writes, one symbol at a time; each symbol that it has written is what it reads next.

That last state would have to hold all that was read. So the decoder may also look back, by *attention* (see `attention`): at each step its
state asks, and the encoder's states, one for each place, answer.

    h[1 … T], last = encoder(e)       e: a row of numbers for each symbol read, its embedding
    s[1 … T]       = decoder(d)       d: the same of the symbol *before* each that is written; the state before the first is last
    a[t] = softmax(s[t] hᵀ / √H)      where step t looks: one number for each place, which add up to 1
    c[t] = a[t] h                     what it sees there: the states in these parts
    z[t] = c[t] Woᵀ + b               a score for each symbol that may be written

Encoder and decoder are GRUs here, with H numbers in a state. The task is to write a sequence backwards, 3 1 4 → 4 1 3. The first symbol
written is the last read: the decoder must look at the last place first, and then go back place by place. Drawn as a map, with a row for
each step, that is the other diagonal.

**Teacher forcing.** What does the decoder read in training? What it has written itself is at first mostly wrong, and what is right after
something wrong is hard to say. So it is given the *right* symbols: for 4 1 3 it reads start 4 1. Then all steps are known
beforehand and are done at once. The price: later, on its own, it reads its own symbols, mistakes too, which it has never seen.
Without teacher forcing it learns from what it will read later; but each step must wait for the one before, and nonsense comes first.

**On paper.** H = 4, √H = 2. Two places were read, and one step asks:

    h[1] = (4, 0, 0, 0)      h[2] = (0, log 3, 0, 0)      s = (0, 2, 0, 0)
    scores s·h / 2 = 0 and log 3      e to these: 1 and 3      a = (¼, ¾)
    c = ¼ h[1] + ¾ h[2] = (1, 0.824, 0, 0)

Backward, from ∂L/∂c = (1, 0, 0, 0). Each state was used twice. What was seen gets its part of the gradient:

    ¼ (1, 0, 0, 0)  and  ¾ (1, 0, 0, 0)

and what was compared gets that of its score times s / 2. A part is worth ∂L/∂c · h: 4 and 0, in the mean ¼ · 4 + ¾ · 0 = 1. A score
gets its part times what it is worth more than the mean: ¼ (4 − 1) = ¾ and ¾ (0 − 1) = −¾. Together:

    ∂L/∂h[1] = ¼ (1, 0, 0, 0) + ¾ (0, 1, 0, 0) = (0.25,  0.75, 0, 0)
    ∂L/∂h[2] = ¾ (1, 0, 0, 0) − ¾ (0, 1, 0, 0) = (0.75, −0.75, 0, 0)

    >>> h, s = np.array([[[4.0, 0, 0, 0], [0, np.log(3), 0, 0]]]), np.array([[[0.0, 2, 0, 0]]])
    >>> attend = nn.ScaledDotProductAttention()
    >>> attend(s, h, h).round(3).tolist(), attend.weights.round(12).tolist()
    ([[[1.0, 0.824, 0.0, 0.0]]], [[[0.25, 0.75]]])
    >>> dL_ds, dL_dkey, dL_dvalue = attend.backward(np.array([[[1.0, 0, 0, 0]]]))
    >>> (dL_dkey + dL_dvalue).round(12).tolist()
    [[[0.25, 0.75, 0.0, 0.0], [0.75, -0.75, 0.0, 0.0]]]

Sources: Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks" (2014), section 2; Bahdanau, Cho and Bengio,
"Neural machine translation by jointly learning to align and translate" (2015), section 3; Luong, Pham and Manning, "Effective approaches
to attention-based neural machine translation" (2015), section 3.1 (the dot product); Williams and Zipser, "A learning algorithm for
continually running fully recurrent neural networks" (1989) (teacher forcing).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import no_grad


class Seq2Seq(Concept):
    """A GRU that reads, a GRU that writes, and attention between them; softmax cross-entropy and Adam.

    Args:
        symbols: how many different ones there are; one more, the start, stands before the first that is written.
        embedding: size of an embedding.
        hidden: H, size of a state.
        teacher_forcing: whether in training the decoder is given the right symbols before, or those that it has written itself.
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x, y (N, T) integers; the prediction (N, T, symbols).
    """

    def __init__(
        self,
        symbols: int = 10,
        embedding: int = 16,
        hidden: int = 64,
        teacher_forcing: bool = True,
        lr: float = 5e-3,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.start, self.teacher_forcing, self.lr = symbols, teacher_forcing, lr
        self.embedding = nn.Embedding(symbols + 1, embedding, rng=rng, dtype=dtype)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, rng=rng, dtype=dtype)
        self.decoder = nn.GRU(embedding, hidden, batch_first=True, rng=rng, dtype=dtype)
        self.attend = nn.ScaledDotProductAttention()
        self.out = nn.Linear(hidden, symbols, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Scores for each symbol that is written, after those before it."""
        e = self.embedding(x)
        h, last = self.encoder(e)
        d = self.embedding(before)
        s, _ = self.decoder(d, last)
        c = self.attend(s, h, h)
        z = self.out(c)
        return z

    def shifted(self, y: np.ndarray) -> np.ndarray:
        """What stands before each symbol: the start, and all but the last."""
        return np.concatenate([np.full_like(y[:, :1], self.start), y[:, :-1]], axis=1)

    def written(self, x: np.ndarray) -> np.ndarray:
        """What it writes when it is given nothing but x: each time the symbol with the largest score, (N, T)."""
        with no_grad():
            h, state = self.encoder(self.embedding(x))
            symbol, y = np.full_like(x[:, :1], self.start), []
            for _ in range(x.shape[1]):
                s, state = self.decoder(self.embedding(symbol), state)
                symbol = self.out(self.attend(s, h, h)).argmax(axis=2)
                y.append(symbol)
        return np.concatenate(y, axis=1)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        z = self(x, self.shifted(y if self.teacher_forcing else self.written(x)))
        self.save(z.shape)
        loss = self.loss(z.reshape(-1, z.shape[2]), y.reshape(-1))  # every step of every sequence is one example
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss).reshape(self.restore())  # (N·T, symbols) → (N, T, symbols)
        dL_dc = self.out.backward(dL_dz)
        dL_ds, dL_dkey, dL_dvalue = self.attend.backward(dL_dc)
        dL_dd, dL_dlast = self.decoder.backward((dL_ds, None))  # its last state was not used
        self.embedding.backward(dL_dd)
        dL_dh = dL_dkey + dL_dvalue  # h was used twice: to be compared, and to be seen
        dL_de = self.encoder.backward((dL_dh, dL_dlast))
        self.embedding.backward(dL_de)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, given the right symbols before; and how many sequences are wholly right, given nothing."""
        x, y = batch
        z, written = self(x, self.shifted(y)), self.written(x)
        self.log("loss/val", self.loss(z.reshape(-1, z.shape[2]), y.reshape(-1)), batch_size=len(x))
        self.log("accuracy/val", np.mean((written == y).all(axis=1)), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
