"""The words and signs of the chapter probability."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
    # ---- likelihood ----
    Term("likelihood", "likelihood", "p**k * (1 - p) ** (n - k)", "how probable a guess makes what was seen", "likelihood"),
    Term("maximum likelihood", "maximum likelihood", "", "the guess that makes what was seen most probable", "likelihood"),
    Term("log-likelihood", "log likelihood", "", "the log of the likelihood: a sum, with its top at the same place", "likelihood"),
    Term("bell curve", "bell curve", "", "the curve of numbers many of which lie near their mean, and few far off", "likelihood"),
    Term("score", "score", "", "the slope of a log-likelihood, or of a log-density, in a parameter", "likelihood", r"the \*score\*"),
    # ---- distributions ----
    Term("distribution", "distribution", "", "how probable each outcome is", "distributions", r"\*distribution\*"),
    Term(
        "density", "density", "", "the curve over a line under which the area is 1: where it is high, numbers are likely", "distributions"
    ),
    Term("log-density", "log density", "normal_log_prob(...)", "the log of the density at a number", "distributions"),
    Term(
        "sample",
        "sample",
        "rng.normal(loc, scale)",
        "to draw a number from a distribution; also the number",
        "distributions",
        r"to \*sample\*",
    ),
    Term("n over k", "n choose k", "scipy.special.comb(n, k)", "in how many ways k of n can be chosen", "distributions"),
    Term("surprise", "surprise", "-np.log(p)", "minus the log of how probable it was: 0 for what was sure", "distributions"),
    Term("entropy", "entropy", "-(p * np.log(p)).sum()", "the surprise that is to be expected", "distributions", r"\*entropy\*"),
    # ---- numbers that go together ----
    Term(
        "L Lᵀ", "L L transposed", "L @ L.T", "a covariance, as the product of a lower triangle with its mirror image", "multivariate_normal"
    ),
    Term("covariance", "covariance", "np.cov(x.T)", "how much two numbers go up and down together", "multivariate_normal"),
    Term("det L", "determinant of L", "L.diagonal().prod()", "by what L makes areas larger", "multivariate_normal"),
    # ---- expectation ----
    Term("E[f]", "the expectation of f", "(p * f).sum()", "where the average of many draws of f settles", "expectation", r"E\[f\]"),
    Term("Var[f]", "the variance of f", "x.var()", "the expectation of (f − E[f])²: how far draws scatter", "expectation", r"Var\[f\]"),
    Term("standard error", "standard error", "x.std() / np.sqrt(N)", "how far off a mean of N samples is, typically", "expectation"),
    Term("Monte Carlo", "Monte Carlo", "x.mean()", "to average draws where an expectation is asked for", "expectation"),
    Term(
        "reparameterisation", "reparameterisation", "mean + std * eps", "a draw made of noise that no weight has a part in", "expectation"
    ),
    # ---- bayes ----
    Term("p(x | h)", "p of x given h", "", "how probable x is where h is true", "bayes", r"p\(x \| h\)"),
    Term("prior", "prior", "", "what was believed before something was seen", "bayes"),
    Term("posterior", "posterior", "", "what is believed after it was seen", "bayes"),
    Term("evidence", "evidence", "likelihood @ prior", "how probable what was seen was, before it was known what is true", "bayes"),
    Term("MAP", "map", "", "what is most probable after something was seen", "bayes"),
    # ---- information ----
    Term("bit", "bit", "nats / np.log(2)", "one yes-or-no question: the surprise of a fair coin", "information", r"\*bit\*"),
    Term("nats", "nats", "", "the unit of surprise where the logarithm is the natural one", "information"),
    Term(
        "KL(p‖q)",
        "the K L divergence from p to q",
        "(p * np.log(p / q)).sum()",
        "how far q is from the truth p",
        "information",
        r"KL\(p‖q\)",
    ),
)
