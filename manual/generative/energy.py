"""Energy: a score for every picture, and the sum over all pictures that one cannot have, by hand.

A ball rolls to where its energy is low, and warmth shakes it out again: low places are probable, high ones are not. An *energy-based
model* gives every picture an energy E, any number, and says

    p(v) = exp(−E(v)) / Z          Z = Σ exp(−E(v)) over *all* pictures: the *partition function*

E is easy to design, for nothing has to add up to 1; Z sees to that. And Z is the trouble: with V pixels, each 0 or 1, it has 2ⱽ terms. For
9 pixels these are 512, which we can add up. For the 64 pixels of a digit there are more than 10¹⁹.

The *restricted Boltzmann machine* is the oldest such network. It has V pixels v and H *hidden units* h, each of them 0 or 1, and

    E(v, h) = −Σᵢ aᵢ vᵢ − Σⱼ bⱼ hⱼ − Σᵢⱼ vᵢ Wᵢⱼ hⱼ          W[i, j] above 0: pixel i and unit j like to be on together

No pixel acts on a pixel, no unit on a unit: "restricted". So, given v, the units are independent, and the sum over all their values can
be done on paper; what is left is the *free energy* F(v), with exp(−F(v)) = Σ over h of exp(−E(v, h)):

    z = v W + b                                            (N, V) @ (V, H)
    F(v) = −v · a − Σⱼ log(1 + exp(z[j]))                  1 for "off", exp(z) for "on"
    P(hⱼ = 1 | v) = σ(z[j])                                and in the same way P(vᵢ = 1 | h) = σ((h Wᵀ + a)[i])

Maximum likelihood makes L = −mean of log p(v) small:

    L = mean of F over the data + log Z                    log Z = log-sum-exp of −F over all 2ⱽ pictures

Backward. The slope of log-sum-exp is softmax, which is p itself:

    ∂L/∂θ = mean of ∂F/∂θ over the data − Σ p(v) ∂F(v)/∂θ over all pictures          θ: W, a or b
    ∂F/∂a = −v        ∂F/∂b = −σ(z)        ∂F/∂W = −vᵀ σ(z)

What the data do, less what the model does left to itself: F falls where the data are, and rises where the model "dreams". Both are equal
when it dreams what it has seen.

**Where 2ⱽ is too many** the second part is estimated: a mean over pictures drawn from the model. *Gibbs sampling* draws them: h given v,
then v given h, and so on for ever. *Contrastive divergence*, CD-k, begins at the data and stops after k rounds. That is cheap, but biased:
after few rounds the pictures still resemble the data, and dreams far from the data are never met.

**On paper.** One pixel, one unit, W = log 2, a = b = 0. Four states: E(1, 1) = −log 2, the others 0.

    exp(−F(0)) = 1 + 1 = 2       exp(−F(1)) = 1 + 2 = 3       Z = 5       p(1) = 3/5
    data: v = 1 only             L = −log(3/5) = 0.511
    ∂F/∂W = −v σ(z): for v = 1 −⅔, for v = 0 0                ∂L/∂W = −⅔ − 3/5 · (−⅔) = −4/15 = −0.267

    >>> W, a, b = np.log([[2.0]]), np.zeros(1), np.zeros(1)
    >>> np.exp(-free_energy(every_picture(1), W, a, b)).round(9).tolist()
    [2.0, 3.0]
    >>> float(np.exp(log_partition(W, a, b)).round(9))
    5.0
    >>> model = Boltzmann(1, 1)
    >>> model.W[...], model.a[...], model.b[...] = W, a, b
    >>> round(model.training_step((np.array([[1.0]]), np.zeros((1, 1, 2))), 0), 3)
    0.511
    >>> model.backward()
    >>> model.W.grad.round(3).tolist()
    [[-0.267]]

Sources: Smolensky 1986 (the machine); Hinton 2002, "Training products of experts by minimizing contrastive divergence"; Hinton 2010, "A
practical guide to training restricted Boltzmann machines", sections 2 and 3; MacKay 2003, Information Theory, chapter 43.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import logsumexp, sigmoid, softmax, softplus
from manual.nn.init import normal

# v is (N, V), W (V, H), a (V,) and b (H,), everywhere below.


def every_picture(V: int, dtype: Any = np.float64) -> np.ndarray:
    """All pictures of V pixels, (2ⱽ, V): the binary numbers from 0 on."""
    return (np.arange(2**V)[:, np.newaxis] >> np.arange(V)[::-1] & 1).astype(dtype)


def free_energy(v: np.ndarray, W: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """F(v) = −v · a − Σⱼ log(1 + exp(z[j])), (N,)."""
    z = v @ W + b  # (N, V) @ (V, H) + (H,)
    return -v @ a - softplus(z).sum(axis=1)


def free_energy_backward(dL_dF: np.ndarray, v: np.ndarray, W: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """∂L/∂W, ∂L/∂a and ∂L/∂b; v is data. Shapes: dL_dF (N,)."""
    z = v @ W + b
    dL_dz = -dL_dF[:, np.newaxis] * sigmoid(z)  # (N, H): the slope of softplus is σ
    dL_db = dL_dz.sum(axis=0)
    dL_da = -v.T @ dL_dF  # (V, N) @ (N,)
    dL_dW = v.T @ dL_dz  # (V, N) @ (N, H)
    return dL_dW, dL_da, dL_db


def log_partition(W: np.ndarray, a: np.ndarray, b: np.ndarray) -> Any:
    """log Z, by adding up all 2ⱽ pictures."""
    return logsumexp(-free_energy(every_picture(len(a), W.dtype), W, a, b), axis=0)


def log_partition_backward(dL_dy: Any, W: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """∂L/∂W, ∂L/∂a and ∂L/∂b: every picture counts as much as it is probable."""
    pictures = every_picture(len(a), W.dtype)
    p = softmax(-free_energy(pictures, W, a, b))  # (2ⱽ,)
    return free_energy_backward(-dL_dy * p, pictures, W, a, b)


def gibbs(v: np.ndarray, u: np.ndarray, W: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pictures after k rounds of h given v, then v given h, (N, V).

    Args:
        v: where they begin.
        u: uniform between 0 and 1, (N, k, H + V): a unit, or pixel, is on where its number is below its probability.
    """
    H = len(b)
    for t in range(u.shape[1]):
        h = (u[:, t, :H] < sigmoid(v @ W + b)).astype(W.dtype)  # (N, H)
        v = (u[:, t, H:] < sigmoid(h @ W.T + a)).astype(W.dtype)  # (N, H) @ (H, V)
    return v


class Boltzmann(Concept):
    """A restricted Boltzmann machine, whose gradient is exact or estimated; trained by gradient descent with momentum 0.9.

    Args:
        visible: V, the number of pixels; 2ⱽ pictures are added up.
        hidden: H, the number of hidden units.
        exact: with the exact gradient of log Z; else by contrastive divergence, in as many rounds as the batch has numbers for.
        lr: the step size.
        rng: draws W, from a bell of standard deviation 0.1.
        dtype: of the parameters.

    Shapes: a batch is v (N, V) and u (N, k, H + V), uniform numbers for k rounds; W (V, H), a (V,), b (H,).

    Raises:
        ValueError: if visible is not in 1 to 16, or hidden is below 1.
    """

    def __init__(
        self, visible: int = 9, hidden: int = 8, exact: bool = True, lr: float = 0.3, *, rng: Any = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        if not 1 <= visible <= 16 or hidden < 1:
            raise ValueError(f"Boltzmann: visible must be in 1 to 16 and hidden at least 1, got {visible} and {hidden}")
        self.exact, self.lr = exact, lr
        self.W = Parameter(normal((visible, hidden), 0, 0.1, rng=rng or np.random.default_rng(), dtype=dtype))
        self.a = Parameter(np.zeros(visible, dtype))
        self.b = Parameter(np.zeros(hidden, dtype))

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """W, a and b as plain arrays."""
        return self.W.data, self.a.data, self.b.data

    def forward(self, v: np.ndarray) -> np.ndarray:
        """log p(v), (N,)."""
        return -free_energy(v, *self.parts()) - log_partition(*self.parts())

    def dreams(self, v: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Where the pictures go by themselves; the gradient takes it for given."""
        return gibbs(v, u, *self.parts())

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        """L; or, estimated, the mean of F over the data less that over the dreams, which has the same slope if these are from p."""
        v, u = batch
        dreams = None if self.exact else self.dreams(v, u)
        self.save(v, dreams)
        of_all = log_partition(*self.parts()) if dreams is None else -free_energy(dreams, *self.parts()).mean()
        loss = free_energy(v, *self.parts()).mean() + of_all
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        v, dreams = self.restore()
        dL_dF = np.full(len(v), dL_dloss / len(v), v.dtype)  # a mean over N pictures
        seen = free_energy_backward(dL_dF, v, *self.parts())
        dreamt = log_partition_backward(dL_dloss, *self.parts()) if dreams is None else free_energy_backward(-dL_dF, dreams, *self.parts())
        for p, dL_dseen, dL_ddreamt in zip((self.W, self.a, self.b), seen, dreamt, strict=True):
            p.grad += dL_dseen + dL_ddreamt

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The exact L, and how probable one of these pictures is."""
        log_p = self(batch[0])
        self.log("loss/val", -log_p.mean(), batch_size=len(log_p))
        self.log("seen/val", np.exp(log_p).sum(), batch_size=len(log_p))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)
