"""Cases of networks.calibration: scores over a temperature, and how sure and how right against a count one by one."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case
from experiments.judge.compare import error
from experiments.judge.registry import judged_by
from manual.networks import calibration as by_hand
from torch_impl.networks import calibration as in_torch


@case("calibration.Temperature", hand=lambda dtype="float64": by_hand.Temperature(dtype=dtype), reference=in_torch.Temperature, empty=True)
def scores(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, C))], seeded={"T": np.array(rng.uniform(0.5, 2))})


def judge_reliability(seed: int) -> dict[str, float]:
    """Shares, confidences and parts that are right, one answer after another; and what is averaged of them."""
    rng = np.random.default_rng(seed)
    bins, N = 5, 40
    sure = np.append(rng.uniform(0.25, 1, N), [1.0, 0.4])  # the first part stays empty; 0.4 is an edge, and belongs below it
    right = rng.random(N + 2) < sure
    found = np.zeros((3, bins))
    for b in range(bins):
        of = [(s, r) for s, r in zip(sure, right, strict=True) if b / bins < s <= (b + 1) / bins]
        found[:, b] = len(of) / (N + 2), np.mean([s for s, _ in of] or [0]), np.mean([r for _, r in of] or [0])
    wanted = sum(abs(found[2, b] - found[1, b]) * found[0, b] for b in range(bins))
    return {
        "reliability": error(by_hand.reliability(sure, right, bins), found),
        "calibration error": error(by_hand.calibration_error(sure, right, bins), wanted),
    }


judged_by("calibration.reliability", judge_reliability)
judged_by("calibration.calibration_error", judge_reliability)
