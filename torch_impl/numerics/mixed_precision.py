"""Mixed precision: training in 16 bits, with master weights and a scaled loss, in torch.

Every rounding is a real cast, `x.to(torch.float16)`; autograd casts the gradient on its way back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from torch_impl.module import Concept, mean_of
from torch_impl.numerics.rounding import DTYPES, low, round_to


def rounded_linear(x: Tensor, W: Tensor, b: Tensor, format: str) -> Tensor:
    """x Wᵀ + b of rounded numbers, added up in float64 and rounded."""
    y = linear(low(x, format), low(W, format), low(b, format))
    return round_to(y, format).to(x.dtype)


def rounded_tanh(x: Tensor, format: str) -> Tensor:
    """tanh of a rounded number, rounded."""
    return round_to(torch.tanh(low(x, format)), format).to(x.dtype)


class MixedPrecision(Concept):
    """A network that reads digits, 64 → hidden → 10 with tanh, with everything that it stores rounded to a format.

    Args:
        hidden: units of the hidden layer.
        format: of what is stored: "float16", "bfloat16", "float32", ...
        scaling: whether the loss is scaled.
        init_scale: the scale to begin with.
        growth_interval: after how many steps without overflow the scale doubles.
        micro_batches: how many batches the mean of the loss is over.
        lr: the step size. A power of two makes lr · g exact.
        momentum: how much of the last step is kept.

    Shapes: x (N, 64), W1 (hidden, 64), b1 (hidden,), W2 (10, hidden), b2 (10,), the prediction (N, 10), y (N,) integers 0 to 9.
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
    ) -> None:
        super().__init__()
        if format not in DTYPES:
            raise ValueError(f"MixedPrecision: format must be one of {', '.join(map(repr, DTYPES))}, got {format!r}")
        for name, size in (("hidden", hidden), ("growth_interval", growth_interval), ("micro_batches", micro_batches)):
            if size < 1:
                raise ValueError(f"MixedPrecision: {name} must be at least 1, got {size}")
        if not init_scale > 0:
            raise ValueError(f"MixedPrecision: init_scale must be above 0, got {init_scale}")
        self.save_hyperparameters()
        self.format, self.micro_batches, self.lr, self.momentum = format, micro_batches, lr, momentum
        self.W1 = nn.Parameter(torch.empty(hidden, 64).uniform_(-1 / 8, 1 / 8))
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.W2 = nn.Parameter(torch.empty(10, hidden).uniform_(-1 / math.sqrt(hidden), 1 / math.sqrt(hidden)))
        self.b2 = nn.Parameter(torch.zeros(10))
        self.loss = nn.CrossEntropyLoss()
        self.scaler = GradScaler(init_scale, growth_interval=growth_interval, enabled=scaling)

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        W1, b1, W2, b2 = (change_gradient(p, self.deliver) for p in (self.W1, self.b1, self.W2, self.b2))
        z1 = rounded_linear(x, W1, b1, self.format)
        h = rounded_tanh(z1, self.format)
        z2 = rounded_linear(h, W2, b2, self.format)
        return z2

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        z2 = self(x)
        loss = self.loss(z2.double(), y).to(z2.dtype)
        self.log("loss/train", loss)
        return change_gradient(loss, lambda dL_dloss: self.scaler.scale(dL_dloss) / self.micro_batches)

    def deliver(self, dL_dp: Tensor) -> Tensor:
        """A gradient that came in few bits, for its master weight: unscaled, and micro_batches times; 0 if it overflowed."""
        dL_dp = self.scaler.unscale(dL_dp) * self.micro_batches
        return torch.where(dL_dp.isfinite().all(), dL_dp, 0.0) if self.scaler.enabled else dL_dp

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2.double(), y), batch_size=len(x))
        self.log("accuracy/val", mean_of(z2.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return ScaledSGD(self.parameters(), self.scaler, lr=self.lr, momentum=self.momentum)


# ---- further reading: the scale, steps that are skipped, and a gradient that is changed ---------------


class GradScaler(nn.Module):
    """torch.amp.GradScaler with its state in buffers, so that it is saved and compared, and with its unscaling in the graph.

    torch's own multiplies the loss that is handed to Lightning, and divides the gradients before a step. Here the loss keeps its value, and
    its gradient is scaled and unscaled on the way (see `change_gradient`).

    Args:
        init_scale: the scale to begin with.
        growth_factor: by what it grows.
        backoff_factor: by what it shrinks.
        growth_interval: after how many steps in a row without overflow it grows.
        enabled: False scales nothing and skips no step.
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__()
        self.growth_factor, self.backoff_factor = growth_factor, backoff_factor
        self.growth_interval, self.enabled = growth_interval, enabled
        self._scale: Tensor
        self._growth_tracker: Tensor
        self.found_inf: Tensor
        self.register_buffer("_scale", torch.tensor(init_scale if enabled else 1.0))
        self.register_buffer("_growth_tracker", torch.tensor(0))
        self.register_buffer("found_inf", torch.tensor(False))

    def scale(self, outputs: Tensor) -> Tensor:
        """Times the scale, which is 1 where nothing is to be scaled."""
        return outputs * self._scale

    def unscale(self, dL_dp: Tensor) -> Tensor:
        """Over the scale; whether it was finite is remembered."""
        if not self.enabled:
            return dL_dp
        self.found_inf |= ~dL_dp.isfinite().all()
        return dL_dp * (1 / self._scale).to(dL_dp.dtype)

    def update(self) -> None:
        """The scale of the next step."""
        if not self.enabled:
            return
        tracker = torch.where(self.found_inf, 0, self._growth_tracker + 1)
        grown = self._scale * self.growth_factor
        grows = (tracker == self.growth_interval) & grown.isfinite()
        kept = torch.where(grows, grown, self._scale)
        self._scale.copy_(torch.where(self.found_inf, self._scale * self.backoff_factor, kept))
        self._growth_tracker.copy_(torch.where(tracker == self.growth_interval, 0, tracker))
        self.found_inf.fill_(False)


class ScaledSGD(torch.optim.SGD):
    """Gradient descent that skips the step when its scaler has found a gradient that is not finite, and then updates the scale.

    Args:
        params: to be updated.
        scaler: it has unscaled the gradients.
        lr: the step size.
        momentum: how much of the last step is kept.
    """

    def __init__(self, params: Iterable[Any], scaler: GradScaler, lr: float, momentum: float) -> None:
        super().__init__(params, lr=lr, momentum=momentum)
        self.scaler = scaler

    def step(self, closure: Any = None) -> Any:
        """SGD's step, or none."""
        loss = None if closure is None else closure()
        if not (self.scaler.enabled and self.scaler.found_inf):  # here, and only here, a GPU is waited for, as torch's scaler does
            super().step()
        with torch.no_grad():
            self.scaler.update()
        return loss


def change_gradient(x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """x, whose gradient is changed on its way back."""
    y = x.view_as(x)
    if y.requires_grad:
        y.register_hook(change)
    return y
