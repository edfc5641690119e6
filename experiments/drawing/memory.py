"""How much memory a call holds at once, on either side: the most, in bytes, beyond what was there before it."""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def most_held_by_hand(call: Callable[[], Any]) -> int:
    """Of arrays, as NumPy tells Python's tracemalloc of them. (Other objects of the call count too: some kilobytes.)"""
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_tracing:
            tracemalloc.stop()


@torch.enable_grad()
def most_held_in_torch(call: Callable[[], Any]) -> int:
    """Of tensors that torch's operations make, with whatever autograd keeps."""
    with Living() as living:
        call()
    return living.most


class Living(TorchDispatchMode):
    """Counts the bytes of all tensors that operations have made and that somebody still holds.

    Attributes:
        now: how many there are.
        most: how many there ever were.
        course: how many there were after each operation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: set[int] = set()
        self.course: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage(), given)
        self.course.append(self.now)
        return made

    def _count(self, storage: Any, given: set[int]) -> None:
        """A view, or what is changed in place, is no new memory."""
        key, size = storage._cdata, storage.nbytes()
        if key in given or key in self.known:
            return
        self.known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size
