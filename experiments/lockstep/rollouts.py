"""What the hand-written agent makes of the states that torch played: its probabilities, its values and its actions, judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from experiments.data.rollout import Rollout, RolloutData
from experiments.judge.compare import Judge, Tensors, as_array, error
from experiments.judge.convert import weights_by_hand
from experiments.judge.explain import explain, rows_of
from experiments.judge.look import Row
from experiments.judge.raised import raising
from manual.module import no_grad


def judge_rollout(lockstep: Any, trainer: Any, pl_module: Any) -> None:
    """Before the first batch of a rollout, while both sides still hold the weights that it was played with."""
    data = trainer.datamodule
    if not (lockstep.comparing and isinstance(data, RolloutData) and data.rollout is not None):
        return
    if lockstep.mode == "spot":
        lockstep.hand.model.load_state_dict(weights_by_hand(lockstep.twin.naming, pl_module))
    when, judge = f"the rollout before step {trainer.global_step}", lockstep.judge
    with np.errstate(all="ignore"), raising(when, lockstep.twin.name):
        heard = Hearing(when, data.rollout, judge, lockstep.hand.model)
        if heard.sentence and lockstep.shadow is not None:
            heard = Hearing(when, data.rollout, judge, lockstep.hand.model, lockstep.shadow.asked().model)
        if heard.sentence and lockstep.mode == "free" and judge.dtype == "float32":
            # Two right runs may long have parted: what is said at torch's own weights decides.
            heard = Hearing(when, data.rollout, judge.same_measure(), lockstep.twin.by_hand(pl_module, judge.dtype))
        if heard.sentence and judge.failure is None:
            lockstep.lines = lockstep.lines or explain(heard.rows(), judge.dtype, heard.tolerance)
        heard.conclude(judge)


def judge_first_rollout(judge: Judge, when: str, data: Any, hand: Any, module: Any) -> None:
    """The same for `check`, of the rollout that this torch module begins with; nothing where data do not depend on weights."""
    if isinstance(data, RolloutData):
        Hearing(when, data.first_rollout(module), judge, hand).conclude(judge)


class Hearing:
    """The hand-written side's answers to the states of a rollout, beside torch's.

    Args:
        when: the beginning of the sentence.
        rollout: as torch played it.
        judge: says what is tolerated.
        hand: the hand-written concept.
        shadow: the copy of it that shows what rounding can do.

    Attributes:
        sentence: what is beyond what is tolerated; None if nothing is.
        undecidable: how many actions differ because rounding decided them.
    """

    def __init__(self, when: str, rollout: Rollout, judge: Judge, hand: Any, shadow: Any = None) -> None:
        self.when, self.rollout = when, rollout
        self.torch, self.action = apart(rollout.answers, rollout.next_answers, rollout.rows)
        self.hand, self.action_by_hand = answered(hand, rollout, judge.dtype)
        of_shadow = answered(shadow, rollout, judge.dtype)[0] if shadow is not None else None
        self.judgement = judge.rollout(when, self.hand, self.torch, of_shadow)
        self.tolerance = self.judgement.tolerances["rollout"]
        self.undecidable, self.sentence = 0, self._answer()
        if self.sentence is None:
            self.sentence = self._action(10 * self.tolerance)

    def conclude(self, judge: Judge) -> None:
        """Let it count."""
        if self.sentence is not None:
            judge.convict(replace(self.judgement, beyond=self.sentence))
        judge.actions += len(self.action)
        judge.undecidable += self.undecidable

    def rows(self) -> list[Row]:
        """Every answer, and the actions, for the table of a verdict."""
        rows = rows_of(self.judgement, {"rollout": self.hand}, {"rollout": self.torch})
        return [*rows, Row("action", False, self.action_by_hand, self.action, error(self.action_by_hand, self.action))]

    def _answer(self) -> str | None:
        """What differs most, and at which state."""
        judgement = self.judgement
        if judgement.beyond is None:
            return None
        name = max(judgement.found["rollout"], key=lambda name: judgement.found["rollout"][name])
        a, b = (as_array(side[name]) if name in side else None for side in (self.hand, self.torch))
        if a is None or b is None or a.shape != b.shape or not len(b):
            return judgement.beyond
        off = np.abs(a - b).reshape(len(b), -1).max(axis=1)
        row = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))
        return f"{judgement.beyond}; {name} at {self._state(row)} is {shortly(a[row], 15)} by hand and {shortly(b[row], 15)} in torch"

    def _action(self, width: float) -> str | None:
        """The first action that differs though nothing about it was undecidable; counts those that were."""
        a, b, p, u = self.action_by_hand, self.action, self.torch["probability"], self.rollout.rows(self.rollout.u)
        if a.shape != b.shape:
            return f"{self.when}: the actions have shape {a.shape} by hand and {b.shape} in torch"
        differs = a != b
        excused = differs & decided_by_rounding(as_array(self.hand["probability"]), as_array(p), u, a, b, width)
        self.undecidable = int(excused.sum())
        if not (differs & ~excused).any():
            return None
        row = int(np.argmax(differs & ~excused))
        of = f"u = {u[row]:.6g} and probabilities {shortly(p[row])}"
        return f"{self.when}: the action at {self._state(row)} is {a[row]} by hand and {b[row]} in torch, for {of}"

    def _state(self, row: int) -> str:
        step, environment = self.rollout.place(row)
        return f"step {step} of environment {environment} (state {shortly(self.rollout.state[step, environment])})"


def decided_by_rounding(p_hand: np.ndarray, p: np.ndarray, u: np.ndarray, a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Whether two actions differ for no other reason than that rounding moved the end of a stretch across u.

    Every end that lies between the two actions is then less than `width` from u, and is not the same number on both sides.

    Args:
        p_hand, p: (N, K), probabilities by hand and in torch.
        u: (N,), the uniform numbers.
        a, b: (N,), the actions.
        width: ten times the tolerated difference of a probability.
    """
    of_hand, cdf = (np.cumsum(x.astype(np.float64), axis=1) for x in (p_hand, p))
    k = np.arange(p.shape[1])
    between = (np.minimum(a, b)[:, None] <= k) & (k < np.maximum(a, b)[:, None])
    moved = (np.abs(u[:, None] - cdf) < width) & (of_hand != cdf)
    return np.all(moved | ~between, axis=1)


def answered(model: Any, rollout: Rollout, dtype: str) -> tuple[Tensors, np.ndarray]:
    """What a hand-written model answers at every state of the rollout, and its actions."""
    states, after = (
        rows.astype(dtype) if rows.dtype.kind == "f" else rows for rows in map(rollout.rows, (rollout.state, rollout.next_state))
    )
    u = rollout.rows(rollout.u)
    model.eval()
    with no_grad():
        answers = model.act(states, u)
        next_answers = model.act(after, np.zeros(len(after))) if rollout.next_answers else {}
    model.train()
    kept = {name: value for name, value in next_answers.items() if name not in ("action", "probability")}
    return apart(answers, kept, lambda rows: rows)


def apart(answers: Any, next_answers: Any, rows: Any) -> tuple[Tensors, np.ndarray]:
    """Everything but the action, by name; and the action."""
    found = {name: rows(as_array(value)) for name, value in answers.items()}
    action = found.pop("action")
    return {**found, **{f"next {name}": rows(as_array(value)) for name, value in next_answers.items()}}, action


def shortly(value: Any, digits: int = 6) -> str:
    """A number or a few, for a sentence."""
    array = as_array(value)
    numbers = [f"{x:.{digits}g}" for x in array.ravel()[:8]]
    return numbers[0] if array.ndim == 0 else f"[{', '.join([*numbers, *['…'] * (array.size > 8)])}]"
