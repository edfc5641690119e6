"""TD learning: each guess is mended by the next one, in Lightning."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.reinforcement.bandit import greedy
from torch_impl.sampling import draw

METHODS = ("td", "sarsa", "q_learning")


class TDLearning(Concept):
    """Tables of values, one for each walker.

    Args:
        walkers: P, how many there are.
        states: S of the world.
        actions: K, from which they choose.
        start: the state where walks begin.
        method: one of `METHODS`.
        epsilon: ε, of those who choose.
        alpha: α, by what part of the TD error a value is mended.
        gamma: γ, the discount.
        initial: what all values begin with.

    Shapes: a batch is walker (N,), u (N,), and leads_to, reward and goes_on, (N, S, K) each.

    Raises:
        ValueError: if an argument cannot be.
    """

    state: Tensor
    action: Tensor

    def __init__(
        self, walkers: int = 100, states: int = 7, actions: int = 2, start: int = 3, method: Literal["td", "sarsa", "q_learning"] = "td",
        epsilon: float = 0.1, alpha: float = 0.05, gamma: float = 1.0, initial: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"TDLearning: method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
        if min(walkers, states, actions) < 1 or not (0 <= start < states and 0 <= epsilon <= 1 and 0 <= gamma <= 1):
            given = f"{walkers}, {states}, {actions}, {start}, {epsilon}, {gamma}"
            raise ValueError(f"TDLearning: no walkers, states, actions, start, epsilon, gamma are so, got {given}")
        self.save_hyperparameters()
        self.actions, self.method, self.epsilon, self.alpha = actions, method, epsilon, alpha
        self.gamma, self.initial = gamma, initial
        self.table = nn.Parameter(torch.full((walkers, states, 1 if method == "td" else actions), initial))
        self.register_buffer("state", torch.full((walkers,), start))
        self.register_buffer("action", torch.randint(actions, (walkers,)))
        self.squared = nn.MSELoss(reduction="sum")

    def forward(self, walker: Tensor) -> Tensor:
        return self.policy(walker, self.state[walker])

    def policy(self, walker: Tensor, state: Tensor) -> Tensor:
        """π, (N, K)."""
        if self.method == "td":
            return self.table.new_full((len(state), self.actions), 1 / self.actions)
        return greedy(self.table[walker, state], self.epsilon)

    def column(self, action: Tensor) -> Tensor:
        return torch.zeros_like(action) if self.method == "td" else action

    def to_come(self, walker: Tensor, state: Tensor, action: Tensor) -> Tensor:
        if self.method == "q_learning":
            return self.table[walker, state].max(dim=1).values
        return self.table[walker, state, self.column(action)]

    @torch.no_grad()  # the target is held fixed
    def step(self, walker: Tensor, u: Tensor, leads_to: Tensor, reward: Tensor, goes_on: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A step of each walker."""
        s, a = self.state[walker], self.action[walker]
        taken = torch.arange(len(s), device=s.device), s, a
        r, s_next = reward[taken], leads_to[taken]
        a_next = draw(self.policy(walker, s_next), u)
        y = r + self.gamma * goes_on[taken] * self.to_come(walker, s_next, a_next)
        self.taken = walker, s_next, a_next, r
        return s, self.column(a), y

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        walker, s_next, a_next, _ = self.taken
        self.state[walker], self.action[walker] = s_next, a_next

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        s, column, y = self.step(*batch)
        loss = self.alpha * self.squared(self.table[batch[0], s, column], y) / 2
        self.log("loss/train", loss)
        self.log("reward/train", self.taken[-1].mean())
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """How far a walker's values are off."""
        state, by_chance, at_best = batch
        off = self.table[:, state].max(dim=2).values - (by_chance if self.method == "td" else at_best)
        self.log("error/val", off.square().mean(dim=1).sqrt().mean(), batch_size=len(state))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=1.0)
