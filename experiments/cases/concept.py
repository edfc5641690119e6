"""A whole concept as a case: both of its sides at random parameters, and a few of their steps.

For what a concept is made of and nothing smaller judges, and for optimizers that a concept brings with it.
"""

from __future__ import annotations

import argparse

import experiments


def judge_concept(name: str, seed: int) -> dict[str, float]:
    """The errors of a concept's loss and gradients at random parameters, of every variant."""
    from experiments.lockstep.checks import one_step  # brings Lightning with it

    twin, options = experiments.twin(name), argparse.Namespace(seed=seed, dtype="float64", device="cpu")
    judges = {variant: one_step(twin, variant, options)[0] for variant in (None, *twin.variants)}
    if seed == 1:  # a first layer of zeros puts every unit on its kink
        judges["at the kink"] = one_step(twin, None, argparse.Namespace(**vars(options), zero=("W1", "b1")))[0]
    return {f"{kind} {n}, {v or 'as declared'}": e for v, j in judges.items() for kind, found in j.worst.items() for n, e in found.items()}


def judge_trajectory(name: str, seed: int) -> dict[str, float]:
    """The errors of a few steps of a concept that brings an optimizer of its own."""
    from experiments.lockstep.checks import trajectory
    from experiments.lockstep.quiet import quiet

    quiet()
    twin, options = experiments.twin(name), argparse.Namespace(seed=seed, dtype="float64", device="cpu", steps=4)
    judges = {variant: trajectory(twin, variant, options)[0] for variant in (None, *twin.variants)}
    steps = {v: {kind: of for kind, of in j.worst.items() if kind != "metric"} for v, j in judges.items()}  # whose tolerance is another
    return {f"{kind} {n}, {v or 'as declared'}": e for v, of in steps.items() for kind, found in of.items() for n, e in found.items()}
