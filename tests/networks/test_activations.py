"""Five activations in ten layers: the bound at every layer on both sides, who learns, and ReLUs that die and are born dead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.differences import check_grads
from experiments.lockstep.trained import trained
from experiments.networks import activations as script
from experiments.networks.activations import COLOURS, RATES, TWIN, WIDTHS
from manual.networks import activations as by_hand
from manual.networks.activations import ACTIVATIONS
from torch_impl.networks import activations as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
every_activation = pytest.mark.parametrize("name", list(ACTIVATIONS))

RNG = np.random.default_rng(0)
BATCH = RNG.uniform(0, 1, (9, 64)), RNG.integers(0, 10, 9)


@pytest.mark.parametrize("variant", list(TWIN.variants))
def test_gradients_are_those_of_autograd_and_of_central_differences(variant: str) -> None:
    ours, theirs = TWIN.build(variant=variant)
    check_grads(ours, BATCH, torch=theirs)


# ---- the bound -------------------------------------------------------------------------------------


def lengths(name: str, seed: int, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """‖∂L/∂h‖ of both sides, and the bound by the singular values, written out; weights are `scale` times as large as they begin."""
    ours, theirs = TWIN.having({"activation": name}).build(seed)
    for p in ours.parameters():
        p *= scale
    with torch.no_grad():
        for p in theirs.parameters():
            p *= scale
    steepest = {"sigmoid": 0.25, "tanh": 1, "relu": 1}.get(name) or by_hand.slope(name, np.linspace(-9, 9, 200_001)).max() + 1e-9
    limit, found = [1.0], by_hand.lengths(ours, *BATCH)
    for layer in reversed(list(ours.layers)):
        limit.append(limit[-1] * steepest * np.linalg.svd(layer.weight.data, compute_uv=False)[0])
    ours.check_nothing_saved()
    assert not any(p.has_grad for p in ours.parameters())
    return found, in_torch.lengths(theirs, *to_torch(BATCH)).numpy(), np.array(limit[::-1])[:, None] * found[-1]


@every_activation
@pytest.mark.parametrize("scale", [1.0, 3.0, 0.1])
def test_no_gradient_is_longer_than_the_bound_at_any_layer(name: str, scale: float) -> None:
    ours, theirs, limit = lengths(name, 1, scale)
    assert error(ours, theirs) < 1e-12
    for found in (ours, theirs):
        assert found.shape == (11, 9)
        assert (found <= limit * (1 + 1e-12)).all()


def test_the_bound_is_reached_where_each_slope_is_the_steepest_and_each_stretch_the_largest() -> None:
    """One unit a layer, w = 2, b = −1: every z is 0. So no smaller number than ¼ would do."""
    layer, sigmoid = torch.nn.Linear(1, 1).double(), torch.nn.Sigmoid()
    torch.nn.init.constant_(layer.weight, 2), torch.nn.init.constant_(layer.bias, -1)
    x = torch.full((1, 1), 0.5, dtype=torch.float64, requires_grad=True)
    h = x
    for _ in range(10):
        h = sigmoid(layer(h))
    h.backward()
    assert x.grad.item() == by_hand.bound("sigmoid", [np.array([[2.0]])] * 10) == 2.0**-10


def test_the_bound_of_the_figure_is_that_of_the_singular_values() -> None:
    ours, _ = TWIN.having({"activation": "gelu", "depth": 3}).build()
    steepest = by_hand.slope("gelu", np.array([np.sqrt(2)]))[0]
    stretches = [steepest * np.linalg.svd(layer.weight.data, compute_uv=False)[0] for layer in ours.layers]
    assert script.bounds(ours) == pytest.approx([np.prod(stretches[k:]) for k in range(4)], rel=1e-12)


@every_activation
def test_each_is_steepest_where_it_is_said_to_be(name: str) -> None:
    z = np.linspace(-9, 9, 200_001)
    slopes, there = by_hand.slope(name, z), by_hand.slope(name, np.array([by_hand.STEEPEST_AT[name]]))[0]
    assert slopes.max() <= there <= slopes.max() + 1e-8
    leaf = torch.from_numpy(z).requires_grad_()
    in_torch.ACTIVATIONS[name]()(leaf).sum().backward()
    assert error(slopes, leaf.grad) < 1e-14
    if name == "gelu":
        assert there == pytest.approx(norm.cdf(np.sqrt(2)) + np.sqrt(2) * norm.pdf(np.sqrt(2)), rel=1e-15)
    if name == "silu":
        at = by_hand.STEEPEST_AT["silu"]
        assert at * np.tanh(at / 2) == pytest.approx(2, rel=1e-13)


# ---- who learns ------------------------------------------------------------------------------------


def test_of_sigmoids_gradient_nothing_arrives_of_the_others_enough_and_so_they_learn() -> None:
    for side in range(2):
        arrives = {name: (found[0] / found[-1]).mean() for name in ACTIVATIONS for found in [script.untrained(name)[side]]}
        assert arrives.pop("sigmoid") < 1e-5
        assert min(arrives.values()) > 0.02
        last = {name: script.trained_with(name)[side][-20:].mean() for name in ACTIVATIONS}
        assert abs(last["sigmoid"] - np.log(10)) < 0.03
        assert last["tanh"] < 0.4
        assert max(last["relu"], last["gelu"]) < 1.7


@pytest.mark.long
def test_ten_layers_of_relu_read_over_nine_of_ten_digits_on_both_sides() -> None:
    run = trained(TWIN)
    x, y = run.data.split.val
    assert run.agree
    read = run.torch(torch.from_numpy(x)).argmax(dim=1).numpy()
    assert min(np.mean(read == y), run.metrics["accuracy/val"]) > 0.9
    never = [np.mean((h.detach().numpy() == 0).all(axis=0)) for h in run.torch.hidden(torch.from_numpy(x))[1:]]
    assert 0 < np.mean(never) == pytest.approx(run.metrics["dead/val"], abs=1e-12)
    assert f"{np.mean(never):.0%} of its units are 0" in script.learned(run)


# ---- dead units ------------------------------------------------------------------------------------


@SIDES
@pytest.mark.parametrize(("width", "depth"), [(1, 2), (3, 4)])
def test_of_new_networks_as_many_are_blocked_as_the_formula_says(side: Any, width: int, depth: int) -> None:
    """One digit, so that networks are independent of each other."""
    networks, found = 400, []
    for seed in range(networks):
        torch.manual_seed(seed)
        arguments = {"rng": np.random.default_rng(seed)} if side is by_hand else {}
        model = side.DeepMLP("relu", depth, width, **arguments)
        x = BATCH[0][:1] if side is by_hand else torch.from_numpy(BATCH[0][:1]).float()
        found.append(not np.asarray((model.hidden(x)[-1] != 0).any()))
    wanted = by_hand.blocked(width, depth)
    assert abs(np.mean(found) - wanted) < 3.5 * np.sqrt(wanted * (1 - wanted) / networks)


def test_a_dead_unit_of_the_first_layer_stays_dead_and_longer_steps_kill_more() -> None:
    ends = []
    for lr in RATES:
        for found in script.dying(lr):
            assert (found[1:] >= found[:-1]).all()
        assert np.array_equal(*script.dying(lr))
        ends.append(found[-1].mean())
    assert ends == sorted(ends)
    assert ends[0] < 0.05 < 0.8 < ends[-1]


@SIDES
def test_a_unit_is_dead_if_it_is_0_for_every_example(side: Any) -> None:
    h = [np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]), np.array([[0.0, 0.0, 3.0], [0.0, 0.0, 4.0]])]
    assert float(side.dead(h if side is by_hand else to_torch(tuple(h)))) == 0.5


# ---- the rest --------------------------------------------------------------------------------------


@SIDES
@pytest.mark.parametrize("wrong", [{"activation": "step"}, {"depth": 0}, {"width": 0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"DeepMLP: .*{name}.*, got .*{value}"):
        side.DeepMLP(**wrong)


def test_figures_show_both_sides() -> None:
    drawings = script.figures(*TWIN.build(), TWIN.make_data())
    assert list(drawings) == ["what comes back", "curves and slopes", "dead units"]
    left, right = drawings["what comes back"].axes
    curves, dying = drawings["curves and slopes"].axes[0], drawings["dead units"].axes[1]
    for lines, tolerance in (
        (left.lines[:10], 1e-12),
        (curves.lines, 1e-14),
        (dying.lines, 0),
        (right.lines, 1e-8),
    ):  # a trajectory's ceiling
        assert all(error(b.get_ydata(), a.get_ydata()) <= tolerance for a, b in zip(lines[::2], lines[1::2], strict=True))
    assert len(left.lines) == 2 * len(COLOURS) + 1
    in_theirs, by_us, _ = drawings["dead units"].axes[0].lines
    assert np.array_equal(in_theirs.get_ydata(), by_us.get_ydata())
    assert by_us.get_ydata() == pytest.approx([by_hand.blocked(w, script.DEPTH) for w in WIDTHS], abs=0.12)
