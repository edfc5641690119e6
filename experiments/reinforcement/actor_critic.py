"""Actor and critic: one acts, the other says how it went

Two networks learn to cross a few rooms at the same time: a policy, and a value that tells it after each step how much better that went
than was to be expected. What that costs in bias, and saves in scatter, is counted out exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.wrappers import TimeLimit
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import InputError
from experiments.data.rollout import Rollout, RolloutData
from experiments.data.worlds.grid import ARROWS, GridWorld, table, the_map
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.concept import Batch
from manual.reinforcement.actor_critic import ActorCritic as Manual
from manual.reinforcement.actor_critic import actor_loss_backward
from manual.reinforcement.policy_gradient import worth
from manual.reinforcement.value_iteration import action_values
from torch_impl.reinforcement.actor_critic import ActorCritic as Torch
from torch_impl.reinforcement.actor_critic import actor_loss as actor_loss_in_torch


class Steps(RolloutData):
    """A few steps of several walkers on a map, wherever their walks stand then; each rollout is learned from once, in one batch.

    Args:
        environments: how many walk at the same time.
        steps: of each of them in a rollout.
        map: its name, or its rows with / between them: see experiments/data/worlds/grid.py.
        limit: steps after which a walk is cut off.
        seed: of what is left to chance.

    Attributes:
        states: how many there are.
        actions: between how many the agent can choose.
    """

    def __init__(self, environments: int = 16, steps: int = 8, map: str = "rooms", limit: int = 200, seed: int = 0) -> None:
        super().__init__(environments, steps, seed=seed)
        if min(limit, steps) < 1:
            raise InputError(f"--data.steps and limit must be at least 1, got {steps} and {limit}")
        self.map, self.limit = map, limit
        self.whole = GridWorld(the_map(map))
        self.states, self.actions = len(self.whole.cells), len(ARROWS)

    def environment(self) -> Any:
        return TimeLimit(GridWorld(the_map(self.map)), self.limit)

    def examples(self, rollout: Rollout) -> Batch:
        """(state, action, reward, next_state, goes_on, score), a row for each step; where a walk was cut off it would have gone on."""
        goes_on = 1.0 - rollout.terminated
        columns = rollout.state, rollout.answers["action"], rollout.reward, rollout.next_state, goes_on, rollout.score
        return tuple(map(rollout.rows, columns))

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """R (S, K), P (S, K, S); how probable it is to begin in each state, and 0 for ends, else 1, (S,)."""
        R, P = table(self.whole.P)
        start = np.bincount(self.whole.starts, minlength=self.states) / len(self.whole.starts)
        return R, P, start, np.array([float(s not in self.whole.ends) for s in range(self.states)])

    def val_batches(self) -> list[Batch]:
        """The whole world."""
        R, P, start, _ = self.tables
        return [(np.arange(self.states), P, R, start)]

    @cached_property
    def best(self) -> float:
        """The return of who walks as well as can be, by sweeps over Bellman's equation."""
        R, P, start, _ = self.tables
        V = np.zeros(self.states)
        for _ in range(1000):
            V = action_values(V, R, P, 1.0).max(axis=1)
        return float(start @ V)


# ---- what is measured ----------------------------------------------------------------------------------


def policy_of(side: Any, states: int) -> np.ndarray:
    """π of a side in each state, (S, K)."""
    if isinstance(side, Manual):
        return np.asarray(side(np.arange(states)))
    return side(torch.arange(states, device=side.device)).detach().cpu().double().numpy()


def value_of(side: Any, states: int) -> np.ndarray:
    """V of a side's critic in each state, (S,)."""
    if isinstance(side, Manual):
        return np.asarray(side.value(np.arange(states))[:, 0])
    return side.value(torch.arange(states, device=side.device))[:, 0].detach().cpu().double().numpy()


class Counted(NamedTuple):
    """An estimate of ∂J/∂z at one policy, for a critic that is right by some part: counted out over all that can happen."""

    mean: np.ndarray  # (S, K), of a whole walk: each state as often as walks come by
    scatter: float  # of one step, over all its S · K numbers: root mean square of the distance from its mean


def counted(data: Steps, z: np.ndarray, part: float, ahead: bool, in_torch: bool = False) -> Counted:
    """Of scores z, a critic that says `part` of what states are worth, and δ, one step ahead, or the whole return G − V.

    Each state and action is taken once, and counts as often as walks come by: nothing is drawn. G is known by its mean, Q, and by the mean
    of its square, for which there is an equation like Bellman's: E[G²] = E[r² + 2 r G′ + G′²].
    """
    R, P, start, going_on = data.tables
    pi = np.exp(z - z.max(axis=1, keepdims=True))
    pi /= pi.sum(axis=1, keepdims=True)
    step = np.einsum("sk,skt->st", pi, P)
    often = np.linalg.solve(np.eye(data.states) - step.T, start) * going_on  # how often a walk comes by, (S,)
    right = worth(pi, P, R)
    square = np.linalg.solve(np.eye(data.states) - step, (pi * (R**2 + 2 * R * (P @ right))).sum(axis=1))  # E[G²], (S,)
    V = part * right
    Q = R + P @ (V if ahead else right)
    A = Q - V[:, None]  # (S, K): on average
    spread = 0.0 if ahead else R**2 + 2 * R * (P @ right) + P @ square - Q**2  # of G around it; a step is certain, and δ has none
    weight = often[:, None] * pi
    mean, squares = np.zeros_like(z), 0.0
    for s, k in np.argwhere(weight > 0):
        g = slope(z[s : s + 1], int(k), A[s, k], in_torch)
        mean[s] -= weight[s, k] * g
        unit = slope(z[s : s + 1], int(k), 1.0, in_torch)
        squares += weight[s, k] * float((A[s, k] ** 2 + (spread if ahead else spread[s, k])) * (unit**2).sum())  # type: ignore[index]
    steps = weight.sum()
    return Counted(mean, float(np.sqrt(squares / steps - ((mean / steps) ** 2).sum())))


def slope(z: np.ndarray, a: int, delta: float, in_torch: bool) -> np.ndarray:
    """∂L/∂z of the actor's loss of one step, by hand or by autograd, (K,)."""
    if not in_torch:
        return actor_loss_backward(1.0, z, np.array([a]), np.array([delta]))[0]
    with torch.enable_grad():
        scores = to_torch(z).requires_grad_()
        actor_loss_in_torch(scores, torch.tensor([a]), torch.tensor([delta], dtype=scores.dtype)).backward()
    gradient: Any = scores.grad
    return np.asarray(gradient[0])


PARTS = np.linspace(0, 1.2, 7)
"""Of what is right, what a critic says, in the figure: 0 knows nothing, 1 is right."""


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Steps) -> Mapping[str, Figure]:
    """What was learned; and bias and scatter of both kinds of praise, at a policy that knows nothing yet."""
    return OnDemand(
        {
            "actor and critic": lambda: actor_and_critic(manual, torch_module, data),
            "bias and scatter": lambda: bias_and_scatter(data),
        }
    )


def actor_and_critic(manual: Manual, torch_module: Torch, data: Steps) -> Figure:
    """What walks brought; the actor's best actions and the critic's values; and these beside what the policy is worth."""
    R, P, _, going_on = data.tables
    pi, ours, theirs = policy_of(manual, data.states), value_of(manual, data.states), value_of(torch_module, data.states)
    exact, at = worth(pi, manual.gamma * P, R), np.flatnonzero(going_on)
    fig, axes = figure(
        f"Left: what each walk of the run brought, and the mean of twenty; {data.best:.0f} is the most. Middle: in each cell the action "
        "that the actor finds most probable, and the critic's V. Right: V of all cells, broad torch, dashed by hand, and crosses, what "
        f"the actor's policy is worth by a linear solve: {np.abs(ours - exact)[at].max():.1f} apart at most, where it hardly comes by.",
        columns=3,
        size=(4.0, 3.4),
    )
    left, middle, right = axes[0]
    brought = np.array(data.player.finished)
    left.plot(np.arange(1, len(brought) + 1), brought, ".", markersize=2, color=CATEGORIES[1])
    if len(brought) >= 20:
        mean = np.convolve(brought, np.full(20, 0.05), "valid")
        left.plot(np.arange(20, len(brought) + 1), mean, color=CATEGORIES[0])
    left.set(title="the walks of this run", xlabel="walk", ylabel="return")
    picture = np.full((len(data.whole.rows), len(data.whole.rows[0])), np.nan)
    for s, (i, j) in enumerate(data.whole.cells):
        picture[i, j] = ours[s] if going_on[s] else np.nan
        text = f"{ARROWS[pi[s].argmax()]}\n{ours[s]:.1f}" if going_on[s] else data.whole.letter(s)
        middle.text(j, i, text, ha="center", va="center")
    most = float(np.abs(ours).max()) or 1.0
    middle.imshow(picture, cmap=SIGNED, vmin=-2 * most, vmax=2 * most)
    middle.set(title="actor and critic", xticks=[], yticks=[])
    draw_both(right, np.stack([at, ours[at]]), np.stack([at, theirs[at]]), "V", CATEGORIES[0])
    right.plot(at, exact[at], "x", color="black", label="by a linear solve")
    right.set(title="what states are worth", xlabel="state")
    right.legend(fontsize=8)
    return fig


def bias_and_scatter(data: Steps) -> Figure:
    """How far the mean of the gradient is from the true one, and how single steps scatter, against how right the critic is."""
    z = np.zeros((data.states, data.actions))
    true = counted(data, z, 1.0, ahead=False).mean
    fig, axes = figure(
        "The gradient of the actor's loss by δ, one step ahead, and by the whole return, G − V, counted out over all that can happen at a "
        "policy that takes all actions equally often. Across: what part of V the critic says. Left: how far the mean is "
        "from the true gradient, as a part of that; δ is wrong as long as V is, G − V never. Right: how single steps scatter, root mean "
        "square, with δ a fraction of that with G − V. Broad torch, dashed by hand.",
        columns=2,
        size=(4.8, 3.5),
    )
    left, right = axes[0]
    for name, ahead, colour in (("δ", True, CATEGORIES[0]), ("G − V", False, CATEGORIES[3])):
        found = [[counted(data, z, part, ahead, in_torch) for part in PARTS] for in_torch in (False, True)]
        biases = [np.array([np.linalg.norm(of.mean - true) / np.linalg.norm(true) for of in side]) for side in found]
        scatters = [np.array([of.scatter for of in side]) for side in found]
        for ax, (ours, theirs) in ((left, biases), (right, scatters)):
            draw_both(ax, np.stack([PARTS, ours]), np.stack([PARTS, theirs]), name, colour)
    left.set(title="bias", xlabel="how much of V the critic knows", ylabel="of the true gradient")
    right.set(title="scatter", xlabel="how much of V the critic knows", ylim=(0, None))
    label_lines(left)
    label_lines(right)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def quieter(run: Trained) -> float:
    """How many times as much G − V scatters as δ, where all actions are equally probable and V is right."""
    z = np.zeros((run.data.states, run.data.actions))
    far, near = (counted(run.data, z, 1.0, ahead).scatter for ahead in (False, True))
    return far / near


QUESTIONS = (
    by_size(
        "Rollouts of a single step, of 64 walkers: no walk is ever seen from its start to its end. What do walks bring after 200 of them?",
        lambda run: run.metrics["J/val"],
        *("−20, as at first: nothing is learned", -10, "about −5", 2, "nearly 6, the most there is"),
        seen="{:.2f}",
        why="A step tells the critic something, and what the critic says of the next state stands for all that would have come after it.",
        data={"environments": 64, "steps": 1},
        trainer={"max_epochs": 200, "check_val_every_n_epoch": 50},
        look_at=("actor and critic", "how the cloud of walks rises."),
    ),
    by_size(
        "All actions are equally probable, and the critic is right. How does the gradient of a step scatter by G − V, beside that by δ?",
        quieter,
        *(
            "just as much: on average both are right",
            1.5,
            "about three times",
            4.5,
            "about six times",
            20,
            "a hundred times",
        ),
        seen="{:.1f} times as much",
        why="In G is the chance of all steps that follow, to the end of the walk; in δ only that of one.",
        trainer={"max_epochs": 2, "check_val_every_n_epoch": 1},
        look_at=("bias and scatter", "the right panel at 1, and the left one there."),
    ),
)

MISTAKE = Mistake(
    "The critic is wrong at first, and a wrong critic does harm. The reward alone is honest: leave the critic at 0.",
    lambda run: (
        f"Without it δ is r, and after {len(run.losses)} rollouts a walk brings {run.metrics['J/val']:.1f}; {run.data.best:.0f} is the "
        "most, and with a critic that is what it comes to."
    ),
    lambda run: run.agree and run.metrics["J/val"] < run.data.best - 3,
    "Nearly every step brings −1, good or bad. Only the critic knows that one has led nearer to the goal than another.",
    model={"value_lr": 0.0},
)


def learned(run: Trained) -> str:
    """What the policy is worth, exactly, and what the critic says of it."""
    J = f"{run.metrics['J/val']:.2f} on average, by a linear solve; {run.data.best:.2f} is the most there is"
    brought = run.data.player.finished
    first = f"The first twenty walks brought {np.mean(brought[:20]):.1f}, now" if brought else "No walk has ended yet;"
    return f"{first} they bring {J}. The critic says {run.metrics['critic/val']:.2f}."


TWIN = Twin(
    name="actor_critic",
    manual=Manual,
    torch=Torch,
    data=Steps,
    needs=("td_learning", "policy_gradient", "hidden_layer"),
    links={"data.states": "model.states", "data.actions": "model.actions"},
    trainer={"max_epochs": 200, "check_val_every_n_epoch": 20},
    options={"gamma": 0.5, "data.map": "S11/1#9/11G", "data.limit": 5, "steps": 3},
    constant_draw="told",
    falls=False,  # what the critic is measured against moves, and the actor's loss has no least
    figures=figures,
    learned=learned,
    look_at=("actor and critic", "how the cloud of walks rises to its top, and where the critic's dashes meet the crosses."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("actor_loss_backward", ("As in a policy gradient, with δ for the advantage.",)),
        Exercise("critic_loss_backward", ("A mean of squares, halved.",)),
        Exercise("ActorCritic.backward", ("Two losses, two networks: each goes back through its own.",)),
    ),
)

if __name__ == "__main__":
    run("actor_critic")
