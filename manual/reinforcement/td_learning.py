"""TD learning: each guess is mended by the next one, by hand.

Who said at the door "home in half an hour" need not arrive to know better: in the first jam he says "forty minutes", and the first guess
was too low by ten. *Temporal-difference learning*, TD, mends each guess by the one a step later. With a network in
place of the table it learned backgammon and video games.

In `value_iteration` the country was known. Here nobody has the tables R and P, and each step tells one thing more:

    s, a, r, s′        in state s he did a, got r, and stands in s′ now

**A target of one step.** By Bellman's equation V(s) is the mean of r + γ V(s′). A step is one draw of it:

    y = r + γ V(s′)           the target; r alone if the episode ended with this step
    δ = y − V(s)              the *TD error* (read "delta"): how much better it went than was thought
    V(s) ← V(s) + α δ         called TD(0). α is small, for one draw is no mean

Nobody waits for the end of the episode. That a guess is mended by a guess is called *bootstrapping*.

**It is a step of gradient descent** on a squared error whose target is held fixed; as in `bandit`, lr = 1 and α stands in the loss:

    L = α/2 (V(s) − y)²          ∂L/∂V(s) = α (V(s) − y) = −α δ          ∂L/∂V(s′) = 0, though y was made of it

It is the semi-gradient of `value_iteration`: V(s) is to learn from V(s′), which is a step nearer to what comes, and V(s′) has nothing to
learn from V(s). In torch one must say so: `detach`, or `no_grad` around the target.

**To choose as well.** Without tables V does not say which action is good. So Q(s, a) is learned, and the walker is ε-greedy. What is s′
worth? There are two answers:

    SARSA            y = r + γ Q(s′, a′)                  a′ is what he will do there: s, a, r, s′, a′
    Q-learning       y = r + γ max over a of Q(s′, a)     the best that he could do there

SARSA learns what his own walking is worth, steps by chance included: this is called *on-policy*. Q-learning learns what the best way is
worth, however he walks: *off-policy*.

**The cliff.** From S to G, each step costs 1. Who steps onto C falls: that costs 100, and he is back at S.

    ............
    ............
    ............
    SCCCCCCCCCCG

The best way, along the edge, takes 13 steps. Q-learning finds it; but now and then a step by chance leads over the edge. SARSA knows that
of himself: he keeps away, takes four steps more, and brings home more.

**On paper.** Three places A, B, C in a row; left of A and right of C it ends. A coin says left or right. Out on the right brings 1, all
else 0. γ = 1, α = ½, V = ½ everywhere. Twice he goes B, C, out:

    B → C      y = ½     δ = 0     nothing is learned
    C → out    y = 1     δ = ½     V(C) = ½ + ½ · ½ = ¾
    B → C      y = ¾     δ = ¼     V(B) = ½ + ½ · ¼ = 0.625: word of the 1 has come a place farther
    C → out    y = 1     δ = ¼     V(C) = ¾ + ½ · ¼ = 0.875

    >>> from manual.trainer import Trainer
    >>> leads_to = np.array([[[2, 2], [0, 2], [1, 3], [2, 2], [2, 2]]])    # out, A, B, C, out: left, right
    >>> reward = np.zeros((1, 5, 2)); reward[0, 3, 1] = 1.0
    >>> goes_on = 1 - reward
    >>> walker = TDLearning(walkers=1, states=5, start=2, alpha=0.5)
    >>> walker.action[...], trainer = 1, Trainer()
    >>> trainer.attach(walker)
    >>> for step in range(4):   # u = 0.9: right
    ...     loss = trainer.train_batch((np.array([0]), np.array([0.9]), leads_to, reward, goes_on), 0)
    ...     print(walker.table[0, 1:4, 0].tolist(), loss)
    [0.5, 0.5, 0.5] 0.0
    [0.5, 0.5, 0.75] 0.0625
    [0.5, 0.625, 0.75] 0.015625
    [0.5, 0.625, 0.875] 0.015625

Sources: Sutton 1988, "Learning to predict by the methods of temporal differences"; Watkins and Dayan 1992, "Q-learning"; Sutton and
Barto 2018, "Reinforcement Learning", examples 6.1 (the way home), 6.2 (the row), 6.6 (the cliff).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.validate import expect_choice
from manual.reinforcement.bandit import greedy
from manual.sampling import draw

Array = np.ndarray

METHODS = ("td", "sarsa", "q_learning")
"""V of who throws a coin; Q of who is ε-greedy, by what he will do next, or by the best that he could."""


class TDLearning(Concept):
    """Tables of values, one for each walker.

    Args:
        walkers: P, how many there are.
        states: S of the world.
        actions: K, from which they choose.
        start: the state where walks begin.
        method: one of `METHODS`.
        epsilon: ε, of those who choose.
        alpha: α, by what part of the TD error a value is mended.
        gamma: γ, the discount.
        initial: what all values begin with.
        rng: draws the first action of each.
        dtype: of the tables.

    Shapes: a batch is walker (N,), their numbers, each at most once; u (N,), which chooses; and the world of each, of which he sees only
    his step: leads_to (after an end the start), reward and goes_on (0 where the episode is over, else 1), (N, S, K) each. The table is
    (P, S, K); of V, (P, S, 1).

    Raises:
        ValueError: if an argument cannot be.
    """

    state: Array
    action: Array

    def __init__(
        self, walkers: int = 100, states: int = 7, actions: int = 2, start: int = 3, method: Literal["td", "sarsa", "q_learning"] = "td",
        epsilon: float = 0.1, alpha: float = 0.05, gamma: float = 1.0, initial: float = 0.5, *,
        rng: np.random.Generator | None = None, dtype: Any = np.float64,
    ) -> None:  # fmt: skip
        super().__init__()
        expect_choice("TDLearning", "method", method, METHODS)
        if min(walkers, states, actions) < 1 or not (0 <= start < states and 0 <= epsilon <= 1 and 0 <= gamma <= 1):
            given = f"{walkers}, {states}, {actions}, {start}, {epsilon}, {gamma}"
            raise ValueError(f"TDLearning: no walkers, states, actions, start, epsilon, gamma are so, got {given}")
        rng = rng or np.random.default_rng()
        self.actions, self.method, self.epsilon, self.alpha = actions, method, epsilon, alpha
        self.gamma, self.initial = gamma, initial
        self.table = Parameter(np.full((walkers, states, 1 if method == "td" else actions), initial, dtype))
        self.register_buffer("state", np.full(walkers, start))  # where each stands
        self.register_buffer("action", rng.integers(actions, size=walkers))  # and what he is about to do

    def forward(self, walker: Array) -> Array:
        """π of these walkers where they stand, (N, K)."""
        return self.policy(walker, self.state[walker])

    def policy(self, walker: Array, state: Array) -> Array:
        """π of these walkers in these states, (N, K)."""
        if self.method == "td":
            return np.full((len(state), self.actions), 1 / self.actions)
        return greedy(self.table[walker, state], self.epsilon)

    def column(self, action: Array) -> Array:
        """Of an action in the table; V has one for all of them."""
        return np.zeros_like(action) if self.method == "td" else action

    def to_come(self, walker: Array, state: Array, action: Array) -> Array:
        """What is to be expected from here on, (N,)."""
        if self.method == "q_learning":
            return self.table[walker, state].max(axis=1)
        return self.table[walker, state, self.column(action)]

    def step(self, walker: Array, u: Array, leads_to: Array, reward: Array, goes_on: Array) -> tuple[Array, Array, Array]:
        """A step of each walker: state and column of the value to be mended, and its target, (N,) each. No gradient goes through."""
        s, a = self.state[walker], self.action[walker]
        taken = np.arange(len(s)), s, a
        r, s_next = reward[taken], leads_to[taken]
        a_next = draw(self.policy(walker, s_next), u)
        y = r + self.gamma * goes_on[taken] * self.to_come(walker, s_next, a_next)
        self.taken = walker, s_next, a_next, r
        return s, self.column(a), y

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Stand where the step has led."""
        walker, s_next, a_next, _ = self.taken
        self.state[walker], self.action[walker] = s_next, a_next

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        walker = batch[0]
        s, column, y = self.step(*batch)
        off = self.table[walker, s, column] - y  # (N,): −δ
        self.save(walker, s, column, off)
        loss = self.alpha * (off**2).sum() / 2
        self.log("loss/train", loss)
        self.log("reward/train", self.taken[-1].mean())
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        walker, s, column, off = self.restore()
        dL_dtable = np.zeros_like(self.table.data)  # (P, S, K)
        dL_dtable[walker, s, column] = dL_dloss * self.alpha * off  # (N,): none of those that made y
        self.table.grad += dL_dtable

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """How far a walker's values are off (root mean square), on average over the walkers."""
        state, by_chance, at_best = batch  # V of who throws coins, and of who acts best, (M,) each
        off = self.table[:, state].max(axis=2) - (by_chance if self.method == "td" else at_best)  # (P, M)
        self.log("error/val", np.sqrt((off**2).mean(axis=1)).mean(), batch_size=len(state))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=1.0)
