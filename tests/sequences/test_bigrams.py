"""Bigrams: what is learned is what was counted, in every place; and both sides write the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from experiments.data.text import encode
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import bigrams as script
from experiments.sequences.bigrams import TWIN, Neighbours, bits_per_character, counted, learned_table
from manual.sampling import draw
from manual.sequences import bigrams as by_hand
from torch_impl.sequences import bigrams as in_torch

SIDES = pytest.mark.parametrize("side", ["manual", "torch"])
SHORT = replace(TWIN.having({}, {"characters": 30_000}), trainer={"max_epochs": 110})


@cache
def run() -> Trained:
    """Of a shorter text, and shorter."""
    return trained(SHORT)


def test_slope_is_that_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    z, other = rng.normal(0, 2, (2, 4, 3))
    c = rng.integers(0, 4, (4, 3)) + 0.5
    check_grads(
        lambda z: by_hand.surprise(z, c),
        [z],
        again=[other],
        backward=lambda dL_dy, z: by_hand.surprise_backward(dL_dy, z, c),
        torch=lambda z: in_torch.surprise(z, torch.from_numpy(c)),
    )


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(variant=variant)
    ours.table.weight[...] = np.random.default_rng(1).normal(size=ours.table.weight.shape)
    a, c = TWIN.make_data().split.train
    check_grads(ours, (a[60:75], c[60:75]), again=(a[:4], c[:4]), torch=theirs)


def test_pairs_are_counted_as_one_would_by_hand() -> None:
    data = Neighbours(characters=3000)
    _, c = data.split.train
    wanted = Counter(pairwise(data.trained_on))
    assert {(data.vocabulary[a], data.vocabulary[b]): int(c[a, b]) for a, b in zip(*np.nonzero(c), strict=True)} == wanted
    assert c.sum() == len(data.trained_on) - 1 == 2699


@pytest.mark.parametrize("order", [1, 2, 3])
def test_counts_of_any_order_add_up_to_those_of_the_order_below(order: int) -> None:
    data = Neighbours(characters=4000)
    V, c = data.symbols, script.grams(data.trained_on, order)
    assert c.sum() == len(data.trained_on) - order + 1
    if order == 2:
        assert np.array_equal(c, data.split.train[1])
    if order == 3:  # each pair but the last is the beginning of a triple
        pairs = script.grams(data.trained_on[:-1], 2)
        assert np.array_equal(c.sum(axis=1).reshape(V, V), pairs)


# ---- the answer is known -------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_the_gradient_is_zero_at_the_counts_and_nothing_fits_better(alpha: float) -> None:
    rng = np.random.default_rng(0)
    c = rng.integers(1, 50, (6, 9)).astype(float)
    best = np.log(counted(c, alpha))
    assert np.abs(by_hand.surprise_backward(1.0, best, c + alpha)).max() < 1e-16
    least = by_hand.surprise(best, c + alpha)
    for _ in range(20):
        assert by_hand.surprise(best + rng.normal(0, 0.1, c.shape), c + alpha) > least
    n = (c + alpha).sum(axis=1)
    assert least == pytest.approx((n * entropy(c + alpha, axis=1)).sum() / n.sum(), rel=1e-14)  # scipy's, row by row


@SIDES
def test_the_learned_table_is_the_counts(side: str) -> None:
    assert run().agree
    _, c = run().data.split.train
    seen = c.sum(axis=1) > 0
    p, best = learned_table(getattr(run(), side)), counted(c)
    assert np.abs(p - best)[seen].max() < 3e-3
    assert np.allclose(p[~seen], 1 / len(c))  # of these nothing is known
    gap = bits_per_character(p, c) - bits_per_character(best, c)
    assert 0 < gap < 1e-3
    assert p[seen][c[seen] == 0].max() < 1e-3


@pytest.mark.long
@SIDES
def test_the_declared_run_learns_the_counts_to_a_hundred_thousandth(side: str) -> None:
    _, c = declared().data.split.train
    p, best = learned_table(getattr(declared(), side)), counted(c)
    assert np.abs(p - best)[c.sum(axis=1) > 0].max() < 1e-4
    assert bits_per_character(p, c) - bits_per_character(best, c) < 1e-4
    assert declared().metrics["bits/val"] == pytest.approx(bits_per_character(p, declared().data.split.val[1]), rel=1e-9)


@cache
def declared() -> Trained:
    """The run as the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


def test_a_pair_that_never_came_is_impossible_by_the_counts_and_not_with_a_little_added() -> None:
    data = Neighbours(characters=script.FEW)
    own, other = (part[1] for part in (data.split.train, data.split.val))
    assert bits_per_character(counted(own), other) == np.inf
    assert bits_per_character(counted(own, 0.1), other) < 0.9 * np.log2(data.symbols)
    np.testing.assert_allclose(counted(own, 0.1).sum(axis=1), 1, rtol=1e-12)


def test_who_looks_back_farther_pays_less() -> None:
    nothing, alone, one, two = script.compared(Neighbours()).values()
    assert nothing[0] == pytest.approx(np.log2(Neighbours().symbols))
    for before, after in ((nothing, alone), (alone, one), (one, two)):
        assert after[0] < before[0] - 0.7
        assert after[1] < before[1] - 0.5


# ---- it writes -----------------------------------------------------------------------------------


def test_both_sides_write_the_same_and_each_character_is_where_its_number_falls() -> None:
    data, u = run().data, np.random.default_rng(3).random(400)
    ours, theirs = (script.written(side, data, u) for side in (run().manual, run().torch))
    assert ours == theirs
    p, before = learned_table(run().manual), "\n"
    for character, x in zip(ours, u, strict=True):
        row, k = p[data.vocabulary.index(before)], data.vocabulary.index(character)
        assert row[:k].sum() <= x < row[: k + 1].sum() + 1e-12
        before = character


def test_what_is_written_has_pairs_as_often_as_the_text() -> None:
    data = run().data
    _, c = data.split.train
    text = script.written(run().manual, data, np.random.default_rng(0).random(20_000))
    found = by_hand.count(encode(text, data.vocabulary), data.symbols)
    blank = data.vocabulary.index(" ")
    n, p = found[blank].sum(), counted(c)[blank]
    assert n > 1000
    common = p > 0.02
    assert (np.abs(found[blank] / n - p)[common] < 4.5 * np.sqrt(p * (1 - p) / n)[common]).all()


def test_texts_from_counts_are_drawn_from_their_rows() -> None:
    data, u = Neighbours(characters=3000), np.random.default_rng(1).random(60)
    alone = script.written_by_counts(data, 1, u)
    assert alone == "".join(data.vocabulary[int(draw(counted(script.grams(data.trained_on, 1))[0], x))] for x in u)
    triples = Counter(zip(data.trained_on, data.trained_on[1:], data.trained_on[2:], strict=False))
    text = "\n\n" + script.written_by_counts(data, 3, u)
    assert all(triples[triple] for triple in zip(text, text[1:], text[2:], strict=False))
    assert len(set(script.written_by_counts(data, 0, u))) > 30


@pytest.mark.parametrize("wrong", [{"symbols": 0}, {"alpha": -0.5}])
@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Bigrams: .*{name}.*, got .*{value}"):
        module.Bigrams(**wrong)


# ---- what figures say ----------------------------------------------------------------------------


def test_figures_show_both_sides() -> None:
    drawn = script.figures(run().manual, run().torch, run().data)
    assert list(drawn) == ["which follows which", "bits per character", "what it writes"]
    theirs, ours = drawn["which follows which"].axes[1].lines
    assert error(np.array(ours.get_data()), np.array(theirs.get_data())) < 1e-9
    assert "letter by letter the same" in drawn["what it writes"].caption  # type: ignore[attr-defined]
    *_, by_us, in_theirs = (ax.texts[0].get_text() for ax in drawn["what it writes"].axes)
    assert by_us == in_theirs
    assert len(by_us.replace("\n", "")) == script.WIDTH * script.LINES
