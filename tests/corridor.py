"""A corridor, and an agent that learns to walk it (REINFORCE), by hand and in torch: what the tests of rollouts play."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

import experiments
import manual.optim
import manual.sampling
import torch_impl.sampling
from experiments.data.arrays import Batch
from experiments.data.rollout import Rollout, RolloutData, advantages
from manual import nn
from manual.concept import Concept as ByHand
from torch_impl.module import Concept as InTorch


class Corridor:
    """Five cells; the way out lies behind the last. Each step costs 1, and after 12 one is fetched. Gymnasium's interface."""

    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.cell, self.steps = int(np.random.default_rng(seed).integers(3)), 0
        return np.eye(5)[self.cell], {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert action in (0, 1)
        self.cell, self.steps = max(self.cell + 2 * action - 1, 0), self.steps + 1
        out = self.cell == 5
        return np.eye(5)[min(self.cell, 4)], -1.0, out, self.steps == 12 and not out, {}


class Walks(RolloutData):
    """Rows of (state, action, its probability when it was drawn, advantage, return)."""

    def environment(self) -> Corridor:
        return Corridor()

    def examples(self, rollout: Rollout) -> Batch:
        found = advantages(rollout, gamma=0.9, lam=0.95 if "value" in rollout.answers else 1.0)
        wanted = found + rollout.answers.get("value", 0.0)
        return tuple(map(rollout.rows, (rollout.state, rollout.answers["action"], rollout.probability, found, wanted)))


class WalkerByHand(ByHand):
    """π = softmax(W s + b), V(s) = w·s + c; L = −mean(A π(a)/π_old(a)) + mean((V − R)²)/2."""

    def __init__(self, baseline: bool = True, lr: float = 0.3, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.baseline, self.lr = baseline, lr
        self.policy = nn.Linear(5, 2, rng=rng, dtype=dtype)
        if baseline:
            self.value = nn.Linear(5, 1, rng=rng, dtype=dtype)

    def probability(self, state: np.ndarray) -> np.ndarray:
        z = self.policy(state)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def draw(self, p: np.ndarray, u: np.ndarray) -> np.ndarray:
        return manual.sampling.draw(p, u)

    def act(self, state: np.ndarray, u: np.ndarray) -> dict[str, np.ndarray]:
        p = self.probability(state)
        more = {"value": self.value(state)[:, 0]} if self.baseline else {}
        return {"action": self.draw(p, u), "probability": p, **more}

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        state, action, old, advantage, wanted = batch
        p = self.probability(state)
        ratio = p[np.arange(len(p)), action] / old
        loss = -(advantage * ratio).mean()
        off = None
        if self.baseline:
            off = self.value(state)[:, 0] - wanted
            loss += (off**2).mean() / 2
        self.save(p, action, old, advantage, off)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        p, action, old, advantage, off = self.restore()
        if self.baseline:
            self.value.backward(dL_dloss * off[:, None] / len(p))
        dL_dp = np.zeros_like(p)
        dL_dp[np.arange(len(p)), action] = -dL_dloss * advantage / old / len(p)
        self.policy.backward(p * (dL_dp - (dL_dp * p).sum(axis=1, keepdims=True)))

    def configure_optimizers(self) -> Any:
        return manual.optim.Adam(self.parameters(), lr=self.lr)


class WalkerInTorch(InTorch):
    """The same."""

    def __init__(self, baseline: bool = True, lr: float = 0.3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.baseline, self.lr, self.policy = baseline, lr, torch.nn.Linear(5, 2)
        if baseline:
            self.value = torch.nn.Linear(5, 1)

    def forward(self, state: Any) -> Any:
        return self.policy(state).softmax(dim=-1)

    def act(self, state: Any, u: Any) -> dict[str, Any]:
        p = self(state)
        more = {"value": self.value(state)[:, 0]} if self.baseline else {}
        return {"action": torch_impl.sampling.draw(p, u), "probability": p, **more}

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        state, action, old, advantage, wanted = batch
        loss = -(advantage * self(state).gather(1, action[:, None])[:, 0] / old).mean()
        if self.baseline:
            loss = loss + (self.value(state)[:, 0] - wanted).square().mean() / 2
        self.log("loss/train", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


WALK = replace(
    experiments.twin("hidden_layer"),  # its place in the curriculum is borrowed
    manual=WalkerByHand,
    torch=WalkerInTorch,
    data=Walks,
    data_args={"passes": 2},
    model={},
    trainer={},
    variants={"no baseline": {"baseline": False}},
    names={},
    zero_gradient=(),
    foretold=True,
    figures=None,
    before=None,
    learned=None,
)
