"""Proximal policy optimization: several steps on one rollout, none of them too far, by hand.

A pole stands on a cart. The agent sees four numbers, where the cart is, how fast it goes, how far the pole leans and how fast it falls,
and pushes left or right, fifty times a second. Each step that the pole stands brings the reward 1; when it falls the episode is over,
after 500 steps at the latest. Nobody tells the agent what a pole is. PPO learns it in a minute, and it is what chat models were taught
with to answer as people like it.

REINFORCE (`policy_gradient`) learns from whole episodes, and takes one step for each rollout. Three things are better here.

**The policy is a network**, and so is V. Each makes of a state a hidden layer, a second one, and its numbers: scores z, or one value.

**One does not wait for the end.** V knows what is to be expected of the next state s′. So a single step tells whether it went better than
was to be expected, and a *rollout* of 128 steps will do, wherever an episode stands then:

    δ[t] = r[t] + γ V(s[t+1]) − V(s[t])              0 in place of V(s[t+1]) where the pole has fallen
    A[t] = δ[t] + γ λ A[t+1]                         λ (read "lambda") says how far ahead one looks

With λ = 0 only the next step counts: A scatters little, but believes what V says, and at first V is wrong. With λ = 1 all that came
counts and V's errors cancel: that is G − V, which scatters the more the longer it goes on. λ = 0.9 is in between.

**A rollout is used several times.** After the first step the policy π is no longer the π_old that has played. What was drawn by the one
stands for the other with another weight, the *ratio*:

    r = π(a | s) / π_old(a | s)              E over π_old of r A = Σₐ π_old (π / π_old) A = E over π of A

So r A is to become large. But r A is a straight line in r: it says go on for ever, and it is right only near r = 1, where the walks are
still those that the policy would take. So what lies outside of 1 ± ε, with ε = 0.2, does not count as a gain:

    L = −1/N Σₙ min(r A, clip(r, 1 − ε, 1 + ε) A) + 1/N Σₙ (V(s) − R)²/2      R = A + V_old, what V should have said

clip(r, a, b) is r, but a where it is less and b where it is more. Where A > 0 the action should become more probable, until r = 1 + ε;
where A < 0 less, until r = 1 − ε. Beyond that min chooses the clipped one, a constant, which has no slope. On the other side min keeps
r A: what has gone in the wrong direction can always come back.

**Backward.** With r = exp(log π − log π_old), whose slope is r itself:

    ∂L/∂log π[n] = −A[n] r[n] / N     unless A > 0 and r > 1 + ε, or A < 0 and r < 1 − ε: then 0

and on through log π to z as in `policy_gradient`, and through the layers as in every network.

**On paper.** Three steps, N = 3, ε = 0.2; all had π_old = ½.

    π      r      A      r A    clip(r) A   min      ∂L/∂log π
    0.55   1.1    2      2.2    2.2         2.2      −2 · 1.1 / 3 = −0.733
    0.65   1.3    2      2.6    2.4         2.4      0: it has been made more probable by enough
    0.65   1.3   −2     −2.6   −2.4        −2.6      2 · 1.3 / 3 = 0.867: it went the wrong way, and comes back

    L = −(2.2 + 2.4 − 2.6) / 3 = −⅔ (without V)

    >>> log_p, old, A = np.log([0.55, 0.65, 0.65]), np.log([0.5, 0.5, 0.5]), np.array([2.0, 2.0, -2.0])
    >>> round(float(surrogate(log_p, old, A, clip=0.2)), 3)
    -0.667
    >>> surrogate_backward(1.0, log_p, old, A, clip=0.2).round(3).tolist()
    [-0.733, -0.0, 0.867]

Sources: Schulman et al. 2017, "Proximal policy optimization algorithms", equation 7 (L); Schulman et al. 2016, "High-dimensional
continuous control using generalized advantage estimation", equation 16 (A); Barto, Sutton and Anderson 1983 (the pole on the cart).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.nn.functional import log_softmax, softmax
from manual.nn.init import orthogonal
from manual.reinforcement.policy_gradient import log_prob, log_prob_backward
from manual.sampling import draw

Array = np.ndarray


def surrogate(log_p: Array, old: Array, A: Array, clip: float) -> Any:
    """−1/N Σ min(r A, clip(r, 1 − ε, 1 + ε) A), with r = exp(log_p − old). Shapes: log_p, old and A (N,)."""
    r = np.exp(log_p - old)
    return -np.minimum(r * A, np.clip(r, 1 - clip, 1 + clip) * A).mean()


def surrogate_backward(dL_dy: Any, log_p: Array, old: Array, A: Array, clip: float) -> Array:
    """∂L/∂log_p, (N,): −A r / N where that is not yet a gain that does not count."""
    r = np.exp(log_p - old)
    counts = np.where(A > 0, r <= 1 + clip, r >= 1 - clip)  # elsewhere min chose the clipped one, which is constant
    return -dL_dy * A * r / len(A) * counts


def network(numbers: int, hidden: int, outputs: int, gain: float, *, rng: Any, dtype: Any) -> nn.Sequential:
    """Two hidden layers with tanh; weights begin orthogonal, the last ones of length `gain`, and biases at 0.

    Shapes: x (N, numbers), y (N, outputs).
    """
    sizes, layers = (numbers, hidden, hidden, outputs), list[Any]()
    for i, of in enumerate((2**0.5, 2**0.5, gain)):
        linear: Any = nn.Linear(sizes[i], sizes[i + 1], rng=rng, dtype=dtype)
        linear.weight[...], linear.bias[...] = orthogonal(linear.weight.shape, of, rng=rng, dtype=dtype), 0
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class PPO(Concept):
    """A policy and a value, a network each; Adam, whose step size falls to 0 in a straight line.

    Args:
        numbers: D, of which a state is made.
        actions: K, from which the agent chooses.
        hidden: units of each hidden layer.
        lr: Adam's step size at the start.
        clip: ε, by how much a ratio may gain (Schulman et al. 2017, table 3: 0.2).
        rollouts: the length of the schedule, in epochs.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: a batch is state (N, D), and action, old (log π_old), advantage, R and score (which is only logged), (N,) each.

    Raises:
        ValueError: if numbers, actions, hidden or rollouts is below 1, or clip is not above 0.
    """

    def __init__(
        self,
        numbers: int = 4,
        actions: int = 2,
        hidden: int = 64,
        lr: float = 2.5e-3,
        clip: float = 0.2,
        rollouts: int = 80,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(numbers, actions, hidden, rollouts) < 1 or not clip > 0:
            raise ValueError(
                "PPO: numbers, actions, hidden and rollouts must be at least 1 and clip above 0, "
                f"got {numbers}, {actions}, {hidden}, {rollouts} and {clip}"
            )
        rng = rng or np.random.default_rng()
        self.lr, self.clip, self.rollouts = lr, clip, rollouts
        self.policy = network(numbers, hidden, actions, 0.01, rng=rng, dtype=dtype)  # nearly 0: at first all actions are equally probable
        self.value = network(numbers, hidden, 1, 1.0, rng=rng, dtype=dtype)

    def forward(self, state: Array) -> Array:
        """The policy in these states, (N, K)."""
        return softmax(self.policy(state))

    def act(self, state: Array, u: Array) -> dict[str, Array]:
        """Draw an action in each state, with numbers u from 0 to 1; and say how probable each was, and V."""
        p = self(state)
        return {"action": draw(p, u), "probability": p, "value": self.value(state)[:, 0]}

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        state, action, old, advantage, R, score = batch
        z = self.policy(state)
        log_p = log_prob(z, action)
        off = self.value(state)[:, 0] - R  # (N,)
        self.save(z, action, log_p, old, advantage, off)
        loss = surrogate(log_p, old, advantage, self.clip) + (off**2).mean() / 2
        self.log("loss/train", loss)
        self.log("return/train", score.mean())
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        z, action, log_p, old, advantage, off = self.restore()
        dL_dV = dL_dloss * off / len(off)  # (N,)
        self.value.backward(dL_dV[:, None])
        dL_dlog_p = surrogate_backward(dL_dloss, log_p, old, advantage, self.clip)
        dL_dz = log_prob_backward(dL_dlog_p, z, action)
        self.policy.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Of states that chance leads to: how sure the policy is (its entropy, log K at first), and what is expected of them."""
        (state,) = batch
        log_p = log_softmax(self.policy(state))
        self.log("entropy/val", -(np.exp(log_p) * log_p).sum(axis=1).mean(), batch_size=len(state))
        self.log("value/val", self.value(state).mean(), batch_size=len(state))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.rollouts)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
