"""Cases for the linear maps."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("Linear", empty=True)
def plain(rng: np.random.Generator, N: int, I: int, O: int) -> Built:
    return Built({"in_features": I, "out_features": O}, [rng.normal(size=(N, I))])


@case("Linear", empty=True)
def leading_axes_no_bias(rng: np.random.Generator, N: int, T: int, I: int, O: int) -> Built:
    return Built({"in_features": I, "out_features": O, "bias": False}, [rng.normal(size=(N, T, I))])


@case("Bilinear", empty=True)
def bilinear(rng: np.random.Generator, N: int, I: int, J: int, O: int) -> Built:
    arguments = {"in1_features": I, "in2_features": J, "out_features": O}
    return Built(arguments, [rng.normal(size=(N, I)), rng.normal(size=(N, J))])


@case("Bilinear")
def bilinear_leading_axes_no_bias(rng: np.random.Generator, N: int, T: int, I: int, J: int, O: int) -> Built:
    arguments = {"in1_features": I, "in2_features": J, "out_features": O, "bias": False}
    return Built(arguments, [rng.normal(size=(N, T, I)), rng.normal(size=(N, T, J))])


@case("Bilinear")
def bilinear_of_vectors(rng: np.random.Generator, I: int, J: int, O: int) -> Built:
    arguments = {"in1_features": I, "in2_features": J, "out_features": O}
    return Built(arguments, [rng.normal(size=I), rng.normal(size=J)])


@case("Identity", empty=True)
def identity(rng: np.random.Generator, N: int, I: int) -> Built:
    return Built({}, [rng.normal(size=(N, I))])


@case("Embedding", empty=True, least={"N": 6, "V": 3})
def embedding(rng: np.random.Generator, N: int, V: int, E: int) -> Built:
    """Few rows and many look-ups, so that rows are used more than once, and some not at all."""
    return Built({"num_embeddings": V + 2, "embedding_dim": E}, [rng.integers(0, V, N)])


@case("Embedding", empty=True, smooth=False)
def embedding_padding(rng: np.random.Generator, N: int, T: int, V: int, E: int) -> Built:
    """A row for padding, counted from the end and surely met: it shows in y, yet by decree has no gradient, so no finite difference."""
    words = rng.integers(0, V, (N, T))
    words[..., 0] = V - 1
    return Built({"num_embeddings": V + 1, "embedding_dim": E, "padding_idx": -2}, [words])


@case("Embedding", smooth=False)
def embedding_first_is_padding(rng: np.random.Generator, N: int, V: int, E: int) -> Built:
    return Built({"num_embeddings": V, "embedding_dim": E, "padding_idx": 0}, [np.concatenate([[0], rng.integers(0, V, N)])])


@case("Embedding")
def embedding_of_one_number(rng: np.random.Generator, V: int, E: int) -> Built:
    return Built({"num_embeddings": V, "embedding_dim": E}, [np.asarray(rng.integers(0, V))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "an axis of size −N is one to be found by reshape, and found to be N": (
        "Linear.backward:sign:math.prod(x.shape[:-1]) => -math.prod(x.shape[:-1]):0",
    ),
    "no index is None: without a padding_idx all rows are kept, whichever way": (
        "Embedding.backward:saved:self.padding_idx => self.embedding_dim:0",
        "Embedding.backward:saved:self.padding_idx => self.weight:0",
        "Embedding.backward:saved:self.padding_idx => self.num_embeddings:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
