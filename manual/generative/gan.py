"""GAN: two networks that learn by playing against each other, by hand.

A forger paints; an expert tells forgeries from originals; each learns from the other, until the expert can only guess. A *GAN*, a
generative adversarial network, is that with two networks. The *generator* g makes points y of noise z. The *discriminator* d gives any
point a score s, the logit of "this one is real". The first faces of people who do not exist were made so. Here g has to make points like
those of a ring of eight heaps, and nobody tells it where they are.

    L_d = mean of −log σ(s) over real points + mean of −log σ(−s) over made ones       d: say "real" to those, "made" to these
    L_g = mean of −log σ(s) over made points                                           g: get "real" said to yours

Both are the cross-entropy of logistic regression; −log σ(s) = log(1 + e⁻ˢ), and log(1 + eˢ) is called softplus(s). There are two losses,
so there are two optimizers, each for the weights of one network, and a batch brings two steps: first d's, then g's.

**Backward.** The slope of softplus(s) is σ(s):

    ∂L_d/∂s = −σ(−s)/N for real points, σ(s)/N for made ones       the way ends at the made points: d takes them as they are
    ∂L_g/∂s = −σ(−s)/N                                             the way goes *through* d to the points, and on through g

So g learns in what direction its points would look more real to d. On that way d's weights get gradients too, of a loss that is not
d's: nobody steps with them, and zero_grad forgets them before d's next step.

**What d can know at best.** Around some place real points come with density p and made ones with density q. There d pays
−p log D − q log(1 − D), where D = σ(s). That is lowest where its slope −p/D + q/(1 − D) is 0:

    D* = p / (p + q)            the part of the points there that is real

If g is perfect, q = p, then D* is ½ everywhere: d guesses. Then L_d is 2 log 2 = 1.386, L_g is log 2 = 0.693, and neither player gets
anywhere by moving alone: an *equilibrium*. A loss near 0 is no good sign here; it means that one of the two has lost.

**What g does if d stands still.** L_g is lowest if all z are sent to one place, that of the highest score: to one heap of eight, or a
piece of it. That is *mode collapse*. When d has learned to call that heap made, all move to another one. So g must not run ahead.

**On paper.** One real point with the score s = 0 and a made one with s = log 3 = 1.099: σ(0) = ½, σ(log 3) = ¾. Then L_d = log 2 + log 4
= log 8 = 2.079. ∂L_d/∂s is −½ for the real point, which should score higher, and ¾ for the made one, which should score lower. g pays
−log ¾ = 0.288, and ∂L_g/∂s = −¼: higher still, says g. If three of four points at a place are real, D* = 3 / (3 + 1) = ¾.

    >>> real, made = np.zeros((1, 1)), np.full((1, 1), np.log(3))
    >>> float(discriminator_loss(real, made).round(3)), float(generator_loss(made).round(3))
    (2.079, 0.288)
    >>> [float(dL_ds.round(3)[0, 0]) for dL_ds in discriminator_loss_backward(1.0, real, made)]
    [-0.5, 0.75]
    >>> float(generator_loss_backward(1.0, made).round(3)[0, 0])
    -0.25
    >>> float(best_probability(3.0, 1.0))
    0.75

Sources: Goodfellow et al. 2014, "Generative adversarial nets", section 3 (L_g), proposition 1 (D*); Radford et al. 2016, "Unsupervised
representation learning with deep convolutional GANs", section 4 (β₁ = ½); Metz et al. 2017, "Unrolled GANs", section 3.3.1 (the ring).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import no_grad
from manual.nn.functional import sigmoid, softplus
from manual.noise import Noise


def discriminator_loss(real: np.ndarray, made: np.ndarray) -> Any:
    """L_d of the scores of real points and of made ones. Shapes: (N, 1) and (M, 1)."""
    return softplus(-real).mean() + softplus(made).mean()


def discriminator_loss_backward(dL_dy: Any, real: np.ndarray, made: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """∂L_d/∂s of real points, to be raised, and of made ones, to be lowered."""
    return -dL_dy * sigmoid(-real) / real.size, dL_dy * sigmoid(made) / made.size


def generator_loss(made: np.ndarray) -> Any:
    """L_g of the scores of made points, (M, 1)."""
    return softplus(-made).mean()


def generator_loss_backward(dL_dy: Any, made: np.ndarray) -> np.ndarray:
    """∂L_g/∂s: the slope is steepest for what d is sure is made."""
    return -dL_dy * sigmoid(-made) / made.size


def network(inputs: int, hidden: int, outputs: int, rng: np.random.Generator, dtype: Any) -> nn.Sequential:
    """Two hidden layers. LeakyReLU has a slope below 0 too, 0.2: no unit of d goes dead, of which g would learn nothing."""
    made: dict[str, Any] = {"rng": rng, "dtype": dtype}
    first, second, last = nn.Linear(inputs, hidden, **made), nn.Linear(hidden, hidden, **made), nn.Linear(hidden, outputs, **made)
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), last)


class GAN(Concept):
    """A generator and a discriminator of points in the plane, and the game between them.

    Args:
        hidden: units in each hidden layer of both.
        noise: how many random numbers a point is made of.
        d_steps: steps of d in each batch.
        g_steps: steps of g after them.
        lr: the step size of both Adams (β₁ = ½: the opponent has moved on, and old gradients point the wrong way).
        rng: draws the weights, as torch's Linear does, and the noise.
        dtype: of the weights.

    Shapes: x and y (N, 2), z (N, noise), a score (N, 1).

    Raises:
        ValueError: if hidden, noise, d_steps or g_steps is below 1.
    """

    automatic_optimization = False

    def __init__(
        self,
        hidden: int = 64,
        noise: int = 2,
        d_steps: int = 1,
        g_steps: int = 1,
        lr: float = 2e-3,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(hidden, noise, d_steps, g_steps) < 1:
            raise ValueError(f"GAN: hidden, noise, d_steps and g_steps must be at least 1, got {hidden}, {noise}, {d_steps} and {g_steps}")
        rng = rng or np.random.default_rng()
        self.noise, self.d_steps, self.g_steps, self.lr = noise, d_steps, g_steps, lr
        self.z = Noise(rng=rng, dtype=dtype)
        self.g = network(noise, hidden, 2, rng, dtype)
        self.d = network(2, hidden, 1, rng, dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The scores of these points."""
        return self.d(x)

    def made(self, n: int) -> np.ndarray:
        """So many points of fresh noise, (n, 2)."""
        return self.g(self.z((n, self.noise)))

    def d_loss(self, batch: Batch) -> float:
        """What d pays for these real points and as many made ones."""
        (x,) = batch
        with no_grad():  # in torch .detach(): there is no way back into g
            y = self.made(len(x))
        real, made = self.d(x), self.d(y)
        self.save(real, made)
        return float(discriminator_loss(real, made))

    def d_loss_backward(self, dL_dloss: float = 1.0) -> None:
        real, made = self.restore()
        dL_dreal, dL_dmade = discriminator_loss_backward(dL_dloss, real, made)
        self.d.backward(dL_dmade)  # what it was asked last goes back first
        self.d.backward(dL_dreal)

    def g_loss(self, batch: Batch) -> float:
        """What g pays for as many points as there are real ones, at which it does not look."""
        (x,) = batch
        made = self.d(self.made(len(x)))
        self.save(made)
        return float(generator_loss(made))

    def g_loss_backward(self, dL_dloss: float = 1.0) -> None:
        made = self.restore()
        dL_dmade = generator_loss_backward(dL_dloss, made)
        dL_dy = self.d.backward(dL_dmade)  # (N, 1) to (N, 2): through d, to the points
        self.g.backward(dL_dy)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        d_optimizer, g_optimizer = self.optimizers()
        for _ in range(self.d_steps):
            d_loss = self.d_loss(batch)
            d_optimizer.zero_grad()  # also of what g's step has left here
            self.manual_backward(d_loss, self.d_loss_backward)
            d_optimizer.step()
        for _ in range(self.g_steps):
            g_loss = self.g_loss(batch)
            g_optimizer.zero_grad()
            self.manual_backward(g_loss, self.g_loss_backward)
            g_optimizer.step()
        self.log("loss/train", d_loss)
        self.log("loss_g/train", g_loss)
        return d_loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Both losses, and how probable d thinks it that held-out points are real, and that made ones are."""
        (x,) = batch
        real, made = self.d(x), self.d(self.made(len(x)))
        self.log("loss/val", discriminator_loss(real, made), batch_size=len(x))
        self.log("loss_g/val", generator_loss(made), batch_size=len(x))
        self.log("real_is_real/val", sigmoid(real).mean(), batch_size=len(x))
        self.log("made_is_real/val", sigmoid(made).mean(), batch_size=len(x))

    def configure_optimizers(self) -> list[optim.Adam]:
        return [optim.Adam(network.parameters(), lr=self.lr, betas=(0.5, 0.999)) for network in (self.d, self.g)]


def best_probability(p: Any, q: Any) -> Any:
    """D* where real points have density p and made ones q, of equal shapes and not both 0."""
    return p / (p + q)


# ---- further reading: the smallest GAN ---------------------------------------------------------------


def smallest(theta: float, psi: float, lr: float, steps: int, in_turn: bool = True, price: float = 0.0) -> np.ndarray:
    """The walk of the smallest GAN (Dirac-GAN): real points are all 0, g makes one number θ, and d's score is s = ψ x.

    Its only equilibrium is θ = ψ = 0. Gradient descent:

        ψ ← ψ − lr σ(ψθ) θ          θ ← θ + lr σ(−ψθ) ψ          near 0 both σ are ½; a = lr/2

    If both step at once, (θ + aψ)² + (ψ − aθ)² = (1 + a²)(θ² + ψ²): whatever lr is, each step takes them √(1 + lr²/4) times as far
    away, in a spiral. If g sees d's step, as in a GAN of two networks, θ² + ψ² − aθψ stays what it was: they go round in circles. No lr
    makes them arrive. What helps is a price for steep scores, γ/2 · ψ² beside L_d, a *gradient penalty*: then they spiral inwards, by a
    factor √(1 − lr γ) a step. (Mescheder, Geiger and Nowozin 2018, "Which training methods for GANs do actually converge?", sections
    2 and 4.1.)

    Args:
        theta, psi: where it begins.
        lr: the step size of both.
        steps: of each.
        in_turn: whether g sees d's step; else both step at once.
        price: γ.

    Returns:
        θ and ψ after 0, 1, ..., steps steps, (steps + 1, 2).
    """
    path = [(theta, psi)]
    real = np.zeros(1)  # ψ · 0
    for _ in range(steps):
        _, dL_dmade = discriminator_loss_backward(1.0, real, np.array([psi * theta]))
        dL_dpsi = dL_dmade[0] * theta + price * psi
        new_psi = psi - lr * dL_dpsi
        seen = new_psi if in_turn else psi
        dL_dmade = generator_loss_backward(1.0, np.array([seen * theta]))
        dL_dtheta = dL_dmade[0] * seen
        theta, psi = theta - lr * dL_dtheta, new_psi
        path.append((theta, psi))
    return np.array(path)
