"""Noise that keeps units from relying on one another: the twins of torch.nn.Dropout, Dropout1d, Dropout2d and AlphaDropout."""

from __future__ import annotations

import math

import numpy as np

from manual.module import Module
from manual.nn.validate import expect_array, expect_ndim


class Dropout(Module):
    """Set each entry to 0 with probability p, and scale the rest by 1/(1 − p) (torch.nn.Dropout).

        keep[i] = 1 where a number drawn uniformly from [0, 1) is at least p, else 0
        y[i] = x[i] keep[i] / (1 − p)                 so that the mean of y[i] over the draws is x[i]
        ∂L/∂x[i] = ∂L/∂y[i] keep[i] / (1 − p)         the mask is a constant factor: the same one, both ways

    In evaluation y = x. With p = 1 nothing is left, and nothing to scale: y = 0 x.

    Args:
        p: probability of 0 (torch's default 0.5).
        inplace: False only.
        rng: draws the mask, one `rng.random(shape)` a forward.

    Shapes: x and y are equal, of any shape.

    Raises:
        ValueError: if p is not in 0 ... 1.
        NotImplementedError: if inplace is True.
        TypeError: if x is not a floating array.

    Source: Srivastava et al., "Dropout", JMLR 15 (2014), section 4; there the scaling comes at test time instead.
    """

    _shows = "p={p}, inplace=False"

    def __init__(self, p: float = 0.5, inplace: bool = False, *, rng: np.random.Generator | None = None) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0 <= p <= 1:
            raise ValueError(f"{name}: p must lie in 0 … 1, got {p}")
        if inplace:
            raise NotImplementedError(f"{name}: inplace=True is not supported: a backward may need what it would overwrite")
        self.p = p
        self.rng = rng or np.random.default_rng()

    def mask_shape(self, x: np.ndarray) -> tuple[int, ...]:
        """One draw for each entry."""
        return x.shape

    def forward(self, x: np.ndarray) -> np.ndarray:
        keep = self.draw(x)
        self.save(keep)
        return x if keep is None else self.thin(x, keep)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        keep = self.restore()
        return dL_dy if keep is None else self.thin(dL_dy, keep)

    def draw(self, x: np.ndarray) -> np.ndarray | None:
        """True where x is kept; None where nothing is dropped: in evaluation, and with p = 0."""
        expect_array(type(self).__name__, "x", x)
        shape = self.mask_shape(x)
        return self.rng.random(shape) >= self.p if self.training and self.p > 0 else None

    def thin(self, x: np.ndarray, keep: np.ndarray) -> np.ndarray:
        """x keep / (1 − p)."""
        return x * keep / (1 - self.p) if self.p < 1 else x * keep


class Dropout1d(Dropout):
    """Dropout of whole channels: all L positions of a channel share one draw (torch.nn.Dropout1d).

    Shapes: x and y (N, C, L), with keep (N, C, 1), or (C, L), with keep (C, 1); the formulas, arguments and errors are Dropout's.

    Raises:
        ValueError: if x has other axes.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks" (2015), section 3.2.
    """

    def mask_shape(self, x: np.ndarray) -> tuple[int, ...]:
        """One draw for each channel."""
        expect_ndim("Dropout1d", "x", x, 2, 3)
        return (*x.shape[:-1], 1)


class Dropout2d(Dropout):
    """Dropout of whole channels: all positions of a channel share one draw (torch.nn.Dropout2d).

    Shapes: x and y (N, C, H, W), with keep (N, C, 1, 1). Three axes are read as (N, C, L), with keep (N, C, 1), as in torch,
    not as one example (C, H, W). The formulas, arguments and errors are Dropout's.

    Raises:
        ValueError: if x has other axes (torch warns).

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks" (2015), section 3.2.
    """

    def mask_shape(self, x: np.ndarray) -> tuple[int, ...]:
        """One draw for each channel."""
        expect_ndim("Dropout2d", "x", x, 3, 4)
        return (*x.shape[:2], *[1] * (x.ndim - 2))


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1, for networks with SELU (torch.nn.AlphaDropout).

    What is dropped becomes α = −1.7581, where SELU saturates, and a, b bring mean and variance back:

        y[i] = a (x[i] keep[i] + α (1 − keep[i])) + b
        ∂L/∂x[i] = a keep[i] ∂L/∂y[i]

    For x of mean 0 and variance 1 the mean in brackets is p α and the variance (1 − p) + p α² − p² α² = (1 − p)(1 + p α²), so

        a = 1/√((1 − p)(1 + p α²)),    b = −a p α

    In evaluation y = x. With p = 1 nothing is left: y = 0 x.

    Args, Shapes, Raises: as Dropout.

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017), section 2.
    """

    alpha = -1.7580993408473766  # −scale · α of SELU

    def forward(self, x: np.ndarray) -> np.ndarray:
        keep = self.draw(x)
        self.save(keep)
        if keep is None:
            return x
        a, b = self.scale_and_shift()
        return a * (x * keep) + np.where(keep, b, a * self.alpha + b).astype(x.dtype)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        keep = self.restore()
        return dL_dy if keep is None else self.scale_and_shift()[0] * (dL_dy * keep)

    def scale_and_shift(self) -> tuple[float, float]:
        """a and b."""
        a = 1 / math.sqrt((1 - self.p) * (1 + self.p * self.alpha**2)) if self.p < 1 else 0.0
        return a, -a * self.p * self.alpha
