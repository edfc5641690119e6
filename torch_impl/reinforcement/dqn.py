"""DQN: a network says what each action is worth, and learns it from what it remembers, with torch.nn in Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.reinforcement.bandit import greedy
from torch_impl.sampling import draw


def taken(Q: Tensor, a: Tensor) -> Tensor:
    """Q(s, a) of the action that was taken. Shapes: Q (N, K), a and the result (N,)."""
    return Q.gather(1, a[:, None])[:, 0]


def network(numbers: int, hidden: int, actions: int) -> nn.Sequential:
    """A hidden layer with ReLU, and a number for each action. Shapes: x (N, numbers), Q (N, actions)."""
    return nn.Sequential(nn.Linear(numbers, hidden), nn.ReLU(), nn.Linear(hidden, actions))


class DQN(Concept):
    """A network of action values, a frozen copy of it that the targets come from, and Adam, whose step size falls to 0 in a straight line.

    The arguments and a batch are those of the twin by hand.

    Raises:
        ValueError: if numbers, actions, hidden, copy_every or rollouts is below 1, or gamma or epsilon not between 0 and 1.
    """

    def __init__(
        self,
        numbers: int = 25, actions: int = 4, hidden: int = 64, gamma: float = 0.9,
        epsilon: float = 0.5, lr: float = 0.03, copy_every: int = 50, rollouts: int = 50,
    ) -> None:  # fmt: skip
        super().__init__()
        if min(numbers, actions, hidden, copy_every, rollouts) < 1 or not (0 <= gamma <= 1 and 0 <= epsilon <= 1):
            raise ValueError(
                "DQN: numbers, actions, hidden, copy_every and rollouts must be at least 1, gamma and epsilon between 0 and 1, "
                f"got {numbers}, {actions}, {hidden}, {copy_every}, {rollouts}, {gamma} and {epsilon}"
            )
        self.save_hyperparameters()
        self.gamma, self.epsilon, self.lr, self.copy_every, self.rollouts = gamma, epsilon, lr, copy_every, rollouts
        self.q = network(numbers, hidden, actions)
        self.target = network(numbers, hidden, actions).requires_grad_(False)
        self.huber = nn.HuberLoss()

    def forward(self, state: Tensor) -> Tensor:
        """What each action is worth in these states, (N, K)."""
        return self.q(state)

    def act(self, state: Tensor, u: Tensor) -> dict[str, Tensor]:
        """Draw an action in each state."""
        Q = self(state)
        p = greedy(Q, self.epsilon)
        return {"action": draw(p, u), "probability": p, "Q": Q}

    @torch.no_grad()
    def targets(self, reward: Tensor, next_state: Tensor, over: Tensor) -> Tensor:
        """y, (N,), as numbers that are given."""
        return reward + self.gamma * (1 - over) * self.target(next_state).max(dim=1).values

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        state, action, reward, next_state, over = batch
        if batch_idx % self.copy_every == 0:
            self.target.load_state_dict(self.q.state_dict())
        y = self.targets(reward, next_state, over)
        loss = self.huber(taken(self(state), action), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """What the states are worth on average, and the largest error in Bellman's equation."""
        state, *table = batch
        Q = self(state)
        V = Q.max(dim=1).values
        self.log("value/val", V.mean(), batch_size=len(state))
        if table:
            R, P = table
            self.log("residual/val", (Q - R - self.gamma * P @ V).abs().max(), batch_size=len(state))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.q.parameters(), lr=self.lr)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.rollouts)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
