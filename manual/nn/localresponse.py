"""Every channel divided by what its neighbours hold at the same place: LocalResponseNorm."""

from __future__ import annotations

import numpy as np

from manual.module import Module
from manual.nn.fold import per_axis
from manual.nn.validate import expect_array


class LocalResponseNorm(Module):
    """x over a power of the squares of n neighbouring channels (torch.nn.LocalResponseNorm).

        s[c] = k + α/n Σ x[c′]² over the channels c′ of the window of c, from c − ⌊n/2⌋ to c + ⌊(n − 1)/2⌋, that there are
        y[c] = x[c] s[c]^(−β)

    x[c] acts on y[c] as it stands, and through s on every y[c″] whose window holds c:

        ∂L/∂s[c] = −β ∂L/∂y[c] x[c] s[c]^(−β − 1)
        ∂L/∂x[c] = ∂L/∂y[c] s[c]^(−β) + 2 α/n x[c] Σ ∂L/∂s[c″] over the channels c″ whose window holds c

    Args:
        size: n.
        alpha, beta, k: see above; the defaults are torch's (the paper has 1e-4, 0.75, and 2, with α in place of α/n).

    Shapes: x and y (N, C, ...), with at least one axis behind the channels.

    Raises:
        ValueError: if x has fewer than three axes; at construction if size is below 1.
        TypeError: if x is not a floating point array.

    Source: Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", section 3.3.
    """

    _shows = "{size}, alpha={alpha}, beta={beta}, k={k}"

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        (self.size,) = per_axis("LocalResponseNorm", "size", size, 1, 1)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, input: np.ndarray) -> np.ndarray:
        x, n = input, self.size
        expect_array("LocalResponseNorm", "input", x)
        if x.ndim < 3:
            raise ValueError(f"LocalResponseNorm: input must have at least 3 axes, got shape {x.shape}")
        s = self.k + self.alpha / n * sum_of_neighbours(x * x, n // 2, (n - 1) // 2)
        self.save(x, s)
        return x * s**-self.beta

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        (x, s), n = self.restore(), self.size
        dL_ds = -self.beta * dL_dy * x * s ** (-self.beta - 1)
        held_by = sum_of_neighbours(dL_ds, (n - 1) // 2, n // 2)  # c″ − ⌊n/2⌋ ≤ c ≤ c″ + ⌊(n − 1)/2⌋, solved for c″
        return dL_dy * s**-self.beta + 2 * self.alpha / n * x * held_by


def sum_of_neighbours(a: np.ndarray, before: int, behind: int) -> np.ndarray:
    """For each channel c, axis 1, the sum of a over the channels from c − before to c + behind that there are."""
    C = a.shape[1]
    return np.stack([a[:, max(c - before, 0) : c + behind + 1].sum(axis=1) for c in range(C)], axis=1) if C else a.copy()
