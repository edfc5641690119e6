"""DQN: a network says what each action is worth, and learns it from what it remembers, by hand.

In 2013 one program learned to play seven video games from the picture alone, three of them better than people do. It is called *DQN*, deep
Q-network: Q(s, a), the return to be expected if one does a first, is a network.

Somebody walks the country of `value_iteration` without a map, and learns Q as in `td_learning`. A single step, from s by a to s′ with the
reward r, tells what Q(s, a) should be:

    y = r + γ max over a′ of Q(s′, a′)          r alone, if the episode was over with that step
    off = Q(s, a) − y

In a table one cell is pulled towards y, and the others stay. There is no table of all pictures. In a network each step that is learned
moves all other Q too, y among them, and that may never come to rest. Two things help.

**Replay.** Who learns from each step as it comes learns one corner of the country and then the next, and forgets the first. All batches of
one walk are alike, and none is like the country. So every step (s, a, r, s′) is put into a *replay memory*, and a batch is drawn from all
of it by chance. A step is used many times over, long after it was walked by somebody who acted otherwise. That is allowed: y asks what is
best, and not what he did next. Q-learning is off-policy.

**A target network.** y is made of the network itself. Each step towards y moves y, mostly in the same direction: it runs after its own
tail. So y comes from a copy with frozen weights, Q⁻ (read "Q minus"), that is made anew only now and then, here every 50 steps:

    y = r + γ (1 − over) max over a′ of Q⁻(s′, a′)          over is 1 if the episode was over, else 0

From one copy to the next y stands still, and what is left is regression as in every network. It is one sweep of value iteration, with a
network in the place of the table. No gradient goes through y: it is a *semi-gradient* again.

**How to act.** ε-greedy: with the probability ε any action, else the one whose Q is largest. Who never tries another hears nothing of it.

**The loss.** At first off is large, and a few steps of a batch would drown the others. The *Huber loss* is a square near 0 and a straight
line farther out, so that no step pulls by more than 1:

    l = ½ off² where |off| ≤ 1, |off| − ½ elsewhere          ∂l/∂off = off, held between −1 and 1

**Backward.** The network makes K numbers for a state, and the step tells of one of them, that of its action a. The others had no part in
the loss:

    L = 1/N Σₙ l(off[n])
    ∂L/∂Q[n, k] = 1[k = a[n]] · (off[n], held between −1 and 1) / N          1[…] is 1 where it is so, else 0

and on through the layers as ever.

**On paper.** γ = ½, and two steps. The first leads on to s′, where Q⁻ says (5, 9); the second ends the episode, so what Q⁻ says does not
count.

    Q(s)      a    r     Q⁻(s′)     y                     off             l       ∂L/∂Q
    (4, 3)    0    −1    (5, 9)     −1 + ½ · 9 = 3.5      4 − 3.5 = ½     ⅛       (½, 0) / 2 = (¼, 0)
    (0, 3)    1    10    (7, 7)     10                    3 − 10 = −7     6½      (0, −1) / 2 = (0, −½)

    L = (⅛ + 6½) / 2 = 3.3125

    >>> Q, a, y = np.array([[4.0, 3.0], [0.0, 3.0]]), np.array([0, 1]), np.array([3.5, 10.0])
    >>> huber = nn.HuberLoss()
    >>> float(huber(taken(Q, a), y))
    3.3125
    >>> taken_backward(huber.backward(), Q, a).tolist()
    [[0.25, 0.0], [0.0, -0.5]]

Sources: Mnih et al. 2015, "Human-level control through deep reinforcement learning" (algorithm 1; off held between −1 and 1); Mnih et al.
2013, "Playing Atari with deep reinforcement learning"; Lin 1992, "Self-improving reactive agents" (replay).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import no_grad
from manual.reinforcement.bandit import greedy
from manual.reinforcement.value_iteration import action_values
from manual.sampling import draw

Array = np.ndarray


def taken(Q: Array, a: Array) -> Array:
    """Q(s, a) of the action that was taken. Shapes: Q (N, K), a (N,) from 0 to K − 1, the result (N,)."""
    return Q[np.arange(len(a)), a]


def taken_backward(dL_dy: Array, Q: Array, a: Array) -> Array:
    """∂L/∂Q, (N, K): each row's gradient at the action that was taken, and 0 at those of which nothing was heard."""
    dL_dQ = np.zeros_like(Q)
    dL_dQ[np.arange(len(a)), a] = dL_dy  # (N,), one for each row
    return dL_dQ


def network(numbers: int, hidden: int, actions: int, *, rng: Any, dtype: Any) -> nn.Sequential:
    """A hidden layer with ReLU, and a number for each action. Shapes: x (N, numbers), Q (N, actions)."""
    first, last = nn.Linear(numbers, hidden, rng=rng, dtype=dtype), nn.Linear(hidden, actions, rng=rng, dtype=dtype)
    return nn.Sequential(first, nn.ReLU(), last)


class DQN(Concept):
    """A network of action values, a frozen copy of it that the targets come from, and Adam, whose step size falls to 0 in a straight line.

    Args:
        numbers: D, of which a state is made: here 25 cells, one of them 1 and the others 0.
        actions: K, from which the agent chooses.
        hidden: units of the hidden layer.
        gamma: γ, the discount.
        epsilon: ε, how probable it is that any action is taken in place of the best.
        lr: Adam's step size at the start.
        copy_every: batches of an epoch from one copy to the next; 1 is to have none.
        rollouts: the length of the schedule, in epochs.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: a batch is state (N, D); action, reward, (N,); next_state (N, D); over (N,), 1 where the episode was over with that step.

    Raises:
        ValueError: if numbers, actions, hidden, copy_every or rollouts is below 1, or gamma or epsilon not between 0 and 1.
    """

    def __init__(
        self,
        numbers: int = 25,
        actions: int = 4,
        hidden: int = 64,
        gamma: float = 0.9,
        epsilon: float = 0.5,
        lr: float = 0.03,
        copy_every: int = 50,
        rollouts: int = 50,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(numbers, actions, hidden, copy_every, rollouts) < 1 or not (0 <= gamma <= 1 and 0 <= epsilon <= 1):
            raise ValueError(
                "DQN: numbers, actions, hidden, copy_every and rollouts must be at least 1, gamma and epsilon between 0 and 1, "
                f"got {numbers}, {actions}, {hidden}, {copy_every}, {rollouts}, {gamma} and {epsilon}"
            )
        rng = rng or np.random.default_rng()
        self.gamma, self.epsilon, self.lr, self.copy_every, self.rollouts = gamma, epsilon, lr, copy_every, rollouts
        self.q = network(numbers, hidden, actions, rng=rng, dtype=dtype)
        self.target = network(numbers, hidden, actions, rng=rng, dtype=dtype)  # Q⁻: before the first step it becomes a copy
        for p in self.target.parameters():
            p.requires_grad = False
        self.huber = nn.HuberLoss()

    def forward(self, state: Array) -> Array:
        """What each action is worth in these states, (N, K)."""
        return self.q(state)

    def act(self, state: Array, u: Array) -> dict[str, Array]:
        """Draw an action in each state, with numbers u from 0 to 1; and say how probable each was, and Q."""
        Q = self(state)
        p = greedy(Q, self.epsilon)
        return {"action": draw(p, u), "probability": p, "Q": Q}

    def targets(self, reward: Array, next_state: Array, over: Array) -> Array:
        """y, (N,): numbers that are given. Nothing is saved, for no gradient goes through them."""
        with no_grad():
            Q = self.target(next_state)  # (N, K)
        return reward + self.gamma * (1 - over) * Q.max(axis=1)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        state, action, reward, next_state, over = batch
        if batch_idx % self.copy_every == 0:
            self.target.load_state_dict(self.q.state_dict())
        y = self.targets(reward, next_state, over)
        Q = self(state)
        self.save(Q, action)
        loss = self.huber(taken(Q, action), y)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dtaken = self.huber.backward(dL_dloss)  # (N,): off, held between −1 and 1, over N
        Q, action = self.restore()
        dL_dQ = taken_backward(dL_dtaken, Q, action)
        self.q.backward(dL_dQ)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """What the states are worth on average; and the largest error in Bellman's equation, if there is a table of the world."""
        state, *table = batch
        Q = self(state)
        V = Q.max(axis=1)
        self.log("value/val", V.mean(), batch_size=len(state))
        if table:
            R, P = table
            self.log("residual/val", np.abs(Q - action_values(V, R, P, self.gamma)).max(), batch_size=len(state))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.q.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.rollouts)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
