"""Another look at a step that is beyond what is tolerated: both sides once more, from the weights that torch began it with.

A wrong backward is wrong from any weights; what rounding has parted agrees again when it begins at the same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments.judge.compare import CEILING, ONE_STEP, Judgement, Metrics, Round, errors
from experiments.judge.convert import load_in_torch, to_numpy, to_torch
from experiments.judge.look import Row, default_dtype, look, objectives
from experiments.judge.noise import SharedNoise, share_hand
from experiments.judge.raised import HandRaised
from experiments.lockstep.floor import WIDER, in_double, in_format, rounding_of_step

if TYPE_CHECKING:
    from experiments.lockstep.judging import Judging

SHADOWS = 8
"""How many shadows a second look has, at most: one may by chance decide every tie as the hand does."""

IN_FLOAT64 = 1e-10
"""What a float32 run's step may differ by in float64, from equal weights: far above rounding, far below any mistake."""


class Again:
    """The last round, to be looked at again.

    Args:
        lockstep: which has judged it.
        trainer: Lightning's.
        module: the torch side; left as it was.
    """

    def __init__(self, lockstep: Judging, trainer: Any, module: Any) -> None:
        self.lockstep, self.trainer, self.module = lockstep, trainer, module
        self.twin, self.noise = lockstep.twin, lockstep.noise
        self.batch: Any = lockstep.batches[0][0] if lockstep.batches else None
        self.weights: dict[str, Any] = lockstep.before[0] if lockstep.batches else {}

    @contextmanager
    def as_before(self) -> Iterator[Any]:
        """For the time of the `with`, torch has the weights with which it began the round; gives the first batch that it saw then."""
        now = {key: t.detach().clone() for key, t in self.module.state_dict().items()}
        load_in_torch(self.twin.naming, self.module, self.weights)
        try:
            yield to_torch(self.batch, self.module.device)
        finally:
            self.module.load_state_dict(now)
            self.noise.begin(self.lockstep.micro_batches)

    def rows(self) -> list[Row]:
        """Every tensor of both sides; nothing where the hand-written side ends in an exception."""
        with self.as_before() as batch:
            try:
                return self.lockstep.look(self.module, batch, self.lockstep.first_micro_batch, self.weights)
            except HandRaised:
                return []

    def rounding(self) -> float:
        """What rounding does to this very step in torch."""
        with self.as_before() as batch, np.errstate(all="ignore"):
            return rounding_of_step(self.twin, self.module, batch, self.noise, self.lockstep.first_micro_batch, self.lockstep.judge.usual())

    # ---- does rounding explain it? -----------------------------------------------------------------

    def explains(self, beyond: Sequence[Judgement], ours: Round, theirs: Round) -> bool:
        """Whether the round agrees when it starts from torch's own weights.

        In float32 a single ReLU or maximum that falls on the other side parts two right runs for good, at a step that the shadow
        does not share. What rounding can do to this one step is measured as ever, by shadows, whose weights are here multiplied
        by 1 ± eps as well; where a decision falls otherwise from the very same weights, both sides must agree in float64. In float64
        it is only a little more than the shadow foretold that can be explained, and more than CEILING only where the shadow itself has
        parted so far in this very round: a recurrence may multiply what is there a hundredfold within one step.

        It explains no more than two rounds in a row: the second began with torch's own weights. Nor does it explain a schedule.
        """
        judge = self.lockstep.judge
        if self.lockstep.mode != "free" or self.lockstep.partings > 2:
            return False
        furthest = max(e for j in beyond for of in j.found.values() for e in of.values())
        foretold = 10 * max(judge.spread.values()) if judge.exhausted else 0.0
        if judge.dtype == "float64" and furthest > max(CEILING["float64"], foretold):
            return False
        lrs = [(a.state["lr"], b.state["lr"]) for a, b in zip(ours.steps, theirs.steps, strict=True)]
        if any(e > ONE_STEP["float64"] for a, b in lrs for e in errors(a, b).values()):
            return False
        return self._agrees_from_torchs_weights(theirs) or self._decision_flipped(beyond, len(theirs.steps))

    def _agrees_from_torchs_weights(self, theirs: Round) -> bool:
        again, judge = self._by_hand(), self.lockstep.judge.same_measure()
        shadows = (self._by_hand(i) for i in range(SHADOWS if judge.dtype == "float32" else 1))
        return any(all(j.beyond is None for j in self.lockstep.judgements(judge, again, theirs, shadow)) for shadow in shadows)

    def _by_hand(self, shadow: int | None = None) -> Round:
        """The same batches once more, by hand, from torch's weights; as the how-manieth shadow, if it is one."""
        lockstep = self.lockstep
        run = lockstep.hand_run(self.trainer, self.module, shadow is not None)
        run.load(*lockstep.before, lockstep.options_before)
        if shadow is not None:
            run.perturb_weights(SHADOWS * lockstep.first_step + shadow)
        for i, arrays in enumerate(lockstep.batches):
            last = self.trainer.is_last_batch and i == len(lockstep.batches) - 1
            batch = arrays if self.trainer.world_size > 1 else arrays[0]
            run.train(batch, lockstep.first_batch_idx + i, lockstep.first_micro_batch + i, last)
        return run.take()

    def _decision_flipped(self, beyond: Sequence[Judgement], steps: int) -> bool:
        """Whether a step in float32, of which some gradient is far off, agrees in float64: then it was a tie, decided by rounding.

        Of a step that several batches led to, or that is one of several on a batch, such a look says too little.
        """
        gradient_is_off = any(j.worst("gradient") > j.tolerances.get("gradient", np.inf) for j in beyond)
        alone = steps == 1 and self.trainer.accumulate_grad_batches == 1
        if self.lockstep.judge.dtype != "float32" or not gradient_is_off or not alone:
            return False
        theirs, noise_torch = in_double(self.twin, self.module, self.noise)
        load_in_torch(self.twin.naming, theirs, self.weights)
        ours, noises = self.twin.by_hand(theirs), (SharedNoise(self.lockstep.seed), noise_torch)
        share_hand(ours, noises[0])
        batch = in_format(to_numpy(tuple(self.batch)), np.float64)
        rows: list[Row] = []
        for objective in objectives(self.twin, theirs):
            for noise in noises:
                noise.begin(self.lockstep.first_micro_batch)
            rows += look(self.twin, ours, theirs, batch, objective)
        return bool(rows) and all(r.error <= IN_FLOAT64 for r in rows)

    def explains_validation(self, held_out: Any, theirs: Metrics) -> bool:
        """Whether torch's own weights, by hand, give torch's numbers: two right runs may have parted by now.

        A number that ought to be 0 is nothing but rounding: what it is in a wider format says how much of it is, by hand and, of a run
        in float32, in torch, whose binary cross-entropy of a sure answer is the small difference of large numbers. In float64 torch's
        may be as much more as the ceiling allows.
        """
        judge = self.lockstep.judge.same_measure()
        again = self._validated(held_out, judge.dtype)
        try:
            truth = self._validated(held_out, WIDER[judge.dtype])
        except Exception:  # a function that knows no such format
            truth = again
        own, found = judge.metric_errors(again, truth), judge.metric_errors(again, theirs)
        most = max(judge.tolerated("metric"), CEILING["float64"])
        if judge.dtype == "float32":
            of_torch = judge.metric_errors(theirs, self._validated_in_double(held_out))
            own |= {name: max(own.get(name, 0.0), e) for name, e in of_torch.items() if e < CEILING["float32"]}
        return all(e <= max(most, 10 * own.get(name, 0.0)) for name, e in found.items())

    def _validated_in_double(self, held_out: Any) -> Metrics:
        """What torch would log in float64 from the same weights: under each name, each rank's values followed by their mean."""
        module, noise = in_double(self.twin, self.module, self.noise)
        noise.begin(self.lockstep.micro_batches)
        found: dict[str, list[float]] = {}
        for of_rank in held_out:
            logged: dict[str, list[tuple[float, int]]] = {}
            for i, batch in enumerate(of_rank):

                def log(name: str, value: Any, *_: Any, batch_size: int = len(batch[0]), into: Any = logged, **__: Any) -> None:
                    into.setdefault(name, []).append((float(value), batch_size))

                module.log = log
                with torch.no_grad(), default_dtype(module):
                    module.eval().validation_step(to_torch(in_format(batch, np.float64), module.device), i)
            for name, values in logged.items():
                mean = sum(value * size for value, size in values) / sum(size for _, size in values)
                found.setdefault(name, []).extend([*(value for value, _ in values), mean])
        return found

    def _validated(self, held_out: Any, dtype: Any) -> Metrics:
        """What is logged by hand, in this format, from torch's weights."""
        run = self.lockstep.hand_run(self.trainer, self.module, shadow=False, dtype=dtype)
        return run.validate([[in_format(batch, dtype) for batch in of_rank] for of_rank in held_out])[1]
