"""Tokens: byte-pair encoding, learned from real text; and what a character costs who foretells tokens, by hand.

Large language models do not read letters. They read *tokens*: pieces of text such as "the", "ing" or " function", each with a number.
Whole words would be too many, and tomorrow somebody writes a new one; single letters make texts long. Tokens lie between. Which ones, is
counted: that is *byte-pair encoding*, BPE.

**To learn.** A computer stores a text as *bytes*, numbers from 0 to 255; an English letter is one byte, an "é" two. At first each byte is
a token. It is written as a sign that can be seen: a blank as Ġ, a new line as Ċ. Then, again and again:

    count   how often does each pair of tokens stand side by side?
    merge   join the commonest pair into a new token, wherever it stands

Each *merge* adds one token. The text is cut into words before ("the cat" → "the", "Ġcat"), so that no token has parts of two words. If two
pairs are equally common, the one whose tokens have the lower numbers is taken; any rule would do.

**To encode** a text is to do the same merges in the same order. **To decode** is to write the tokens one behind the other. Nothing is
lost: what is rare falls apart into small pieces. Both are in manual/byte_pairs.py.

**To foretell.** As in bigrams, one table Z of scores tells which token follows which: p[a] = softmax(Z[a]), and c[a, b] is how often a is
followed by b. But a token may be one character or nine. Who foretells "function" in one go has a harder guess than who foretells an "n"
after "functio", and makes fewer guesses. So the surprise at the whole text is divided by what both have in common: its characters.

    L = −1/C Σ over a, b of c[a, b] log p[a, b]      C: how many characters the text has; with N, the number of tokens: per token
    bits per character = L / log 2

It is the surprise per token, times N, over C. A merge changes N and leaves C alone. The common mistake is to compare different vocabularies
per token.

Backward. As in bigrams; only what it is divided by is another:

    ∂L/∂Z[a, b] = (n[a] p[a, b] − c[a, b]) / C       how often b was foretold after a, minus how often it came; n[a] = Σ_b c[a, b]

So the best table is still what was counted: p[a, b] = c[a, b] / n[a], or with `alpha` added to every count.

**Why it helps.** A table looks back at one token. If that is " functio", it looks back at eight characters. It must be paid for: V tokens
make a table of V² scores, and of a short text most pairs never come.

**On paper.** The text "hug hug pug" has the words "hug", "Ġhug" and "Ġpug". Pairs: ug three times, hu twice; Ġh, Ġp and pu once.

    merge 1: u + g → ug           h ug | Ġ h ug | Ġ p ug           h·ug twice; Ġ·h, Ġ·p, p·ug once
    merge 2: h + ug → hug         hug | Ġ hug | Ġ p ug             11 characters, now 6 tokens
    merge 3: all once, the lowest numbers are p's and ug's: pug

What does the text cost by the best table? Let it begin as if after a blank. The only doubt is after Ġ, where "hug" comes twice in three
and "p" once: 2 log₂ 1.5 + log₂ 3 = 2 · 0.585 + 1.585 = 2.755 bits. Before any merge it was the same: after Ġ, "h" or "p". So

    11 tokens:    2.755 / 11 = 0.250 per token       2.755 / 11 = 0.250 per character
     6 tokens:    2.755 / 6  = 0.459 per token       2.755 / 11 = 0.250 per character

Nothing became worse, though the left says so. At Z = 0 each of the 7 tokens has p = 1/7. After Ġ something came n = 3 times:
∂L/∂Z[Ġ, hug] = (3/7 − 2) / 11 = −0.143, ∂L/∂Z[Ġ, p] = (3/7 − 1) / 11 = −0.052.

    >>> pairs = tokenizer("hug hug pug", merges=2)
    >>> list(pairs.rank)
    [('u', 'g'), ('h', 'ug')]
    >>> numbers = pairs.encode("hug hug pug")
    >>> [pairs.written[number] for number in numbers], pairs.decode(numbers)
    (['hug', 'Ġ', 'hug', 'Ġ', 'p', 'ug'], 'hug hug pug')
    >>> c, characters = follows(pairs, "hug hug pug", before=" ")
    >>> best = np.log(c + 1e-12)
    >>> [float((per_character(best, c, C) / np.log(2)).round(3)) for C in (c.sum(axis=1), characters)]
    [0.459, 0.25]
    >>> blank, hug, p = (pairs.token[sign] for sign in ("Ġ", "hug", "p"))
    >>> per_character_backward(1.0, np.zeros((7, 7)), c, characters)[blank, [hug, p]].round(3).tolist()
    [-0.143, -0.052]

Sources: Gage 1994, "A new algorithm for data compression"; Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words
with subword units", section 3.2 and algorithm 1; Radford et al. 2019, "Language models are
unsupervised multitask learners", section 2.2 (bytes).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from manual import nn, optim
from manual.byte_pairs import BYTE, SIGN, WORDS, BytePairs
from manual.concept import Batch, Concept
from manual.sequences.bigrams import count, surprise, surprise_backward

Word = tuple[str, ...]
"""A word as its tokens, each written in signs."""


def signs(text: str) -> str:
    """The bytes of a text, each written as a sign."""
    return "".join(SIGN[byte] for byte in text.encode())


def count_words(text: str) -> Counter[Word]:
    """How often each word comes, every byte of it a token."""
    return Counter(tuple(signs(word)) for word in WORDS.findall(text))


def count_pairs(words: Mapping[Word, int]) -> Counter[tuple[str, str]]:
    """How often each two tokens stand side by side within a word."""
    pairs: Counter[tuple[str, str]] = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            pairs[pair] += times
    return pairs


def merge(word: Word, pair: tuple[str, str]) -> Word:
    """The word with the pair joined wherever it stands, from left to right."""
    tokens, i = list[str](), 0
    while i < len(word):
        length = 2 if word[i : i + 2] == pair else 1
        tokens.append("".join(word[i : i + length]))
        i += length
    return tuple(tokens)


def tokenizer(text: str, merges: int, alphabet: str = "") -> BytePairs:
    """Learn byte-pair encoding from a text.

    Args:
        text: whose pairs are counted.
        merges: how many pairs are joined; fewer if no word has two tokens any more.
        alphabet: a text whose bytes become tokens too: what is to be encoded later and does not come in the text.

    Returns:
        The tokenizer: first the bytes' signs, sorted, then a token for each merge.
    """
    words, learned = count_words(text), list[tuple[str, str]]()
    token = {sign: number for number, sign in enumerate(sorted({SIGN[byte] for byte in set((text + alphabet).encode())}))}
    for _ in range(merges):
        pairs = count_pairs(words)
        if not pairs:
            break
        commonest = min(pairs, key=lambda pair: (-pairs[pair], token[pair[0]], token[pair[1]]))
        learned.append(commonest)
        token.setdefault("".join(commonest), len(token))
        words = Counter({merge(word, commonest): times for word, times in words.items()})
    return BytePairs(token, learned)


def characters_of(token: str) -> int:
    """How many characters begin in a token: bytes that continue one (UTF-8 has them between 128 and 191) do not count."""
    return sum(not 128 <= BYTE[sign] < 192 for sign in token)


def follows(pairs: BytePairs, text: str, before: str = "\n") -> tuple[np.ndarray, np.ndarray]:
    """What is learned from: which token follows which.

    Args:
        pairs: the tokenizer.
        text: to be foretold, all of it.
        before: one character, of one byte, that is taken to stand before the text.

    Returns:
        c (V, V), how often a is followed by b, and (V,), how many characters have followed on a; their sum is the text's length.
    """
    c = count(np.array([pairs.token[SIGN[ord(before)]], *pairs.encode(text)]), len(pairs.token))
    return c, c @ np.array([characters_of(pairs.written[b]) for b in range(len(c))], float)  # (V, V) @ (V,)


def per_character(z: np.ndarray, c: np.ndarray, characters: np.ndarray) -> Any:
    """L = −1/C Σ c log p: the surprise per token, times the tokens, over the characters. Shapes: z and c (rows, V), characters (rows,)."""
    return surprise(z, c) * (c.sum() / characters.sum())


def per_character_backward(dL_dy: Any, z: np.ndarray, c: np.ndarray, characters: np.ndarray) -> np.ndarray:
    """∂L/∂z = (n p − c) / C. Shapes: z, c and the result (rows, V), characters (rows,)."""
    return surprise_backward(dL_dy * (c.sum() / characters.sum()), z, c)


class Tokens(Concept):
    """A table of scores, a row for each token before, learned from how often each token followed.

    Args:
        symbols: V, how many tokens there are.
        alpha: added to each count that is learned from; of a short text most pairs never come.
        per_token: divide the loss by the number of tokens in place of characters: not to be compared with other vocabularies.
        lr: Adam's step size. 1 is large; a score must get far below the others where a pair never came.
        rng: of no use here: all scores begin at 0.
        dtype: of the table.

    Shapes: a batch is a (rows,), the tokens before, c (rows, V), how often each followed, and (rows,), how many characters those have;
        table.weight (V, V).

    Raises:
        ValueError: if symbols is below 1, or alpha below 0.
    """

    def __init__(
        self,
        symbols: int = 207,
        alpha: float = 0.01,
        per_token: bool = False,
        lr: float = 1.0,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if symbols < 1 or alpha < 0:
            raise ValueError(f"Tokens: symbols must be at least 1 and alpha not below 0, got {symbols} and {alpha}")
        self.alpha, self.per_token, self.lr = alpha, per_token, lr
        self.table = nn.Embedding(symbols, symbols, rng=rng, dtype=dtype)  # its weight is Z
        self.table.weight[...] = 0

    def forward(self, a: np.ndarray) -> np.ndarray:
        """The scores of what may follow, (rows, V)."""
        return self.table(a)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        a, c, characters = batch
        z, C = self(a), c.sum(axis=1) if self.per_token else characters
        self.save(z, c + self.alpha, C)
        loss = per_character(z, c + self.alpha, C)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        z, c, C = self.restore()
        dL_dz = per_character_backward(dL_dloss, z, c, C)
        self.table.backward(dL_dz)  # each row of dL_dz is added to the row of Z that it was read from

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The surprise at a text; in bits per character; and in bits per token, to see how that misleads."""
        a, c, characters = batch
        z = self(a)
        self.log("loss/val", per_character(z, c, c.sum(axis=1) if self.per_token else characters), batch_size=len(a))
        self.log("bits/val", per_character(z, c, characters) / math.log(2), batch_size=len(a))
        self.log("bits_per_token/val", surprise(z, c) / math.log(2), batch_size=len(a))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr, eps=1e-6)  # a gradient of 0 is rounded to 1e-12: no step is made of it
