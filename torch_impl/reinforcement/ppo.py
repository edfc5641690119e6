"""Proximal policy optimization: several steps on one rollout, none of them too far, with torch.nn in Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.reinforcement.policy_gradient import log_prob
from torch_impl.sampling import draw


def surrogate(log_p: Tensor, old: Tensor, A: Tensor, clip: float) -> Tensor:
    """−1/N Σ min(r A, clip(r) A). Shapes: log_p, old and A (N,)."""
    r = (log_p - old).exp()
    return -torch.min(r * A, r.clamp(1 - clip, 1 + clip) * A).mean()


def network(numbers: int, hidden: int, outputs: int, gain: float) -> nn.Sequential:
    """Two hidden layers with tanh, orthogonal weights and biases of 0. Shapes: x (N, numbers), y (N, outputs)."""
    layers = nn.Linear(numbers, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, outputs)
    for layer, of in zip(layers[::2], (2**0.5, 2**0.5, gain), strict=True):
        nn.init.orthogonal_(layer.weight, of)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


class PPO(Concept):
    """A policy and a value, a network each; Adam, whose step size falls to 0 in a straight line.

    Args:
        numbers: D, of which a state is made.
        actions: K, from which the agent chooses.
        hidden: units of each hidden layer.
        lr: Adam's step size at the start.
        clip: ε, by how much a ratio may gain.
        rollouts: the length of the schedule, in epochs.

    Shapes: a batch is state (N, D), and action, old, advantage, R and score, (N,) each.

    Raises:
        ValueError: if numbers, actions, hidden or rollouts is below 1, or clip is not above 0.
    """

    def __init__(
        self, numbers: int = 4, actions: int = 2, hidden: int = 64, lr: float = 2.5e-3, clip: float = 0.2, rollouts: int = 80
    ) -> None:
        super().__init__()
        if min(numbers, actions, hidden, rollouts) < 1 or not clip > 0:
            raise ValueError(
                "PPO: numbers, actions, hidden and rollouts must be at least 1 and clip above 0, "
                f"got {numbers}, {actions}, {hidden}, {rollouts} and {clip}"
            )
        self.save_hyperparameters()
        self.lr, self.clip, self.rollouts = lr, clip, rollouts
        self.policy = network(numbers, hidden, actions, 0.01)
        self.value = network(numbers, hidden, 1, 1.0)

    def forward(self, state: Tensor) -> Tensor:
        """The policy in these states, (N, K)."""
        return self.policy(state).softmax(dim=1)

    def act(self, state: Tensor, u: Tensor) -> dict[str, Tensor]:
        """Draw an action in each state."""
        p = self(state)
        return {"action": draw(p, u), "probability": p, "value": self.value(state)[:, 0]}

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        state, action, old, advantage, R, score = batch
        loss = surrogate(log_prob(self.policy(state), action), old, advantage, self.clip)
        loss = loss + nn.functional.mse_loss(self.value(state)[:, 0], R) / 2
        self.log("loss/train", loss)
        self.log("return/train", score.mean())
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """How sure the policy is in states that chance leads to, and what is expected of them."""
        (state,) = batch
        log_p = self.policy(state).log_softmax(dim=1)
        self.log("entropy/val", -(log_p.exp() * log_p).sum(dim=1).mean(), batch_size=len(state))
        self.log("value/val", self.value(state).mean(), batch_size=len(state))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.rollouts)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
