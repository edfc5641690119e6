"""The loss of an unaligned sequence: the twin of torch.nn.CTCLoss."""

from __future__ import annotations

from typing import Any

import numpy as np

from manual.nn.loss import Loss
from manual.nn.validate import expect_array, expect_indices, expect_ndim


class CTCLoss(Loss):
    """Connectionist temporal classification: −log of the probability that the frames spell the target (torch.nn.CTCLoss).

    In every frame t the network predicts p[t, c], the probability of class c; one class is the blank. A path is one class for
    each frame. It spells what is left when repeated classes are merged and blanks are then removed: a a – a b spells a a b.
    The loss is l = −log P, P the sum of the probabilities Πₜ p[t, pathₜ] of all paths that spell the target (Graves et al.
    2006, "Connectionist temporal classification", sections 3 and 4).

    Put a blank between the labels and at both ends: e = – a – a – b –, of length E = 2 S + 1. A path walks along e from left to
    right, one step for each frame. It may stay, go on to the next place, or leave out a blank between two different labels;
    it must end at the last place or the one before. So P is summed frame by frame, forward and, from the end, backward:

        α[t, s] = p[t, e[s]] (α[t−1, s] + α[t−1, s−1] + α[t−1, s−2] [e[s] ≠ e[s−2]])      to have come to s with frame t
        β[t, s] = β[t+1, s] p[t+1, e[s]] + β[t+1, s+1] p[t+1, e[s+1]]                      to go on from there to the end
                  + β[t+1, s+2] p[t+1, e[s+2]] [e[s] ≠ e[s+2]]
        P = Σₛ α[t, s] β[t, s] for every t, after the last frame α at the last place and at the one before

    Before the first frame all paths are at the first place: α = 1 there. After the last, β = 1 at the last two.
    p[t, c] is a factor of those paths alone that are at a place with e[s] = c in frame t. They have probability γ[t, c] P, so

        γ[t, c] = Σ_{s: e[s] = c} α[t, s] β[t, s] / P,   ∂l/∂ log p[t, c] = −1/P ∂P/∂ log p[t, c] = −γ[t, c]

    γ sums to 1 over classes. torch returns, and so does this, p[t, c] − γ[t, c]: log p comes out of a log-softmax, whose backward
    sends both to the same ∂l/∂z = p − γ, what the network expects less what the target says. (It takes off p times the sum of
    what comes in, 1 in one case, 0 in the other.)

    Products of many probabilities underflow, so all is computed with logarithms: products are sums, sums log(eᵃ + eᵇ).

    Args:
        blank: the class that spells nothing.
        reduction: "none", "sum", or "mean", in which each loss is divided by its target's length (at least 1) first.
        zero_infinity: whether a target that cannot be spelled in its frames costs 0, with gradient 0, rather than ∞, with NaN.

    Shapes: log_probs (T, N, C), targets (N, S) padded or (sum of target_lengths,) joined, input_lengths and target_lengths (N,);
    or (T, C), (S,) and one number each; the loss is a number, or (N,) or () for reduction "none". backward returns ∂L/∂log_probs.

    Raises:
        ValueError: if shapes or lengths do not fit, or blank is no class, or a target holds it.
        IndexError: if a target is no class.
        TypeError: if log_probs is not a floating point array, or targets or lengths are not integers.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: np.ndarray, targets: np.ndarray, input_lengths: Any, target_lengths: Any) -> Any:
        expect_array("CTCLoss", "log_probs", log_probs)
        expect_ndim("CTCLoss", "log_probs", log_probs, 2, 3)
        log_p = log_probs if log_probs.ndim == 3 else log_probs[:, np.newaxis]  # (T, N, C)
        T, N, C = log_p.shape
        if N == 0 or not 0 <= self.blank < C:
            raise ValueError(f"CTCLoss: log_probs must have an example, and blank = {self.blank} as a class, got shape {log_probs.shape}")
        frames = expect_lengths("input_lengths", input_lengths, N, T)
        labels = expect_lengths("target_lengths", target_lengths, N)
        e = with_blanks(padded(targets, labels, self.blank, C), self.blank)

        log_p_e = np.take_along_axis(log_p, e[np.newaxis], axis=2)  # (T, N, E): log p[t, e[s]]
        log_alpha = self.log_alpha(log_p_e, e)
        n, end = np.arange(N), 2 * labels
        last_blank, last_label = log_alpha[frames, n, end], log_alpha[frames, n, end - 1]
        log_P = np.where(labels > 0, np.logaddexp(last_blank, last_label), last_blank)

        self.save(log_probs, log_p_e, e, frames, labels, log_alpha, log_P)
        losses = np.where(np.isneginf(log_P), 0, -log_P) if self.zero_infinity else -log_P
        losses = losses / self.divisor(labels, losses.dtype)
        return self.reduce(losses if log_probs.ndim == 3 else losses[0])

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        log_probs, log_p_e, e, frames, labels, log_alpha, log_P = self.restore()
        T, N, _ = log_p_e.shape
        log_beta = self.log_beta(log_p_e, e, frames, labels)
        with np.errstate(invalid="ignore"):  # ∞ − ∞ = NaN where the target cannot be spelled
            at_place = np.exp(log_alpha[1:] + log_beta[1:] - log_P[:, np.newaxis])  # (T, N, E): α[t, s] β[t, s] / P
        p = np.exp(log_probs).reshape(T, N, -1)  # (T, N, C)
        gamma = np.zeros_like(p)
        t, n = np.arange(T)[:, np.newaxis, np.newaxis], np.arange(N)[:, np.newaxis]
        np.add.at(gamma, (t, n, e), at_place)  # over the places s with e[s] = c
        gamma[:, np.isneginf(log_P)] = np.nan  # also of classes that have no place

        dL_dl = self.reduce.backward(dL_dy) / self.divisor(labels, p.dtype)
        dL_dlog_p = np.reshape(dL_dl, (-1, 1)) * (p - gamma)  # (N, 1) * (T, N, C)
        dropped = self.zero_infinity & np.isneginf(log_P)
        used = (t < frames[:, np.newaxis]) & ~dropped[:, np.newaxis]  # (T, N, 1)
        return np.where(used, dL_dlog_p, 0).reshape(log_probs.shape)

    def divisor(self, labels: np.ndarray, dtype: Any) -> np.ndarray:
        """What each loss is divided by."""
        return (np.maximum(labels, 1) if self.reduction == "mean" else np.ones_like(labels)).astype(dtype)

    def log_alpha(self, log_p_e: np.ndarray, e: np.ndarray) -> np.ndarray:
        """log α after 0, 1, ..., T frames: (T + 1, N, E)."""
        (T, N, E), skip = log_p_e.shape, may_skip(e)
        log_alpha = np.full((T + 1, N, E), -np.inf, log_p_e.dtype)
        log_alpha[0, :, 0] = 0
        for t in range(T):
            before, now = log_alpha[t], log_alpha[t + 1]
            now[:] = before  # from the same place,
            np.logaddexp(now[:, 1:], before[:, :-1], out=now[:, 1:])  # from the one before,
            np.logaddexp(now[:, 2:], before[:, :-2], out=now[:, 2:], where=skip)  # and over a blank
            now += log_p_e[t]
        return log_alpha

    def log_beta(self, log_p_e: np.ndarray, e: np.ndarray, frames: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """log β after 0, 1, ..., T frames, (T + 1, N, E): α's steps walked back, by each example from its own last frame on."""
        (T, N, E), skip = log_p_e.shape, may_skip(e)
        place, end = np.arange(E), 2 * labels[:, np.newaxis]
        is_end = (place == end) | (place == end - 1)  # (N, E)
        log_beta = np.full((T + 1, N, E), -np.inf, log_p_e.dtype)
        for t in range(T, -1, -1):
            now = log_beta[t]
            if t < T:
                after = log_beta[t + 1] + log_p_e[t]
                now[:, -1] = after[:, -1]
                now[:, :-1] = np.logaddexp(after[:, :-1], after[:, 1:])
                np.logaddexp(now[:, :-2], after[:, 2:], out=now[:, :-2], where=skip)
            now[is_end & (frames == t)[:, np.newaxis]] = 0
        return log_beta


def with_blanks(targets: np.ndarray, blank: int) -> np.ndarray:
    """e: a blank before, between and after the labels. (N, S) to (N, 2 S + 1)."""
    N, S = targets.shape
    e = np.full((N, 2 * S + 1), blank)
    e[:, 1::2] = targets
    return e


def may_skip(e: np.ndarray) -> np.ndarray:
    """Whether a path may come to place s from s − 2, because their labels differ: (N, E − 2), from s = 2 on."""
    return e[:, 2:] != e[:, :-2]


def padded(targets: Any, labels: np.ndarray, blank: int, C: int) -> np.ndarray:
    """The targets as (N, S), each filled up with blanks beyond its length; raise unless they fit the lengths and are classes."""
    targets, N, S = np.asarray(targets), labels.size, int(labels.max())
    inside = np.arange(S) < labels[:, np.newaxis]  # (N, S)
    rows = np.full((N, S), blank)
    if targets.ndim == 1 and targets.size == labels.sum():
        rows[inside] = targets
    elif targets.ndim == 2 and targets.shape[0] == N and targets.shape[1] >= S:
        rows[inside] = targets[:, :S][inside]
    else:
        expected = f"({N}, {S} or more) or ({labels.sum()},)"
        raise ValueError(f"CTCLoss: targets must have the shape {expected} for target_lengths {labels.tolist()}, got {targets.shape}")
    expect_indices("CTCLoss", "targets", rows if np.issubdtype(targets.dtype, np.integer) else targets, C, "classes")
    if (rows[inside] == blank).any():
        raise ValueError(f"CTCLoss: targets must not hold the blank, {blank}, which spells nothing")
    return rows


def expect_lengths(name: str, lengths: Any, N: int, most: int | None = None) -> np.ndarray:
    """The lengths as an array (N,); raise unless they are integers, one for each example, from 0 to `most`."""
    lengths = np.atleast_1d(np.asarray(lengths))
    if not np.issubdtype(lengths.dtype, np.integer):
        raise TypeError(f"CTCLoss: {name} must be integers, got {lengths.dtype}")
    if lengths.shape != (N,):
        raise ValueError(f"CTCLoss: {name} must have one entry for each of {N} examples, got shape {lengths.shape}")
    if lengths.min() < 0 or (most is not None and lengths.max() > most):
        raise ValueError(f"CTCLoss: {name} must be at least 0{'' if most is None else f' and at most {most}'}, got {lengths.tolist()}")
    return lengths
