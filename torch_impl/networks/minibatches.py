"""Minibatches: how noisy a step on a few examples is, and what more examples buy, in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.noise import Uniform


def loss(theta: Tensor, z: Tensor, curvature: float) -> Tensor:
    """The loss of each walk on its batch. Shapes: theta (W,), z (W, B), the result (W,)."""
    return curvature / 2 * ((theta[:, None] - z) ** 2).mean(dim=1)


class Minibatches(Concept):
    """Many walks on one parabola, each on batches of its own; and their spread.

    Args:
        batch_size: B, drawn with replacement.
        lr: the step size; below 2/curvature.
        curvature: h, of the parabola.
        walks: W, how many.
        start: where all of them begin.
        settle: steps before the spread is measured.

    Raises:
        ValueError: if an argument is out of its range.
    """

    measured: Tensor
    steps: Tensor

    def __init__(
        self, batch_size: int = 8, lr: float = 0.2, curvature: float = 1.0, walks: int = 2000, start: float = 3.0, settle: int = 50
    ) -> None:
        super().__init__()
        if min(batch_size, walks) < 1 or settle < 0:
            raise ValueError(
                f"Minibatches: batch_size and walks must be at least 1 and settle at least 0, got {batch_size}, {walks} and {settle}"
            )
        if not (curvature > 0 and 0 < lr * curvature < 2):
            raise ValueError(f"Minibatches: curvature must be above 0, and lr between 0 and 2/curvature, got {curvature} and {lr}")
        self.save_hyperparameters()
        self.batch_size, self.lr, self.curvature, self.settle = batch_size, lr, curvature, settle
        self.theta = nn.Parameter(torch.full((walks,), start))
        self.uniform = Uniform()
        self.register_buffer("measured", torch.tensor(0.0))
        self.register_buffer("steps", torch.tensor(0))

    def draw(self, z: Tensor) -> Tensor:
        """A batch for each walk, (W, B)."""
        u = self.uniform((len(self.theta), self.batch_size))
        return z[(u * len(z)).long()]

    @torch.no_grad()
    def measure(self, z: Tensor) -> None:
        """The squared distances from the best θ, into their mean over the steps."""
        self.steps += 1
        now = ((self.theta - z.mean()) ** 2).mean()
        self.measured += (now - self.measured) / (self.steps - self.settle).clamp(min=1)

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (z,) = batch
        self.measure(z)
        total = loss(self.theta, self.draw(z), self.curvature).sum()
        self.log("loss/train", total / len(self.theta))
        return total

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        (z,) = batch
        self.log("loss/val", self.curvature / 2 * ((self.theta - z.mean()) ** 2 + z.var(correction=0)).mean(), batch_size=len(z))
        self.log("spread/val", self.measured)
        self.log("theta/val", self.theta.mean())

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
