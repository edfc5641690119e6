"""Noise that both sides draw alike: counter-based (Philox), so that it depends on nothing but its key.

The key is the seed, the rank and the module's name; the counter is the micro-batch and the how-manieth draw within
it. The numbers are therefore equal on CPU and CUDA, after a resume, under accumulation and in recurrence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import nn

import manual.module
from torch_impl.noise import Drawn, Noise, Uniform


class Stream:
    """One module's noise. It stands where a NumPy Generator would, for the draws that modules make."""

    def __init__(self, seed: int, rank: int, name: str) -> None:
        digest = hashlib.blake2b(f"{seed}/{rank}/{name}".encode(), digest_size=16).digest()
        self.key = np.frombuffer(digest, dtype=np.uint64)
        self.philox = np.random.Philox(key=self.key)
        self.generated = np.random.Generator(self.philox)
        self.order: np.ndarray | None = None  # of the rows, where a batch is seen in another order
        self.begin(0)

    def begin(self, micro_batch: int) -> None:
        """Start the draws of this micro-batch anew."""
        self.micro_batch, self.draws = micro_batch, 0

    def generator(self) -> np.random.Generator:
        """The generator of the next draw: one and the same, set to another counter, for making one takes longer than most draws."""
        at = {"key": self.key, "counter": (0, self.draws, self.micro_batch, 0)}
        nothing_drawn = {"buffer": (0, 0, 0, 0), "buffer_pos": 4, "has_uint32": 0, "uinteger": 0}  # all four of a block are used up
        self.philox.state = cast(Any, {"bit_generator": "Philox", "state": at, **nothing_drawn})
        self.draws += 1
        return self.generated

    def random(self, size: Any = None) -> Any:
        """Uniform numbers in [0, 1), float64."""
        return self._row_by_row(self.generator().random(size))

    def standard_normal(self, size: Any = None) -> Any:
        """Numbers from the standard Normal, float64."""
        return self._row_by_row(self.generator().standard_normal(size))

    def _row_by_row(self, drawn: Any) -> Any:
        """The draws in the order of the rows, if there is one for each row."""
        return drawn[self.order] if self.order is not None and np.ndim(drawn) and len(drawn) == len(self.order) else drawn


class SharedNoise:
    """The streams of all modules of one side.

    Args:
        seed: equal on both sides.
        rank: of this process.
    """

    def __init__(self, seed: int, rank: int = 0) -> None:
        self.seed, self.rank, self.micro_batch = seed, rank, 0
        self.streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """The stream of the module of this name, at the micro-batch that was begun last."""
        if name not in self.streams:
            self.streams[name] = Stream(self.seed, self.rank, name)
            self.streams[name].begin(self.micro_batch)
        return self.streams[name]

    def begin(self, micro_batch: int) -> None:
        """Start the draws of this micro-batch, in every stream."""
        self.micro_batch = micro_batch
        for stream in self.streams.values():
            stream.begin(micro_batch)

    @contextmanager
    def in_order(self, order: np.ndarray) -> Iterator[None]:
        """For the time of the `with`, draws that have a row for each of the batch's rows come in this order."""
        for stream in self.streams.values():
            stream.order = order
        try:
            yield
        finally:
            for stream in self.streams.values():
                stream.order = None


class SharedDropout(nn.Dropout):
    """nn.Dropout whose mask is drawn from a shared stream."""

    def __init__(self, p: float, stream: Stream) -> None:
        super().__init__(p)
        self.stream = stream

    @classmethod
    def in_place_of(cls, module: Any, stream: Stream) -> SharedDropout:
        """One for this module."""
        return cls(module.p, stream).train(module.training)

    def mask_shape(self, x: torch.Tensor) -> tuple[int, ...]:
        """One draw for each entry."""
        return tuple(x.shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x · keep / (1 − p), keep where the draw is at least p."""
        if not self.training or self.p == 0:
            return x
        keep = torch.from_numpy(np.asarray(self.stream.random(self.mask_shape(x)) >= self.p)).to(x)
        return x * keep / (1 - self.p) if self.p < 1 else x * 0


class SharedDropout1d(SharedDropout):
    """nn.Dropout1d whose mask is drawn from a shared stream."""

    def mask_shape(self, x: torch.Tensor) -> tuple[int, ...]:
        """One draw for each channel of (N, C, L) or (C, L)."""
        return (*x.shape[:-1], 1)


class SharedDropout2d(SharedDropout):
    """nn.Dropout2d whose mask is drawn from a shared stream."""

    def mask_shape(self, x: torch.Tensor) -> tuple[int, ...]:
        """One draw for each channel of (N, C, H, W), or of (N, C, L), as torch reads three axes."""
        return (*x.shape[:2], *[1] * (x.ndim - 2))


class SharedAlphaDropout(SharedDropout):
    """nn.AlphaDropout whose mask is drawn from a shared stream; the noise is then torch's own (ATen's alpha_dropout)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """a · (x · keep) + b, with b = α · a · (keep − 1 + p) and α = 1.7581."""
        if not self.training or self.p == 0:
            return x
        keep = torch.from_numpy(np.asarray(self.stream.random(self.mask_shape(x)) >= self.p)).to(x)
        if self.p == 1:
            return x * 0
        alpha = 1.7580993408473766
        a = 1 / ((alpha**2 * self.p + 1) * (1 - self.p)) ** 0.5
        return x * (keep * a) + (keep - 1) * (alpha * a) + alpha * a * self.p


class SharedDrawn(Drawn):
    """Numbers from a shared stream: in float64, then rounded to the model's dtype, as by hand."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream

    @classmethod
    def in_place_of(cls, module: Any, stream: Stream) -> SharedDrawn:
        """One for this module, in its dtype and on its device."""
        return cls(stream).to(module.like)


class SharedNormal(SharedDrawn):
    """torch_impl's Noise, drawn from a shared stream."""

    def forward(self, shape: tuple[int, ...]) -> torch.Tensor:
        """The next numbers of the stream."""
        return torch.from_numpy(np.asarray(self.stream.standard_normal(shape))).to(self.like)


class SharedUniform(SharedDrawn):
    """torch_impl's Uniform, drawn from a shared stream."""

    def forward(self, shape: tuple[int, ...]) -> torch.Tensor:
        """The next numbers of the stream; where rounding would make one of them 1, the largest number below."""
        u = torch.from_numpy(np.asarray(self.stream.random(shape))).to(self.like)
        return u.clamp(max=1 - torch.finfo(u.dtype).eps / 2)


SHARED: dict[type[nn.Module], Any] = {
    nn.Dropout: SharedDropout,
    nn.Dropout1d: SharedDropout1d,
    nn.Dropout2d: SharedDropout2d,
    nn.AlphaDropout: SharedAlphaDropout,
    Noise: SharedNormal,
    Uniform: SharedUniform,
}
"""Which torch module is swapped for which."""


def share_torch(module: nn.Module, noise: SharedNoise) -> dict[str, nn.Module]:
    """Swap the torch modules that draw noise for ones that draw it from `noise`; returns the originals, by name."""
    originals = {name: m for name, m in module.named_modules() if type(m) in SHARED}
    put(module, {name: SHARED[type(m)].in_place_of(m, noise.stream(name)) for name, m in originals.items()})
    return originals


def put(module: nn.Module, replacements: dict[str, nn.Module]) -> None:
    """Set submodules by dotted name."""
    for name, replacement in replacements.items():
        parent, _, child = name.rpartition(".")
        setattr(module.get_submodule(parent), child, replacement)


def share_hand(module: manual.module.Module, noise: SharedNoise) -> None:
    """Let every hand-written module that draws noise (it has an `rng`) draw it from `noise`."""
    for name, child in module.named_modules():
        if hasattr(child, "rng"):
            child.rng = noise.stream(name)
