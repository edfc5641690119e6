"""Losses that compare a predicted distribution with the true one: the twins of torch.nn.CrossEntropyLoss and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import xlogy

from manual.nn.faster import faster_than, fastest
from manual.nn.functional import log_softmax, sigmoid, softplus
from manual.nn.loss import EPSILON, Loss
from manual.nn.validate import expect_array, expect_indices

Index = tuple[np.ndarray, ...]
"""One array for each axis: x[at] is one entry of x for each example."""

# ---- two classes ---------------------------------------------------------------------------------


class BCELoss(Loss):
    """Binary cross-entropy of the probability x of class 1 and the target t, a probability too (torch.nn.BCELoss).

        l = −w [t log x + (1 − t) log(1 − x)]
        ∂l/∂x = w [(1 − t) / (1 − x) − t / x] = w (x − t) / (x (1 − x))

    As in torch no logarithm counts as less than −100, so that x = 0 and x = 1 cost 100 w rather than ∞. The gradient ignores
    that bound; only its denominator is kept at 1e-12 or more. BCEWithLogitsLoss needs neither.

    Args:
        weight: w, multiplies each loss; any shape that broadcasts to x. The mean still divides by the number of losses.
        size_average, reduce, reduction: see Loss.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if the shapes of x and t differ, w does not broadcast to them, or an entry of x or t is not in 0 … 1.
        TypeError: if x, t and w are not floating point arrays of one dtype.
    """

    weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | None = None, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", None if weight is None else np.array(weight))

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        self.expect_pair(input, target)
        x, t = input, target
        expect_probabilities("BCELoss", "input", x)
        expect_probabilities("BCELoss", "target", t)
        expect_broadcast("BCELoss", "weight", self.weight, x)
        with np.errstate(divide="ignore"):  # log 0 = −∞ becomes −100
            log_x, log_1_x = np.maximum(np.log(x), -100), np.maximum(np.log1p(-x), -100)
        losses = -(t * log_x + (1 - t) * log_1_x)
        self.save(x, t)
        return self.reduce(losses if self.weight is None else self.weight * losses)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        x, t = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        dl_dx = (x - t) / np.maximum(x * (1 - x), EPSILON)
        return dL_dl * (dl_dx if self.weight is None else self.weight * dl_dx)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of the logit x and the target t, a probability (torch.nn.BCEWithLogitsLoss).

    With the probability σ(x) of class 1, and 1 − σ(x) = σ(−x),

        l = −w [c t log σ(x) + (1 − t) log σ(−x)]

    Since σ(−x) = e⁻ˣ σ(x), log σ(−x) = log σ(x) − x, and with k = c t + 1 − t

        l = w [(1 − t) x − k log σ(x)],   −log σ(x) = log(1 + e⁻ˣ) = max(−x, 0) + log(1 + e⁻ᴵˣᴵ)

    in which nothing overflows and no logarithm of 0 is taken. And since ∂ log σ(x)/∂x = σ(−x),

        ∂l/∂x = w [(1 − t) − k σ(−x)]              (σ(x) − t, where c = 1 and w = 1)

    Args:
        weight: w, multiplies each loss; any shape that broadcasts to x. The mean still divides by the number of losses.
        size_average, reduce, reduction: see Loss.
        pos_weight: c, multiplies the loss of class 1; any shape that broadcasts to x.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if the shapes of x and t differ, or a weight does not broadcast to them.
        TypeError: if x, t and the weights are not floating point arrays of one dtype.
    """

    weight: np.ndarray | None
    pos_weight: np.ndarray | None

    def __init__(
        self,
        weight: np.ndarray | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        pos_weight: np.ndarray | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", None if weight is None else np.array(weight))
        self.register_buffer("pos_weight", None if pos_weight is None else np.array(pos_weight))

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        self.expect_pair(input, target)
        x, t = input, target
        expect_broadcast("BCEWithLogitsLoss", "weight", self.weight, x)
        expect_broadcast("BCEWithLogitsLoss", "pos_weight", self.pos_weight, x)
        k = 1 if self.pos_weight is None else self.pos_weight * t + 1 - t
        losses = (1 - t) * x + k * softplus(-x)
        self.save(x, t, k)
        return self.reduce(losses if self.weight is None else self.weight * losses)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        x, t, k = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        dl_dx = (1 - t) - k * sigmoid(-x)
        return dL_dl * (dl_dx if self.weight is None else self.weight * dl_dx)


# ---- many classes --------------------------------------------------------------------------------


def class_losses(z: np.ndarray, at_t: Index, w_t: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """l = −w[t] log p[t] for each example, where its class t is in z given by `at_t`; and p = softmax(z)."""
    log_p = log_softmax(z, axis)
    return -w_t * log_p[at_t], np.exp(log_p)


def class_losses_backward(dL_dl: np.ndarray, p: np.ndarray, at_t: Index, w_t: np.ndarray, axis: int) -> np.ndarray:
    """dL_dz = dL_dl w[t] (p − y)."""
    y = np.zeros_like(p)
    y[at_t] = 1
    return np.expand_dims(dL_dl * w_t, axis) * (p - y)  # (N, 1, ...) * (N, C, ...)


def losses_to(q: np.ndarray, z: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """l = −Σ q log p for each example, q any numbers of z's shape; and p = softmax(z)."""
    log_p = log_softmax(z, axis)
    return -(q * log_p).sum(axis), np.exp(log_p)


def losses_to_backward(dL_dl: np.ndarray, p: np.ndarray, q: np.ndarray, axis: int) -> np.ndarray:
    """dL_dz = dL_dl (p Σ q − q)."""
    return np.expand_dims(dL_dl, axis) * (p * q.sum(axis, keepdims=True) - q)  # (N, 1, ...) * (N, C, ...)


# ---- the same, faster ----------------------------------------------------------------------------


@faster_than(class_losses)
def class_losses_fast(z: np.ndarray, at_t: Index, w_t: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """With one power in place of two, in place, and log p of the classes alone: log p[t] = z[t] − max z − log Σₖ exp(z[k] − max z)."""
    p = z - z.max(axis, keepdims=True)
    shifted_t = p[at_t]
    np.exp(p, out=p)
    total = p.sum(axis, keepdims=True)
    p /= total
    return w_t * (np.log(total).reshape(w_t.shape) - shifted_t), p


@faster_than(class_losses_backward)
def class_losses_backward_fast(dL_dl: np.ndarray, p: np.ndarray, at_t: Index, w_t: np.ndarray, axis: int) -> np.ndarray:
    """Without the array y, which is 1 at one class and 0 at all others."""
    dL_dl_w = dL_dl * w_t
    dL_dz = np.expand_dims(dL_dl_w, axis) * p
    dL_dz[at_t] -= dL_dl_w
    return dL_dz


class CrossEntropyLoss(Loss):
    """Cross-entropy of the logits z and the target, a class or a probability for each class (torch.nn.CrossEntropyLoss).

    The softmax p[n, c] = exp(z[n, c]) / Σₖ exp(z[n, k]) is the predicted distribution of example n, y[n, c] the true one:
    1 at the class and 0 elsewhere, unless probabilities are given. The loss is what it costs to encode y with p,

        l[n] = −Σ_c y[n, c] log p[n, c],   log p[n, c] = z[n, c] − log Σₖ exp(z[n, k])

    and since ∂ log p[n, c]/∂z[n, k] = δ_ck − p[n, k] and Σ_c y[n, c] = 1,

        ∂l[n]/∂z[n, k] = p[n, k] − y[n, k]         dL_dz = (p − y) / N for the mean

    Label smoothing replaces y by (1 − ε) y + ε / C (Szegedy et al. 2016, "Rethinking the inception architecture", section 7);
    class weights multiply column c of that by w[c]. What then stands for y, call it q, need not sum to 1, and

        ∂l[n]/∂z[n, k] = p[n, k] Σ_c q[n, c] − q[n, k]

    The mean over classes divides by Σₙ w[target[n]], which is N without weights, and leaves ignored examples out; the mean
    over probabilities divides by the number of examples, whatever the weights.

    `class_losses` and `losses_to` above are these formulas, for classes and for any q, with their backwards.

    Args:
        weight: w, one for each class.
        size_average: see Loss.
        ignore_index: a target that is left out; only with classes.
        reduce, reduction: see Loss.
        label_smoothing: ε, in 0 … 1.

    Shapes: z (N, C), (N, C, d1, ...) or (C,); the target like z without its axis of size C (classes), or like z
    (probabilities); the loss is a number, or like classes for reduction "none".

    Raises:
        ValueError: if shapes do not fit, or an ignore_index ≥ 0 comes with probabilities, or label_smoothing is not in 0 … 1.
        IndexError: if a class is neither in 0 … C − 1 nor ignore_index.
        TypeError: if z, weight and probabilities are not of one floating dtype, or classes are not integers.
    """

    weight: np.ndarray | None

    def __init__(
        self,
        weight: np.ndarray | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyLoss: label_smoothing must lie in 0 … 1, got {label_smoothing}")
        self.register_buffer("weight", None if weight is None else np.array(weight))
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        z, target = input, np.asarray(target)
        axis = class_axis("CrossEntropyLoss", z, self.weight)
        if target.shape == z.shape:
            y, kept, count = self.probabilities(z, target, axis)
        else:
            at_t, kept, w_t = classes("CrossEntropyLoss", z, target, axis, self.ignore_index, self.weight)
            count = w_t.sum()
            if self.label_smoothing == 0:
                with np.errstate(invalid="ignore", divide="ignore"):  # of −∞ alone p is NaN, as in torch, and 0 · ∞ is left out below
                    losses, p = fastest(class_losses)(z, at_t, w_t, axis)
                self.save(True, kept, (p, at_t, w_t, axis))
                return self.reduce(np.where(kept, losses, 0), count)
            y = np.zeros_like(z)
            y[at_t] = 1
        q = (1 - self.label_smoothing) * y + self.label_smoothing / z.shape[axis]
        q = q if self.weight is None else q * along(self.weight, z, axis)
        with np.errstate(invalid="ignore"):  # 0 · ∞
            losses, p = losses_to(q, z, axis)
        self.save(False, kept, (p, q, axis))
        return self.reduce(np.where(kept, losses, 0), count)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        of_classes, kept, saved = self.restore()
        dL_dl = np.where(kept, self.reduce.backward(dL_dy), 0)  # (N, ...): one for each example, none for those left out
        return fastest(class_losses_backward)(dL_dl, *saved) if of_classes else losses_to_backward(dL_dl, *saved)

    def probabilities(self, z: np.ndarray, y: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, int]:
        """y where the target has the shape of z, a probability for each class; which examples are kept, and how many there are: all."""
        expect_array("CrossEntropyLoss", "target, which has the shape of input and so holds probabilities,", y, z.dtype)
        if self.ignore_index >= 0:
            raise ValueError(f"CrossEntropyLoss: ignore_index = {self.ignore_index} has no meaning where target holds probabilities")
        kept = np.full(z.shape[:axis] + z.shape[axis + 1 :], True)
        return y, kept, kept.size


class NLLLoss(Loss):
    """The log-probability of the true class, negated: l[n] = −w[t] x[n, t], t the class of example n (torch.nn.NLLLoss).

        ∂l[n]/∂x[n, c] = −w[t] where c = t, 0 elsewhere

    LogSoftmax and NLLLoss make CrossEntropyLoss. The mean divides by Σₙ w[t], which is N without weights, and leaves ignored
    examples out.

    Args:
        weight: w, one for each class.
        size_average: see Loss.
        ignore_index: a target that is left out.
        reduce, reduction: see Loss.

    Shapes: x (N, C), (N, C, d1, ...) or (C,), log-probabilities; the target like x without its axis of size C; the loss is
    a number, or like the target for reduction "none".

    Raises:
        ValueError: if shapes do not fit.
        IndexError: if a class is neither in 0 … C − 1 nor ignore_index.
        TypeError: if x and weight are not of one floating dtype, or classes are not integers.
    """

    weight: np.ndarray | None

    def __init__(
        self,
        weight: np.ndarray | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", None if weight is None else np.array(weight))
        self.ignore_index = ignore_index

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        x, target = input, np.asarray(target)
        axis = class_axis("NLLLoss", x, self.weight)
        at_t, kept, w_t = classes("NLLLoss", x, target, axis, self.ignore_index, self.weight)
        self.save(x.shape, at_t, w_t, kept)
        with np.errstate(invalid="ignore"):  # 0 · ∞ is left out
            losses = np.where(kept, -w_t * x[at_t], 0)
        return self.reduce(losses, w_t.sum())

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        shape, at_t, w_t, kept = self.restore()
        dL_dx = np.zeros(shape, w_t.dtype)
        dL_dx[at_t] = np.where(kept, -w_t * self.reduce.backward(dL_dy), 0)  # (N, ...): one for each example
        return dL_dx


class KLDivLoss(Loss):
    """Kullback-Leibler divergence of the distribution t from the one whose logarithm is x (torch.nn.KLDivLoss).

        l = t (log t − x), 0 where t = 0           ∂l/∂x = −t
        log_target, where t is a logarithm too:    l = eᵗ (t − x)       ∂l/∂x = −eᵗ

    Args:
        size_average, reduce: see Loss.
        reduction: see Loss; or "batchmean", the sum divided by the size of axis 0: the divergence itself, averaged over
            examples. ("mean" divides by the number of entries.)
        log_target: whether t is a logarithm.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if the shapes differ.
        TypeError: if x and t are not floating point arrays of one dtype.
    """

    reductions = ("mean", "batchmean", "sum", "none")

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        self.expect_pair(input, target)
        x, t = input, target
        p = np.exp(t) if self.log_target else t
        losses = p * (t - x) if self.log_target else xlogy(t, t) - t * x
        self.save(p)
        return self.reduce(losses, len(x) if self.reduction == "batchmean" and x.ndim else None)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        p = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        return -dL_dl * p


# ---- helpers -------------------------------------------------------------------------------------


def along(vector: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """A vector shaped so that it broadcasts along that axis of x."""
    return vector.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


def class_axis(loss: str, x: np.ndarray, weight: np.ndarray | None) -> int:
    """The axis of x that holds the classes, 1 in (N, C, d1, ...) and 0 in (C,); raise unless x and weight fit."""
    expect_array(loss, "input", x)
    if x.ndim == 0:
        raise ValueError(f"{loss}: input must have the shape (N, C), (N, C, d1, ...) or (C,), got a single number")
    axis = 0 if x.ndim == 1 else 1
    if weight is not None:
        expect_array(loss, "weight", weight, x.dtype)
        if weight.shape != (x.shape[axis],):
            raise ValueError(f"{loss}: weight must have one entry for each class, shape {(x.shape[axis],)}, got {weight.shape}")
    return axis


def classes(
    loss: str, x: np.ndarray, target: np.ndarray, axis: int, ignore_index: int | None, weight: np.ndarray | None
) -> tuple[Index, np.ndarray, np.ndarray]:
    """For every example where its true class is in x, whether it is kept, and its weight; one left out is at class 0, of weight 0."""
    expected = x.shape[:axis] + x.shape[axis + 1 :]
    if target.shape != expected:
        raise ValueError(f"{loss}: target must have the shape {expected} of input {x.shape} without its classes, got {target.shape}")
    if np.issubdtype(target.dtype, np.integer) and target.dtype not in (np.int64, np.uint8):
        raise TypeError(f"{loss}: target must hold classes as int64 or uint8, got {target.dtype}")
    kept = np.full(expected, True) if ignore_index is None else np.asarray(target != ignore_index)
    t = np.where(kept, target, 0) if np.issubdtype(target.dtype, np.integer) else target
    expect_indices(loss, "target", t, x.shape[axis], "classes")
    places = np.indices(expected, sparse=True)
    return (*places[:axis], t, *places[axis:]), kept, kept.astype(x.dtype) if weight is None else weight[t].astype(x.dtype) * kept


def expect_probabilities(loss: str, name: str, x: np.ndarray) -> None:
    """Raise ValueError unless all entries lie in 0 … 1 (NaN does not)."""
    inside = (x >= 0) & (x <= 1)
    if not inside.all():
        raise ValueError(f"{loss}: {name} must lie in 0 … 1, got {x[~inside].flat[0]}")


def expect_broadcast(loss: str, name: str, weight: np.ndarray | None, x: np.ndarray) -> None:
    """Raise unless a weight, if there is one, has x's dtype and broadcasts to x's shape."""
    if weight is not None:
        expect_array(loss, name, weight, x.dtype)
        if weight.ndim > x.ndim or any(w not in (1, n) for w, n in zip(weight.shape[::-1], x.shape[::-1], strict=False)):
            raise ValueError(f"{loss}: {name} must broadcast to the shape {x.shape} of input, got {weight.shape}")
