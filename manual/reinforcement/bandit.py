"""Bandits: which of ten arms pays best, if the only way to know is to pull them, by hand.

Ten headlines for one page, ten medicines against one illness: which is best? One can only try, and loses something by each bad one. This
is called a *bandit*, after the machine with one arm that takes your coins. It is the smallest case of *reinforcement learning*: to learn
what to do from nothing but a number that says how good it was.

    action a       what one does: here which of K = 10 arms is pulled
    reward r       the number that comes of it: here q(a) and noise from Normal(0, 1)
    q(a)           what arm a brings on average. Nobody knows it
    Q(a), n(a)     what is thought of it so far; and how often it was pulled
    policy π(a)    with which probability arm a is pulled next

**To take a mean is a step of gradient descent.** After n rewards of an arm their mean is the best guess. It need not be added up anew:

    Q ← Q + w (r − Q)          w = 1/n: the mean of all rewards so far.    A fixed w: what is long ago counts less and less
    L = ½ w (Q(a) − r)²        ∂L/∂Q(a) = w (Q(a) − r), and 0 for the other arms: of these nothing was heard.    A step with lr = 1

**To use what is known, or to find out more?** Who always pulls the arm whose Q is largest may never hear that another one is better. Four
ways out:

    ε-greedy         with the probability ε ("epsilon") any arm is pulled, else the one whose Q is largest
    optimism         Q begins with 5, more than any arm has. Each disappoints, until all have been tried
    UCB              *upper confidence bound*: to Q(a) is added c √(log t / n(a)), where t counts the pulls. So good it may well be
    gradient bandit  no guess of q, but a *preference* H(a) for each arm, and π = softmax(H)

**The gradient bandit** makes an arm more probable if it paid better than is usual, else less. What is usual is the mean reward so far, r̄
(at first 0), the *baseline*:

    w = α (r − r̄)                    ("alpha": the length of a step)
    L = −w log π(a)                   the cross-entropy, as if a had been the right class; but only as far as it was good
    ∂L/∂H(b) = w (π(b) − y(b))        y is 1 for the arm that was pulled and else 0

It is softmax regression's p − y, times how good it was. The world is never differentiated. On average over all pulls the step is α times
the gradient of E[r], whatever the baseline: so it climbs. What the baseline changes is how much single steps scatter.

2,000 machines are played at the same time. They share nothing but the arrays, so L is a sum over them and no mean: each takes its own
step, and not a 2,000th of it.

**On paper.** Arm 0 is pulled twice, and brings 1 and then 0: Q = 0 + (1 − 0)/1 = 1, then 1 + (0 − 1)/2 = ½, which is their mean. With two
arms and H = (0, 0), π = (½, ½). Arm 0 brings 3 where 1 is usual, α = ½: w = ½ (3 − 1) = 1, ∂L/∂H = 1 · (½ − 1, ½ − 0) = (−½, ½), and H
becomes (½, −½): arm 0 is now pulled with the probability e^½ / (e^½ + e^−½) = 0.73.

    >>> Q, arm = np.array([[0.0, 0.0]]), np.array([0])
    >>> for r, n in ((1.0, 1), (0.0, 2)):
    ...     Q -= value_loss_backward(1.0, Q, arm, np.array([r]), np.array([1 / n]))
    >>> Q.tolist()
    [[0.5, 0.0]]
    >>> H = 0 - preference_loss_backward(1.0, np.zeros((1, 2)), arm, np.array([1.0]))
    >>> H.tolist(), softmax(H).round(2).tolist()
    ([[0.5, -0.5]], [[0.73, 0.27]])
    >>> greedy(np.array([[1.0, 3.0, 3.0, 0.0]]), epsilon=0.2).round(2).tolist()      # two are equally good
    [[0.05, 0.45, 0.45, 0.05]]

Sources: Sutton and Barto 2018, "Reinforcement Learning", chapter 2 (figures 2.2 to 2.5); Auer, Cesa-Bianchi and Fischer 2002 (UCB);
Williams 1992 (the gradient bandit).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.functional import log_softmax, softmax
from manual.nn.validate import expect_choice
from manual.sampling import draw

METHODS = ("greedy", "ucb", "gradient")
"""How an arm is chosen."""


def greedy(score: np.ndarray, epsilon: float) -> np.ndarray:
    """π: with the probability ε any arm, else that of the highest score, or of several such any. Shapes: (N, K), for N machines."""
    best = (score == score.max(axis=1, keepdims=True)).astype(score.dtype)
    return (1 - epsilon) * best / best.sum(axis=1, keepdims=True) + epsilon / score.shape[1]


def value_loss(Q: Array, a: np.ndarray, r: np.ndarray, w: np.ndarray) -> Any:
    """L = ½ Σ w (Q(a) − r)², over N machines. Shapes: Q (N, K), the others (N,)."""
    return (w * (Q[np.arange(len(a)), a] - r) ** 2).sum() / 2


def value_loss_backward(dL_dy: Any, Q: Array, a: np.ndarray, r: np.ndarray, w: np.ndarray) -> np.ndarray:
    """∂L/∂Q: w (Q(a) − r) at the arm that was pulled, 0 at those of which nothing was heard."""
    machine, dL_dQ = np.arange(len(a)), np.zeros_like(np.asarray(Q))
    dL_dQ[machine, a] = dL_dy * w * (Q[machine, a] - r)
    return dL_dQ


def preference_loss(H: Array, a: np.ndarray, w: np.ndarray) -> Any:
    """L = −Σ w log π(a), where π = softmax(H). Shapes: H (N, K), a and w (N,)."""
    return -(w * log_softmax(np.asarray(H))[np.arange(len(a)), a]).sum()


def preference_loss_backward(dL_dy: Any, H: Array, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    """∂L/∂H = w (π − y), where y is 1 at the arm that was pulled."""
    dL_dH = softmax(np.asarray(H))
    dL_dH[np.arange(len(a)), a] -= 1
    return dL_dy * w[:, None] * dL_dH  # (N, 1) * (N, K): the arms of one machine share its w


class Bandit(Concept):
    """A table of what is thought of each arm of each machine, Q, or of how much it is preferred, H. A step for each pull.

    Args:
        problems: P, how many machines there are.
        arms: K, of each.
        method: "greedy" pulls the arm whose Q is largest, "ucb" adds the benefit of the doubt to it, "gradient" has preferences.
        epsilon: ε of "greedy".
        alpha: the w of a value, 0 for 1/n; the α of "gradient".
        initial: what Q begins with.
        c: of "ucb".
        baseline: whether "gradient" compares a reward with what is usual.
        rng: not used.
        dtype: of the table.

    Shapes: a batch is machine (N,), their numbers; rewards (N, K), of which the agent sees that of the arm that it pulls; u (N,), uniform
    numbers that choose; best (N,), the best arms, for us to count.

    Raises:
        ValueError: if there is no machine or arm, or epsilon, alpha or method cannot be.
    """

    n: np.ndarray
    usual: np.ndarray

    def __init__(
        self, problems: int = 2000, arms: int = 10, method: Literal["greedy", "ucb", "gradient"] = "greedy", epsilon: float = 0.1,
        alpha: float = 0.0, initial: float = 0.0, c: float = 2.0, baseline: bool = True, *, rng: Any = None, dtype: Any = np.float64,
    ) -> None:  # fmt: skip
        super().__init__()
        expect_choice("Bandit", "method", method, METHODS)
        if min(problems, arms) < 1 or not 0 <= epsilon <= 1 or alpha < 0:
            raise ValueError(f"Bandit: no bandit has problems, arms, epsilon, alpha, got {problems}, {arms}, {epsilon}, {alpha}")
        self.method, self.epsilon, self.alpha, self.c, self.baseline = method, epsilon, alpha, c, baseline
        self.table = Parameter(np.full((problems, arms), 0.0 if method == "gradient" else initial, dtype))  # Q, or H
        self.register_buffer("n", np.zeros((problems, arms), dtype))
        self.register_buffer("usual", np.zeros(problems, dtype))  # the mean reward so far

    def forward(self, machine: np.ndarray) -> np.ndarray:
        """π of these machines, (N, K)."""
        of = self.table[machine]
        if self.method == "gradient":
            return softmax(of)
        return greedy(of, self.epsilon) if self.method == "greedy" else greedy(upper_bound(of, self.n[machine], self.c), 0.0)

    def pull(self, machine: np.ndarray, rewards: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """An arm of each machine is pulled: which, what it brought, and w, (N,) each. No gradient goes through them."""
        a = draw(self(machine), u)
        r = rewards[np.arange(len(a)), a]
        self.pulled = machine, a, r
        if self.method == "gradient":
            return a, r, self.alpha * (r - self.usual[machine] if self.baseline else r)
        return a, r, np.full_like(r, self.alpha) if self.alpha else 1 / (self.n[machine, a] + 1)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Count the pull that the step learns from."""
        machine, a, r = self.pulled
        self.n[machine, a] += 1
        self.usual[machine] += (r - self.usual[machine]) / self.n[machine].sum(axis=1)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        machine, rewards, u, best = batch
        a, r, w = self.pull(machine, rewards, u)
        self.save(machine, a, r, w)
        of = self.table[machine]
        loss = preference_loss(of, a, w) if self.method == "gradient" else value_loss(of, a, r, w)
        self.log("loss/train", loss)
        self.log("reward/train", r.mean())
        self.log("best_arm/train", (a == best).mean())
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        machine, a, r, w = self.restore()
        of, dL_dtable = self.table[machine], np.zeros_like(self.table.data)
        if self.method == "gradient":
            dL_dtable[machine] = preference_loss_backward(dL_dloss, of, a, w)
        else:
            dL_dtable[machine] = value_loss_backward(dL_dloss, of, a, r, w)
        self.table.grad += dL_dtable

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        machine, q, _, best = batch
        pi = self(machine)
        self.log("reward/val", (pi * q).sum(axis=1).mean(), batch_size=len(q))
        self.log("best_arm/val", pi[np.arange(len(q)), best].mean(), batch_size=len(q))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=1.0)


# ---- further reading: the benefit of the doubt -------------------------------------------------------


def upper_bound(Q: Array, n: np.ndarray, c: float) -> np.ndarray:
    """Q(a) + c √(log t / n(a)); ∞ for what has never been pulled. Shapes: Q, n and the result (N, K)."""
    t = n.sum(axis=1, keepdims=True) + 1  # the pull that is to be made
    return np.where(n > 0, Q + c * np.sqrt(np.log(t) / np.maximum(n, 1)), np.inf)
