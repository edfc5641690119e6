"""Policy gradient: what turned out well is made more probable, by hand.

Nobody tells a dog which muscle to move. It does something, and now and then there is a biscuit. What it did shortly before, it does more
often from then on. As a step along a gradient this is called *REINFORCE*; how a chat model is taught what people like grew from it.

In `value_iteration` the country was known. Here the *agent*, who acts, knows nothing, he only walks; and he draws his action by chance:
π(a | s) is how probable each is in state s. G[t] is the return from step t on, here without a discount. Wanted is a policy whose return
from the first step on is large on average. That average is called J.

**A dark corridor.** Three places, and the way out behind the last. Each step costs 1: its reward is −1. In the middle the doors are
exchanged: there "right" leads left. It is dark, so that all places look alike, and the agent can only choose p, how often he goes right.

    wall | 0 | 1 | 2 | out

Always left: he stands at the wall forever. Always right: he walks from 0 to 1 and back forever. So he must throw a coin. Which one? Each
place is worth −1 and what the next is worth:

    V0 = −1 + p V1 + (1 − p) V0
    V1 = −1 + p V0 + (1 − p) V2           the doors are exchanged
    V2 = −1 + p · 0 + (1 − p) V1          right is the way out
    J = V0 = −2 (2 − p) / (p (1 − p))     the three solved; best at p = 2 − √2 = 0.586, where J = −11.66

**The gradient.** A wall has no slope: there is no way back through the world. There is one through the probability of a walk. It is a
product of the policy's part for each action, and of the world's for each new state. The log of a product is a sum, and in the world's
part of it there is no weight θ of the policy. Since ∂log x = ∂x / x:

    J = Σ P G                             over all walks: the probability P of a walk, times its return G
    ∂J/∂θ = Σ ∂P/∂θ G = Σ P ∂log P/∂θ G = E[G Σₜ ∂log π(a[t] | s[t])/∂θ]

So walk, and make each action that was drawn more probable, the more so the larger G. What came before an action is no merit of its own:
G[t] will do in place of G.

**A baseline.** In the corridor all returns are below 0: every action is made less probable, the better ones a little less so. That is
right on average, and noisy. What counts is by how much it went better than was to be expected, the *advantage* A = G − V(s). V, the
*baseline*, is learned along, towards the mean of the returns. It changes nothing on average: whatever V is,

    E[V(s) ∂log π(a | s)/∂θ] = V(s) Σₐ π · (∂π/∂θ) / π = V(s) ∂(Σₐ π)/∂θ = 0      the probabilities always add up to 1

**Forward and backward.** N steps of several walks are one batch. A counts as a constant: it is what happened.

    z = θ[s],  π = softmax(z)             a row of scores for each state
    L = −1/N Σₙ A[n] log π(a[n] | s[n]) + 1/N Σₙ (V(s[n]) − G[n])²/2
    ∂L/∂z[n, k] = A[n] (π[n, k] − 1[k = a[n]]) / N          1[…] is 1 where it is so, else 0
    ∂L/∂V(s[n]) = (V(s[n]) − G[n]) / N

That is softmax regression, with the action that was drawn for a label, and each example weighted by its advantage.

**On paper.** p = ½, so z = (0, 0) for (left, right). One walk: right, left (which leads right), right, and out. G = (−3, −2, −1). With
V = −3 the advantages are A = (0, 1, 2), and N = 3:

    step 1, left:   1 · (½ − 1, ½ − 0) / 3 = (−⅙, ⅙)
    step 2, right:  2 · (½ − 0, ½ − 1) / 3 = (⅓, −⅓)
    in all         ∂L/∂θ = (⅙, −⅙)       the score of right grows, for the last "right" was the better of the two

    >>> z, a, A = np.zeros((3, 2)), np.array([1, 0, 1]), np.array([0.0, 1.0, 2.0])
    >>> dL_dz = log_prob_backward(-A / 3, z, a)
    >>> dL_dz.sum(axis=0).round(4).tolist()
    [0.1667, -0.1667]
    >>> round(corridor_return(0.5), 4), round(corridor_return(2 - 2**0.5), 4)
    (-12.0, -11.6569)

Sources: Williams 1992, "Simple statistical gradient-following algorithms", section 4 (REINFORCE); Sutton and Barto 2018, "Reinforcement
learning", example 13.1 and sections 13.2 to 13.4 (∂J/∂θ, the baseline).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.nn.functional import log_softmax, softmax
from manual.sampling import draw

Array = np.ndarray


def log_prob(z: Array, a: Array) -> Array:
    """log π(a | s) of the action that was drawn in each state. Shapes: z (N, K) scores, a (N,) from 0 to K − 1, the result (N,)."""
    return log_softmax(z)[np.arange(len(a)), a]


def log_prob_backward(dL_dy: Array, z: Array, a: Array) -> Array:
    """∂L/∂z[n, k] = ∂L/∂y[n] (1[k = a[n]] − π[n, k]). Shapes: dL_dy (N,), the result (N, K)."""
    drawn = np.eye(z.shape[1], dtype=z.dtype)[a]  # (N, K): 1 where k is the action that was drawn
    return dL_dy[:, None] * (drawn - softmax(z))  # (N, 1) * (N, K): the action's score up, all scores down by their probability


class PolicyGradient(Concept):
    """REINFORCE with a table of scores, a row for each state, and a table of what is to be expected of each state.

    Args:
        states: S, how many the agent can tell apart.
        actions: K, from which he chooses.
        first: the score of action 0 at the start; the others have 0.
        baseline: whether V is learned and subtracted.
        lr: the step size of the scores; both fall to 0 in a straight line.
        value_lr: that of V.
        steps: the length of that line.
        rng: draws nothing.
        dtype: of the tables.

    Shapes: a batch is state, action, advantage, G and score (which is only logged), (N,) each.

    Raises:
        ValueError: if states, actions or steps is below 1.
    """

    def __init__(
        self,
        states: int = 1,
        actions: int = 2,
        first: float = 2.0,
        baseline: bool = True,
        lr: float = 0.1,
        value_lr: float = 0.1,
        steps: int = 150,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(states, actions, steps) < 1:
            raise ValueError(f"PolicyGradient: states, actions and steps must be at least 1, got {states}, {actions} and {steps}")
        self.baseline, self.lr, self.value_lr, self.steps = baseline, lr, value_lr, steps
        self.policy = nn.Embedding(states, actions, rng=rng, dtype=dtype)  # its weight is θ
        self.policy.weight[...] = first * np.eye(actions)[0]
        if baseline:
            self.value = nn.Embedding(states, 1, rng=rng, dtype=dtype)  # its weight is V
            self.value.weight[...] = 0

    def forward(self, state: Array) -> Array:
        """The policy in these states, (N, K)."""
        return softmax(self.policy(state))

    def act(self, state: Array, u: Array) -> dict[str, Array]:
        """Draw an action in each state, with numbers u from 0 to 1; and say how probable each was, and V."""
        p = self(state)
        expected = {"value": self.value(state)[:, 0]} if self.baseline else {}
        return {"action": draw(p, u), "probability": p, **expected}

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        state, action, advantage, G, score = batch
        z = self.policy(state)
        loss = -(advantage * log_prob(z, action)).mean()
        off = None
        if self.baseline:
            off = self.value(state)[:, 0] - G  # (N,)
            loss += (off**2).mean() / 2
        self.save(z, action, advantage, off)
        self.log("loss/train", loss)
        self.log("return/train", score.mean())
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        z, action, advantage, off = self.restore()
        N = len(action)
        if self.baseline:
            dL_dV = dL_dloss * off / N  # (N,)
            self.value.backward(dL_dV[:, None])
        dL_dlog_prob = -dL_dloss * advantage / N  # (N,): the larger the advantage, the more probable the action is to be
        dL_dz = log_prob_backward(dL_dlog_prob, z, action)
        self.policy.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """J exactly, from the whole world in arrays: see `worth`."""
        seen, P, R, start = batch
        self.log("J/val", start @ worth(self(seen), P, R), batch_size=len(seen))

    def configure_optimizers(self) -> dict[str, Any]:
        groups: list[dict[str, Any]] = [{"params": list(self.policy.parameters()), "lr": self.lr}]
        if self.baseline:
            groups.append({"params": list(self.value.parameters()), "lr": self.value_lr})
        optimizer = optim.SGD(groups)
        scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


# ---- further reading: what a policy is worth, exactly -----------------------------------------------


def worth(p: Array, P: Array, R: Array) -> Array:
    """The return to be expected from each place, V: all equations V = r + P V solved at once, where the corridor has three.

    Args:
        p: (S, K), how probable the policy makes each action at each place.
        P: (S, K, S), how probable it is that an action leads from one place to another; what is missing from 1 leads out.
        R: (S, K), the reward of each action at each place.

    Returns:
        (S,).
    """
    r = (p * R).sum(axis=1)  # (S,): the reward to be expected of one step
    step = (p[:, :, None] * P).sum(axis=1)  # (S, K, 1) * (S, K, S), summed over the actions = (S, S)
    return np.linalg.solve(np.eye(len(r)) - step, r)  # (1 − step) V = r


def corridor_return(p: Any) -> Any:
    """J in the dark corridor."""
    return -2 * (2 - p) / (p * (1 - p))
