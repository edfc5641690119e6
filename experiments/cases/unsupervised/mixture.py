"""Cases of unsupervised.mixture: the bells and the loss with their slopes, responsibilities, and EM over a few steps."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.module import Parameter
from manual.unsupervised import mixture as by_hand
from torch_impl.unsupervised import mixture as in_torch

PATH = "unsupervised.mixture"


def parts(rng: np.random.Generator, N: int, K: int, D: int) -> list[np.ndarray]:
    """x, a, mu and s."""
    return [rng.normal(size=(N, D)), rng.normal(size=K), rng.normal(size=(K, D)), rng.normal(0, 0.7, (K, D))]


@function_case(PATH, "log_joint")
def bells(rng: np.random.Generator, N: int, K: int, D: int) -> Built:
    return Built({}, parts(rng, N, K, D), differentiated=(1, 2, 3))


@function_case(PATH, "surprise")
def points(rng: np.random.Generator, N: int, K: int, D: int) -> Built:
    return Built({}, parts(rng, N, K, D), differentiated=(1, 2, 3))


def judge_responsibilities(seed: int) -> dict[str, float]:
    """Bayes' theorem, bell by bell; and torch's."""
    x, a, mu, s = parts(np.random.default_rng(seed), 7, 4, 3)
    height = np.exp(a) * np.exp(-((x[:, None] - mu) ** 2) / np.exp(s) / 2).prod(axis=2) / np.exp(s).prod(axis=1) ** 0.5
    r = by_hand.responsibilities(x, a, mu, s)
    model = in_torch.Mixture(mu.tolist()).double()
    for name, value in (("a", a), ("mu", mu), ("s", s)):
        getattr(model, name).data = torch.from_numpy(value)
    return {"Bayes": error(r, height / height.sum(axis=1, keepdims=True)), "torch": error(r, model(torch.from_numpy(x)).detach())}


def judge_em(seed: int) -> dict[str, float]:
    """Steps of both sides from the same gradients, one of them with a component that nobody belongs to."""
    rng, found = np.random.default_rng(seed), {}
    for least in (0.0, 0.3):
        _, *start = parts(rng, 1, 4, 3)
        ours, theirs = [Parameter(p) for p in start], [torch.nn.Parameter(torch.tensor(p)) for p in start]
        optimizers = by_hand.EM(ours, least), in_torch.EM(theirs, least)
        for step in range(3):
            share = rng.dirichlet(np.ones(4))
            pi = np.exp(ours[0].data) / np.exp(ours[0].data).sum()
            g_mu = rng.normal(size=(4, 3)) * share[:, None]
            moved = (g_mu / share[:, None]) ** 2 * np.exp(ours[2])  # v must stay above 0
            gradients = [pi - share, g_mu, -(0.5 + rng.random((4, 3)) + moved) * share[:, None]]
            if step == 2:
                gradients[0][1], gradients[1][1], gradients[2][1] = pi[1], 0, 0
            for p, q, g in zip(ours, theirs, gradients, strict=True):
                p.grad, q.grad = g, torch.tensor(g)
            losses = [optimizer.step(lambda: 1.5) if step else optimizer.step() or 1.5 for optimizer in optimizers]
            found[f"losses, least {least}, step {step}"] = error(np.array(losses), np.array([1.5, 1.5]))
            found |= {
                f"{i}, least {least}, step {step}": error(p.data, q.detach()) for i, (p, q) in enumerate(zip(ours, theirs, strict=True))
            }
        found[f"has stepped, least {least}"] = float(not optimizers[0].has_stepped)
    return found


judged_by("mixture.responsibilities", judge_responsibilities)
judged_by("mixture.surprise", judge_responsibilities)
judged_by("mixture.EM", judge_em)
judged_by("mixture.Mixture", partial(judge_concept, "mixture"))

# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT: dict[str, tuple[str, ...]] = {}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
