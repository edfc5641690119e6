"""The words and signs of the chapter unsupervised."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
    # ---- three ways of learning ----
    Term("supervised", "supervised", "supervised(z, c)", "of learning: the right answer is told", "ways_of_learning"),
    Term("unsupervised", "unsupervised", "unsupervised(z)", "of learning: nothing is told, there are only examples", "ways_of_learning"),
    Term(
        "reinforcement",
        "reinforcement",
        "reinforcement(z, answer, advantage)",
        "of learning: an answer is tried, and rewarded or not",
        "ways_of_learning",
    ),
    Term("self-supervised", "self-supervised", "", "of learning: a part of each example is hidden, and is the answer", "ways_of_learning"),
    Term("baseline", "baseline", "reward.mean()", "the reward that is usual", "ways_of_learning", r"\*baseline\*"),
    # ---- k-means ----
    Term("k-means", "k means", "KMeans(start)", "centres that go to the middle of the points nearest to them", "k_means", r"\*k-means\*"),
    Term(
        "cluster", "cluster", "x[a == k]", "the points that are nearest to one centre, or that belong together", "k_means", r"\*cluster\*"
    ),
    Term("Lloyd's step", "Lloyd's step", "c[k] = x[a == k].mean(axis=0)", "every centre to the middle of its cluster", "k_means"),
    Term("k-means++", "k means plus plus", "kmeans_plus_plus(x, K, u)", "a start at points that lie far apart, by chance", "k_means"),
    # ---- a mixture ----
    Term("mixture", "mixture", "Mixture(start)", "several bell curves, each with a weight, added up", "mixture", r"\*mixture\*"),
    Term(
        "responsibility",
        "responsibility",
        "softmax(log_joint(x, a, mu, s), axis=1)",
        "the probability that a point came from a component",
        "mixture",
        r"\*responsibility\*",
    ),
    Term("EM", "E M", "EM([a, mu, s])", "expectation and maximisation: responsibilities, then the best answer for these", "mixture"),
    # ---- an autoencoder ----
    Term("bottleneck", "bottleneck", "code", "the few numbers that everything has to pass through", "autoencoder", r"\*bottleneck\*"),
    # ---- contrastive learning ----
    Term("view", "view", "moved_by_chance(x, 1, rng)", "what a picture may become and still be what it is", "contrastive", r"\*views\*"),
    Term("InfoNCE", "info N C E", "info_nce(a, b, temperature)", "the loss of telling which of N belongs to this one", "contrastive"),
    Term("collapse", "collapse", "", "every input gets the same code; a loss that only pulls is content", "contrastive", r"\*collapse\*"),
    # ---- distillation ----
    Term(
        "distillation", "distillation", "distill(z, v, T)", "one network learns from the answers of another", "distillation", "Distillation"
    ),
    Term("teacher", "teacher", "v", "a network that was trained before, whose answers are data", "distillation", r"\*teacher\*"),
    Term("student", "student", "z", "the network that learns from a teacher", "distillation", r"\*student\*"),
    Term(
        "soft target",
        "soft target",
        "softmax(v / T)",
        "a probability for every class, where a label names one",
        "distillation",
        "soft targets?",
    ),
)
