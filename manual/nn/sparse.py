"""A table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.faster import BLOCK, faster_than, fastest, few_at_a_time
from manual.nn.fold import per_axis
from manual.nn.validate import expect_indices


def refuse_unwritten(owner: str, max_norm: float | None, norm_type: float, scale_grad_by_freq: bool, sparse: bool) -> None:
    """Raise NotImplementedError for an option of torch's embeddings that is not written by hand."""
    given = {"max_norm": max_norm is not None, "norm_type": norm_type != 2, "scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
    for name, unsupported in given.items():
        if unsupported:
            raise NotImplementedError(f"{owner}: {name} is not written by hand, leave it at its default")


def expect_padding_idx(owner: str, padding_idx: int | None, V: int) -> None:
    """Raise ValueError unless padding_idx is one of the V rows, counted from the front or the back, or none."""
    if padding_idx is not None and not -V <= padding_idx < V:
        raise ValueError(f"{owner}: padding_idx must lie in {-V} … {V - 1} (num_embeddings = {V}), got {padding_idx}")


class Embedding(Module):
    """Row x of a learned table (torch.nn.Embedding).

        y[..., e] = W[x[...], e]
        ∂L/∂W[v, e] = Σ ∂L/∂y[..., e] over all places where x is v

    It is the linear map of a one-hot vector, y = onehot(x) W, without the multiplications by zero. A number has no gradient, so ∂L/∂x is
    None.

    Args:
        num_embeddings: V, rows of the table.
        embedding_dim: E, size of a row.
        padding_idx: a row that starts at zero and has no gradient (negative: counted from the end).
        max_norm, norm_type, scale_grad_by_freq, sparse: only at torch's defaults.
        rng: draws the initial weights, N(0, 1) (torch's default).
        dtype: of the parameters.

    Shapes: x any, of integers in 0 … V − 1; y (*x.shape, E); weight (V, E).

    Raises:
        IndexError: if an entry of x is out of range.
        TypeError: if x is not an array of integers.
        ValueError: at construction if padding_idx is no row.
        NotImplementedError: for the arguments that are supported at their defaults only.
    """

    _shows, _shows_unless = "{num_embeddings}, {embedding_dim}", {"padding_idx": None}

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        refuse_unwritten("Embedding", max_norm, norm_type, scale_grad_by_freq, sparse)
        V, E = per_axis("Embedding", "num_embeddings and embedding_dim", (num_embeddings, embedding_dim), 2, 0)
        self.num_embeddings, self.embedding_dim = V, E
        expect_padding_idx("Embedding", padding_idx, V)
        self.padding_idx = None if padding_idx is None else padding_idx % V
        self.weight = Parameter((rng or np.random.default_rng()).normal(size=(V, E)).astype(dtype))
        if self.padding_idx is not None:
            self.weight[self.padding_idx] = 0

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_indices("Embedding", "x", x, self.num_embeddings, "num_embeddings")
        self.save(x)
        return self.weight.take(x, axis=0)  # the rows W[x], in a third of the time

    def backward(self, dL_dy: np.ndarray) -> None:
        x, E = self.restore(), self.embedding_dim
        dL_drows = dL_dy.reshape(x.size, E)
        rows = x.reshape(-1)
        if self.padding_idx is not None:
            real = rows != self.padding_idx
            rows, dL_drows = rows[real], dL_drows[real]
        self.weight.give_grad(fastest(sum_by_row)(dL_drows, rows, self.num_embeddings))  # a table may be large: no copy of it


def sum_by_row(dL_drows: np.ndarray, rows: np.ndarray, V: int) -> np.ndarray:
    """dL_dW (V, E): each of dL_drows (n, E) added to the row that it came from. A row that was looked up twice gets both."""
    dL_dW = np.zeros((V, dL_drows.shape[1]), dL_drows.dtype)
    np.add.at(dL_dW, rows, dL_drows)
    return dL_dW


# ---- the same, faster ----------------------------------------------------------------------------


@faster_than(sum_by_row)
def sum_by_row_fast(dL_drows: np.ndarray, rows: np.ndarray, V: int) -> np.ndarray:
    """On single numbers, where np.add.at is several times as fast as on rows. Many rows of a few numbers are added column by column, which
    takes no memory, if all stay in the cache from one column to the next; others a few at a time, with an index for each number.
    """
    n, E = dL_drows.shape
    dL_dW = np.zeros((V, E), dL_drows.dtype)
    if n > 16 * E and dL_drows.nbytes <= 4 * BLOCK:
        for column, dL_dcolumn in zip(dL_dW.T, dL_drows.T, strict=True):
            np.add.at(column, rows, dL_dcolumn)
        return dL_dW
    for few in few_at_a_time(dL_drows):
        places = rows[few, None] * E + np.arange(E)  # (n, 1) and (E,): where W[v, e] lies in the flat table
        np.add.at(dL_dW.reshape(-1), places.reshape(-1), dL_drows[few].reshape(-1))
    return dL_dW
