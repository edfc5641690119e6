"""Writing without doing all again: the keys and values of a GPT are kept. By hand.

A GPT that writes puts each new token at the end of its text and looks at all of it again, though nothing has changed before the end. For
under the causal mask no place sees those after it: what a place has computed stays right for ever. Of a place that is past, others only
ever ask for two things, in each block: its key and its value. So these are kept (the *KV cache*), and only the newest place is computed:

    h = wte[token] + wpe[t]            the newest place alone, (1, D); t places are before it
    in each block:
        q, k, v = c_attn(ln_1(h))      its query, key and value
        K, V = [K; k], [V; v]          the key and the value are put below those that are kept, (t + 1, D)
        h = h + c_proj(softmax(q Kᵀ / √d) V)      no mask: nothing is ahead of the newest place
        h = h + mlp(ln_2(h))
    z = ln_f(h) wteᵀ

The query is not kept: it has been answered.

**What it saves.** To write T tokens, place after place, 1 + 2 + … + T = T (T + 1)/2 places are computed without the cache, and T with it.
For T = 1024 that is 512 times as many. A place costs about 12 D² multiplications in each block (4 D² in attention's maps, 8 D² in the mlp),
and one more D for each place and number that is looked at: 2 D (t + 1).

**What it costs.** 2 n_layer D numbers for each place. That is what fills the memory where large models write for many people at once.

**The way back.** In training all places of a text are there at once, and are computed together: the cache is for writing, and the GPT of
this run is trained as ever. But keys and values may also be learned, for places that no text has: *prefix tuning*, which teaches a model
a task and changes none of its weights. For that the gradient must reach what is kept, and `look_backward` takes it there.

**On paper.** The two places of the concept attention, d = 4, so √d = 2. The first is past, and is kept as K = (log 3, 0, 0, 0), V = (4, 0).
The second comes, with q = (2, 0, 0, 0), k = (0, 0, 0, 0), v = (0, 8):

    K = [log 3, 0, 0, 0; 0, 0, 0, 0]     V = [4, 0; 0, 8]
    q Kᵀ / 2 = (log 3, 0)                e to it: 3, 1        softmax: ¾, ¼        times V: ¾ (4, 0) + ¼ (0, 8) = (3, 2)

Nothing of the first place was computed again. In Python:

    >>> kept = Kept()
    >>> kept.add(np.array([[[[np.log(3), 0, 0, 0]]]]), np.array([[[[4.0, 0]]]]))
    >>> kept.add(np.zeros((1, 1, 1, 4)), np.array([[[[0, 8.0]]]]))
    >>> len(kept), kept.k.shape
    (2, (1, 1, 2, 4))
    >>> look(np.array([[[[2.0, 0, 0, 0]]]]), kept.k, kept.v).round(15).tolist()
    [[[[3.0, 2.0]]]]

Sources: Pope et al. 2022, "Efficiently scaling transformer inference", section 2; Li and Liang 2021, "Prefix-tuning: optimizing continuous
prompts for generation", section 4.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual.concept import Batch
from manual.nn.functional import softmax
from manual.sampling import draw
from manual.sequences.gpt import GPT, CausalSelfAttention, scores
from manual.sequences.multihead_attention import join, split


class Kept:
    """The keys and the values of the places of a text so far, in one block. Shapes: k and v (N, n_head, places, d)."""

    def __init__(self) -> None:
        self.k: Any = None
        self.v: Any = None

    def __len__(self) -> int:
        return 0 if self.k is None else self.k.shape[2]

    def add(self, k: np.ndarray, v: np.ndarray) -> None:
        """Put those of one more place below."""
        self.k = k if self.k is None else np.concatenate([self.k, k], axis=2)
        self.v = v if self.v is None else np.concatenate([self.v, v], axis=2)


def look(q: np.ndarray, K: np.ndarray, V: np.ndarray) -> np.ndarray:
    """What the newest place finds among all that are kept. Shapes: q (N, n_head, 1, d), K and V (N, n_head, places, d), the result as q."""
    return softmax(q @ K.swapaxes(2, 3) / math.sqrt(q.shape[3])) @ V  # (…, 1, d) @ (…, d, places), then (…, 1, places) @ (…, places, d)


def look_backward(dL_dy: np.ndarray, q: np.ndarray, K: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """∂L/∂q, ∂L/∂K and ∂L/∂V."""
    scale = 1 / math.sqrt(q.shape[3])
    a = softmax(scale * (q @ K.swapaxes(2, 3)))  # (…, 1, places)
    dL_dV = a.swapaxes(2, 3) @ dL_dy  # (…, places, 1) @ (…, 1, d): each value was taken by its part
    dL_da = dL_dy @ V.swapaxes(2, 3)  # (…, 1, d) @ (…, d, places)
    dL_ds = a * (dL_da - (a * dL_da).sum(axis=3, keepdims=True))  # through the softmax
    return scale * (dL_ds @ K), scale * (dL_ds.swapaxes(2, 3) @ q), dL_dV  # (…, 1, places) @ K, and (…, places, 1) @ (…, 1, d)


def attend_last(attn: CausalSelfAttention, x: np.ndarray, kept: Kept) -> np.ndarray:
    """What the newest place finds, and its key and value are kept. Shapes: x and the result (N, 1, D)."""
    q, k, v = (split(third, attn.n_head) for third in np.split(attn.c_attn(x), 3, axis=-1))  # (N, n_head, 1, d)
    kept.add(k, v)
    return attn.c_proj(join(look(q, kept.k, kept.v)))  # (N, n_head, 1, d) among (N, n_head, t + 1, d)


class CachedGPT(GPT):
    """A GPT that is trained as ever, and writes with a cache, as much as it has places for. Arguments and shapes are the GPT's."""

    training_step, backward, configure_optimizers = GPT.training_step, GPT.backward, GPT.configure_optimizers

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and a text that is written with the cache."""
        x, target = batch
        z = self(x)
        self.log("loss/val", self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1)), batch_size=len(x))
        if batch_idx == 0:
            more = min(self.sample, self.n_positions + 1 - len(self.prompt))
            tokens, p = self.write([self.vocabulary.index(c) for c in self.prompt], self.uniform((more,)))
            self.log("sample/val", -np.log2(p).mean())
            self.log_text("sample", "".join(self.vocabulary[token] for token in tokens))

    def empty(self) -> list[Kept]:
        """What is kept of no place, for each block."""
        return [Kept() for _ in self.h]

    def place(self, kept: list[Kept]) -> int:
        """Which place comes next."""
        return len(kept[0])

    def next_scores(self, token: int, kept: list[Kept]) -> np.ndarray:
        """The scores of what comes after this token, (tokens,), which comes after those that are kept; it is kept too."""
        blocks: Any = self.h
        h = self.wte(np.array([[token]])) + self.wpe(np.array([self.place(kept)]))  # (1, 1, D): the newest place alone
        for block, of_block in zip(blocks, kept, strict=True):
            h = h + attend_last(block.attn, block.ln_1(h), of_block)
            h = h + block.mlp(block.ln_2(h))
        return scores(self.ln_f(h), self.wte.weight)[0, 0]

    def write(self, tokens: list[int], u: np.ndarray) -> tuple[list[int], np.ndarray]:
        """A text and what follows it, a token for each uniform number in u; and the probability that each of these had."""
        tokens, found, kept = list(tokens), [], self.empty()
        for token in tokens[:-1]:
            self.next_scores(token, kept)
        for number in u:
            p = softmax(self.next_scores(tokens[-1], kept))
            tokens.append(int(draw(p, number)))
            found.append(p[tokens[-1]])
        return tokens, np.array(found)
