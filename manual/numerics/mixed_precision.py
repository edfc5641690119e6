"""Mixed precision: how to train in 16 bits, with weights kept in more and a loss that is scaled, by hand.

Half as many bits take half the memory and are computed with much faster, so large networks are trained in 16 bits: in float16, which has
11 binary digits and a short range, or in bfloat16, which has 8 and nearly float32's range. In so few digits weights stop moving
(`rounding`). So those that are learned, the *master weights*, stay in full precision; what is computed from them, activations and
gradients, has 16 bits. That is *mixed precision*.

In float16 one more thing goes wrong: the gradients of a large network can be so small that they round to 0, and nothing is learnt.
The cure is to multiply the loss by a large number before the backward pass, and to divide the gradients by it afterwards: *loss scaling*.

**On paper.** float16's smallest number above 0 is 2⁻²⁴: a grain of dust. It has 1, 2, 3, ... 2,048 grains, and none between. Gradients of
0.3, 0.4 and 2.2 grains become 0, 0 and 2: two weights learn nothing. With the loss times s = 16 all gradients are 16 times as large, 4.8,
6.4 and 35.2; these become 5, 6 and 35, and in full precision a sixteenth of them is 0.3125, 0.375 and 2.1875: none is lost.

    >>> grain, g = 2.0**-24, np.array([0.3, 0.4, 2.2])
    >>> (rounded_tanh_backward(g * grain, np.zeros(3), "float16") / grain).tolist()        # the slope of tanh at 0 is 1
    [0.0, 0.0, 2.0]
    >>> (rounded_tanh_backward(16 * g * grain, np.zeros(3), "float16") / 16 / grain).tolist()
    [0.3125, 0.375, 2.1875]

And a weight of 1 takes ten steps of 0.0004. float16's next number is 1 + 2⁻¹⁰ = 1.00098, so each step alone is rounded away. A master
weight adds them up, to 1.004, and is rounded only to be used:

    >>> round_to(np.array([1 + 0.0004, 1 + 10 * 0.0004]), "float16").tolist()
    [1.0, 1.00390625]

**Why gradients vanish, and the cure.** L is a mean over all N examples of a step, so the gradient of each one's scores is (p − y)/N.
What is not above 2⁻²⁵, half of float16's smallest number, rounds to 0. With N = 2²⁵ examples that is all of them, since |p − y| ≤ 1. But
every line of the backward pass is linear in the gradient. With s · L in place of L all gradients are s times as large; at the end, in full
precision, they are divided by s. Too large an s overflows to ∞, which is easily seen: then this one step is left out and s halved. When
that has not happened for a while, s is doubled (manual/amp.py). bfloat16 reaches down to 2⁻¹³³ and needs none of this.

Source: Micikevicius et al. 2018, "Mixed precision training".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from manual import nn, optim
from manual.amp import GradScaler
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.init import uniform
from manual.nn.validate import expect_array, expect_choice
from manual.numerics.rounding import FORMATS, low, round_to

Array = np.ndarray


# ---- layers in few bits --------------------------------------------------------------------------


def rounded_linear(x: Array, W: Array, b: Array, format: str) -> Array:
    """y = round(x Wᵀ + b), of x, W and b rounded to the format; in x's dtype. Shapes: x (N, in), W (out, in), b (out,), y (N, out).

    As in the hardware that was made for it, products are added up in more digits (here in float64); only what is stored is rounded.

    Raises:
        ValueError: if there is no such format, or the shapes do not fit.
        TypeError: if an input is not a floating point array of x's dtype.
    """
    expect_layer(x, W, b, format)
    y = low(x, format) @ low(W, format).T + low(b, format)  # (N, in) @ (in, out) + (out,)
    return round_to(y, format).astype(x.dtype)


def rounded_linear_backward(dL_dy: Array, x: Array, W: Array, b: Array, format: str) -> tuple[Array, Array, Array]:
    """Those of y = x Wᵀ + b, of rounded numbers and rounded: every gradient is stored in the format as well."""
    dL_dy = low(dL_dy, format)  # the backward of y's rounding
    with np.errstate(invalid="ignore"):  # where dL_dy has overflowed ∞ − ∞ and 0 · ∞ are NaN
        dL_dx = dL_dy @ low(W, format)  # (N, out) @ (out, in)
        dL_dW = dL_dy.T @ low(x, format)  # (out, N) @ (N, in)
        dL_db = dL_dy.sum(axis=0)  # (N, out) summed over rows: (out,)
    return tuple(round_to(g, format).astype(x.dtype) for g in (dL_dx, dL_dW, dL_db))  # type: ignore[return-value]


def rounded_tanh(x: Array, format: str) -> Array:
    """y = round(tanh x), of x rounded to the format; in x's dtype. Shapes: any.

    Raises:
        ValueError: if there is no such format.
        TypeError: if x is not a floating point array.
    """
    return round_to(np.tanh(low(x, format)), format).astype(x.dtype)


def rounded_tanh_backward(dL_dy: Array, x: Array, format: str) -> Array:
    """∂y/∂x = 1 − tanh² x, between two roundings of the gradient."""
    y = np.tanh(low(x, format))
    with np.errstate(invalid="ignore"):  # ∞ · 0
        return round_to(low(dL_dy, format) * (1 - y * y), format).astype(x.dtype)


# ---- what is trained -----------------------------------------------------------------------------


class MixedPrecision(Concept):
    """A network that reads digits, 64 → hidden → 10 with tanh, with everything that it stores rounded to a format.

        z1 = rounded_linear(x, W1, b1)        h = rounded_tanh(z1)        z2 = rounded_linear(h, W2, b2)
        L  = mean of −log softmax(z2)[the right digit]

    The master weights are kept in full precision, and so are the softmax and the loss (as torch.autocast has it).

    Our network is small, so the gradients of a large one are made for it: its batch stands for `micro_batches` batches like it, of which
    the loss is the mean. The loss is divided by their number before it goes back, and the gradient at the master weights, in full
    precision, multiplied by it: the sum over all of them.

    Args:
        hidden: units of the hidden layer.
        format: of what is stored: "float16", "bfloat16", "float32", "float8_e5m2", or "float64", which rounds nothing.
        scaling: whether the loss is scaled.
        init_scale: the scale to begin with.
        growth_interval: after how many steps without overflow the scale doubles.
        micro_batches: how many batches the mean of the loss is over; by the default, with 128 examples in each, 2²⁵ examples.
        lr: the step size. A power of two makes lr · g exact, so that both sides' master weights are equal to the last bit.
        momentum: how much of the last step is kept.
        rng: draws the initial weights, uniform in ±1/√in_features.
        dtype: of the master weights.

    Shapes: x (N, 64), W1 (hidden, 64), b1 (hidden,), z1 and h (N, hidden), W2 (10, hidden), b2 (10,), z2 (N, 10), y (N,) integers 0 to 9.

    Raises:
        ValueError: if there is no such format, hidden, growth_interval or micro_batches is below 1, or init_scale is not above 0.
    """

    def __init__(
        self,
        hidden: int = 32,
        format: str = "float16",
        scaling: bool = True,
        init_scale: float = 2.0**16,
        growth_interval: int = 2000,
        micro_batches: int = 2**18,
        lr: float = 0.25,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("MixedPrecision", "format", format, tuple(FORMATS))
        for name, size in (("hidden", hidden), ("growth_interval", growth_interval), ("micro_batches", micro_batches)):
            if size < 1:
                raise ValueError(f"MixedPrecision: {name} must be at least 1, got {size}")
        if not init_scale > 0:
            raise ValueError(f"MixedPrecision: init_scale must be above 0, got {init_scale}")
        rng = rng or np.random.default_rng()
        self.format, self.micro_batches, self.lr, self.momentum = format, micro_batches, lr, momentum
        self.W1 = Parameter(uniform((hidden, 64), -1 / 8, 1 / 8, rng=rng, dtype=dtype))
        self.b1 = Parameter(np.zeros(hidden, dtype))
        self.W2 = Parameter(uniform((10, hidden), -1 / math.sqrt(hidden), 1 / math.sqrt(hidden), rng=rng, dtype=dtype))
        self.b2 = Parameter(np.zeros(10, dtype))
        self.loss = nn.CrossEntropyLoss()
        self.scaler = GradScaler(init_scale=init_scale, growth_interval=growth_interval, enabled=scaling, dtype=dtype)

    def forward(self, x: Array) -> Array:
        """Scores for the ten digits."""
        first = x, self.W1.data, self.b1.data, self.format
        z1 = rounded_linear(*first)
        second = rounded_tanh(z1, self.format), self.W2.data, self.b2.data, self.format
        z2 = rounded_linear(*second)
        self.save(first, z1, second)
        return z2

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        x, y = batch
        z2 = self(x)
        loss = self.loss(z2.astype(np.float64), y).astype(z2.dtype)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        first, z1, second = self.restore()
        dL_dscaled = self.scaler.scale(dL_dloss) / self.micro_batches
        dL_dz2 = self.loss.backward(dL_dscaled).astype(z1.dtype)  # (N, 10)
        dL_dh, dL_dW2, dL_db2 = rounded_linear_backward(dL_dz2, *second)
        dL_dz1 = rounded_tanh_backward(dL_dh, z1, self.format)  # (N, hidden)
        _, dL_dW1, dL_db1 = rounded_linear_backward(dL_dz1, *first)
        self.deliver(self.W1, dL_dW1)
        self.deliver(self.b1, dL_db1)
        self.deliver(self.W2, dL_dW2)
        self.deliver(self.b2, dL_db2)

    def deliver(self, p: Parameter, dL_dp: Array) -> None:
        """Add a gradient to that of its master weight, unscaled and micro_batches times; nothing if it overflowed: no step will be made."""
        dL_dp = self.scaler.unscale(dL_dp) * self.micro_batches
        overflowed = self.scaler.enabled and not np.isfinite(dL_dp).all()
        p.grad += np.zeros_like(dL_dp) if overflowed else dL_dp

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2.astype(np.float64), y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z2.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return ScaledSGD(self.parameters(), self.scaler, lr=self.lr, momentum=self.momentum)


# ---- further reading: steps that are skipped, and what is refused ---------------------------------------


class ScaledSGD(optim.SGD):
    """Gradient descent that skips the step when its scaler has found a gradient that is not finite, and then updates the scale.

    Args:
        params: see Optimizer.
        scaler: it has unscaled the gradients.
        lr: the step size.
        momentum: how much of the last step is kept.
    """

    def __init__(self, params: Iterable[Any], scaler: GradScaler, lr: float, momentum: float) -> None:
        super().__init__(params, lr=lr, momentum=momentum)
        self.scaler = scaler

    def take_step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else closure()
        if not self.scaler.found_inf:
            super().take_step()
        self.scaler.update()
        return loss


def expect_layer(x: Array, W: Array, b: Array, format: str) -> None:
    """Raise ValueError or TypeError unless x, W and b fit together."""
    from manual.nn.validate import expect_ndim, expect_size

    expect_choice("rounded_linear", "format", format, tuple(FORMATS))
    expect_array("rounded_linear", "x", x)
    for name, array, ndim in (("x", x, 2), ("W", W, 2), ("b", b, 1)):
        expect_array("rounded_linear", name, array, x.dtype)
        expect_ndim("rounded_linear", name, array, ndim)
    expect_size("rounded_linear", "W", W, 1, x.shape[1], "the columns of x")
    expect_size("rounded_linear", "b", b, 0, len(W), "the rows of W")
