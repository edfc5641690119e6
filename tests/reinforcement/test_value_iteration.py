"""Value iteration: both sides reach published values, those of shortest ways, of a linear programme and of walks."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import networkx
import numpy as np
import pytest
from scipy.optimize import linprog

from experiments.data.worlds.grid import MAPS, GridWorld, table
from experiments.drawing.walk import walk
from experiments.judge.compare import error
from experiments.judge.differences import asked_once, check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.reinforcement import value_iteration as script
from experiments.reinforcement.value_iteration import TWIN, Country, truth, values
from manual.reinforcement import value_iteration as by_hand
from torch_impl.reinforcement import value_iteration as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def swept(tables: tuple[np.ndarray, np.ndarray], steps: int, **model: Any) -> tuple[np.ndarray, np.ndarray]:
    """V after each sweep over these tables, by hand and in torch."""
    S = len(tables[0])
    ours, theirs = walk(by_hand.ValueIteration(S, **model), in_torch.ValueIteration(S, **model), (np.arange(S), *tables), steps)
    return ours["V"], theirs["V"]


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(variant=variant)
    rng = np.random.default_rng(0)
    ours.V[...] = rng.normal(size=25)
    theirs.V.data.copy_(theirs.V.data.new_tensor(ours.V.data))
    ours.target = asked_once(ours.target)  # type: ignore[method-assign]  # its target is given
    rows = tuple(a[5:16] for a in TWIN.make_data().split.train)
    check_grads(ours, rows, torch=theirs)


# ---- what is reached -----------------------------------------------------------------------------


def test_values_of_the_rooms_are_those_that_russell_and_norvig_print() -> None:
    world = GridWorld(MAPS["rooms"], 0.2, goal=1 - 0.04, pit=-1 - 0.04, cost=0.04)  # who arrives pays for the step and gets 1
    printed = [0.812, 0.868, 0.918, 0, 0.762, 0.660, 0, 0.705, 0.655, 0.611, 0.388]
    for V in swept(table(world.P), 60, gamma=1.0):
        assert np.abs(V[-1] - printed).max() <= 0.0005 + 1e-6


def test_the_random_walkers_values_are_those_of_sutton_and_bartos_figure() -> None:
    world = GridWorld(MAPS["corners"], goal=-1.0)
    printed = [0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0]
    second = [0, -1.7, -2, -2, -1.7, -2, -2, -2, -2, -2, -2, -1.7, -2, -2, -1.7, 0]
    for V in swept(table(world.P), 400, gamma=1.0, policy="random"):
        assert np.abs(V[-1] - printed).max() < 1e-6
        assert np.abs(V[2] - second).max() <= 0.05 + 1e-9


def test_where_nothing_goes_astray_values_are_the_lengths_of_shortest_ways() -> None:
    world = GridWorld(MAPS["land"])
    graph = networkx.DiGraph()
    for s, actions in world.P.items():
        graph.add_weighted_edges_from((after, s, -reward) for ((_, after, reward, _),) in actions.values() if after not in (s, *world.ends))
        graph.add_weighted_edges_from(("end", s, 0) for ((_, _, _, over),) in actions.values() if over)
    ways = networkx.single_source_dijkstra_path_length(graph, "end")
    wanted = [0.0 if s in world.ends else 10.0 - ways[s] for s in world.P]
    for V in swept(table(world.P), 12, gamma=1.0):
        assert V[-1].tolist() == wanted


@cache
def run() -> Trained:
    """As the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


@pytest.mark.parametrize("side", ["manual", "torch"])
def test_the_run_solves_bellmans_equation_as_linear_solves_and_a_linear_programme_do(side: str) -> None:
    V = values(getattr(run(), side))
    _, R, P = run().data.split.train
    assert run().metrics["residual/val"] < 1e-12
    assert np.abs(V - truth(run().data, 0.9)).max() < 1e-12
    above = (np.eye(25)[:, None] - 0.9 * P).reshape(100, 25)  # the least V that is nowhere below what an action is worth
    programme = linprog(np.ones(25), A_ub=-above, b_ub=-R.ravel(), bounds=(None, None), method="highs")
    assert np.abs(V - programme.x).max() < 1e-9


def test_walks_bring_on_average_what_the_start_is_worth() -> None:
    V = values(run().manual)
    returns = script.walked(V, run().data, 0.9, walks=1500)
    assert abs(returns.mean() - V[run().data.world.starts[0]]) < 4 * returns.std() / np.sqrt(len(returns))
    assert f"worth {V[20]:.2f} at its start" in script.learned(run())


@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_no_sweep_is_farther_off_than_promised_and_one_by_one_is_faster(gamma: float) -> None:
    data = Country()
    target = truth(data, gamma)
    for V in swept(data.split.train[1:], 50, gamma=gamma):
        errors = np.abs(V - target).max(axis=1)
        assert (errors <= gamma ** np.arange(51) * errors[0] + 1e-13).all()
    whole = np.abs(script.sweeps(data, by_hand.ValueIteration(25, 0.9), 30)[0][30] - truth(data, 0.9)).max()
    assert all(errors[30] < whole / 10 for errors in script.one_by_one(data))


def test_word_of_the_goal_travels_one_cell_a_sweep() -> None:
    data = Country(slip=0.0)
    V = swept(data.split.train[1:], 10, gamma=0.9)[0]
    for k in range(10):
        right = np.abs(V[k] - V[-1]) < 1e-9
        steps = [abs(i) + abs(j - 4) for i, j in data.world.cells]
        assert all(right[s] for s in range(25) if steps[s] <= k and steps[s] < 3)
        assert not any(right[s] for s in range(25) if steps[s] > k)


def test_policy_iteration_needs_a_handful_of_rounds_and_never_gets_worse() -> None:
    data = Country()
    found = by_hand.policy_iteration(*data.split.train[1:], 0.9)
    assert len(found) < 8
    assert all((b >= a - 1e-12).all() for a, b in pairwise(found))
    assert error(by_hand.solve(*data.split.train[1:], 0.9, script.best_actions(found[-1], data, 0.9)), found[-1]) < 1e-13


def test_a_gradient_through_the_target_makes_the_loss_small_and_the_values_wrong() -> None:
    wrong = {"manual": script.ThroughTheTarget, "torch": script.ThroughTheTargetInTorch}
    ours, theirs = wrong["manual"](25, lr=0.5), wrong["torch"](25, lr=0.5)
    paths = walk(ours, theirs, TWIN.make_data().split.train, 60)
    for path in paths:
        assert np.abs(path["V"][-1] - truth(TWIN.make_data(), 0.9)).max() > 1
    assert error(paths[0]["V"][-1], paths[1]["V"][-1]) < 1e-10


@SIDES
@pytest.mark.parametrize("wrong", [{"states": 0}, {"gamma": 1.1}, {"gamma": -0.1}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"ValueIteration: .*{name}.*, got .*{value}"):
        side.ValueIteration(**wrong)


@SIDES
def test_a_policy_that_there_is_not_is_named_with_those_that_there_are(side: Any) -> None:
    with pytest.raises(ValueError, match="ValueIteration: policy must be one of 'best', 'random', got 'good'"):
        side.ValueIteration(policy="good")


# ---- what figures and texts say ------------------------------------------------------------------


def test_figures_show_both_sides() -> None:
    data = Country()
    ours, theirs = TWIN.build(data=data)
    drawn = script.figures(ours, theirs, data)
    assert list(drawn) == ["word of the goal", "how fast", "other ways", "policy iteration"]
    for ax in drawn["how fast"].axes:
        curves = [line.get_ydata() for line in ax.lines if line.get_linestyle() != ":"]
        assert all(error(b, a) < 1e-9 for a, b in zip(curves[::2], curves[1::2], strict=True))


def test_short_sighted_walkers_do_not_set_out_and_dry_ground_changes_the_way() -> None:
    dry, wet, short = (script.in_other_weather("/".join(MAPS["land"]), *of) for of in ((0.0, 0.9), (0.2, 0.9), (0.2, 0.5)))
    assert script.arrives(dry[1], dry[0], 0.9) == pytest.approx(1)
    assert script.arrives(wet[1], wet[0], 0.9) == pytest.approx(1)
    assert script.arrives(short[1], short[0], 0.5) == pytest.approx(0)
    assert (script.best_actions(dry[1], dry[0], 0.9) != script.best_actions(wet[1], wet[0], 0.9)).any()


def test_a_random_walker_is_told_apart_in_what_was_learned() -> None:
    found = trained(TWIN.having({"policy": "random", "gamma": 0.5}))
    assert np.abs(values(found.torch) - truth(found.data, 0.5, "random")).max() < 1e-12
    assert script.learned(found).endswith("for who takes any action, all equally often.")
