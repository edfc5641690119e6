"""Cases of scale.data_parallel: the ring against a plain sum, and the concept with the shards of its workers."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.compare import error
from experiments.judge.registry import judged_by
from manual.scale import data_parallel as by_hand


def judge_ring(seed: int) -> dict[str, float]:
    """What each of some workers has in the end, and how much it has sent, for vectors that do not divide evenly."""
    found = {}
    for workers, length in ((1, 3), (2, 5), (4, 11)):
        vectors = np.random.default_rng(seed).normal(size=(workers, length))
        sums, sent = by_hand.ring_all_reduce([v.copy() for v in vectors])
        for w, s in enumerate(sums):
            found[f"the sum at worker {w} of {workers}"] = error(s, vectors.sum(axis=0))
        passed = error(np.array(sum(sent), float), np.array(2.0 * (workers - 1) * length)) if workers > 1 else float(sum(sent) != 0)
        found[f"what {workers} have sent"] = passed
    return found


def judge_two_batches(seed: int) -> dict[str, float]:
    """The gradient of two batches, both of which go forward first; of the second, which is small, one worker gets all."""
    rng = np.random.default_rng(seed)
    model = by_hand.DataParallel(workers=3, hidden=5, rng=rng)
    batches = [(rng.normal(size=(n, 64)), rng.integers(10, size=n)) for n in (8, 2)]
    for steps in ([batches[0]], [batches[1]], batches):
        for batch in steps:
            model.training_step(batch, 0)
        for _ in steps:
            model.backward()
    together = {name: p.grad / 2 for name, p in model.named_parameters()}  # each has come twice by now
    model.zero_grad()
    for batch in batches:
        model.training_step(batch, 0)
        model.backward()
    return {f"gradient of {name}": error(together[name], p.grad) for name, p in model.named_parameters()}


judged_by("data_parallel.DataParallel", judge_ring, judge_two_batches, partial(judge_concept, "data_parallel"))


# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT = {
    "the pieces are only named the other way round: worker w + 1 still sends on what it got": (
        "data_parallel.ring_step:sign:(w - step) % W => -((w - step) % W):0",
    ),
    "a sum does not ask whose part came first": (
        "data_parallel.DataParallel.backward:constant:vectors.insert(0, self.bucket()) => vectors.insert(1, self.bucket()):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
