"""Several rows of a table at once, as one vector: EmbeddingBag."""

from __future__ import annotations

from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.faster import fastest
from manual.nn.fold import per_axis
from manual.nn.sparse import expect_padding_idx, refuse_unwritten, sum_by_row
from manual.nn.validate import expect_array, expect_choice, expect_indices, expect_ndim


class EmbeddingBag(Module):
    """The sum, the mean or the largest of several rows of a learned table, entry by entry (torch.nn.EmbeddingBag).

    For the bag b, the set of places i with the numbers x[i], and W the table,

        | mode | y[b, e] | ∂L/∂W[v, e] |
        | --- | --- | --- |
        | sum | Σᵢ s[i] W[x[i], e] | Σ s[i] ∂L/∂y[b, e] over all places i with x[i] = v, b being their bags |
        | mean | 1/|b| Σᵢ W[x[i], e] | the same with 1/|b| in place of s[i] |
        | max | maxᵢ W[x[i], e] | Σ ∂L/∂y[b, e] over the bags whose largest this is; the first of several takes all |

        ∂L/∂s[i] = Σₑ ∂L/∂y[b, e] W[x[i], e]

    with s = per_sample_weights, 1 unless given. It is Embedding and then a sum, without the array (places, E) in between for torch; here
    it is made. A number has no gradient. A bag of nothing gives 0, with every mode.

    Args:
        num_embeddings: V, rows of the table.
        embedding_dim: E, size of a row.
        mode: "sum", "mean" or "max".
        include_last_offset: whether offsets end with where the last bag ends, as row pointers of a sparse matrix do. That is where x
            ends (behind an earlier end torch goes on in float64, and stops in float32).
        padding_idx: a row that no bag counts, starts at zero and has no gradient (negative: counted from the end).
        _weight: the table to begin with, in place of a random one.
        max_norm, norm_type, scale_grad_by_freq, sparse: only at torch's defaults.
        rng: draws the initial weights, N(0, 1) (torch's default).
        dtype: of the parameters.

    Shapes: x (N, L) of integers in 0 … V − 1, N bags of L; or x (n,) with offsets (N,), where each bag begins, the first at 0;
    per_sample_weights like x; y (N, E); weight (V, E). backward returns a tuple: None for x, None for offsets and ∂L/∂per_sample_weights,
    the last two if forward was given them.

    Raises:
        IndexError: if an entry of x is out of range.
        TypeError: if x and offsets are not arrays of integers, or per_sample_weights not of the weight's dtype.
        ValueError: if shapes do not fit, or the offsets do not begin with 0, fall, or point behind x; at construction if mode is none of
            the three, padding_idx is no row or _weight not (V, E).
        NotImplementedError: for per_sample_weights with another mode than sum, and for the arguments that are supported at their defaults
            only.
    """

    _shows, _shows_unless = "{num_embeddings}, {embedding_dim}, mode={mode!r}", {"padding_idx": None}

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: np.ndarray | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        refuse_unwritten("EmbeddingBag", max_norm, norm_type, scale_grad_by_freq, sparse)
        V, E = per_axis("EmbeddingBag", "num_embeddings and embedding_dim", (num_embeddings, embedding_dim), 2, 0)
        self.num_embeddings, self.embedding_dim = V, E
        expect_choice("EmbeddingBag", "mode", mode, ("sum", "mean", "max"))
        self.mode, self.include_last_offset = mode, include_last_offset
        expect_padding_idx("EmbeddingBag", padding_idx, V)
        self.padding_idx = None if padding_idx is None else padding_idx % V
        if _weight is not None and np.shape(_weight) != (V, E):
            raise ValueError(f"EmbeddingBag: _weight must have shape {(V, E)}, got {np.shape(_weight)}")
        start = (rng or np.random.default_rng()).normal(size=(V, E)) if _weight is None else np.asarray(_weight)
        self.weight = Parameter(start.astype(dtype))
        if self.padding_idx is not None and _weight is None:
            self.weight[self.padding_idx] = 0

    def forward(self, input: np.ndarray, offsets: np.ndarray | None = None, per_sample_weights: np.ndarray | None = None) -> np.ndarray:
        x, s = input, per_sample_weights
        expect_indices("EmbeddingBag", "input", x, self.num_embeddings, "num_embeddings")
        expect_ndim("EmbeddingBag", "input", x, 1, 2)
        sizes = self._sizes(x, offsets)
        self._expect_weights(x, s)
        bag = np.repeat(np.arange(len(sizes)), sizes)  # (n,): which bag each place is in
        rows = x.reshape(-1)[: bag.size]  # without a bag there are none
        counted = np.nonzero(rows != self.padding_idx)[0] if self.padding_idx is not None else np.arange(rows.size)
        bag, rows = bag[counted], rows[counted]
        W_rows = self.weight[rows].astype(np.result_type(self.weight.dtype, np.float32))  # (n, E); float16 is summed in float32
        if self.mode == "max":
            y, share = largest_of_bags(W_rows, bag, len(sizes))
        else:
            share = self._share(s, bag, counted, len(sizes)).astype(W_rows.dtype)
            y = fastest(sum_by_row)(share * W_rows, bag, len(sizes))
        self.save(rows, bag, share, counted, (x.shape, offsets is not None, s is not None))
        return y.astype(self.weight.dtype, copy=False)

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray | None, ...]:
        rows, bag, share, counted, (shape, has_offsets, has_weights) = self.restore()
        dL_dplaces = dL_dy[bag]  # (n, E): every place of a bag meets the bag's gradient
        self.weight.give_grad(fastest(sum_by_row)(share * dL_dplaces, rows, self.num_embeddings))
        gradients: list[np.ndarray | None] = [None] * (1 + has_offsets)
        if has_weights:
            dL_ds = np.zeros(shape, dtype=dL_dy.dtype)
            dL_ds.reshape(-1)[counted] = (dL_dplaces * self.weight[rows]).sum(axis=1)
            gradients.append(dL_ds)
        return tuple(gradients)

    def _sizes(self, x: np.ndarray, offsets: np.ndarray | None) -> np.ndarray:
        """How many places each bag has."""
        if x.ndim == 2:
            if offsets is not None:
                raise ValueError("EmbeddingBag: offsets go with an input of one axis, the rows of one of two axes are its bags")
            return np.full(x.shape[0], x.shape[1])
        if offsets is None:
            raise ValueError(f"EmbeddingBag: an input of one axis needs offsets, got none for shape {x.shape}")
        expect_indices("EmbeddingBag", "offsets", offsets, x.size + 1, "entries of input + 1")
        expect_ndim("EmbeddingBag", "offsets", offsets, 1)
        bounds = offsets if self.include_last_offset else np.append(offsets, [x.size] * (offsets.size > 0))
        if self.include_last_offset and (not offsets.size or offsets[-1] != x.size):
            raise ValueError(f"EmbeddingBag: offsets must end with where the last bag ends, {x.size}, got {offsets.tolist()}")
        if (bounds[:1] != 0).any() or (np.diff(bounds) < 0).any():
            raise ValueError(f"EmbeddingBag: offsets must begin with 0 and not fall, got {offsets.tolist()}")
        return np.diff(bounds).astype(np.intp)

    def _expect_weights(self, x: np.ndarray, s: np.ndarray | None) -> None:
        """Raise unless per_sample_weights fit, if there are any."""
        if s is not None:
            if self.mode != "sum":
                raise NotImplementedError(f"EmbeddingBag: per_sample_weights goes with mode 'sum' only, got {self.mode!r}")
            expect_array("EmbeddingBag", "per_sample_weights", s, self.weight.dtype)
            if s.shape != x.shape:
                raise ValueError(f"EmbeddingBag: per_sample_weights and input must have one shape, got {s.shape} and {x.shape}")

    def _share(self, s: np.ndarray | None, bag: np.ndarray, counted: np.ndarray, N: int) -> np.ndarray:
        """What each counted place has in the sum of its bag, (n, 1): s, or 1 over how many the bag has."""
        if self.mode == "mean":
            share = 1 / np.bincount(bag, minlength=N)[bag]
        else:
            share = np.ones(len(bag)) if s is None else s.reshape(-1)[counted]
        return share[:, np.newaxis]


def largest_of_bags(terms: np.ndarray, bag: np.ndarray, N: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest of the terms (n, E) in each of N bags, (N, E), 0 for a bag of nothing; and 1 where it is, 0 elsewhere, (n, E)."""
    y, is_largest = np.zeros((N, terms.shape[1]), terms.dtype), np.zeros_like(terms)
    for b in np.unique(bag):
        places = np.nonzero(bag == b)[0]
        y[b] = terms[places].max(axis=0)
        is_largest[places[terms[places].argmax(axis=0)], np.arange(terms.shape[1])] = 1  # the first of several
    return y, is_largest
