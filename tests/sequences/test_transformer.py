"""The transformer block: torch's encoder layer in both orders of its norms, what a norm does not see, shortcuts, and reversal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.data.reversed import Reversed
from experiments.judge.compare import error
from experiments.judge.convert import load_in_torch
from experiments.judge.differences import check_grads
from experiments.judge.naming import Naming
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import transformer as script
from experiments.sequences.transformer import NAMES, TWIN
from manual import nn
from manual.module import no_grad
from manual.sequences.transformer import EPS, Block


@pytest.fixture(scope="module")
def run() -> Trained:
    """Shorter than the concept's own, with larger steps."""
    return trained(TWIN.having({"lr": 0.01}, {"sequences": 832}))


def three_blocks(norm_first: bool, d_model: int = 6, heads: int = 3, width: int = 5) -> tuple[Block, Any, Any]:
    """The concept's, the library's and torch's, with the same random weights."""
    rng = np.random.default_rng(0)
    ours = Block(d_model, heads, width, norm_first, rng=rng)
    for p in ours.parameters():
        p[...] = rng.normal(0, 0.5, p.shape) + (p.ndim == 1)
    settings: dict[str, Any] = {"dropout": 0.0, "batch_first": True, "norm_first": norm_first, "bias": False}
    library = nn.TransformerEncoderLayer(d_model, heads, width, **settings)
    library.load_state_dict({theirs: p.data for (name, p) in ours.named_parameters() for theirs in [NAMES[name]]})
    theirs = torch.nn.TransformerEncoderLayer(d_model, heads, width, **settings).double()
    load_in_torch(Naming(NAMES), theirs, ours.state_dict())
    return ours, library, theirs


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre-norm", "post-norm"])
def test_block_is_the_encoder_layer_of_the_library_and_of_torch(norm_first: bool) -> None:
    ours, library, theirs = three_blocks(norm_first)
    rng = np.random.default_rng(1)
    x, dL_dy = rng.normal(size=(2, 4, 7, 6))
    leaf = torch.from_numpy(x).requires_grad_()
    y = theirs(leaf)
    y.backward(torch.from_numpy(dL_dy))
    assert error(ours(x), y.detach().numpy()) < 1e-14
    assert error(library(x), y.detach().numpy()) < 1e-14
    dL_dx = ours.backward(dL_dy)
    assert error(dL_dx, leaf.grad.numpy()) < 1e-13
    assert error(library.backward(dL_dy), dL_dx) < 1e-13
    in_library = dict(library.named_parameters())
    for name, p in ours.named_parameters():
        assert error(p.grad, theirs.get_parameter(NAMES[name]).grad) < 1e-13
        assert error(p.grad, in_library[NAMES[name]].grad) < 1e-13


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre-norm", "post-norm"])
def test_gradients_are_those_of_autograd_and_of_central_differences(norm_first: bool) -> None:
    ours, _, theirs = three_blocks(norm_first)
    rng = np.random.default_rng(2)
    check_grads(ours, [rng.normal(size=(2, 5, 6))], again=[rng.normal(size=(3, 4, 6))], torch=theirs, names=NAMES)


def test_gradients_of_the_concept_are_those_of_autograd_and_of_central_differences() -> None:
    small = TWIN.having({"d_model": 8, "heads": 2, "width": 6}, {"length": 5, "symbols": 4, "sequences": 40, "batch_size": 8})
    data = small.make_data()
    ours, theirs = small.build(data=data)
    batches = data.two_batches(theirs)
    check_grads(ours, batches[0], again=batches[1], torch=theirs, names=small.names)


# ---- the parts -----------------------------------------------------------------------------------


def test_norm_gives_mean_0_and_deviation_1_and_its_way_back_has_no_part_of_what_it_does_not_see() -> None:
    rng = np.random.default_rng(3)
    block, x, dL_dy = Block(8, 2, 4, rng=rng), *rng.normal(2, 3, (2, 3, 5, 8))
    y = block.norm(x, block.g1)
    variance = x.var(axis=-1)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-15)
    np.testing.assert_allclose(y.var(axis=-1), variance / (variance + EPS), rtol=1e-12)
    assert error(block.norm(7 * x + 4, block.g1), y) < 1e-4  # but for EPS, which 7 x feels less
    block._saved.pop()
    dL_dx = block.norm_backward(dL_dy, block.g1)
    np.testing.assert_allclose(dL_dx.sum(axis=-1), 0, atol=1e-14)  # of moving all alike
    along = (dL_dx * y).mean(axis=-1)
    stretch = (dL_dy * y).mean(axis=-1) * (1 - y.var(axis=-1)) / np.sqrt(variance + EPS)
    np.testing.assert_allclose(along, stretch, atol=1e-14)  # of stretching all alike, but for EPS


def test_what_comes_back_goes_both_ways_and_a_block_of_zeros_hands_it_on() -> None:
    rng = np.random.default_rng(4)
    block, x, dL_dy = Block(6, 2, 5, rng=rng), *rng.normal(size=(2, 2, 3, 6))
    block.W_out[...] = 0
    block.W2[...] = 0
    assert np.array_equal(block(x), x)
    assert np.array_equal(block.backward(dL_dy), dL_dy)
    assert block.W_out.grad.any()  # and yet it learns


def test_two_screens_hold_all_of_the_way_back() -> None:
    """Of a block, forward and backward: what a learner is promised."""
    import inspect

    parts = ("forward", "norm", "attend", "feed_forward")
    names = [*parts, "backward", *(f"{part}_backward" for part in parts[1:])]
    assert sum(len(inspect.getsource(getattr(Block, name)).splitlines()) for name in names) <= 2 * 45


@pytest.mark.parametrize("side", [TWIN.manual, TWIN.torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("heads", [0, 5])
def test_heads_must_divide_the_width(side: Any, heads: int) -> None:
    with pytest.raises(ValueError, match=f"heads must divide d_model, got {heads} and 32"):
        side(heads=heads)


# ---- the run -------------------------------------------------------------------------------------


def test_targets_are_the_sequences_backwards() -> None:
    split = Reversed(seed=2, length=5, symbols=3, sequences=40).split
    assert (split.train[0].shape, split.val[0].shape) == ((40, 5), (10, 5))
    for x, target in (split.train, split.val):
        assert set(np.unique(x)) == {0, 1, 2}
        assert [row[::-1] for row in x.tolist()] == target.tolist()
    with pytest.raises(InputError, match=r"--data\.length"):
        Reversed(length=0)


def test_all_sequences_are_reversed_on_both_sides_and_each_place_looks_at_its_answer(run: Trained) -> None:
    assert run.agree
    assert run.metrics["sequences/val"] > 0.99
    x, target = run.data.split.val
    with no_grad(), torch.no_grad():
        ours, theirs = run.manual(x), run.torch(torch.from_numpy(x)).numpy()
        untrained = TWIN.build(1)[0](x).argmax(axis=-1)
    for z in (ours, theirs):
        assert (z.argmax(axis=-1) == target).all(axis=1).mean() == run.metrics["sequences/val"]
    assert (untrained == target).mean() < 0.2
    assert script.at_the_answer(run) > 0.4
    assert np.mean(run.manual.block.weights.max(axis=1).argmax(axis=-1) == np.arange(16)[::-1]) > 0.95
    assert error(run.manual.block.weights, script.maps_in_torch(run.torch, x[:64])) < 1e-12


@pytest.mark.long
def test_the_concepts_own_run_reverses_all() -> None:
    run = trained(TWIN)
    assert run.agree
    assert len(run.losses) == 192
    assert run.metrics["sequences/val"] > 0.99


def test_it_has_9418_parameters_which_is_those_of_the_layer_with_biases_less_its_biases() -> None:
    ours, _ = TWIN.build()
    biases = 4 * 32 + (64 + 32) + 2 * 32  # of attention's four maps, of feed-forward's two, of both norms
    assert sum(p.size for p in ours.parameters()) == 9706 - biases == 9418


# ---- what figures and texts say ------------------------------------------------------------------


def test_in_a_stack_pre_norm_grows_and_post_norm_stays_and_learns_later() -> None:
    for norm_first in (True, False):
        assert error(script.sizes(norm_first, "by hand"), script.sizes(norm_first, "torch")) < 1e-13
    pre, post = (script.sizes(norm_first, "by hand") for norm_first in (True, False))
    assert (np.diff(pre) > 0).all()
    np.testing.assert_allclose(post[1:], 1, rtol=1e-4)
    assert np.mean(script.losses(True)[-5:]) < 0.3
    assert np.mean(script.losses(False)[-5:]) > 1.5


def test_figure_shows_a_panel_for_each_head() -> None:
    ours, theirs = TWIN.build()
    drawn = script.before(ours, theirs, TWIN.make_data())["who looks where"]
    assert [ax.get_title() for ax in drawn.axes] == [f"head {h}" for h in range(4)]
    for ax in drawn.axes:
        np.testing.assert_allclose(ax.images[0].get_array().sum(axis=1), 1)
