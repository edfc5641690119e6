"""Three ways of learning: told the answer, told nothing, told only whether it was right, by hand.

Above all it is the teacher that differs in the chapters to come. Here are three pupils. They see the same 120 irises of three kinds, four
lengths of each; they are the same small model and begin with the same weights. But

    supervised       the teacher names each flower's kind
    unsupervised     there is no teacher
    reinforcement    the pupil answers, and hears if that was right: the *reward*, 1 or 0

**The model.** A pupil's weights are three *centres*, points among the flowers. The nearer a flower, the higher its score:

    z[n, k] = −½ ‖x[n] − w[k]‖²             half the squared distance of flower n from centre k, with a minus
    p = softmax(z)
    ∂z[n, k]/∂w[k] = x[n] − w[k]            towards the flower

The border between two centres is a straight line: this is softmax regression, whose weights are written as points.

**Three losses, three gradients.** Let y be 1 at the right kind, h at the nearest centre, a at the pupil's answer, and each 0 elsewhere.
What a flower adds to L, and to −N · ∂L/∂z:

    supervised       −log p[c]                                  y − p
    unsupervised     ½ (distance of the nearest centre)²        h
    reinforcement    −(reward − baseline) · log p[a]            (reward − baseline) · (a − p)

The last column is the *pull*: w[k] ← w[k] + lr · mean over n of pull[n, k] · (x[n] − w[k]).

The first pulls the right centre to the flower and pushes away what it took it for. The second pulls the nearest, until each is the mean
of a group that nobody named. The third must try to find out: it *draws* its answer with the probabilities p. Then it does what the first
would do if that were right, or the opposite if it brought less reward than usual. What is usual, the *baseline*, is this step's mean.

**What the third is not told** costs time. On average over its answers, with any baseline, its pull is

    Σ over a of p[a] · (reward − baseline) · (a − p) = p[c] · (y − p)

for Σ p[a] · (a − p) = p − p = 0, and only a = y has a reward. It is the first one's pull, times the chance to try the right answer.

**On paper.** One flower of two lengths, x = (1, 1), kind 1; centres (1, 0), (0, 0), (2, 2):

    z = −½ · (1, 2, 2) = (−½, −1, −1)      p = (0.452, 0.274, 0.274)
    supervised       y = (0, 1, 0)                    y − p = (−0.452, 0.726, −0.274)
    unsupervised     the nearest is the first         h = (1, 0, 0)
    reinforcement    says 2: reward 0; baseline ½     −½ · (a − p) = (0.226, 0.137, −0.363)

    >>> z = scores(np.array([[1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 0.0], [2.0, 2.0]]))
    >>> (-supervised_backward(1.0, z, np.array([1]))).round(3).tolist()
    [[-0.452, 0.726, -0.274]]
    >>> (-reinforcement_backward(1.0, z, np.array([2]), np.array([0 - 0.5]))).round(3).tolist()
    [[0.226, 0.137, -0.363]]

**What goes which way?** Where learning is *self-supervised*, the data teach: a part of them is hidden, and is the answer.

    supervised         regression, networks; distillation (taught by a network); gcn, gat, message_passing
    unsupervised       k_means, mixture; and what makes more like it: vae, gan, flow, diffusion, energy
    self-supervised    bigrams, word_vectors, gpt (what is next?); autoencoder; contrastive (the same image?)
    reinforcement      bandit, value_iteration, td_learning, policy_gradient, actor_critic, dqn, ppo

Sources: Bottou and Bengio 1995 (the second); Williams 1992, "Simple statistical gradient-following algorithms", section 4 (the third).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.functional import log_softmax, softmax
from manual.nn.init import normal
from manual.noise import Uniform
from manual.regression.softmax_regression import one_hot
from manual.sampling import draw

Table = np.ndarray
"""(N, K): a row for each flower, a column for each centre."""


def scores(x: np.ndarray, w: Array) -> Table:
    """z[n, k] = −½ ‖x[n] − w[k]‖². Shapes: x (N, D), w (K, D)."""
    return -((x[:, None] - w) ** 2).sum(axis=2) / 2  # (N, 1, D) − (K, D), summed over D


def scores_backward(dL_dz: Table, x: np.ndarray, w: Array) -> np.ndarray:
    """∂L/∂w, (K, D)."""
    return (dL_dz[:, :, None] * (x[:, None] - w)).sum(axis=0)  # (N, K, 1) · (N, K, D), summed over N


def supervised(z: Table, c: np.ndarray) -> Any:
    """Mean of −log p[c]; c (N,) are the kinds."""
    y = one_hot(c, z.shape[1], z.dtype)
    return -(y * log_softmax(z)).sum() / len(z)


def supervised_backward(dL_dy: Any, z: Table, c: np.ndarray) -> Table:
    """(p − y) / N."""
    p, y = softmax(z), one_hot(c, z.shape[1], z.dtype)
    return dL_dy * (p - y) / len(z)


def unsupervised(z: Table) -> Any:
    """Mean of −max z: half the squared distance of the nearest centre."""
    return -z.max(axis=1).sum() / len(z)


def unsupervised_backward(dL_dy: Any, z: Table) -> Table:
    """−h / N."""
    h = one_hot(z.argmax(axis=1), z.shape[1], z.dtype)
    return -dL_dy * h / len(z)


def reinforcement(z: Table, answer: np.ndarray, advantage: np.ndarray) -> Any:
    """Mean of −advantage log p[a]; answer (N,), and advantage (N,) is reward − baseline."""
    a = one_hot(answer, z.shape[1], z.dtype)
    return -(advantage[:, None] * a * log_softmax(z)).sum() / len(z)  # (N, 1) · (N, K)


def reinforcement_backward(dL_dy: Any, z: Table, answer: np.ndarray, advantage: np.ndarray) -> Table:
    """advantage (p − a) / N."""
    p, a = softmax(z), one_hot(answer, z.shape[1], z.dtype)
    return dL_dy * advantage[:, None] * (p - a) / len(z)  # (N, 1) · (N, K)


class ThreePupils(Concept):
    """Three pupils; their losses are added up, but each has weights of its own.

    Args:
        features: D, the lengths of a flower.
        kinds: K, of flowers, and centres.
        lr: the step size.
        rng: draws the centres to begin with, near the middle, and answers.
        dtype: of the centres.

    Shapes: x (N, D), c (N,), the weights of each (K, D).

    Raises:
        ValueError: if features or kinds is below 1.
    """

    def __init__(self, features: int = 4, kinds: int = 3, lr: float = 0.5, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        if min(features, kinds) < 1:
            raise ValueError(f"ThreePupils: features and kinds must be at least 1, got {features} and {kinds}")
        rng = rng or np.random.default_rng()
        self.lr, self.uniform = lr, Uniform(rng=rng, dtype=dtype)
        start = normal((kinds, features), 0, 0.2, rng=rng, dtype=dtype)
        self.supervised, self.unsupervised, self.reinforcement = (Parameter(start.copy()) for _ in range(3))

    def forward(self, x: np.ndarray) -> list[Table]:
        """The scores of each."""
        return [scores(x, w) for w in self.parameters()]

    def answer(self, z: Table) -> np.ndarray:
        """What the third pupil tries."""
        return draw(softmax(z), self.uniform((len(z),)))

    def reward(self, answer: np.ndarray, c: np.ndarray) -> np.ndarray:
        """1 where it is right."""
        return (answer == c).astype(self.reinforcement.dtype)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, c = batch
        z1, z2, z3 = self(x)
        answer = self.answer(z3)
        reward = self.reward(answer, c)
        advantage = reward - reward.mean()
        loss = supervised(z1, c) + unsupervised(z2) + reinforcement(z3, answer, advantage)
        self.save(x, c, z1, z2, z3, answer, advantage)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, c, z1, z2, z3, answer, advantage = self.restore()
        dL_dz3 = reinforcement_backward(dL_dloss, z3, answer, advantage)
        dL_dz2 = unsupervised_backward(dL_dloss, z2)
        dL_dz1 = supervised_backward(dL_dloss, z1, c)
        for w, dL_dz in zip(self.parameters(), (dL_dz1, dL_dz2, dL_dz3), strict=True):
            w.grad += scores_backward(dL_dz, x, w)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """What each tells right; the second once its groups are called by their commonest kind."""
        x, c = batch
        z1, z2, z3 = self(x)
        self.log("supervised/val", np.mean(z1.argmax(axis=1) == c), batch_size=len(x))
        self.log("unsupervised/val", named(z2, c), batch_size=len(x))
        self.log("reinforcement/val", np.mean(z3.argmax(axis=1) == c), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def named(z: Table, c: np.ndarray) -> Any:
    """The part that is right once each group is called by its commonest kind."""
    group, kind = one_hot(z.argmax(axis=1), z.shape[1]), one_hot(c, z.shape[1])  # (N, K) both
    return (group.T @ kind).max(axis=1).sum() / len(c)  # (K, N) @ (N, K): of each group, how many are of each kind
