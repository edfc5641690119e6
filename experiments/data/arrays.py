"""Batches for both sides: a Lightning data module over arrays, whose loader can be resumed in mid-epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from experiments.data.loaders import BatchLoader, ResumableLoader, Rows
from manual.concept import Batch


class InputError(Exception):
    """What the user gave cannot be used; the message is one line that says what is wrong and what would be right."""


class Notice(UserWarning):
    """What a user should know, and need not act on: a command prints it as a sentence."""


@dataclass(frozen=True)
class Split:
    """Arrays whose first axis counts examples; floats are float64, classes are int64."""

    train: tuple[np.ndarray, ...]
    val: tuple[np.ndarray, ...]


class ArrayData(pl.LightningDataModule):
    """Arrays, split, shuffled and batched. A subclass says which, in `load`.

    Where a batch is not some rows of these arrays (it is one graph; or pairs, drawn anew for every epoch) a subclass says what it is, in
    `batches` and `val_batches`.

    Args:
        batch_size: examples in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the batches.

    Attributes:
        val_batch_size: held-out examples in a batch. A metric is then the mean over the batches, each weighted by its size.
    """

    val_batch_size = 1000

    def __init__(self, batch_size: int = 32, seed: int = 0) -> None:
        super().__init__()
        if batch_size < 0 or seed < 0:
            raise InputError(f"--data.batch_size and --data.seed must not be negative, got {batch_size} and {seed}")
        self.batch_size, self.seed = batch_size, seed
        self._split: Split | None = None
        self._loader: ResumableLoader | BatchLoader | None = None
        self._place: dict[str, Any] | None = None

    def load(self) -> Split:
        """Read or make the arrays."""
        raise NotImplementedError

    def batches(self, epoch: int) -> Sequence[Batch] | None:
        """The batches of this epoch, in order; None for rows of the arrays.

        They depend on nothing but the seed and the epoch, and are as many in every epoch.
        """
        return None

    def val_batches(self) -> Sequence[Batch] | None:
        """What is validated on; None for the held-out rows."""
        return None

    def two_batches(self, module: Any) -> list[Batch]:
        """What `check` looks at: two batches that are no multiple of each other's size, if that can be.

        Of rows the first and those after them: one more than a batch, so that no size is by chance that of a layer, and fewer.

        Args:
            module: the torch side, for data that it has a hand in.
        """
        batches = self.batches(0)
        if batches is not None:
            return [batches[0], batches[-1]]
        return two_parts(self.split.train, self.batch_size)

    def example(self, module: Any, n: int = 32) -> Batch:
        """What a model is tried on: the first n rows, or the first batch."""
        batches = self.batches(0)
        return batches[0] if batches is not None else tuple(a[:n] for a in self.split.train)

    def at_hand(self) -> bool:
        """Whether `load` works without the network."""
        return True

    def stand_in(self) -> Split:
        """Random data of the same shape, for checks where the data are not at hand."""
        raise NotImplementedError

    @property
    def split(self) -> Split:
        """The arrays; loaded once."""
        if self._split is None:
            self._split = self.load()
        return self._split

    def use(self, split: Split) -> None:
        """Use these arrays in place of `load`'s."""
        self._split = split

    def setup(self, stage: str = "fit") -> None:
        """Load, so that a fault shows before training begins."""
        assert self.split

    def _tensors(self, arrays: Batch) -> tuple[torch.Tensor, ...]:
        double = self.trainer is not None and self.trainer.precision == "64-true"
        dtype = torch.float64 if double else torch.float32
        tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]
        return tuple(t.to(dtype) if t.is_floating_point() else t for t in tensors)

    def _dataset(self, arrays: Batch) -> Rows:
        return Rows(*self._tensors(arrays))

    def _batches_of_tensors(self, epoch: int) -> list[tuple[torch.Tensor, ...]]:
        return [self._tensors(batch) for batch in self.batches(epoch) or ()]

    def n_batches(self) -> int:
        """How many batches an epoch has, where `batches` makes them; 0 where they are rows."""
        return len(self.batches(0) or ())

    def train_dataloader(self) -> Any:
        """Shuffled rows, where the last batch of an epoch may be smaller; or what `batches` makes."""
        if n := self.n_batches():
            self._loader = BatchLoader(self._batches_of_tensors, n)
        else:
            dataset, t = self._dataset(self.split.train), self.trainer
            rank, world_size = (t.global_rank, t.world_size) if t is not None else (0, 1)
            self._loader = ResumableLoader(dataset, self.batch_size or -(-len(dataset) // world_size), self.seed, rank, world_size)
        if self._place is not None:
            self._loader.load_state_dict(self._place)
        return self._loader

    def digest(self) -> str:
        """Of all examples, or of the first epoch's batches: other data have another. A run that goes on must find those that it left."""
        train, held_out = self.batches(0), self.val_batches()
        parts = [*([self.split.train] if train is None else train), *([self.split.val] if held_out is None else held_out)]
        found = hashlib.sha256()
        for part in parts:
            for array in part:
                found.update(f"{array.dtype} {array.shape}".encode())
                found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """The loader's place, and whose it is. Lightning saves the place with the loader too, but loads that only in mid-epoch."""
        return {**self._loader.state_dict(), "digest": self.digest()} if self._loader is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next loader go on from there."""
        self._place = state_dict

    def val_dataloader(self) -> Any:
        """The held-out examples in order; or `val_batches`."""
        batches = self.val_batches()
        if batches is not None:
            tensors: Any = [self._tensors(batch) for batch in batches]
            return DataLoader(tensors, batch_size=None, collate_fn=tuple) if tensors else []
        dataset = self._dataset(self.split.val)
        return DataLoader(dataset, batch_size=self.val_batch_size, collate_fn=list)


def two_parts(arrays: Batch, batch_size: int) -> list[Batch]:
    """The first rows, one more than a batch, and fewer of those after them."""
    n = len(arrays[0])
    size = min(max(batch_size or n, 16) + 1, n // 2 + 1)
    return [tuple(a[rows] for a in arrays) for rows in (slice(0, size), slice(size, min(2 * size - 1, n)))]


def split_at_random(arrays: tuple[np.ndarray, ...], held_out: float, seed: int) -> Split:
    """Hold out this fraction of the examples, chosen by the seed."""
    order = np.random.default_rng(seed).permutation(len(arrays[0]))
    n_val = round(held_out * len(order))
    return Split(*(tuple(a[rows] for a in arrays) for rows in (order[n_val:], order[:n_val])))


def put_together(split: Split, seed: int) -> tuple[np.ndarray, ...]:
    """The examples that `split_at_random` with this seed has split, in the order that they had."""
    order = np.random.default_rng(seed).permutation(len(split.train[0]) + len(split.val[0]))
    back = np.argsort(order)
    return tuple(np.concatenate([val, train])[back] for train, val in zip(split.train, split.val, strict=True))


def standardise(split: Split) -> Split:
    """Shift and scale the features (the first array) to mean 0 and standard deviation 1, measured on training data only."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(split.train[0])  # a constant feature carries nothing: it becomes 0
    train, val = (scaler.transform(part[0]) for part in (split.train, split.val))
    return Split((train, *split.train[1:]), (val, *split.val[1:]))
