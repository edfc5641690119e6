"""Value iteration: what a place is worth, by what the next one is worth, in Lightning."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from torch_impl.module import Concept

POLICIES = ("best", "random")


class ValueIteration(Concept):
    """A table of values, each pulled to what the next ones say it should be.

    Args:
        states: S, how many there are.
        gamma: γ, the discount.
        policy: whose values: "best" takes the largest Q for a target, "random" the mean of all.
        lr: the step size; 1 is a sweep.

    Shapes: a batch is state (N,), R (N, A), the rewards to be expected, and P (N, A, S), the probabilities of the states that follow.
    V (S,).

    Raises:
        ValueError: if there is no state, or gamma is not between 0 and 1, or policy is none of `POLICIES`.
    """

    def __init__(self, states: int = 25, gamma: float = 0.9, policy: Literal["best", "random"] = "best", lr: float = 1.0) -> None:
        super().__init__()
        if states < 1 or not 0 <= gamma <= 1:
            raise ValueError(f"ValueIteration: states must be at least 1 and gamma between 0 and 1, got {states} and {gamma}")
        if policy not in POLICIES:
            raise ValueError(f"ValueIteration: policy must be one of {', '.join(map(repr, POLICIES))}, got {policy!r}")
        self.save_hyperparameters()
        self.gamma, self.policy, self.lr = gamma, policy, lr
        self.V = nn.Parameter(torch.zeros(states))
        self.squared = nn.MSELoss(reduction="sum")

    def forward(self, state: Tensor) -> Tensor:
        """What these states are worth."""
        return self.V[state]

    @torch.no_grad()
    def target(self, R: Tensor, P: Tensor) -> Tensor:
        """The right side of Bellman's equation, as numbers that are given."""
        Q = R + self.gamma * P @ self.V
        return Q.max(dim=1).values if self.policy == "best" else Q.mean(dim=1)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        state, R, P = batch
        loss = self.squared(self(state), self.target(R, P)) / 2
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """The loss, and by how much Bellman's equation is still wrong where it is so most."""
        state, R, P = batch
        off = self(state) - self.target(R, P)
        self.log("loss/val", off.square().sum() / 2, batch_size=len(state))
        self.log("residual/val", off.abs().max(), batch_size=len(state))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
