"""One case of a schedule, and how it is judged: at every step the lr of both sides, and once half-way a resumed one.

@schedule("StepLR")
def step_lr(s, optimizer, **more):
    return s.StepLR(optimizer, 3, **more)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

import manual.optim
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.registry import judged_by
from manual.module import Parameter


@dataclass(frozen=True)
class ScheduleCase:
    """One way to build a schedule, the same on both sides."""

    name: str  # in manual.optim.lr_scheduler and in torch.optim.lr_scheduler
    label: str
    build: Callable[..., Any]
    optimizer: str
    metric: bool  # whether step takes a metric
    closed: bool  # whether step takes a number to jump to
    resume: bool  # whether it can begin at another last_epoch

    def __str__(self) -> str:
        return self.label


SCHEDULE_CASES: list[ScheduleCase] = []


def schedule(
    name: str, *, optimizer: str = "SGD", metric: bool = False, closed: bool = True, resume: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a case for the schedule `name`; see the fields of ScheduleCase."""

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        case = ScheduleCase(name, build.__name__, build, optimizer, metric, closed, resume)
        SCHEDULE_CASES.append(case)
        judged_by(name, partial(judge_schedule, case))
        return build

    return register


def judge_schedule(case: ScheduleCase, seed: int) -> dict[str, float]:
    """The worst relative error of lr, over all steps, and 0 or ∞ for the groups' options and the schedule's state.

    Both sides make 40 steps; lr is halved by hand on the way, and states are exchanged half-way. Then a schedule that
    begins at another last_epoch, and jumps, are judged too, where the schedule knows them.
    """
    rng = np.random.default_rng(seed)
    found = {"lr": 0.0, "options of the groups": 0.0, "state": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of deprecated epochs
        pair = [Scheduled(side, case) for side in (manual.optim, torch.optim)]
        compare_schedules(pair, found)
        for step in range(40):
            metric = rng.integers(0, 12) / 4 - step // 9  # quarters, so that some are just as good as what they are compared with
            arguments = ([metric, 2 * step] if step % 5 == 4 else [metric]) if case.metric else []
            for side in pair:
                side.move(*arguments)
            if step == 7:
                for side in pair:
                    side.halve()
            if step == 20:
                pair = [Scheduled(mine.optim, case, other) for mine, other in (pair, pair[::-1])]
            if step == 30 and case.metric:
                for side in pair:
                    side.add_group()
            compare_schedules(pair, found)
        if case.resume:
            pair = [Scheduled(side, case, last_epoch=5) for side in (manual.optim, torch.optim)]
            for _ in range(9):
                compare_schedules(pair, found)
                for side in pair:
                    side.move()
        if case.closed:
            pair = [Scheduled(side, case) for side in (manual.optim, torch.optim)]
            for epoch in (3, 4, 17, 0, 2.5, 15, 25, 8, 33, 60):
                for given in ([epoch], [], []):
                    for side in pair:
                        side.schedule.step(*given)
                    compare_schedules(pair, found)
    return found


class Scheduled:
    """An optimizer of one side with two groups, and its schedule; new, or loaded from another's state."""

    def __init__(self, optim: Any, case: ScheduleCase, other: Scheduled | None = None, **more: Any) -> None:
        self.optim = optim
        a, b = (Parameter(np.ones(2)) if optim is manual.optim else torch.nn.Parameter(torch.ones(2)) for _ in range(2))
        start = {"initial_lr": 0.3} if more else {}
        self.optimizer = getattr(optim, case.optimizer)([{"params": [a], **start}, {"params": [b], "lr": 0.02, **start}], lr=0.1)
        self.schedule = case.build(optim.lr_scheduler, self.optimizer, **more)
        if other is not None:
            convert = to_numpy if optim is manual.optim else to_torch
            self.optimizer.load_state_dict(convert(other.optimizer.state_dict()))
            self.schedule.load_state_dict(other.schedule.state_dict())

    def move(self, *metric: float) -> None:
        """One step of both."""
        self.optimizer.step()
        self.schedule.step(*metric)

    def halve(self) -> None:
        """What a person might do between two steps."""
        for group in self.optimizer.param_groups:
            group["lr"] /= 2

    def add_group(self) -> None:
        """A group that the schedule has not seen, if it can do with that."""
        if self.schedule.default_min_lr is not None:
            p = self.optimizer.param_groups[0]["params"][0]
            self.optimizer.add_param_group(
                {"params": [Parameter(np.ones(3)) if isinstance(p, Parameter) else torch.nn.Parameter(torch.ones(3))]}
            )

    def options(self) -> list[dict[str, Any]]:
        """Everything in the groups but lr and the parameters."""
        return [{key: v for key, v in group.items() if key not in ("params", "lr")} for group in self.optimizer.param_groups]


def compare_schedules(pair: list[Scheduled], found: dict[str, float]) -> None:
    """Add the errors of this step to what was found."""
    hand, reference = pair
    for a, b in zip(hand.optimizer.param_groups, reference.optimizer.param_groups, strict=True):
        found["lr"] = max(found["lr"], error(a["lr"], b["lr"]))
    same = hand.schedule.get_last_lr() == reference.schedule.get_last_lr()
    same &= without_torchs_own(hand.schedule.state_dict()) == without_torchs_own(reference.schedule.state_dict())
    found["state"] = max(found["state"], 0.0 if same else np.inf)
    found["options of the groups"] = max(found["options of the groups"], 0.0 if hand.options() == reference.options() else np.inf)


def without_torchs_own(state: Any) -> Any:
    """A schedule's state without the mark by which torch knows who called get_lr."""
    if isinstance(state, dict):
        return {key: without_torchs_own(v) for key, v in state.items() if key != "_get_lr_called_within_step"}
    return [without_torchs_own(v) for v in state] if isinstance(state, list) else state
