"""Tokens: the commonest pair is joined, as the tokenizers library does it; and per character a text costs less with every merge."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.data.text import documentation
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import bigrams
from experiments.sequences import tokens as script
from experiments.sequences.bigrams import counted
from experiments.sequences.tokens import TWIN, Pieces, bits, counted_bits, learned_table, learned_tokenizer
from manual.byte_pairs import SIGN, WORDS, BytePairs
from manual.sequences import tokens as by_hand
from torch_impl.sequences import tokens as in_torch

SIDES = pytest.mark.parametrize("side", ["manual", "torch"])
TEXT = documentation()[:20_000]
TEXTS = [TEXT, "hug hug pug", "aaaa aaa aaaaa aa", "größer größe “so” naïve naïveté 🙂🙂", "x\r\n\r\n  y\r\n  z"]


@cache
def run() -> Trained:
    """As the twin says."""
    return trained(TWIN)


def test_slope_is_that_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    z, other = rng.normal(0, 2, (2, 4, 3))
    c, characters = rng.integers(0, 4, (4, 3)) + 0.5, rng.uniform(2, 9, 4)
    check_grads(
        lambda z: by_hand.per_character(z, c, characters),
        [z],
        again=[other],
        backward=lambda dL_dy, z: by_hand.per_character_backward(dL_dy, z, c, characters),
        torch=lambda z: in_torch.per_character(z, torch.from_numpy(c), torch.from_numpy(characters)),
    )


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(variant=variant)
    ours.table.weight[...] = np.random.default_rng(1).normal(size=ours.table.weight.shape)
    a, c, characters = TWIN.make_data().split.train
    check_grads(ours, (a[60:75], c[60:75], characters[60:75]), again=(a[:6], c[:6], characters[:6]), torch=theirs)


# ---- to learn, encode and decode -----------------------------------------------------------------


def test_pairs_are_counted_and_joined_as_on_paper() -> None:
    words = by_hand.count_words("hug hug pug")
    assert words == {("h", "u", "g"): 1, ("Ġ", "h", "u", "g"): 1, ("Ġ", "p", "u", "g"): 1}
    assert by_hand.count_pairs(words) == {("h", "u"): 2, ("u", "g"): 3, ("Ġ", "h"): 1, ("Ġ", "p"): 1, ("p", "u"): 1}
    assert list(by_hand.tokenizer("hug hug pug", 9).rank) == [("u", "g"), ("h", "ug"), ("p", "ug"), ("Ġ", "hug"), ("Ġ", "pug")]
    assert by_hand.count_pairs({("a", "a", "a"): 2}) == {("a", "a"): 4}
    assert by_hand.tokenizer("", 3).token == {}


def test_each_merge_joins_the_commonest_pair_of_the_text_as_it_is_then() -> None:
    pairs = learned_tokenizer(TEXT[:6000], 40)
    for m in (0, 1, 7, 39):
        so_far = BytePairs({}, list(pairs.rank)[:m])
        words = Counter(tuple(so_far.joined(by_hand.signs(word))) for word in WORDS.findall(TEXT[:6000]))
        found = by_hand.count_pairs(words)
        assert found[list(pairs.rank)[m]] == max(found.values())


@pytest.mark.parametrize("word", ["abab", "aaa", "aaaa", "xaab", "ab", "b", ""])
@pytest.mark.parametrize("pair", [("a", "b"), ("a", "a")])
def test_a_pair_is_joined_as_a_text_is_encoded(word: str, pair: tuple[str, str]) -> None:
    assert by_hand.merge(tuple(word), pair) == tuple(BytePairs({}, [pair]).joined(word))


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_lead_back_to_the_text_and_their_characters_add_up(text: str) -> None:
    pairs = by_hand.tokenizer(text, 30, alphabet="\n")
    numbers = pairs.encode(text)
    assert pairs.decode(numbers) == text
    assert sum(by_hand.characters_of(pairs.written[n]) for n in numbers) == len(text)
    c, characters = by_hand.follows(pairs, text)
    assert (c.sum(), characters.sum()) == (len(numbers), len(text))
    assert c[pairs.token["Ċ"], numbers[0]] >= 1


@pytest.mark.parametrize("merges", [0, 40])
def test_fewer_merges_are_the_beginning_of_more(merges: int) -> None:
    few, wanted = learned_tokenizer(TEXT[:4000], merges), by_hand.tokenizer(TEXT[:4000], merges, alphabet=documentation())
    assert list(few.rank) == list(wanted.rank)
    assert list(few.token.items()) == list(wanted.token.items())


@pytest.mark.library
@pytest.mark.parametrize("text", TEXTS)
def test_the_tokenizers_library_encodes_and_decodes_alike_with_these_merges(text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    ours = by_hand.tokenizer(TEXT[:5000], 80, alphabet=TEXT + text)
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=ours.token, merges=list(ours.rank)))
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    numbers = ours.encode(text)
    assert theirs.encode(text).ids == numbers
    assert theirs.decode(numbers) == text == ours.decode(numbers)


@pytest.mark.library
@pytest.mark.parametrize(("text", "merges"), [(TEXT[:10_000], 150), *((text, 12) for text in TEXTS[1:])])
def test_the_tokenizers_library_learns_the_same_merges(text: str, merges: int) -> None:
    """Ties too: it takes the pair with the lower numbers, which it gives in the same order."""
    tokenizers = pytest.importorskip("tokenizers")
    ours = by_hand.tokenizer(text, merges)
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    size = len(ours.token)
    theirs.train_from_iterator([text], tokenizers.trainers.BpeTrainer(vocab_size=size, show_progress=False))
    assert theirs.get_vocab() == ours.token
    assert theirs.encode(text).ids == ours.encode(text)


# ---- what a character costs ----------------------------------------------------------------------


def test_without_merges_it_is_the_table_of_bigrams() -> None:
    data, characters = Pieces(characters=6000, merges=0), bigrams.Neighbours(characters=6000)
    _, c, lengths = data.split.train
    _, wanted = characters.split.train
    ours, letters = data.pairs.token, [i for i, letter in enumerate(characters.vocabulary) if letter.isascii()]
    at = [ours[SIGN[ord(characters.vocabulary[i])]] for i in letters]
    begins = np.zeros_like(c)
    begins[ours["Ċ"], data.pairs.encode(data.text)[0]] = 1  # the text as if after a new line
    assert np.array_equal((c - begins)[np.ix_(at, at)], wanted[np.ix_(letters, letters)])
    assert lengths.sum() == wanted.sum() + 1 == 5400


def test_per_character_is_the_cost_of_the_text_one_token_at_a_time() -> None:
    data = run().data
    p, numbers = learned_table(run().manual), data.pairs.encode("\n") + data.pairs.encode(data.held_out)
    cost = -sum(np.log2(p[a, b]) for a, b in pairwise(numbers))
    assert run().metrics["bits/val"] == pytest.approx(cost / len(data.held_out), rel=1e-9)
    assert run().metrics["loss/val"] == pytest.approx(run().metrics["bits/val"] * np.log(2), rel=1e-12)
    assert run().metrics["bits_per_token/val"] == pytest.approx(cost / (len(numbers) - 1), rel=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_the_gradient_is_zero_at_the_counts(alpha: float) -> None:
    rng = np.random.default_rng(0)
    c, characters = rng.integers(1, 50, (6, 9)).astype(float), rng.uniform(100, 300, 6)
    assert np.abs(by_hand.per_character_backward(1.0, np.log(counted(c, alpha)), c + alpha, characters)).max() < 1e-16


@SIDES
def test_the_learned_table_is_the_counts(side: str) -> None:
    assert run().agree
    _, c, _ = run().data.split.train
    p, best = learned_table(getattr(run(), side)), counted(c, run().manual.alpha)
    assert np.abs(p - best).max() < 1e-3
    for part in (run().data.split.train, run().data.split.val):
        assert bits(p, *part[1:])[0] == pytest.approx(bits(best, *part[1:])[0], abs=2e-3)


def test_bits_per_character_fall_with_every_merge_and_bits_per_token_do_not() -> None:
    data = run().data
    found = [counted_bits(data, m, run().manual.alpha) for m in script.MERGES]
    for before, after in pairwise(found):
        for part in ("learned from", "held out"):
            assert after[part][0] < before[part][0] - 0.04
    assert found[4]["held out"][1] > found[0]["held out"][1] + 1
    assert script.MERGES[4] == data.merges


@SIDES
def test_tokens_cost_less_than_single_characters(side: str) -> None:
    found = bits(learned_table(getattr(run(), side)), *run().data.split.val[1:])
    assert found[0] < script.single(run()) - 0.3 < found[1] - 1


@pytest.mark.parametrize("wrong", [{"symbols": 0}, {"alpha": -0.5}])
@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Tokens: .*{name}.*, got .*{value}"):
        module.Tokens(**wrong)


def test_a_negative_number_of_merges_is_named() -> None:
    with pytest.raises(InputError, match=r"--data\.merges must not be negative, got -1"):
        Pieces(merges=-1)


# ---- what figures and texts say ------------------------------------------------------------------


def test_both_sides_write_the_same_and_every_token_is_one_that_may_follow() -> None:
    data, u = run().data, np.random.default_rng(3).random(300)
    ours, theirs = (script.written(side, data.pairs, u) for side in (run().manual, run().torch))
    assert ours == theirs
    assert len(ours) > 1.3 * len(u)


def test_figures_show_both_sides() -> None:
    drawn = script.figures(run().manual, run().torch, run().data)
    assert list(drawn) == ["what is joined", "per character, per token", "what it writes"]
    for ax in drawn["per character, per token"].axes:
        for theirs, ours in (ax.lines[1:3], ax.lines[4:6]):
            assert error(np.array(ours.get_data()), np.array(theirs.get_data())) < 1e-9
        at = list(script.MERGES).index(run().data.merges)
        for line, dot in ((ax.lines[0], ax.lines[2]), (ax.lines[3], ax.lines[5])):
            assert dot.get_ydata()[0] == pytest.approx(line.get_ydata()[at], abs=5e-3)
    ours, theirs = (ax.texts[0].get_text() for ax in drawn["what it writes"].axes)
    assert ours == theirs
    assert "is the same." in drawn["what it writes"].caption  # type: ignore[attr-defined]
    cells = drawn["what is joined"].axes[1].texts
    assert "".join(t.get_text() for t in cells).startswith(script.shown(by_hand.signs(run().data.held_out[:60])))
    assert len(cells) == script.WIDTH * script.LINES
    assert all(SIGN[ord(" ")] not in t.get_text() for t in cells)


def test_a_shorter_run_of_the_mistake_has_the_larger_loss_per_token() -> None:
    assert script.MISTAKE.model == {"per_token": True}
    short = replace(TWIN.having({"per_token": True}, {"characters": 6000}), trainer=script.SHORT)
    assert script.MISTAKE.shown(trained(short))
    assert not script.MISTAKE.shown(run())
