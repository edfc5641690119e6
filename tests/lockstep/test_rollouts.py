"""Rollouts: learned from by both sides, and judged at every state."""

from __future__ import annotations

import json
import re
import signal
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import experiments
import experiments.data.rollout
from experiments.__main__ import AGREE, INTERRUPTED, main
from experiments.commands import run_options
from experiments.commands.check import check_one
from experiments.data.rollout import Rollout
from experiments.judge.compare import CEILING, Judge, Step
from experiments.judge.noise import Stream
from experiments.judge.raised import HandRaised
from experiments.lockstep import LockStep
from experiments.lockstep.checks import one_step, trajectory
from experiments.lockstep.rollouts import Hearing
from experiments.pair import Twin
from manual import nn
from tests.corridor import WALK, WalkerByHand, WalkerInTorch, Walks
from tests.helpers import broken, fit, hand_runs, same

OPTIONS = Namespace(seed=0, dtype="float64", device="cpu", steps=7)
ALONE = replace(WALK, model={"baseline": False})  # without a baseline
CUT = {"steps": 11, "environments": 3, "passes": 2, "minibatches": 4}


def walk(twin: Twin = WALK, steps: int = 6, data: dict[str, Any] | None = None, **settings: Any) -> tuple[LockStep, Any]:
    return fit(twin, steps, data=twin.make_data(**(data or {})), **settings)


# ---- lock-step -------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["64-true", "32-true"])
@pytest.mark.parametrize("mode", ["free", "spot"])
@pytest.mark.parametrize("data", [{}, CUT], ids=["whole episodes", "cut into minibatches"])
@pytest.mark.parametrize("twin", [WALK, ALONE], ids=["baseline", "no baseline"])
def test_right_agents_agree_for_many_iterations(twin: Twin, data: dict[str, int], mode: str, precision: str) -> None:
    spot = {"mode": "spot", "every_n_steps": 5} if mode == "spot" else {}
    lockstep, _ = walk(twin, 160, data, precision=precision, lockstep=spot)
    judge = lockstep.judge
    assert judge.failure is None
    assert judge.windows == 1
    assert judge.steps == (160 if mode == "free" else 32)
    assert judge.undecidable == 0
    assert judge.actions == 160 // 8 * 33 if data else judge.actions > 80 * 8 * 3
    named = {"probability", "value", "next value"} if twin is WALK else {"probability"}
    assert set(judge.worst["rollout"]) == named
    assert 0 < judge.error("rollout") < (1e-13 if precision == "64-true" else 1e-5)


def test_without_a_comparison_the_same_is_played_and_learned() -> None:
    (_, compared), (off, alone) = (walk(WALK, 20, lockstep={"mode": mode}) for mode in ("free", "off"))
    assert not off.comparing
    assert same(dict(compared.state_dict()), dict(alone.state_dict()))


def test_the_agent_learns_to_walk() -> None:
    _, theirs = walk(WALK, 160)
    assert theirs(torch.eye(5, dtype=torch.float64))[:, 1].min() > 0.9


class ForgetfulByHand(WalkerByHand):
    """Learns with dropout, and plays without."""

    def __init__(self, baseline: bool = True, lr: float = 0.3, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__(baseline, lr, rng=rng, dtype=dtype)
        self.policy = nn.Sequential(nn.Dropout(0.4), nn.Linear(5, 2, rng=rng, dtype=dtype))


class ForgetfulInTorch(WalkerInTorch):
    """The same."""

    def __init__(self, baseline: bool = True, lr: float = 0.3) -> None:
        super().__init__(baseline, lr)
        self.policy = torch.nn.Sequential(torch.nn.Dropout(0.4), torch.nn.Linear(5, 2))


def test_an_agent_with_dropout_plays_without_and_learns_with_it() -> None:
    twin = replace(WALK, manual=ForgetfulByHand, torch=ForgetfulInTorch)
    lockstep, _ = walk(twin, 12)
    assert (lockstep.judge.failure, lockstep.judge.steps) == (None, 12)
    assert (
        lockstep.records[0].loss_torch != walk(broken(twin, lambda model: setattr(model.policy[0], "p", 0.0)), 1)[0].records[0].loss_manual
    )
    assert one_step(twin, None, OPTIONS)[0].failure is None


Break = Callable[[Any], None]


def act_with(change: Callable[[dict[str, Any], np.ndarray], dict[str, Any]]) -> Break:
    """Change what is answered; what is learned stays right."""

    def break_(model: Any) -> None:
        act = model.act
        model.act = lambda state, u: {**(right := act(state, u)), **change(right, state)}

    return break_


def only_in_cell_2(right: dict[str, Any], state: np.ndarray) -> dict[str, Any]:
    return {"probability": right["probability"] * (1 + np.asarray(1e-3, state.dtype) * state[:, 2:3])}


FAULTS: dict[str, tuple[Break, str]] = {
    "probability": (
        act_with(only_in_cell_2),
        r"rollout probability differs by \d\.\de-04, tolerated 1\.0e-(12|05); probability at step \d+ of environment \d "
        r"\(state \[0, 0, 1, 0, 0\]\) is \[0\.\d+, 0\.\d+\] by hand and \[0\.\d+, 0\.\d+\] in torch",
    ),
    "value": (act_with(lambda right, state: {"value": -right["value"]}), r"rollout value differs by 2\.0e\+00.*; value at step \d+ of"),
    "no value": (
        act_with(lambda right, state: {"value": right["value"][:, None]}),
        r"rollout value has shape \(\d+, 1\) by hand and \(\d+,\)",
    ),
    "off by one": (
        act_with(lambda right, state: {"action": np.minimum(right["action"] + 1, 1)}),
        r"the action at step 0 of environment \d \(state \[.*\]\) is 1 by hand and 0 in torch, for u = 0\.\d+ and probabilities \[0",
    ),
    "the likeliest": (act_with(lambda right, state: {"action": right["probability"].argmax(axis=1)}), r"the action at step \d+ of"),
    "one for all": (act_with(lambda right, state: {"action": right["action"][:1]}), r"the actions have shape \(1,\) by hand and \(\d+,\)"),
}


@pytest.mark.parametrize("way", ["float64", "float32", "spot", "check"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_answer_is_named_with_its_state(name: str, way: str) -> None:
    break_, named = FAULTS[name]
    twin = broken(WALK, break_)
    if way == "check":
        judge, _ = one_step(twin, None, OPTIONS)
    else:
        spot = {"mode": "spot", "every_n_steps": 3} if way == "spot" else {}
        judge = walk(twin, 3, precision="32-true" if way == "float32" else "64-true", lockstep=spot)[0].judge
    when = "one step" if way == "check" else "the rollout before step 0"
    assert not judge.passed
    assert (judge.failure or "").startswith(f"{when}: ")
    assert re.search(named, judge.failure or ""), judge.failure


def test_a_probability_that_is_a_billionth_off_is_named() -> None:
    twin = broken(WALK, act_with(lambda right, state: {"probability": right["probability"] * (1 + 1e-9)}))
    assert "rollout probability differs by 1.0e-09" in (walk(twin)[0].judge.failure or "")
    assert "rollout probability differs by 1.0e-09" in (one_step(twin, None, OPTIONS)[0].failure or "")


def test_the_verdict_on_an_answer_shows_all_of_them() -> None:
    lockstep, _ = walk(broken(WALK, FAULTS["value"][0]))
    shown = [(line.name, line.right, line.first, line.what) for line in lockstep.lines]
    assert shown[0] == ("rollout probability", True, False, "")
    assert shown[1][:3] == ("rollout value", False, True)
    assert "−1" in shown[1][3] or "minus" in shown[1][3]
    assert [line[:3] for line in shown[2:]] == [("rollout next value", False, False), ("action", True, False)]
    lockstep, _ = walk(broken(WALK, FAULTS["off by one"][0]))
    assert [line.name for line in lockstep.lines if line.first] == ["action"]


def test_an_answer_that_goes_wrong_later_is_found_at_the_next_rollout() -> None:
    def break_(model: Any) -> None:
        model.act = lambda state, u, act=model.act, weight=model.policy.weight: (
            {**act(state, u), "action": np.zeros(len(u), np.int64)} if model.trainer.global_step >= 4 else act(state, u)
        )

    lockstep, _ = walk(broken(WALK, break_), 8)
    assert (lockstep.judge.failure or "").startswith("the rollout before step 4: the action at step ")


def test_an_exception_in_the_answer_is_a_verdict() -> None:
    def break_(model: Any) -> None:
        model.act = lambda state, u: {"probability": state @ np.zeros((4, 2))}

    with pytest.raises(HandRaised, match=r"the rollout before step 0: by hand, hidden_layer: .*state @ np\.zeros\(\(4, 2\)\)"):
        walk(broken(WALK, break_))


def test_a_gradient_that_is_a_millionth_off_is_caught_in_the_first_step() -> None:
    def break_(model: Any) -> None:
        backward = model.policy.backward
        model.policy.backward = lambda d: backward(d * (1 + 1e-6))

    twin = broken(WALK, break_)
    for foretold in (True, False):
        lockstep, _ = walk(replace(twin, foretold=foretold), 3)
        assert (lockstep.judge.failure or "").startswith("step 0: gradient policy.")
    assert "gradient policy." in (one_step(twin, None, OPTIONS)[0].failure or "")
    assert (trajectory(twin, None, OPTIONS)[0].failure or "").startswith("step 0: gradient policy.")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_check_plays_too(dtype: str) -> None:
    row, _, failures = check_one(WALK, Namespace(**{**vars(OPTIONS), "dtype": dtype}))
    assert failures == []
    assert row["passed"]


# ---- actions that rounding decides -----------------------------------------------------------------


class Even(WalkerInTorch):
    """Begins with equal probabilities."""

    def __init__(self, baseline: bool = True, lr: float = 0.3) -> None:
        super().__init__(baseline, lr)
        self.policy.weight.data.zero_()
        self.policy.bias.data.zero_()


class Half(Stream):
    """All u lie on the end of the first of two equal stretches."""

    def random(self, size: Any = None) -> Any:
        return np.full(size, 0.5)


def tilted(by: float) -> Break:
    """The probabilities by hand, off by this much; actions drawn accordingly."""

    def break_(model: Any) -> None:
        probability = model.probability
        model.probability = lambda state: probability(state) + np.array([by, -by])

    return break_


def test_an_action_that_rounding_decides_is_counted_and_not_convicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments.data.rollout, "Stream", Half)
    even = replace(WALK, torch=Even)
    exact, _ = walk(even, 2)
    assert (exact.judge.failure, exact.judge.undecidable) == (None, 0)
    off, _ = walk(broken(even, tilted(1e-15)), 2)
    assert off.judge.failure is None
    assert off.judge.undecidable == off.judge.actions > 8  # of the one rollout: by hand all go back, torch goes on
    too_far, _ = walk(broken(even, tilted(1e-11)), 2)
    assert "rollout probability differs" in (too_far.judge.failure or "")


def test_a_tie_on_equal_probabilities_decides_nothing_by_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """So searchsorted's other side is a mistake."""

    def other_side(model: Any) -> None:
        model.draw = lambda p, u: (np.cumsum(p, axis=1) < u[:, None]).sum(axis=1)

    monkeypatch.setattr(experiments.data.rollout, "Stream", Half)
    lockstep, _ = walk(broken(replace(WALK, torch=Even), other_side), 2)
    assert "is 0 by hand and 1 in torch, for u = 0.5 and probabilities [0.5, 0.5]" in (lockstep.judge.failure or "")
    assert lockstep.judge.undecidable == 0


@pytest.mark.parametrize(
    ("p_hand", "p", "u", "a", "excused"),
    [
        ([0.2 + 1e-14, 0.3, 0.5], [0.2, 0.3, 0.5], 0.2, 0, True),
        ([0.2 + 1e-14, 0.3, 0.5], [0.2, 0.3, 0.5], 0.2, 2, False),  # the stretch of action 1 lies beyond u
        ([0.2 + 1e-14, 0.3, 0.5], [0.2, 0.3, 0.5], 0.2 + 2e-11, 0, False),  # u is not that near
        ([0.2, 0.3 + 1e-14, 0.5], [0.2, 0.3, 0.5], 0.2, 0, False),  # the end that u is near to is the same on both sides
        ([0.2 + 1e-14, 0.0, 0.8], [0.2, 0.0, 0.8], 0.2, 0, True),  # over an action of probability 0
    ],
)
def test_what_rounding_can_decide(p_hand: list[float], p: list[float], u: float, a: int, excused: bool) -> None:
    """One row; in torch the action is drawn as it must be."""
    b = int(np.searchsorted(np.cumsum(p), u, side="right"))
    found = experiments.lockstep.rollouts.decided_by_rounding(
        np.array([p_hand]), np.array([p]), np.array([u]), np.array([a]), np.array([b]), 1e-11
    )
    assert found.tolist() == [excused]


@pytest.mark.parametrize(("beside", "undecidable"), [(3e-12, 1), (12e-12, None)])
def test_ten_times_the_tolerated_difference_is_what_rounding_may_decide(beside: float, undecidable: int | None) -> None:
    """2,000 states, of which one is off by a little more than `beside`: too little to show among all the probabilities."""
    p, u = np.full((2000, 1, 2), 0.5), np.full((2000, 1), 0.25)
    u[7] = 0.5 + beside
    action = np.where(u >= 0.5, 1, 0)
    nothing = np.zeros((2000, 1))
    over = nothing.astype(bool)
    rollout = Rollout(nothing, u, {"probability": p, "action": action}, nothing, nothing, over, over, ~over)
    by_hand = p[:, 0].copy()
    by_hand[7] += [1.1 * beside, -1.1 * beside]
    answers = {"probability": by_hand, "action": np.where(u[:, 0] < by_hand[:, 0], 0, 1)}
    model = SimpleNamespace(act=lambda states, u: answers, eval=lambda: None, train=lambda: None)
    heard = Hearing("here", rollout, Judge(), model)
    if undecidable:
        assert (heard.sentence, heard.undecidable) == (None, 1)
    else:
        assert "the action at step 7 of environment 0 (state 0) is 0 by hand and 1 in torch" in (heard.sentence or "")


def test_a_hearing_counts_only_what_it_concludes() -> None:
    ours, theirs = WALK.build()
    data = Walks()
    rollout = data.play(theirs, 0, data.player)
    judge = Judge()
    heard = Hearing("here", rollout, judge, ours)
    assert (heard.sentence, judge.actions, judge.steps) == (None, 0, 0)
    heard.conclude(judge)
    assert (judge.actions, judge.undecidable, judge.failure) == (rollout.played.sum(), 0, None)


# ---- where the shadow foretells nothing --------------------------------------------------------------


class NudgedBefore(pl.Callback):
    """Moves the hand-written side and its shadow before the rollout of an epoch is judged."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 3:
            for each in hand_runs(next(c for c in trainer.callbacks if isinstance(c, LockStep))):
                each.model.policy.weight.data *= each.model.policy.weight.data.dtype.type(1.05)


def test_in_float32_two_agents_that_rounding_has_parted_begin_a_new_window() -> None:
    lockstep, _ = walk(WALK, 12, precision="32-true", callbacks=[NudgedBefore()])
    assert lockstep.judge.failure is None
    assert lockstep.judge.windows == 2
    lockstep, _ = walk(WALK, 12, callbacks=[NudgedBefore()])
    assert (lockstep.judge.failure or "").startswith("the rollout before step 6: rollout probability differs by ")


class Nudge(pl.Callback):
    """Moves the hand-written side, and its shadow with it: so the shadow does not foretell it."""

    def __init__(self, by: float, at: int = 4) -> None:
        self.by, self.at = by, at

    def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == self.at:
            lockstep = next(c for c in trainer.callbacks if isinstance(c, LockStep))
            for each in hand_runs(lockstep):
                each.model.policy.weight.data *= 1 + self.by


@pytest.mark.parametrize(("by", "foretold", "passed", "windows"), [(4e-9, False, True, 2), (1e-6, False, False, 2)])
def test_where_the_shadow_foretells_nothing_a_window_closes_at_a_tenth_of_the_ceiling(
    by: float, foretold: bool, passed: bool, windows: int
) -> None:
    lockstep, _ = walk(replace(ALONE, foretold=foretold), 40, {"passes": 20}, callbacks=[Nudge(by)])
    assert lockstep.judge.passed == passed, lockstep.judge.failure
    assert lockstep.judge.windows == windows


def test_the_first_step_of_every_window_is_judged_as_ever() -> None:
    judge = Judge(foretold=False)
    ones = {"w": np.ones(3)}
    off = Step(1.0, {"w": np.ones(3) * (1 + 2e-9)}, ones)
    right = Step(1.0, ones, ones)
    assert judge.rollout("before", {"p": np.ones(2) * (1 + 1e-15)}, {"p": np.ones(2)}).beyond is None
    assert judge.step(0, off, right).beyond == "step 0: gradient w differs by 2.0e-09, tolerated 1.0e-12"
    assert judge.tolerated("gradient") == 1e-12  # it may be decided again
    assert judge.step(0, right, right).beyond is None
    assert judge.tolerated("gradient") == CEILING["float64"]
    assert not judge.exhausted
    assert judge.step(1, off, right).beyond is None
    assert judge.exhausted
    judge.new_window()
    assert (judge.tolerated("gradient"), judge.exhausted) == (1e-12, False)
    assert judge.step(2, off, right).beyond == "step 2: gradient w differs by 2.0e-09, tolerated 1.0e-12"


# ---- a run -----------------------------------------------------------------------------------------


def begin(root: Path, *options: str) -> int:
    return main(["run", WALK.name, "--trainer.max_epochs", "4", "--trainer.default_root_dir", str(root), *options])


SIZES = {"whole episodes": {"passes": 8}, "cut into minibatches": CUT}


def options_of(way: str) -> list[str]:
    return [part for key, value in SIZES[way].items() for part in (f"--data.{key}", str(value))]


@pytest.fixture(scope="module", params=SIZES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A way of making batches of a rollout, and the folder of a run that was not interrupted."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(experiments, "twin", lambda name: WALK)
        assert begin(root, *options_of(request.param)) == AGREE
    return request.param, root / WALK.name / "version_0"


@pytest.mark.parametrize("at", [1, 9, 16])
def test_a_run_goes_on_to_the_last_bit(
    whole: tuple[str, Path], at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """From within the first rollout, from within a later one, and from the end of one."""
    monkeypatch.setattr(experiments, "twin", lambda name: WALK)
    way, a = whole

    class Pressed(run_options.StopCleanly):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step + 1 == at and not self.asked:
                signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(run_options, "StopCleanly", Pressed)
        assert begin(tmp_path, *options_of(way)) == INTERRUPTED
    assert f"Interrupted after {at} steps" in capsys.readouterr().out
    b = tmp_path / WALK.name / "version_0"
    assert main(["run", WALK.name, "--ckpt_path", str(b / "checkpoints" / "last.ckpt")]) == AGREE
    assert len((a / "curves.csv").read_text().splitlines()) == 1 + 32
    assert (a / "curves.csv").read_bytes() == (b / "curves.csv").read_bytes()
    reports = [json.loads((folder / "report.json").read_text()) for folder in (a, b)]
    for report in reports:
        del report["seconds"]
    assert reports[0] == reports[1]
    assert reports[0]["actions"]["undecidable"] == 0
    assert reports[0]["actions"]["judged"] == 4 * 33 if way != "whole episodes" else reports[0]["actions"]["judged"] > 4 * 8
    first, second = (torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (a, b))
    for key in ("state_dict", "optimizer_states", "callbacks", "Walks"):
        if key == "callbacks":
            saved = [next(state for name, state in c[key].items() if "LockStep" in name) for c in (first, second)]
            assert same(*saved)
        else:
            assert same(first[key], second[key]), key
    assert first["Walks"]["rollout"]["played"].any()
