"""Cases of generative.vae: K and the draw with their slopes, the pair, and the linear one, whose gradients no concept's own check sees."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.convert import load_in_torch
from experiments.judge.function_case import function_case
from experiments.judge.naming import Naming
from experiments.judge.registry import judged_by
from manual.generative import vae as by_hand
from torch_impl.generative import vae as in_torch

PATH = "generative.vae"


@function_case(PATH, "kl")
def to_the_prior(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(N, D))])


@function_case(PATH, "drawn", empty=True)
def from_noise(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(N, D)), rng.normal(size=(N, D))], differentiated=(0, 1))


def judge_linear(seed: int) -> dict[str, float]:
    """Losses and gradients of two batches, both gone through before either is gone back from; and whether they are as they were."""
    rng = np.random.default_rng(seed)
    ours, theirs = by_hand.LinearVAE(5, 3, rng=rng), in_torch.LinearVAE(5, 3).double()
    ours.log_var[...], ours.log_noise[...] = rng.normal(size=3), rng.normal()
    load_in_torch(Naming({}), theirs, ours.state_dict())
    batches = [rng.normal(size=(n, 5)) for n in (7, 4)]
    losses = [theirs.training_step((torch.from_numpy(x.copy()),), 0) for x in batches]
    (1.3 * losses[0] + 0.4 * losses[1]).backward()
    given = [x.copy() for x in batches]
    errors = {f"loss {i}": error(np.asarray(ours.training_step((x,), 0)), losses[i]) for i, x in enumerate(given)}
    ours.backward(0.4)
    ours.backward(1.3)
    errors |= {f"x of batch {i}": error(x, batches[i]) for i, x in enumerate(given)}
    parameters = dict(ours.named_parameters())
    return {**errors, **{name: error(parameters[name].grad, p.grad) for name, p in theirs.named_parameters()}}


judged_by("vae.VAE", partial(judge_concept, "vae"))
judged_by("vae.LinearVAE", judge_linear)

EQUIVALENT = {
    "there is one row of each for each image": (
        "vae.VAE.terms_backward:saved:dL_dR / len(mean) => dL_dR / len(log_var):0",
        "vae.VAE.terms_backward:saved:dL_dR / len(mean) => dL_dR / len(epsilon):0",
    ),
    "z moves as μ does, wherever μ is": (
        "vae.VAE.terms_backward:sign:drawn_backward(dL_dz, mean, log_var, epsilon) => drawn_backward(dL_dz, -mean, log_var, epsilon):0",
        "vae.VAE.terms_backward:scale:drawn_backward(dL_dz, mean, log_var, epsilon) => drawn_backward(dL_dz, 2 * mean, log_var, epsilon):0",
        "vae.VAE.terms_backward:scale:drawn_backward(dL_dz, mean, log_var, epsilon) => "
        "drawn_backward(dL_dz, 0.5 * mean, log_var, epsilon):0",
        "vae.VAE.terms_backward:saved:drawn_backward(dL_dz, mean, log_var, epsilon) => drawn_backward(dL_dz, log_var, log_var, epsilon):0",
        "vae.VAE.terms_backward:saved:drawn_backward(dL_dz, mean, log_var, epsilon) => drawn_backward(dL_dz, epsilon, log_var, epsilon):0",
    ),
    "twice a tuple is the tuple and itself again, and the first two are used": (
        "vae.LinearVAE.backward:scale:kl_backward(dL_dloss, mean, np.broadcast_to(self.log_var, mean.shape)) => "
        "2 * kl_backward(dL_dloss, mean, np.broadcast_to(self.log_var, mean.shape)):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
