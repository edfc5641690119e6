"""Python's documentation as tokens: every character there and back, windows that follow one another, and a last tenth that is not seen."""

from __future__ import annotations

from pydoc_data.topics import topics

import numpy as np
import pytest

from experiments.data.arrays import InputError
from experiments.data.text import Text, decode, documentation, encode, vocabulary_of, windows


def test_text_has_every_topic_in_the_order_of_their_names() -> None:
    text = documentation()
    assert len(text) == sum(map(len, topics.values())) + len(topics) - 1
    place = 0
    for name in sorted(topics):
        assert text.startswith(topics[name], place), name
        place += len(topics[name]) + 1
    assert "\n\n" in text
    assert "\t" not in text


def test_vocabulary_is_every_character_once_and_sorted() -> None:
    assert vocabulary_of("banana") == "abn"
    found = vocabulary_of(documentation())
    assert list(found) == sorted(set(documentation()))
    assert set("\n =()abcxyzABCXYZ019") <= set(found)


def test_tokens_are_places_in_the_vocabulary_and_lead_back_to_the_text() -> None:
    assert encode("banana", "abn").tolist() == [1, 0, 2, 0, 2, 0]
    text, vocabulary = documentation(), vocabulary_of(documentation())
    tokens = encode(text, vocabulary)
    assert (tokens.dtype, tokens.shape) == (np.int64, (len(text),))
    assert decode(tokens, vocabulary) == text
    assert np.array_equal(np.unique(tokens), np.arange(len(vocabulary)))
    assert decode(encode("", "abn"), "abn") == ""


def test_character_that_the_text_does_not_have_is_named() -> None:
    with pytest.raises(InputError, match="'c' is none of the 3 characters"):
        encode("bacd", "abn")


def test_windows_follow_one_another_and_targets_are_one_further() -> None:
    x, y = windows(np.arange(11), 3)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert y.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert [part.shape for part in windows(np.arange(9), 3)] == [(2, 3), (2, 3)]  # of the last three the last has no next
    assert len(windows(np.arange(10), 3)[0]) == 3


@pytest.mark.parametrize("arguments", [{}, {"window": 17, "characters": 5000}])
def test_last_tenth_is_held_out_and_the_rest_is_trained_on(arguments: dict[str, int]) -> None:
    data = Text(**arguments)
    assert data.text == documentation()[: arguments.get("characters")]
    assert data.trained_on + data.held_out == data.text
    assert len(data.held_out) == len(data.text) // 10
    assert data.vocabulary == vocabulary_of(documentation())
    assert data.symbols == len(data.vocabulary)
    for (x, y), part in zip((data.split.train, data.split.val), (data.trained_on, data.held_out), strict=True):
        assert x.shape == y.shape == ((len(part) - 1) // data.window, data.window)
        assert decode(x.ravel(), data.vocabulary) == part[: x.size]
        assert decode(y.ravel(), data.vocabulary) == part[1 : x.size + 1]


def test_held_out_tenth_has_no_character_that_is_not_trained_on() -> None:
    data = Text()
    assert set(data.held_out) <= set(data.trained_on)


@pytest.mark.parametrize("wrong", [{"window": 0}, {"characters": -1}, {"characters": 600}, {"characters": 9, "window": 1}])
def test_bad_arguments_are_refused_in_a_line(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="window"):
        Text(**wrong)


def test_loader_hands_out_windows_of_tokens() -> None:
    data = Text(batch_size=5, characters=20_000)
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == y.shape == (5, 64)
    assert (x[:, 1:] == y[:, :-1]).all()
    text = decode(x[0].numpy(), data.vocabulary)
    assert text in data.trained_on
