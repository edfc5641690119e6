"""Policy gradient: what turned out well is made more probable

An agent that knows nothing of a dark corridor learns by walking it with which coin to choose its doors, and arrives at p = 2 − √2; with a
baseline and without one. Then a grid of 5x5 cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from gymnasium.wrappers import TimeLimit
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import InputError
from experiments.data.rollout import Rollout, RolloutData, advantages, play
from experiments.data.worlds.corridor import RIGHT, Corridor
from experiments.data.worlds.grid import ARROWS, MAPS, GridWorld, table, the_map
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.judge.convert import to_torch
from experiments.judge.noise import Stream
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.lockstep.trained import trained
from experiments.pair import Twin
from manual.concept import Batch
from manual.reinforcement.policy_gradient import PolicyGradient as Manual
from manual.reinforcement.policy_gradient import corridor_return
from torch_impl.reinforcement.policy_gradient import PolicyGradient as Torch

CORRIDORS = {"corridor": True, "lit corridor": False}
"""Whether it is dark there."""

BEST = 2 - 2**0.5
"""The p with which a walk through the dark corridor is the shortest, on average."""


class Walks(RolloutData):
    """Whole episodes, played at the same time; each rollout is learned from once, in one batch.

    Args:
        environments: how many episodes.
        world: the "corridor", the same as "lit corridor", or a map: one of those with a name ("land"), or its rows, "S11/1#9/11G".
        limit: steps after which an episode is cut off.
        seed: of what is left to chance.

    Attributes:
        states: how many the agent can tell apart.
        actions: between how many it can choose.
    """

    def __init__(self, environments: int = 32, world: str = "corridor", limit: int = 500, seed: int = 0) -> None:
        super().__init__(environments, seed=seed)
        if limit < 1:
            raise InputError(f"--data.limit must be at least 1, got {limit}")
        self.world, self.limit = world, limit
        self.whole: Any = self.environment().unwrapped
        self.states, self.actions = int(self.whole.observation_space.n), int(self.whole.action_space.n)

    def environment(self) -> Any:
        if self.world in CORRIDORS:
            return TimeLimit(Corridor(CORRIDORS[self.world]), self.limit)
        if self.world in MAPS or "/" in self.world:
            return TimeLimit(GridWorld(the_map(self.world)), self.limit)
        known = ", ".join(map(repr, (*CORRIDORS, *MAPS)))
        raise InputError(f"there is no world {self.world!r}: it must be one of {known}, or rows of a map with / between them")

    def examples(self, rollout: Rollout) -> Batch:
        """(state, action, advantage, G, score), a row for each step."""
        found = advantages(rollout, gamma=1.0)
        G = found + rollout.answers.get("value", 0.0)
        return tuple(map(rollout.rows, (rollout.state, rollout.answers["action"], found, G, rollout.score)))

    def val_batches(self) -> list[Batch]:
        """The whole world: what is seen of each place, P, R, and how probable it is to begin there."""
        R, P = table(self.whole.P)
        start = np.bincount(self.whole.starts, minlength=len(R)) / len(self.whole.starts)
        return [(getattr(self.whole, "seen", np.arange(len(R))), P, R, start)]


# ---- what is measured ----------------------------------------------------------------------------------


def policy_of(side: Any, states: int) -> np.ndarray:
    """π of a side in each state, (states, actions)."""
    if isinstance(side, Manual):
        return np.asarray(side(np.arange(states)))
    return side(torch.arange(states, device=side.device)).detach().cpu().double().numpy()


def goes_right(side: Any) -> float:
    """p: how often a side goes right in the dark corridor."""
    return float(policy_of(side, 1)[0, RIGHT])


def at(p: float, value: float | None) -> tuple[Manual, Torch]:
    """Both sides, with this p for a policy and this V; without a baseline if it is None."""
    ours, theirs = TWIN.build(variant=None if value is not None else "without a baseline")
    state = {"policy.weight": np.array([[0.0, np.log(p / (1 - p))]]), **({} if value is None else {"value.weight": np.array([[value]])})}
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.from_numpy(a) for name, a in state.items()})
    return ours, theirs  # type: ignore[return-value]


@cache
def walked(p: float, walks: int = 150) -> tuple[Rollout, float]:
    """Walks through the corridor with this p; and the mean of G over all their steps, which V is pulled to."""
    ours, _ = at(p, 0.0)
    rollout = play(ours.act, Walks(walks, seed=1).player, Stream(1, 0, "walks"), 0)
    return rollout, float(rollout.rows(advantages(rollout, 1.0)).mean())


def slopes(p: float, baseline: bool) -> tuple[float, float, float]:
    """∂J/∂θ for the score of "right", from some walks: by hand, in torch; and how single walks scatter, by hand (standard deviation)."""
    rollout, value = walked(p)
    state, action, G, _, score = Walks(1).examples(rollout)  # played with V = 0
    A = G - value if baseline else G
    ours, theirs = at(p, value if baseline else None)
    batch = state, action, A, G, score
    ours.training_step(batch, 0)
    ours.backward()
    with torch.enable_grad():
        theirs.training_step(to_torch(batch), 0).backward()
    gradient: Any = theirs.policy.weight.grad
    by_walk = np.zeros(rollout.u.shape[1])
    np.add.at(by_walk, np.argwhere(rollout.played)[:, 1], A * ((action == RIGHT) - p))
    steps = -len(A) / len(by_walk)  # L is a mean over steps and downhill; J is of whole walks and uphill
    return steps * ours.policy.weight.grad[0, RIGHT], steps * gradient[0, RIGHT].item(), by_walk.std()


def exact_slope(p: Any) -> Any:
    """∂J/∂θ: the slope of J = −2 (2 − p) / (p − p²) at p, times that of p, which is p (1 − p)."""
    return (2 * p**2 - 8 * p + 4) / (p * (1 - p))


@cache
def parted(baseline: bool, rollouts: int = 40) -> np.ndarray:
    """How far the weights of two hand-written agents part that differ by one part in 10¹⁶ and learn from the same walks, (rollouts,)."""
    pair = [Manual(baseline=baseline, steps=rollouts) for _ in range(2)]
    pair[1].policy.weight *= 1 + np.finfo(float).eps
    data, configured, found = Walks(16), [model.configure_optimizers() for model in pair], []
    for number in range(rollouts):
        stream = Stream(0, 0, "rollout")
        stream.begin(number)
        batch = data.examples(play(pair[0].act, data.player, stream, 0))
        for model, of in zip(pair, configured, strict=True):
            model.zero_grad()
            model.training_step(batch, 0)
            model.backward()
            of["optimizer"].step()
            of["lr_scheduler"]["scheduler"].step()
        found.append(np.abs(pair[0].policy.weight - pair[1].policy.weight).max())
    return np.array(found)


GRID: dict[str, Any] = {"world": "S1111/11111/11111/11111/1111G", "environments": 16}


@cache
def in_a_grid() -> Trained:
    """Both sides, trained to cross an empty grid: 60 rollouts of 16 walks."""
    twin = TWIN.having({"first": 0.0, "lr": 3.0, "value_lr": 2.0, "steps": 60}, GRID)
    return trained(replace(twin, trainer={"max_epochs": 60}))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Walks) -> Mapping[str, Figure]:
    """What was learned, and how long walks were on the way; then, whatever was trained, what a baseline does, and a grid."""
    return OnDemand(
        {
            "the coin": lambda: the_coin(manual, torch_module, data),
            "the baseline": lambda: the_baseline(),
            "a grid": lambda: a_grid(),
            "two right runs": lambda: two_right_runs(),
        }
    )


def the_coin(manual: Manual, torch_module: Torch, data: Walks) -> Figure:
    """J against p, where both sides have come to; and the returns of this run."""
    dark = data.world == "corridor"
    ours, theirs = goes_right(manual), goes_right(torch_module)
    fig, axes = figure(
        f"Left: J, the return that is to be expected in the dark corridor, against p, how often one goes right; best at {BEST:.3f}. The "
        + (f"circle is torch ({theirs:.3f}), the cross in it by hand ({ours:.3f}). " if dark else "run was in another world. ")
        + "Who nearly always does the same hardly gets out. Right: what the walks of each rollout of this run brought on average, against "
        "the number of the rollout.",
        columns=2,
        size=(5.0, 3.6),
    )
    left, right = axes[0]
    p = np.linspace(0.03, 0.97, 200)
    left.plot(p, corridor_return(p), color="black", linewidth=1.2)
    left.axvline(BEST, color="black", linewidth=0.8, linestyle=":")
    if dark:
        left.plot(theirs, corridor_return(theirs), "o", markersize=13, color=TORCH["color"], label="torch")
        left.plot(ours, corridor_return(ours), "x", markersize=8, markeredgewidth=2, color=BY_HAND["color"], label="by hand")
        left.legend(loc="lower center")
    left.set(title="J in the dark corridor", xlabel="p, how often right", ylabel="return", ylim=(-80, 0))
    brought = data.player.finished
    means = [np.mean(brought[i : i + data.environments]) for i in range(0, len(brought), data.environments)]
    right.plot(np.arange(1, len(means) + 1), means, color=CATEGORIES[0])
    right.set(title="the walks of this run", xlabel="rollout", ylabel="mean return")
    return fig


PS = (0.15, 0.3, 0.45, 0.6, 0.75, 0.85)


def the_baseline() -> Figure:
    """The mean of the gradient with and without V beside the exact one, and how single walks scatter."""
    looks = (("with a baseline", True, CATEGORIES[0]), ("without", False, CATEGORIES[1]))
    found = {label: np.array([slopes(p, baseline) for p in PS]) for label, baseline, _ in looks}
    ratio = (found["without"][:, 2] / found["with a baseline"][:, 2]).max()
    fig, axes = figure(
        "150 walks at each of six p. Left: their mean ∂J/∂θ for the score of right (broad and pale: torch, dashed: by hand), and "
        "the exact one, black, from the formula of J. With a baseline and without it is the same, up to chance. Right: the standard "
        f"deviation of single walks. Without a baseline it is up to {ratio:.1f} times as large.",
        columns=2,
        size=(5.0, 3.6),
    )
    left, right = axes[0]
    p = np.linspace(0.12, 0.88, 100)
    left.plot(p, exact_slope(p), color="black", linewidth=1.0)
    for label, _, colour in looks:
        ours, theirs, scatter = found[label].T
        draw_both(left, np.stack([PS, ours]), np.stack([PS, theirs]), label, colour)
        right.plot(PS, scatter, "o-", color=colour, label=label)
    left.axhline(0, color="black", linewidth=0.5)
    left.set(title="∂J/∂θ, the mean", xlabel="p, how often right")
    right.set(title="∂J/∂θ, the scatter of walks", xlabel="p, how often right", ylim=(0, None))
    left.legend(), right.legend()
    return fig


def a_grid() -> Figure:
    """The most probable action in each cell, and how sure it is, on both sides."""
    run, world = in_a_grid(), GridWorld(the_map(GRID["world"]))
    steps = 11 - run.metrics["J/val"]
    fig, axes = figure(
        f"Another world: 25 cells, from the upper left to the goal. After {len(run.losses)} rollouts of {run.data.environments} walks: the "
        "most probable action in each cell, dark where it is sure. A walk "
        f"takes {steps:.1f} steps on average; 8 is the least. Cells off the way are hardly visited, and little was learned there.",
        columns=2,
        size=(3.6, 3.6),
    )
    for ax, side, title in zip(axes[0], (run.manual, run.torch), ("by hand", "in torch"), strict=True):
        p = policy_of(side, 25)
        for s, (i, j) in enumerate(world.cells):
            arrow = "goal" if s in world.ends else ARROWS[p[s].argmax()]
            ax.text(j, i, arrow, ha="center", va="center", fontsize=9 if s in world.ends else 18, alpha=float(p[s].max()))
        ax.set(title=title, xlim=(-0.5, 4.5), ylim=(4.5, -0.5), xticks=np.arange(0.5, 4), yticks=np.arange(0.5, 4))
        ax.set(xticklabels=[], yticklabels=[])
        ax.grid(True, color="black", linewidth=0.3)
        ax.tick_params(length=0)
    return fig


# ---- further reading: how far two right runs part -----------------------------------------------------


def two_right_runs() -> Figure:
    """The distance of two agents that began a rounding error apart."""
    last = {baseline: parted(baseline)[-1] for baseline in (True, False)}
    fig, axes = figure(
        "Two agents by hand whose first weights differ by one part in 10¹⁶ learn from the same walks. With a baseline they stay "
        f"{last[True]:.0e} apart, without one they end {last[False]:.0e} apart. Where all A are below 0 every action is pushed away, and "
        "the one that was already a little less probable the most: L is a hill there, no valley, and a small difference grows.",
        size=(6.4, 3.6),
    )
    ax = axes[0, 0]
    for baseline, label, colour in ((True, "with a baseline", CATEGORIES[0]), (False, "without", CATEGORIES[1])):
        ax.plot(np.arange(1, len(parted(baseline)) + 1), parted(baseline), color=colour, label=label)
    ax.set(title="how far two right runs part", xlabel="rollout", ylabel="largest difference of a weight", yscale="log")
    ax.legend()
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def scatter_without(run: Trained) -> float:
    """How much more the gradients of single walks scatter without a baseline, at the policy that this run ended with."""
    p = round(goes_right(run.manual), 2)
    return slopes(p, False)[2] / slopes(p, True)[2]


SHORT: dict[str, Any] = {"model": {"lr": 0.2, "steps": 50}, "data": {"environments": 16}, "trainer": {"max_epochs": 50}}

QUESTIONS = (
    by_size(
        "Now the agent begins with p = 0.95: nearly always right. Where does p end?",
        lambda run: goes_right(run.manual),
        *("near 0", 0.3, "near 0.59", 0.8, "near 0.95"),
        seen="p = {:.2f}",
        why="J has one top, and it is uphill to it from both sides. Who always goes right walks between 0 and 1, and pays for each step.",
        **{**SHORT, "model": {**SHORT["model"], "first": -3.0}},
        look_at=("the coin", "how J falls to the right of its top as it does to the left."),
    ),
    by_size(
        "The light goes on: the agent sees at which place he is. How many steps does a walk take in the end?",
        lambda run: -run.metrics["J/val"],
        *("about 4", 6, "about 8", 10, "about 12, as in the dark"),
        seen="{:.1f} steps",
        why="A row of scores for each place: he learns right, left, right. Three steps are the least; only the dark called for a coin.",
        model={"first": 0.0, "lr": 0.5, "value_lr": 0.5, "steps": 40},
        data={"environments": 16, "world": "lit corridor"},
        trainer={"max_epochs": 40},
        look_at=("the coin", "the right panel, where walks become shorter than 11.66 steps."),
    ),
    by_size(
        "At the end of training V is left out, so that A = G. How much more does the gradient of a single walk scatter?",
        scatter_without,
        *("not at all: V changes nothing on average", 1.2, "about one and a half times as much", 4, "ten times as much"),
        seen="{:.1f} times as much",
        why="On average V changes nothing. But without it an action is weighted by all that came after, and not by how much more or less "
        "that was than usual.",
        **SHORT,
        look_at=("the baseline", "both panels: the left for the mean, the right for the scatter."),
    ),
)


class Greedy(Manual):
    """Takes the most probable action, always."""

    def act(self, state: np.ndarray, u: np.ndarray) -> dict[str, np.ndarray]:
        found = super().act(state, u)
        return {**found, "action": found["probability"].argmax(axis=1)}


class GreedyInTorch(Torch):
    """The same."""

    def act(self, state: torch.Tensor, u: torch.Tensor) -> dict[str, torch.Tensor]:
        found = super().act(state, u)
        return {**found, "action": found["probability"].argmax(dim=1)}


MISTAKE = Mistake(
    "The action that is the most probable is the one that is thought best. So take it: to throw a coin for it is a waste.",
    lambda run: (
        f"In {len(run.data.player.finished)} walks the more probable door was taken each time. The last twenty brought "
        f"{run.data.rollout.returns.mean():.0f} on average; a walk is cut off after {run.data.limit} steps."
    ),
    lambda run: run.agree and run.data.rollout.returns.max() <= -run.data.limit,
    "Where places look alike, one and the same action everywhere need not lead out. And who never tries another learns nothing of it.",
    model={"steps": 15},
    data={"environments": 8, "limit": 60},
    trainer={"max_epochs": 15},
    manual=Greedy,
    torch=GreedyInTorch,
)


def learned(run: Trained) -> str:
    """What the policy is worth, and in the dark corridor how near it came to the best coin."""
    J = run.metrics["J/val"]
    if run.data.world != "corridor":
        last = np.mean(run.data.player.finished[-20:])
        return f"Walks bring {J:.2f} on average, by the exact equations; the last twenty brought {last:.2f}."
    return (
        f"The agent goes right with p = {goes_right(run.manual):.3f}; {BEST:.3f} is best. A walk takes {-J:.2f} steps on average, where "
        f"{-corridor_return(BEST):.2f} are the least. He was told neither what a door does nor that there is a way out."
    )


TWIN = Twin(
    name="policy_gradient",
    manual=Manual,
    torch=Torch,
    data=Walks,
    needs=("expectation", "softmax_regression", "value_iteration"),
    links={"data.states": "model.states", "data.actions": "model.actions"},
    trainer={"max_epochs": 150, "check_val_every_n_epoch": 10},
    variants={"without a baseline": {"baseline": False}},
    options={"data.limit": 3, "data.world": "lit corridor", "steps": 3},
    foretold=False,  # without a baseline L is a hill: see `two_right_runs`
    figures=figures,
    learned=learned,
    look_at=("the coin", "whether the cross lies in the circle, and both on the top of the curve."),
    further=("two right runs",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("log_prob_backward", ("Softmax regression's p − y, with the sign of a log-probability: it should grow.",)),
        Exercise(
            "PolicyGradient.backward", ("Two sums make up L, and each is a mean over N steps. The second is there with a baseline only.",)
        ),
    ),
)

if __name__ == "__main__":
    run("policy_gradient")
