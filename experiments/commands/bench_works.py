"""What is timed: a step of each kind of layer, of both sides, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import manual.nn
import manual.optim
from experiments.judge.convert import to_torch
from manual.module import Module

Step = Callable[[], Any]


@dataclass(frozen=True)
class Work:
    """Something to be timed, at several sizes.

    Args:
        build: given sizes by name, the step by hand and the step of torch.
        own: sizes as in this project's experiments.
        larger: one size up.
        grows: the sizes whose doubling is measured.
    """

    build: Callable[..., tuple[Step, Step]]
    own: Mapping[str, int]
    larger: Mapping[str, int]
    grows: tuple[str, ...]


def pair(hand: Module, theirs: torch.nn.Module, x: np.ndarray, update: bool = False, **call: Any) -> tuple[Step, Step]:
    """Forward and backward of a module and its twin from equal weights; with Adam's update if asked for."""
    hand.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    tensor = to_torch(x)
    if tensor.is_floating_point():
        tensor.requires_grad_()
    upstream = np.random.default_rng(1).normal(size=first(theirs(tensor)).shape).astype(np.float32)
    up = to_torch(upstream)
    ours = manual.optim.Adam(hand.parameters()) if update else None
    optimizer = torch.optim.Adam(theirs.parameters()) if update else None
    hand.zero_grad()

    def by_hand() -> None:
        hand.zero_grad()
        y = hand(x)
        hand.backward(upstream if not isinstance(y, tuple) else (upstream, None))
        if ours:
            ours.step()

    def by_torch() -> None:
        theirs.zero_grad()
        tensor.grad = None
        first(theirs(tensor)).backward(up)
        if optimizer:
            optimizer.step()

    return by_hand, by_torch


def first(y: Any) -> torch.Tensor:
    """The output itself, where a module returns states beside it."""
    return y[0] if isinstance(y, tuple) else y


def twins(name: str, x: np.ndarray, *arguments: Any, **options: Any) -> tuple[Step, Step]:
    """A class of manual.nn and torch.nn of that name."""
    make = getattr(manual.nn, name)
    extra = {"dtype": np.float32} if "dtype" in make.__init__.__annotations__ else {}
    return pair(make(*arguments, **options, **extra), getattr(torch.nn, name)(*arguments, **options), x)


def normal(*shape: int) -> np.ndarray:
    """Random input."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def mlp(N: int, I: int, H: int, O: int) -> tuple[Step, Step]:
    """A whole Adam step of I-H-H-O with ReLU."""
    f32: dict[str, Any] = {"dtype": np.float32}
    nn = manual.nn
    hand = nn.Sequential(nn.Linear(I, H, **f32), nn.ReLU(), nn.Linear(H, H, **f32), nn.ReLU(), nn.Linear(H, O, **f32))
    nnt = torch.nn
    theirs = nnt.Sequential(nnt.Linear(I, H), nnt.ReLU(), nnt.Linear(H, H), nnt.ReLU(), nnt.Linear(H, O))
    return pair(hand, theirs, normal(N, I), update=True)


def cross_entropy(N: int, C: int) -> tuple[Step, Step]:
    """Softmax cross-entropy of N rows of C scores."""
    x, y = normal(N, C), np.random.default_rng(1).integers(0, C, N)
    hand, theirs = manual.nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    tx, ty = to_torch(x).requires_grad_(), to_torch(y)

    def by_hand() -> None:
        hand(x, y)
        hand.backward()

    def by_torch() -> None:
        tx.grad = None
        theirs(tx, ty).backward()

    return by_hand, by_torch


def attention(N: int, T: int, D: int) -> tuple[Step, Step]:
    """Causal scaled dot-product attention."""
    q, k, v, up = (np.random.default_rng(i).normal(size=(N, T, D)).astype(np.float32) for i in range(4))
    hand = manual.nn.ScaledDotProductAttention()
    tq, tk, tv = (to_torch(t).requires_grad_() for t in (q, k, v))

    def by_hand() -> None:
        hand(q, k, v, is_causal=True)
        hand.backward(up)

    def by_torch() -> None:
        tq.grad = tk.grad = tv.grad = None
        torch.nn.functional.scaled_dot_product_attention(tq, tk, tv, is_causal=True).backward(to_torch(up))

    return by_hand, by_torch


def adam(P: int) -> tuple[Step, Step]:
    """One Adam update of P numbers."""
    value, gradient = normal(P), normal(P)
    p, t = manual.module.Parameter(value), torch.nn.Parameter(to_torch(value))
    p.grad, t.grad = gradient, to_torch(gradient)
    return manual.optim.Adam([p]).step, torch.optim.Adam([t]).step


def embedding(N: int, V: int, D: int) -> tuple[Step, Step]:
    """Look up N of V embeddings of D numbers, and scatter their gradients back."""
    return twins("Embedding", np.random.default_rng(0).integers(0, V, N), V, D)


def transformer(N: int, T: int, D: int) -> tuple[Step, Step]:
    """A whole Adam step of two encoder layers of width D."""
    options: dict[str, Any] = {"nhead": 4, "dim_feedforward": 4 * D, "dropout": 0.0, "batch_first": True}
    hand = manual.nn.TransformerEncoder(manual.nn.TransformerEncoderLayer(D, **options, dtype=np.float32), 2)
    theirs = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(D, **options), 2)
    return pair(hand, theirs, normal(N, T, D), update=True)


def digits_cnn(N: int, C: int) -> tuple[Step, Step]:
    """A whole step of the concept digits_cnn with C channels, its own optimizer included."""
    import experiments

    twin = experiments.twin("digits_cnn")
    theirs: Any = twin.torch(channels=C)
    hand = twin.by_hand(theirs, "float32")
    batch = normal(N, 1, 8, 8), np.random.default_rng(0).integers(0, 10, N)
    ours, optimizer, tensors = hand.configure_optimizers()["optimizer"], theirs.configure_optimizers()["optimizer"], to_torch(batch)

    def by_hand() -> None:
        hand.zero_grad()
        hand.training_step(batch, 0)
        hand.backward()
        ours.step()

    def by_torch() -> None:
        theirs.zero_grad()
        theirs.training_step(tensors, 0).backward()
        optimizer.step()

    return by_hand, by_torch


WORKS: dict[str, Work] = {
    "mlp": Work(mlp, {"N": 32, "I": 64, "H": 128, "O": 10}, {"N": 256, "I": 784, "H": 1024, "O": 10}, ("N", "H")),
    "cross_entropy": Work(cross_entropy, {"N": 32, "C": 10}, {"N": 256, "C": 10000}, ("N", "C")),
    "conv2d": Work(
        lambda N, I, O, H: twins("Conv2d", normal(N, I, H, H), I, O, 3, padding=1),
        {"N": 32, "I": 1, "O": 8, "H": 8},
        {"N": 32, "I": 16, "O": 32, "H": 28},
        ("N", "I", "H"),
    ),
    "max_pool2d": Work(
        lambda N, C, H: twins("MaxPool2d", normal(N, C, H, H), 2), {"N": 32, "C": 8, "H": 8}, {"N": 32, "C": 16, "H": 28}, ("N", "H")
    ),
    "batch_norm2d": Work(
        lambda N, C, H: twins("BatchNorm2d", normal(N, C, H, H), C), {"N": 32, "C": 8, "H": 8}, {"N": 32, "C": 16, "H": 28}, ("N", "H")
    ),
    "layer_norm": Work(lambda N, D: twins("LayerNorm", normal(N, D), D), {"N": 128, "D": 32}, {"N": 2048, "D": 256}, ("N", "D")),
    "lstm": Work(
        lambda T, N, H: twins("LSTM", normal(T, N, H), H, H), {"T": 16, "N": 16, "H": 32}, {"T": 32, "N": 16, "H": 64}, ("T", "N", "H")
    ),
    "attention": Work(attention, {"N": 64, "T": 16, "D": 16}, {"N": 16, "T": 32, "D": 64}, ("N", "T", "D")),
    "embedding": Work(embedding, {"N": 512, "V": 64, "D": 24}, {"N": 4096, "V": 10000, "D": 64}, ("N", "D")),
    "adam": Work(adam, {"P": 10000}, {"P": 1000000}, ("P",)),
    "digits_cnn": Work(digits_cnn, {"N": 32, "C": 8}, {"N": 256, "C": 16}, ("N", "C")),
    "transformer": Work(transformer, {"N": 8, "T": 16, "D": 32}, {"N": 8, "T": 64, "D": 128}, ("N", "T", "D")),
}


def timed(
    by_hand: Step, by_torch: Step, rounds: int = 15, seconds: float = 0.02, clock: Callable[[], float] = time.perf_counter
) -> tuple[list[float], list[float]]:
    """Seconds for one step of each side, turn by turn, each turn long enough to be measured."""
    repeats = []
    for step in (by_hand, by_torch):
        step()
        began = clock()
        step()
        repeats.append(max(1, int(seconds / max(clock() - began, 1e-9))))
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for step, repeat, times in zip((by_hand, by_torch), repeats, found, strict=True):
            began = clock()
            for _ in range(repeat):
                step()
            times.append((clock() - began) / repeat)
    return found
