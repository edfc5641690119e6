"""The slope of calculus.one_weight: its hand-written backward against autograd at random places."""

from __future__ import annotations

import numpy as np
import torch

from experiments.judge.compare import error
from experiments.judge.registry import judged_by
from manual.calculus import one_weight as by_hand
from torch_impl.calculus import one_weight as in_torch


def judge_slope(seed: int) -> dict[str, float]:
    """The error of the loss and of its slope at a random weight, on random purchases."""
    rng = np.random.default_rng(seed)
    x, y, w = rng.normal(size=7), rng.normal(size=7), rng.normal()
    values = by_hand.forward(x, w)
    at = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    y_hat = in_torch.forward(torch.from_numpy(x), at)["y_hat"]
    loss = in_torch.loss(y_hat, torch.from_numpy(y))
    dL_dy_hat, dL_dw = torch.autograd.grad(loss, (y_hat, at))
    found = by_hand.backward(x, y, **values, w=w)
    gradients = {"y_hat": error(found["y_hat"], dL_dy_hat), "slope": error(found["w"], dL_dw)}
    return {"loss": error(by_hand.loss(values["y_hat"], y), loss), **gradients}


judged_by("one_weight.backward", judge_slope)
