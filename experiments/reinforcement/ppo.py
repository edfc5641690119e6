"""Proximal policy optimization: several steps on one rollout, none too far

Two networks, a policy and a value, learn to keep a pole upright on a cart; or whatever else is asked of them in another environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import InputError
from experiments.data.rollout import Rollout, RolloutData, advantages, states_by_chance
from experiments.data.worlds.find import find
from experiments.drawing.colours import BETWEEN, CATEGORIES, shades
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Shorter, Trained, by_size
from experiments.pair import Twin
from manual.concept import Batch
from manual.reinforcement.ppo import PPO as Manual
from manual.reinforcement.ppo import surrogate, surrogate_backward
from torch_impl.reinforcement.ppo import PPO as Torch
from torch_impl.reinforcement.ppo import surrogate as surrogate_in_torch


class Rollouts(RolloutData):
    """Rollouts from any environment of Gymnasium's with discrete actions.

    Args:
        environment: its id; a user's own as "my_module:MyWorld-v0", if importing the module registers it.
        environments: how many are played at the same time.
        steps: of each of them in a rollout.
        passes: how often a rollout is learned from.
        minibatches: into how many batches its steps are cut, in each pass.
        gamma: γ, the discount.
        lam: λ, how far ahead an advantage looks.
        seed: of what is left to chance.

    Attributes:
        numbers: of which a state is made.
        actions: between how many the agent can choose.
    """

    def __init__(
        self,
        environment: str = "CartPole-v1",
        environments: int = 8,
        steps: int = 128,
        passes: int = 4,
        minibatches: int = 4,
        gamma: float = 0.98,
        lam: float = 0.9,
        seed: int = 0,
    ) -> None:
        super().__init__(environments, steps, passes, minibatches, seed)
        if steps < 1 or not (0 <= gamma <= 1 and 0 <= lam <= 1):
            raise InputError(f"--data.steps must be at least 1, --data.gamma and lam between 0 and 1, got {steps}, {gamma} and {lam}")
        self.world, self.gamma, self.lam = environment, gamma, lam
        world = find(environment)
        self.numbers, self.actions = int(world.observation_space.shape[0]), int(world.action_space.n)
        world.close()

    def environment(self) -> Any:
        return find(self.world)

    def examples(self, rollout: Rollout) -> Batch:
        """(state, action, old, advantage, R, score), a row for each step; the advantages of a rollout have mean 0 and deviation 1."""
        found = advantages(rollout, self.gamma, self.lam)
        R = found + rollout.answers["value"]
        A = (found - found.mean()) / (found.std() + 1e-8)
        columns = rollout.state, rollout.answers["action"], np.log(rollout.probability), A, R, rollout.score
        return tuple(map(rollout.rows, columns))

    @cached_property
    def by_chance(self) -> np.ndarray:
        """States that actions drawn by chance lead to, (128, D)."""
        return states_by_chance(self.environment(), self.actions, self.seed)

    def val_batches(self) -> list[Batch]:
        """One, of the states that chance leads to."""
        return [(self.by_chance,)]


# ---- what is measured ----------------------------------------------------------------------------------


def policy_of(side: Any, states: np.ndarray) -> np.ndarray:
    """π of a side in these states, (N, K)."""
    if isinstance(side, Manual):
        return np.asarray(side(states.astype(side.policy[0].weight.dtype)))
    return side(torch.from_numpy(states).to(side.device, side.dtype)).detach().cpu().double().numpy()


def ratios(run: Trained) -> np.ndarray:
    """π / π_old of every action of the last rollout, now that all has been learned from it."""
    rollout = run.data.rollout
    actions, states = rollout.rows(rollout.answers["action"]), rollout.rows(rollout.state)
    return policy_of(run.manual, states)[np.arange(len(actions)), actions] / rollout.rows(rollout.probability)


def outside(run: Trained, by: float = 0.2) -> float:
    """The part of them that is farther from 1 than this."""
    return float(np.mean(np.abs(ratios(run) - 1) > by))


def farthest(run: Trained) -> float:
    """How many times, or what part of what it was, the one is that has moved farthest."""
    return float(np.exp(np.abs(np.log(ratios(run))).max()))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Rollouts) -> Mapping[str, Figure]:
    """What every episode brought, and what was learned; what is clipped; and how far ahead an advantage looks."""
    return OnDemand(
        {
            "returns": lambda: returns(manual, torch_module, data),
            "the clipped loss": lambda: the_clipped_loss(manual.clip),
            "how far ahead": lambda: how_far_ahead(torch_module, data),
        }
    )


def returns(manual: Manual, torch_module: Torch, data: Rollouts) -> Figure:
    """The return of every finished episode of the run; and for the pole, which way both sides push."""
    brought = np.array(data.player.finished)
    pole = data.world.startswith("CartPole")
    last = f"the last twenty brought {brought[-20:].mean():.0f} on average" if len(brought) else "none has ended"
    fig, axes = figure(
        f"Left: what each of {len(brought):,} episodes brought, and the mean of twenty; {last}. "
        + (
            "Right: the cart in the middle and at rest. How probable is it that the agent pushes right, against how the pole leans and how "
            "fast it falls? Blue: right; red: left. The broad line is where torch is undecided, the dashes are the same by hand."
            if pole
            else "Right: of the states that chance leads to, how probable each action is; broad torch, narrow by hand."
        ),
        columns=2,
        size=(5.0, 3.7),
    )
    left, right = axes[0]
    left.plot(np.arange(1, len(brought) + 1), brought, ".", markersize=3, color=CATEGORIES[1], label="one episode")
    if len(brought) >= 20:
        left.plot(
            np.arange(20, len(brought) + 1), np.convolve(brought, np.full(20, 0.05), "valid"), color=CATEGORIES[0], label="mean of twenty"
        )
    left.set(title="what the episodes brought", xlabel="episode", ylabel="return")
    if len(brought):
        left.legend(loc="upper left")
    if pole:
        undecided(right, manual, torch_module)
    else:
        for side, look, width in ((torch_module, TORCH, 0.8), (manual, BY_HAND, 0.35)):
            right.bar(np.arange(data.actions), policy_of(side, data.by_chance).mean(axis=0), width=width, color=look["color"])
        right.set(title="how probable each action is, on average", xlabel="action", xticks=np.arange(data.actions), ylim=(0, 1))
    return fig


def undecided(ax: Any, manual: Manual, torch_module: Torch) -> None:
    """Which way the pole's agent pushes, by how the pole leans and falls."""
    lean, falls = np.meshgrid(np.linspace(-0.2, 0.2, 41), np.linspace(-1.5, 1.5, 41))
    states = np.stack([np.zeros(lean.size), np.zeros(lean.size), lean.ravel(), falls.ravel()], axis=1)
    ours, theirs = (policy_of(side, states)[:, 1].reshape(lean.shape) for side in (manual, torch_module))
    ax.imshow(ours, origin="lower", extent=(-0.2, 0.2, -1.5, 1.5), aspect="auto", cmap=BETWEEN, vmin=0, vmax=1)
    for p, look in ((theirs, TORCH), (ours, BY_HAND)):
        if p.min() < 0.5 < p.max():
            ax.contour(
                lean,
                falls,
                p,
                levels=[0.5],
                colors=[look["color"]],
                linewidths=look["linewidth"],
                linestyles=[look.get("linestyle", "solid")],
            )
    ax.set(title="pushes right", xlabel="how the pole leans (rad)", ylabel="how fast it falls (rad/s)")


def the_clipped_loss(clip: float) -> Figure:
    """What an action adds to the objective, and its slope, against the ratio."""
    r, old = np.linspace(0.4, 1.8, 141), np.zeros(141)
    fig, axes = figure(
        f"What one action adds to −L, against the ratio r; ε = {clip:g}. Broad torch, dashed by hand; below, the slopes by hand. "
        "A > 0: no gain beyond 1 + ε, and no slope there. A < 0: none below 1 − ε. To the other side the line goes on, and with it "
        "the slope: from there it comes back.",
        rows=2,
        columns=2,
        size=(4.2, 2.5),
    )
    for column, A, colour in ((0, 1.0, CATEGORIES[0]), (1, -1.0, CATEGORIES[3])):
        above, below = axes[:, column]
        each = [(np.log(r[i : i + 1]), old[:1], np.full(1, A)) for i in range(len(r))]
        ours = [-surrogate(*of, clip) for of in each]
        theirs = [-surrogate_in_torch(to_torch(log_p), to_torch(of_old), to_torch(a), clip).item() for log_p, of_old, a in each]
        draw_both(above, np.stack([r, ours]), np.stack([r, theirs]), "", colour)
        slope = [-surrogate_backward(1.0, *of, clip)[0] / np.exp(of[0][0]) for of in each]  # ∂/∂r = ∂/∂log r · 1/r
        below.plot(r, slope, color=colour)
        above.axvline(1, color="black", linewidth=0.6, linestyle=":")
        below.axvline(1, color="black", linewidth=0.6, linestyle=":")
        above.set(title=f"A = {A:+.0f}: what it adds")
        below.set(title=f"A = {A:+.0f}: the slope", xlabel="ratio r", ylim=(-1.2, 1.2))
    return fig


def how_far_ahead(torch_module: Torch, data: Rollouts) -> Figure:
    """The advantages of one environment in one rollout, by three λ."""
    rollout = data.rollout if data.rollout is not None else data.first_rollout(torch_module)
    lams = (0.0, data.lam, 1.0)
    found = [advantages(rollout, data.gamma, lam) for lam in lams]
    fig, axes = figure(
        f"The advantages of the {len(rollout.u)} steps that one environment took in the last rollout. With λ = 0 each is told by the next "
        f"step alone; with λ = 1 by all that came, and by V at the end. Over the whole rollout they scatter by {found[0].std():.2f}, "
        f"{found[1].std():.2f} (λ = {data.lam:g}) and {found[2].std():.2f}. Dotted: an episode ends.",
        size=(8.0, 3.4),
    )
    ax = axes[0, 0]
    for lam, A, colour in zip(lams, found, shades(3), strict=True):
        ax.plot(A[:, 0], color=colour, label=f"λ = {lam:g}", linewidth=1.3)
    for t in np.flatnonzero(rollout.ended[:, 0]):
        ax.axvline(t + 0.5, color="black", linewidth=0.8, linestyle=":")
    ax.axhline(0, color="black", linewidth=0.5)
    ax.set(title="how much better than was expected", xlabel="step of the rollout", ylabel="advantage A")
    ax.legend()
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

SHORT: dict[str, Any] = {"model": {"hidden": 32, "rollouts": 24}, "data": {"steps": 64}, "trainer": {"max_epochs": 6}}

QUESTIONS = (
    by_size(
        "At first the agent pushes by chance. For how many steps does the pole stand then, on average over the first twenty episodes?",
        lambda run: float(np.mean(run.data.player.finished[:20])),
        *("about 2", 8, "about 20", 80, "about 200"),
        seen="{:.0f} steps",
        why="A fiftieth of a second is short: it takes about twenty pushes until the pole leans by twelve degrees, which counts as fallen.",
        **SHORT,
        look_at=("returns", "where the curve of the returns begins, and what it comes to."),
    ),
    by_size(
        "Every rollout is learned from four times over. For what part of the last one's actions did the ratio leave 0.8 to 1.2?",
        outside,
        *("none: what lies outside is clipped", 0.001, "some of them, less than a third", 0.33, "most of them"),
        seen="{:.1%} of them",
        why="Clipping takes the slope away, and is no wall: what other actions ask for, and Adam's momentum, carry a ratio on.",
        **SHORT,
        look_at=("the clipped loss", "the slope beyond 1 + ε: it is 0, and does not push back."),
    ),
)

MISTAKE = Mistake(
    "A rollout is expensive. So learn from each twenty times over, and do without the clipping, which only slows it down.",
    lambda run: (
        f"After twenty passes over the last rollout one of its actions was {farthest(run):.2g} times as probable as when it was drawn, or "
        f"that many times less so, and {outside(run):.0%} of the ratios lay outside of 0.8 to 1.2."
    ),
    lambda run: run.agree and farthest(run) > 30,
    "A rollout tells of the policy that has played it. Far from that one, what it says is of walks that would no longer be walked.",
    model={"hidden": 16, "clip": 1e3, "lr": 0.01},
    data={"steps": 32, "passes": 20},
    trainer={"max_epochs": 2},
)


def learned(run: Trained) -> str:
    """What the first and the last episodes brought."""
    brought = run.data.player.finished
    if not brought:
        return f"After {len(run.losses)} steps no episode has ended yet."
    best = " The most there is are 500." if run.data.world == "CartPole-v1" else ""
    return (
        f"Of {len(brought):,} episodes the first twenty brought {np.mean(brought[:20]):.1f} on average, the last twenty "
        f"{np.mean(brought[-20:]):.1f}.{best}"
    )


TWIN = Twin(
    name="ppo",
    manual=Manual,
    torch=Torch,
    data=Rollouts,
    needs=("actor_critic",),
    links={"data.numbers": "model.numbers", "data.actions": "model.actions"},
    trainer={"max_epochs": 80, "gradient_clip_val": 0.5, "check_val_every_n_epoch": 10},
    shorter=Shorter(model={"rollouts": 50}, trainer={"max_epochs": 50}),
    options={"data.environment": "Acrobot-v1", "rollouts": 3},
    idle={"clip": "in the first batch of a rollout every ratio is 1, and nothing to be clipped"},
    variants={"unclipped": {"clip": 1e3}},
    smooth=("unclipped",),  # min and clip have kinks, and ratios lie everywhere; the cases keep away from them
    figures=figures,
    learned=learned,
    look_at=("returns", "how the cloud of episodes rises, and whether the dashes lie on the broad line."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("surrogate_backward", ("The slope of exp is itself, so r comes again. Where min chose the clipped one there is none.",)),
        Exercise("PPO.backward", ("Two sums make up L: walk back from V's first, then from the policy's.",)),
    ),
)

if __name__ == "__main__":
    run("ppo")
