"""Policy gradient: what turned out well is made more probable, in Lightning.

The loss is a cross-entropy whose labels are the actions that were drawn, each weighted by its advantage.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.sampling import draw


def log_prob(z: Tensor, a: Tensor) -> Tensor:
    """log π(a | s). Shapes: z (N, K), a and the result (N,)."""
    return z.log_softmax(dim=1).gather(1, a[:, None])[:, 0]


class PolicyGradient(Concept):
    """REINFORCE with a table of scores, a row for each state, and a table of what is to be expected of each state.

    Args:
        states: S, how many the agent can tell apart.
        actions: K, from which he chooses.
        first: the score of action 0 at the start; the others have 0.
        baseline: whether V is learned and subtracted.
        lr: the step size of the scores; both fall to 0 in a straight line.
        value_lr: that of V.
        steps: the length of that line.

    Shapes: a batch is state, action, advantage, G and score, (N,) each.

    Raises:
        ValueError: if states, actions or steps is below 1.
    """

    def __init__(
        self,
        states: int = 1, actions: int = 2, first: float = 2.0, baseline: bool = True,
        lr: float = 0.1, value_lr: float = 0.1, steps: int = 150,
    ) -> None:  # fmt: skip
        super().__init__()
        if min(states, actions, steps) < 1:
            raise ValueError(f"PolicyGradient: states, actions and steps must be at least 1, got {states}, {actions} and {steps}")
        self.save_hyperparameters()
        self.baseline, self.lr, self.value_lr, self.steps = baseline, lr, value_lr, steps
        self.policy = nn.Embedding(states, actions)
        nn.init.zeros_(self.policy.weight).data[:, 0] = first
        if baseline:
            self.value = nn.Embedding(states, 1)
            nn.init.zeros_(self.value.weight)

    def forward(self, state: Tensor) -> Tensor:
        """The policy in these states, (N, K)."""
        return self.policy(state).softmax(dim=1)

    def act(self, state: Tensor, u: Tensor) -> dict[str, Tensor]:
        """Draw an action in each state."""
        p = self(state)
        expected = {"value": self.value(state)[:, 0]} if self.baseline else {}
        return {"action": draw(p, u), "probability": p, **expected}

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        state, action, advantage, G, score = batch
        loss = -(advantage * log_prob(self.policy(state), action)).mean()
        if self.baseline:
            loss = loss + nn.functional.mse_loss(self.value(state)[:, 0], G) / 2
        self.log("loss/train", loss)
        self.log("return/train", score.mean())
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """J, exactly."""
        seen, P, R, start = batch
        self.log("J/val", start @ worth(self(seen), P, R), batch_size=len(seen))

    def configure_optimizers(self) -> Any:
        groups = [{"params": self.policy.parameters(), "lr": self.lr}]
        if self.baseline:
            groups.append({"params": self.value.parameters(), "lr": self.value_lr})
        optimizer = torch.optim.SGD(groups)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


# ---- further reading: what a policy is worth, exactly -----------------------------------------------


def worth(p: Tensor, P: Tensor, R: Tensor) -> Tensor:
    """The return to be expected from each place, (S,). Shapes: p and R (S, K), P (S, K, S)."""
    step = torch.einsum("sk,skt->st", p, P)
    return torch.linalg.solve(torch.eye(len(p), dtype=p.dtype, device=p.device) - step, (p * R).sum(dim=1))
