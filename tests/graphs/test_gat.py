"""Graph attention: the static form puts all tellers into one order, the dynamic form looks up every key, on both sides."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from experiments.data.arrays import InputError
from experiments.drawing.walk import losses
from experiments.graphs import gat as script
from experiments.graphs.gat import TWIN, Dictionaries, attention, preferred
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.lockstep.trained import trained
from manual.graphs import gat as by_hand
from tests.helpers import fit
from torch_impl.graphs import gat as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
EITHER = pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(seed=1, variant=variant)
    x, y = Dictionaries(dictionaries=8).split.train
    check_grads(ours, (x[:5], y[:5]), again=(x[5:], y[5:]), torch=theirs)


def test_every_key_is_asked_for_and_has_the_value_of_its_teller() -> None:
    x, y = Dictionaries(keys=6, dictionaries=20).split.train
    for dictionary, values in zip(x, y, strict=True):
        assert dict(dictionary.tolist()) == dict(enumerate(values.tolist()))
        assert sorted(values) == list(range(6))
    assert len({tuple(keys) for keys in x[:, :, 0].tolist()}) > 10
    assert Dictionaries(dictionaries=7).split.train[0].shape == (7, 10, 2)


def orders(s: np.ndarray) -> int:
    """In how many different orders the askers of one dictionary put its tellers. Shape: (K, K)."""
    return len({tuple(row) for row in np.argsort(s, axis=1).tolist()})


@EITHER
@pytest.mark.parametrize("seed", range(3))
def test_at_random_weights_the_static_form_has_one_order_and_the_dynamic_form_several(side: int, seed: int) -> None:
    """Brody, Alon and Yahav, theorem 1: of any number of weights, whatever they are."""
    x, rng = Dictionaries(seed=seed).split.val[0][:4], np.random.default_rng(seed)
    for dynamic, hidden in ((False, 3), (False, 64), (True, 24)):
        pair = TWIN.having({"dynamic": dynamic, "hidden": hidden}).build(seed)
        for p in pair[0].parameters():
            p[...] = rng.normal(0, 1, p.shape)
        pair[1].load_state_dict({name: to_torch(array) for name, array in pair[0].state_dict().items()})
        found = [orders(s) for s in attention(pair[side], x)[0]]
        assert (max(found) == 1) if not dynamic else (min(found) > 1)


def test_with_one_number_the_dynamic_form_has_one_order_too_or_its_reverse() -> None:
    ours, _ = TWIN.having({"hidden": 1}).build(2)
    for factor in (1.0, -1.0):
        ours.attention.a[...] = factor
        assert {orders(s) for s in attention(ours, Dictionaries().split.val[0][:4])[0]} == {1}


def test_scores_that_the_script_finds_are_those_of_forward_on_both_sides() -> None:
    for dynamic in (True, False):
        ours, theirs = TWIN.having({"dynamic": dynamic}).build(3)
        x = Dictionaries().split.val[0][:5]
        (s, alpha), (s_torch, alpha_torch) = attention(ours, x), attention(theirs, x)
        assert error(s, s_torch) < 1e-13
        assert error(alpha, alpha_torch) < 1e-13
        assert error(ours.attention.alpha, alpha) < 1e-13
        sorted_x = np.take_along_axis(x, np.argsort(x[:, :, 0], axis=1)[:, :, None], axis=1)
        r = ours.attention.right(ours.key(sorted_x[:, :, 0]) + ours.value(sorted_x[:, :, 1]))
        z = (alpha @ r) @ to_numpy(theirs.out.weight).T + to_numpy(theirs.out.bias)  # type: ignore[union-attr]
        assert error(z, to_numpy(theirs(to_torch(x)))) < 1e-13


@cache
def alone(seed: int) -> tuple[Any, Any]:
    """The declared pair, trained without Lightning."""
    ours, theirs = TWIN.build(seed)
    split, rng = Dictionaries().split, np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(1024) for _ in range(10)])
    losses(ours, theirs, [tuple(a[rows] for a in split.train) for rows in np.split(order, 320)])
    return ours, theirs


@EITHER
def test_the_dynamic_form_finds_99_percent_and_each_asker_prefers_another_teller(side: int) -> None:
    model, (x, y) = alone(0)[side], Dictionaries().split.val
    z = model(x) if side == 0 else to_numpy(model(to_torch(x)))
    assert np.mean(z.argmax(axis=2) == y) > 0.99
    assert preferred(model, Dictionaries()) > 9.9
    assert (attention(model, x)[0].argmax(axis=2) == np.arange(10)).mean() > 0.99


@EITHER
def test_the_static_form_finds_hardly_more_than_a_guess_and_all_prefer_one_teller(side: int) -> None:
    model, (x, y) = script.static()[side], Dictionaries().split.val
    z = model(x) if side == 0 else to_numpy(model(to_torch(x)))
    assert np.mean(z.argmax(axis=2) == y) < 0.25
    assert preferred(model, Dictionaries()) == 1


def test_a_short_run_agrees() -> None:
    lockstep, _ = fit(TWIN, 20)
    assert lockstep.judge.passed, lockstep.judge.failure


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_so_it_is_with_other_seeds(seed: int) -> None:
    x, y = Dictionaries().split.val
    ours, theirs = alone(seed)
    for z in (ours(x), to_numpy(theirs(to_torch(x)))):
        assert np.mean(z.argmax(axis=2) == y) > 0.99


@pytest.mark.long
def test_the_declared_run_agrees_and_says_so() -> None:
    run = trained(TWIN)
    assert run.agree
    assert run.metrics["accuracy/val"] > 0.99
    assert "10.0 different tellers" in script.learned(run)


def test_figures_show_both_sides() -> None:
    ours, theirs = alone(0)
    drawn = script.figures(ours, theirs, Dictionaries())
    assert list(drawn) == ["whom they listen to", "one order for all"]
    by_us, in_theirs, static_by_us, static_in_theirs = (ax.images[0].get_array() for ax in drawn["whom they listen to"].axes)
    assert error(np.asarray(by_us), np.asarray(in_theirs)) < 1e-6
    assert error(np.asarray(static_by_us), np.asarray(static_in_theirs)) < 1e-8
    rising = [np.diff(line.get_ydata()).min() >= 0 for ax in drawn["one order for all"].axes for line in ax.lines]
    assert rising == [True, True, False, False, False, False, *[True] * 6]


@SIDES
@pytest.mark.parametrize("wrong", [{"keys": 0}, {"features": 0}, {"hidden": 0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"GAT: .*{name}.*, got .*{value}"):
        side.GAT(**wrong)


@pytest.mark.parametrize("wrong", [{"keys": 0}, {"dictionaries": 0}])
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"--data.{name}.*{value}"):
        Dictionaries(**wrong)
