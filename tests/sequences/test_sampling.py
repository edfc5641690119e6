"""From probabilities to text: what each way keeps and draws, texts that both sides write alike, beams, and what a trained model writes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from experiments.cases.sequences.sampling import judge_texts, judge_ways, table, table_in_torch
from experiments.data.text import decode, encode
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.differences import check_grads
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import sampling as script
from experiments.sequences.sampling import TWIN, WAYS, Contexts
from manual.module import no_grad
from manual.nn.functional import log_softmax, softmax
from manual.sampling import draw
from manual.sequences import sampling as by_hand
from torch_impl.sequences import sampling as in_torch

P = np.array([0.05, 0.4, 0.3, 0.05, 0.2])


@pytest.fixture(scope="module")
def run() -> Trained:
    """A quarter of the concept's own."""
    return trained(TWIN.having({}, {"characters": 120_000, "batch_size": 500}))


# ---- distributions -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_both_sides_keep_draw_and_write_the_same(seed: int) -> None:
    assert max({**judge_ways(seed), **judge_texts(seed)}.values()) < 1e-14


@pytest.mark.parametrize("T", [0.3, 1.0, 2.5])
def test_a_temperature_is_a_power_of_the_probabilities(T: float) -> None:
    assert error(by_hand.tempered(np.log(P), T), P ** (1 / T) / (P ** (1 / T)).sum()) < 1e-15


def test_a_small_temperature_is_greedy_and_a_large_one_makes_all_alike() -> None:
    z = np.random.default_rng(0).normal(size=(20, 9))
    assert error(by_hand.tempered(z, 1e-4), np.eye(9)[z.argmax(axis=1)]) < 1e-12
    assert error(by_hand.tempered(z, 1e6), np.full(z.shape, 1 / 9)) < 1e-5
    bits = [-(p * np.log2(p)).sum() for p in (by_hand.tempered(z[0], T) for T in (0.3, 0.6, 1, 2, 5))]
    assert (np.diff(bits) > 0).all()


def test_top_k_keeps_the_k_most_probable_and_equals_of_the_last() -> None:
    assert [by_hand.keep_top_k(P, k).astype(int).tolist() for k in (1, 2, 3, 4, 9)] == [
        [0, 1, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 1, 1, 0, 1],
        [1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1],
    ]


def test_the_nucleus_is_the_smallest_set_that_is_probable_enough() -> None:
    rng = np.random.default_rng(1)
    for p in rng.dirichlet(np.full(6, 0.7), 30):
        for mass in (0.1, 0.5, 0.9):
            keep = by_hand.keep_top_p(p, mass)
            enough = [s for s in product((0, 1), repeat=6) if p @ s >= mass]
            fewest = min(map(sum, enough))
            assert (keep.sum(), p @ keep >= mass) == (fewest, True)
            assert p @ keep == pytest.approx(max(p @ s for s in enough if sum(s) == fewest))
    assert by_hand.keep_top_p(P, 0.4).tolist() == [False, True, False, False, False]


def test_what_is_kept_is_the_distribution_given_that_it_was_kept() -> None:
    """Drawing until something is kept, and drawing from what is kept, is the same."""
    keep = np.array([True, False, True, False, True])
    drawn = draw(P, np.random.default_rng(2).random(60_000))
    found = np.bincount(drawn[keep[drawn]], minlength=5) / keep[drawn].sum()
    wanted = by_hand.kept(P, keep)
    assert wanted.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, wanted, atol=4 * np.sqrt(0.25 / keep[drawn].sum()))


@pytest.mark.parametrize("how", [(0.7, 0, 1.0), (1.0, 3, 1.0), (1.0, 0, 0.6), (1.5, 4, 0.8)])
def test_characters_come_as_often_as_their_distribution_says(how: tuple[float, int, float]) -> None:
    x, u = np.tile([[1, 3]], (20_000, 1)), np.random.default_rng(3).random((20_000, 1))
    found = np.bincount(by_hand.generate(table, x, u, *how)[:, 0], minlength=5) / len(x)
    wanted = by_hand.distribution(table(x[:1])[0], *how)
    np.testing.assert_allclose(found, wanted, atol=4 * np.sqrt(0.25 / len(x)))
    assert not found[wanted == 0].any()


@pytest.mark.long
def test_what_is_drawn_from_is_what_the_transformers_library_draws_from() -> None:
    logits = pytest.importorskip("transformers.generation.logits_process")
    z = np.random.default_rng(4).normal(0, 2, (9, 30))
    for T, k, mass in ((0.6, 0, 1.0), (1.0, 4, 1.0), (1.0, 0, 0.8), (1.7, 12, 0.7)):
        warped = logits.TemperatureLogitsWarper(T)(None, torch.from_numpy(z)) if T != 1 else torch.from_numpy(z)
        warped = logits.TopKLogitsWarper(k)(None, warped) if k else warped
        warped = logits.TopPLogitsWarper(mass)(None, warped) if mass < 1 else warped
        assert error(by_hand.distribution(z, T, k, mass), warped.softmax(dim=-1).numpy()) < 1e-14


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(5)
    z, other = rng.normal(size=(4, 6)), rng.normal(size=(3, 6))
    check_grads(
        lambda z: by_hand.tempered(z, 0.6),
        [z],
        again=[other],
        backward=lambda dL_dp, z: by_hand.tempered_backward(dL_dp, z, 0.6),
        torch=lambda z: in_torch.tempered(z, 0.6),
    )
    keep = by_hand.keep_top_p(P, 0.6)
    p = np.stack([P, softmax(rng.normal(size=5))])
    check_grads(
        lambda p: by_hand.kept(p, keep),
        [p],
        backward=lambda dL_dy, p: by_hand.kept_backward(dL_dy, p, keep),
        torch=lambda p: in_torch.kept(p, torch.from_numpy(keep)),
    )
    small = TWIN.having({"d": 3, "hidden": 7}, {"characters": 3000, "batch_size": 9, "context": 4})
    data = small.make_data()
    ours, theirs = small.build(data=data)
    batches = data.two_batches(theirs)
    check_grads(ours, batches[0], again=batches[1], torch=theirs)


# ---- texts ---------------------------------------------------------------------------------------


def test_greedy_takes_the_most_probable_whatever_is_drawn() -> None:
    x = np.array([[0, 1], [4, 2]])
    texts = [by_hand.generate(table, x, np.random.default_rng(seed).random((2, 7)), top_k=1) for seed in (0, 1)]
    assert np.array_equal(*texts)
    state = x
    for t in range(7):
        c = table(state).argmax(axis=1)
        assert np.array_equal(texts[0][:, t], c)
        state = np.stack([state[:, 1], c], axis=1)


def log_p(x: np.ndarray, text: Any) -> float:
    """Of a text that begins with x, by the chain rule of probability."""
    whole = np.concatenate([x, text])
    return sum(float(log_softmax(table(whole[None, t : t + 2]), axis=-1)[0, whole[t + 2]]) for t in range(len(text)))


@pytest.mark.parametrize("start", [(0, 1), (3, 3), (2, 4)])
def test_a_beam_of_one_is_greedy_and_one_that_keeps_all_finds_the_most_probable_text(start: tuple[int, int]) -> None:
    x, length = np.array(start), 4
    texts = list(product(range(5), repeat=length))
    best = max(texts, key=lambda text: log_p(x, text))
    found = {width: by_hand.beam_search(table, x, length, width) for width in (1, 3, 5**length)}
    assert found[1][0].tolist() == by_hand.generate(table, x[None], np.zeros((1, length)), top_k=1)[0].tolist()
    assert tuple(found[5**length][0].tolist()) == best
    for width, (text, claimed) in found.items():
        assert claimed == pytest.approx(log_p(x, text), abs=1e-12)
        theirs, theirs_log_p = in_torch.beam_search(table_in_torch, torch.from_numpy(x), length, width)
        assert (theirs.tolist(), theirs_log_p) == (text.tolist(), pytest.approx(claimed, abs=1e-12))


def test_the_example_on_paper_where_greedy_finds_the_less_probable_text() -> None:
    p = {(2, 2): [0.6, 0.4, 0], (2, 0): [0.5, 0.5, 0], (2, 1): [0.9, 0.1, 0]}

    def model(x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log([p[tuple(row)] for row in x.tolist()])

    found = [by_hand.beam_search(model, np.array([2, 2]), 2, width) for width in (1, 2)]
    assert [(text.tolist(), round(np.exp(claimed), 9)) for text, claimed in found] == [([0, 0], 0.3), ([1, 0], 0.36)]


# ---- the model and what it writes ----------------------------------------------------------------


def test_contexts_are_those_of_the_text() -> None:
    data = Contexts(context=5, characters=2000)
    x, target = data.split.train
    assert (x.shape, target.shape) == ((1800 - 5, 5), (1800 - 5,))
    for i in (0, 7, 1794):
        assert decode(x[i], data.vocabulary) + data.vocabulary[target[i]] == data.text[i : i + 6]
    held_out = encode(data.held_out, data.vocabulary)
    assert np.array_equal(data.split.val[0], [held_out[i : i + 5] for i in range(0, 195, 10)])
    hyperparameters = TWIN.having({}, {"context": 5}).hyperparameters()
    assert (hyperparameters["context"], hyperparameters["symbols"]) == (5, len(data.vocabulary))


def test_trained_on_text_it_foretells_and_both_sides_write_the_same(run: Trained) -> None:
    assert run.agree
    assert run.metrics["bits/val"] < 3.1 < np.log2(run.data.symbols) - 3
    assert run.metrics["bits/val"] == pytest.approx(run.metrics["loss/val"] / np.log(2))
    for how in WAYS.values():
        assert script.written_in_torch(run.torch, run.data, **how) == script.written(run.manual, run.data, **how)
    x = script.starts(run.data)[0]
    (text, claimed), (theirs, theirs_log_p) = (
        by_hand.beam_search(lambda x: run.manual(x), x, 40, 4),
        in_torch.beam_search(run.torch, to_torch(x), 40, 4),
    )
    run.manual.forget()
    assert theirs.tolist() == text.tolist()
    assert claimed == pytest.approx(theirs_log_p, abs=1e-10)
    assert claimed == pytest.approx(script.log_probability(run.manual, x, text), abs=1e-10)
    run.manual.forget()


def test_what_is_drawn_is_on_average_as_surprising_as_the_model_expects(run: Trained) -> None:
    """E[−log₂ p(drawn)] is the entropy; the mean over the held-out contexts is within four standard errors of it."""
    with no_grad():
        p = softmax(run.manual(run.data.split.val[0]), axis=1)
    surprise = -np.log2(p)
    entropy = (p * surprise).sum(axis=1)
    spread = ((p * surprise**2).sum(axis=1) - entropy**2).sum() ** 0.5 / len(p)
    assert abs(run.metrics["drawn/val"] - entropy.mean()) < 4 * spread


def test_the_cold_spell_better_and_the_greedy_repeat_themselves(run: Trained) -> None:
    texts = {name: script.written(run.manual, run.data, **how) for name, how in WAYS.items()}
    assert script.known(texts["T = 2"]) < script.known(texts["as it is"]) < script.known(texts["T = 0.6"]) < script.known(texts["T = 0.3"])
    assert script.known(texts["as it is"]) < script.known(texts["nucleus, 0.7"])
    assert script.repeated(texts["greedy"]) > 0.5
    assert script.repeated(texts["as it is"]) < 0.1
    assert (script.known(script.real(run.data)), script.repeated(script.real(run.data)) < 0.2) == (1.0, True)


def test_words_and_repetitions_are_counted() -> None:
    assert script.words_of("ing the cat, the dog! an") == ["the", "cat", "the", "dog"]
    assert script.known(["x the zzqx q the y"]) == pytest.approx(2 / 3)
    assert script.repeated(["x a b a b c y"]) == pytest.approx(1 / 4)  # a b, b a, a b again, b c
    assert (script.known([""]), script.repeated(["one"])) == (0.0, 0.0)


@pytest.mark.parametrize("side", [TWIN.manual, TWIN.torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.01}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Writer: .*{name}.*, got .*{value}"):
        side(**wrong)


@pytest.mark.parametrize("how", [{}, {"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.6}])
def test_in_validation_both_sides_draw_the_same_and_in_their_own_way(how: dict[str, Any]) -> None:
    twin = TWIN.having(how, {"characters": 6000})
    data = twin.make_data()
    ours, theirs = twin.build(data=data)
    share_hand(ours, SharedNoise(0)), share_torch(theirs, SharedNoise(0))
    x, target = data.split.val
    logged: dict[str, float] = {}
    theirs.log = lambda name, value, **_: logged.update({name: float(value)})  # type: ignore[method-assign, assignment]
    ours.validation_step((x, target), 0)
    with torch.no_grad():
        theirs.validation_step((to_torch(x), to_torch(target)), 0)
    assert {name: value for name, (value, _) in ours.logged.items()} == pytest.approx(logged, rel=1e-12)
    ours.forget()


@pytest.mark.long
def test_the_concepts_own_run_needs_fewer_bits_than_a_table_of_neighbours() -> None:
    """Of bigrams, counted on the same text: manual/sequences/bigrams.py."""
    from manual.sequences.bigrams import count

    run = trained(TWIN)
    assert run.agree
    c = count(encode(run.data.trained_on, run.data.vocabulary), run.data.symbols) + 0.1
    before, after = run.data.split.val[0][:, -1], run.data.split.val[1]
    bigrams = -np.log2((c / c.sum(axis=1, keepdims=True))[before, after]).mean()
    assert run.metrics["bits/val"] < 2.5 < bigrams - 0.5
