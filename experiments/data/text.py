"""Text: Python's own documentation as it comes with every Python, a character at a time (`pydoc_data.topics`, what help() shows).

It differs a little from one version of Python to the next: whatever is said of it must be counted, not quoted.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from experiments.data.arrays import ArrayData, InputError, Split


@cache
def documentation() -> str:
    """All topics in the order of their names, an empty line between them; nearly half a million characters."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


@cache
def vocabulary_of(text: str) -> str:
    """Every character of a text once, sorted. The place of a character in it is the character's token."""
    return "".join(sorted(set(text)))


def encode(text: str, vocabulary: str) -> np.ndarray:
    """The tokens of a text, (len(text),) int64.

    Raises:
        InputError: if a character is not in the vocabulary.
    """
    if unknown := sorted(set(text) - set(vocabulary)):
        raise InputError(f"{unknown[0]!r} is none of the {len(vocabulary)} characters that the text has")
    known, codes = (np.frombuffer(of.encode("utf-32-le"), "<u4") for of in (vocabulary, text))
    token_of = np.zeros(known.max(initial=0) + 1, np.int64)
    token_of[known] = np.arange(len(known))
    return token_of[codes]


def decode(tokens: np.ndarray, vocabulary: str) -> str:
    """The text of some tokens, (T,)."""
    return "".join(vocabulary[token] for token in tokens)


def windows(tokens: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """A sequence cut into pieces (N, length), and for each the targets (N, length), one token further. What is left over is dropped."""
    n = (len(tokens) - 1) // length
    return tokens[: n * length].reshape(n, length), tokens[1 : n * length + 1].reshape(n, length)


class Text(ArrayData):
    """Windows of Python's documentation: tokens, and at each place the token that comes next. The last tenth of the text is held out.

    Args:
        batch_size: windows in a batch; 0 puts all of them into one.
        seed: of the order of the batches.
        window: T, characters in a window.
        characters: how many of the text are used, from its beginning; 0 is all of it.

    Attributes:
        text: what is used.
        vocabulary: the characters of the whole documentation, sorted; the same however much of it is used.
        held_out: the last tenth of the text.

    Raises:
        InputError: if the held-out tenth is not longer than a window.
    """

    def __init__(self, batch_size: int = 16, seed: int = 0, window: int = 64, characters: int = 0) -> None:
        super().__init__(batch_size, seed)
        if window < 1 or characters < 0:
            raise InputError(f"--data.window must be at least 1 and --data.characters not negative, got {window} and {characters}")
        self.window, self.characters = window, characters
        self.text = documentation()[: characters or None]
        self.vocabulary = vocabulary_of(documentation())
        self.held_out = self.text[len(self.text) - len(self.text) // 10 :]
        if len(self.held_out) <= window:
            raise InputError(f"a tenth of the text is held out: {len(self.held_out)} characters, too few for windows of {window}")

    @property
    def symbols(self) -> int:
        """How many different characters there are."""
        return len(self.vocabulary)

    @property
    def trained_on(self) -> str:
        """The text without its last tenth."""
        return self.text[: len(self.text) - len(self.held_out)]

    def load(self) -> Split:
        return Split(*(windows(encode(part, self.vocabulary), self.window) for part in (self.trained_on, self.held_out)))
