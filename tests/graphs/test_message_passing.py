"""Message passing: sums by index are products with a matrix, a rumour is followed as by networkx, and two graphs look alike."""

from __future__ import annotations

from functools import cache
from typing import Any

import networkx as nx
import numpy as np
import pytest

from experiments.data.rumours import Group, Rumours, side_by_side
from experiments.drawing.walk import losses_in_torch
from experiments.graphs import message_passing as script
from experiments.graphs.message_passing import RING, TRIANGLES, TWIN, each
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.lockstep.trained import trained
from manual.graphs import message_passing as by_hand
from manual.trainer import Trainer
from tests.helpers import fit
from torch_impl.graphs import message_passing as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def some_edges(rng: np.random.Generator, N: int, E: int) -> np.ndarray:
    """Edges one way, some of them twice; the last node has none."""
    return rng.integers(0, N - 1, (2, E))


# ---- sums by index -------------------------------------------------------------------------------


@SIDES
def test_adding_up_is_the_product_with_a_table_of_zeros_and_ones(side: Any) -> None:
    rng = np.random.default_rng(0)
    values, index = rng.normal(size=(9, 3)), rng.integers(0, 4, 9)
    wanted = (index == np.arange(5)[:, None]) @ values  # (5, 9) @ (9, 3): nothing goes into the last
    found = by_hand.add_up(values, index, 5) if side is by_hand else to_numpy(in_torch.add_up(*to_torch((values, index)), 5))
    assert error(found, wanted) < 1e-14
    assert not wanted[4].any()


def test_to_pick_and_to_add_up_are_each_others_transpose() -> None:
    """⟨pick(h), v⟩ = ⟨h, add_up(v)⟩ for all h and v: that is what a way back is."""
    rng = np.random.default_rng(1)
    h, v, index = rng.normal(size=(5, 3)), rng.normal(size=(8, 3)), rng.integers(0, 5, 8)
    assert (h[index] * v).sum() == pytest.approx((h * by_hand.add_up(v, index, 5)).sum(), rel=1e-13)
    pick, add_up = by_hand.Pick(), by_hand.AddUp()
    pick(h, index), add_up(v, index, 5)
    assert error(pick.backward(v), by_hand.add_up(v, index, 5)) == 0
    assert error(add_up.backward(h), h[index]) == 0


def test_assigning_with_plus_forgets_what_comes_twice() -> None:
    """What the lesson says of x[index] += v."""
    total, index = np.zeros(2), np.array([0, 0, 1])
    total[index] += 1
    assert total.tolist() == [1, 1]
    assert by_hand.add_up(np.ones(3), index, 2).tolist() == [2, 1]


def test_a_round_is_what_a_matrix_of_all_edges_does() -> None:
    rng = np.random.default_rng(2)
    h, edges = rng.normal(size=(6, 4)), some_edges(rng, 6, 11)
    layer = by_hand.NeighbourSum(4, 3, rng=rng)
    A = np.zeros((6, 6))
    np.add.at(A, (edges[1], edges[0]), 1)
    assert error(layer(h, edges), layer.own(h) + layer.neighbours(A @ h)) < 1e-14


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    rng = np.random.default_rng(3)
    ours, theirs = TWIN.build(seed=2, variant=variant)
    one, other = (
        (rng.normal(size=(N, 1)), some_edges(rng, N, 2 * N), np.sort(rng.integers(0, G, N)), rng.normal(size=(G, 1)))
        for N, G in ((9, 4), (5, 2))
    )
    check_grads(ours, one, again=other, torch=theirs)


# ---- rumours -------------------------------------------------------------------------------------


@cache
def untrained() -> tuple[Any, Any]:
    """The pair, for what holds whatever the weights are."""
    return TWIN.build(4)


def by_networkx(group: Group, days: int) -> set[int]:
    """Who is at most so many edges away from somebody who knows."""
    graph = nx.Graph(group.edges.T.tolist())
    graph.add_nodes_from(range(len(group.x)))
    return set(nx.multi_source_dijkstra_path_length(graph, set(np.flatnonzero(group.x[:, 0]).tolist()), cutoff=days))


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_who_is_farther_away_than_there_are_rounds_is_not_heard(side: int) -> None:
    chain = np.array([(i, i + 1) for i in range(5)] + [(i + 1, i) for i in range(5)]).T
    x = np.zeros((6, 1))
    changed = x.copy()
    changed[0] = 1
    for layers in (1, 2, 3):
        model = TWIN.having({"layers": layers}).build()[side]
        moved = np.abs(each(model, changed, chain) - each(model, x, chain))
        assert (moved > 1e-6).tolist() == [i <= layers for i in range(6)]
        assert not moved[layers + 1 :].any()


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_other_numbers_change_nothing_and_a_ring_of_six_is_two_triangles(side: int) -> None:
    model = untrained()[side]
    assert script.moved_by_other_numbers(model, Rumours()) < 1e-14
    for start in (0.0, 1.0):
        x = np.full((6, 1), start)
        p = np.concatenate([each(model, x, RING), each(model, x, TRIANGLES)])
        assert np.ptp(p) < 1e-15
    one = np.eye(6, 1)
    assert abs(each(model, one, RING).sum() - each(model, one, TRIANGLES).sum()) > 1e-3
    assert [nx.Graph(edges.T.tolist()).degree(3) for edges in (RING, TRIANGLES)] == [2, 2]
    assert [sum(nx.triangles(nx.Graph(edges.T.tolist())).values()) // 3 for edges in (RING, TRIANGLES)] == [0, 2]


def alone(side: int, **changes: Any) -> tuple[Any, Rumours]:
    """A side of the pair, trained without the other as its Twin says."""
    data, model = Rumours(), TWIN.having(changes).build()[side]
    if side == 0:
        trainer = Trainer()
        trainer.attach(model)
        for epoch in range(model.epochs):
            for batch in data.batches(epoch):
                trainer.train_batch(batch, 0)
            trainer.move_schedules("epoch", epoch)
    else:
        torch_side: Any = model
        configured = torch_side.configure_optimizers()
        torch_side.configure_optimizers = lambda: configured["optimizer"]
        for epoch in range(torch_side.epochs):
            losses_in_torch(torch_side, data.batches(epoch))
            configured["lr_scheduler"]["scheduler"].step()
    return model, data


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_every_total_and_every_person_is_told_right_and_in_larger_groups_too(side: int) -> None:
    model, data = alone(side)
    assert script.counted_right(model, data.held_out, 2) == 1
    assert script.counted_right(model, script.large(), 2) > 0.98
    for groups in (data.held_out, script.large()):
        know = [person in by_networkx(group, 2) for group in groups for person in range(len(group.x))]
        x, edges, _, _ = side_by_side(groups, 2)
        assert ((each(model, x, edges) > 0.5) == know).all()


def test_a_short_run_agrees() -> None:
    lockstep, _ = fit(TWIN, 40, data=Rumours())
    assert lockstep.judge.passed, lockstep.judge.failure


@pytest.mark.long
def test_the_declared_run_agrees_and_says_so() -> None:
    found = trained(TWIN)
    assert found.agree
    assert found.metrics["accuracy/val"] == 1
    assert "100.0% of the totals" in script.learned(found)


# ---- what figures say ----------------------------------------------------------------------------


def test_figures_show_both_sides() -> None:
    (ours, theirs), data = untrained(), Rumours()
    drawn = script.figures(ours, theirs, data)
    assert list(drawn) == ["some groups", "who knows", "not to be told apart"]
    for ax in drawn["who knows"].axes:
        in_theirs, by_us = ax.lines[:2]
        assert error(np.array(by_us.get_data()), np.array(in_theirs.get_data())) < 1e-13
    assert script.knows_who(ours, data) == script.knows_who(theirs, data)


def test_p_is_the_same_whether_a_group_stands_alone_or_beside_others() -> None:
    ours, theirs = untrained()
    data = Rumours()
    x, edges, graph, _ = data.split.val
    for model in (ours, theirs):
        together = each(model, x, edges)
        for i in (0, 7, 299):
            group = data.held_out[i]
            assert error(each(model, group.x, group.edges), together[graph == i]) < 1e-14


@SIDES
@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"layers": 0}, {"epochs": 0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"MessagePassing: .*{name}.*, got .*{value}"):
        side.MessagePassing(**wrong)
