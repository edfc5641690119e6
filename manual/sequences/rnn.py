"""A network with a memory: a recurrent network, and backpropagation through time, by hand.

A sentence, a melody, the weather of a month: a *sequence* is read step by step, and what comes late may depend on what came early. A
network that takes 30 numbers at once would need new weights for each place, and could not read 31. A **recurrent** network (RNN) is used
again at every step. It hands a few numbers to itself, the *state* h: all that it remembers of what it has read.

    h[t] = max(W_ih x[t] + W_hh h[t−1] + b, 0)      for t = 1, 2, …, T; at first h[0] = 0
    ŷ    = w h[T] + c                                read from the last state

x[t] are the I numbers of step t; h has H numbers; W_ih (H, I) is for what comes in, W_hh (H, H) for what is remembered. The weights are
the same at every step. max(·, 0) is ReLU.

Written out step by step, it is a network of T layers, and its backward goes from the last layer to the first, as ever. Here that is called
**backpropagation through time**. Two things are new. A weight that was used at every step gets the *sum* of the gradients of its uses.
And the gradient of a state is multiplied by W_hh once for each step on its way back.

**On paper.** One unit, W_ih = 1, W_hh = 2, b = 0, and the sequence 1, 3, 1:

    h[1] = 1      h[2] = 3 + 2 · 1 = 5      h[3] = 1 + 2 · 5 = 11

Backward, from ∂L/∂h[3] = 1. Every step back costs a factor W_hh = 2:

    ∂L/∂h[3] = 1      ∂L/∂h[2] = 2      ∂L/∂h[1] = 4
    ∂L/∂W_hh = 1 · h[2] + 2 · h[1] + 4 · h[0] = 5 + 2 + 0 = 7      each use: the gradient after it times the state before it
    ∂L/∂W_ih = 1 · x[3] + 2 · x[2] + 4 · x[1] = 1 + 6 + 4 = 11
    ∂L/∂b    = 1 + 2 + 4 = 7

    >>> x, W_ih, W_hh, b = np.array([[[1.0]], [[3.0]], [[1.0]]]), np.array([[1.0]]), np.array([[2.0]]), np.array([0.0])
    >>> three_steps(x, W_ih, W_hh, b).tolist()
    [[11.0]]
    >>> dL_dx, dL_dW_ih, dL_dW_hh, dL_db = three_steps_backward(np.array([[1.0]]), x, W_ih, W_hh, b)
    >>> dL_dx[:, 0, 0].tolist(), dL_dW_ih.item(), dL_dW_hh.item(), dL_db.item()
    ([4.0, 2.0, 1.0], 11.0, 7.0, 7.0)

**A power of the weight.** k steps back the gradient is W_hhᵏ, as long as no unit is cut off by ReLU. With one unit: 2³⁰ is a billion, 0.5³⁰
a billionth. With W_hh below 1 the gradient *vanishes*: what came early teaches nothing. Above 1 it *explodes*: one batch throws all
weights far away. (With many units W_hhᵏ is a power of a matrix, and its eigenvalues decide.) So W_hh starts as the identity I here: each
state is handed on as it is, and the gradient too.

**Clipping.** In training W_hh changes, and sooner or later some gradient is huge. Its direction is still right: along it the loss
falls, but not for long. So a gradient that is longer than 1 is made 1 long:

    g ← g / ‖g‖   if ‖g‖ > 1,   g being all gradients in one long vector

**The task: the adding problem.** 30 steps, at each a number between 0 and 1 and a mark. Two of the marks are 1, the others 0. At the end,
what is the sum of the two marked numbers? Who always says 1, the mean, has the squared error 1/6 = 0.167.

Sources: Werbos, "Backpropagation through time: what it does and how to do it" (1990), section III; Pascanu, Mikolov and Bengio, "On the
difficulty of training recurrent neural networks" (2013), sections 2 (powers) and 3.2 (clipping); Le, Jaitly and Hinton, "A simple way to
initialize recurrent networks of rectified linear units" (2015), section 2 (the identity).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Array, Module, Parameter
from manual.nn.init import uniform

# ---- three steps, written out ----------------------------------------------------------------------


def three_states(x: np.ndarray, W_ih: Array, W_hh: Array, b: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h[1], h[2] and h[3], each (N, H), for N sequences."""
    h1 = np.maximum(x[0] @ W_ih.T + b, 0)  # (N, I) @ (I, H)
    h2 = np.maximum(x[1] @ W_ih.T + h1 @ W_hh.T + b, 0)  # and (N, H) @ (H, H)
    h3 = np.maximum(x[2] @ W_ih.T + h2 @ W_hh.T + b, 0)
    return h1, h2, h3


def three_steps(x: np.ndarray, W_ih: Array, W_hh: Array, b: Array) -> np.ndarray:
    """The state after three steps. Shapes: x (3, N, I), W_ih (H, I), W_hh (H, H), b (H,), the result (N, H)."""
    return three_states(x, W_ih, W_hh, b)[2]


def three_steps_backward(dL_dh3: np.ndarray, x: np.ndarray, W_ih: Array, W_hh: Array, b: Array) -> tuple[np.ndarray, ...]:
    """dL_dx (3, N, I), dL_dW_ih (H, I), dL_dW_hh (H, H) and dL_db (H,). z1, z2, z3 are what max(·, 0) is applied to."""
    h1, h2, h3 = three_states(x, W_ih, W_hh, b)
    dL_dz3 = dL_dh3 * (h3 > 0)  # (N, H): where ReLU gave 0 nothing comes back
    dL_dh2 = dL_dz3 @ W_hh  # (N, H) @ (H, H): h2 was used at the third step
    dL_dz2 = dL_dh2 * (h2 > 0)
    dL_dh1 = dL_dz2 @ W_hh
    dL_dz1 = dL_dh1 * (h1 > 0)
    dL_dx = np.stack([dL_dz1 @ W_ih, dL_dz2 @ W_ih, dL_dz3 @ W_ih])  # (N, H) @ (H, I)
    dL_dW_ih = dL_dz1.T @ x[0] + dL_dz2.T @ x[1] + dL_dz3.T @ x[2]  # (H, N) @ (N, I), for each of its three uses
    dL_dW_hh = dL_dz2.T @ h1 + dL_dz3.T @ h2  # (H, N) @ (N, H); at the first step h was 0
    dL_db = (dL_dz1 + dL_dz2 + dL_dz3).sum(axis=0)  # (N, H) to (H,): used by all N sequences, at all three steps
    return dL_dx, dL_dW_ih, dL_dW_hh, dL_db


# ---- any number of steps, as a loop ----------------------------------------------------------------


class Recurrence(Module):
    """The states after each step. Its parameters are called as in torch's RNN, which has two biases whose sum is b.

    Args:
        input_size: I.
        hidden_size: H.
        start: W_hh begins as start · I.
        rng: draws the others uniformly between −1/√H and 1/√H, as torch does.
        dtype: of the parameters.

    Shapes: x (N, T, I), the result (N, T, H).
    """

    def __init__(
        self, input_size: int, hidden_size: int, start: float, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        rng, bound = rng or np.random.default_rng(), 1 / math.sqrt(hidden_size)
        self.weight_ih_l0 = Parameter(uniform((hidden_size, input_size), -bound, bound, rng=rng, dtype=dtype))
        self.weight_hh_l0 = Parameter(start * np.eye(hidden_size, dtype=dtype))
        self.bias_ih_l0 = Parameter(uniform((hidden_size,), -bound, bound, rng=rng, dtype=dtype))
        self.bias_hh_l0 = Parameter(uniform((hidden_size,), -bound, bound, rng=rng, dtype=dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        W_ih, W_hh, b = self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0 + self.bias_hh_l0
        h = np.zeros((len(x), x.shape[1] + 1, len(b)), x.dtype)  # h[:, t] is what step t starts from, h[:, t + 1] what it makes
        for t in range(x.shape[1]):
            z = x[:, t] @ W_ih.T + h[:, t] @ W_hh.T + b  # (N, I) @ (I, H), and (N, H) @ (H, H)
            h[:, t + 1] = np.maximum(z, 0)
        self.save(x, h)
        return h[:, 1:]

    def backward(self, dL_dhs: np.ndarray) -> np.ndarray:
        x, h = self.restore()
        dL_dx = np.empty_like(x)
        dL_dh = np.zeros_like(h[:, 0])  # what reaches the loss through later steps: after the last there is none
        for t in reversed(range(x.shape[1])):
            dL_dh = dL_dhs[:, t] + dL_dh  # and what reaches it directly
            dL_dz = dL_dh * (h[:, t + 1] > 0)
            self.weight_ih_l0.grad += dL_dz.T @ x[:, t]  # (H, N) @ (N, I): each step adds what it did
            self.weight_hh_l0.grad += dL_dz.T @ h[:, t]  # (H, N) @ (N, H)
            self.bias_ih_l0.grad += dL_dz.sum(axis=0)  # (N, H) to (H,)
            self.bias_hh_l0.grad += dL_dz.sum(axis=0)
            dL_dx[:, t] = dL_dz @ self.weight_ih_l0  # (N, H) @ (H, I)
            dL_dh = dL_dz @ self.weight_hh_l0  # (N, H) @ (H, H): handed to the step before
        return dL_dx


class AddingRNN(Concept):
    """The recurrence and a linear layer on its last state; mean squared error and Adam, whose step falls along half a cosine to 0.

    Args:
        hidden: H, how many numbers are remembered.
        start: W_hh begins as start · I (1: Le, Jaitly and Hinton, 2015).
        lr: Adam's step size at the start.
        steps: the length of the schedule.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, T, 2), the prediction and the target (N, 1).
    """

    def __init__(
        self,
        hidden: int = 32,
        start: float = 1.0,
        lr: float = 3e-3,
        steps: int = 800,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.lr, self.steps = lr, steps
        self.rnn = Recurrence(2, hidden, start, rng=rng, dtype=dtype)
        self.fc = nn.Linear(hidden, 1, rng=rng, dtype=dtype)
        self.loss = nn.MSELoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """What the sum is taken to be."""
        h = self.rnn(x)
        y_hat = self.fc(h[:, -1])  # (N, H): the last state
        self.save(h.shape)
        return y_hat

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        y_hat = self(x)
        loss = self.loss(y_hat, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dy_hat = self.loss.backward(dL_dloss)
        dL_dh = np.zeros(self.restore(), dL_dy_hat.dtype)  # (N, T, H): the other states were not read
        dL_dh[:, -1] = self.fc.backward(dL_dy_hat)
        self.rnn.backward(dL_dh)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        y_hat = self(x)
        self.log("loss/val", self.loss(y_hat, y), batch_size=len(x))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
