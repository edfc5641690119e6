"""Cases for bags of rows. Few rows and many look-ups, so that rows are used more than once, and some not at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.judge.case import Built, case


def beginnings(rng: np.random.Generator, N: int, L: int) -> np.ndarray:
    """Where N bags of L places in all begin; some hold nothing, the last of them surely."""
    return np.sort(np.concatenate([[0], rng.integers(0, L + 1, N - 1)]))


def words(rng: np.random.Generator, V: int, *shape: int, padding: int | None = None) -> np.ndarray:
    """Random numbers, about a third of them the padding, if there is one."""
    x = rng.integers(0, V, shape)
    return x if padding is None else np.where(rng.random(shape) < 0.35, padding, x)


def rows_are_bags(mode: str) -> Callable[..., Built]:
    """Bags of one length; the last row of the table is for padding, and one bag holds nothing else."""

    def build(rng: np.random.Generator, N: int, L: int, V: int, E: int) -> Built:
        x = words(rng, V, N, L, padding=V - 1)
        x[:1] = V - 1
        return Built({"num_embeddings": V, "embedding_dim": E, "mode": mode, "padding_idx": -1}, [x])

    build.__name__ = f"rows_are_bags_{mode}"
    return build


def bags_by_offsets(mode: str) -> Callable[..., Built]:
    """Bags of any length."""

    def build(rng: np.random.Generator, N: int, L: int, V: int, E: int) -> Built:
        arguments = {"num_embeddings": V + 2, "embedding_dim": E, "mode": mode}
        return Built(arguments, [words(rng, V, L), beginnings(rng, N, L)])

    build.__name__ = f"bags_by_offsets_{mode}"
    return build


def bags_by_row_pointers(mode: str) -> Callable[..., Built]:
    """Bags of any length, and the end of the last; the first row is for padding."""

    def build(rng: np.random.Generator, N: int, L: int, V: int, E: int) -> Built:
        arguments = {"num_embeddings": V, "embedding_dim": E, "mode": mode, "include_last_offset": True, "padding_idx": 0}
        return Built(arguments, [words(rng, V, L, padding=0), np.append(beginnings(rng, N, L), L)])

    build.__name__ = f"bags_by_row_pointers_{mode}"
    return build


for mode in ("sum", "mean", "max"):
    case("EmbeddingBag", least={"L": 5, "V": 3}, smooth=False)(rows_are_bags(mode))  # padding has no gradient, by decree
    case("EmbeddingBag", least={"L": 6, "V": 3})(bags_by_offsets(mode))
    case("EmbeddingBag", least={"L": 6, "V": 3}, smooth=False, repeat=False)(bags_by_row_pointers(mode))


@case("EmbeddingBag", least={"L": 6, "V": 3})
def weighted_bags_by_offsets(rng: np.random.Generator, N: int, L: int, V: int, E: int) -> Built:
    return Built({"num_embeddings": V, "embedding_dim": E, "mode": "sum"}, [words(rng, V, L), beginnings(rng, N, L), rng.normal(size=L)])


@case("EmbeddingBag", least={"L": 6, "V": 3}, smooth=False)
def weighted_bags_with_padding(rng: np.random.Generator, N: int, L: int, V: int, E: int) -> Built:
    arguments = {"num_embeddings": V, "embedding_dim": E, "mode": "sum", "padding_idx": 1}
    return Built(arguments, [words(rng, V, L, padding=1), beginnings(rng, N, L), rng.normal(size=L)])


@case("EmbeddingBag", least={"L": 4, "V": 3})
def by_default(rng: np.random.Generator, N: int, L: int, V: int, E: int) -> Built:
    return Built({"num_embeddings": V, "embedding_dim": E}, [words(rng, V, N, L)])
