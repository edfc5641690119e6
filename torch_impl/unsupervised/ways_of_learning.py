"""Three ways of learning: told the answer, told nothing, told only whether it was right, with torch in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from torch_impl.module import Concept, mean_of
from torch_impl.noise import Uniform
from torch_impl.sampling import draw


class ThreePupils(Concept):
    """Three pupils; their losses are added up, but each has weights of its own.

    Args:
        features: D, the lengths of a flower.
        kinds: K, of flowers, and centres.
        lr: the step size.

    Shapes: x (N, D), c (N,), the weights of each (K, D).

    Raises:
        ValueError: if features or kinds is below 1.
    """

    def __init__(self, features: int = 4, kinds: int = 3, lr: float = 0.5) -> None:
        super().__init__()
        if min(features, kinds) < 1:
            raise ValueError(f"ThreePupils: features and kinds must be at least 1, got {features} and {kinds}")
        self.save_hyperparameters()
        self.lr, self.uniform = lr, Uniform()
        start = 0.2 * torch.randn(kinds, features)
        self.supervised, self.unsupervised, self.reinforcement = (nn.Parameter(start.clone()) for _ in range(3))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Each pupil's scores."""
        return [-(x[:, None] - w).square().sum(dim=2) / 2 for w in (self.supervised, self.unsupervised, self.reinforcement)]

    def reward(self, answer: Tensor, c: Tensor) -> Tensor:
        """1 where it is right."""
        return (answer == c).to(self.reinforcement.dtype)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, c = batch
        z1, z2, z3 = self(x)
        answer = draw(z3.detach().softmax(dim=1), self.uniform((len(x),)))
        reward = self.reward(answer, c)
        advantage = reward - reward.mean()
        supervised = cross_entropy(z1, c)
        unsupervised = -z2.max(dim=1).values.mean()
        reinforcement = (advantage * cross_entropy(z3, answer, reduction="none")).mean()
        loss = supervised + unsupervised + reinforcement
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, c = batch
        z1, z2, z3 = self(x)
        group, kind = (one_hot(k, z2.shape[1]).to(x.dtype) for k in (z2.argmax(dim=1), c))
        self.log("supervised/val", mean_of(z1.argmax(dim=1) == c), batch_size=len(x))
        self.log("unsupervised/val", (group.T @ kind).max(dim=1).values.sum() / len(x), batch_size=len(x))
        self.log("reinforcement/val", mean_of(z3.argmax(dim=1) == c), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
