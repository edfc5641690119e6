"""Cases for the layers that only move numbers between channels and places. torch's pixel shuffles have no backward for an empty batch."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("PixelShuffle")
def larger_images(rng: np.random.Generator, N: int, C: int, R: int, H: int, W: int) -> Built:
    return Built({"upscale_factor": R}, [rng.normal(size=(N, C * R * R, H, W))])


@case("PixelShuffle")
def one_larger_image(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    return Built({"upscale_factor": 2}, [rng.normal(size=(4 * C, H, W))])


@case("PixelUnshuffle")
def smaller_images(rng: np.random.Generator, N: int, C: int, R: int, H: int, W: int) -> Built:
    return Built({"downscale_factor": R}, [rng.normal(size=(N, C, H * R, W * R))])


@case("PixelUnshuffle")
def smaller_images_of_two_batch_axes(rng: np.random.Generator, N: int, M: int, C: int, H: int, W: int) -> Built:
    return Built({"downscale_factor": 3}, [rng.normal(size=(N, M, C, 3 * H, 3 * W))])


@case("ChannelShuffle", empty=True)
def dealt_images(rng: np.random.Generator, N: int, G: int, K: int, H: int, W: int) -> Built:
    return Built({"groups": G}, [rng.normal(size=(N, G * K, H, W))])


@case("ChannelShuffle")
def dealt_sequences(rng: np.random.Generator, N: int, K: int, T: int) -> Built:
    return Built({"groups": 3}, [rng.normal(size=(N, 3 * K, T))])
