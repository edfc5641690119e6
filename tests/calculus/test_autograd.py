"""Autograd: the graph is torch's, the walk waits, and what is forbidden there is forbidden here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.calculus import autograd as script
from experiments.calculus.autograd import TWIN, WALKS
from experiments.cases.calculus.autograd import judge_one_number, judge_past, judge_paths, judge_steps
from experiments.judge.convert import load_in_torch
from experiments.judge.differences import check_grads
from manual.calculus import autograd as by_hand
from manual.calculus.autograd import Tensor, in_order, walk_as_met, walk_back, walk_every_path
from manual.module import no_grad
from tests.helpers import whole_run
from torch_impl.calculus import autograd as in_torch


@pytest.mark.parametrize("judge", [judge_steps, judge_paths, judge_past, judge_one_number])
def test_gradients_of_expressions_are_torchs(judge: Any) -> None:
    for seed in range(20):
        assert max(judge(seed).values()) < 1e-12


# ---- the graph -----------------------------------------------------------------------------------


def edges(order: list[Any], name_of: Any, next_of: Any) -> list[tuple[str, list[str | None]]]:
    """Every step by its name, with the names of those that it leads to."""
    return [(name_of(n), [other and name_of(other) for other in next_of(n)]) for n in order]


@pytest.mark.parametrize("gated", [False, True])
def test_the_graph_is_torchs_step_by_step(gated: bool) -> None:
    ours, theirs = TWIN.having({"gated": gated}).build()
    load_in_torch(TWIN.naming, theirs, ours.state_dict())
    loss, _ = script.graph_of(ours, TWIN.make_data(), 5)
    x, y = (torch.from_numpy(a[:5]) for a in TWIN.make_data().split.train)
    in_torchs = theirs.loss(theirs(x), y)
    found = edges(in_order(loss.grad_fn), lambda n: n.name, lambda n: n.next_functions)
    assert found == edges(in_torch.in_order(in_torchs.grad_fn), in_torch.name_of, lambda n: [other for other, _ in n.next_functions])
    assert len(found) == 14 + gated
    assert sum(name == "AccumulateGrad" for name, _ in found) == 4


def test_every_step_comes_after_those_that_it_leads_to() -> None:
    _, y = script.on_paper()
    for last in (y, script.doubled(30)[1], script.graph_of(*(TWIN.build()[0], TWIN.make_data()))[0]):
        order = in_order(last.node())
        assert len(set(order)) == len(order)
        for i, node in enumerate(order):
            assert all(other is None or other in order[:i] for other in node.next_functions)


def test_a_graph_may_be_deeper_than_python_recurses() -> None:
    a = y = Tensor(2.0, requires_grad=True)
    for _ in range(5000):
        y = y + 1.0
    y.backward()
    assert (float(y.data), float(a.grad)) == (5002.0, 1.0)


# ---- other walks ---------------------------------------------------------------------------------


def test_only_one_walk_is_right_and_quick() -> None:
    assert {walk: script.slope_on_paper(walk) for walk in WALKS} == dict(zip(WALKS, (135.0, 81.0, 135.0), strict=True))
    waits, met, paths = WALKS
    assert [script.calls(waits, n) for n in (1, 5, 12)] == [2, 6, 13]
    assert [script.calls(met, n) for n in (1, 5, 12)] == [2, 6, 13]
    assert [script.calls(paths, n) for n in (1, 5, 12)] == [2 ** (n + 1) - 1 for n in (1, 5, 12)]


@pytest.mark.parametrize(("gated", "right"), [(False, True), (True, False)])
def test_in_a_chain_any_order_will_do_and_where_a_value_is_shared_it_will_not(gated: bool, right: bool) -> None:
    ours, _ = TWIN.having({"gated": gated}).build(seed=3)
    gradients = []
    for walk in (walk_back, walk_as_met, walk_every_path):
        loss, leaves = script.graph_of(ours, TWIN.make_data())
        walk(loss.node(), np.ones(()))
        gradients.append({name: t.grad for name, t in leaves.items()})
    for name in ("W1", "b1", "W2", "b2"):
        waits, met, paths = (g[name] for g in gradients)
        assert paths == pytest.approx(waits, rel=1e-12)
        assert np.allclose(met, waits, rtol=1e-9) is (right or name in ("W2", "b2"))


# ---- words of torch ------------------------------------------------------------------------------


def side_by_side(use: Any) -> tuple[Any, Any]:
    """What comes of it by hand and in torch: a value, or the kind of error."""
    found = []
    for make, values in ((Tensor, lambda t: None if t.grad is None else t.grad.tolist()), (torch.tensor, None)):
        try:
            a = make(np.array([1.0, -2.0, 3.0]), requires_grad=True)
            found.append(use(a, no_grad if make is Tensor else torch.no_grad))
        except RuntimeError:
            found.append("refused")
            continue
        if found[-1] is None:
            found[-1] = values(a) if values else (None if a.grad is None else a.grad.tolist())
    return found[0], found[1]


def twice(a: Any, _: Any) -> None:
    (a * a).sum().backward()
    (a * a).sum().backward()


def detached(a: Any, _: Any) -> None:
    (a * a.detach()).sum().backward()


def under_no_grad(a: Any, no_grad: Any) -> None:
    with no_grad():
        b = a * a
    (b * a).sum().backward()


def of_nothing(a: Any, no_grad: Any) -> None:
    with no_grad():
        b = (a * a).sum()
    b.backward()


def of_several(a: Any, _: Any) -> None:
    (a * a).backward()


def in_place_of_what_a_product_needs(a: Any, _: Any) -> None:
    b = a + 1.0
    c = b * b
    b.add_(1.0)
    c.sum().backward()


def in_place_of_what_a_sum_does_not_need(a: Any, _: Any) -> None:
    b = a + 1.0
    c = b + b
    b.add_(1.0)
    c.sum().backward()


def in_place_of_a_sigmoids_result(a: Any, _: Any) -> None:
    b = a.sigmoid()
    b.add_(1.0)
    b.sum().backward()


def in_place_of_a_sigmoids_operand(a: Any, _: Any) -> None:
    b = a + 1.0
    c = b.sigmoid()
    b.add_(1.0)
    c.sum().backward()


def in_place_of_a_leaf(a: Any, _: Any) -> None:
    a.add_(1.0)


def in_place_of_a_leaf_under_no_grad(a: Any, no_grad: Any) -> None:
    with no_grad():
        a.add_(1.0)
    (a * a).sum().backward()


USES = {
    twice: [4.0, -8.0, 12.0],
    detached: [1.0, -2.0, 3.0],
    under_no_grad: [1.0, 4.0, 9.0],
    of_nothing: "refused",
    of_several: "refused",
    in_place_of_what_a_product_needs: "refused",
    in_place_of_what_a_sum_does_not_need: [2.0, 2.0, 2.0],
    in_place_of_a_sigmoids_result: "refused",
    in_place_of_a_sigmoids_operand: None,
    in_place_of_a_leaf: "refused",
    in_place_of_a_leaf_under_no_grad: [4.0, -2.0, 8.0],
}


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_what_torch_refuses_is_refused_and_what_it_allows_is_the_same(use: Any) -> None:
    ours, theirs = side_by_side(use)
    assert ours == pytest.approx(theirs) if isinstance(theirs, list) else ours == theirs
    if USES[use] is not None:
        assert ours == USES[use]


def test_a_detached_tensor_shares_its_numbers_and_knows_no_past() -> None:
    a = Tensor(np.arange(3.0), requires_grad=True)
    b = (a * a).detach()
    assert b.grad_fn is None
    assert not b.requires_grad
    b = a.detach()
    b.data[0] = 7
    assert a.data[0] == 7


def test_a_refusal_says_what_is_wrong() -> None:
    a = Tensor(np.ones(3), requires_grad=True)
    b = a * a
    c = b * b
    b.add_(a)
    message = "MulBackward0: a value that its backward needs was changed in place: it has version 1, and had 0"
    with pytest.raises(RuntimeError, match=message):
        c.sum().backward()
    with pytest.raises(RuntimeError, match="of 3 numbers none is L"):
        c.backward()
    with pytest.raises(ValueError, match="hidden must be at least 1, got 0"):
        by_hand.Autograd(hidden=0)
    with pytest.raises(ValueError, match="hidden must be at least 1, got 0"):
        in_torch.Autograd(hidden=0)


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("gated", [False, True])
def test_the_networks_gradient_is_autograds_and_what_a_small_change_does(gated: bool) -> None:
    ours, theirs = TWIN.having({"gated": gated}).build(seed=1)
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(n, 2)), rng.integers(0, 2, (n, 1)).astype(float)) for n in (5, 3)]
    check_grads(ours, batches[0], again=batches[1], torch=theirs, names=TWIN.names)


def test_run_agrees_and_learns() -> None:
    lockstep, _ = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    losses = [record.loss_manual for record in lockstep.records]
    assert losses[-1] < 0.3 * losses[0]
    assert lockstep.metrics["accuracy/val"] >= 0.9


@pytest.mark.parametrize("gated", [False, True])
def test_every_step_stands_to_the_left_of_all_that_tell_it_and_none_on_another(gated: bool) -> None:
    ours, _ = TWIN.having({"gated": gated}).build()
    order = in_order(script.graph_of(ours, TWIN.make_data())[0].grad_fn)
    at = script.places(order)
    assert at[order[-1]] == (0, 0)
    assert len(set(at.values())) == len(order)
    for node in order:
        assert all(at[other][0] < at[node][0] for other in node.next_functions if other is not None)
        assert (at[node][1] > 0) is (node.next_functions == ())


def test_the_figure_numbers_the_walk_and_marks_the_parameters() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, TWIN.make_data())
    said = [text.get_text() for text in drawn["the graph"].axes[0].texts if text.get_text()]
    numbered = dict(text.split("\n") for text in said)
    assert list(map(int, numbered)) == list(range(1, 15))
    assert numbered["1"] == "Mul"
    assert {"W1", "b1", "W2", "b2"} < set(numbered.values())
    assert "14 steps" in drawn["the graph"].caption
    assert [bar.get_width() for bar in drawn["three walks"].axes[0].patches] == [135.0, 81.0, 135.0]
