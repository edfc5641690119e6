"""A graph network: Â by networkx, 33 of the club's 34 in every seed, the missed one by Zachary's cut, and depth that makes all alike."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

from experiments.data.karate import KarateClub, club, sides
from experiments.drawing.walk import losses
from experiments.graphs import gcn as script
from experiments.graphs.gcn import THE_MISSED, TWIN, probabilities, wrong
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.lockstep.trained import trained
from manual.graphs import gcn as by_hand
from torch_impl.graphs import gcn as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def some_graph(rng: np.random.Generator, N: int) -> np.ndarray:
    """Random ties with weights."""
    A = np.triu(rng.uniform(0.5, 2, (N, N)) * (rng.random((N, N)) < 0.4), 1)
    return A + A.T


@SIDES
@pytest.mark.parametrize("weighted", [False, True])
def test_a_hat_is_the_identity_less_networkx_laplacian_of_the_graph_with_self_loops(side: Any, weighted: bool) -> None:
    graph = club().copy()
    graph.add_edges_from(((i, i) for i in club()), weight=1)
    wanted = np.eye(34) - nx.normalized_laplacian_matrix(graph, weight="weight" if weighted else None).toarray()
    A = KarateClub(weighted=weighted).split.train[1]
    found = by_hand.normalized(A) if side is by_hand else to_numpy(in_torch.normalized(to_torch(A)))
    assert error(found, wanted) < 1e-14


def test_eigenvalues_of_a_hat_reach_from_above_minus_1_to_1_with_the_roots_of_d() -> None:
    A = some_graph(np.random.default_rng(0), 9) + np.eye(9, k=1) + np.eye(9, k=-1)  # a path through all: connected
    values, vectors = np.linalg.eigh(by_hand.normalized(A))
    assert values[-1] == pytest.approx(1, abs=1e-14)
    assert -1 < values[0] < values[-2] < 1
    root = np.sqrt(1 + A.sum(axis=1))
    assert error(np.abs(vectors[:, -1]), root / np.linalg.norm(root)) < 1e-13


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    rng = np.random.default_rng(1)
    ours, theirs = TWIN.build(seed=2, variant=variant)
    whole = KarateClub().split.train
    y = rng.integers(0, 2, 9)
    y[[2, 5]] = -100
    check_grads(ours, (rng.normal(size=(9, 34)), some_graph(rng, 9), y), again=whole, torch=theirs)


def test_who_is_farther_away_than_there_are_layers_is_not_heard() -> None:
    path = np.eye(6, k=1) + np.eye(6, k=-1)
    x = np.random.default_rng(0).normal(size=(6, 34))
    for layers in (1, 2, 3):
        ours, theirs = TWIN.having({"layers": layers}).build()
        changed = x.copy()
        changed[0] += 1
        for z in (ours(changed, path) - ours(x, path), to_numpy(theirs(*to_torch((changed, path))) - theirs(*to_torch((x, path))))):
            assert (np.abs(z).max(axis=1) > 1e-8).tolist() == [i <= layers for i in range(6)]


def test_whoever_numbers_the_members_otherwise_gets_the_same_scores_in_that_order() -> None:
    x, A, _ = KarateClub(weighted=True).split.train
    order = np.random.default_rng(3).permutation(34)
    ours, theirs = TWIN.build()
    assert error(ours(x[order], A[np.ix_(order, order)]), ours(x, A)[order]) < 1e-14
    assert error(theirs(*to_torch((x[order], A[np.ix_(order, order)]))), to_numpy(theirs(*to_torch((x, A))))[order]) < 1e-14


# ---- the club ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_zacharys_own_model_misses_the_same_member(weighted: bool) -> None:
    """The cheapest cut through the ties, each of which costs its weight."""
    with_teacher, _ = nx.minimum_cut(club(), 0, 33, capacity="weight")[1]
    assert {i for i in club() if (i in with_teacher) != (sides()[i] == 0)} == {THE_MISSED}
    to_teacher, to_president = script.ties_to(THE_MISSED, weighted)
    assert (to_teacher, to_president) == ((7, 10) if weighted else (2, 3))


@pytest.mark.parametrize("seed", range(3))
def test_33_of_34_are_told_right_by_both_sides_and_8_is_missed(seed: int) -> None:
    data, (ours, theirs) = KarateClub(), TWIN.build(seed)
    a, b = losses(ours, theirs, data.batches(0) * 200)
    assert error(a, b) < 1e-12
    assert wrong(ours, data) == wrong(theirs, data) == [THE_MISSED]


@pytest.mark.long
def test_the_declared_run_agrees_and_says_so() -> None:
    run = trained(TWIN)
    assert run.agree
    assert run.metrics["accuracy/val"] == 31 / 32
    assert script.learned(run).endswith("33 of 34 members right; wrong is member 8.")


# ---- depth ---------------------------------------------------------------------------------------


def test_what_tells_nodes_apart_shrinks_by_the_second_eigenvalue_at_the_slowest() -> None:
    A_hat = by_hand.normalized(KarateClub().split.train[1])
    far, lam = script.unevenness(A_hat, 100), script.second_eigenvalue(A_hat)
    assert far[0] == pytest.approx(np.sqrt(33), rel=1e-12)
    assert (far[1:] <= lam * far[:-1] + 1e-12).all()  # a hundred products of 34 terms each are rounded
    np.testing.assert_allclose(far[-1] / far[-2], lam, rtol=1e-5)
    root = np.sqrt(1 + KarateClub().split.train[1].sum(axis=1))
    assert error(np.linalg.matrix_power(A_hat, 400), np.outer(root, root) / (root @ root)) < 1e-12


def test_figures_show_both_sides_and_that_ties_make_rows_alike() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, KarateClub())
    assert list(drawn) == ["the club", "as it spreads", "too deep"]
    by_torch, by_us, *_ = (line.get_ydata() for line in drawn["the club"].axes[1].lines)
    assert error(by_us, by_torch) < 1e-14
    for layers in (4, 8, 16):
        with_ties, without = script.alike(layers, True), script.alike(layers, False)
        assert with_ties[0] == pytest.approx(with_ties[1], rel=1e-12)
        assert with_ties[0] > without[0] + 0.1
    assert script.alike(16, True)[0] > 0.99
    right = [script.right_by_depth(layers) for layers in script.DEPTHS]
    assert all(a == b for a, b in right)
    assert min(right[:3])[0] >= 32
    assert right[-1][0] == 17


def test_probabilities_are_those_of_softmax() -> None:
    ours, theirs = TWIN.build(1)
    data = KarateClub()
    z = ours(*data.split.train[:2])
    p = np.exp(z[:, 1]) / np.exp(z).sum(axis=1)
    for side in (ours, theirs):
        assert error(probabilities(side, data), p) < 1e-13


@SIDES
@pytest.mark.parametrize("wrong_one", [{"features": 0}, {"hidden": 0}, {"layers": 0}])
def test_bad_arguments_are_named(side: Any, wrong_one: dict[str, Any]) -> None:
    ((name, value),) = wrong_one.items()
    with pytest.raises(ValueError, match=rf"GCN: .*{name}.*, got .*{value}"):
        side.GCN(**wrong_one)
