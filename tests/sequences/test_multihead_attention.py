"""Several heads: the layer against two others that hold its weights, the limit of one head, and where two of them look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import multihead_attention as script
from experiments.sequences.multihead_attention import ONE_HEAD, TWIN, Lists
from manual import nn
from manual.module import no_grad
from manual.sequences.multihead_attention import MultiheadAttention, join, split


@pytest.fixture(scope="module")
def two_heads() -> Trained:
    """Three of the five epochs."""
    return trained(TWIN.having({}, {"lists": 1280}))


@pytest.fixture(scope="module")
def one_head() -> Trained:
    """As long, with one head."""
    return trained(TWIN.having({"heads": 1}, {"lists": 1280}))


# ---- the layer -----------------------------------------------------------------------------------


def test_split_gives_each_head_its_piece_of_every_place_and_join_takes_it_back() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 12))
    pieces = split(x, 3)
    assert pieces.shape == (2, 3, 5, 4)
    for h in range(3):
        assert np.array_equal(pieces[:, h], x[:, :, 4 * h : 4 * h + 4])
    assert np.array_equal(join(pieces), x)
    dL_dy = np.random.default_rng(1).normal(size=pieces.shape)
    assert (pieces * dL_dy).sum() == pytest.approx((x * join(dL_dy)).sum(), rel=1e-13)  # so the way back of split is join


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_layer_is_that_of_the_library_and_that_of_torch_with_the_same_weights(heads: int) -> None:
    rng = np.random.default_rng(heads)
    ours = MultiheadAttention(12, heads, rng=rng)
    library = nn.MultiheadAttention(12, heads, bias=False, batch_first=True)
    theirs = torch.nn.MultiheadAttention(12, heads, bias=False, batch_first=True, dtype=torch.float64)
    library.load_state_dict(ours.state_dict())
    theirs.load_state_dict(to_torch(ours.state_dict()))
    inputs = [rng.normal(size=(3, length, 12)) for length in (4, 6, 6)]
    dL_dy, leaves = rng.normal(size=(3, 4, 12)), [torch.from_numpy(x).requires_grad_() for x in inputs]
    outputs = ours(*inputs), library(*inputs, average_attn_weights=False), theirs(*leaves, average_attn_weights=False)
    outputs[2][0].backward(torch.from_numpy(dL_dy))
    gradients = ours.backward(dL_dy), library.backward(dL_dy), [x.grad for x in leaves]
    for y, weights in outputs[1:]:
        assert error(outputs[0], np.asarray(y.detach()) if isinstance(y, torch.Tensor) else y) < 1e-14
        assert error(ours.attend.weights, np.asarray(weights.detach()) if isinstance(weights, torch.Tensor) else weights) < 1e-14
    for others in gradients[1:]:
        assert max(error(a, np.asarray(b)) for a, b in zip(gradients[0], others, strict=True)) < 1e-13
    for name, p in ours.named_parameters():
        assert error(p.grad, dict(library.named_parameters())[name].grad) < 1e-13
        assert error(p.grad, theirs.get_parameter(name).grad) < 1e-13


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(2)
    two = [[rng.normal(size=(n, length, 6)) for length in (q, t, t)] for n, q, t in ((2, 3, 4), (3, 5, 2))]
    check_grads(MultiheadAttention(6, 3, rng=rng), two[0], again=two[1])
    ours, theirs = TWIN.build()
    batches = Lists(batch_size=20).two_batches(theirs)
    check_grads(ours, batches[0], again=batches[1], torch=theirs)


def test_what_is_asked_of_one_head_changes_nothing_in_another() -> None:
    rng = np.random.default_rng(3)
    layer = MultiheadAttention(8, 2, rng=rng)
    layer.out_proj.weight[...] = np.eye(8)
    layer.in_proj_weight[...] = np.vstack([np.eye(8)] * 3)
    inputs = [rng.normal(size=(2, length, 8)) for length in (3, 5, 5)]
    layer(*inputs)
    dL_dy = rng.normal(size=(2, 3, 8))
    dL_dy[..., 4:] = 0
    for gradient in layer.backward(dL_dy):
        assert np.abs(gradient[..., :4]).min() > 0
        assert not gradient[..., 4:].any()


def test_more_heads_are_no_more_weights() -> None:
    sizes = [sum(p.size for p in MultiheadAttention(16, heads).parameters()) for heads in (1, 2, 4, 16)]
    assert sizes == [4 * 16 * 16] * 4


@pytest.mark.parametrize("side", [TWIN.manual, TWIN.torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("heads", [0, 3])
def test_heads_must_divide_the_width(side: Any, heads: int) -> None:
    with pytest.raises(ValueError, match=f"heads must divide d_model, got {heads} and 16"):
        side(heads=heads)


# ---- the data ------------------------------------------------------------------------------------


def test_what_is_right_stands_beside_the_letter_that_was_asked_for() -> None:
    letters, digits, asked, target = Lists(seed=3, places=5, questions=3, lists=50).split.train
    assert (letters.shape, digits.shape, asked.shape, target.shape) == ((50, 5), (50, 5), (50, 3, 2), (50, 3, 2))
    for row in range(50):
        said = dict(zip(letters[row].tolist(), digits[row].tolist(), strict=True))
        assert len(said) == 5  # all letters of a list differ
        assert [[said[letter] for letter in two] for two in asked[row].tolist()] == target[row].tolist()
    assert (asked[..., 0] != asked[..., 1]).all()
    assert (target[..., 0] == target[..., 1]).any()


@pytest.mark.parametrize("wrong", [{"places": 1}, {"places": 9}, {"questions": 0}, {"lists": 0}])
def test_lists_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"--data.places must be from 2 to 8"):
        Lists(**wrong)


# ---- one head and two ----------------------------------------------------------------------------


def right(model: Any, batch: tuple[np.ndarray, ...]) -> np.ndarray:
    """Of which questions both digits are right, on either side."""
    letters, digits, asked, target = batch
    if isinstance(model, torch.nn.Module):
        with torch.no_grad():
            z = model(*(torch.from_numpy(a) for a in (letters, digits, asked))).numpy()
    else:
        with no_grad():
            z = model(letters, digits, asked)
    return (z.argmax(axis=-1) == target).all(axis=-1)


def four_of_a_kind(data: Lists) -> list[tuple[np.ndarray, ...]]:
    """A question about each held-out list with the digits (a, b), (b, a), (a, a) and (b, b), a and b different; all else as it is."""
    letters, digits, asked, _ = data.split.val
    rows, asked = np.arange(len(letters)), asked[:, :1]
    at = [(letters == asked[:, 0, which, None]).argmax(axis=1) for which in (0, 1)]
    a, b = digits[:, 0], (digits[:, 0] + 1 + digits[:, 1] % 7) % 8
    found = []
    for first, second in ((a, b), (b, a), (a, a), (b, b)):
        changed = digits.copy()
        changed[rows, at[0]], changed[rows, at[1]] = first, second
        found.append((letters, changed, asked, np.stack([first, second], axis=-1)[:, None]))
    return found


def test_one_head_that_reads_equal_digits_has_a_question_and_its_swap_never_both_right(one_head: Trained, two_heads: Trained) -> None:
    batches = four_of_a_kind(one_head.data)
    for model in (one_head.manual, one_head.torch):
        as_asked, swapped, *equal = (right(model, batch) for batch in batches)
        reads = np.logical_and(*equal)
        assert reads.mean() > 0.9
        assert not (reads & as_asked & swapped).any()
        assert (reads & (as_asked | swapped)).any()
    for model in (two_heads.manual, two_heads.torch):
        assert all(right(model, batch).mean() > 0.99 for batch in batches)


def test_the_limit_of_one_head_is_nine_sixteenths() -> None:
    pairs = [(a, b) for a in range(8) for b in range(8)]
    assert ONE_HEAD == sum(1 if a == b else 0.5 for a, b in pairs) / len(pairs) == 9 / 16


def test_two_heads_answer_all_and_one_head_stays_below_its_limit_on_both_sides(one_head: Trained, two_heads: Trained) -> None:
    assert two_heads.agree
    assert one_head.agree
    assert two_heads.metrics["both/val"] > 0.99
    assert one_head.metrics["both/val"] < ONE_HEAD - 0.1
    batch = two_heads.data.split.val
    for run in (one_head, two_heads):
        assert right(run.manual, batch).mean() == right(run.torch, batch).mean() == pytest.approx(run.metrics["both/val"])


def test_of_two_trained_heads_each_looks_for_one_of_the_two_letters(two_heads: Trained) -> None:
    batch = two_heads.data.split.val
    letters, _, asked, _ = batch
    ours, theirs = script.maps(two_heads.manual, two_heads.torch, batch)
    assert error(ours, theirs) < 1e-12
    on = np.array([[(ours[:, h] * (letters[:, None] == asked[..., which, None])).sum(axis=-1).mean() for which in (0, 1)] for h in (0, 1)])
    first = int(on[0, 0] > 0.5)  # whether head 0 is the one of the first letter
    assert on[1 - first, 0] > 0.9
    assert on[first, 1] > 0.9
    assert on[1 - first, 1] < 0.1
    assert on[first, 0] < 0.1


# ---- what figures and texts say ------------------------------------------------------------------


def test_two_heads_are_soonest_one_is_limited_and_sixteen_are_too_narrow() -> None:
    one, two, four, sixteen = (script.answered(heads) for heads in script.HEADS)
    assert max(one) < ONE_HEAD
    assert sum(two) > sum(four) > sum(sixteen)
    assert min(two[-1], four[-1]) > 0.98
    assert one[-1] < sixteen[-1] < 0.9


def test_figure_has_a_panel_for_each_head_and_marks_the_letters_asked() -> None:
    ours, theirs = TWIN.build()
    data = TWIN.make_data()
    drawn = script.before(ours, theirs, data)["who looks where"]
    assert [ax.get_title() for ax in drawn.axes] == ["head 0", "head 1"]
    letters, _, asked, _ = (part[0] for part in data.split.val)
    for ax in drawn.axes:
        for which, dots in enumerate(ax.collections):
            assert [letters[int(x)] for x, _ in dots.get_offsets()] == asked[:, which].tolist()
        np.testing.assert_allclose(ax.images[0].get_array().sum(axis=1), 1)
