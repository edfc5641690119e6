"""From probabilities to an action or a token: the inverse of the cumulated probabilities.

Lay the probabilities end to end on the line from 0 to 1. A number u from there, everywhere equally likely, falls on the
stretch of action k with probability p[k]: that action is drawn.

    p          .2    .5         .3
    cdf    0 ──── .2 ────── .7 ───── 1
    action     0   ↑   1        2
                  u = .2 is where the stretch of action 1 begins: each has its left end, not its right
"""

from __future__ import annotations

import numpy as np


def draw(p: np.ndarray, u: np.ndarray | float) -> np.ndarray:
    """The action on whose stretch u falls: the first whose cumulated probability is greater than u.

    An action of probability 0 has no stretch and is never drawn. Rounding may leave the sum of all a little below 1; a u
    beyond it falls on the last action that has a stretch.

    Args:
        p: (..., K), the probabilities of K actions; none negative, their sum 1.
        u: (...), in [0, 1), one for each row of probabilities. One row may serve many u: p (K,), u (N,).

    Returns:
        (...), integers from 0 to K − 1.
    """
    p = np.asarray(p, np.float64)
    cdf = np.cumsum(p, axis=-1)
    passed = (cdf <= np.asarray(u)[..., None]).sum(axis=-1)  # how many stretches end at u or before: so many lie to the left
    last = p.shape[-1] - 1 - np.argmax(p[..., ::-1] > 0, axis=-1)
    return np.minimum(passed, last)
