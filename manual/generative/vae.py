"""A variational autoencoder: digits from two numbers, and a bound on how probable they are, by hand.

Suppose that behind each image stands a point z on a plane that nobody sees: fat zeros here, slanted sevens there. Whoever knew the way
from the plane to the images could draw new ones. z is called *latent*, which is Latin for hidden. A *variational autoencoder* (VAE) learns
two ways at once; image generators such as Stable Diffusion draw in the latent numbers of one, and then decode them.

    encoder    x → q(z|x)    where z may have been: a normal distribution with the mean μ and the variance var, for each number of z
    decoder    z → p(x|z)    how probable each pixel is to be black

**What is wanted** is maximum likelihood: that the digits that there are be probable, log p(x) large. z comes from the prior p(z),
Normal(0, 1) for each of its numbers, so

    p(x) = ∫ p(x|z) p(z) dz                     add up over the whole plane

Two numbers can be tried out on a fine grid (`log_evidence`), two hundred cannot. But almost everywhere p(x|z) is nearly 0. So the encoder
says where to look. By Bayes' rule p(x) = p(x|z) p(z) / p(z|x), for any z. Take the logarithm, put q(z|x) above and below, and average
over z from q, which changes nothing on the left:

    log p(x) = E[log p(x|z)] − KL(q(z|x) ‖ p(z)) + KL(q(z|x) ‖ p(z|x))

The last term cannot be below 0, and is 0 only where q is the posterior. What stands before it is therefore a bound from below, the
evidence lower bound, *ELBO*. To raise it makes the digits more probable, or the guess better. With a minus it is the loss:

    L = R + beta · K       R = −E[log p(x|z)]          reconstruction: what the decoder pays for x when it is told z
                           K = KL(q(z|x) ‖ p(z))       what the encoder pays for telling z more exactly than the prior does
                           beta = 1                    gives the bound; other numbers are an experiment

**The two pull against each other.** For R each image should have a place of its own, far from all others. K draws every q towards the
prior, so that they overlap: neighbours must look alike, and no place of the plane is empty.

    K = ½ Σ (μ² + var − 1 − log var)       the encoder's outputs are μ and log var, which may be any number

**Backward.** The average over z is taken from one draw, z = μ + sd · ε with ε from Normal(0, 1) (reparameterisation) and
sd = √var = e^(½ log var):

    ∂L/∂μ       = ∂L/∂z + beta · μ
    ∂L/∂log var = ∂L/∂z · ε · ½ sd + beta · ½ (var − 1)

Each pixel is a logistic regression, so that ∂R/∂logit = σ(logit) − x.

**On paper.** One number x, one latent z, p(x|z) = Normal(z, 1). Then x is z plus noise, and p(x) = Normal(0, variance 2): at x = 2
log p(x) = −½ log(2π · 2) − 2²/4 = −2.266. The posterior is Normal(1, variance ½). With the prior as q, and with the posterior:

    μ = 0, var = 1      R = ½ log 2π + ½ ((2 − 0)² + 1) = 3.419      K = 0                          −R − K = −3.419, far below
    μ = 1, var = ½      R = ½ log 2π + ½ ((2 − 1)² + ½) = 1.669      K = ½ (1 + ½ − 1 + log 2) = 0.597    −2.266: no gap

    >>> mean, log_var = np.array([[1.0]]), np.log([[0.5]])
    >>> K = float(kl(mean, log_var))
    >>> R = 0.5 * math.log(2 * math.pi) + 0.5 * ((2 - 1) ** 2 + 0.5)
    >>> round(K, 3), round(-R - K, 3), round(-0.5 * math.log(2 * math.pi * 2) - 2**2 / 4, 3)
    (0.597, -2.266, -2.266)
    >>> [g.tolist() for g in kl_backward(1.0, mean, log_var)]
    [[[1.0]], [[-0.25]]]

Sources: Kingma and Welling 2014, "Auto-encoding variational Bayes", sections 2.2, 2.3 and appendix B (K); Higgins et al. 2017 (beta).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import logsumexp
from manual.noise import Noise


def kl(mean: np.ndarray, log_var: np.ndarray) -> Any:
    """K: the divergence of Normal(mean, var) from Normal(0, 1), summed over D, averaged over N. Shapes: (N, D) both."""
    return (mean**2 + np.exp(log_var) - 1 - log_var).sum() / (2 * len(mean))


def kl_backward(dL_dK: Any, mean: np.ndarray, log_var: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """∂K/∂mean and ∂K/∂log_var, (N, D) both: 0 where q is the prior."""
    return dL_dK * mean / len(mean), dL_dK * (np.exp(log_var) - 1) / (2 * len(mean))


def drawn(mean: np.ndarray, log_var: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
    """z = μ + sd ε. Shapes: (N, D) all."""
    return mean + np.exp(log_var / 2) * epsilon


def drawn_backward(dL_dz: np.ndarray, mean: np.ndarray, log_var: np.ndarray, epsilon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂mean and ∂L/∂log_var; the noise depends on nothing."""
    return dL_dz, dL_dz * epsilon * np.exp(log_var / 2) / 2


class VAE(Concept):
    """64 pixels → hidden → μ and log var of q; z → hidden → 64 logits. Adam, whose step size falls as half a cosine.

    Args:
        hidden: units of the hidden layer of either way.
        latent: D, the numbers of z.
        beta: the weight of K.
        lr: Adam's step size at the start.
        epochs: the length of the schedule.
        rng: draws the initial weights and the noise.
        dtype: of the weights.

    Shapes: x (N, 64), 0 or 1; a batch has the digits (N,) too, which are not looked at.

    Raises:
        ValueError: if hidden, latent or epochs is below 1, or beta below 0.
    """

    def __init__(
        self,
        hidden: int = 64,
        latent: int = 2,
        beta: float = 1.0,
        lr: float = 0.01,
        epochs: int = 60,
        *,
        rng: Any = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(hidden, latent, epochs) < 1 or not beta >= 0:
            raise ValueError(
                f"VAE: hidden, latent and epochs must be at least 1 and beta not below 0, got {hidden}, {latent}, {epochs} and {beta}"
            )
        rng = rng or np.random.default_rng()
        made = {"rng": rng, "dtype": dtype}
        self.latent, self.beta, self.lr, self.epochs = latent, beta, lr, epochs
        self.encoder = nn.Sequential(nn.Linear(64, hidden, **made), nn.Tanh(), nn.Linear(hidden, 2 * latent, **made))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden, **made), nn.Tanh(), nn.Linear(hidden, 64, **made))
        self.noise = Noise(**made)
        self.bce = nn.BCEWithLogitsLoss(reduction="sum")

    def encode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """μ and log var of q(z|x), (N, D) both."""
        h = self.encoder(x)
        return h[:, : self.latent], h[:, self.latent :]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The logits of x as it is decoded from μ, (N, 64)."""
        return self.decoder(self.encode(x)[0])

    def terms(self, x: np.ndarray) -> tuple[Any, Any]:
        """R, from one draw for each image, and K: means over the images, in nats."""
        mean, log_var = self.encode(x)
        epsilon = self.noise(mean.shape)
        z = drawn(mean, log_var, epsilon)
        logits = self.decoder(z)
        self.save(mean, log_var, epsilon)
        return self.bce(logits, x) / len(x), kl(mean, log_var)

    def terms_backward(self, dL_dR: Any, dL_dK: Any) -> None:
        mean, log_var, epsilon = self.restore()
        dL_dlogits = self.bce.backward(dL_dR / len(mean))
        dL_dz = self.decoder.backward(dL_dlogits)
        by_R, by_K = drawn_backward(dL_dz, mean, log_var, epsilon), kl_backward(dL_dK, mean, log_var)
        dL_dmean, dL_dlog_var = (r + k for r, k in zip(by_R, by_K, strict=True))  # both depend on what the encoder said
        self.encoder.backward(np.hstack([dL_dmean, dL_dlog_var]))

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        R, K = self.terms(batch[0])
        loss = R + self.beta * K
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        self.terms_backward(dL_dloss, dL_dloss * self.beta)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Minus the ELBO, whatever beta is, and its two terms."""
        x = batch[0]
        R, K = self.terms(x)
        self.log("loss/val", R + K, batch_size=len(x))
        self.log("reconstruction/val", R, batch_size=len(x))
        self.log("kl/val", K, batch_size=len(x))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


def log_evidence(log_p: np.ndarray, z: np.ndarray, area: float) -> np.ndarray:
    """log p(x) itself, (N,): p(x|z) p(z) · area, added up over a grid of points.

    Args:
        log_p: log p(x|z) of each x at each point, (N, G).
        z: the points, (G, D).
        area: of a cell of the grid.
    """
    log_prior = -(z**2).sum(axis=1) / 2 - z.shape[1] / 2 * math.log(2 * math.pi)  # (G,)
    return logsumexp(log_p + log_prior, axis=1) + math.log(area)


# ---- further reading: where all is linear, the bound is reached, and it is PCA ---------------------------
#
# x = V z + noise, with z from Normal(0, 1) and the noise from Normal(0, variance n): probabilistic PCA (Tipping and Bishop 1999). Its
# posterior is normal, so that q can be it, and the gap closes. R needs no draws, for with z = μ + sd ε
#
#     E‖x − V z‖² = ‖x − V μ‖² + Σₖ var[k] ‖V[:, k]‖²
#
# A q whose numbers are independent, as here, is only then the posterior when the columns of V are at right angles. So the VAE finds not
# only the plane of PCA but its axes (Lucas et al. 2019, "Don't blame the ELBO!").


class LinearVAE(Concept):
    """μ = U x and x̂ = V z without bends, and variances that all x share; x has mean 0.

    Args:
        features: M, of x.
        latent: D.
        lr: Adam's step size at the start.
        epochs: the length of the schedule.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: x (N, M), log_var (D,), log_noise ().
    """

    def __init__(
        self, features: int = 4, latent: int = 2, lr: float = 0.1, epochs: int = 400, *, rng: Any = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        self.lr, self.epochs = lr, epochs
        self.encoder = nn.Linear(features, latent, bias=False, rng=rng, dtype=dtype)
        self.decoder = nn.Linear(latent, features, bias=False, rng=rng, dtype=dtype)
        self.log_var = Parameter(np.zeros(latent, dtype))
        self.log_noise = Parameter(np.zeros((), dtype))

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        N, M = x.shape
        mean = self.encoder(x)
        off = self.decoder(mean) - x
        squared = (off**2).sum() / N + (np.exp(self.log_var) * (self.decoder.weight**2).sum(axis=0)).sum()
        R = (M * math.log(2 * math.pi) + M * self.log_noise + squared * np.exp(-self.log_noise)) / 2
        loss = R + kl(mean, np.broadcast_to(self.log_var, mean.shape))
        self.save(mean, off, squared)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        mean, off, squared = self.restore()
        N, M = off.shape
        V, var, noise = self.decoder.weight, np.exp(self.log_var), np.exp(self.log_noise)
        by_K = kl_backward(dL_dloss, mean, np.broadcast_to(self.log_var, mean.shape))
        self.log_noise.grad += dL_dloss * (M - squared / noise) / 2
        self.log_var.grad += by_K[1].sum(axis=0) + dL_dloss * var * (V**2).sum(axis=0) / (2 * noise)  # shared by N rows
        V.grad += dL_dloss * var * V / noise  # (D,) · (M, D): the second term of E‖x − V z‖²
        dL_dmean = self.decoder.backward(dL_dloss * off / (N * noise)) + by_K[0]
        self.encoder.backward(dL_dmean)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


def log_likelihood_of_pca(x: np.ndarray, latent: int) -> float:
    """The largest mean log p(x) of probabilistic PCA, from the eigenvalues of the covariance (Tipping and Bishop, section 3.2).

    Shapes: x (N, M), of mean 0.
    """
    eigenvalues = np.linalg.eigvalsh(x.T @ x / len(x))[::-1]  # (M, N) @ (N, M), the largest first
    M, noise = len(eigenvalues), eigenvalues[latent:].mean()
    return float(-(M * math.log(2 * math.pi) + np.log(eigenvalues[:latent]).sum() + (M - latent) * math.log(noise) + M) / 2)
