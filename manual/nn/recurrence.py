"""One recurrent layer in one direction, over all steps and back again: what RNN, LSTM and GRU of rnn.py are made of.

Shapes: T steps, N examples, I inputs, H hidden units, G gates (1 in RNN, 4 in LSTM, 3 in GRU).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from manual.module import Parameter
from manual.nn.faster import faster_than
from manual.nn.functional import column_sum, sigmoid

State = tuple[np.ndarray, ...]
"""What one step hands to the next: (h,), in an LSTM (h, c); each (N, H)."""


class Weights(NamedTuple):
    """The parameters of one layer in one direction; without biases these are 0."""

    ih: Parameter  # W_ih (G·H, I)
    hh: Parameter  # W_hh (G·H, H)
    b_ih: Parameter  # (G·H,)
    b_hh: Parameter  # (G·H,)


# ---- line by line --------------------------------------------------------------------------------


def rnn(x: np.ndarray, state: State, w: Weights, nonlinearity: str) -> tuple[np.ndarray, State, Any]:
    """The simplest recurrence, h[t] = tanh(x[t] W_ihᵀ + b_ih + h[t−1] W_hhᵀ + b_hh), or relu of it.

    Args:
        x: (T, N, I).
        state: what the first step starts from, (h,).
        w: the weights.
        nonlinearity: "tanh" or "relu".

    Returns:
        h of all steps (T, N, H), the last state, and what `rnn_backward` needs.
    """
    hs = np.empty((len(x) + 1, *state[0].shape), x.dtype)  # hs[t] is what step t starts from, hs[t + 1] what it makes
    (hs[0],) = state
    for t in range(len(x)):
        z = x[t] @ w.ih.T + w.b_ih + hs[t] @ w.hh.T + w.b_hh  # (N, I) @ (I, H), and (N, H) @ (H, H)
        hs[t + 1] = np.tanh(z) if nonlinearity == "tanh" else np.maximum(z, 0)
    return hs[1:], (hs[-1],), (x, hs)


def rnn_backward(dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights, nonlinearity: str) -> tuple[np.ndarray, State]:
    """Backpropagation through time: h[t] reaches the loss as an output and through every later step, so the last step comes first.

    Args:
        dL_dhs: the gradients of all h as outputs, (T, N, H).
        dL_dstate: that of the last state as an output.
        tape, w, nonlinearity: those of `rnn`.

    Returns:
        dL_dx (T, N, I), and the gradient of the state that the first step started from; those of the weights are added to theirs.
    """
    x, hs = tape
    dL_dx, T = np.empty(x.shape, x.dtype), len(dL_dhs)
    (dL_dh,) = dL_dstate  # the gradient of h[t]: so far what reaches the loss through later steps
    for t in reversed(range(T)):
        h = hs[t + 1]
        dL_dh = dL_dhs[t] + dL_dh
        dh_dz = 1 - h**2 if nonlinearity == "tanh" else ~(h <= 0)  # the derivative of tanh, by its value; of relu: 0 at the kink
        dL_dz = dL_dh * dh_dz
        add_gradients(w, dL_dz, x[t], dL_dz, hs[t])
        dL_dx[t] = dL_dz @ w.ih  # (N, H) @ (H, I)
        dL_dh = dL_dz @ w.hh  # (N, H) @ (H, H): handed to the step before
    return dL_dx, (dL_dh,)


def add_gradients(w: Weights, dL_dz_x: np.ndarray, x: np.ndarray, dL_dz_h: np.ndarray, h: np.ndarray) -> None:
    """What one step, z_x = x W_ihᵀ + b_ih and z_h = h W_hhᵀ + b_hh, adds to the gradients of the weights, which all steps share."""
    w.ih.grad += dL_dz_x.T @ x  # (G·H, N) @ (N, I)
    w.hh.grad += dL_dz_h.T @ h  # (G·H, N) @ (N, H)
    w.b_ih.grad += dL_dz_x.sum(axis=0)  # (N, G·H) to (G·H,): used by all N examples
    w.b_hh.grad += dL_dz_h.sum(axis=0)


def lstm(x: np.ndarray, state: State, w: Weights) -> tuple[np.ndarray, State, Any]:
    """A memory c that is kept, forgotten and shown by gates between 0 and 1: i what to take in, f what to keep, o what to show.

    Arguments and results as in `rnn`, the state being (h, c).

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997); the forget gate: Gers, Schmidhuber and Cummins (2000).
    """
    T, N, H = len(x), *state[0].shape
    gates = np.empty((T, 4, N, H), x.dtype)
    hs, cs = np.empty((2, T + 1, N, H), x.dtype)  # [t] is what step t starts from, [t + 1] what it makes
    hs[0], cs[0] = state
    for t in range(T):
        z = x[t] @ w.ih.T + w.b_ih + hs[t] @ w.hh.T + w.b_hh  # (N, I) @ (I, 4·H), and (N, H) @ (H, 4·H)
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)  # (N, H) each
        i, f, g, o = gates[t] = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)
        cs[t + 1] = f * cs[t] + i * g
        hs[t + 1] = o * np.tanh(cs[t + 1])
    return hs[1:], (hs[-1], cs[-1]), (x, gates, hs, cs)


def lstm_backward(dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights) -> tuple[np.ndarray, State]:
    """As `rnn_backward`. Along c the gradient is only multiplied by f, which may stay near 1: it need not vanish over many steps."""
    x, gates, hs, cs = tape
    dL_dx, T = np.empty(x.shape, x.dtype), len(dL_dhs)
    dL_dh, dL_dc = dL_dstate
    for t in reversed(range(T)):
        i, f, g, o = gates[t]
        tanh_c = np.tanh(cs[t + 1])
        dL_dh = dL_dhs[t] + dL_dh
        dL_dc = dL_dc + dL_dh * o * (1 - tanh_c**2)  # c reaches the loss through the step after, and through h
        dL_dz_i = dL_dc * g * i * (1 - i)  # σ' = σ (1 − σ), tanh' = 1 − tanh²
        dL_dz_f = dL_dc * cs[t] * f * (1 - f)
        dL_dz_g = dL_dc * i * (1 - g**2)
        dL_dz_o = dL_dh * tanh_c * o * (1 - o)
        dL_dz = np.concatenate([dL_dz_i, dL_dz_f, dL_dz_g, dL_dz_o], axis=1)  # (N, 4·H)
        add_gradients(w, dL_dz, x[t], dL_dz, hs[t])
        dL_dx[t] = dL_dz @ w.ih  # (N, 4·H) @ (4·H, I)
        dL_dh = dL_dz @ w.hh  # (N, 4·H) @ (4·H, H): handed to the step before, as
        dL_dc = f * dL_dc  # is that of c
    return dL_dx, (dL_dh, dL_dc)


def gru(x: np.ndarray, state: State, w: Weights) -> tuple[np.ndarray, State, Any]:
    """A state that each step replaces in part, u of it being kept:

        r = σ(x[t] W_irᵀ + b_ir + h[t−1] W_hrᵀ + b_hr)               reset
        u = σ(x[t] W_iuᵀ + b_iu + h[t−1] W_huᵀ + b_hu)               update (z in torch's documentation)
        q = h[t−1] W_hnᵀ + b_hn
        n = tanh(x[t] W_inᵀ + b_in + r q)                            new: r acts after the product with W_hn (Cho et al.: before it)
        h[t] = (1 − u) n + u h[t−1]

    Arguments and results as in `rnn`.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014), section 2.3.
    """
    T, N, H = len(x), *state[0].shape
    gates = np.empty((T, 4, N, H), x.dtype)
    hs = np.empty((T + 1, N, H), x.dtype)  # hs[t] is what step t starts from, hs[t + 1] what it makes
    (hs[0],) = state
    for t in range(T):
        x_r, x_u, x_n = np.split(x[t] @ w.ih.T + w.b_ih, 3, axis=1)  # (N, I) @ (I, 3·H), in parts of (N, H)
        h_r, h_u, q = np.split(hs[t] @ w.hh.T + w.b_hh, 3, axis=1)  # (N, H) @ (H, 3·H)
        r, u = sigmoid(x_r + h_r), sigmoid(x_u + h_u)
        n = np.tanh(x_n + r * q)
        hs[t + 1] = (1 - u) * n + u * hs[t]
        gates[t] = r, u, n, q
    return hs[1:], (hs[-1],), (x, gates, hs)


def gru_backward(dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights) -> tuple[np.ndarray, State]:
    """As `rnn_backward`; z_r, z_u and z_n are what σ, σ and tanh are applied to."""
    x, gates, hs = tape
    dL_dx, T = np.empty(x.shape, x.dtype), len(dL_dhs)
    (dL_dh,) = dL_dstate
    for t in reversed(range(T)):
        (r, u, n, q), h = gates[t], hs[t]  # h: of the step before
        dL_dh = dL_dhs[t] + dL_dh
        dL_dz_n = dL_dh * (1 - u) * (1 - n**2)
        dL_dz_u = dL_dh * (h - n) * u * (1 - u)
        dL_dz_r = dL_dz_n * q * r * (1 - r)
        dL_dq = dL_dz_n * r
        dL_dz_x = np.concatenate([dL_dz_r, dL_dz_u, dL_dz_n], axis=1)  # (N, 3·H), on the side of x
        dL_dz_h = np.concatenate([dL_dz_r, dL_dz_u, dL_dq], axis=1)  # on the side of h
        add_gradients(w, dL_dz_x, x[t], dL_dz_h, h)
        dL_dx[t] = dL_dz_x @ w.ih  # (N, 3·H) @ (3·H, I)
        dL_dh = dL_dh * u + dL_dz_h @ w.hh  # (N, 3·H) @ (3·H, H): handed to the step before
    return dL_dx, (dL_dh,)


# ---- the same, faster ----------------------------------------------------------------------------
#
# The product of the input with its weights does not depend on the step before, so it is one product for all steps, outside of the loop; and
# so is what σ, tanh and their derivatives make of it. On the way back only what one step hands to the one before it is left in the loop.


def input_product(x: np.ndarray, w: Weights) -> np.ndarray:
    """x[t] W_ihᵀ + b_ih of all steps at once, (T, N, G·H)."""
    T, N, I = x.shape
    z_x = x.reshape(T * N, I) @ w.ih.T  # (T·N, I) @ (I, G·H)
    z_x += w.b_ih
    return z_x.reshape(T, N, len(w.ih))


def product_backward(dL_dz_x: np.ndarray, x: np.ndarray, dL_dz_h: np.ndarray, h_before: np.ndarray, w: Weights) -> np.ndarray:
    """dL_dx (T, N, I), and the gradients of the weights, of all steps at once."""
    x_rows, h_rows, d_x, d_h = (a.reshape(-1, a.shape[2]) for a in (x, h_before, dL_dz_x, dL_dz_h))
    w.ih.grad += d_x.T @ x_rows  # (G·H, T·N) @ (T·N, I): as add_gradients, with all T·N as examples
    w.hh.grad += d_h.T @ h_rows  # (G·H, T·N) @ (T·N, H)
    w.b_ih.grad += column_sum(d_x)
    w.b_hh.grad += column_sum(d_h)
    return (d_x @ w.ih).reshape(x.shape)  # (T·N, G·H) @ (G·H, I)


def contiguous_transpose(W: Parameter) -> np.ndarray:
    """Wᵀ, copied once for all steps: BLAS needs half the time for small products with it than with the view W.T."""
    return np.ascontiguousarray(W.T)


@faster_than(rnn)
def rnn_fast(x: np.ndarray, state: State, w: Weights, nonlinearity: str) -> tuple[np.ndarray, State, Any]:
    """`rnn` with one product of the input."""
    z_x, W_hh_T = input_product(x, w), contiguous_transpose(w.hh)
    z_x += w.b_hh
    hs = np.empty((len(x) + 1, *state[0].shape), x.dtype)
    (hs[0],) = state
    for t in range(len(x)):
        z = hs[t] @ W_hh_T  # (N, H) @ (H, H)
        z += z_x[t]
        hs[t + 1] = np.tanh(z) if nonlinearity == "tanh" else np.maximum(z, 0)
    return hs[1:], (hs[-1],), (x, hs)


@faster_than(rnn_backward)
def rnn_backward_fast(dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights, nonlinearity: str) -> tuple[np.ndarray, State]:
    """`rnn_backward`, with all the gradients of the weights behind the loop."""
    (x, hs), W_hh = tape, w.hh[:]
    dh_dz = 1 - hs[1:] ** 2 if nonlinearity == "tanh" else ~(hs[1:] <= 0)
    dL_dz = np.empty_like(dL_dhs, order="C")
    (dL_dh,) = dL_dstate
    for t in reversed(range(len(x))):
        dL_dz[t] = (dL_dhs[t] + dL_dh) * dh_dz[t]
        dL_dh = dL_dz[t] @ W_hh  # (N, H) @ (H, H)
    return product_backward(dL_dz, x, dL_dz, hs[:-1], w), (dL_dh,)


@faster_than(lstm)
def lstm_fast(x: np.ndarray, state: State, w: Weights) -> tuple[np.ndarray, State, Any]:
    """`lstm` with one product of the input, and one tanh for all four gates: σ(z) = ½ + ½ tanh(z/2)."""
    z_x, W_hh_T = input_product(x, w), contiguous_transpose(w.hh)
    z_x += w.b_hh
    T, N, H = len(x), *state[0].shape
    slope = np.repeat(np.array([0.5, 0.5, 1, 0.5], x.dtype), H)  # of i, f, g and o
    shift = 1 - slope
    z_x *= slope
    W_hh_T *= slope
    gates = np.empty((4, T, N, H), x.dtype)  # each gate's steps behind one another, for the derivatives of all of them
    hs, cs = np.empty((2, T + 1, N, H), x.dtype)
    hs[0], cs[0] = state
    for t in range(T):
        z = hs[t] @ W_hh_T  # (N, H) @ (H, 4·H)
        z += z_x[t]
        np.tanh(z, out=z)
        z *= slope
        z += shift
        gates[:, t] = z.reshape(N, 4, H).swapaxes(0, 1)
        i, f, g, o = gates[:, t]
        cs[t + 1] = f * cs[t] + i * g
        hs[t + 1] = o * np.tanh(cs[t + 1])
    return hs[1:], (hs[-1], cs[-1]), (x, gates.swapaxes(0, 1), hs, cs)


@faster_than(lstm_backward)
def lstm_backward_fast(dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights) -> tuple[np.ndarray, State]:
    """`lstm_backward`, with the derivatives within all steps before the loop, and the gradients of the weights behind it."""
    (x, gates, hs, cs), W_hh = tape, w.hh[:]
    T, N, H = dL_dhs.shape
    i, f, g, o = gates.swapaxes(0, 1)  # (T, N, H) each
    tanh_c = np.tanh(cs[1:])
    dh_dc = o * (1 - tanh_c * tanh_c)
    slopes = np.empty((T, 4, N, H), x.dtype)  # ∂c/∂z_i, ∂c/∂z_f, ∂c/∂z_g, ∂h/∂z_o
    slopes[:, 0] = g * i * (1 - i)
    slopes[:, 1] = cs[:-1] * f * (1 - f)
    slopes[:, 2] = i * (1 - g * g)
    slopes[:, 3] = tanh_c * o * (1 - o)
    dL_dz = np.empty((T, N, 4, H), x.dtype)
    dL_dh, dL_dc = dL_dstate
    for t in reversed(range(T)):
        dL_dh = dL_dhs[t] + dL_dh
        dL_dc = dL_dc + dL_dh * dh_dc[t]
        slopes[t, :3] *= dL_dc  # z_i, z_f and z_g move c
        slopes[t, 3] *= dL_dh  # z_o moves h
        dL_dz[t] = slopes[t].swapaxes(0, 1)  # by now times what they move: (4, N, H), beside one another for the product
        dL_dc *= f[t]
        dL_dh = dL_dz[t].reshape(N, 4 * H) @ W_hh  # (N, 4·H) @ (4·H, H)
    dL_dz = dL_dz.reshape(T, N, 4 * H)
    return product_backward(dL_dz, x, dL_dz, hs[:-1], w), (dL_dh, dL_dc)


@faster_than(gru)
def gru_fast(x: np.ndarray, state: State, w: Weights) -> tuple[np.ndarray, State, Any]:
    """`gru` with one product of the input, and one σ for both gates."""
    z_x, W_hh_T = input_product(x, w), contiguous_transpose(w.hh)
    T, N, H = len(x), *state[0].shape
    gates = np.empty((T, 4, N, H), x.dtype)
    hs = np.empty((T + 1, N, H), x.dtype)
    (hs[0],) = state
    for t in range(T):
        z_h = hs[t] @ W_hh_T  # (N, H) @ (H, 3·H)
        z_h += w.b_hh
        r, u = sigmoid(z_x[t, :, : 2 * H] + z_h[:, : 2 * H]).reshape(N, 2, H).swapaxes(0, 1)
        q = z_h[:, 2 * H :]
        n = np.tanh(z_x[t, :, 2 * H :] + r * q)
        hs[t + 1] = n + u * (hs[t] - n)
        gates[t] = r, u, n, q
    return hs[1:], (hs[-1],), (x, gates, hs)


@faster_than(gru_backward)
def gru_backward_fast(dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights) -> tuple[np.ndarray, State]:
    """`gru_backward`, with the derivatives within all steps before the loop, and the gradients of the weights behind it."""
    (x, gates, hs), W_hh = tape, w.hh[:]
    r, u, n, q = gates.swapaxes(0, 1)  # (T, N, H) each
    dh_dz_n, dh_dz_u, dz_n_dz_r = (1 - u) * (1 - n * n), (hs[:-1] - n) * u * (1 - u), q * r * (1 - r)
    T, N, H = dL_dhs.shape
    dL_dz_x, dL_dz_h = np.empty((2, T, N, 3, H), x.dtype)
    (dL_dh,) = dL_dstate
    for t in reversed(range(T)):
        dL_dh = dL_dhs[t] + dL_dh
        dL_dz_n = dL_dh * dh_dz_n[t]
        dL_dz_x[t, :, 0] = dL_dz_h[t, :, 0] = dL_dz_n * dz_n_dz_r[t]
        dL_dz_x[t, :, 1] = dL_dz_h[t, :, 1] = dL_dh * dh_dz_u[t]
        dL_dz_x[t, :, 2] = dL_dz_n
        dL_dz_h[t, :, 2] = dL_dz_n * r[t]
        dL_dh = dL_dh * u[t] + dL_dz_h[t].reshape(N, 3 * H) @ W_hh  # (N, 3·H) @ (3·H, H)
    return product_backward(dL_dz_x.reshape(T, N, 3 * H), x, dL_dz_h.reshape(T, N, 3 * H), hs[:-1], w), (dL_dh,)
