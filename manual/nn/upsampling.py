"""Images of another size, by repeating numbers or by interpolating between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from manual.module import Module
from manual.nn.fold import per_axis
from manual.nn.validate import expect_array, expect_choice, expect_ndim

MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "lanczos", "area", "nearest-exact")
"""What torch knows."""


class Upsample(Module):
    """x at another size (torch.nn.Upsample).

    Every axis is treated alike, one after the other. Entry u of y stands at the place r(u) on x, and takes its value from the entries
    next to it. With n entries in x and o in y, and g = n / o (1 / scale_factor if that was given),

        nearest                      r = u g                              y[u] = x[⌊r⌋]
        bilinear                     r = max((u + ½) g − ½, 0)            y[u] = (1 − f) x[⌊r⌋] + f x[⌊r⌋ + 1], with f = r − ⌊r⌋
        bilinear, align_corners      r = u (n − 1) / (o − 1)              as above: the first and the last entries of x and y coincide

    (behind the last entry of x it goes on as it is). So y is linear in x along each axis, y[u] = Σᵢ A[u, i] x[i], and

        ∂L/∂x[i] = Σᵤ A[u, i] ∂L/∂y[u]

    Args:
        size: of y's axes behind the channels, an integer or one for each.
        scale_factor: y's size over x's, a number or one for each axis; the size is rounded down. Exactly one of the two is given.
        mode: 'nearest', for x with 3 to 5 axes, or 'bilinear', for 4.
        align_corners: for 'bilinear', see above; None is False.
        recompute_scale_factor: whether g is n / o although scale_factor was given.

    Shapes: x (N, C, *sizes), y (N, C, *new sizes).

    Raises:
        ValueError: if x has another number of axes, or x or y is empty but for the batch; at construction if not exactly one of size and
            scale_factor is given, one of them is not positive, or align_corners or recompute_scale_factor do not go with the rest.
        TypeError: if x is not a floating point array.
        NotImplementedError: for another mode of torch's.

    At scale factors that change nothing (n = o, such as 1.1 with n = 5) torch's 'nearest' has a forward by the formula above and a backward
    that takes y for x itself. Here backward is the transpose of forward.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        expect_choice("Upsample", "mode", mode, MODES)
        if mode not in ("nearest", "bilinear"):
            raise NotImplementedError(f"Upsample: mode {mode!r} is not written by hand, only 'nearest' and 'bilinear' are")
        if (size is None) == (scale_factor is None):
            raise ValueError(f"Upsample: give either size or scale_factor, got {size} and {scale_factor}")
        if mode == "nearest" and align_corners is not None:
            raise ValueError(f"Upsample: align_corners goes with mode 'bilinear' only, got {align_corners}")
        if size is not None and recompute_scale_factor:
            raise ValueError(f"Upsample: recompute_scale_factor goes with scale_factor, got size {size}")
        factors = scale_factor if isinstance(scale_factor, tuple | list) else (1 if scale_factor is None else scale_factor,)
        if min(factors) <= 0:
            raise ValueError(f"Upsample: scale_factor must be positive, got {scale_factor}")
        if scale_factor is not None:  # as floats, which is how torch keeps and shows them
            floats = tuple(map(float, factors))
            scale_factor = floats if isinstance(scale_factor, tuple | list) else floats[0]
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self._shows = ("size={size}" if scale_factor is None else "scale_factor={scale_factor}") + ", mode={mode!r}"
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def _axes(self, shape: Sequence[int]) -> list[tuple[int, int, float | None]]:
        """For each axis behind the channels: its number, y's size, and the scale factor to use, if any."""
        sizes = shape[2:]
        if self.size is not None:
            new = per_axis("Upsample", "size", self.size, len(sizes), 1)
            factors: tuple[Any, ...] = (None,) * len(sizes)
        else:
            scale = self.scale_factor
            given: tuple[Any, ...] = tuple(scale) if isinstance(scale, tuple | list) else (scale,) * len(sizes)
            if len(given) != len(sizes):
                raise ValueError(f"Upsample: scale_factor must be one number or {len(sizes)}, got {scale} for x of shape {tuple(shape)}")
            new = tuple(int(n * s) for n, s in zip(sizes, given, strict=True))
            factors = (None,) * len(sizes) if self.recompute_scale_factor else given
        if min(*sizes, *new) < 1:
            raise ValueError(f"Upsample: no axis of x and y but the batch may be empty, got shape {tuple(shape)} and new size {new}")
        return list(zip(range(2, len(shape)), new, factors, strict=True))

    def _sources(self, n: int, o: int, factor: float | None, dtype: np.dtype) -> list[tuple[np.ndarray, np.ndarray]]:
        """What y[u] is made of, along one axis: pairs of (an entry of x for each u, its weight for each u)."""
        u = np.arange(o)
        g = n / o if factor is None else 1 / factor
        if self.mode == "nearest":
            r = (u.astype(dtype) * dtype.type(g)).astype(np.float32)  # torch rounds to float32 before it rounds down
            return [(np.minimum(r.astype(np.intp), n - 1), np.ones(o, dtype=dtype))]
        if n == o:
            return [(u, np.ones(o, dtype=dtype))]  # nothing to do, also where a factor such as 1.1 came to nothing
        if self.align_corners:
            r = u * ((n - 1) / (o - 1) if o > 1 else 0.0)
        else:
            r = np.maximum((u + 0.5) * g - 0.5, 0)
        before = r.astype(np.intp)  # ⌊r⌋
        f = r - before
        return [(before, (1 - f).astype(dtype)), (np.minimum(before + 1, n - 1), f.astype(dtype))]

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Upsample", "x", x)
        expect_ndim("Upsample", "x", x, *((4,) if self.mode == "bilinear" else (3, 4, 5)))
        y = x
        for axis, o, factor in self._axes(x.shape):
            along = (-1, *[1] * (x.ndim - 1 - axis))  # the shape of the weights, beside the axes behind this one
            sources = self._sources(y.shape[axis], o, factor, x.dtype)
            y = reduce(np.add, [y.take(i, axis=axis) * weight.reshape(along) for i, weight in sources])
        self.save(x.shape)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        shape = self.restore()
        for axis, o, factor in reversed(self._axes(shape)):
            dL_dy = np.ascontiguousarray(np.moveaxis(dL_dy, axis, 0))  # one copy, that makes all the steps below three times as fast
            dL_dx = np.zeros((shape[axis], *dL_dy.shape[1:]), dtype=dL_dy.dtype)
            for entries, weights in self._sources(shape[axis], o, factor, dL_dy.dtype):
                for u, (i, weight) in enumerate(zip(entries, weights, strict=True)):
                    dL_dx[i] += weight * dL_dy[u]  # y[u] has weight · x[i] in it
            dL_dy = np.moveaxis(dL_dx, 0, axis)
        return dL_dy
