"""What rounding does to one step: torch against itself, on the same batch with its rows in another order.

A sum over rows has another rounding error in every order, and the more there are the larger it is. In exact arithmetic the order
would change nothing, so what it does change is what no two right implementations need agree on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from experiments.compare import error, errors, norm
from experiments.noise import SharedNoise

LIMIT = {"float64": 1e-10, "float32": 1e-4}
"""More than that is not the rounding of sums: the order of the rows then matters to what is computed (or a decision has flipped)."""


def rounding_of_sums(trainer: Any, module: Any, objectives: Sequence[str], batch: Any, noise: SharedNoise, micro_batch: int) -> float:
    """The largest error, of the loss and of any gradient, between two orders of the rows; 0 where the order matters otherwise.

    Args:
        trainer: whose precision the module trains in.
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
        loss, gradient = one_pass(trainer, module, objective, batch, noise, micro_batch)
        with noise.in_order(order):
            loss_too, gradient_too = one_pass(trainer, module, objective, shuffled, noise, micro_batch)
        found = max([error(loss_too, loss), *errors(gradient_too, gradient, norm(gradient.values())).values()])
        worst = max(worst, found if found < LIMIT[str(loss.dtype).removeprefix("torch.")] else 0.0)
    return worst


def one_pass(trainer: Any, module: Any, objective: str, batch: Any, noise: SharedNoise, micro_batch: int) -> tuple[Any, dict[str, Any]]:
    """Loss and gradients of a batch; whatever the module holds stays as it was."""
    buffers = {name: b.clone() for name, b in module.named_buffers()}
    log, module.log = module.log, lambda *args, **kwargs: None
    noise.begin(micro_batch)
    learned = {name: p for name, p in module.named_parameters() if p.requires_grad}
    try:
        with trainer.precision_plugin.train_step_context(), torch.enable_grad():
            loss = getattr(module, objective)(*([batch, 0] if objective == "training_step" else [batch]))
            found = torch.autograd.grad(loss, list(learned.values()), allow_unused=True)
    finally:
        module.log = log
        for name, b in module.named_buffers():
            b.copy_(buffers[name])
        noise.begin(micro_batch)
    return loss.detach(), {name: g for name, g in zip(learned, found, strict=True) if g is not None}
