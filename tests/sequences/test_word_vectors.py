"""Word vectors: the scores are PMI less log k, as Levy and Goldberg proved, on both sides; and who keeps whose company."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import word_vectors as script
from experiments.sequences.word_vectors import TWIN, Company, company, correlation, least_loss, scores
from manual.sequences import word_vectors as by_hand
from manual.trainer import Trainer
from tests.helpers import fit
from torch_impl.sequences import word_vectors as in_torch

SIDES = pytest.mark.parametrize("side", ["manual", "torch"])


def test_slope_is_that_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    s, other = rng.normal(0, 2, (2, 4, 3))
    n, negatives = rng.integers(0, 4, (4, 3)) + 0.5, rng.uniform(0, 5, (4, 3))
    check_grads(
        lambda s: by_hand.game(s, n, negatives),
        [s],
        again=[other],
        backward=lambda dL_dy, s: by_hand.game_backward(dL_dy, s, n, negatives),
        torch=lambda s: in_torch.game(s, torch.from_numpy(n), torch.from_numpy(negatives)),
    )


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(variant=variant)
    table = TWIN.make_data().split.train
    check_grads(ours, tuple(of[10:25] for of in table), again=tuple(of[:4] for of in table), torch=theirs)


# ---- the table -----------------------------------------------------------------------------------


def test_company_is_counted_as_one_would_by_hand() -> None:
    text = [0, 1, -1, 0, 2, 1, 1]
    n = np.zeros((3, 3))
    for i, a in enumerate(text):
        for j, b in enumerate(text):
            if i != j and abs(i - j) <= 2 and a >= 0 and b >= 0:
                n[a, b] += 1
    assert np.array_equal(company(np.array(text), 3, 2), n)


def test_the_table_is_that_of_the_commonest_words_and_chance_has_the_same_sums() -> None:
    data = Company()
    a, n, e = data.split.train
    assert a.tolist() == list(range(60))
    counts = [script.words_of().count(word) for word in data.names]
    assert counts == sorted(counts, reverse=True)
    assert "the" in data.names[:2]
    assert np.array_equal(n, n.T)
    assert n.min() == 0.5  # a pair that never came
    np.testing.assert_allclose(e.sum(axis=1), n.sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(by_hand.pmi(n), np.log(n.sum() * n / np.outer(n.sum(1), n.sum(0))), rtol=1e-10, atol=1e-12)
    assert all(x is y for x, y in zip(data.split.train, data.split.val, strict=True))


@pytest.mark.parametrize("wrong", [{"words": 0}, {"window": 0}, {"add": 0.0}, {"words": 100_000}])
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"--data.{name}.*{value}"):
        Company(**wrong)


# ---- what is learned -----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1.0, 5.0])
def test_the_gradient_is_zero_at_pmi_less_log_k_and_nothing_is_lower(k: float) -> None:
    _, n, e = Company().split.train
    best = by_hand.pmi(n) - np.log(k)
    assert np.abs(by_hand.game_backward(1.0, best, n, k * e)).max() < 1e-16
    rng = np.random.default_rng(0)
    for _ in range(10):
        assert by_hand.game(best + rng.normal(0, 0.05, n.shape), n, k * e) > by_hand.game(best, n, k * e)


@pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
def test_alone_each_side_reaches_pmi_and_the_least_loss(side: Any) -> None:
    data = Company()
    ours, theirs = TWIN.build()
    table = data.split.train
    if side is by_hand:
        Trainer(max_epochs=ours.steps).fit(ours, [table])
        model: Any = ours
    else:
        batch: Any = tuple(map(torch.from_numpy, table))
        configured = theirs.configure_optimizers()
        for _ in range(theirs.steps):
            configured["optimizer"].zero_grad()
            theirs.training_step(batch, 0).backward()
            configured["optimizer"].step()
            configured["lr_scheduler"]["scheduler"].step()
        model = theirs
    s, k = scores(model), model.k
    assert correlation(model, data) > 0.9999975
    assert np.abs(s - (by_hand.pmi(table[1]) - np.log(k))).max() < 2e-2
    least = least_loss(data, k)
    assert 0 <= by_hand.game(s, table[1], k * table[2]) - least < 1e-7
    assert script.neighbours(model, data, "class")[0] in ("instance", "object", "method")


def test_run_agrees_for_a_hundred_steps() -> None:
    lockstep, theirs = fit(TWIN, 100, model={"steps": 100}, data=TWIN.make_data())
    assert lockstep.judge.passed, lockstep.judge.failure
    ours = lockstep.hand.model
    assert error(scores(ours), scores(theirs)) < 1e-9
    assert correlation(ours, TWIN.make_data()) > 0.9


@cache
def declared() -> Trained:
    """The run as the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


@pytest.mark.long
@SIDES
def test_the_declared_run_reaches_pmi_less_log_k(side: str) -> None:
    model = getattr(declared(), side)
    assert correlation(model, declared().data) > 0.9999975
    assert declared().metrics["loss/val"] - least_loss(declared().data, model.k) < 1e-7
    _, n, _ = declared().data.split.train
    assert declared().metrics["believed/val"] == pytest.approx((n / (1 + np.exp(-scores(model)))).sum() / n.sum(), rel=1e-9)


def test_fewer_numbers_lose_more_and_never_get_below_the_least() -> None:
    found = script.with_fewer_numbers(declared_data())
    near, above = zip(*found.values(), strict=True)
    assert list(near) == sorted(near)
    assert list(above) == sorted(above, reverse=True)
    assert min(above) > 0
    assert near[0] < 0.6
    assert near[-1] > 0.95


@cache
def declared_data() -> Company:
    """Of the twin."""
    return TWIN.make_data()


def test_alike_is_who_keeps_the_same_company() -> None:
    ours, _ = TWIN.build()
    rows = np.random.default_rng(2).normal(size=(60, 60))
    rows[7] = 3 * rows[4] + 0.01 * rows[9]
    ours.words.weight[...], ours.contexts.weight[...] = rows - np.log(ours.k), np.eye(60)
    near = script.alike(ours)
    assert near[4, 7] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(near.diagonal(), 1, rtol=1e-12)
    data = declared_data()
    assert script.neighbours(ours, data, data.names[4])[0] == data.names[7]


@pytest.mark.parametrize("wrong", [{"words": 0}, {"dimensions": 0}, {"steps": 0}, {"k": -1.0}])
@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"WordVectors: .*{name}.*, got .*{value}"):
        module.WordVectors(**wrong)


def test_figures_show_both_sides() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, declared_data())
    assert list(drawn) == ["what u · v is", "neighbours", "fewer numbers"]
    in_theirs, by_us, line = drawn["what u · v is"].axes[0].lines
    assert error(np.array(by_us.get_data()), np.array(in_theirs.get_data())) < 1e-14
    np.testing.assert_allclose(np.diff(line.get_data(), axis=0), -np.log(5), rtol=1e-12)
    assert "torch finds the same" in drawn["neighbours"].caption  # type: ignore[attr-defined]
