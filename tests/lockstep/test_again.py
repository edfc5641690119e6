"""Another look at a step: what it asks in which case, and what it makes of the answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import CEILING, Judge, Judgement, Round, Step, Words
from experiments.lockstep import again as looking
from experiments.lockstep.again import SHADOWS, Again


def beyond(e: float, kind: str = "gradient") -> Judgement:
    """One tensor is off by so much."""
    return Judgement({kind: {"W": e}}, {kind: 1e-12}, "step 3: so", Words("step 3", {}, {}))


def step(lr: float = 0.1, optimizer: int = 0) -> Step:
    return Step(1.0, {}, {}, state={"lr": {"group 0": np.float64(lr)}}, optimizer=optimizer)


def second_look(mode: str = "free", partings: int = 1, dtype: str = "float64", flipped: bool = False, agrees: bool = True) -> Any:
    """It is told what the two ways of looking again find, and notes which of them it goes."""
    look = Again.__new__(Again)
    look.lockstep = SimpleNamespace(mode=mode, partings=partings, judge=Judge(dtype))  # type: ignore[assignment]
    look.asked = []  # type: ignore[attr-defined]
    look._agrees_from_torchs_weights = lambda theirs: (look.asked.append("weights"), agrees)[1]  # type: ignore[attr-defined, method-assign]
    look._decision_flipped = lambda found, steps: (look.asked.append(steps), flipped)[1]  # type: ignore[attr-defined, method-assign]
    return look


ROUND = Round([step(), step()])


@pytest.mark.parametrize(
    ("look", "off", "explained", "asked"),
    [
        (second_look(), 1e-9, True, ["weights"]),
        (second_look(partings=2), 1e-9, True, ["weights"]),
        (second_look(partings=3), 1e-9, False, []),
        (second_look(mode="spot"), 1e-9, False, []),
        (second_look(), 1.1 * CEILING["float64"], False, []),
        (second_look(), 0.9 * CEILING["float64"], True, ["weights"]),
        (second_look(dtype="float32"), 0.5, True, ["weights"]),
        (second_look(agrees=False), 1e-9, False, ["weights", 2]),
        (second_look(agrees=False, flipped=True), 1e-9, True, ["weights", 2]),
    ],
)
def test_what_a_second_look_explains(look: Any, off: float, explained: bool, asked: list[Any]) -> None:
    assert look.explains([beyond(1e-10), beyond(off)], ROUND, ROUND) is explained
    assert look.asked == asked


@pytest.mark.parametrize("which", [0, 1])
def test_it_explains_no_step_size(which: int) -> None:
    look, other = second_look(), [step(), step()]
    other[which] = step(0.1 * (1 + 1e-11))
    assert look.explains([beyond(1e-10)], ROUND, Round(other)) is False
    assert look.asked == []
    other[which] = step(0.1 * (1 + 1e-15))
    assert look.explains([beyond(1e-10)], ROUND, Round(other)) is True


@pytest.mark.parametrize(("dtype", "shadows"), [("float64", 1), ("float32", SHADOWS)])
def test_it_has_one_shadow_or_several_and_one_that_agrees_is_enough(dtype: str, shadows: int) -> None:
    look = Again.__new__(Again)
    played: list[Any] = []
    look._by_hand = lambda shadow=None: (played.append(shadow), shadow)[1]  # type: ignore[method-assign]

    def judged(agreeing: int | None) -> bool:
        def judgements(judge: Judge, again: Any, theirs: Any, shadow: Any) -> list[Any]:
            assert (judge.dtype, again, theirs) == (dtype, None, "theirs")
            return [SimpleNamespace(beyond=None), SimpleNamespace(beyond=None if shadow == agreeing else "so")]

        look.lockstep = SimpleNamespace(judge=Judge(dtype), judgements=judgements)  # type: ignore[assignment]
        played.clear()
        return look._agrees_from_torchs_weights("theirs")  # type: ignore[arg-type]

    assert judged(None) is False
    assert played == [None, *range(shadows)]
    assert judged(shadows - 1) is True
    assert judged(0) is True
    assert played == [None, 0]


@pytest.mark.parametrize(("batches", "last", "world_size"), [(1, False, 1), (3, True, 1), (2, True, 2)])
def test_by_hand_it_begins_where_torch_began_and_sees_the_same_batches(batches: int, last: bool, world_size: int) -> None:
    done: list[Any] = []
    run = SimpleNamespace(
        load=lambda *a: done.append(("load", *a)),
        perturb_weights=lambda number: done.append(("perturb", number)),
        train=lambda *a: done.append(("train", *a)),
        take=lambda: "taken",
    )
    look = Again.__new__(Again)
    look.trainer, look.module = SimpleNamespace(is_last_batch=last, world_size=world_size), "module"
    look.lockstep = SimpleNamespace(  # type: ignore[assignment]
        hand_run=lambda *a: (done.append(("run", *a)), run)[1], before=("weights", "states"), options_before="options",
        first_step=7, first_batch_idx=20, first_micro_batch=50, batches=[[f"batch {i}", "of rank 1"] for i in range(batches)],
    )  # fmt: skip
    given = [[f"batch {i}", "of rank 1"] if world_size > 1 else f"batch {i}" for i in range(batches)]
    trained = [("train", given[i], 20 + i, 50 + i, last and i == batches - 1) for i in range(batches)]
    for shadow in (None, 2):
        done.clear()
        assert look._by_hand(shadow) == "taken"
        perturbed = [] if shadow is None else [("perturb", 8 * 7 + 2)]
        begun = [("run", look.trainer, "module", shadow is not None), ("load", "weights", "states", "options")]
        assert done == [*begun, *perturbed, *trained]


@pytest.mark.parametrize(
    ("dtype", "kind", "steps", "accumulate", "errors", "flipped"),
    [
        ("float32", "gradient", 1, 1, [1e-11, 0.9e-10], True),
        ("float32", "gradient", 1, 1, [1e-11, 1.1e-10], False),
        ("float32", "gradient", 1, 1, [], False),
        ("float32", "gradient", 2, 1, [0.0], False),
        ("float32", "gradient", 1, 2, [0.0], False),
        ("float32", "parameter", 1, 1, [0.0], False),
        ("float64", "gradient", 1, 1, [0.0], False),
    ],
)
def test_a_decision_that_flipped_is_one_step_of_float32_whose_gradient_agrees_in_float64(
    dtype: str, kind: str, steps: int, accumulate: int, errors: list[float], flipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    noise = SimpleNamespace(begin=lambda micro_batch: begun.append(("torch", micro_batch)))

    class Own:
        def __init__(self, seed: int) -> None:
            self.seed = seed

        def begin(self, micro_batch: int) -> None:
            begun.append((self.seed, micro_batch))

    look = Again.__new__(Again)
    look.trainer, look.module, look.noise, look.weights = SimpleNamespace(accumulate_grad_batches=accumulate), "module", "noise", {"W": 1}
    look.batch = (np.ones(2, np.float32), np.arange(2))
    look.lockstep = SimpleNamespace(judge=Judge(dtype), seed=5, first_micro_batch=9)  # type: ignore[assignment]
    look.twin = SimpleNamespace(naming="naming", by_hand=lambda theirs: f"{theirs} by hand")  # type: ignore[assignment]
    monkeypatch.setattr(looking, "SharedNoise", Own)
    monkeypatch.setattr(looking, "in_double", lambda *a: (begun.append(a), ("double", noise))[1])
    monkeypatch.setattr(looking, "load_in_torch", lambda *a: begun.append(a))
    monkeypatch.setattr(looking, "share_hand", lambda ours, own: begun.append((ours, own.seed)))
    monkeypatch.setattr(looking, "objectives", lambda *a: ("d_loss", "g_loss"))
    each = {"d_loss": errors[:1], "g_loss": errors[1:]}

    def seen(twin: Any, ours: str, theirs: str, batch: Any, objective: str) -> list[Any]:
        assert (ours, theirs, [a.dtype.name for a in batch]) == ("double by hand", "double", ["float64", "int64"])
        return [SimpleNamespace(error=e) for e in each[objective]]

    monkeypatch.setattr(looking, "look", seen)
    assert look._decision_flipped([beyond(1e-14, kind), beyond(0.5, kind)], steps) is flipped
    if flipped:
        both = [(5, 9), ("torch", 9)]
        assert begun == [(look.twin, "module", "noise"), ("naming", "double", {"W": 1}), ("double by hand", 5), *both, *both]


def test_what_torch_would_log_in_float64_is_each_ranks_values_and_their_mean_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []

    class Module(torch.nn.Module):
        device = "cpu"

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            assert not self.training
            assert not torch.is_grad_enabled()
            (x,) = batch
            assert x.dtype == torch.float64
            self.log("loss/val", x.sum(), batch_size=len(x))
            self.log("index/val", batch_idx)

    noise = SimpleNamespace(begin=begun.append)
    monkeypatch.setattr(looking, "in_double", lambda twin, module, given: (Module(), noise))
    look = Again.__new__(Again)
    look.twin = look.module = look.noise = None  # type: ignore[assignment]
    look.lockstep = SimpleNamespace(micro_batches=12)  # type: ignore[assignment]
    held_out = [[(np.full(3, 1.0, np.float32),), (np.full(1, 7.0, np.float32),)], [(np.full(2, 5.0, np.float32),)]]
    found = look._validated_in_double(held_out)
    assert found == {"loss/val": [3.0, 7.0, (3 * 3 + 7) / 4, 10.0, 10.0], "index/val": [0, 1, 1 / 4, 0, 0]}
    assert begun == [12]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("off", "rounding", "explained"),
    [(0.9e-8, 0.0, True), (1.1e-8, 0.0, False), (4e-7, 1e-7, True), (2e-6, 1e-7, False)],
)
def test_a_number_of_a_validation_may_be_off_by_the_ceiling_or_by_ten_of_its_own_roundings(
    dtype: str, off: float, rounding: float, explained: bool
) -> None:
    look = Again.__new__(Again)
    look.lockstep = SimpleNamespace(judge=Judge(dtype))  # type: ignore[assignment]
    if dtype == "float32":
        look.lockstep.judge.floor = 1e-12  # so that the ceiling of float64 decides here too
    truth, again = {"right": [1.0], "off": [1.0]}, {"right": [1.0], "off": [1 + rounding]}
    look._validated = lambda held_out, kind: again if kind == dtype else truth  # type: ignore[method-assign]
    theirs = {"right": [1.0], "off": [(1 + rounding) * (1 + off)]}
    look._validated_in_double = lambda held_out: theirs  # type: ignore[method-assign]
    assert look.explains_validation([], theirs) is explained


@pytest.mark.parametrize(("rounding", "explained"), [(1e-6, True), (1e-8, False), (2e-3, False)])
def test_in_float32_torchs_own_rounding_explains_it_unless_it_is_a_mistake(rounding: float, explained: bool) -> None:
    look = Again.__new__(Again)
    look.lockstep = SimpleNamespace(judge=Judge("float32"))  # type: ignore[assignment]
    look.lockstep.judge.floor = 1e-12
    right, theirs = {"l": [1.0]}, {"l": [1 + max(5e-6, rounding)]}
    look._validated = lambda held_out, kind: right  # type: ignore[method-assign]
    look._validated_in_double = lambda held_out: {"l": [theirs["l"][0] * (1 + rounding)]}  # type: ignore[method-assign]
    assert look.explains_validation([], theirs) is explained


def test_where_a_wider_format_is_unknown_the_own_one_is_the_truth() -> None:
    look = Again.__new__(Again)
    look.lockstep = SimpleNamespace(judge=Judge())  # type: ignore[assignment]

    def validated(held_out: Any, kind: Any) -> Any:
        if kind != "float64":
            raise TypeError("no such format")
        return {"l": [1.0]}

    look._validated = validated  # type: ignore[method-assign]
    assert look.explains_validation([], {"l": [1 + 1e-9]}) is True
    assert look.explains_validation([], {"l": [1 + 1e-7]}) is False
    assert look.explains_validation([], {"l": [1.0, 1.0]}) is False
