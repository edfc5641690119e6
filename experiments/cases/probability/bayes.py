"""Cases for the functions of manual/probability/bayes.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.cases.probability.likelihood import throws
from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "probability.bayes"


def table(name: str) -> None:
    """Cases of a function of priors and likelihoods."""

    def many_observations(rng: np.random.Generator, N: int, T: int, H: int) -> list[Any]:
        return [rng.dirichlet(np.full(H, 3.0)), rng.uniform(0.1, 0.9, size=(N, T, H))]

    def one_observation(rng: np.random.Generator, H: int) -> list[Any]:
        return [rng.dirichlet(np.full(H, 3.0)), rng.uniform(0.1, 0.9, size=H)]

    def impossible_hypotheses(rng: np.random.Generator, N: int, H: int) -> list[Any]:
        """A prior of 0, and likelihoods of 0."""
        prior = np.append(rng.dirichlet(np.full(H, 3.0)), 0.0)
        likelihood = rng.uniform(0.1, 0.9, size=(N, H + 1))
        likelihood[0, 0] = 0
        return [prior, likelihood]

    function_case(PATH, name, empty=True, repeat=False)(many_observations)
    function_case(PATH, name, repeat=False)(one_observation)
    function_case(PATH, name, smooth=False, repeat=False)(impossible_hypotheses)


for _name in ("evidence", "posterior"):
    table(_name)


@function_case(PATH, "beta_bernoulli_log_evidence", empty=True)
def coins(rng: np.random.Generator, N: int, T: int, D: int) -> Built:
    return Built({}, [throws(rng, D), rng.uniform(0.5, 4, size=(N, T)), rng.uniform(0.5, 4, size=(N, T))], differentiated=(1, 2))


@function_case(PATH, "beta_bernoulli_log_evidence", repeat=False)
def alike(rng: np.random.Generator, N: int, D: int) -> Built:
    """All heads or all tails."""
    x = np.full(D, float(rng.integers(2)))
    return Built({}, [x, rng.uniform(0.5, 4, size=N), rng.uniform(0.5, 4, size=N)], differentiated=(1, 2))


def measurements(rng: np.random.Generator, K: int, D: int) -> Built:
    """D numbers under K beliefs: x, scale, prior_loc and prior_scale."""
    scales = [rng.uniform(0.6, 1.5, size=K), rng.normal(size=K), rng.uniform(0.6, 1.5, size=K)]
    return Built({}, [rng.normal(0.5, 1.0, size=D), *scales], differentiated=(1, 2, 3))


def nothing_measured(rng: np.random.Generator, K: int) -> Built:
    """No x: the prior stays."""
    return measurements(rng, K, 0)


function_case(PATH, "normal_normal_posterior", least={"K": 4}, repeat=False)(measurements)
function_case(PATH, "normal_normal_posterior", least={"K": 4}, repeat=False)(nothing_measured)


@function_case(PATH, "normal_normal_log_evidence", least={"K": 4}, repeat=False)
def surprising_measurements(rng: np.random.Generator, K: int, D: int) -> Built:
    """Far from where they were expected: nearer, little of the slopes is left in float32."""
    x, *beliefs = measurements(rng, K, D).inputs
    return Built({}, [x + 2, *beliefs], differentiated=(1, 2, 3))


@function_case(PATH, "negative_log_posterior", repeat=False)
def lines(rng: np.random.Generator, N: int, D: int) -> Built:
    x, y, W, b = rng.normal(size=(N, D)), rng.normal(3, 1, size=(N, 1)), rng.normal(size=(D, 1)), rng.normal(size=1)
    scales = rng.uniform(0.5, 0.8, size=()), rng.uniform(0.2, 0.4, size=())
    return Built({}, [x, y, W, b, *scales, 3 * N + 1], differentiated=(2, 3))


@function_case(PATH, "naive_bayes_log_joint", empty=True, repeat=False)
def pictures(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    x = rng.integers(0, 2, size=(N, D)).astype(float)
    return Built({}, [x, np.log(rng.dirichlet(np.full(C, 3.0))), rng.uniform(0.15, 0.85, size=(C, D))], differentiated=(1, 2))


@function_case(PATH, "naive_bayes_log_joint", smooth=False, repeat=False, nonfinite="match")
def impossible_pictures(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    """A pixel that is never lit, one that always is, and a class that was never seen."""
    x, log_prior, probs = pictures(rng, N, C, D).inputs
    x[0, 0], x[1:, 0], probs[0, 0], probs[1, 1], log_prior[-1] = 0, 1, 0, 1, -np.inf
    return Built({}, [x, log_prior, probs], differentiated=(1, 2))


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "only the gradients with respect to the means are used, and a scale stands in them squared": (
        "bayes.negative_log_posterior_backward:sign:normal_nll_backward(dL_dloss, x @ W + b, scale, y)"
        " => normal_nll_backward(dL_dloss, x @ W + b, -scale, y):0",
        "bayes.negative_log_posterior_backward:sign:normal_log_prob_backward(dL_dprior, W, np.zeros_like(prior_scale), prior_scale)"
        " => normal_log_prob_backward(dL_dprior, W, np.zeros_like(prior_scale), -prior_scale):0",
        "bayes.Bayes.backward:sign:negative_log_posterior_backward(dL_dloss, x, y, W, b, self.scale, self.prior_scale, self.rows)"
        " => negative_log_posterior_backward(dL_dloss, x, y, W, b, -self.scale, self.prior_scale, self.rows):0",
        "bayes.Bayes.backward:sign:self.prior_scale => -self.prior_scale:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
