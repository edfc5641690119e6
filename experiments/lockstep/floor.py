"""What rounding does to one step: torch against itself, on the same batch with its rows in another order.

A sum over rows has another rounding error in every order, and the more there are the larger it is. In exact arithmetic the order
would change nothing, so what it does change is what no two right implementations need agree on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from experiments.compare import error, errors
from experiments.look import by_autograd
from experiments.noise import SharedNoise

LIMIT = {"float64": 1e-10, "float32": 1e-4}
"""More than that is not the rounding of sums: the order of the rows then matters to what is computed (or a decision has flipped)."""


def rounding_of_sums(module: Any, objectives: Sequence[str], batch: Any, noise: SharedNoise, micro_batch: int) -> float:
    """The largest error, of the loss and of any gradient, between two orders of the rows; 0 where the order matters otherwise.

    Args:
        module: a LightningModule; left as it was.
        objectives: names of its losses, methods of a batch, where its training_step takes steps itself.
        batch: of tensors whose first axis counts the same rows.
        noise: what the module draws from; its draws go with the rows.
        micro_batch: of the noise.
    """
    n = len(batch[0]) if batch and batch[0].ndim else 0
    if n < 2 or any(t.ndim == 0 or len(t) != n for t in batch):
        return 0.0
    order = np.random.Generator(np.random.Philox(key=2)).permutation(n)
    shuffled = tuple(t[torch.from_numpy(order).to(t.device)] for t in batch)
    worst = 0.0
    for objective in objectives or (["training_step"] if module.automatic_optimization else []):
        noise.begin(micro_batch)
        loss, gradients = loss_and_gradients(module, batch, objective)
        noise.begin(micro_batch)
        with noise.in_order(order):
            loss_too, gradients_too = loss_and_gradients(module, shuffled, objective)
        noise.begin(micro_batch)
        found = max([error(loss_too, loss), *errors(gradients_too, gradients).values()])
        worst = max(worst, found if found < LIMIT[loss.dtype.name] else 0.0)
    return worst


def loss_and_gradients(module: Any, batch: Any, objective: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Of the parameters."""
    side = by_autograd(module, batch, objective)
    return side.values["loss"], {name: g for name, g in side.gradients.items() if name.startswith("gradient of ")}
