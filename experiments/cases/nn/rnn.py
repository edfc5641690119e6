"""Cases for the recurrent layers and their cells.

torch's dropout between layers draws noise that nobody else can see, so there the reference is composed of torch's own layers, one
at a time, with a dropout between them that draws the shared noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import manual.module
import manual.nn
from experiments.judge.case import Built, case
from experiments.judge.noise import SharedDropout, SharedNoise, Stream, share_hand

SPREAD = 0.2  # of the random weights: with larger ones a recurrence saturates, and 1 − tanh² is then mostly rounding, on both sides


class Stacked(nn.Module):
    """A recurrent layer of torch for each layer, and shared dropout between them, under the parameter names of the whole stack."""

    def __init__(
        self, kind: Callable[..., nn.Module], input_size: int, hidden_size: int, num_layers: int, dropout: float, **options: Any
    ) -> None:
        super().__init__()
        self.directions = 2 if options.get("bidirectional") else 1
        layers = [kind(hidden_size * self.directions if i else input_size, hidden_size, **options) for i in range(num_layers)]
        self.layers = tuple(layers)  # a tuple is not searched for parameters: they are registered here, renamed
        for i, layer in enumerate(layers):
            for name, p in layer.named_parameters():
                self.register_parameter(name.replace("_l0", f"_l{i}"), p)
        self.dropouts = nn.ModuleList(SharedDropout(dropout, Stream(5, 0, f"dropouts.{i}")) for i in range(num_layers - 1))

    def forward(self, x: torch.Tensor, hx: Any = None) -> Any:
        last = []
        for i, layer in enumerate(self.layers):
            mine = slice(i * self.directions, (i + 1) * self.directions)
            start = None if hx is None else tuple(s[mine] for s in hx) if isinstance(hx, tuple) else hx[mine]
            x, state = layer(x, start)
            last.append(state)
            if i < len(self.dropouts):
                x = self.dropouts[i](x)
        together = tuple(torch.cat(parts) for parts in zip(*last, strict=True)) if isinstance(last[0], tuple) else torch.cat(last)
        return x, together


def stacked(kind: type[nn.RNNBase]) -> Callable[..., nn.Module]:
    """A factory of the composed reference."""
    return lambda **arguments: Stacked(kind, **arguments)


def share(hand: manual.module.Module, torch_module: nn.Module) -> None:
    """Let the layers by hand draw from streams equal to those of `Stacked`."""
    share_hand(hand, SharedNoise(5))


def only(part: int, cls: type) -> type:
    """The class by hand or of torch with one of its two outputs, 0 or 1; by hand the other's gradient is then None."""

    class Only(cls):
        def forward(self, *inputs: Any) -> Any:
            return super().forward(*inputs)[part]

        def backward(self, dL_dy: Any) -> Any:
            return super().backward((dL_dy, None) if part == 0 else (None, dL_dy))

    return Only


def both(part: int, name: str) -> dict[str, Any]:
    """The two classes of a case."""
    return {"hand": only(part, getattr(manual.nn, name)), "reference": only(part, getattr(nn, name))}


# ---- RNN -----------------------------------------------------------------------------------------


@case("RNN", empty=True, spread=SPREAD)
def tanh(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(T, N, I))])


@case("RNN", spread=SPREAD)
def relu_from_a_state(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "nonlinearity": "relu"}, [rng.normal(size=(T, N, I)), rng.normal(size=(1, N, H))])


@case("RNN", spread=SPREAD)
def two_layers_both_directions(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    arguments = {"input_size": I, "hidden_size": H, "num_layers": 2, "bidirectional": True, "batch_first": True}
    return Built(arguments, [rng.normal(size=(N, T, I)), rng.normal(size=(4, N, H))])


@case("RNN", spread=SPREAD)
def unbatched_no_bias(rng: np.random.Generator, T: int, I: int, H: int) -> Built:
    arguments = {"input_size": I, "hidden_size": H, "bias": False, "batch_first": True, "num_layers": 2}
    return Built(arguments, [rng.normal(size=(T, I)), rng.normal(size=(2, H))])


@case("RNN", spread=SPREAD, **both(0, "RNN"))
def output_alone(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "num_layers": 2, "batch_first": True}, [rng.normal(size=(N, T, I))])


@case("RNN", spread=SPREAD, **both(1, "RNN"))
def last_state_alone(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "bidirectional": True}, [rng.normal(size=(T, N, I))])


@case("RNN", reference=stacked(nn.RNN), prepare=share, spread=SPREAD)
def dropout_between_layers(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    arguments = {"input_size": I, "hidden_size": H, "num_layers": 3, "dropout": 0.4}
    return Built(arguments, [rng.normal(size=(T, N, I)), rng.normal(size=(3, N, H))])


@case("RNN", training=False, spread=SPREAD)
def dropout_in_eval(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "num_layers": 2, "dropout": 0.4}, [rng.normal(size=(T, N, I))])


# ---- LSTM ----------------------------------------------------------------------------------------


@case("LSTM", empty=True, spread=SPREAD)
def lstm(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(T, N, I))])


@case("LSTM", spread=SPREAD)
def lstm_from_a_state(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    state = rng.normal(size=(1, N, H)), rng.normal(size=(1, N, H))
    return Built({"input_size": I, "hidden_size": H, "bias": False, "batch_first": True}, [rng.normal(size=(N, T, I)), state])


@case("LSTM", spread=SPREAD)
def lstm_two_layers_both_directions(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    state = rng.normal(size=(4, N, H)), rng.normal(size=(4, N, H))
    return Built({"input_size": I, "hidden_size": H, "num_layers": 2, "bidirectional": True}, [rng.normal(size=(T, N, I)), state])


@case("LSTM", spread=SPREAD)
def lstm_unbatched(rng: np.random.Generator, T: int, I: int, H: int) -> Built:
    state = rng.normal(size=(2, H)), rng.normal(size=(2, H))
    return Built({"input_size": I, "hidden_size": H, "bidirectional": True}, [rng.normal(size=(T, I)), state])


@case("LSTM", spread=SPREAD, **both(0, "LSTM"))
def lstm_output_alone(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "batch_first": True}, [rng.normal(size=(N, T, I))])


@case("LSTM", spread=SPREAD, **both(1, "LSTM"))
def lstm_last_state_alone(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "num_layers": 2}, [rng.normal(size=(T, N, I))])


@case("LSTM", reference=stacked(nn.LSTM), prepare=share, spread=SPREAD)
def lstm_dropout_between_layers(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    state = rng.normal(size=(4, N, H)), rng.normal(size=(4, N, H))
    arguments = {"input_size": I, "hidden_size": H, "num_layers": 2, "dropout": 0.4, "bidirectional": True}
    return Built(arguments, [rng.normal(size=(T, N, I)), state])


# ---- GRU -----------------------------------------------------------------------------------------


@case("GRU", empty=True, spread=SPREAD)
def gru(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(T, N, I))])


@case("GRU", spread=SPREAD)
def gru_from_a_state(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    arguments = {"input_size": I, "hidden_size": H, "bias": False, "batch_first": True}
    return Built(arguments, [rng.normal(size=(N, T, I)), rng.normal(size=(1, N, H))])


@case("GRU", spread=SPREAD)
def gru_two_layers_both_directions(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    arguments = {"input_size": I, "hidden_size": H, "num_layers": 2, "bidirectional": True}
    return Built(arguments, [rng.normal(size=(T, N, I)), rng.normal(size=(4, N, H))])


@case("GRU", spread=SPREAD)
def gru_unbatched(rng: np.random.Generator, T: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(T, I)), rng.normal(size=(1, H))])


@case("GRU", reference=stacked(nn.GRU), prepare=share, spread=SPREAD)
def gru_dropout_between_layers(rng: np.random.Generator, T: int, N: int, I: int, H: int) -> Built:
    arguments = {"input_size": I, "hidden_size": H, "num_layers": 2, "dropout": 0.4}
    return Built(arguments, [rng.normal(size=(T, N, I))])


# ---- cells ---------------------------------------------------------------------------------------


@case("RNNCell", empty=True, spread=SPREAD)
def cell(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(N, I)), rng.normal(size=(N, H))])


@case("RNNCell", spread=SPREAD)
def cell_relu_without_state(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "bias": False, "nonlinearity": "relu"}, [rng.normal(size=(N, I))])


@case("RNNCell", spread=SPREAD)
def cell_unbatched(rng: np.random.Generator, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=I), rng.normal(size=H)])


@case("LSTMCell", empty=True, spread=SPREAD)
def lstm_cell(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    state = rng.normal(size=(N, H)), rng.normal(size=(N, H))
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(N, I)), state])


@case("LSTMCell", spread=SPREAD)
def lstm_cell_without_state(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "bias": False}, [rng.normal(size=(N, I))])


@case("LSTMCell", spread=SPREAD)
def lstm_cell_unbatched(rng: np.random.Generator, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=I), (rng.normal(size=H), rng.normal(size=H))])


@case("GRUCell", empty=True, spread=SPREAD)
def gru_cell(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(N, I)), rng.normal(size=(N, H))])


@case("GRUCell", spread=SPREAD)
def gru_cell_without_state(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "bias": False}, [rng.normal(size=(N, I))])


@case("GRUCell", spread=SPREAD)
def gru_cell_unbatched(rng: np.random.Generator, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=I), rng.normal(size=H)])
