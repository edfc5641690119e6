"""The chain rule: each of the four equations, each named gradient, and one sample at a time against all at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.calculus.chain_rule import (
    COLUMN,
    HALF_WIDTH,
    LARGEST,
    TWIN,
    Petals,
    before,
    figures,
    graph,
    number,
    rows,
    torch_gradients,
)
from experiments.judge.central import jacobian
from experiments.judge.compare import ONE_STEP, error, errors
from experiments.judge.convert import to_numpy, to_torch
from manual.calculus.chain_rule import (
    ChainRule,
    backward,
    backward_one_by_one,
    error_at_output,
    error_one_layer_back,
    forward,
    gradient_of_bias,
    gradient_of_weight,
    loss,
    one_sample,
    product_with_a_square,
)
from manual.nn.functional import sigmoid
from manual.trainer import Trainer
from tests.helpers import whole_run
from torch_impl.calculus import chain_rule as theirs

Arrays = dict[str, np.ndarray]

IN, HIDDEN, OUT = 4, 5, 3


def parameters(rng: np.random.Generator, dtype: str = "float64") -> Arrays:
    """Random weights of 4 → 5 → 3, no bias zero."""
    shapes = {"W1": (IN, HIDDEN), "b1": (HIDDEN,), "W2": (HIDDEN, OUT), "b2": (OUT,)}
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def random_batch(rng: np.random.Generator, n: int = 7, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray]:
    """n samples and targets."""
    return rng.normal(size=(n, IN)).astype(dtype), rng.random(size=(n, OUT)).astype(dtype)


def every_gradient_in_torch(x: np.ndarray, y: np.ndarray, p: Arrays) -> tuple[Arrays, Arrays]:
    """(values, gradients) of everything there is, by autograd; the loss is among the values."""
    leaves = {name: t.requires_grad_() for name, t in to_torch({"x": x, **p}).items()}
    values = theirs.forward(**leaves)
    total = theirs.loss(values["a2"], *to_torch((y,)))
    wanted = {**leaves, **values}
    gradients = torch.autograd.grad(total, list(wanted.values()))
    return to_numpy({**values, "loss": total}), dict(zip(wanted, to_numpy(gradients), strict=True))


# ---- the gradients -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("seed", range(3))
def test_batch_values_loss_and_gradients_are_autograds(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    p, (x, y) = parameters(rng, dtype), random_batch(rng, dtype=dtype)
    values = forward(x, **p)
    values_torch, gradients_torch = every_gradient_in_torch(x, y, p)
    assert list(values) == ["z1", "a1", "z2", "a2"]
    assert max(errors({**values, "loss": loss(values["a2"], y)}, values_torch).values()) < ONE_STEP[dtype]
    gradient = backward(x, y, **values, **p)
    assert set(gradient) == {*p, "z1", "z2", "a2"}
    found = errors(gradient, {name: gradients_torch[name] for name in gradient})
    assert max(found.values()) < ONE_STEP[dtype], found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("seed", range(3))
def test_every_named_gradient_of_one_sample_is_autograds(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    p, (x, y) = parameters(rng, dtype), (a[0] for a in random_batch(rng, 1, dtype))
    values_torch, gradients_torch = every_gradient_in_torch(x, y, p)
    values = forward(x, **p)
    assert error(loss(values["a2"], y), values_torch["loss"]) < ONE_STEP[dtype]
    found = errors(one_sample(x, y, **values, **p), gradients_torch)
    assert len(found) == 9
    assert max(found.values()) < ONE_STEP[dtype], found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_at_a_time_and_all_at_once_are_equal(dtype: str) -> None:
    rng = np.random.default_rng(3)
    p, (x, y) = parameters(rng, dtype), random_batch(rng, dtype=dtype)
    together = backward(x, y, **forward(x, **p), **p)
    found = errors(backward_one_by_one(x, y, **p), {name: together[name] for name in p})
    assert set(found) == {"W1", "b1", "W2", "b2"}
    assert max(found.values()) < ONE_STEP[dtype], found


def test_torch_finds_the_same_gradients_for_each_sample() -> None:
    rng = np.random.default_rng(4)
    p, (x, y) = parameters(rng), random_batch(rng)

    def loss_of_one(parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return theirs.loss(theirs.forward(x, **parameters)["a2"], y)

    each = to_numpy(torch.func.vmap(torch.func.grad(loss_of_one), in_dims=(None, 0, 0))(*to_torch((p, x, y))))
    for n in range(len(x)):
        ours = one_sample(x[n], y[n], **forward(x[n], **p), **p)
        assert max(errors({name: ours[name] for name in p}, {name: each[name][n] for name in p}).values()) < 1e-14


def test_gradients_are_those_of_central_differences() -> None:
    rng = np.random.default_rng(5)
    p, (x, y) = parameters(rng), random_batch(rng)

    slopes = {name: jacobian(lambda value, name=name: loss(forward(x, **{**p, name: value})["a2"], y), p[name]) for name in p}
    found = backward(x, y, **forward(x, **p), **p)
    assert max(errors({name: found[name] for name in slopes}, slopes).values()) < 1e-7


# ---- the four equations, each for itself, with a random upstream ---------------------------------


@pytest.fixture
def layer() -> dict[str, torch.Tensor]:
    """A layer a → z = a W + b → σ(z), what stands before it (z_before, with a = σ(z_before)), and a random ∂L/∂σ(z)."""
    rng = np.random.default_rng(6)
    n, here, out = 7, 4, 3
    shapes = {"z_before": (n, here), "W": (here, out), "b": (out,), "upstream": (n, out)}
    return {name: t.requires_grad_(name != "upstream") for name, t in to_torch({k: rng.normal(size=s) for k, s in shapes.items()}).items()}


def pulled_back(layer: dict[str, torch.Tensor], name: str) -> np.ndarray:
    """∂L/∂(name) by autograd, where ∂L/∂σ(z) is the upstream."""
    a = torch.sigmoid(layer["z_before"])
    z = a @ layer["W"] + layer["b"]
    wanted = {**layer, "z": z}[name]
    return to_numpy(torch.autograd.grad(torch.sigmoid(z), wanted, layer["upstream"])[0])


def test_bp1_the_error_at_the_output(layer: dict[str, torch.Tensor]) -> None:
    z = torch.sigmoid(layer["z_before"]) @ layer["W"] + layer["b"]
    found = error_at_output(to_numpy(layer["upstream"]), sigmoid(to_numpy(z)))
    assert error(found, pulled_back(layer, "z")) < 1e-14


def test_bp2_the_error_one_layer_back(layer: dict[str, torch.Tensor]) -> None:
    found = error_one_layer_back(pulled_back(layer, "z"), to_numpy(layer["W"]), sigmoid(to_numpy(layer["z_before"])))
    assert error(found, pulled_back(layer, "z_before")) < 1e-14


def test_bp3_the_gradient_of_a_bias(layer: dict[str, torch.Tensor]) -> None:
    assert error(gradient_of_bias(pulled_back(layer, "z")), pulled_back(layer, "b")) < 1e-14


def test_bp4_the_gradient_of_a_weight(layer: dict[str, torch.Tensor]) -> None:
    found = gradient_of_weight(sigmoid(to_numpy(layer["z_before"])), pulled_back(layer, "z"))
    assert error(found, pulled_back(layer, "W")) < 1e-14


def test_nothing_that_is_given_is_changed() -> None:
    rng = np.random.default_rng(7)
    p, (x, y) = parameters(rng), random_batch(rng)
    given = {"x": x, "y": y, **forward(x, **p), **p}
    copies = {name: value.copy() for name, value in given.items()}
    backward(**given)
    backward_one_by_one(x, y, **p)
    assert all(np.array_equal(given[name], copies[name]) for name in given)


# ---- what is learned -----------------------------------------------------------------------------


def test_the_flowers_are_fishers() -> None:
    split = Petals().split
    assert [a.shape for a in (*split.train, *split.val)] == [(70, 2), (70, 1), (30, 2), (30, 1)]
    assert sum(float(y.sum()) for y in (split.train[1], split.val[1])) == 50
    assert np.abs(split.train[0].mean(axis=0)).max() < 1e-12
    assert split.train[0].std(axis=0) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(10))
def test_by_hand_the_two_species_are_told_apart_from_every_start(seed: int) -> None:
    data = Petals()
    data.setup()
    x, y = data.split.train
    batches = [(x[i : i + 10], y[i : i + 10]) for i in range(0, 70, 10)]
    trainer = Trainer(max_epochs=60)
    trainer.fit(ChainRule(rng=np.random.default_rng(seed)), batches, [data.split.val])
    assert trainer.metrics["accuracy/val"] >= 0.9
    assert trainer.metrics["loss/val"] < 0.05 < np.mean(trainer.history[:3])


def test_both_sides_learn_it_and_agree_at_every_step() -> None:
    lockstep, module = whole_run(TWIN)
    trainer = module.trainer
    assert lockstep.judge.passed, lockstep.judge.failure
    assert lockstep.judge.steps == 420
    for metrics in (trainer.callback_metrics, lockstep.metrics):
        assert float(metrics["accuracy/val"]) >= 0.9
        assert float(metrics["loss/val"]) < 0.05


def test_initial_weights_have_the_same_distribution_on_both_sides() -> None:
    torch.manual_seed(0)
    ours = ChainRule(3000, rng=np.random.default_rng(0)).state_dict()
    in_torch = to_numpy(dict(theirs.ChainRule(3000).state_dict()))
    assert ours.keys() == in_torch.keys()
    for name in ours:
        assert ours[name].shape == in_torch[name].shape
        for side in (ours[name], in_torch[name]):
            if side.size > 1:
                assert abs(side.mean()) < 0.06
                assert side.std() == pytest.approx(1, abs=0.05)


def test_a_layer_without_units_is_refused() -> None:
    for side in (ChainRule, theirs.ChainRule):
        with pytest.raises(ValueError, match="hidden must be at least 1, got 0"):
            side(0)


# ---- what the lesson says ------------------------------------------------------------------------


def test_an_error_fades_along_a_path_unless_the_weight_is_larger_than_four() -> None:
    error_next, half = np.array([[-0.7]]), np.array([[0.5]])  # where the slope of the sigmoid is largest, ¼
    for weight in (-8.0, -4.1, -3.9, 0.5, 3.9, 4.1, 8.0):
        grown = abs(error_one_layer_back(error_next, np.array([[weight]]), half)) > abs(error_next)
        assert grown == (abs(weight) > 4)
    a = np.linspace(0.01, 0.99, 50)[:, None]
    assert (abs(error_one_layer_back(np.full((50, 1), -0.7), np.array([[3.9]]), a)) < 0.7).all()


@pytest.mark.parametrize(("x", "y"), [(3.0, 5.0), (-1.5, 0.25)])
def test_the_rates_that_the_article_names_wrongly_are_autograds(x: float, y: float) -> None:
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    g = at**2
    f = g * y
    (df_dg,) = torch.autograd.grad(f, g, retain_graph=True)
    (dg_dx,) = torch.autograd.grad(g, at, retain_graph=True)
    (df_dx,) = torch.autograd.grad(f, at)
    assert product_with_a_square(x, y) == pytest.approx({"dg_dx": dg_dx.item(), "df_dg": df_dg.item(), "df_dx": df_dx.item()}, rel=1e-15)


# ---- figures -------------------------------------------------------------------------------------


def test_the_figures_bars_end_at_torchs_gradient() -> None:
    manual, module = TWIN.build(seed=1)
    x, y = (a[:10] for a in Petals().split.train)
    found = errors(backward_one_by_one(x, y, **manual.arrays()), torch_gradients(module, x, y))
    assert max(found.values()) < 1e-14


def test_numbers_in_the_graph_are_short() -> None:
    values = (1.23456, -0.5, 0.08, -0.0024, 0.0, -1.5e-7)
    assert [number(v) for v in values] == ["+1.235", "−0.500", "+0.080", "−0.0024", "+0.0", "−1.5e−07"]


def test_figures_are_drawn_before_and_after() -> None:
    manual, module = TWIN.build()
    drawn = before(manual, module, Petals())
    assert list(drawn) == list(figures(manual, module, Petals())) == ["the graph of one flower", "two species", "samples add up"]
    written = {text.get_text() for text in drawn["the graph of one flower"].axes[0].texts}
    p = manual.arrays()
    of_parameters = {f"W1[1,2] {number(p['W1'][1, 2])}", f"W2[2,0] {number(p['W2'][2, 0])}", f"b1[0] {number(p['b1'][0])}"}
    assert {"z1[2]", "a2[0]", "L"} | of_parameters <= written
    for fig in drawn.values():
        fig.draw_without_rendering()


@pytest.mark.parametrize("hidden", [2, 3, 4, LARGEST])
def test_each_weight_stands_on_its_own_edge_and_on_no_other(hidden: int) -> None:
    """All along its letters the nearest edge is that of the weight, and it is as near as letters can be."""
    torch.manual_seed(0)
    manual = TWIN.by_hand(theirs.ChainRule(hidden=hidden).double())
    fig = graph(manual, Petals(), "untrained")
    fig.draw_without_rendering()
    axis, edges = fig.axes[0], {}
    for name, columns, shape in (("W1", ("x", "z1"), (2, hidden)), ("W2", ("a1", "z2"), (hidden, 1))):
        left, right = (rows(column, count, hidden) for column, count in zip(columns, shape, strict=True))
        for i, j in np.ndindex(shape):
            ends = (COLUMN[columns[0]] + HALF_WIDTH, left[i]), (COLUMN[columns[1]] - HALF_WIDTH, right[j])
            edges[f"{name}[{i},{j}]"] = np.linspace(*ends, 400)
    labels = {text.get_text().split()[0]: text for text in axis.texts if text.get_text().startswith("W")}
    assert set(labels) == set(edges)
    for name, text in labels.items():
        turned = np.deg2rad(text.get_rotation())
        text.set_rotation(0)
        box = text.get_window_extent().transformed(axis.transData.inverted())
        along, up = np.array([np.cos(turned), np.sin(turned)]), np.array([-np.sin(turned), np.cos(turned)])
        for share in (0, 0.25, 0.5, 0.75):
            letter = np.array(text.get_position()) + share * box.width * along + 0.5 * box.height * up
            away = {other: np.linalg.norm(edge - letter, axis=1).min() for other, edge in edges.items()}
            assert min(away, key=lambda other: away[other]) == name
            assert away[name] < box.height


def test_a_network_too_large_for_the_graph_has_the_other_figures() -> None:
    torch.manual_seed(0)
    module = theirs.ChainRule(hidden=11).double()
    assert list(figures(TWIN.by_hand(module), module, Petals())) == ["two species", "samples add up"]
