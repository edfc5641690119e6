"""A GPT that writes: GPT-2's architecture, whole, on the characters of Python's documentation. By hand.

A *language model* is asked one question again and again: what comes next? It answers with a probability for each token, here each
character. To write, one is drawn with these probabilities and put at the end, and the question is asked again. That is all that GPT-2
(2019), ChatGPT's forefather, does; and here is all of it, under its own names. Only the sizes differ:

    n_embd       D, how many numbers stand for a place       here 64, in GPT-2 768 and more
    n_head       in how many parts attention looks           4, 12
    n_layer      blocks, one after the other                 2, 12
    n_positions  T, places that it sees at once              64, 1024

A text x of T tokens goes through it in these lines. h is (T, D):

    h = wte[x] + wpe[0 … T−1]        a row for each token, and one for each place; both tables are learned
    h = h + attn(ln_1(h))            in each block: every place looks at itself and those before it, and adds what it found;
    h = h + mlp(ln_2(h))             then each place thinks alone, in a network with one hidden layer, and adds that
    z = ln_f(h) wteᵀ                 a score for each token that may come next, (T, tokens)

**Residual.** A part adds to h and never replaces it. On the way back ∂L/∂h goes around the part, unchanged, and through it: so the first
block hears from the loss directly.

**Pre-norm.** ln takes the mean of a place's D numbers away and divides by their standard deviation: a part sees numbers of one size.

**Heads.** attn has n_head of them: one may look one character back, another for an open bracket. c_attn makes q, k and v in one go.

**The mlp** is 4 D wide inside. Its GELU is a smooth ReLU: x times the probability that a standard Normal lies below x.

**Tied weights.** wte says what a token means on its way in; on the way out, what h must look like for it to come next. Its gradient is the
sum of two.

**The start.** Weights from a Normal of standard deviation 0.02; those of c_proj, the last map of each part, smaller by √(2 n_layer), for
so many parts add up in h.

**The steps.** AdamW is Adam that also shrinks each weight a little. Its step size rises from nearly 0 (*warm-up*: Adam does not yet
know how large gradients are), then falls along half a cosine. A gradient longer than 1 is cut to 1 (*clipping*).

**How good?** *Bits per character*: the mean of −log₂ p of what really came. The judges are *n-grams*, which have counted what followed
the last n − 1 characters.

**On paper.** Three tokens, one number each: wte = (a, 0, 0) with a² = log 2. After token 0, with nothing between, x = a, and

    z = x wteᵀ = (a², 0, 0)       e to it: 2, 1, 1       p = (½, ¼, ¼)       token 1 came: −log₂ ¼ = 2 bits
    ∂L/∂z = p − (0, 1, 0) = (½, −¾, ¼)
    on the way out    ∂L/∂wte = ∂L/∂z x = a (½, −¾, ¼)
    on the way in     ∂L/∂x = Σ ∂L/∂z[v] wte[v] = a ½, for row 0, which x was read from
    together          ∂L/∂wte = a (1, −¾, ¼)

    >>> a = np.sqrt(np.log(2))
    >>> wte, x = np.array([[a], [0.0], [0.0]]), np.array([[a]])
    >>> p = softmax(scores(x, wte))
    >>> p.round(15).tolist()
    [[0.5, 0.25, 0.25]]
    >>> dL_dx, dL_dwte = scores_backward(p - np.array([[0.0, 1.0, 0.0]]), x, wte)
    >>> (dL_dx / a).round(15).tolist(), (dL_dwte / a).round(15).ravel().tolist()
    ([[0.5]], [0.5, -0.75, 0.25])

Sources: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3; Radford et al. 2018, "Improving language
understanding by generative pre-training", section 4.1; Press and Wolf 2017, "Using the output embedding to improve language models".
"""

from __future__ import annotations

import math
import string
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Array, Module, no_grad
from manual.nn.functional import softmax
from manual.nn.init import normal
from manual.noise import Uniform
from manual.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from manual.sampling import draw
from manual.sequences.multihead_attention import join, split


def scores(x: np.ndarray, table: Array) -> np.ndarray:
    """How well each place fits each token, z = x tableᵀ. Shapes: x (..., D), table (tokens, D), z (..., tokens)."""
    return x @ table.T  # (..., D) @ (D, tokens)


def scores_backward(dL_dz: np.ndarray, x: np.ndarray, table: Array) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂x and ∂L/∂table."""
    dL_dx = dL_dz @ table  # (..., tokens) @ (tokens, D)
    rows = dL_dz.reshape(-1, dL_dz.shape[-1])  # every place of every text is a row
    return dL_dx, rows.T @ x.reshape(-1, x.shape[-1])  # (tokens, rows) @ (rows, D)


class CausalSelfAttention(Module):
    """Each place asks itself and the places before it, in several heads at once. Shapes: x and out (N, T, D)."""

    def __init__(self, n_embd: int, n_head: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.n_head = n_head
        self.c_attn = nn.Linear(n_embd, 3 * n_embd, rng=rng, dtype=dtype)
        self.attend = nn.ScaledDotProductAttention()
        self.c_proj = nn.Linear(n_embd, n_embd, rng=rng, dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        q, k, v = (split(third, self.n_head) for third in np.split(self.c_attn(x), 3, axis=-1))
        y = self.attend(q, k, v, is_causal=True)
        return self.c_proj(join(y))

    def backward(self, dL_dout: np.ndarray) -> np.ndarray:
        dL_dy = split(self.c_proj.backward(dL_dout), self.n_head)
        dL_dthirds = [join(d) for d in self.attend.backward(dL_dy)]  # of q, k and v
        return self.c_attn.backward(np.concatenate(dL_dthirds, axis=-1))  # (N, T, 3 D)


class MLP(Module):
    """What each place makes of its own D numbers: c_proj(gelu(c_fc(x))), 4 D wide inside. Shapes: x and out (N, T, D)."""

    def __init__(self, n_embd: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.c_fc = nn.Linear(n_embd, 4 * n_embd, rng=rng, dtype=dtype)
        self.act = nn.GELU("tanh")
        self.c_proj = nn.Linear(4 * n_embd, n_embd, rng=rng, dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.c_proj(self.act(self.c_fc(x)))

    def backward(self, dL_dout: np.ndarray) -> np.ndarray:
        return self.c_fc.backward(self.act.backward(self.c_proj.backward(dL_dout)))


class Block(Module):
    """h + attn(ln_1(h)), and then the same with ln_2 and mlp. Shapes: (N, T, D)."""

    def __init__(self, n_embd: int, n_head: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd, dtype=dtype)
        self.attn = CausalSelfAttention(n_embd, n_head, rng=rng, dtype=dtype)
        self.ln_2 = nn.LayerNorm(n_embd, dtype=dtype)
        self.mlp = MLP(n_embd, rng=rng, dtype=dtype)

    def forward(self, h: np.ndarray) -> np.ndarray:
        h = h + self.attn(self.ln_1(h))
        return h + self.mlp(self.ln_2(h))

    def backward(self, dL_dh: np.ndarray) -> np.ndarray:
        dL_dh = dL_dh + self.ln_2.backward(self.mlp.backward(dL_dh))  # around the mlp, and through it
        return dL_dh + self.ln_1.backward(self.attn.backward(dL_dh))


class GPT(Concept):
    """GPT-2, trained to foretell the next character, and asked for a text of its own at every validation.

    Args:
        vocabulary: the characters; the place of one in it is its token.
        n_positions, n_embd, n_head, n_layer: its sizes, as above.
        lr: AdamW's largest step size.
        warmup: steps in which lr is reached.
        steps: after which it has fallen to a tenth, where it stays.
        prompt, sample: what the texts that it writes begin with, and how many characters follow.
        rng: draws the initial weights and the texts.
        dtype: of the parameters.

    Shapes: x and target (N, T) integers; the scores z (N, T, tokens).

    Raises:
        ValueError: if n_head does not divide n_embd, or warmup is not between 0 and steps.
    """

    def __init__(
        self,
        vocabulary: str = string.printable,
        n_positions: int = 64,
        n_embd: int = 64,
        n_head: int = 4,
        n_layer: int = 2,
        lr: float = 1e-2,
        warmup: int = 100,
        steps: int = 1200,
        prompt: str = "\n",
        sample: int = 200,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if n_embd % n_head or not 0 < warmup < steps:
            raise ValueError(
                f"GPT: n_head must divide n_embd, and warmup lie between 0 and steps, got {n_head}, {n_embd}, {warmup} and {steps}"
            )
        self.vocabulary, self.n_positions, self.prompt, self.sample = vocabulary, n_positions, prompt, sample
        self.lr, self.warmup, self.steps = lr, warmup, steps
        self.wte = nn.Embedding(len(vocabulary), n_embd, rng=rng, dtype=dtype)
        self.wpe = nn.Embedding(n_positions, n_embd, rng=rng, dtype=dtype)
        self.h = nn.ModuleList([Block(n_embd, n_head, rng=rng, dtype=dtype) for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(n_embd, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()
        self.uniform = Uniform(rng=rng, dtype=dtype)
        begin(self, n_layer, rng)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The scores of what comes next, at every place."""
        h = self.wte(x) + self.wpe(np.arange(x.shape[1]))  # (N, T, D) + (T, D): a place has one row in all texts
        for block in self.h:
            h = block(h)
        h = self.ln_f(h)
        self.save(h)
        return scores(h, self.wte.weight)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, target = batch
        z = self(x)
        self.save(z.shape)
        loss = self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1))  # every place of every text is one example
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss).reshape(self.restore())  # (N·T, tokens) to (N, T, tokens)
        dL_dh, dL_dtable = scores_backward(dL_dz, self.restore(), self.wte.weight)
        self.wte.weight.grad += dL_dtable  # the table on the way out
        dL_dh = self.ln_f.backward(dL_dh)
        for block in reversed(list(self.h)):
            dL_dh = block.backward(dL_dh)
        self.wpe.backward(dL_dh.sum(axis=0))  # (N, T, D) to (T, D): the row of a place was added to all N texts
        self.wte.backward(dL_dh)  # the table on the way in

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, target = batch
        z = self(x)
        loss = self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1))
        self.log("loss/val", loss, batch_size=len(x))
        self.log("bits/val", loss / math.log(2), batch_size=len(x))
        if batch_idx == 0:
            write(self)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.AdamW(self.parameters(), lr=self.lr, betas=(0.9, 0.95), weight_decay=0.1)
        rise = LinearLR(optimizer, 1 / self.warmup, 1.0, self.warmup)
        fall = CosineAnnealingLR(optimizer, self.steps - self.warmup, 0.1 * self.lr)
        both = SequentialLR(optimizer, [rise, fall], [self.warmup])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": both, "interval": "step"}}


# ---- further reading: the first weights, and how it writes ---------------------------------------------
# GPT-2 was trained with dropout, which is left out here: a model this small has no room to learn its text by heart.


def begin(model: GPT, n_layer: int, rng: np.random.Generator | None) -> None:
    """GPT-2's initial weights: N(0, 0.02²), what is added into h smaller, biases 0; norms stay as they are."""
    for name, p in model.named_parameters():
        if p.ndim == 2:
            std = 0.02 / math.sqrt(2 * n_layer) if name.endswith("c_proj.weight") else 0.02
            p[...] = normal(p.shape, 0.0, std, rng=rng, dtype=p.dtype)
        elif name.endswith("bias"):
            p[...] = 0


def write(model: GPT) -> None:
    """Log a text, and how surprising it was to its own writer, in bits per character."""
    tokens, p = continued(model, [model.vocabulary.index(c) for c in model.prompt], model.uniform((model.sample,)))
    model.log("sample/val", -np.log2(p).mean())
    model.log_text("sample", "".join(model.vocabulary[token] for token in tokens))


def continued(model: GPT, tokens: list[int], u: np.ndarray) -> tuple[list[int], np.ndarray]:
    """A text and what follows it, drawn by inverse CDF: a token for each uniform number in u; and the probability that each had."""
    tokens, found = list(tokens), []
    for number in u:
        p = softmax(model(np.array([tokens[-model.n_positions :]]))[0, -1])  # (tokens,), of what follows the last place
        tokens.append(int(draw(p, number)))
        found.append(p[tokens[-1]])
    return tokens, np.array(found)


# ---- further reading: published weights ----------------------------------------------------------------
#
#     python -m manual.sequences.gpt FOLDER "In the beginning"
#
# writes on with the weights in FOLDER/model.safetensors, in NumPy alone. FOLDER holds what is published as `gpt2`, `gpt2-medium` and so on
# (huggingface.co/openai-community/gpt2): config.json, vocab.json and merges.txt beside the weights.

TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
"""Hugging Face's Conv1D computes x W + b: its W is the transpose of a Linear's."""


def published(state: dict[str, Any], n_head: int | None = None, *, dtype: Any = np.float64) -> GPT:
    """The GPT of a state_dict of Hugging Face's GPT2LMHeadModel, or of its GPT2Model.

    Args:
        state: arrays by name. The masks that old files hold are passed over, and lm_head, which is wte.
        n_head: which no array tells; D / 64 unless given, as in all that OpenAI has published.
        dtype: of the parameters.

    Raises:
        ValueError: if an array is missing, is surplus or has another shape.
    """
    state = {name.removeprefix("transformer."): np.asarray(array) for name, array in state.items()}
    state = {name: array for name, array in state.items() if not name.endswith((".attn.bias", ".attn.masked_bias", "lm_head.weight"))}
    if not {"wte.weight", "wpe.weight"} <= set(state):
        raise ValueError(f"these are no weights of a GPT-2: wte.weight or wpe.weight is missing among {', '.join([*state][:5])} …")
    (tokens, n_embd), n_layer = state["wte.weight"].shape, len({name.split(".")[1] for name in state if name.startswith("h.")})
    signs = "".join(map(chr, range(tokens)))  # one for each token, until somebody knows what they mean
    model = GPT(signs, len(state["wpe.weight"]), n_embd, n_head or n_embd // 64, n_layer, dtype=dtype)
    model.load_state_dict({name: array.T if name.endswith(TURNED) else array for name, array in state.items()})
    return model


def main(folder: str, prompt: str, length: str = "40", seed: str = "0") -> None:
    """Print the prompt and what the published weights in a folder make of it, token by token."""
    import json
    from pathlib import Path

    from manual.byte_pairs import BytePairs
    from manual.serialization import load_safetensors

    path, rng = Path(folder), np.random.default_rng(int(seed))
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    pairs, model = BytePairs.from_folder(path), published(load_safetensors(path / "model.safetensors"), config["n_head"], dtype=np.float32)
    tokens = pairs.encode(prompt)
    print(pairs.decode(tokens), end="", flush=True)
    with no_grad():
        for _ in range(int(length)):
            tokens, _ = continued(model, tokens, rng.random(1))
            print(pairs.decode(tokens[-1:]), end="", flush=True)
    print()


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(prog="python -m manual.sequences.gpt", description=main.__doc__)
    parser.add_argument("folder", help="config.json, vocab.json, merges.txt and model.safetensors")
    parser.add_argument("prompt", help="what the text begins with")
    parser.add_argument("length", nargs="?", default="40", help="tokens to be written (default 40)")
    parser.add_argument("seed", nargs="?", default="0", help="of what is drawn (default 0)")
    options = parser.parse_args()
    try:
        main(**vars(options))
    except (OSError, ValueError) as error:
        parser.error(str(error))
