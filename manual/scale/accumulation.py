"""Accumulation: a large batch that does not fit goes in piece by piece, and the step is the same, by hand.

A hundred photographs at once may be more than a computer can hold. Not because of the photographs: between forward and backward every
layer keeps what it will need on the way back, its *activations*, for every example of the batch. Weights are there once, activations
N times.

So let the batch go in by parts, *micro-batches*. Each goes forward and back at once, and what it kept is forgotten. Its gradient is
*added* to those before. Only when all parts have been comes the step. That adding up is *accumulation*.

    zero_grad                                   once
    for each part of the batch:                 n of the N examples
        lossₖ = mean of its examples' losses    forward: keeps activations of n examples
        grad += n/N · ∂lossₖ/∂W                 backward: uses them up
    step                                        once

**It is the same gradient.** The loss of the batch is a mean, and a sum can be added up in any order:

    L = 1/N Σₙ ℓₙ = Σₖ nₖ/N · lossₖ             ℓₙ ("l n"): the loss of one example; nₖ: how many are in part k

Each part has the *share* nₖ/N in it. The gradient of a sum is the sum of the gradients, each with its share. Nothing is lost but time:
small parts use a computer less well.

**Where it is not the same.**

- *All parts alike.* With K parts one likes to divide each by K. That is right if all are of one size. But 100 = 32 + 32 + 32 + 4, and
  each of the last four then counts eight times as much as any other. (Lightning's `accumulate_grad_batches` does so: it cannot know how
  large the parts to come are.) `weigh = "alike"` shows it.
- *Batch norm.* A part is normalised by its own mean and variance, and not by those of the whole batch. What an example gives depends on the
  others in its part. No share mends that. Layer norm looks at one example at a time, and does not notice.
- `zero_grad` *before each part*, out of habit: then only the last part is left when the step comes.

**On paper.** One weight, ŷ = w x with w = 0 and (ŷ − y)², whose gradient is 2 (ŷ − y) x. Three examples with x = 1 and y = 1, 2, 6:

    of each example          −2, −4, −12        their mean: −18/3 = −6
    parts {1, 2} and {6}     means −3 and −12
    by rows                  ⅔ · (−3) + ⅓ · (−12) = −2 − 4 = −6
    alike                    ½ · (−3) + ½ · (−12) = −7.5

    >>> sizes = [len(part) for part in parts(np.array([1.0, 2.0, 6.0]), 2)]
    >>> sizes, shares(sizes, "rows").round(3).tolist(), shares(sizes, "alike").tolist()
    ([2, 1], [0.667, 0.333], [0.5, 0.5])
    >>> [float(joined(np.array([-3.0, -12.0]), shares(sizes, weigh))) for weigh in ("rows", "alike")]
    [-6.0, -7.5]

The same fault in another coat: in a language model the examples are tokens, and parts with as many rows seldom have as many tokens. Widely
used code divided by K there, unnoticed for years, until 2024.

Sources: Ott et al. 2018, "Scaling neural machine translation" (accumulation); Ioffe and Szegedy 2015, "Batch normalization";
Debut et al. 2024, "Fixing gradient accumulation", Hugging Face (tokens).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.networks.normalization import NORMS
from manual.nn.validate import expect_choice


def parts(a: np.ndarray, size: int) -> list[np.ndarray]:
    """The rows of a, so many at a time; the last part may be smaller."""
    return [a[start : start + size] for start in range(0, len(a), size)]


def shares(sizes: list[int], weigh: str) -> np.ndarray:
    """What part of the loss of the batch each of its parts is.

    Args:
        sizes: how many rows each part has.
        weigh: "rows", n/N; or "alike", 1/K, which is the same only if all parts are of one size.

    Returns: (K,) numbers that add up to 1.
    """
    return np.full(len(sizes), 1 / len(sizes)) if weigh == "alike" else np.array(sizes) / sum(sizes)


def joined(losses: np.ndarray, share: np.ndarray) -> Any:
    """The loss of the batch, from those of its parts: L = Σₖ shareₖ · lossₖ. Shapes: both (K,), the result ()."""
    return (losses * share).sum()


def joined_backward(dL_dloss: Any, losses: Any, share: np.ndarray) -> np.ndarray:
    """∂L/∂lossₖ = shareₖ: known before any loss is, so that each part can go back at once. Shapes: share and the result (K,)."""
    return dL_dloss * share


class Accumulation(Concept):
    """64 → hidden → norm → ReLU → 10, trained on large batches that go in by parts; softmax cross-entropy and gradient descent.

    Args:
        micro_batch: rows of a part, at most.
        weigh: what share each part has: "rows", its part of the rows; or "alike".
        norm: one of "none", "batch", "layer", "rms".
        hidden: units of the hidden layer.
        lr: the step size.
        rng: draws the weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if micro_batch or hidden is below 1, or there is no such norm or way to weigh.
    """

    automatic_optimization = False

    def __init__(
        self,
        micro_batch: int = 32,
        weigh: str = "rows",
        norm: str = "none",
        hidden: int = 64,
        lr: float = 0.2,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Accumulation", "weigh", weigh, ("rows", "alike"))
        expect_choice("Accumulation", "norm", norm, tuple(NORMS))
        if min(micro_batch, hidden) < 1:
            raise ValueError(f"Accumulation: micro_batch and hidden must be at least 1, got {micro_batch} and {hidden}")
        rng = rng or np.random.default_rng()
        self.micro_batch, self.weigh, self.lr = micro_batch, weigh, lr
        self.fc1 = nn.Linear(64, hidden, bias=False, rng=rng, dtype=dtype)
        self.norm = nn.Identity() if norm == "none" else NORMS[norm](hidden, dtype=dtype)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        z1 = self.fc1(x)
        z1_hat = self.norm(z1)
        h = self.relu(z1_hat)
        z2 = self.fc2(h)
        return z2

    def part_loss(self, batch: Batch) -> float:
        """The mean loss of these rows."""
        x, y = batch
        z2 = self(x)
        return self.loss(z2, y)

    def part_loss_backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz2 = self.loss.backward(dL_dloss)  # the share of this part comes in here
        dL_dh = self.fc2.backward(dL_dz2)
        dL_dz1_hat = self.relu.backward(dL_dh)
        dL_dz1 = self.norm.backward(dL_dz1_hat)
        self.fc1.backward(dL_dz1)

    def accumulate(self, batch: Batch) -> float:
        """The gradient of all parts, added to what is there; returns the loss of the batch."""
        x, y = batch
        x_parts, y_parts = parts(x, self.micro_batch), parts(y, self.micro_batch)
        share = shares([len(part) for part in x_parts], self.weigh)
        dL_dlosses = joined_backward(1.0, None, share)
        losses = []
        for x_part, y_part, dL_dloss in zip(x_parts, y_parts, dL_dlosses, strict=True):
            losses.append(self.part_loss((x_part, y_part)))
            self.manual_backward(losses[-1], partial(self.part_loss_backward, float(dL_dloss)))  # at once: its activations are forgotten
        return float(joined(np.array(losses), share))

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        optimizer = self.optimizers()
        optimizer.zero_grad()  # once for all parts
        loss = self.accumulate(batch)
        optimizer.step()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z2.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
