"""From probabilities to an action or a token, by inverse CDF; torch.multinomial would draw numbers that nobody else can draw."""

from __future__ import annotations

import torch
from torch import Tensor


def draw(p: Tensor, u: Tensor) -> Tensor:
    """The first action whose cumulated probability is greater than u; never one of probability 0.

    Args:
        p: (..., K), probabilities.
        u: (...), in [0, 1).

    Returns:
        (...), integers from 0 to K − 1.
    """
    p = p.double()
    cdf = p.cumsum(dim=-1).expand(*u.shape, -1).contiguous()
    passed = torch.searchsorted(cdf, u.double()[..., None].contiguous(), right=True)[..., 0]
    last = p.shape[-1] - 1 - (p > 0).flip(-1).int().argmax(dim=-1)
    return torch.minimum(passed, last)
