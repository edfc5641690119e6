"""Convolution arithmetic: against scipy.signal and torch, sizes by the formula, the adjoint, the matrix, and kernels that are found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import signal

from experiments.drawing.interactive import picked
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained, twin_of
from experiments.networks import convolution as script
from experiments.networks.convolution import SOBEL, TWIN
from manual.module import no_grad
from manual.networks import convolution as by_hand
from manual.networks.convolution import conv, conv_backward, conv_transposed, grouped, size
from torch_impl.networks import convolution as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
SETTINGS = [
    {"stride": s, "padding": p, "dilation": d} for s, p, d in ((1, 0, 1), (2, 0, 1), (1, 1, 1), (1, 0, 2), (3, 2, 1), (2, 3, 2), (5, 1, 3))
]
every_setting = pytest.mark.parametrize("settings", SETTINGS, ids=["".join(f"{k[0]}{v}" for k, v in s.items()) for s in SETTINGS])


@pytest.fixture(scope="module")
def run() -> Trained:
    """The concept's own run."""
    return trained(TWIN)


def digits(n: int) -> np.ndarray:
    """So many images, (n, 1, 8, 8)."""
    return TWIN.make_data().split.train[0][:n]


def at_random(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


@every_setting
def test_gradients_are_those_of_autograd_and_of_central_differences(settings: dict[str, int]) -> None:
    x, W = at_random(2, 3, 9, 11), at_random(4, 3, 2, 3, seed=1)
    y = at_random(*conv(x, W, **settings).shape, seed=2)
    check_grads(
        lambda x, W: conv(x, W, **settings), [x, W],
        backward=lambda dL_dy, x, W: conv_backward(dL_dy, x, W, **settings), torch=lambda x, W: in_torch.conv(x, W, **settings),
    )  # fmt: skip
    check_grads(
        lambda y, W: conv_transposed(y, W, (9, 11), **settings), [y, W],
        backward=lambda dL_dx, y, W: by_hand.conv_transposed_backward(dL_dx, y, W, (9, 11), **settings),
        torch=lambda y, W: in_torch.conv_transposed(y, W, (9, 11), **settings),
    )  # fmt: skip


def test_gradients_of_groups_and_of_the_concept_are_too() -> None:
    x, W, settings = at_random(2, 6, 5, 7), at_random(9, 2, 3, 2, seed=1), {"stride": 2, "padding": 1}
    check_grads(
        lambda x, W: grouped(x, W, 3, **settings), [x, W],
        backward=lambda dL_dy, x, W: by_hand.grouped_backward(dL_dy, x, W, 3, **settings),
        torch=lambda x, W: in_torch.grouped(x, W, 3, **settings),
    )  # fmt: skip
    ours, theirs = TWIN.having({"kernel_size": 5, "dilation": 2}).build(1)
    x, y = TWIN.make_data().split.train
    check_grads(ours, (x[:5], y[:5]), again=(x[5:8], y[5:8]), torch=theirs, names=TWIN.names)


# ---- against scipy.signal, and by the definition ---------------------------------------------------


@every_setting
def test_it_is_scipys_correlation_of_real_images(settings: dict[str, int]) -> None:
    """Of a padded image and a kernel with zeros between its weights, every stride-th place."""
    s, p, d = settings.values()
    x, W = digits(6), at_random(2, 1, 3, 2)
    found = conv(x, W, **settings)
    for o, kernel in enumerate(W[:, 0]):
        apart = np.zeros((d * 2 + 1, d + 1))
        apart[::d, ::d] = kernel
        for n, image in enumerate(x[:, 0]):
            wanted = signal.correlate(np.pad(image, p), apart, mode="valid", method="direct")[::s, ::s]
            assert found[n, o] == pytest.approx(wanted, abs=1e-14)


def test_it_does_not_flip() -> None:
    x, W = digits(1), at_random(1, 1, 3, 3)
    flipped = signal.convolve(x[0, 0], W[0, 0], mode="valid", method="direct")
    assert conv(x, W[:, :, ::-1, ::-1])[0, 0] == pytest.approx(flipped, abs=1e-14)
    assert error(conv(x, W)[0, 0], flipped) > 0.1
    assert conv(x[:, :, :1], W[:, :, :1])[0, 0, 0] == pytest.approx(np.correlate(x[0, 0, 0], W[0, 0, 0], mode="valid"), abs=1e-15)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
@every_setting
def test_the_size_is_the_number_of_places_that_fit(settings: dict[str, int], kernel_size: int) -> None:
    s, p, d = settings.values()
    for n in range(13, 20):
        places = [i for i in range(0, n + 2 * p, s) if i + d * (kernel_size - 1) < n + 2 * p]
        assert size(n, kernel_size, **settings) == len(places)
        y = in_torch.conv(torch.zeros(1, 1, n, 13), torch.zeros(1, 1, kernel_size, 1), **settings)
        assert size(n, kernel_size, **settings) == y.shape[2]
        assert conv(np.zeros((1, 1, n, 13)), np.zeros((1, 1, kernel_size, 1)), **settings).shape == tuple(y.shape)


# ---- the transpose ---------------------------------------------------------------------------------


@SIDES
@every_setting
def test_the_transposed_convolution_is_the_adjoint(settings: dict[str, int], side: Any) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for real images x."""
    x, W = digits(5), at_random(3, 1, 3, 2)
    as_arrays = (lambda *a: [torch.from_numpy(v) for v in a]) if side is in_torch else (lambda *a: list(a))
    there = np.asarray(side.conv(*as_arrays(x, W), **settings))
    y = at_random(*there.shape, seed=3)
    back = np.asarray(side.conv_transposed(*as_arrays(y, W), (8, 8), **settings))
    assert back.shape == x.shape
    left, right = np.sum(there * y), np.sum(x * back)
    assert abs(left - right) < 1e-14 * np.sum(np.abs(there * y))


@every_setting
def test_it_is_the_transpose_of_the_convolutions_matrix(settings: dict[str, int]) -> None:
    W = at_random(2, 1, 2, 3)
    pixels = np.eye(20).reshape(20, 1, 4, 5)  # an image for each pixel: a column of A each
    x = np.pad(pixels, ((0, 0), (0, 0), (1, 2), (2, 1))) if settings["dilation"] == 3 else pixels
    A = conv(x, W, **settings).reshape(len(x), -1).T
    y = at_random(*conv(x[:1], W, **settings).shape, seed=1)
    back = conv_transposed(y, W, x.shape[2:], **settings)
    assert A.T @ y.ravel() == pytest.approx((x * back).sum(axis=(1, 2, 3)), abs=1e-14)
    assert A.any()


def test_groups_are_convolutions_side_by_side() -> None:
    x, W = at_random(2, 4, 6, 5), at_random(6, 2, 3, 3, seed=1)
    y = grouped(x, W, 2, padding=1)
    assert y[:, :3] == pytest.approx(conv(x[:, :2], W[:3], padding=1), abs=1e-15)
    assert y[:, 3:] == pytest.approx(conv(x[:, 2:], W[3:], padding=1), abs=1e-15)
    assert np.array_equal(grouped(x[:, :2], W, 1), conv(x[:, :2], W))


# ---- the pair ------------------------------------------------------------------------------------


def test_kernels_find_the_rule_by_which_scipy_made_the_images(run: Trained) -> None:
    assert run.agree
    by_torch = run.torch.conv.weight.detach().numpy()
    for W in (run.manual.W.data, by_torch):
        assert np.abs(W[:, 0] - [SOBEL, SOBEL.T]).max() < 1e-6
    x, y = run.data.split.train
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x[:, 0], ((0, 0), (1, 1), (1, 1))), (3, 3), axis=(1, 2)).reshape(-1, 9)
    best, *_ = np.linalg.lstsq(windows, y.transpose(0, 2, 3, 1).reshape(-1, 2))  # the closed form
    assert pytest.approx(best, abs=1e-6) == run.manual.W.data.reshape(2, 9).T
    assert script.likeness(run) == pytest.approx(1)


def test_the_images_of_edges_are_those_of_both_kernels_and_none_is_flipped_unless_asked() -> None:
    x = digits(4)
    wanted = np.stack([SOBEL, SOBEL.T])[:, None]
    assert script.edges(x) == pytest.approx(conv(x, wanted, padding=1), abs=1e-14)
    assert script.edges(x, flip=True) == pytest.approx(conv(x, wanted[:, :, ::-1, ::-1], padding=1), abs=1e-14)
    assert np.array_equal(TWIN.make_data(flip=True).split.val[1], script.edges(TWIN.make_data().split.val[0], flip=True))


def test_a_run_on_flipped_images_finds_the_kernel_turned_by_half_a_turn() -> None:
    flipped = trained(twin_of(TWIN, script.MISTAKE))
    assert flipped.manual.W.data[:, 0] == pytest.approx(np.stack([SOBEL, SOBEL.T])[:, ::-1, ::-1], abs=1e-3)


@SIDES
@pytest.mark.parametrize("wrong", [{"kernel_size": 4}, {"kernel_size": -1}, {"dilation": 0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Convolution: .*{name}.*, got .*{value}"):
        side.Convolution(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_the_figures_show_what_they_say(run: Trained) -> None:
    drawn = script.figures(run.manual, run.torch, run.data)
    above, below = np.split(np.array(drawn["arithmetic"].axes, dtype=object), 2)
    assert [ax.get_title().split("\n")[-1] for ax in above] == ["the digit: 8 x 8", "6 x 6", "8 x 8", "4 x 4", "4 x 4", "8 x 8"]
    assert "seen 1 to 9 times" in below[1].get_title()
    counts = below[1].images[0].get_array()
    assert counts.sum() == 36 * 9  # every place sees nine pixels
    assert (counts[0, 0], counts[4, 4]) == (1, 9)
    for ax in drawn["a kernel is found"].axes:
        curves = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) > 2]
        assert len(curves) == 18
        assert all(error(b, a) < 1e-12 for a, b in zip(curves[::2], curves[1::2], strict=True))
        assert sorted(round(float(c[-1])) for c in curves[1::2]) == [-2, -1, -1, 0, 0, 0, 1, 1, 2]
    with no_grad():
        y = run.manual(script.photograph())
    wanted = signal.correlate(script.photograph()[0, 0], SOBEL, mode="same", method="direct")
    assert y[0, 0] == pytest.approx(wanted, abs=1e-5)
    assert np.asarray(drawn["edges"].axes[1].images[0].get_array()) == pytest.approx(wanted[1:-1, 1:-1], abs=1e-5)


# ---- what is moved -------------------------------------------------------------------------------


def test_the_window_that_is_moved_makes_each_pixel_as_scipy_does() -> None:
    x = TWIN.make_data().split.val[0][:1]
    (picture,) = script.interactive(SimpleNamespace(data=TWIN.make_data()))
    data = picture.data()
    digit, parts, output = (panel["marks"][0] for panel in data["panels"])
    np.testing.assert_allclose(digit["values"], x[0, 0] / x.max(), rtol=1e-4)
    for i, (name, kernel) in enumerate(script.KERNELS.items()):
        y = signal.correlate(x[0, 0], kernel, mode="same")
        shown = np.array(picked(output["values"], (i, 0, 0)), dtype=float)
        np.testing.assert_allclose(shown, y / np.abs(y).max(), rtol=1e-4, atol=1e-4)
        for row, column in ((0, 0), (3, 2), (7, 7), (4, 5)):
            nine = script.products(x, name, row, column)
            assert nine.sum() == pytest.approx(y[row, column], abs=1e-12)
            np.testing.assert_allclose(
                picked(parts["values"], (i, row, column)), nine / (np.abs(kernel).max() * x.max()), rtol=1e-4, atol=1e-9
            )
            assert picked(output["first"], (i, row, column)) == 8 * row + column + 1
            said = picture.says[0](name, row, column)
            assert said.endswith(f"= {y[row, column] + 0.0:.5g}.".replace("-", "−"))
