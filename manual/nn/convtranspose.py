"""The transposed convolutions: each number of the input is a filter laid into the output, and where they overlap they add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from manual.nn.conv import _Convolution, correlate, correlate_transposed, correlate_weight
from manual.nn.faster import fastest
from manual.nn.fold import Windows, per_axis


class _ConvTranspose(_Convolution):
    """ConvTranspose1d and ConvTranspose2d."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, padding_mode, rng, dtype)
        layer = type(self).__name__
        self.padding = per_axis(layer, "padding", padding, self.axes, 0)
        self.output_padding = per_axis(layer, "output_padding", output_padding, self.axes, 0)
        if any(o >= max(s, d) for o, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True)):
            raise ValueError(
                f"{layer}: output_padding must be less than stride {self.stride} or dilation {self.dilation}, got {output_padding}"
            )
        self.windows = Windows(self.kernel_size, self.stride, self.padding, self.padding, self.dilation)

    def _size(self, x: np.ndarray, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The size of y, (T,) or (H, W)."""
        layer = type(self).__name__
        geometry = list(zip(x.shape[-self.axes :], self.stride, self.padding, self.windows.span, strict=True))
        least = tuple((n - 1) * s - 2 * p + span for n, s, p, span in geometry)
        if output_size is None:
            size = tuple(n + o for n, o in zip(least, self.output_padding, strict=True))
        else:
            size = tuple(output_size)[-self.axes :]
            if len(size) < self.axes or any(not n <= m < n + s for m, n, s in zip(size, least, self.stride, strict=True)):
                raise ValueError(f"{layer}: output_size must be at least {least}, and less than that plus {self.stride}, got {output_size}")
        if min(size) < 1:
            raise ValueError(f"{layer}: y would have size {size}, nothing is left of it for x of shape {x.shape}")
        return size

    def forward(self, x: np.ndarray, output_size: Sequence[int] | None = None) -> np.ndarray:
        """y, of the size that output_size asks for, if it does, in place of output_padding."""
        self._expect(x)
        size = self._size(x, output_size)
        self.save(x)
        y = fastest(correlate_transposed)(self._batch(x), self.weight.data, self.windows, size, self.groups)
        y = self._add_bias(y)
        return y.reshape(*x.shape[: -1 - self.axes], *y.shape[1:])

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        count, dL_dy = x.shape[-self.axes :], self._batch(dL_dy)
        self._add_bias_backward(dL_dy)
        self.weight.grad += fastest(correlate_weight)(dL_dy, self._batch(x), self.windows, self.groups)  # x and y have changed places
        dL_dx = fastest(correlate)(dL_dy, self.weight.data, self.windows, count, self.groups)
        return dL_dx.reshape(x.shape)


class ConvTranspose1d(_ConvTranspose):
    """The transpose of Conv1d (torch.nn.ConvTranspose1d): ConvTranspose2d with one axis less.

        y[n, o, u] = b[o] + Σ x[n, c, i] W[c, o, k], over all c, and all k, i with i·s + k·d − p = u

    The gradients, arguments and errors are those of ConvTranspose2d; what is given for each axis is one integer here.

    Shapes: x (N, C, I) or (C, I), y (N, O, T) or (O, T) with T = (I − 1) s − 2 p + d (K − 1) + output_padding + 1, weight
    (C, O / groups, K), bias (O,).
    """

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """The transpose of Conv2d (torch.nn.ConvTranspose2d): its forward is Conv2d's way back to x, its backward is Conv2d's forward.

    Each entry of x is multiplied by a whole filter, which is added to y where the window of that entry stands. With stride s,
    padding p and dilation d,

        y[n, o, u, v]     = b[o] + Σ x[n, c, i, j] W[c, o, k, l], over all c, and all k, l, i, j with i·s + k·d − p = u, j·s + l·d − p = v
        ∂L/∂x[n, c, i, j] = Σ W[c, o, k, l] ∂L/∂y[n, o, i·s + k·d − p, j·s + l·d − p]      a convolution of dL_dy
        ∂L/∂W[c, o, k, l] = Σ x[n, c, i, j] ∂L/∂y[n, o, i·s + k·d − p, j·s + l·d − p]
        ∂L/∂b[o]          = Σ ∂L/∂y[n, o, u, v]

    With stride s a convolution gives s sizes of x the same size of y, so its transpose has s sizes to choose from: output_padding adds
    to the least one.

    Args:
        in_channels, out_channels, kernel_size, stride, groups, bias, dilation, padding_mode, dtype: as for Conv2d.
        padding: rows and columns taken off on both sides of y; the padding of the convolution that this is the transpose of.
        output_padding: rows and columns more at the end of y, fewer than the stride or the dilation.
        rng: draws the initial weights, uniform in ±1/√(O / groups · taps) (torch's default).

    Shapes: x (N, C, I, J) or (C, I, J), y (N, O, H, W) or (O, H, W) with H = (I − 1) s − 2 p + d (K − 1) + output_padding + 1 and W
    likewise, weight (C, O / groups, K, L), bias (O,).

    Raises:
        ValueError: if x has another number of axes or of channels, y would be empty, or output_size is none of the possible ones; at
            construction as for Conv2d, and if output_padding is too large.
        TypeError: if x is not an array of the weight's dtype.
        NotImplementedError: for another padding_mode.
    """

    axes = 2
