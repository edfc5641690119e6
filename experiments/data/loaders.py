"""Loaders that know their place, so that a run can be resumed in mid-epoch; and which of several processes they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


class Rows(TensorDataset):
    """Tensors of the same length whose rows are taken a batch at a time: one by one, they would cost more than a step of training."""

    def __getitems__(self, rows: list[int]) -> list[torch.Tensor]:
        """These rows of every tensor; a DataLoader asks for a batch by this name."""
        index = torch.tensor(rows, dtype=torch.int64)  # once for all of them
        return [tensor.index_select(0, index) for tensor in self.tensors]


class ShuffledOrder(DistributedSampler):
    """An order of n examples that depends on the seed and the epoch alone, and can be entered at any place.

    Of several processes each takes its rows of every batch in turn, so that together they see the batches that one would see, each as
    many times larger. The last batch may leave some of them a row less; where it has not a row for each, rows come twice, since all
    must take part. (A DistributedSampler, so that Lightning does not put one of its own in its place.)

    Args:
        n: how many examples there are.
        seed: of the order.
        batch_size: of one process; of a single one it says nothing.
        rank: which process this is.
        world_size: how many there are.
    """

    def __init__(self, n: int, seed: int, batch_size: int = 1, rank: int = 0, world_size: int = 1) -> None:
        super().__init__(range(n), num_replicas=world_size, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.n, self.batch_size, self.epoch, self.start = n, batch_size, 0, 0
        self._drawn: dict[int, list[int]] = {}  # of this epoch: Lightning asks for the length at every batch

    def set_epoch(self, epoch: int) -> None:
        """Lightning's count, which begins anew with every fit; the loader keeps its own."""

    def rows(self) -> list[int]:
        """Of this process in this epoch, batch after batch."""
        if self.epoch not in self._drawn:
            self._drawn = {self.epoch: self._draw()}
        return self._drawn[self.epoch]

    def _draw(self) -> list[int]:
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, self.epoch]))
        order, together = rng.permutation(self.n), self.batch_size * self.num_replicas
        if self.num_replicas == 1:  # one process takes every row of every batch, in their order
            return list(order.tolist())
        batches = (order[i : i + together] for i in range(0, self.n, together))
        ours = [np.resize(batch, max(len(batch), self.num_replicas))[self.rank :: self.num_replicas] for batch in batches]
        return list(np.concatenate(ours).tolist())

    def __len__(self) -> int:
        return len(self.rows())

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows()[self.start :])


class Resumable:
    """A loader that knows its place: `state_dict` in mid-epoch, and it goes on with the next batch.

    Lightning saves and loads the state of any loader that has these two methods.
    """

    epoch, batch, fresh = 0, 0, True  # batches given out in this epoch; whether the next pass goes on from there

    def __len__(self) -> int:
        raise NotImplementedError

    def begin_pass(self) -> None:
        """Go on in this epoch if its batches are not all given out, and else with the next."""
        if self.batch >= len(self) or not self.fresh:
            self.epoch, self.batch = self.epoch + 1, 0
        self.fresh = False

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given out."""
        return {"epoch": self.epoch, "batch": self.batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from that place."""
        self.epoch, self.batch, self.fresh = state["epoch"], state["batch"], True


class ResumableLoader(Resumable, DataLoader):
    """A shuffling DataLoader that knows its place, and which of several processes it serves."""

    def __init__(self, dataset: Rows, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.order = ShuffledOrder(len(dataset), seed, batch_size, rank, world_size)
        super().__init__(dataset, batch_size=batch_size, sampler=self.order, collate_fn=list)

    def __len__(self) -> int:
        return DataLoader.__len__(self)

    def __iter__(self) -> Any:
        self.begin_pass()
        self.order.epoch, self.order.start = self.epoch, self.batch * (self.batch_size or 1)
        for batch in super().__iter__():
            self.batch += 1
            yield batch


class BatchLoader(Resumable):
    """Hands out the batches of each epoch, which are made when it begins.

    Args:
        make: from the number of the epoch, its batches.
        length: how many they are, in every epoch.
    """

    def __init__(self, make: Callable[[int], Sequence[Any]], length: int) -> None:
        self.make, self.length = make, length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        self.begin_pass()
        for batch in self.make(self.epoch)[self.batch :]:
            self.batch += 1
            yield batch
