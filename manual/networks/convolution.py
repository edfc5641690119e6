"""Convolution: one small window of weights for all places of an image, and its arithmetic, by hand.

A small window of weights, the *kernel*, is laid onto a place of an image; each weight is multiplied with the pixel below it, and the
products are added up. Then the kernel moves on. The sums make a new image: bright where the kernel found what it looks for, such as an
edge. This is a *convolution*, of which networks that see are made.

    y[o, i, j] = Σ W[o, c, a, b] · x[c, i·s + a·d − p, j·s + b·d − p]          summed over c, a and b

    x    the image, (C, H, W): it may have C *channels*, such as red, green and blue
    W    the kernels, (O, C, K, K), one for each channel of y; a and b count a kernel's rows and columns
    s    the *stride*: how many pixels the kernel moves on; with 2, y has half the height and width
    d    the *dilation*: how far its weights lie apart; with 2 it sees every other pixel
    p    the *padding*: how wide a border of zeros is put around x, so that the kernel has a place at the edge

**How large is y?** A kernel is d (K − 1) + 1 wide, and there are n + 2p pixels. It fits in once, and once more for each s that are left:

    size = ⌊(n + 2p − d (K − 1) − 1) / s⌋ + 1          ⌊ ⌋: rounded down

    n = 8, K = 3    plain: 6    p = 1: 8    s = 2, p = 1: ⌊7/2⌋ + 1 = 4    d = 2: 4

**On paper.** Let x be a row of four pixels, and the kernel (1, 2, −1). It has two places:

    y = (1·3 + 2·0 − 1·1, 1·0 + 2·1 − 1·2) = (2, 0)      for x = (3, 0, 1, 2)

That is a product with a matrix A, in each of whose rows the kernel stands one pixel farther on. So the way back is known: it is Aᵀ.

    A = [1  2  −1   0]      y = A x      ∂L/∂x = Aᵀ ∂L/∂y = [ 1   0] [1]  =  (1, 2 + 2, −1 + 4, −2) = (1, 4, 3, −2)
        [0  1   2  −1]                                      [ 2   1] [2]
                                                            [−1   2]
                                                            [ 0  −1]

Each place lays the kernel, times its own number, back onto the pixels that it saw; where kernels overlap they add up. This is the
*transposed convolution*. Networks that draw use it forwards, to make large images of small ones. (A x)·v and x·(Aᵀ v) are always the same
number; for v = (1, 2), 2 · 1 + 0 · 2 = 2 and 3 · 1 + 0 · 4 + 1 · 3 + 2 · (−2) = 2.

A weight gets the sum over all places of the pixel below it times the gradient there, the first one 3 · 1 + 0 · 2 = 3.

    >>> x, W = np.array([[[[3.0, 0.0, 1.0, 2.0]]]]), np.array([[[[1.0, 2.0, -1.0]]]])
    >>> conv(x, W).tolist()
    [[[[2.0, 0.0]]]]
    >>> dL_dx, dL_dW = conv_backward(np.array([[[[1.0, 2.0]]]]), x, W)
    >>> dL_dx.tolist(), dL_dW.tolist()
    ([[[[1.0, 4.0, 3.0, -2.0]]]], [[[[3.0, 2.0, 5.0]]]])
    >>> [size(8, 3), size(8, 3, padding=1), size(8, 3, stride=2, padding=1), size(8, 3, dilation=2)]
    [6, 8, 4, 4]

**It does not flip.** The convolution of mathematics turns the kernel by half a turn first: x[i − a] in place of x[i + a]. What networks
call a convolution is a *correlation* there. To a kernel that is learned it is all one, but not to one that you bring.

In a run two kernels find a rule that they are not told, by which scipy.signal.correlate made images of images: how much darker it is on
the right of each pixel than on its left, and below than above (Sobel's rule for edges).

Sources: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", relationships 6 and 15; LeCun et al. 1998,
"Gradient-based learning applied to document recognition", section II (one kernel for all places).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.init import uniform

Array = np.ndarray


def size(n: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many places a kernel has along an axis of n pixels: ⌊(n + 2p − d (K − 1) − 1) / s⌋ + 1."""
    return (n + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


def padded(x: Array, padding: int) -> Array:
    """x (N, C, H, W) with a border of zeros."""
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def seen(x: Array, tap: tuple[int, ...], count: tuple[int, ...], stride: int, dilation: int) -> Array:
    """The pixels of a padded x that the weight `tap` = (a, b) of a kernel meets at its (I, J) places: (N, C, I, J), a view into x."""
    a, b = (slice(t * dilation, t * dilation + stride * (n - 1) + 1, stride) for t, n in zip(tap, count, strict=True))
    return x[:, :, a, b]


def conv(x: Array, W: Array, stride: int = 1, padding: int = 0, dilation: int = 1) -> Array:
    """y: what every kernel finds at every place. Shapes: x (N, C, H, W), W (O, C, K, L), the result (N, O, I, J)."""
    I, J = (size(n, k, stride, padding, dilation) for n, k in zip(x.shape[2:], W.shape[2:], strict=True))
    x, y = padded(x, padding), np.zeros((len(x), len(W), I, J), x.dtype)
    for a, b in np.ndindex(W.shape[2:]):  # one weight at a time, at all places
        y += np.einsum("oc,ncij->noij", W[:, :, a, b], seen(x, (a, b), (I, J), stride, dilation))  # summed over c
    return y


def conv_backward(dL_dy: Array, x: Array, W: Array, stride: int = 1, padding: int = 0, dilation: int = 1) -> tuple[Array, Array]:
    """∂L/∂x, which is the transposed convolution of ∂L/∂y, and ∂L/∂W."""
    dL_dx = conv_transposed(dL_dy, W, x.shape[2:], stride, padding, dilation)
    dL_dW = kernel_gradient(dL_dy, x, W.shape, stride, padding, dilation)
    return dL_dx, dL_dW


def kernel_gradient(dL_dy: Array, x: Array, shape: tuple[int, ...], stride: int, padding: int, dilation: int) -> Array:
    """∂L/∂W (O, C, K, L): for each weight the sum, over all images and places, of the pixel that it met times the gradient there."""
    x, dL_dW = padded(x, padding), np.zeros(shape, x.dtype)
    for a, b in np.ndindex(shape[2:]):
        dL_dW[:, :, a, b] = np.einsum("noij,ncij->oc", dL_dy, seen(x, (a, b), dL_dy.shape[2:], stride, dilation))  # over n, i and j
    return dL_dW


def conv_transposed(y: Array, W: Array, shape: tuple[int, ...], stride: int = 1, padding: int = 0, dilation: int = 1) -> Array:
    """Aᵀ y, where A x is `conv(x, W, ...)`: each number of y lays the kernels, times itself, onto the pixels that they saw.

    Shapes: y (N, O, I, J), W (O, C, K, L), `shape` is (H, W) of the result (N, C, H, W).
    """
    H, width = shape
    x = padded(np.zeros((len(y), W.shape[1], H, width), y.dtype), padding)
    for a, b in np.ndindex(W.shape[2:]):
        seen(x, (a, b), y.shape[2:], stride, dilation)[...] += np.einsum("oc,noij->ncij", W[:, :, a, b], y)  # summed over o
    return x[:, :, padding : padding + H, padding : padding + width]  # what was laid onto the border is lost, as the border was 0


class Convolution(Concept):
    """Two kernels that learn what was done to images; the mean of the squared errors, gradient descent with momentum.

    The padding is such that y is as large as x.

    Args:
        kernel_size: K, odd.
        dilation: how far a kernel's weights lie apart.
        lr: the length of a step, per gradient.
        momentum: the part of the last step that is kept.
        rng: draws W uniformly in ±1/K, as torch does.
        dtype: of W.

    Shapes: x (N, 1, H, W), the prediction and the target y (N, 2, H, W), W (2, 1, K, K).

    Raises:
        ValueError: if kernel_size is even or below 1, or dilation is below 1.
    """

    def __init__(
        self,
        kernel_size: int = 3,
        dilation: int = 1,
        lr: float = 0.3,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0 or dilation < 1:
            raise ValueError(f"Convolution: kernel_size must be odd and dilation at least 1, got {kernel_size} and {dilation}")
        self.lr, self.momentum = lr, momentum
        self.settings = {"stride": 1, "padding": dilation * (kernel_size - 1) // 2, "dilation": dilation}
        bound = 1 / math.sqrt(kernel_size**2)
        self.W = Parameter(uniform((2, 1, kernel_size, kernel_size), -bound, bound, rng=rng, dtype=dtype))
        self.loss = nn.MSELoss()

    def forward(self, x: Array) -> Array:
        """What the two kernels make of the images."""
        self.save(x)
        return conv(x, self.W.data, **self.settings)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dy = self.loss.backward(dL_dloss)
        x = self.restore()
        self.W.grad += kernel_gradient(dL_dy, x, self.W.shape, **self.settings)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", self.loss(self(x), y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: the transposed convolution as a layer, and groups ----------------------------


def conv_transposed_backward(
    dL_dx: Array, y: Array, W: Array, shape: tuple[int, ...], stride: int = 1, padding: int = 0, dilation: int = 1
) -> tuple[Array, Array]:
    """∂L/∂y, which is the convolution of ∂L/∂x, for (Aᵀ)ᵀ = A; and ∂L/∂W, in which x and y have changed places."""
    dL_dy = conv(dL_dx, W, stride, padding, dilation)
    dL_dW = kernel_gradient(y, dL_dx, W.shape, stride, padding, dilation)
    return dL_dy, dL_dW


# The channels of x and the kernels are cut into G groups, and each kernel sees the channels of its own group only: G small convolutions
# side by side, with a G-th of the weights and of the work. With a group for each channel (depthwise) no channel is mixed with another;
# a convolution of 1 x 1 kernels after it mixes them (Howard et al. 2017, "MobileNets").


def grouped(x: Array, W: Array, groups: int, **settings: int) -> Array:
    """Convolutions side by side. Shapes: x (N, C, H, W), W (O, C / groups, K, L), the result (N, O, I, J); settings are those of `conv`."""
    parts = zip(np.split(x, groups, axis=1), np.split(W, groups), strict=True)
    return np.concatenate([conv(x_g, W_g, **settings) for x_g, W_g in parts], axis=1)


def grouped_backward(dL_dy: Array, x: Array, W: Array, groups: int, **settings: int) -> tuple[Array, Array]:
    """∂L/∂x and ∂L/∂W: each group walks back for itself."""
    parts = zip(np.split(dL_dy, groups, axis=1), np.split(x, groups, axis=1), np.split(W, groups), strict=True)
    walked = [conv_backward(dL_dy_g, x_g, W_g, **settings) for dL_dy_g, x_g, W_g in parts]
    return np.concatenate([dL_dx for dL_dx, _ in walked], axis=1), np.concatenate([dL_dW for _, dL_dW in walked])
