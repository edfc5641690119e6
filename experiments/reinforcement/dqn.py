"""DQN: a network says what each action is worth, and remembers its steps

A walker without a map learns what each action is worth in each cell, from a memory of steps and beside a frozen copy of itself; who has the
map and solves Bellman's equation says the same, to four digits behind the point and more. Then a pole on a cart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from gymnasium.wrappers import FlattenObservation, TimeLimit
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import InputError
from experiments.data.replay import ReplayData
from experiments.data.rollout import play, states_by_chance
from experiments.data.worlds.find import Plain, find
from experiments.data.worlds.grid import MAPS, MOVES, GridWorld, table, the_map
from experiments.drawing.colours import AMOUNT, CATEGORIES, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.judge.convert import made_of
from experiments.judge.noise import Stream
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.concept import Batch
from manual.module import no_grad
from manual.reinforcement.dqn import DQN as Manual
from manual.reinforcement.value_iteration import action_values, policy_iteration
from manual.trainer import Trainer
from torch_impl.reinforcement.dqn import DQN as Torch

LAND = "/".join(MAPS["land"]).replace("S", "1")
"""The country of `value_iteration`, where walks now begin in any cell. In each cell the best action is better than the next by 0.65 at
least (γ = 0.9): which is the best, no rounding can decide."""


class Memory(ReplayData):
    """A replay memory of steps in a world.

    Args:
        environment: a map, by its name ("rooms") or by its rows ("1#G/11X"), on which no step goes astray; or Gymnasium's id of an
            environment with discrete actions, "CartPole-v1".
        environments, steps, memory, updates, batch_size, seed: see `ReplayData`.
        limit: steps after which a walk on a map is cut off; a new one begins elsewhere.

    Attributes:
        numbers: of which a state is made.
        actions: between how many the agent can choose.
    """

    def __init__(
        self, environment: str = LAND, environments: int = 4, steps: int = 32, memory: int = 10_000,
        updates: int = 50, batch_size: int = 64, limit: int = 20, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(environments, steps, memory, updates, batch_size, seed)
        if limit < 1:
            raise InputError(f"--data.limit must be at least 1, got {limit}")
        self.world, self.limit = environment, limit
        first = self.environment()
        self.numbers, self.actions = int(first.observation_space.shape[0]), int(first.action_space.n)

    def environment(self) -> Any:
        if self.world in MAPS or "/" in self.world:
            return Plain(FlattenObservation(TimeLimit(GridWorld(the_map(self.world)), self.limit)))
        return find(self.world)

    @cached_property
    def table(self) -> Batch | None:
        """Where the world has a table of all that can happen: the states in which something can still be done (S', D), R (S', K) and
        P (S', K, S') of these; None where it has none."""
        P = getattr(self.environment().unwrapped, "P", None)
        if P is None:
            return None
        R, chance = table(P)
        going_on = [s for s in P if any(after != s or not over for _, after, _, over in P[s][0])]
        return np.eye(self.numbers)[going_on], R[going_on], chance[np.ix_(going_on, range(R.shape[1]), going_on)]

    def val_batches(self) -> list[Batch]:
        """One, of that table; or where there is none, of states that chance leads to."""
        return [self.table or (states_by_chance(self.environment(), self.actions, self.seed),)]


# ---- what is measured ----------------------------------------------------------------------------------


def known(of: Batch, gamma: float) -> np.ndarray:
    """Q by Bellman's equation, for who has the table, (S, K)."""
    _, R, P = of
    return action_values(policy_iteration(R, P, gamma)[-1], R, P, gamma)


def farthest(side: Any, data: Memory) -> float:
    """How far the Q that is farthest off is from that of who has the map; NaN where there is none."""
    if data.table is None:
        return float("nan")
    return float(np.abs(made_of(side, data.table[0]) - known(data.table, side.gamma)).max())


def counted(rows: Batch, data: Memory) -> np.ndarray:
    """How often each action was taken in each cell, (S, K)."""
    found = np.zeros((data.numbers, data.actions))
    np.add.at(found, (rows[0].argmax(axis=1), rows[1]), 1)
    return found


def told_of(data: Memory) -> float:
    """Of how many pairs of a cell and an action the memory tells."""
    assert data.remembered is not None
    return float((counted(data.remembered, data) > 0).sum())


def alone(model: Manual, data: Memory, rollouts: int, measure: Callable[[], float]) -> list[float]:
    """Train the hand-written side for itself, as a run does, and measure something after every rollout."""
    trainer, found = Trainer(), list[float]()
    trainer.attach(model)
    for epoch in range(rollouts):
        stream = Stream(data.seed, 0, "rollout")
        stream.begin(epoch)
        with no_grad():
            data.remember(data.examples(play(model.act, data.player, stream, data.steps)))
        for batch_idx, batch in enumerate(data.drawn(epoch)):
            trainer.train_batch(batch, batch_idx)
        trainer.move_schedules("epoch", epoch)
        found.append(measure())
    return found


@cache
def in_the_land(copy_every: int = 50, memory: int = 10_000, seed: int = 0) -> tuple[list[float], Memory]:
    """The largest error of Q after each rollout, and the data that are left."""
    twin = TWIN.having({"copy_every": copy_every}, {"memory": memory})
    data: Any = twin.make_data(seed=seed)
    model: Any = twin.build(seed, data=data)[0]
    return alone(model, data, twin.trainer["max_epochs"], lambda: farthest(model, data)), data


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Memory) -> Mapping[str, Figure]:
    """What the trained pair thinks of each action; what comes of leaving something out; what is in a memory; and a pole."""
    return OnDemand(
        {
            "what actions are worth": lambda: what_actions_are_worth(manual, torch_module, data),
            "what is left out": lambda: what_is_left_out(),
            "the memory": lambda: the_memory(),
            "the pole": lambda: the_pole(),
        }
    )


def draw_actions(ax: Any, world: GridWorld, of: np.ndarray, **colours: Any) -> Any:
    """A number for each action in each cell, (S, 4): each cell is cut into four, of which the upper part is a step up."""
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])  # x to the right, y down
    places = [(s, np.array((j, i))) for s, (i, j) in enumerate(world.cells) if s not in world.ends]
    parts = [[at, at + corners[a], at + corners[(a + 1) % 4]] for _, at in places for a in range(4)]
    drawn = ax.add_collection(
        PolyCollection(parts, array=of[[s for s, _ in places]].ravel(), edgecolors="white", linewidths=0.5, **colours)
    )
    for s in world.ends:
        i, j = world.cells[s]
        ax.text(j, i, world.letter(s), ha="center", va="center")
    ax.set(xlim=(-0.5, len(world.rows[0]) - 0.5), ylim=(len(world.rows) - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
    return drawn


def what_actions_are_worth(manual: Manual, torch_module: Torch, data: Memory) -> Figure:
    """Left the map, or where there is none what the episodes brought; right Q beside that of who has the map, or of both sides."""
    world, brought = data.environment().unwrapped, np.array(data.player.finished)
    (state, *_) = data.val_batches()[0]
    ours, theirs = made_of(manual, state), made_of(torch_module, state)
    right_ones = known(data.table, manual.gamma) if data.table is not None else theirs
    on_a_map = isinstance(world, GridWorld)
    fig, axes = figure(
        (
            "Left: Q of every action in every cell, by hand: the upper part of a cell is the step up, and a dot marks the best. "
            if on_a_map
            else f"Left: what each of {len(brought):,} episodes brought. "
        )
        + (
            f"Right: every Q against what it is by Bellman's equation, for who has the map; the circles are torch, the crosses by hand. "
            f"The worst is {np.abs(ours - right_ones).max():.0e} off."
            if data.table is not None
            else "Right: Q in states that chance leads to, by hand (crosses) and in torch (circles), against torch's."
        ),
        columns=2,
        size=(4.6, 3.9),
    )
    left, right = axes[0]
    if on_a_map:
        everywhere = made_of(manual, np.eye(data.numbers))
        most = float(np.abs(everywhere).max())
        fig.colorbar(draw_actions(left, world, everywhere, cmap=SIGNED, clim=(-most, most)), ax=left, shrink=0.8)
        for s in (s for s in range(len(world.cells)) if s not in world.ends):
            (i, j), (down, right_of) = world.cells[s], MOVES[everywhere[s].argmax()]
            left.plot(j + right_of / 3, i + down / 3, ".", color="black", markersize=5)
        left.set_title("what each action is worth")
    else:
        left.plot(np.arange(1, len(brought) + 1), brought, ".", markersize=3, color=CATEGORIES[1])
        left.set(title="what the episodes brought", xlabel="episode", ylabel="return")
    right.plot(right_ones.ravel(), theirs.ravel(), "o", markersize=8, color=TORCH["color"], label="torch")
    right.plot(right_ones.ravel(), ours.ravel(), "x", markersize=4, color=BY_HAND["color"], label="by hand")
    right.set(title="beside Bellman's equation" if data.table is not None else "both sides", xlabel="what it is", ylabel="learned Q")
    right.legend()
    return fig


LEFT_OUT: dict[str, dict[str, int]] = {
    "memory and target network": {},
    "no target network": {"copy_every": 1},
    "no memory but the last rollout": {"memory": 128},
}
"""Runs that are compared, by what they have."""


def what_is_left_out() -> Figure:
    """The largest error of Q against the number of the rollout, with everything and without one thing each."""
    found = {name: in_the_land(**left_out)[0] for name, left_out in LEFT_OUT.items()}
    whole, no_target, no_memory = (errors[-1] for errors in found.values())
    fig, axes = figure(
        "How far the worst Q of 96 is off after each rollout (and 50 batches), by hand. With both the error falls by a factor for each "
        f"copy, as in value iteration, to {whole:.0e}. Where y comes from the network itself it runs after its own tail and ends "
        f"at {no_target:.0e}. Where only the last 128 steps are remembered, what they do not tell of is forgotten: {no_memory:.0e}.",
        size=(6.4, 3.8),
    )
    draw_curves(axes[0, 0], found)
    axes[0, 0].set(title="what comes of leaving something out", ylabel="largest error of Q", yscale="log")
    return fig


def draw_curves(ax: Any, found: Mapping[str, Sequence[float]]) -> None:
    """What was measured after each rollout, a curve for each name."""
    for (name, measured), colour in zip(found.items(), CATEGORIES, strict=False):
        ax.plot(np.arange(1, len(measured) + 1), measured, color=colour, label=name)
    ax.set(xlabel="rollout")
    ax.legend()


def the_memory() -> Figure:
    """How often each action was taken in each cell: in the last rollout, and in all that is remembered."""
    data = in_the_land()[1]
    assert data.remembered is not None
    last = tuple(a[-data.steps * data.environments :] for a in data.remembered)
    fig, axes = figure(
        f"How often each action was taken in each cell; white is never. Left, the last rollout: {len(last[0])} steps, which tell of "
        f"{(counted(last, data) > 0).sum():.0f} of the 96 pairs of a cell and an action, and of the best way most. Right, all that is "
        f"remembered, {len(data.remembered[0]):,} steps: nothing is missing.",
        columns=2,
        size=(4.4, 3.9),
    )
    for ax, rows, title in zip(axes[0], (last, data.remembered), ("the last rollout", "the memory"), strict=True):
        counts = counted(rows, data)
        drawn = draw_actions(ax, data.environment().unwrapped, np.where(counts > 0, counts, np.nan), cmap=AMOUNT, clim=(0, counts.max()))
        fig.colorbar(drawn, ax=ax, shrink=0.8)
        ax.set_title(title)
    return fig


# ---- further reading: a pole on a cart -----------------------------------------------------------------

POLE: dict[str, dict[str, Any]] = {
    "model": {"hidden": 128, "gamma": 0.98, "epsilon": 0.1, "lr": 0.01, "copy_every": 200, "rollouts": 30},
    "data": {"environment": "CartPole-v1", "environments": 8, "steps": 64, "memory": 100_000, "updates": 200},
}
"""What the pole asks for: more steps, rarer copies, less chance."""


@cache
def with_a_pole(copy_every: int = 200, memory: int = 100_000, seed: int = 0) -> tuple[list[float], np.ndarray]:
    """What the latest twenty episodes had brought after each rollout, on average; and what each of all episodes brought."""
    twin = TWIN.having({**POLE["model"], "copy_every": copy_every}, {**POLE["data"], "memory": memory, "seed": seed})
    data: Any = twin.make_data()
    model: Any = twin.build(seed, data=data)[0]
    brought = alone(model, data, POLE["model"]["rollouts"], lambda: float(np.mean(data.player.finished[-20:])))
    return brought, np.array(data.player.finished)


def the_pole() -> Figure:
    """What episodes with a pole on a cart brought, with everything and without one thing each."""
    left_out = {**LEFT_OUT, "no memory but the last rollout": {"memory": 512}}
    found = {name: with_a_pole(**of)[0] for name, of in left_out.items()}
    both, no_target, no_memory = (f"{max(brought):.0f} at best and {brought[-1]:.0f} in the end" for brought in found.values())
    fig, axes = figure(
        "A pole on a cart (see `ppo`), by hand: for how many of 500 steps it stood, in the mean of the latest twenty episodes, after each "
        f"rollout of 512 steps. One run each; other seeds go up and down elsewhere. With memory and target network: {both}. Without a "
        f"target network: {no_target}. With the last rollout alone: {no_memory}. No two states are alike here: one moves the Q of all.",
        size=(6.4, 3.8),
    )
    draw_curves(axes[0, 0], found)
    axes[0, 0].set(title="a pole on a cart", ylabel="mean return of twenty episodes", ylim=(0, None))
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

QUESTIONS = (
    by_size(
        "copy_every = 1: y comes from the network as it is. With a copy every 50 steps no Q is off by 1e-5. How far is the worst one now?",
        lambda run: farthest(run.manual, run.data),
        *("less than 1e-4: it is only a detour", 1e-4, "up to 1", 1.0, "farther: Q grows without end"),
        seen="{:.2g}",
        why="It arrives here too, but late: each step moves what it is to be pulled to, and the network runs after its own tail.",
        model={"copy_every": 1},
        look_at=("what is left out", "where the curve without a target network ends."),
    ),
    by_size(
        "The memory holds the last 128 steps and no others. Of how many of the 96 pairs of a cell and an action does it tell in the end?",
        lambda run: told_of(run.data),
        *("of fewer than 30: the way to the goal", 30, "of about half", 72, "of nearly all"),
        seen="of {:.0f}",
        why="Half of all actions are the best ones, and lead the same ways again. What is off these ways is not drawn, and is forgotten.",
        data={"memory": 128},
        look_at=("the memory", "how much is white on the left, and nothing on the right."),
    ),
)


class NeverOver(Manual):
    """A walker for whom there is something after the end."""

    def targets(self, reward: np.ndarray, next_state: np.ndarray, over: np.ndarray) -> np.ndarray:
        return super().targets(reward, next_state, 0 * over)


class NeverOverInTorch(Torch):
    """The same in torch."""

    def targets(self, reward: torch.Tensor, next_state: torch.Tensor, over: torch.Tensor) -> torch.Tensor:
        return super().targets(reward, next_state, 0 * over)


def after_the_goal(run: Trained) -> float:
    """What the network makes of the goal."""
    return float(made_of(run.manual, np.eye(run.data.numbers)[run.data.environment().unwrapped.ends]).max())


MISTAKE = Mistake(
    "That nothing comes after the goal need not be said: a network that learns what everything is worth will find that out, too.",
    lambda run: (
        f"What comes after the goal is worth {after_the_goal(run):.1f}, says the network, and the worst Q of all cells is "
        f"{farthest(run.manual, run.data):.1f} off."
    ),
    lambda run: run.agree and farthest(run.manual, run.data) > 1,
    "No step begins at the goal, so Q there is never pulled to anything: it is whatever the other cells make of it, and all learn from it.",
    trainer={"max_epochs": 25},
    manual=NeverOver,
    torch=NeverOverInTorch,
)


def learned(run: Trained) -> str:
    """How near Q came to Bellman's equation, or what the episodes brought."""
    steps = len(run.data.remembered[0]) if run.data.remembered is not None else 0
    if run.data.table is not None:
        return (
            f"After {len(run.losses):,} batches from a memory of {steps:,} steps the worst Q of {run.data.table[1].size} is "
            f"{farthest(run.manual, run.data):.1g} off from what Bellman's equation says to who has the map. The walker never had one."
        )
    brought = run.data.player.finished
    if not brought:
        return f"After {len(run.losses):,} batches from a memory of {steps:,} steps no episode has ended yet."
    return (
        f"Of {len(brought):,} episodes the first twenty brought {np.mean(brought[:20]):.1f} on average, the last twenty "
        f"{np.mean(brought[-20:]):.1f}."
    )


TWIN = Twin(
    name="dqn",
    manual=Manual,
    torch=Torch,
    data=Memory,
    needs=("td_learning",),
    links={"data.numbers": "model.numbers", "data.actions": "model.actions"},
    trainer={"max_epochs": 50, "check_val_every_n_epoch": 5},
    options={"data.environment": "rooms", "data.memory": 16, "epsilon": 0.2},
    idle={"copy_every": "before the first batch of an epoch a copy is made, whatever it is"},
    constant_draw="targets",
    written=("target",),
    variants={"no target network": {"copy_every": 1}},
    figures=figures,
    learned=learned,
    look_at=("what is left out", "which curve falls in a straight line, and where the others end."),
    further=("the pole",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("taken_backward", ("Each step tells of one action. The others get 0.",)),
        Exercise("DQN.targets", ("The copy says what the next state is worth, by its best action; unless the episode was over.",)),
        Exercise("DQN.backward", ("From the loss to Q(s, a), from there to the row of Q, and on through the network that was asked.",)),
    ),
)

if __name__ == "__main__":
    run("dqn")
