"""Batch, layer and RMS norm: why a layer that is normalised does not mind how large its weights are, by hand.

How large weights begin decides whether a deep network learns. *Normalisation* makes that nearly all one: behind each layer its outputs z
are brought to one size, whatever the weights did. A run trains six layers to read digits, with the norm that you choose, or with none:
`--model.norm layer`. z is a table: a row for each example of the batch, a column for each unit.

    batch norm   each column: less its mean, over its standard deviation        a unit, over the examples
    layer norm   each row: less its mean, over its standard deviation           an example, over its units
    RMS norm     each row, over the root of the mean of its squares             the same without the mean

Then each unit's number is multiplied by a learned number, at first 1, and another is added, at first 0 (not by RMS norm), so that nothing
is lost that a layer could do. To the variance, the squared standard deviation, a small `eps` is added, lest it be 0. A bias before the norm
would be subtracted again, so there is none.

**The way back.** With g = ∂L/∂z_hat, for one column, or row, of n numbers:

    z_hat = (z − mean(z)) / std(z)
    ∂L/∂z = (g − mean(g) − z_hat · mean(g z_hat)) / std(z)

Adding a number to all of z does not change z_hat. So the gradient must not ask for that: its sum is 0, and the term mean(g) sees to it. Nor
does stretching z, so the gradient has no part along z_hat: the last term. (RMS norm has only that one.)

**What follows for the weights.** z = h Wᵀ, so weights that are c times as long make z c times as long, and z_hat stays as it is. The loss
does not change along that direction; a gradient has no part along a direction in which nothing changes, and a network with longer weights
needs longer steps for the same effect:

    w · ∂L/∂w = 0                    at right angles. Batch norm: for each unit. Layer and RMS norm: for the whole matrix
    ∂L/∂w at c w = 1/c · ∂L/∂w       three times the weights, a third of the gradient
    ‖w − lr g‖² = ‖w‖² + lr² ‖g‖²    (Pythagoras) each step of gradient descent makes them longer, never shorter

So steps that are too long tame themselves: the weights grow, and with them shrinks what the next step changes.

**On paper.** A column z = (1, 1, 5, 5) has the mean 3 and the standard deviation 2, so z_hat = (−1, −1, 1, 1). Let g = (4, 0, 0, 0). Then
mean(g) = 1 and mean(g z_hat) = −1:

    ∂L/∂z = ((4, 0, 0, 0) − 1 + z_hat) / 2 = (2, −2, 0, 0) / 2 = (1, −1, 0, 0)

Its sum is 0, and its dot product with z is 1 − 1 + 0 + 0 = 0. Ten times z has the same z_hat, and a tenth of the gradient.

    >>> z, g = np.array([[1.0], [1.0], [5.0], [5.0]]), np.array([[4.0], [0.0], [0.0], [0.0]])
    >>> batch_norm(z).ravel().tolist()
    [-1.0, -1.0, 1.0, 1.0]
    >>> batch_norm_backward(g, z).ravel().tolist()
    [1.0, -1.0, 0.0, 0.0]
    >>> batch_norm_backward(g, 10 * z).ravel().tolist()
    [0.1, -0.1, 0.0, 0.0]

**Training and evaluation disagree on purpose.** With batch norm, what a digit gets depends on the others in its batch. In training that
is noise, and does no harm. But an answer should not depend on who else asks. So batch norm keeps running means of the means and variances
that it sees in training, and in eval mode (`model.eval()`) it uses these. The same digit then gets other scores than in training. Who
forgets `model.eval()` lets the batch decide. Layer and RMS norm look at one example at a time, and know no difference.

Sources: Ioffe and Szegedy 2015, "Batch normalization"; Ba, Kiros and Hinton 2016, "Layer normalization"; Zhang and Sennrich 2019, "Root
mean square layer normalization"; van Laarhoven 2017, "L2 regularization versus batch and weight normalization", section 2 (the weights).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.nn.validate import expect_choice


def batch_norm(z: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """Each column of z less its mean, over its standard deviation. Shapes: both (N, D)."""
    return (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + eps)  # (N, D), less and over (D,)


def batch_norm_backward(dL_dz_hat: np.ndarray, z: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """∂L/∂z = (g − mean(g) − z_hat · mean(g z_hat)) / std. Shapes: all (N, D); the means and std (D,), one for each column."""
    z_hat, std = batch_norm(z, eps), np.sqrt(z.var(axis=0) + eps)
    along_1 = dL_dz_hat.mean(axis=0)  # to add a number to all of z does nothing
    along_z_hat = z_hat * (dL_dz_hat * z_hat).mean(axis=0)  # to stretch z does nothing, but for eps
    return (dL_dz_hat - along_1 - along_z_hat) / std


def layer_norm(z: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """The same by rows: rows are the columns of the transposed table. Shapes: both (N, D)."""
    return batch_norm(z.T, eps).T


def layer_norm_backward(dL_dz_hat: np.ndarray, z: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """Likewise: transposed, back, and transposed again. Shapes: all (N, D)."""
    return batch_norm_backward(dL_dz_hat.T, z.T, eps).T


def rms_norm(z: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """Each row of z over the root of the mean of its squares. Shapes: both (N, D)."""
    return z / np.sqrt((z**2).mean(axis=1, keepdims=True) + eps)  # (N, D) over (N, 1)


def rms_norm_backward(dL_dz_hat: np.ndarray, z: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """∂L/∂z = (g − z_hat · mean(g z_hat)) / rms. Shapes: all (N, D); the mean and rms (N, 1), one for each row."""
    z_hat, rms = rms_norm(z, eps), np.sqrt((z**2).mean(axis=1, keepdims=True) + eps)
    along_z_hat = z_hat * (dL_dz_hat * z_hat).mean(axis=1, keepdims=True)
    return (dL_dz_hat - along_z_hat) / rms


NORMS: dict[str, Any] = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "rms": nn.RMSNorm}


class NormalizedMLP(Concept):
    """64 → width → ... → width → 10, a norm and a ReLU behind each hidden layer; softmax cross-entropy and plain gradient descent.

    Args:
        norm: one of NORMS.
        depth: how many hidden layers.
        width: units of each.
        scale: how many times as large as nn.Linear's the weights of the hidden layers begin.
        lr: the step size.
        rng: draws the weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if there is no such norm, no layer, or the scale is not above 0.
    """

    def __init__(
        self,
        norm: str = "batch",
        depth: int = 6,
        width: int = 32,
        scale: float = 1.0,
        lr: float = 0.05,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("NormalizedMLP", "norm", norm, tuple(NORMS))
        if min(depth, width) < 1 or not scale > 0:
            raise ValueError(f"NormalizedMLP: depth and width must be at least 1 and scale above 0, got {depth}, {width} and {scale}")
        rng = rng or np.random.default_rng()
        self.lr = lr
        self.layers = nn.ModuleList(nn.Linear(width if k else 64, width, bias=False, rng=rng, dtype=dtype) for k in range(depth))
        self.norms = nn.ModuleList(nn.Identity() if norm == "none" else NORMS[norm](width, dtype=dtype) for _ in range(depth))
        self.relu = nn.ReLU()
        self.last = nn.Linear(width, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()
        for weight in self.layers.parameters():
            weight *= scale

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        h = x
        for layer, norm in zip(self.layers, self.norms, strict=True):
            z = layer(h)
            z_hat = norm(z)
            h = self.relu(z_hat)
        return self.last(h)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        scores = self(x)
        loss = self.loss(scores, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dscores = self.loss.backward(dL_dloss)
        dL_dh = self.last.backward(dL_dscores)
        for layer, norm in zip(reversed(list(self.layers)), reversed(list(self.norms)), strict=True):
            dL_dz_hat = self.relu.backward(dL_dh)
            dL_dz = norm.backward(dL_dz_hat)
            dL_dh = layer.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        scores = self(x)
        self.log("loss/val", self.loss(scores, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(scores.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
