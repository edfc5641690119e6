"""Recurrent layers and backpropagation through time: the twins of torch.nn.RNN, LSTM, GRU and their cells.

recurrence.py runs one layer in one direction and walks it back. All three kinds share what is around that, which is here: the weights,
several layers, two directions, and the order of the axes.

Shapes: T steps, N examples, I inputs, H hidden units, G gates (1 in RNN, 4 in LSTM, 3 in GRU).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.container import ModuleList
from manual.nn.dropout import Dropout
from manual.nn.faster import fastest
from manual.nn.init import uniform
from manual.nn.recurrence import State, Weights, gru, gru_backward, lstm, lstm_backward, rnn, rnn_backward
from manual.nn.validate import expect_array, expect_choice, expect_ndim, expect_size

# ---- what the layers and the cells call ----------------------------------------------------------


class _RNNSteps:
    """`rnn` and its backward, for the layer and for the cell."""

    gates, states = 1, 1
    nonlinearity = "tanh"

    def unroll(self, x: np.ndarray, state: State, w: Weights) -> tuple[np.ndarray, State, Any]:
        """h of all steps (T, N, H), the last state, and what `unroll_backward` needs."""
        return fastest(rnn)(x, state, w, self.nonlinearity)

    def unroll_backward(self, dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights) -> tuple[np.ndarray, State]:
        """dL_dx (T, N, I) and the gradient of the initial state; gradients of the weights are added."""
        return fastest(rnn_backward)(dL_dhs, dL_dstate, tape, w, self.nonlinearity)


class _LSTMSteps:
    """`lstm` and its backward."""

    gates, states = 4, 2

    def unroll(self, x: np.ndarray, state: State, w: Weights) -> tuple[np.ndarray, State, Any]:
        """h of all steps (T, N, H), the last state, and what `unroll_backward` needs."""
        return fastest(lstm)(x, state, w)

    def unroll_backward(self, dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights) -> tuple[np.ndarray, State]:
        """dL_dx (T, N, I) and the gradient of the initial state; gradients of the weights are added."""
        return fastest(lstm_backward)(dL_dhs, dL_dstate, tape, w)


class _GRUSteps:
    """`gru` and its backward."""

    gates, states = 3, 1

    def unroll(self, x: np.ndarray, state: State, w: Weights) -> tuple[np.ndarray, State, Any]:
        """h of all steps (T, N, H), the last state, and what `unroll_backward` needs."""
        return fastest(gru)(x, state, w)

    def unroll_backward(self, dL_dhs: np.ndarray, dL_dstate: State, tape: Any, w: Weights) -> tuple[np.ndarray, State]:
        """dL_dx (T, N, I) and the gradient of the initial state; gradients of the weights are added."""
        return fastest(gru_backward)(dL_dhs, dL_dstate, tape, w)


# ---- several layers, two directions --------------------------------------------------------------


class _Layers(Module):
    """Layers of a recurrence one above the other, each in one direction or in two.

    A layer reads the h of the one below, of both directions side by side. The second direction reads the steps last first.

    Arguments of the constructor:
        input_size: I of the first layer.
        hidden_size: H.
        num_layers: how many layers are stacked.
        bias: whether b_ih and b_hh are there (torch keeps both, though RNN and LSTM only ever use their sum).
        batch_first: whether input and output are (N, T, ...) in place of (T, N, ...). States are (..., N, H) all the same.
        dropout: probability of 0 in what one layer hands to the next, in training, by a Dropout of its own for each layer but the last.
        bidirectional: whether each layer runs in both directions.
        proj_size: 0 only.
        rng: draws the initial weights, uniform in ±1/√H (torch's default), and later the dropouts.
        dtype: of the parameters.

    Arguments of forward:
        input: (T, N, I), (N, T, I) if batch_first, or (T, I).
        hx: what the first step starts from, zeros unless given: h (layers·directions, N, H), or without N if input has no N;
            in an LSTM (h, c).

    Returns:
        (output, h_n), in an LSTM (output, (h_n, c_n)): h of the last layer at all steps, (T, N, directions·H) in the axes of
        input, and the state of all layers and directions after the last step they read, in the shape of hx.

    `backward` takes the gradients of these in the same nesting, None for one that is zero, and returns dL_dinput, or
    (dL_dinput, dL_dhx) if hx was given.

    Raises:
        ValueError: for a wrong number of axes or size, no step at all, a dropout not in 0 ... 1, a size below 1.
        TypeError: if input or hx is not an array of the layer's dtype.
        NotImplementedError: if proj_size is not 0.
    """

    _shows = "{input_size}, {hidden_size}"
    _shows_unless: Mapping[str, Any] = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
    _not_shown = ("dropouts",)
    gates, states = 0, 0
    unroll: Any  # from one of the three above
    unroll_backward: Any
    weight_ih_l0: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        rng: np.random.Generator | None,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        expect_positive(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout must be a number in 0 … 1, got {dropout}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(f"{name}: dropout = {dropout} acts between layers, and num_layers is 1: nothing is dropped", stacklevel=3)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, float(dropout), bidirectional
        self.directions = 2 if bidirectional else 1
        for k in range(num_layers * self.directions):
            inputs = input_size if k < self.directions else hidden_size * self.directions
            add_weights(self, self.suffix(k), inputs, self.gates * hidden_size, hidden_size, bias, rng, dtype)
        self.dropouts = ModuleList(Dropout(dropout, rng=rng) for _ in range(num_layers - 1))

    def forward(self, input: np.ndarray, hx: Any = None) -> tuple[np.ndarray, Any]:
        self.check(input, hx)
        x = self.steps_first(input)
        initial = self.stacked(hx, x.shape[1], x.dtype)  # (states, layers·directions, N, H)
        last, tapes = np.empty_like(initial), []
        for layer in range(self.num_layers):
            outputs = []
            for k in self.layer_directions(layer):
                hs, last[:, k], tape = self.unroll(self.in_reading_order(x, k), initial[:, k], weights_of(self, self.suffix(k)))
                outputs.append(self.in_reading_order(hs, k))
                tapes.append(tape)
            x = np.concatenate(outputs, axis=2)  # (T, N, directions·H)
            if layer < self.num_layers - 1:
                x = self.dropouts[layer](x)
        self.save(tapes, x.shape, input.ndim, hx is not None)
        return self.axes_of_input(x, input.ndim), self.unstacked(last, input.ndim)

    def backward(self, dL_dy: tuple[np.ndarray | None, Any]) -> Any:
        tapes, y_shape, ndim, hx_given = self.restore()
        dL_doutput, dL_dlast = dL_dy
        dL_dx = np.zeros(y_shape, self.weight_ih_l0.dtype) if dL_doutput is None else self.steps_first(dL_doutput)
        dL_dlast = self.stacked(dL_dlast, y_shape[1], dL_dx.dtype)  # (states, layers·directions, N, H)
        dL_dinitial = np.empty_like(dL_dlast)
        for layer in reversed(range(self.num_layers)):
            if layer < self.num_layers - 1:
                dL_dx = self.dropouts[layer].backward(dL_dx)
            parts = np.split(dL_dx, self.directions, axis=2)  # what each direction's h did, (T, N, H)
            dL_dbelow = []
            for k, part in zip(self.layer_directions(layer), parts, strict=True):
                dL_dhs, w = self.in_reading_order(part, k), weights_of(self, self.suffix(k))
                d, dL_dinitial[:, k] = self.unroll_backward(dL_dhs, dL_dlast[:, k], tapes[k], w)
                dL_dbelow.append(self.in_reading_order(d, k))
            dL_dx = sum(dL_dbelow[1:], start=dL_dbelow[0])  # both directions read the same x
        dL_dinput = self.axes_of_input(dL_dx, ndim)
        return (dL_dinput, self.unstacked(dL_dinitial, ndim)) if hx_given else dL_dinput

    def layer_directions(self, layer: int) -> range:
        """The numbers of this layer's directions among all, in the order of the states."""
        return range(layer * self.directions, (layer + 1) * self.directions)

    def suffix(self, k: int) -> str:
        """How the names of the k-th parameters end."""
        return f"_l{k // self.directions}" + ("_reverse" if k % self.directions else "")

    def in_reading_order(self, x: np.ndarray, k: int) -> np.ndarray:
        """The steps as the k-th recurrence meets them, or back again: last first for the second direction."""
        return x[::-1] if k % self.directions else x

    def steps_first(self, x: np.ndarray) -> np.ndarray:
        """(T, N, ...) from the axes of the input."""
        return x[:, None] if x.ndim == 2 else x.swapaxes(0, 1) if self.batch_first else x

    def axes_of_input(self, x: np.ndarray, ndim: int) -> np.ndarray:
        """The axes of the input, which had so many, from (T, N, ...)."""
        return x[:, 0] if ndim == 2 else x.swapaxes(0, 1) if self.batch_first else x

    def stacked(self, state: Any, N: int, dtype: Any) -> np.ndarray:
        """(states, layers·directions, N, H) from h or (h, c), None standing for zeros."""
        shape = self.num_layers * self.directions, N, self.hidden_size
        parts = state if isinstance(state, tuple | list) else (state,) * self.states if state is None else (state,)
        return np.stack([np.zeros(shape, dtype) if s is None else s.reshape(shape) for s in parts])

    def unstacked(self, states: np.ndarray, ndim: int) -> Any:
        """h or (h, c), without N if the input had none, from (states, layers·directions, N, H)."""
        parts = tuple(s[:, 0] if ndim == 2 else s for s in states)
        return parts if self.states > 1 else parts[0]

    def check(self, input: np.ndarray, hx: Any) -> None:
        """Raise unless input and hx fit."""
        name, dtype = type(self).__name__, self.weight_ih_l0.dtype
        expect_array(name, "input", input, dtype)
        expect_ndim(name, "input", input, 2, 3)
        expect_size(name, "input", input, -1, self.input_size, "input_size")
        x = self.steps_first(input)
        if len(x) == 0:
            raise ValueError(f"{name}: input must have at least one step, got shape {input.shape}")
        K = self.num_layers * self.directions
        shape = (K, self.hidden_size) if input.ndim == 2 else (K, x.shape[1], self.hidden_size)
        expect_state(name, hx, self.states, shape, dtype)


class RNN(_RNNSteps, _Layers):
    """h[t] = tanh(x[t] W_ihᵀ + b_ih + h[t−1] W_hhᵀ + b_hh), or relu of it (torch.nn.RNN).

    `rnn` of recurrence.py has the derivation, arguments and shapes in _Layers; and

    Args:
        nonlinearity: "tanh" or "relu".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        expect_choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, rng, dtype)
        self.nonlinearity = nonlinearity


class LSTM(_LSTMSteps, _Layers):
    """Long short-term memory (torch.nn.LSTM): `lstm` of recurrence.py has the derivation, arguments and shapes in _Layers."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        if proj_size != 0:
            raise NotImplementedError(f"LSTM: proj_size must be 0, got {proj_size}")
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, rng, dtype)


class GRU(_GRUSteps, _Layers):
    """Gated recurrent unit (torch.nn.GRU): `gru` of recurrence.py has the derivation, arguments and shapes in _Layers."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, rng, dtype)


# ---- one step ------------------------------------------------------------------------------------


class _Cell(Module):
    """One step of a recurrence: `unroll` with T = 1.

    Arguments of the constructor: input_size (I), hidden_size (H), bias, rng and dtype as in _Layers.

    Arguments of forward:
        input: (N, I) or (I,).
        hx: the state before, zeros unless given: h (N, H), or (H,) if input is (I,); in an LSTMCell (h, c).

    Returns:
        the state after, h or (h, c), in the shape of hx.

    `backward` takes its gradient in the same nesting, and returns dL_dinput, or (dL_dinput, dL_dhx) if hx was given.

    Raises:
        ValueError: for a wrong number of axes or size, or a size below 1.
        TypeError: if input or hx is not an array of the layer's dtype.
    """

    _shows, _shows_unless = "{input_size}, {hidden_size}", {"bias": True, "nonlinearity": "tanh"}
    gates, states = 0, 0
    unroll: Any  # from one of the three above
    unroll_backward: Any
    weight_ih: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_positive(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        add_weights(self, "", input_size, self.gates * hidden_size, hidden_size, bias, rng, dtype)

    def forward(self, input: np.ndarray, hx: Any = None) -> Any:
        self.check(input, hx)
        x = np.atleast_2d(input)[None]  # one step, (1, N, I)
        zeros = np.zeros((x.shape[1], self.hidden_size), x.dtype)
        before = (zeros,) * self.states if hx is None else tuple(np.atleast_2d(s) for s in as_tuple(hx))
        _, state, tape = self.unroll(x, before, weights_of(self))
        self.save(tape, input.shape, hx is not None)
        return self.as_hx(state, input.ndim)

    def backward(self, dL_dy: Any) -> Any:
        tape, x_shape, hx_given = self.restore()
        dL_dh, *dL_dc = (np.atleast_2d(d) for d in as_tuple(dL_dy))
        dL_dstate = 0, *dL_dc  # h counts as the output of the one step, and not once more as its last state
        dL_dx, dL_dbefore = self.unroll_backward(dL_dh[None], dL_dstate, tape, weights_of(self))
        dL_dinput = dL_dx.reshape(x_shape)
        return (dL_dinput, self.as_hx(dL_dbefore, len(x_shape))) if hx_given else dL_dinput

    def as_hx(self, state: State, ndim: int) -> Any:
        """h or (h, c), without N if the input had none."""
        parts = tuple(s[0] if ndim == 1 else s for s in state)
        return parts if self.states > 1 else parts[0]

    def check(self, input: np.ndarray, hx: Any) -> None:
        """Raise unless input and hx fit."""
        name, dtype = type(self).__name__, self.weight_ih.dtype
        expect_array(name, "input", input, dtype)
        expect_ndim(name, "input", input, 1, 2)
        expect_size(name, "input", input, -1, self.input_size, "input_size")
        expect_state(name, hx, self.states, (*input.shape[:-1], self.hidden_size), dtype)


class RNNCell(_RNNSteps, _Cell):
    """h' = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), or relu of it (torch.nn.RNNCell).

    `rnn` of recurrence.py has the derivation, arguments and shapes in _Cell; and

    Args:
        nonlinearity: "tanh" or "relu".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        expect_choice("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype)
        self.nonlinearity = nonlinearity


class LSTMCell(_LSTMSteps, _Cell):
    """One step of an LSTM (torch.nn.LSTMCell): `lstm` of recurrence.py has the derivation, arguments and shapes in _Cell."""


class GRUCell(_GRUSteps, _Cell):
    """One step of a GRU (torch.nn.GRUCell): `gru` of recurrence.py has the derivation, arguments and shapes in _Cell."""


# ---- weights and what fits -----------------------------------------------------------------------


def add_weights(
    module: Module, suffix: str, inputs: int, rows: int, hidden_size: int, bias: bool, rng: np.random.Generator | None, dtype: Any
) -> None:
    """Set the parameters weight_ih (rows, inputs), weight_hh (rows, H) and, if wanted, bias_ih and bias_hh (rows,), with this suffix."""
    bound = 1 / math.sqrt(hidden_size)
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden_size), "bias_ih": (rows,), "bias_hh": (rows,)}
    for name, shape in shapes.items():
        there = bias or name.startswith("weight")
        setattr(module, name + suffix, Parameter(uniform(shape, -bound, bound, rng=rng, dtype=dtype)) if there else None)


def weights_of(module: Module, suffix: str = "") -> Weights:
    """The parameters whose names end so; a bias that is not there is one of 0 that does not learn."""
    ih, hh, b_ih, b_hh = (getattr(module, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    zeros = Parameter(np.zeros(len(ih), ih.dtype), requires_grad=False) if b_ih is None else None
    return Weights(ih, hh, b_ih if zeros is None else zeros, b_hh if zeros is None else zeros)


def as_tuple(state: Any) -> State:
    """(h,) or (h, c)."""
    return tuple(state) if isinstance(state, tuple | list) else (state,)


def expect_positive(layer: str, **sizes: int) -> None:
    """Raise ValueError unless every size is at least 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{layer}: {name} must be at least 1, got {size}")


def expect_state(layer: str, hx: Any, states: int, shape: tuple[int, ...], dtype: Any) -> None:
    """Raise unless hx is None, or h (or (h, c)) of this shape and dtype."""
    if hx is None:
        return
    parts = as_tuple(hx)
    if len(parts) != states or (states > 1) != isinstance(hx, tuple | list):
        raise ValueError(f"{layer}: hx must be {'h alone' if states == 1 else '(h, c)'}, got {type(hx).__name__} of {len(parts)}")
    for name, part in zip("hc", parts, strict=False):
        expect_array(layer, f"{name} of hx", part, dtype)
        if part.shape != shape:
            raise ValueError(f"{layer}: {name} of hx must have shape {shape}, got {part.shape}")
