"""A gated recurrent unit (GRU), which does with two gates, by hand.

An LSTM has three gates, and beside its state a memory. Can it be done with less? A GRU has only the state h. At every step a part u of it
is kept, and the rest is replaced by something new, n:

    h[t] = (1 − u) n + u h[t−1]     a mixture, number by number: u = 1 keeps all, u = 0 replaces all

u is the *update gate*, z in torch's documentation. A second gate, the *reset gate* r, says how much of the past what is new may depend on:

    r = σ(W_ir x[t] + b_ir + W_hr h[t−1] + b_hr)
    u = σ(W_iu x[t] + b_iu + W_hu h[t−1] + b_hu)
    q = W_hn h[t−1] + b_hn
    n = tanh(W_in x[t] + b_in + r q)

In the code the three products with x[t] are one, z_x = x[t] W_ihᵀ + b_ih with its parts x_r, x_u and x_n, and the three with h[t−1] are
z_h, with the parts h_r, h_u and q. That is 3 H numbers for each, where an LSTM has 4 H.

**On paper.** One unit, h = 1, z_x = (0, log 3, 0) and z_h = (0, 0, 2 log 2). With σ(0) = ½, σ(log 3) = ¾ and tanh(log 2) = 0.6:

    r = ½      u = ¾      n = tanh(0 + ½ · 2 log 2) = 0.6      h[t] = ¼ · 0.6 + ¾ · 1 = 0.9

Backward from ∂L/∂h[t] = 1. (h − n = 0.4 is what a larger u would gain.)

    along the mixture: ∂L/∂h[t−1] = u         = 0.75
    ∂L/∂z_n = (1 − u) (1 − n²)                = ¼ · 0.64          = 0.16
    ∂L/∂z_u = (h − n) · u (1 − u)             = 0.4 · 3/16        = 0.075
    ∂L/∂q   = ∂L/∂z_n · r                     = 0.16 · ½          = 0.08
    ∂L/∂z_r = ∂L/∂z_n · q · r (1 − r)         = 0.16 · 1.386 · ¼  = 0.0555

z_r, z_u and z_n are what σ, σ and tanh are applied to.

    >>> z_x, z_h, h = np.array([[0.0, np.log(3), 0.0]]), np.array([[0.0, 0.0, 2 * np.log(2)]]), np.array([[1.0]])
    >>> cell(z_x, z_h, h).round(12).tolist()
    [[0.9]]
    >>> dL_dz_x, dL_dz_h, dL_dh = cell_backward(np.array([[1.0]]), z_x, z_h, h)
    >>> dL_dz_x.round(4).tolist(), dL_dz_h.round(4).tolist(), dL_dh.round(12).tolist()
    ([[0.0555, 0.075, 0.16]], [[0.0555, 0.075, 0.08]], [[0.75]])

**Why it remembers.** Where u is nearly 1 the state is handed on as it is, and so is the gradient: it is multiplied by u. That is the forget
gate of an LSTM; its input gate is 1 − u. So a GRU cannot take in much without forgetting as much.

The task is the adding problem of `rnn`: of a sequence of numbers two are marked; what is their sum?

Sources: Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation" (2014), section 2.3,
where r acts on h before the product with W_hn; torch's form has it after.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module, Parameter
from manual.nn.functional import sigmoid
from manual.nn.init import uniform


def gates(z_x: np.ndarray, z_h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """r, u, n and q, (N, H) each, of z_x and z_h (N, 3 H)."""
    (x_r, x_u, x_n), (h_r, h_u, q) = np.split(z_x, 3, axis=1), np.split(z_h, 3, axis=1)
    r, u = sigmoid(x_r + h_r), sigmoid(x_u + h_u)
    return r, u, np.tanh(x_n + r * q), q


def cell(z_x: np.ndarray, z_h: np.ndarray, h: np.ndarray) -> np.ndarray:
    """One step: the state after it. Shapes: z_x and z_h (N, 3 H), h and the result (N, H)."""
    _, u, n, _ = gates(z_x, z_h)
    return (1 - u) * n + u * h


def cell_backward(dL_dh_new: np.ndarray, z_x: np.ndarray, z_h: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dL_dz_x and dL_dz_h (N, 3 H), and dL_dh (N, H), along the mixture alone: z_h comes from h too."""
    r, u, n, q = gates(z_x, z_h)
    dL_dz_n = dL_dh_new * (1 - u) * (1 - n**2)  # tanh′ = 1 − tanh²
    dL_dz_u = dL_dh_new * (h - n) * u * (1 - u)  # σ′ = σ (1 − σ)
    dL_dz_r = dL_dz_n * q * r * (1 - r)
    dL_dq = dL_dz_n * r
    dL_dh = dL_dh_new * u  # no matrix: this is why it remembers
    return np.concatenate([dL_dz_r, dL_dz_u, dL_dz_n], axis=1), np.concatenate([dL_dz_r, dL_dz_u, dL_dq], axis=1), dL_dh


class Recurrence(Module):
    """The states after each step. Its parameters are called as in torch's GRU.

    Args:
        input_size: I.
        hidden_size: H.
        rng: draws all of them uniformly between −1/√H and 1/√H, as torch does.
        dtype: of the parameters.

    Shapes: x (N, T, I), the result (N, T, H).
    """

    def __init__(self, input_size: int, hidden_size: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        rng, bound = rng or np.random.default_rng(), 1 / math.sqrt(hidden_size)
        self.weight_ih_l0 = Parameter(uniform((3 * hidden_size, input_size), -bound, bound, rng=rng, dtype=dtype))
        self.weight_hh_l0 = Parameter(uniform((3 * hidden_size, hidden_size), -bound, bound, rng=rng, dtype=dtype))
        self.bias_ih_l0 = Parameter(uniform((3 * hidden_size,), -bound, bound, rng=rng, dtype=dtype))
        self.bias_hh_l0 = Parameter(uniform((3 * hidden_size,), -bound, bound, rng=rng, dtype=dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        W_ih, W_hh, b_ih, b_hh = self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0
        N, T, H = len(x), x.shape[1], W_hh.shape[1]
        h = np.zeros((N, T + 1, H), x.dtype)  # h[:, t] is what step t starts from, h[:, t + 1] what it makes
        z_x, z_h = np.empty((2, N, T, 3 * H), x.dtype)
        for t in range(T):
            z_x[:, t] = x[:, t] @ W_ih.T + b_ih  # (N, I) @ (I, 3 H)
            z_h[:, t] = h[:, t] @ W_hh.T + b_hh  # (N, H) @ (H, 3 H)
            h[:, t + 1] = cell(z_x[:, t], z_h[:, t], h[:, t])
        self.save(x, h, z_x, z_h)
        return h[:, 1:]

    def backward(self, dL_dhs: np.ndarray) -> np.ndarray:
        x, h, z_x, z_h = self.restore()
        dL_dx = np.empty_like(x)
        dL_dh = np.zeros_like(h[:, 0])  # after the last step there is none
        for t in reversed(range(x.shape[1])):
            dL_dz_x, dL_dz_h, dL_dh = cell_backward(dL_dhs[:, t] + dL_dh, z_x[:, t], z_h[:, t], h[:, t])
            self.weight_ih_l0.grad += dL_dz_x.T @ x[:, t]  # (3 H, N) @ (N, I): each step adds what it did
            self.weight_hh_l0.grad += dL_dz_h.T @ h[:, t]  # (3 H, N) @ (N, H)
            self.bias_ih_l0.grad += dL_dz_x.sum(axis=0)  # (N, 3 H) to (3 H,)
            self.bias_hh_l0.grad += dL_dz_h.sum(axis=0)
            dL_dx[:, t] = dL_dz_x @ self.weight_ih_l0  # (N, 3 H) @ (3 H, I)
            dL_dh = dL_dh + dL_dz_h @ self.weight_hh_l0  # (N, 3 H) @ (3 H, H): h was mixed, and it was multiplied
        return dL_dx


class AddingGRU(Concept):
    """A GRU and a linear layer on its last state; mean squared error and Adam, whose step falls along half a cosine to 0.

    Args:
        hidden: H, how many numbers the state has.
        lr: Adam's step size at the start.
        steps: the length of the schedule.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, T, 2), the prediction and the target (N, 1).
    """

    def __init__(
        self, hidden: int = 16, lr: float = 0.02, steps: int = 1000, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        self.lr, self.steps = lr, steps
        self.rnn = Recurrence(2, hidden, rng=rng, dtype=dtype)
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
