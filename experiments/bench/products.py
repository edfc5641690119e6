"""The matrix products of a step, without all that is around them: what is left of its time if everything else cost nothing.

By hand they are NumPy's `@`, which hands them to BLAS as torch does. So a step by hand cannot beat its products alone, and where torch
takes less time than these, it has another way (a convolution without the matrix of windows) or a BLAS that is faster at that size.

Which kernels NumPy's BLAS runs is its own guess. On a Zen 5 OpenBLAS 0.3.31 takes those for Haswell, with vectors half as long as the
processor's: 1024x1024 numbers times as many at 127 Gflop/s. `OPENBLAS_CORETYPE=SkylakeX python -m experiments bench` names others: 240,
and in place of 2.4 times torch's time conv2d of the larger size takes 1.8, gpt of its own size 0.8 in place of 1.0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Products = list[tuple[int, int, int, int]]
"""(batch, m, k, n): so many products of (m, k) and (k, n)."""


def mapped(N: int, I: int, O: int) -> Products:
    """A linear map of N rows, I numbers to O, and its way back: y = x W, ∂L/∂W = xᵀ ∂L/∂y, ∂L/∂x = ∂L/∂y Wᵀ."""
    return [(1, N, I, O), (1, I, N, O), (1, N, O, I)]


def convolved(N: int, I: int, O: int, H: int) -> Products:
    """3x3 filters on N images of H x H: each image is a linear map of its H² windows of 9 I numbers; y, ∂L/∂W and ∂L/∂x."""
    return [(N, O, 9 * I, H * H), (N, 9 * I, H * H, O), (N, 9 * I, O, H * H)]


def recurred(T: int, N: int, H: int, L: int) -> Products:
    """L layers of an LSTM: the maps of the input for all steps at once, those of the state step by step, but ∂L/∂W of it at once."""
    return [*mapped(T * N, H, 4 * H), *[(1, N, H, 4 * H), (1, N, 4 * H, H)] * T, (1, H, T * N, 4 * H)] * L


def attended(N: int, T: int, D: int) -> Products:
    """Attention of N times T queries of D numbers: z = q kᵀ and ∂L/∂a; y = a v, ∂L/∂v, ∂L/∂q and ∂L/∂k."""
    return [*[(N, T, D, T)] * 2, *[(N, T, T, D)] * 4]


def encoded(N: int, T: int, D: int, L: int) -> Products:
    """L transformer layers of 4 heads: q, k and v, attention, the map of its output, and a network that is 4 D wide inside."""
    maps = [(D, 3 * D), (D, D), (D, 4 * D), (4 * D, D)]
    return [product for inputs, outputs in maps for product in mapped(N * T, inputs, outputs)] * L + attended(4 * N, T, D // 4) * L


def alone(products: Products) -> Callable[[], None]:
    """A step that does nothing but these products, each into memory that is there already."""
    made = {p: [np.ones(shape, np.float32) for shape in ((p[0], p[1], p[2]), (p[0], p[2], p[3]), (p[0], p[1], p[3]))] for p in products}
    arrays = [made[p] for p in products]

    def step() -> None:
        for a, b, y in arrays:
            np.matmul(a, b, out=y)

    return step
