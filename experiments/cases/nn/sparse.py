"""Cases for the table that is looked up by number."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


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
    "no index is None: without a padding_idx all rows are kept, whichever way": (
        "Embedding.backward:saved:self.padding_idx => self.embedding_dim:0",
        "Embedding.backward:saved:self.padding_idx => self.weight:0",
        "Embedding.backward:saved:self.padding_idx => self.num_embeddings:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
