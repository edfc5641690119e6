"""A memory with gates: long short-term memory (LSTM), by hand.

The state of `rnn` passes through W_hh at every step, and so does its gradient: it vanishes or explodes. An LSTM has a second row of
numbers that passes through no matrix, its **memory** c. At every step a part of it is kept, and something is added:

    c[t] = f c[t−1] + i g           kept in part, and added to, number by number
    h[t] = o tanh(c[t])             what is shown of it: the state, which the next step and the output see

f, i and o are the **gates**: numbers between 0 and 1, one for each number of the memory, by which others are multiplied. 1 is open, 0 is
shut. g is what might be added. All four depend on what comes in and on the state before, with weights of their own:

    z    = W_ih x[t] + b_ih + W_hh h[t−1] + b_hh       4 H numbers: H for each of the four, in the order i, f, g, o
    i, f, o = σ(z_i), σ(z_f), σ(z_o)                   the input gate, the forget gate, the output gate
    g    = tanh(z_g)

tanh(z) = 2 σ(2z) − 1 is a sigmoid between −1 and 1; its slope is 1 − tanh².

**On paper.** One unit, c = 1, and z = (−log 3, log 3, log 3, 0). With σ(log 3) = ¾, σ(−log 3) = ¼ and tanh(log 3) = 0.8:

    i = ¼      f = ¾      g = 0.8      o = ½
    c[t] = ¾ · 1 + ¼ · 0.8 = 0.95      h[t] = ½ tanh(0.95) = 0.37

Backward, where the loss grows with c[t] alone, ∂L/∂c[t] = 1:

    ∂L/∂c[t−1] = f                = 0.75
    ∂L/∂z_i = g · i (1 − i)       = 0.8 · 3/16  = 0.15
    ∂L/∂z_f = c[t−1] · f (1 − f)  = 3/16        = 0.1875
    ∂L/∂z_g = i · (1 − g²)        = ¼ · 0.36    = 0.09

    >>> z, c = np.array([[-np.log(3), np.log(3), np.log(3), 0.0]]), np.array([[1.0]])
    >>> h, c_new = cell(z, c)
    >>> round(c_new.item(), 12), round(h.item(), 2)
    (0.95, 0.37)
    >>> dL_dz, dL_dc = cell_backward(np.array([[0.0]]), np.array([[1.0]]), z, c)
    >>> dL_dz.round(12).tolist(), round(dL_dc.item(), 12)
    ([[0.15, 0.1875, 0.09, 0.0]], 0.75)

**Why it remembers.** The first line is the point. Along the memory the gradient is multiplied by f, and by nothing else. k steps back
that is a product of k forget gates. Where they are open, nearly 1, it does not vanish; and it cannot explode, for f is never above 1. The
network itself learns when to keep and when to forget.

The task is the adding problem of `rnn`: of a sequence of numbers two are marked; what is their sum? An LSTM can open its input gate at
the marks, and keep its forget gate open.

Sources: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), sections 4 and 5.4; Gers, Schmidhuber and Cummins, "Learning to
forget" (2000), section 3 (the forget gate).
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


def gates(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """i, f, g and o, (N, H) each, of z (N, 4 H)."""
    z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
    return sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)


def cell(z: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step: the state and the memory after it. Shapes: z (N, 4 H), c and both results (N, H)."""
    i, f, g, o = gates(z)
    c_new = f * c + i * g
    h_new = o * np.tanh(c_new)
    return h_new, c_new


def cell_backward(dL_dh_new: np.ndarray, dL_dc_new: np.ndarray, z: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """dL_dz (N, 4 H) and dL_dc (N, H)."""
    i, f, g, o = gates(z)
    tanh_c = np.tanh(f * c + i * g)
    dL_dz_o = dL_dh_new * tanh_c * o * (1 - o)  # σ′ = σ (1 − σ)
    dL_dc_new = dL_dc_new + dL_dh_new * o * (1 - tanh_c**2)  # the new memory reaches the loss through the next step, and through h
    dL_dz_i = dL_dc_new * g * i * (1 - i)
    dL_dz_f = dL_dc_new * c * f * (1 - f)
    dL_dz_g = dL_dc_new * i * (1 - g**2)
    dL_dc = dL_dc_new * f  # no matrix: this is why it remembers
    return np.concatenate([dL_dz_i, dL_dz_f, dL_dz_g, dL_dz_o], axis=1), dL_dc


class Recurrence(Module):
    """The states after each step. Its parameters are called as in torch's LSTM.

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
        self.weight_ih_l0 = Parameter(uniform((4 * hidden_size, input_size), -bound, bound, rng=rng, dtype=dtype))
        self.weight_hh_l0 = Parameter(uniform((4 * hidden_size, hidden_size), -bound, bound, rng=rng, dtype=dtype))
        self.bias_ih_l0 = Parameter(uniform((4 * hidden_size,), -bound, bound, rng=rng, dtype=dtype))
        self.bias_hh_l0 = Parameter(uniform((4 * hidden_size,), -bound, bound, rng=rng, dtype=dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        W_ih, W_hh, b = self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0 + self.bias_hh_l0
        N, T, H = len(x), x.shape[1], W_hh.shape[1]
        h, c = np.zeros((2, N, T + 1, H), x.dtype)  # h[:, t] is what step t starts from, h[:, t + 1] what it makes
        z = np.empty((N, T, 4 * H), x.dtype)
        for t in range(T):
            z[:, t] = x[:, t] @ W_ih.T + h[:, t] @ W_hh.T + b  # (N, I) @ (I, 4 H), and (N, H) @ (H, 4 H)
            h[:, t + 1], c[:, t + 1] = cell(z[:, t], c[:, t])
        self.save(x, h, c, z)
        return h[:, 1:]

    def backward(self, dL_dhs: np.ndarray) -> np.ndarray:
        x, h, c, z = self.restore()
        dL_dx = np.empty_like(x)
        dL_dh, dL_dc = np.zeros_like(h[:, 0]), np.zeros_like(c[:, 0])  # after the last step there is none
        for t in reversed(range(x.shape[1])):
            dL_dh = dL_dhs[:, t] + dL_dh
            dL_dz, dL_dc = cell_backward(dL_dh, dL_dc, z[:, t], c[:, t])
            self.weight_ih_l0.grad += dL_dz.T @ x[:, t]  # (4 H, N) @ (N, I): each step adds what it did
            self.weight_hh_l0.grad += dL_dz.T @ h[:, t]  # (4 H, N) @ (N, H)
            self.bias_ih_l0.grad += dL_dz.sum(axis=0)  # (N, 4 H) to (4 H,)
            self.bias_hh_l0.grad += dL_dz.sum(axis=0)
            dL_dx[:, t] = dL_dz @ self.weight_ih_l0  # (N, 4 H) @ (4 H, I)
            dL_dh = dL_dz @ self.weight_hh_l0  # (N, 4 H) @ (4 H, H): handed to the step before
        return dL_dx


class AddingLSTM(Concept):
    """An LSTM and a linear layer on its last state; mean squared error and Adam, whose step falls along half a cosine to 0.

    Args:
        hidden: H, how many numbers the memory has.
        lr: Adam's step size at the start.
        steps: the length of the schedule.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, T, 2), the prediction and the target (N, 1).
    """

    def __init__(
        self, hidden: int = 16, lr: float = 0.02, steps: int = 1600, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
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
