"""Value iteration: what a place is worth, by what the next one is worth, by hand.

A bandit's arm (`bandit`) brings its reward, and all is as before. Most of what one does has consequences: a step leads somewhere, and
there one can do other things than here. Somebody crosses a country; each step costs him something, and no one says which would have been
right. The words that it is spoken of in, beside action and reward:

    state s        where one is: here a cell of a map. The actions are a step up, right, down or left
    reward r       here minus what the cell costs that he steps onto, and 10 at the goal
    episode        a walk, from where it begins until it ends, here at the goal
    policy         which action is taken in which state
    return         all rewards from now to the end. One that comes a step later counts γ times as much (read "gamma"):

        r₁ + γ r₂ + γ² r₃ + …          γ is the *discount*, here 0.9: better soon than late

In this lesson the country is known, and only the best way through it is not. It has rained: with the probability 0.2 a step goes astray,
half of that to the left and half to the right of where it should go. So two tables say all that there is to know:

    R[s, a]        the reward that is to be expected of action a in state s
    P[s, a, s′]    the probability that it leads to s′ ("s prime"), and that the episode goes on there

**What is a state worth?** V(s), its *value*, is the return that is to be expected if one acts from s on as well as can be. Q(s, a) is the
same, if a is what one does first. Who knew the values of the next states would know this one's:

    Q(s, a) = R[s, a] + γ Σ over s′ of P[s, a, s′] V(s′)
    V(s)    = max over a of Q(s, a)                                   Bellman's equation

max is the largest of them. And who knows Q knows what to do: the action whose Q is largest. No plan is needed beyond the next step.

**A sweep.** The equation has V on both of its sides. *Value iteration* starts from any V, say 0 everywhere, works out the right side, takes
that for V, and does it again. The first sweep sees one step ahead, the second two: word of the goal travels by one cell a sweep. Why does
it arrive? Say that V is wrong by at most e. A Q is a mean of some V, times γ: it is wrong by at most γ e, and so is the largest Q. After k
sweeps the error is at most γᵏ times what it was.

**A sweep is a step of gradient descent.** Call the right side the *target* y(s), and take it for numbers that are given:

    L = ½ Σ over s of (V(s) − y(s))²          ∂L/∂V(s) = V(s) − y(s)          V ← V − lr (V − y)

With lr = 1, V becomes y. Yet y was made of V: let V move, and y moves too. That this is left out of the gradient is meant. A value is to be
pulled to what the next one says, and not the next one to it. It is called a *semi-gradient*; in torch somebody has to say so,
with `no_grad` or `detach`. Put a network where the table V is and make lr small, and you have what plays video games (`dqn`).

**One linear solve.** Hold on to one action in each state, and the max is gone. R and P keep a row for each state, and what is left are
as many linear equations as unknowns:

    V = R + γ P V        (I − γ P) V = R        solved at once (`solve`): what that policy is worth

For the policy that the sweeps arrive at, that is the V that they arrive at.

**On paper.** Two cells and the goal, A → B → goal; actions 0 (right) and 1 (left), nothing goes astray, γ = ½. A step costs 1, the last
one brings 10; to the left of A is a wall.

    sweep 1, from V = (0, 0):       A: max(−1 + ½ · 0, −1 + ½ · 0) = −1        B: max(10, −1 + ½ · 0) = 10
    sweep 2, from V = (−1, 10):     A: max(−1 + ½ · 10, −1 − ½) = 4            B: max(10, −1 − ½) = 10
    sweep 3, from V = (4, 10):      A: max(−1 + ½ · 10, −1 + ½ · 4) = 4        B: max(10, −1 + ½ · 4) = 10: nothing changes any more

    >>> R = np.array([[-1.0, -1.0], [10.0, -1.0]])
    >>> P = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])       # from A, from B; the goal ends it, and has no column
    >>> walker = ValueIteration(states=2, gamma=0.5)
    >>> for sweep in range(3):
    ...     loss = walker.training_step((np.arange(2), R, P), 0)
    ...     walker.backward()
    ...     walker.V -= 1.0 * walker.V.grad
    ...     walker.zero_grad()
    ...     print(walker.V.tolist(), loss)
    [-1.0, 10.0] 50.5
    [4.0, 10.0] 12.5
    [4.0, 10.0] 0.0
    >>> solve(R, P, 0.5, np.array([0, 0])).tolist()       # always to the right
    [4.0, 10.0]

Sources: Bellman 1957, "Dynamic Programming", chapter 11; Sutton and Barto 2018, "Reinforcement Learning", sections 3.5 (the equation), 4.1
and 4.4 (sweeps), 9.3 (semi-gradient).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.validate import expect_choice

POLICIES = ("best", "random")
"""Whose return a value is: of who acts as well as can be, or of who takes any action, all of them equally often."""


def action_values(V: Array, R: np.ndarray, P: np.ndarray, gamma: float) -> np.ndarray:
    """Q: what is to be expected of each action, if V is what the states after it are worth.

    Shapes: V (S,), R (N, A), P (N, A, S), for N of the S states; the result (N, A).
    """
    return R + gamma * (P @ V)  # (N, A) + (N, A, S) @ (S,)


class ValueIteration(Concept):
    """A table of values, each pulled to what the next ones say it should be.

    Args:
        states: S, how many there are.
        gamma: γ, the discount: by what a reward counts less that comes a step later; 1 is for walks that are sure to end.
        policy: whose values: "best" takes the largest Q for a target, "random" the mean of all.
        lr: the step size; 1 is a sweep.
        rng: not used: V begins with 0.
        dtype: of V.

    Shapes: a batch is state (N,), numbers of states; R (N, A) and P (N, A, S), their rows of the two tables. V (S,).

    Raises:
        ValueError: if there is no state, or gamma is not between 0 and 1, or policy is none of `POLICIES`.
    """

    def __init__(
        self,
        states: int = 25,
        gamma: float = 0.9,
        policy: Literal["best", "random"] = "best",
        lr: float = 1.0,
        *,
        rng: Any = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if states < 1 or not 0 <= gamma <= 1:
            raise ValueError(f"ValueIteration: states must be at least 1 and gamma between 0 and 1, got {states} and {gamma}")
        expect_choice("ValueIteration", "policy", policy, POLICIES)
        self.gamma, self.policy, self.lr = gamma, policy, lr
        self.V = Parameter(np.zeros(states, dtype))

    def forward(self, state: np.ndarray) -> np.ndarray:
        """What these states are worth, (N,)."""
        return self.V[state]

    def target(self, R: np.ndarray, P: np.ndarray) -> np.ndarray:
        """y, the right side of Bellman's equation, (N,). Numbers that are given: no gradient goes through them."""
        Q = action_values(self.V, R, P, self.gamma)
        return Q.max(axis=1) if self.policy == "best" else Q.mean(axis=1)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        state, R, P = batch
        off = self(state) - self.target(R, P)  # (N,)
        self.save(state, off)
        loss = (off**2).sum() / 2
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        state, off = self.restore()
        dL_dV = np.zeros_like(self.V.data)
        np.add.at(dL_dV, state, dL_dloss * off)  # (N,): each to the state that it is of, and none to the target's
        self.V.grad += dL_dV

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and by how much Bellman's equation is still wrong where it is so most."""
        state, R, P = batch
        off = self(state) - self.target(R, P)
        self.log("loss/val", (off**2).sum() / 2, batch_size=len(state))
        self.log("residual/val", np.abs(off).max(), batch_size=len(state))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def solve(R: np.ndarray, P: np.ndarray, gamma: float, action: np.ndarray) -> np.ndarray:
    """What a policy is worth, by one linear solve of (I − γ P) V = R.

    Args:
        R: the rewards to be expected, (S, A).
        P: the probabilities of the states that follow, (S, A, S).
        gamma: the discount.
        action: that the policy takes in each state, (S,).

    Returns:
        V, (S,).
    """
    state = np.arange(len(R))
    return np.linalg.solve(np.eye(len(R)) - gamma * P[state, action], R[state, action])  # (S, S) and (S,)


# ---- further reading: policy iteration ---------------------------------------------------------------


def policy_iteration(R: np.ndarray, P: np.ndarray, gamma: float) -> list[np.ndarray]:
    """Solve for the policy at hand, take in each state the action that looks best by that V, and so on until nothing changes.

    Each round is a step of Newton's method on Bellman's equation, V − y = 0: its Jacobian is I − γ P, with the rows of the actions whose Q
    is largest. A sweep takes I in its place. So a handful of rounds arrive, each of which costs a solve. An action is only left for one
    that is better by more than rounding, or two equally good ones would take turns for ever.

    Args:
        R, P, gamma: see `solve`; gamma is below 1, or each action must lead nearer to an end.

    Returns:
        The values after each round, the last ones twice: V of (S,) each, from action 0 everywhere on.

    Sources: Howard 1960, "Dynamic Programming and Markov Processes"; Puterman and Brumelle 1979, "On the convergence of policy iteration"
        (Newton).
    """
    action = np.zeros(len(R), int)
    found: list[np.ndarray] = []
    while True:
        found.append(solve(R, P, gamma, action))
        Q = action_values(found[-1], R, P, gamma)
        better = Q.max(axis=1) > Q[np.arange(len(Q)), action] + 1e-9 * np.abs(Q).max()
        if not better.any():
            return [*found, found[-1]]
        action = np.where(better, Q.argmax(axis=1), action)
