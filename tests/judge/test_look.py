"""A look at one step, what a wrong tensor is, and the verdicts that are printed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import experiments
from experiments import curriculum
from experiments.commands import trace
from experiments.commands.report import training_failed
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.judge import explain as explanation
from experiments.judge import look as looking
from experiments.judge.compare import ONE_STEP, Judge, Step, tensors_of
from experiments.judge.convert import to_numpy
from experiments.judge.diagnose import diagnose, which
from experiments.judge.explain import explain, first_wrong
from experiments.judge.look import Calls, Row, Side, in_order, intermediates, look, objectives, sizes_of, with_parameters
from experiments.judge.raised import HandRaised, raising, where_and_what
from experiments.lockstep import LockStep
from experiments.lockstep.checks import at_random
from experiments.pair import Twin
from manual.concept import StraightLine
from tests.helpers import broken, command, fit, same, small_data, undrawn, use
from tests.lockstep.test_lockstep import CNN, CORNERS, MLP, NoMask, become, linear, straight
from tests.pairs import PLAYERS

OPTIONS: Any = type("Options", (), {"seed": 3, "dtype": "float64", "device": "cpu", "steps": 4})
ALL = [e.name for e in curriculum.entries()]


def rows_of(twin: Twin, objective: str = "training_step") -> list[Row]:
    pair = at_random(twin, None, OPTIONS)
    pair.begin()
    return look(pair.twin, pair.ours, pair.theirs, pair.batches[0], objective)


# ---- right pairs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_every_value_and_every_gradient_of_every_concept_agrees_and_every_parameter_is_among_them(name: str) -> None:
    twin = experiments.twin(name)
    rows = [row for objective in objectives(twin, twin.build()[0]) for row in rows_of(twin, objective)]
    assert [r.name for r in rows if not r.error <= ONE_STEP["float64"]] == []
    learned = {f"gradient of {n}" for n, p in twin.build()[0].named_parameters() if p.requires_grad}
    assert learned <= {r.name for r in rows if r.back}
    if isinstance(twin.build()[0], StraightLine):
        ours, (x, _) = twin.build()[0], at_random(twin, None, OPTIONS).batches[0]
        assert set(ours.values(x)) | {"loss"} == {r.name for r in rows if not r.back}
        assert {r.name for r in rows if r.back and r.name.startswith("dL_d")}


def test_the_order_is_that_of_computation_and_then_of_the_way_back() -> None:
    assert [r.name for r in rows_of(CORNERS)] == [
        "z1", "h", "z2", "loss",
        "dL_dz2", "gradient of W2", "gradient of b2", "dL_dh", "dL_dz1", "gradient of W1", "gradient of b1",
    ]  # fmt: skip
    assert [r.name for r in rows_of(MLP)] == [
        "fc1", "relu", "dropout", "fc2", "loss",
        "dL_d fc2", "gradient of fc2.weight", "gradient of fc2.bias", "dL_d dropout", "dL_d relu", "dL_d fc1",
        "gradient of fc1.weight", "gradient of fc1.bias",
    ]  # fmt: skip


def test_a_module_that_is_called_again_is_told_apart_and_a_look_leaves_nothing_behind() -> None:
    pair = at_random(PLAYERS, None, OPTIONS)
    before = {n: b.copy() for n, b in pair.ours.state_dict().items()}
    names = [r.name for r in look(pair.twin, pair.ours, pair.theirs, pair.batches[0], "d_loss")]
    assert {"d.0", "d.0 (2)", "dL_d d.2", "dL_d d.2 (2)", "gradient of d.0.weight"} <= set(names)
    assert names.index("dL_d d.2 (2)") < names.index("dL_d d.2")  # last call first
    assert all(np.array_equal(before[n], b) for n, b in pair.ours.state_dict().items())
    assert not any(p.has_grad for p in pair.ours.parameters())
    assert not any(p.grad is not None for p in pair.theirs.parameters())
    pair.ours.check_nothing_saved()


def test_of_several_outputs_each_has_its_own_gradient_and_one_that_nothing_used_has_none() -> None:
    """A recurrent layer's states and its last state: of the encoder both are used, of the decoder the first alone."""
    pair = at_random(experiments.twin("seq2seq"), None, OPTIONS)
    back = {r.name: r for r in look(pair.twin, pair.ours, pair.theirs, pair.batches[0]) if r.back}
    N = len(pair.batches[0][0])
    assert {n: r.hand.shape for n, r in back.items() if "coder" in n and n.startswith("dL_d")} == {
        "dL_d decoder": (N, 8, 64),
        "dL_d encoder": (N, 8, 64),
        "dL_d encoder (2)": (1, N, 64),
    }
    assert max(r.error for r in back.values()) < 1e-12


def test_statistics_that_a_forward_moves_are_put_back() -> None:
    pair = at_random(CNN, None, OPTIONS)
    before = [to_numpy(dict(side.named_buffers())) for side in (pair.ours, pair.theirs)]
    look(pair.twin, pair.ours, pair.theirs, pair.batches[0])
    for side, buffers in zip((pair.ours, pair.theirs), before, strict=True):
        assert same(to_numpy(dict(side.named_buffers())), buffers)


def test_objectives_are_the_twins_or_the_training_step() -> None:
    ours, _ = MLP.build()
    assert objectives(MLP, ours) == ("training_step",)
    assert objectives(PLAYERS, PLAYERS.build()[0]) == ("d_loss", "g_loss")


# ---- what is wrong -----------------------------------------------------------------------------------


def wrong(twin: Twin) -> tuple[str, list[str]]:
    """The first wrong tensor and what it is, and the names of all wrong ones."""
    lines = explain(rows_of(twin), "float64")
    first = next(line for line in lines if line.first)
    assert sum(line.first for line in lines) == 1
    assert (first_wrong(lines) or "").startswith(f"{sum(line.right for line in lines)} of {len(lines)} tensors are right.")
    return f"{first.name}: {first.what}", [line.name for line in lines if not line.right]


def test_the_first_wrong_tensor_is_named_and_what_it_is() -> None:
    first, all_wrong = wrong(broken(MLP, linear("fc2", dL_dx=lambda W, x, d: -d @ W)))
    assert first == "dL_d dropout: −1 times torch's"
    assert all_wrong == ["dL_d dropout", "dL_d relu", "dL_d fc1", "gradient of fc1.weight", "gradient of fc1.bias"]
    first, all_wrong = wrong(broken(MLP, become("relu", NoMask)))
    assert first == "dL_d fc1: not masked: right wherever torch's is not 0"
    assert wrong(broken(CORNERS, straight(z1=lambda g, v: 2 * g["z1"]))) == ("dL_dz1: 2 times torch's", ["dL_dz1"])
    assert wrong(broken(CORNERS, straight(W1=lambda g, v: g["W1"] * 3)))[0] == "gradient of W1: (N = 3) times torch's"
    assert wrong(broken(CORNERS, straight(W2=lambda g, v: g["b2"] + 0 * g["W2"])))[1] == ["gradient of W2"]


def forgets(name: str) -> Callable[[Any], None]:
    def break_(model: Any) -> None:
        forward, loss, backward = model.functions
        model.functions = forward, loss, lambda *a, **k: {n: g for n, g in backward(*a, **k).items() if n != name}

    return break_


def test_a_forgotten_gradient_is_missing_and_an_unknown_one_is_refused() -> None:
    assert wrong(broken(CORNERS, forgets("b1"))) == ("gradient of b1: missing by hand", ["gradient of b1"])
    found, _ = fit(broken(CORNERS, forgets("b1")), 2, data=CORNERS.make_data())
    assert found.judge.failure == "step 0: gradient b1 is missing by hand"
    with pytest.raises(HandRaised, match=r"returns the gradient of zz, which is neither a parameter nor a value of forward"):
        fit(broken(CORNERS, straight(zz=lambda g, v: g["b1"])), 2, data=CORNERS.make_data())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_a_wrong_gradient_is(dtype: str) -> None:
    rng = np.random.default_rng(0)
    b, square, other = (rng.normal(size=s).astype(dtype) for s in ((5, 7), (6, 6), (5, 7)))
    rows = rng.normal(size=(9, 5, 7)).astype(dtype)
    half, mask = b.copy(), rng.random((5, 7)) > 0.4
    half[2:] += 1
    sizes = {"N": 11}
    cases: list[tuple[Any, Any, str | None]] = [
        (-b, b, "−1 times torch's"), (2 * b, b, "2 times torch's"), (b / 2, b, "1/2 times torch's"), (11 * b, b, "(N = 11) times torch's"),
        (b / 11, b, "1/(N = 11) times torch's"), (b * 7**0.5, b, "√(7, the length of its axis 1,) times torch's"),
        (1.3 * b, b, "1.3 times torch's"),
        (0 * b, b, "0 everywhere"), (square.T, square, "transposed"), (b.T, b, "transposed"),
        (rows, rows.sum(axis=0), "not summed over axis 0"),
        (rows, rows.mean(axis=2), "not averaged over axis 2"), (b.sum(axis=0), b, "summed over axis 0, which torch's still has"),
        (b[:, :, None], b, "not summed over axis 2"), (b.ravel(), b, "right but for its shape, (35,) in place of (5, 7)"),
        (np.ones((2, 3), dtype), b, "of shape (2, 3) in place of (5, 7)"), (b, b * mask, "not masked: right wherever torch's is not 0"),
        (b * mask, b, "0 in places where torch's is not"), (half, b, "right in 2 of 5 rows (0 and 1)"), (other, b, "V's gradient"),
        (np.full((5, 7), np.nan, dtype), b, "not finite"), (None, b, "missing by hand"), (b, None, "unknown to torch"),
        (rng.normal(size=(5, 7)).astype(dtype), b, None),
    ]  # fmt: skip
    for a, right, expected in cases:
        assert diagnose(a, right, {"V": other}, sizes) == expected


def test_what_an_optimizer_made_wrong_is_told_by_its_own_shape_and_not_by_a_number_of_examples() -> None:
    b = np.random.default_rng(0).normal(size=(5, 7))
    hand, in_torch = (Step(1.0, {}, {"W": factor * b, "V": b}) for factor in (5, 1))
    rows = explanation.rows_of(Judge().step(0, hand, in_torch), tensors_of(hand), tensors_of(in_torch))
    lines = {line.name: line for line in explain(rows, "float64")}
    assert list(lines) == ["the loss", "parameter W", "parameter V"]
    assert lines["parameter W"].what == "(5, the length of its axis 0,) times torch's"
    assert [name for name, line in lines.items() if not line.right] == ["parameter W"]


def test_of_what_was_logged_several_times_the_last_is_told() -> None:
    hand, in_torch = np.array([1.0, 2.0, 3.5]), np.array([1.0, 2.0, 4.0])
    assert explanation.numbers(Row("metric loss/val", True, hand, in_torch, 1.0)) == "3.5 by hand, 4 in torch"
    assert explanation.numbers(Row("metric loss/val", True, hand, None, 1.0)) is None
    assert explanation.numbers(Row("metric loss/val", True, hand[:0], in_torch, 1.0)) is None
    assert explanation.numbers(Row("gradient of W", True, hand, in_torch, 1.0)) is None


@pytest.mark.parametrize(("names", "small"), [(("W", "b"), 1e-9), (("b", "W"), 1.0)], ids=["after a large one", "before it"])
def test_a_gradient_is_measured_among_the_largest_that_came_before_it(
    names: tuple[str, str], small: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_torch = {"W": np.array([1.0]), "b": np.array([1e-12])}
    sides = [{f"gradient of {name}": factor * in_torch[name] if name == "b" else in_torch[name] for name in names} for factor in (2, 1)]
    hand, theirs = (Side({"loss": np.asarray(1.0)}, gradients) for gradients in sides)
    monkeypatch.setattr(looking, "by_hand", lambda *_: hand)
    monkeypatch.setattr(looking, "by_autograd", lambda *_: theirs)
    rows = {r.name: r.error for r in look(SimpleNamespace(naming=None), None, SimpleNamespace(device="cpu"), ())}
    assert rows == {"loss": 0.0, "gradient of W": 0.0, "gradient of b": pytest.approx(small)}


# ---- exceptions --------------------------------------------------------------------------------------


def product(x: np.ndarray, W: np.ndarray) -> np.ndarray:
    return x.T @ W.T


def added(x: np.ndarray, W: np.ndarray) -> np.ndarray:
    x += W
    return x


def inverted(x: np.ndarray) -> np.ndarray:
    return np.linalg.inv(x)


def look_up(table: dict[str, int], key: str) -> int:
    return table[key]


def test_an_exception_is_told_with_its_line_and_the_shapes() -> None:
    x, W = np.ones((3, 4)), np.ones((5, 6))
    told = r"step 7: by hand, mine: product, test_look\.py:\d+: return x\.T @ W\.T \[x\.T \(4, 3\), W\.T \(6, 5\)\]: ValueError: matmul"
    with pytest.raises(HandRaised, match=told), raising("step 7", "mine"):
        product(x, W)
    told = r"added, test_look\.py:\d+: x \+= W \[x \(3, 4\), W \(5, 6\)\]: ValueError: "
    with pytest.raises(HandRaised, match=told), raising("step 7", "mine"):
        added(x, W)
    told = r"step 7: by hand, mine: inverted, test_look\.py:\d+: return np\.linalg\.inv\(x\) \[x \(3, 4\)\]: LinAlgError: "
    with pytest.raises(HandRaised, match=told), raising("step 7", "mine"):  # raised within NumPy, told where NumPy was called
        inverted(x)
    told = r"step 1: by hand, mine: look_up, test_look\.py:\d+: return table\[key\]: KeyError: 'no'"
    with pytest.raises(HandRaised, match=told), raising("step 1", "mine"):
        look_up({}, "no")


def test_an_exception_without_a_line_of_ours_is_told_by_its_kind_and_the_first_line_of_its_message() -> None:
    assert where_and_what(ValueError("no number\nsays NumPy")) == "ValueError: no number"
    assert where_and_what(KeyError()) == "KeyError: "


# ---- what is printed ---------------------------------------------------------------------------------

SHORT = ("--model.hidden", "10", "--data.batch_size", "289", "--trainer.max_epochs", "2")


def no_sum(model: Any) -> None:
    """b2's gradient without its sum over the rows."""
    forward, loss, backward = model.functions

    def wrong(x: np.ndarray, y: np.ndarray, **values: Any) -> dict[str, np.ndarray]:
        found = backward(x, y, **values)
        return {**found, "b2": found["z2"]}

    model.functions = forward, loss, wrong


def test_check_and_run_show_the_way_back_and_end_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    use(monkeypatch, undrawn(broken(MLP, linear("fc2", dL_dx=lambda W, x, d: -d @ W))))
    status, _, err = command("check", "digits_mlp", "--steps", "2")
    assert status == DISAGREE
    assert "8 of 13 tensors are right. The first wrong one is dL_d dropout: it is −1 times torch's." in err
    status, out, _ = command("run", "digits_mlp", *SHORT, "--trainer.default_root_dir", str(tmp_path))
    assert status == DISAGREE
    assert "The first wrong one is dL_d dropout: it is −1 times torch's." in out
    assert "They disagree. First at step 0: gradient fc1." in out
    use(monkeypatch, undrawn(broken(CORNERS, no_sum)))
    status, _, err = command("check", "hidden_layer", "--steps", "2")
    assert status == DISAGREE
    assert "backward: the gradient of b2 must have its shape (1,), got (4, 1)" in err
    assert "The first wrong one is gradient of b2: it is not summed over axis 0." in err


def worse(model: Any) -> None:
    """A validation that takes the least likely digit."""
    right = model.log
    model.log = lambda name, value, batch_size=None: right(name, 1 - value if name == "accuracy/val" else value, batch_size)


def test_a_wrong_validation_is_a_disagreement(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    use(monkeypatch, undrawn(broken(MLP, worse)))
    assert command("check", "digits_mlp", "--steps", "3")[0] == DISAGREE
    status, out, _ = command("run", "digits_mlp", *SHORT, "--trainer.default_root_dir", str(tmp_path))
    assert status == DISAGREE
    assert "They disagree. First at the validation after step 4: metric accuracy/val differs by" in out
    assert re.search(r"1 of 2 numbers are right\. The first wrong one is metric accuracy/val: it is 0\.\d+ by hand, 0\.\d+ in torch\.", out)
    report = json.loads((tmp_path / "digits_mlp" / "version_0" / "report.json").read_text())
    assert report["passed"] is False
    assert report["error"]["metric"] > 0.01


@pytest.mark.parametrize("change", ["by hand", "in torch", "another mean"])
def test_what_only_one_side_logs_and_means_with_other_weights_are_disagreements(change: str) -> None:
    def break_(model: Any) -> None:
        right, log = model.validation_step, model.log
        if change == "by hand":
            model.validation_step = lambda batch, i: (right(batch, i), model.log("more", 1.0))
        elif change == "in torch":
            model.log = lambda name, *rest: None if name == "loss/val" else log(name, *rest)
        else:
            model.log = lambda name, value, batch_size=None: log(name, value, 1)

    data = small_data(MLP, n_val=17)
    data.val_batch_size = 7
    found, _ = fit(broken(MLP, break_), 6, data=data, limit_val_batches=None)
    words = {"by hand": "metric more is missing in torch", "in torch": "metric loss/val is missing by hand", "another mean": "metric"}
    assert words[change] in (found.judge.failure or "")
    assert fit(MLP, 6, data=data, limit_val_batches=None)[0].judge.passed


def test_the_noise_of_a_trace_is_that_of_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    class Noted(LockStep):
        def on_fit_start(self, *arguments: Any) -> None:
            super().on_fit_start(*arguments)
            seeds.append(self.noise.seed)

    monkeypatch.setattr(trace, "LockStep", Noted)
    assert command("trace", "digits_mlp", "--seed", "7")[0] == AGREE
    assert seeds == [7]


def test_trace_shows_a_step_and_marks_the_first_wrong_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = command("trace", "hidden_layer", "--step", "3")
    assert status == AGREE
    assert "hidden_layer, step 3" in out
    assert "All 11 agree." in out
    status, out, _ = command("trace", "digits_mlp", "--json", "--dtype", "float32")
    rows = json.loads(out)
    assert status == AGREE
    assert [r["way"] for r in rows] == ["forward"] * 5 + ["back"] * 8
    assert all(r["right"] and r["digits"] > 5 and r["by_hand"] == pytest.approx(r["torch"], rel=1e-4) for r in rows)
    assert rows[0]["shape"] == [32, 128]
    use(monkeypatch, undrawn(broken(CORNERS, straight(z1=lambda g, v: -g["z1"]))))
    status, out, _ = command("trace", "hidden_layer")
    assert status == DISAGREE
    assert "← first wrong" in out
    status, out, _ = command("trace", "hidden_layer", "--json")
    assert [r["name"] for r in json.loads(out) if not r["right"]] == ["dL_dz1"]
    assert command("trace", "hidden_layer", "--step", "-1")[0] == BAD_INPUT
    assert command("trace", "hidden_leyer")[0] == BAD_INPUT


def test_a_training_that_fails_is_said_to_have_failed_beside_they_agree(tmp_path: Any) -> None:
    status, out, _ = command("run", "derivatives", "--model.lr", "1.7", "--trainer.default_root_dir", str(tmp_path))
    assert status == AGREE
    assert "Training failed: the loss began at" in out
    status, out, _ = command("run", "one_weight", "--trainer.default_root_dir", str(tmp_path))
    assert "Training failed" not in out
    from experiments.lockstep import Record

    def losses(*values: float) -> list[Record]:
        return [Record(i, v, v, 0.0, 0.0, 0.0, 0) for i, v in enumerate(values)]

    assert training_failed(losses(*[1.0] * 20)) is None
    assert training_failed(losses(1.0, *[2.0] * 30)) is not None
    assert training_failed(losses(-5.0, *[-6.0] * 30)) is None
    assert training_failed(losses(1.0, 1.5)) is None  # two batches prove nothing
    assert training_failed(losses(1.0, 15.0)) is not None
    assert training_failed([]) is None


def test_intermediates_are_judged_alone_too() -> None:
    rows = rows_of(CORNERS)
    hand, in_torch, errors = intermediates(rows)
    assert set(hand) == set(in_torch) == set(errors) == {"z1", "h", "z2", "dL_dz2", "dL_dh", "dL_dz1"}
    found, _ = fit(broken(CORNERS, straight(h=lambda g, v: g["h"] * (1 + 1e-6))), 3, data=CORNERS.make_data())
    assert (found.judge.failure or "").startswith("step 0: intermediate dL_dh differs by 1.0e-06")
    assert found.judge.steps == 3


def test_the_number_of_examples_is_the_length_of_the_first_value_in_torch() -> None:
    x = np.ones((3, 4))
    rows = [
        Row("dL_dz", True, x[:2], x[:2], 0.0),
        Row("only by hand", False, np.ones(7), None, np.inf),
        Row("scale", False, np.asarray(2.0), np.asarray(2.0), 0.0),
        Row("z", False, np.ones(9), torch.ones(3, 4), 0.0),
        Row("loss", False, 1.0, 1.0, 0.0),
        Row("h", False, np.ones(6), np.ones(6), 0.0),
    ]
    assert sizes_of(rows) == {"N": 3}
    assert sizes_of(rows[:3]) == sizes_of([]) == {}


def test_gradients_of_parameters_stand_after_the_output_of_their_module_and_the_concepts_own_last() -> None:
    back = {"dL_d fc2": 1, "dL_d fc1 (2)": 2, "dL_d fc1": 3, "dL_d block.fc": 4}
    learned = {"scale": 5, "shift": 6, "fc1.weight": 7, "fc1.bias": 8, "fc2.weight": 9, "block.fc.weight": 10, "block.own": 11}
    assert list(with_parameters(back, learned).items()) == [
        ("dL_d fc2", 1), ("gradient of fc2.weight", 9),
        ("dL_d fc1 (2)", 2), ("gradient of fc1.weight", 7), ("gradient of fc1.bias", 8),
        ("dL_d fc1", 3),
        ("dL_d block.fc", 4), ("gradient of block.fc.weight", 10),
        ("gradient of block.own", 11), ("gradient of shift", 6), ("gradient of scale", 5),
    ]  # fmt: skip


def test_calls_are_numbered_as_they_came_and_on_the_way_back_from_the_last() -> None:
    calls = Calls()
    x = np.zeros(1)
    for i, name in enumerate(("a", "b", "a", "a")):
        x[0] = i
        calls.add(name, x)
    assert [(name, float(v[0])) for name, v in calls.named().items()] == [("a", 0), ("b", 1), ("a (2)", 2), ("a (3)", 3)]
    back = [(name, float(v[0])) for name, v in calls.of_the_way_back().items()]
    assert back == [("dL_d a (3)", 0), ("dL_d b", 1), ("dL_d a (2)", 2), ("dL_d a", 3)]


def test_rows_have_what_both_sides_have_and_every_parameter() -> None:
    hand, theirs = {"z": 1, "mine": 2, "gradient of W": 3}, {"z": 1, "other": 2, "gradient of b": 4}
    assert in_order(hand, theirs) == ["z", "gradient of W", "gradient of b"]
    found = looking.row("n", False, {"n": 2.0}, {"n": np.float32(2.0)}, 0.0)
    assert (found.hand.dtype, found.error) == (np.float32, 0.0)  # a plain number has no dtype to be wrong
    assert looking.row("n", True, {"n": np.ones(2, np.float32)}, {"n": np.ones(2)}, 1.0).error == np.inf
    assert looking.row("n", True, {"n": np.array([1.5])}, {"n": np.array([1.0])}, 1e6).error == 0.5 / (1e6 * 1e-3)


def test_of_rows_those_are_named_that_are_fewer() -> None:
    assert which([True, False]) == " (0)"
    assert which([False] * 6 + [True, False, True, True]) == " (6, 8 and 9)"
    assert which([True] * 7 + [False, True, False]) == " (7 and 9 wrong)"
    assert which([True, False] * 5) == ""
