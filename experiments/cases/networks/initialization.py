"""Cases of networks.initialization: the linear network, whose gradients no concept's own check sees."""

from __future__ import annotations

import numpy as np
import torch

from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.networks import initialization as by_hand
from torch_impl.networks import initialization as in_torch


@function_case("networks.initialization", "two_layers", empty=True)
def two_matrices(rng: np.random.Generator, N: int, D: int, K: int, M: int) -> Built:
    return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(K, D)), rng.normal(size=(M, K))])


def judge_linear(seed: int) -> dict[str, float]:
    """Losses and gradients of two batches, both gone through before either is gone back from; and whether they are as they were."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(4, 6))
    ours, theirs = by_hand.DeepLinear(target, 0.3), in_torch.DeepLinear(torch.from_numpy(target), 0.3)
    for name, p in theirs.named_parameters():
        p.data += torch.from_numpy(rng.normal(size=p.shape))
        getattr(ours, name)[...] = p.detach().numpy()
    batches = [(rng.normal(size=(n, 6)), rng.normal(size=(n, 4))) for n in (5, 3)]
    losses = [theirs.training_step((torch.from_numpy(x.copy()), torch.from_numpy(y.copy())), 0) for x, y in batches]
    (1.3 * losses[0] + 0.7 * losses[1]).backward()
    given = [(x.copy(), y.copy()) for x, y in batches]
    errors = {f"loss {i}": error(np.asarray(ours.training_step(batch, 0)), losses[i]) for i, batch in enumerate(given)}
    ours.backward(0.7)
    ours.backward(1.3)
    for i, ((x, y), (x_before, y_before)) in enumerate(zip(given, batches, strict=True)):
        errors |= {f"x of batch {i}": error(x, x_before), f"y of batch {i}": error(y, y_before)}
    return {**errors, **{name: error(getattr(ours, name).grad, p.grad) for name, p in theirs.named_parameters()}}


judged_by("initialization.DeepLinear", judge_linear)
