"""Bandits: which of ten arms pays best, if the only way to know is to pull them, in Lightning."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from torch_impl.module import Concept
from torch_impl.sampling import draw

METHODS = ("greedy", "ucb", "gradient")


def greedy(score: Tensor, epsilon: float) -> Tensor:
    best = (score == score.max(dim=1, keepdim=True).values).to(score.dtype)
    return (1 - epsilon) * best / best.sum(dim=1, keepdim=True) + epsilon / score.shape[1]


def value_loss(Q: Tensor, a: Tensor, r: Tensor, w: Tensor) -> Tensor:
    return (w * (Q.gather(1, a[:, None])[:, 0] - r).square()).sum() / 2


def preference_loss(H: Tensor, a: Tensor, w: Tensor) -> Tensor:
    return (w * cross_entropy(H, a, reduction="none")).sum()


class Bandit(Concept):
    """What is thought of each arm, or how much it is preferred.

    Args:
        problems: P, how many machines there are.
        arms: K, of each.
        method: "greedy", "ucb" or "gradient".
        epsilon: ε of "greedy".
        alpha: the w of a value, 0 for 1/n; the α of "gradient".
        initial: what Q begins with.
        c: of "ucb".
        baseline: whether "gradient" compares a reward with what is usual.

    Shapes: a batch is machine (N,), rewards (N, K), u (N,), best (N,).

    Raises:
        ValueError: if an argument cannot be.
    """

    n: Tensor
    usual: Tensor

    def __init__(
        self, problems: int = 2000, arms: int = 10, method: Literal["greedy", "ucb", "gradient"] = "greedy", epsilon: float = 0.1,
        alpha: float = 0.0, initial: float = 0.0, c: float = 2.0, baseline: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"Bandit: method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
        if min(problems, arms) < 1 or not 0 <= epsilon <= 1 or alpha < 0:
            raise ValueError(f"Bandit: no bandit has problems, arms, epsilon, alpha, got {problems}, {arms}, {epsilon}, {alpha}")
        self.save_hyperparameters()
        self.method, self.epsilon, self.alpha, self.c, self.baseline = method, epsilon, alpha, c, baseline
        self.table = nn.Parameter(torch.full((problems, arms), 0.0 if method == "gradient" else initial))
        self.register_buffer("n", torch.zeros(problems, arms))
        self.register_buffer("usual", torch.zeros(problems))

    def forward(self, machine: Tensor) -> Tensor:
        of = self.table[machine]
        if self.method == "gradient":
            return of.softmax(dim=1)
        return greedy(of, self.epsilon) if self.method == "greedy" else greedy(upper_bound(of, self.n[machine], self.c), 0.0)

    @torch.no_grad()
    def pull(self, machine: Tensor, rewards: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a = draw(self(machine), u)
        r = rewards.gather(1, a[:, None])[:, 0]
        self.pulled = machine, a, r
        if self.method == "gradient":
            return a, r, self.alpha * (r - self.usual[machine] if self.baseline else r)
        return a, r, torch.full_like(r, self.alpha) if self.alpha else 1 / (self.n[machine, a] + 1)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        machine, a, r = self.pulled
        self.n[machine, a] += 1
        self.usual[machine] += (r - self.usual[machine]) / self.n[machine].sum(dim=1)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        machine, rewards, u, best = batch
        a, r, w = self.pull(machine, rewards, u)
        of = self.table[machine]
        loss = preference_loss(of, a, w) if self.method == "gradient" else value_loss(of, a, r, w)
        self.log("loss/train", loss)
        self.log("reward/train", r.mean())
        self.log("best_arm/train", (a == best).to(r.dtype).mean())
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        machine, q, _, best = batch
        pi = self(machine)
        self.log("reward/val", (pi * q).sum(dim=1).mean(), batch_size=len(q))
        self.log("best_arm/val", pi.gather(1, best[:, None]).mean(), batch_size=len(q))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=1.0)


# ---- further reading: the benefit of the doubt -------------------------------------------------------


def upper_bound(Q: Tensor, n: Tensor, c: float) -> Tensor:
    """Q(a) + c √(log t / n(a)); ∞ for what has never been pulled."""
    t = n.sum(dim=1, keepdim=True) + 1
    return torch.where(n > 0, Q + c * (t.log() / n.clamp(min=1)).sqrt(), torch.inf)
