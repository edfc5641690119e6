"""A normalising flow: a cloud of noise, bent until it has the shape of the data, by hand.

How probable is a point? A flow answers exactly. It is a network that can be walked both ways. Forward it turns data into noise from
Normal(0, 1); backward it turns noise into new data. Physicists count with flows, speech was made with them, and diffusion models are their
heirs.

**What bending does to a density.** Think of points drawn on a rubber sheet. Where the sheet is stretched to twice its area, they lie half
as densely. Let z = f(x) be where x goes, and det the factor by which f makes a small area around x larger. Then

    p(x) = N(z) · det                          N: the density of Normal(0, 1) for each number of z
    log p(x) = −½ ‖z‖² − D/2 · log 2π + log det

Whatever f is, the sum of p over the whole plane is 1: no more of the sheet has come, and none is lost.

**A coupling** is a step that is easily undone, and whose det is easily known. It keeps one number, a. The other, b, it stretches and
shifts, by as much as a network says that looks at a alone:

    s, t = net(a)
    b′ = b · e^s + t               stretched by e^s, so log det = s
    b = (b′ − t) · e^−s            the way back: a is still there, so s and t are known

The network may be anything; it is never turned round. One coupling moves points along one axis only. So the next one keeps the other
number, and eight of them, one after the other, bend a plane any way. Stretchings multiply, so that log det is the sum of all s.

**The loss** is minus the mean log p(x): maximum likelihood. Its two terms pull against each other: ½ ‖z‖² wants all data squeezed into
the middle, log det wants room for each.

    L = mean of ½ ‖z‖² + D/2 · log 2π − Σ s

**Backward**, through one coupling, from ∂L/∂a′ (a′ is a), ∂L/∂b′ and ∂L/∂log det:

    ∂L/∂s = ∂L/∂b′ · b · e^s + ∂L/∂log det         s has a part in both
    ∂L/∂t = ∂L/∂b′
    ∂L/∂b = ∂L/∂b′ · e^s
    ∂L/∂a = ∂L/∂a′ + what comes back through the network

**On paper.** A coupling whose network says s = log 2 and t = 1 for every a, and x = (a, b) = (1, −1):

    b′ = −1 · 2 + 1 = −1           z = (1, −1), log det = log 2 = 0.693
    log p(x) = −½ (1 + 1) − log 2π + log 2 = −1 − 1.838 + 0.693 = −2.145
    back: b = (−1 − 1) / 2 = −1
    ∂L/∂b′ = −1, from ½ b′², so ∂L/∂b = −1 · 2 = −2, ∂L/∂t = −1 and ∂L/∂s = −1 · (−1) · 2 − 1 = 1: to shrink s would pay

    >>> coupling = Coupling(keep=0, hidden=3)
    >>> coupling.net[4].weight[...], coupling.net[4].bias[...] = 0.0, [math.log(2), 1.0]
    >>> z, log_det = coupling(np.array([[1.0, -1.0]]))
    >>> z.round(9).tolist(), round(float(log_normal(z)[0] + log_det[0]), 3), coupling.inverse(z).round(9).tolist()
    ([[1.0, -1.0]], -2.145, [[1.0, -1.0]])
    >>> dL_dx = coupling.backward((z, -np.ones(1)))
    >>> dL_dx.round(9).tolist(), coupling.net[4].bias.grad.round(9).tolist()
    ([[1.0, -2.0]], [1.0, -1.0])

Sources: Dinh, Sohl-Dickstein and Bengio 2017, "Density estimation using Real NVP", sections 3.2 to 3.4; Rezende and Mohamed 2015.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module, no_grad


def log_normal(z: np.ndarray) -> np.ndarray:
    """The log-density of Normal(0, 1) for each of D numbers. Shapes: z (N, D), the result (N,)."""
    return -(z**2).sum(axis=1) / 2 - z.shape[1] / 2 * math.log(2 * math.pi)


class Coupling(Module):
    """One number is kept, the other stretched and shifted by what a network makes of the first.

    Args:
        keep: which is kept, 0 or 1.
        hidden: units in either hidden layer of the network.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: x and y (N, 2), log_det (N,).
    """

    def __init__(self, keep: int, hidden: int, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        made = {"rng": rng or np.random.default_rng(), "dtype": dtype}
        self.kept, self.moved = [keep], [1 - keep]  # lists, so that x[:, kept] is (N, 1)
        self.net = nn.Sequential(
            *(nn.Linear(1, hidden, **made), nn.Tanh(), nn.Linear(hidden, hidden, **made), nn.Tanh(), nn.Linear(hidden, 2, **made))
        )

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b = x[:, self.kept], x[:, self.moved]
        st = self.net(a)
        s, t = st[:, :1], st[:, 1:]
        self.save(b, s)
        y = x.copy()
        y[:, self.moved] = b * np.exp(s) + t
        return y, s[:, 0]

    def backward(self, dL_dout: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        dL_dy, dL_dlog_det = dL_dout
        b, s = self.restore()
        dL_db = dL_dy[:, self.moved] * np.exp(s)
        dL_dt = dL_dy[:, self.moved]
        dL_ds = dL_db * b + dL_dlog_det[:, None]  # (N, 1)
        dL_da = self.net.backward(np.hstack([dL_ds, dL_dt]))
        dL_dx = dL_dy.copy()
        dL_dx[:, self.kept] += dL_da
        dL_dx[:, self.moved] = dL_db
        return dL_dx

    def inverse(self, y: np.ndarray) -> np.ndarray:
        """The x that has become y."""
        with no_grad():
            st = self.net(y[:, self.kept])
        x = y.copy()
        x[:, self.moved] = (y[:, self.moved] - st[:, 1:]) * np.exp(-st[:, :1])
        return x


class Flow(Concept):
    """Couplings, one after the other, that keep the first number and the second in turn. Adam, whose step size falls as half a cosine.

    Args:
        couplings: how many.
        hidden: units in either hidden layer of each network.
        lr: Adam's step size at the start.
        epochs: the length of the schedule.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: x (N, 2).

    Raises:
        ValueError: if couplings, hidden or epochs is below 1.
    """

    def __init__(
        self, couplings: int = 8, hidden: int = 32, lr: float = 0.005, epochs: int = 150, *, rng: Any = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        if min(couplings, hidden, epochs) < 1:
            raise ValueError(f"Flow: couplings, hidden and epochs must be at least 1, got {couplings}, {hidden} and {epochs}")
        rng = rng or np.random.default_rng()
        self.lr, self.epochs = lr, epochs
        self.couplings = nn.ModuleList([Coupling(k % 2, hidden, rng=rng, dtype=dtype) for k in range(couplings)])

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z, (N, 2), and log det, (N,)."""
        log_det = np.zeros(len(x), x.dtype)
        for coupling in self.couplings:
            x, s = coupling(x)
            log_det = log_det + s
        return x, log_det

    def walk_back(self, dL_dz: np.ndarray, dL_dlog_det: np.ndarray) -> None:
        """The last coupling first; log det is a sum, so each gets the same ∂L/∂log det."""
        for coupling in reversed(self.couplings):
            dL_dz = coupling.backward((dL_dz, dL_dlog_det))

    def inverse(self, z: np.ndarray) -> np.ndarray:
        """Data from noise: the last coupling is undone first."""
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)
        return z

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """log p(x), (N,)."""
        z, log_det = self(x)
        return log_normal(z) + log_det

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        z, log_det = self(batch[0])
        self.save(z)
        loss = -(log_normal(z) + log_det).mean()
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        z = self.restore()
        dL_dlog_p = np.full(len(z), -dL_dloss / len(z), z.dtype)  # the loss is minus a mean
        self.walk_back(-z * dL_dlog_p[:, None], dL_dlog_p)  # −½ z² has the slope −z

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", -self.log_prob(x).mean(), batch_size=len(x))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
