"""The training loop: what a Trainer does, in the open, by hand.

Everything that learns by gradients learns in the same loop of four lines. In the other concepts a Trainer runs it unseen; here it is
written out, in `training_step`.

    optimizer.zero_grad()       1. forget what was learned from the last examples: gradients are added up, and nobody else clears them
    loss = mse_loss(batch)      2. how wrong is the model on these examples?
    backward                    3. in which direction is it less wrong?
    optimizer.step()            4. go a little way in that direction

The examples are not all shown at once. A **batch** is the few that one round of the loop sees. When every example has been seen once an
**epoch** is over, the order is drawn anew, and the next begins. With 12 examples and batches of 4 an epoch has three steps. The gradient of
a batch points only roughly where that of all examples does; but it costs a third, and its mistakes are other ones each time. Steps on
batches that are drawn at random are *stochastic gradient descent*, SGD.

Within a batch there is no loop. One product x @ W makes the guesses of all its rows, many times faster than row by row: the code is
*vectorised* (figure "one by one"). GPUs go further on this way: thousands of small processors, which have work only if a batch is large.

The loss on the held-out examples says what was *learned*; the loss on the others may also fall because they are known by heart. When the
one still falls and the other grows, the model **overfits**: what it learns from now on is the noise of its examples (what is by chance
so), and it should have stopped.

What training does not find, you choose: lr, the size of a batch, how many epochs. These *hyperparameters* are chosen by the loss on the
held-out examples. Who has tried many fits these examples too; so a third part, the test set, is looked at once, at the very end.
**Fine-tuning** is this same loop, begun with weights that were trained on something else, and with a smaller lr, so that what they know
is changed a little and not lost.

The model is one that is known already, ŷ = x W + b. Its features are 11 waves, ever finer, that a curve can be made of, for 12 noisy
points: enough to know every point by heart.

**On paper.** One feature, W = 1, b = 0, lr = 0.1, a batch of two examples, x = (1, 2) and y = (2, 5):

    1. dL_dW = 0, dL_db = 0
    2. ŷ = (1, 2), ŷ − y = (−1, −3), L = (1 + 9) / 2 = 5
    3. ∂L/∂ŷ = 2 (ŷ − y) / 2 = (−1, −3)      ∂L/∂W = 1 · (−1) + 2 · (−3) = −7      ∂L/∂b = −1 − 3 = −4
    4. W = 1 − 0.1 · (−7) = 1.7              b = 0 − 0.1 · (−4) = 0.4               now ŷ = (2.1, 3.8) and L = (0.01 + 1.44) / 2 = 0.725

    >>> model = TrainingLoop(features=1, lr=0.1)
    >>> _ = model.load_state_dict({"W": np.array([[1.0]]), "b": np.array([0.0])})
    >>> batch = np.array([[1.0], [2.0]]), np.array([[2.0], [5.0]])
    >>> optimizer = model.configure_optimizers()
    >>> optimizer.zero_grad()
    >>> float(model.mse_loss(batch))
    5.0
    >>> model.mse_loss_backward()
    >>> model.W.grad.tolist(), model.b.grad.tolist()
    ([[-7.0]], [-4.0])
    >>> optimizer.step()
    >>> round(model.mse_loss(batch), 3)
    0.725

Sources: Robbins & Monro, A stochastic approximation method, Ann. Math. Statist. 22 (1951), 400, for steps on a few examples at a time;
Prechelt, Early stopping: but when?, in Neural Networks: Tricks of the Trade (1998), for the held-out examples.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.init import uniform

Array = np.ndarray


class TrainingLoop(Concept):
    """A straight line in several features, and the loop that fits it, written out.

    Args:
        features: D, how many numbers are known of each example.
        zero_grad: whether gradients are forgotten before each batch; False is the mistake that everybody makes once.
        lr: the length of a step, per gradient.
        rng: draws W and b uniformly between −1/√D and 1/√D, as torch's Linear does.
        dtype: of the parameters.

    Shapes: x (N, D), the prediction and the target y (N, 1), W (D, 1), b (1,).

    Raises:
        ValueError: if features is below 1.
    """

    automatic_optimization = False

    def __init__(
        self,
        features: int = 11,
        zero_grad: bool = True,
        lr: float = 0.1,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if features < 1:
            raise ValueError(f"TrainingLoop: features must be at least 1, got {features}")
        self.zero_grad_first, self.lr = zero_grad, lr
        rng, bound = rng or np.random.default_rng(), 1 / math.sqrt(features)
        self.W = Parameter(uniform((features, 1), -bound, bound, rng=rng, dtype=dtype))
        self.b = Parameter(uniform((1,), -bound, bound, rng=rng, dtype=dtype))

    def forward(self, x: Array) -> Array:
        """The prediction ŷ = x W + b."""
        return x @ self.W.data + self.b.data  # (N, D) @ (D, 1) + (1,)

    def mse_loss(self, batch: Batch) -> float:
        """The mean of (ŷ − y)² over these examples."""
        x, y = batch
        r = self(x) - y  # (N, 1)
        self.save(x, r)
        return float(np.mean(r**2))

    def mse_loss_backward(self, dL_dloss: float = 1.0) -> None:
        """Add ∂L/∂W and ∂L/∂b to what is there."""
        x, r = self.restore()
        dL_dy_hat = dL_dloss * 2 * r / len(x)  # (N, 1): L is a mean of N squares
        self.W.grad += x.T @ dL_dy_hat  # (D, N) @ (N, 1)
        self.b.grad += dL_dy_hat.sum(axis=0)  # (N, 1) summed over rows: (1,)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        """One round of the loop."""
        optimizer = self.optimizers()
        if self.zero_grad_first:
            optimizer.zero_grad()
        loss = self.mse_loss(batch)
        self.manual_backward(loss, self.mse_loss_backward)
        optimizer.step()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """How wrong it is on examples that it is never shown."""
        x, y = batch
        self.log("loss/val", np.mean((self(x) - y) ** 2), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
