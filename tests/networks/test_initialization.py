"""Where weights begin: the rule of the mean squares on both sides, which starts stall, and the linear network's exact solution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from experiments.cases.networks.initialization import judge_linear
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.differences import check_grads
from experiments.lockstep.trained import trained
from experiments.networks import initialization as script
from experiments.networks.initialization import COLOURS, SIZES, TWIN
from manual.networks import initialization as by_hand
from manual.trainer import Trainer
from torch_impl.networks import initialization as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])

RNG = np.random.default_rng(0)
BATCH = RNG.uniform(0, 1, (9, 64)), RNG.integers(0, 10, 9)


def drawn(side: Any, start: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """A first weight."""
    if side is by_hand:
        return by_hand.first_weights(start, shape, rng=np.random.default_rng(seed), dtype=np.float64)
    torch.manual_seed(seed)
    return in_torch.begin_(torch.empty(shape, dtype=torch.float64), start).numpy()


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(variant="xavier")
    check_grads(ours, BATCH, torch=theirs)
    linear = np.random.default_rng(1).normal(size=(4, 6))
    check_grads(
        by_hand.DeepLinear(linear, 0.4),
        (RNG.normal(size=(5, 6)), RNG.normal(size=(5, 4))),
        torch=in_torch.DeepLinear(torch.from_numpy(linear), 0.4),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_network_is_torchs(seed: int) -> None:
    assert max(judge_linear(seed).values()) < 1e-14


# ---- the rule --------------------------------------------------------------------------------------


@SIDES
@pytest.mark.parametrize("start", by_hand.STARTS)
def test_weights_are_drawn_with_the_variance_that_the_table_has(side: Any, start: str) -> None:
    """Not square: Xavier's is not He's, and fan_in is not fan_out."""
    out, fan_in = shape = (120, 70)
    weight = drawn(side, start, shape, 3)
    v = by_hand.variance(start, fan_in, out)
    assert abs((weight**2).mean() - v) <= 5 * v * np.sqrt(2 / weight.size)  # a normal number's square has the variance 2 v²
    assert abs(weight.mean()) <= 4 * np.sqrt(v / weight.size)
    other = drawn(in_torch if side is by_hand else by_hand, start, shape, 4)
    assert ks_2samp(weight.ravel(), other.ravel()).pvalue > 1e-3
    if start == "orthogonal":
        assert weight.T @ weight == pytest.approx(2 * np.eye(fan_in), abs=1e-13)


@SIDES
@pytest.mark.parametrize("start", by_hand.STARTS)
def test_each_layer_multiplies_the_mean_square_by_its_factor(side: Any, start: str) -> None:
    """Forward that is so in the mean over all draws; backward nearly: what is cut off depends on the weights that it comes back through."""
    found = []
    for seed in range(60):
        torch.manual_seed(seed)
        model = side.DeepMLP(start, depth=3, **({"rng": np.random.default_rng(seed)} if side is by_hand else {}))
        batch = BATCH if side is by_hand else to_torch(BATCH)
        h, back = (np.asarray(a) for a in side.mean_squares(model if side is by_hand else model.double(), *batch))
        found.append((h[1:] / h[0], back[::-1][1:] / (back[-1] or 1)))
    forward, backward = np.array(found).transpose(1, 0, 2)
    rule = by_hand.factor(by_hand.variance(start, 64, 64), 64) ** np.arange(1, 4)
    assert (abs(forward.mean(axis=0) - rule) <= 4 * forward.std(axis=0) / np.sqrt(60)).all()
    assert backward.mean(axis=0) == pytest.approx(rule, rel=0.25)


@pytest.mark.parametrize("start", by_hand.STARTS)
def test_both_sides_measure_the_same_and_leave_nothing_behind(start: str) -> None:
    assert error(*script.measured(start)) < 1e-13
    ours, _ = TWIN.having({"start": start, "depth": 2}).build()
    by_hand.mean_squares(ours, *BATCH)
    ours.check_nothing_saved()
    assert not any(p.has_grad for p in ours.parameters())


# ---- who stalls ------------------------------------------------------------------------------------


def test_from_zeros_only_the_last_bias_moves() -> None:
    ours, theirs = TWIN.build(variant="zeros")
    Trainer(max_epochs=3).fit(ours, [BATCH])
    assert [name for name, p in ours.named_parameters() if p.any()] == ["last.bias"]
    theirs.training_step(to_torch(BATCH), 0).backward()
    assert [name for name, p in theirs.named_parameters() if p.grad.any()] == ["last.bias"]


def test_small_and_default_stall_he_and_orthogonal_learn_xavier_is_late_and_large_overflows() -> None:
    """As the figure says, and its caption; on both sides."""
    caption = script.which_starts_stall().caption
    for side in range(2):
        found = {start: script.trained_from(start, 10 if start == "large" else 120)[side] for start in COLOURS}
        for start in ("small", "default"):
            assert abs(found[start] - np.log(10)).max() < 0.05
        assert found["xavier"][-10:].mean() > 1.9
        assert max(found[start][-10:].mean() for start in ("he", "orthogonal")) < 0.7
        assert f"step {np.argmin(np.isfinite(found['large']))} has none" in caption
        assert abs(script.trained_from("zeros", 40)[side] - found["small"][:40]).max() < 1e-5  # a line as wide as this is not seen


@pytest.mark.long
def test_from_hes_start_ten_layers_read_over_nine_of_ten_digits_on_both_sides() -> None:
    run = trained(TWIN)
    x, y = run.data.split.val
    assert run.agree
    in_torch = run.torch(torch.from_numpy(x)).argmax(dim=1).numpy()
    assert min(np.mean(in_torch == y), run.metrics["accuracy/val"]) > 0.93
    assert "stalls" not in script.learned(run)


# ---- two layers without ReLU -----------------------------------------------------------------------


def recursion(u: float, lr: float, steps: int) -> np.ndarray:
    """The five modes by their own recursion, written out: (steps + 1, 5)."""
    path = [np.full(5, u)]
    for _ in range(steps):
        path.append(path[-1] * (1 + lr * (SIZES - path[-1] ** 2)))
    return np.array(path) ** 2


def test_each_mode_follows_its_recursion_to_rounding_on_both_sides() -> None:
    """Each of 1,200 steps rounds anew, on one processor otherwise than on another: seen were .9e-14 to 1.1e-14."""
    for found in script.modes():
        assert abs(found / recursion(0.1, 0.005, 1200) - 1).max() < 1200 * np.finfo(float).eps


def test_nothing_but_the_modes_is_learned() -> None:
    """W2 W1 stays diagonal along the axes of A, also where A is not square."""
    A = np.random.default_rng(2).normal(size=(3, 5))
    U, S, Vh = np.linalg.svd(A, full_matrices=False)
    linear = by_hand.DeepLinear(A, 0.2, 0.02)
    Trainer(max_epochs=200).fit(linear, [(np.eye(5), A.T.copy())])
    along = U.T @ linear.W2.data @ linear.W1.data @ Vh.T
    assert along == pytest.approx(
        np.diag([by_hand.mode(0.2, s, 0.02, 200)[-1] ** 2 for s in S]), abs=1e-13
    )  # near the saddle a rounding grows, too


def test_short_steps_follow_saxes_sigmoid() -> None:
    errors = []
    for lr in (1e-3, 5e-4):
        steps = round(4 / lr)
        found, t = recursion(0.1, lr, steps), lr * np.arange(steps + 1)
        assert found[:, 1] == pytest.approx(by_hand.mode(0.1, SIZES[1], lr, steps) ** 2, rel=1e-12)
        errors.append(max(abs(found[:, j] - by_hand.saxe(t, s, 0.01)).max() for j, s in enumerate(SIZES)))
    assert errors[0] < 0.019
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.02)  # in proportion to lr


def test_smaller_starts_wait_longer_and_zero_for_ever() -> None:
    half = [np.argmax(by_hand.mode(u, 2.0, 0.005, 1200) ** 2 > 1) for u in (0.1, 0.01, 0.001, 0.0001)]
    wait = np.log(10) / 2.0 / 0.005  # log(s/a₀) / 2s, of a₀ = u²
    assert np.diff(half) == pytest.approx([wait] * 3, rel=0.02)
    assert not by_hand.mode(0.0, 2.0, 0.005, 1200).any()


# ---- the rest --------------------------------------------------------------------------------------


@SIDES
@pytest.mark.parametrize("wrong", [{"start": "warm"}, {"depth": 0}, {"width": 0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"DeepMLP: .*{name}.*, got .*{value}"):
        side.DeepMLP(**wrong)


def test_figures_show_both_sides() -> None:
    drawings = script.figures(*TWIN.build(), TWIN.make_data())
    assert list(drawings) == ["layer by layer", "which starts stall", "mode by mode"]
    for name, per_curve in (("layer by layer", 3), ("mode by mode", 3)):
        lines = drawings[name].axes[0].lines
        assert all(error(b.get_ydata(), a.get_ydata()) < 1e-12 for a, b in zip(lines[::per_curve], lines[1::per_curve], strict=True))
    forward = drawings["layer by layer"].axes[0].lines
    assert len(forward) == 3 * len(COLOURS)
    assert forward[2].get_ydata() == pytest.approx(np.ones(11))  # He's rule is level
