"""What is timed: a step of each kind of layer and of whole networks, of both sides, and how long it takes."""

from __future__ import annotations

import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import manual.nn
import manual.optim
from experiments.bench.products import Products, attended, convolved, encoded, mapped, recurred
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
        products: given the same sizes, the matrix products of a step, without which it cannot be done.
    """

    build: Callable[..., tuple[Step, Step]]
    own: Mapping[str, int]
    larger: Mapping[str, int]
    products: Callable[..., Products] | None = None


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


def mlp(N: int, I: int, H: int, O: int, L: int) -> tuple[Step, Step]:
    """A whole Adam step of I numbers, L hidden layers of H, O scores, with ReLU."""
    hand: list[Module] = []
    theirs: list[torch.nn.Module] = []
    for inputs in [I] + [H] * (L - 1):
        hand += [manual.nn.Linear(inputs, H, dtype=np.float32), manual.nn.ReLU()]
        theirs += [torch.nn.Linear(inputs, H), torch.nn.ReLU()]
    hand.append(manual.nn.Linear(H, O, dtype=np.float32))
    theirs.append(torch.nn.Linear(H, O))
    return pair(manual.nn.Sequential(*hand), torch.nn.Sequential(*theirs), normal(N, I), update=True)


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


def transformer(N: int, T: int, D: int, L: int) -> tuple[Step, Step]:
    """A whole Adam step of L encoder layers of width D."""
    options: dict[str, Any] = {"nhead": 4, "dim_feedforward": 4 * D, "dropout": 0.0, "batch_first": True}
    hand = manual.nn.TransformerEncoder(manual.nn.TransformerEncoderLayer(D, **options, dtype=np.float32), L)
    theirs = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(D, **options), L)
    return pair(hand, theirs, normal(N, T, D), update=True)


def concept(name: str, batch: tuple[np.ndarray, np.ndarray], **model: Any) -> tuple[Step, Step]:
    """A whole training step of a concept on one batch, its own optimizer included (clipping is Lightning's, and left out)."""
    import experiments

    twin = experiments.twin(name)
    theirs: Any = twin.torch(**model)
    hand = twin.by_hand(theirs, "float32")
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


def digits_cnn(N: int, C: int) -> tuple[Step, Step]:
    """The concept digits_cnn with C channels in its first block."""
    return concept("digits_cnn", (normal(N, 1, 8, 8), np.random.default_rng(0).integers(0, 10, N)), channels=C)


def gpt(N: int, T: int, D: int, L: int) -> tuple[Step, Step]:
    """The concept gpt: N texts of T characters, width D, L blocks of 4 heads."""
    x, target = np.random.default_rng(0).integers(0, len(string.printable), (2, N, T))
    return concept("gpt", (x, target), n_positions=T, n_embd=D, n_layer=L)


WORKS: dict[str, Work] = {
    "mlp": Work(
        mlp,
        {"N": 32, "I": 64, "H": 128, "O": 10, "L": 2},
        {"N": 256, "I": 784, "H": 1024, "O": 10, "L": 2},
        lambda N, I, H, O, L: [*mapped(N, I, H), *mapped(N, H, H) * (L - 1), *mapped(N, H, O)],
    ),
    "cross_entropy": Work(cross_entropy, {"N": 32, "C": 10}, {"N": 256, "C": 10000}),
    "conv2d": Work(
        lambda N, I, O, H: twins("Conv2d", normal(N, I, H, H), I, O, 3, padding=1),
        {"N": 32, "I": 1, "O": 8, "H": 8},
        {"N": 32, "I": 16, "O": 32, "H": 28},
        convolved,
    ),
    "max_pool2d": Work(lambda N, C, H: twins("MaxPool2d", normal(N, C, H, H), 2), {"N": 32, "C": 8, "H": 8}, {"N": 32, "C": 16, "H": 28}),
    "batch_norm2d": Work(
        lambda N, C, H: twins("BatchNorm2d", normal(N, C, H, H), C), {"N": 32, "C": 8, "H": 8}, {"N": 32, "C": 16, "H": 28}
    ),
    "layer_norm": Work(lambda N, D: twins("LayerNorm", normal(N, D), D), {"N": 128, "D": 32}, {"N": 2048, "D": 256}),
    "lstm": Work(
        lambda T, N, H, L: twins("LSTM", normal(T, N, H), H, H, L),
        {"T": 16, "N": 16, "H": 32, "L": 1},
        {"T": 32, "N": 16, "H": 64, "L": 1},
        recurred,
    ),
    "attention": Work(attention, {"N": 64, "T": 16, "D": 16}, {"N": 16, "T": 32, "D": 64}, attended),
    "embedding": Work(embedding, {"N": 512, "V": 64, "D": 24}, {"N": 4096, "V": 10000, "D": 64}),
    "adam": Work(adam, {"P": 10000}, {"P": 1000000}),
    "digits_cnn": Work(
        digits_cnn,
        {"N": 32, "C": 8},
        {"N": 256, "C": 16},
        lambda N, C: [*convolved(N, 1, C, 8)[:2], *convolved(N, C, 2 * C, 4), *mapped(N, 8 * C, 10)],
    ),
    "transformer": Work(transformer, {"N": 8, "T": 16, "D": 32, "L": 2}, {"N": 8, "T": 64, "D": 128, "L": 2}, encoded),
    "gpt": Work(
        gpt,
        {"N": 16, "T": 64, "D": 64, "L": 2},
        {"N": 16, "T": 64, "D": 128, "L": 4},
        lambda N, T, D, L: [*encoded(N, T, D, L), *mapped(N * T, D, len(string.printable))],
    ),
}


def timed(*steps: Step, rounds: int = 15, seconds: float = 0.02) -> list[list[float]]:
    """Seconds that each step takes once, in each round: turn by turn, each turn long enough to be measured.

    They are this thread's own, whatever else the machine does; both sides work in it alone.
    """
    clock = time.thread_time
    repeats = []
    for step in steps:
        step()
        began = clock()
        step()
        repeats.append(max(1, int(seconds / max(clock() - began, 1e-9))))
    found: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, repeat, times in zip(steps, repeats, found, strict=True):
            began = clock()
            for _ in range(repeat):
                step()
            times.append((clock() - began) / repeat)
    return found
