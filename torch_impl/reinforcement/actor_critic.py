"""Actor and critic: one acts, the other says how it went, with torch.nn in Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.reinforcement.policy_gradient import log_prob, worth
from torch_impl.sampling import draw


def target(r: Tensor, V_next: Tensor, goes_on: Tensor, gamma: float) -> Tensor:
    return r + gamma * goes_on * V_next


def actor_loss(z: Tensor, a: Tensor, delta: Tensor) -> Tensor:
    return -(delta * log_prob(z, a)).mean()


def critic_loss(V: Tensor, y: Tensor) -> Tensor:
    return nn.functional.mse_loss(V, y) / 2


def network(states: int, hidden: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(hidden, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Embedding(states, hidden), nn.Tanh(), last)


class ActorCritic(Concept):
    """A policy and a value, a network each, with one hidden layer.

    Args:
        states: S, how many the agent can tell apart.
        actions: K, from which it chooses.
        hidden: units of each hidden layer.
        gamma: γ, the discount.
        lr: Adam's step size of the actor; both fall to 0 in a straight line.
        value_lr: that of the critic.
        steps: the length of that line.

    Shapes: a batch is state, action, reward, next_state, goes_on and score, (N,) each.

    Raises:
        ValueError: if states, actions, hidden or steps is below 1, or gamma is not between 0 and 1.
    """

    def __init__(
        self, states: int = 11, actions: int = 4, hidden: int = 16, gamma: float = 1.0, lr: float = 0.02, value_lr: float = 0.1,
        steps: int = 200,
    ) -> None:  # fmt: skip
        super().__init__()
        if min(states, actions, hidden, steps) < 1 or not 0 <= gamma <= 1:
            given = f"{states}, {actions}, {hidden}, {steps} and {gamma}"
            raise ValueError(f"ActorCritic: states, actions, hidden and steps must be at least 1, gamma between 0 and 1, got {given}")
        self.save_hyperparameters()
        self.gamma, self.lr, self.value_lr, self.steps = gamma, lr, value_lr, steps
        self.policy = network(states, hidden, actions)
        self.value = network(states, hidden, 1)

    def forward(self, state: Tensor) -> Tensor:
        """The policy in these states, (N, K)."""
        return self.policy(state).softmax(dim=1)

    def act(self, state: Tensor, u: Tensor) -> dict[str, Tensor]:
        """Draw an action in each state."""
        p = self(state)
        return {"action": draw(p, u), "probability": p, "value": self.value(state)[:, 0]}

    @torch.no_grad()
    def told(self, state: Tensor, reward: Tensor, next_state: Tensor, goes_on: Tensor) -> tuple[Tensor, Tensor]:
        """What the critic says of these steps, y and δ, as numbers that are given."""
        y = target(reward, self.value(next_state)[:, 0], goes_on, self.gamma)
        return y, y - self.value(state)[:, 0]

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        state, action, reward, next_state, goes_on, score = batch
        y, delta = self.told(state, reward, next_state, goes_on)
        actor, critic = actor_loss(self.policy(state), action, delta), critic_loss(self.value(state)[:, 0], y)
        self.log("loss/train", actor + critic)
        self.log("critic/train", critic)
        self.log("return/train", score.mean())
        return actor + critic

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """J exactly, and what the critic thinks of it."""
        state, P, R, start = batch
        self.log("J/val", start @ worth(self(state), self.gamma * P, R), batch_size=len(state))
        self.log("critic/val", start @ self.value(state)[:, 0], batch_size=len(state))

    def configure_optimizers(self) -> Any:
        groups = [{"params": self.policy.parameters(), "lr": self.lr}, {"params": self.value.parameters(), "lr": self.value_lr}]
        optimizer = torch.optim.Adam(groups)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
