"""Actor and critic: one acts, the other says how it went, by hand.

REINFORCE (`policy_gradient`) waits until a walk has ended, and praises each action by all that came after it, most of which was chance. TD
(`td_learning`) mends values after every step. Put together: an *actor*, the policy, and a *critic*, V, which tells the actor after each
step how it went. Most agents that are trained today are of this kind; `ppo` is one.

**One step ahead.** The critic's TD error is the actor's praise, in place of G[t] − V:

    y[t] = r[t] + γ V(s[t+1])           the critic's target; r[t] alone where the episode is over
    δ[t] = y[t] − V(s[t])               how much better this one step went than was to be expected

    L = −1/N Σ δ log π(a | s)  +  1/N Σ (V(s) − y)²/2          the actor's loss, and the critic's

Both networks learn at the same time, from the same N steps. y and δ count as given: no gradient goes through them, neither from the
critic's loss into V(s[t+1]), nor from the actor's into V at all.

**Backward**, with z the scores of which π = softmax(z) is made:

    ∂L/∂z[n, k] = δ[n] (π[n, k] − 1[k = a[n]]) / N          the actor: as in `policy_gradient`
    ∂L/∂V(s[n]) = (V(s[n]) − y[n]) / N = −δ[n] / N          the critic: as in `td_learning`

and from there each goes back through its own network.

**Why is that allowed?** Suppose V is right: it is what is to be expected of the policy. Then on average over what follows

    E[δ | s, a] = E[r + γ V(s′)] − V(s) = Q(s, a) − V(s)          just what G − V is on average

So the gradient is right on average, and it scatters less: of all the chance of a walk only that of one step is left in it. But V is never
quite right. An estimate whose average is wrong has a *bias*. That is the bargain:

    G − V       no bias, whatever V is; scatters the more, the longer walks are
    δ           a bias, as long as V is wrong; scatters little, and needs no end of a walk

**On paper.** Three places in a row, then out; each step costs 1, γ = 1. The critic thinks V = (−4, −3, −1); right would be (−3, −2, −1).
A walk goes straight through:

    step     r     y                V     δ     G − V
    0       −1    −1 − 3 = −4      −4     0     −3 + 4 = 1
    1       −1    −1 − 1 = −2      −3     1     −2 + 3 = 1
    2       −1    −1               −1     0     −1 + 1 = 0

The critic was wrong about step 0 and step 1. The whole return praises both. δ praises step 1 alone: that step 0 led to a place better than
thought is heard only when V(1) has been mended. With two equally probable actions, N = 3, ∂L/∂z of the action taken at step 1 is
1 · (½ − 1) / 3 = −⅙, and ∂L/∂V(1) = −⅓.

    >>> r, goes_on = np.array([-1.0, -1.0, -1.0]), np.array([1.0, 1.0, 0.0])
    >>> V, V_next = np.array([-4.0, -3.0, -1.0]), np.array([-3.0, -1.0, 0.0])
    >>> y = target(r, V_next, goes_on, gamma=1.0)
    >>> (y - V).tolist()
    [0.0, 1.0, 0.0]
    >>> z, a = np.zeros((3, 2)), np.array([1, 1, 1])
    >>> actor_loss_backward(1.0, z, a, y - V)[1].round(3).tolist()
    [0.167, -0.167]
    >>> critic_loss_backward(1.0, V, y).round(3).tolist()
    [0.0, -0.333, 0.0]

Sources: Barto, Sutton and Anderson 1983, "Neuronlike adaptive elements that can solve difficult learning control problems"; Konda and
Tsitsiklis 2000, "Actor-critic algorithms"; Sutton and Barto 2018, "Reinforcement Learning", section 13.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import no_grad
from manual.nn.functional import softmax
from manual.reinforcement.policy_gradient import log_prob, log_prob_backward, worth
from manual.sampling import draw

Array = np.ndarray


def target(r: Array, V_next: Array, goes_on: Array, gamma: float) -> Array:
    """y = r + γ V(s′), r alone where the episode is over (goes_on is 0). Shapes: (N,) each."""
    return r + gamma * goes_on * V_next


def actor_loss(z: Array, a: Array, delta: Array) -> Any:
    """−1/N Σ δ log π(a | s). Shapes: z (N, K) scores, a and delta (N,)."""
    return -(delta * log_prob(z, a)).mean()


def actor_loss_backward(dL_dy: Any, z: Array, a: Array, delta: Array) -> Array:
    """∂L/∂z, (N, K): the action's score up where it went better than was to be expected, else down."""
    dL_dlog_prob = -dL_dy * delta / len(a)  # (N,)
    return log_prob_backward(dL_dlog_prob, z, a)


def critic_loss(V: Array, y: Array) -> Any:
    """1/N Σ (V − y)²/2. Shapes: (N,) each."""
    return ((V - y) ** 2).mean() / 2


def critic_loss_backward(dL_dy: Any, V: Array, y: Array) -> Array:
    """∂L/∂V = (V − y)/N, (N,): −δ/N."""
    return dL_dy * (V - y) / len(V)


def network(states: int, hidden: int, outputs: int, *, rng: Any, dtype: Any) -> nn.Sequential:
    """A row of hidden numbers for each state, tanh, and what is made of them. The last layer begins with 0: so do all scores and values."""
    last: Any = nn.Linear(hidden, outputs, rng=rng, dtype=dtype)
    last.weight[...], last.bias[...] = 0, 0
    return nn.Sequential(nn.Embedding(states, hidden, rng=rng, dtype=dtype), nn.Tanh(), last)


class ActorCritic(Concept):
    """A policy and a value, a network each, with one hidden layer.

    Args:
        states: S, how many the agent can tell apart.
        actions: K, from which it chooses.
        hidden: units of each hidden layer.
        gamma: γ, the discount.
        lr: Adam's step size of the actor; both fall to 0 in a straight line.
        value_lr: that of the critic.
        steps: the length of that line.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: a batch is state, action, reward, next_state, goes_on (0 where the episode is over, else 1) and score (which is only logged),
    (N,) each.

    Raises:
        ValueError: if states, actions, hidden or steps is below 1, or gamma is not between 0 and 1.
    """

    def __init__(
        self, states: int = 11, actions: int = 4, hidden: int = 16, gamma: float = 1.0, lr: float = 0.02, value_lr: float = 0.1,
        steps: int = 200, *,
        rng: np.random.Generator | None = None, dtype: Any = np.float64,
    ) -> None:  # fmt: skip
        super().__init__()
        if min(states, actions, hidden, steps) < 1 or not 0 <= gamma <= 1:
            given = f"{states}, {actions}, {hidden}, {steps} and {gamma}"
            raise ValueError(f"ActorCritic: states, actions, hidden and steps must be at least 1, gamma between 0 and 1, got {given}")
        rng = rng or np.random.default_rng()
        self.gamma, self.lr, self.value_lr, self.steps = gamma, lr, value_lr, steps
        self.policy = network(states, hidden, actions, rng=rng, dtype=dtype)
        self.value = network(states, hidden, 1, rng=rng, dtype=dtype)

    def forward(self, state: Array) -> Array:
        """The policy in these states, (N, K)."""
        return softmax(self.policy(state))

    def act(self, state: Array, u: Array) -> dict[str, Array]:
        """Draw an action in each state, with numbers u from 0 to 1; and say how probable each was, and V."""
        p = self(state)
        return {"action": draw(p, u), "probability": p, "value": self.value(state)[:, 0]}

    def told(self, state: Array, reward: Array, next_state: Array, goes_on: Array) -> tuple[Array, Array]:
        """What the critic says of these steps, y and δ, (N,) each: numbers that are given, no gradient goes through them."""
        with no_grad():
            y = target(reward, self.value(next_state)[:, 0], goes_on, self.gamma)
            return y, y - self.value(state)[:, 0]

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        state, action, reward, next_state, goes_on, score = batch
        y, delta = self.told(state, reward, next_state, goes_on)
        z, V = self.policy(state), self.value(state)[:, 0]
        self.save(z, V, action, y, delta)
        actor, critic = actor_loss(z, action, delta), critic_loss(V, y)
        self.log("loss/train", actor + critic)
        self.log("critic/train", critic)
        self.log("return/train", score.mean())
        return float(actor + critic)

    def backward(self, dL_dloss: float = 1.0) -> None:
        z, V, action, y, delta = self.restore()
        dL_dV = critic_loss_backward(dL_dloss, V, y)  # (N,)
        self.value.backward(dL_dV[:, None])
        dL_dz = actor_loss_backward(dL_dloss, z, action, delta)  # (N, K)
        self.policy.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """J exactly; and what the critic thinks of it."""
        state, P, R, start = batch
        self.log("J/val", start @ worth(self(state), self.gamma * P, R), batch_size=len(state))
        self.log("critic/val", start @ self.value(state)[:, 0], batch_size=len(state))

    def configure_optimizers(self) -> dict[str, Any]:
        actor, critic = (list(network.parameters()) for network in (self.policy, self.value))
        optimizer = optim.Adam([{"params": actor, "lr": self.lr}, {"params": critic, "lr": self.value_lr}])
        scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
