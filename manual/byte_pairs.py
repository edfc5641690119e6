"""Text to tokens and back as GPT-2 does it, given its two files: vocab.json, a number for each token, and merges.txt, which pairs to join.

A text is cut into words, a word into bytes, and the pair of neighbours that stands first in merges.txt is joined, again and again, until
none of the pairs stands there (Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword units", section
3.2). All 256 bytes are tokens, so that there is no text that cannot be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

WORDS = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
"""GPT-2's words: a blank before a word belongs to it. (What is neither letter nor digit, such as ² and ½, counts as a letter here.)"""

VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
SIGN = {byte: chr(byte) for byte in VISIBLE}
SIGN |= {byte: chr(256 + i) for i, byte in enumerate(b for b in range(256) if b not in SIGN)}
"""How GPT-2's files write each byte: as a character that can be seen, Ġ for a blank."""

BYTE = {sign: byte for byte, sign in SIGN.items()}


class BytePairs:
    """A tokenizer.

    Args:
        vocabulary: a number for each token, written in SIGNs.
        merges: the pairs that are joined, the first of them first.
    """

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        self.token = dict(vocabulary)
        self.written = {number: sign for sign, number in self.token.items()}
        self.rank = {pair: i for i, pair in enumerate(merges)}

    @classmethod
    def from_folder(cls, folder: Path) -> BytePairs:
        """Of the files vocab.json and merges.txt.

        Raises:
            FileNotFoundError: if one of them is missing.
        """
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
        pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
        return cls(json.loads((folder / "vocab.json").read_text(encoding="utf-8")), [(a, b) for a, b in pairs])

    def joined(self, word: str) -> list[str]:
        """The tokens of a word that is written in SIGNs: pairs are joined as long as one of them stands in the list."""
        parts, last = list(word), len(self.rank)
        while len(parts) > 1:
            rank, i = min((self.rank.get(pair, last), i) for i, pair in enumerate(pairwise(parts)))
            if rank == last:
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return parts

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's tokens."""
        words = WORDS.findall(text)
        parts = {word: self.joined("".join(SIGN[byte] for byte in word.encode())) for word in set(words)}  # most words come again
        return [self.token[part] for word in words for part in parts[word]]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens; bytes that are no whole character become �."""
        return bytes(BYTE[sign] for token in tokens for sign in self.written[int(token)]).decode(errors="replace")
