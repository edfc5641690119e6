"""GPT-2's tokens: words, bytes as signs, pairs joined in their order; equal to the tokenizers library's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from manual.byte_pairs import BYTE, SIGN, WORDS, BytePairs

TEXTS = ["The cat's hat, 12 cats' hats!  Is it?\n\n  x_1 = 'naïve'  ", "", " ", "größer — “so” 🙂 they're", "a\tb\r\n c"]


def small() -> BytePairs:
    """Every byte, and some pairs joined."""
    merges = [("a", "t"), ("Ġ", "c"), ("h", "e"), ("Ġc", "at"), ("T", "he"), ("Ġ", "h"), ("Ġh", "at"), ("Ġcat", "s")]
    tokens = [*SIGN.values(), *(a + b for a, b in merges)]
    return BytePairs({token: i for i, token in enumerate(tokens)}, merges)


def test_every_byte_has_a_sign_of_its_own_that_can_be_seen() -> None:
    assert sorted(SIGN) == list(range(256))
    assert len(set(SIGN.values())) == 256
    assert all(sign.isprintable() and not sign.isspace() for sign in SIGN.values())
    assert (SIGN[ord(" ")], SIGN[ord("\n")], SIGN[ord("a")]) == ("Ġ", "Ċ", "a")
    assert all(BYTE[sign] == byte for byte, sign in SIGN.items())


def test_a_text_is_cut_into_words_and_nothing_is_lost() -> None:
    assert WORDS.findall("The cat's 12 x_1!  Oh\n\n") == ["The", " cat", "'s", " 12", " x", "_", "1", "!", " ", " Oh", "\n\n"]
    for text in TEXTS:
        assert "".join(WORDS.findall(text)) == text


def test_the_pair_that_stands_first_is_joined_first() -> None:
    pairs = BytePairs({}, [("b", "c"), ("a", "b"), ("a", "bc"), ("c", "a")])
    assert pairs.joined("abc") == ["abc"]
    assert pairs.joined("abab") == ["ab", "ab"]
    assert pairs.joined("cab") == ["c", "ab"]
    assert pairs.joined("bcca") == ["bc", "ca"]
    assert pairs.joined("x") == ["x"]


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_lead_back_to_the_text(text: str) -> None:
    pairs = small()
    assert pairs.decode(pairs.encode(text)) == text


def test_bytes_that_are_no_character_are_marked() -> None:
    pairs = small()
    assert pairs.decode(pairs.encode("ö")[:1]) == "�"


@pytest.mark.library
@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_the_tokenizers_library(text: str, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    ours = small()
    (tmp_path / "vocab.json").write_text(json.dumps(ours.token), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in ours.rank)]
    (tmp_path / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    theirs = tokenizers.ByteLevelBPETokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    assert BytePairs.from_folder(tmp_path).encode(text) == ours.encode(text) == theirs.encode(text).ids
    numbers = np.array(ours.encode(text), np.int64)
    assert BytePairs.from_folder(tmp_path).decode(numbers.tolist()) == text
