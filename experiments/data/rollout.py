"""Data that depend on the weights: the torch side plays, what it played is recorded, and both sides learn from the record.

Two right sides that each played for themselves would part for good at the first action that rounding decides otherwise. So one of
them plays, with actions drawn by inverse CDF on numbers that depend on the seed, the epoch and the step alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

from experiments.data.arrays import ArrayData, InputError, two_parts
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.noise import Stream
from experiments.judge.nonfinite import NotFinite, first_in
from manual.concept import Batch

Answers = Mapping[str, np.ndarray]
"""What an agent answers: its "action" (N,), its "probability" of each (N, K), and whatever else it says of the states, "value" (N,) say."""

Act = Callable[[np.ndarray, np.ndarray], Answers]
"""act(states, u): the answers to N states and N uniform numbers."""


class Environment(Protocol):
    """Gymnasium's interface, as far as it is used here. The same seed and the same actions must lead to the same states."""

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode: its first state, and more to know."""

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The next state, the reward, whether the episode is over, whether it was only cut off, and more to know."""


@dataclass(frozen=True)
class Rollout:
    """T steps in E environments, as they were played: every array begins with (T, E), time first.

    Args:
        state: before the step.
        u: the uniform number that drew the action.
        answers: of the torch side to that state.
        reward: that the step brought.
        next_state: that it led to, also where an episode ended.
        terminated: whether the episode was over; what would have come after is worth nothing.
        truncated: whether it was only cut off.
        played: False after the end of an episode that no other follows.
        next_answers: to the next state, without an action: what is still expected of a rollout that was cut off.
        returns: what each of the last episodes that ended by then brought in all, undiscounted, the latest last; 20 at most.
    """

    state: np.ndarray
    u: np.ndarray
    answers: Answers
    reward: np.ndarray
    next_state: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    played: np.ndarray
    next_answers: Answers = field(default_factory=dict)
    returns: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def ended(self) -> np.ndarray:
        """Whether an episode ended with this step, in whatever way."""
        return self.terminated | self.truncated

    @property
    def probability(self) -> np.ndarray:
        """Of the action that was drawn; its logarithm is the old log-probability of a policy gradient."""
        return np.take_along_axis(self.answers["probability"], self.answers["action"][..., None], axis=-1)[..., 0]

    @property
    def score(self) -> np.ndarray:
        """The mean of `returns`, or 0 before any episode has ended; the same number beside each step, (T, E), to be logged with a batch."""
        return np.full(self.u.shape, self.returns.mean() if len(self.returns) else 0.0)

    def rows(self, of: np.ndarray) -> np.ndarray:
        """What was played, one step after the other, of an array that begins with (T, E)."""
        return of[self.played]

    def place(self, row: int) -> tuple[int, int]:
        """At which step, in which environment a row was played."""
        step, environment = np.argwhere(self.played)[row]
        return int(step), int(environment)


class Player:
    """Environments that are played at the same time, each where the seed of its episode and the actions since have led it.

    Args:
        make: a new environment.
        n: how many.
        seed: from which every episode's seed is made.

    Attributes:
        finished: what every episode that ended brought, in the order in which they ended.
    """

    def __init__(self, make: Callable[[], Environment], n: int, seed: int) -> None:
        self.environments, self.seed = [make() for _ in range(n)], seed
        self.episodes = [0] * n  # begun in each environment
        self.actions: list[list[int]] = [[] for _ in range(n)]  # since the latest episode began
        self.states: list[Any] = [None] * n
        self.brought = [0.0] * n  # by the latest episode, so far
        self.finished: list[float] = []

    def begin(self, i: int) -> None:
        """A new episode in this environment."""
        self.episodes[i] += 1
        self.actions[i], self.brought[i] = [], 0.0
        seed = np.random.SeedSequence([self.seed, i, self.episodes[i]]).generate_state(1)[0]
        self.states[i], _ = self.environments[i].reset(seed=int(seed))

    def step(self, i: int, action: int) -> tuple[float, bool, bool]:
        """Take a step in this environment: reward, terminated, truncated."""
        self.actions[i].append(action)
        self.states[i], reward, terminated, truncated, _ = self.environments[i].step(action)
        self.brought[i] += float(reward)
        if terminated or truncated:
            self.finished.append(self.brought[i])
        return float(reward), bool(terminated), bool(truncated)

    def state(self) -> np.ndarray:
        """All states, as one array of float64 or int64."""
        states = np.stack([np.asarray(s) for s in self.states])
        return states.astype(np.float64 if states.dtype.kind == "f" else np.int64)

    def state_dict(self) -> dict[str, Any]:
        """How everything came to be where it is."""
        return {
            "episodes": list(self.episodes),
            "actions": [list(actions) for actions in self.actions],
            "finished": list(self.finished),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go the same way again: an environment need not know how to be saved."""
        for i, (episodes, actions) in enumerate(zip(state["episodes"], state["actions"], strict=True)):
            if episodes:
                self.episodes[i] = episodes - 1
                self.begin(i)
            for action in actions:
                self.step(i, action)
        self.finished = list(state["finished"])


def play(act: Act, player: Player, stream: Stream, steps: int) -> Rollout:
    """Play on from where the player stands.

    Args:
        act: the agent.
        player: the environments.
        stream: of uniform numbers, one draw a step.
        steps: of each environment, where a new episode follows an old one at once; 0 plays one new episode in each.
    """
    n = len(player.environments)
    for i in range(n):
        if steps == 0 or not player.episodes[i]:
            player.begin(i)
    playing = np.ones(n, bool)
    taken: list[Rollout] = []
    while len(taken) < steps or (steps == 0 and playing.any()):
        taken.append(one_step(act, player, stream.random(n), playing))
        over = taken[-1].ended
        if steps == 0:
            playing = playing & ~over
        else:
            for i in np.flatnonzero(over).tolist():
                player.begin(i)
    return with_next_answers(act, replace(stacked(taken), returns=np.array(player.finished[-20:])))


def one_step(act: Act, player: Player, u: np.ndarray, playing: np.ndarray) -> Rollout:
    """One step in every environment that is still played, without an axis for time."""
    state = player.state()
    answers = dict(act(state, u))
    if found := first_in(answers):
        raise NotFinite(f"torch plays: first not finite: {found}")
    came = [player.step(i, int(a)) if playing[i] else (0.0, False, False) for i, a in enumerate(answers["action"])]
    reward, terminated, truncated = (np.array(values) for values in zip(*came, strict=True))
    return Rollout(state, u, answers, reward, player.state(), terminated, truncated, playing)


def stacked(taken: list[Rollout]) -> Rollout:
    """Steps one after the other, time as the first axis."""
    names = ("state", "u", "reward", "next_state", "terminated", "truncated", "played")
    arrays: dict[str, Any] = {name: np.stack([getattr(step, name) for step in taken]) for name in names}
    return Rollout(**arrays, answers={name: np.stack([step.answers[name] for step in taken]) for name in taken[0].answers})


def with_next_answers(act: Act, rollout: Rollout) -> Rollout:
    """The same, and what the agent makes of the states that the steps led to, if it makes anything of states but actions."""
    if set(rollout.answers) <= {"action", "probability"}:
        return rollout
    T, E = rollout.u.shape
    found = act(rollout.next_state.reshape(T * E, *rollout.next_state.shape[2:]), np.zeros(T * E))
    known = {name: a.reshape(T, E, *a.shape[1:]) for name, a in found.items() if name not in ("action", "probability")}
    return replace(rollout, next_answers=known)


def advantages(rollout: Rollout, gamma: float, lam: float = 1.0) -> np.ndarray:
    """How much more each step brought than was expected of its state (generalised advantage estimation, Schulman et al. 2016).

        δ[t] = r[t] + γ V(s[t+1]) − V(s[t]),    A[t] = δ[t] + γ λ A[t+1]

    V(s[t+1]) is 0 where the episode was over, and the sum breaks off where it ended in whatever way. Without values V is 0: with
    λ = 1, A[t] is then the discounted return from t on.

    Returns:
        (T, E).
    """
    nothing = np.zeros(rollout.u.shape)
    value = np.asarray(rollout.answers.get("value", nothing), np.float64)
    expected = np.where(rollout.terminated, 0.0, np.asarray(rollout.next_answers.get("value", nothing), np.float64))
    delta = np.where(rollout.played, rollout.reward + gamma * expected - value, 0.0)
    found, after = nothing.copy(), nothing[0]
    for t in reversed(range(len(delta))):
        found[t] = after = delta[t] + gamma * lam * np.where(rollout.ended[t], 0.0, after)
    return found


def states_by_chance(world: Environment, actions: int, seed: int, n: int = 128) -> np.ndarray:
    """States that actions drawn by chance lead to, (n, D)."""
    rng, states, over = np.random.default_rng(seed), list[np.ndarray](), True
    while len(states) < n:
        if over:
            state, _ = world.reset(seed=int(rng.integers(2**31)))
        states.append(np.asarray(state, np.float64))
        state, _, terminated, truncated, _ = world.step(int(rng.integers(actions)))
        over = terminated or truncated
    return np.stack(states)


class RolloutData(ArrayData):
    """Batches from rollouts that the torch side plays with the weights that it has: one rollout for each epoch.

    A subclass says what is played (`environment`) and what is learned from it (`examples`). The model has on both sides a method
    `act(states, u)` that returns the answers, and draws its action with its side's `sampling.draw`.

    Args:
        environments: how many are played at the same time.
        steps: of each of them in a rollout; 0 plays a whole episode in each.
        passes: how often each rollout is learned from.
        minibatches: into how many batches its rows are cut, in another order in each pass.
        seed: of the episodes, of the actions and of the order of the rows.
    """

    def __init__(self, environments: int = 8, steps: int = 0, passes: int = 1, minibatches: int = 1, seed: int = 0) -> None:
        super().__init__(0, seed)
        if min(environments, passes, minibatches) < 1 or steps < 0 or minibatches > max(steps, 1) * environments:
            raise InputError(
                "--data.environments, passes and minibatches must be at least 1, steps at least 0, and every minibatch needs a row; "
                f"got {environments}, {passes}, {minibatches} and {steps}"
            )
        self.environments, self.steps, self.passes, self.minibatches = environments, steps, passes, minibatches
        self.rollout: Rollout | None = None  # the latest
        self.played_in: int | None = None  # the epoch that it is of

    def environment(self) -> Environment:
        """A new environment."""
        raise NotImplementedError

    def examples(self, rollout: Rollout) -> Batch:
        """What is learned from: arrays with one row for each step that was played (`rollout.rows`)."""
        raise NotImplementedError

    # ---- playing -----------------------------------------------------------------------------------

    @cached_property
    def player(self) -> Player:
        """The environments of this run."""
        return Player(self.environment, self.environments, self.seed)

    def setup(self, stage: str = "fit") -> None:
        """Make the environments, so that a fault shows before training begins."""
        assert self.player

    def play(self, module: Any, epoch: int, player: Player) -> Rollout:
        """Let this torch module play the rollout of an epoch."""
        stream = Stream(self.seed, 0, "rollout")
        stream.begin(epoch)
        modes = {m: m.training for m in module.modules()}
        module.eval()
        precision = self.trainer.precision_plugin.train_step_context() if self.trainer is not None else nullcontext()
        try:
            with precision:
                return play(in_torch(module), player, stream, self.steps)
        finally:
            for m, mode in modes.items():
                m.training = mode

    def batches(self, epoch: int) -> list[Batch]:
        """Play, unless this epoch's rollout is there already; then its rows, pass after pass, cut into minibatches."""
        if self.rollout is None or self.played_in != epoch:
            assert self.trainer is not None
            if self.trainer.world_size > 1:
                raise InputError("rollouts are played in one process: leave --trainer.devices at 1")
            self.rollout, self.played_in = self.play(self.trainer.lightning_module, epoch, self.player), epoch
        rows = self.examples(self.rollout)
        orders = [self.order(len(rows[0]), epoch, i) for i in range(self.passes)]
        return [tuple(a[part] for a in rows) for order in orders for part in np.array_split(order, self.minibatches)]

    def order(self, n: int, epoch: int, number: int) -> np.ndarray:
        """Of n rows, in this pass over the rollout of this epoch; as they were played where there is one batch of all."""
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, number + 1, epoch]))
        return np.arange(n) if self.minibatches == 1 else rng.permutation(n)

    def n_batches(self) -> int:
        """The same in every epoch, however long its episodes were."""
        return self.passes * self.minibatches

    def val_batches(self) -> list[Batch]:
        """None, unless a subclass has some."""
        return []

    def first_rollout(self, module: Any) -> Rollout:
        """What a run with this module would begin with; nothing of the run itself is touched."""
        return self.play(module, 0, Player(self.environment, self.environments, self.seed))

    def two_batches(self, module: Any) -> list[Batch]:
        """The rows of one rollout in two parts."""
        return two_parts(self.examples(self.first_rollout(module)), 0)

    def example(self, module: Any, n: int = 32) -> Batch:
        """The first n rows of a rollout."""
        return tuple(a[:n] for a in self.examples(self.first_rollout(module)))

    # ---- checkpoint --------------------------------------------------------------------------------

    def digest(self) -> str:
        """Of nothing: what is played depends on the weights."""
        return ""

    def state_dict(self) -> dict[str, Any]:
        """The loader's place, the rollout that it is in, and where the environments stand."""
        if self.rollout is None or self.played_in is None:
            return super().state_dict()
        rollout = to_torch({name: dict(v) if isinstance(v, Mapping) else v for name, v in vars(self.rollout).items()})
        return {**super().state_dict(), "rollout": rollout, "played_in": self.played_in, "player": self.player.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that rollout, from that place."""
        super().load_state_dict(state_dict)
        if "rollout" in state_dict:
            self.rollout, self.played_in = Rollout(**to_numpy(state_dict["rollout"])), state_dict["played_in"]
            self.player.load_state_dict(state_dict["player"])


def in_torch(module: Any) -> Act:
    """The agent that a torch module is, on its device and in its dtype; no gradient is asked of it."""

    def act(states: np.ndarray, u: np.ndarray) -> Answers:
        x = torch.from_numpy(states).to(module.device)
        with torch.no_grad():
            return to_numpy(dict(module.act(x.to(module.dtype) if x.is_floating_point() else x, torch.from_numpy(u).to(module.device))))

    return act
